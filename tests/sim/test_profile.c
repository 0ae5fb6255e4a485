/* Behind NATs of every kind, a node finds out what kind it is. */
#include "sim.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROOT_PORT    4793
#define LIFE_SOCKETS 4

struct world {
    struct sim *s;
    struct sim_node *roots[2], *n;
    ov_netid net;
};

static struct world world(uint64_t seed, unsigned nroots)
{
    struct world w = {.s = sim_new(seed)};

    for (unsigned i = 0; i < nroots; i++)
        w.roots[i] = sim_node(w.s, sim_public(w.s),
                              i == 0 ? OV_CAP_ROOT | OV_CAP_CONTROLLER : OV_CAP_ROOT, ROOT_PORT);
    w.net = sim_controller(w.roots[0], "10.147.0.0/16");
    return w;
}

static bool measured(void *arg)
{
    const struct world *w = arg;
    struct ov_nat_profile p;

    ov_node_nat(w->n->engine, &p);
    return p.measured != 0;
}

static struct ov_nat_profile profile(struct world *w, struct sim_site *site)
{
    struct ov_nat_profile p;

    w->n = sim_node(w->s, site, 0, (uint16_t)(10000 + sim_random(&w->s->random) % 50000));
    sim_join(w->n, w->roots[0], w->net);
    if (w->roots[1] != NULL)
        sim_root(w->n, w->roots[1], "second.example");
    assert_true(sim_run(w->s, measured, w, 5 * OV_SEC));
    ov_node_nat(w->n->engine, &p);
    assert_true(ov_ip_equal(&p.seen.ip, &site->wan));
    assert_int_equal(p.udp, OV_NAT_YES);
    assert_in_range(w->n->nsockets, 0, LIFE_SOCKETS); /* given back; lifetimes are looked at now */
    return p;
}

/* What can be told with one root: not address-dependent mapping from independent. */
static void test_kinds(void **state)
{
    (void)state;
    for (unsigned nroots = 1; nroots <= 2; nroots++) {
        for (unsigned kind = 0; kind < 9; kind++) {
            struct world w = world(100 + kind, nroots);
            enum sim_mapping m = (enum sim_mapping)(kind / 3);
            enum sim_filtering f = (enum sim_filtering)(kind % 3);
            struct ov_nat_profile p = profile(&w, sim_nat(w.s, m, f));
            uint8_t mapping = (uint8_t)(OV_NAT_EIM + m);
            if (nroots == 1 && m == SIM_ADM)
                mapping = OV_NAT_EIM;
            assert_int_equal(p.view.mapping, mapping);
            assert_int_equal(p.view.filtering, f == SIM_APDF ? OV_NAT_APDF : OV_NAT_ADF);
            assert_int_equal(p.view.allocation, m == SIM_EIM ? OV_NAT_PRESERVING : OV_NAT_RANDOM);
            assert_int_equal(p.nat, OV_NAT_YES);
            assert_int_equal(p.hairpin, OV_NAT_NO);
            sim_free(w.s);
        }
    }
}

static void test_allocations(void **state)
{
    static const struct {
        enum sim_allocation a;
        int step;
        uint8_t want;
    } kinds[] = {{SIM_SEQUENTIAL, 1, OV_NAT_SEQUENTIAL},
                 {SIM_SEQUENTIAL, 2, OV_NAT_SEQUENTIAL},
                 {SIM_SEQUENTIAL, 16, OV_NAT_SEQUENTIAL},
                 {SIM_SEQUENTIAL, -1, OV_NAT_SEQUENTIAL},
                 {SIM_BLOCK, 0, OV_NAT_BLOCK},
                 {SIM_RANDOM, 0, OV_NAT_RANDOM}};

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct world w = world(seed, 1 + (unsigned)seed % 2);
            struct sim_site *site = sim_nat_hard(w.s, kinds[k].a, kinds[k].step);
            struct ov_nat_profile p = profile(&w, site);
            assert_int_equal(p.view.mapping, OV_NAT_APDM);
            assert_int_equal(p.view.filtering, OV_NAT_APDF);
            assert_int_equal(p.view.allocation, kinds[k].want);
            assert_int_equal(p.view.step, kinds[k].step);
            if (kinds[k].a == SIM_BLOCK)
                assert_in_range(p.view.base, site->first_port, site->first_port + 2047);
            sim_free(w.s);
        }
    }
}

static void test_no_nat(void **state)
{
    struct world w = world(3, 1);
    struct ov_nat_profile p = profile(&w, sim_public(w.s));

    (void)state;
    assert_int_equal(p.nat, OV_NAT_NO);
    assert_int_equal(p.view.mapping, OV_NAT_EIM);
    assert_int_equal(p.view.filtering, OV_NAT_EIF);
    sim_free(w.s);
}

static void test_hairpin(void **state)
{
    (void)state;
    for (int f = SIM_EIF; f <= SIM_APDF; f++) {
        struct world w = world(4, 1);
        struct sim_site *site = sim_nat(w.s, SIM_EIM, (enum sim_filtering)f);
        site->hairpin = true;
        struct ov_nat_profile p = profile(&w, site);
        assert_int_equal(p.hairpin, OV_NAT_YES);
        sim_free(w.s);
    }
}

