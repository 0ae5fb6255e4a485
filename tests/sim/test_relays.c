/* Which relay carries what no direct path does, and what its death costs. */
#include "sim.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Two homes whose NATs let no direct path through, a server, and what each test adds. */
struct lab {
    struct sim *s;
    ov_netid net;
    struct sim_node *root, *a, *b;
};

static bool ready(void *arg)
{
    return sim_all_ready(arg);
}

static struct sim_node *server(struct sim *s, ov_time delay, uint8_t caps)
{
    struct sim_site *site = sim_public(s);

    site->delay = delay;
    return sim_node(s, site, caps, 4793);
}

static struct sim_node *home(struct lab *l, uint16_t port)
{
    struct sim_site *site = sim_nat(l->s, SIM_APDM, SIM_APDF);

    site->delay = 5 * OV_MS;
    struct sim_node *n = sim_node(l->s, site, 0, port);
    sim_join(n, l->root, l->net);
    return n;
}

static struct lab begin(uint64_t seed, ov_time delay)
{
    struct lab l = {.s = sim_new(seed)};

    l.root = server(l.s, delay, OV_CAP_ROOT | OV_CAP_CONTROLLER);
    l.net = sim_controller(l.root, "10.147.0.0/16");
    l.a = home(&l, 30001);
    l.b = home(&l, 30002);
    return l;
}

/* A member at a public address that relays for the others. */
static struct sim_node *volunteer(struct lab *l, ov_time delay)
{
    l->s->volunteers = true;
    struct sim_node *n = server(l->s, delay, 0);
    l->s->volunteers = false;
    sim_join(n, l->root, l->net);
    return n;
}

static struct ov_peer_info info(const struct sim_node *from, const struct sim_node *to)
{
    struct ov_peer_info i;

    memset(&i, 0, sizeof(i));
    assert_int_equal(ov_node_peer(from->engine, to->addr, &i), OV_OK);
    return i;
}

static bool goes_by(const struct lab *l, const struct sim_node *relay)
{
    struct ov_peer_info x = info(l->a, l->b), y = info(l->b, l->a);

    return x.path == OV_PEER_RELAY && y.path == OV_PEER_RELAY && x.via == relay->addr &&
           y.via == relay->addr;
}

/* Ping each way every 100 ms; returns how long nothing that was sent got an answer. */
static ov_time gap(struct lab *l, ov_time span)
{
    size_t first = l->s->npings;
    ov_time start = l->s->now, longest = 0, last[2] = {start, start};

    while (l->s->now - start < span) {
        sim_ping(l->a, &l->b->ip);
        sim_ping(l->b, &l->a->ip);
        sim_run(l->s, NULL, NULL, 100 * OV_MS);
    }
    sim_run(l->s, NULL, NULL, 500 * OV_MS);
    for (size_t i = first; i < l->s->npings; i++) {
        const struct sim_ping *ping = &l->s->pings[i];
        ov_time *t = &last[ping->from == l->b];
        if (ping->rtt == 0 || ping->tries > 1)
            continue;
        if (ping->sent - *t > longest)
            longest = ping->sent - *t;
        *t = ping->sent;
    }
    for (int i = 0; i < 2; i++)
        if (start + span - last[i] > longest)
            longest = start + span - last[i];
    return longest;
}

static void start(struct lab *l)
{
    assert_true(sim_run(l->s, ready, l->s, 30 * OV_SEC));
    gap(l, 10 * OV_SEC);
}

/* The volunteers' own clocks must not matter: a death is as cheap at any moment. */
static void kills(uint64_t seed, bool member)
{
    for (uint64_t i = 0; i < 4; i++) {
        struct lab l = begin(seed + i, 30 * OV_MS);
        struct sim_node *near =
            member ? volunteer(&l, 2 * OV_MS) : server(l.s, 2 * OV_MS, OV_CAP_ROOT);
        if (!member) {
            sim_root(l.a, near, "near.example");
            sim_root(l.b, near, "near.example");
        }
        start(&l);
        assert_true(goes_by(&l, near));
        assert_int_equal(info(l.a, l.b).via_member, member);
        sim_run(l.s, NULL, NULL, i * 37 * OV_MS);
        sim_node_remove(near);
        ov_time t = gap(&l, 12 * OV_SEC);
        print_message("%s killed: a gap of %llu ms\n", member ? "member" : "root",
                      (unsigned long long)(t / OV_MS));
        assert_true(t < OV_SEC);
        assert_true(goes_by(&l, l.root));
        sim_free(l.s);
    }
}

static void test_nearest_root(void **state)
{
    (void)state;
    kills(100, false);
}

