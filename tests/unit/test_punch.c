#include "core/punch.h"

#include "wire_up.h"

/* A root, and two with a session by relay. */
struct pair {
    struct wu *w;
    struct wu_node *root, *a, *b;
    struct ov_peer *p, *q; /* b for a, a for b */
};

/* No direct way between the two. */
static bool no_direct(void *arg, struct wu_packet *k)
{
    const struct pair *x = arg;

    return !(k->src == x->a && ov_endpoint_equal(&k->to, &x->b->ep)) &&
           !(k->src == x->b && ov_endpoint_equal(&k->to, &x->a->ep));
}

static void pair(struct pair *x, uint64_t seed, bool direct)
{
    x->w = wu_new(seed);
    x->root = wu_node(x->w, OV_CAP_ROOT);
    x->a = wu_node(x->w, 0);
    x->b = wu_node(x->w, 0);
    wu_root(x->a, x->root);
    wu_root(x->b, x->root);
    wu_run(x->w, OV_SEC);
    if (!direct)
        x->w->hook = no_direct;
    x->w->hook_arg = x;
    x->p = wu_know(x->a, x->b);
    ov_peer_connect(x->p);
    wu_run(x->w, OV_SEC);
    x->q = wu_peer(x->b, x->a);
    assert_true(ov_peer_up(x->p) && x->q && ov_peer_up(x->q));
    assert_int_equal(x->p->paths->active, OV_PATH_RELAY);
    wu_tie_all(x->a, true);
    wu_tie_all(x->b, true);
    wu_log_clear(x->w);
}

static void send_frame(struct pair *x)
{
    static const uint8_t msg[OV_MSG_FRAME_HEADER + 60] = {OV_MSG_FRAME};

    ov_node_tick(x->a->n, x->w->now);
    ov_peer_send(x->p, msg, sizeof msg, OV_SEND_FRAME);
    wu_drain(x->a);
}

static unsigned openers(const struct wu *w, const struct wu_node *from, const struct wu_node *to)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->nlog; i++) {
        const struct wu_packet *k = w->log[i];
        if (k->src != from || k->len != OV_OPENER_LEN)
            continue;
        assert_int_equal(k->ttl, OV_PUNCH_TTL);
        n += ov_endpoint_equal(&k->to, &to->ep);
    }
    return n;
}

static size_t punch(uint8_t *buf, uint64_t nonce, uint8_t flags, const struct ov_endpoint *eps,
                    uint8_t n)
{
    struct ov_msg_punch m = {.nonce = nonce, .flags = flags, .n = n};
    struct ov_writer w;

    for (int i = 0; i < n; i++)
        m.c[i] = (struct ov_candidate){OV_CANDIDATE_REFLEXIVE, eps[i]};
    ov_writer_init(&w, buf, 1000);
    ov_msg_punch_encode(&w, &m);
    assert_false(w.failed);
    return w.len;
}

static unsigned paths(const struct ov_peer *p)
{
    unsigned n = 0;

    for (int i = 0; p->paths && i < OV_PATHS_MAX; i++)
        n += p->paths->p[i].state != OV_PATH_FREE;
    return n;
}

/* The first frame goes by relay at once; a direct path is there within moments, on both sides, and
 * each opened its NAT for the other before any probe came. */
static void test_direct(void **state)
{
    struct pair x;

    (void)state;
    pair(&x, 1, true);
    send_frame(&x);
    assert_non_null(wu_sent(x.w, x.a, OV_WIRE_RELAY));
    wu_run(x.w, 500 * OV_MS);
    assert_true(x.p->paths->active >= 0 && x.q->paths->active >= 0);
    assert_true(ov_endpoint_equal(&x.p->paths->p[x.p->paths->active].remote, &x.b->ep));
    assert_int_equal(openers(x.w, x.a, x.b), 1);
    assert_int_equal(openers(x.w, x.b, x.a), 1);
    for (int side = 0; side < 2; side++) {
        const struct wu_node *from = side ? x.b : x.a, *to = side ? x.a : x.b;
        for (size_t i = 0; i < x.w->nlog; i++)
            if (x.w->log[i]->src == from && ov_endpoint_equal(&x.w->log[i]->to, &to->ep)) {
                assert_int_equal(x.w->log[i]->len, OV_OPENER_LEN);
                break;
            }
    }
    /* With a path there is nothing to punch. */
    unsigned before = openers(x.w, x.a, x.b);
    for (int i = 0; i < 20; i++) {
        send_frame(&x);
        wu_run(x.w, OV_SEC);
    }
    assert_int_equal(openers(x.w, x.a, x.b), before);
    wu_free(x.w);
}

