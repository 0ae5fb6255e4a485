#include "attempt.h"

#include "attempt_state.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>

#define SOCKETS_WAIT (1 * OV_SEC)
#define BASE_WAIT    (300 * OV_MS)
#define BASE_TRIES   3
#define ASK_WAIT     (800 * OV_MS)
#define ASKS         3
#define FRESH_LIFE   (6 * OV_SEC)
#define LINGER_TIME  (1 * OV_SEC)
#define AGAIN        (250 * OV_MS)
#define SWEEP        (10 * OV_SEC)
#define WAY_MAX      (300 * OV_MS)

static void service(void *arg, ov_time now);
static void on_sockets(void *arg);
static void on_base(void *arg, unsigned tag, const struct ov_endpoint *seen, ov_time rtt);
static void sweep(void *arg, ov_time now);

int ov_attempts_init(struct ov_engine *e)
{
    struct ov_attempts *as = calloc(1, sizeof *as);
    if (!as)
        return OV_ENOMEM;
    as->e = e;
    ov_timer_init(&as->sweep, sweep, e);
    e->attempts = as;
    return ov_timers_reserve(&e->timers, 1 + ATTEMPTS_MAX);
}

/* ---- life ---- */

static struct attempt *find(const struct ov_peer *p, bool hard)
{
    const struct ov_attempts *as = p->e->attempts;
    for (int i = 0; i < ATTEMPTS_MAX; i++)
        if (as->v[i] && as->v[i]->p == p && as->v[i]->hard == hard)
            return as->v[i];
    return NULL;
}

bool ov_attempt_running(const struct ov_peer *p)
{
    return find(p, true) != NULL;
}

static void note(struct ov_peer *p, enum ov_attempt_result r)
{
    if (p->punch)
        p->punch->result = r;
}

static void wake(struct attempt *a, ov_time when)
{
    ov_timer_start(&a->e->timers, &a->timer, when);
}

static struct attempt *begin(struct ov_peer *p, bool hard, size_t sockets)
{
    struct ov_attempts *as = p->e->attempts;
    struct attempt *a = NULL;
    for (int i = 0; i < ATTEMPTS_MAX && !a; i++) {
        if (as->v[i])
            continue;
        a = calloc(1, sizeof *a);
        if (!a)
            return NULL;
        as->v[i] = a;
    }
    if (!a)
        return NULL;
    a->e = p->e;
    a->p = p;
    a->hard = hard;
    a->owner = (struct ov_extra_owner){.ready = on_sockets, .arg = a};
    a->wanted = sockets;
    ov_timer_init(&a->timer, service, a);
    a->state = SOCKETS;
    a->began = p->e->now;
    wake(a, p->e->now + SOCKETS_WAIT);
    return a;
}

/* The sockets of proven paths live on, with whoever uses them. */
static void keep_winners(struct attempt *a)
{
    struct ov_paths *ps = a->p->paths;
    for (int i = 0; ps && i < OV_PATHS_MAX; i++) {
        struct ov_path *path = &ps->p[i];
        if (path->state == OV_PATH_FREE || !ov_extra_of(a->e, &a->owner, path->socket))
            continue;
        if (path->state == OV_PATH_VALID && ov_extra_keep(a->e, path->socket, a->p->id.addr))
            continue;
        ov_path_remove(ps, i);
        if (ps->active == i)
            ps->active = OV_PATH_RELAY;
    }
    if (a->e->extras.kept && !ov_timer_active(&a->e->attempts->sweep))
        ov_timer_start(&a->e->timers, &a->e->attempts->sweep, a->e->now + SWEEP);
}

static void end(struct attempt *a, enum ov_attempt_result r)
{
    struct ov_engine *e = a->e;
    struct ov_peer *p = a->p;
    bool hard = a->hard;
    ov_reflect_cancel(e, a);
    ov_timer_stop(&e->timers, &a->timer);
    if (p->punch && ov_extra_of(e, &a->owner, p->punch->socket))
        p->punch->socket = 0; /* it closes, or belongs to the path it won */
    keep_winners(a);
    ov_extra_release(e, &a->owner);
    if (hard && r == OV_ATTEMPT_HIT)
        ov_budget_hit(&e->budget, e->now);
    if (hard)
        ov_budget_end(&e->budget);
    for (int i = 0; i < ATTEMPTS_MAX; i++)
        if (e->attempts->v[i] == a)
            e->attempts->v[i] = NULL;
    free(a);
    if (!hard)
        return;
    note(p, r);
    if (r == OV_ATTEMPT_MISSED && p->punch) { /* bad luck: once more, while the budget lasts */
        p->punch->next = e->now + AGAIN;
        ov_peer_wake(p, p->punch->next);
    }
    ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
}

