/* Pings that people ask for: to a peer, connecting to it first if need be. */
#include "node.h"

#include "lookup.h"
#include "member.h"
#include "node_state.h"
#include "punch.h"

#define PING_WAIT (5 * OV_SEC)

/* Who pings a member is about to use the way to it: a direct one is looked for as for a frame, and
 * our certificate goes first, without which the other side takes no candidates. */
static void seek_direct(struct ov_node *n, struct ov_peer *p)
{
    bool member = ov_peer_tied(p);
    if (p->keep || (p->paths && p->paths->active >= 0))
        return;
    for (size_t i = 0; i < n->o.n; i++) {
        struct ov_network *net = n->o.nets[i];
        const struct ov_member *m = ov_member_find(net, p->id.addr);
        if (!m || !ov_member_is(m, p) || !ov_member_valid(net, m))
            continue;
        member = true;
        ov_member_ask(net, p); /* that we have theirs does not mean that they have ours */
    }
    if (!member)
        return;
    p->last_frame = n->e.now;
    ov_punch_kick(p);
}

void ov_node_pings_go(struct ov_node *n, struct ov_peer *p)
{
    for (int i = 0; i < OV_NODE_PINGS_MAX; i++) {
        if (n->ping[i].addr != p->id.addr || n->ping[i].sent)
            continue;
        seek_direct(n, p);
        n->ping[i].sent = ov_peer_probe(p, p->paths ? p->paths->active : OV_PATH_RELAY,
                                        n->ping[i].size, n->ping[i].id);
        if (n->ping[i].sent && p->paths->active >= 0 && !p->unanswered) {
            p->unanswered = n->e.now; /* if the path is dead the next one should go another way */
            ov_peer_wake(p, n->e.now + OV_PATH_DOUBT);
        }
    }
}

static void pong_lost(struct ov_node *n, int i)
{
    ov_emit(&n->e, &(struct ov_out_event){
                       .kind = OV_EVENT_PONG, .addr = n->ping[i].addr, .id = n->ping[i].id});
    n->ping[i].addr = 0;
}

/* Pings that never got a session to go out on. */
void ov_node_ping_timeout(void *arg, ov_time now)
{
    struct ov_node *n = arg;
    ov_time next = OV_NEVER;
    for (int i = 0; i < OV_NODE_PINGS_MAX; i++) {
        if (n->ping[i].addr == 0)
            continue;
        if (now < n->ping[i].deadline)
            next = n->ping[i].deadline < next ? n->ping[i].deadline : next;
        else if (n->ping[i].sent)
            n->ping[i].addr = 0; /* its probe tells */
        else
            pong_lost(n, i);
    }
    ov_timer_start(&n->e.timers, &n->ping_timer, next);
}

static int ping(struct ov_node *n, ov_addr to, uint16_t size, uint64_t id, ov_time now)
{
    int slot = -1;
    ov_node_turn_begin(n, now);
    for (int i = 0; i < OV_NODE_PINGS_MAX; i++)
        if (n->ping[i].addr == 0 || (n->ping[i].sent && now >= n->ping[i].deadline))
            slot = i;
    if (slot < 0)
        return OV_EFULL;
    if (id == 0 || !ov_addr_valid(to) || to == n->e.id.pub.addr)
        return OV_EINVAL;
    n->ping[slot].addr = to;
    n->ping[slot].id = id;
    n->ping[slot].size = size;
    n->ping[slot].sent = false;
    n->ping[slot].deadline = n->e.now + PING_WAIT;
    if (!ov_timer_active(&n->ping_timer) || n->ping_timer.when > n->ping[slot].deadline)
        ov_timer_start(&n->e.timers, &n->ping_timer, n->ping[slot].deadline);
    struct ov_peer *p = ov_node_peer_for(n, to);
    if (p && ov_peer_up(p))
        ov_node_pings_go(n, p);
    else if (p)
        ov_peer_connect(p);
    else
        ov_locate_want(&n->locate, to);
    ov_node_turn_end(n);
    return OV_OK;
}

int ov_node_ping(struct ov_node *n, ov_addr to, uint64_t id, ov_time now)
{
    return ping(n, to, 0, id, now);
}

int ov_node_ping_full(struct ov_node *n, ov_addr to, uint64_t id, ov_time now)
{
    return ping(n, to, OV_PATH_MTU_MIN, id, now);
}

static bool is_inside(const struct ov_cert *own, const struct ov_ip *ip)
{
    for (size_t i = 0; i < own->naddrs; i++)
        if (ov_prefix_contains(&own->addrs[i], ip))
            return true;
    return false;
}

ov_addr ov_node_seek(struct ov_node *n, const struct ov_ip *ip, bool *asked, ov_time now)
{
    ov_addr found = 0;
    *asked = false;
    ov_node_turn_begin(n, now);
    for (size_t i = 0; i < n->o.n && found == 0; i++) {
        struct ov_network *net = n->o.nets[i];
        const struct ov_member *m = ov_member_by_ip(net, ip);
        if (!ov_network_ready(net))
            continue;
        if (ov_cert_has_ip(&net->cert, ip))
            found = n->e.id.pub.addr;
        else if (m && ov_member_valid(net, m))
            found = m->cert.member.addr;
        else if (is_inside(&net->cert, ip)) {
            ov_lookup_seek(net, ip);
            *asked = true;
        }
    }
    ov_node_turn_end(n);
    return found;
}