/* Rounds while there is traffic and no way: now, and after 2, 5, 15 and 60 s. */
static void test_rounds(void **state)
{
    static const ov_time at[] = {0, 2, 7, 22, 82, 382};
    struct pair x;
    ov_time began;

    (void)state;
    pair(&x, 2, false);
    began = x.w->now;
    for (unsigned i = 0; i + 1 < sizeof at / sizeof at[0]; i++) {
        while (x.w->now < began + at[i] * OV_SEC + OV_SEC / 2) {
            send_frame(&x);
            wu_run(x.w, OV_SEC / 4);
        }
        assert_int_equal(x.p->punch->round, i + 1);
        assert_in_range(x.p->punch->next - began, at[i + 1] * OV_SEC,
                        at[i + 1] * OV_SEC + OV_SEC / 2);
    }
    assert_int_equal(x.p->paths->active, OV_PATH_RELAY);
    /* Without traffic there are none. */
    wu_run(x.w, OV_PEER_ACTIVE);
    uint8_t round = x.p->punch->round;
    wu_run(x.w, 100 * OV_SEC);
    assert_int_equal(x.p->punch->round, round);
    /* A network change starts over. */
    ov_punch_reset(x.p);
    assert_int_equal(x.p->punch->round, 0);
    wu_free(x.w);
}

/* An ACK that was not asked for is dropped, and its candidates with it. */
static void test_unasked_ack(void **state)
{
    struct pair x;
    struct ov_endpoint ep = wu_endpoint(70, 7000);
    uint8_t buf[1000];

    (void)state;
    pair(&x, 3, false);
    wu_message(x.b, x.a, buf, punch(buf, 12345, OV_PUNCH_ACK, &ep, 1));
    wu_run(x.w, 50 * OV_MS);
    assert_int_equal(wu_drops(x.a, UNEXPECTED), 1);
    send_frame(&x);
    wu_run(x.w, OV_MS);
    wu_message(x.b, x.a, buf, punch(buf, x.p->punch->nonce ^ 1, OV_PUNCH_ACK, &ep, 1));
    wu_run(x.w, 50 * OV_MS);
    assert_int_equal(wu_drops(x.a, UNEXPECTED), 2);
    assert_int_equal(ov_paths_find(x.p->paths, 0, &ep), -1);
    wu_free(x.w);
}

/* Nobody makes us send to nowhere, to groups, or to ourselves. */
static void test_unusable_candidates(void **state)
{
    static const char *const bad[] = {"0.0.0.0:1",   "0.1.2.3:1",         "127.0.0.1:1",
                                      "224.0.0.1:1", "239.255.255.250:1", "255.255.255.255:1",
                                      "240.0.0.1:1", "[ff02::1]:1",       "[::]:1",
                                      "[::1]:1",     "[2001:db8::1]:1"};
    struct pair x;
    struct ov_endpoint eps[13];
    uint8_t buf[1000];

    (void)state;
    pair(&x, 4, false);
    for (int i = 0; i < 11; i++)
        assert_int_equal(ov_endpoint_parse(bad[i], &eps[i]), OV_OK);
    eps[11] = x.a->ep;
    eps[12] = wu_endpoint(70, 7000);
    unsigned before = paths(x.p);
    wu_message(x.b, x.a, buf, punch(buf, 1, 0, eps, 13));
    wu_run(x.w, OV_SEC);
    assert_int_equal(paths(x.p), before + 1); /* there is no IPv6 socket either */
    assert_true(ov_paths_find(x.p->paths, 0, &eps[12]) >= 0);
    wu_free(x.w);
}

