/* Measuring how long mappings live: see reflect.h. */
#include "punch.h"
#include "reflect_state.h"

#include <string.h>

#define WAIT_SHORT  12 /* seconds: more than a keepalive every 10 s leaves between two */
#define WAIT_LONG   23 /* the same of every 20 s */
#define PROMISE     (250 * OV_MS)
#define TRIES       3
#define LATE        (1500 * OV_MS) /* after it is due */
#define SOCKET_WAIT OV_SEC
#define CHECK       OV_SEC
#define RETRY       (60 * OV_SEC)  /* it could not be measured */
#define AGAIN       (600 * OV_SEC) /* it was short: is it still? Doubled each time, up to */
#define AGAIN_MAX   (3600 * OV_SEC)

static void on_sockets(void *arg);

void ov_reflect_life_init(struct ov_reflect *r)
{
    r->life.owner = (struct ov_extra_owner){.ready = on_sockets, .arg = r};
}

static void stop(struct ov_reflect *r)
{
    ov_extra_release(r->e, &r->life.owner);
    memset(r->life.v, 0, sizeof r->life.v);
    r->life.stage = LIFE_IDLE;
}

static void plan(struct ov_reflect *r, ov_time when)
{
    r->life.stage = LIFE_DUE;
    r->life.when = when;
    ov_reflect_wake(r, when);
}

void ov_reflect_life_restart(struct ov_reflect *r)
{
    stop(r);
    r->life.repeats = 0;
}

void ov_reflect_life_profiled(struct ov_reflect *r, bool changed)
{
    if (r->life.stage == LIFE_IDLE ? changed || r->e->nat.lives_s == 0 : changed) {
        ov_reflect_life_restart(r);
        plan(r, r->e->now);
    }
}

/* ---- asking ---- */

static bool transmit(struct ov_reflect *r, struct ov_peer *root, struct life_ask *k)
{
    uint8_t buf[256];
    struct ov_writer w;
    const struct ov_endpoint *ep = ov_reflect_endpoint(root);
    struct ov_msg_reflect m = {
        .txid = k->txid, .flags = OV_REFLECT_LATER, .wait = k->wait, .pad = OV_REFLECT_PAD_LATER};
    if (!ep)
        return false;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_reflect_encode(&w, &m);
    k->sent = r->e->now;
    k->tries++;
    return ov_peer_send_via(root, &(struct ov_via){.socket = k->socket, .ep = *ep}, 0, buf,
                            w.len) == OV_OK;
}

static void on_sockets(void *arg)
{
    struct ov_reflect *r = arg;
    struct life *l = &r->life;
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    uint16_t socket[LIFE_SOCKETS];
    if (l->stage != LIFE_OPENING)
        return;
    if (ov_extra_list(r->e, &l->owner, socket, LIFE_SOCKETS) < LIFE_SOCKETS ||
        ov_reflect_roots(r->e, roots) == 0) {
        stop(r);
        plan(r, r->e->now + RETRY);
        return;
    }
    l->stage = LIFE_ASKING;
    l->root = roots[0]->id.addr;
    l->boot = ov_twins_boot(&roots[0]->s.twins);
    for (int i = 0; i < LIFE_SOCKETS; i++) {
        l->v[i] = (struct life_ask){.socket = socket[i],
                                    .wait = i < LIFE_SOCKETS / 2 ? WAIT_SHORT : WAIT_LONG,
                                    .txid = ov_random_u64(&r->e->random) | 1};
        transmit(r, roots[0], &l->v[i]);
    }
    ov_reflect_wake(r, r->e->now + PROMISE);
}

static void begin(struct ov_reflect *r)
{
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    r->life.stage = LIFE_OPENING;
    r->life.when = r->e->now + SOCKET_WAIT;
    if (ov_reflect_roots(r->e, roots) == 0 ||
        ov_extra_take(r->e, &r->life.owner, LIFE_SOCKETS) != OV_OK)
        plan(r, r->e->now + RETRY);
}

bool ov_reflect_life_answered(struct ov_reflect *r, const struct ov_peer *p,
                              const struct ov_msg_reflect_ok *ok)
{
    for (int i = 0; i < LIFE_SOCKETS; i++) {
        struct life_ask *k = &r->life.v[i];
        if (!k->txid || k->txid != ok->txid || r->life.root != p->id.addr)
            continue;
        k->heard |= (ok->flags & OV_REFLECT_LATE) != 0;
        k->promised |= (ok->flags & OV_REFLECT_LATER) != 0;
        k->refused |= !k->promised && !k->heard;
        ov_reflect_wake(r, r->e->now);
        return true;
    }
    return false;
}

