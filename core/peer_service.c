/* What time does to a peer: handshakes, doubt, probes, forgetting. */
#include "peer.h"

#include "hop.h"
#include "punch.h"
#include "relay.h"

#include <string.h>

#define HS_FIRST    (250 * OV_MS)
#define HS_MAX      (5 * OV_SEC)
#define HS_MAX_KEPT (15 * OV_SEC)
#define HS_GIVE_UP  (90 * OV_SEC)
#define HS_BRIEF    (3 * OV_SEC)
#define DOUBT_PROBE (250 * OV_MS)
#define ROAM_WAIT   (500 * OV_MS)
#define DOUBT_LIMIT                                                                                \
    (15 * OV_SEC) /* silence for so long: stop asking until there is something to send */
#define PATH_STALE    (120 * OV_SEC)
#define UNPROVEN_WAIT (100 * OV_MS)

static void sooner(ov_time *t, ov_time when)
{
    if (when < *t)
        *t = when;
}

/* Its silence may come of the address it goes out from: the host may route elsewhere by now. */
static void unpin(struct ov_path *path)
{
    memset(&path->local, 0, sizeof path->local);
}

/* This path has to be proven anew. */
static void suspect(struct ov_peer *p, int i)
{
    p->paths->p[i].state = OV_PATH_TRYING;
    unpin(&p->paths->p[i]);
    ov_path_schedule(&p->paths->p[i], p->e->now, 0);
    ov_peer_wake(p, p->e->now);
}

void ov_peer_tell(struct ov_peer *p)
{
    char a[OV_ADDR_TEXT], via[OV_ADDR_TEXT], ep[OV_ENDPOINT_TEXT];
    const struct ov_peer *r = p->paths->active < 0 ? ov_peer_relay_for(p) : NULL;
    /* For a root its clients' paths are not worth a line each. */
    enum ov_log_level level = p->e->caps & OV_CAP_ROOT ? OV_LOG_DEBUG : OV_LOG_INFO;
    const struct ov_path *path = p->paths->active >= 0 ? &p->paths->p[p->paths->active] : NULL;
    struct ov_endpoint to = path ? path->remote : (struct ov_endpoint){0};
    if (path && ov_path_is_link(path))
        to.scope = 0; /* the edge's number of it */
    if (path)
        ov_log(&p->e->log, level, "peer %s: %s, %s", ov_addr_format(p->id.addr, a),
               ov_path_is_link(path) ? "STREAM" : "DIRECT", ov_endpoint_format(&to, ep));
    else
        ov_log(&p->e->log, level, "peer %s: RELAY%s%s", ov_addr_format(p->id.addr, a),
               r ? ", by " : "", r ? ov_addr_format(r->id.addr, via) : "");
    if (p->keep && p->e->ops->way)
        p->e->ops->way(p->e->ops_arg, p);
    ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
}

void ov_peer_choose(struct ov_peer *p)
{
    struct ov_paths *ps = p->paths;
    bool doubted = p->unanswered && p->e->now - p->unanswered >= OV_PATH_DOUBT;
    int best = ov_paths_choose(ps, doubted), old = ps->active;
    if (best == old)
        return;
    if (doubted && old >= 0) /* it may come back, but has to prove itself */
        suspect(p, old);
    ps->active = best;
    ps->since = p->e->now;
    p->unanswered = p->sought = 0;
    p->keepalive_next = p->e->now;
    ov_peer_wake(p, p->e->now);
    if (best >= 0 && !p->keep && !ov_path_is_link(&ps->p[best]))
        ov_peer_hint(p, &ps->p[best].remote);
    if (best >= 0 && (p->remember || p->keep))
        ov_peer_persist(p);
    ov_peer_tell(p);
    ov_peer_flush(p);
}

bool ov_peer_doubt_path(struct ov_peer *p)
{
    struct ov_paths *ps = p->paths;
    if (ps->active < 0 || p->e->now - ps->p[ps->active].last_rx < OV_SEC)
        return false;
    suspect(p, ps->active);
    return true;
}

/* The peer turned up elsewhere by itself, and that place is proven: it may have left the other one
 * for good. If it was heard there a moment ago, it has half a second to be heard there again. */
