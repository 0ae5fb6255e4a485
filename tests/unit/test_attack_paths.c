/* Paths and sessions when hosts move, sleep, or have several addresses. */
#include "attack.h"

static bool any_nowhere(const struct ov_peer *p)
{
    for (int i = 0; p->paths && i < OV_PATHS_MAX; i++)
        if (p->paths->p[i].state != OV_PATH_FREE && p->paths->p[i].remote.ip.family == 0)
            return true;
    return false;
}

/* The answer to a response may come from elsewhere than the response went to: a root with two
 * addresses sees that at each rekeying. */
static void test_confirmed_from_elsewhere(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    struct ov_endpoint near[2] = {wire_ep(2, 1, 4000), wire_ep(2, 2, 4000)};
    root->ep[1] = near[0];
    wire_root(&w, a, root);
    root->ep[1] = (struct ov_endpoint){0}; /* reachable only from the second minute on */
    for (int i = 0; i < 6000; i++) {
        wire_run(&w, 100 * OV_MS);
        if (i == 600) {
            root->ep[1] = near[0];
            a->ep[1] = near[1];
        }
        if (i % 7 == 0) /* keep the chosen path in use */
            ov_peer_probe(wire_peer(a, root), wire_peer(a, root)->paths->active, 0, 0);
        wire_drain(&w, a);
        assert_false(any_nowhere(wire_peer(root, a)));
        assert_int_equal(root->strays, 0);
    }
    assert_true(wire_peer(root, a)->paths->active >= 0);
    wire_free(&w);
}

/* What a root sends to a node that has moved goes to its new address soon. */
static void moved(bool told)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    wire_root(&w, a, root);
    wire_run(&w, 30 * OV_SEC);
    struct ov_peer *p = wire_peer(root, a);
    assert_true(p && p->paths->active >= 0);
    a->ep[0] = wire_ep(1, 99, 5000);
    if (told) {
        ov_node_network_changed(a->n, w.now);
        wire_drain(&w, a);
        wire_run(&w, OV_SEC);
    } else { /* its NAT did it: the next keepalive shows it */
        wire_run(&w, 25 * OV_SEC);
    }
    assert_true(p->paths->active >= 0);
    assert_true(ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &a->ep[0]));
    wire_free(&w);
}

static void test_network_changed(void **state)
{
    (void)state;
    moved(true);
}

static void test_nat_rebinding(void **state)
{
    (void)state;
    moved(false);
}

/* Relayed traffic alone shows a root that its sender's NAT gave it another port. */
static void test_rebinding_while_relayed(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_root(&w, b, root);
    wire_run(&w, 5 * OV_SEC);
    assert_int_equal(ov_node_ping(a->n, b->addr, 1, w.now), OV_OK);
    wire_drain(&w, a);
    wire_run(&w, 2 * OV_SEC);
    assert_true(ov_peer_up(wire_peer(a, b)));
    struct ov_peer *p = wire_peer(root, a);
    wire_run(&w, 3 * OV_SEC);
    a->ep[0] = wire_ep(1, 99, 5000);
    assert_int_equal(ov_node_ping(a->n, b->addr, 2, w.now), OV_OK);
    wire_drain(&w, a);
    wire_run(&w, 500 * OV_MS);
    assert_true(ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &a->ep[0]));
    wire_free(&w);
}

/* A client and its root may send by different paths, for as long as both live. When the root's dies
 * it cannot tell by what it relays: nobody answers that to it. That the client is heard by the
 * other one only has to do. */
static void test_ends_choose_differently(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_run(&w, 5 * OV_SEC);
    struct ov_peer *q = wire_peer(a, root), *p = wire_peer(root, a);
    int far = p->paths->active, ours = q->paths->active;
    root->ep[1] = wire_ep(2, 1, 4000);
    a->ep[1] = wire_ep(2, 2, 4000);
    int i = ov_paths_add(q->paths, 0, &root->ep[1], OV_CANDIDATE_LOCAL, w.now);
    ov_peer_probe(q, i, 0, 0);
    wire_drain(&w, a);
    wire_run(&w, 200 * OV_MS);
    int near = ov_paths_find(p->paths, 0, &a->ep[1]);
    assert_true(near >= 0 && p->paths->p[near].state == OV_PATH_VALID);
    p->paths->active = near;
    uint64_t sent = root->sent;
    for (int n = 0; n < 600; n++) {
        q->paths->active = ours;
        ov_peer_send(q, NULL, 0, OV_SEND_QUIET);
        wire_drain(&w, a);
        wire_run(&w, 100 * OV_MS);
        assert_int_equal(p->paths->active, near);
    }
    assert_in_range(root->sent - sent, 30, 90); /* it asked now and then */
    a->ep[1] = (struct ov_endpoint){0};
    for (int n = 0; n < 50; n++) {
        q->paths->active = ours;
        ov_peer_send(q, NULL, 0, OV_SEND_QUIET);
        wire_drain(&w, a);
        wire_run(&w, 100 * OV_MS);
    }
    assert_int_equal(p->paths->active, far);
    wire_free(&w);
}

/* A root that is gone for long is called at the slow pace, and no key outlives its use. */
static void test_root_gone(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_run(&w, 30 * OV_SEC);
    root->cut = true;
    wire_run(&w, 800 * OV_SEC);
    assert_null(wire_peer(a, root)->s.current);
    uint64_t ticks = a->ticks;
    wire_run(&w, 100 * OV_SEC);
    assert_true(a->ticks - ticks < 200);
    root->cut = false;
    wire_run(&w, 25 * OV_SEC);
    assert_true(ov_peer_online(wire_peer(a, root)));
    wire_free(&w);
}

