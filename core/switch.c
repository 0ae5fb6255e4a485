#include "switch.h"

#include "lookup.h"
#include "member.h"
#include "multicast.h"

#include <stdlib.h>
#include <string.h>

static bool fits_mtu(const struct ov_network *net, const struct ov_frame_info *f, size_t len)
{
    return len <= (size_t)net->config->mtu + OV_ETH_LEN + 4u * f->tags;
}

/* ---- outwards ---- */

static void send_segments(struct ov_network *net, struct ov_member *m, struct ov_segments *s)
{
    struct ov_peer *p = ov_member_peer(m);
    if (!p) { /* another key has its address, or there is no room */
        net->o->e->stats.drops[OV_DROP_NO_PATH] += s->n - s->next;
        return;
    }
    if (m->hello_ts != net->cert.timestamp && ov_peer_up(p))
        ov_member_hello(net, p, false);
    ov_peer_send_segments(p, net->id, s);
}

void ov_switch_unicast(struct ov_network *net, struct ov_member *m, uint8_t *frame, size_t len)
{
    struct ov_segments s;
    if (ov_segments_init(&s, &ov_offload_none, frame, len) == OV_OK)
        send_segments(net, m, &s);
}

void ov_switch_answer(struct ov_network *net, const struct ov_frame_info *req,
                      const struct ov_ip *ip, const struct ov_member *m)
{
    struct ov_engine *e = net->o->e;
    struct ov_mac mac = ov_mac_derive(m->cert.member.addr, net->id);
    uint8_t buf[OV_ANSWER_MAX];
    int len = ov_frame_answer(req, ip, &mac, buf);
    if (len <= 0)
        return;
    uint8_t *copy = ov_outq_copy(&e->out, buf, (size_t)len);
    if (!copy || !ov_outq_frame(&e->out, net->id, copy, (size_t)len, NULL))
        ov_drop(e, OV_DROP_OUTPUT_FULL);
}

/* Who has this address, as far as the host's ARP or ND wants to know? Bridged networks may have
 * others answer for it than the member's TAP, so bridges answer for themselves. */
static bool answerable(const struct ov_member *m)
{
    return !(m->cert.perms & OV_PERM_BRIDGE);
}

/* ARP requests and solicitations. True: dealt with. */
static bool neighbour(struct ov_network *net, const struct ov_frame_info *f, const uint8_t *frame,
                      size_t len)
{
    const struct ov_ip *ip = f->kind == OV_FRAME_ARP_REQUEST ? &f->dst_ip : &f->target;
    bool asks = f->kind == OV_FRAME_ARP_REQUEST || f->kind == OV_FRAME_ND_SOLICIT;
    struct ov_mac mac = net->mac;
    if (!asks || f->tags || !ov_mac_equal(&f->src, &mac) || ov_cert_has_ip(&net->cert, ip) ||
        !(net->config->flags & OV_NET_CHECK_IP))
        return false;
    struct ov_member *m = ov_member_by_ip(net, ip);
    /* A link-local address tells the MAC, and that the member. */
    struct ov_mac l = {{ip->b[8] ^ 2, ip->b[9], ip->b[10], ip->b[13], ip->b[14], ip->b[15]}};
    struct ov_ip local = ov_ip_link_local(&l);
    if (!m && ip->family == 6 && ip->b[0] == 0xfe) {
        ov_addr a;
        if (!ov_ip_equal(&local, ip) || !ov_mac_underive(&l, net->id, &a) ||
            !(m = ov_member_find(net, a)))
            return false;
    }
    if (m && ov_member_valid(net, m)) {
        if (!answerable(m))
            return false;
        ov_switch_answer(net, f, ip, m);
        return true;
    }
    ov_lookup_ip(net, f, ip, frame, len);
    return true;
}

static void to_unknown(struct ov_network *net, const struct ov_frame_info *f, uint8_t *frame,
                       size_t len)
{
    ov_addr a;
    if (ov_mac_underive(&f->dst, net->id, &a) && ov_addr_valid(a) && a != net->o->e->id.pub.addr)
        ov_lookup_member(net, a, frame, len);
    else
        ov_multicast_bridges(net, frame, len);
}

/* The member whose own MAC this is, if we know it. */
static struct ov_member *owner_of(const struct ov_network *net, const struct ov_mac *mac)
{
    ov_addr a;
    return ov_mac_underive(mac, net->id, &a) ? ov_member_find(net, a) : NULL;
}

