#include "waiting.h"

#include "frames.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BALANCE_MAX 16384

struct ov_waiting_item {
    struct ov_waiting_item *next;
    ov_time since;
    size_t len;      /* of bytes */
    uint8_t bytes[]; /* the length, the datagram */
};

static struct ov_waiting_item *shift(struct ov_waiting *b, struct ov_waiting_line *l)
{
    struct ov_waiting_item *i = l->head;
    l->head = i->next;
    if (!l->head)
        l->tail = NULL;
    b->bytes -= i->len;
    return i;
}

static void drop(struct ov_waiting *b, struct ov_waiting_line *l)
{
    free(shift(b, l));
    b->dropped++;
}

static void expire(struct ov_waiting *b, struct ov_waiting_line *l, ov_time now)
{
    while (l->head && now - l->head->since > OV_WAITING_WAIT)
        drop(b, l);
}

void ov_waiting_expire(struct ov_waiting *b, ov_time now)
{
    expire(b, &b->small, now);
    expire(b, &b->large, now);
}

void ov_waiting_put(struct ov_waiting *b, const uint8_t *data, size_t len, ov_time now)
{
    struct ov_waiting_line *l = len <= OV_WAITING_SMALL ? &b->small : &b->large;
    assert(len <= OV_FRAMES_MAX);
    ov_waiting_expire(b, now);
    while (b->bytes + len + OV_FRAMES_HEAD > OV_WAITING_BYTES)
        drop(b, b->large.head ? &b->large : &b->small);
    struct ov_waiting_item *i = malloc(sizeof *i + OV_FRAMES_HEAD + len);
    if (!i) {
        b->dropped++;
        return;
    }
    i->next = NULL;
    i->since = now;
    i->len = OV_FRAMES_HEAD + len;
    i->bytes[0] = (uint8_t)(len >> 8);
    i->bytes[1] = (uint8_t)len;
    memcpy(i->bytes + OV_FRAMES_HEAD, data, len);
    if (l->tail)
        l->tail->next = i;
    else
        l->head = i;
    l->tail = i;
    b->bytes += i->len;
}

/* The line whose turn it is. */
static struct ov_waiting_line *next_line(struct ov_waiting *b)
{
    if (!b->small.head || !b->large.head)
        return b->small.head ? &b->small : &b->large;
    return b->balance < BALANCE_MAX ? &b->small : &b->large;
}

static void account(struct ov_waiting *b, const struct ov_waiting_line *l, size_t len)
{
    if (!b->small.head || !b->large.head) {
        b->balance = 0;
        return;
    }
    b->balance += l == &b->small ? (int)len : -(int)len;
    if (b->balance < 0) /* an advantage is not saved up */
        b->balance = 0;
}

size_t ov_waiting_take(struct ov_waiting *b, uint8_t *out, size_t cap, ov_time now)
{
    size_t used = 0;
    ov_waiting_expire(b, now);
    for (;;) {
        struct ov_waiting_line *l = next_line(b);
        if (!l->head || l->head->len > cap - used)
            return used;
        account(b, l, l->head->len);
        struct ov_waiting_item *i = shift(b, l);
        memcpy(out + used, i->bytes, i->len);
        used += i->len;
        free(i);
    }
}

bool ov_waiting_empty(const struct ov_waiting *b)
{
    return !b->small.head && !b->large.head;
}

void ov_waiting_free(struct ov_waiting *b)
{
    while (b->small.head)
        free(shift(b, &b->small));
    while (b->large.head)
        free(shift(b, &b->large));
    b->balance = 0;
}
