/* What changes under a running pair: how long until they hear each other again, and directly? */
#include "sim.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct pair {
    struct sim *s;
    struct sim_node *root, *a, *b;
};

static bool ready(void *arg)
{
    return sim_all_ready(arg);
}

static bool direct(void *arg)
{
    const struct pair *p = arg;

    return sim_path(p->a, p->b) == OV_PEER_DIRECT && sim_path(p->b, p->a) == OV_PEER_DIRECT;
}

/* A pair in one network, talking for a while: directly if their NATs allow. */
static struct pair talking(uint64_t seed, enum sim_mapping m, enum sim_filtering f)
{
    struct pair p = {.s = sim_new(seed)};

    p.root = sim_node(p.s, sim_public(p.s), OV_CAP_ROOT | OV_CAP_CONTROLLER, 4793);
    ov_netid net = sim_controller(p.root, "10.147.0.0/16");
    p.a = sim_node(p.s, sim_nat(p.s, m, f), 0, 30001);
    p.b = sim_node(p.s, sim_nat(p.s, m, f), 0, 30002);
    sim_join(p.a, p.root, net);
    sim_join(p.b, p.root, net);
    assert_true(sim_run(p.s, ready, p.s, 30 * OV_SEC));
    for (int i = 0; i < 50; i++) {
        sim_ping(p.a, &p.b->ip);
        sim_run(p.s, NULL, NULL, 200 * OV_MS);
    }
    return p;
}

/* Ping each way every 100 ms; returns how long nothing that was sent got an answer. */
static ov_time gap(struct pair *p, ov_time span)
{
    size_t first = p->s->npings;
    ov_time start = p->s->now, longest = 0, last[2] = {start, start};

    while (p->s->now - start < span) {
        sim_ping(p->a, &p->b->ip);
        sim_ping(p->b, &p->a->ip);
        sim_run(p->s, NULL, NULL, 100 * OV_MS);
    }
    sim_run(p->s, NULL, NULL, 500 * OV_MS);
    for (size_t i = first; i < p->s->npings; i++) {
        const struct sim_ping *ping = &p->s->pings[i];
        ov_time *l = &last[ping->from == p->b];
        if (ping->rtt == 0 || ping->tries > 1)
            continue;
        if (ping->sent - *l > longest)
            longest = ping->sent - *l;
        *l = ping->sent;
    }
    for (int i = 0; i < 2; i++)
        if (start + span - last[i] > longest)
            longest = start + span - last[i];
    return longest;
}

static void tell(const char *what, ov_time t)
{
    print_message("%s: a gap of %llu ms\n", what, (unsigned long long)(t / OV_MS));
}

/* The router loses power for a moment: its next mappings are others. */
static void flush(struct sim_site *site)
{
    for (size_t i = 0; i < site->nbindings; i++)
        free(site->bindings[i].contacts);
    site->nbindings = 0;
}

static void new_wan(struct sim *s, struct sim_site *site, uint8_t last)
{
    ov_map_del(&s->by_ip, ov_key_ip(&site->wan));
    site->wan = (struct ov_ip){4, {21, 0, 0, last}};
    flush(site);
    assert_int_equal(ov_map_put(&s->by_ip, ov_key_ip(&site->wan), site), OV_OK);
}

/* Direct by a path that both chose since. */
static bool again(const struct pair *p, ov_time since)
{
    const struct sim_node *n[] = {p->a, p->b};
    struct ov_peer_info info;

    for (int i = 0; i < 2; i++)
        if (ov_node_peer(n[i]->engine, n[1 - i]->addr, &info) != OV_OK ||
            info.path != OV_PEER_DIRECT || info.since < since)
            return false;
    return true;
}

static void test_new_wan_address(void **state)
{
    struct pair p = talking(31, SIM_EIM, SIM_APDF);

    (void)state;
    assert_true(direct(&p));
    ov_time then = p.s->now;
    new_wan(p.s, p.a->site, 7);
    ov_time t = gap(&p, 3 * OV_SEC);
    tell("new WAN address, direct", t);
    assert_true(t < OV_SEC);
    assert_true(again(&p, then));
    sim_free(p.s);
}

static void test_flushed(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 60; seed++) {
        struct pair p = talking(seed, SIM_EIM, SIM_APDF);
        assert_true(direct(&p));
        ov_time then = p.s->now;
        struct sim_site *site = seed % 2 ? p.a->site : p.b->site;
        site->allocation = SIM_RANDOM; /* or it would be as before */
        flush(site);
        ov_time t = gap(&p, 3 * OV_SEC);
        tell("mappings forgotten", t);
        assert_true(t < OV_SEC);
        assert_true(again(&p, then));
        sim_free(p.s);
    }
}

static void test_new_wan_address_relayed(void **state)
{
    struct pair p = talking(32, SIM_APDM, SIM_APDF);

    (void)state;
    assert_false(direct(&p));
    new_wan(p.s, p.a->site, 7);
    ov_time t = gap(&p, 12 * OV_SEC);
    tell("new WAN address, relayed", t);
    assert_true(t <= OV_SEC);
    sim_free(p.s);
}

