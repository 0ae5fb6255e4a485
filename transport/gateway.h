/* gateway: the router through which this host's packets leave, by netlink. */
#ifndef OV_TRANSPORT_GATEWAY_H
#define OV_TRANSPORT_GATEWAY_H

#include "transport/mapper.h"

enum ov_gateway_kind {
    OV_GATEWAY_NONE,    /* no IPv4 route to the internet, or none through a router */
    OV_GATEWAY_PUBLIC,  /* the address of ours that packets leave from needs no translation */
    OV_GATEWAY_FOUND,   /* *out is set */
    OV_GATEWAY_UNKNOWN, /* the kernel could not be asked (no descriptors, no memory) */
};

/* Asks the kernel and is answered at once. `skip(arg, ifname)` true: that interface (one of our
 * TAPs) leads to no router. */
enum ov_gateway_kind ov_gateway_find(bool (*skip)(void *arg, const char *ifname), void *arg,
                                     struct ov_gateway *out);
/* The way by which packets to the internet leave now. */
struct ov_way {
    unsigned ifindex;    /* 0: there is none */
    struct ov_ip router; /* family 0: none, as on point-to-point links */
};
/* OV_EIO: the kernel could not be asked, and *out is as it was. */
OV_CHECK int ov_gateway_way(uint8_t family, struct ov_way *out);
/* Is this IPv4 address one that the internet does not route (RFC 1918, 6598, 3927)? */
bool ov_gateway_is_private(const struct ov_ip *ip);

#endif
