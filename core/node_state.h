/* node_state: the inside of struct ov_node, for node.c and node_*.c only. */
#ifndef OV_CORE_NODE_STATE_H
#define OV_CORE_NODE_STATE_H

#include "lan.h"
#include "network.h"
#include "root.h"

#define OV_NODE_PINGS_MAX 32

struct ov_node {
    struct ov_engine e;
    struct ov_locate locate;
    struct ov_overlay o;
    struct ov_roots roots;
    struct ov_lan lan;
    struct ov_timer ping_timer;
    struct {
        ov_addr addr; /* 0: free */
        uint64_t id;
        uint16_t size; /* 0: the smallest */
        bool sent;
        ov_time deadline;
    } ping[OV_NODE_PINGS_MAX];
};

/* The frame of all input: sample the time; and do what became due by the input. */
void ov_node_turn_begin(struct ov_node *n, ov_time now);
void ov_node_turn_end(struct ov_node *n);
/* A message of rank 4 came from `p`, which is authenticated. */
void ov_node_message(void *node, struct ov_peer *p, uint8_t *msg, size_t len);
/* A session with `p` stands: what was to be pinged goes out; what never could is told of. */
void ov_node_pings_go(struct ov_node *n, struct ov_peer *p);
void ov_node_ping_timeout(void *node, ov_time now);
/* The peer with this address; made if some network's certificate tells its identity. */
struct ov_peer *ov_node_peer_for(struct ov_node *n, ov_addr a);

#endif
