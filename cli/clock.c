#include "clock.h"

#include <time.h>

static ov_time read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (ov_time)ts.tv_sec * OV_SEC + (ov_time)ts.tv_nsec;
}

ov_time ov_clock_note(struct ov_clock *c, ov_time monotonic, ov_time boot)
{
    ov_time slept = boot > monotonic ? boot - monotonic : 0;
    if (c->begun && slept > c->slept + OV_CLOCK_STILL)
        c->woke = true;
    if (c->alarm != 0 && boot > c->alarm + OV_CLOCK_STILL) {
        c->woke = true;
        c->alarm = 0; /* once is enough */
    }
    c->slept = slept;
    c->begun = true;
    c->last = boot > 0 ? boot : 1;
    return c->last;
}

ov_time ov_clock_now(struct ov_clock *c)
{
    ov_time monotonic = read_clock(CLOCK_MONOTONIC); /* first: what passes between is no sleep */
    return ov_clock_note(c, monotonic, read_clock(CLOCK_BOOTTIME));
}

void ov_clock_alarm(struct ov_clock *c, ov_time when)
{
    bool overdue = when != 0 && when < c->last; /* what is to be done at once is not late */
    c->alarm = when == OV_NEVER ? 0 : overdue ? c->last : when;
}

bool ov_clock_woke(struct ov_clock *c)
{
    bool woke = c->woke;
    c->woke = false;
    return woke;
}
