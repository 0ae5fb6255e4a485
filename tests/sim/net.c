/* The simulated internet: sites, NAT boxes, and what happens to a datagram on its way. */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TTL_DEFAULT  64
#define HOPS         6 /* routers between two sites, NAT boxes not counted */
#define LAN_DELAY    (200 * 1000ull)
#define TIMEOUT      (120 * OV_SEC)
#define BINDINGS_MAX 4096
#define CONTACTS_MAX 1024
#define PORT_FIRST   20000
#define PORT_COUNT   40000

static struct sim_site *site_new(struct sim *s)
{
    struct sim_site *site = calloc(1, sizeof(*site));
    uint32_t n = (uint32_t)s->nsites + 1;

    assert(site != NULL);
    s->sites = realloc(s->sites, (s->nsites + 1) * sizeof(*s->sites));
    assert(s->sites != NULL);
    s->sites[s->nsites++] = site;
    site->wan = (struct ov_ip){4, {20, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
    site->delay = (2 + sim_random(&s->random) % 20) * OV_MS;
    int rc = ov_map_put(&s->by_ip, ov_key_ip(&site->wan), site);
    assert(rc == OV_OK);
    return site;
}

struct sim_site *sim_public(struct sim *s)
{
    return site_new(s);
}

struct sim_site *sim_nat(struct sim *s, enum sim_mapping m, enum sim_filtering f)
{
    struct sim_site *site = site_new(s);

    site->nat = true;
    site->mapping = m;
    site->filtering = f;
    site->timeout = TIMEOUT;
    return site;
}

/* ---- NAT ---- */

static void binding_free(struct sim_site *site, size_t i)
{
    free(site->bindings[i].contacts);
    site->bindings[i] = site->bindings[--site->nbindings];
}

static void expire(struct sim_site *site, ov_time now)
{
    for (size_t i = site->nbindings; i-- > 0;) {
        if (now - site->bindings[i].used > site->timeout)
            binding_free(site, i);
    }
}

static struct sim_binding *by_port(struct sim_site *site, uint16_t port)
{
    for (size_t i = 0; i < site->nbindings; i++) {
        if (site->bindings[i].port == port)
            return &site->bindings[i];
    }
    return NULL;
}

/* EIM keeps the port where it can, as home routers do; the others draw one at random each time. */
static uint16_t pick_port(struct sim *s, struct sim_site *site, uint16_t wanted)
{
    uint16_t port = wanted;

    if (site->mapping != SIM_EIM)
        port = (uint16_t)(PORT_FIRST + sim_random(&s->random) % PORT_COUNT);
    while (by_port(site, port) != NULL)
        port = (uint16_t)(PORT_FIRST + sim_random(&s->random) % PORT_COUNT);
    return port;
}

/* The part of the destination that decides which mapping a flow gets. */
static struct ov_endpoint mapping_key(enum sim_mapping m, const struct ov_endpoint *to)
{
    struct ov_endpoint key = {0};

    if (m != SIM_EIM)
        key.ip = to->ip;
    if (m == SIM_APDM)
        key.port = to->port;
    return key;
}

static struct sim_binding *bind_flow(struct sim *s, struct sim_site *site,
                                     const struct ov_endpoint *inside, const struct ov_endpoint *to)
{
    struct ov_endpoint key = mapping_key(site->mapping, to);

    for (size_t i = 0; i < site->nbindings; i++) {
        struct sim_binding *b = &site->bindings[i];
        if (ov_endpoint_equal(&b->inside, inside) && ov_endpoint_equal(&b->remote, &key))
            return b;
    }
    if (site->nbindings == BINDINGS_MAX)
        return NULL;
    uint16_t port = pick_port(s, site, inside->port);
    site->bindings = realloc(site->bindings, (site->nbindings + 1) * sizeof(*site->bindings));
    assert(site->bindings != NULL);
    struct sim_binding *b = &site->bindings[site->nbindings++];
    *b = (struct sim_binding){.inside = *inside, .remote = key, .port = port};
    return b;
}

static void remember(struct sim_binding *b, const struct ov_endpoint *to, ov_time now)
{
    b->used = now;
    for (size_t i = 0; i < b->ncontacts; i++) {
        if (ov_endpoint_equal(&b->contacts[i].remote, to)) {
            b->contacts[i].used = now;
            return;
        }
    }
    if (b->ncontacts == CONTACTS_MAX)
        return;
    b->contacts = realloc(b->contacts, (b->ncontacts + 1) * sizeof(*b->contacts));
    assert(b->contacts != NULL);
    b->contacts[b->ncontacts++] = (struct sim_contact){*to, now};
}

static bool lets_in(const struct sim_site *site, const struct sim_binding *b,
                    const struct ov_endpoint *from, ov_time now)
{
    if (site->filtering == SIM_EIF)
        return true;
    for (size_t i = 0; i < b->ncontacts; i++) {
        const struct sim_contact *c = &b->contacts[i];
        if (now - c->used > site->timeout || !ov_ip_equal(&c->remote.ip, &from->ip))
            continue;
        if (site->filtering == SIM_ADF || c->remote.port == from->port)
            return true;
    }
    return false;
}

static struct sim_node *host_at(const struct sim_site *site, const struct ov_endpoint *ep)
{
    for (size_t i = 0; i < site->nhosts; i++) {
        if (ov_endpoint_equal(&site->hosts[i]->local, ep))
            return site->hosts[i];
    }
    return NULL;
}

struct sim_node *sim_inbound(struct sim *s, struct sim_site *site, const struct ov_endpoint *from,
                             const struct ov_endpoint *to)
{
    if (!site->nat)
        return host_at(site, to);
    expire(site, s->now);
    struct sim_binding *b = by_port(site, to->port);
    if (b == NULL || !lets_in(site, b, from, s->now))
        return NULL;
    return host_at(site, &b->inside);
}

/* ---- the way ---- */

static bool chance(struct sim *s, unsigned permille)
{
    return permille > 0 && sim_random(&s->random) % 1000 < permille;
}

/* Between two sites: delay, jitter, loss, duplication. */
static void cross(struct sim *s, const struct sim_site *a, struct sim_site *b,
                  const struct ov_endpoint *from, const struct ov_endpoint *to, const uint8_t *data,
                  size_t len)
{
    unsigned copies = chance(s, s->loss_permille) ? 0 : 1;

    if (copies == 0)
        s->lost++;
    else if (chance(s, s->duplicate_permille))
        copies = 2;
    for (; copies > 0; copies--) {
        ov_time delay = a->delay + b->delay;
        if (s->jitter > 0)
            delay += sim_random(&s->random) % s->jitter;
        struct sim_event *e = sim_post(s, SIM_DATAGRAM, s->now + delay, 0, data, len);
        e->site = b;
        e->from = *from;
        e->to = *to;
    }
}

static bool is_private(const struct ov_ip *ip)
{
    return ip->b[0] == 192 && ip->b[1] == 168;
}

void sim_send(struct sim_node *from, const struct ov_endpoint *to, uint8_t ttl, const uint8_t *data,
              size_t len)
{
    struct sim *s = from->sim;
    struct sim_site *site = from->site;
    struct ov_endpoint source = from->local;
    unsigned left = ttl != 0 ? ttl : TTL_DEFAULT;

    s->sent++;
    if (to->ip.family != 4 || (s->swallow != NULL && s->swallow(s->arg, from, to, data, len)))
        return;
    if (site->nat && is_private(&to->ip)) {
        struct sim_node *host = host_at(site, to);
        if (host == NULL)
            return;
        struct sim_event *e = sim_post(s, SIM_DATAGRAM, s->now + LAN_DELAY, 0, data, len);
        e->node = host;
        e->from = source;
        e->to = *to;
        return;
    }
    if (site->nat) {
        expire(site, s->now);
        struct sim_binding *b = bind_flow(s, site, &source, to);
        if (b == NULL)
            return;
        remember(b, to, s->now);
        source = (struct ov_endpoint){.ip = site->wan, .port = b->port};
        left--;
    }
    struct sim_site *dest = ov_map_get(&s->by_ip, ov_key_ip(&to->ip));
    if (dest == NULL || dest == site || left <= HOPS)
        return; /* nobody there, no hairpin, or died on the way */
    cross(s, site, dest, &source, to, data, len);
}
