/* The array holds two things: the heap of running timers in [0, len), and, while ov_timers_run() is
 * at work, the timers taken out as due but not yet called, soonest first, in [cap - due, cap).
 * Taking them all out before the first callback is what keeps a timer that a callback starts from
 * running in the same pass; leaving them in the array is what lets a callback stop or move one of
 * them. */
#include "timer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 16

void ov_timers_init(struct ov_timers *ts)
{
    *ts = (struct ov_timers){0};
}

void ov_timers_free(struct ov_timers *ts)
{
    for (size_t i = 0; i < ts->len; i++)
        ts->heap[i]->slot = 0;
    for (size_t i = ts->cap - ts->due; i < ts->cap; i++)
        ts->heap[i]->slot = 0;
    free(ts->heap);
    ov_timers_init(ts);
}

void ov_timer_init(struct ov_timer *t, void (*fn)(void *arg, ov_time now), void *arg)
{
    *t = (struct ov_timer){.fn = fn, .arg = arg};
}

static bool before(const struct ov_timer *a, const struct ov_timer *b)
{
    return a->when < b->when || (a->when == b->when && a->order < b->order);
}

/* Put `t` at position `i` of the array. */
static void seat(struct ov_timers *ts, size_t i, struct ov_timer *t)
{
    ts->heap[i] = t;
    t->slot = i + 1;
}

/* Seat `t` at `i` or as far above it as it belongs. */
static void sift_up(struct ov_timers *ts, size_t i, struct ov_timer *t)
{
    while (i > 0 && before(t, ts->heap[(i - 1) / 2])) {
        seat(ts, i, ts->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    seat(ts, i, t);
}

/* Seat `t` at `i` or as far below it as it belongs. */
static void sift_down(struct ov_timers *ts, size_t i, struct ov_timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= ts->len)
            break;
        if (child + 1 < ts->len && before(ts->heap[child + 1], ts->heap[child]))
            child++;
        if (!before(ts->heap[child], t))
            break;
        seat(ts, i, ts->heap[child]);
        i = child;
    }
    seat(ts, i, t);
}

/* Take the timer at position `i` out of the heap. */
static void heap_remove(struct ov_timers *ts, size_t i)
{
    struct ov_timer *last = ts->heap[--ts->len];

    if (i == ts->len)
        return;
    if (i > 0 && before(last, ts->heap[(i - 1) / 2]))
        sift_up(ts, i, last);
    else
        sift_down(ts, i, last);
}

/* Take the timer at position `i` out of the due ones, by moving those before it up by one. */
static void due_remove(struct ov_timers *ts, size_t i)
{
    for (; i > ts->cap - ts->due; i--)
        seat(ts, i, ts->heap[i - 1]);
    ts->due--;
}

int ov_timers_reserve(struct ov_timers *ts, size_t n)
{
    size_t need = ts->len + ts->due + n;
    size_t cap = ts->cap > 0 ? ts->cap : CAP_MIN;

    if (need <= ts->cap)
        return OV_OK;
    while (cap < need)
        cap *= 2;
    struct ov_timer **heap = realloc(ts->heap, cap * sizeof(struct ov_timer *));
    if (heap == NULL)
        return OV_ENOMEM;
    ts->heap = heap;
    for (size_t i = 0; i < ts->due; i++)
        seat(ts, cap - 1 - i, heap[ts->cap - 1 - i]);
    ts->cap = cap;
    return OV_OK;
}

void ov_timer_start(struct ov_timers *ts, struct ov_timer *t, ov_time when)
{
    ov_timer_stop(ts, t);
    if (when == OV_NEVER)
        return;
    int rc = ov_timers_reserve(ts, 1);
    assert(rc == OV_OK);
    (void)rc;
    t->when = when;
    t->order = ts->next_order++;
    ts->len++;
    sift_up(ts, ts->len - 1, t);
}

void ov_timer_stop(struct ov_timers *ts, struct ov_timer *t)
{
    if (t->slot == 0)
        return;
    size_t i = t->slot - 1;
    assert(i < ts->cap && ts->heap[i] == t);
    t->slot = 0;
    if (i < ts->len)
        heap_remove(ts, i);
    else
        due_remove(ts, i);
}

bool ov_timer_active(const struct ov_timer *t)
{
    return t->slot != 0;
}

ov_time ov_timers_next(const struct ov_timers *ts)
{
    if (ts->due > 0)
        return ts->heap[ts->cap - ts->due]->when;
    return ts->len > 0 ? ts->heap[0]->when : OV_NEVER;
}

/* Move all that are due from the heap to the end of the array. Each one taken out of the heap frees
 * the position behind it, so they first gather there, latest first. */
static void take_due(struct ov_timers *ts, ov_time now)
{
    size_t n = 0;

    while (ts->len > 0 && ts->heap[0]->when <= now) {
        struct ov_timer *t = ts->heap[0];
        heap_remove(ts, 0);
        ts->heap[ts->len] = t;
        n++;
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct ov_timer *t = ts->heap[ts->len + i];
        ts->heap[ts->len + i] = ts->heap[ts->len + n - 1 - i];
        ts->heap[ts->len + n - 1 - i] = t;
    }
    ts->due = n;
    if (n > 0)
        memmove(&ts->heap[ts->cap - n], &ts->heap[ts->len], n * sizeof(struct ov_timer *));
    for (size_t i = ts->cap - n; i < ts->cap; i++)
        ts->heap[i]->slot = i + 1;
}

void ov_timers_run(struct ov_timers *ts, ov_time now)
{
    assert(ts->due == 0); /* not from inside a callback */
    take_due(ts, now);
    while (ts->due > 0) {
        struct ov_timer *t = ts->heap[ts->cap - ts->due];
        ts->due--;
        t->slot = 0;
        t->fn(t->arg, now);
    }
}
