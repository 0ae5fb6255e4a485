#include "punch.h"

#include "attempt.h"
#include "reflect.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>

#define PUNCH_COST 10 /* of the peer's control budget: each makes us send up to 100 packets */
#define DELAY_MIN  (100 * OV_MS)
#define DELAY_MAX  (300 * OV_MS)
#define ASKS       3 /* in a round: a PUNCH, or its answer, may be lost */
#define ASK_WAIT   (300 * OV_MS)

static ov_time round_gap(uint8_t round)
{
    static const ov_time gaps[] = {2 * OV_SEC, 5 * OV_SEC, 15 * OV_SEC, 60 * OV_SEC};
    return round < 4 ? gaps[round] : 300 * OV_SEC;
}

static void add(struct ov_msg_punch *m, uint8_t kind, const struct ov_endpoint *ep)
{
    for (int i = 0; i < m->n; i++)
        if (ov_endpoint_equal(&m->c[i].ep, ep))
            return;
    if (m->n < OV_CANDIDATES_MAX && ep->ip.family && ep->port)
        m->c[m->n++] = (struct ov_candidate){.kind = kind, .ep = *ep};
}

/* What a router forwards to us. When roots see another address than the router's own, another NAT
 * is outside: who is behind the same one reaches the router's, and it may forward all to that. */
static void gather_mapped(struct ov_engine *e, struct ov_msg_punch *m)
{
    add(m, OV_CANDIDATE_MAPPED, &e->mapped);
    for (const struct ov_peer *r = e->keep; r; r = r->keep_next) {
        struct ov_endpoint ep = r->seen;
        ep.port = e->mapped.port; /* 0: nothing is mapped, and this is no candidate */
        if (ep.ip.family == 4)
            add(m, OV_CANDIDATE_MAPPED, &ep);
    }
}

/* Where we may be reached: by a router's mapping, as roots see us, and our interfaces. Link-local
 * zones mean nothing to others. */
static void gather(struct ov_engine *e, struct ov_msg_punch *m)
{
    gather_mapped(e, m);
    for (const struct ov_peer *r = e->keep; r; r = r->keep_next)
        add(m, OV_CANDIDATE_REFLEXIVE, &r->seen);
    for (size_t i = 0; i < e->nlocals; i++) {
        struct ov_endpoint ep = e->locals[i].ep;
        ep.scope = 0;
        add(m, OV_CANDIDATE_LOCAL, &ep);
    }
    /* A port forwarded by hand has our number, whatever the mapping that roots see. */
    for (const struct ov_peer *r = e->keep; r; r = r->keep_next)
        for (size_t i = 0; i < e->nlocals; i++) {
            struct ov_endpoint ep = r->seen;
            ep.port = e->locals[i].ep.port;
            if (ep.ip.family == e->locals[i].ep.ip.family)
                add(m, OV_CANDIDATE_REFLEXIVE, &ep);
        }
}

/* `fresh`: the outside endpoint of the socket that this round goes out from, or NULL. */
static void send_punch(struct ov_peer *p, uint64_t nonce, uint8_t flags, ov_time delay,
                       const struct ov_endpoint *fresh)
{
    uint8_t buf[OV_PATH_MTU_MIN];
    struct ov_writer w;
    struct ov_msg_punch m = {.nonce = nonce,
                             .flags = flags,
                             .round = p->punch ? p->punch->round : 0,
                             .delay_ms = (uint16_t)(delay / OV_MS),
                             .nat = p->e->nat.view};
    if (fresh)
        add(&m, OV_CANDIDATE_REFLEXIVE, fresh);
    gather(p->e, &m);
    m.strategy = (uint8_t)(p->punch && p->punch->told ? p->punch->strategy : OV_STRATEGY_PLAIN);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_punch_encode(&w, &m);
    ov_peer_send(p, buf, w.len, OV_SEND_QUIET);
}

static bool ensure(struct ov_peer *p)
{
    if (!p->punch)
        p->punch = calloc(1, sizeof *p->punch);
    return p->punch && ov_peer_ensure_paths(p);
}

static void ask_once(struct ov_peer *p)
{
    struct ov_punch *u = p->punch;
    u->ask_again = p->e->now + (ASK_WAIT << u->asks++) + p->paths->relay.srtt;
    send_punch(p, u->nonce, 0, 0, u->fresh.port ? &u->fresh : NULL);
    ov_peer_wake(p, u->ask_again);
}

static void ask(struct ov_peer *p, const struct ov_endpoint *fresh)
{
    struct ov_punch *u = p->punch;
    u->nonce = ov_random_u64(&p->e->random);
    u->sent = p->e->now;
    u->fresh = fresh ? *fresh : (struct ov_endpoint){0};
    u->asks = 0;
    ask_once(p);
}

void ov_punch_fresh(struct ov_peer *p, uint16_t socket, const struct ov_endpoint *seen)
{
    if (!p->punch || !p->paths || p->paths->active >= 0 || !ov_peer_up(p))
        return;
    p->punch->socket = seen ? socket : 0;
    ask(p, seen);
}

