/* portmap: one mapping of our UDP port on the router before us, so that others can reach it without
 * punching. PCP, NAT-PMP and UPnP are tried together; the mapping is prolonged in time, made again
 * when the router forgot it, and removed at the end. Nothing is done where this host has a public
 * address or no router. No threads; a few hundred bytes now and then. */
#ifndef OV_TRANSPORT_PORTMAP_H
#define OV_TRANSPORT_PORTMAP_H

#include "core/log.h"
#include "transport/mapper.h"

#include <uv.h>

#define OV_PORTMAP_LEASE 7200 /* seconds we ask for; a router may give less */
#define OV_PORTMAP_CHECK 120  /* seconds between looks whether a UPnP mapping is still there */
#define OV_PORTMAP_GRACE 800  /* ms that removing it may take at the end */

struct ov_portmap;
/* The mapping is there, or another than before; NULL: it is lost. */
typedef void (*ov_portmap_cb)(void *arg, const struct ov_endpoint *external);

struct ov_portmap_config {
    uint16_t port;     /* ours */
    uint8_t key[32];   /* secret, and the same after a restart: PCP's nonces are made of it */
    struct ov_ip only; /* the address of ours that the port is bound to; family 0: all */
    bool (*skip)(void *arg, const char *ifname); /* as ov_gateway_find() */
    ov_portmap_cb changed;
    void *arg;
    struct ov_log log;
    uint32_t lease_s; /* 0: OV_PORTMAP_LEASE */
    /* 0 but in tests */
    uint32_t check_s;
    uint16_t pxp_port, ssdp_port;
};

/* OV_ENOMEM. The first callback comes from the loop. */
OV_CHECK int ov_portmap_open(uv_loop_t *loop, const struct ov_portmap_config *config,
                             struct ov_portmap **out);
/* Something changed: addresses, routes, our address as others see it, or the host slept. */
void ov_portmap_check(struct ov_portmap *p);
/* Remove the mapping, for OV_PORTMAP_GRACE at most, while the loop runs on; then the memory frees
 * itself. No callback comes any more. NULL is nothing. */
void ov_portmap_close(struct ov_portmap *p);

enum ov_portmap_state {
    OV_PORTMAP_UNNEEDED, /* this host has a public address */
    OV_PORTMAP_NO_ROUTER,
    OV_PORTMAP_ASKING,
    OV_PORTMAP_MAPPED,
    OV_PORTMAP_NONE, /* nobody answered, or all refused: `problem` */
};
struct ov_portmap_status {
    enum ov_portmap_state state;
    enum ov_mapper by; /* MAPPED: who gave it */
    struct ov_endpoint external;
    bool nat_outside;  /* MAPPED: the router's own address is not public: another NAT is there */
    bool permanent;    /* MAPPED: the router knows no leases */
    uint64_t renew_ms; /* MAPPED: until it is prolonged; NONE: until it is tried again */
    uint32_t lease_s;  /* MAPPED: as granted */
    uint32_t renewals; /* of this mapping, so far */
    const char *problem;
};
void ov_portmap_status(const struct ov_portmap *p, struct ov_portmap_status *out);
const char *ov_mapper_name(enum ov_mapper m); /* "UPnP" */

/* When to prolong a lease of `seconds`: at half of it; one for ever is looked at each hour. Never
 * more often than every 4 s (RFC 6887, 11.2.1). Milliseconds. */
uint64_t ov_portmap_renew_after(uint32_t seconds);
/* How long to wait after the nth try (from 0) that came to nothing: 5 s, doubled up to 30 min. */
uint64_t ov_portmap_retry_after(unsigned n);

#endif
