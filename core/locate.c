#include "locate.h"

#include <string.h>

#define TRIES_MAX 8
#define GAP       (500 * OV_MS)

static void service(void *arg, ov_time now);

int ov_locate_init(struct ov_locate *l, struct ov_engine *e)
{
    memset(l, 0, sizeof *l);
    l->e = e;
    ov_timer_init(&l->timer, service, l);
    return ov_timers_reserve(&e->timers, 1);
}

void ov_locate_free(struct ov_locate *l)
{
    ov_timer_stop(&l->e->timers, &l->timer);
}

int ov_locate_want(struct ov_locate *l, ov_addr a)
{
    int slot = -1;
    for (int i = 0; i < OV_LOCATE_MAX; i++) {
        if (l->want[i].addr == a)
            return OV_OK;
        if (l->want[i].addr == 0)
            slot = i;
    }
    if (slot < 0) {
        ov_drop(l->e, OV_DROP_TABLE_FULL);
        return OV_EFULL;
    }
    l->want[slot].addr = a;
    l->want[slot].tries = 0;
    l->want[slot].next = l->e->now;
    ov_timer_start(&l->e->timers, &l->timer, l->e->now);
    return OV_OK;
}

void ov_locate_retry(struct ov_locate *l)
{
    for (int i = 0; i < OV_LOCATE_MAX; i++)
        if (l->want[i].addr) {
            l->want[i].next = l->e->now;
            ov_timer_start(&l->e->timers, &l->timer, l->e->now);
        }
}

static void ask(struct ov_engine *e, const struct ov_msg_whois *m)
{
    uint8_t buf[2 + OV_WHOIS_MAX * 5];
    struct ov_writer w;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_whois_encode(&w, m);
    for (struct ov_peer *r = e->keep; r; r = r->keep_next)
        if ((r->caps & OV_CAP_ROOT) && ov_peer_up(r))
            ov_peer_send(r, buf, w.len, 0);
}

static void service(void *arg, ov_time now)
{
    struct ov_locate *l = arg;
    struct ov_msg_whois m = {0};
    ov_time next = OV_NEVER;
    for (int i = 0; i < OV_LOCATE_MAX; i++) {
        if (l->want[i].addr == 0)
            continue;
        if (now >= l->want[i].next && m.n < OV_WHOIS_MAX) {
            if (l->want[i].tries++ >= TRIES_MAX) {
                l->want[i].addr = 0;
                continue;
            }
            m.addrs[m.n++] = l->want[i].addr;
            l->want[i].next = now + GAP * l->want[i].tries;
        }
        if (l->want[i].next < next)
            next = l->want[i].next;
    }
    if (m.n)
        ask(l->e, &m);
    ov_timer_start(&l->e->timers, &l->timer, next);
}

void ov_locate_whois(struct ov_engine *e, struct ov_peer *from, const struct ov_msg_whois *m)
{
    struct ov_msg_identity answer = {0};
    if (!(e->caps & OV_CAP_ROOT)) {
        ov_drop(e, OV_DROP_UNEXPECTED);
        return;
    }
    for (int i = 0; i < m->n; i++) {
        const struct ov_peer *p = ov_peer_find(e, m->addrs[i]);
        if (p && !p->claimed)
            answer.ids[answer.n++] = p->id;
        else if (m->addrs[i] == e->id.pub.addr)
            answer.ids[answer.n++] = e->id.pub;
    }
    if (answer.n == 0)
        return;
    uint8_t buf[2 + OV_WHOIS_MAX * OV_IDENTITY_LEN];
    struct ov_writer w;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_identity_encode(&w, &answer);
    ov_peer_send(from, buf, w.len, OV_SEND_QUIET);
}

void ov_locate_identity(struct ov_locate *l, struct ov_msg_identity *m)
{
    struct ov_engine *e = l->e;
    for (int i = 0; i < m->n; i++) {
        /* Only while we look for something: each check costs milliseconds. */
        bool wanted = false;
        for (int k = 0; k < OV_LOCATE_MAX; k++)
            wanted |= l->want[k].addr != 0;
        if (!wanted || !ov_bucket_take(&e->pow_checks, 1, e->now)) {
            ov_drop(e, wanted ? OV_DROP_LIMIT : OV_DROP_UNEXPECTED);
            continue;
        }
        if (ov_identity_check(&m->ids[i], &e->pow) != OV_OK) {
            ov_drop(e, OV_DROP_BAD_IDENTITY);
            continue;
        }
        for (int k = 0; k < OV_LOCATE_MAX; k++) {
            if (l->want[k].addr != m->ids[i].addr)
                continue;
            l->want[k].addr = 0;
            e->ops->located(e->ops_arg, &m->ids[i]);
        }
    }
}
