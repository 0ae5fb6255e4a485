#include "ratelimit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_NS 1000000000ull

/* ---- one bucket ---- */

void ov_bucket_init(struct ov_bucket *b, uint64_t rate, uint64_t burst, ov_time now)
{
    if (burst > UINT64_MAX / TOKEN_NS)
        burst = UINT64_MAX / TOKEN_NS;
    *b = (struct ov_bucket){rate, burst, burst * TOKEN_NS, now};
}

/* Add what was earned since the last time, up to the burst; nothing here can overflow. */
static void refill(struct ov_bucket *b, ov_time now)
{
    uint64_t missing = b->burst * TOKEN_NS - b->tokens_ns;

    if (now <= b->last)
        return;
    uint64_t elapsed = now - b->last;
    b->last = now;
    if (b->rate == 0)
        return;
    if (elapsed > missing / b->rate)
        b->tokens_ns += missing;
    else
        b->tokens_ns += elapsed * b->rate;
}

bool ov_bucket_take(struct ov_bucket *b, uint64_t tokens, ov_time now)
{
    refill(b, now);
    if (tokens > b->burst || tokens * TOKEN_NS > b->tokens_ns)
        return false;
    b->tokens_ns -= tokens * TOKEN_NS;
    return true;
}

/* ---- the table ---- */

/* The list is a ring through `lru`: lru.next was used last, lru.prev the longest ago. */
struct link {
    struct link *prev, *next;
};

struct source {
    struct link link; /* first member: a link is its source */
    struct ov_key key;
    struct ov_bucket bucket;
};

struct ov_ratelimit {
    struct ov_map map;
    struct link lru;
    uint64_t rate, burst;
    size_t max;
    struct source sources[]; /* max of them; the first map.len were ever used */
};

struct ov_ratelimit *ov_ratelimit_new(size_t max, uint64_t rate, uint64_t burst,
                                      const uint8_t seed[16])
{
    assert(max > 0);
    if (max > (SIZE_MAX - sizeof(struct ov_ratelimit)) / sizeof(struct source))
        return NULL;
    struct ov_ratelimit *r = calloc(1, sizeof(*r) + max * sizeof(struct source));
    if (r == NULL)
        return NULL;
    ov_map_init(&r->map, max, seed);
    r->lru = (struct link){&r->lru, &r->lru};
    r->rate = rate;
    r->burst = burst;
    r->max = max;
    return r;
}

void ov_ratelimit_free(struct ov_ratelimit *r)
{
    if (r == NULL)
        return;
    ov_map_free(&r->map);
    free(r);
}

static void link_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
}

static void link_first(struct ov_ratelimit *r, struct link *l)
{
    *l = (struct link){&r->lru, r->lru.next};
    l->next->prev = l;
    r->lru.next = l;
}

/* IPv4 by /32; IPv6 by /64, which is what one customer can choose from at will. */
static struct ov_key key_of(const struct ov_ip *source)
{
    struct ov_key k = ov_key_ip(source);

    if (source->family == 6)
        k.lo = 0;
    return k;
}

/* A source for a new key: unused, or that which was used the longest ago. NULL when out of memory.
 */
static struct source *claim(struct ov_ratelimit *r, struct ov_key key)
{
    struct source *s;

    if (r->map.len < r->max) {
        s = &r->sources[r->map.len];
        if (ov_map_put(&r->map, key, s) != OV_OK)
            return NULL;
    } else {
        s = (struct source *)(void *)r->lru.prev;
        struct ov_key old = s->key;
        ov_map_del(&r->map, old);
        if (ov_map_put(&r->map, key, s) != OV_OK) {
            int rc = ov_map_put(&r->map, old, s);
            assert(rc == OV_OK); /* its place is still there */
            (void)rc;
            return NULL;
        }
        link_remove(&s->link);
    }
    s->key = key;
    link_first(r, &s->link);
    return s;
}

bool ov_ratelimit_take(struct ov_ratelimit *r, const struct ov_ip *source, uint64_t tokens,
                       ov_time now)
{
    struct ov_key key = key_of(source);
    struct source *s = ov_map_get(&r->map, key);

    if (s != NULL) {
        link_remove(&s->link);
        link_first(r, &s->link);
    } else {
        s = claim(r, key);
        if (s == NULL)
            return false;
        ov_bucket_init(&s->bucket, r->rate, r->burst, now);
    }
    return ov_bucket_take(&s->bucket, tokens, now);
}

bool ov_ratelimit_allow(struct ov_ratelimit *r, const struct ov_ip *source, ov_time now)
{
    return ov_ratelimit_take(r, source, 1, now);
}

size_t ov_ratelimit_sources(const struct ov_ratelimit *r)
{
    return r->map.len;
}
