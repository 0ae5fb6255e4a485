/* fragment: putting messages together again that were larger than the path takes.
 *
 * Every fragment came authenticated through the session, so only a peer can fill its own few slots;
 * slots are bounded, expire, and the oldest is evicted. Overlapping pieces are refused. But a
 * session costs a stranger little: memory comes from a pool, and those whom nothing ties to us have
 * another than those we know, so they can use up only their own.
 *
 * Ids have 16 bits and so come again, at 1 Gbit/s within a second: sooner than a message that lost
 * a piece is given up. What tells two messages with one id apart are the datagrams' counters:
 * pieces are sealed one after the other under one key, so those of one message are close together.
 */
#ifndef OV_CORE_FRAGMENT_H
#define OV_CORE_FRAGMENT_H

#include "wire.h"

#define OV_FRAGMENT_SLOTS 4
#define OV_FRAGMENT_LIFE  (2 * OV_SEC)

/* Memory that peers share, whole messages handed out included. */
struct ov_fragment_pool {
    size_t bytes, limit;
};

/* The datagram that a piece came in. */
struct ov_fragment_seal {
    uint32_t key; /* index of the key it was sealed under */
    uint64_t counter;
};

struct ov_fragment_slot {
    uint8_t *buf;                  /* NULL: free */
    struct ov_fragment_pool *pool; /* that it was taken from */
    struct ov_fragment_seal seal;  /* of the piece that came first */
    uint16_t id, total, got;
    uint8_t n;
    uint16_t offset[OV_FRAGMENTS_MAX], len[OV_FRAGMENTS_MAX];
    ov_time born;
};

struct ov_fragments {
    struct ov_fragment_slot slot[OV_FRAGMENT_SLOTS];
    struct ov_fragment_slot done; /* the message handed out last; kept until the next call */
};

/* Take a piece in, of a peer that may have `slots` messages under way. Returns OV_OK and *msg
 * (valid until the next call here) when a message is whole, OV_EFULL while it is not, OV_EINVAL for
 * an overlap, OV_ELIMIT when the pool is used up, OV_ENOMEM. `lost` is raised by the number of
 * incomplete messages given up. */
OV_CHECK int ov_fragments_add(struct ov_fragments *f, const struct ov_msg_fragment *m,
                              const struct ov_fragment_seal *seal, ov_time now,
                              struct ov_fragment_pool *pool, int slots, uint64_t *lost,
                              struct ov_slice *msg);
/* The message handed out last is not needed any more. */
void ov_fragments_release(struct ov_fragments *f);
/* Give up what has waited for too long, and the message handed out last. Returns when to come again
 * (OV_NEVER: nothing waits). */
ov_time ov_fragments_expire(struct ov_fragments *f, ov_time now, uint64_t *lost);
void ov_fragments_free(struct ov_fragments *f);

#endif
