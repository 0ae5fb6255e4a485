#include "fragment.h"

#include <stdlib.h>
#include <string.h>

static void release(struct ov_fragment_slot *s)
{
    if (s->buf)
        s->pool->bytes -= s->total;
    free(s->buf);
    memset(s, 0, sizeof *s);
}

/* Pieces of one message have counters less than OV_FRAGMENTS_MAX apart; messages with the same id
 * are 65536 messages apart. */
static bool belongs(const struct ov_fragment_slot *s, const struct ov_msg_fragment *m,
                    const struct ov_fragment_seal *seal)
{
    uint64_t a = s->seal.counter, b = seal->counter;
    return s->id == m->id && s->total == m->total && s->seal.key == seal->key &&
           (a < b ? b - a : a - b) < OV_FRAGMENTS_MAX;
}

/* The slot this piece belongs to: its message's, or one made free for it. */
static struct ov_fragment_slot *find(struct ov_fragments *f, const struct ov_msg_fragment *m,
                                     const struct ov_fragment_seal *seal, ov_time now, int slots,
                                     uint64_t *lost)
{
    struct ov_fragment_slot *pick = &f->slot[0];
    for (int i = 0; i < OV_FRAGMENT_SLOTS; i++) {
        struct ov_fragment_slot *s = &f->slot[i];
        if (s->buf && now - s->born >= OV_FRAGMENT_LIFE) {
            release(s);
            ++*lost;
        }
        if (s->buf && belongs(s, m, seal))
            return s;
        if (i < slots && pick->buf && (!s->buf || s->born < pick->born))
            pick = s;
    }
    if (pick->buf) {
        release(pick);
        ++*lost;
    }
    return pick;
}

static bool overlaps(const struct ov_fragment_slot *s, const struct ov_msg_fragment *m)
{
    for (int i = 0; i < s->n; i++)
        if (m->offset < s->offset[i] + s->len[i] && s->offset[i] < m->offset + m->bytes.len)
            return true;
    return false;
}

int ov_fragments_add(struct ov_fragments *f, const struct ov_msg_fragment *m,
                     const struct ov_fragment_seal *seal, ov_time now,
                     struct ov_fragment_pool *pool, int slots, uint64_t *lost, struct ov_slice *msg)
{
    if (m->total == 0 || m->bytes.len == 0)
        return OV_EINVAL;
    release(&f->done);
    struct ov_fragment_slot *s = find(f, m, seal, now, slots, lost);
    if (!s->buf) {
        if (m->total > pool->limit || pool->bytes > pool->limit - m->total)
            return OV_ELIMIT;
        s->buf = malloc(m->total);
        if (!s->buf)
            return OV_ENOMEM;
        pool->bytes += m->total;
        s->pool = pool;
        s->id = m->id;
        s->total = m->total;
        s->seal = *seal;
        s->born = now;
    }
    if (s->n == OV_FRAGMENTS_MAX || overlaps(s, m))
        return OV_EINVAL;
    memcpy(s->buf + m->offset, m->bytes.p, m->bytes.len);
    s->offset[s->n] = m->offset;
    s->len[s->n++] = (uint16_t)m->bytes.len;
    s->got = (uint16_t)(s->got + m->bytes.len);
    if (s->got < s->total)
        return OV_EFULL;
    f->done = *s;
    *msg = (struct ov_slice){s->buf, s->total};
    memset(s, 0, sizeof *s);
    return OV_OK;
}

void ov_fragments_release(struct ov_fragments *f)
{
    release(&f->done);
}

ov_time ov_fragments_expire(struct ov_fragments *f, ov_time now, uint64_t *lost)
{
    ov_time next = OV_NEVER;
    for (int i = 0; i < OV_FRAGMENT_SLOTS; i++) {
        struct ov_fragment_slot *s = &f->slot[i];
        if (!s->buf)
            continue;
        if (now - s->born >= OV_FRAGMENT_LIFE) {
            release(s);
            ++*lost;
        } else if (s->born + OV_FRAGMENT_LIFE < next) {
            next = s->born + OV_FRAGMENT_LIFE;
        }
    }
    release(&f->done);
    return next;
}

void ov_fragments_free(struct ov_fragments *f)
{
    for (int i = 0; i < OV_FRAGMENT_SLOTS; i++)
        release(&f->slot[i]);
    release(&f->done);
}
