/* pace: when a daemon with realtime priority (priority.h) rests, for the good of all.
 *
 * Waking at once for each packet makes each the quickest, and costs a switch between programs and a
 * system call more for each. While there are many, the loop therefore rests OV_PACE_REST when all
 * was done, before it waits for more: packets gather and move in batches, as network cards moderate
 * their interrupts. While there are few it never does, so a game alone on the line pays nothing.
 * A fast download is many superframes, and a ping beside it shall be quick, so the rest is short.
 * Only where there are more, as with small datagrams by the hundred thousand, what each costs is
 * all that counts, and it is OV_PACE_LONG_REST. A packet here is what the device takes or gives at
 * once.
 *
 * And when it has not slept once for OV_PACE_STRETCH, as there is always more to do, it rests
 * longer, so that other programs on a machine with one processor are not shut out. That something
 * is waiting says little by itself: the host answers a ping while it is written to the device, so a
 * loop that wakes for a ping finds the answer waiting each time. */
#ifndef OV_CLI_PACE_H
#define OV_CLI_PACE_H

#include "core/types.h"

#define OV_PACE_WINDOW    (500 * (ov_time)1000) /* in which packets are counted */
#define OV_PACE_MANY      20                    /* of them in a window: 40,000 a second */
#define OV_PACE_FLOOD     30                    /* 60,000 */
#define OV_PACE_REST      (30 * (ov_time)1000)
#define OV_PACE_LONG_REST (150 * (ov_time)1000)
#define OV_PACE_STRETCH   (25 * OV_MS)
#define OV_PACE_BREATH    OV_MS

struct ov_pace {
    ov_time window;  /* began */
    ov_time rested;  /* last */
    uint64_t sleeps; /* of the loop's thread, when a breath was thought of last */
    ov_time rest;    /* for as many packets as there are now; 0: few */
    unsigned packets;
};

static inline void ov_pace_count(struct ov_pace *p, size_t packets)
{
    p->packets += (unsigned)packets;
}

/* Is it worth the while to find out whether anything is waiting? */
static inline bool ov_pace_due(const struct ov_pace *p, ov_time now)
{
    return p->rest > 0 || p->packets >= OV_PACE_MANY || now - p->rested >= OV_PACE_STRETCH;
}

/* How long to rest at the end of a turn; 0: not at all. `idle`: nothing is waiting to be done. The
 * caller rests, or sleeps until something happens if there is nothing to count. OV_PACE_BREATH is
 * only taken if it is needed: */
ov_time ov_pace_rest(struct ov_pace *p, bool idle, ov_time now);
/* Has the thread, which slept `sleeps` times in its life, not slept since this was asked last? If
 * so it does now. */
bool ov_pace_breathless(struct ov_pace *p, uint64_t sleeps);

#endif
