#include "core/locate.h"

#include "wire_up.h"

static unsigned wanted(const struct wu_node *n)
{
    unsigned k = 0;

    for (int i = 0; i < OV_LOCATE_MAX; i++)
        k += n->n->locate.want[i].addr != 0;
    return k;
}

/* An IDENTITY message with one identity. */
static size_t identity(uint8_t *buf, const struct ov_identity *id)
{
    struct ov_msg_identity m = {.n = 1, .ids = {*id}};
    struct ov_writer w;

    ov_writer_init(&w, buf, 256);
    ov_msg_identity_encode(&w, &m);
    return w.len;
}

/* More addresses than one question holds: all are found. */
static void test_found(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    struct ov_identity_secret id;
    struct ov_peer *p;
    uint8_t seed[32];

    (void)state;
    wu_root(n, root);
    wu_run(w, OV_SEC);
    for (int i = 0; i < 40; i++) {
        wu_random(w, seed, sizeof seed);
        assert_int_equal(ov_identity_make(seed, &wu_pow, NULL, NULL, &id), OV_OK);
        assert_int_equal(ov_peer_get(root->e, &id.pub, &p), OV_OK);
        assert_int_equal(ov_locate_want(&n->n->locate, id.pub.addr), OV_OK);
        assert_int_equal(ov_locate_want(&n->n->locate, id.pub.addr), OV_OK); /* the same one */
    }
    assert_int_equal(wanted(n), 40);
    wu_run(w, 10 * OV_SEC);
    assert_int_equal(wanted(n), 0);
    wu_free(w);
}

static void test_bound(void **state)
{
    struct wu *w = wu_new(2);
    struct wu_node *n = wu_node(w, 0);

    (void)state;
    for (ov_addr i = 0; i < OV_LOCATE_MAX; i++)
        assert_int_equal(ov_locate_want(&n->n->locate, 0x1200000000 + i), OV_OK);
    assert_int_equal(ov_locate_want(&n->n->locate, 0x1300000000), OV_EFULL);
    assert_int_equal(wu_drops(n, TABLE_FULL), 1);
    wu_run(w, 60 * OV_SEC); /* given up, with room again */
    assert_int_equal(wanted(n), 0);
    assert_int_equal(ov_locate_want(&n->n->locate, 0x1300000000), OV_OK);
    wu_free(w);
}

/* Nobody knows it: asked more and more slowly, then given up. */
static void test_gives_up(void **state)
{
    struct wu *w = wu_new(3);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);

    (void)state;
    wu_root(n, root);
    wu_run(w, OV_SEC);
    assert_int_equal(ov_locate_want(&n->n->locate, 0x1234567890), OV_OK);
    wu_run(w, 10 * OV_SEC);
    assert_int_equal(wanted(n), 1);
    wu_run(w, 15 * OV_SEC);
    assert_int_equal(wanted(n), 0);
    wu_free(w);
}

/* A root that comes up is asked at once. */
static void test_root_comes_up(void **state)
{
    struct wu *w = wu_new(4);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0), *x = wu_node(w, 0);

    (void)state;
    wu_connect(x, root);
    assert_int_equal(ov_locate_want(&n->n->locate, x->addr), OV_OK);
    wu_run(w, 3 * OV_SEC);
    assert_int_equal(wanted(n), 1);
    wu_root(n, root);
    wu_run(w, 50 * OV_MS);
    assert_int_equal(wanted(n), 0);
    wu_free(w);
}

/* An answer proves itself, or is worth nothing. */
static void test_false_answers(void **state)
{
    struct wu *w = wu_new(5);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0), *x = wu_node(w, 0);
    uint8_t buf[256];
    struct ov_identity fake = wu_fake(w, x->addr);

    (void)state;
    wu_root(n, root);
    wu_run(w, OV_SEC);
    wu_message(root, n, buf, identity(buf, &x->id.pub)); /* nobody asked */
    assert_int_equal(wu_drops(n, UNEXPECTED), 1);
    assert_int_equal(ov_locate_want(&n->n->locate, x->addr), OV_OK);
    wu_message(root, n, buf, identity(buf, &fake)); /* other keys have another address */
    assert_int_equal(wanted(n), 1);
    n->e->pow = (struct ov_pow){8, 60};
    wu_message(root, n, buf, identity(buf, &x->id.pub));
    assert_int_equal(wu_drops(n, BAD_IDENTITY), 1);
    assert_int_equal(wanted(n), 1);
    n->e->pow = wu_pow;
    wu_connect(x, n); /* only servers of ours are listened to */
    uint64_t drops = wu_drops(n, UNEXPECTED);
    wu_message(x, n, buf, identity(buf, &x->id.pub));
    assert_int_equal(wu_drops(n, UNEXPECTED), drops + 1);
    assert_int_equal(wanted(n), 1);
    wu_message(root, n, buf, identity(buf, &x->id.pub));
    assert_int_equal(wanted(n), 0);
    wu_free(w);
}

/* Who is no root answers no WHOIS, and a root answers only so many. */
static void test_whois(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0), *x = wu_node(w, 0);
    struct ov_msg_whois m = {.n = 2, .addrs = {root->addr, 0x1234567890}};
    uint8_t buf[64];
    struct ov_writer out;

    (void)state;
    wu_connect(n, root);
    wu_connect(n, x);
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_whois_encode(&out, &m);
    wu_message(n, x, buf, out.len);
    assert_int_equal(wu_drops(x, UNEXPECTED), 1);
    uint64_t drops = wu_drops(n, UNEXPECTED);
    wu_message(n, root, buf, out.len);
    assert_int_equal(wu_drops(n, UNEXPECTED), drops + 1); /* it told of itself; not our root */
    for (int i = 0; i < 200; i++)
        ov_peer_send(wu_peer(n, root), buf, out.len, OV_SEND_QUIET);
    wu_drain(n);
    wu_run(w, OV_SEC);
    assert_true(wu_drops(root, LIMIT) >= 130);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),         cmocka_unit_test(test_bound),
        cmocka_unit_test(test_gives_up),      cmocka_unit_test(test_root_comes_up),
        cmocka_unit_test(test_false_answers), cmocka_unit_test(test_whois),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
