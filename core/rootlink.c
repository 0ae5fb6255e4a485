#include "rootlink.h"

#include <string.h>

#define LOOK (500 * OV_MS) /* while something is going on */
/* Who relays for us need not have answered: after OV_PATH_DOUBT it is probed, and has so long. */
#define ANSWER      (500 * OV_MS)
#define LOOK_IDLE   (5 * OV_SEC)
#define UDP_GAP     (2 * OV_SEC) /* between two tries of UDP: doubled, up to */
#define UDP_GAP_MAX (8 * OV_SEC)

static void service(void *arg, ov_time now);

int ov_rootlink_init(struct ov_roots *rs)
{
    ov_timer_init(&rs->link_timer, service, rs);
    return ov_timers_reserve(&rs->o->e->timers, 1);
}

void ov_rootlink_look(struct ov_roots *rs)
{
    ov_timer_start(&rs->o->e->timers, &rs->link_timer, rs->o->e->now);
}

/* ---- what is the case ---- */

static const struct ov_path *chosen(const struct ov_peer *p)
{
    return p && ov_peer_up(p) && p->paths && p->paths->active >= 0 ? &p->paths->p[p->paths->active]
                                                                   : NULL;
}

/* The root is there, by UDP. */
static bool by_udp(const struct ov_root *r, ov_time now)
{
    const struct ov_path *path = chosen(r->peer);
    return path && !ov_path_is_link(path) &&
           (!r->peer->unheard || now - r->peer->unheard < OV_ROOTLINK_AFTER + ANSWER);
}

/* Since when nothing was heard of it, though something should have been; 0: it was. */
static ov_time silent_since(const struct ov_root *r)
{
    const struct ov_peer *p = r->peer;
    if (!p)
        return r->asked;
    if (!ov_peer_up(p))
        return p->hs_wanted ? p->hs_since : 0;
    if (p->paths && p->paths->active < 0)
        return p->paths->since;
    return p->unheard ? p->unheard + ANSWER : 0;
}

/* ---- UDP while a stream is in use ---- */

static void probe(struct ov_peer *p, int i)
{
    struct ov_path *path = &p->paths->p[i];
    ov_path_schedule(path, p->e->now, 0);
    path->tries = OV_PATH_TRIES - 1; /* once */
    ov_peer_wake(p, p->e->now);
}

static ov_time udp_gap(uint8_t tries)
{
    return tries > 1 ? UDP_GAP_MAX : UDP_GAP << tries;
}

static bool udp_answers(const struct ov_peer *p)
{
    for (int i = 0; i < OV_PATHS_MAX; i++)
        if (p->paths->p[i].state == OV_PATH_VALID && !ov_path_is_link(&p->paths->p[i]))
            return true;
    return false;
}

/* Try the root's endpoints by UDP: seldom, and once one has answered, as often as it takes to be
 * chosen. When to look again. */
static ov_time try_udp(struct ov_root *r, ov_time now)
{
    struct ov_root_link *l = &r->link;
    struct ov_peer *p = r->peer;
    bool answers = udp_answers(p);
    if (answers && l->udp_tries)
        l->udp_try = now;
    if (now < l->udp_try) /* soon after a try: has it been answered? */
        return l->udp_tries && now < l->udp_tried + OV_SEC ? now + LOOK : l->udp_try;
    for (int i = 0; i < p->nhints; i++) {
        int socket = ov_engine_socket(p->e, p->hints[i].ip.family);
        if (socket < 0)
            continue;
        int k = ov_paths_add(p->paths, (uint16_t)socket, &p->hints[i], OV_CANDIDATE_LOCAL, now);
        if (p->paths->p[k].state != OV_PATH_VALID)
            ov_quality_init(&p->paths->p[k].q); /* what was lost tells of the time before */
        probe(p, k);
    }
    l->udp_tried = now;
    l->udp_try = now + (answers ? LOOK : udp_gap(l->udp_tries));
    l->udp_tries = answers ? 0 : l->udp_tries < 255 ? (uint8_t)(l->udp_tries + 1) : 255;
    return now + LOOK;
}

