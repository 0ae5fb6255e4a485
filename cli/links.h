/* links: streams as the engine sees them: each a socket OV_SOCKET_LINK with an endpoint of its own.
 *
 * Here are the table of them, what goes through, and the server's ports; making streams to roots is
 * dial.h's. Streams break while outputs are carried away, when the engine must not be told anything
 * (daemon.h): they are marked then, and what follows is done before the loop sleeps. */
#ifndef OV_CLI_LINKS_H
#define OV_CLI_LINKS_H

#include "daemon.h"
#include "transport/stream.h"

struct ov_links;
struct ov_links_item;
struct ov_listen;
struct ov_listen_stats;
struct ov_dial;

/* `id` is for a root's certificate. A port that another program has is only a warning. */
OV_CHECK int ov_links_open(struct ov_daemon *d, const struct ov_identity_secret *id,
                           struct ov_links **out);
void ov_links_close(struct ov_links *l); /* NULL is fine */

void ov_links_send(struct ov_links *l, const struct ov_out_datagrams *d);
void ov_links_flush(struct ov_links *l);
/* Of accepted streams, by their numbers: who is there has proven itself; this one has to end. */
void ov_links_proven(struct ov_links *l, uint64_t number, ov_addr who);
void ov_links_end(struct ov_links *l, uint64_t number);
/* The engine wants something of some root (OV_EVENT_LINK). */
void ov_links_mark(struct ov_links *l);
void ov_links_run(struct ov_links *l); /* once before the loop sleeps */
/* Addresses of this host changed: streams from an address that is gone are closed, and all ways are
 * tried again at once. */
void ov_links_refresh(struct ov_links *l);
/* Is there a proxy, that could find a server by its name? */
bool ov_links_proxy(const struct ov_links *l);

/* ---- what people may see ---- */

struct ov_links_info {
    bool tls;
    struct ov_endpoint remote;        /* of the server or the proxy */
    char proxy[OV_CONNECT_HOST + 16]; /* "HOST:PORT"; empty: none */
};
/* The stream with the engine's endpoint `ep`; false: none. */
bool ov_links_info(const struct ov_links *l, const struct ov_endpoint *ep,
                   struct ov_links_info *out);
/* Why streams to this root fail; NULL: they do not. */
const char *ov_links_problem(const struct ov_links *l, const char *host);
struct ov_links_stats {
    uint64_t dropped; /* datagrams: the stream is gone, or too slow */
    uint64_t broken;  /* streams in which something else came */
};
void ov_links_stats(const struct ov_links *l, struct ov_links_stats *out);
/* A server's ports: one text each, and a problem or NULL. */
struct ov_links_port {
    uint16_t port;
    char problem[OV_STREAM_WHY];
};
#define OV_LINKS_PORTS 4
size_t ov_links_ports(const struct ov_links *l, struct ov_links_port out[OV_LINKS_PORTS]);
bool ov_links_served(const struct ov_links *l, struct ov_listen_stats *out);

/* ---- for dial.c ---- */

/* Dial, with a context made for it. `owner` hears of the end by ov_dial_down. NULL: `why`. */
struct ov_links_item *ov_links_dial(struct ov_links *l, const struct ov_stream_target *t,
                                    void *owner, char why[OV_STREAM_WHY]);
void ov_links_hang_up(struct ov_links_item *k); /* the owner hears nothing; the engine does, soon */
struct ov_stream *ov_links_stream(const struct ov_links_item *k);
const struct ov_endpoint *ov_links_endpoint(const struct ov_links_item *k);
/* It is up and the engine knows: its end has to be told. */
void ov_links_told(struct ov_links_item *k);

#endif
