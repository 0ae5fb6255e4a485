/* tap: one TAP device: Ethernet frames in and out in batches. One file for each OS: tap_linux.c. */
#ifndef OV_TUN_TAP_H
#define OV_TUN_TAP_H

#include "core/types.h"

#include <uv.h>

struct ov_tap;

#define OV_TAP_NAME_MAX 16
#define OV_TAP_HEADROOM 16 /* bytes before each frame that its receiver may use */

struct ov_tap_frame {
    uint8_t *data; /* may be overwritten, with OV_TAP_HEADROOM bytes before it, until the callback returns */
    size_t len;
};
typedef void (*ov_tap_cb)(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n);

/* Make (or take over a left-over persistent-less) device. `name` may have a %d, as in "ovpn%d": the kernel chooses.
 * The device goes away with the process. `why` (256 bytes) says in words what to do: OV_ENOENT
 * (/dev/net/tun missing), OV_EPERM, OV_EEXIST (name in use), OV_EIO. */
OV_CHECK int ov_tap_open(uv_loop_t *loop, const char *name, const struct ov_mac *mac, ov_tap_cb cb,
                         void *arg, struct ov_tap **out, char why[256]);
const char *ov_tap_name(const struct ov_tap *t);
unsigned ov_tap_index(const struct ov_tap *t);
/* Best effort like a wire: a frame the kernel does not take is dropped and counted. */
void ov_tap_write(struct ov_tap *t, const uint8_t *frame, size_t len);
uint64_t ov_tap_dropped(const struct ov_tap *t);
/* Multicast groups the host listens to on this device (/proc/net/dev_mcast and the like); how many. */
size_t ov_tap_groups(const struct ov_tap *t, struct ov_mac *out, size_t cap);
void ov_tap_close(struct ov_tap *t);

#endif
