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

struct ov_engine;

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

/* What enemies at an endpoint have sent, and were sent; the second may be more by so much. */
#define SIM_ACCOUNTS 4096
struct sim_account {
    uint64_t asked, told, allowance;
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
    struct sim_account *enemy; /* only enemies are there, with an account for each port */
    bool mute;                 /* nothing must be sent to them */
    unsigned island;           /* sites on different ones do not hear each other */
    size_t flow_cap;           /* 0: none; flows from the inside at once */
    unsigned pps_cap;          /* 0: none; datagrams from the inside a second */
    ov_time timeout;           /* of a mapping without packets from the inside */
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

/* What a node has put on its disk. */
struct sim_stored {
    enum ov_persist_kind kind;
    uint64_t id;
    size_t len;
    uint8_t *data;
};

#define SIM_NEIGHBOURS_MAX 32
#define SIM_ROOTS_MAX      4
struct sim_node {
    struct sim *sim;
    struct sim_site *site;
    struct ov_node *engine; /* NULL: it is down */
    uint8_t caps;
    bool volunteer;
    unsigned life;           /* grows with each start */
    ov_time asleep_until;    /* the process is stopped, or the host asleep; 0: awake */
    unsigned late;           /* datagrams that wait for it to wake up */
    int64_t skew;            /* of its wall clock, in ms; engines look at it when they start */
    bool foe;                /* not one of us */
    bool ahead;              /* its handshake stamps are ahead of its clock, as after a restart */
    bool odd_clock;          /* it may be wrong: then its disk is not */
    bool disk_full;          /* what it stores is lost */
    uint64_t eager;          /* calls in a row after which it was due at once again */
    struct ov_engine *inner; /* of `engine`: for those who look inside */
    struct sim_stored *stored;
    size_t nstored;
    struct {
        struct sim_node *node;
        char host[24];
    } roots[SIM_ROOTS_MAX];
    size_t nroots;
    size_t bytes, bytes_most; /* allocated by the engine now, and at most */
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

/* Who looks on; each may be NULL. */
struct sim_watch {
    void *arg;
    /* A node sends a datagram; it got where it should (`at` NULL: to nobody); it was lost. `src` is
     * who sent it, NULL: an enemy. */
    void (*sent)(void *arg, const struct sim_node *src, const struct ov_endpoint *to,
                 const uint8_t *data, size_t len);
    void (*came)(void *arg, const struct sim_node *src, const struct sim_node *at,
                 const struct ov_endpoint *from, const struct ov_endpoint *to, const uint8_t *data,
                 size_t len);
    void (*lost)(void *arg, const struct sim_node *src, const struct ov_endpoint *to,
                 const uint8_t *data, size_t len);
    /* A host gives a frame to its engine; an engine gives one to its host. */
    void (*given)(void *arg, const struct sim_node *n, const uint8_t *frame, size_t len);
    void (*frame)(void *arg, const struct sim_node *n, const uint8_t *frame, size_t len);
    /* A controller says this to a node; a node stores this; a node has had its turn. */
    void (*said)(void *arg, const struct sim_node *n, ov_addr to, const uint8_t *msg, size_t len);
    void (*stored)(void *arg, const struct sim_node *n, const struct ov_out_persist *p);
    void (*turn)(void *arg, struct sim_node *n);
};

struct sim_event;
struct sim {
    ov_time now;
    uint64_t random, hash;
    size_t max_peers; /* of nodes made from now on */
    struct sim_watch watch;
    bool stop; /* somebody saw what must not be */
    /* The internet between two sites: a tap may look at a datagram, and take it away. */
    bool (*tap)(void *arg, const struct sim_node *src, const struct ov_endpoint *from,
                const struct ov_endpoint *to, const uint8_t *data, size_t len);
    void *tap_arg;
    unsigned loss_permille, duplicate_permille; /* of datagrams between sites */
    ov_time jitter;                             /* at most, added to each delay */
    bool volunteers;                            /* nodes made from now on relay for members */
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
/* A public place of enemies; its ports are below SIM_ACCOUNTS. */
struct sim_site *sim_enemy(struct sim *s);
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
void sim_node_remove(struct sim_node *n); /* crashes: says goodbye to nobody; its disk stays */
/* Start it again, with what its disk has or, but for its keys, without; it joins as before. A
 * controller keeps its database. */
void sim_node_start(struct sim_node *n, bool keep);
void sim_node_controller(struct sim_node *n); /* start its controller again */
/* It does nothing for so long; what comes meanwhile waits, as far as a socket holds it. */
void sim_node_sleep(struct sim_node *n, ov_time span);
void sim_node_wake(struct sim_node *n); /* now, and it notices that it slept */
/* Take all that the engine has to say, after a call into it. */
void sim_node_drain(struct sim_node *n);
/* Calls into an engine are between these two, so that its memory is counted. */
void sim_enter(struct sim_node *n);
void sim_leave(void);
extern bool sim_touch; /* all memory is resident once it is allocated */
/* Somebody on the internet sends a datagram, from wherever it likes. */
void sim_inject(struct sim *s, const struct ov_endpoint *from, const struct ov_endpoint *to,
                ov_time delay, const uint8_t *data, size_t len);
/* Make `n` a controller (its store in memory) with one open network of this pool, and it is its own
 * members' root. */
ov_netid sim_controller(struct sim_node *n, const char *pool);
ov_netid sim_network(struct sim_node *n, const char *name, const char *pool); /* one more */
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
    struct sim_node *node;      /* all but datagrams that still have to find theirs */
    unsigned life;              /* of the node, when it was posted; 0: any */
    const struct sim_node *src; /* of a datagram; NULL: an enemy's */
    struct sim_site *site;      /* of a datagram that crossed the internet */
    struct ov_endpoint from, to;
    size_t ping;
    uint64_t id;
    size_t len;
    uint8_t data[]; /* of frames: behind OV_FRAME_HEADROOM */
};
/* A new event with a copy of `len` bytes behind `headroom`. */
struct sim_event *sim_post(struct sim *s, enum sim_event_kind kind, ov_time at, size_t headroom,
                           const void *data, size_t len);
ov_wall sim_wall(const struct sim_node *n);
void sim_fill(void *random, void *buf, size_t len); /* the callback of engines */
void sim_node_free(struct sim_node *n);
void sim_node_socket(struct sim_node *n, uint16_t number, uint16_t port);
void sim_node_say(void *node, ov_addr to, const uint8_t *msg, size_t len); /* its controller */
/* One event for a node that is up. */
void sim_node_event(struct sim_node *n, struct sim_event *e);
/* A datagram for a node, which may be down or asleep. */
void sim_node_datagram(struct sim_node *n, struct sim_event *e, uint16_t port);
void sim_stack_frame(struct sim_node *n, const uint8_t *frame, size_t len); /* from the overlay */
void sim_stack_ping(struct sim *s, size_t ping);                            /* once more */

#endif
