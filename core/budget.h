/* budget: what hard punching may cost, for the whole node and in one place.
 *
 * A home router has a table of a few thousand flows, and a provider may take a thousand datagrams
 * to made-up ports for an attack. So one hard attempt runs at a time, with at most 500 datagrams a
 * second, 1300 in all and 300 new flows, three times an hour for each peer; and it runs ahead of
 * its *canaries* only so far: a canary is a reflection asked of a root by a new flow of ours. Where
 * it is not answered, or much later than before, the router in front of us has had enough, and the
 * attempt ends. A flow is a mapping that our NAT has to make: one for each socket, or for each
 * socket and destination where mappings depend on it. */
#ifndef OV_CORE_BUDGET_H
#define OV_CORE_BUDGET_H

#include "ratelimit.h"

#define OV_BUDGET_PPS      500
#define OV_BUDGET_BURST    20
#define OV_BUDGET_PACKETS  1300
#define OV_BUDGET_FLOWS    300
#define OV_BUDGET_ATTEMPTS 3
#define OV_BUDGET_HITS     6 /* attempts an hour that do not count, because they got through */
#define OV_BUDGET_HOUR     (3600 * OV_SEC)
#define OV_BUDGET_PEERS    256 /* remembered; when all of them are recent, nobody else gets one */
#define OV_BUDGET_AHEAD    48  /* datagrams that may leave before a canary came home, */
#define OV_BUDGET_TRUST    128 /* and in the end: each canary that did adds half, */
#define OV_BUDGET_WARY     16  /* or at least: each that did not takes half away */

struct ov_budget {
    bool busy, started;
    ov_addr peer; /* of the attempt under way */
    struct ov_bucket pps;
    uint32_t packets, flows;
    uint32_t ahead, allowed; /* since the last canary that came home */
    struct ov_budget_peer {
        ov_addr addr;
        ov_time at[OV_BUDGET_ATTEMPTS]; /* 0: none */
        ov_time hits_since;
        uint8_t hits;
    } peers[OV_BUDGET_PEERS];
};

enum ov_budget_verdict {
    OV_BUDGET_GO,
    OV_BUDGET_LATER,  /* too fast */
    OV_BUDGET_CANARY, /* send one first, or wait for it */
    OV_BUDGET_SPENT,
};

void ov_budget_init(struct ov_budget *b, ov_time now);
/* Reserve the node's one attempt for `peer`. OV_ESTATE: another one is under way; OV_ELIMIT: this
 * peer has had its share. */
OV_CHECK int ov_budget_reserve(struct ov_budget *b, ov_addr peer, ov_time now);
/* The first datagram leaves: from here on it counts as an attempt. */
void ov_budget_start(struct ov_budget *b, ov_time now);
/* May one more datagram leave, which makes `flows` new flows? Spends it if so. */
enum ov_budget_verdict ov_budget_take(struct ov_budget *b, unsigned flows, ov_time now);
/* May a canary leave? It is a datagram and a flow like others, but not held by canaries. */
enum ov_budget_verdict ov_budget_take_canary(struct ov_budget *b, ov_time now);
void ov_budget_canary_home(struct ov_budget *b); /* a canary was answered in time */
void ov_budget_canary_lost(struct ov_budget *b);
/* Nothing leaves but a canary. */
bool ov_budget_waits(const struct ov_budget *b);
/* Time for the next canary: half of what is allowed without one has left. */
bool ov_budget_wants_canary(const struct ov_budget *b);
void ov_budget_end(struct ov_budget *b);
/* The attempt under way got through: it does not count, unless there were many such. To be called
 * before its end. */
void ov_budget_hit(struct ov_budget *b, ov_time now);
/* Another router is in front of us: attempts made behind the last one do not count. */
void ov_budget_forget(struct ov_budget *b);

#endif
