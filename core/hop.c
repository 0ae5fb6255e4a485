#include "hop.h"

#include <stdlib.h>

#define DOUBT         (200 * OV_MS) /* and a round trip: silence that is asked about */
#define DOUBT_MAX     (1500 * OV_MS)
#define DOUBT_PROBE   (250 * OV_MS)
#define DOUBT_END     (15 * OV_SEC) /* as in peer_service.c: nobody is there */
#define RELAY_SILENT  OV_SEC        /* shorter, it is there */
#define DOUBT_HOPS    3             /* others that are probed then */
#define CALL_GAP      (3 * OV_SEC)
#define CALL_FIRST    (500 * OV_MS) /* the first few times: each answer allows the next step */
#define CALLS_FIRST   8
#define CALL_ROUND    3 /* by then a direct path would be there */
#define SETTLE        OV_SEC
#define SWITCH_PROBES 3
#define MEMBER_EXTRA  (5 * OV_MS)
#define ROOT_EXTRA    (10 * OV_MS)
#define UNMEASURED    (3600 * OV_SEC)

static const ov_time gaps[OV_HOP_ROUNDS] = {300 * OV_MS, 400 * OV_MS, 800 * OV_MS,
                                            OV_SEC,      2 * OV_SEC,  OV_KEEPALIVE_PEER};

ov_time ov_hop_score(const struct ov_path_quality *q, bool member)
{
    if (!q->srtt)
        return OV_NEVER;
    return q->srtt + 2 * q->jitter + (ov_time)q->loss * 300 * OV_MS / 1000 +
           (member ? MEMBER_EXTRA : ROOT_EXTRA);
}

/* ---- the table ---- */

static bool may_relay(const struct ov_peer *r)
{
    return r->relay || r->volunteer;
}

static struct ov_peer *relay_at(const struct ov_peer *p, int k)
{
    ov_addr a = p->hops->h[k].relay;
    struct ov_peer *r = a ? ov_peer_find(p->e, a) : NULL;
    return r && r != p && may_relay(r) ? r : NULL;
}

static struct ov_peer *usable(const struct ov_peer *p, int k)
{
    struct ov_peer *r = relay_at(p, k);
    return r && ov_peer_online(r) ? r : NULL;
}

static struct ov_path_quality *quality(const struct ov_peer *p, int k)
{
    return k == p->hops->chosen ? &p->paths->relay : &p->hops->h[k].q;
}

static ov_time score(const struct ov_peer *p, int k)
{
    ov_time s = ov_hop_score(quality(p, k), p->hops->h[k].member);
    return s == OV_NEVER ? UNMEASURED : s;
}

static int find(const struct ov_hops *hs, ov_addr relay)
{
    for (int k = 0; k < OV_HOPS_MAX; k++)
        if (hs->h[k].relay == relay)
            return k;
    return -1;
}

static void rename_probes(struct ov_paths *ps, int from, int to)
{
    for (int i = 0; i < OV_PROBES_MAX; i++)
        if (ps->probes[i].txid && ps->probes[i].path == from)
            ps->probes[i].path = to;
}

static void drop(struct ov_peer *p, int k)
{
    if (p->hops->chosen == k)
        p->hops->chosen = -1;
    else
        rename_probes(p->paths, OV_PATH_HOP(k), OV_PATH_NONE);
    p->hops->h[k] = (struct ov_hop){0};
}

/* The slot of a relay, made if there is room: always for roots, of which there are not more. */
static int slot(struct ov_peer *p, const struct ov_peer *relay)
{
    struct ov_hops *hs = p->hops;
    int k = find(hs, relay->id.addr), members = 0, spare = -1;
    if (k >= 0 || relay == p || !may_relay(relay))
        return k;
    for (k = 0; k < OV_HOPS_MAX; k++) {
        if (hs->h[k].relay && !relay_at(p, k))
            drop(p, k);
        if (!hs->h[k].relay)
            spare = k;
        members += hs->h[k].relay && hs->h[k].member;
    }
    if (spare < 0 || (!relay->relay && members >= OV_HOPS_MEMBERS))
        return -1;
    hs->h[spare] = (struct ov_hop){.relay = relay->id.addr, .member = !relay->relay};
    ov_quality_init(&hs->h[spare].q);
    hs->round = 0; /* compare it at once */
    hs->next = p->e->now;
    ov_peer_wake(p, p->e->now);
    return spare;
}

