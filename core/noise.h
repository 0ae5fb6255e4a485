/* noise: Noise_IK_25519_ChaChaPoly_BLAKE2b (Noise Protocol Framework, revision 34).
 *
 *     <- s
 *     ...
 *     -> e, es, s, ss, payload
 *     <- e, ee, se, payload
 *
 * Only the pattern: no timestamps, no MACs, no framing. Each function works on a copy of the state
 * and commits only on full success, so a forged message leaves a handshake as it was. A message out
 * of order is OV_ESTATE. `out` and `payload` are undefined after an error. */
#ifndef OV_CORE_NOISE_H
#define OV_CORE_NOISE_H

#include "crypto.h"

struct ov_noise {
    uint8_t ck[OV_HASH_LEN], h[OV_HASH_LEN];
    uint8_t k[32];
    uint64_t n;
    bool has_key;
    struct ov_dh_secret s, e;
    struct ov_dh_public s_pub, e_pub; /* ours */
    struct ov_dh_public rs, re;       /* theirs */
};

/* Message lengths beyond the payload: e + encrypted s + payload tag; e + payload tag. */
#define OV_NOISE_MSG1_LEN (32 + 48 + 16)
#define OV_NOISE_MSG2_LEN (32 + 16)

void ov_noise_init_initiator(struct ov_noise *hs, const void *prologue, size_t plen,
                             const struct ov_dh_public *s_pub, const struct ov_dh_secret *s,
                             const struct ov_dh_public *rs);
void ov_noise_init_responder(struct ov_noise *hs, const void *prologue, size_t plen,
                             const struct ov_dh_public *s_pub, const struct ov_dh_secret *s);
/* Initiator, 1st message. `e_seed` is 32 fresh random bytes: the raw X25519 secret of the ephemeral
 * key (clamped by X25519 itself), as the published test vectors give it. out: len +
 * OV_NOISE_MSG1_LEN bytes. OV_EAUTH when the remote key is a low-order point. */
OV_CHECK int ov_noise_write1(struct ov_noise *hs, const uint8_t e_seed[32], const void *payload,
                             size_t len, uint8_t *out);
/* Responder: reads it; on success hs->rs is the initiator's static key and `payload` (room for
 * len - OV_NOISE_MSG1_LEN) is filled. OV_ETRUNC, OV_EAUTH. */
OV_CHECK int ov_noise_read1(struct ov_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload);
/* Responder, 2nd message. out: len + OV_NOISE_MSG2_LEN bytes. */
OV_CHECK int ov_noise_write2(struct ov_noise *hs, const uint8_t e_seed[32], const void *payload,
                             size_t len, uint8_t *out);
OV_CHECK int ov_noise_read2(struct ov_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload);
/* After message 2: the two transport keys, and the handshake hash h for channel binding. */
void ov_noise_split(const struct ov_noise *hs, uint8_t initiator_to_responder[32],
                    uint8_t responder_to_initiator[32]);
void ov_noise_wipe(struct ov_noise *hs);

#endif
