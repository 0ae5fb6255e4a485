/* sim: a whole overlay in one process: real engines over a simulated internet and a simulated
 * clock.
 *
 * The clock jumps from event to event, and everything random (engines included) comes from one
 * seed, so a run can be repeated exactly; `hash` grows over every event and tells whether it was. A
 * site is a place in the internet with one public address: either a single public host, or a NAT
 * box with a LAN behind it. Datagrams between sites are delayed, jittered (and so reordered), lost
 * and duplicated. What goes wrong inside the simulation itself is asserted. */
#ifndef OV_TESTS_SIM_H
#define OV_TESTS_SIM_H

#include "core/map.h"
#include "core/node.h"

/* RFC 4787's words. */
enum sim_mapping { SIM_EIM, SIM_ADM, SIM_APDM };
enum sim_filtering { SIM_EIF, SIM_ADF, SIM_APDF };

/* Which outside port a new mapping gets. */
enum sim_allocation {
    SIM_PRESERVING, /* the inside one, where it is free */
    SIM_SEQUENTIAL, /* `step` after the one before */
    SIM_BLOCK,      /* any of the 2048 from `first_port` on */
    SIM_RANDOM,
};

struct sim;
struct sim_node;

/* Someone a mapping has sent to. */
struct sim_contact {
    struct ov_endpoint remote;
    ov_time used;
};

struct sim_binding {
    struct ov_endpoint inside, remote; /* remote: the part of it that the mapping depends on */
    uint16_t port;                     /* outside */
    bool remapped; /* of one flow only, whose port of choice somebody outside had taken */
    ov_time used;  /* by a packet from the inside */
    struct sim_contact *contacts;
    size_t ncontacts;
};

/* What a packet from outside to a router that lets it in leaves behind: a flow of the router's own,
 * in whose way a flow from the inside may be. */
struct sim_poison {
    struct ov_endpoint remote;
    uint16_t port;
    ov_time used;
};

#define SIM_POISONS_MAX 256
#define SIM_HOSTS_MAX   16 /* of a site */
struct sim_site {
    struct ov_ip wan;
    ov_time delay; /* its share of the one-way delay to any other site */
    bool nat;
    enum sim_mapping mapping;
    enum sim_filtering filtering;
    enum sim_allocation allocation;
    int step;
    uint16_t first_port, next_port;
    bool open_input; /* packets that fit no mapping are for the router itself */
    bool hairpin;
    bool udp_blocked;
    size_t flow_cap;  /* 0: none; flows from the inside at once */
    unsigned pps_cap; /* 0: none; datagrams from the inside a second */
    ov_time timeout;  /* of a mapping without packets from the inside */
    struct sim_binding *bindings;
    size_t nbindings;
    struct sim_poison poisons[SIM_POISONS_MAX];
    size_t npoisons;
    uint64_t tokens_ns; /* of pps_cap */
    ov_time tokens_at;
    uint64_t out, flows, refused; /* datagrams and flows from the inside; what a cap refused */
    uint64_t peak, in_second;     /* the most datagrams in a second; so far in this one */
    ov_time second;
    struct sim_node *hosts[SIM_HOSTS_MAX];
    size_t nhosts;
};

#define SIM_NEIGHBOURS_MAX 32
struct sim_node {
    struct sim *sim;
    struct sim_site *site;
    struct ov_node *engine;
    struct ov_endpoint local; /* socket 0 */
    struct sim_socket {
        uint16_t number, port;
    } * sockets; /* all others */
    size_t nsockets, sockets_most;
    ov_addr addr;
    uint64_t stream, random; /* the engine's own random stream: where it began, where it is */
    ov_time tick_at;
    size_t index;

    /* the host behind the TAP: one network, ARP and ICMP echo */
    ov_netid net;
    struct ov_mac mac;
    struct ov_ip ip;
    bool ready;
    struct {
        struct ov_ip ip;
        struct ov_mac mac;
    } neighbours[SIM_NEIGHBOURS_MAX];
    size_t nneighbours;

    struct ov_store *store; /* of a controller */
    struct ov_controller *controller;
    uint64_t pongs;
};

struct sim_ping {
    struct sim_node *from;
    struct ov_ip to;
    ov_time sent, rtt; /* rtt 0: not answered */
    unsigned tries;
};

