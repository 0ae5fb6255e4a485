/* backlog: how much may wait below the sockets, in the kernel's queues and the network card's.
 *
 * As little as keeps the line busy: what it carries in OV_BACKLOG_AHEAD. How fast it is, is learned
 * by watching what is below shrink while there is something. A line that ran dry although more
 * waited, or that takes all at once, is faster than thought: twice as fast, until it was watched
 * again. Bytes are those of the kernel's account (SIOCOUTQ), in which each packet is
 * larger than on the line; only ratios of them count. Pure: the caller samples. */
#ifndef OV_CLI_BACKLOG_H
#define OV_CLI_BACKLOG_H

#include "core/types.h"

#define OV_BACKLOG_AHEAD  (4 * OV_MS)
#define OV_BACKLOG_MIN    ((size_t)8 << 10) /* some three packets */
#define OV_BACKLOG_MAX    ((size_t)1 << 20)
#define OV_BACKLOG_FIRST  ((size_t)128 << 10) /* while nothing is known */
#define OV_BACKLOG_WINDOW (10 * OV_MS)        /* a measurement takes so long, and so much, */
#define OV_BACKLOG_SAMPLE ((size_t)8 << 10)
#define OV_BACKLOG_LONG   (100 * OV_MS) /* or so long */

struct ov_backlog {
    uint64_t rate; /* bytes a second; 0: not known */
    size_t limit;  /* that may be below */
    size_t below;  /* after the last send, */
    ov_time at;    /* which was then; 0: never */
    bool held;     /* and more waited */
    size_t drained;
    ov_time busy; /* in which so much was drained */
};

void ov_backlog_init(struct ov_backlog *b);
/* Before sending: `below` is there. `alone`: nobody else has put something there since the last
 * send. */
void ov_backlog_before(struct ov_backlog *b, size_t below, bool alone, ov_time now);
/* After sending `sent` bytes. `held`: more waits. */
void ov_backlog_after(struct ov_backlog *b, size_t below, size_t sent, bool held, ov_time now);

#endif
