#include "revoked.h"

ov_wall ov_revoked_until(const struct ov_revoked *r, ov_addr a)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->of[i].addr == a)
            return r->of[i].timestamp > r->floor ? r->of[i].timestamp : r->floor;
    return r->floor;
}

static void forget_before(struct ov_revoked *r, ov_wall horizon)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->of[i].timestamp >= horizon)
            r->of[kept++] = r->of[i];
    r->n = kept;
}

bool ov_revoked_add(struct ov_revoked *r, ov_addr a, ov_wall timestamp, ov_wall horizon)
{
    size_t at = 0, first = 0;
    if (timestamp <= ov_revoked_until(r, a))
        return false;
    if (r->n == OV_REVOKED_MAX)
        forget_before(r, horizon);
    for (at = 0; at < r->n && r->of[at].addr != a; at++)
        if (r->of[at].timestamp < r->of[first].timestamp)
            first = at;
    if (at == OV_REVOKED_MAX && timestamp <= r->of[first].timestamp) {
        r->floor = timestamp; /* it is the earliest itself */
        return true;
    }
    if (at == OV_REVOKED_MAX) {
        at = first;
        if (r->of[at].timestamp > r->floor)
            r->floor = r->of[at].timestamp;
    } else if (at == r->n) {
        r->n++;
    }
    r->of[at].addr = a;
    r->of[at].timestamp = timestamp;
    return true;
}
