/* discovery: beacons (core/beacon.h) on every LAN of this host: multicast out and in, and nothing
 * of what they say. A LAN is an interface that is up, can multicast, and is neither loopback nor
 * point-to-point, nor one that `skip` names (our own TAPs and the bridges that hold them). */
#ifndef OV_TRANSPORT_DISCOVERY_H
#define OV_TRANSPORT_DISCOVERY_H

#include "core/log.h"
#include "core/types.h"

#include <uv.h>

struct ov_discovery;

struct ov_discovery_config {
    bool (*skip)(void *arg, const char *ifname);
    /* The datagram to send from this address of ours; its length, 0: none. */
    size_t (*make)(void *arg, const struct ov_ip *source, uint8_t *out, size_t cap);
    /* One came from an address on the subnet of the interface (IPv6: a link-local one). */
    void (*heard)(void *arg, const struct ov_endpoint *from, const uint8_t *data, size_t len);
    void *arg;
    bool ip4, ip6;  /* the families to use */
    size_t largest; /* datagram; a larger one is dropped */
    struct ov_log log;
};

/* Several nodes on one host share the port. OV_ENOMEM; OV_EIO: no socket of either family. */
OV_CHECK int ov_discovery_open(uv_loop_t *loop, const struct ov_discovery_config *cfg,
                               struct ov_discovery **out);
/* Interfaces or addresses changed. */
void ov_discovery_refresh(struct ov_discovery *d);
/* Send one on every LAN now: one from each IPv4 address, and one from the link-local IPv6 one. */
void ov_discovery_announce(struct ov_discovery *d);
size_t ov_discovery_lans(const struct ov_discovery *d); /* addresses that it sends from */
void ov_discovery_close(
    struct ov_discovery *d); /* NULL is fine; frees itself once the loop ran on */

#endif