static void roamed(struct ov_peer *p)
{
    struct ov_paths *ps = p->paths;
    if (ps->active < 0 || ov_peer_doubt_path(p))
        return;
    ov_path_schedule(&ps->p[ps->active], p->e->now, 0);
    p->unanswered = p->e->now - (OV_PATH_DOUBT - ROAM_WAIT);
    ov_peer_wake(p, p->e->now);
}

void ov_peer_moved(struct ov_peer *p)
{
    if (p->e->now - p->paths->since >= OV_SEC)
        ov_peer_left(p);
}

void ov_peer_left(struct ov_peer *p)
{
    struct ov_paths *ps = p->paths;
    if (ps->active < 0)
        return;
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        if (ps->p[i].state != OV_PATH_VALID)
            continue;
        ps->p[i].state = OV_PATH_TRYING;
        ov_path_schedule(&ps->p[i], p->e->now, 0);
    }
    ov_peer_wake(p, p->e->now);
    ov_peer_choose(p);
}

void ov_peer_path_proven(struct ov_peer *p, int i, ov_time rtt)
{
    struct ov_path *path = &p->paths->p[i];
    if (i != p->paths->active && path->state == OV_PATH_TRYING && path->kind == OV_CANDIDATE_SEEN)
        roamed(p);
    path->state = OV_PATH_VALID;
    path->near = ov_engine_is_near(p->e, &path->remote.ip);
    path->last_ok = path->last_rx = p->e->now;
    path->next_probe = OV_NEVER;
    if (rtt)
        ov_quality_answered(&path->q, rtt);
    else if (!path->q.srtt) /* proven by a handshake: how good is it? */
        ov_path_schedule(path, p->e->now, 0);
    ov_peer_choose(p);
    if (ov_path_is_link(path))
        ov_peer_serve(p, &path->remote);
}

void ov_peer_lost(struct ov_peer *p)
{
    ov_session_clear(p->e, &p->s);
    p->unanswered = p->unheard = 0;
    if (p->keep || p->e->now - p->last_frame < OV_PEER_ACTIVE) {
        p->hs_wanted = false;
        ov_peer_rehandshake(p);
        p->hs_next = p->e->now + OV_SEC; /* it is just going down: let it come back */
    }
    ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
}

/* Does a change of what goes by `family` (0: of all) leave it as it is? It is used by the other
 * one; or by a relay, and then what is tried meanwhile is punching, which is IPv4's. */
static bool is_unaffected(const struct ov_peer *p, uint8_t family)
{
    int i = p->paths->active;
    return family != 0 && ov_peer_up(p) &&
           (i >= 0 ? p->paths->p[i].remote.ip.family != family : family == 6);
}

/* Every path has to be proven anew. Meanwhile the relay carries what there is; where there is none
 * the chosen path goes on, in doubt: a root must not be deaf and dumb to all its nodes because it
 * got one more address. */
void ov_peer_network_changed(struct ov_peer *p, uint8_t family)
{
    ov_time now = p->e->now;
    if (!p->paths)
        return;
    bool alone = ov_peer_up(p) && p->paths->active >= 0 && !ov_peer_relay_for(p);
    bool unaffected = is_unaffected(p, family);
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        struct ov_path *path = &p->paths->p[i];
        if (family != 0 && path->remote.ip.family != family)
            continue;
        bool keep = alone && i == p->paths->active;
        /* Whom we call by ourselves takes us from any address; a node that called us, only from
         * the one that it knows. */
        if (!keep || p->keep || !ov_engine_is_local(p->e, &path->local))
            unpin(path);
        if (path->state == OV_PATH_TRYING || (path->state == OV_PATH_VALID && !ov_peer_up(p)))
            ov_path_remove(p->paths, i);
        if (path->state != OV_PATH_VALID)
            continue;
        path->state = keep ? OV_PATH_VALID : OV_PATH_TRYING;
        ov_path_schedule(path, now, 0);
    }
    ov_peer_wake(p, now);
    if (unaffected)
        return;
    if (!alone) {
        p->paths->active = OV_PATH_RELAY;
        p->paths->since = now;
    }
    p->unanswered = alone ? now : 0;
    ov_punch_reset(p);
    memset(&p->seen, 0, sizeof p->seen); /* as it was there */
    if (p->keep) {
        p->hs_wanted = false;
        ov_peer_rehandshake(p);
    }
    ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
}