struct sim_event;
struct sim {
    ov_time now;
    uint64_t random, hash;
    unsigned loss_permille, duplicate_permille; /* of datagrams between sites */
    ov_time jitter;                             /* at most, added to each delay */
    bool volunteers; /* nodes made from now on relay for members */
    bool forbid_pair; /* nothing crosses between two sites that are both NATs */
    uint64_t events, sent, lost, filtered;
    /* A test may look at what is sent, and take it away; and at frames that reach a host. */
    bool (*swallow)(void *arg, const struct sim_node *from, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len);
    void (*arrived)(void *arg, const struct sim_node *at, const uint8_t *frame, size_t len);
    void *arg;

    struct sim_event **heap;
    size_t nheap, heap_cap;
    uint64_t next_order;
    struct ov_map by_ip; /* public address to site */
    struct sim_site **sites;
    size_t nsites;
    struct sim_node **nodes;
    size_t nnodes;
    struct sim_ping *pings;
    size_t npings;
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
uint64_t sim_random(uint64_t *state); /* the next number of a stream */
void sim_trace(struct sim *s, const void *data, size_t len);

struct sim_site *sim_public(struct sim *s);
/* EIM keeps ports where it can, the others give random ones. */
struct sim_site *sim_nat(struct sim *s, enum sim_mapping m, enum sim_filtering f);
/* What routers are like: endpoint-dependent mapping and filtering with this allocation. */
struct sim_site *sim_nat_hard(struct sim *s, enum sim_allocation a, int step);
/* Send one datagram from a host; it arrives by an event, or not. */
void sim_send(struct sim_node *from, const struct ov_endpoint *to, uint8_t ttl, const uint8_t *data,
              size_t len);
void sim_send_from(struct sim_node *from, uint16_t port, const struct ov_endpoint *to, uint8_t ttl,
                   const uint8_t *data, size_t len);
/* A datagram has crossed the internet to this site: which host gets it? NULL: none. */
struct sim_node *sim_inbound(struct sim *s, struct sim_site *site, const struct ov_endpoint *from,
                             const struct ov_endpoint *to);
struct sim_node *sim_inbound_port(struct sim *s, struct sim_site *site,
                                  const struct ov_endpoint *from, const struct ov_endpoint *to,
                                  uint16_t *port);
/* The number of the socket with this port, or -1. */
int sim_socket(const struct sim_node *n, uint16_t port);

struct sim_node *sim_node(struct sim *s, struct sim_site *site, uint8_t caps, uint16_t port);
void sim_node_remove(struct sim_node *n); /* crashes: says goodbye to nobody */
/* Make `n` a controller (its store in memory) with one open network of this pool, and it is its own
 * members' root. */
ov_netid sim_controller(struct sim_node *n, const char *pool);
/* Change a setting of a network of this controller, as its owner does. */
void sim_set(struct sim_node *n, ov_netid net, const char *key, const char *value);
void sim_join(struct sim_node *n, struct sim_node *root, ov_netid net);
void sim_root(struct sim_node *n, struct sim_node *root, const char *host); /* one more */

/* Run until `done` says so, or for at most `limit`; returns what `done` said last. NULL: just run.
 */
bool sim_run(struct sim *s, bool (*done)(void *arg), void *arg, ov_time limit);
bool sim_all_ready(struct sim *s);    /* every node that joined is a member */
bool sim_all_answered(struct sim *s); /* every ping is */
/* Ping through the overlay, repeated each second until it is answered. Index into `pings`. */
size_t sim_ping(struct sim_node *from, const struct ov_ip *to);
enum ov_peer_path sim_path(const struct sim_node *from, const struct sim_node *to);

/* ---- between the files of the simulation ---- */

enum sim_event_kind { SIM_DATAGRAM, SIM_TICK, SIM_FRAME, SIM_REQUEST, SIM_PING, SIM_SOCKETS };
struct sim_event {
    ov_time at;
    uint64_t order;
    enum sim_event_kind kind;
    struct sim_node *node; /* all but datagrams that still have to find theirs */
    struct sim_site *site; /* of a datagram that crossed the internet */
    struct ov_endpoint from, to;
    size_t ping;
    uint64_t id;
    size_t len;
    uint8_t data[]; /* of frames: behind OV_FRAME_HEADROOM */
};
/* A new event with a copy of `len` bytes behind `headroom`. */
struct sim_event *sim_post(struct sim *s, enum sim_event_kind kind, ov_time at, size_t headroom,
                           const void *data, size_t len);
void sim_stack_frame(struct sim_node *n, const uint8_t *frame, size_t len); /* from the overlay */
void sim_stack_ping(struct sim *s, size_t ping);                            /* once more */

#endif
