/* Keeping the ways to a peer alive while nothing else is sent. */
#include "hop.h"
#include "peer.h"

#define SPREAD OV_SEC       /* when all have to hurry */
#define LOOK   (5 * OV_SEC) /* whether a root is still there */

static bool is_active(const struct ov_peer *p)
{
    return p->e->now - p->last_frame < OV_PEER_ACTIVE;
}

/* There are roots of ours, and none is there now: whoever loses us does not find us again. */
static bool is_orphaned(const struct ov_engine *e)
{
    bool any = false;
    for (const struct ov_peer *r = e->keep; r; r = r->keep_next) {
        if (r->relay && ov_peer_online(r))
            return false;
        any |= r->relay;
    }
    return any;
}

/* A member that we talked with, though not lately, and have a direct way to. */
static bool is_spare(const struct ov_peer *p)
{
    return p->remember && p->last_frame && p->paths && p->paths->active >= 0;
}

static bool is_wanted(const struct ov_peer *p)
{
    return p->keep || is_active(p) || (is_spare(p) && is_orphaned(p->e));
}

/* The gap to keep where `planned` is enough for most. On a LAN nobody forgets. */
static ov_time gap_of(const struct ov_peer *p, ov_time planned)
{
    const struct ov_paths *ps = p->paths;
    bool near = ps && ps->active >= 0 && ps->p[ps->active].near;
    ov_time nat = near ? OV_NEVER : ov_nat_patience(&p->e->nat);
    ov_time gap = ov_keepalive_gap(&p->alive, planned);
    return nat < gap ? nat : gap;
}

ov_time ov_peer_patience(const struct ov_peer *p)
{
    return gap_of(p, OV_KEEPALIVE_PEER);
}

static void probe_all(struct ov_peer *p)
{
    struct ov_paths *ps = p->paths;
    ov_time now = p->e->now;
    /* The others are for peers in use, not for those that only were: idle traffic costs people
     * money. */
    bool used = p->last_frame && now - p->last_frame < OV_KEEPALIVE_PEER;
    for (int i = 0; used && i < OV_PATHS_MAX; i++)
        if (i != ps->active && ps->p[i].state == OV_PATH_VALID)
            ov_peer_probe(p, i, 0, 0);
    ov_peer_probe(p, ps->active, 0, 0); /* last: the other side goes on from where it heard us */
    if (p->keep && !p->unheard)
        p->unheard = now;
    if (!p->keep && ps->active >= 0 && !p->unanswered)
        p->unanswered = now; /* better that it is found dead now than by the next frame */
}

/* Did the other side's keepalive, and our answer to it, do for both? Not while frames flow: then
 * our own probes measure. */
static bool kept_alive(const struct ov_peer *p, ov_time gap)
{
    ov_time now = p->e->now;
    return p->paths->active >= 0 && now - p->last_frame >= OV_KEEPALIVE_PEER &&
           now - p->paths->p[p->paths->active].last_rx < gap / 2;
}

/* The next one, a gap after `from`, more or less. */
static void plan(struct ov_peer *p, ov_time from, ov_time gap)
{
    p->keepalive_next =
        from + gap * 9 / 10 + ov_random_below(&p->e->random, (uint32_t)(gap / 5 / OV_MS)) * OV_MS;
}

static ov_time gap_now(const struct ov_peer *p)
{
    return gap_of(p, is_active(p) ? OV_KEEPALIVE_PEER : OV_KEEPALIVE_ROOT);
}

void ov_peer_kept_alive(struct ov_peer *p)
{
    plan(p, p->e->now, gap_now(p));
}

ov_time ov_peer_keepalive(struct ov_peer *p)
{
    ov_time now = p->e->now, gap = gap_now(p);
    if (!ov_peer_up(p))
        return OV_NEVER;
    if (!is_wanted(p))
        return is_spare(p) ? now + LOOK : OV_NEVER;
    if (ov_session_wants_rekey(p->e, &p->s))
        ov_peer_rehandshake(p);
    if (now < p->keepalive_next)
        return p->keepalive_next;
    if (!p->keep && kept_alive(p, gap)) {
        plan(p, p->paths->p[p->paths->active].last_rx, gap);
    } else {
        probe_all(p);
        plan(p, now, gap);
    }
    return p->keepalive_next;
}

void ov_peers_keepalive(struct ov_engine *e)
{
    struct ov_peer *p;
    for (size_t it = 0; (p = ov_map_next(&e->peers, &it, NULL)) != NULL;) {
        ov_time when = e->now + ov_random_below(&e->random, SPREAD / OV_MS) * OV_MS;
        if (!p->paths || !is_wanted(p) || p->keepalive_next <= when)
            continue;
        p->keepalive_next = when;
        ov_peer_wake(p, when);
    }
}
