/* engine: what the parts of one node share: identity, clock, randomness, outputs, counters, tables.
 *
 * The ranks above hang their own state off `ops_arg`; the ranks here reach them only through `ops`.
 * `now` is sampled once for each turn by node.c. */
#ifndef OV_CORE_ENGINE_H
#define OV_CORE_ENGINE_H

#include "budget.h"
#include "cookie.h"
#include "extra.h"
#include "fragment.h"
#include "identity.h"
#include "index.h"
#include "local.h"
#include "log.h"
#include "map.h"
#include "natprofile.h"
#include "output.h"
#include "ratelimit.h"
#include "stats.h"
#include "timer.h"
#include "twins.h"
#include "wire.h"

struct ov_reflect;
struct ov_attempts;

/* What the ranks above know of a peer's membership in the networks that we are in. NONE: that there
 * is none, or none any more; UNKNOWN: nothing, as after a start. */
enum ov_tie { OV_TIE_NONE, OV_TIE_UNKNOWN, OV_TIE_MEMBER };

/* What rank 3 tells the ranks above. */
struct ov_engine_ops {
    /* An authenticated message that rank 3 does not know; `msg` starts with its type byte. */
    void (*message)(void *arg, struct ov_peer *p, uint8_t *msg, size_t len);
    /* A session stands. `fresh`: the other side may know nothing of what we told it before. */
    void (*session)(void *arg, struct ov_peer *p, bool fresh);
    /* A peer's end: nobody may point to it any more. */
    void (*forgotten)(void *arg, struct ov_peer *p);
    /* WHOIS answered: a proven identity. */
    void (*located)(void *arg, const struct ov_identity *id);
    /* Frames to `p` still go by relay: perhaps a member near both relays. May be NULL. */
    void (*relayed)(void *arg, struct ov_peer *p);
    /* May `from` have us relay to `to`, which is no root's business? NULL: nobody may. */
    bool (*may_relay)(void *arg, struct ov_peer *from, struct ov_peer *to);
    /* Is it a member of a network of ours now, its certificate agreeing with ours? */
    enum ov_tie (*tie)(void *arg, const struct ov_peer *p);
    /* The chosen way to a kept peer is another, or it was silent for OV_PATH_DOUBT. May be NULL. */
    void (*way)(void *arg, struct ov_peer *p);
    /* An IAM arrived: not proven yet. */
    void (*iam)(void *arg, const struct ov_iam *iam, uint16_t socket,
                const struct ov_endpoint *from);
    /* We want to reach this peer and have no direct way; may be NULL. */
    void (*seek)(void *arg, struct ov_peer *p);
};

/* A stream of ours to a root, up. */
struct ov_rootlink {
    struct ov_endpoint ep; /* family 0: free */
    uint64_t owner;        /* which root of root.h */
    struct ov_peer *peer;  /* NULL: who is there has not said yet */
};

#define OV_PEERS_DEFAULT 16384
/* Bytes of messages being put together in the whole node, and of these what is for peers that
 * nothing ties to us. */
#define OV_REASSEMBLY_TOTAL     (16u << 20)
#define OV_REASSEMBLY_STRANGERS (1u << 20)

/* Peers that functions further up the stack work on; they are not forgotten to make room. */
struct ov_busy {
    const struct ov_peer *peer;
    const struct ov_busy *outer;
};

struct ov_engine {
    struct ov_identity_secret id;
    uint8_t caps, aeads;
    uint16_t boot; /* random for each start */
    struct ov_twin_info twin;
    struct ov_pow pow;
    struct ov_random random;
    struct ov_log log;
    const struct ov_engine_ops *ops;
    void *ops_arg;

    ov_time now, born;
    const struct ov_busy *busy; /* the innermost; NULL: none */
    ov_wall wall_born;
    uint64_t stamp, stamp_stored; /* handshake stamps: last used; persisted bound */

    struct ov_timers timers;
    struct ov_outq out;
    struct ov_node_stats stats;