/* ---- handshake ---- */

/* Each pause comes twice: on a line that loses a third of all questions or answers, the fifth try
 * is to come within two seconds. */
static ov_time backoff(struct ov_peer *p)
{
    ov_time max = p->keep && p->hs_tries > 12 ? HS_MAX_KEPT : HS_MAX;
    ov_time t = p->hs_tries > 9 ? max : HS_FIRST << p->hs_tries / 2;
    if (t > max)
        t = max;
    return t + ov_random_below(&p->e->random, (uint32_t)(t / 4));
}

static void send_initiation(struct ov_peer *p, const struct ov_via *via, const uint8_t *msg)
{
    uint8_t *out = ov_relay_reserve(p->e, via, 0, p->id.addr, OV_INITIATION_LEN);
    if (out)
        memcpy(out, msg, OV_INITIATION_LEN);
}

static void initiate_relayed(struct ov_peer *p, const uint8_t *msg)
{
    struct ov_peer *best = ov_peer_relay_for(p);
    if (best)
        send_initiation(p, &(struct ov_via){.relay = best}, msg);
    if (p->hs_tries == 0)
        return;
    for (struct ov_peer *r = p->e->keep; r; r = r->keep_next)
        if (r != best && r != p && r->relay && ov_peer_online(r))
            send_initiation(p, &(struct ov_via){.relay = r}, msg);
}

/* An initiation goes every way that may lead there: the peer answers the first that comes. */
static void initiate(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    uint8_t msg[OV_INITIATION_LEN];
    struct ov_via via;
    if (!ov_peer_ensure_paths(p) || ov_session_initiate(e, &p->s, p, &p->id, msg) != OV_OK)
        return;
    if (p->paths->active >= 0 && ov_peer_via(p, p->paths->active, &via))
        send_initiation(p, &via, msg);
    for (int i = 0; i < p->nhints; i++) {
        int socket = ov_engine_socket(e, p->hints[i].ip.family);
        via = (struct ov_via){.socket = (uint16_t)socket, .ep = p->hints[i]};
        if (socket >= 0 && (p->paths->active < 0 || p->hs_tries > 0 ||
                            !ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &via.ep)))
            send_initiation(p, &via, msg);
    }
    for (int i = 0; i < OV_LINKS_MAX; i++) {
        via = (struct ov_via){.socket = OV_SOCKET_LINK, .ep = e->links[i].ep};
        if (e->links[i].peer == p &&
            (p->paths->active < 0 ||
             !ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &via.ep)))
            send_initiation(p, &via, msg);
    }
    initiate_relayed(p, msg);
    if (p->paths->active < 0 && !p->keep && !p->hs_brief)
        ov_peer_seek(p);
    ov_wipe(msg, sizeof msg);
}

static void service_handshake(struct ov_peer *p, ov_time *next)
{
    ov_time now = p->e->now;
    if (!p->hs_wanted)
        return;
    if (!p->keep && now - p->hs_since >= (p->hs_brief ? HS_BRIEF : HS_GIVE_UP)) {
        p->hs_wanted = false;
        ov_peer_drop_queue(p);
        return;
    }
    if (now >= p->hs_next) {
        initiate(p);
        p->hs_next = now + backoff(p);
        if (p->hs_tries < 255)
            p->hs_tries++;
    }
    sooner(next, p->hs_next);
}

/* ---- silence ---- */

static void path_died(struct ov_peer *p)
{
    ov_path_remove(p->paths, p->paths->active);
    p->paths->active = OV_PATH_RELAY;
    p->paths->since = p->e->now;
    p->unanswered = 0;
    ov_peer_choose(p);
    if (p->paths->active < 0) {
        ov_punch_reset(p);
        if (p->e->now - p->last_frame < OV_PEER_ACTIVE)
            ov_punch_kick(p);
        ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
    }
}