/* A member's own MAC is its own, whatever a bridge claims. */
static struct ov_member *destination(struct ov_network *net, const struct ov_mac *dst)
{
    struct ov_member *m = owner_of(net, dst);
    if (m)
        return m;
    const struct ov_learned *l = ov_map_get(&net->learned, ov_key_u64(ov_mac_u64(dst)));
    return l && net->o->e->now - l->seen < OV_LEARNED_LIFE ? ov_member_find(net, l->member) : NULL;
}

static void to_group(struct ov_network *net, const struct ov_frame_info *f, uint8_t *frame,
                     size_t len)
{
    if (neighbour(net, f, frame, len))
        return;
    if (net->config->flags & OV_NET_BROADCAST)
        ov_multicast_send(net, &f->dst, frame, len);
    else
        ov_drop(net->o->e, OV_DROP_MULTICAST_LIMIT);
}

/* Whole frames, one by one. */
static void each(struct ov_network *net, const struct ov_frame_info *f, struct ov_segments *s,
                 void (*go)(struct ov_network *net, const struct ov_frame_info *f, uint8_t *frame,
                            size_t len))
{
    uint8_t *frame;
    size_t len;
    while ((frame = ov_segments_next(s, &len)) != NULL) {
        struct ov_offload o = s->offload;
        if (ov_offload_complete(&o, frame, len) == OV_OK)
            go(net, f, frame, len);
    }
}

/* Look at what came from the TAP; a superframe counts as what it stands for. */
static bool look(struct ov_engine *e, uint8_t *frame, size_t len, const struct ov_offload *o,
                 struct ov_frame_info *f, struct ov_segments *s)
{
    if (ov_frame_parse(frame, len, f) != OV_OK || ov_segments_init(s, o, frame, len) != OV_OK)
        return false;
    e->stats.rx_frames += s->n - 1;
    return true;
}

void ov_switch_send(struct ov_network *net, uint8_t *frame, size_t len, const struct ov_offload *o,
                    struct ov_member *owner)
{
    struct ov_engine *e = net->o->e;
    struct ov_frame_info f;
    struct ov_segments s;
    e->stats.rx_frames++;
    e->stats.rx_frame_bytes += len;
    if (!ov_network_ready(net)) {
        ov_drop(e, OV_DROP_NOT_JOINED);
    } else if (!look(e, frame, len, o, &f, &s)) {
        ov_drop(e, OV_DROP_MALFORMED_FRAME);
    } else if (!ov_mac_equal(&f.src, &net->mac) && !(net->cert.perms & OV_PERM_BRIDGE)) {
        ov_drop(e, OV_DROP_SOURCE_MAC);
    } else if (!fits_mtu(net, &f, ov_segments_largest(&s))) {
        ov_drop(e, OV_DROP_TOO_LARGE);
    } else if (ov_mac_is_multicast(&f.dst)) {
        each(net, &f, &s, to_group);
    } else {
        struct ov_member *m = owner ? owner : destination(net, &f.dst);
        if (m && ov_member_valid(net, m))
            send_segments(net, m, &s);
        else
            each(net, &f, &s, to_unknown);
    }
}

/* ---- inwards ---- */

/* Remember that a MAC is behind a bridge. */
static void learn(struct ov_network *net, const struct ov_mac *mac, ov_addr member)
{
    struct ov_engine *e = net->o->e;
    struct ov_key k = ov_key_u64(ov_mac_u64(mac)), old;
    struct ov_learned *l = ov_map_get(&net->learned, k), *x;
    if (!l && net->learned.len >= OV_LEARNED_MAX && e->now >= net->learned_swept + OV_SEC) {
        net->learned_swept = e->now; /* seldom: whoever filled it sends on */
        for (size_t it = 0; (x = ov_map_next(&net->learned, &it, &old)) != NULL;)
            if (e->now - x->seen >= OV_LEARNED_LIFE) {
                ov_map_del(&net->learned, old);
                free(x);
            }
    }
    if (!l) {
        l = malloc(sizeof *l);
        if (!l || ov_map_put(&net->learned, k, l) != OV_OK) {
            free(l);
            ov_drop(e, OV_DROP_TABLE_FULL);
            return;
        }
    }
    *l = (struct ov_learned){.member = member, .seen = e->now};
}

/* Is `ip` behind a route of the network that leads through this member? */
static bool routed_by(const struct ov_network *net, const struct ov_member *m,
                      const struct ov_ip *ip)
{
    for (int i = 0; i < net->config->nroutes; i++) {
        const struct ov_route *r = &net->config->routes[i];
        if (r->via.family && ov_prefix_contains(&r->dst, ip) && ov_cert_has_ip(&m->cert, &r->via))
            return true;
    }
    return false;
}

static bool is_unspecified(const struct ov_ip *ip)
{
    static const uint8_t zero[16];
    return memcmp(ip->b, zero, sizeof zero) == 0;
}

