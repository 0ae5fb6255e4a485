/* watch: tells when addresses, links or routes of this host change (netlink, 250 ms debounce), and
 * lists the usable addresses: up, not loopback, no link-local IPv6 unless nothing else, and not of
 * the interfaces named in `skip` (our own TAPs and bridges that hold them). */
#ifndef OV_TRANSPORT_WATCH_H
#define OV_TRANSPORT_WATCH_H

#include "core/types.h"

#include <uv.h>

struct ov_watch;
#define OV_WATCH_WAY4 1u
#define OV_WATCH_WAY6 2u
typedef void (*ov_watch_cb)(void *arg, unsigned ways);
/* `changed` comes once for all that happens within the 250 ms: when the addresses of interfaces
 * that are up, or the routes, are other ones than before. `ways`: packets of these families to
 * the internet leave by another interface or router, of which no address need tell. After one such,
 * the next of that family comes OV_WATCH_COOL_MS later, if the way is another still by then: others
 * on the LAN can move it as they like. OV_ENOMEM, OV_EIO. */
#define OV_WATCH_COOL_MS 10000
OV_CHECK int ov_watch_open(uv_loop_t *loop, ov_watch_cb changed, void *arg, struct ov_watch **out);
/* What happens on this interface (one of our TAPs) is of no interest; `ignore` false takes that
 * back, before the TAP is closed. OV_EFULL above OV_WATCH_IGNORE_MAX. */
#define OV_WATCH_IGNORE_MAX 32
OV_CHECK int ov_watch_ignore(struct ov_watch *w, unsigned ifindex, bool ignore);
/* For another reason than `ways`, the owner starts anew by those there are: they need not be told,
 * and the next is told at once. */
void ov_watch_proven(struct ov_watch *w);
void ov_watch_close(struct ov_watch *w);
/* *n: how many were written into `out`. `skip(arg, ifname)` true leaves an interface out. OV_EIO:
 * the kernel could not be asked. */
OV_CHECK int ov_watch_addresses(struct ov_ip *out, size_t cap, size_t *n,
                                bool (*skip)(void *arg, const char *ifname), void *arg);

#endif
