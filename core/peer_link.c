/* Streams (TCP, TLS) as paths between a node and its root. */
#include "peer.h"

bool ov_peer_may_link(const struct ov_peer *p, const struct ov_endpoint *ep)
{
    const struct ov_engine *e = p->e;
    if (e->caps & OV_CAP_ROOT)
        return true;
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (e->links[i].peer == p && ov_endpoint_equal(&e->links[i].ep, ep))
            return true;
    return false;
}

void ov_peer_link_up(struct ov_peer *p, const struct ov_endpoint *ep)
{
    ov_time now = p->e->now;
    if (!ov_peer_ensure_paths(p))
        return;
    if (ov_peer_up(p)) {
        int i = ov_paths_add(p->paths, OV_SOCKET_LINK, ep, OV_CANDIDATE_LOCAL, now);
        ov_path_schedule(&p->paths->p[i], now, 0);
        /* Its silence is that of the path in use: it has to give way to one that answers. */
        if (p->unheard && !p->unanswered)
            p->unanswered = p->unheard;
    }
    if (p->hs_wanted)
        p->hs_next = now;
    ov_peer_wake(p, now);
}

void ov_peer_link_down(struct ov_peer *p, const struct ov_endpoint *ep)
{
    int i = p->paths ? ov_paths_find(p->paths, OV_SOCKET_LINK, ep) : -1;
    if (i < 0)
        return;
    bool chosen = i == p->paths->active;
    ov_path_remove(p->paths, i);
    if (!chosen)
        return;
    p->paths->active = OV_PATH_RELAY;
    p->paths->since = p->e->now;
    p->unanswered = 0;
    ov_peer_choose(p);
    if (p->paths->active >= 0)
        return;
    if (p->keep)
        ov_peer_rehandshake(p);
    ov_peer_tell(p);
}

void ov_peer_follow(struct ov_peer *p, uint16_t socket, const struct ov_endpoint *ep)
{
    struct ov_paths *ps = p->paths;
    if (p->keep || !ps || ps->active < 0)
        return;
    /* The common case costs nothing: it is the chosen path, or neither is a stream. */
    const struct ov_path *act = &ps->p[ps->active];
    if ((socket == OV_SOCKET_LINK) == ov_path_is_link(act))
        return;
    int i = ov_paths_find(ps, socket, ep);
    if (i < 0 || ps->p[i].state != OV_PATH_VALID)
        return;
    ps->active = i;
    ps->since = p->e->now;
    p->unanswered = 0;
    ov_peer_tell(p);
}
