/* Two nodes must not keep each other busy, and keys must change without losing anything. */
#include "attack.h"

static void send_frame(struct wire *w, struct host *from, struct host *to)
{
    uint8_t msg[200] = {OV_MSG_FRAME, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    ov_node_tick(from->n, w->now); /* it has to know the time */
    ov_peer_send(wire_peer(from, to), msg, sizeof msg, OV_SEND_FRAME);
    ov_node_tick(from->n, w->now);
    wire_drain(w, from);
}

static uint64_t got(const struct host *h)
{
    return h->n->e.stats.drops[OV_DROP_NOT_JOINED];
}

/* Two roots that use each other, and call each other at the same instant. */
static void test_two_roots(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, OV_CAP_ROOT), *b = wire_host(&w, OV_CAP_ROOT);
    (void)state;
    wire_root(&w, a, b);
    wire_root(&w, b, a);
    wire_run(&w, 60 * OV_SEC);
    uint64_t sent = a->sent + b->sent;
    for (int i = 0; i < 3600; i++) {
        wire_run(&w, OV_SEC);
        assert_true(ov_peer_online(wire_peer(a, b)) && ov_peer_online(wire_peer(b, a)));
    }
    sent = a->sent + b->sent - sent;
    print_message("two idle roots, an hour: %llu datagrams, %llu + %llu handshakes\n",
                  (unsigned long long)sent, (unsigned long long)a->n->e.stats.handshakes,
                  (unsigned long long)b->n->e.stats.handshakes);
    assert_true(sent < 1200);
    assert_true(a->ticks < 5000);
    wire_free(&w);
}

/* Frames in one direction only, over many key changes: each one arrives, once. */
static void one_way(bool initiator_sends, bool both)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    uint64_t there = 0, back = 0;
    wire_root(&w, a, b);
    wire_run(&w, 5 * OV_SEC);
    ov_node_remove_root(a->n, "root", w.now); /* nothing but the frames keeps it up */
    for (int i = 0; i < 12000; i++) {
        if (initiator_sends || both) {
            send_frame(&w, a, b);
            there++;
        }
        if (!initiator_sends || both) {
            send_frame(&w, b, a);
            back++;
        }
        wire_run(&w, 50 * OV_MS);
    }
    wire_run(&w, OV_SEC);
    assert_int_equal(got(b), there);
    assert_int_equal(got(a), back);
    assert_in_range(a->n->e.stats.handshakes, 4, 14);
    wire_free(&w);
}

static void test_initiator_sends(void **state)
{
    (void)state;
    one_way(true, false);
}

static void test_responder_sends(void **state)
{
    (void)state;
    one_way(false, false);
}

static void test_both_send(void **state)
{
    (void)state;
    one_way(true, true);
}

/* Frames now and then, with pauses around every age of a key: at most the path has to be found. */
static void test_pauses(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    uint64_t there = 0, back = 0;
    (void)state;
    wire_root(&w, a, b);
    wire_run(&w, 5 * OV_SEC);
    ov_node_remove_root(a->n, "root", w.now);
    for (ov_time pause = 60 * OV_SEC; pause < 560 * OV_SEC; pause += 7 * OV_SEC) {
        wire_run(&w, pause);
        send_frame(&w, there <= back ? a : b, there <= back ? b : a);
        *(there <= back ? &there : &back) += 1;
        wire_run(&w, 10 * OV_SEC);
    }
    print_message("%llu of %llu there, %llu of %llu back\n", (unsigned long long)got(b),
                  (unsigned long long)there, (unsigned long long)got(a), (unsigned long long)back);
    assert_int_equal(got(b), there);
    assert_int_equal(got(a), back);
    wire_free(&w);
}

/* A peer killed without a word, and back at once: how long until it hears us again? */
static void test_killed_and_back(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, OV_CAP_ROOT);
    (void)state;
    wire_root(&w, a, b);
    wire_run(&w, 100 * OV_SEC);
    struct wire fresh = {.now = w.now, .nh = 1};
    struct host *again = wire_host(&fresh, OV_CAP_ROOT);
    ov_node_free(b->n);
    b->n = again->n;
    b->n->e.random.arg = &b->random;
    b->random = 99;
    b->n->e.boot ^= 0x5555;
    ov_time start = w.now;
    while (!ov_peer_by_key(&b->n->e, &ov_node_identity(a->n)->dh) && w.now - start < 60 * OV_SEC)
        wire_run(&w, 100 * OV_MS);
    print_message("an idle node finds its restarted root after %llu ms\n",
                  (unsigned long long)((w.now - start) / OV_MS));
    assert_true(w.now - start < 27 * OV_SEC);
    wire_run(&w, OV_SEC);
    assert_true(ov_peer_online(wire_peer(a, b)));
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_roots),       cmocka_unit_test(test_initiator_sends),
        cmocka_unit_test(test_responder_sends), cmocka_unit_test(test_both_send),
        cmocka_unit_test(test_pauses),          cmocka_unit_test(test_killed_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
