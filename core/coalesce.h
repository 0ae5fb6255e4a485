/* coalesce: putting the TCP segments of a batch together into superframes, for a device that takes
 * them; the opposite of struct ov_segments.
 *
 * Theory of operation. Each frame of a batch is added in the order it came. A segment is held while
 * the next one of its flow may follow: same headers but for what segmentation changes, the next
 * sequence number, no more payload than the first. What cannot be put together passes at once,
 * after what is held of its flow, so that nothing overtakes inside a flow. At the end of the batch
 * all is flushed: nothing is ever delayed. No payload is copied: a train is a list of slices into
 * the batch, behind headers of its own.
 *
 * Only segments with partial checksums are put together: those that came whole would have to be
 * verified first, or a broken one would turn into a good one. */
#ifndef OV_CORE_COALESCE_H
#define OV_CORE_COALESCE_H

#include "bytes.h"
#include "offload.h"

#define OV_COALESCE_FLOWS    8 /* held at a time; one more flushes them all */
#define OV_COALESCE_SEGMENTS 64
#define OV_COALESCE_HEADS    (14 + 8 + 40 + 60)

/* A frame or superframe to write, in `n` slices; only valid in the call that gives it away. */
struct ov_train {
    size_t n, frames; /* slices; frames that went into it */
    size_t len;
    struct ov_offload offload;
    struct ov_slice slices[1 + OV_COALESCE_SEGMENTS];
    /* private */
    const uint8_t *first; /* the first frame; its headers are all that is compared */
    size_t first_len, ip, transport, payload, size;
    bool ended; /* nothing may follow */
    uint8_t flags;
    uint8_t heads[OV_COALESCE_HEADS];
};

struct ov_coalesce {
    bool tcp4, tcp6; /* the device takes superframes of it */
    void (*emit)(void *arg, const struct ov_train *t);
    void *arg;
    struct ov_train trains[OV_COALESCE_FLOWS]; /* frames 0: free */
};

void ov_coalesce_init(struct ov_coalesce *c, bool tcp4, bool tcp6,
                      void (*emit)(void *arg, const struct ov_train *t), void *arg);
/* `frame` must stay until the flush; `o` (may be NULL) must be valid (ov_offload_valid). */
void ov_coalesce_add(struct ov_coalesce *c, const uint8_t *frame, size_t len,
                     const struct ov_offload *o);
void ov_coalesce_flush(struct ov_coalesce *c);

#endif
