#include "index.h"

#include "bytes.h"

#include <assert.h>
#include <stdlib.h>

#define SLOTS_MIN 64
#define TRIES     128 /* half of the slots are free: they fail together once in 2^128 */

struct ov_index_slot {
    uint32_t id; /* 0: free */
    struct ov_index *ix;
};

void ov_indices_init(struct ov_indices *t, size_t max)
{
    *t = (struct ov_indices){.max = max};
}

void ov_indices_free(struct ov_indices *t)
{
    free(t->slots);
    *t = (struct ov_indices){0};
}

static struct ov_index_slot *slot_of(const struct ov_indices *t, uint32_t id)
{
    return &t->slots[id & (t->cap - 1)];
}

/* Keep half of the slots free. Two ids that differ in their low bits do so with one bit more, too,
 * so all of them still have slots of their own in a table of twice the size. */
static int make_room(struct ov_indices *t)
{
    struct ov_indices bigger = *t;

    if ((t->len + 1) * 2 <= t->cap)
        return OV_OK;
    bigger.cap = t->cap > 0 ? t->cap * 2 : SLOTS_MIN;
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return OV_ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].id != 0)
            *slot_of(&bigger, t->slots[i].id) = t->slots[i];
    free(t->slots);
    *t = bigger;
    return OV_OK;
}

int ov_indices_add(struct ov_indices *t, const struct ov_random *random, struct ov_index *ix)
{
    if (t->len >= t->max)
        return OV_EFULL;
    int rc = make_room(t);
    if (rc != OV_OK)
        return rc;
    for (int i = 0; i < TRIES; i++) {
        uint32_t id = (uint32_t)ov_random_u64(random);
        if (id == 0 || slot_of(t, id)->id != 0)
            continue;
        ix->id = id;
        *slot_of(t, id) = (struct ov_index_slot){id, ix};
        t->len++;
        return OV_OK;
    }
    return OV_EFULL; /* the random numbers are none */
}

void ov_indices_replace(struct ov_indices *t, struct ov_index *old, struct ov_index *ix)
{
    assert(old->id != 0 && slot_of(t, old->id)->ix == old);
    ix->id = old->id;
    slot_of(t, ix->id)->ix = ix;
    old->id = 0;
}

void ov_indices_remove(struct ov_indices *t, struct ov_index *ix)
{
    if (ix->id == 0)
        return;
    assert(slot_of(t, ix->id)->ix == ix);
    *slot_of(t, ix->id) = (struct ov_index_slot){0};
    t->len--;
    ix->id = 0;
}

struct ov_index *ov_indices_find(const struct ov_indices *t, uint32_t id)
{
    if (t->cap == 0 || id == 0)
        return NULL;
    const struct ov_index_slot *s = slot_of(t, id);
    return s->id == id ? s->ix : NULL;
}

void ov_indices_prefetch(const struct ov_indices *t, uint32_t id)
{
    if (t->cap != 0)
        ov_prefetch(slot_of(t, id));
}
