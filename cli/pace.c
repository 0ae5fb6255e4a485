#include "pace.h"

/* Judge by the window that ended. One that took long was mostly sleep. */
static ov_time rest_after(unsigned packets, ov_time window)
{
    if (packets < OV_PACE_MANY || window >= 4 * OV_PACE_WINDOW)
        return 0;
    return packets < OV_PACE_FLOOD ? OV_PACE_REST : OV_PACE_LONG_REST;
}

ov_time ov_pace_rest(struct ov_pace *p, bool idle, ov_time now)
{
    if (now - p->window >= OV_PACE_WINDOW) {
        p->rest = rest_after(p->packets, now - p->window);
        p->packets = 0;
        p->window = now;
    }
    if (idle) {
        p->rested = now;
        return p->rest;
    }
    if (now - p->rested < OV_PACE_STRETCH)
        return 0;
    p->rested = now;
    return OV_PACE_BREATH;
}

bool ov_pace_breathless(struct ov_pace *p, uint64_t sleeps)
{
    bool breathless = sleeps == p->sleeps;
    p->sleeps = sleeps + breathless;
    return breathless;
}
