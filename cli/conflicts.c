#include "conflicts.h"

bool ov_conflicts_add(struct ov_conflicts *c, ov_addr addr, ov_wall now)
{
    struct ov_conflict *oldest = &c->v[0];
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i].addr == addr) {
            c->v[i].count++;
            c->v[i].last = now;
            return false;
        }
        if (c->v[i].last < oldest->last)
            oldest = &c->v[i];
    }
    if (c->n < OV_CONFLICTS_MAX)
        oldest = &c->v[c->n++];
    *oldest = (struct ov_conflict){.addr = addr, .count = 1, .last = now};
    return true;
}
