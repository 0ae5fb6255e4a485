/* One turn of a node: it is given one input, and then all that it says is taken from it. What that
 * causes is posted as events, never done from inside the pulling. */
#include "sim.h"

#include "controller/controller.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LATE_MAX 64 /* datagrams that a socket holds for a process that does not run */

/* A request to a controller on its way from the engine's event to its handling. */
struct request {
    struct ov_identity from;
    struct ov_msg_net_request msg;
};

/* ---- what it says ---- */

/* The membership has changed: what the daemon would tell the TAP. */
static void refresh(struct sim_node *n)
{
    struct ov_network_info *info = malloc(sizeof(*info));

    assert(info != NULL);
    if (ov_node_network(n->engine, n->net, info) == OV_OK) {
        n->ready = info->state == OV_NET_STATE_READY;
        n->mac = info->mac;
        for (size_t i = 0; n->ready && i < info->cert.naddrs; i++) {
            if (info->cert.addrs[i].ip.family == 4)
                n->ip = info->cert.addrs[i].ip;
        }
    }
    free(info);
}

static void take_datagrams(struct sim_node *n, const struct ov_out_datagrams *d)
{
    uint16_t port = n->local.port;

    assert(d->segment > 0 && d->len > 0);
    for (size_t i = 0; d->socket != 0; i++) {
        assert(i < n->nsockets); /* one that is open */
        port = n->sockets[i].port;
        if (n->sockets[i].number == d->socket)
            break;
    }
    for (size_t at = 0; at < d->len; at += d->segment) {
        size_t len = d->len - at < d->segment ? d->len - at : d->segment;
        assert(len <= OV_DATAGRAM_MAX);
        sim_send_from(n, port, &d->to, d->ttl, d->data + at, len);
    }
}

static void take_frame(struct sim_node *n, const struct ov_out_frame *f)
{
    const struct sim_watch *w = &n->sim->watch;

    if (f->net != n->net)
        return;
    if (w->frame != NULL)
        w->frame(w->arg, n, f->data, f->len);
    sim_stack_frame(n, f->data, f->len);
}

static void take_persist(struct sim_node *n, const struct ov_out_persist *p)
{
    const struct sim_watch *w = &n->sim->watch;
    size_t i = 0;

    if (w->stored != NULL)
        w->stored(w->arg, n, p);
    if (n->disk_full)
        return;
    while (i < n->nstored && (n->stored[i].kind != p->kind || n->stored[i].id != p->id))
        i++;
    if (i == n->nstored) {
        if (p->len == 0)
            return;
        n->stored = realloc(n->stored, ++n->nstored * sizeof(*n->stored));
        assert(n->stored != NULL);
        n->stored[i].data = NULL;
    }
    free(n->stored[i].data);
    n->stored[i] = (struct sim_stored){p->kind, p->id, p->len, NULL};
    if (p->len == 0) {
        n->stored[i] = n->stored[--n->nstored];
        return;
    }
    n->stored[i].data = malloc(p->len);
    assert(n->stored[i].data != NULL);
    memcpy(n->stored[i].data, p->data, p->len);
}

static void close_sockets(struct sim_node *n, uint16_t first, uint16_t count)
{
    for (size_t i = n->nsockets; i-- > 0;) {
        if (n->sockets[i].number >= first && n->sockets[i].number < first + count)
            n->sockets[i] = n->sockets[--n->nsockets];
    }
}

/* Open what the engine asks for; the answer comes as an event. */
static void open_extras(struct sim_node *n, const struct ov_out_event *e)
{
    struct sim *s = n->sim;
    uint16_t answer[2 + OV_EXTRA_MAX] = {e->socket, e->count};

    for (int i = 0; i < e->count; i++) {
        uint16_t port;
        do {
            port = (uint16_t)(10000 + sim_random(&s->random) % 50000);
        } while (sim_socket(n, port) >= 0);
        sim_node_socket(n, (uint16_t)(e->socket + i), port);
        answer[2 + i] = port;
    }
    struct sim_event *ev = sim_post(s, SIM_SOCKETS, s->now, 0, answer, sizeof(answer));
    ev->node = n;
    ev->life = n->life;
    ev->id = e->id;
}

static void take_event(struct sim_node *n, const struct ov_out_event *e)
{
    struct sim *s = n->sim;

    if (e->kind == OV_EVENT_NETWORK && n->net != 0 && e->net == n->net) {
        refresh(n);
    } else if (e->kind == OV_EVENT_REQUEST && n->controller != NULL) {
        struct request r = {*e->from, *e->request};
        struct sim_event *ev = sim_post(s, SIM_REQUEST, s->now, 0, &r, sizeof(r));
        ev->node = n;
        ev->life = n->life;
    } else if (e->kind == OV_EVENT_PONG && e->rtt != 0) {
        n->pongs++;
    } else if (e->kind == OV_EVENT_SOCKETS) {
        open_extras(n, e);
    } else if (e->kind == OV_EVENT_SOCKETS_CLOSE) {
        close_sockets(n, e->socket, e->count);
    }
}

