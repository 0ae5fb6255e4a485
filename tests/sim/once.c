#include "once.h"

#include <assert.h>
#include <stdlib.h>

void once_init(struct once *o, size_t cap)
{
    static const uint8_t seed[16] = {1};

    o->ring = calloc(cap, sizeof(*o->ring));
    assert(o->ring != NULL);
    o->cap = cap;
    o->next = 0;
    ov_map_init(&o->map, cap, seed);
}

void once_free(struct once *o)
{
    ov_map_free(&o->map);
    free(o->ring);
}

bool once_put(struct once *o, struct ov_key key, uint64_t value)
{
    struct once_entry *e = ov_map_get(&o->map, key);

    if (e != NULL)
        return e->value == value;
    e = &o->ring[o->next++ % o->cap];
    if (e->used)
        ov_map_del(&o->map, e->key);
    *e = (struct once_entry){key, value, true};
    int rc = ov_map_put(&o->map, key, e);
    assert(rc == OV_OK);
    return true;
}

uint64_t *once_get(const struct once *o, struct ov_key key)
{
    struct once_entry *e = ov_map_get(&o->map, key);

    return e != NULL ? &e->value : NULL;
}

uint64_t once_hash(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t h = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
}
