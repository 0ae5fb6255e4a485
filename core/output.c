#include "output.h"

#include <stdlib.h>
#include <string.h>

#define ALIGN 16
#define KEPT  256

int ov_outq_init(struct ov_outq *q, size_t bytes)
{
    memset(q, 0, sizeof *q);
    q->cap = bytes;
    q->max = bytes / 512;
    q->kept = KEPT;
    q->arena = malloc(bytes);
    q->items = malloc((q->max + q->kept) * sizeof *q->items);
    if (!q->arena || !q->items) {
        ov_outq_free(q);
        return OV_ENOMEM;
    }
    return OV_OK;
}

void ov_outq_free(struct ov_outq *q)
{
    free(q->arena);
    free(q->items);
    memset(q, 0, sizeof *q);
}

size_t ov_outq_begin(struct ov_outq *q)
{
    size_t lost = 0;
    for (size_t i = q->head; i < q->len; i++)
        if (q->items[i].kind == OV_OUT_FRAME && q->items[i].frame.data) {
            q->items[i].frame.data = NULL;
            lost++;
        }
    return lost;
}

/* The next free bytes of the arena, aligned; NULL when it is full. */
static uint8_t *reserve(struct ov_outq *q, size_t len)
{
    size_t at = (q->used + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (at > q->cap || len > q->cap - at)
        return NULL;
    q->used = at + len;
    return q->arena + at;
}

static struct ov_output *append(struct ov_outq *q, enum ov_out_kind kind)
{
    if (q->len >= q->max + (kind == OV_OUT_EVENT ? q->kept : 0))
        return NULL;
    struct ov_output *o = &q->items[q->len++];
    memset(o, 0, sizeof *o);
    o->kind = kind;
    return o;
}

/* Can a datagram of `len` bytes ride at the end of the last train? Only while that train is the
 * last thing in the arena, not yet pulled, and all of its segments have full size. */
static bool extends(const struct ov_outq *q, uint16_t socket, uint8_t ttl, const struct ov_ip *from,
                    const struct ov_endpoint *to, size_t len)
{
    if (q->len == q->head)
        return false;
    const struct ov_output *o = &q->items[q->len - 1];
    if (o->kind != OV_OUT_DATAGRAMS)
        return false;
    const struct ov_out_datagrams *d = &o->datagrams;
    return d->socket == socket && d->ttl == ttl && ov_endpoint_equal(&d->to, to) &&
           ov_ip_equal(&d->from, from) && d->data + d->len == q->arena + q->used &&
           len <= d->segment && d->len % d->segment == 0 &&
           d->len / d->segment < OV_TRAIN_SEGMENTS && d->len + len <= OV_TRAIN_BYTES &&
           len <= q->cap - q->used;
}

uint8_t *ov_outq_datagram(struct ov_outq *q, uint16_t socket, uint8_t ttl, const struct ov_ip *from,
                          const struct ov_endpoint *to, size_t len)
{
    static const struct ov_ip ANY;
    if (!from)
        from = &ANY;
    if (extends(q, socket, ttl, from, to, len)) {
        uint8_t *p = q->arena + q->used;
        q->used += len;
        q->items[q->len - 1].datagrams.len += len;
        return p;
    }
    if (q->len >= q->max)
        return NULL;
    uint8_t *p = reserve(q, len);
    if (!p)
        return NULL;
    struct ov_output *o = append(q, OV_OUT_DATAGRAMS);
    o->datagrams = (struct ov_out_datagrams){.socket = socket,
                                             .ttl = ttl,
                                             .from = *from,
                                             .to = *to,
                                             .data = p,
                                             .len = len,
                                             .segment = len};
    return p;
}

bool ov_outq_frame(struct ov_outq *q, ov_netid net, const uint8_t *data, size_t len,
                   const struct ov_offload *off)
{
    struct ov_output *o = append(q, OV_OUT_FRAME);
    if (!o)
        return false;
    o->frame = (struct ov_out_frame){.net = net, .data = data, .len = len};
    if (off)
        o->frame.offload = *off;
    return true;
}

uint8_t *ov_outq_copy(struct ov_outq *q, const void *data, size_t len)
{
    uint8_t *p = reserve(q, len ? len : 1);
    if (p && len)
        memcpy(p, data, len);
    return p;
}

bool ov_outq_event(struct ov_outq *q, const struct ov_out_event *e)
{
    struct ov_out_event copy = *e;
    if (e->from && !(copy.from = (void *)ov_outq_copy(q, e->from, sizeof *e->from)))
        return false;
    if (e->request && !(copy.request = (void *)ov_outq_copy(q, e->request, sizeof *e->request)))
        return false;
    struct ov_output *o = append(q, OV_OUT_EVENT);
    if (!o)
        return false;
    q->secret |= copy.request != NULL;
    o->event = copy;
    return true;
}

bool ov_outq_persist(struct ov_outq *q, enum ov_persist_kind kind, uint64_t id, const void *data,
                     size_t len)
{
    uint8_t *p = ov_outq_copy(q, data, len);
    struct ov_output *o = p ? append(q, OV_OUT_PERSIST) : NULL;
    if (!o)
        return false;
    o->persist = (struct ov_out_persist){.kind = kind, .id = id, .data = p, .len = len};
    return true;
}

/* Datagrams and frames stay as they are until the edge has sent them; events are over. */
static void empty(struct ov_outq *q)
{
    for (size_t i = 0; q->secret && i < q->len; i++)
        if (q->items[i].kind == OV_OUT_EVENT && q->items[i].event.request)
            ov_wipe((void *)(uintptr_t)q->items[i].event.request,
                    sizeof *q->items[i].event.request);
    q->secret = false;
    q->head = q->len = q->used = 0;
}

bool ov_outq_pull(struct ov_outq *q, struct ov_output *out)
{
    while (q->head < q->len) {
        *out = q->items[q->head++];
        if (out->kind != OV_OUT_FRAME || out->frame.data)
            return true;
    }
    empty(q);
    return false;
}
