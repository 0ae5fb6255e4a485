/* Measuring the profile: see reflect.h. */
#include "reflect.h"

#include "punch.h"
#include "reflect_state.h"

#include <string.h>

#define SETTLE      (100 * OV_MS) /* after the first answer of a root: others may follow */
#define AGAIN       (10 * OV_SEC) /* at least from one measurement to the next */
#define SOCKET_WAIT (500 * OV_MS)
#define TRY_WAIT    (250 * OV_MS)
#define HAIRPIN     (300 * OV_MS)
#define TRIES       3
#define UDP_SILENCE (1500 * OV_MS) /* of all roots: UDP is blocked */
#define NARROW_LIFE (6 * 3600 * OV_SEC)

static void on_sockets(void *arg);

void ov_reflect_measure_init(struct ov_reflect *r)
{
    r->m.owner = (struct ov_extra_owner){.ready = on_sockets, .arg = r};
    r->m.when = OV_NEVER;
}

static void plan(struct ov_reflect *r, ov_time when)
{
    if (r->m.stage == SOCKETS || r->m.stage == FIRST || r->m.stage == SECOND)
        return;
    if (r->m.last && when < r->m.last + AGAIN)
        when = r->m.last + AGAIN;
    r->m.stage = DUE;
    r->m.when = when;
    ov_reflect_wake(r, when);
}

void ov_reflect_seen(struct ov_peer *root, const struct ov_endpoint *was)
{
    struct ov_engine *e = root->e;
    struct ov_reflect *r = e->reflect;
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    bool first = !e->nat.measured, another = ov_reflect_roots(e, roots) > r->m.nhosts,
         moved = was->port &&
                 (!ov_ip_equal(&was->ip, &root->seen.ip) || e->nat.view.mapping == OV_NAT_EIM);
    if (root->seen.ip.family == 4 && (first || another || moved))
        plan(r, e->now + SETTLE);
}

void ov_reflect_narrow(struct ov_engine *e)
{
    e->reflect->narrow_ip = e->nat.seen.ip;
    e->reflect->narrow_at = e->now;
}

bool ov_reflect_is_narrow(const struct ov_engine *e)
{
    const struct ov_reflect *r = e->reflect;
    return r->narrow_ip.family && ov_ip_equal(&r->narrow_ip, &e->nat.seen.ip) &&
           e->now - r->narrow_at < NARROW_LIFE;
}

void ov_reflect_restart(struct ov_engine *e)
{
    struct ov_reflect *r = e->reflect;
    ov_reflect_cancel(e, r);
    ov_extra_release(e, &r->m.owner);
    r->m.stage = IDLE;
    r->m.when = OV_NEVER;
    r->m.last = 0;
    r->m.nhosts = 0;
    ov_reflect_life_restart(r);
    memset(&e->nat, 0, sizeof e->nat);
    e->udp_heard = 0;
    e->changed = e->now;
}

/* ---- stages ---- */

static void on_reflection(void *arg, unsigned tag, const struct ov_endpoint *seen, ov_time rtt)
{
    struct ov_reflect *r = arg;
    struct measure *m = &r->m;
    (void)rtt;
    m->waiting--;
    if (tag == TAG_FROM_OTHER) {
        m->other_heard = seen != NULL;
    } else if (seen) {
        m->sample[tag].seen = *seen;
        m->answered[tag] = true;
    }
}

