/* enemy: who attacks. On the wire: somebody who sees all that crosses the internet, keeps copies,
 * breaks, delays, diverts, replays and forges; somebody far away who floods and spoofs. And nodes:
 * a member, a member of another network only, a stranger with the papers of another controller, a
 * root; all of these run a real engine, past which they send what they like.
 *
 * What lies on the path only (corrupting, holding back, diverting) ends when faults do; the rest
 * goes on for ever. */
#ifndef OV_TESTS_ENEMY_H
#define OV_TESTS_ENEMY_H

#include "safety.h"

enum enemy_kind {
    ENEMY_CORRUPT, /* bits, lengths */
    ENEMY_HOLD,    /* late, and so in another order */
    ENEMY_HIJACK,  /* an authentic datagram, from elsewhere than it was sent */
    ENEMY_DIVERT,  /* another destination in a relay header */
    ENEMY_REPLAY,
    ENEMY_FORGE, /* what was seen, with changes; garbage */
    ENEMY_SPOOF, /* first contacts in the name of a victim */
    ENEMY_FLOOD, /* handshakes of new identities, all of them genuine */
    ENEMY_MUTE,  /* handshakes without a valid mac1 */
    ENEMY_MEMBER,
    ENEMY_GUEST, /* member of another network of the same controller */
    ENEMY_STRANGER,
    ENEMY_ROOT,
    ENEMY_KINDS
};
extern const char *const enemy_names[ENEMY_KINDS];

#define ENEMY_KEPT  64
#define ENEMY_BYTES 2048

struct enemy_copy {
    struct ov_endpoint from, to;
    const struct sim_node *src;
    size_t len;
    uint8_t data[ENEMY_BYTES];
};

struct enemy {
    struct sim *s;
    struct safety *safety;
    uint64_t random;
    unsigned kinds; /* bits */
    bool on_path;
    struct sim_site *own, *mute, *victim;
    struct enemy_copy kept[ENEMY_KEPT];
    size_t nkept;
    struct ov_identity_secret self;       /* of floods: each nonce makes another identity */
    struct ov_identity_secret controller; /* of another network */
    ov_netid net;                         /* attacked */
    struct sim_node *member, *guest, *stranger, *root;
    uint8_t old_cert[OV_CERT_MAX]; /* the first that the member had */
    size_t old_cert_len;
    ov_time stale; /* from then on it has no other one; 0: it renews it */
    uint32_t frames, floods;
    uint16_t port; /* of our own place, used last */
};

void enemy_init(struct enemy *e, struct sim *s, struct safety *safety, uint64_t seed, ov_netid net);
bool enemy_has(const struct enemy *e, enum enemy_kind k);
void enemy_step(struct enemy *e); /* every 100 ms or so */

/* ---- between its files ---- */
uint64_t enemy_pick(struct enemy *e, uint64_t n);
void enemy_wire_step(struct enemy *e);
void enemy_node_step(struct enemy *e);

#endif
