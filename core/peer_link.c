/* Streams (TCP, TLS) as paths between a node and its root. */
#include "peer.h"

#include <stdlib.h>

/* A stream that a root serves. It is that of the last peer that proved itself by it. */
struct ov_served {
    struct ov_peer *peer;
    struct ov_endpoint ep;
    struct ov_served *older; /* of the same peer */
    bool told;               /* the edge was told whose it is */
};

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

/* ---- streams to us, a root ---- */

static struct ov_served *served(const struct ov_engine *e, const struct ov_endpoint *ep)
{
    struct ov_served *s = ov_map_get(&e->served, ov_key_u64(ep->scope));
    return s && ov_endpoint_equal(&s->ep, ep) ? s : NULL;
}

/* What `*at` points at, in the list of its peer, is there no more. */
static void remove_served(struct ov_served **at)
{
    struct ov_served *s = *at;
    struct ov_peer *p = s->peer;
    *at = s->older;
    p->nserved--;
    ov_map_del(&p->e->served, ov_key_u64(s->ep.scope));
    free(s);
}

/* False: there was no room for it. */
static bool tell(const struct ov_served *s, enum ov_event_kind kind)
{
    return ov_emit(s->peer->e, &(struct ov_out_event){
                                   .kind = kind, .addr = s->peer->id.addr, .id = s->ep.scope});
}

/* The edge closes the streams of those who have not proven themselves. If it did not hear of this
 * one, it is asked to prove itself again, a moment from now. */
static void tell_proven(struct ov_served *s)
{
    struct ov_peer *p = s->peer;
    int i = ov_paths_find(p->paths, OV_SOCKET_LINK, &s->ep);
    s->told = tell(s, OV_EVENT_LINK_PROVEN);
    if (s->told || i < 0)
        return;
    ov_path_schedule(&p->paths->p[i], p->e->now, OV_MS);
    ov_peer_wake(p, p->paths->p[i].next_probe);
}

void ov_peer_served_down(struct ov_engine *e, const struct ov_endpoint *ep)
{
    struct ov_endpoint gone = *ep;
    struct ov_served *s = served(e, ep);
    if (!s)
        return;
    struct ov_peer *p = s->peer;
    struct ov_served **at = &p->served;
    while (*at != s)
        at = &(*at)->older;
    remove_served(at);
    ov_peer_link_down(p, &gone);
}

static void close_oldest(struct ov_peer *p)
{
    struct ov_served *s = p->served;
    while (s->older)
        s = s->older;
    tell(s, OV_EVENT_LINK_CLOSE);
    ov_peer_served_down(p->e, &s->ep);
}

void ov_peer_serve(struct ov_peer *p, const struct ov_endpoint *ep)
{
    struct ov_engine *e = p->e;
    struct ov_served *s = served(e, ep);
    if (!(e->caps & OV_CAP_ROOT))
        return;
    if (s && s->peer == p) {
        if (!s->told)
            tell_proven(s);
        return;
    }
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (ov_endpoint_equal(&e->links[i].ep, ep))
            return; /* ours to another root */
    if (s)
        ov_peer_served_down(e, ep);
    s = calloc(1, sizeof *s);
    if (!s || ov_map_put(&e->served, ov_key_u64(ep->scope), s) != OV_OK) {
        free(s);
        ov_drop(e, OV_DROP_TABLE_FULL);
        return;
    }
    *s = (struct ov_served){.peer = p, .ep = *ep, .older = p->served};
    p->served = s;
    tell_proven(s);
    if (++p->nserved > OV_SERVED_PEER_MAX)
        close_oldest(p);
}

void ov_peer_serve_no_more(struct ov_peer *p)
{
    while (p->served) {
        tell(p->served, OV_EVENT_LINK_CLOSE);
        remove_served(&p->served);
    }
}
