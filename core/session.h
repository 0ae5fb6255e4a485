/* session: the keys shared with one peer, and the handshakes that make them.
 *
 * As in WireGuard (whitepaper section 6) there are three key slots. The initiator of a handshake
 * uses its new key at once; the responder holds it as `next` until the first packet under it proves
 * that the initiator has it too. The previous key is kept for packets under way. When handshakes of
 * both sides cross, each has two new keys; of these the one whose initiator chose the lower index
 * stays current on both sides, so that one side only makes the next ones. Keys are replaced
 * after OV_REKEY_AFTER or OV_REKEY_MESSAGES and refused after OV_REJECT_AFTER; everything is wiped
 * when idle. */
#ifndef OV_CORE_SESSION_H
#define OV_CORE_SESSION_H

#include "engine.h"
#include "replay.h"
#include "twins.h"

#define OV_REKEY_AFTER     (120 * OV_SEC)
#define OV_REJECT_AFTER    (180 * OV_SEC)
#define OV_WIPE_AFTER      (540 * OV_SEC)
#define OV_REKEY_MESSAGES  (1ull << 60)
#define OV_REJECT_MESSAGES (UINT64_MAX - (1ull << 13))

/* Packets that come in order touch one line of memory, from the end of the window to the keys
 * (asserted in session.c), and of the expanded key what their length needs. */
struct ov_keypair {
    struct ov_replay replay;
    struct ov_index index; /* ours: what the peer puts into its packets */
    ov_time born;
    uint64_t counter;
    uint32_t remote; /* the peer's */
    bool initiator;
    struct ov_aead_key recv, send;
    /* The hop that relays for us, or that we relay for, uses these. */
    uint8_t relay_send[16], relay_recv[16];
    uint64_t relay_counter;
    struct ov_replay *relay_replay; /* made on first use */
    ov_time begun;                  /* when our half of its handshake was made */
};

struct ov_handshake {
    struct ov_noise noise;
    struct ov_index index;
    ov_time begun;
};

struct ov_session {
    struct ov_keypair *current, *next, *previous;
    struct ov_handshake *hs; /* initiated by us, waiting for the answer */
    struct ov_cookie_maker macs;
    enum ov_aead aead;
    struct ov_twins twins; /* the starts of the peer, and the stamps of its initiations */
};

void ov_session_init(struct ov_session *s, const struct ov_identity *remote);
/* Wipes all keys and the handshake. */
void ov_session_clear(struct ov_engine *e, struct ov_session *s);
/* Only the keys: a handshake under way goes on. */
void ov_session_wipe_keys(struct ov_engine *e, struct ov_session *s);

/* An INITIATION from us to `p`, whose identity is `remote`. Replaces a handshake under way. */
OV_CHECK int ov_session_initiate(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                                 const struct ov_identity *remote, uint8_t out[OV_INITIATION_LEN]);
/* The RESPONSE to an initiation that node has opened into `hs` (whose peer and stamp have been
 * checked): makes the key pair `next`. */
OV_CHECK int ov_session_respond(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                                struct ov_noise *hs, const struct ov_initiation *init,
                                uint32_t sender, uint8_t out[OV_RESPONSE_LEN]);
/* Our handshake is answered: the key pair becomes current. OV_EAUTH leaves all as it was. */
OV_CHECK int ov_session_finish(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                               const uint8_t *msg, size_t len, struct ov_response *resp);
/* An authenticated packet came under `kp`: confirm `next`. True when that made it current; false
 * too when handshakes crossed and the current one stays. */
bool ov_session_confirm(struct ov_engine *e, struct ov_session *s, struct ov_keypair *kp);

/* The key pair to send under, or NULL: none, or too old. */
struct ov_keypair *ov_session_sender(struct ov_engine *e, struct ov_session *s);
/* Should we make new keys, being about to send? Only the initiator of the current ones does so by
 * age. */
bool ov_session_wants_rekey(const struct ov_engine *e, const struct ov_session *s);
bool ov_keypair_expired(const struct ov_engine *e, const struct ov_keypair *kp);

/* Seal a message into a DATA datagram of len + OV_DATA_OVERHEAD bytes at `out`. */
void ov_keypair_seal(struct ov_keypair *kp, const uint8_t *msg, size_t len, uint8_t *out);
/* Open a DATA datagram in place; on success *msg points into it. OV_EREPLAY, OV_EAUTH. */
OV_CHECK int ov_keypair_open(struct ov_keypair *kp, uint8_t *datagram, size_t len, uint8_t **msg,
                             size_t *mlen);
/* A packet will be opened, or sealed, under `kp` soon. */
void ov_keypair_prefetch_open(const struct ov_keypair *kp);
void ov_keypair_prefetch_seal(const struct ov_keypair *kp);
/* Write the relay header for `addr`; check one that came in. OV_EAUTH, OV_EREPLAY, OV_ENOMEM. */
void ov_keypair_relay_header(struct ov_keypair *kp, ov_addr addr, bool relayed,
                             uint8_t out[OV_RELAY_HEADER]);
OV_CHECK int ov_keypair_relay_check(struct ov_keypair *kp, const uint8_t *header,
                                    const struct ov_relay *r);

#endif
