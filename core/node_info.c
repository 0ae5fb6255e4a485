/* What people may see of a node: copies, never pointers into it. */
#include "node.h"

#include "member.h"
#include "node_state.h"
#include "punch.h"
#include "reflect.h"

#include <string.h>

struct ov_peer *ov_node_peer_for(struct ov_node *n, ov_addr a)
{
    struct ov_peer *p = ov_peer_find(&n->e, a);
    for (size_t i = 0; !p && i < n->o.n; i++) {
        const struct ov_member *m = ov_member_find(n->o.nets[i], a);
        if (m && ov_peer_claim(&n->e, &m->cert.member, &p) != OV_OK)
            p = NULL;
    }
    return p;
}

void ov_node_stats(const struct ov_node *n, struct ov_node_stats *out)
{
    struct ov_peer *p;
    *out = n->e.stats;
    out->peers = n->e.peers.len;
    out->sessions = 0;
    for (size_t it = 0; (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;)
        out->sessions += ov_peer_up(p);
}

bool ov_node_twin(const struct ov_node *n, struct ov_twin_info *out)
{
    *out = n->e.twin;
    return out->told && n->e.now - out->told < OV_TWINS_SHOWN;
}

void ov_node_nat(const struct ov_node *n, struct ov_nat_profile *out)
{
    ov_reflect_profile(&n->e, out);
}

int ov_node_network(const struct ov_node *n, ov_netid id, struct ov_network_info *out)
{
    const struct ov_network *net = ov_network_find(&n->o, id);
    struct ov_member *m;
    if (!net)
        return OV_ENOENT;
    memset(out, 0, sizeof *out);
    out->net = id;
    out->state = net->state;
    out->status = net->status;
    out->controller = ov_netid_controller(id);
    out->controller_online =
        net->controller_online && (!net->controller_peer || (ov_peer_up(net->controller_peer) &&
                                                             !net->controller_peer->hs_wanted));
    out->mac = net->mac;
    memcpy(out->member_name, net->member_name, sizeof out->member_name);
    out->has_config = net->config != NULL;
    if (net->config)
        out->config = *net->config;
    out->cert = net->cert;
    for (size_t it = 0; (m = ov_map_next(&net->members, &it, NULL)) != NULL;)
        out->members += ov_member_valid(net, m);
    return OV_OK;
}

size_t ov_node_networks(const struct ov_node *n, ov_netid *out, size_t cap)
{
    size_t k = 0;
    for (size_t i = 0; i < n->o.n && k < cap; i++)
        out[k++] = n->o.nets[i]->id;
    return k;
}

static void fill_path(struct ov_peer *p, struct ov_peer_info *out)
{
    const struct ov_path_quality *q = &p->paths->relay;
    if (p->paths->active >= 0) {
        const struct ov_path *path = &p->paths->p[p->paths->active];
        q = &path->q;
        out->path = OV_PEER_DIRECT;
        out->remote = path->remote;
        out->link = ov_path_is_link(path);
    } else {
        const struct ov_peer *r = ov_peer_relay_for(p);
        out->path = r ? OV_PEER_RELAY : OV_PEER_NONE;
        out->via = r ? r->id.addr : 0;
        out->via_member = r && !r->relay;
    }
    out->since = p->paths->since;
    out->rtt = q->srtt;
    out->jitter = q->jitter;
    out->loss_permille = q->loss;
    out->mtu = q->mtu;
}

static void fill_punch(const struct ov_peer *p, struct ov_peer_info *out)
{
    const struct ov_punch *u = p->punch;
    out->why = out->path == OV_PEER_RELAY ? ov_punch_why(p) : OV_WHY_NONE;
    if (!u)
        return;
    out->punch = (struct ov_punch_info){.told = u->told,
                                        .theirs = u->theirs,
                                        .strategy = u->strategy,
                                        .round = u->round,
                                        .attempts = u->attempts,
                                        .packets = u->packets,
                                        .result = u->result};
}

static void fill_nets(const struct ov_node *n, ov_addr a, struct ov_peer_info *out)
{
    for (size_t i = 0; i < n->o.n && out->nnets < 4; i++) {
        const struct ov_member *m = ov_member_find(n->o.nets[i], a);
        if (!m || !ov_member_valid(n->o.nets[i], m))
            continue;
        out->nets[out->nnets].net = n->o.nets[i]->id;
        out->nets[out->nnets].naddrs = m->cert.naddrs;
        memcpy(out->nets[out->nnets].addrs, m->cert.addrs, sizeof m->cert.addrs);
        out->nnets++;
    }
}

static void fill_twins(const struct ov_peer *p, struct ov_peer_info *out)
{
    const struct ov_twins *t = &p->s.twins;
    if (!ov_twins_seen(t, p->e->now))
        return;
    out->twice = t->returned;
    for (int i = 0; i < 2; i++)
        out->places[i] = t->life[i].from;
}

int ov_node_peer(const struct ov_node *n, ov_addr a, struct ov_peer_info *out)
{
    struct ov_peer *p = ov_peer_find(&n->e, a);
    if (!p)
        return OV_ENOENT;
    memset(out, 0, sizeof *out);
    out->id = p->id;
    out->caps = p->caps;
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        out->is_root |= n->roots.root[i].peer == p;
    out->session = ov_peer_up(p);
    out->aead = out->session ? p->s.aead : OV_AEAD_NONE;
    if (out->session && p->paths)
        fill_path(p, out);
    fill_punch(p, out);
    fill_twins(p, out);
    out->last_rx = p->rx_datagrams ? p->last_rx : 0;
    out->last_tx = p->last_tx;
    out->rx_bytes = p->rx_bytes;
    out->tx_bytes = p->tx_bytes;
    out->rx_datagrams = p->rx_datagrams;
    out->tx_datagrams = p->tx_datagrams;
    fill_nets(n, a, out);
    return OV_OK;
}

enum ov_bond ov_node_bond(const struct ov_node *n, ov_addr addr)
{
    const struct ov_peer *p = ov_peer_find(&n->e, addr);
    return p ? ov_peer_bond(p) : OV_BOND_NONE;
}

size_t ov_node_peers(const struct ov_node *n, ov_addr *out, size_t cap)
{
    struct ov_peer *p;
    size_t k = 0;
    for (size_t it = 0; k < cap && (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;)
        out[k++] = p->id.addr;
    return k;
}

size_t ov_node_roots(const struct ov_node *n, struct ov_root_info *out, size_t cap)
{
    size_t k = 0;
    for (int i = 0; i < OV_ROOTS_MAX && k < cap; i++) {
        const struct ov_root *r = &n->roots.root[i];
        if (!r->host[0])
            continue;
        struct ov_root_info *o = &out[k++];
        memset(o, 0, sizeof *o);
        memcpy(o->host, r->host, sizeof o->host);
        o->net = r->net;
        o->mismatch = r->mismatch;
        o->asked = r->asked;
        o->nendpoints = r->nendpoints;
        memcpy(o->endpoints, r->endpoints, sizeof o->endpoints);
        o->link_state = r->link.state;
        o->link = r->link.used;
        if (!r->peer)
            continue;
        o->id = &r->peer->id;
        o->addr = r->peer->id.addr;
        o->is_root = r->peer->caps & OV_CAP_ROOT;
        o->online = ov_peer_online(r->peer);
        o->seen = r->peer->seen;
        if (r->peer->paths && r->peer->paths->active >= 0)
            o->rtt = r->peer->paths->p[r->peer->paths->active].q.srtt;
    }
    return k;
}