static bool ensure(struct ov_peer *p)
{
    if (p->hops || !p->paths)
        return p->hops != NULL;
    p->hops = calloc(1, sizeof *p->hops);
    if (p->hops)
        p->hops->chosen = -1;
    return p->hops != NULL;
}

void ov_hop_offer(struct ov_peer *p, const struct ov_peer *relay)
{
    if (ensure(p))
        slot(p, relay);
}

/* ---- choosing ---- */

static void choose(struct ov_peer *p, int k)
{
    struct ov_hops *hs = p->hops;
    int old = hs->chosen;
    if (k == old)
        return;
    if (old >= 0) {
        rename_probes(p->paths, OV_PATH_RELAY, OV_PATH_HOP(old));
        hs->h[old].q = p->paths->relay;
    }
    if (old >= 0 || hs->h[k].q.srtt)
        p->paths->relay = hs->h[k].q;
    rename_probes(p->paths, OV_PATH_HOP(k), OV_PATH_RELAY);
    hs->chosen = k;
    hs->h[k].better = 0;
    hs->doubt = 0;
    if (p->paths->active >= 0)
        return;
    p->unanswered = 0;
    if (old >= 0) {
        p->paths->since = p->e->now;
        ov_peer_tell(p);
    }
}

/* The best way but `except`: among those measured if there are any. */
static int best(const struct ov_peer *p, ov_addr except)
{
    int pick = -1;
    for (int k = 0; k < OV_HOPS_MAX; k++) {
        const struct ov_hop *h = &p->hops->h[k];
        if (!h->relay || h->relay == except || (!quality(p, k)->srtt && !h->last_rx) ||
            !usable(p, k))
            continue;
        if (pick < 0 || score(p, k) < score(p, pick))
            pick = k;
    }
    return pick;
}

static ov_time distance(const struct ov_peer *r)
{
    return ov_path_score(&r->paths->p[r->paths->active]);
}

/* Nothing is measured: the relay it was last heard through, else the nearest root; not `except`. */
static struct ov_peer *nearest(const struct ov_peer *p, const struct ov_peer *except)
{
    struct ov_peer *pick = p->relay_via ? ov_peer_find(p->e, p->relay_via) : NULL;
    if (pick && pick != p && pick != except && may_relay(pick) && ov_peer_online(pick))
        return pick;
    pick = NULL;
    for (struct ov_peer *r = p->e->keep; r; r = r->keep_next)
        if (r->relay && r != p && r != except && ov_peer_online(r) &&
            (!pick || distance(r) < distance(pick)))
            pick = r;
    return pick;
}

struct ov_peer *ov_peer_relay_for(struct ov_peer *p)
{
    struct ov_peer *r = NULL;
    if (p->hops && p->paths && p->hops->chosen >= 0 && (r = usable(p, p->hops->chosen)) != NULL)
        return r;
    int k = p->hops && p->paths ? best(p, 0) : -1;
    return k >= 0 ? usable(p, k) : nearest(p, NULL);
}

bool ov_hop_via(struct ov_peer *p, int path, struct ov_via *out)
{
    int k = OV_HOP_OF(path);
    *out = (struct ov_via){.relay = p->hops && k >= 0 && k < OV_HOPS_MAX ? usable(p, k) : NULL};
    return out->relay != NULL;
}

