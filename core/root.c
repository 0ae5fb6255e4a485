#include "root.h"

#include "rootlink.h"

#include <stdio.h>
#include <string.h>

#define ASK_FIRST (500 * OV_MS)
#define ASK_MAX   (30 * OV_SEC)
#define LOOK      (5 * OV_SEC) /* how often a server is looked at that was well the last time */
#define OWING     OV_SEC       /* when there was no time to check an identity */

static void service(void *arg, ov_time now);

int ov_roots_init(struct ov_roots *rs, struct ov_overlay *o)
{
    memset(rs, 0, sizeof *rs);
    rs->o = o;
    ov_timer_init(&rs->timer, service, rs);
    int err = ov_timers_reserve(&o->e->timers, 1);
    return err == OV_OK ? ov_rootlink_init(rs) : err;
}

/* One server may be known by several names: it stays a root of ours until the last one goes. */
static void drop(struct ov_roots *rs, struct ov_root *r)
{
    struct ov_peer *p = r->peer;
    ov_rootlink_drop(rs, r);
    memset(r, 0, sizeof *r);
    if (!p)
        return;
    bool other = false, chosen = false;
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        other |= rs->root[i].peer == p;
        chosen |= rs->root[i].peer == p && rs->root[i].net == 0;
    }
    p->relay &= other;
    p->chosen &= chosen;
    ov_peer_unkeep(p);
}

void ov_roots_free(struct ov_roots *rs)
{
    ov_timer_stop(&rs->o->e->timers, &rs->timer);
    ov_timer_stop(&rs->o->e->timers, &rs->link_timer);
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        drop(rs, &rs->root[i]);
}

static void tell(struct ov_roots *rs, const struct ov_root *r)
{
    ov_emit(rs->o->e, &(struct ov_out_event){.kind = OV_EVENT_ROOT,
                                             .addr = r->peer ? r->peer->id.addr : 0,
                                             .host = r->host});
}

static struct ov_root *find(struct ov_roots *rs, const char *host)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        if (rs->root[i].host[0] && strcmp(rs->root[i].host, host) == 0)
            return &rs->root[i];
    return NULL;
}

static unsigned share(const struct ov_roots *rs, ov_netid net)
{
    unsigned n = 0;
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        n += rs->root[i].host[0] && rs->root[i].net == net;
    return n;
}

/* A free place; else one of the network that has most, if it is for the user, or for a network that
 * has at least two less. So no network's configuration takes all. */
static struct ov_root *make_room(struct ov_roots *rs, ov_netid net)
{
    struct ov_root *most = NULL;
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_root *r = &rs->root[i];
        if (!r->host[0])
            return r;
        if (r->net && (!most || share(rs, r->net) >= share(rs, most->net)))
            most = r;
    }
    if (!most || (net && share(rs, most->net) < share(rs, net) + 2))
        return NULL;
    drop(rs, most);
    return most;
}

static void ask(struct ov_roots *rs, struct ov_root *r)
{
    struct ov_engine *e = rs->o->e;
    r->nonce = ov_random_u64(&e->random);
    r->answered = 0;
    for (int i = 0; i < r->nendpoints; i++) {
        int socket = ov_engine_socket(e, r->endpoints[i].ip.family);
        uint8_t *out = socket < 0 ? NULL
                                  : ov_outq_datagram(&e->out, (uint16_t)socket, 0, NULL,
                                                     &r->endpoints[i], OV_WHO_LEN);
        if (!out)
            continue;
        ov_who_encode(r->nonce, out);
        e->stats.tx_datagrams++;
        e->stats.tx_bytes += OV_WHO_LEN;
    }
    ov_rootlink_ask(rs, r);
}

/* Nobody whom we know is there: perhaps somebody else is, and people should be told. */
static bool silent(const struct ov_peer *p, ov_time now)
{
    return !ov_peer_up(p) || (p->unheard && now - p->unheard >= OV_UNHEARD);
}

static void service(void *arg, ov_time now)
{
    struct ov_roots *rs = arg;
    ov_time next = OV_NEVER;
    if (rs->owing)
        ov_roots_follow(rs);
    if (rs->owing)
        next = now + OWING;
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_root *r = &rs->root[i];
        if (!r->host[0] || (!r->nendpoints && !r->link.wanted))
            continue;
        if (now >= r->next && r->peer && !silent(r->peer, now)) {
            r->tries = 0;
            r->next = now + LOOK;
        } else if (now >= r->next) {
            ov_time gap = r->tries > 6 ? ASK_MAX : ASK_FIRST << r->tries;
            ask(rs, r);
            r->next = now + (gap > ASK_MAX ? ASK_MAX : gap);
            if (r->tries < 255)
                r->tries++;
        }
        if (r->next < next)
            next = r->next;
    }
    ov_timer_start(&rs->o->e->timers, &rs->timer, next);
}

