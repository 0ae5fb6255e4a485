/* pools: arithmetic of address pools. A pool is an IPv4 subnet of /8 to /30; its hosts are numbered
 * from 0 (x.x.x.1 of a /24): neither the network's own address nor the broadcast address is one. */
#ifndef OV_CONTROLLER_POOLS_H
#define OV_CONTROLLER_POOLS_H

#include "core/types.h"

#define OV_POOL_BITS_MIN 8
#define OV_POOL_BITS_MAX 30

/* The subnet of any prefix: host bits cleared. */
void ov_pool_base(const struct ov_prefix *p, struct ov_prefix *out);
/* Is it the subnet itself, no host bit set? */
bool ov_pool_is_base(const struct ov_prefix *p);
uint32_t ov_pool_hosts(const struct ov_prefix *pool);
/* Host `i`, with i < ov_pool_hosts(). */
void ov_pool_host(const struct ov_prefix *pool, uint32_t i, struct ov_ip *out);
/* May a member have this address: inside, and a host? */
bool ov_pool_has_host(const struct ov_prefix *pool, const struct ov_ip *ip);
bool ov_pool_overlap(const struct ov_prefix *a, const struct ov_prefix *b);
/* The member's own IPv6 address (RFC 4193, section 3): fd, 40 bits derived from the network id,
 * subnet 0, and the node's address as interface id; /64. */
void ov_pool_ip6(ov_netid id, ov_addr member, struct ov_prefix *out);

#endif
