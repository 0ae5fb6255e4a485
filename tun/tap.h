/* tap: one TAP device: Ethernet frames in and out in batches. One file for each OS: tap_linux.c.
 *
 * Where the kernel can, checksums and segmentation are left to whoever is at the end of the way:
 * frames then come with partial checksums and as superframes (core/offload.h), and segments that
 * are written are put together again. */
#ifndef OV_TUN_TAP_H
#define OV_TUN_TAP_H

#include "core/offload.h"
#include "core/types.h"

#include <uv.h>

struct ov_tap;

#define OV_TAP_NAME_MAX 16
#define OV_TAP_HEADROOM 16 /* bytes before each frame that its receiver may use */
#define OV_TAP_FRAME_MAX                                                                           \
    9022 /* MTU 9000, Ethernet header, two VLAN tags; larger ones are dropped and counted, but     \
            superframes of up to OV_SUPERFRAME_MAX */
#define OV_TAP_BATCH_MAX 64 /* the most frames one callback gets */

struct ov_tap_frame {
    uint8_t *data; /* may be overwritten, with OV_TAP_HEADROOM bytes before it, until the callback
                      returns */
    size_t len;
    struct ov_offload offload;
};
/* One batch, at most one in each loop turn. n = 0 comes once and says that somebody has deleted the
 * device: nothing will come or go any more, and all that is left is to close it. */
typedef void (*ov_tap_cb)(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n);

/* What is left to the other side. */
enum ov_tap_offload {
    OV_TAP_CSUM = 1 << 0, /* frames may carry partial checksums, both ways */
    OV_TAP_TSO = 1 << 1,  /* TCP superframes come */
    OV_TAP_USO = 1 << 2,  /* UDP superframes come */
    OV_TAP_GRO = 1 << 3,  /* TCP segments are written as superframes */
};

/* Make a device (or take over a persistent one that nobody holds). `name` may have a %d, as in
 * "ovpn%d": the kernel chooses. It is down; its IPv6 link-local address will be the EUI-64 of
 * `mac`, and router advertisements are not accepted on it. It goes away with the process. `why`
 * (256 bytes) says in words what to do: OV_ENOENT (/dev/net/tun missing), OV_EPERM, OV_EEXIST (name
 * in use), OV_EINVAL (no name for an interface, or `mac` is multicast), OV_ENOMEM, OV_EIO. With
 * `offload` all of it is used that the kernel has. */
OV_CHECK int ov_tap_open(uv_loop_t *loop, const char *name, const struct ov_mac *mac, bool offload,
                         ov_tap_cb cb, void *arg, struct ov_tap **out, char why[256]);
unsigned ov_tap_offloads(const struct ov_tap *t); /* enum ov_tap_offload */
const char *ov_tap_name(const struct ov_tap *t);
unsigned ov_tap_index(const struct ov_tap *t);
/* Best effort like a wire: a frame the kernel does not take is dropped and counted. `o` (may be
 * NULL) must be valid (ov_offload_valid); what the device does not take is done here. A frame may
 * wait for more of its flow: `frame` must stay until ov_tap_flush, which therefore comes at the end
 * of each batch. */
void ov_tap_write(struct ov_tap *t, const uint8_t *frame, size_t len, const struct ov_offload *o);
/* How many system calls what was written since the last flush took. */
size_t ov_tap_flush(struct ov_tap *t);
uint64_t ov_tap_dropped(const struct ov_tap *t);
/* Multicast groups the host listens to on this device (/proc/net/dev_mcast and the like); how many,
 * at most `cap`. */
size_t ov_tap_groups(const struct ov_tap *t, struct ov_mac *out, size_t cap);
/* Also from within its callback. The device is gone on return; the memory frees itself once the
 * loop has run on. */
void ov_tap_close(struct ov_tap *t);

#endif
