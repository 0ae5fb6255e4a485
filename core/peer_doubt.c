/* The first moments of silence on the chosen direct path.
 *
 * Frames leave by it and nothing comes back. After 200 ms and a round trip it is probed, four times
 * a second, and our roots are asked how they see us now: a router that has forgotten its mappings,
 * or got another address, gives us another endpoint. If so, every path that was not heard since is
 * left at once for the relay, and punched anew. After twice that time what is sent goes by the
 * relay, too (peer_send.c): if only the path is slow, that costs bytes and nothing else. Whatever
 * else is wrong is found out later (path.h).
 *
 * Whoever only answers and relays, as a root does, sends nothing that should be answered, and never
 * gets there. What it has instead is what the peer sends: two ends may well choose different paths,
 * but if ours is silent while the peer goes on by another, we ask whether it is still there. */
#include "peer.h"

#include "hop.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"

#define QUIET       (200 * OV_MS)
#define DOUBT_PROBE (250 * OV_MS)
#define BESIDE      (2 * OV_SEC) /* heard elsewhere, and not by the chosen path, for so long */

ov_time ov_peer_quiet(const struct ov_peer *p)
{
    if (p->paths->active < 0)
        return p->hops ? ov_hop_doubt(p) : OV_PATH_DOUBT;
    /* Whose frames do not wait for an answer has time. */
    if (p->keep || !p->last_frame || p->last_frame < p->unanswered)
        return OV_PATH_DOUBT;
    const struct ov_path_quality *q = &p->paths->p[p->paths->active].q;
    ov_time t = QUIET + q->srtt + 4 * q->jitter;
    return t < OV_PATH_DOUBT ? t : OV_PATH_DOUBT;
}

bool ov_peer_covered(const struct ov_peer *p)
{
    ov_time silent = p->unanswered ? p->e->now - p->unanswered : 0;
    if (silent < 2 * QUIET)
        return false;
    ov_time quiet = ov_peer_quiet(p);
    return silent >= (quiet < OV_PATH_DOUBT ? 2 * quiet : OV_PATH_COVER);
}

ov_time ov_peer_doubt(struct ov_peer *p)
{
    ov_time now = p->e->now, quiet;
    if (p->paths->active < 0 || p->keep || !p->unanswered)
        return OV_NEVER;
    quiet = ov_peer_quiet(p);
    if (now - p->unanswered < quiet)
        return p->unanswered + quiet;
    struct ov_path *path = &p->paths->p[p->paths->active];
    if (path->last_rx < p->e->moved && ov_peer_relay_for(p)) {
        ov_peer_left(p);
        ov_punch_reset(p);
        ov_punch_kick(p);
        return OV_NEVER;
    }
    if (now - p->unanswered >= OV_PATH_DOUBT) /* then it is peer_service.c's */
        return OV_NEVER;
    if (now >= p->next_doubt) {
        p->next_doubt = now + DOUBT_PROBE;
        if (ov_peer_covered(p)) /* perhaps the host routes elsewhere by now */
            path->local = (struct ov_ip){0};
        ov_peer_probe(p, p->paths->active, 0, 0);
        ov_reflect_check(p->e);
    }
    return p->next_doubt;
}

void ov_peer_beside(struct ov_peer *p, int i)
{
    const struct ov_paths *ps = p->paths;
    if (ps->active < 0 || p->unanswered || ps->p[i].last_rx < ps->p[ps->active].last_rx + BESIDE)
        return;
    p->unanswered = p->e->now;
    ov_peer_probe(p, i, 0, 0); /* that it may be chosen: proven later than the other was heard */
    ov_peer_probe(p, ps->active, 0, 0);
    ov_peer_wake(p, p->e->now + OV_PATH_DOUBT);
}
