/* packets: TCP and UDP packets in Ethernet frames, written from scratch, with checksums that share
 * no code with core/: what splitting and coalescing are compared with. */
#ifndef OV_TESTS_PACKETS_H
#define OV_TESTS_PACKETS_H

#include "core/offload.h"

struct packet {
    struct ov_mac dst, src;
    bool ip6, udp, tos, no_df;
    unsigned tags;       /* VLAN tags */
    unsigned ip_options; /* bytes: 0..40 by 4 in IPv4, by 8 in IPv6 */
    unsigned tcp_options;
    uint8_t host; /* last byte of the source address */
    uint16_t id, port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;         /* of TCP */
    struct ov_ip from, to; /* family 0: made up */
};

/* Checksums finished, or partial as a host leaves them to its device. */
enum packet_sum { PACKET_FULL, PACKET_PARTIAL };

/* Write the frame; returns its length. `o` (may be NULL) becomes what belongs beside it. */
size_t packet_write(uint8_t *out, const struct packet *p, const uint8_t *payload, size_t len,
                    enum packet_sum sum, struct ov_offload *o);
/* The same as a superframe of segments of `size` bytes. */
size_t packet_write_super(uint8_t *out, const struct packet *p, const uint8_t *payload, size_t len,
                          uint16_t size, struct ov_offload *o);
size_t packet_heads(const struct packet *p); /* bytes before the payload */
bool packet_same_offload(const struct ov_offload *a, const struct ov_offload *b);

#endif
