/* cookie: denial-of-service MACs as in WireGuard (whitepaper section 5.4.7).
 *
 * mac1 = BLAKE2b-128(key = BLAKE2b-256("ovpn mac1 v1" || responder's x_pub), message up to mac1):
 * only somebody who knows whom he calls gets any answer. mac2 is keyed by a cookie that the
 * responder, under load, gave to that source address; it proves return routability without state.
 * The responder's cookie secret changes every 120 s. */
#ifndef OV_CORE_COOKIE_H
#define OV_CORE_COOKIE_H

#include "crypto.h"

#define OV_MAC_LEN            16
#define OV_MACS_LEN           32 /* mac1 || mac2, the end of both handshake messages */
#define OV_COOKIE_REPLY_LEN   (24 + 16 + OV_TAG_LEN) /* nonce, sealed cookie */
#define OV_COOKIE_SECRET_LIFE (120 * OV_SEC)

/* Responder. One for each node. */
struct ov_cookie_checker {
    uint8_t mac1_key[32], cookie_key[32];
    struct ov_secret32 secret;
    ov_time secret_born;
};
enum ov_mac_state { OV_MAC_INVALID, OV_MAC_VALID, OV_MAC_VALID_WITH_COOKIE };

void ov_cookie_checker_init(struct ov_cookie_checker *c, const struct ov_dh_public *own);
/* `msg` is a whole handshake message with its OV_MACS_LEN at the end; `source` is the canonical
 * bytes of the sender's transport address. Renews the secret when it is due. */
enum ov_mac_state ov_cookie_check(struct ov_cookie_checker *c, const struct ov_random *rnd,
                                  const uint8_t *msg, size_t len, const void *source, size_t slen,
                                  ov_time now);
/* The reply for a message with a valid mac1. */
void ov_cookie_reply(struct ov_cookie_checker *c, const struct ov_random *rnd, const uint8_t *msg,
                     size_t len, const void *source, size_t slen, ov_time now,
                     uint8_t out[OV_COOKIE_REPLY_LEN]);

/* Initiator (also used for responses). One for each peer. */
struct ov_cookie_maker {
    uint8_t mac1_key[32], cookie_key[32];
    uint8_t cookie[16];
    uint8_t last_mac1[OV_MAC_LEN];
    ov_time cookie_born; /* 0: none */
    bool sent_mac1;
};
void ov_cookie_maker_init(struct ov_cookie_maker *m, const struct ov_dh_public *remote);
/* Fill the last OV_MACS_LEN bytes of `msg`. */
void ov_cookie_mac(struct ov_cookie_maker *m, uint8_t *msg, size_t len, ov_time now);
/* OV_EAUTH unless it answers the last mac1 we sent. */
OV_CHECK int ov_cookie_consume(struct ov_cookie_maker *m, const uint8_t reply[OV_COOKIE_REPLY_LEN],
                               ov_time now);

#endif
