/* One identity on two computers is noticed, and nothing else is taken for it. */
#include "core/twins.h"

#include "wire_up.h"

#define S OV_SEC

static const struct ov_endpoint HERE = {.ip = {.family = 4, .b = {192, 0, 2, 1}}, .port = 1};
static const struct ov_endpoint THERE = {.ip = {.family = 4, .b = {192, 0, 2, 2}}, .port = 2};

/* A handshake begun at `now` is confirmed at once. */
static bool hear(struct ov_twins *t, uint16_t boot, ov_time now)
{
    return ov_twins_heard(t, boot, now, boot % 2 ? &HERE : &THERE, now);
}

/* ---- the rule ---- */

static void starts_of_one_node(void **state)
{
    struct ov_twins t = {0};
    (void)state;
    assert_int_equal(ov_twins_boot(&t), 0);
    assert_true(hear(&t, 0, 1 * S)); /* none heard before */
    assert_false(hear(&t, 0, 2 * S));
    assert_true(hear(&t, 7, 3 * S));
    assert_int_equal(ov_twins_boot(&t), 1 << 16 | 7);
    for (uint16_t boot = 100; boot < 200; boot++) { /* a daemon that crashes all the time */
        assert_true(hear(&t, boot, boot * S));
        assert_false(ov_twins_seen(&t, boot * S));
    }
}

static void two_that_take_turns(void **state)
{
    struct ov_twins t = {0};
    (void)state;
    hear(&t, 1, 10 * S);
    hear(&t, 2, 20 * S);
    assert_false(ov_twins_seen(&t, 20 * S));
    assert_true(hear(&t, 1, 40 * S));
    assert_false(ov_twins_seen(&t, 40 * S)); /* perhaps a machine set back to a snapshot */
    hear(&t, 2, 60 * S);
    assert_true(ov_twins_seen(&t, 60 * S));
    assert_memory_equal(&t.life[0].from, &THERE, sizeof THERE);
    assert_memory_equal(&t.life[1].from, &HERE, sizeof HERE);
    /* one of them was switched off: the warning ends */
    assert_true(ov_twins_seen(&t, 60 * S + OV_TWINS_SHOWN - 1));
    assert_false(ov_twins_seen(&t, 60 * S + OV_TWINS_SHOWN));
}

/* An answer that was under way while the node was started anew comes late. */
static void a_late_answer(void **state)
{
    struct ov_twins t = {0};
    (void)state;
    hear(&t, 1, 10 * S);
    hear(&t, 2, 20 * S);
    for (int i = 0; i < 5; i++) {
        /* our halves of these were made before 2 was heard of */
        assert_true(ov_twins_heard(&t, 1, 19 * S, &HERE, 21 * S));
        assert_true(ov_twins_heard(&t, 2, 19 * S, &HERE, 22 * S));
    }
    assert_false(ov_twins_seen(&t, 22 * S));
}

/* Set back to a snapshot now and then. */
static void snapshots(void **state)
{
    struct ov_twins t = {0};
    ov_time now = S;
    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        hear(&t, 1, now += OV_TWINS_WINDOW / 2);
        hear(&t, (uint16_t)(10 + i), now += OV_TWINS_WINDOW);
        assert_false(ov_twins_seen(&t, now));
    }
}

static void each_initiation_once(void **state)
{
    struct ov_twins t = {0};
    (void)state;
    assert_true(ov_twins_fresh(&t, 1, 100));
    ov_twins_took(&t, 1, 100);
    assert_false(ov_twins_fresh(&t, 1, 100)); /* also before a session came of it */
    hear(&t, 1, 1 * S);
    assert_false(ov_twins_fresh(&t, 1, 100));
    /* a copy of its state begins ahead */
    assert_true(ov_twins_fresh(&t, 2, 5000));
    ov_twins_took(&t, 2, 5000);
    hear(&t, 2, 2 * S);
    /* the original goes on where it was; its past does not come again */
    assert_true(ov_twins_fresh(&t, 1, 101));
    ov_twins_took(&t, 1, 101);
    assert_false(ov_twins_fresh(&t, 1, 101));
    assert_false(ov_twins_fresh(&t, 1, 99));
    assert_false(ov_twins_fresh(&t, 2, 5000));
    /* a start that is not remembered, or not any more, must be newer than all */
    assert_false(ov_twins_fresh(&t, 3, 4999));
    for (uint16_t boot = 3; boot < 3 + OV_TWINS_LIVES; boot++) {
        ov_twins_took(&t, boot, 6000 + boot);
        hear(&t, boot, boot * S);
    }
    assert_false(ov_twins_fresh(&t, 1, 5999));
    assert_false(ov_twins_fresh(&t, 2, 5001));
}

/* ---- real nodes ---- */

/* Another computer gets a copy of the node's state directory, and starts. */
static struct wu_node *copy_of(struct wu_node *n)
{
    struct wu_node *c = wu_node(n->w, 0);
    wu_crash(c);
    c->id = n->id;
    c->addr = n->addr;
    for (int i = 0; i < WU_STORED_MAX; i++) {
        free(c->stored[i].data);
        c->stored[i] = n->stored[i];
        if (!n->stored[i].data)
            continue;
        c->stored[i].data = malloc(n->stored[i].len);
        memcpy(c->stored[i].data, n->stored[i].data, n->stored[i].len);
    }
    wu_restart(c);
    return c;
}

