/* link: addresses, routes, MTU and state of a TAP, through rtnetlink (libnl-route-3).
 *
 * Each apply() goes: read all addresses and routes of the host, leave out of the wish what collides
 * with other interfaces, set MTU and state, remove what we made and is not wished any more, add all
 * that is wished. Adding what is there already is no error, so nothing is assumed about what an
 * administrator, or the kernel (which drops routes when a device goes down), has done in between;
 * what we made is remembered only to know what is ours to remove. */
#include "tun/link.h"

#include <assert.h>
#include <net/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct ov_link {
    struct nl_sock *nl;
    unsigned ifindex;
    struct ov_link_state made; /* addresses and routes that we added */
    /* Addresses that the last apply() left out, and why. */
    size_t nlacks;
    struct {
        struct ov_prefix addr;
        int err;
    } lacks[OV_LINK_ADDRS_MAX];
};

/* What went wrong first, an error before a collision. */
struct report {
    int err;
    char *why;
};

__attribute__((format(printf, 3, 4))) static void report(struct report *r, int err, const char *fmt,
                                                         ...)
{
    va_list ap;

    if (r->err != OV_OK && (r->err != OV_EEXIST || err == OV_EEXIST))
        return;
    r->err = err;
    va_start(ap, fmt);
    vsnprintf(r->why, 256, fmt, ap);
    va_end(ap);
}

static int error_from_nl(int nl)
{
    switch (-nl) {
    case NLE_PERM:
        return OV_EPERM;
    case NLE_NOMEM:
        return OV_ENOMEM;
    case NLE_NODEV:
        return OV_ENOENT;
    default:
        return OV_EIO;
    }
}

/* Something could not be done to `what` (an address, a route, the interface). */
static void report_nl(struct report *r, int nl, const char *verb, const char *what)
{
    switch (-nl) {
    case NLE_PERM:
        report(r, OV_EPERM, "not allowed to %s %s; run as root or give CAP_NET_ADMIN", verb, what);
        break;
    case NLE_NODEV:
        report(r, OV_ENOENT, "cannot %s %s: the interface is gone", verb, what);
        break;
    default:
        report(r, error_from_nl(nl), "cannot %s %s: %s", verb, what, nl_geterror(nl));
    }
}

/* ---- prefixes ---- */

