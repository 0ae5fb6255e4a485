/* listen: a server's side of streams: ports that accept, and what keeps strangers from taking all.
 *
 * A connection is a stranger's until the owner says that whoever is there has proven itself
 * (ov_listen_trust). Strangers have ten seconds (stream.h), there are few of them at a time, and
 * when they are too many the oldest gives way: who is slow on purpose only drives out its like.
 * Each source address (IPv6: /64) may have a share of the connections, and may come so often; and
 * all of them together, since who has many addresses may make us sign as many handshakes.
 *
 * That somebody has proven to be there says little: identities cost next to nothing. When all
 * connections are taken, one of those goes for a newcomer who mean least to the owner (his `bond`),
 * of these one of who has most, of these one of the address that has most, of these the oldest; but
 * none of OV_BOND_OURS. */
#ifndef OV_TRANSPORT_LISTEN_H
#define OV_TRANSPORT_LISTEN_H

#include "core/local.h"
#include "stream.h"

#define OV_LISTEN_PORTS            4
#define OV_LISTEN_MAX              OV_SERVED_MAX /* connections in all; fewer where descriptors are */
#define OV_LISTEN_STRANGERS        256
#define OV_LISTEN_SOURCE           256 /* of one source */
#define OV_LISTEN_SOURCE_STRANGERS 32
#define OV_LISTEN_RATE             20  /* a second of one source */
#define OV_LISTEN_RATE_ALL         200 /* a second of all: each may cost a TLS handshake */

struct ov_listen;
struct ov_listen_stats {
    size_t connections, strangers;
    uint64_t accepted, refused; /* refused: too many, or too often */
};

struct ov_listen_config {
    uv_loop_t *loop;
    const struct ov_stream_events *ev;            /* of every accepted stream */
    enum ov_bond (*bond)(void *arg, ov_addr who); /* what is he to us, now? */
    void *arg;                                    /* of both */
    size_t max; /* connections; 0: as many as the system lets us, up to OV_LISTEN_MAX */
    uint8_t seed[16];
};

OV_CHECK int ov_listen_new(const struct ov_listen_config *cfg, struct ov_listen **out);
/* OV_EEXIST: in use; OV_EPERM; OV_EFULL; OV_EIO. `why` in words. */
OV_CHECK int ov_listen_add(struct ov_listen *l, const struct ov_endpoint *at,
                           char why[OV_STREAM_WHY]);
size_t ov_listen_ports(const struct ov_listen *l, struct ov_endpoint *out, size_t cap);
void ov_listen_stats(const struct ov_listen *l, struct ov_listen_stats *out);
/* Closes ports and connections; no event comes any more. */
void ov_listen_close(struct ov_listen *l);

/* For the owner, about an accepted stream: `who` has proven to be there (the last one counts); it
 * is gone (to be said in its `down`, and before the owner closes it). */
void ov_listen_trust(struct ov_listen *l, struct ov_stream *s, ov_addr who);
void ov_listen_gone(struct ov_listen *l, struct ov_stream *s);

#endif