/* ---- judging ---- */

/* The root that promised is there, and is who promised. */
static struct ov_peer *promiser(const struct ov_reflect *r)
{
    struct ov_peer *p = ov_peer_find(r->e, r->life.root);
    return p && ov_peer_online(p) && ov_twins_boot(&p->s.twins) == r->life.boot &&
                   ov_reflect_endpoint(p)
               ? p
               : NULL;
}

/* Any late answer after so many seconds? */
static bool heard(const struct life *l, uint8_t wait)
{
    for (int i = 0; i < LIFE_SOCKETS; i++)
        if (l->v[i].wait == wait && l->v[i].heard)
            return true;
    return false;
}

static void conclude(struct ov_reflect *r)
{
    struct ov_nat_profile *nat = &r->e->nat;
    uint16_t lives = heard(&r->life, WAIT_LONG)    ? WAIT_LONG
                     : heard(&r->life, WAIT_SHORT) ? WAIT_SHORT
                                                   : 0;
    uint16_t dies = lives == WAIT_LONG ? 0 : lives == WAIT_SHORT ? WAIT_LONG : WAIT_SHORT;
    bool news = nat->dies_s != dies;
    ov_time again = AGAIN << r->life.repeats;
    nat->lives_s = lives;
    nat->dies_s = dies;
    stop(r);
    if (news && dies)
        ov_log(&r->e->log, OV_LOG_INFO, "the NAT forgets after less than %u s of silence", dies);
    if (news)
        ov_peers_keepalive(r->e);
    if (!dies)
        return;
    if (again < AGAIN_MAX)
        r->life.repeats++;
    plan(r, r->e->now + (again < AGAIN_MAX ? again : AGAIN_MAX));
}

static void give_up(struct ov_reflect *r)
{
    stop(r);
    plan(r, r->e->now + RETRY);
}

/* Answers are missing: but is the root itself still there? */
static void check(struct ov_reflect *r)
{
    struct ov_peer *p = promiser(r);
    if (!p || ov_reflect_is_narrow(r->e)) {
        give_up(r);
        return;
    }
    r->life.stage = LIFE_CHECKING;
    r->life.checked = r->e->now;
    r->life.when = r->e->now + CHECK;
    ov_peer_probe(p, p->paths->active, 0, 0);
}

/* Promises first, then what became of them; when to look again. */
static ov_time service_asking(struct ov_reflect *r, ov_time now)
{
    struct life *l = &r->life;
    struct ov_peer *root = promiser(r);
    ov_time next = OV_NEVER;
    bool missing = false;
    for (int i = 0; i < LIFE_SOCKETS; i++) {
        struct life_ask *k = &l->v[i];
        ov_time when = k->sent + (k->promised ? k->wait * OV_SEC + LATE : PROMISE);
        if (k->heard)
            continue;
        if (now < when) {
            next = when < next ? when : next;
        } else if (k->promised) {
            missing = true;
        } else if (k->refused || !root || k->tries >= TRIES || !transmit(r, root, k)) {
            give_up(r);
            return now + RETRY;
        } else {
            next = now + PROMISE < next ? now + PROMISE : next;
        }
    }
    bool in_doubt = missing && !heard(l, WAIT_SHORT) && now >= l->v[0].sent + WAIT_SHORT * OV_SEC;
    if (heard(l, WAIT_LONG))
        conclude(r);
    else if (next == OV_NEVER || in_doubt)
        check(r);
    return l->stage == LIFE_ASKING ? next : l->when;
}

ov_time ov_reflect_life_service(struct ov_reflect *r)
{
    struct life *l = &r->life;
    ov_time now = r->e->now;
    if (l->stage == LIFE_DUE && now >= l->when)
        begin(r);
    if (l->stage == LIFE_OPENING && now >= l->when)
        give_up(r);
    if (l->stage == LIFE_ASKING)
        return service_asking(r, now);
    if (l->stage == LIFE_CHECKING) {
        const struct ov_peer *p = promiser(r);
        if (!p || (now >= l->when && p->last_rx < l->checked))
            give_up(r);
        else if (p->last_rx >= l->checked && now > l->checked)
            conclude(r);
        else
            return now > l->when ? now + OV_MS : l->when;
    }
    return l->stage == LIFE_IDLE ? OV_NEVER : l->when;
}
