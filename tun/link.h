/* link: what the kernel must know about a TAP: up, MTU, addresses, routes. Linux: netlink (libnl-route-3).
 * Everything goes away with the device. `why` (256 bytes) gets a sentence on error. */
#ifndef OV_TUN_LINK_H
#define OV_TUN_LINK_H

#include "core/types.h"

/* A wished-for state; apply() changes the device to exactly this: what is missing is added, addresses
 * and routes that an earlier apply() made and are not wished any more are removed; those made
 * by others are left alone. */
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
/* OV_EPERM, OV_EIO. A route or address that collides with another interface is reported in `why` and left
 * out (OV_EEXIST) while the rest is applied. */
OV_CHECK int ov_link_apply(struct ov_link *l, const struct ov_link_state *want, char why[256]);
void ov_link_close(struct ov_link *l);

#endif