/* A new socket may help where a plain round did not. */
static bool wants_fresh(const struct ov_punch *u)
{
    return u->round > 0 && (!u->told || u->strategy == OV_STRATEGY_PLAIN);
}

static void start_round(struct ov_peer *p)
{
    struct ov_punch *u = p->punch;
    u->next = p->e->now + round_gap(u->round);
    u->socket = 0;
    if (!ov_peer_tied(p))
        return;
    if (!wants_fresh(u) || !ov_attempt_fresh(p))
        ask(p, NULL);
    if (u->round < 255)
        u->round++;
}

void ov_punch_kick(struct ov_peer *p)
{
    if (!ov_peer_up(p) || !ensure(p) || p->e->now < p->punch->next)
        return;
    start_round(p);
}

void ov_punch_reset(struct ov_peer *p)
{
    if (!p->punch)
        return;
    struct ov_punch u = *p->punch;
    *p->punch = (struct ov_punch){.result = u.result, .attempts = u.attempts, .packets = u.packets};
}

void ov_punch_moved(struct ov_engine *e)
{
    struct ov_peer *p;
    for (size_t it = 0; (p = ov_map_next(&e->peers, &it, NULL)) != NULL;) {
        if (p->paths && p->paths->active >= 0 && p->unanswered) /* perhaps this is why */
            ov_peer_wake(p, e->now);
        if (p->keep || !p->punch || (!p->punch->round && !p->punch->told) || !p->paths ||
            p->paths->active >= 0 || e->now - p->last_frame >= OV_PEER_ACTIVE)
            continue;
        ov_punch_reset(p);
        ov_punch_kick(p);
    }
}

void ov_punch_profiled(struct ov_engine *e)
{
    struct ov_peer *p;
    for (size_t it = 0; (p = ov_map_next(&e->peers, &it, NULL)) != NULL;) {
        if (p->keep || !p->punch || !p->punch->round || !p->paths || p->paths->active >= 0 ||
            ov_attempt_running(p) || e->now - p->last_frame >= OV_PEER_ACTIVE)
            continue;
        ov_punch_reset(p);
        ov_punch_kick(p);
    }
}

void ov_punch_opener(struct ov_engine *e, uint16_t socket, const struct ov_endpoint *to)
{
    uint8_t *out = ov_outq_datagram(&e->out, socket, OV_PUNCH_TTL, NULL, to, OV_OPENER_LEN);
    if (!out) {
        ov_drop(e, OV_DROP_OUTPUT_FULL);
        return;
    }
    e->random.fill(e->random.arg, out, OV_OPENER_LEN);
    e->stats.tx_datagrams++;
    e->stats.tx_bytes += OV_OPENER_LEN;
}

bool ov_punch_usable(const struct ov_engine *e, const struct ov_endpoint *ep)
{
    const uint8_t *b = ep->ip.b;
    if (ep->port == 0 || ep->ip.family == 0)
        return false;
    if (ep->ip.family == 4 && (b[0] == 0 || b[0] == 127 || b[0] >= 224))
        return false;
    if (ep->ip.family == 6) {
        static const uint8_t zero[15];
        if (b[0] == 0xff || (memcmp(b, zero, 15) == 0 && b[15] <= 1))
            return false;
    }
    for (size_t i = 0; i < e->nlocals; i++)
        if (ov_endpoint_equal(&e->locals[i].ep, ep))
            return false;
    return true;
}

static void try_candidate(struct ov_peer *p, const struct ov_candidate *c, ov_time delay)
{
    struct ov_engine *e = p->e;
    bool shy = c->ep.ip.family == 4 && c->kind == OV_CANDIDATE_REFLEXIVE;
    int socket = ov_engine_socket(e, c->ep.ip.family);
    if (socket < 0 || !ov_punch_usable(e, &c->ep))
        return;
    if (shy && p->punch->strategy == OV_STRATEGY_RELAY)
        return; /* hopeless */
    if (shy && p->punch->socket)
        socket = p->punch->socket;
    int i = ov_paths_add(p->paths, (uint16_t)socket, &c->ep, c->kind, e->now);
    struct ov_path *path = &p->paths->p[i];
    if (shy && path->state == OV_PATH_TRYING && ov_bucket_take(&e->unproven, 1, e->now))
        ov_punch_opener(e, (uint16_t)socket, &c->ep);
    ov_path_schedule(path, e->now, shy ? delay : 0);
    ov_peer_wake(p, path->next_probe);
}

/* How long the side that was asked holds back its probes. */
static ov_time asked_delay(const struct ov_peer *p)
{
    ov_time rtt = p->paths->relay.srtt;
    return rtt < DELAY_MIN ? DELAY_MIN : rtt > DELAY_MAX ? DELAY_MAX : rtt;
}