static bool shows(struct wu_node *at, ov_addr who)
{
    struct ov_peer_info info;
    return ov_node_peer(at->n, who, &info) == OV_OK && info.twice;
}

static bool told(struct wu_node *n)
{
    struct ov_twin_info info;
    return ov_node_twin(n->n, &info);
}

struct lan {
    struct wu *w;
    struct wu_node *root, *a, *b, *twin;
};

static bool all_know(void *arg)
{
    struct lan *l = arg;
    return shows(l->root, l->a->addr) && told(l->a) && told(l->twin);
}

static struct lan lan(uint64_t seed)
{
    struct lan l = {.w = wu_lan(seed, 2)};
    l.root = l.w->node[0];
    l.a = l.w->node[1];
    l.b = l.w->node[2];
    return l;
}

/* The copy of a running node: both are heard at the root and told, though the stamps of the copy
 * are minutes ahead. */
static void a_copied_directory(void **state)
{
    struct lan l = lan(21);
    struct ov_twin_info info;
    struct ov_peer_info peer;
    (void)state;
    wu_run(l.w, 30 * S);
    l.twin = copy_of(l.a);
    wu_root(l.twin, l.root);
    assert_true(wu_until(l.w, all_know, &l, 120 * S));
    assert_true(l.root->events[OV_EVENT_TWIN] > 0);
    assert_true(ov_node_twin(l.a->n, &info));
    assert_int_equal(info.by, l.root->addr);
    assert_true(ov_endpoint_equal(&info.at, &l.twin->ep));
    assert_true(ov_node_twin(l.twin->n, &info));
    assert_true(ov_endpoint_equal(&info.at, &l.a->ep));
    assert_int_equal(ov_node_peer(l.root->n, l.a->addr, &peer), OV_OK);
    assert_false(ov_endpoint_equal(&peer.places[0], &peer.places[1]));
    assert_false(told(l.b) || told(l.root) || shows(l.root, l.b->addr));
    /* the copy is switched off: the warning ends, and the original lives on */
    wu_crash(l.twin);
    wu_run(l.w, OV_TWINS_SHOWN + 60 * S);
    assert_false(shows(l.root, l.a->addr) || told(l.a));
    assert_true(ov_peer_online(wu_peer(l.root, l.a)));
    wu_free(l.w);
}

/* Nobody cries wolf: crashes, restarts, other addresses, sleep, and a root that is started anew. */
static void ordinary_lives(void **state)
{
    struct lan l = lan(22);
    (void)state;
    for (int round = 0; round < 12; round++) {
        struct wu_node *n = round % 4 == 3 ? l.root : l.a;
        wu_run(l.w, (ov_time)(round + 1) * 3 * S);
        if (round % 3 == 0) {
            n->ep.port++; /* its NAT gives another mapping */
        } else if (round % 3 == 1) {
            wu_restart(n);
            if (n == l.a)
                wu_root(n, l.root);
        } else {
            l.w->now += 300 * S; /* all of them slept */
        }
        wu_run(l.w, 20 * S);
        assert_false(told(l.a) || told(l.b) || shows(l.root, l.a->addr) || shows(l.b, l.a->addr) ||
                     shows(l.a, l.root->addr));
    }
    assert_int_equal(l.root->events[OV_EVENT_TWIN] + l.a->events[OV_EVENT_TWIN], 0);
    wu_free(l.w);
}

/* An enemy has all that the node ever sent, and sends it again and again. */
static void replays(void **state)
{
    struct lan l = lan(23);
    (void)state;
    wu_run(l.w, 150 * S);
    wu_restart(l.a);
    wu_root(l.a, l.root);
    wu_run(l.w, 150 * S);
    size_t n = l.w->nlog;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < n; i++)
            if (l.w->log[i]->src == l.a && l.w->log[i]->data[0] == OV_WIRE_INITIATION)
                wu_inject(l.root, &l.a->ep, l.w->log[i]->data, l.w->log[i]->len);
    wu_run(l.w, 60 * S);
    assert_true(wu_drops(l.root, HANDSHAKE_REPLAY) > 0);
    assert_false(shows(l.root, l.a->addr));
    wu_free(l.w);
}

/* Only those that a node chose may tell it such a thing. */
static void lies(void **state)
{
    struct lan l = lan(24);
    uint8_t buf[32];
    struct ov_writer w;
    (void)state;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_twin_encode(&w, &(struct ov_msg_twin){.seen = HERE});
    wu_connect(l.b, l.a);
    uint64_t before = wu_drops(l.a, UNEXPECTED);
    wu_message(l.b, l.a, buf, w.len);
    wu_run(l.w, S);
    assert_int_equal(wu_drops(l.a, UNEXPECTED), before + 1);
    assert_false(told(l.a));
    wu_message(l.root, l.a, buf, w.len);
    wu_run(l.w, S);
    assert_true(told(l.a));
    wu_free(l.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_of_one_node),
        cmocka_unit_test(two_that_take_turns),
        cmocka_unit_test(a_late_answer),
        cmocka_unit_test(snapshots),
        cmocka_unit_test(each_initiation_once),
        cmocka_unit_test(a_copied_directory),
        cmocka_unit_test(ordinary_lives),
        cmocka_unit_test(replays),
        cmocka_unit_test(lies),
    };
    return cmocka_run_group_tests_name("twins", tests, NULL, NULL);
}
