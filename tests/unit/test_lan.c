/* The LAN: members meet by beacons alone, and what strangers and liars can make us do is little. */
#include "core/lan.h"

#include "wire_up.h"

#include <stdio.h>

static const struct ov_secret32 key = {{1, 2, 3}}, other_key = {{4, 5, 6}};

/* A network of `members` with a LAN key, its directory silent from now on; nobody knows anybody. */
static bool no_root(void *arg, struct wu_packet *p)
{
    const struct wu *w = arg;

    return p->src != w->node[0] && !ov_endpoint_equal(&p->to, &w->node[0]->ep);
}

static bool nothing(void *arg, struct wu_packet *p)
{
    (void)arg;
    (void)p;
    return false;
}

static struct wu *lan(uint64_t seed, size_t members)
{
    struct wu *w = wu_lan(seed, members);

    w->hook = no_root;
    w->hook_arg = w;
    for (size_t i = 1; i <= members; i++) {
        struct wu_node *n = w->node[i];
        struct ov_network *net = wu_net_of(n);
        net->config->flags |= OV_NET_LAN_KEY;
        net->config->lan_key = key;
        ov_member_clear(net);
        for (size_t k = 1; k <= members; k++)
            if (k != i && wu_peer(n, w->node[k]))
                ov_peer_forget(wu_peer(n, w->node[k]));
        ov_node_set_lan(n->n, true, w->now);
        wu_drain(n);
    }
    return w;
}

static size_t beacon(struct wu_node *n, uint8_t out[OV_BEACON_MAX])
{
    return ov_node_beacon(n->n, &n->ep.ip, n->ep.port, out, n->w->now);
}

static void hear_bytes(struct wu_node *to, const struct ov_endpoint *from, const uint8_t *d,
                       size_t len)
{
    ov_node_beacon_heard(to->n, from, d, len, to->w->now);
    wu_drain(to);
}

static void hear(struct wu_node *to, struct wu_node *from)
{
    uint8_t d[OV_BEACON_MAX];
    size_t len = beacon(from, d);

    assert_true(len > 0);
    hear_bytes(to, &from->ep, d, len);
}

static unsigned initiations(const struct wu *w, const struct wu_node *n)
{
    unsigned count = 0;

    for (size_t i = 0; i < w->nlog; i++)
        count += w->log[i]->src == n && w->log[i]->data[0] == OV_WIRE_INITIATION &&
                 !ov_endpoint_equal(&w->log[i]->to, &w->node[0]->ep);
    return count;
}

/* One beacon, and both know each other's certificate and are directly connected. */
static void test_meet(void **state)
{
    struct wu *w = lan(1, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];

    (void)state;
    assert_true(a->events[OV_EVENT_LAN] > 0);
    hear(b, a);
    wu_run(w, 200 * OV_MS);
    assert_non_null(wu_member(a, b));
    assert_non_null(wu_member(b, a));
    assert_true(wu_peer(a, b)->paths->active >= 0 && wu_peer(b, a)->paths->active >= 0);
    assert_int_equal(b->e->stats.lan_known, 1);
    /* Again it leads to nothing more. */
    wu_log_clear(w);
    wu_run(w, 10 * OV_SEC);
    hear(b, a);
    wu_run(w, OV_SEC);
    assert_int_equal(initiations(w, b), 0);
    assert_int_equal(b->e->stats.lan_tries, 1);
    wu_free(w);
}

