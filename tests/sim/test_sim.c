#include "sim.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define ROOT_PORT 4793

/* A root that is a controller too, on a public host. */
static struct sim_node *server(struct sim *s, ov_netid *net)
{
    struct sim_node *root = sim_node(s, sim_public(s), OV_CAP_ROOT | OV_CAP_CONTROLLER, ROOT_PORT);

    *net = sim_controller(root, "10.147.0.0/16");
    return root;
}

static uint16_t any_port(struct sim *s)
{
    return (uint16_t)(10000 + sim_random(&s->random) % 50000);
}

static struct sim_node *member(struct sim *s, struct sim_site *site, struct sim_node *root,
                               ov_netid net)
{
    struct sim_node *n = sim_node(s, site, 0, any_port(s));

    sim_join(n, root, net);
    return n;
}

static bool ready(void *arg)
{
    return sim_all_ready(arg);
}

static bool answered(void *arg)
{
    return sim_all_answered(arg);
}

struct pair {
    struct sim_node *a, *b;
};

static bool both_direct(void *arg)
{
    const struct pair *p = arg;

    return sim_path(p->a, p->b) == OV_PEER_DIRECT && sim_path(p->b, p->a) == OV_PEER_DIRECT;
}

/* ---- what punching can do ---- */

enum verdict { NEVER, PERHAPS, ALWAYS };

/* Can the two make a direct path, with one root to tell them of their NATs?
 *
 * With endpoint-independent mapping on both sides each sends to the right place. If only one side
 * has it, that side must let packets in from the other's unforeseen port, or hit it by trying
 * many (address-dependent mapping looks like independent to a single root). If neither has it, one
 * must let in anything and the other at least any port of a known host; whether the engine then
 * settles on one of the shifting mappings is its own affair. */
static enum verdict punching(enum sim_mapping ma, enum sim_filtering fa, enum sim_mapping mb,
                             enum sim_filtering fb)
{
    if (ma == SIM_EIM && mb == SIM_EIM)
        return ALWAYS;
    if (ma == SIM_EIM)
        return fa == SIM_APDF && mb == SIM_ADM ? NEVER : ALWAYS;
    if (mb == SIM_EIM)
        return fb == SIM_APDF && ma == SIM_ADM ? NEVER : ALWAYS;
    if ((ma == SIM_ADM && fb != SIM_APDF) || (mb == SIM_ADM && fa != SIM_APDF))
        return PERHAPS;
    if ((fa == SIM_EIF && fb != SIM_APDF) || (fb == SIM_EIF && fa != SIM_APDF))
        return PERHAPS;
    return NEVER;
}

static void nat_pair(uint64_t seed, unsigned ta, unsigned tb)
{
    enum sim_mapping ma = (enum sim_mapping)(ta / 3), mb = (enum sim_mapping)(tb / 3);
    enum sim_filtering fa = (enum sim_filtering)(ta % 3), fb = (enum sim_filtering)(tb % 3);
    struct sim *s = sim_new(seed);
    ov_netid net;
    struct sim_node *root = server(s, &net);
    struct pair p = {member(s, sim_nat(s, ma, fa), root, net),
                     member(s, sim_nat(s, mb, fb), root, net)};

    if (!sim_run(s, ready, s, 30 * OV_SEC))
        fail_msg("NAT types %u, %u: not admitted", ta, tb);
    sim_ping(p.a, &p.b->ip);
    sim_ping(p.b, &p.a->ip);
    if (!sim_run(s, answered, s, 10 * OV_SEC))
        fail_msg("NAT types %u, %u: no answer", ta, tb);
    enum verdict want = punching(ma, fa, mb, fb);
    for (int i = 0; i < 6 && !both_direct(&p); i++) {
        sim_ping(p.a, &p.b->ip); /* traffic is what asks for a direct path */
        sim_run(s, both_direct, &p, 5 * OV_SEC);
    }
    if (want != PERHAPS && both_direct(&p) != (want == ALWAYS))
        fail_msg("NAT types %u, %u: path %d and %d", ta, tb, (int)sim_path(p.a, p.b),
                 (int)sim_path(p.b, p.a));
    sim_ping(p.a, &p.b->ip);
    sim_ping(p.b, &p.a->ip);
    if (!sim_run(s, answered, s, 5 * OV_SEC))
        fail_msg("NAT types %u, %u: no answer at last", ta, tb);
    sim_free(s);
}

/* Every mapping with every filtering against every other. */
static void test_nat_pairs(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 9; a++) {
        for (unsigned b = 0; b < 9; b++)
            nat_pair(1000 + a * 9 + b, a, b);
    }
}

