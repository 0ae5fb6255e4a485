/* What an attempt sends, and when it stops. */
#include "attempt.h"

#include "attempt_state.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"

#define PER_TICK      4             /* datagrams: 400 a second */
#define CANARY_LATE   (200 * OV_MS) /* beyond three of the root's round trips */
#define CANARY_LOST   2             /* what a lost canary counts; one that came home takes 1 off */
#define CANARY_ENOUGH 5
#define CANARY_LOSSY  12            /* the same where the way to the root loses packets anyway */
#define LOSSY         50            /* permille */
#define SETTLE        (600 * OV_MS) /* for a new endpoint to answer its challenge */

/* Has the other side got through? PAUSE: something came, and is being proven. */
enum sight { NOTHING, PAUSE, PROVEN };

static enum sight look(const struct attempt *a, ov_time now)
{
    const struct ov_paths *ps = a->p->paths;
    enum sight s = NOTHING;
    if (!ps)
        return NOTHING;
    if (ps->active >= 0)
        return PROVEN;
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        const struct ov_path *p = &ps->p[i];
        if (p->state == OV_PATH_FREE || !ov_extra_of(a->e, &a->owner, p->socket))
            continue;
        if (p->state == OV_PATH_VALID)
            return PROVEN;
        if (now < p->base + SETTLE)
            s = PAUSE;
    }
    return s;
}

/* ---- canaries ---- */

static void on_canary(void *arg, unsigned tag, const struct ov_endpoint *seen, ov_time rtt)
{
    struct attempt *a = arg;
    struct canary_root *r = &a->roots[tag];
    (void)rtt;
    a->canary_out = false;
    if (seen) {
        /* What gets through in a pause tells little. */
        a->canaries_lost -= a->canaries_lost > 0 && !a->canary_paused;
        r->lost -= r->lost > 0 && !a->canary_paused;
        ov_budget_canary_home(&a->e->budget);
    } else {
        a->canaries_lost += CANARY_LOST;
        r->lost += CANARY_LOST;
        ov_budget_canary_lost(&a->e->budget);
        if (!a->first_lost)
            a->first_lost = a->e->now;
        ov_reflect_check(a->e); /* the router, or the root? See is_router() */
    }
}

/* The root to ask, so that none can fool us alone: they take turns; and in a pause, which lasts
 * until a canary comes home, it is another one than the last. NULL: none is there. */
static struct canary_root *next_root(struct attempt *a, struct ov_peer **out)
{
    size_t first = ov_budget_waits(&a->e->budget) ? a->asked + 1 : a->turn;
    for (size_t i = first; i < first + a->nroots; i++) {
        struct canary_root *r = &a->roots[i % a->nroots];
        *out = ov_peer_find(a->e, r->addr);
        if (*out && ov_peer_online(*out) && ov_reflect_endpoint(*out))
            return r;
    }
    return NULL;
}

/* Is it the router that swallows canaries? Then no root answers them, and all are heard all the
 * same by the flow that was there before. A root that says nothing, has gone away or cannot be
 * reached tells nothing of the router. */
static bool is_router(const struct attempt *a)
{
    for (size_t i = 0; i < a->nroots; i++) {
        const struct ov_peer *p = ov_peer_find(a->e, a->roots[i].addr);
        if (!p || !ov_reflect_endpoint(p) || !a->roots[i].lost ||
            p->paths->p[p->paths->active].last_rx <= a->first_lost)
            return false;
    }
    return true;
}

/* A new flow of ours to a root: from the newest socket on the hard side; on the easy side, whose
 * socket is known to the root, from one of its spare ones. */
