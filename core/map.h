/* map: a bounded hash map from a 128-bit key to a pointer.
 *
 * Open addressing, grown by doubling up to a stated maximum number of entries; keys are mixed with
 * SipHash under a secret seed so that remote input cannot aim for one bucket. The map owns no
 * values. Removing the current entry while iterating is allowed; adding is not. */
#ifndef OV_CORE_MAP_H
#define OV_CORE_MAP_H

#include "types.h"

struct ov_key {
    uint64_t hi, lo;
};

struct ov_map_slot;
struct ov_map {
    struct ov_map_slot *slots;
    size_t cap, len, tombs, max;
    uint8_t seed[16];
};

static inline struct ov_key ov_key_u64(uint64_t v)
{
    return (struct ov_key){0, v};
}
/* The 16 bytes of an address; IPv4 as ::ffff:a.b.c.d. */
struct ov_key ov_key_ip(const struct ov_ip *ip);

void ov_map_init(struct ov_map *m, size_t max, const uint8_t seed[16]);
void ov_map_free(struct ov_map *m);                        /* frees the table, not the values */
void *ov_map_get(const struct ov_map *m, struct ov_key k); /* NULL when absent */
/* The same in steps, for keys that are known some time before: their hash, a hint to the processor,
 * and the look-up itself. A hash is good as long as the map. */
uint64_t ov_map_hash(const struct ov_map *m, struct ov_key k);
void ov_map_prefetch(const struct ov_map *m, uint64_t hash);
void *ov_map_get_hashed(const struct ov_map *m, struct ov_key k, uint64_t hash);
/* Insert or replace. OV_EFULL at the maximum, OV_ENOMEM; `value` must not be NULL. */
OV_CHECK int ov_map_put(struct ov_map *m, struct ov_key k, void *value);
void *ov_map_del(struct ov_map *m, struct ov_key k); /* the removed value or NULL */
/* for (size_t it = 0; (v = ov_map_next(m, &it, &key)) != NULL;) ...; `key` may be NULL. */
void *ov_map_next(const struct ov_map *m, size_t *it, struct ov_key *key);

#endif