/* A server that the user named is not listed a second time because a network names it, too. */
static void merge(struct ov_roots *rs, const struct ov_root *r)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        if (&rs->root[i] != r && rs->root[i].net && rs->root[i].peer == r->peer)
            drop(rs, &rs->root[i]);
}

/* The user chose this one: it may know all our networks. */
static void choose(struct ov_roots *rs, struct ov_peer *p)
{
    if (p->chosen)
        return;
    p->chosen = true;
    for (size_t i = 0; ov_peer_up(p) && i < rs->o->n; i++)
        ov_network_session(rs->o->nets[i], p, true);
}

/* `id` is proven: connect, and stay connected. */
static void settle(struct ov_roots *rs, struct ov_root *r, const struct ov_identity *id)
{
    struct ov_peer *p;
    int err = ov_peer_get(rs->o->e, id, &p);
    if (err != OV_OK) {
        if (err == OV_ECONFLICT)
            r->mismatch = true;
        tell(rs, r);
        return;
    }
    r->mismatch = false;
    r->peer = p;
    p->remember = true;
    for (int i = 0; i < r->nendpoints; i++)
        ov_peer_hint(p, &r->endpoints[i]);
    if (ov_peer_up(p))
        p->relay = (p->caps & OV_CAP_ROOT) != 0;
    ov_rootlink_settled(rs, r);
    ov_peer_keep(p);
    ov_rootlink_look(rs);
    if (r->net == 0) {
        choose(rs, p);
        merge(rs, r);
    }
    r->next = rs->o->e->now + LOOK;
    ov_timer_start(&rs->o->e->timers, &rs->timer, rs->o->e->now);
    tell(rs, r);
    for (size_t i = 0; i < rs->o->n; i++)
        ov_network_controller(rs->o->nets[i], id);
}

/* `id` answers where a server of ours is silent. Nothing follows from it but what people are told:
 * who we know stays pinned. */
static void met(struct ov_roots *rs, struct ov_root *r, const struct ov_identity *id)
{
    bool mismatch = !ov_identity_equal(&r->peer->id, id);
    if (r->mismatch == mismatch)
        return;
    r->mismatch = mismatch;
    tell(rs, r);
}

int ov_roots_add(struct ov_roots *rs, const char *host, ov_netid net, const struct ov_identity *id,
                 const struct ov_endpoint *eps, size_t n)
{
    struct ov_engine *e = rs->o->e;
    struct ov_root *r = find(rs, host);
    if (!host[0] || strlen(host) >= sizeof r->host)
        return OV_EINVAL;
    if (!r) {
        if (!(r = make_room(rs, net)))
            return OV_EFULL;
        memcpy(r->host, host, strlen(host) + 1);
        r->net = net;
        r->asked = e->now;
        r->owner = ov_random_u64(&e->random);
        r->nonce = ov_random_u64(&e->random);
    }
    r->nendpoints = (uint8_t)(n < OV_ROOT_ENDPOINTS_MAX ? n : OV_ROOT_ENDPOINTS_MAX);
    if (r->nendpoints)
        memcpy(r->endpoints, eps, r->nendpoints * sizeof *eps);
    r->next = e->now;
    r->tries = 0;
    if (r->peer) {
        for (int i = 0; i < r->nendpoints; i++)
            ov_peer_hint(r->peer, &r->endpoints[i]);
        ov_peer_connect(r->peer);
    } else if (id) {
        settle(rs, r, id);
    } else {
        ov_timer_start(&e->timers, &rs->timer, e->now);
    }
    ov_rootlink_look(rs);
    return OV_OK;
}

void ov_roots_remove(struct ov_roots *rs, const char *host)
{
    struct ov_root *r = find(rs, host);
    if (!r)
        return;
    drop(rs, r);
    ov_roots_follow(rs); /* a configuration may name it too */
}

/* Which of the endpoints asked is it, as a bit? 0: none of them. */
static uint8_t asked_at(const struct ov_roots *rs, const struct ov_root *r,
                        const struct ov_endpoint *from)
{
    for (int i = 0; i < r->nendpoints; i++)
        if (ov_endpoint_equal(&r->endpoints[i], from))
            return (uint8_t)(1 << i);
    return ov_rootlink_is(rs, r, from) ? 1 << OV_ROOT_ENDPOINTS_MAX : 0;
}