/* Off, without a key, with another one, and what comes back to ourselves: nothing. */
static void test_nothing(void **state)
{
    struct wu *w = lan(2, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    uint8_t d[OV_BEACON_MAX];

    (void)state;
    hear(a, a);
    assert_int_equal(a->e->stats.lan_tries, 0);
    wu_net_of(b)->config->lan_key = other_key;
    hear(b, a);
    assert_int_equal(b->e->stats.lan_known, 0);
    wu_net_of(b)->config->flags &= (uint16_t)~OV_NET_LAN_KEY;
    hear(b, a);
    assert_int_equal(b->e->stats.lan_known, 0);
    assert_int_equal(beacon(b, d), 0);
    wu_net_of(b)->config->flags |= OV_NET_LAN_KEY;
    wu_net_of(b)->config->lan_key = key;
    ov_node_set_lan(b->n, false, w->now);
    assert_int_equal(beacon(b, d), 0);
    hear(b, a);
    assert_int_equal(b->e->stats.lan_known, 0);
    assert_null(wu_peer(b, a));
    wu_free(w);
}

/* A member that left the LAN, whose beacon somebody repeats all the time: 1000 a second. */
static void test_replay(void **state)
{
    struct wu *w = lan(3, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    uint8_t d[OV_BEACON_MAX];
    size_t len = beacon(a, d);
    struct ov_endpoint elsewhere = a->ep;

    (void)state;
    w->hook = nothing;
    elsewhere.ip.b[3] = 77;
    for (int i = 0; i < 100; i++)
        hear_bytes(b, &elsewhere, d, len);
    assert_int_equal(b->e->stats.lan_known, 0);
    wu_log_clear(w);
    for (int ms = 0; ms < 20000; ms++) {
        hear_bytes(b, &a->ep, d, len);
        wu_run(w, OV_MS);
    }
    printf("%u tries, %u initiations in 20 s\n", (unsigned)b->e->stats.lan_tries,
           initiations(w, b));
    assert_in_range(b->e->stats.lan_tries, 1, 5);
    assert_in_range(initiations(w, b), 1, 25);
    wu_free(w);
}

/* Random bytes of the right shape, and of any. */
static void test_flood(void **state)
{
    struct wu *w = lan(4, 2);
    struct wu_node *b = w->node[2];
    uint8_t d[OV_BEACON_MAX];
    uint64_t limit = wu_drops(b, LIMIT);

    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct ov_endpoint from = wu_endpoint(100 + (unsigned)i % 100, 5000);
        wu_random(w, d, sizeof d);
        memcpy(d, "\x08\0\0\0", 4);
        hear_bytes(b, &from, d, OV_BEACON_LEN(i % 2 ? 2 : 8));
        hear_bytes(b, &from, d, (size_t)i % OV_BEACON_MAX);
    }
    assert_int_equal(b->e->stats.lan_known, 0);
    assert_int_equal(b->e->stats.lan_tries, 0);
    assert_true(wu_drops(b, LIMIT) - limit >= 4500);
    wu_free(w);
}

/* Somebody with the key makes members up: they have no proof of work, and few are even checked. */
static void test_made_up(void **state)
{
    struct wu *w = lan(5, 1);
    struct wu_node *a = w->node[1];
    size_t peers = a->e->peers.len;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct ov_beacon b = {.id = wu_fake(w, 0), .port = 1000};
        struct ov_beacon_entry v = {&key, {0}};
        struct ov_endpoint from = wu_endpoint(i % 200, 5000);
        uint8_t d[OV_BEACON_MAX];
        size_t len = ov_beacon_encode(&b, &v, 1, &from.ip, &a->e->random, d);
        hear_bytes(a, &from, d, len);
    }
    assert_true(a->e->stats.lan_tries <= OV_LAN_TRY_BURST);
    assert_true(a->e->peers.len - peers <= OV_LAN_POW_BURST);
    assert_true(wu_drops(a, BAD_IDENTITY) <= OV_LAN_POW_BURST);
    wu_free(w);
}

/* An ARP request that no directory answers is a question to the LAN; who is meant comes, and it is
 * answered. */