static unsigned width(const struct ov_ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

static bool prefix_valid(const struct ov_prefix *p)
{
    return (p->ip.family == 4 || p->ip.family == 6) && p->bits <= width(&p->ip);
}

/* Are the first `bits` bits alike, in the same family? */
static bool same_net(const struct ov_ip *a, const struct ov_ip *b, unsigned bits)
{
    unsigned bytes = bits / 8;

    if (a->family != b->family || memcmp(a->b, b->b, bytes) != 0)
        return false;
    return bits % 8 == 0 || ((a->b[bytes] ^ b->b[bytes]) >> (8 - bits % 8)) == 0;
}

static bool prefix_equal(const struct ov_prefix *a, const struct ov_prefix *b)
{
    return a->bits == b->bits && same_net(&a->ip, &b->ip, width(&a->ip));
}

static bool same_subnet(const struct ov_prefix *a, const struct ov_prefix *b)
{
    return a->bits == b->bits && same_net(&a->ip, &b->ip, a->bits);
}

/* With the host bits cleared, as the kernel wants destinations of routes. */
static struct ov_prefix network_of(const struct ov_prefix *p)
{
    struct ov_prefix n = *p;

    for (unsigned i = 0; i < sizeof n.ip.b; i++) {
        unsigned keep = p->bits >= 8 * (i + 1) ? 8 : p->bits > 8 * i ? p->bits - 8 * i : 0;
        n.ip.b[i] &= (uint8_t)(0xff00 >> keep);
    }
    return n;
}

/* A new libnl address; NULL without memory. */
static struct nl_addr *nl_from_ip(const struct ov_ip *ip, unsigned bits)
{
    struct nl_addr *a = nl_addr_build(ip->family == 4 ? AF_INET : AF_INET6, ip->b, width(ip) / 8);

    if (a)
        nl_addr_set_prefixlen(a, (int)bits);
    return a;
}

static bool prefix_from_nl(const struct nl_addr *a, int family, struct ov_prefix *out)
{
    memset(out, 0, sizeof *out);
    out->ip.family = family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
    if (out->ip.family == 0 || !a)
        return false;
    size_t len = nl_addr_get_len(a);
    if (len > width(&out->ip) / 8)
        return false;
    if (len > 0) /* a default route has none */
        memcpy(out->ip.b, nl_addr_get_binary_addr(a), len);
    out->bits = (uint8_t)nl_addr_get_prefixlen(a);
    return out->bits <= width(&out->ip);
}

static const char *prefix_text(const struct ov_prefix *p, char out[OV_PREFIX_TEXT])
{
    struct nl_addr *a = nl_from_ip(&p->ip, p->bits);

    if (a)
        nl_addr2str(a, out, OV_PREFIX_TEXT);
    else
        snprintf(out, OV_PREFIX_TEXT, "?");
    nl_addr_put(a);
    return out;
}

/* ---- collisions ---- */

struct host {
    struct nl_cache *addrs, *routes;
};

static void host_free(struct host *h)
{
    nl_cache_free(h->addrs);
    nl_cache_free(h->routes);
}

static int host_read(struct ov_link *l, struct host *h)
{
    int err = rtnl_addr_alloc_cache(l->nl, &h->addrs);

    if (err == 0)
        err = rtnl_route_alloc_cache(l->nl, AF_UNSPEC, 0, &h->routes);
    return err;
}

/* The other interface that is connected to the subnet `p`, or to a wider one around it; 0: none. */
static unsigned connected_elsewhere(const struct ov_link *l, const struct host *h,
                                    const struct ov_prefix *p)
{
    for (struct nl_object *o = nl_cache_get_first(h->addrs); o; o = nl_cache_get_next(o)) {
        struct rtnl_addr *a = (struct rtnl_addr *)o;
        struct ov_prefix other;
        if ((unsigned)rtnl_addr_get_ifindex(a) != l->ifindex &&
            prefix_from_nl(rtnl_addr_get_local(a), rtnl_addr_get_family(a), &other) &&
            other.bits > 0 && other.bits <= p->bits && same_net(&other.ip, &p->ip, other.bits))
            return (unsigned)rtnl_addr_get_ifindex(a);
    }
    return 0;
}

/* The other interface that has a route to exactly `p`; 0: none. */
static unsigned routed_elsewhere(const struct ov_link *l, const struct host *h,
                                 const struct ov_prefix *p)
{
    for (struct nl_object *o = nl_cache_get_first(h->routes); o; o = nl_cache_get_next(o)) {
        struct rtnl_route *r = (struct rtnl_route *)o;
        struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);
        struct ov_prefix other;
        if (nh && rtnl_route_get_table(r) == RT_TABLE_MAIN &&
            rtnl_route_get_type(r) == RTN_UNICAST &&
            (unsigned)rtnl_route_nh_get_ifindex(nh) != l->ifindex &&
            prefix_from_nl(rtnl_route_get_dst(r), rtnl_route_get_family(r), &other) &&
            same_subnet(&other, p))
            return (unsigned)rtnl_route_nh_get_ifindex(nh);
    }
    return 0;
}

static bool collides(const struct ov_link *l, const struct host *h, const struct ov_prefix *p,
                     const char *kind, struct report *r)
{
    char text[OV_PREFIX_TEXT], name[IF_NAMESIZE];
    unsigned other;

    if (ov_ip_is_link_local(&p->ip)) /* every interface has that */
        return false;
    other = connected_elsewhere(l, h, p);
    if (other == 0)
        other = routed_elsewhere(l, h, p);
    if (other == 0)
        return false;
    if (!if_indextoname(other, name))
        snprintf(name, sizeof name, "#%u", other);
    report(r, OV_EEXIST, "%s %s is left out: interface %s of this host is in the same network",
           kind, prefix_text(p, text), name);
    return true;
}

