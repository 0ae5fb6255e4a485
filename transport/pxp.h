/* pxp: asks a router by NAT-PMP and PCP, which share its port 5351, and listens to what it
 * announces to all (224.0.0.1:5350). Only datagrams from the router's own address and port are
 * looked at, and of PCP only those with our nonce. See mapper.h for what comes back. */
#ifndef OV_TRANSPORT_PXP_H
#define OV_TRANSPORT_PXP_H

#include "transport/mapper.h"
#include "transport/pcp.h"

#include <uv.h>

struct ov_pxp;

/* `nonce`: of our mappings by PCP; the same after a restart, or the router takes us for another
 * program. `port`: of the router, 0: the usual one. OV_ENOMEM, OV_EIO. */
OV_CHECK int ov_pxp_open(uv_loop_t *loop, const struct ov_gateway *gateway,
                         const uint8_t nonce[OV_PCP_NONCE_LEN], uint16_t port,
                         const struct ov_mapper_events *events, struct ov_pxp **out);
/* Is anybody there? Both ways at once; a found or absent for each of them. */
void ov_pxp_probe(struct ov_pxp *x);
/* Make a mapping, or prolong it. `external` may be a port that is wished for; 0: any. A new call
 * takes the place of one that is not answered yet. */
void ov_pxp_map(struct ov_pxp *x, enum ov_mapper m, uint16_t internal,
                const struct ov_endpoint *external, uint32_t lifetime);
void ov_pxp_unmap(struct ov_pxp *x, enum ov_mapper m, uint16_t internal);
/* No event comes any more; the memory frees itself once the loop has run on. */
void ov_pxp_close(struct ov_pxp *x);

#endif