struct ov_path_quality *ov_hop_quality(struct ov_peer *p, int path)
{
    if (path == OV_PATH_RELAY)
        return &p->paths->relay;
    int k = OV_HOP_OF(path);
    return p->hops && k >= 0 && k < OV_HOPS_MAX && p->hops->h[k].relay ? &p->hops->h[k].q : NULL;
}

void ov_hop_answered(struct ov_peer *p, int path)
{
    struct ov_hops *hs = p->hops;
    int k = OV_HOP_OF(path);
    if (!hs || path == OV_PATH_RELAY || k < 0 || k >= OV_HOPS_MAX || !hs->h[k].relay)
        return;
    if (hs->chosen < 0)
        choose(p, k);
    else if (score(p, k) + OV_MS >= score(p, hs->chosen) * 85 / 100)
        hs->h[k].better = 0;
    else if (++hs->h[k].better >= SWITCH_PROBES)
        choose(p, k);
}

/* ---- doubt ---- */

ov_time ov_hop_doubt(const struct ov_peer *p)
{
    ov_time gap = DOUBT + p->paths->relay.srtt;
    return gap < DOUBT_MAX ? gap : DOUBT_MAX;
}

/* Silent for so long that another way should help. */
static bool covered(const struct ov_peer *p)
{
    return p->paths->active < 0 && p->unanswered &&
           p->e->now - p->unanswered >= 2 * ov_hop_doubt(p);
}

/* The chosen way died: should it come back, it begins anew, and not with all that it lost. */
static void leave(struct ov_peer *p, int k)
{
    struct ov_hop *h = &p->hops->h[k];
    rename_probes(p->paths, OV_PATH_HOP(k), OV_PATH_NONE);
    ov_quality_init(&h->q);
    h->better = 0;
    h->last_rx = 0;
    h->left = p->e->now;
}

void ov_hop_heard(struct ov_peer *p, const struct ov_peer *relay)
{
    struct ov_hops *hs = p->hops;
    int k = hs ? slot(p, relay) : -1, old = k >= 0 ? hs->chosen : -1;
    if (k >= 0)
        hs->h[k].last_rx = p->e->now;
    if (k >= 0 && old < 0) {
        choose(p, k);
    } else if (k >= 0 && k != old && covered(p)) {
        choose(p, k);
        leave(p, old);
    }
    if (p->paths->active < 0 && (k < 0 || k == hs->chosen))
        p->unanswered = 0;
}

struct ov_peer *ov_hop_second(struct ov_peer *p, const struct ov_peer *first)
{
    if (!p->unanswered || !p->hops || !covered(p))
        return NULL;
    int k = best(p, first->id.addr);
    return k >= 0 ? usable(p, k) : nearest(p, first);
}

void ov_hop_restart(struct ov_peer *p)
{
    for (int k = 0; p->hops && k < OV_HOPS_MAX; k++) {
        ov_quality_init(&p->hops->h[k].q);
        p->hops->h[k].better = 0;
    }
    ov_quality_init(&p->paths->relay);
    if (p->hops)
        p->hops->round = 0;
}

/* ---- service ---- */

static void gather(struct ov_peer *p)
{
    for (int k = 0; k < OV_HOPS_MAX; k++)
        if (p->hops->h[k].relay && !relay_at(p, k))
            drop(p, k);
    for (struct ov_peer *r = p->e->keep; r; r = r->keep_next)
        if (r->relay && ov_peer_online(r))
            slot(p, r);
}

/* A relay that was given up is there again: see soon how it compares. First it has to hear from
 * both ends who they are. */
static void welcome(struct ov_peer *p)
{
    for (int k = 0; k < OV_HOPS_MAX; k++) {
        struct ov_hop *h = &p->hops->h[k];
        const struct ov_peer *r = h->left ? usable(p, k) : NULL;
        if (!r || r->last_rx <= h->left)
            continue;
        leave(p, k); /* what was lost meanwhile does not count */
        h->left = 0;
        p->hops->round = 0;
        p->hops->next = p->e->now + SETTLE;
    }
}

