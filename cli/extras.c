#include "extras.h"

#include "sandbox.h"
#include "sockets.h"
#include "transport/udp.h"

#include <stdlib.h>

#define ANSWERS_MAX 16

struct answer {
    uint64_t id;
    uint16_t first, count;
};

struct ov_extra_sockets {
    struct ov_daemon_socket v[OV_EXTRA_MAX]; /* udp NULL: not open */
    size_t open;
    struct answer answers[ANSWERS_MAX];
    size_t nanswers;
};

static struct ov_daemon_socket *slot(const struct ov_daemon *d, unsigned number)
{
    if (d->extras == NULL || number < OV_SOCKET_EXTRA || number >= OV_SOCKET_EXTRA + OV_EXTRA_MAX)
        return NULL;
    return &d->extras->v[number - OV_SOCKET_EXTRA];
}

struct ov_udp *ov_extras_udp(const struct ov_daemon *d, uint16_t number)
{
    const struct ov_daemon_socket *s = slot(d, number);
    return s != NULL ? s->udp : NULL;
}

static void open_one(struct ov_daemon *d, uint16_t number)
{
    struct ov_daemon_socket *s = slot(d, number);
    char why[OV_WHY_MAX];
    if (s == NULL || s->udp != NULL || d->nsockets == 0)
        return;
    *s = (struct ov_daemon_socket){.d = d, .index = number, .bound.ip.family = 4};
    if (d->settings->bind.family == 4)
        s->bound.ip = d->settings->bind;
    int err = ov_udp_open_beside(&d->loop, d->sockets[0].udp, &s->bound, ov_sockets_on_packets, s,
                                 &s->udp, why);
    if (err != OV_OK) {
        s->udp = NULL;
        ov_log(&d->log, OV_LOG_DEBUG, "no socket for getting through the NAT: %s", why);
        return;
    }
    s->bound.port = ov_udp_port(s->udp);
    d->extras->open++;
}

void ov_extras_asked(struct ov_daemon *d, const struct ov_out_event *e)
{
    if (d->extras == NULL)
        d->extras = calloc(1, sizeof(*d->extras));
    if (d->extras == NULL || d->extras->nanswers == ANSWERS_MAX)
        return;                   /* the engine does not wait for ever */
    ov_sandbox_raise(d->sandbox); /* for their buffers */
    if (d->settings->bind.family != 6)
        for (unsigned i = 0; i < e->count; i++)
            open_one(d, (uint16_t)(e->socket + i));
    ov_sandbox_lower(d->sandbox);
    d->extras->answers[d->extras->nanswers++] = (struct answer){e->id, e->socket, e->count};
}

void ov_extras_close_some(struct ov_daemon *d, uint16_t first, uint16_t count)
{
    for (unsigned i = 0; i < count; i++) {
        struct ov_daemon_socket *s = slot(d, first + i);
        if (s == NULL || s->udp == NULL)
            continue;
        ov_udp_close(s->udp);
        s->udp = NULL;
        d->extras->open--;
    }
}

void ov_extras_run(struct ov_daemon *d)
{
    while (d->extras != NULL && d->extras->nanswers > 0) {
        struct answer a = d->extras->answers[0];
        uint16_t ports[OV_EXTRA_MAX] = {0};
        d->extras->nanswers--;
        for (size_t i = 0; i < d->extras->nanswers; i++)
            d->extras->answers[i] = d->extras->answers[i + 1];
        for (unsigned i = 0; i < a.count && i < OV_EXTRA_MAX; i++) {
            const struct ov_daemon_socket *s = slot(d, a.first + i);
            ports[i] = s != NULL && s->udp != NULL ? s->bound.port : 0;
        }
        ov_node_extra_sockets(d->node, a.id, a.first, ports, a.count, ov_daemon_now(d));
        ov_daemon_drain(d);
    }
}

bool ov_extras_has_port(const struct ov_daemon *d, uint16_t port)
{
    if (d->extras == NULL || d->extras->open == 0)
        return false;
    for (size_t i = 0; i < OV_EXTRA_MAX; i++)
        if (d->extras->v[i].udp != NULL && d->extras->v[i].bound.port == port)
            return true;
    return false;
}

void ov_extras_close(struct ov_daemon *d)
{
    ov_extras_close_some(d, OV_SOCKET_EXTRA, OV_EXTRA_MAX);
    free(d->extras);
    d->extras = NULL;
}
