#include "controller.h"

/* The controller itself: its life, its clock, and what is remembered between calls. */

#include "engine.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVE_MS    60000 /* the clock's stored bound moves ahead this much at a time */
#define REQUEST_RATE  1     /* requests a second from one node, and how many at once */
#define REQUEST_BURST 16

int ov_engine_fail(char why[256], int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, 256, fmt, ap);
    va_end(ap);
    return err;
}

int ov_engine_store_fail(struct ov_controller *c, char why[256], int err)
{
    ov_log(&c->log, OV_LOG_ERROR, "controller: %s", c->store->error);
    return ov_engine_fail(why, err, "%s", c->store->error);
}

/* ---- the clock ---- */

static int stamp_at(struct ov_controller *c, ov_wall t, ov_wall *out)
{
    ov_wall reserved = t > c->reserved ? t + RESERVE_MS : c->reserved;
    int r = c->store->ops->clock_put(c->store, t, reserved, reserved != c->reserved);
    if (r != OV_OK)
        return r;
    c->reserved = reserved;
    c->last = *out = t;
    return OV_OK;
}

int ov_engine_stamp_config(struct ov_controller *c, ov_wall now, ov_wall *out)
{
    return stamp_at(c, now > c->last ? now : c->last + 1, out);
}

int ov_engine_stamp_revocation(struct ov_controller *c, ov_wall now, ov_wall *out)
{
    ov_wall t = now > c->last ? now : c->last + 1;
    return stamp_at(c, t > c->floor ? t : c->floor, out);
}

/* ---- the cache ---- */

static void empty_cache(struct ov_controller *c)
{
    struct ov_net_cache *e;
    struct ov_key key;
    for (size_t it = 0; (e = ov_map_next(&c->cache, &it, &key)) != NULL;) {
        ov_map_del(&c->cache, key);
        free(e);
    }
}

struct ov_net_cache *ov_engine_cache(struct ov_controller *c, ov_netid id)
{
    struct ov_net_cache *e = ov_map_get(&c->cache, ov_key_u64(id));
    if (e != NULL)
        return e;
    if (c->cache.len >= OV_ENGINE_NETS_CACHED)
        empty_cache(c);
    e = calloc(1, sizeof *e);
    if (e != NULL && ov_map_put(&c->cache, ov_key_u64(id), e) != OV_OK) {
        free(e);
        e = NULL;
    }
    return e;
}

void ov_engine_forget(struct ov_controller *c, ov_netid id)
{
    free(ov_map_del(&c->cache, ov_key_u64(id)));
}

/* ---- life ---- */

int ov_controller_new(const struct ov_controller_config *cfg, struct ov_controller **out)
{
    uint8_t seed[16];
    *out = NULL;
    if (cfg->nroots > OV_NET_ROOTS_MAX)
        return OV_EINVAL;
    struct ov_controller *c = calloc(1, sizeof *c);
    if (c == NULL)
        return OV_ENOMEM;
    c->identity = *cfg->identity;
    c->store = cfg->store;
    c->random = cfg->random;
    c->log = cfg->log;
    c->send = cfg->send;
    c->send_arg = cfg->send_arg;
    c->nroots = cfg->nroots;
    memcpy(c->roots, cfg->roots, cfg->nroots * sizeof cfg->roots[0]);
    c->roots_pending = cfg->nroots > 0;
    c->uptime = 1;
    ov_engine_limits(c);
    c->random.fill(c->random.arg, seed, sizeof seed);
    ov_map_init(&c->cache, OV_ENGINE_NETS_CACHED, seed);
    ov_map_init(&c->left, OV_LEFT_MAX, seed);
    c->limit = ov_ratelimit_new(OV_ENGINE_SOURCES, REQUEST_RATE, REQUEST_BURST, seed);
    int r =
        c->limit == NULL ? OV_ENOMEM : c->store->ops->clock_get(c->store, &c->last, &c->reserved);
    c->floor = c->reserved;
    if (r != OV_OK) {
        ov_controller_free(c);
        return r;
    }
    *out = c;
    return OV_OK;
}

void ov_controller_free(struct ov_controller *c)
{
    if (c == NULL)
        return;
    empty_cache(c);
    ov_map_free(&c->cache);
    ov_engine_forget_left(c);
    ov_map_free(&c->left);
    if (c->limit != NULL)
        ov_ratelimit_free(c->limit);
    ov_identity_wipe(&c->identity);
    free(c);
}

/* ---- lists ---- */

struct list {
    ov_netid *v;
    size_t n, cap;
};

static int list_add(struct list *l, uint64_t id)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        ov_netid *v = realloc(l->v, cap * sizeof *v);
        if (v == NULL)
            return OV_ENOMEM;
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = id;
    return OV_OK;
}

struct filter {
    struct list list;
    unsigned mask;
};

static int filter_member(void *arg, const struct ov_member_record *m)
{
    struct filter *f = arg;
    return (f->mask >> m->state & 1) == 0 ? OV_OK : list_add(&f->list, m->id.addr);
}