static void ask(struct ov_reflect *r, struct ov_peer *root, uint16_t socket, bool to_other,
                bool from_other)
{
    struct measure *m = &r->m;
    unsigned tag = from_other ? TAG_FROM_OTHER : (unsigned)m->nsamples;
    if (!from_other && m->nsamples == SAMPLES_MAX)
        return;
    if (!ov_reflect_ask(r->e, &(struct ov_reflect_ask){.root = root,
                                                       .socket = socket,
                                                       .to_other = to_other,
                                                       .from_other = from_other,
                                                       .tries = TRIES,
                                                       .wait = TRY_WAIT,
                                                       .fn = on_reflection,
                                                       .arg = r,
                                                       .tag = tag}))
        return;
    m->waiting++;
    if (from_other) {
        m->other_asked = true;
        return;
    }
    struct ov_nat_sample *s = &m->sample[m->nsamples++];
    *s = (struct ov_nat_sample){.socket = socket,
                                .port = ov_extra_port(r->e, socket),
                                .to = root->paths->p[root->paths->active].remote};
    if (to_other)
        s->to.port = root->reflect_port;
}

static void begin_first(struct ov_reflect *r)
{
    struct measure *m = &r->m;
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    size_t nroots = ov_reflect_roots(r->e, roots);
    int ordinary = ov_engine_socket(r->e, 4);
    m->nsockets = ov_extra_list(r->e, &m->owner, m->socket, FRESH);
    if (m->nsockets == 0 && ordinary >= 0)
        m->socket[m->nsockets++] = (uint16_t)ordinary;
    m->nsamples = m->waiting = 0;
    m->other_asked = m->other_heard = m->hairpin_sent = m->hairpin_heard = false;
    memset(m->answered, 0, sizeof m->answered);
    m->stage = FIRST;
    m->nhosts = nroots;
    if (nroots == 0 || m->nsockets == 0)
        return;
    for (size_t i = 0; i < m->nsockets; i++)
        ask(r, roots[0], m->socket[i], false, false);
    ask(r, roots[0], m->socket[0], false, true);
    if (nroots > 1)
        ask(r, roots[1], m->socket[0], false, false);
}

static void on_sockets(void *arg)
{
    struct ov_reflect *r = arg;
    if (r->m.stage != SOCKETS)
        return;
    begin_first(r);
    ov_reflect_wake(r, r->e->now);
}

static void begin(struct ov_reflect *r)
{
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    r->m.last = r->e->now;
    r->m.stage = IDLE;
    r->m.when = OV_NEVER;
    if (ov_reflect_roots(r->e, roots) == 0) {
        plan(r, r->e->now + AGAIN);
        return;
    }
    r->m.stage = SOCKETS;
    r->m.when = r->e->now + SOCKET_WAIT;
    if (ov_extra_take(r->e, &r->m.owner, FRESH) != OV_OK)
        begin_first(r);
}

static void hairpin(struct ov_reflect *r, int from, int to)
{
    struct measure *m = &r->m;
    struct ov_engine *e = r->e;
    uint8_t *out =
        ov_outq_datagram(&e->out, m->socket[from], 0, NULL, &m->sample[to].seen, OV_HAIRPIN_LEN);
    if (!out)
        return;
    memcpy(out, m->token, OV_HAIRPIN_LEN);
    e->stats.tx_datagrams++;
    e->stats.tx_bytes += OV_HAIRPIN_LEN;
    m->hairpin_sent = true;
}

/* The first of the two only opens our own NAT for the other. */
static void hairpins(struct ov_reflect *r)
{
    struct measure *m = &r->m;
    if (m->nsockets < 2 || !m->answered[0] || !m->answered[1] ||
        ov_engine_is_local(r->e, &m->sample[0].seen.ip))
        return;
    r->e->random.fill(r->e->random.arg, m->token, sizeof m->token);
    m->token[0] = OV_WIRE_HAIRPIN;
    hairpin(r, 0, 1);
    hairpin(r, 1, 0);
}

void ov_reflect_hairpin(struct ov_engine *e, uint16_t socket, const uint8_t *d, size_t len)
{
    struct measure *m = &e->reflect->m;
    if (len == OV_HAIRPIN_LEN && m->stage == SECOND && m->hairpin_sent &&
        ov_extra_of(e, &m->owner, socket) && ov_equal_ct(d, m->token, OV_HAIRPIN_LEN))
        m->hairpin_heard = true;
    else
        ov_drop(e, OV_DROP_UNEXPECTED);
}

