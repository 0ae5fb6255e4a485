/* The matrix of NATs with a few seeds each (the whole of it: make check-nat-sim), and what hard
 * punching may cost. */
#include "pairs.h"

#include "core/budget.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SEEDS 3
#define QUIET                                                                                      \
    300 /* datagrams that are no hard punching: keepalives, handshakes, pings, of relays, plain    \
           ones */

static void check_costs(const struct pair_result *r, const char *a, const char *b)
{
    for (int k = 0; k < 2; k++) {
        if (r->peak[k] > OV_BUDGET_PPS + OV_BUDGET_BURST)
            fail_msg("%s x %s: %llu datagrams in a second", a, b, (unsigned long long)r->peak[k]);
        if (r->out[k] > r->attempts * OV_BUDGET_PACKETS + QUIET)
            fail_msg("%s x %s: %llu datagrams", a, b, (unsigned long long)r->out[k]);
        if (r->sockets[k] > OV_EXTRA_MAX)
            fail_msg("%s x %s: %zu sockets", a, b, r->sockets[k]);
    }
}

/* Of three runs each, all behave; a hard pair may miss one. */
static void test_all_pairs(void **state)
{
    (void)state;
    for (unsigned a = 0; a < PAIR_KINDS; a++) {
        for (unsigned b = a; b < PAIR_KINDS; b++) {
            struct pair_goal goal = pair_goal((enum pair_kind)a, (enum pair_kind)b);
            unsigned in_time = 0;
            for (unsigned i = 0; i < SEEDS; i++) {
                struct pair_result r = {0};
                if (!pair_run(77000 + a * 1000 + b * 10 + i, (enum pair_kind)a, (enum pair_kind)b,
                              &r))
                    fail_msg("%s x %s: no members", pair_names[a], pair_names[b]);
                if (!r.first || r.first > OV_SEC || r.gaps)
                    fail_msg("%s x %s: pings went without answers", pair_names[a], pair_names[b]);
                check_costs(&r, pair_names[a], pair_names[b]);
                in_time += r.direct && r.direct <= goal.within;
                if (!goal.direct && (r.direct || r.attempts || r.why != OV_WHY_BOTH_HARD))
                    fail_msg("%s x %s: direct %llu, attempts %u, why %u", pair_names[a],
                             pair_names[b], (unsigned long long)r.direct, r.attempts, r.why);
            }
            if (goal.direct && in_time + (goal.percent < 100) < SEEDS)
                fail_msg("%s x %s: direct in time %u times", pair_names[a], pair_names[b], in_time);
        }
    }
}

/* The sockets that did not win are closed; the one that did lives on, and carries traffic. */
static void test_sockets_given_back(void **state)
{
    struct pair_world w;
    struct pair_result r;

    (void)state;
    assert_true(pair_world(&w, 5, PAIR_PORT, PAIR_RANDOM));
    pair_talk(&w, 8 * OV_SEC, &r);
    assert_true(r.direct > 0 && r.sockets[1] >= 256);
    sim_run(w.s, NULL, NULL, 30 * OV_SEC); /* (lifetimes are measured with four more) */
    for (int k = 0; k < 2; k++)
        assert_in_range(w.n[k]->nsockets, 0, 3);
    assert_in_range(w.n[0]->nsockets + w.n[1]->nsockets, 1, 6);
    pair_talk(&w, 120 * OV_SEC, &r);
    assert_int_equal(r.gaps, 0);
    assert_int_equal(sim_path(w.n[0], w.n[1]), OV_PEER_DIRECT);
    /* When the path is gone for good, so is its socket. */
    sim_run(w.s, NULL, NULL, 2000 * OV_SEC);
    for (int k = 0; k < 2; k++)
        assert_int_equal(w.n[k]->nsockets, 0);
    pair_world_free(&w);
}

/* Nothing gets through, for an hour: three attempts, no more. */
static void test_three_attempts(void **state)
{
    struct pair_world w;
    struct pair_result r;

    (void)state;
    assert_true(pair_world(&w, 6, PAIR_PORT, PAIR_RANDOM));
    w.s->forbid_pair = true;
    uint64_t out = w.n[0]->site->out;
    pair_talk(&w, 1800 * OV_SEC, &r);
    assert_int_equal(r.direct, 0);
    assert_int_equal(r.gaps, 0);
    assert_int_equal(r.attempts, OV_BUDGET_ATTEMPTS);
    assert_in_range(r.hard_out, 1, OV_BUDGET_ATTEMPTS * OV_BUDGET_PACKETS);
    assert_int_equal(r.why, OV_WHY_LIMIT);
    assert_true(w.n[0]->site->out - out < OV_BUDGET_ATTEMPTS * OV_BUDGET_PACKETS + 1800 * 12);
    pair_world_free(&w);
}