int ov_engine_list(struct ov_controller *c, ov_netid id, unsigned mask, ov_addr **out, size_t *n)
{
    struct filter f = {.mask = mask};
    int r = c->store->ops->member_each(c->store, id, filter_member, &f);
    if (r != OV_OK) {
        free(f.list.v);
        return r;
    }
    *out = f.list.v;
    *n = f.list.n;
    return OV_OK;
}

static int add_net(void *arg, const struct ov_net_record *n)
{
    return list_add(arg, n->netid);
}

/* ---- roots ---- */

static bool same_roots(const struct ov_net_record *n, const struct ov_net_record *m)
{
    if (n->nroots != m->nroots)
        return false;
    for (size_t i = 0; i < m->nroots; i++) {
        const struct ov_net_root *a = &n->roots[i], *b = &m->roots[i];
        if (a->id.addr != b->id.addr || !ov_identity_equal(&a->id, &b->id) ||
            a->nendpoints != b->nendpoints)
            return false;
        for (size_t k = 0; k < a->nendpoints; k++)
            if (!ov_endpoint_equal(&a->endpoints[k], &b->endpoints[k]))
                return false;
    }
    return true;
}

static const struct ov_net_root *find_root(const struct ov_net_root *v, size_t n, ov_addr a)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].id.addr == a)
            return &v[i];
    return NULL;
}

int ov_engine_choose_roots(const struct ov_controller *c, struct ov_net_record *n, char why[256])
{
    struct ov_net_record was = *n;
    char text[OV_ADDR_TEXT];
    int r = OV_OK;
    if (n->nchosen == 0 && c->nroots == 0)
        return OV_OK; /* not told yet */
    memset(n->roots, 0, sizeof n->roots);
    n->nroots = 0;
    for (size_t i = 0; n->nchosen == 0 && i < c->nroots; i++)
        n->roots[n->nroots++] = c->roots[i];
    for (size_t i = 0; i < n->nchosen; i++) {
        /* One that the node does not know at the moment stays as it was. */
        const struct ov_net_root *known = find_root(c->roots, c->nroots, n->chosen[i]);
        if (known == NULL)
            known = find_root(was.roots, was.nroots, n->chosen[i]);
        if (known != NULL)
            n->roots[n->nroots++] = *known;
        else if (why != NULL)
            r = ov_engine_fail(why, OV_EINVAL,
                               "%s is none of this node's servers: put its name in \"roots\" under "
                               "[node] in ovpn.conf first",
                               ov_addr_format(n->chosen[i], text));
    }
    return r;
}

/* Bring c->roots into every network and tell the members of those that change. */
static int apply_roots(struct ov_controller *c, ov_wall now)
{
    struct list nets = {0};
    int r = c->store->ops->net_each(c->store, add_net, &nets);
    for (size_t i = 0; r == OV_OK && i < nets.n; i++) {
        struct ov_net_record n, was;
        r = c->store->ops->net_get(c->store, nets.v[i], &n);
        was = n;
        if (r != OV_OK || ov_engine_choose_roots(c, &n, NULL) != OV_OK || same_roots(&n, &was))
            continue;
        n.revision++;
        r = c->store->ops->net_put(c->store, &n);
        if (r == OV_OK)
            ov_engine_push(c, &n, now);
    }
    free(nets.v);
    if (r != OV_OK)
        ov_log(&c->log, OV_LOG_ERROR, "controller: new roots not stored: %s", c->store->error);
    c->roots_pending = r != OV_OK;
    return r;
}

int ov_controller_set_roots(struct ov_controller *c, const struct ov_net_root *roots, size_t n,
                            ov_wall now)
{
    if (n > OV_NET_ROOTS_MAX)
        return OV_EINVAL;
    memset(c->roots, 0, sizeof c->roots);
    if (n > 0)
        memcpy(c->roots, roots, n * sizeof roots[0]);
    c->nroots = (uint8_t)n;
    return apply_roots(c, now);
}

void ov_engine_sync_roots(struct ov_controller *c, ov_wall now)
{
    if (c->roots_pending && apply_roots(c, now) != OV_OK)
        return; /* logged; tried again the next time */
}

/* ---- the passing of time ---- */

void ov_controller_tick(struct ov_controller *c, ov_wall now)
{
    struct list nets = {0};
    ov_engine_sync_roots(c, now);
    if (c->store->ops->net_each(c->store, add_net, &nets) != OV_OK)
        ov_log(&c->log, OV_LOG_ERROR, "controller: %s", c->store->error);
    for (size_t i = 0; i < nets.n; i++) {
        struct ov_net_record n;
        struct ov_net_cache *e = ov_engine_cache(c, nets.v[i]);
        if (e == NULL || c->store->ops->net_get(c->store, nets.v[i], &n) != OV_OK)
            continue;
        if (e->pushed == 0 || e->pushed > now) {
            e->pushed = now; /* a start, or the clock went back */
        } else if (now - e->pushed >= (ov_wall)n.window_s * 1000 / 4) {
            e->revision = 0; /* sign anew */
            ov_engine_push(c, &n, now);
        }
    }
    free(nets.v);
}
