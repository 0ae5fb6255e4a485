/* link: what the kernel must know about a TAP: up, MTU, addresses, routes. Linux: netlink
 * (libnl-route-3). Everything goes away with the device. `why` (256 bytes) gets a sentence on
 * error. */
#ifndef OV_TUN_LINK_H
#define OV_TUN_LINK_H

#include "core/types.h"

/* The routing protocol number our routes carry: `ip route show proto 79`. */
#define OV_LINK_PROTO 79

/* A wished-for state; apply() changes the device to exactly this: what is missing is added,
 * addresses and routes that an earlier apply() made and are not wished any more are removed; those
 * made by others are left alone. mtu 0: leave it. Routes exist only while the device is up. */
#define OV_LINK_ADDRS_MAX  8
#define OV_LINK_ROUTES_MAX 32
struct ov_link_route {
    struct ov_prefix dst;
    struct ov_ip via; /* family 0: on the link */
};
struct ov_link_state {
    bool up;
    uint16_t mtu;
    uint8_t naddrs, nroutes;
    struct ov_prefix addrs[OV_LINK_ADDRS_MAX];
    struct ov_link_route routes[OV_LINK_ROUTES_MAX];
};

struct ov_link;
OV_CHECK int ov_link_open(unsigned ifindex, struct ov_link **out, char why[256]);
/* OV_EPERM, OV_EIO, OV_EINVAL (a prefix that is none), OV_ENOENT (the device is gone).
 * An address or route collides when another interface has the same subnet or route, or is directly
 * connected to a subnet that ours would take a part of. It is reported in `why` and left out
 * (OV_EEXIST) while the rest is applied; applying again later is right and cheap, since the other
 * interface may have gone. When several things go wrong, `why` has the first, and an error goes
 * before a collision. */
OV_CHECK int ov_link_apply(struct ov_link *l, const struct ov_link_state *want, char why[256]);
/* What became of an address in the last apply(): OV_OK: it is set, or was not wished; OV_EEXIST: it
 * collides and is left out; else why the kernel did not take it. */
OV_CHECK int ov_link_addr(const struct ov_link *l, const struct ov_prefix *addr);
void ov_link_close(struct ov_link *l); /* changes nothing on the device */

#endif
