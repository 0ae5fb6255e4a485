/* pairs: two nodes behind NATs of two kinds, and what becomes of them. */
#ifndef OV_TESTS_SIM_PAIRS_H
#define OV_TESTS_SIM_PAIRS_H

#include "sim.h"

enum pair_kind {
    PAIR_PUBLIC,
    PAIR_FULL,     /* EIM, EIF */
    PAIR_ADDRESS,  /* EIM, ADF */
    PAIR_PORT,     /* EIM, APDF, keeps ports */
    PAIR_PORT_ANY, /* the same, but gives other ports */
    PAIR_OPEN,     /* PAIR_PORT, and its router takes what fits no mapping */
    PAIR_SEQ,      /* APDM, APDF, one after the other */
    PAIR_SEQ4,     /* every fourth one */
    PAIR_DEC,      /* downwards */
    PAIR_BLOCK,    /* any of 2048 */
    PAIR_RANDOM,
    PAIR_ADM, /* random for each address */
    PAIR_KINDS
};
extern const char *const pair_names[PAIR_KINDS];

/* What must become of a pair. */
struct pair_goal {
    bool direct; /* else it stays relayed */
    ov_time within;
    unsigned percent; /* of the runs */
};
struct pair_goal pair_goal(enum pair_kind a, enum pair_kind b);

struct pair_result {
    ov_time first;             /* until the first ping was answered; 0: never */
    ov_time direct;            /* from the first ping until both sides were; 0: never */
    unsigned gaps;             /* pings that got no answer within a second, though one had before */
    uint64_t out[2], flows[2]; /* datagrams and flows of each side, from the first ping on */
    uint64_t peak[2];          /* the most datagrams in a second */
    size_t sockets[2];         /* the most at once besides the ordinary one */
    unsigned attempts, hard_out; /* hard attempts and their datagrams, of the side with more */
    uint64_t refused;            /* by caps of routers */
    unsigned why;                /* enum ov_why of the first side, if relayed */
};

struct pair_world {
    struct sim *s;
    struct sim_node *root, *second, *n[2];
    ov_netid net;
};
/* Two roots and the two nodes, members and with measured NATs. False: that did not happen. */
bool pair_world(struct pair_world *w, uint64_t seed, enum pair_kind a, enum pair_kind b);
void pair_world_free(struct pair_world *w);
/* Ping from one to the other for up to `span` after both are direct or not. */
void pair_talk(struct pair_world *w, ov_time span, struct pair_result *out);
/* All of it. */
bool pair_run(uint64_t seed, enum pair_kind a, enum pair_kind b, struct pair_result *out);

#endif
