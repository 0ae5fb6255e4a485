/* udp: UDP sockets on a libuv loop, batched: recvmmsg in, sendmmsg (and UDP_SEGMENT trains where the
 * kernel has it) out. No protocol knowledge: bytes and endpoints. */
#ifndef OV_TRANSPORT_UDP_H
#define OV_TRANSPORT_UDP_H

#include "core/types.h"

#include <uv.h>

struct ov_udp;

struct ov_udp_packet {
    struct ov_endpoint from;
    uint8_t *data; /* the receiver may overwrite it until the callback returns */
    size_t len;
};
/* One batch; called at most a bounded number of times a loop turn. */
typedef void (*ov_udp_recv_cb)(void *arg, struct ov_udp *u, const struct ov_udp_packet *v, size_t n);

struct ov_udp_stats {
    uint64_t send_dropped; /* kernel buffer full or unreachable: dropped, never queued without bound */
    uint64_t send_errors, recv_truncated;
};

/* Bind `bind_to` (port 0: the kernel chooses). IPv6 sockets are V6ONLY. Sets DF (IP_MTU_DISCOVER
 * probe), large buffers. OV_EEXIST: port in use; OV_EPERM; OV_EIO. `why` (256 bytes) says it in words. */
OV_CHECK int ov_udp_open(uv_loop_t *loop, const struct ov_endpoint *bind_to, ov_udp_recv_cb cb,
                         void *arg, struct ov_udp **out, char why[256]);
uint16_t ov_udp_port(const struct ov_udp *u);
/* Send a train: `len` bytes in datagrams of `segment`, the last may be shorter; ttl 0: default. What the kernel
 * does not take now is dropped and counted. Consecutive calls in one loop turn may be batched: ov_udp_flush ends the batch. */
void ov_udp_send(struct ov_udp *u, const struct ov_endpoint *to, uint8_t ttl, const uint8_t *data,
                 size_t len, size_t segment);
void ov_udp_flush(struct ov_udp *u);
void ov_udp_stats(const struct ov_udp *u, struct ov_udp_stats *out);
void ov_udp_close(struct ov_udp *u); /* frees itself once the loop has let go */

#endif
