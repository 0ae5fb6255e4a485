#include "engine.h"

/* The owner's side of networks: making, finding, setting and deleting them. */

#include "pools.h"
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MULTICAST_LIMIT_DEFAULT 1024

/* ---- making ---- */

struct pools_used {
    struct ov_prefix *v;
    size_t n, cap;
};

static int add_pools(void *arg, const struct ov_net_record *n)
{
    struct pools_used *u = arg;
    for (size_t i = 0; i < n->npools; i++) {
        if (u->n == u->cap) {
            size_t cap = u->cap == 0 ? 64 : u->cap * 2;
            struct ov_prefix *v = realloc(u->v, cap * sizeof *v);
            if (v == NULL)
                return OV_ENOMEM;
            u->v = v;
            u->cap = cap;
        }
        u->v[u->n++] = n->pools[i];
    }
    return OV_OK;
}

static bool pool_free(const struct pools_used *u, const struct ov_prefix *p)
{
    for (size_t i = 0; i < u->n; i++)
        if (ov_pool_overlap(&u->v[i], p))
            return false;
    return true;
}

/* A random free 10.147.X.0/24; when all are taken the first free /24 of 10.148.0.0 and up.
 * OV_EFULL. */
static int choose_pool(struct ov_controller *c, struct ov_prefix *out)
{
    struct pools_used u = {0};
    int r = c->store->ops->net_each(c->store, add_pools, &u);
    uint32_t start = ov_random_below(&c->random, 256);
    bool found = false;
    for (uint32_t i = 0; r == OV_OK && !found && i < (256 - 147) * 256; i++) {
        uint32_t low = i < 256 ? (start + i) % 256 : i % 256;
        *out = (struct ov_prefix){
            .bits = 24, .ip = {.family = 4, .b = {10, (uint8_t)(147 + i / 256), (uint8_t)low, 0}}};
        found = pool_free(&u, out);
    }
    free(u.v);
    return r == OV_OK && !found ? OV_EFULL : r;
}

/* A random id of ours that is not taken. */
static int choose_id(struct ov_controller *c, ov_netid *out)
{
    struct ov_net_record other;
    for (;;) {
        ov_netid low = ov_random_below(&c->random, 0xffffff) + 1;
        *out = c->identity.pub.addr << 24 | low;
        int r = c->store->ops->net_get(c->store, *out, &other);
        if (r != OV_OK)
            return r == OV_ENOENT ? OV_OK : r;
    }
}

int ov_controller_net_create(struct ov_controller *c, const char *name, struct ov_net_record *out,
                             ov_wall now, char why[256])
{
    struct ov_net_record n = {
        .created = now,
        .revision = 1,
        .flags = OV_NET_CHECK_IP | OV_NET_BROADCAST,
        .mtu = OV_MTU_DEFAULT,
        .window_s = OV_WINDOW_DEFAULT,
        .multicast_limit = MULTICAST_LIMIT_DEFAULT,
        .npools = 1,
        .ip6 = true,
        .nroots = c->nroots,
    };
    int r = ov_settings_name(name, why);
    if (r != OV_OK)
        return r;
    snprintf(n.name, sizeof n.name, "%s", name);
    memcpy(n.roots, c->roots, sizeof n.roots);
    r = choose_pool(c, &n.pools[0]);
    if (r == OV_EFULL)
        return ov_engine_fail(why, r, "no free 10.147.0.0/24 and up is left: delete a network");
    if (r == OV_OK)
        r = choose_id(c, &n.netid);
    if (r == OV_OK)
        r = c->store->ops->net_put(c->store, &n);
    if (r == OV_EEXIST)
        return ov_engine_fail(why, r, "there is a network named %s already", name);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    *out = n;
    return OV_OK;
}

/* ---- finding and setting ---- */

int ov_controller_net_find(struct ov_controller *c, const char *which, struct ov_net_record *out,
                           char why[256])
{
    ov_netid id;
    int r = ov_netid_parse(which, &id) == OV_OK ? c->store->ops->net_get(c->store, id, out)
                                                : c->store->ops->net_by_name(c->store, which, out);
    if (r == OV_ENOENT)
        return ov_engine_fail(why, r, "no network \"%.64s\" on this controller", which);
    return r == OV_OK ? r : ov_engine_store_fail(c, why, r);
}

/* Are the pools large enough for the members there are? */
static int check_capacity(struct ov_controller *c, const struct ov_net_record *n, char why[256])
{
    size_t admitted, pending;
    uint64_t hosts = 0;
    for (size_t i = 0; i < n->npools; i++)
        hosts += ov_pool_hosts(&n->pools[i]);
    int r = c->store->ops->member_count(c->store, n->netid, &admitted, &pending);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    if (n->npools > 0 && hosts < admitted)
        return ov_engine_fail(why, OV_EINVAL,
                              "%zu members need an address each and this pool has %llu: take a "
                              "larger one, or add a second",
                              admitted, (unsigned long long)hosts);
    return OV_OK;
}

int ov_controller_net_change(struct ov_controller *c, const char *which, const struct ov_setting *v,
                             size_t count, ov_wall now, char why[256])
{
    struct ov_net_record n;
    bool told = false, pools = false;
    int r = ov_controller_net_find(c, which, &n, why);
    for (size_t i = 0; r == OV_OK && i < count; i++) {
        r = ov_settings_net(&n, v[i].key, v[i].value, why);
        pools |= strcmp(v[i].key, "pool") == 0;
        if (r == OV_OK && strcmp(v[i].key, "roots") == 0)
            r = ov_engine_choose_roots(c, &n, why);
        /* members see the others */
        told |= strcmp(v[i].key, "note") != 0 && strcmp(v[i].key, "open") != 0;
    }
    if (r == OV_OK && pools)
        r = check_capacity(c, &n, why);
    if (r != OV_OK)
        return r;
    n.revision += told;
    r = c->store->ops->net_put(c->store, &n);
    if (r == OV_EEXIST)
        return ov_engine_fail(why, r, "there is a network named %s already", n.name);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    if (told) {
        ov_engine_forget(c, n.netid);
        ov_engine_push(c, &n, now);
    }
    return OV_OK;
}

int ov_controller_net_set(struct ov_controller *c, const char *which, const char *key,
                          const char *value, ov_wall now, char why[256])
{
    return ov_controller_net_change(c, which, &(struct ov_setting){key, value}, 1, now, why);
}

int ov_controller_net_delete(struct ov_controller *c, const char *which, ov_wall now, char why[256])
{
    struct ov_net_record n;
    ov_addr *v = NULL;
    size_t count = 0;
    (void)now;
    int r = ov_controller_net_find(c, which, &n, why);
    if (r != OV_OK)
        return r;
    r = ov_engine_list(c, n.netid, 1u << OV_MEMBER_ADMITTED | 1u << OV_MEMBER_PENDING, &v, &count);
    if (r == OV_OK)
        r = c->store->ops->net_delete(c->store, n.netid);
    if (r == OV_OK) {
        ov_engine_forget(c, n.netid);
        for (size_t i = 0; i < count; i++)
            ov_engine_reply(c, n.netid, v[i], OV_NET_NOT_FOUND, "");
    } else {
        ov_engine_store_fail(c, why, r);
    }
    free(v);
    return r;
}