static void send_canary(struct attempt *a)
{
    struct ov_reflect_ask ask = {.tries = 1, .fn = on_canary, .arg = a};
    size_t spare = a->nsockets > a->plan.sockets ? a->nsockets - a->plan.sockets : 0;
    const struct canary_root *r = a->canary_out ? NULL : next_root(a, &ask.root);
    if (!r)
        return;
    ask.wait = 3 * r->rtt + CANARY_LATE;
    ask.tag = (unsigned)(r - a->roots);
    if (spare) {
        ask.socket = a->socket[a->plan.sockets + a->canaries % spare];
        ask.to_other = a->canaries / spare % 2 == 1 && ask.root->reflect_port;
    } else {
        size_t newest = a->openers ? a->openers - 1 : 0;
        ask.socket = a->socket[(newest + a->canaries) % a->nsockets];
    }
    if (ov_budget_take_canary(&a->e->budget, a->e->now) != OV_BUDGET_GO)
        return;
    a->canaries++;
    a->canary_paused = ov_budget_waits(&a->e->budget);
    a->asked = ask.tag;
    a->turn += !a->canary_paused;
    a->canary_out = ov_reflect_ask(a->e, &ask);
    if (!a->canary_out)
        a->canaries_lost += CANARY_LOST;
}

/* ---- datagrams ---- */

static bool send_probe(struct attempt *a, uint16_t socket, const struct ov_endpoint *to)
{
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_via via = {.socket = socket, .ep = *to};
    struct ov_msg_probe m = {.txid = ov_random_u64(&a->e->random) | 1, .pad = OV_PROBE_PAD};
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_probe_encode(&w, &m);
    return ov_peer_send_via(a->p, &via, 0, buf, w.len) == OV_OK;
}

/* Where the hard side sends: to the one endpoint of the easy side, or to where the other hard side
 * will have its mapping. */
static struct ov_endpoint aim(const struct attempt *a)
{
    struct ov_endpoint to = a->target;
    if (a->strategy == OV_STRATEGY_PREDICT_BOTH)
        to.port = ov_strategy_port(a->strategy, &a->theirs, 0, a->salt);
    return to;
}

/* The next datagram of the hard side, if one is due. */
static bool next_hard(struct attempt *a, ov_time dt, bool dry)
{
    struct ov_endpoint to = aim(a);
    size_t n = a->nsockets < a->plan.sockets ? a->nsockets : a->plan.sockets;
    if (a->openers < n) {
        if (!dry)
            ov_punch_opener(a->e, a->socket[a->openers++], &to);
        return true;
    }
    ov_time due = a->plan.probes_at + a->probes / n * a->plan.repeat;
    if (a->probes >= a->plan.probes || dt < due)
        return false;
    if (!dry)
        send_probe(a, a->socket[a->probes++ % n], &to);
    return true;
}

static bool next_easy(struct attempt *a, ov_time dt, bool dry)
{
    struct ov_endpoint to = a->target;
    if (a->probes >= a->plan.probes || dt < a->plan.probes_at)
        return false;
    if (dry)
        return true;
    to.port = ov_strategy_port(a->strategy, &a->theirs, a->probes++, a->salt);
    send_probe(a, a->socket[0], &to);
    return true;
}

/* How many mappings the next datagram makes. */
static unsigned new_flows(const struct attempt *a)
{
    if (a->plan.hard)
        return a->openers < a->plan.sockets;
    return a->probes == 0;
}

enum ov_attempt_result ov_attempt_run(struct attempt *a, ov_time now)
{
    struct ov_budget *b = &a->e->budget;
    ov_time dt = now - a->t0;
    bool (*next)(struct attempt *, ov_time, bool) = a->plan.hard ? next_hard : next_easy;
    enum sight s = look(a, now);
    if (s == PROVEN)
        return OV_ATTEMPT_HIT;
    if (a->canaries_lost >= (a->root_loss >= LOSSY ? CANARY_LOSSY : CANARY_ENOUGH)) {
        if (is_router(a))
            ov_reflect_narrow(a->e);
        return OV_ATTEMPT_NARROW;
    }
    if (dt >= a->plan.end)
        return OV_ATTEMPT_MISSED;
    for (int i = 0; i < PER_TICK && s == NOTHING && next(a, dt, true); i++) {
        enum ov_budget_verdict v = ov_budget_take(b, new_flows(a), now);
        if (v == OV_BUDGET_SPENT)
            return OV_ATTEMPT_MISSED;
        if (v != OV_BUDGET_GO)
            break;
        next(a, dt, false);
        if (a->p->punch)
            a->p->punch->packets++;
    }
    if (ov_budget_wants_canary(b)) /* last, where a limit is felt first */
        send_canary(a);
    return OV_ATTEMPT_RUNNING;
}