static void test_udp_blocked(void **state)
{
    struct world w = world(5, 1);
    struct sim_site *site = sim_nat(w.s, SIM_EIM, SIM_APDF);
    struct ov_nat_profile p;

    (void)state;
    site->udp_blocked = true;
    w.n = sim_node(w.s, site, 0, 5555);
    sim_join(w.n, w.roots[0], w.net);
    ov_node_nat(w.n->engine, &p);
    assert_int_equal(p.udp, 0);
    sim_run(w.s, NULL, NULL, 2500 * OV_MS);
    ov_node_nat(w.n->engine, &p);
    assert_int_equal(p.udp, OV_NAT_NO);
    assert_int_equal(p.measured, 0);
    site->udp_blocked = false;
    assert_true(sim_run(w.s, measured, &w, 30 * OV_SEC));
    ov_node_nat(w.n->engine, &p);
    assert_int_equal(p.udp, OV_NAT_YES);
    sim_free(w.s);
}

static bool is_symmetric(void *arg)
{
    const struct world *w = arg;
    struct ov_nat_profile p;

    ov_node_nat(w->n->engine, &p);
    return p.view.mapping == OV_NAT_APDM;
}

/* In another network everything is measured anew. */
static void test_another_network(void **state)
{
    struct world w = world(6, 1);
    struct ov_nat_profile p = profile(&w, sim_nat(w.s, SIM_EIM, SIM_APDF));

    (void)state;
    assert_int_equal(p.view.mapping, OV_NAT_EIM);
    w.n->site->mapping = SIM_APDM;
    w.n->site->allocation = SIM_RANDOM;
    ov_node_network_changed(w.n->engine, w.s->now);
    ov_node_nat(w.n->engine, &p);
    assert_int_equal(p.measured, 0);
    assert_int_equal(p.view.mapping, 0);
    ov_node_tick(w.n->engine, w.s->now);
    assert_true(sim_run(w.s, is_symmetric, &w, 5 * OV_SEC));
    sim_free(w.s);
}

/* ---- how long mappings live ---- */

static bool lifetime_known(void *arg)
{
    const struct world *w = arg;
    struct ov_nat_profile p;

    ov_node_nat(w->n->engine, &p);
    return p.lives_s || p.dies_s;
}

static bool lives_long(void *arg)
{
    const struct world *w = arg;
    struct ov_nat_profile p;

    ov_node_nat(w->n->engine, &p);
    return p.lives_s == 23 && p.dies_s == 0;
}

static void test_lifetimes(void **state)
{
    static const struct {
        ov_time timeout;
        uint16_t lives, dies;
        ov_time patience;
    } kinds[] = {{10 * OV_SEC, 0, 12, 8 * OV_SEC},
                 {15 * OV_SEC, 12, 23, 10 * OV_SEC},
                 {30 * OV_SEC, 23, 0, OV_NEVER},
                 {300 * OV_SEC, 23, 0, OV_NEVER}};

    (void)state;
    for (int m = SIM_EIM; m <= SIM_APDM; m++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct world w = world(7, 1);
            struct sim_site *site = sim_nat(w.s, (enum sim_mapping)m, SIM_APDF);
            site->timeout = kinds[k].timeout;
            profile(&w, site);
            assert_true(sim_run(w.s, lifetime_known, &w, 30 * OV_SEC));
            struct ov_nat_profile p;
            ov_node_nat(w.n->engine, &p);
            assert_int_equal(p.lives_s, kinds[k].lives);
            assert_int_equal(p.dies_s, kinds[k].dies);
            assert_int_equal(ov_nat_patience(&p), kinds[k].patience);
            sim_run(w.s, NULL, NULL, OV_SEC);
            assert_int_equal(w.n->nsockets, 0);
            sim_free(w.s);
        }
    }
}

/* A router that forgets soon is not taken for one for ever: it may have been a bad quarter of an
 * hour, or somebody has changed it. */
static void test_lifetime_upward(void **state)
{
    struct world w = world(8, 1);
    struct sim_site *site = sim_nat(w.s, SIM_EIM, SIM_APDF);

    (void)state;
    site->timeout = 10 * OV_SEC;
    profile(&w, site);
    assert_true(sim_run(w.s, lifetime_known, &w, 30 * OV_SEC));
    assert_false(lives_long(&w));
    site->timeout = 120 * OV_SEC;
    assert_true(sim_run(w.s, lives_long, &w, 660 * OV_SEC));
    sim_free(w.s);
}

/* A root that goes away with its promises says nothing of the NAT. */
static void test_lifetime_root_gone(void **state)
{
    struct world w = world(9, 1);

    (void)state;
    profile(&w, sim_nat(w.s, SIM_EIM, SIM_APDF));
    sim_run(w.s, NULL, NULL, 2 * OV_SEC);
    sim_node_remove(w.roots[0]);
    sim_run(w.s, NULL, NULL, 60 * OV_SEC);
    assert_false(lifetime_known(&w));
    assert_in_range(w.n->nsockets, 0, LIFE_SOCKETS);
    sim_free(w.s);
}

/* Every fifth datagram is lost: seldom is a good NAT taken for a bad one. */
static void test_lifetime_loss(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world w = world(200 + seed, 1);
        struct ov_nat_profile p;
        profile(&w, sim_nat(w.s, SIM_EIM, SIM_APDF));
        w.s->loss_permille = 200;
        sim_run(w.s, NULL, NULL, 120 * OV_SEC);
        ov_node_nat(w.n->engine, &p);
        wrong += p.dies_s != 0;
        sim_free(w.s);
    }
    assert_in_range(wrong, 0, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_no_nat),
        cmocka_unit_test(test_hairpin),
        cmocka_unit_test(test_udp_blocked),
        cmocka_unit_test(test_another_network),
        cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_lifetime_upward),
        cmocka_unit_test(test_lifetime_root_gone),
        cmocka_unit_test(test_lifetime_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
