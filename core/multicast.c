#include "multicast.h"

#include "lookup.h"
#include "member.h"
#include "switch.h"

#include <stdlib.h>
#include <string.h>

#define FRESH    OV_SEC        /* so long may a newcomer be missed */
#define HOLD     (600 * OV_MS) /* a frame waits for the directory at most so long */
#define MUTE     (5 * OV_SEC)  /* no directory answers: go on without it for so long */
#define ASK_GAP  (200 * OV_MS)
#define WARM_MAX 8 /* asks at start before leaving it to the first frame */

static const struct ov_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
/* A group that nobody joins, so that a directory tells the bridges only: they hear every group. */
static const struct ov_mac bridges = {{0x01}};

static bool same(const struct ov_mac *a, const struct ov_mac *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void free_group(struct ov_network *net, struct ov_group *g)
{
    net->o->e->stats.drops[OV_DROP_NO_DESTINATION] += g->held.n;
    ov_held_clear(&g->held);
    free(g->members);
    free(g->fresh);
    memset(g, 0, sizeof *g);
}

static struct ov_group *find(struct ov_network *net, const struct ov_mac *mac)
{
    for (int i = 0; i < OV_GROUP_CACHE; i++)
        if (net->group[i].used && same(&net->group[i].mac, mac))
            return &net->group[i];
    return NULL;
}

/* The group's entry, made in place of the one longest not used. */
static struct ov_group *get(struct ov_network *net, const struct ov_mac *mac)
{
    struct ov_group *g = find(net, mac), *pick = &net->group[0];
    if (g)
        return g;
    for (int i = 0; i < OV_GROUP_CACHE; i++) {
        if (!net->group[i].used) {
            pick = &net->group[i];
            break;
        }
        if (net->group[i].last_use < pick->last_use)
            pick = &net->group[i];
    }
    free_group(net, pick);
    pick->used = true;
    pick->mac = *mac;
    pick->last_use = net->o->e->now;
    return pick;
}

/* Ask for the list, or for what follows `after` in it. While pages come in it is not asked for from
 * its start again. */
static void ask(struct ov_network *net, struct ov_group *g, ov_addr after)
{
    ov_time now = net->o->e->now;
    struct ov_msg_lookup m = {.netid = net->id,
                              .key = {.kind = OV_LOOKUP_GROUP, .group = g->mac},
                              .version = after ? 0 : g->version,
                              .after = after};
    if (!after && g->asking && g->after && now - g->asked < OV_SEC)
        return;
    g->asked = now;
    g->asking = true;
    g->after = after;
    if (!after)
        g->fresh_n = 0;
    ov_lookup_ask(net, &m, 0);
}

/* ---- replication ---- */

/* May `m` get a copy now? */
static bool budget(struct ov_network *net, size_t len)
{
    if (ov_bucket_take(&net->multicast, len, net->o->e->now))
        return true;
    ov_drop(net->o->e, OV_DROP_MULTICAST_LIMIT);
    return false;
}

static void to_members(struct ov_network *net, const struct ov_group *g, uint8_t *frame, size_t len)
{
    size_t n = g->n < net->config->multicast_limit ? g->n : net->config->multicast_limit;
    for (size_t i = 0; i < n; i++) {
        struct ov_member *m = ov_member_find(net, g->members[i]);
        if (m && ov_member_valid(net, m) && budget(net, len))
            ov_switch_unicast(net, m, frame, len);
    }
    if (g->n > n)
        net->o->e->stats.drops[OV_DROP_MULTICAST_LIMIT] += g->n - n;
}

static bool told_group(const struct ov_member *m, const struct ov_mac *group)
{
    for (int i = 0; i < m->ngroups; i++)
        if (same(&m->groups[i], group))
            return true;
    return ov_mac_is_broadcast(group) || (m->cert.perms & OV_PERM_BRIDGE);
}

/* No directory told us: whoever we know to want it. Returns to how many. */
static uint32_t to_known(struct ov_network *net, const struct ov_mac *group, uint8_t *frame,
                         size_t len)
{
    struct ov_member *m;
    uint32_t left = net->config->multicast_limit;
    for (size_t it = 0; left && (m = ov_map_next(&net->members, &it, NULL)) != NULL;) {
        if (told_group(m, group) && ov_member_valid(net, m) && budget(net, len)) {
            ov_switch_unicast(net, m, frame, len);
            left--;
        }
    }
    return net->config->multicast_limit - left;
}

/* To all that is known of the group now. */
static void replicate(struct ov_network *net, const struct ov_group *g, uint8_t *frame, size_t len)
{
    if (g->known && g->n)
        to_members(net, g, frame, len);
    else if ((g->known || to_known(net, &g->mac, frame, len) == 0) && same(&g->mac, &bridges))
        ov_drop(net->o->e, OV_DROP_NO_DESTINATION);
}

static void release_held(struct ov_network *net, struct ov_group *g)
{
    struct ov_queued *q;
    g->hold_until = 0;
    while ((q = ov_held_take(&g->held)) != NULL) {
        replicate(net, g, q->msg + OV_MSG_FRAME_HEADER, q->len);
        free(q);
    }
}

/* Until the directory has answered. A burst too long to be held goes to the members of the last
 * list. */
static void hold(struct ov_network *net, struct ov_group *g, uint8_t *frame, size_t len)
{
    ov_time now = net->o->e->now;
    if (!ov_held_add(&g->held, frame, len)) {
        if (g->known) {
            g->fresh_until = now + FRESH;
            release_held(net, g);
            replicate(net, g, frame, len);
        } else {
            ov_drop(net->o->e, OV_DROP_QUEUE_FULL);
        }
        return;
    }
    if (!g->hold_until) {
        g->hold_until = now + HOLD;
        ov_network_wake(net, g->hold_until);
    }
    if (now - g->asked >= ASK_GAP)
        ask(net, g, 0);
}

void ov_multicast_send(struct ov_network *net, const struct ov_mac *group, uint8_t *frame,
                       size_t len)
{
    struct ov_group *g = get(net, group);
    ov_time now = net->o->e->now;
    g->last_use = now;
    if (now >= g->fresh_until) {
        hold(net, g, frame, len);
        return;
    }
    if (now + FRESH / 2 >= g->fresh_until && now - g->asked >= FRESH / 2)
        ask(net, g, 0);
    replicate(net, g, frame, len);
}

void ov_multicast_bridges(struct ov_network *net, uint8_t *frame, size_t len)
{
    ov_multicast_send(net, &bridges, frame, len);
}

void ov_multicast_unresolved(struct ov_network *net, uint8_t *frame, size_t len)
{
    if (net->config->flags & OV_NET_CHECK_IP)
        ov_multicast_bridges(net, frame, len);
    else
        ov_multicast_send(net, &broadcast, frame, len);
}

/* ---- answers ---- */

static bool push(struct ov_group *g, ov_addr a)
{
    if (g->fresh_n == g->fresh_cap) {
        size_t cap = g->fresh_cap ? g->fresh_cap * 2 : 16;
        ov_addr *v = realloc(g->fresh, cap * sizeof *v);
        if (!v)
            return false;
        g->fresh = v;
        g->fresh_cap = cap;
    }
    g->fresh[g->fresh_n++] = a;
    return true;
}

static void use_fresh(struct ov_network *net, struct ov_group *g)
{
    ov_addr *old = g->members;
    size_t cap = g->cap;
    g->members = g->fresh;
    g->n = g->fresh_n;
    g->cap = g->fresh_cap;
    g->fresh = old;
    g->fresh_cap = cap;
    g->fresh_n = 0;
    g->asking = false;
    g->after = 0;
    g->known = true;
    g->version = g->fresh_version;
    g->directory = g->fresh_directory;
    g->fresh_until = net->o->e->now + FRESH;
    release_held(net, g);
}

/* A page of the list: take its certificates in, and collect the members that have a good one.
 * Returns the last member named. */
static ov_addr take_page(struct ov_network *net, struct ov_group *g, const struct ov_msg_found *f)
{
    ov_addr last = 0;
    for (int i = 0; i < f->n; i++) {
        struct ov_member *m;
        struct ov_cert c;
        if (ov_cert_decode(f->certs[i].p, f->certs[i].len, &c) != OV_OK)
            continue;
        last = c.member.addr;
        if (last <= g->after)
            continue;
        int err = ov_member_told(net, f->certs[i].p, f->certs[i].len, &m);
        if (err == OV_OK && g->fresh_n < OV_MEMBERS_MAX && !push(g, last))
            return 0;
    }
    return last;
}

void ov_multicast_found(struct ov_network *net, struct ov_peer *from, const struct ov_msg_found *f)
{
    ov_addr dir = from ? from->id.addr : net->o->e->id.pub.addr;
    struct ov_group *g = find(net, &f->key.group);
    if (!g || !g->asking)
        return;
    if (f->flags & OV_FOUND_UNCHANGED) {
        if (!g->known || g->directory != dir) {
            g->version = 0; /* versions of another directory mean nothing */
            return;
        }
        g->asking = false;
        g->fresh_until = net->o->e->now + FRESH;
        release_held(net, g);
        return;
    }
    if (!g->after) {
        g->fresh_directory = dir;
        g->fresh_version = f->version; /* what changes while pages come is seen the next time */
    }
    ov_addr last = take_page(net, g, f);
    if (f->n && last <= g->after)
        return; /* a page that we have already: a question was asked twice */
    if ((f->flags & OV_FOUND_MORE) && last && g->fresh_n < OV_MEMBERS_MAX)
        ask(net, g, last);
    else
        use_fresh(net, g);
}

/* ---- time ---- */

void ov_multicast_warm(struct ov_network *net)
{
    struct ov_group *g = get(net, &broadcast);
    g->asked = 0;
    ov_network_wake(net, net->o->e->now);
}

void ov_multicast_joined(struct ov_network *net)
{
    for (int i = 0; i < OV_GROUP_CACHE; i++)
        net->group[i].fresh_until = 0;
}

void ov_multicast_retry(struct ov_network *net)
{
    for (int i = 0; i < OV_GROUP_CACHE; i++)
        if (net->group[i].used && !net->group[i].known)
            ask(net, &net->group[i], 0);
}

ov_time ov_multicast_service(struct ov_network *net)
{
    ov_time now = net->o->e->now, next = OV_NEVER;
    for (int i = 0; i < OV_GROUP_CACHE; i++) {
        struct ov_group *g = &net->group[i];
        if (!g->used)
            continue;
        if (!g->known && now - g->last_use < WARM_MAX * OV_SEC) {
            if (now - g->asked >= OV_SEC)
                ask(net, g, 0);
            if (g->used && !g->known && g->asked + OV_SEC < next)
                next = g->asked + OV_SEC;
        }
        if (g->hold_until && now >= g->hold_until) {
            g->fresh_until = now + MUTE;
            release_held(net, g);
        }
        if (g->hold_until && g->hold_until < next)
            next = g->hold_until;
    }
    return next;
}

void ov_multicast_clear(struct ov_network *net)
{
    for (int i = 0; i < OV_GROUP_CACHE; i++)
        free_group(net, &net->group[i]);
}