void ov_attempts_forget(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    for (int i = 0; e->attempts && i < ATTEMPTS_MAX; i++)
        if (e->attempts->v[i] && e->attempts->v[i]->p == p)
            end(e->attempts->v[i], OV_ATTEMPT_NONE);
}

bool ov_attempt_has(const struct ov_peer *p, uint16_t socket)
{
    const struct ov_attempts *as = p->e->attempts;
    if (p->e->extras.v[socket - OV_SOCKET_EXTRA].kept)
        return p->e->extras.v[socket - OV_SOCKET_EXTRA].kept == p->id.addr;
    for (int i = 0; i < ATTEMPTS_MAX; i++)
        if (as->v[i] && as->v[i]->p == p && ov_extra_of(p->e, &as->v[i]->owner, socket))
            return true;
    return false;
}

void ov_attempts_abort(struct ov_engine *e)
{
    for (int i = 0; i < ATTEMPTS_MAX; i++)
        if (e->attempts->v[i])
            end(e->attempts->v[i], OV_ATTEMPT_NONE);
}

void ov_attempts_free(struct ov_engine *e)
{
    if (!e->attempts)
        return;
    ov_attempts_abort(e);
    ov_timer_stop(&e->timers, &e->attempts->sweep);
    free(e->attempts);
    e->attempts = NULL;
}

/* Close kept sockets that no path goes through any more. */
static void sweep(void *arg, ov_time now)
{
    struct ov_engine *e = arg;
    for (uint16_t i = 0; i < OV_EXTRA_MAX; i++) {
        uint16_t socket = (uint16_t)(OV_SOCKET_EXTRA + i);
        if (!e->extras.v[i].kept)
            continue;
        const struct ov_peer *p = ov_peer_find(e, e->extras.v[i].kept);
        bool used = false;
        for (int k = 0; p && p->paths && k < OV_PATHS_MAX; k++)
            used |= p->paths->p[k].state != OV_PATH_FREE && p->paths->p[k].socket == socket;
        if (!used)
            ov_extra_drop(e, socket);
    }
    if (e->extras.kept)
        ov_timer_start(&e->timers, &e->attempts->sweep, now + SWEEP);
}

/* ---- sockets and base ---- */

/* Take the sockets; if there are not so many, the rest. */
static bool take_sockets(struct attempt *a)
{
    size_t n = ov_extra_free(a->e);
    if (n < a->wanted / 2 + 1)
        return false;
    if (a->wanted > n)
        a->wanted = n;
    return ov_extra_take(a->e, &a->owner, a->wanted) == OV_OK;
}

static void on_sockets(void *arg)
{
    struct attempt *a = arg;
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    a->nsockets = ov_extra_list(a->e, &a->owner, a->socket, OV_EXTRA_MAX);
    if (a->state != SOCKETS)
        return;
    size_t n = ov_reflect_roots(a->e, roots);
    if (a->nsockets < a->wanted / 2 + 1 || n == 0) {
        a->state = FAILED; /* not from in here: whoever opened the sockets looks at the owner */
        wake(a, a->e->now);
        return;
    }
    a->state = BASE;
    for (size_t i = 0; i < n; i++) {
        const struct ov_path_quality *q = &roots[i]->paths->p[roots[i]->paths->active].q;
        a->roots[i] = (struct canary_root){.addr = roots[i]->id.addr, .rtt = q->srtt};
        a->root_loss = q->loss > a->root_loss ? q->loss : a->root_loss;
    }
    a->nroots = n;
    wake(a, OV_NEVER);
    if (!ov_reflect_ask(a->e, &(struct ov_reflect_ask){.root = roots[0],
                                                       .socket = a->socket[0],
                                                       .tries = BASE_TRIES,
                                                       .wait = BASE_WAIT,
                                                       .fn = on_base,
                                                       .arg = a})) {
        a->state = FAILED;
        wake(a, a->e->now);
    }
}