/* The one we know costs nothing to recognize. Of others each endpoint may name one a question. */
static void answer(struct ov_roots *rs, struct ov_root *r, const struct ov_iam *iam, uint8_t bit)
{
    struct ov_engine *e = rs->o->e;
    struct ov_identity id = iam->id;
    if (r->peer && ov_identity_equal(&r->peer->id, &id)) {
        met(rs, r, &r->peer->id);
        return;
    }
    if (r->answered & bit || !ov_bucket_take(&e->pow_checks, 1, e->now)) {
        ov_drop(e, OV_DROP_UNEXPECTED);
        return;
    }
    r->answered |= bit;
    if (ov_identity_check(&id, &e->pow) != OV_OK)
        ov_drop(e, OV_DROP_BAD_IDENTITY);
    else if (r->peer)
        met(rs, r, &id);
    else
        settle(rs, r, &id);
}

void ov_roots_iam(struct ov_roots *rs, const struct ov_iam *iam, const struct ov_endpoint *from)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_root *r = &rs->root[i];
        uint8_t bit = r->host[0] && r->nonce == iam->nonce ? asked_at(rs, r, from) : 0;
        if (bit) {
            answer(rs, r, iam, bit);
            return;
        }
    }
    ov_drop(rs->o->e, OV_DROP_UNEXPECTED);
}

bool ov_roots_session(struct ov_roots *rs, struct ov_peer *p)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        if (rs->root[i].peer != p)
            continue;
        p->relay = (p->caps & OV_CAP_ROOT) != 0;
        rs->root[i].mismatch = false;
        tell(rs, &rs->root[i]);
        return true;
    }
    return false;
}

/* ---- roots of configurations ---- */

static bool named(const struct ov_roots *rs, ov_netid net, ov_addr a)
{
    for (size_t i = 0; i < rs->o->n; i++) {
        const struct ov_network *n = rs->o->nets[i];
        for (int k = 0; n->id == net && n->config && k < n->config->nroots; k++)
            if (n->config->roots[k].id.addr == a)
                return true;
    }
    return false;
}

static struct ov_peer *have(const struct ov_roots *rs, ov_addr a)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        if (rs->root[i].peer && rs->root[i].peer->id.addr == a)
            return rs->root[i].peer;
    return NULL;
}

/* A server that we know already may be reached at more places than where it was found. */
static void more_hints(struct ov_peer *p, const struct ov_net_root *nr)
{
    if (!ov_identity_equal(&p->id, &nr->id))
        return;
    for (int i = 0; i < nr->nendpoints && p->nhints < OV_HINTS_MAX; i++)
        ov_peer_hint(p, &nr->endpoints[i]);
}

static void add_named(struct ov_roots *rs, struct ov_network *net, int k)
{
    struct ov_engine *e = rs->o->e;
    const struct ov_net_root *nr = &net->config->roots[k];
    struct ov_identity id = nr->id;
    char host[OV_ROOT_HOST_MAX], a[OV_ADDR_TEXT], n[OV_NETID_TEXT];
    struct ov_peer *known = have(rs, nr->id.addr);
    if (known)
        more_hints(known, nr);
    if (known || nr->id.addr == e->id.pub.addr || net->false_roots & 1 << k)
        return;
    if (!ov_bucket_take(&e->pow_checks, 1, e->now)) {
        rs->owing = true;
        return;
    }
    if (ov_identity_check(&id, &e->pow) != OV_OK || id.addr != nr->id.addr) {
        net->false_roots |= (uint8_t)(1 << k);
        ov_drop(e, OV_DROP_BAD_IDENTITY);
        return;
    }
    snprintf(host, sizeof host, "%s of network %s", ov_addr_format(id.addr, a),
             ov_netid_format(net->id, n));
    if (ov_roots_add(rs, host, net->id, &id, nr->endpoints, nr->nendpoints) != OV_OK)
        ov_drop(e, OV_DROP_TABLE_FULL);
}

void ov_roots_follow(struct ov_roots *rs)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_root *r = &rs->root[i];
        if (r->host[0] && r->net && (!r->peer || !named(rs, r->net, r->peer->id.addr)))
            drop(rs, r);
    }
    rs->owing = false;
    for (size_t i = 0; i < rs->o->n; i++) {
        struct ov_network *n = rs->o->nets[i];
        for (int k = 0; n->config && k < n->config->nroots; k++)
            add_named(rs, n, k);
    }
    if (rs->owing)
        ov_timer_start(&rs->o->e->timers, &rs->timer, rs->o->e->now);
}