static void service_doubt(struct ov_peer *p, ov_time *next)
{
    ov_time now = p->e->now;
    if (p->unheard && now - p->unheard >= OV_UNHEARD)
        ov_peer_rehandshake(p);
    else if (p->unheard)
        sooner(next, p->unheard + OV_UNHEARD);
    if (p->unheard && now - p->unheard >= DOUBT_LIMIT && !p->keep) {
        p->unheard = p->unanswered = 0;
        return;
    }
    ov_time first =
        p->unanswered && (!p->unheard || p->unanswered < p->unheard) ? p->unanswered : p->unheard;
    if (!first || !ov_peer_up(p))
        return;
    if (p->paths->active >= 0 && p->unanswered && now - p->unanswered >= OV_PATH_DEAD) {
        path_died(p);
        sooner(next, now);
        return;
    }
    if (p->paths->active >= 0 && p->unanswered)
        sooner(next, p->unanswered + OV_PATH_DEAD);
    if (now < first + OV_PATH_DOUBT) {
        sooner(next, first + OV_PATH_DOUBT);
        return;
    }
    ov_peer_choose(p); /* perhaps another path was proven since */
    if (now >= p->next_doubt) {
        if (p->keep && p->e->ops->way)
            p->e->ops->way(p->e->ops_arg, p);
        if (p->paths->active >= 0 && p->unanswered)
            unpin(&p->paths->p[p->paths->active]);
        ov_peer_probe(p, p->paths->active, 0, 0);
        if (p->paths->active >= 0 && now - first >= OV_PATH_COVER)
            ov_peer_probe(p, OV_PATH_RELAY, 0, 0);
        /* A kept peer that stays silent is the handshake's business, at its slower pace. */
        p->next_doubt = now + (now - first >= DOUBT_LIMIT ? 5 * OV_SEC : DOUBT_PROBE);
    }
    sooner(next, p->next_doubt);
}

/* ---- probes ---- */

/* A probe of the proven size went missing: ask again at once, as large frames may be lost too. */
static void mtu_missed(struct ov_peer *p, const struct ov_probe *probe, struct ov_path_quality *q)
{
    ov_quality_mtu_missed(q, p->e->now);
    if (q->mtu_misses && probe->path == p->paths->active)
        ov_peer_probe(p, probe->path, probe->size, 0);
}

static void service_lost(struct ov_peer *p, ov_time *next)
{
    struct ov_probe probe;
    while (ov_probe_lost(p->paths, p->e->now, &probe)) {
        struct ov_path_quality *q =
            probe.path < 0 ? ov_hop_quality(p, probe.path) : &p->paths->p[probe.path].q;
        if (probe.test)
            ov_keepalive_unanswered(&p->alive, p->e->now, OV_KEEPALIVE_PEER);
        if (probe.user_id)
            ov_peer_ping_lost(p, probe.user_id);
        if (!q)
            continue;
        if (!probe.mtu)
            ov_quality_lost(q);
        else if (probe.size <= q->mtu)
            mtu_missed(p, &probe, q);
    }
    sooner(next, ov_probes_deadline(p->paths));
}

static void service_trying(struct ov_peer *p, ov_time *next)
{
    ov_time now = p->e->now;
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        struct ov_path *path = &p->paths->p[i];
        if (path->state == OV_PATH_FREE)
            continue;
        if (path->state == OV_PATH_VALID && i != p->paths->active &&
            now - path->last_rx >= PATH_STALE) {
            ov_path_remove(p->paths, i);
            continue;
        }
        if (path->next_probe == OV_NEVER) {
            if (path->state == OV_PATH_TRYING && now - path->base >= 10 * OV_SEC)
                ov_path_remove(p->paths, i);
            continue;
        }
        if (now >= path->next_probe && path->state == OV_PATH_TRYING &&
            !ov_bucket_take(&p->e->unproven, 1, now)) {
            path->next_probe = now + UNPROVEN_WAIT;
        } else if (now >= path->next_probe) {
            ov_path_advance(path);
            ov_peer_probe(p, i, 0, 0);
        }
        sooner(next, path->next_probe);
    }
}

static void probe_mtu(struct ov_peer *p, int path, struct ov_path_quality *q,
                      const struct ov_path *first, ov_time *next)
{
    uint16_t size = ov_quality_mtu_probe(q, first->remote.ip.family, p->e->now);
    /* What a stream to the root can carry, UDP could not when it is taken back. */
    if (path == OV_PATH_RELAY && ov_path_is_link(first) && size > OV_PATH_MTU_SAFE)
        return;
    if (size) {
        ov_quality_mtu_sent(q, p->e->now);
        ov_peer_probe(p, path, size, 0);
    }
    if (q->mtu_next > p->e->now)
        sooner(next, q->mtu_next);
}

