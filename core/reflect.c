#include "reflect.h"

#include "punch.h"
#include "reflect_state.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_GAP (240 * OV_MS) /* between two askings because somebody is silent */

static void service(void *arg, ov_time now);

int ov_reflect_init(struct ov_engine *e)
{
    struct ov_reflect *r = calloc(1, sizeof *r);
    if (!r)
        return OV_ENOMEM;
    r->e = e;
    ov_timer_init(&r->timer, service, r);
    ov_reflect_measure_init(r);
    ov_reflect_life_init(r);
    e->reflect = r;
    return ov_timers_reserve(&e->timers, 1);
}

void ov_reflect_free(struct ov_engine *e)
{
    if (!e->reflect)
        return;
    ov_timer_stop(&e->timers, &e->reflect->timer);
    ov_reflect_later_free(e->reflect);
    free(e->reflect);
    e->reflect = NULL;
}

void ov_reflect_wake(struct ov_reflect *r, ov_time when)
{
    if (!ov_timer_active(&r->timer) || when < r->timer.when)
        ov_timer_start(&r->e->timers, &r->timer, when);
}

/* ---- asking ---- */

const struct ov_endpoint *ov_reflect_endpoint(const struct ov_peer *root)
{
    if (!root->paths || root->paths->active < 0)
        return NULL;
    const struct ov_path *path = &root->paths->p[root->paths->active];
    return path->remote.ip.family == 4 && path->socket != OV_SOCKET_LINK ? &path->remote : NULL;
}

size_t ov_reflect_roots(struct ov_engine *e, struct ov_peer *out[OV_REFLECT_ROOTS])
{
    size_t n = 0;
    for (struct ov_peer *p = e->keep; p; p = p->keep_next) {
        if (!p->relay || !ov_peer_online(p) || !ov_reflect_endpoint(p) || n == OV_REFLECT_ROOTS)
            continue;
        bool better = n > 0 && ov_path_score(&p->paths->p[p->paths->active]) <
                                   ov_path_score(&out[0]->paths->p[out[0]->paths->active]);
        out[n] = p;
        if (better) {
            out[n] = out[0];
            out[0] = p;
        }
        n++;
    }
    return n;
}

void ov_reflect_check(struct ov_engine *e)
{
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    if (e->reflect->checked && e->now - e->reflect->checked < CHECK_GAP)
        return;
    e->reflect->checked = e->now;
    size_t n = ov_reflect_roots(e, roots);
    for (size_t i = 0; i < n; i++)
        ov_peer_probe(roots[i], roots[i]->paths->active, 0, 0);
}

static bool transmit(struct ask *k, struct ov_peer *root)
{
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_via via = {.socket = k->a.socket};
    const struct ov_endpoint *ep = ov_reflect_endpoint(root);
    if (!ep || (k->a.to_other && !root->reflect_port))
        return false;
    via.ep = *ep;
    if (k->a.to_other)
        via.ep.port = root->reflect_port;
    struct ov_msg_reflect m = {
        .txid = k->txid, .flags = k->a.from_other ? OV_REFLECT_OTHER : 0, .pad = OV_REFLECT_PAD};
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_reflect_encode(&w, &m);
    k->sent = root->e->now;
    k->tries++;
    return ov_peer_send_via(root, &via, 0, buf, w.len) == OV_OK;
}

bool ov_reflect_ask(struct ov_engine *e, const struct ov_reflect_ask *a)
{
    struct ov_reflect *r = e->reflect;
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask *k = &r->ask[i];
        if (k->txid)
            continue;
        *k = (struct ask){.a = *a, .addr = a->root->id.addr, .txid = ov_random_u64(&e->random) | 1};
        if (!transmit(k, a->root)) {
            k->txid = 0;
            return false;
        }
        ov_reflect_wake(r, e->now + a->wait);
        return true;
    }
    return false;
}

void ov_reflect_cancel(struct ov_engine *e, const void *arg)
{
    for (int i = 0; i < ASKS_MAX; i++)
        if (e->reflect->ask[i].a.arg == arg)
            e->reflect->ask[i].txid = 0;
}

void ov_reflect_answered(struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_reflect *r = p->e->reflect;
    struct ov_msg_reflect_ok ok;
    if (ov_msg_reflect_ok_decode(m, len, &ok) != OV_OK) {
        ov_drop(p->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    if (ov_reflect_life_answered(r, p, &ok))
        return;
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask k = r->ask[i];
        if (!k.txid || k.txid != ok.txid || k.addr != p->id.addr)
            continue;
        r->ask[i].txid = 0;
        p->reflect_port = ok.other;
        k.a.fn(k.a.arg, k.a.tag, &ok.seen, p->e->now - k.sent);
        ov_reflect_wake(r, p->e->now);
        return;
    }
}

/* Ask again, or tell that nobody answers. Returns when to look again. */
static ov_time service_asks(struct ov_reflect *r, ov_time now)
{
    ov_time next = OV_NEVER;
    for (int i = 0; i < ASKS_MAX; i++) {
        struct ask *k = &r->ask[i];
        if (k->txid && now >= k->sent + k->a.wait) {
            struct ov_peer *root = ov_peer_find(r->e, k->addr);
            if (!root || k->tries >= k->a.tries || !transmit(k, root)) {
                k->txid = 0;
                k->a.fn(k->a.arg, k->a.tag, NULL, 0);
                next = now; /* it may have asked anew, in a place we have passed */
            }
        }
        if (k->txid && k->sent + k->a.wait < next)
            next = k->sent + k->a.wait;
    }
    return next;
}

static void service(void *arg, ov_time now)
{
    struct ov_reflect *r = arg;
    ov_time next = service_asks(r, now), other = ov_reflect_measure_service(r);
    next = other < next ? other : next;
    other = ov_reflect_life_service(r);
    next = other < next ? other : next;
    if (next != OV_NEVER)
        ov_reflect_wake(r, next > now ? next : now + OV_MS);
}

/* ---- answering, as a root ---- */

void ov_reflect_answer(struct ov_peer *p, const struct ov_via *to, uint64_t txid, uint8_t flags)
{
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_via back = *to;
    struct ov_msg_reflect_ok ok = {
        .txid = txid, .flags = flags, .other = p->e->reflect_port, .seen = to->ep};
    if (flags & OV_REFLECT_OTHER)
        back.socket = OV_SOCKET_REFLECT;
    ok.seen.scope = 0;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_reflect_ok_encode(&w, &ok);
    ov_peer_send_via(p, &back, 0, buf, w.len);
}

void ov_reflect_asked(struct ov_peer *p, const struct ov_via *via, const uint8_t *m, size_t len)
{
    struct ov_engine *e = p->e;
    struct ov_msg_reflect ask;
    if (ov_msg_reflect_decode(m, len, &ask) != OV_OK) {
        ov_drop(e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    if (!(e->caps & OV_CAP_ROOT) || via->relay || via->socket == OV_SOCKET_LINK) {
        ov_drop(e, OV_DROP_UNEXPECTED);
        return;
    }
    if (!ov_bucket_take(&p->reflections, 1, e->now)) {
        ov_drop(e, OV_DROP_LIMIT);
        return;
    }
    uint8_t flags = ask.flags & OV_REFLECT_OTHER;
    if (flags && !e->reflect_port)
        return;
    if (!flags && (ask.flags & OV_REFLECT_LATER) && ov_reflect_promise(p, via, &ask))
        flags = OV_REFLECT_LATER;
    ov_reflect_answer(p, via, ask.txid, flags);
}
