/* stream: one TCP connection that carries datagrams, perhaps in TLS, perhaps through an HTTP proxy.
 *
 *   client:  connecting -> [asking the proxy] -> [TLS handshake] -> up: says hello, sends
 *   server:  looks at the first byte: TLS or not -> [TLS handshake] -> hello came -> up
 *
 * It is a bare descriptor on the loop, as libuv's own streams would keep a queue of their own:
 * here nothing is handed to the kernel but what it can send soon (TCP_NOTSENT_LOWAT), and what
 * waits, waits in a line of ours (waiting.h), before it is encrypted, where it can still be
 * dropped. */
#ifndef OV_TRANSPORT_STREAM_H
#define OV_TRANSPORT_STREAM_H

#include "connect.h"
#include "frames.h"
#include "tls.h"

#include <uv.h>

#define OV_STREAM_WHY   256
#define OV_STREAM_BATCH 64    /* the most packets one call back gets */
#define OV_STREAM_SHAKE 10000 /* ms until up, or over */
#define OV_STREAM_IDLE  75000 /* ms without a byte from the other side: over */

struct ov_stream;

/* None of them comes from within a call of the owner, but for ov_stream_flush: a stream that breaks
 * there tells so. Each may send on, and close, any stream. */
struct ov_stream_events {
    void (*up)(void *arg, struct ov_stream *s);
    void (*packets)(void *arg, struct ov_stream *s, const struct ov_frames_packet *v, size_t n);
    /* The connection is over, and `s` is gone when this returns. */
    void (*down)(void *arg, struct ov_stream *s, const char *why);
    /* A client speaks TLS: what to answer with; NULL: nothing (closes it). Servers only. */
    struct ov_tls_context *(*tls)(void *arg);
};

struct ov_stream_target {
    struct ov_endpoint to; /* the server, or the proxy */
    struct ov_ip from;     /* an address of ours; family 0: as the host routes */
    bool tls;
    const char *name;                     /* the server's: for SNI, and what a proxy is asked for */
    uint16_t port;                        /* what a proxy is asked for */
    const struct ov_identity *expect;     /* NULL: not known yet */
    const struct ov_connect_proxy *proxy; /* NULL: directly */
};

/* Nothing in *t is kept but copies. `tls` is for t->tls. OV_EIO, OV_ENOMEM; `why` in words. */
OV_CHECK int ov_stream_dial(uv_loop_t *loop, const struct ov_stream_target *t,
                            struct ov_tls_context *tls, const struct ov_stream_events *ev,
                            void *arg, struct ov_stream **out, char why[OV_STREAM_WHY]);
/* Take over an accepted connection (not the descriptor, when it fails). */
OV_CHECK int ov_stream_adopt(uv_loop_t *loop, int fd, const struct ov_endpoint *from,
                             const struct ov_stream_events *ev, void *arg, struct ov_stream **out);
/* Queue a datagram; before it is up: dropped. */
void ov_stream_send(struct ov_stream *s, const uint8_t *data, size_t len);
/* Write what can be written now; the rest goes when it can. */
void ov_stream_flush(struct ov_stream *s);
/* The other side has proven itself to the engine: it may be idle for longer. */
void ov_stream_trust(struct ov_stream *s);
/* Close it, and tell so by `down`. */
void ov_stream_end(struct ov_stream *s, const char *why);
/* No call back comes any more. What can be written at once still is. */
void ov_stream_close(struct ov_stream *s);

bool ov_stream_is_up(const struct ov_stream *s);
bool ov_stream_is_tls(const struct ov_stream *s);
bool ov_stream_refused(const struct ov_stream *s); /* in `down`: the certificate was another's */
const struct ov_endpoint *ov_stream_remote(const struct ov_stream *s); /* of the TCP connection */
bool ov_stream_local(const struct ov_stream *s, struct ov_ip *out);
/* A client's in TLS, up: who the certificate says it is. NULL: it does not say. */
const struct ov_identity *ov_stream_identity(const struct ov_stream *s);
uint64_t ov_stream_dropped(const struct ov_stream *s); /* too many, or waited too long */
size_t ov_stream_waiting(const struct ov_stream *s);   /* bytes kept here until they can go */
/* Something of the owner's; NULL at first. */
void ov_stream_set_data(struct ov_stream *s, void *data);
void *ov_stream_data(const struct ov_stream *s);

#endif
