/* udp: UDP sockets on a libuv loop, batched: recvmmsg in, sendmmsg (and UDP_SEGMENT trains where
 * the kernel has it) out. No protocol knowledge: bytes and endpoints. */
#ifndef OV_TRANSPORT_UDP_H
#define OV_TRANSPORT_UDP_H

#include "core/types.h"

#include <uv.h>

struct ov_udp;

/* A larger datagram is dropped on its way in and counted (recv_truncated). */
#define OV_UDP_DATAGRAM_MAX 9216
/* The most packets one callback gets. */
#define OV_UDP_BATCH_MAX 512

struct ov_udp_packet {
    struct ov_endpoint from;
    struct ov_ip to; /* the address of ours that it came to; family 0 if the socket has but one */
    uint8_t *data;   /* the receiver may overwrite it until the callback returns */
    size_t len;
};
/* One batch, 1 to OV_UDP_BATCH_MAX packets; called at most a bounded number of times a loop turn.
 * It may send on, and close, any socket. */
typedef void (*ov_udp_recv_cb)(void *arg, struct ov_udp *u, const struct ov_udp_packet *v,
                               size_t n);

struct ov_udp_stats {
    uint64_t
        send_dropped; /* kernel buffer full or unreachable: dropped, never queued without bound */
    uint64_t
        send_too_large;   /* larger than the MTU of the interface: what path MTU probes run into */
    uint64_t send_denied; /* a packet filter of this host forbade it */
    uint64_t denied_ms;   /* when that was last, by the loop's clock */
    uint64_t send_errors, recv_truncated;
    uint64_t send_unpinned; /* messages that left, but not from where they were to */
};

/* Bind `bind_to` (port 0: the kernel chooses). IPv6 sockets are V6ONLY. Sets DF (IP_MTU_DISCOVER
 * probe), large buffers. OV_EEXIST: port in use; OV_EPERM; OV_EIO. `why` (256 bytes) says it in
 * words. */
OV_CHECK int ov_udp_open(uv_loop_t *loop, const struct ov_endpoint *bind_to, ov_udp_recv_cb cb,
                         void *arg, struct ov_udp **out, char why[256]);
/* The same, sharing the megabyte of buffers of `other`, which is on the same loop: for sockets that
 * are many. A flush of one of them flushes all. */
OV_CHECK int ov_udp_open_beside(uv_loop_t *loop, struct ov_udp *other,
                                const struct ov_endpoint *bind_to, ov_udp_recv_cb cb, void *arg,
                                struct ov_udp **out, char why[256]);
uint16_t ov_udp_port(const struct ov_udp *u);
/* Send a train: `len` bytes in datagrams of `segment` (0: one datagram), the last may be shorter;
 * ttl 0: default. `from` is an address of ours to send from; one that is ours no more, NULL or
 * family 0: as the host routes. What the kernel does not take now is dropped and counted. Calls are
 * gathered and not copied: `data` must stay as it is until ov_udp_flush, which therefore comes
 * after each pull loop, before the next input into what the data points into. */
void ov_udp_send(struct ov_udp *u, const struct ov_ip *from, const struct ov_endpoint *to,
                 uint8_t ttl, const uint8_t *data, size_t len, size_t segment);
void ov_udp_flush(struct ov_udp *u);
/* Bytes sent that have not left this host yet, in the kernel's account: more than their length. */
size_t ov_udp_unsent(const struct ov_udp *u);
void ov_udp_stats(const struct ov_udp *u, struct ov_udp_stats *out);
/* No callback comes any more, the port is free at once, what was not flushed is not sent; the
 * memory frees itself once the loop has run on. */
void ov_udp_close(struct ov_udp *u);

#endif
