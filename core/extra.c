#include "extra.h"

#include "engine.h"

#include <string.h>

static bool is_free(const struct ov_extra *x)
{
    return !x->owner && !x->kept;
}

size_t ov_extra_free(const struct ov_engine *e)
{
    size_t n = 0;
    for (int i = 0; i < OV_EXTRA_MAX; i++)
        n += is_free(&e->extras.v[i]);
    return n;
}

int ov_extra_take(struct ov_engine *e, struct ov_extra_owner *o, size_t count)
{
    struct ov_extras *xs = &e->extras;
    if (count == 0 || ov_extra_free(e) < count)
        return OV_EFULL;
    o->pending = (unsigned)count;
    for (int i = 0; i < OV_EXTRA_MAX && count > 0;) {
        int first = i;
        uint64_t id = xs->requests + 1;
        for (; i < OV_EXTRA_MAX && count > 0 && is_free(&xs->v[i]); i++, count--)
            xs->v[i] = (struct ov_extra){.owner = o, .request = id};
        if (i == first) {
            i++;
            continue;
        }
        xs->requests = id;
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_SOCKETS,
                                          .id = id,
                                          .socket = (uint16_t)(OV_SOCKET_EXTRA + first),
                                          .count = (uint16_t)(i - first)});
    }
    return OV_OK;
}

void ov_extra_opened(struct ov_engine *e, uint64_t request, uint16_t first, const uint16_t *ports,
                     size_t count)
{
    for (size_t i = 0; i < count && ov_extra_is((uint16_t)(first + i)); i++) {
        struct ov_extra *x = &e->extras.v[first + i - OV_SOCKET_EXTRA];
        struct ov_extra_owner *o = x->owner;
        if (!o || x->request != request || x->port || !o->pending)
            continue;
        x->port = ports[i];
        if (--o->pending == 0)
            o->ready(o->arg);
    }
}

size_t ov_extra_list(const struct ov_engine *e, const struct ov_extra_owner *o, uint16_t *out,
                     size_t cap)
{
    size_t n = 0;
    for (uint16_t i = 0; i < OV_EXTRA_MAX && n < cap; i++)
        if (e->extras.v[i].owner == o && e->extras.v[i].port)
            out[n++] = (uint16_t)(OV_SOCKET_EXTRA + i);
    return n;
}

bool ov_extra_of(const struct ov_engine *e, const struct ov_extra_owner *o, uint16_t socket)
{
    return ov_extra_is(socket) && e->extras.v[socket - OV_SOCKET_EXTRA].owner == o;
}

uint16_t ov_extra_port(const struct ov_engine *e, uint16_t socket)
{
    return ov_extra_is(socket) ? e->extras.v[socket - OV_SOCKET_EXTRA].port : 0;
}

bool ov_extra_keep(struct ov_engine *e, uint16_t socket, ov_addr peer)
{
    struct ov_extra *x = &e->extras.v[socket - OV_SOCKET_EXTRA];
    if (x->kept || !x->owner)
        return x->kept == peer;
    if (e->extras.kept >= OV_EXTRA_KEPT_MAX)
        return false;
    e->extras.kept++;
    x->owner = NULL;
    x->kept = peer;
    return true;
}

static void close_run(struct ov_engine *e, int first, int end)
{
    for (int i = first; i < end; i++)
        memset(&e->extras.v[i], 0, sizeof e->extras.v[i]);
    ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_SOCKETS_CLOSE,
                                      .socket = (uint16_t)(OV_SOCKET_EXTRA + first),
                                      .count = (uint16_t)(end - first)});
}

void ov_extra_drop(struct ov_engine *e, uint16_t socket)
{
    int i = socket - OV_SOCKET_EXTRA;
    if (!e->extras.v[i].kept)
        return;
    e->extras.kept--;
    close_run(e, i, i + 1);
}

void ov_extra_release(struct ov_engine *e, struct ov_extra_owner *o)
{
    o->pending = 0;
    for (int i = 0; i < OV_EXTRA_MAX; i++) {
        int first = i;
        while (i < OV_EXTRA_MAX && e->extras.v[i].owner == o)
            i++;
        if (i > first)
            close_run(e, first, i);
    }
}