/* However many PUNCHes with however many candidates: work and tables stay bounded. */
/* Who shares no network with us cannot make us send anywhere. */
static void test_stranger(void **state)
{
    struct pair x;
    struct ov_endpoint ep = wu_endpoint(70, 7000);
    uint8_t buf[1000];

    (void)state;
    pair(&x, 6, false);
    wu_tie_all(x.a, false);
    unsigned before = paths(x.p);
    wu_message(x.b, x.a, buf, punch(buf, 1, 0, &ep, 1));
    wu_run(x.w, OV_SEC);
    assert_int_equal(paths(x.p), before);
    assert_int_equal(wu_drops(x.a, UNEXPECTED), 1);
    assert_int_equal(wu_drops(x.b, UNEXPECTED), 0); /* no answer, which would tell where we are */
    /* Nor do we tell it of ourselves, whatever made us send it frames. */
    send_frame(&x);
    wu_run(x.w, 3 * OV_SEC);
    assert_false(x.q->punch && x.q->punch->told);
    wu_free(x.w);
}

static void test_flood(void **state)
{
    struct pair x;
    struct ov_endpoint eps[OV_CANDIDATES_MAX];
    uint8_t buf[1000];

    (void)state;
    pair(&x, 5, false);
    uint64_t tx = x.a->e->stats.tx_datagrams;
    for (uint16_t i = 0; i < 100; i++) {
        for (uint16_t k = 0; k < OV_CANDIDATES_MAX; k++)
            eps[k] = wu_endpoint(70, (uint16_t)(1000 + i * OV_CANDIDATES_MAX + k));
        size_t len = punch(buf, i + 1, 0, eps, OV_CANDIDATES_MAX);
        ov_peer_send(x.q, buf, len, OV_SEND_QUIET);
    }
    wu_drain(x.b);
    wu_run(x.w, 3 * OV_SEC);
    assert_true(wu_drops(x.a, LIMIT) >= 90);
    assert_true(paths(x.p) <= OV_PATHS_MAX);
    assert_true(x.a->e->stats.tx_datagrams - tx < 400);
    wu_free(x.w);
}

/* What a router forwards to us is offered, and tried at once and without an opener: it is open. As
 * roots see us at another address than the router's, that address with the port is tried, too. */
static void test_mapped(void **state)
{
    struct ov_endpoint mapped = {.ip = {4, {100, 64, 1, 2}}, .port = 40231}, outside;
    unsigned to_mapped = 0, to_outside = 0;
    struct pair x;

    (void)state;
    pair(&x, 17, false);
    outside = x.a->ep;
    outside.port = mapped.port;
    ov_node_set_mapped(x.a->n, &mapped, x.w->now);
    send_frame(&x);
    wu_run(x.w, OV_SEC);
    for (size_t i = 0; i < x.w->nlog; i++) {
        const struct wu_packet *k = x.w->log[i];
        bool here = ov_endpoint_equal(&k->to, &mapped), there = ov_endpoint_equal(&k->to, &outside);
        if (k->src != x.b || (!here && !there))
            continue;
        assert_int_not_equal(k->len, OV_OPENER_LEN);
        to_mapped += here;
        to_outside += there;
    }
    assert_true(to_mapped > 0 && to_outside > 0);
    /* A mapping that is lost is told to nobody. */
    ov_node_set_mapped(x.a->n, NULL, x.w->now);
    ov_punch_reset(x.p);
    wu_run(x.w, 400 * OV_SEC);
    wu_log_clear(x.w);
    send_frame(&x);
    wu_run(x.w, OV_SEC);
    for (size_t i = 0; i < x.w->nlog; i++)
        assert_false(ov_endpoint_equal(&x.w->log[i]->to, &mapped));
    wu_free(x.w);
}

static unsigned sent_to(const struct pair *x, const struct ov_endpoint *to)
{
    unsigned n = 0;

    for (size_t i = 0; i < x->w->nlog; i++)
        n += x->w->log[i]->src == x->b && ov_endpoint_equal(&x->w->log[i]->to, to);
    return n;
}

/* A mapping that is made when the PUNCH was answered already does not wait for the next round. */
static void test_mapped_late(void **state)
{
    struct ov_endpoint mapped = {.ip = {4, {100, 64, 1, 2}}, .port = 40231};
    struct pair x;

    (void)state;
    pair(&x, 18, false);
    send_frame(&x);
    wu_run(x.w, 100 * OV_MS);
    assert_int_equal(x.p->punch->sent, 0);
    ov_node_set_mapped(x.a->n, &mapped, x.w->now);
    wu_drain(x.a);
    wu_run(x.w, 200 * OV_MS);
    assert_true(sent_to(&x, &mapped) > 0);
    wu_free(x.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),      cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_mapped_late), cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_unasked_ack), cmocka_unit_test(test_unusable_candidates),
        cmocka_unit_test(test_stranger),    cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
