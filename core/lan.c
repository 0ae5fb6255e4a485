#include "lan.h"

#include "member.h"

#include <string.h>

#define STEPS      5
#define AGAIN      OV_SEC /* a kick does not come sooner after the last beacon */
#define SEEK_MAX   (300 * OV_SEC)
#define SEEK_COST  5 /* tokens of one a second */
#define SEEK_BURST (8 * SEEK_COST)
#define SEEK_FRESH (250 * OV_MS) /* so long a seek is part of what we say */
#define SOURCES    256
#define SOURCE_MAX 20 /* from one address; several nodes may share it */

static void tell(struct ov_lan *l)
{
    l->told = l->o->e->now;
    ov_emit(l->o->e, &(struct ov_out_event){.kind = OV_EVENT_LAN});
}

static void service(void *arg, ov_time now)
{
    static const ov_time gap[STEPS] = {OV_SEC, 3 * OV_SEC, 11 * OV_SEC, 45 * OV_SEC, OV_LAN_EVERY};
    struct ov_lan *l = arg;
    ov_time g = gap[l->step];
    if (!l->on)
        return;
    tell(l);
    if (l->step + 1 < STEPS)
        l->step++;
    l->next =
        now + g * 9 / 10 + ov_random_below(&l->o->e->random, (uint32_t)(g / 5 / OV_MS)) * OV_MS;
    ov_timer_start(&l->o->e->timers, &l->timer, l->next);
}

int ov_lan_init(struct ov_lan *l, struct ov_overlay *o)
{
    struct ov_engine *e = o->e;
    uint8_t seed[16];
    memset(l, 0, sizeof *l);
    l->o = o;
    l->next = OV_NEVER;
    ov_timer_init(&l->timer, service, l);
    ov_bucket_init(&l->heard, OV_LAN_HEAR_RATE, OV_LAN_HEAR_RATE, e->now);
    ov_bucket_init(&l->tries, OV_LAN_TRY_RATE, OV_LAN_TRY_BURST, e->now);
    ov_bucket_init(&l->proofs, OV_LAN_POW_RATE, OV_LAN_POW_BURST, e->now);
    ov_bucket_init(&l->seeks, 1, SEEK_BURST, e->now);
    e->random.fill(e->random.arg, seed, sizeof seed);
    l->sources = ov_ratelimit_new(SOURCES, SOURCE_MAX, SOURCE_MAX, seed);
    return l->sources ? ov_timers_reserve(&e->timers, 1) : OV_ENOMEM;
}

void ov_lan_free(struct ov_lan *l)
{
    if (!l->o)
        return;
    ov_timer_stop(&l->o->e->timers, &l->timer);
    ov_ratelimit_free(l->sources);
}

/* ---- saying ---- */

static const struct ov_secret32 *key_of(const struct ov_network *net)
{
    return ov_network_ready(net) && net->config->flags & OV_NET_LAN_KEY ? &net->config->lan_key
                                                                        : NULL;
}

void ov_lan_kick(struct ov_lan *l)
{
    ov_time now = l->o->e->now, when = now;
    if (!l->on)
        return;
    if (l->told && now - l->told < AGAIN)
        when = l->told + AGAIN;
    l->step = 0;
    l->next = when;
    ov_timer_start(&l->o->e->timers, &l->timer, when);
}

void ov_lan_moved(struct ov_lan *l)
{
    memset(l->sought, 0, sizeof l->sought);
    ov_lan_kick(l);
}

void ov_lan_enable(struct ov_lan *l, bool on)
{
    l->on = on;
    if (on)
        ov_lan_kick(l);
    else
        ov_timer_stop(&l->o->e->timers, &l->timer);
}

/* The memory of this question, made in place of the oldest one. */
static struct ov_lan_sought *sought(struct ov_lan *l, ov_netid net, const struct ov_lookup_key *key)
{
    struct ov_lan_sought *pick = &l->sought[0];
    for (int i = 0; i < OV_LAN_SOUGHT; i++) {
        struct ov_lan_sought *s = &l->sought[i];
        if (s->net == net && ov_lookup_key_equal(&s->key, key))
            return s;
        if (s->at < pick->at)
            pick = s;
    }
    *pick = (struct ov_lan_sought){.net = net, .key = *key};
    return pick;
}