static void probe(struct ov_peer *p, int k)
{
    ov_peer_probe(p, k == p->hops->chosen ? OV_PATH_RELAY : OV_PATH_HOP(k), 0, 0);
}

static ov_time service_rounds(struct ov_peer *p)
{
    struct ov_hops *hs = p->hops;
    ov_time now = p->e->now;
    if (now - p->last_frame >= OV_KEEPALIVE_PEER) /* idle: with its next keepalive, if ever */
        return OV_NEVER;
    welcome(p);
    if (now >= hs->next) {
        bool quick = hs->round < OV_HOP_ROUNDS - 1;
        gather(p);
        for (int k = 0; k < OV_HOPS_MAX; k++) /* keepalives see to the chosen one */
            if (hs->h[k].relay && usable(p, k) && (quick || k != hs->chosen))
                probe(p, k);
        hs->next = now + gaps[hs->round];
        if (quick)
            hs->round++;
    }
    if ((hs->round < CALL_ROUND && !hs->calls) || p->volunteer || !p->e->ops->relayed)
        return hs->next;
    if (now >= hs->called) {
        hs->called = now + (hs->calls < CALLS_FIRST ? CALL_FIRST : CALL_GAP);
        if (hs->calls < CALLS_FIRST)
            hs->calls++;
        p->e->ops->relayed(p->e->ops_arg, p);
    }
    return hs->next < hs->called ? hs->next : hs->called;
}

/* The best few of the others. */
static void probe_others(struct ov_peer *p)
{
    bool done[OV_HOPS_MAX] = {false};
    for (int n = 0; n < DOUBT_HOPS; n++) {
        int pick = -1;
        for (int k = 0; k < OV_HOPS_MAX; k++)
            if (!done[k] && k != p->hops->chosen && p->hops->h[k].relay && usable(p, k) &&
                (pick < 0 || score(p, k) < score(p, pick)))
                pick = k;
        if (pick < 0)
            return;
        done[pick] = true;
        probe(p, pick);
    }
}

/* Perhaps it is the relay that is gone, or our way to it: then it should be found out now, and not
 * by its next keepalive. */
static void suspect_relay(struct ov_peer *p)
{
    struct ov_peer *r = ov_peer_relay_for(p);
    ov_time now = p->e->now;
    if (!r || r->unanswered || now - r->last_rx < RELAY_SILENT)
        return;
    ov_peer_probe(r, r->paths->active, 0, 0);
    r->unanswered = now;
    if (!r->unheard)
        r->unheard = now;
    ov_peer_wake(r, now + OV_PATH_DOUBT);
}

static ov_time service_doubt(struct ov_peer *p)
{
    struct ov_hops *hs = p->hops;
    ov_time now = p->e->now, gap = ov_hop_doubt(p);
    if (!p->unanswered || now - p->unanswered >= DOUBT_END)
        return OV_NEVER;
    if (now < p->unanswered + gap)
        return p->unanswered + gap;
    if (now >= hs->doubt) {
        hs->doubt = now + DOUBT_PROBE;
        suspect_relay(p);
        if (covered(p))
            probe_others(p);
        if (now - p->unanswered < OV_PATH_DOUBT) /* then peer_service.c does */
            ov_peer_probe(p, OV_PATH_RELAY, 0, 0);
    }
    if (!covered(p) && p->unanswered + 2 * gap < hs->doubt)
        return hs->doubt = p->unanswered + 2 * gap;
    return hs->doubt;
}

ov_time ov_hop_service(struct ov_peer *p)
{
    if (p->relay || !ov_peer_up(p) || p->paths->active >= 0 || !p->last_frame ||
        p->e->now - p->last_frame >= OV_PEER_ACTIVE) {
        if (p->hops)
            p->hops->round = p->hops->calls = 0, p->hops->next = 0;
        return OV_NEVER;
    }
    if (!ensure(p))
        return OV_NEVER;
    ov_time a = service_rounds(p), b = service_doubt(p);
    return a < b ? a : b;
}
