/* clock: the time that the engine lives by, and whether it stood still.
 *
 * The boot-time clock goes on while the host sleeps, the monotonic one does not. The engine lives
 * by the former: its peers' keys grew old meanwhile, and so must ours. What the one gains on the
 * other is sleep. A daemon that was only stopped (a frozen container, Ctrl-Z) sees it by an alarm
 * that comes much too late. A paused virtual machine often shows in neither: with kvm-clock both
 * clocks stand still with it. After any of these, routers and peers may have forgotten this node.
 */
#ifndef OV_CLI_CLOCK_H
#define OV_CLI_CLOCK_H

#include "core/types.h"

#define OV_CLOCK_STILL (5 * OV_SEC) /* less is no sleep */

struct ov_clock {
    ov_time slept; /* boot time less monotonic time, when last looked at */
    ov_time last;  /* what was said last */
    ov_time alarm; /* when the loop was to wake; 0: not set */
    bool begun, woke;
};

/* Sampled now. Never 0. */
ov_time ov_clock_now(struct ov_clock *c);
/* The same, for what the two clocks say. */
ov_time ov_clock_note(struct ov_clock *c, ov_time monotonic, ov_time boot);
/* The loop will wake at `when` at the latest; OV_NEVER, 0: nobody knows. */
void ov_clock_alarm(struct ov_clock *c, ov_time when);
/* Did it stand still since this was asked last? */
bool ov_clock_woke(struct ov_clock *c);

#endif
