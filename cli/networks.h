/* networks: the devices of the joined networks: one TAP for each that we are a member of,
 * configured from its signed configuration and our certificate.
 *
 * A device appears when its network becomes ready and goes when it is not any more. Trouble with a
 * device (no permission, no /dev/net/tun, a colliding address) is kept as text and tried again
 * every 10 s; the daemon lives on without it. */
#ifndef OV_CLI_NETWORKS_H
#define OV_CLI_NETWORKS_H

#include "core/output.h"

struct ov_daemon;
struct ov_networks;

OV_CHECK int ov_networks_open(struct ov_daemon *d, struct ov_networks **out);
void ov_networks_close(struct ov_networks *n); /* frees itself once the loop has let go */

/* Something about `net` changed; run() will look. */
void ov_networks_mark(struct ov_networks *n, ov_netid net);
/* Do what is marked; true when that has marked more. */
bool ov_networks_run(struct ov_networks *n);
/* A frame for the host; it must stay until the flush that ends the batch. */
void ov_networks_frame(struct ov_networks *n, const struct ov_out_frame *f);
void ov_networks_flush(struct ov_networks *n);
/* What the devices leave to others, in words: "none", "csum tso uso gro". */
#define OV_OFFLOAD_TEXT 32
void ov_networks_offload(const struct ov_networks *n, char out[OV_OFFLOAD_TEXT]);

/* Both are NULL when there is nothing to tell; they live until the next run(). */
void ov_networks_device(const struct ov_networks *n, ov_netid net, const char **device,
                        const char **problem);
/* Why this computer did not get `addr`, one of ours in that network: "taken" (the network is that
 * of another interface), "refused" (the user does not consent), "failed" (by the kernel); NULL: it
 * has it, or there is no device yet. */
const char *ov_networks_left_out(const struct ov_networks *n, ov_netid net,
                                 const struct ov_prefix *addr);
/* Frames that the devices did not take. */
uint64_t ov_networks_dropped(const struct ov_networks *n);
/* Is this interface one of ours, or a bridge that holds one? */
bool ov_networks_owns(const struct ov_networks *n, const char *ifname);

#endif
