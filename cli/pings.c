#include "pings.h"

struct ov_ping *ov_pings_add(struct ov_pings *p, ov_addr addr, ov_time now)
{
    for (size_t i = 0; i < OV_PINGS_MAX; i++) {
        struct ov_ping *g = &p->v[i];
        if (g->id != 0 && now - g->asked < OV_PINGS_KEEP)
            continue;
        *g = (struct ov_ping){.id = ++p->last_id, .addr = addr, .asked = now};
        return g;
    }
    return NULL;
}

struct ov_ping *ov_pings_find(struct ov_pings *p, uint64_t id, ov_time now)
{
    for (size_t i = 0; i < OV_PINGS_MAX && id != 0; i++)
        if (p->v[i].id == id)
            return now - p->v[i].asked < OV_PINGS_KEEP ? &p->v[i] : NULL;
    return NULL;
}

/* Who is decided tells more than who is pending, and may have been asked by somebody else. */
static bool tells_more(const struct ov_ping *a, const struct ov_ping *b)
{
    bool decided = a->state != OV_PING_PENDING;
    return decided != (b->state != OV_PING_PENDING) ? decided : a->id > b->id;
}

const struct ov_ping *ov_pings_last(const struct ov_pings *p, ov_addr addr, bool full, ov_time now)
{
    const struct ov_ping *last = NULL;
    for (size_t i = 0; i < OV_PINGS_MAX; i++) {
        const struct ov_ping *g = &p->v[i];
        if (g->id != 0 && g->addr == addr && g->full == full && now - g->asked < OV_PINGS_KEEP &&
            (last == NULL || tells_more(g, last)))
            last = g;
    }
    return last;
}

const struct ov_ping *ov_pings_best(const struct ov_pings *p, ov_addr addr, bool full, ov_time now)
{
    const struct ov_ping *best = ov_pings_last(p, addr, full, now);
    for (size_t i = 0; best != NULL && i < OV_PINGS_MAX; i++) {
        const struct ov_ping *g = &p->v[i];
        bool better =
            g->state == OV_PING_ANSWERED && (best->state != OV_PING_ANSWERED || g->id > best->id);
        if (g->id != 0 && g->addr == addr && g->full == full && better &&
            now - g->asked < OV_PINGS_TOGETHER)
            best = g;
    }
    return best;
}
