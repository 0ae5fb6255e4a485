#include "core/relay.h"

#include "wire_up.h"

/* A root with two that can reach it, and not each other. */
struct trio {
    struct wu *w;
    struct wu_node *root, *a, *b;
};

static struct trio trio(uint64_t seed, uint64_t rate)
{
    struct trio t = {.w = wu_new(seed)};

    t.root = wu_node_with(t.w, &(struct ov_node_config){.caps = OV_CAP_ROOT, .relay_rate = rate});
    t.a = wu_node(t.w, 0);
    t.b = wu_node(t.w, 0);
    wu_root(t.a, t.root);
    wu_root(t.b, t.root);
    wu_run(t.w, OV_SEC);
    return t;
}

/* Have `from` hand `relay` an inner datagram of `len` bytes for `dest`. */
static bool hand_over(struct wu_node *from, struct wu_node *relay, ov_addr dest, uint8_t type,
                      size_t len)
{
    struct ov_via via = {.relay = wu_peer(from, relay)};

    ov_node_tick(from->n, from->w->now);
    uint8_t *out = ov_relay_reserve(from->e, &via, 0, dest, len);
    if (!out)
        return false;
    memset(out, 0, len);
    out[0] = type;
    wu_drain(from);
    wu_run(from->w, from->w->delay);
    return true;
}

static void test_relayed(void **state)
{
    struct trio t = trio(1, 0);

    (void)state;
    wu_know(t.a, t.b);
    ov_peer_connect(wu_peer(t.a, t.b));
    wu_run(t.w, OV_SEC);
    assert_true(ov_peer_up(wu_peer(t.a, t.b)) && ov_peer_up(wu_peer(t.b, t.a)));
    wu_log_clear(t.w);
    wu_message(t.a, t.b, (uint8_t[]){0xee}, 1);
    wu_run(t.w, 2 * t.w->delay);
    assert_int_equal(wu_drops(t.b, MALFORMED_MESSAGE), 1);
    const struct wu_packet *in = wu_sent(t.w, t.a, OV_WIRE_RELAY);
    const struct wu_packet *out = wu_sent(t.w, t.root, OV_WIRE_RELAY);
    struct ov_relay ri, ro;
    assert_int_equal(in->len, out->len);
    assert_memory_equal(in->data + OV_RELAY_HEADER, out->data + OV_RELAY_HEADER,
                        in->len - OV_RELAY_HEADER);
    assert_int_equal(ov_relay_decode(in->data, in->len, &ri), OV_OK);
    assert_int_equal(ov_relay_decode(out->data, out->len, &ro), OV_OK);
    assert_true(!ri.relayed && ro.relayed && ri.addr == t.b->addr && ro.addr == t.a->addr);
    assert_true(ov_endpoint_equal(&out->to, &t.b->ep));
    assert_true(t.root->e->stats.relayed_datagrams > 0);
    assert_true(t.root->e->stats.relayed_bytes >= in->len);
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 0);
    wu_free(t.w);
}

static void test_unknown_destination(void **state)
{
    struct trio t = trio(2, 0);

    (void)state;
    assert_true(hand_over(t.a, t.root, 0x1234567890, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 1);
    assert_true(hand_over(t.a, t.root, t.a->addr, OV_WIRE_DATA, 100)); /* back to itself */
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 2);
    assert_true(hand_over(t.a, t.root, t.root->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 3);
    assert_int_equal(t.root->e->stats.relayed_datagrams, 0);
    wu_free(t.w);
}

/* Only roots relay, and only for our own roots do we open what they relay. */
static void test_refused(void **state)
{
    struct trio t = trio(3, 0);

    (void)state;
    wu_connect(t.a, t.b);
    assert_true(hand_over(t.a, t.b, t.root->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.b, RELAY_REFUSED), 1);
    uint8_t buf[OV_RELAY_HEADER + 100] = {0};
    ov_keypair_relay_header(wu_peer(t.a, t.b)->s.current, t.root->addr, true, buf);
    wu_inject(t.b, &t.a->ep, buf, sizeof buf);
    assert_int_equal(wu_drops(t.b, UNEXPECTED), 1);
    wu_free(t.w);
}

/* No relay in a relay, and nothing shorter than a datagram. */
static void test_inner(void **state)
{
    struct trio t = trio(4, 0);

    (void)state;
    uint64_t before = wu_drops(t.b, MALFORMED);
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_RELAY, 100));
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_WHO, OV_WHO_LEN));
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_IAM, OV_IAM_LEN));
    wu_run(t.w, t.w->delay);
    assert_int_equal(wu_drops(t.b, MALFORMED), before + 3);
    for (size_t len = 0; len < OV_DATAGRAM_MIN; len++) {
        uint64_t lost = wu_drops(t.b, MALFORMED) + wu_drops(t.root, MALFORMED);
        hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len ? len : 1);
        wu_run(t.w, t.w->delay);
        assert_int_equal(wu_drops(t.b, MALFORMED) + wu_drops(t.root, MALFORMED), lost + 1);
    }
    wu_free(t.w);
}

static void test_replayed(void **state)
{
    struct trio t = trio(5, 0);

    (void)state;
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, 100));
    wu_run(t.w, OV_SEC);
    const struct wu_packet *p = wu_sent(t.w, t.a, OV_WIRE_RELAY);
    uint64_t relayed = t.root->e->stats.relayed_datagrams;
    wu_inject(t.root, &p->from, p->data, p->len);
    assert_int_equal(wu_drops(t.root, REPLAY), 1);
    assert_int_equal(t.root->e->stats.relayed_datagrams, relayed);
    wu_free(t.w);
}

/* Each source has its own rate, a quarter of a second's worth at once. */
static void test_rate(void **state)
{
    struct trio t = trio(6, 100000);
    size_t len = 1000 - OV_RELAY_HEADER;

    (void)state;
    t.w->delay = 1; /* so that next to no time passes */
    for (int i = 0; i < 40; i++)
        assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len));
    assert_int_equal(t.root->e->stats.relayed_datagrams, 25);
    assert_int_equal(wu_drops(t.root, RELAY_LIMIT), 15);
    assert_true(hand_over(t.b, t.root, t.a->addr, OV_WIRE_DATA, len));
    assert_int_equal(t.root->e->stats.relayed_datagrams, 26);
    wu_run(t.w, OV_SEC / 10);
    for (int i = 0; i < 40; i++)
        assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len));
    assert_in_range(t.root->e->stats.relayed_datagrams, 26 + 9, 26 + 10);
    wu_free(t.w);
}

/* Without a session, or a way, nothing is handed over, and that is counted. */
static void test_no_way(void **state)
{
    struct trio t = trio(7, 0);
    struct wu_node *c = wu_node(t.w, OV_CAP_ROOT);

    (void)state;
    wu_know(t.a, c);
    assert_false(hand_over(t.a, c, t.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.a, NO_PATH), 1);
    wu_free(t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relayed),  cmocka_unit_test(test_unknown_destination),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_inner),
        cmocka_unit_test(test_replayed), cmocka_unit_test(test_rate),
        cmocka_unit_test(test_no_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