/* Two behind one NAT that does not hairpin meet on their LAN. */
static void test_same_lan(void **state)
{
    struct sim *s = sim_new(7);
    ov_netid net;
    struct sim_node *root = server(s, &net);
    struct sim_site *home = sim_nat(s, SIM_APDM, SIM_APDF);
    struct pair p = {member(s, home, root, net), member(s, home, root, net)};

    (void)state;
    assert_true(sim_run(s, ready, s, 30 * OV_SEC));
    sim_ping(p.a, &p.b->ip);
    assert_true(sim_run(s, answered, s, 10 * OV_SEC));
    assert_true(sim_run(s, both_direct, &p, 10 * OV_SEC));
    size_t ping = sim_ping(p.b, &p.a->ip);
    assert_true(sim_run(s, answered, s, 10 * OV_SEC));
    assert_true(s->pings[ping].rtt < 5 * OV_MS);
    sim_free(s);
}

/* A mapping times out while nobody talks; talking again works all the same. */
static void test_mapping_timeout(void **state)
{
    struct sim *s = sim_new(8);
    ov_netid net;
    struct sim_node *root = server(s, &net);
    struct pair p = {member(s, sim_nat(s, SIM_EIM, SIM_APDF), root, net),
                     member(s, sim_nat(s, SIM_EIM, SIM_APDF), root, net)};

    (void)state;
    p.a->site->timeout = p.b->site->timeout = 30 * OV_SEC;
    assert_true(sim_run(s, ready, s, 30 * OV_SEC));
    for (int round = 0; round < 3; round++) {
        sim_ping(p.a, &p.b->ip);
        assert_true(sim_run(s, answered, s, 15 * OV_SEC));
        sim_run(s, NULL, NULL, 600 * OV_SEC);
    }
    sim_free(s);
}

/* A bad line: lost, doubled and reordered datagrams delay things, but stop nothing. */
static void test_bad_line(void **state)
{
    struct sim *s = sim_new(9);
    ov_netid net;

    (void)state;
    s->loss_permille = 150;
    s->duplicate_permille = 50;
    s->jitter = 80 * OV_MS;
    struct sim_node *root = server(s, &net);
    struct pair p = {member(s, sim_nat(s, SIM_EIM, SIM_APDF), root, net),
                     member(s, sim_nat(s, SIM_EIM, SIM_APDF), root, net)};
    assert_true(sim_run(s, ready, s, 60 * OV_SEC));
    sim_ping(p.a, &p.b->ip);
    assert_true(sim_run(s, answered, s, 30 * OV_SEC));
    for (int i = 0; i < 30; i++) {
        sim_ping(p.a, &p.b->ip);
        sim_run(s, answered, s, 10 * OV_SEC);
    }
    assert_true(sim_all_answered(s));
    assert_true(s->lost > 0);
    sim_free(s);
}

/* ---- many ---- */

/* `count` members behind NATs of all kinds join one network, and each pings `pings` others. */
static struct sim *crowd(uint64_t seed, size_t count, size_t pings)
{
    struct sim *s = sim_new(seed);
    ov_netid net;
    struct sim_node *root = server(s, &net);

    for (size_t i = 0; i < count; i++) {
        uint64_t r = sim_random(&s->random);
        struct sim_site *site =
            sim_nat(s, (enum sim_mapping)(r % 3), (enum sim_filtering)(r / 3 % 3));
        member(s, site, root, net);
        sim_run(s, NULL, NULL, 20 * OV_MS);
    }
    assert_true(sim_run(s, ready, s, 120 * OV_SEC));
    for (size_t i = 1; i <= count; i++) {
        for (size_t j = 0; j < pings; j++) {
            size_t other = 1 + (i - 1 + 1 + sim_random(&s->random) % (count - 1)) % count;
            sim_ping(s->nodes[i], &s->nodes[other]->ip);
        }
        sim_run(s, NULL, NULL, 10 * OV_MS);
    }
    assert_true(sim_run(s, answered, s, 120 * OV_SEC));
    return s;
}

static void test_crowd(void **state)
{
    clock_t start = clock();
    struct sim *s = crowd(500, 500, 3);
    double cpu = (double)(clock() - start) / CLOCKS_PER_SEC;

    (void)state;
    for (size_t i = 1; i < s->nnodes; i++) {
        for (size_t j = i + 1; j < s->nnodes; j++)
            assert_false(ov_ip_equal(&s->nodes[i]->ip, &s->nodes[j]->ip));
    }
    print_message("500 nodes: %llu events, %llu datagrams, %.1f s of CPU\n",
                  (unsigned long long)s->events, (unsigned long long)s->sent, cpu);
#ifndef __SANITIZE_ADDRESS__
    assert_true(cpu < 60);
#endif
    sim_free(s);
}

static void test_same_seed_same_run(void **state)
{
    static const uint64_t seeds[3] = {21, 21, 22};
    uint64_t hash[3], events[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct sim *s = crowd(seeds[i], 20, 2);
        hash[i] = s->hash;
        events[i] = s->events;
        sim_free(s);
    }
    assert_true(hash[0] == hash[1]);
    assert_true(events[0] == events[1]);
    assert_true(hash[0] != hash[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nat_pairs),       cmocka_unit_test(test_same_lan),
        cmocka_unit_test(test_mapping_timeout), cmocka_unit_test(test_bad_line),
        cmocka_unit_test(test_crowd),           cmocka_unit_test(test_same_seed_same_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