static void test_member_relays(void **state)
{
    (void)state;
    kills(200, true);
}

/* A root that only one of the two has is no use, however near. */
static void test_root_of_one(void **state)
{
    struct lab l = begin(301, 30 * OV_MS);
    struct sim_node *near = server(l.s, 1 * OV_MS, OV_CAP_ROOT);

    (void)state;
    sim_root(l.a, near, "near.example");
    start(&l);
    assert_true(goes_by(&l, l.root));
    sim_free(l.s);
}

/* The better one comes later: it is taken, and neither end goes back and forth. */
static void test_better_root_later(void **state)
{
    struct lab l = begin(311, 30 * OV_MS);

    (void)state;
    start(&l);
    assert_true(goes_by(&l, l.root));
    struct sim_node *near = server(l.s, 2 * OV_MS, OV_CAP_ROOT);
    sim_root(l.a, near, "near.example");
    sim_root(l.b, near, "near.example");
    gap(&l, 70 * OV_SEC);
    assert_true(goes_by(&l, near));
    ov_time since[2] = {info(l.a, l.b).since, info(l.b, l.a).since};
    assert_true(gap(&l, 30 * OV_SEC) < 200 * OV_MS);
    assert_true(goes_by(&l, near));
    assert_int_equal(info(l.a, l.b).since, since[0]);
    assert_int_equal(info(l.b, l.a).since, since[1]);
    sim_free(l.s);
}

/* The server dies: the member carries on, over new keys too. */
static void test_member_without_roots(void **state)
{
    struct lab l = begin(321, 30 * OV_MS);
    struct sim_node *v = volunteer(&l, 2 * OV_MS);

    (void)state;
    start(&l);
    assert_true(goes_by(&l, v));
    sim_node_remove(l.root);
    ov_time t = gap(&l, 300 * OV_SEC);
    print_message("server gone: a gap of %llu ms\n", (unsigned long long)(t / OV_MS));
    assert_true(t < OV_SEC);
    assert_true(goes_by(&l, v));
    sim_free(l.s);
}

/* Ten volunteers: both ends find the same few without telling each other. */
static void test_many_members(void **state)
{
    struct lab l = begin(331, 40 * OV_MS);
    struct sim_node *v[10];
    unsigned used = 0, connected = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        v[i] = volunteer(&l, (ov_time)(2 + i) * OV_MS);
    start(&l);
    for (int i = 0; i < 10; i++) {
        struct ov_peer_info x;
        used += goes_by(&l, v[i]);
        connected += ov_node_peer(l.a->engine, v[i]->addr, &x) == OV_OK && x.session;
    }
    assert_int_equal(used, 1);
    assert_int_equal(connected, 3);
    sim_free(l.s);
}

/* A member that did not say that it relays is never asked to. */
static void test_no_volunteer(void **state)
{
    struct lab l = begin(341, 30 * OV_MS);
    struct sim_node *n = server(l.s, 1 * OV_MS, 0);
    struct ov_node_stats st;

    (void)state;
    sim_join(n, l.root, l.net);
    start(&l);
    sim_ping(l.a, &n->ip);
    sim_ping(l.b, &n->ip);
    gap(&l, 20 * OV_SEC);
    assert_int_equal(sim_path(l.a, n), OV_PEER_DIRECT);
    assert_true(goes_by(&l, l.root));
    ov_node_stats(n->engine, &st);
    assert_int_equal(st.relayed_datagrams, 0);
    assert_int_equal(st.drops[OV_DROP_RELAY_REFUSED], 0);
    sim_free(l.s);
}

/* One-way traffic: silence of the other end is no reason to doubt a way that answers probes. */
static void test_loss(void **state)
{
    struct lab l = begin(351, 30 * OV_MS);
    struct sim_node *near = server(l.s, 2 * OV_MS, OV_CAP_ROOT);

    (void)state;
    sim_root(l.a, near, "near.example");
    sim_root(l.b, near, "near.example");
    start(&l);
    assert_true(goes_by(&l, near));
    l.s->loss_permille = 50;
    ov_time t = gap(&l, 60 * OV_SEC);
    print_message("5 %% loss: a gap of %llu ms\n", (unsigned long long)(t / OV_MS));
    assert_true(t < OV_SEC);
    sim_free(l.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_root),         cmocka_unit_test(test_member_relays),
        cmocka_unit_test(test_root_of_one),          cmocka_unit_test(test_better_root_later),
        cmocka_unit_test(test_member_without_roots), cmocka_unit_test(test_many_members),
        cmocka_unit_test(test_no_volunteer),         cmocka_unit_test(test_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
