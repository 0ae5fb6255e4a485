/* Who may use up what belongs to all: the disk, the processor, memory, and places in tables. */
#include "attack.h"

/* The last thing of this kind that the node wants stored; how many there were. */
static unsigned stored(struct host *h, enum ov_persist_kind kind, uint64_t *first)
{
    struct ov_output o;
    unsigned n = 0;
    while (ov_node_pull(h->n, &o)) {
        if (o.kind != OV_OUT_PERSIST || o.persist.kind != kind)
            continue;
        n++;
        if (first && o.persist.len >= 8)
            *first = ov_load64(o.persist.data);
    }
    return n;
}

/* Many restarts in a row, with a handshake in each: stamps only grow, and do not run away. */
static void test_quick_restarts(void **state)
{
    const uint64_t wall = NOW_WALL * 1000, minute = 60 * 1000000ull;
    uint64_t kept = 0, last = 0;
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct wire w = {0};
        struct host *h = wire_host(&w, 0);
        uint8_t buf[8];
        ov_store64(buf, kept);
        assert_int_equal(ov_node_restore(h->n, OV_PERSIST_STAMP, 0, buf, sizeof buf, w.now), OV_OK);
        uint64_t s = ov_engine_stamp(&h->n->e);
        assert_true(s > last && s > kept);
        assert_int_equal(stored(h, OV_PERSIST_STAMP, &kept), 1);
        assert_true(kept >= s);
        last = s;
        wire_free(&w);
    }
    assert_true(kept < wall + 10 * minute);
}

/* Handshakes for a day: the bound is written every few minutes, and always covers. */
static void test_stamps_are_written_rarely(void **state)
{
    struct wire w = {0};
    struct host *h = wire_host(&w, 0);
    uint64_t kept = 0;
    unsigned writes = 0;
    (void)state;
    for (int i = 0; i < 24 * 60; i++) {
        w.now += 60 * OV_SEC;
        ov_node_tick(h->n, w.now);
        uint64_t s = ov_engine_stamp(&h->n->e);
        writes += stored(h, OV_PERSIST_STAMP, &kept);
        assert_true(kept >= s);
    }
    assert_in_range(writes, 1, 24 * 60 / 5 + 1);
    wire_free(&w);
}

/* There was no room to say that something is to be stored: it is said again when there is. */
static void test_stored_in_the_end(void **state)
{
    struct wire w = {0};
    struct host *h = wire_host(&w, 0);
    (void)state;
    wire_identity(4242, &controller);
    struct ov_network *net = make_member(&w, h, 2, 0);
    ov_node_tick(h->n, w.now);
    wire_drain(&w, h);
    h->n->e.stamp_stored = 0; /* used up */
    size_t room = h->n->e.out.cap;
    h->n->e.out.cap = 0;
    uint64_t s = ov_engine_stamp(&h->n->e), kept = 0;
    ov_network_persist(net);
    assert_int_equal(ov_node_leave(h->n, the_net(), w.now), OV_EFULL);
    assert_ptr_equal(ov_network_find(&h->n->o, the_net()), net);
    assert_int_equal(stored(h, OV_PERSIST_STAMP, NULL), 0);
    h->n->e.out.cap = room;
    ov_node_tick(h->n, w.now);
    assert_int_equal(stored(h, OV_PERSIST_STAMP, &kept), 1);
    assert_true(kept >= s);
    ov_node_tick(h->n, w.now);
    assert_int_equal(stored(h, OV_PERSIST_STAMP, NULL), 0);
    w.now += OV_SEC;
    ov_node_tick(h->n, w.now);
    assert_int_equal(stored(h, OV_PERSIST_NETWORK, NULL), 1);
    w.now += OV_SEC;
    ov_node_tick(h->n, w.now);
    assert_int_equal(stored(h, OV_PERSIST_NETWORK, NULL), 0);
    assert_int_equal(ov_node_leave(h->n, the_net(), w.now), OV_OK);
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick_restarts),
        cmocka_unit_test(test_stamps_are_written_rarely),
        cmocka_unit_test(test_stored_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