/* A router with room for 64 flows, or 100 datagrams a second: the attempt notices and stops, and
 * whoever uses the relay notices nothing. */
static void narrow(enum pair_kind a, enum pair_kind b, int side, size_t flows, unsigned pps)
{
    struct pair_world w;
    struct pair_result r;
    struct ov_nat_profile p;

    assert_true(pair_world(&w, 7 + flows + pps, a, b));
    w.n[side]->site->flow_cap = flows;
    w.n[side]->site->pps_cap = pps;
    pair_talk(&w, 60 * OV_SEC, &r);
    assert_in_range(r.gaps, 0, 3); /* of 300 */
    assert_true(r.first > 0 && r.first < OV_SEC);
    assert_true(r.direct || r.attempts == 1);
    if (!r.direct) {
        ov_node_nat(w.n[side]->engine, &p);
        assert_int_equal(p.narrow, OV_NAT_YES);
        assert_in_range(r.hard_out, 1, 400);
        assert_true(r.refused < 150);
        /* The host sleeps until the router has forgotten all that; it need not find out again. */
        sim_run(w.s, NULL, NULL, 300 * OV_SEC);
        uint64_t refused = w.n[side]->site->refused;
        sim_node_wake(w.n[side]);
        pair_talk(&w, 60 * OV_SEC, &r);
        ov_node_nat(w.n[side]->engine, &p);
        assert_int_equal(p.narrow, OV_NAT_YES);
        assert_in_range(r.gaps, 0, 3);
        assert_in_range(w.n[side]->site->refused - refused, 0, 8); /* an attempt: 30 and more */
    }
    pair_world_free(&w);
}

static void test_narrow_routers(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        narrow(PAIR_PORT, PAIR_RANDOM, side, 64, 0);
        narrow(PAIR_PORT, PAIR_RANDOM, side, 0, 100);
        narrow(PAIR_PORT, PAIR_BLOCK, side, 40, 0);
        narrow(PAIR_PORT, PAIR_PORT, side, 64, 0);
        narrow(PAIR_PORT, PAIR_PORT, side, 0, 100);
    }
}

/* Mappings that live for ten seconds: a minute of silence does no harm, whoever speaks first, and
 * neither do three, after which the direct path is not kept any more. */
static void silence(enum pair_kind b, ov_time span, int first)
{
    struct pair_world w;
    struct pair_result r;
    assert_true(pair_world(&w, 8, PAIR_PORT, b));
    w.n[0]->site->timeout = w.n[1]->site->timeout = 10 * OV_SEC;
    pair_talk(&w, 10 * OV_SEC, &r);
    sim_run(w.s, NULL, NULL, span);
    ov_time before = w.s->now;
    size_t from = w.s->npings;
    bool answered = false;
    while (!answered && w.s->now < before + 10 * OV_SEC) {
        sim_ping(w.n[first], &w.n[!first]->ip);
        sim_run(w.s, NULL, NULL, 100 * OV_MS);
        for (size_t i = from; i < w.s->npings; i++)
            answered |= w.s->pings[i].rtt != 0;
    }
    if (w.s->now - before > OV_SEC)
        fail_msg("port x %s, %llu s of silence, side %d: %llu ms", pair_names[b],
                 (unsigned long long)(span / OV_SEC), first,
                 (unsigned long long)((w.s->now - before) / OV_MS));
    pair_world_free(&w);
}

static void test_short_timeout(void **state)
{
    (void)state;
    for (unsigned b = PAIR_PORT; b < PAIR_KINDS; b += 5)
        for (int first = 0; first < 2; first++)
            for (ov_time span = 20 * OV_SEC; span <= 180 * OV_SEC; span += 20 * OV_SEC)
                silence((enum pair_kind)b, span, first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pairs),      cmocka_unit_test(test_sockets_given_back),
        cmocka_unit_test(test_three_attempts), cmocka_unit_test(test_narrow_routers),
        cmocka_unit_test(test_short_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