static void send_punch(struct attempt *a, bool ack)
{
    uint8_t buf[OV_PATH_MTU_MIN];
    struct ov_writer w;
    struct ov_msg_punch m = {.nonce = a->nonce,
                             .flags = (uint8_t)(OV_PUNCH_HARD | (ack ? OV_PUNCH_ACK : 0)),
                             .nat = a->mine,
                             .strategy = (uint8_t)a->strategy,
                             .n = 1,
                             .c = {{OV_CANDIDATE_REFLEXIVE, a->seen}}};
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_punch_encode(&w, &m);
    ov_peer_send(a->p, buf, w.len, OV_SEND_QUIET);
}

static void refuse(struct ov_peer *p, uint64_t nonce)
{
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_msg_punch m = {.nonce = nonce,
                             .flags = OV_PUNCH_HARD | OV_PUNCH_ACK,
                             .nat = p->e->nat.view,
                             .strategy = OV_STRATEGY_RELAY};
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_punch_encode(&w, &m);
    ov_peer_send(p, buf, w.len, OV_SEND_QUIET);
}

static void run(struct attempt *a)
{
    a->state = RUN;
    a->t0 = a->e->now;
    a->plan = ov_strategy_plan(a->strategy, &a->mine);
    if (a->answering && a->p->paths) { /* the asker starts when it has our answer */
        ov_time way = a->p->paths->relay.srtt / 2;
        a->t0 += way < WAY_MAX ? way : WAY_MAX;
    }
    a->salt = ov_random_u64(&a->e->random);
    if (a->p->punch)
        a->p->punch->attempts++;
    ov_budget_start(&a->e->budget, a->e->now);
    wake(a, a->t0);
}

static void ask(struct attempt *a)
{
    a->state = ASKED;
    a->asks++;
    send_punch(a, false);
    wake(a, a->e->now + ASK_WAIT);
}

static void on_base(void *arg, unsigned tag, const struct ov_endpoint *seen, ov_time rtt)
{
    struct attempt *a = arg;
    (void)tag;
    (void)rtt;
    if (a->state != BASE)
        return;
    if (!seen || seen->ip.family != 4) {
        a->state = FAILED;
        wake(a, a->e->now);
        return;
    }
    a->seen = *seen;
    if (!a->hard) {
        a->state = FRESH;
        wake(a, a->e->now + FRESH_LIFE);
        ov_punch_fresh(a->p, a->socket[0], seen);
        return;
    }
    a->mine = a->e->nat.view;
    if (a->mine.allocation == OV_NAT_SEQUENTIAL)
        a->mine.base = seen->port;
    if (!a->answering) {
        ask(a);
        return;
    }
    send_punch(a, true);
    run(a);
}

bool ov_attempt_fresh(struct ov_peer *p)
{
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    if (find(p, false) || ov_reflect_roots(p->e, roots) == 0)
        return false;
    struct attempt *a = begin(p, false, 1);
    if (!a)
        return false;
    if (take_sockets(a))
        return true;
    end(a, OV_ATTEMPT_NONE);
    return false;
}

/* ---- agreeing ---- */

static enum ov_attempt_result reserve(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    if (ov_reflect_is_narrow(e))
        return OV_ATTEMPT_NARROW;
    switch (ov_budget_reserve(&e->budget, p->id.addr, e->now)) {
    case OV_OK:
        return OV_ATTEMPT_RUNNING;
    case OV_ESTATE:
        return OV_ATTEMPT_BUSY;
    default:
        return OV_ATTEMPT_LIMIT;
    }
}

static struct attempt *begin_hard(struct ov_peer *p, enum ov_strategy s)
{
    enum ov_attempt_result r = reserve(p);
    struct ov_plan plan = ov_strategy_plan(s, &p->e->nat.view);
    struct attempt *a =
        r == OV_ATTEMPT_RUNNING ? begin(p, true, (size_t)plan.sockets + plan.canaries) : NULL;
    note(p, r);
    if (!a) {
        if (r == OV_ATTEMPT_RUNNING)
            ov_budget_end(&p->e->budget);
        return NULL;
    }
    a->strategy = s;
    if (take_sockets(a))
        return a;
    end(a, OV_ATTEMPT_NO_SOCKETS);
    return NULL;
}