static void test_seek(void **state)
{
    struct wu *w = lan(6, 3);
    struct wu_node *a = w->node[1], *b = w->node[2], *c = w->node[3];
    struct ov_mac ma = wu_mac(a);
    struct ov_ip ia = wu_ip(a), ib = wu_ip(b), gone = {4, {10, 1, 0, 200}};
    uint8_t f[OV_FRAME_MAX];

    (void)state;
    hear(b, a); /* they meet, and forget that they did */
    hear(c, a);
    wu_run(w, OV_SEC);
    ov_peer_forget(wu_peer(b, a));
    ov_peer_forget(wu_peer(c, a));
    ov_peer_forget(wu_peer(a, b));
    ov_peer_forget(wu_peer(a, c));
    ov_member_clear(wu_net_of(a));
    w->node[0]->ep.port ^= 1; /* no directory is there any more */
    wu_run(w, 10 * OV_SEC);
    unsigned asked = a->events[OV_EVENT_LAN], frames = a->frames;
    wu_frame(a, f, wu_arp(f, 1, &wu_broadcast, &ma, &ia, &ib));
    wu_run(w, 110 * OV_MS); /* at the latest when no directory answered in time */
    assert_int_equal(a->events[OV_EVENT_LAN], asked + 1);
    hear(c, a);
    assert_int_equal(c->e->stats.lan_tries, 1); /* knows a, and is not meant */
    hear(b, a);
    assert_int_equal(b->e->stats.lan_tries, 2);
    wu_run(w, 200 * OV_MS);
    assert_int_equal(a->frames, frames + 1); /* the ARP reply */
    /* Nobody has this one, and the host does not give up. */
    asked = a->events[OV_EVENT_LAN];
    for (int i = 0; i < 600; i++) {
        wu_frame(a, f, wu_arp(f, 1, &wu_broadcast, &ma, &ia, &gone));
        wu_run(w, OV_SEC);
    }
    assert_in_range(a->events[OV_EVENT_LAN] - asked, 3, 12);
    wu_free(w);
}

/* What a day costs, by the number of beacons in it. */
static void test_day(void **state)
{
    struct wu *w = lan(7, 1);
    struct wu_node *a = w->node[1];
    unsigned before = a->events[OV_EVENT_LAN];

    (void)state;
    wu_run(w, 3600 * OV_SEC);
    unsigned hour = a->events[OV_EVENT_LAN] - before;
    assert_in_range(hour, 4, 9);
    assert_true(hour * 24 * (OV_BEACON_LEN(2) + 62) * 2 < 500000); /* IPv4 and IPv6, with headers */
    wu_free(w);
}

/* A member that restarted meets one that still has its old session. */
static void test_reboot(void **state)
{
    struct wu *w = lan(8, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];

    (void)state;
    hear(b, a);
    wu_run(w, 10 * OV_SEC);
    assert_int_equal(b->e->stats.lan_tries, 1);
    a->e->boot ^= 1; /* all that another start shows */
    wu_log_clear(w);
    hear(b, a);
    assert_int_equal(b->e->stats.lan_tries, 2);
    wu_run(w, OV_SEC);
    assert_true(initiations(w, b) >= 1);
    hear(b, a);
    assert_int_equal(b->e->stats.lan_tries, 2);
    wu_free(w);
}

/* Tables have their ends. */
static void test_full(void **state)
{
    struct wu *w = lan(9, 2);
    struct wu_node *a = w->node[1];
    struct ov_lan *l = &a->n->lan;
    size_t seeks = a->events[OV_EVENT_LAN];

    (void)state;
    for (unsigned i = 0; i < 4 * OV_LAN_SOUGHT; i++) {
        struct ov_lookup_key k = {.kind = OV_LOOKUP_IP, .ip = {4, {10, 1, 9, (uint8_t)i}}};
        ov_lan_seek(l, wu_net_of(a), &k);
    }
    wu_drain(a);
    assert_in_range(a->events[OV_EVENT_LAN] - seeks, 1, 8);
    for (unsigned i = 0; i < OV_LAN_MET_MAX; i++)
        l->met[i].addr = i + 1, l->met[i].net = 5, l->met[i].at = w->now + i;
    w->now += OV_SEC;
    hear(a, w->node[2]);
    assert_int_equal(l->met[0].addr, w->node[2]->addr); /* the oldest gave way */
    assert_int_equal(l->met[1].addr, 2);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meet),  cmocka_unit_test(test_nothing), cmocka_unit_test(test_replay),
        cmocka_unit_test(test_flood), cmocka_unit_test(test_made_up), cmocka_unit_test(test_seek),
        cmocka_unit_test(test_day),   cmocka_unit_test(test_reboot),  cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