/* UDP is the chosen way again, and silent again: is a stream still there? */
static void check_streams(const struct ov_root *r)
{
    struct ov_peer *p = r->peer;
    if (p->unheard && !p->unanswered)
        p->unanswered = p->unheard; /* then an answer by a stream takes over */
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        const struct ov_path *path = &p->paths->p[i];
        if (path->state == OV_PATH_VALID && ov_path_is_link(path) &&
            path->last_ok <= p->paths->p[p->paths->active].last_rx && path->next_probe == OV_NEVER)
            probe(p, i);
    }
}

/* ---- what is wanted ---- */

static ov_time look_wanted(struct ov_root *r, bool any_udp, ov_time now)
{
    struct ov_root_link *l = &r->link;
    const struct ov_path *path = chosen(r->peer);
    if (by_udp(r, now)) {
        if (!l->udp_since)
            l->udp_since = now;
        l->wanted = now - l->udp_since < OV_ROOTLINK_UDP_GOOD;
        return l->wanted ? l->udp_since + OV_ROOTLINK_UDP_GOOD : OV_NEVER;
    }
    l->udp_since = 0;
    if (path && ov_path_is_link(path))
        return try_udp(r, now);
    if (path && now >= l->udp_try) {
        l->udp_try = now + LOOK;
        check_streams(r);
    }
    if (any_udp)
        l->wanted = false;
    return now + (path ? LOOK : LOOK_IDLE);
}

static ov_time look_unwanted(struct ov_root *r, bool any_udp, ov_time now)
{
    ov_time since = silent_since(r);
    if (!since)
        return OV_NEVER; /* who falls silent is told of by ops->way */
    if (now < since + OV_ROOTLINK_AFTER)
        return since + OV_ROOTLINK_AFTER;
    if (any_udp)
        return now + LOOK_IDLE;
    r->link = (struct ov_root_link){
        .wanted = true, .used = r->link.used, .state = r->link.state, .udp_try = now + UDP_GAP};
    return now + LOOK;
}

/* One server may be known by several names: one of them is enough. */
static bool doubled(const struct ov_roots *rs, const struct ov_root *r)
{
    for (const struct ov_root *q = rs->root; q < r; q++)
        if (r->peer && q->peer == r->peer)
            return true;
    return false;
}

/* False: there was no room to. */
static bool tell(struct ov_roots *rs, struct ov_root *r)
{
    static const struct ov_endpoint NONE;
    const struct ov_path *path = chosen(r->peer);
    const struct ov_endpoint *used = path && ov_path_is_link(path) ? &path->remote : &NONE;
    enum ov_rootlink_state state = !r->link.wanted     ? OV_ROOTLINK_UNWANTED
                                   : r->link.udp_since ? OV_ROOTLINK_KEPT
                                                       : OV_ROOTLINK_WANTED;
    if (r->link.state == state && ov_endpoint_equal(used, &r->link.used))
        return true;
    if (!ov_emit(rs->o->e, &(struct ov_out_event){.kind = OV_EVENT_LINK, .host = r->host}))
        return false;
    r->link.state = state;
    r->link.used = *used;
    return true;
}

static void service(void *arg, ov_time now)
{
    struct ov_roots *rs = arg;
    ov_time next = OV_NEVER;
    bool any_udp = false;
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        any_udp |= rs->root[i].host[0] && by_udp(&rs->root[i], now);
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_root *r = &rs->root[i];
        if (!r->host[0])
            continue;
        ov_time when = OV_NEVER;
        if (doubled(rs, r))
            r->link.wanted = false;
        else
            when = r->link.wanted ? look_wanted(r, any_udp, now) : look_unwanted(r, any_udp, now);
        if (!tell(rs, r))
            when = now + OV_MS;
        if (when < next)
            next = when;
    }
    if (next <= now)
        next = now + OV_MS;
    ov_timer_start(&rs->o->e->timers, &rs->link_timer, next);
}