static void test_told_of_it(void **state)
{
    struct pair p = talking(33, SIM_EIM, SIM_APDF);

    (void)state;
    assert_true(direct(&p));
    new_wan(p.s, p.a->site, 7);
    p.a->local.ip.b[3] = 77;
    ov_node_set_locals(p.a->engine, &(struct ov_local){0, p.a->local}, 1, p.s->now);
    ov_time t = gap(&p, 12 * OV_SEC);
    tell("moved to another LAN", t);
    assert_true(t <= 2 * OV_SEC);
    assert_true(direct(&p));
    sim_free(p.s);
}

/* After half an hour of silence the first ping is answered soon, though mappings are gone. */
static void test_after_long_silence(void **state)
{
    struct pair p = talking(34, SIM_EIM, SIM_APDF);

    (void)state;
    for (ov_time idle = 70 * OV_SEC; idle < 2000 * OV_SEC; idle *= 2) {
        sim_run(p.s, NULL, NULL, idle);
        ov_time t = gap(&p, 8 * OV_SEC);
        tell("after a silence", t);
        assert_true(t <= OV_SEC);
        assert_true(direct(&p));
    }
    sim_free(p.s);
}

/* A host sleeps, for a moment, over a lunch, over a night: what it sends first is answered soon,
 * and directly. Its mappings are gone by then, the other end has given it up, its keys are too old.
 */
static void test_slept(void **state)
{
    static const ov_time SPANS[] = {6 * OV_SEC, 30 * OV_SEC, 45 * 60 * OV_SEC, 9 * 3600 * OV_SEC};
    struct pair p = talking(37, SIM_EIM, SIM_APDF);

    (void)state;
    for (size_t i = 0; i < sizeof(SPANS) / sizeof(SPANS[0]); i++) {
        assert_true(direct(&p));
        sim_node_sleep(p.a, SPANS[i]);
        for (ov_time t = 0; t < SPANS[i];
             t += OV_SEC) { /* the other end keeps trying, for a while */
            if (t < 60 * OV_SEC)
                sim_ping(p.b, &p.a->ip);
            sim_run(p.s, NULL, NULL, OV_SEC);
        }
        ov_time then = p.s->now;
        sim_node_wake(p.a);
        ov_time t = gap(&p, 5 * OV_SEC);
        tell("after a sleep", t);
        assert_true(t < 2 * OV_SEC);
        assert_true(SPANS[i] < 60 * OV_SEC || again(&p, then));
        assert_true(direct(&p));
    }
    sim_free(p.s);
}

/* A firewall in front of B that no root sees (as those of IPv6): it lets in from A what comes
 * within ten seconds after something went out to A. */
struct wall {
    struct pair *p;
    ov_time opened;
    unsigned shut; /* datagrams */
};

static bool in_the_way(void *arg, const struct sim_node *from, const struct ov_endpoint *to,
                       const uint8_t *data, size_t len)
{
    struct wall *w = arg;
    struct pair *p = w->p;

    (void)data;
    (void)len;
    if (from == p->b && ov_ip_equal(&to->ip, &p->a->site->wan))
        w->opened = p->s->now;
    if (from != p->a || !ov_ip_equal(&to->ip, &p->b->site->wan) ||
        p->s->now - w->opened < 10 * OV_SEC)
        return false;
    w->shut++;
    return true;
}

/* A path that dies of silence is kept alive by shorter ones. */
static void test_learned_gap(void **state)
{
    struct pair p = talking(36, SIM_EIM, SIM_APDF);
    struct wall w = {.p = &p, .opened = p.s->now};
    unsigned early, late;

    (void)state;
    assert_true(direct(&p));
    p.s->swallow = in_the_way;
    p.s->arg = &w;
    for (int i = 0; i < 5; i++) { /* one frame every 40 s: kept alive, but for that silent */
        sim_ping(p.a, &p.b->ip);
        sim_run(p.s, NULL, NULL, 40 * OV_SEC);
    }
    early = w.shut;
    w.shut = 0;
    for (int i = 0; i < 8; i++) {
        sim_ping(p.a, &p.b->ip);
        sim_run(p.s, NULL, NULL, 40 * OV_SEC);
        assert_true(direct(&p));
    }
    late = w.shut;
    print_message("the wall was shut to %u datagrams, later to %u\n", early, late);
    assert_true(early > 0); /* it was in the way */
    assert_int_equal(late, 0);
    sim_free(p.s);
}

/* The whole overlay, idle for a day: who says how much? */
static void test_idle_day(void **state)
{
    struct pair p = talking(35, SIM_EIM, SIM_APDF);
    struct ov_node_stats before, after;

    (void)state;
    sim_run(p.s, NULL, NULL, 600 * OV_SEC);
    ov_node_stats(p.a->engine, &before);
    sim_run(p.s, NULL, NULL, 86400 * OV_SEC);
    ov_node_stats(p.a->engine, &after);
    uint64_t bytes =
        after.tx_bytes + after.rx_bytes - before.tx_bytes - before.rx_bytes +
        28 * (after.tx_datagrams + after.rx_datagrams - before.tx_datagrams - before.rx_datagrams);
    print_message("an idle member's day: %llu bytes\n", (unsigned long long)bytes);
    assert_true(bytes < 2000000);
    sim_free(p.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_wan_address),
        cmocka_unit_test(test_flushed),
        cmocka_unit_test(test_new_wan_address_relayed),
        cmocka_unit_test(test_told_of_it),
        cmocka_unit_test(test_after_long_silence),
        cmocka_unit_test(test_slept),
        cmocka_unit_test(test_idle_day),
        cmocka_unit_test(test_learned_gap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
