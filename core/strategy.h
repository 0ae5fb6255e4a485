/* strategy: how two nodes get through the NATs in front of them.
 *
 * A pure function of both profiles, so that both sides come to the same without talking about it.
 * The *easy* side has one outside endpoint for all destinations, and tries the ports that the other
 * may have; the *hard* side gets another port for each destination, and opens many. The table:
 *
 *     pair                              strategy       hard side        easy side
 *     EIF or ADF x any                  PLAIN
 *     EIM x EIM                         PLAIN
 *     EIM/APDF x sequential             PREDICT        4 sockets        32 probes
 *     sequential x sequential           PREDICT_BOTH   25 sockets to base + 20, 15 times
 *     EIM/APDF x port block             BLOCK          64 sockets       128 + 128 probes
 *     EIM/APDF x random                 BIRTHDAY       256 sockets      512 + 512 probes
 *     sequential x random, random x random  RELAY
 *
 * Birthday: of 64512 ports, 256 are open; 512 tries miss all of them with probability
 * (1 - 256/64512)^512 = 13 %, 1024 with 1.7 %. A profile that is not known counts as plain. */
#ifndef OV_CORE_STRATEGY_H
#define OV_CORE_STRATEGY_H

#include "natprofile.h"

enum ov_strategy {
    OV_STRATEGY_RELAY, /* hopeless */
    OV_STRATEGY_PLAIN,
    OV_STRATEGY_PREDICT,
    OV_STRATEGY_PREDICT_BOTH,
    OV_STRATEGY_BLOCK,
    OV_STRATEGY_BIRTHDAY,
};
#define OV_STRATEGIES 6

/* What one side does. Times are from the moment at which both know of the attempt. */
struct ov_plan {
    bool hard;         /* it opens sockets; else it tries ports */
    uint16_t sockets;  /* that it sends from */
    uint16_t canaries; /* more, to see whether the router in front still takes new flows */
    uint16_t openers;  /* low-TTL packets, one from each socket */
    uint16_t probes;   /* in all */
    ov_time probes_at; /* the first probe */
    ov_time repeat;    /* PREDICT_BOTH: from each socket again after so long */
    ov_time end;       /* given up */
};

enum ov_strategy ov_strategy_choose(const struct ov_nat_view *mine,
                                    const struct ov_nat_view *theirs);
/* More than sending to the known endpoints: takes a budget. */
bool ov_strategy_is_hard(enum ov_strategy s);
struct ov_plan ov_strategy_plan(enum ov_strategy s, const struct ov_nat_view *mine);
/* The i-th port to send to (from 0) on the other side, whose view tells what is known of it; never
 * the same twice within the plan's probes. `salt` orders the random ones. PREDICT_BOTH: one port.
 */
uint16_t ov_strategy_port(enum ov_strategy s, const struct ov_nat_view *theirs, uint32_t i,
                          uint64_t salt);
const char *ov_strategy_text(enum ov_strategy s); /* "birthday" */

#endif
