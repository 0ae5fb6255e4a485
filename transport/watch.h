/* watch: tells when addresses, links or routes of this host change (netlink, 250 ms debounce), and lists the
 * usable addresses: up, not loopback, no link-local IPv6 unless nothing else, and not of the
 * interfaces named in `skip` (our own TAPs and bridges that hold them). */
#ifndef OV_TRANSPORT_WATCH_H
#define OV_TRANSPORT_WATCH_H

#include "core/types.h"

#include <uv.h>

struct ov_watch;
typedef void (*ov_watch_cb)(void *arg);
OV_CHECK int ov_watch_open(uv_loop_t *loop, ov_watch_cb changed, void *arg, struct ov_watch **out);
void ov_watch_close(struct ov_watch *w);
/* Returns how many were written into `out`. `skip(arg, ifname)` true leaves an interface out. */
size_t ov_watch_addresses(struct ov_ip *out, size_t cap, bool (*skip)(void *arg, const char *ifname),
                          void *arg);

#endif
