/* frames: datagrams in a stream of bytes.
 *
 * Each datagram has its length in two bytes before it. There is no way to find the next one after a
 * length that cannot be, so the stream is broken then. Who opens a stream says first what it is
 * for: OV_FRAMES_HELLO, which no other protocol starts with. */
#ifndef OV_TRANSPORT_FRAMES_H
#define OV_TRANSPORT_FRAMES_H

#include "core/types.h"

#define OV_FRAMES_HELLO     "ovpn/1\r\n"
#define OV_FRAMES_HELLO_LEN 8
#define OV_FRAMES_HEAD      2
#define OV_FRAMES_MIN       32 /* shorter datagrams (openers) have no business in a stream */
#define OV_FRAMES_MAX       9216

struct ov_frames_packet {
    uint8_t *data; /* the receiver may overwrite it */
    size_t len;
};

/* What came of a stream so far. Zeroed, it is a new one. */
struct ov_frames {
    bool hello;     /* expect OV_FRAMES_HELLO first */
    size_t greeted; /* bytes of it that came */
    uint8_t *part;  /* the beginning of a datagram; NULL: none */
    size_t have;    /* its bytes, with the two of the length */
};

/* Cut some of `data` into at most `cap` datagrams, *n of them, which stay where they are in `data`
 * (but the first may lie in `part`) until the next call. *used of the bytes are done; call again
 * while there are more. OV_EINVAL: this is no such stream; OV_ENOMEM. */
OV_CHECK int ov_frames_cut(struct ov_frames *f, uint8_t *data, size_t len,
                           struct ov_frames_packet *v, size_t cap, size_t *n, size_t *used);
void ov_frames_free(struct ov_frames *f);

#endif
