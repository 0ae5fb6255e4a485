/* index: the table of local session indices, which every packet that comes in names.
 *
 * We choose the ids, so we choose them such that each has a slot of its own: the low bits of the id
 * are the slot's number, the rest is random, and an id whose slot is taken is not given out. A
 * look-up is one slot to look at, whatever the table holds and whatever an attacker sends. */
#ifndef OV_CORE_INDEX_H
#define OV_CORE_INDEX_H

#include "crypto.h"

struct ov_peer;
struct ov_keypair;

/* An entry: a keypair, or (kp NULL) a handshake under way. It is a member of what it stands for. */
struct ov_index {
    uint32_t id; /* 0: not entered */
    struct ov_peer *peer;
    struct ov_keypair *kp;
};

struct ov_index_slot;
struct ov_indices {
    struct ov_index_slot *slots;
    size_t cap, len, max;
};

void ov_indices_init(struct ov_indices *t, size_t max);
void ov_indices_free(struct ov_indices *t);
/* Give `ix` a fresh random id and enter it. OV_EFULL, OV_ENOMEM. */
OV_CHECK int ov_indices_add(struct ov_indices *t, const struct ov_random *random,
                            struct ov_index *ix);
/* Enter `ix` in place of `old`, under its id; `old` is out. */
void ov_indices_replace(struct ov_indices *t, struct ov_index *old, struct ov_index *ix);
void ov_indices_remove(struct ov_indices *t, struct ov_index *ix);
struct ov_index *ov_indices_find(const struct ov_indices *t, uint32_t id); /* or NULL */
/* `id` will be looked up soon. */
void ov_indices_prefetch(const struct ov_indices *t, uint32_t id);

#endif
