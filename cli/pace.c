#include "pace.h"

ov_time ov_pace_rest(struct ov_pace *p, bool idle, ov_time now)
{
    if (now - p->window >= OV_PACE_WINDOW) {
        p->many = p->packets >= OV_PACE_MANY && now - p->window < 4 * OV_PACE_WINDOW;
        p->packets = 0;
        p->window = now;
    }
    if (idle) {
        p->rested = now;
        return p->many ? OV_PACE_REST : 0;
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
