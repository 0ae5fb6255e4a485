/* fairq: frames that wait for a line slower than those who send on it.
 *
 * Flows take turns, by bytes (deficit round robin), and one that comes new goes before those that
 * wait already: so what sends little, a game or a voice, never waits for a download (RFC 8290). In
 * each flow CoDel (RFC 8289) watches how long frames stay: a burst may, a queue that stays gets a
 * mark where the packet takes one (ECN), and loses its first frame where not. A flow is the
 * addresses, protocol and ports of an IP packet, in a network; by a keyed hash it has one of
 * OV_FAIRQ_FLOWS queues. Frames of one flow never overtake each other; IPv4 fragments, which have
 * no ports, are flows of their own.
 *
 * A superframe waits as one and leaves in pieces, of as many segments as its flow's turn allows: 64
 * KB at once would be 26 ms of a line of 20 Mbit/s.
 *
 * Frames are copied into memory of the queue, of OV_FAIRQ_BYTES at most; when it is full, the flow
 * that has most of it loses its oldest frame. Time comes in as a parameter. */
#ifndef OV_CORE_FAIRQ_H
#define OV_CORE_FAIRQ_H

#include "offload.h"
#include "types.h"

#define OV_FAIRQ_FLOWS    1024
#define OV_FAIRQ_BYTES    ((size_t)4 << 20)
#define OV_FAIRQ_TARGET   (5 * OV_MS)   /* CoDel's: so long may frames stay, */
#define OV_FAIRQ_INTERVAL (100 * OV_MS) /* if they stay longer for all this time */
#define OV_FAIRQ_QUANTUM  1514          /* bytes of a turn, at least, */
#define OV_FAIRQ_TURN     (OV_MS / 2)   /* or for so long */
#define OV_FAIRQ_ROOM     16            /* bytes before each frame that its receiver may use */

struct ov_fairq;

/* A frame, or a superframe that is a part of the one that came. */
struct ov_fairq_piece {
    ov_netid net;
    uint8_t *data; /* may be overwritten, and OV_FAIRQ_ROOM bytes before it */
    size_t len;
    struct ov_offload offload;
};

struct ov_fairq_stats {
    size_t bytes, flows;      /* now */
    size_t memory;            /* now, kept for later too */
    uint64_t dropped, marked; /* frames; segments of superframes each count */
};

/* `seed` keeps others from finding flows that share a queue. OV_ENOMEM. */
OV_CHECK int ov_fairq_new(const uint8_t seed[16], struct ov_fairq **out);
void ov_fairq_free(struct ov_fairq *q);

/* Put a copy of a frame in. What is no frame at all waits like others: who takes it judges. */
void ov_fairq_add(struct ov_fairq *q, ov_netid net, const uint8_t *frame, size_t len,
                  const struct ov_offload *o, ov_time now);
/* Take up to `max` pieces, which together have no more than `bytes`, but for the first. They live
 * until the next call. 0: nothing waits. It may be fewer than would fit; ask again. */
size_t ov_fairq_take(struct ov_fairq *q, struct ov_fairq_piece *out, size_t max, size_t bytes,
                     ov_time now);
bool ov_fairq_empty(const struct ov_fairq *q);
/* How fast the line is, in bytes a second: turns are of OV_FAIRQ_TURN, and CoDel lets a frame and a
 * half stay. 0: not known. */
void ov_fairq_set_rate(struct ov_fairq *q, uint64_t rate);
/* Give back the memory that is not in use. */
void ov_fairq_trim(struct ov_fairq *q);
void ov_fairq_stats(const struct ov_fairq *q, struct ov_fairq_stats *out);

#endif
