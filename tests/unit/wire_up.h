/* wire_up: real nodes wired together in memory, on a clock that jumps, with seeded randomness.
 *
 * Node i is at 192.0.2.(i+1):(4001+i). A datagram arrives `delay` after it was sent, unless the
 * hook drops it; the hook may alter it, and the log keeps a copy of each. A network is signed with
 * core's own credential functions, by a node that answers requests as `answer` says. Tests look
 * into the engine where the public face does not reach. What cannot fail is asserted. */
#ifndef OV_TESTS_WIRE_UP_H
#define OV_TESTS_WIRE_UP_H

#include "core/input.h"
#include "core/member.h"
#include "core/node.h"
#include "core/node_state.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define WU_NODES_MAX  32
#define WU_LOG_MAX    8192
#define WU_STORED_MAX 64
#define WU_WALL       1767225600000ull /* at the start, in ms */
#define WU_EVENTS     16
#define WU_PORT       4001

extern const struct ov_pow wu_pow;

struct wu;

struct wu_stored {
    enum ov_persist_kind kind;
    uint64_t id;
    size_t len;
    uint8_t *data; /* NULL: free */
};

struct wu_node {
    struct wu *w;
    size_t index;
    struct ov_node *n;   /* NULL: crashed */
    struct ov_engine *e; /* n's */
    struct ov_engine_ops ops;
    struct ov_endpoint ep;
    struct ov_ip local; /* where its datagrams came to, as it is told; family 0: it is not */
    ov_addr addr;
    struct ov_identity_secret id;
    struct ov_node_config cfg;
    uint64_t random;

    /* what it said, so far */
    unsigned events[WU_EVENTS];
    struct ov_out_event last[WU_EVENTS]; /* of each kind; its pointers are stale */
    unsigned frames;
    void (*on_frame)(struct wu_node *n, const struct ov_out_frame *f); /* may be NULL */
    uint8_t frame[OV_FRAME_MAX];                                       /* the last one */
    size_t frame_len;
    struct wu_stored stored[WU_STORED_MAX];
};

/* A stream between two nodes: each sends to its own endpoint for it. */
struct wu_stream {
    struct wu_node *end[2];
    struct ov_endpoint ep[2];
    bool closed;
};
#define WU_STREAMS_MAX 24

struct wu_packet {
    struct wu_packet *next;
    const struct wu_stream *stream; /* NULL: UDP */
    ov_time at;
    struct wu_node *src;
    struct ov_endpoint from, to;
    struct ov_ip pin; /* the address it was told to leave from; family 0: none */
    uint8_t ttl;
    size_t len;
    uint8_t data[];
};

/* A network and how its controller answers. */
struct wu_net {
    struct wu_node *controller;
    struct ov_net_config config;
    enum ov_net_status answer;
    ov_wall stamp; /* of the next certificate */
    uint16_t perms;
    unsigned requests;
    struct ov_msg_net_request last;
    bool silent;
};

struct wu {
    ov_time now, delay;
    uint64_t random;
    struct wu_node *node[WU_NODES_MAX];
    size_t nnodes;
    struct wu_packet *head, **tail;
    struct wu_stream stream[WU_STREAMS_MAX];
    size_t nstreams;
    bool (*hook)(void *arg, struct wu_packet *p); /* false: lost */
    void *hook_arg;
    struct wu_packet *log[WU_LOG_MAX]; /* all that was sent, lost ones too */
    size_t nlog;
    struct wu_net net;
};

struct wu *wu_new(uint64_t seed);
void wu_free(struct wu *w);
struct wu_node *wu_node(struct wu *w, uint8_t caps);
/* One with a changed configuration: `identity`, `random` and `pow` are filled in. */
struct wu_node *wu_node_with(struct wu *w, const struct ov_node_config *cfg);
void wu_crash(struct wu_node *n);
/* Start again with what was stored. */
void wu_restart(struct wu_node *n);
struct ov_endpoint wu_endpoint(unsigned host, uint16_t port);
void wu_random(struct wu *w, void *buf, size_t len);
ov_wall wu_wall(const struct wu *w);