    struct ov_cookie_checker cookies;
    struct ov_bucket handshake_load; /* empty: under load, cookies wanted */
    struct ov_bucket answers;        /* to those who may not be where they say */
    struct ov_ratelimit *handshake_sources, *cookie_sources, *who_sources;
    struct ov_bucket pow_checks, pow_free; /* pow_free empty: strangers need a cookie */
    struct ov_ratelimit *stranger_sources;
    struct ov_bucket unproven; /* probes and openers to endpoints that have not answered yet */

    uint8_t socket_family[OV_SOCKETS_MAX]; /* 0: none */
    struct ov_local locals[OV_LOCALS_MAX];
    size_t nlocals;
    bool locals_told;          /* at least once */
    struct ov_endpoint mapped; /* what a router forwards to our IPv4 socket; family 0: nothing */

    uint64_t ended; /* counts peers, keys and members that were freed, for node_batch.c */
    struct ov_extras extras;
    struct ov_budget budget; /* of hard punching */
    struct ov_nat_profile nat;
    struct ov_reflect *reflect;
    struct ov_attempts *attempts;
    uint16_t reflect_port; /* of a root: that of OV_SOCKET_REFLECT; 0: none */
    ov_time udp_heard;     /* authenticated, by UDP, of a server or from afar; 0: not yet */
    ov_time changed;       /* since when we are in this network */
    ov_time moved;         /* a root saw us at another endpoint than before; 0: never */

    struct ov_rootlink links[OV_LINKS_MAX];
    struct ov_map served; /* of a root: number of a stream -> struct ov_served (peer_link.c) */

    size_t max_peers;
    struct ov_fragment_pool reassembly, reassembly_strangers;
    uint64_t relay_rate;
    /* Of a root, for those who are not of its own networks: see relay.c. */
    struct ov_bucket relay_strangers;
    struct ov_ratelimit *relay_sources, *relay_newcomers;
    bool volunteer;            /* relays for members of its networks, without being a root */
    struct ov_map peers;       /* address -> struct ov_peer */
    struct ov_map by_key;      /* first 16 bytes of the X25519 key -> struct ov_peer */
    struct ov_indices indices; /* of keypairs and handshakes */
    struct ov_peer *keep;      /* list of peers to stay connected with: roots, controllers */
};

OV_CHECK int ov_engine_init(struct ov_engine *e, const struct ov_identity_secret *id, uint8_t caps,
                            const struct ov_pow *pow, const struct ov_random *random,
                            const struct ov_log *log, size_t out_bytes, size_t max_peers,
                            ov_time now, ov_wall wall);
void ov_engine_free(struct ov_engine *e); /* peers must be gone */

void ov_drop(struct ov_engine *e, enum ov_drop why);
/* False: there was no room for it, which is counted. */
bool ov_emit(struct ov_engine *e, const struct ov_out_event *ev);
/* False: the outputs are full, it is not stored; what must be is tried again in another turn. */
bool ov_persist(struct ov_engine *e, enum ov_persist_kind kind, uint64_t id, const void *data,
                size_t len);
/* A number larger than any stamp this identity has used, restarts included. */
uint64_t ov_engine_stamp(struct ov_engine *e);
/* Persist a bound if none covers the last stamp: called in each turn, in case there was no room. */
void ov_engine_keep_stamp(struct ov_engine *e);
OV_CHECK int ov_engine_restore_stamp(struct ov_engine *e, const void *data, size_t len);
ov_wall ov_engine_wall(const struct ov_engine *e);

/* Is it one of this host's addresses, as the edge told them? */
bool ov_engine_is_local(const struct ov_engine *e, const struct ov_ip *ip);
/* Is it an address on a LAN that we are on, as far as addresses tell? Private, and in the /24
 * (IPv6: /64) of one of ours, or link-local. Two LANs may have the same numbers: only for who was
 * proven to be there. */
bool ov_engine_is_near(const struct ov_engine *e, const struct ov_ip *ip);
/* The socket of this family, or -1. */
int ov_engine_socket(const struct ov_engine *e, uint8_t family);

#endif
