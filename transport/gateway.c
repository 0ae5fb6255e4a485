#include "transport/gateway.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>
#include <sys/socket.h>

/* The anycast addresses of PCP servers (RFC 7723): that way is the router. Nothing is sent there.
 */
static const struct ov_ip ELSEWHERE4 = {4, {192, 0, 0, 9}},
                          ELSEWHERE6 = {6, {0x20, 0x01, 0, 0x01, [15] = 1}};

bool ov_gateway_is_private(const struct ov_ip *ip)
{
    static const struct ov_prefix NETS[] = {
        {{4, {10}}, 8},       {{4, {172, 16}}, 12},  {{4, {192, 168}}, 16},
        {{4, {100, 64}}, 10}, {{4, {169, 254}}, 16},
    };

    for (size_t i = 0; i < sizeof NETS / sizeof NETS[0]; i++)
        if (ov_prefix_contains(&NETS[i], ip))
            return true;
    return false;
}

static bool ip_from_nl(const struct nl_addr *a, uint8_t family, struct ov_ip *out)
{
    unsigned len = family == 4 ? 4 : 16;
    if (!a || nl_addr_get_family(a) != (family == 4 ? AF_INET : AF_INET6) ||
        nl_addr_get_len(a) != len)
        return false;
    *out = (struct ov_ip){.family = family};
    memcpy(out->b, nl_addr_get_binary_addr(a), len);
    return true;
}

/* Did the kernel itself say so? It says in many ways that there is no route, but not in these. */
static bool is_answer(int nlerr)
{
    switch (-nlerr) {
    case NLE_INTR:
    case NLE_BAD_SOCK:
    case NLE_AGAIN:
    case NLE_NOMEM:
    case NLE_SEQ_MISMATCH:
    case NLE_MSG_TRUNC:
    case NLE_BUSY:
    case NLE_DUMP_INTR:
        return false;
    default:
        return true;
    }
}

/* The kernel's answer to where packets to the internet go; *out NULL: nowhere. OV_EIO: none. */
static int look_up(uint8_t family, struct rtnl_route **out)
{
    const struct ov_ip *ip = family == 4 ? &ELSEWHERE4 : &ELSEWHERE6;
    struct nl_sock *nl = nl_socket_alloc();
    struct nl_addr *to =
        family == 4 ? nl_addr_build(AF_INET, ip->b, 4) : nl_addr_build(AF_INET6, ip->b, 16);
    int err = OV_EIO;

    *out = NULL;
    if (nl && to && nl_connect(nl, NETLINK_ROUTE) == 0 && is_answer(rtnl_route_lookup(nl, to, out)))
        err = OV_OK;
    if (to)
        nl_addr_put(to);
    nl_socket_free(nl);
    return err;
}

/* How many bits of our address are those of its subnet; 32 when nobody knows. */
static uint8_t prefix_bits(unsigned ifindex, const struct ov_ip *ip)
{
    struct ifaddrs *list;
    uint8_t bits = 32;

    if (getifaddrs(&list) != 0)
        return bits;
    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        struct sockaddr_in addr, mask;
        if (!a->ifa_addr || !a->ifa_netmask || a->ifa_addr->sa_family != AF_INET ||
            if_nametoindex(a->ifa_name) != ifindex)
            continue;
        memcpy(&addr, a->ifa_addr, sizeof addr);
        memcpy(&mask, a->ifa_netmask, sizeof mask);
        if (memcmp(&addr.sin_addr, ip->b, 4) == 0)
            bits = (uint8_t)__builtin_popcount(mask.sin_addr.s_addr);
    }
    freeifaddrs(list);
    return bits;
}

static enum ov_gateway_kind from_route(struct rtnl_route *route,
                                       bool (*skip)(void *arg, const char *ifname), void *arg,
                                       struct ov_gateway *out)
{
    struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
    struct ov_gateway g = {0};
    char name[IF_NAMESIZE];

    if (!hop || !ip_from_nl(rtnl_route_get_pref_src(route), 4, &g.local.ip))
        return OV_GATEWAY_NONE;
    g.ifindex = (unsigned)rtnl_route_nh_get_ifindex(hop);
    if (!if_indextoname(g.ifindex, name) || (skip && skip(arg, name)))
        return OV_GATEWAY_NONE;
    if (!ov_gateway_is_private(&g.local.ip))
        return OV_GATEWAY_PUBLIC;
    if (!ip_from_nl(rtnl_route_nh_get_gateway(hop), 4, &g.ip))
        return OV_GATEWAY_NONE;
    g.local.bits = prefix_bits(g.ifindex, &g.local.ip);
    *out = g;
    return OV_GATEWAY_FOUND;
}

enum ov_gateway_kind ov_gateway_find(bool (*skip)(void *arg, const char *ifname), void *arg,
                                     struct ov_gateway *out)
{
    enum ov_gateway_kind kind = OV_GATEWAY_NONE;
    struct rtnl_route *route;

    if (look_up(4, &route) != OV_OK)
        return OV_GATEWAY_UNKNOWN;
    if (route) {
        kind = from_route(route, skip, arg, out);
        rtnl_route_put(route);
    }
    return kind;
}

int ov_gateway_way(uint8_t family, struct ov_way *out)
{
    struct rtnl_route *route;

    if (look_up(family, &route) != OV_OK)
        return OV_EIO;
    struct rtnl_nexthop *hop = route ? rtnl_route_nexthop_n(route, 0) : NULL;
    memset(out, 0, sizeof *out);
    if (hop) {
        out->ifindex = (unsigned)rtnl_route_nh_get_ifindex(hop);
        (void)ip_from_nl(rtnl_route_nh_get_gateway(hop), family, &out->router);
    }
    if (route)
        rtnl_route_put(route);
    return OV_OK;
}
