#include "uplink.h"

#include "backlog.h"
#include "daemon.h"
#include "sockets.h"
#include "transport/udp.h"

#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PIECES   64
#define OVERHEAD 500 /* of a packet in the kernel's account, at least */

_Static_assert(OV_FAIRQ_ROOM >= OV_FRAME_HEADROOM, "the engine writes before a frame");

struct ov_uplink {
    struct ov_daemon *d;
    uv_timer_t timer;
    struct ov_fairq *q; /* NULL: never needed yet */
    struct ov_backlog backlog;
    bool queueing;
    size_t unchecked; /* bytes sent since the kernel was asked */
    uint64_t sent;    /* the daemon's count, after our last send */
    ov_time waited;   /* when something did, last */
};

int ov_uplink_open(struct ov_daemon *d, struct ov_uplink **out)
{
    struct ov_uplink *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return OV_ENOMEM;
    u->d = d;
    ov_backlog_init(&u->backlog);
    uv_timer_init(&d->loop, &u->timer);
    u->timer.data = u;
    *out = u;
    return OV_OK;
}

static void on_closed(uv_handle_t *t)
{
    struct ov_uplink *u = t->data;
    ov_fairq_free(u->q);
    free(u);
}

void ov_uplink_close(struct ov_uplink *u)
{
    if (u != NULL)
        uv_close((uv_handle_t *)&u->timer, on_closed);
}

/* Bytes below the sockets: the ordinary ones, and of those beside them the one last sent on. */
static size_t below(const struct ov_uplink *u)
{
    size_t sum = 0;
    for (size_t i = 0; i < u->d->nsockets; i++)
        sum += ov_udp_unsent(u->d->sockets[i].udp);
    struct ov_udp *other = u->d->other != 0 ? ov_sockets_udp(u->d, u->d->other) : NULL;
    return sum + (other != NULL ? ov_udp_unsent(other) : 0);
}

static bool make_queue(struct ov_uplink *u)
{
    uint8_t seed[16];
    if (u->q != NULL)
        return true;
    randombytes_buf(seed, sizeof(seed));
    return ov_fairq_new(seed, &u->q) == OV_OK;
}

/* Pieces into the engine, those of one network together. */
static size_t send_pieces(struct ov_uplink *u, const struct ov_fairq_piece *v, size_t count,
                          ov_time now)
{
    struct ov_frame batch[PIECES];
    size_t bytes = 0;
    for (size_t i = 0, n = 0; i < count; i++) {
        bytes += v[i].len;
        batch[n++] = (struct ov_frame){v[i].data, v[i].len, v[i].offload};
        if (i + 1 < count && v[i + 1].net == v[i].net)
            continue;
        ov_node_frames(u->d->node, v[i].net, batch, n, now);
        ov_daemon_drain(u->d);
        n = 0;
    }
    return bytes;
}

static void on_timer(uv_timer_t *t);

/* The line had nothing too much for a while: frames may pass again, and memory goes back. */
static void calm_down(struct ov_uplink *u)
{
    u->queueing = false;
    ov_fairq_trim(u->q);
    malloc_trim(0);
}

static void set_timer(struct ov_uplink *u, bool waits, ov_time now)
{
    ov_time calm = OV_UPLINK_CALM / OV_MS;
    if (waits) {
        u->waited = now;
        uv_update_time(&u->d->loop);
        uv_timer_start(&u->timer, on_timer, OV_UPLINK_POLL_MS, 0);
    } else if (now - u->waited >= OV_UPLINK_CALM) {
        calm_down(u);
    } else if (!uv_is_active((uv_handle_t *)&u->timer)) {
        uv_timer_start(&u->timer, on_timer, calm, 0);
    }
}

/* Let leave what the line takes. */
static void pump(struct ov_uplink *u, ov_time now)
{
    struct ov_fairq_piece v[PIECES];
    size_t total = 0, there = below(u), others = (size_t)(u->d->sent - u->sent);
    ov_backlog_before(&u->backlog, there, others == 0, now);
    ov_fairq_set_rate(u->q, u->backlog.rate);
    while (total < OV_UPLINK_TURN) {
        size_t limit = u->backlog.limit;
        size_t room = there < limit ? (limit - there) / 2 : others > total ? others - total : 0;
        size_t n = room > 0 ? ov_fairq_take(u->q, v, PIECES, room, now) : 0;
        if (n == 0)
            break;
        total += send_pieces(u, v, n, now);
        there = below(u);
    }
    bool waits = !ov_fairq_empty(u->q);
    u->sent = u->d->sent;
    now = ov_daemon_now(u->d);
    ov_backlog_after(&u->backlog, there, total, waits, now);
    set_timer(u, waits, now);
}

static void on_timer(uv_timer_t *t)
{
    struct ov_uplink *u = t->data;
    pump(u, ov_daemon_now(u->d));
}

/* Ask the kernel whether there is too much below; from then on frames wait. */
static void look(struct ov_uplink *u, ov_time now)
{
    size_t there = below(u);
    u->unchecked = 0;
    if (there <= u->backlog.limit || !make_queue(u))
        return;
    u->queueing = true;
    u->waited = now;
    u->sent = u->d->sent;
    ov_backlog_after(&u->backlog, there, 0, false, now);
    set_timer(u, true, now);
}

void ov_uplink_frames(struct ov_uplink *u, ov_netid net, const struct ov_frame *v, size_t count,
                      ov_time now)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += v[i].len + OVERHEAD;
    /* On a line that is known to be slow, what is too much for it does not even start to pass. */
    if (!u->queueing && bytes > u->backlog.limit && u->backlog.rate > 0 && make_queue(u)) {
        u->queueing = true;
        u->waited = now;
    }
    if (!u->queueing) {
        ov_node_frames(u->d->node, net, v, count, now);
        ov_daemon_drain(u->d);
        u->unchecked += bytes;
        if (u->unchecked >= OV_UPLINK_CHECK)
            look(u, now);
        return;
    }
    for (size_t i = 0; i < count; i++)
        ov_fairq_add(u->q, net, v[i].data, v[i].len, &v[i].offload, now);
    pump(u, now);
}

void ov_uplink_stats(const struct ov_uplink *u, struct ov_fairq_stats *out)
{
    *out = (struct ov_fairq_stats){0};
    if (u->q != NULL)
        ov_fairq_stats(u->q, out);
}