void ov_lan_seek(struct ov_lan *l, const struct ov_network *net, const struct ov_lookup_key *key)
{
    ov_time now = l->o->e->now;
    if (!l->on || !key_of(net))
        return;
    struct ov_lan_sought *s = sought(l, net->id, key);
    ov_time gap = s->times > 6 ? SEEK_MAX : OV_LAN_SEEK_GAP << (s->times ? s->times - 1 : 0);
    if (gap > SEEK_MAX)
        gap = SEEK_MAX;
    if (s->at && now - s->at < gap)
        return;
    if (s->at && now - s->at >= 2 * gap) /* it was not sought for a while */
        s->times = 0;
    if (!ov_bucket_take(&l->seeks, SEEK_COST, now))
        return;
    s->at = now;
    s->times++;
    tell(l);
}

/* What we seek in this network just now. */
static struct ov_lookup_key seeking(const struct ov_lan *l, ov_netid net)
{
    const struct ov_lan_sought *last = NULL;
    for (int i = 0; i < OV_LAN_SOUGHT; i++) {
        const struct ov_lan_sought *s = &l->sought[i];
        if (s->net == net && s->at && l->o->e->now - s->at < SEEK_FRESH &&
            (!last || s->at > last->at))
            last = s;
    }
    return last ? last->key : (struct ov_lookup_key){0};
}

size_t ov_lan_beacon(struct ov_lan *l, const struct ov_ip *source, uint16_t port,
                     uint8_t out[OV_BEACON_MAX])
{
    struct ov_engine *e = l->o->e;
    struct ov_beacon b = {.id = e->id.pub, .port = port, .boot = e->boot};
    struct ov_beacon_entry v[OV_NETWORKS_MAX];
    size_t n = 0, from;
    for (size_t i = 0; i < l->o->n; i++) {
        const struct ov_network *net = l->o->nets[i];
        const struct ov_secret32 *key = key_of(net);
        if (key)
            v[n++] = (struct ov_beacon_entry){key, seeking(l, net->id)};
    }
    if (!l->on || n == 0)
        return 0;
    if (n > OV_BEACON_ENTRIES_MAX) { /* in turn */
        from = ov_random_below(&e->random, (uint32_t)(n - OV_BEACON_ENTRIES_MAX + 1));
        memmove(v, v + from, OV_BEACON_ENTRIES_MAX * sizeof *v);
        n = OV_BEACON_ENTRIES_MAX;
    }
    e->stats.lan_sent++;
    return ov_beacon_encode(&b, v, n, source, &e->random, out);
}

/* ---- hearing ---- */

static bool seeks_us(const struct ov_network *net, const struct ov_lookup_key *k)
{
    return k->kind == OV_LOOKUP_MEMBER ? k->member == net->o->e->id.pub.addr
           : k->kind == OV_LOOKUP_IP   ? ov_cert_has_ip(&net->cert, &k->ip)
                                       : false;
}

/* The sender as a peer: known by its key, or its proof of work is checked. */
static struct ov_peer *sender(struct ov_lan *l, struct ov_identity *id)
{
    struct ov_engine *e = l->o->e;
    struct ov_peer *p = ov_peer_by_key(e, &id->dh);
    if (p && ov_identity_equal(&p->id, id))
        return p;
    if (!ov_bucket_take(&l->proofs, 1, e->now) || !ov_bucket_take(&e->pow_checks, 1, e->now)) {
        ov_drop(e, OV_DROP_LIMIT);
        return NULL;
    }
    if (ov_identity_check(id, &e->pow) != OV_OK) {
        ov_drop(e, OV_DROP_BAD_IDENTITY);
        return NULL;
    }
    return ov_peer_get(e, id, &p) == OV_OK ? p : NULL;
}

static void note_met(struct ov_lan *l, ov_addr addr, ov_netid net)
{
    size_t at = 0;
    for (size_t i = 0; i < OV_LAN_MET_MAX; i++) {
        if (l->met[i].addr == addr && l->met[i].net == net) {
            at = i;
            break;
        }
        if (l->met[i].at < l->met[at].at)
            at = i;
    }
    l->met[at].addr = addr;
    l->met[at].net = net;
    l->met[at].at = l->o->e->now;
}

