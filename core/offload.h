/* offload: what a host leaves to its network device to do: checksums and segmentation, and the
 * other way round, putting segments together.
 *
 * A *partial* checksum is Linux's (and virtio's) CHECKSUM_PARTIAL: the checksum field of TCP or UDP
 * holds the sum of the pseudo header only, not complemented, and whoever puts the frame on a real
 * wire sums the rest up from csum_start on. Between our nodes partial checksums stay partial: the
 * session authenticates every byte, so summing them up twice would be for nothing.
 *
 * A *superframe* is one frame with up to 64 KB of TCP or UDP payload in it, that is to go as many
 * segments of gso_size bytes of payload each. struct ov_segments splits one; its partial checksum
 * makes that cheap, since a segment's differs only by the length.
 *
 * All metadata is checked against the frame itself: ours come from the kernel, others' from a peer.
 * (RFC 1071, RFC 9293, RFC 8200 section 8.1; virtio 1.2 section 5.1.6) */
#ifndef OV_CORE_OFFLOAD_H
#define OV_CORE_OFFLOAD_H

#include "types.h"

enum ov_gso { OV_GSO_NONE, OV_GSO_TCP4, OV_GSO_TCP6, OV_GSO_UDP };

/* What comes beside a frame. Positions are from the frame's first byte. All zero: nothing. */
struct ov_offload {
    bool partial; /* the checksum at csum_start + csum_offset is; always so in a superframe */
    enum ov_gso gso;
    uint16_t gso_size;                /* payload of each segment but the last */
    uint16_t hdr_len;                 /* all headers; only told, never believed */
    uint16_t csum_start, csum_offset; /* where summing starts; from there on, the field */
};

extern const struct ov_offload ov_offload_none;

/* Is the partial checksum that of a TCP or UDP header of this frame, in a packet that is whole?
 * Nothing else may be taken from a peer: to finish such a checksum writes into the frame. True also
 * when nothing is partial. Superframes are not for this. */
bool ov_offload_valid(const struct ov_offload *o, const uint8_t *frame, size_t len);
/* What belongs into the field of a partial checksum. OV_EINVAL: it lies outside of the frame. */
OV_CHECK int ov_offload_sum(const struct ov_offload *o, const uint8_t *frame, size_t len,
                            uint16_t *sum);
/* Put it there; then nothing is partial any more. */
OV_CHECK int ov_offload_complete(struct ov_offload *o, uint8_t *frame, size_t len);

/* ---- splitting ---- */

#define OV_SUPERFRAME_MAX    (14 + 8 + 65535)
#define OV_SEGMENTS_MAX      2048 /* a superframe of more is refused */
#define OV_SEGMENT_HEADS_MAX 256  /* bytes of headers, from Ethernet's to TCP's options */

/* The segments of a frame; a frame that is none to be split is its own only segment. */
struct ov_segments {
    struct ov_offload offload; /* of each segment: gso is OV_GSO_NONE */
    size_t n;
    uint8_t *frame;
    size_t len, next;
    size_t ip, transport, payload; /* where they start */
    size_t size;
    enum ov_gso gso;
    uint8_t heads[OV_SEGMENT_HEADS_MAX];
};

/* OV_EINVAL: malformed. A partial checksum of another protocol than TCP and UDP is completed. */
OV_CHECK int ov_segments_init(struct ov_segments *s, const struct ov_offload *o, uint8_t *frame,
                              size_t len);
size_t ov_segments_largest(const struct ov_segments *s); /* length of the longest segment's frame */
/* The next segment, as a frame of *len bytes; NULL after the last. It lies in the superframe: its
 * headers are written before its payload, over the end of the segment before, which therefore must
 * be done with. The room before the superframe is kept before every segment. */
uint8_t *ov_segments_next(struct ov_segments *s, size_t *len);
/* The same with up to `max` segments at once, as a smaller superframe if it is more than one; `o`
 * becomes what belongs beside it. */
uint8_t *ov_segments_take(struct ov_segments *s, size_t max, struct ov_offload *o, size_t *len);

/* ---- for coalesce.c ---- */

/* An IP packet in a frame. */
struct ov_packet {
    bool ip6;
    uint8_t proto;        /* of the transport; extension headers are walked over */
    size_t ip, transport; /* where they start */
    size_t end;           /* of the IP packet; Ethernet may pad */
};
/* OV_EINVAL: no IP, malformed, or a fragment. */
OV_CHECK int ov_packet_find(const uint8_t *frame, size_t len, struct ov_packet *out);
/* Ones' complement sum of `len` bytes at `p`, added to `sum`, folded to 16 bits. */
uint16_t ov_sum16(uint32_t sum, const uint8_t *p, size_t len);
/* A partial checksum after the length that the pseudo header tells became another. */
uint16_t ov_sum16_resize(uint16_t partial, size_t from, size_t to);

#endif