void ov_attempt_hard(struct ov_peer *p, enum ov_strategy s)
{
    if (find(p, true))
        return;
    struct attempt *a = begin_hard(p, s);
    if (a)
        a->nonce = ov_random_u64(&p->e->random);
}

/* What the other side says of itself. False: it cannot be. */
static bool take_theirs(struct attempt *a, const struct ov_msg_punch *m)
{
    if (m->n == 0 || m->c[0].kind != OV_CANDIDATE_REFLEXIVE || m->c[0].ep.ip.family != 4 ||
        !ov_punch_usable(a->e, &m->c[0].ep))
        return false;
    a->theirs = m->nat;
    a->target = m->c[0].ep;
    return true;
}

static void answered(struct ov_peer *p, const struct ov_msg_punch *m)
{
    struct attempt *a = find(p, true);
    if (a && m->nonce == a->nonce && m->strategy == OV_STRATEGY_RELAY && a->state != LINGER) {
        end(a, OV_ATTEMPT_REFUSED); /* also in the middle of it */
        return;
    }
    if (!a || a->answering || a->state != ASKED || m->nonce != a->nonce) {
        ov_drop(p->e, OV_DROP_UNEXPECTED);
        return;
    }
    if (m->strategy != a->strategy || !take_theirs(a, m))
        end(a, OV_ATTEMPT_REFUSED);
    else
        run(a);
}

void ov_attempt_received(struct ov_peer *p, const struct ov_msg_punch *m)
{
    if (m->flags & OV_PUNCH_ACK) {
        answered(p, m);
        return;
    }
    struct attempt *a = find(p, true);
    if (a && a->answering && a->nonce == m->nonce) {
        if (a->state == RUN) /* our answer was lost */
            send_punch(a, true);
        return;
    }
    enum ov_strategy s = ov_strategy_choose(&p->e->nat.view, &m->nat);
    bool fits = s == (enum ov_strategy)m->strategy && ov_strategy_is_hard(s) &&
                (!p->paths || p->paths->active < 0);
    if (a && !a->answering && a->state < RUN) {
        if (p->e->id.pub.addr < p->id.addr && a->state == ASKED)
            return; /* both asked: ours counts */
        if (!fits || !take_theirs(a, m)) {
            refuse(p, m->nonce);
            return;
        }
        bool based = a->state == ASKED;
        a->answering = true;
        a->nonce = m->nonce;
        if (based) {
            send_punch(a, true);
            run(a);
        }
        return;
    }
    if (a || !fits || !(a = begin_hard(p, s))) {
        refuse(p, m->nonce);
        return;
    }
    a->answering = true;
    a->nonce = m->nonce;
    if (!take_theirs(a, m))
        end(a, OV_ATTEMPT_NONE);
}

/* ---- time ---- */

static void service(void *arg, ov_time now)
{
    struct attempt *a = arg;
    switch (a->state) {
    case SOCKETS:
    case FAILED:
        if (!a->hard)
            ov_punch_fresh(a->p, 0, NULL);
        end(a, OV_ATTEMPT_NO_SOCKETS);
        break;
    case BASE:
        break;
    case ASKED:
        if (a->asks < ASKS)
            ask(a);
        else
            end(a, OV_ATTEMPT_NO_ANSWER);
        break;
    case RUN: {
        enum ov_attempt_result r = ov_attempt_run(a, now);
        if (r == OV_ATTEMPT_HIT) {
            a->state = LINGER;
            wake(a, now + LINGER_TIME);
        } else if (r != OV_ATTEMPT_RUNNING) {
            if (r == OV_ATTEMPT_NARROW)
                refuse(a->p, a->nonce);
            end(a, r);
        } else {
            wake(a, now + ATTEMPT_TICK);
        }
        break;
    }
    case LINGER:
        end(a, OV_ATTEMPT_HIT);
        break;
    case FRESH:
        end(a, OV_ATTEMPT_NONE);
        break;
    }
}
