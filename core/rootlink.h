/* rootlink: streams (TCP, TLS) to roots, for where UDP does not get through.
 *
 * Theory of operation. The engine says when it wants streams, the edge makes them and tells which
 * are up, and from then on a stream is a path like any other (OV_SOCKET_LINK), but only between a
 * node and its root. Streams to a root are wanted once no root was heard by UDP for OV_PATH_DOUBT,
 * or, where a session stands, has answered the probe that follows.
 * The edge tries several ways at once; all that come up get the handshake (or a probe, where a
 * session stands), and the first that is answered becomes the chosen way: the edge closes the
 * others. Meanwhile UDP is tried on and on. When it answers, it is better by 40 ms (path.h) and is
 * taken back by the usual rule; after 30 s of it, streams are not wanted any more. */
#ifndef OV_CORE_ROOTLINK_H
#define OV_CORE_ROOTLINK_H

#include "root.h"

#define OV_ROOTLINK_AFTER    OV_PATH_DOUBT /* silence of all roots */
#define OV_ROOTLINK_UDP_GOOD (30 * OV_SEC) /* UDP did well for so long: drop the streams */

OV_CHECK int ov_rootlink_init(struct ov_roots *rs);
/* A stream to the root called `host` is up. OV_ENOENT: no such root; OV_EFULL. */
OV_CHECK int ov_rootlink_up(struct ov_roots *rs, const char *host, const struct ov_endpoint *ep);
void ov_rootlink_down(struct ov_roots *rs, const struct ov_endpoint *ep);
/* Something changed: look at all roots again, in this turn. */
void ov_rootlink_look(struct ov_roots *rs);
void ov_rootlink_network_changed(struct ov_roots *rs);
/* For root.c: ask who is there on all streams to `r`; who that is; is this one to it; it goes. */
void ov_rootlink_ask(struct ov_roots *rs, const struct ov_root *r);
void ov_rootlink_settled(struct ov_roots *rs, const struct ov_root *r);
bool ov_rootlink_is(const struct ov_roots *rs, const struct ov_root *r,
                    const struct ov_endpoint *ep);
void ov_rootlink_drop(struct ov_roots *rs, const struct ov_root *r);

#endif
