/* uplink: frames from the devices on their way into the engine.
 *
 * Where the line is fast, they pass. Where it is slower than those who send on it, the kernel would
 * take megabytes below our sockets, and to its queues all of a tunnel is one flow: a game would
 * wait behind every download, hundreds of milliseconds. So not more is left below than keeps the
 * line busy (backlog.h), and the rest waits here, in front of the engine, where flows can still be
 * told apart (core/fairq.h). What is below is asked of the kernel every OV_UPLINK_CHECK bytes, or
 * each OV_UPLINK_POLL_MS while something waits.
 *
 * All frames go through the queue, and none past it, from when there is too much below until
 * nothing had to wait for OV_UPLINK_CALM: so none overtakes another of its flow.
 *
 * What a root relays for others, and the engine's own messages, do not wait here. So that they
 * cannot shut this host's frames out, as many bytes of those may always leave as of the others. */
#ifndef OV_CLI_UPLINK_H
#define OV_CLI_UPLINK_H

#include "core/fairq.h"
#include "core/node.h"

#define OV_UPLINK_CHECK   ((size_t)16 << 10)
#define OV_UPLINK_POLL_MS 1
#define OV_UPLINK_CALM    (2 * OV_SEC)
#define OV_UPLINK_TURN    ((size_t)512 << 10) /* bytes that leave it in a turn of the loop */

struct ov_daemon;
struct ov_uplink;

OV_CHECK int ov_uplink_open(struct ov_daemon *d, struct ov_uplink **out);
void ov_uplink_close(struct ov_uplink *u); /* frees itself once the loop has let go */

/* Frames of a network's device, as ov_node_frames takes them; drains. */
void ov_uplink_frames(struct ov_uplink *u, ov_netid net, const struct ov_frame *v, size_t count,
                      ov_time now);
void ov_uplink_stats(const struct ov_uplink *u, struct ov_fairq_stats *out);

#endif