/* Note when it wants to be called. */
static void plan(struct sim_node *n)
{
    ov_time now = n->sim->now, at = ov_node_deadline(n->engine);

    if (at > now)
        n->eager = 0;
    if (at == OV_NEVER)
        return;
    if (at <= now)
        at = now + 1;
    if (n->tick_at <= now || at < n->tick_at) {
        n->tick_at = at;
        struct sim_event *e = sim_post(n->sim, SIM_TICK, at, 0, NULL, 0);
        e->node = n;
        e->life = n->life;
    }
}

void sim_node_drain(struct sim_node *n)
{
    const struct sim_watch *w = &n->sim->watch;
    struct ov_output out;

    while (ov_node_pull(n->engine, &out)) {
        if (out.kind == OV_OUT_DATAGRAMS)
            take_datagrams(n, &out.datagrams);
        else if (out.kind == OV_OUT_FRAME)
            take_frame(n, &out.frame);
        else if (out.kind == OV_OUT_EVENT)
            take_event(n, &out.event);
        else
            take_persist(n, &out.persist);
    }
    plan(n);
    if (w->turn != NULL)
        w->turn(w->arg, n);
}

/* ---- what it is given ---- */

/* It is asleep: the event comes again when it wakes up, datagrams as far as a socket holds them. */
static bool later(struct sim_node *n, const struct sim_event *e)
{
    struct sim *s = n->sim;

    if (n->asleep_until <= s->now) {
        n->asleep_until = 0;
        n->late = 0;
        return false;
    }
    if (e->kind == SIM_DATAGRAM && n->late++ >= LATE_MAX)
        return true;
    if (e->kind == SIM_FRAME)
        return true;
    struct sim_event *again = sim_post(s, e->kind, n->asleep_until, 0, e->data, e->len);
    again->node = n;
    again->life = n->life;
    again->src = e->src;
    again->from = e->from;
    again->to = e->to;
    again->id = e->id;
    if (e->kind == SIM_TICK)
        n->tick_at = n->asleep_until;
    return true;
}

void sim_node_datagram(struct sim_node *n, struct sim_event *e, uint16_t port)
{
    e->to.port = port;
    if (e->life != 0 && e->life != n->life)
        return;
    if (later(n, e))
        return;
    struct ov_datagram d = {
        .socket = (uint16_t)sim_socket(n, port), .from = e->from, .data = e->data, .len = e->len};
    sim_enter(n);
    ov_node_datagrams(n->engine, &d, 1, n->sim->now);
    sim_leave();
    sim_node_drain(n);
}

static void request(struct sim_node *n, const struct sim_event *e)
{
    struct request r;

    if (n->controller == NULL)
        return;
    memcpy(&r, e->data, sizeof(r));
    int rc = ov_controller_request(n->controller, &r.from, &r.msg, sim_wall(n));
    sim_trace(n->sim, &rc, sizeof(rc));
}

static void sockets(struct sim_node *n, const struct sim_event *e)
{
    uint16_t v[2 + OV_EXTRA_MAX];

    memcpy(v, e->data, sizeof(v));
    sim_enter(n);
    ov_node_extra_sockets(n->engine, e->id, v[0], v + 2, v[1], n->sim->now);
    sim_leave();
    sim_node_drain(n);
}

static void frame(struct sim_node *n, struct sim_event *e)
{
    const struct sim_watch *w = &n->sim->watch;
    struct ov_frame f = {.data = e->data + OV_FRAME_HEADROOM, .len = e->len};

    if (w->given != NULL)
        w->given(w->arg, n, f.data, f.len);
    sim_enter(n);
    ov_node_frames(n->engine, n->net, &f, 1, n->sim->now);
    sim_leave();
    sim_node_drain(n);
}

static void tick(struct sim_node *n)
{
    sim_enter(n);
    ov_node_tick(n->engine, n->sim->now);
    sim_leave();
    n->eager++; /* unless all that was due is done */
    sim_node_drain(n);
}

void sim_node_event(struct sim_node *n, struct sim_event *e)
{
    if (later(n, e))
        return;
    if (e->kind == SIM_REQUEST)
        request(n, e);
    else if (e->kind == SIM_SOCKETS)
        sockets(n, e);
    else if (e->kind == SIM_TICK && e->at == n->tick_at)
        tick(n);
    else if (e->kind == SIM_FRAME)
        frame(n, e);
}

/* The controller's way out. Each message is pulled at once: the next input would end its life. */
void sim_node_say(void *node, ov_addr to, const uint8_t *msg, size_t len)
{
    struct sim_node *n = node;
    const struct sim_watch *w = &n->sim->watch;

    if (w->said != NULL)
        w->said(w->arg, n, to, msg, len);
    sim_enter(n);
    int rc = ov_node_send(n->engine, to, msg, len, n->sim->now);
    sim_leave();
    if (rc == OV_OK)
        sim_node_drain(n);
}