/* Is this route one that the kernel makes by itself for a wished address? */
static bool is_connected_route(const struct ov_link_route *route, const struct ov_link_state *want)
{
    if (route->via.family != 0)
        return false;
    for (unsigned i = 0; i < want->naddrs; i++)
        if (same_subnet(&route->dst, &want->addrs[i]))
            return true;
    return false;
}

/* An address of the wish is not set. */
static void lack(struct ov_link *l, const struct ov_prefix *p, int err)
{
    assert(l->nlacks < OV_LINK_ADDRS_MAX);
    l->lacks[l->nlacks].addr = *p;
    l->lacks[l->nlacks++].err = err;
}

/* What of the wish is possible. */
static void select_possible(struct ov_link *l, const struct host *h,
                            const struct ov_link_state *want, struct ov_link_state *out,
                            struct report *r)
{
    *out = (struct ov_link_state){.up = want->up, .mtu = want->mtu};
    for (unsigned i = 0; i < want->naddrs; i++)
        if (collides(l, h, &want->addrs[i], "address", r))
            lack(l, &want->addrs[i], OV_EEXIST);
        else
            out->addrs[out->naddrs++] = want->addrs[i];
    for (unsigned i = 0; i < want->nroutes; i++) {
        const struct ov_link_route *route = &want->routes[i];
        if (want->up && !is_connected_route(route, want) &&
            !collides(l, h, &route->dst, "route", r)) {
            out->routes[out->nroutes] = *route;
            out->routes[out->nroutes++].dst = network_of(&route->dst);
        }
    }
}

/* ---- device ---- */

static int set_link(struct ov_link *l, bool up, uint16_t mtu)
{
    struct rtnl_link *which = rtnl_link_alloc(), *change = rtnl_link_alloc();
    int err = -NLE_NOMEM;

    if (which && change) {
        rtnl_link_set_ifindex(which, (int)l->ifindex);
        if (up)
            rtnl_link_set_flags(change, IFF_UP);
        else
            rtnl_link_unset_flags(change, IFF_UP);
        if (mtu != 0)
            rtnl_link_set_mtu(change, mtu);
        err = rtnl_link_change(l->nl, which, change, 0);
    }
    rtnl_link_put(which);
    rtnl_link_put(change);
    return err;
}

/* ---- addresses ---- */

/* The IPv4 broadcast address of a subnet; NULL where there is none. */
static struct nl_addr *broadcast_of(const struct ov_prefix *p)
{
    struct ov_ip ip = p->ip;

    if (ip.family != 4 || p->bits > 30)
        return NULL;
    for (unsigned bit = p->bits; bit < 32; bit++)
        ip.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return nl_from_ip(&ip, 32);
}

static struct rtnl_addr *make_addr(const struct ov_link *l, const struct ov_prefix *p)
{
    struct rtnl_addr *a = rtnl_addr_alloc();
    struct nl_addr *local = nl_from_ip(&p->ip, p->bits), *broadcast = broadcast_of(p);

    if (a && local) {
        rtnl_addr_set_ifindex(a, (int)l->ifindex);
        (void)rtnl_addr_set_local(a,
                                  local); /* fails for a family other than the one set: none is */
        if (broadcast)
            (void)rtnl_addr_set_broadcast(a, broadcast);
        if (p->ip.family == 6) /* the controller sees to it that it is unique */
            rtnl_addr_set_flags(a, IFA_F_NODAD);
    } else {
        rtnl_addr_put(a);
        a = NULL;
    }
    nl_addr_put(local);
    nl_addr_put(broadcast);
    return a;
}

static bool state_has_addr(const struct ov_link_state *s, const struct ov_prefix *p)
{
    for (unsigned i = 0; i < s->naddrs; i++)
        if (prefix_equal(&s->addrs[i], p))
            return true;
    return false;
}

