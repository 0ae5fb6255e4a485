/* mapper: what the ways to ask a router for a port mapping (pxp.h, igd.h) have in common, and what
 * they tell portmap.h. Every call of theirs is answered by exactly one of found or absent (probe),
 * mapped or failed (map, check), unmapped (unmap), some time later and never from within the call.
 */
#ifndef OV_TRANSPORT_MAPPER_H
#define OV_TRANSPORT_MAPPER_H

#include "core/types.h"

/* In order of preference. */
enum ov_mapper { OV_MAPPER_PCP, OV_MAPPER_PMP, OV_MAPPER_UPNP, OV_MAPPER_COUNT };

/* The router, and how this host is seen by it. */
struct ov_gateway {
    struct ov_ip ip;
    struct ov_prefix local; /* our address on the subnet that we share with it */
    unsigned ifindex;
};

struct ov_mapping {
    struct ov_endpoint external;
    uint32_t lifetime; /* seconds, as granted; 0: for ever */
};

struct ov_mapper_events {
    void (*found)(void *arg, enum ov_mapper m);
    void (*absent)(void *arg, enum ov_mapper m);
    void (*mapped)(void *arg, enum ov_mapper m, const struct ov_mapping *mapping);
    /* `gone`: the router says that there is no mapping; else it may still be there. */
    void (*failed)(void *arg, enum ov_mapper m, bool gone, const char *why);
    void (*unmapped)(void *arg, enum ov_mapper m);
    /* Unasked: the router is there. `lost`: it seems to have forgotten its mappings, or to have
     * another address. Others on the LAN can forge it: it is a reason to ask, no more. */
    void (*news)(void *arg, enum ov_mapper m, bool lost);
    void *arg;
};

/* May a router have this address outside? Not a group, not this host, not nothing. */
static inline bool ov_mapper_usable(const struct ov_ip *ip)
{
    return ip->family == 4 && ip->b[0] != 0 && ip->b[0] != 127 && ip->b[0] < 224;
}

#endif
