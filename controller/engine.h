/* engine: what the files of the controller share. Nobody outside controller/ includes it.
 *
 * The clock of what is signed. Certificates, configurations and revocations are ordered by their
 * timestamps, so these come from one clock that only moves forward, whatever the wall clock does:
 * max(wall, last + 1). `last` is stored with each use but may be lost in a power cut; `reserved` is
 * an upper bound of it that is on the disk before a timestamp above it is given out, moved a minute
 * at a time. A revocation must be later than every certificate before it, also those of a life that
 * ended in a power cut, so it starts at the bound found at start. */
#ifndef OV_CONTROLLER_ENGINE_H
#define OV_CONTROLLER_ENGINE_H

#include "controller.h"

#include "core/map.h"
#include "core/ratelimit.h"

#define OV_ENGINE_NETS_CACHED 1024 /* at the maximum all are forgotten */
#define OV_ENGINE_SOURCES     8192 /* asking nodes watched for their rate */
#define OV_ENGINE_REPLY_MAX   (OV_CONFIG_MAX + OV_CERT_MAX + 128)
#define OV_ENGINE_REVOCATIONS 512 /* most that one reply brings along */

/* What is remembered of a network between calls; all of it can be made again. */
struct ov_net_cache {
    uint64_t revision; /* of `config`; 0: none */
    ov_wall signed_at; /* its timestamp */
    ov_wall pushed;    /* when all members last got certificates unasked; 0: not known */
    size_t len;
    uint8_t config[OV_CONFIG_MAX];
    uint32_t free_from[OV_POOLS_MAX]; /* every host of the pool below this index is taken */
};

/* What an enemy could have logged as often as he likes. */
enum ov_engine_told { OV_TOLD_CROWD, OV_TOLD_WAITING, OV_TOLD_POOL, OV_TOLD_COUNT };

struct ov_controller {
    struct ov_identity_secret identity;
    struct ov_store *store;
    struct ov_random random;
    struct ov_log log;
    void (*send)(void *arg, ov_addr to, const uint8_t *msg, size_t len);
    void *send_arg;
    uint8_t nroots;
    struct ov_net_root roots[OV_NET_ROOTS_MAX];
    bool roots_pending; /* given at start, and not yet brought into the networks */

    ov_wall last, reserved, floor; /* the clock: see above; floor: `reserved` as found at start */
    struct ov_ratelimit *limit;
    struct ov_bucket newcomers, invited; /* see admission.c */
    struct ov_bucket told[OV_TOLD_COUNT];
    ov_time uptime; /* what rates run on: the wall clock's steps forward */
    ov_wall seen;
    struct ov_map cache; /* netid -> struct ov_net_cache */
    struct ov_map left;  /* netid and address -> when, see leaving.c */
};

/* ---- controller.c ---- */

/* Write a sentence into `why` and return `err`. */
int ov_engine_fail(char why[256], int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed store: says what the store says. */
int ov_engine_store_fail(struct ov_controller *c, char why[256], int err);
/* The next timestamp for certificates and configuration. OV_EIO. */
OV_CHECK int ov_engine_stamp_config(struct ov_controller *c, ov_wall now, ov_wall *out);
/* ...and for a revocation: later than everything signed before. OV_EIO. */
OV_CHECK int ov_engine_stamp_revocation(struct ov_controller *c, ov_wall now, ov_wall *out);
/* The network's cache, made when missing; NULL without memory. Lives until the next call for
 * another. */
struct ov_net_cache *ov_engine_cache(struct ov_controller *c, ov_netid id);
void ov_engine_forget(struct ov_controller *c, ov_netid id);
/* Bring the roots given at start into the networks, once. */
void ov_engine_sync_roots(struct ov_controller *c, ov_wall now);

/* Give the record the roots that its members should use. `why` (NULL: no matter) and OV_EINVAL when
 * one that the owner chose is not known: then it is left out. */
int ov_engine_choose_roots(const struct ov_controller *c, struct ov_net_record *n, char why[256]);

/* The addresses of the members in one of the states of `mask` (1 << state). Free with free(). */
OV_CHECK int ov_engine_list(struct ov_controller *c, ov_netid id, unsigned mask, ov_addr **out,
                            size_t *n);

/* ---- push.c ---- */

void ov_engine_reply(struct ov_controller *c, ov_netid id, ov_addr to, enum ov_net_status status,
                     const char *name);
/* Configuration and a fresh certificate of time `stamp` to an admitted member. */
OV_CHECK int ov_engine_reply_ok(struct ov_controller *c, const struct ov_net_record *n,
                                const struct ov_member_record *m, ov_wall stamp);
/* The same to every admitted member, their addresses fitted to the network's settings first. */
void ov_engine_push(struct ov_controller *c, const struct ov_net_record *n, ov_wall now);
/* A revocation to every admitted member but the one it is about, and to the network's roots. */
void ov_engine_flood(struct ov_controller *c, const struct ov_net_record *n, ov_addr about,
                     ov_wall revoked);
/* The revocations since `after` to one member. */
void ov_engine_send_revocations(struct ov_controller *c, ov_netid id, ov_addr to, ov_wall after);

/* ---- addresses.c ---- */

struct ov_assigned {
    bool changed;
    bool taken; /* one that it had it has no more */
};

/* Fit the member's addresses to the network: keep those inside its pools, give one from a pool when
 * there is none, add or drop the IPv6 one. OV_EFULL: no address is left; OV_EIO. */
OV_CHECK int ov_engine_assign(struct ov_controller *c, const struct ov_net_record *n,
                              struct ov_member_record *m, struct ov_assigned *out);
/* The same of an admitted member, and store what changed. The certificates of one that an address
 * was taken from are revoked (m->revoked); *revoked: tell that once it has the new one. */
OV_CHECK int ov_engine_refit(struct ov_controller *c, const struct ov_net_record *n,
                             struct ov_member_record *m, ov_wall now, bool *revoked);

/* ---- admission.c ---- */

/* Set what requests are counted by; c->uptime is set. */
void ov_engine_limits(struct ov_controller *c);
/* Take one message's worth of the sender's rate. */
bool ov_engine_allowed(struct ov_controller *c, ov_addr from, ov_wall now);
/* Admit and store, with the invite used (or NULL), in one transaction; `m` is changed on success
 * only. */
OV_CHECK int ov_engine_admit(struct ov_controller *c, const struct ov_net_record *n,
                             struct ov_member_record *m, const struct ov_invite_record *used,
                             ov_wall now);

/* ---- leaving.c ---- */

/* Remember that a member left, and when. */
void ov_engine_gone(struct ov_controller *c, ov_netid id, ov_addr member, ov_wall now);
/* It asks, so it has not left. */
void ov_engine_back(struct ov_controller *c, ov_netid id, ov_addr member);
void ov_engine_forget_left(struct ov_controller *c);

#endif