static void remove_addr(struct ov_link *l, const struct ov_prefix *p, struct report *r)
{
    char text[OV_PREFIX_TEXT];
    struct rtnl_addr *a = make_addr(l, p);
    int err = a ? rtnl_addr_delete(l->nl, a, 0) : -NLE_NOMEM;

    rtnl_addr_put(a);
    if (err != 0 && err != -NLE_NOADDR && err != -NLE_OBJ_NOTFOUND)
        report_nl(r, err, "remove address", prefix_text(p, text));
}

/* True if it is there and ours. */
static bool add_addr(struct ov_link *l, const struct ov_prefix *p, struct report *r)
{
    char text[OV_PREFIX_TEXT];
    struct rtnl_addr *a = make_addr(l, p);
    int err = a ? rtnl_addr_add(l->nl, a, NLM_F_CREATE | NLM_F_EXCL) : -NLE_NOMEM;

    rtnl_addr_put(a);
    if (err == -NLE_EXIST)
        return state_has_addr(&l->made, p);
    if (err != 0)
        lack(l, p, error_from_nl(err));
    if (err == -NLE_NOACCESS && p->ip.family == 6)
        report(r, OV_EIO, "cannot add address %s: IPv6 is turned off on this interface",
               prefix_text(p, text));
    else if (err != 0)
        report_nl(r, err, "add address", prefix_text(p, text));
    return err == 0;
}

/* ---- routes ---- */

static bool add_nexthop(const struct ov_link *l, struct rtnl_route *r, const struct ov_ip *via)
{
    struct rtnl_nexthop *nh = rtnl_route_nh_alloc();

    if (!nh)
        return false;
    rtnl_route_nh_set_ifindex(nh, (int)l->ifindex);
    if (via->family != 0) {
        struct nl_addr *gateway = nl_from_ip(via, width(via));
        if (!gateway) {
            rtnl_route_nh_free(nh);
            return false;
        }
        rtnl_route_nh_set_gateway(nh, gateway);
        nl_addr_put(gateway);
    }
    rtnl_route_add_nexthop(r, nh);
    return true;
}

static struct rtnl_route *make_route(const struct ov_link *l, const struct ov_link_route *route)
{
    struct rtnl_route *r = rtnl_route_alloc();
    struct nl_addr *dst = nl_from_ip(&route->dst.ip, route->dst.bits);

