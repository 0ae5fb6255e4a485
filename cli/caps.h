/* caps: what the daemon keeps of root's rights (capabilities(7)).
 *
 * CAP_NET_ADMIN is kept, which makes network devices, gives them addresses and routes, and sockets
 * their large buffers; and until the daemon has started CAP_NET_BIND_SERVICE, for ports below 1024.
 * They are permitted and not effective: a system call is only judged by them between raise and
 * lower. Capabilities are a thread's own; the threads of libuv's pool begin as the thread that made
 * them was just then. */
#ifndef OV_CLI_CAPS_H
#define OV_CLI_CAPS_H

#include "core/error.h"

#include <stdint.h>

/* A bit for each capability, 1 << CAP_...; those of this thread that are permitted. */
uint64_t ov_caps_permitted(void);
/* Give up all that is not in `want`, for ever; of the rest `always` is in effect. OV_EPERM. */
OV_CHECK int ov_caps_limit(uint64_t want, uint64_t always);
/* All that is permitted is in effect; only `always` is. */
void ov_caps_raise(void);
void ov_caps_lower(uint64_t always);

#endif
