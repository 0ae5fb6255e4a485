#include "engine.h"

/* Which addresses a member has: a pure choice from the network's pools and what is taken. */

#include "pools.h"

#include <string.h>

/* The lowest free host of one pool. Where the search starts is remembered, so that filling a pool
 * is not quadratic; whoever frees an address forgets the network's cache. OV_EFULL. */
static int take_from(struct ov_controller *c, const struct ov_net_record *n, size_t pool,
                     struct ov_prefix *out)
{
    struct ov_net_cache *e = ov_engine_cache(c, n->netid);
    const struct ov_prefix *p = &n->pools[pool];
    uint32_t hosts = ov_pool_hosts(p);
    for (uint32_t i = e != NULL ? e->free_from[pool] : 0; i < hosts; i++) {
        bool taken;
        ov_pool_host(p, i, &out->ip);
        int r = c->store->ops->address_taken(c->store, n->netid, &out->ip, &taken);
        if (r != OV_OK)
            return r;
        if (e != NULL)
            e->free_from[pool] = i;
        if (!taken) {
            out->bits = p->bits;
            return OV_OK;
        }
    }
    if (e != NULL)
        e->free_from[pool] = hosts;
    return OV_EFULL;
}

static int take_any(struct ov_controller *c, const struct ov_net_record *n, struct ov_prefix *out)
{
    for (size_t i = 0; i < n->npools; i++) {
        int r = take_from(c, n, i, out);
        if (r != OV_EFULL)
            return r;
    }
    return OV_EFULL;
}

static bool has(const struct ov_prefix *v, size_t n, const struct ov_prefix *p)
{
    for (size_t i = 0; i < n; i++)
        if (ov_ip_equal(&v[i].ip, &p->ip))
            return true;
    return false;
}

int ov_engine_assign(struct ov_controller *c, const struct ov_net_record *n,
                     struct ov_member_record *m, struct ov_assigned *out)
{
    struct ov_prefix v[OV_CERT_ADDRS_MAX] = {0};
    uint8_t count = 0;
    const uint8_t most = OV_CERT_ADDRS_MAX - 1; /* room for the IPv6 one */
    for (size_t i = 0; i < m->naddrs && count < most; i++)
        for (size_t k = 0; k < n->npools; k++)
            if (ov_pool_has_host(&n->pools[k], &m->addrs[i].ip)) {
                v[count] = m->addrs[i];
                v[count++].bits = n->pools[k].bits;
                break;
            }
    if (count == 0 && n->npools > 0) {
        int r = take_any(c, n, &v[0]);
        if (r != OV_OK)
            return r;
        count = 1;
    }
    if (n->ip6)
        ov_pool_ip6(n->netid, m->id.addr, &v[count++]);
    *out = (struct ov_assigned){.changed = count != m->naddrs};
    for (size_t i = 0; i < count && !out->changed; i++)
        out->changed = v[i].bits != m->addrs[i].bits || !ov_ip_equal(&v[i].ip, &m->addrs[i].ip);
    for (size_t i = 0; i < m->naddrs; i++)
        out->taken |= !has(v, count, &m->addrs[i]);
    memcpy(m->addrs, v, sizeof v);
    m->naddrs = count;
    return OV_OK;
}

int ov_engine_refit(struct ov_controller *c, const struct ov_net_record *n,
                    struct ov_member_record *m, ov_wall now, bool *revoked)
{
    struct ov_assigned a;
    *revoked = false;
    int r = ov_engine_assign(c, n, m, &a);
    if (r != OV_OK || !a.changed)
        return r;
    if (a.taken)
        r = ov_engine_stamp_revocation(c, now, &m->revoked);
    if (r == OV_OK)
        r = c->store->ops->member_put(c->store, m, NULL);
    *revoked = r == OV_OK && a.taken;
    return r;
}