    if (r && dst && rtnl_route_set_dst(r, dst) == 0 && add_nexthop(l, r, &route->via)) {
        rtnl_route_set_protocol(r, OV_LINK_PROTO);
        rtnl_route_set_table(r, RT_TABLE_MAIN);
        rtnl_route_set_type(r, RTN_UNICAST);
        if (route->dst.ip.family == 4)
            rtnl_route_set_scope(r, route->via.family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
    } else {
        rtnl_route_put(r);
        r = NULL;
    }
    nl_addr_put(dst);
    return r;
}

static bool state_has_route(const struct ov_link_state *s, const struct ov_link_route *route)
{
    for (unsigned i = 0; i < s->nroutes; i++) {
        const struct ov_link_route *other = &s->routes[i];
        if (prefix_equal(&other->dst, &route->dst) && other->via.family == route->via.family &&
            memcmp(other->via.b, route->via.b, sizeof route->via.b) == 0)
            return true;
    }
    return false;
}

static void remove_route(struct ov_link *l, const struct ov_link_route *route, struct report *r)
{
    char text[OV_PREFIX_TEXT];
    struct rtnl_route *o = make_route(l, route);
    int err = o ? rtnl_route_delete(l->nl, o, 0) : -NLE_NOMEM;

    rtnl_route_put(o);
    if (err != 0 && err != -NLE_OBJ_NOTFOUND)
        report_nl(r, err, "remove route", prefix_text(&route->dst, text));
}

/* True if it is there and ours. */
static bool add_route(struct ov_link *l, const struct ov_link_route *route, struct report *r)
{
    char text[OV_PREFIX_TEXT];
    struct rtnl_route *o = make_route(l, route);
    int err = o ? rtnl_route_add(l->nl, o, NLM_F_CREATE | NLM_F_EXCL) : -NLE_NOMEM;

    rtnl_route_put(o);
    if (err == -NLE_EXIST)
        return state_has_route(&l->made, route);
    if (err != 0)
        report_nl(r, err, "add route", prefix_text(&route->dst, text));
    return err == 0;
}

/* ---- apply ---- */

static bool state_valid(const struct ov_link_state *s)
{
    if (s->naddrs > OV_LINK_ADDRS_MAX || s->nroutes > OV_LINK_ROUTES_MAX)
        return false;
    for (unsigned i = 0; i < s->naddrs; i++)
        if (!prefix_valid(&s->addrs[i]) || s->addrs[i].bits == 0)
            return false;
    for (unsigned i = 0; i < s->nroutes; i++)
        if (!prefix_valid(&s->routes[i].dst) ||
            (s->routes[i].via.family != 0 && s->routes[i].via.family != s->routes[i].dst.ip.family))
            return false;
    return true;
}

/* Routes go first and come last: they may need the addresses. */
static void remove_unwished(struct ov_link *l, const struct ov_link_state *want, struct report *r)
{
    for (unsigned i = 0; i < l->made.nroutes; i++)
        if (!state_has_route(want, &l->made.routes[i]))
            remove_route(l, &l->made.routes[i], r);
    for (unsigned i = 0; i < l->made.naddrs; i++)
        if (!state_has_addr(want, &l->made.addrs[i]))
            remove_addr(l, &l->made.addrs[i], r);
}

static void add_wished(struct ov_link *l, const struct ov_link_state *want, struct report *r)
{
    struct ov_link_state made = {0};

    for (unsigned i = 0; i < want->naddrs; i++)
        if (add_addr(l, &want->addrs[i], r))
            made.addrs[made.naddrs++] = want->addrs[i];
    for (unsigned i = 0; i < want->nroutes; i++)
        if (add_route(l, &want->routes[i], r))
            made.routes[made.nroutes++] = want->routes[i];
    l->made = made;
}

int ov_link_apply(struct ov_link *l, const struct ov_link_state *want, char why[256])
{
    struct report r = {.why = why};
    struct ov_link_state possible;
    struct host h = {0};
    int err;

    why[0] = '\0';
    l->nlacks = 0;
    if (!state_valid(want)) {
        snprintf(why, 256, "an address or route to set has no valid prefix");
        return OV_EINVAL;
    }
    err = host_read(l, &h);
    if (err != 0) {
        report_nl(&r, err, "read", "the addresses and routes of this host");
        goto out;
    }
    select_possible(l, &h, want, &possible, &r);
    err = set_link(l, want->up, want->mtu);
    if (err != 0) {
        report_nl(&r, err, "set MTU and state of", "the interface");
        goto out;
    }
    remove_unwished(l, &possible, &r);
    add_wished(l, &possible, &r);
out:
    host_free(&h);
    return r.err;
}

int ov_link_addr(const struct ov_link *l, const struct ov_prefix *addr)
{
    for (size_t i = 0; i < l->nlacks; i++)
        if (prefix_equal(&l->lacks[i].addr, addr))
            return l->lacks[i].err;
    return OV_OK;
}

int ov_link_open(unsigned ifindex, struct ov_link **out, char why[256])
{
    struct ov_link *l = calloc(1, sizeof *l);
    struct report r = {.why = why};
    int err = -NLE_NOMEM;

    if (!l || !(l->nl = nl_socket_alloc()))
        goto out;
    l->ifindex = ifindex;
    err = nl_connect(l->nl, NETLINK_ROUTE);
out:
    if (err != 0) {
        report_nl(&r, err, "open", "a netlink socket");
        ov_link_close(l);
        return r.err;
    }
    *out = l;
    return OV_OK;
}

void ov_link_close(struct ov_link *l)
{
    if (!l)
        return;
    nl_socket_free(l->nl);
    free(l);
}