static bool owns_ip(const struct ov_network *net, const struct ov_member *m,
                    const struct ov_mac *mac, const struct ov_ip *ip)
{
    if (ov_cert_has_ip(&m->cert, ip))
        return true;
    struct ov_ip ll = ov_ip_link_local(mac);
    return (ip->family == 6 && ov_ip_equal(ip, &ll)) || routed_by(net, m, ip);
}

/* Every address that the frame claims as its sender's must be its sender's. */
static bool honest_ip(const struct ov_network *net, const struct ov_member *m,
                      const struct ov_frame_info *f)
{
    if (f->has_link_mac && !ov_mac_equal(&f->link_mac, &f->src))
        return false;
    switch (f->kind) {
    case OV_FRAME_OTHER:
        return true;
    case OV_FRAME_ARP_REQUEST: /* a probe (RFC 5227) claims nothing */
        return is_unspecified(&f->src_ip) || owns_ip(net, m, &f->src, &f->src_ip);
    case OV_FRAME_ND_SOLICIT: /* the same, but a probe of somebody else's would take it away */
        return owns_ip(net, m, &f->src, is_unspecified(&f->src_ip) ? &f->target : &f->src_ip);
    case OV_FRAME_MEMBERSHIP:
        return is_unspecified(&f->src_ip) || owns_ip(net, m, &f->src, &f->src_ip);
    case OV_FRAME_ND_ADVERT:
        return owns_ip(net, m, &f->src, &f->src_ip) && owns_ip(net, m, &f->src, &f->target);
    case OV_FRAME_ND_ROUTER: /* routes are the controller's to tell */
        return false;
    default:
        return owns_ip(net, m, &f->src, &f->src_ip);
    }
}

/* The reason to refuse this frame of a valid member, or OV_DROP_COUNT. */
static enum ov_drop refuse(struct ov_network *net, const struct ov_member *m, ov_addr from,
                           const struct ov_frame_info *f, size_t len)
{
    bool bridge = m->cert.perms & OV_PERM_BRIDGE;
    struct ov_mac own = ov_mac_derive(from, net->id);
    const struct ov_member *other = bridge ? owner_of(net, &f->src) : NULL;
    if (other && other != m)
        return OV_DROP_SOURCE_MAC;
    if (ov_mac_is_multicast(&f->src) || ov_mac_equal(&f->src, &net->mac))
        return OV_DROP_SOURCE_MAC;
    if (!bridge && !ov_mac_equal(&f->src, &own))
        return OV_DROP_SOURCE_MAC;
    if (!bridge && (net->config->flags & OV_NET_CHECK_IP) && !honest_ip(net, m, f))
        return OV_DROP_SOURCE_IP;
    if (!fits_mtu(net, f, len))
        return OV_DROP_TOO_LARGE;
    if (ov_mac_is_multicast(&f->dst))
        return net->config->flags & OV_NET_BROADCAST ? OV_DROP_COUNT : OV_DROP_MULTICAST_LIMIT;
    if (!ov_mac_equal(&f->dst, &net->mac) && !(net->cert.perms & OV_PERM_BRIDGE))
        return OV_DROP_NO_DESTINATION;
    return OV_DROP_COUNT;
}

void ov_switch_receive(struct ov_network *net, struct ov_peer *p, const uint8_t *frame, size_t len,
                       const struct ov_offload *o)
{
    struct ov_engine *e = net->o->e;
    struct ov_frame_info f;
    if (!ov_network_ready(net)) {
        ov_drop(e, OV_DROP_NOT_JOINED);
        return;
    }
    struct ov_member *m = ov_member_from(net, p);
    if (!m || !ov_member_valid(net, m)) {
        ov_drop(e, OV_DROP_NOT_MEMBER);
        ov_member_ask(net, p);
        return;
    }
    if (ov_frame_parse(frame, len, &f) != OV_OK || !ov_offload_valid(o, frame, len)) {
        ov_drop(e, OV_DROP_MALFORMED_FRAME);
        return;
    }
    enum ov_drop why = refuse(net, m, p->id.addr, &f, len);
    if (why != OV_DROP_COUNT) {
        ov_drop(e, why);
        return;
    }
    m->heard = p->last_frame = e->now;
    if (m->cert.perms & OV_PERM_BRIDGE)
        learn(net, &f.src, p->id.addr);
    if (!ov_outq_frame(&e->out, net->id, frame, len, o)) {
        ov_drop(e, OV_DROP_OUTPUT_FULL);
        return;
    }
    e->stats.tx_frames++;
    e->stats.tx_frame_bytes += len;
}