/* Routers and lines change under a path, and say nothing: while large datagrams leave, ask each
 * second whether they still arrive. */
static void watch_mtu(struct ov_peer *p, int path, const struct ov_path_quality *q, ov_time *next)
{
    struct ov_paths *ps = p->paths;
    ov_time now = p->e->now;
    if (!p->last_large || now - p->last_large >= 2 * OV_PEER_LARGE || q->mtu <= OV_PATH_MTU_MIN)
        return;
    if (now >= ps->mtu_watch) {
        ps->mtu_watch = now + OV_PEER_LARGE;
        ov_peer_probe(p, path, q->mtu, 0);
    }
    sooner(next, ps->mtu_watch);
}

static void search_mtu(struct ov_peer *p, int path, struct ov_path_quality *q,
                       const struct ov_path *first, ov_time *next)
{
    probe_mtu(p, path, q, first, next);
    if (!ov_path_is_link(first)) /* a stream cuts as it likes */
        watch_mtu(p, path, q, next);
}

/* Path MTU is worth knowing only where frames flow. */
static void service_mtu(struct ov_peer *p, ov_time *next)
{
    struct ov_paths *ps = p->paths;
    struct ov_peer *r;
    if (p->e->now - p->last_frame >= OV_PEER_ACTIVE)
        return;
    if (ps->active >= 0)
        search_mtu(p, ps->active, &ps->p[ps->active].q, &ps->p[ps->active], next);
    else if ((r = ov_peer_relay_for(p)) != NULL)
        search_mtu(p, OV_PATH_RELAY, &ps->relay, &r->paths->p[r->paths->active], next);
}

/* ---- the end ---- */

/* Old keys go, and with the last of them the peer, unless somebody wants it. True: p is gone. */
static bool service_forget(struct ov_peer *p, ov_time *next)
{
    struct ov_engine *e = p->e;
    struct ov_keypair *kp = p->s.next ? p->s.next : p->s.current;
    if (kp && e->now - kp->born >= OV_WIPE_AFTER) {
        ov_session_wipe_keys(e, &p->s);
        kp = NULL;
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
    }
    if (kp) {
        sooner(next, kp->born + OV_WIPE_AFTER);
        return false;
    }
    ov_time idle = p->last_rx > p->last_tx ? p->last_rx : p->last_tx;
    if (p->keep || p->hs_wanted)
        return false;
    if (e->now - idle >= OV_PEER_FORGET) {
        ov_peer_forget(p);
        return true;
    }
    sooner(next, idle + OV_PEER_FORGET);
    return false;
}

/* When to look again. */
static ov_time service_all(struct ov_peer *p, ov_time now)
{
    ov_time next = OV_NEVER;
    if (p->keep) /* time may have jumped past the session's end */
        ov_peer_connect(p);
    service_handshake(p, &next);
    if (p->fragments)
        sooner(&next,
               ov_fragments_expire(p->fragments, now, &p->e->stats.drops[OV_DROP_FRAGMENTS]));
    if (p->paths) {
        if (ov_peer_up(p)) {
            sooner(&next, ov_peer_keepalive(p));
            service_trying(p, &next);
            service_mtu(p, &next);
            sooner(&next, ov_punch_service(p));
            sooner(&next, ov_hop_service(p));
        }
        if (ov_peer_up(p))
            sooner(&next, ov_peer_doubt(p));
        service_doubt(p, &next);
        service_lost(p, &next);
    }
    if (p->hs_wanted)
        sooner(&next, p->hs_next);
    return next;
}

void ov_peer_service(void *peer, ov_time now)
{
    struct ov_peer *p = peer;
    struct ov_engine *e = p->e;
    struct ov_busy busy = {p, e->busy};
    e->busy = &busy;
    ov_time next = service_all(p, now);
    e->busy = busy.outer;
    if (service_forget(p, &next))
        return;
    /* Handlers above may have asked for an earlier wake-up; what is due now runs in the next turn.
     */
    if (next != OV_NEVER && next <= now)
        next = now + OV_MS;
    if (next != OV_NEVER)
        ov_peer_wake(p, next);
}
