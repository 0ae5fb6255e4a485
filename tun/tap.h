/* tap: one TAP device: Ethernet frames in and out in batches. One file for each OS: tap_linux.c. */
#ifndef OV_TUN_TAP_H
#define OV_TUN_TAP_H

#include "core/types.h"

#include <uv.h>

struct ov_tap;

#define OV_TAP_NAME_MAX 16
#define OV_TAP_HEADROOM 16 /* bytes before each frame that its receiver may use */
#define OV_TAP_FRAME_MAX                                                                           \
    9022 /* MTU 9000, Ethernet header, two VLAN tags; larger ones are dropped and counted */
#define OV_TAP_BATCH_MAX 64 /* the most frames one callback gets */

struct ov_tap_frame {
    uint8_t *data; /* may be overwritten, with OV_TAP_HEADROOM bytes before it, until the callback
                      returns */
    size_t len;
};
/* One batch, at most one in each loop turn. n = 0 comes once and says that somebody has deleted the
 * device: nothing will come or go any more, and all that is left is to close it. */
typedef void (*ov_tap_cb)(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n);

/* Make a device (or take over a persistent one that nobody holds). `name` may have a %d, as in
 * "ovpn%d": the kernel chooses. It is down; its IPv6 link-local address will be the EUI-64 of
 * `mac`, and router advertisements are not accepted on it. It goes away with the process. `why`
 * (256 bytes) says in words what to do: OV_ENOENT (/dev/net/tun missing), OV_EPERM, OV_EEXIST (name
 * in use), OV_EINVAL (no name for an interface, or `mac` is multicast), OV_ENOMEM, OV_EIO. */
OV_CHECK int ov_tap_open(uv_loop_t *loop, const char *name, const struct ov_mac *mac, ov_tap_cb cb,
                         void *arg, struct ov_tap **out, char why[256]);
const char *ov_tap_name(const struct ov_tap *t);
unsigned ov_tap_index(const struct ov_tap *t);
/* Best effort like a wire: a frame the kernel does not take is dropped and counted. */
void ov_tap_write(struct ov_tap *t, const uint8_t *frame, size_t len);
uint64_t ov_tap_dropped(const struct ov_tap *t);
/* Multicast groups the host listens to on this device (/proc/net/dev_mcast and the like); how many,
 * at most `cap`. */
size_t ov_tap_groups(const struct ov_tap *t, struct ov_mac *out, size_t cap);
/* Also from within its callback. The device is gone on return; the memory frees itself once the
 * loop has run on. */
void ov_tap_close(struct ov_tap *t);

#endif
