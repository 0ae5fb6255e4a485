/* timer: an intrusive binary heap of deadlines.
 *
 * Equal deadlines run in the order they were started, so a run is reproducible. A timer is a member
 * of the object it serves; it must be stopped before that object is freed. */
#ifndef OV_CORE_TIMER_H
#define OV_CORE_TIMER_H

#include "types.h"

struct ov_timer {
    ov_time when;
    uint64_t order; /* tie-break, given at start */
    size_t slot;    /* heap position + 1; 0 when stopped */
    void (*fn)(void *arg, ov_time now);
    void *arg;
};

struct ov_timers {
    struct ov_timer **heap;
    size_t len, cap;
    size_t due; /* taken out of the heap by the run in progress, not called yet */
    uint64_t next_order;
};

void ov_timers_init(struct ov_timers *ts);
void ov_timers_free(struct ov_timers *ts); /* stops all that still run */
void ov_timer_init(struct ov_timer *t, void (*fn)(void *arg, ov_time now), void *arg);
/* Make room for `n` more running timers ahead of time, so that starting them cannot fail.
 * OV_ENOMEM. */
OV_CHECK int ov_timers_reserve(struct ov_timers *ts, size_t n);
/* Start, or move, to `when`; OV_NEVER stops. Where room was not reserved it is made here, and
 * running out of memory is then fatal (asserted). */
void ov_timer_start(struct ov_timers *ts, struct ov_timer *t, ov_time when);
void ov_timer_stop(struct ov_timers *ts, struct ov_timer *t);
bool ov_timer_active(const struct ov_timer *t);
ov_time ov_timers_next(const struct ov_timers *ts); /* OV_NEVER when none runs */
/* Run all that are due at `now`. A callback may start and stop any timer; one that it starts for
 * `now` or earlier runs in the next call, never in this one. */
void ov_timers_run(struct ov_timers *ts, ov_time now);

#endif