/* A host that stood still for longer than a session lives is connected again by itself. */
static void test_long_pause(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_run(&w, 31 * OV_SEC);
    for (ov_time pause = 200 * OV_SEC; pause <= 800 * OV_SEC; pause += 300 * OV_SEC) {
        a->asleep = true;
        wire_run(&w, pause);
        a->asleep = false;
        wire_run(&w, 2 * OV_SEC);
        assert_true(ov_peer_online(wire_peer(a, root)));
        wire_run(&w, 30 * OV_SEC);
    }
    wire_free(&w);
}

/* Twice the same root under two names: one may go. */
static void test_root_with_two_names(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    assert_int_equal(ov_node_add_root(a->n, "other", ov_node_identity(root->n), root->ep, 1, w.now),
                     OV_OK);
    wire_drain(&w, a);
    wire_run(&w, 5 * OV_SEC);
    assert_true(wire_peer(a, root)->relay);
    ov_node_remove_root(a->n, "other", w.now);
    wire_drain(&w, a);
    assert_true(wire_peer(a, root)->relay);
    assert_int_equal(wire_peer(a, root)->keep, 1);
    wire_free(&w);
}

/* The last address of a host goes, and comes back. */
static void test_link_down_and_up(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    struct ov_local local = {.ep = a->ep[0]};
    (void)state;
    ov_node_set_locals(a->n, &local, 1, w.now);
    wire_root(&w, a, root);
    wire_run(&w, 30 * OV_SEC);
    a->cut = true;
    ov_node_set_locals(a->n, &local, 0, w.now);
    wire_drain(&w, a);
    wire_run(&w, 60 * OV_SEC);
    a->cut = false;
    ov_node_set_locals(a->n, &local, 1, w.now);
    wire_drain(&w, a);
    wire_run(&w, 200 * OV_MS);
    assert_true(ov_peer_online(wire_peer(a, root)));
    wire_free(&w);
}

/* One more address of a root's does not cut off the nodes that use it, nor does it ours. */
static void test_one_more_address(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_root(&w, b, root);
    wire_run(&w, 5 * OV_SEC);
    for (uint64_t i = 0; i < 3; i++) {
        struct host *who = &w.h[i];
        struct ov_local local[2] = {{.ep = who->ep[0]}, {.ep = wire_ep(7, (uint8_t)i, 4000)}};
        ov_node_set_locals(who->n, local, 1, w.now);
        wire_drain(&w, who);
        assert_int_equal(ov_node_ping(a->n, b->addr, 10 + i, w.now), OV_OK);
        wire_drain(&w, a);
        wire_run(&w, 8 * OV_SEC);
        ov_node_set_locals(who->n, local, 2, w.now);
        wire_drain(&w, who);
        uint64_t before = a->pongs;
        assert_int_equal(ov_node_ping(a->n, b->addr, 20 + i, w.now), OV_OK);
        wire_drain(&w, a);
        wire_run(&w, 200 * OV_MS);
        assert_int_equal(a->pongs, before + 1);
        wire_run(&w, 10 * OV_SEC);
        assert_true(wire_peer(root, a)->paths->active >= 0);
        assert_true(wire_peer(root, b)->paths->active >= 0);
    }
    wire_free(&w);
}

/* An idle day with a root stays under two megabytes in both directions together. */
static void test_idle_day(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    (void)state;
    wire_root(&w, a, root);
    wire_run(&w, 60 * OV_SEC);
    uint64_t bytes = a->sent_bytes + root->sent_bytes, n = a->sent + root->sent;
    wire_run(&w, 86400 * OV_SEC);
    bytes = a->sent_bytes + root->sent_bytes - bytes + 28 * (a->sent + root->sent - n);
    print_message("an idle day: %llu bytes\n", (unsigned long long)bytes);
    assert_true(bytes < 2000000);
    wire_free(&w);
}

/* An answer to a handshake that was carried off and comes from elsewhere proves nothing of that
 * place: it is challenged, and gets nothing else. */
static void test_response_from_elsewhere(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, OV_CAP_ROOT);
    struct ov_endpoint elsewhere = wire_ep(9, 9, 999);
    unsigned carried = 0, there = 0;
    (void)state;
    wire_root(&w, a, b);
    for (int i = 0; i < 400; i++) {
        wire_run(&w, 5 * OV_MS);
        for (struct flying *f = w.first; f; f = f->next) {
            if (f->data[0] == OV_WIRE_RESPONSE && !ov_endpoint_equal(&f->from, &elsewhere)) {
                f->from = elsewhere;
                carried++;
            }
            if (ov_endpoint_equal(&f->to, &elsewhere)) {
                assert_int_equal(f->len, OV_DATA_OVERHEAD + 1 + 8 + OV_PROBE_PAD);
                f->to = wire_ep(9, 9, 1); /* counted */
                there++;
            }
        }
    }
    assert_true(carried > 0);
    assert_in_range(there, 1, 5);
    assert_true(ov_peer_up(wire_peer(a, b)));
    struct ov_paths *ps = wire_peer(a, b)->paths;
    int i = ov_paths_find(ps, 0, &elsewhere);
    assert_true(i < 0 || (ps->p[i].state != OV_PATH_VALID && ps->active != i));
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirmed_from_elsewhere),
        cmocka_unit_test(test_network_changed),
        cmocka_unit_test(test_nat_rebinding),
        cmocka_unit_test(test_rebinding_while_relayed),
        cmocka_unit_test(test_root_gone),
        cmocka_unit_test(test_long_pause),
        cmocka_unit_test(test_root_with_two_names),
        cmocka_unit_test(test_link_down_and_up),
        cmocka_unit_test(test_one_more_address),
        cmocka_unit_test(test_idle_day),
        cmocka_unit_test(test_response_from_elsewhere),
        cmocka_unit_test(test_ends_choose_differently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