/* ---- running ---- */
void wu_run(struct wu *w, ov_time span);
bool wu_until(struct wu *w, bool (*done)(void *arg), void *arg, ov_time limit);
/* Take what the node has to say (after any call into it). */
void wu_drain(struct wu_node *n);
/* A datagram out of nowhere, in a buffer of exactly its size; handled at once. */
void wu_inject(struct wu_node *n, const struct ov_endpoint *from, const void *data, size_t len);
/* A stream from `n` to `root`, which neither engine has heard of yet. */
struct wu_stream *wu_stream(struct wu_node *n, struct wu_node *root);
void wu_log_clear(struct wu *w);
/* The last datagram of this type that `src` sent, or NULL. */
const struct wu_packet *wu_sent(const struct wu *w, const struct wu_node *src, uint8_t type);
unsigned wu_count_sent(const struct wu *w, const struct wu_node *src, const struct ov_endpoint *to);

/* ---- nodes ---- */
struct ov_peer *wu_peer(const struct wu_node *n, const struct wu_node *other); /* or NULL */
/* Like wu_peer, but made if need be. */
struct ov_peer *wu_know(struct wu_node *n, const struct wu_node *other);
/* `n` gets a session with `other` by its endpoint. */
void wu_connect(struct wu_node *n, struct wu_node *other);
void wu_root(struct wu_node *n, struct wu_node *root);
/* From now on `n` holds all peers for members of a network of its own, as tests of lower ranks need
 * it; or none. */
void wu_tie_all(struct wu_node *n, bool members);
#define wu_drops(node, WHY) ((node)->e->stats.drops[OV_DROP_##WHY])
/* Send a message from `n` to `other` as an authenticated peer, whatever it is. */
void wu_message(struct wu_node *n, struct wu_node *other, const void *msg, size_t len);
const struct wu_stored *wu_stored(const struct wu_node *n, enum ov_persist_kind kind, uint64_t id);
/* An identity without proof of work: keys of a peer that does not exist. */
struct ov_identity wu_fake(struct wu *w, ov_addr a);

/* ---- networks ---- */
ov_netid wu_network(struct wu *w, struct wu_node *controller); /* 10.1.0.0/24, 10.1.0.(i+1) */
struct ov_ip wu_ip(const struct wu_node *n);
struct ov_network *wu_net_of(const struct wu_node *n);
struct ov_member *wu_member(const struct wu_node *n, const struct wu_node *other);
void wu_join(struct wu_node *n); /* with the controller's identity, by an invite */
/* A root and controller (node 0) and `members` more nodes, all joined and READY. */
struct wu *wu_lan(uint64_t seed, size_t members);
size_t wu_cert(struct wu *w, const struct ov_identity *member, ov_wall stamp, uint16_t perms,
               const struct ov_ip *ip, uint8_t out[OV_CERT_MAX]);
void wu_revoke(struct wu *w, ov_addr member, ov_wall stamp, uint8_t out[OV_REVOCATION_LEN]);

/* ---- frames ---- */
struct ov_mac wu_mac(const struct wu_node *n);
void wu_frame(struct wu_node *n, const void *frame, size_t len); /* from its TAP */
size_t wu_eth(uint8_t *out, const struct ov_mac *dst, const struct ov_mac *src, uint16_t type,
              const void *body, size_t len);
size_t wu_ip4(uint8_t *out, const struct ov_mac *dst, const struct ov_mac *src,
              const struct ov_ip *from, const struct ov_ip *to, size_t payload);
size_t wu_arp(uint8_t *out, uint16_t op, const struct ov_mac *dst, const struct ov_mac *src,
              const struct ov_ip *from, const struct ov_ip *to);
extern const struct ov_mac wu_broadcast;

#endif
