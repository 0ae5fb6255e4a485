/* Linear probing over a power-of-two table that is at most three quarters full. A removed entry
 * becomes a tombstone, so that an iteration in progress and the probe chains through it stay whole;
 * tombstones at the end of a chain are given back at once, the rest when the table is rebuilt.
 *
 * A slot is empty when its value is NULL, and a tombstone when its value is the address of the
 * table itself, which no caller's value can be. */
#include "map.h"

#include "bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium/crypto_shorthash.h>

#define SLOTS_MIN 8

struct ov_map_slot {
    struct ov_key key;
    void *value;
};

static_assert(sizeof(((struct ov_map *)0)->seed) == crypto_shorthash_KEYBYTES, "SipHash key");

struct ov_key ov_key_ip(const struct ov_ip *ip)
{
    struct ov_key k = {0, 0};

    if (ip->family == 4) {
        for (int i = 0; i < 4; i++)
            k.lo = k.lo << 8 | ip->b[i];
        k.lo |= 0xffffull << 32;
    } else {
        for (int i = 0; i < 8; i++) {
            k.hi = k.hi << 8 | ip->b[i];
            k.lo = k.lo << 8 | ip->b[8 + i];
        }
    }
    return k;
}

void ov_map_init(struct ov_map *m, size_t max, const uint8_t seed[16])
{
    *m = (struct ov_map){.max = max};
    memcpy(m->seed, seed, sizeof(m->seed));
}

void ov_map_free(struct ov_map *m)
{
    free(m->slots);
    *m = (struct ov_map){0};
}

/* The hash never leaves the process: host order will do. */
uint64_t ov_map_hash(const struct ov_map *m, struct ov_key k)
{
    uint64_t in[2] = {k.hi, k.lo}, hash;
    uint8_t out[crypto_shorthash_BYTES];

    crypto_shorthash(out, (const unsigned char *)in, sizeof(in), m->seed);
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

/* Where the probe chain of a hash starts. */
static size_t home(const struct ov_map *m, uint64_t hash)
{
    return (size_t)hash & (m->cap - 1);
}

static bool is_tomb(const struct ov_map *m, const struct ov_map_slot *s)
{
    return s->value == (void *)m->slots;
}

/* The slot that holds `k`, or NULL. */
static struct ov_map_slot *find_hashed(const struct ov_map *m, struct ov_key k, uint64_t hash)
{
    if (m->len == 0)
        return NULL;
    for (size_t i = home(m, hash);; i = (i + 1) & (m->cap - 1)) {
        struct ov_map_slot *s = &m->slots[i];
        if (s->value == NULL)
            return NULL;
        if (!is_tomb(m, s) && s->key.hi == k.hi && s->key.lo == k.lo)
            return s;
    }
}

static struct ov_map_slot *find(const struct ov_map *m, struct ov_key k)
{
    return m->len > 0 ? find_hashed(m, k, ov_map_hash(m, k)) : NULL;
}

/* The first slot on the chain of `k`, which is absent, that can take it: a tombstone or an empty
 * one. */
static struct ov_map_slot *vacancy(const struct ov_map *m, struct ov_key k)
{
    size_t i = home(m, ov_map_hash(m, k));

    while (m->slots[i].value != NULL && !is_tomb(m, &m->slots[i]))
        i = (i + 1) & (m->cap - 1);
    return &m->slots[i];
}

static void place(struct ov_map *m, struct ov_map_slot *s, struct ov_key k, void *value)
{
    if (is_tomb(m, s))
        m->tombs--;
    *s = (struct ov_map_slot){k, value};
    m->len++;
}

/* Make room for one entry: rebuild the table, twice as large unless tombstones are what fills it.
 */
static int make_room(struct ov_map *m)
{
    struct ov_map bigger = *m;

    if ((m->len + m->tombs + 1) * 4 <= m->cap * 3)
        return OV_OK;
    if (m->cap == 0)
        bigger.cap = SLOTS_MIN;
    else if ((m->len + 1) * 2 > m->cap)
        bigger.cap = m->cap * 2;
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return OV_ENOMEM;
    bigger.len = bigger.tombs = 0;
    struct ov_key k;
    void *v;
    for (size_t it = 0; (v = ov_map_next(m, &it, &k)) != NULL;)
        place(&bigger, vacancy(&bigger, k), k, v);
    free(m->slots);
    *m = bigger;
    return OV_OK;
}

void *ov_map_get(const struct ov_map *m, struct ov_key k)
{
    const struct ov_map_slot *s = find(m, k);

    return s != NULL ? s->value : NULL;
}

void ov_map_prefetch(const struct ov_map *m, uint64_t hash)
{
    if (m->len > 0)
        ov_prefetch(&m->slots[home(m, hash)]);
}

void *ov_map_get_hashed(const struct ov_map *m, struct ov_key k, uint64_t hash)
{
    const struct ov_map_slot *s = find_hashed(m, k, hash);

    return s != NULL ? s->value : NULL;
}

int ov_map_put(struct ov_map *m, struct ov_key k, void *value)
{
    struct ov_map_slot *s = find(m, k);

    assert(value != NULL);
    if (s != NULL) {
        s->value = value;
        return OV_OK;
    }
    if (m->len >= m->max)
        return OV_EFULL;
    /* Taking a tombstone's place needs no room: so what was just removed can always be put back. */
    s = m->cap > 0 ? vacancy(m, k) : NULL;
    if (s == NULL || !is_tomb(m, s)) {
        int rc = make_room(m);
        if (rc != OV_OK)
            return rc;
        s = vacancy(m, k);
    }
    place(m, s, k, value);
    return OV_OK;
}

void *ov_map_del(struct ov_map *m, struct ov_key k)
{
    struct ov_map_slot *s = find(m, k);

    if (s == NULL)
        return NULL;
    void *value = s->value;
    s->value = m->slots;
    m->tombs++;
    m->len--;
    /* No chain passes through tombstones that an empty slot follows. */
    size_t mask = m->cap - 1, i = (size_t)(s - m->slots);
    if (m->slots[(i + 1) & mask].value == NULL) {
        for (; is_tomb(m, &m->slots[i]); i = (i - 1) & mask) {
            m->slots[i].value = NULL;
            m->tombs--;
        }
    }
    return value;
}

void *ov_map_next(const struct ov_map *m, size_t *it, struct ov_key *key)
{
    while (*it < m->cap) {
        const struct ov_map_slot *s = &m->slots[(*it)++];
        if (s->value == NULL || is_tomb(m, s))
            continue;
        if (key != NULL)
            *key = s->key;
        return s->value;
    }
    return NULL;
}