static bool afford(struct ov_lan *l, struct ov_peer *p)
{
    struct ov_engine *e = l->o->e;
    if (p->lan_tried && e->now - p->lan_tried < OV_LAN_TRY_GAP)
        return false;
    if (!ov_bucket_take(&l->tries, 1, e->now)) {
        ov_drop(e, OV_DROP_LIMIT);
        return false;
    }
    p->lan_tried = e->now;
    e->stats.lan_tries++;
    return true;
}

static bool knows(const struct ov_network *net, const struct ov_peer *p)
{
    const struct ov_member *m = ov_member_find(net, p->id.addr);
    return m && ov_member_is(m, p) && ov_member_valid(net, m);
}

/* There is a session: is the LAN the better way? */
static void better_way(struct ov_lan *l, struct ov_network *net, struct ov_peer *p,
                       const struct ov_endpoint *ep, bool wanted)
{
    struct ov_engine *e = l->o->e;
    int socket = ov_engine_socket(e, ep->ip.family);
    bool known = knows(net, p);
    if (!ov_paths_has_near(p->paths) && (wanted || !known) && socket >= 0 && afford(l, p)) {
        int i = ov_paths_add(p->paths, (uint16_t)socket, ep, OV_CANDIDATE_LOCAL, e->now);
        ov_path_schedule(&p->paths->p[i], e->now, 0);
        ov_peer_wake(p, e->now);
    }
    if (!known)
        ov_member_ask(net, p);
}

static void recognized(struct ov_lan *l, struct ov_network *net, const struct ov_beacon *b,
                       struct ov_peer *p, const struct ov_endpoint *ep)
{
    struct ov_engine *e = l->o->e;
    bool used = p->last_frame && e->now - p->last_frame < OV_PEER_ACTIVE;
    bool wanted = used || p->hs_wanted || seeks_us(net, &b->seek);
    bool rebooted =
        ov_twins_boot(&p->s.twins) && ov_twins_boot(&p->s.twins) != (1u << 16 | b->boot);
    note_met(l, p->id.addr, net->id);
    if (!p->keep || p->nhints < OV_HINTS_MAX) /* those of roots are of the user */
        ov_peer_hint(p, ep);
    if (ov_peer_up(p) && p->paths && !rebooted)
        better_way(l, net, p, ep, wanted);
    else if ((wanted || rebooted || !knows(net, p)) && afford(l, p))
        ov_peer_try(p);
}

void ov_lan_heard(struct ov_lan *l, const struct ov_endpoint *from, const uint8_t *data, size_t len)
{
    struct ov_engine *e = l->o->e;
    struct ov_peer *p = NULL;
    if (!l->on)
        return;
    e->stats.lan_heard++;
    if (!ov_beacon_valid(data, len)) {
        ov_drop(e, OV_DROP_MALFORMED);
        return;
    }
    if (!ov_ratelimit_allow(l->sources, &from->ip, e->now) ||
        !ov_bucket_take(&l->heard, 1, e->now)) {
        ov_drop(e, OV_DROP_LIMIT);
        return;
    }
    for (size_t i = 0; i < l->o->n; i++) {
        struct ov_network *net = l->o->nets[i];
        const struct ov_secret32 *key = key_of(net);
        struct ov_beacon b;
        if (!key || ov_beacon_open(data, len, &from->ip, key, &b) != OV_OK)
            continue;
        if (ov_identity_equal(&b.id, &e->id.pub))
            return; /* our own echo */
        if (!p && !(p = sender(l, &b.id)))
            return;
        struct ov_endpoint ep = *from;
        ep.port = b.port;
        e->stats.lan_known++;
        if (ov_identity_equal(&b.id, &p->id)) /* of all its entries, or it makes fun of us */
            recognized(l, net, &b, p, &ep);
    }
}

void ov_lan_session(struct ov_lan *l, struct ov_peer *p)
{
    for (size_t i = 0; i < OV_LAN_MET_MAX; i++) {
        if (l->met[i].addr != p->id.addr)
            continue;
        struct ov_network *net = ov_network_find(l->o, l->met[i].net);
        if (net && ov_network_ready(net) && !knows(net, p))
            ov_member_hello(net, p, true);
    }
}
