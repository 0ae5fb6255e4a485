/* A router that was found to take too few flows: for how long, and on whose word. */
#include "pairs.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FLOWS 64

static bool is_narrow(const struct sim_node *n)
{
    struct ov_nat_profile p;

    ov_node_nat(n->engine, &p);
    return p.narrow == OV_NAT_YES;
}

static unsigned attempts(const struct sim_node *n, const struct sim_node *other)
{
    struct ov_peer_info info;

    return ov_node_peer(n->engine, other->addr, &info) == OV_OK ? info.punch.attempts : 0;
}

/* A pair whose first router has been found narrow, and is not any more. */
static struct pair_world found_narrow(void)
{
    struct pair_world w;
    struct pair_result r;

    assert_true(pair_world(&w, 7 + FLOWS, PAIR_PORT, PAIR_RANDOM));
    w.n[0]->site->flow_cap = FLOWS;
    pair_talk(&w, 10 * OV_SEC, &r);
    assert_int_equal(r.direct, 0);
    assert_true(is_narrow(w.n[0]));
    w.n[0]->site->flow_cap = 0;
    return w;
}

/* It is believed for six hours: no attempt is made meanwhile, but afterwards. */
static void test_six_hours(void **state)
{
    struct pair_world w = found_narrow();
    struct pair_result r;

    (void)state;
    sim_run(w.s, NULL, NULL, 5 * 3600 * OV_SEC);
    assert_true(is_narrow(w.n[0]));
    pair_talk(&w, 30 * OV_SEC, &r);
    assert_int_equal(r.direct, 0);
    sim_run(w.s, NULL, NULL, 3600 * OV_SEC);
    assert_false(is_narrow(w.n[0]));
    pair_talk(&w, 60 * OV_SEC, &r);
    assert_true(r.direct > 0);
    pair_world_free(&w);
}

static void new_wan(struct sim *s, struct sim_site *site)
{
    ov_map_del(&s->by_ip, ov_key_ip(&site->wan));
    site->wan = (struct ov_ip){4, {21, 0, 0, 7}};
    assert_int_equal(ov_map_put(&s->by_ip, ov_key_ip(&site->wan), site), OV_OK);
    for (size_t i = 0; i < site->nbindings; i++)
        free(site->bindings[i].contacts);
    site->nbindings = 0;
}

/* Behind another outside address it says nothing, though our own addresses are the same. */
static void test_another_address(void **state)
{
    struct pair_world w = found_narrow();
    struct pair_result r;

    (void)state;
    new_wan(w.s, w.n[0]->site);
    pair_talk(&w, 120 * OV_SEC, &r);
    assert_false(is_narrow(w.n[0]));
    assert_true(r.direct > 0);
    pair_world_free(&w);
}

/* ---- on whose word? ---- */

struct liar {
    struct pair_world w;
    struct sim_node *victim, *other;
    const struct sim_node *root; /* NULL: both */
    bool dead;                   /* else it only answers no new flows */
};

/* Is it the flow of the ordinary socket? */
static bool is_old_flow(const struct sim_node *n, uint16_t port)
{
    for (size_t i = 0; i < n->site->nbindings; i++)
        if (n->site->bindings[i].port == port && n->site->bindings[i].inside.port == n->local.port)
            return true;
    return false;
}

/* Once an attempt runs, what a root says does not arrive. */
static bool swallow(void *arg, const struct sim_node *from, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len)
{
    const struct liar *l = arg;
    bool root = l->root ? from == l->root : from == l->w.root || from == l->w.second;

    (void)data;
    (void)len;
    return root && ov_ip_equal(&to->ip, &l->victim->site->wan) &&
           attempts(l->victim, l->other) > 0 && (l->dead || !is_old_flow(l->victim, to->port));
}

/* One of two roots that answers no canaries, or both of them gone: that is not the router. */
static void test_not_the_router(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        struct liar l = {.dead = i / 2 % 2};
        struct pair_result r;
        int side = (int)(i / 4);
        assert_true(pair_world(&l.w, 300 + i, PAIR_PORT, PAIR_RANDOM));
        l.victim = l.w.n[side];
        l.other = l.w.n[!side];
        l.root = l.dead && i % 2 ? NULL : i % 2 ? l.w.second : l.w.root;
        l.w.s->forbid_pair = true; /* so that it goes on until the end */
        l.w.s->swallow = swallow;
        l.w.s->arg = &l;
        pair_talk(&l.w, 20 * OV_SEC, &r);
        assert_true(r.attempts > 0);
        if (is_narrow(l.victim))
            fail_msg("case %u: the router is blamed", i);
        pair_world_free(&l.w);
    }
}

/* Roots that both say so are believed. */
static void test_both_roots(void **state)
{
    struct liar l = {0};
    struct pair_result r;

    (void)state;
    assert_true(pair_world(&l.w, 310, PAIR_PORT, PAIR_RANDOM));
    l.victim = l.w.n[1];
    l.other = l.w.n[0];
    l.w.s->swallow = swallow;
    l.w.s->forbid_pair = true;
    l.w.s->arg = &l;
    pair_talk(&l.w, 20 * OV_SEC, &r);
    assert_int_equal(r.attempts, 1);
    assert_true(is_narrow(l.victim));
    pair_world_free(&l.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_six_hours),
        cmocka_unit_test(test_another_address),
        cmocka_unit_test(test_not_the_router),
        cmocka_unit_test(test_both_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
