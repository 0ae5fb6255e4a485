#include "transport/gateway.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/netlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>
#include <sys/socket.h>

/* The anycast address of PCP servers (RFC 7723): that way is the router. Nothing is sent there. */
static const uint8_t ELSEWHERE[4] = {192, 0, 0, 9};

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

static bool ip4_from_nl(const struct nl_addr *a, struct ov_ip *out)
{
    if (!a || nl_addr_get_family(a) != AF_INET || nl_addr_get_len(a) != 4)
        return false;
    *out = (struct ov_ip){.family = 4};
    memcpy(out->b, nl_addr_get_binary_addr(a), 4);
    return true;
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

    if (!hop || !ip4_from_nl(rtnl_route_get_pref_src(route), &g.local.ip))
        return OV_GATEWAY_NONE;
    g.ifindex = (unsigned)rtnl_route_nh_get_ifindex(hop);
    if (!if_indextoname(g.ifindex, name) || (skip && skip(arg, name)))
        return OV_GATEWAY_NONE;
    if (!ov_gateway_is_private(&g.local.ip))
        return OV_GATEWAY_PUBLIC;
    if (!ip4_from_nl(rtnl_route_nh_get_gateway(hop), &g.ip))
        return OV_GATEWAY_NONE;
    g.local.bits = prefix_bits(g.ifindex, &g.local.ip);
    *out = g;
    return OV_GATEWAY_FOUND;
}

enum ov_gateway_kind ov_gateway_find(bool (*skip)(void *arg, const char *ifname), void *arg,
                                     struct ov_gateway *out)
{
    enum ov_gateway_kind kind = OV_GATEWAY_NONE;
    struct nl_sock *nl = nl_socket_alloc();
    struct nl_addr *to = nl_addr_build(AF_INET, ELSEWHERE, sizeof ELSEWHERE);
    struct rtnl_route *route = NULL;

    if (nl && to && nl_connect(nl, NETLINK_ROUTE) == 0 && rtnl_route_lookup(nl, to, &route) == 0)
        kind = from_route(route, skip, arg, out);
    if (route)
        rtnl_route_put(route);
    if (to)
        nl_addr_put(to);
    nl_socket_free(nl);
    return kind;
}
