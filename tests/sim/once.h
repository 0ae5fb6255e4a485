/* once: what may be there only once. Keys with a value each; the oldest of so many give way. */
#ifndef OV_TESTS_ONCE_H
#define OV_TESTS_ONCE_H

#include "core/map.h"

struct once_entry {
    struct ov_key key;
    uint64_t value;
    bool used;
};

struct once {
    struct ov_map map;
    struct once_entry *ring;
    size_t cap, next;
};

void once_init(struct once *o, size_t cap);
void once_free(struct once *o);
/* Enter it, unless it is there. False: it is there with another value. */
bool once_put(struct once *o, struct ov_key key, uint64_t value);
/* NULL: not there. */
uint64_t *once_get(const struct once *o, struct ov_key key);

/* FNV-1a. */
uint64_t once_hash(const void *data, size_t len);

#endif
