/* relay: handing datagrams over, directly or wrapped for a relay; and relaying for others, as a
 * root for everybody, else for members of our networks.
 *
 * A RELAY header is authenticated hop by hop with keys of the two hop sessions; the inner datagram
 * is opaque and end-to-end sealed. Relaying rewrites the 40 header bytes in place and copies
 * nothing but into the output. There is no queue to bound: what the output or the socket does not
 * take at once is dropped. */
#ifndef OV_CORE_RELAY_H
#define OV_CORE_RELAY_H

#include "peer.h"

/* As a root: what those who are not of our networks may relay together. Once e->relay_rate is set.
 * OV_ENOMEM. */
OV_CHECK int ov_relay_init(struct ov_engine *e);
/* Room for an inner datagram of `len` bytes to `dest`; NULL (counted) when there is no way. */
uint8_t *ov_relay_reserve(struct ov_engine *e, const struct ov_via *via, uint8_t ttl, ov_addr dest,
                          size_t len);
/* Bytes of UDP payload that the way adds. */
static inline size_t ov_via_overhead(const struct ov_via *via)
{
    return via->relay ? OV_RELAY_HEADER : 0;
}
/* As a root, or for members of a network of ours: pass on what `from` sent for r->addr. The whole
 * datagram is consumed. */
void ov_relay_forward(struct ov_engine *e, struct ov_peer *from, const struct ov_relay *r,
                      const uint8_t *datagram, size_t len);

#endif
