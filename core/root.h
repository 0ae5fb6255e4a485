/* root: the servers a node starts from: found by name (first contact, WHO/IAM) or named by a
 * network's signed configuration; kept connected; used as relays and directories when they offer
 * to. Never trusted for authenticity: identities prove themselves. */
#ifndef OV_CORE_ROOT_H
#define OV_CORE_ROOT_H

#include "network.h"

#define OV_ROOTS_MAX     8
#define OV_ROOT_HOST_MAX (OV_NET_NAME_MAX * 2)

/* Streams to it, see rootlink.h. */
struct ov_root_link {
    bool wanted;
    enum ov_rootlink_state state; /* as it was last told */
    struct ov_endpoint used;      /* the one that is the chosen way; family 0: none */
    ov_time udp_since;            /* UDP does well since; 0: it does not */
    ov_time udp_tried, udp_try;   /* last; next */
    uint8_t udp_tries;
};

struct ov_root {
    char host[OV_ROOT_HOST_MAX]; /* "" : free */
    ov_netid net;                /* named by this network's configuration; 0: by the user */
    struct ov_peer *peer;        /* NULL: has not answered yet */
    bool mismatch;
    uint64_t owner;   /* names it to its streams */
    uint64_t nonce;   /* of the question asked last */
    uint8_t answered; /* by which of its endpoints, by bits; OV_ROOT_ENDPOINTS_MAX: a stream */
    ov_time asked, next;
    uint8_t tries, nendpoints;
    struct ov_endpoint endpoints[OV_ROOT_ENDPOINTS_MAX];
    struct ov_root_link link;
};

struct ov_roots {
    struct ov_overlay *o;
    struct ov_timer timer, link_timer;
    bool owing; /* no time to check an identity that a configuration names */
    struct ov_root root[OV_ROOTS_MAX];
};

OV_CHECK int ov_roots_init(struct ov_roots *rs, struct ov_overlay *o);
void ov_roots_free(struct ov_roots *rs);
OV_CHECK int ov_roots_add(struct ov_roots *rs, const char *host, ov_netid net,
                          const struct ov_identity *id, const struct ov_endpoint *eps, size_t n);
void ov_roots_remove(struct ov_roots *rs, const char *host);
/* Follow the roots that the networks' configurations name. */
void ov_roots_follow(struct ov_roots *rs);
void ov_roots_iam(struct ov_roots *rs, const struct ov_iam *iam, const struct ov_endpoint *from);
/* A session with `p` stands: if it is one of ours, may it relay? True when it is one. */
bool ov_roots_session(struct ov_roots *rs, struct ov_peer *p);

#endif
