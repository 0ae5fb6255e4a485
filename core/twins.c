#include "twins.h"

#include <string.h>

static uint32_t number(uint16_t boot)
{
    return 1u << 16 | boot;
}

/* Its place in life[], or -1. */
static int find(const struct ov_twins *t, uint16_t boot)
{
    for (int i = 0; i < OV_TWINS_LIVES; i++)
        if (t->life[i].boot == number(boot))
            return i;
    return -1;
}

bool ov_twins_fresh(const struct ov_twins *t, uint16_t boot, uint64_t stamp)
{
    int i = find(t, boot);
    return stamp > (i >= 0 ? t->life[i].stamp : t->stamp);
}

void ov_twins_took(struct ov_twins *t, uint16_t boot, uint64_t stamp)
{
    int i = find(t, boot);
    if (i >= 0)
        t->life[i].stamp = stamp;
    if (stamp > t->stamp)
        t->stamp = stamp;
}

/* Bring life `i` to the front; the one that falls out with -1 is the one heard longest ago. */
static void to_front(struct ov_twins *t, int i, uint16_t boot)
{
    struct ov_life l = {.boot = number(boot), .stamp = t->stamp};
    if (i >= 0)
        l = t->life[i];
    else
        i = OV_TWINS_LIVES - 1;
    memmove(&t->life[1], &t->life[0], (size_t)i * sizeof t->life[0]);
    t->life[0] = l;
}

bool ov_twins_heard(struct ov_twins *t, uint16_t boot, ov_time begun,
                    const struct ov_endpoint *from, ov_time now)
{
    int i = find(t, boot);
    if (i > 0 && begun > t->life[0].since) {
        bool again = t->returns > 0 && now - t->returned <= OV_TWINS_WINDOW;
        t->returns = again ? t->returns + 1 : 1;
        t->returned = now;
    }
    if (i != 0) {
        to_front(t, i, boot);
        t->life[0].since = now;
    }
    t->life[0].heard = now;
    t->life[0].from = *from;
    return i != 0;
}

uint32_t ov_twins_boot(const struct ov_twins *t)
{
    return t->life[0].boot;
}

bool ov_twins_seen(const struct ov_twins *t, ov_time now)
{
    return t->returns > 1 && now - t->returned < OV_TWINS_SHOWN;
}
