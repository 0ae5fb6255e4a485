/* fault: what breaks. Each fault begins at random, lasts for a while, and is over.
 *
 * Which kinds of fault a world knows is drawn once. No fault takes away for good what a node needs
 * to get back: its keys stay, and a disk does not forget the handshake stamps that its node needs
 * because its clock is behind them; others refuse an old stamp for as long as they know the node.
 */
#ifndef OV_TESTS_FAULT_H
#define OV_TESTS_FAULT_H

#include "safety.h"

enum fault_kind {
    FAULT_CRASH,     /* and start again with what was on disk */
    FAULT_AMNESIA,   /* and start again with its keys only */
    FAULT_ROOT,      /* a root is away */
    FAULT_CONTROL,   /* the controller is, though its host runs */
    FAULT_STORE,     /* the controller cannot store anything */
    FAULT_PARTITION, /* some sites do not hear the others */
    FAULT_CLOCK,     /* a wall clock jumps, and the node starts again */
    FAULT_SLEEP,     /* a process stands still, or its host sleeps */
    FAULT_DISK,      /* nothing that a node stores stays */
    FAULT_LINE,      /* datagrams are lost, doubled, late */
    FAULT_NAT,       /* a router forgets its mappings */
    FAULT_ADDRESS,   /* and gets another address */
    FAULT_KINDS
};
extern const char *const fault_names[FAULT_KINDS];

#define FAULTS_MAX 8 /* at once */

struct fault {
    enum fault_kind kind;
    struct sim_node *node; /* NULL: all of the internet */
    ov_time until;         /* 0: free */
    int64_t skew;
};

struct faults {
    struct sim *s;
    struct safety *safety;
    uint64_t random;
    unsigned kinds; /* bits */

    unsigned calm; /* loss of the line without a fault, in permille */
    struct fault now[FAULTS_MAX];
    struct ov_store_ops *broken; /* of a store on a full disk */
    const struct ov_store_ops *whole;
    uint64_t began[FAULT_KINDS];
};

void faults_init(struct faults *f, struct sim *s, struct safety *safety, uint64_t seed);
void faults_free(struct faults *f);
/* A step of time: what is over ends, something new may begin. */
void faults_step(struct faults *f);
void faults_stop(struct faults *f); /* all of them */

#endif