void ov_rootlink_network_changed(struct ov_roots *rs)
{
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        rs->root[i].link.udp_try = rs->o->e->now;
        rs->root[i].link.udp_tries = 0;
        rs->root[i].link.udp_since = 0;
    }
    ov_rootlink_look(rs);
}

/* ---- streams that are up ---- */

static void ask_on(struct ov_engine *e, const struct ov_root *r, const struct ov_endpoint *ep)
{
    uint8_t *out = ov_outq_datagram(&e->out, OV_SOCKET_LINK, 0, NULL, ep, OV_WHO_LEN);
    if (!out) {
        ov_drop(e, OV_DROP_OUTPUT_FULL);
        return;
    }
    ov_who_encode(r->nonce, out);
    e->stats.tx_datagrams++;
    e->stats.tx_bytes += OV_WHO_LEN;
}

int ov_rootlink_up(struct ov_roots *rs, const char *host, const struct ov_endpoint *ep)
{
    struct ov_engine *e = rs->o->e;
    struct ov_root *r = NULL;
    struct ov_rootlink *l = NULL;
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        if (host[0] && strcmp(rs->root[i].host, host) == 0)
            r = &rs->root[i];
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (!e->links[i].ep.ip.family)
            l = &e->links[i];
    if (!r)
        return OV_ENOENT;
    if (!l || !ep->ip.family)
        return OV_EFULL;
    *l = (struct ov_rootlink){.ep = *ep, .owner = r->owner, .peer = r->peer};
    if (r->peer) {
        ov_peer_link_up(r->peer, ep);
    } else {
        r->answered &= (uint8_t) ~(1 << OV_ROOT_ENDPOINTS_MAX);
        ask_on(e, r, ep);
    }
    return OV_OK;
}

void ov_rootlink_down(struct ov_roots *rs, const struct ov_endpoint *ep)
{
    struct ov_engine *e = rs->o->e;
    for (int i = 0; i < OV_LINKS_MAX; i++) {
        if (!ov_endpoint_equal(&e->links[i].ep, ep))
            continue;
        struct ov_peer *p = e->links[i].peer;
        memset(&e->links[i], 0, sizeof e->links[i]);
        if (p)
            ov_peer_link_down(p, ep);
        ov_rootlink_look(rs);
        return;
    }
    ov_peer_served_down(e,
                        ep); /* a client's; or the server left the list before it, with its path */
}

void ov_rootlink_ask(struct ov_roots *rs, const struct ov_root *r)
{
    struct ov_engine *e = rs->o->e;
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (e->links[i].ep.ip.family && e->links[i].owner == r->owner)
            ask_on(e, r, &e->links[i].ep);
}

void ov_rootlink_settled(struct ov_roots *rs, const struct ov_root *r)
{
    struct ov_engine *e = rs->o->e;
    for (int i = 0; i < OV_LINKS_MAX; i++) {
        if (!e->links[i].ep.ip.family || e->links[i].owner != r->owner || e->links[i].peer)
            continue;
        e->links[i].peer = r->peer;
        ov_peer_link_up(r->peer, &e->links[i].ep);
    }
}

bool ov_rootlink_is(const struct ov_roots *rs, const struct ov_root *r,
                    const struct ov_endpoint *ep)
{
    const struct ov_engine *e = rs->o->e;
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (ov_endpoint_equal(&e->links[i].ep, ep) && e->links[i].owner == r->owner)
            return true;
    return false;
}

void ov_rootlink_drop(struct ov_roots *rs, const struct ov_root *r)
{
    struct ov_engine *e = rs->o->e;
    for (int i = 0; i < OV_LINKS_MAX; i++) {
        struct ov_rootlink l = e->links[i];
        if (!l.ep.ip.family || l.owner != r->owner)
            continue;
        memset(&e->links[i], 0, sizeof l);
        if (l.peer)
            ov_peer_link_down(l.peer, &l.ep);
    }
    if (r->link.state != OV_ROOTLINK_UNWANTED) /* it is gone: so should be its streams */
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_LINK, .host = ""});
}
