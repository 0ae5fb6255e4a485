/* igd: asks a router by UPnP (Internet Gateway Device). Finding it is a search by SSDP; the rest is
 * SOAP by HTTP. Nothing blocks, nothing is without bounds: see soap.h and http.h. A device counts
 * only when it is on the subnet that we share with the router, describes itself at the very address
 * that it answers from, and is controlled there. The router itself is preferred. See mapper.h for
 * what comes back. */
#ifndef OV_TRANSPORT_IGD_H
#define OV_TRANSPORT_IGD_H

#include "transport/mapper.h"

#include <uv.h>

struct ov_igd;

/* `port`: of SSDP, 0: the usual one. OV_ENOMEM, OV_EIO. */
OV_CHECK int ov_igd_open(uv_loop_t *loop, const struct ov_gateway *gateway, uint16_t port,
                         const struct ov_mapper_events *events, struct ov_igd **out);
void ov_igd_probe(struct ov_igd *i);
/* Make a mapping, or prolong it: `external` 0: any port; when it is taken, others are tried. A
 * router that knows no leases gets one without an end. A new call takes the place of one that is
 * not answered yet. `seed` feeds the choice of ports. */
void ov_igd_map(struct ov_igd *i, uint16_t internal, uint16_t external, uint32_t lifetime,
                uint32_t seed);
/* Is it still there? When not, it is made again. mapped tells what is left of its life. */
void ov_igd_check(struct ov_igd *i);
void ov_igd_unmap(struct ov_igd *i);
/* No event comes any more; the memory frees itself once the loop has run on. */
void ov_igd_close(struct ov_igd *i);

#endif
