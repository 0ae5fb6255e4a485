/* A root's late answers: see reflect.h. */
#include "reflect_state.h"

#include <stdlib.h>

#define LATER_MAX  4096
#define LATER_PEER 8

struct later {
    struct later *next;
    struct ov_timer timer;
    struct ov_reflect *r;
    ov_addr addr;
    struct ov_via via;
    uint64_t txid;
};

/* What `*at` points at leaves the list and ends. */
static void release(struct ov_reflect *r, struct later **at)
{
    struct later *l = *at;
    *at = l->next;
    r->nlater--;
    ov_timer_stop(&r->e->timers, &l->timer);
    free(l);
}

static void answer(void *arg, ov_time now)
{
    struct later *l = arg, **at = &l->r->later;
    struct ov_peer *p = ov_peer_find(l->r->e, l->addr);
    (void)now;
    if (p) {
        if (p->late > 0) /* (it may have been forgotten meanwhile, and be new) */
            p->late--;
        ov_reflect_answer(p, &l->via, l->txid, OV_REFLECT_LATE);
    }
    while (*at != l)
        at = &(*at)->next;
    release(l->r, at);
}

bool ov_reflect_promise(struct ov_peer *p, const struct ov_via *via,
                        const struct ov_msg_reflect *ask)
{
    struct ov_reflect *r = p->e->reflect;
    struct later *l = NULL;
    if (r->nlater >= LATER_MAX || p->late >= LATER_PEER ||
        ov_timers_reserve(&p->e->timers, 1) != OV_OK || !(l = calloc(1, sizeof *l)))
        return false;
    *l = (struct later){
        .next = r->later, .r = r, .addr = p->id.addr, .via = *via, .txid = ask->txid};
    ov_timer_init(&l->timer, answer, l);
    ov_timer_start(&p->e->timers, &l->timer, p->e->now + ask->wait * OV_SEC);
    r->later = l;
    r->nlater++;
    p->late++;
    return true;
}

void ov_reflect_later_free(struct ov_reflect *r)
{
    while (r->later)
        release(r, &r->later);
}