static void begin_second(struct ov_reflect *r)
{
    struct measure *m = &r->m;
    struct ov_peer *roots[OV_REFLECT_ROOTS];
    m->stage = SECOND;
    m->when = r->e->now;
    if (ov_reflect_roots(r->e, roots) == 0 || !m->answered[0])
        return;
    if (roots[0]->reflect_port)
        ask(r, roots[0], m->socket[m->nsockets > 1], true, false);
    hairpins(r);
    if (m->hairpin_sent)
        m->when = r->e->now + HAIRPIN;
}

static void say(const struct ov_engine *e)
{
    char ep[OV_ENDPOINT_TEXT];
    const struct ov_nat_profile *p = &e->nat;
    if (p->nat == OV_NAT_NO)
        ov_log(&e->log, OV_LOG_INFO, "no NAT: others see this host at %s",
               ov_endpoint_format(&p->seen, ep));
    else
        ov_log(&e->log, OV_LOG_INFO, "NAT: %s mapping, %s filtering, %s ports, seen at %s",
               ov_nat_mapping_text(p->view.mapping), ov_nat_filtering_text(p->view.filtering),
               ov_nat_allocation_text(p->view.allocation), ov_endpoint_format(&p->seen, ep));
}

static void finish(struct ov_reflect *r)
{
    struct measure *m = &r->m;
    struct ov_engine *e = r->e;
    struct ov_nat_profile was = e->nat;
    size_t n = 0;
    ov_extra_release(e, &m->owner);
    m->stage = IDLE;
    m->when = OV_NEVER;
    for (size_t i = 0; i < m->nsamples; i++)
        if (m->answered[i])
            m->sample[n++] = m->sample[i];
    if (n == 0) {
        plan(r, e->now + AGAIN);
        return;
    }
    ov_nat_classify(m->sample, n, &e->nat.view);
    e->nat.seen = m->sample[0].seen;
    e->nat.nat = ov_engine_is_local(e, &e->nat.seen.ip) ? OV_NAT_NO : OV_NAT_YES;
    e->nat.view.filtering = !m->other_asked           ? 0
                            : !m->other_heard         ? OV_NAT_APDF
                            : e->nat.nat == OV_NAT_NO ? OV_NAT_EIF
                                                      : OV_NAT_ADF;
    if (m->hairpin_sent)
        e->nat.hairpin = m->hairpin_heard ? OV_NAT_YES : OV_NAT_NO;
    e->nat.measured = e->now;
    bool changed = memcmp(&was.view, &e->nat.view, 3) != 0 || was.nat != e->nat.nat ||
                   !ov_ip_equal(&was.seen.ip, &e->nat.seen.ip);
    if (changed) {
        say(e);
        ov_punch_profiled(e);
    }
    ov_reflect_life_profiled(r, changed);
}

ov_time ov_reflect_measure_service(struct ov_reflect *r)
{
    struct measure *m = &r->m;
    ov_time now = r->e->now;
    if (m->stage == DUE && now >= m->when)
        begin(r);
    if (m->stage == SOCKETS && now >= m->when)
        begin_first(r);
    if (m->stage == FIRST && m->waiting == 0)
        begin_second(r);
    if (m->stage == SECOND && m->waiting == 0 && now >= m->when)
        finish(r);
    bool timed = m->stage == DUE || m->stage == SOCKETS || (m->stage == SECOND && now < m->when);
    return timed ? m->when : OV_NEVER;
}

void ov_reflect_profile(const struct ov_engine *e, struct ov_nat_profile *out)
{
    *out = e->nat;
    if (ov_reflect_is_narrow(e))
        out->narrow = OV_NAT_YES;
    if (e->udp_heard)
        out->udp = OV_NAT_YES;
    else if (e->keep && e->now - e->changed >= UDP_SILENCE)
        out->udp = OV_NAT_NO;
}
