/* pace: when a daemon with realtime priority (priority.h) rests, for the good of all.
 *
 * Waking at once for each packet makes each the quickest, and costs a switch between programs and a
 * system call more for each. While there are many, the loop therefore rests OV_PACE_REST when all
 * was done, before it waits for more: packets gather and move in batches, as network cards moderate
 * their interrupts. While there are few it never does, so a game alone on the line pays nothing.
 *
 * And when there is always more to do it rests longer after OV_PACE_STRETCH, so that other
 * programs on a machine with one processor are not shut out. */
#ifndef OV_CLI_PACE_H
#define OV_CLI_PACE_H

#include "core/types.h"

#define OV_PACE_WINDOW  (500 * (ov_time)1000) /* in which packets are counted */
#define OV_PACE_MANY    20                    /* of them in a window: 40,000 a second */
#define OV_PACE_REST    (70 * (ov_time)1000)
#define OV_PACE_STRETCH (25 * OV_MS)
#define OV_PACE_BREATH  OV_MS

struct ov_pace {
    ov_time window; /* began */
    ov_time rested; /* last */
    unsigned packets;
    bool many;
};

static inline void ov_pace_count(struct ov_pace *p, size_t packets)
{
    p->packets += (unsigned)packets;
}

/* Is it worth the while to find out whether anything is waiting? */
static inline bool ov_pace_due(const struct ov_pace *p, ov_time now)
{
    return p->many || p->packets >= OV_PACE_MANY || now - p->rested >= OV_PACE_STRETCH;
}

/* How long to rest at the end of a turn; 0: not at all. `idle`: nothing is waiting to be done. The
 * caller rests, or sleeps until something happens if there is nothing to count. */
ov_time ov_pace_rest(struct ov_pace *p, bool idle, ov_time now);

#endif
