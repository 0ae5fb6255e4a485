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
#define CONTACTS_MAX 4096
#define PORT_FIRST   1024
#define PORT_COUNT   64512
#define BLOCK_COUNT  2048
#define POISON_LIFE  (30 * OV_SEC)
#define PPS_BURST    20

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

struct sim_site *sim_enemy(struct sim *s)
{
    struct sim_site *site = site_new(s);

    site->enemy = calloc(SIM_ACCOUNTS, sizeof(*site->enemy));
    assert(site->enemy != NULL);
    return site;
}

struct sim_site *sim_nat(struct sim *s, enum sim_mapping m, enum sim_filtering f)
{
    struct sim_site *site = site_new(s);

    site->nat = true;
    site->mapping = m;
    site->filtering = f;
    site->timeout = TIMEOUT;
    site->allocation = m == SIM_EIM ? SIM_PRESERVING : SIM_RANDOM;
    site->first_port = site->next_port = 40000;
    site->step = 1;
    return site;
}

struct sim_site *sim_nat_hard(struct sim *s, enum sim_allocation a, int step)
{
    struct sim_site *site = sim_nat(s, SIM_APDM, SIM_APDF);

    site->allocation = a;
    site->step = step;
    if (a == SIM_BLOCK)
        site->first_port = (uint16_t)(PORT_FIRST + sim_random(&s->random) % 31 * BLOCK_COUNT);
    if (a == SIM_SEQUENTIAL)
        site->next_port = (uint16_t)(20000 + sim_random(&s->random) % 30000);
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

static uint16_t next_port(struct sim *s, struct sim_site *site, uint16_t inside)
{
    uint16_t port = site->next_port;

    switch (site->allocation) {
    case SIM_PRESERVING:
        return inside;
    case SIM_SEQUENTIAL:
        site->next_port = (uint16_t)(port + site->step);
        if (site->next_port < PORT_FIRST)
            site->next_port = site->step < 0 ? 65535 : PORT_FIRST;
        return port;
    case SIM_BLOCK:
        return (uint16_t)(site->first_port + sim_random(&s->random) % BLOCK_COUNT);
    default:
        return (uint16_t)(PORT_FIRST + sim_random(&s->random) % PORT_COUNT);
    }
}

static uint16_t pick_port(struct sim *s, struct sim_site *site, uint16_t inside)
{
    uint16_t port = next_port(s, site, inside);

    while (by_port(site, port) != NULL) {
        if (site->allocation == SIM_PRESERVING)
            port = (uint16_t)(PORT_FIRST + sim_random(&s->random) % PORT_COUNT);
        else
            port = next_port(s, site, inside);
    }
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

static struct sim_binding *add_binding(struct sim_site *site, const struct ov_endpoint *inside,
                                       const struct ov_endpoint *key, uint16_t port)
{
    if (site->nbindings == BINDINGS_MAX)
        return NULL;
    site->bindings = realloc(site->bindings, (site->nbindings + 1) * sizeof(*site->bindings));
    assert(site->bindings != NULL);
    struct sim_binding *b = &site->bindings[site->nbindings++];
    *b = (struct sim_binding){.inside = *inside, .remote = *key, .port = port};
    return b;
}

static struct sim_contact *contact_of(struct sim_binding *b, const struct ov_endpoint *to)
{
    for (size_t i = 0; i < b->ncontacts; i++) {
        if (ov_endpoint_equal(&b->contacts[i].remote, to))
            return &b->contacts[i];
    }
    return NULL;
}

static struct sim_poison *poison_of(struct sim *s, struct sim_site *site,
                                    const struct ov_endpoint *remote, uint16_t port)
{
    for (size_t i = 0; i < site->npoisons; i++) {
        struct sim_poison *p = &site->poisons[i];
        if (p->port == port && ov_endpoint_equal(&p->remote, remote) &&
            s->now - p->used < POISON_LIFE)
            return p;
    }
    return NULL;
}

static void poison(struct sim *s, struct sim_site *site, const struct ov_endpoint *remote,
                   uint16_t port)
{
    struct sim_poison *p = poison_of(s, site, remote, port);

    if (p == NULL)
        p = &site->poisons[site->npoisons < SIM_POISONS_MAX
                               ? site->npoisons++
                               : sim_random(&s->random) % SIM_POISONS_MAX];
    *p = (struct sim_poison){*remote, port, s->now};
}

static struct sim_binding *bind_flow(struct sim *s, struct sim_site *site,
                                     const struct ov_endpoint *inside, const struct ov_endpoint *to)
{
    struct ov_endpoint key = mapping_key(site->mapping, to);
    struct sim_binding *found = NULL;

    for (size_t i = 0; i < site->nbindings; i++) {
        struct sim_binding *b = &site->bindings[i];
        if (!ov_endpoint_equal(&b->inside, inside))
            continue;
        if (b->remapped && ov_endpoint_equal(&b->remote, to))
            return b;
        if (!b->remapped && ov_endpoint_equal(&b->remote, &key))
            found = b;
    }
    if (found == NULL)
        found = add_binding(site, inside, &key, pick_port(s, site, inside->port));
    if (found == NULL || contact_of(found, to) != NULL ||
        poison_of(s, site, to, found->port) == NULL)
        return found;
    uint16_t other = (uint16_t)(PORT_FIRST + sim_random(&s->random) % PORT_COUNT);
    found = add_binding(site, inside, to, other);
    if (found != NULL)
        found->remapped = true;
    return found;
}

static void remember(struct sim_binding *b, const struct ov_endpoint *to, ov_time now)
{
    b->used = now;
    struct sim_contact *c = contact_of(b, to);

    if (c != NULL) {
        c->used = now;
        return;
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

int sim_socket(const struct sim_node *n, uint16_t port)
{
    if (n->local.port == port)
        return 0;
    for (size_t i = 0; i < n->nsockets; i++) {
        if (n->sockets[i].port == port)
            return n->sockets[i].number;
    }
    return -1;
}

static struct sim_node *host_at(const struct sim_site *site, const struct ov_endpoint *ep)
{
    for (size_t i = 0; i < site->nhosts; i++) {
        if (ov_ip_equal(&site->hosts[i]->local.ip, &ep->ip) &&
            sim_socket(site->hosts[i], ep->port) >= 0)
            return site->hosts[i];
    }
    return NULL;
}

struct sim_node *sim_inbound_port(struct sim *s, struct sim_site *site,
                                  const struct ov_endpoint *from, const struct ov_endpoint *to,
                                  uint16_t *port)
{
    *port = to->port;
    if (!site->nat)
        return host_at(site, to);
    if (site->udp_blocked)
        return NULL;
    expire(site, s->now);
    struct sim_binding *b = by_port(site, to->port);
    if (b == NULL || !lets_in(site, b, from, s->now)) {
        if (site->open_input)
            poison(s, site, from, to->port);
        return NULL;
    }
    *port = b->inside.port;
    return host_at(site, &b->inside);
}

struct sim_node *sim_inbound(struct sim *s, struct sim_site *site, const struct ov_endpoint *from,
                             const struct ov_endpoint *to)
{
    uint16_t port;

    return sim_inbound_port(s, site, from, to, &port);
}

/* ---- caps ---- */

static size_t live_flows(const struct sim_site *site, ov_time now)
{
    size_t n = 0;

    for (size_t i = 0; i < site->nbindings; i++) {
        for (size_t k = 0; k < site->bindings[i].ncontacts; k++)
            n += now - site->bindings[i].contacts[k].used <= site->timeout;
    }
    return n;
}

/* Is there a token for one more datagram? */
static bool under_pps_cap(struct sim_site *site, ov_time now)
{
    uint64_t most = PPS_BURST * OV_SEC;

    site->tokens_ns += (now - site->tokens_at) * site->pps_cap;
    site->tokens_at = now;
    if (site->tokens_ns > most)
        site->tokens_ns = most;
    if (site->tokens_ns < OV_SEC)
        return false;
    site->tokens_ns -= OV_SEC;
    return true;
}

static void count_out(struct sim_site *site, ov_time now)
{
    site->out++;
    if (now - site->second >= OV_SEC) {
        site->second = now;
        site->in_second = 0;
    }
    if (++site->in_second > site->peak)
        site->peak = site->in_second;
}

/* Through the NAT, or not: the source that others see. */
static bool translate(struct sim *s, struct sim_site *site, const struct ov_endpoint *to,
                      struct ov_endpoint *source)
{
    expire(site, s->now);
    count_out(site, s->now);
    if (site->udp_blocked)
        return false;
    if (site->pps_cap > 0 && !under_pps_cap(site, s->now)) {
        site->refused++;
        return false;
    }
    struct sim_binding *b = bind_flow(s, site, source, to);
    if (b == NULL)
        return false;
    struct sim_contact *c = contact_of(b, to);
    bool fresh = c == NULL || s->now - c->used > site->timeout;
    if (fresh && site->flow_cap > 0 && live_flows(site, s->now) >= site->flow_cap) {
        site->refused++;
        return false;
    }
    site->flows += fresh;
    remember(b, to, s->now);
    *source = (struct ov_endpoint){.ip = site->wan, .port = b->port};
    return true;
}

/* ---- the way ---- */

static bool chance(struct sim *s, unsigned permille)
{
    return permille > 0 && sim_random(&s->random) % 1000 < permille;
}

static void note_lost(struct sim *s, const struct sim_node *src, const struct ov_endpoint *to,
                      const uint8_t *data, size_t len)
{
    s->lost++;
    if (s->watch.lost != NULL)
        s->watch.lost(s->watch.arg, src, to, data, len);
}

/* Between two sites: delay, jitter, loss, duplication. */
static void cross(struct sim *s, const struct sim_node *src, struct sim_site *b,
                  const struct ov_endpoint *from, const struct ov_endpoint *to, const uint8_t *data,
                  size_t len)
{
    const struct sim_site *a = src->site;
    bool parted = (s->forbid_pair && a->nat && b->nat) || a->island != b->island;
    unsigned copies = chance(s, s->loss_permille) || parted ? 0 : 1;

    if (copies > 0 && s->tap != NULL && !s->tap(s->tap_arg, src, from, to, data, len))
        copies = 0;
    if (copies == 0)
        note_lost(s, src, to, data, len);
    else if (chance(s, s->duplicate_permille))
        copies = 2;
    for (; copies > 0; copies--) {
        ov_time delay = a->delay + b->delay;
        if (s->jitter > 0)
            delay += sim_random(&s->random) % s->jitter;
        struct sim_event *e = sim_post(s, SIM_DATAGRAM, s->now + delay, 0, data, len);
        e->site = b;
        e->src = src;
        e->from = *from;
        e->to = *to;
    }
}

void sim_inject(struct sim *s, const struct ov_endpoint *from, const struct ov_endpoint *to,
                ov_time delay, const uint8_t *data, size_t len)
{
    struct sim_site *dest = ov_map_get(&s->by_ip, ov_key_ip(&to->ip));
    struct sim_site *source = ov_map_get(&s->by_ip, ov_key_ip(&from->ip));

    if (source != NULL && source->enemy != NULL)
        source->enemy[from->port % SIM_ACCOUNTS].asked += len;
    if (dest == NULL)
        return;
    struct sim_event *e = sim_post(s, SIM_DATAGRAM, s->now + delay, 0, data, len);
    e->site = dest;
    e->from = *from;
    e->to = *to;
}

static bool is_private(const struct ov_ip *ip)
{
    return ip->b[0] == 192 && ip->b[1] == 168;
}

static void on_lan(const struct sim_node *src, struct sim_node *host,
                   const struct ov_endpoint *from, const struct ov_endpoint *to,
                   const uint8_t *data, size_t len)
{
    struct sim *s = src->sim;

    if (host == NULL)
        return;
    struct sim_event *e = sim_post(s, SIM_DATAGRAM, s->now + LAN_DELAY, 0, data, len);
    e->node = host;
    e->src = src;
    e->from = *from;
    e->to = *to;
}

void sim_send_from(struct sim_node *from, uint16_t port, const struct ov_endpoint *to, uint8_t ttl,
                   const uint8_t *data, size_t len)
{
    struct sim *s = from->sim;
    struct sim_site *site = from->site;
    struct ov_endpoint source = from->local, inside = *to;
    unsigned left = ttl != 0 ? ttl : TTL_DEFAULT;

    s->sent++;
    source.port = port;
    if (s->watch.sent != NULL)
        s->watch.sent(s->watch.arg, from, to, data, len);
    if (to->ip.family != 4 || (s->swallow != NULL && s->swallow(s->arg, from, to, data, len)))
        return;
    if (site->nat && is_private(&to->ip)) {
        on_lan(from, host_at(site, to), &source, to, data, len);
        return;
    }
    if (site->nat && !translate(s, site, to, &source))
        return;
    left -= site->nat;
    struct sim_site *dest = ov_map_get(&s->by_ip, ov_key_ip(&to->ip));
    if (dest == site && site->hairpin) {
        struct sim_node *host = sim_inbound_port(s, site, &source, to, &inside.port);
        on_lan(from, host, &source, &inside, data, len);
        return;
    }
    if (dest == NULL || dest == site || left <= HOPS)
        return; /* nobody there, no hairpin, or died on the way */
    cross(s, from, dest, &source, to, data, len);
}

void sim_send(struct sim_node *from, const struct ov_endpoint *to, uint8_t ttl, const uint8_t *data,
              size_t len)
{
    sim_send_from(from, from->local.port, to, ttl, data, len);
}
