/* dial: streams to roots: which ways there are, and trying them.
 *
 * Theory of operation. The engine says of which roots it wants streams, and which stream it uses
 * (ov_root_info). For each such root there is a list of ways: plain TCP to the root's own port and
 * TLS to port 443, at each of its addresses; and through the proxy, if there is one, TLS to 443 and
 * to its own port. All are tried at the same time (plain TCP a moment earlier), since what the
 * network in between lets through cannot be known; a way that fails is tried again after 1, 2, 4
 * ... 30 s. The engine makes a handshake by each stream that is up; once it uses one, the others
 * are closed, and once it wants none, all. */
#ifndef OV_CLI_DIAL_H
#define OV_CLI_DIAL_H

#include "links.h"

#define OV_DIAL_PORT 443

OV_CHECK int ov_dial_open(struct ov_daemon *d, struct ov_links *l, struct ov_dial **out);
void ov_dial_close(struct ov_dial *t); /* NULL is fine; hangs up nothing */
/* Do what the engine wants now. */
void ov_dial_run(struct ov_dial *t);
void ov_dial_refresh(struct ov_dial *t); /* the network changed: try everything at once */
/* Of a way (the owner given to ov_links_dial): it is up; it ended, and why. */
void ov_dial_up(void *way, struct ov_links_item *k);
void ov_dial_down(void *way, struct ov_links_item *k, const char *why, bool refused);
bool ov_dial_proxy(const struct ov_dial *t);
/* "HOST:PORT" of the proxy that a way goes through; empty: none. */
void ov_dial_proxy_of(const void *way, char *out, size_t cap);
const char *ov_dial_problem(const struct ov_dial *t, const char *host);

#endif