/* What the other side tells of itself decides how to go on. */
static void learn(struct ov_peer *p, const struct ov_msg_punch *m)
{
    struct ov_punch *u = p->punch;
    u->told = true;
    u->theirs = m->nat;
    u->strategy = ov_strategy_choose(&p->e->nat.view, &m->nat);
    for (int i = 0; i < m->n; i++)
        u->families[m->c[i].ep.ip.family == 6] = true;
}

static bool has_mapped(const struct ov_msg_punch *m)
{
    for (int i = 0; i < m->n; i++)
        if (m->c[i].kind == OV_CANDIDATE_MAPPED)
            return true;
    return false;
}

void ov_punch_received(struct ov_peer *p, const struct ov_msg_punch *m)
{
    bool ack = m->flags & OV_PUNCH_ACK;
    /* Candidates make us send where we are told, and ours tell where we are. */
    if (!ov_peer_tied(p)) {
        ov_drop(p->e, OV_DROP_UNEXPECTED);
        return;
    }
    if (!ensure(p))
        return;
    if (ack && !(m->flags & OV_PUNCH_HARD) &&
        (p->punch->sent == 0 || m->nonce != p->punch->nonce)) {
        ov_drop(p->e, OV_DROP_UNEXPECTED);
        return;
    }
    if (!ack && !ov_bucket_take(&p->control, PUNCH_COST, p->e->now)) {
        ov_drop(p->e, OV_DROP_LIMIT);
        return;
    }
    if (m->flags & OV_PUNCH_HARD) {
        ov_attempt_received(p, m);
        return;
    }
    learn(p, m);
    if (!ack) /* who asks has no direct path: the answer goes by relay, too */
        ov_peer_moved(p);
    ov_time delay = ack ? 0 : asked_delay(p);
    if (ack)
        p->punch->sent = 0;
    else
        send_punch(p, m->nonce, OV_PUNCH_ACK, delay, NULL);
    for (int i = 0; i < m->n; i++)
        try_candidate(p, &m->c[i], delay);
    /* A mapped port makes it plain; if not even that helps, the round after will. */
    if (ack && ov_strategy_is_hard(p->punch->strategy) && p->paths->active < 0 &&
        ((!has_mapped(m) && !p->e->mapped.port) || p->punch->round > 1))
        ov_attempt_hard(p, p->punch->strategy);
}

/* ---- why ---- */

static enum ov_why why_hard(const struct ov_punch *u)
{
    switch (u->result) {
    case OV_ATTEMPT_BUSY:
        return OV_WHY_BUSY;
    case OV_ATTEMPT_REFUSED:
        return OV_WHY_REFUSED;
    case OV_ATTEMPT_LIMIT:
        return OV_WHY_LIMIT;
    case OV_ATTEMPT_NARROW:
        return OV_WHY_NARROW;
    case OV_ATTEMPT_NO_SOCKETS:
        return OV_WHY_SOCKETS;
    case OV_ATTEMPT_NO_ANSWER:
        return OV_WHY_NO_ANSWER;
    case OV_ATTEMPT_MISSED:
        return OV_WHY_HARD_FAILED;
    default:
        return OV_WHY_TRYING;
    }
}

/* Do both sides have an address family in common? */
static bool families_meet(const struct ov_engine *e, const struct ov_punch *u)
{
    bool ours[2] = {false, false};
    for (size_t i = 0; i < e->nlocals; i++)
        ours[e->locals[i].ep.ip.family == 6] = true;
    return (ours[0] && u->families[0]) || (ours[1] && u->families[1]);
}

enum ov_why ov_punch_why(const struct ov_peer *p)
{
    const struct ov_punch *u = p->punch;
    struct ov_nat_profile nat;
    if (!ov_peer_up(p) || !p->paths || p->paths->active >= 0)
        return OV_WHY_NONE;
    ov_reflect_profile(p->e, &nat);
    if (nat.udp == OV_NAT_NO)
        return OV_WHY_UDP_BLOCKED;
    if (!u || (u->round == 0 && !u->told))
        return OV_WHY_IDLE;
    if (!u->told)
        return u->round > 1 ? OV_WHY_NO_ANSWER : OV_WHY_TRYING;
    if (!families_meet(p->e, u))
        return OV_WHY_FAMILY;
    if (u->strategy == OV_STRATEGY_RELAY)
        return OV_WHY_BOTH_HARD;
    if (ov_strategy_is_hard(u->strategy))
        return why_hard(u);
    return u->round > 1 ? OV_WHY_FAILED : OV_WHY_TRYING;
}

ov_time ov_punch_service(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    if (!p->punch || !p->paths || p->paths->active >= 0)
        return OV_NEVER;
    if (e->now - p->last_frame >= OV_PEER_ACTIVE || !ov_peer_up(p))
        return OV_NEVER;
    struct ov_punch *u = p->punch;
    if (e->now >= u->next)
        start_round(p);
    bool asking = u->sent && u->asks < ASKS;
    if (asking && e->now >= u->ask_again)
        ask_once(p);
    return asking && u->ask_again < u->next ? u->ask_again : u->next;
}
