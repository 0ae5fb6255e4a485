#include "core/root.h"

#include "wire_up.h"

#include <stdio.h>

static int add(struct wu_node *n, const char *host, const struct ov_endpoint *ep)
{
    int err = ov_node_add_root(n->n, host, NULL, ep, 1, n->w->now);

    wu_drain(n);
    return err;
}

static struct ov_root_info *info(const struct wu_node *n, size_t i)
{
    static struct ov_root_info list[OV_ROOTS_MAX];

    assert_true(ov_node_roots(n->n, list, OV_ROOTS_MAX) > i);
    return &list[i];
}

static size_t known(const struct wu_node *n)
{
    struct ov_root_info list[OV_ROOTS_MAX];

    return ov_node_roots(n->n, list, OV_ROOTS_MAX);
}

static unsigned count(const struct wu *w, const struct wu_node *n, uint8_t type)
{
    unsigned k = 0;

    for (size_t i = 0; i < w->nlog; i++)
        k += w->log[i]->src == n && w->log[i]->data[0] == type;
    return k;
}

static void test_first_contact(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);

    (void)state;
    assert_int_equal(add(n, "root.example", &root->ep), OV_OK);
    assert_int_equal(info(n, 0)->addr, 0);
    assert_false(info(n, 0)->online);
    wu_run(w, OV_SEC);
    assert_true(info(n, 0)->addr == root->addr);
    assert_true(info(n, 0)->online);
    assert_true(info(n, 0)->is_root);
    assert_false(info(n, 0)->mismatch);
    assert_string_equal(info(n, 0)->host, "root.example");
    assert_true(ov_endpoint_equal(&info(n, 0)->seen, &n->ep));
    assert_true(wu_peer(n, root)->relay);
    assert_true(n->events[OV_EVENT_ROOT] > 0);
    assert_int_equal(count(w, n, OV_WIRE_WHO), 1);
    assert_non_null(wu_stored(n, OV_PERSIST_PEER, root->addr));
    ov_node_remove_root(n->n, "nobody.example", w->now);
    ov_node_remove_root(n->n, "root.example", w->now);
    assert_int_equal(wu_peer(n, root)->keep, 0);
    assert_false(wu_peer(n, root)->relay);
    assert_int_equal(known(n), 0);
    wu_free(w);
}

/* A server that offers no relaying is kept connected, and not used as a relay. */
static void test_no_relay(void **state)
{
    struct wu *w = wu_new(2);
    struct wu_node *c = wu_node(w, OV_CAP_CONTROLLER), *n = wu_node(w, 0);

    (void)state;
    add(n, "c.example", &c->ep);
    wu_run(w, OV_SEC);
    assert_true(info(n, 0)->online);
    assert_false(info(n, 0)->is_root);
    assert_false(wu_peer(n, c)->relay);
    wu_free(w);
}

static void test_asks_slower(void **state)
{
    struct wu *w = wu_new(3);
    struct wu_node *n = wu_node(w, 0);
    struct ov_endpoint nowhere = wu_endpoint(200, 4793);

    (void)state;
    add(n, "nowhere.example", &nowhere);
    wu_run(w, 31 * OV_SEC);
    assert_in_range(count(w, n, OV_WIRE_WHO), 6, 8);
    wu_log_clear(w);
    wu_run(w, 300 * OV_SEC);
    assert_in_range(count(w, n, OV_WIRE_WHO), 9, 11);
    /* Its name was looked up anew: asked at once. */
    wu_log_clear(w);
    add(n, "nowhere.example", &nowhere);
    assert_int_equal(count(w, n, OV_WIRE_WHO), 1);
    wu_free(w);
}

/* Answers nobody asked for. */
static void test_false_answers(void **state)
{
    struct wu *w = wu_new(4);
    struct wu_node *n = wu_node(w, 0), *liar = wu_node(w, 0);
    struct ov_endpoint asked = wu_endpoint(200, 4793), other = wu_endpoint(201, 4793);
    uint8_t buf[OV_IAM_LEN];
    struct ov_iam iam = {.caps = OV_CAP_ROOT, .id = liar->id.pub};

    (void)state;
    add(n, "root.example", &asked);
    iam.nonce = n->n->roots.root[0].nonce;
    ov_iam_encode(&iam, buf);
    wu_inject(n, &other, buf, sizeof buf); /* from elsewhere */
    assert_int_equal(wu_drops(n, UNEXPECTED), 1);
    iam.nonce ^= 1;
    ov_iam_encode(&iam, buf);
    wu_inject(n, &asked, buf, sizeof buf); /* to another question */
    assert_int_equal(wu_drops(n, UNEXPECTED), 2);
    iam.nonce ^= 1;
    ov_iam_encode(&iam, buf);
    n->e->pow = (struct ov_pow){8, 60};
    wu_inject(n, &asked, buf, sizeof buf); /* without proof of work */
    assert_int_equal(wu_drops(n, BAD_IDENTITY), 1);
    n->e->pow = wu_pow;
    wu_inject(n, &asked, buf, sizeof buf); /* one answer a question */
    assert_int_equal(wu_drops(n, UNEXPECTED), 3);
    assert_int_equal(n->e->peers.len, 0);
    wu_run(w, OV_SEC); /* it is asked again */
    assert_true(n->n->roots.root[0].nonce != iam.nonce);
    iam.nonce = n->n->roots.root[0].nonce;
    ov_iam_encode(&iam, buf);
    for (size_t i = 0; i < sizeof buf; i++) /* cut off */
        wu_inject(n, &asked, buf, i);
    assert_int_equal(n->e->peers.len, 0);
    wu_inject(n, &asked, buf, sizeof buf);
    assert_int_equal(n->e->peers.len, 1);
    wu_inject(n, &asked, buf, sizeof buf); /* once is enough */
    assert_int_equal(n->e->peers.len, 1);
    wu_free(w);
}

static void test_bound(void **state)
{
    struct wu *w = wu_new(5);
    struct wu_node *n = wu_node(w, 0);
    struct ov_endpoint ep[9];
    char host[2 * OV_ROOT_HOST_MAX];

    (void)state;
    for (uint16_t i = 0; i < 9; i++)
        ep[i] = wu_endpoint(200, (uint16_t)(1000 + i));
    for (int i = 0; i < OV_ROOTS_MAX; i++) {
        snprintf(host, sizeof host, "r%d.example", i);
        assert_int_equal(add(n, host, ep), OV_OK);
    }
    assert_int_equal(add(n, "one.more.example", ep), OV_EFULL);
    assert_int_equal(add(n, "r3.example", ep), OV_OK); /* known already */
    ov_node_remove_root(n->n, "r3.example", w->now);
    assert_int_equal(add(n, "", ep), OV_EINVAL);
    memset(host, 'x', sizeof host);
    host[OV_ROOT_HOST_MAX] = 0;
    assert_int_equal(add(n, host, ep), OV_EINVAL);
    host[OV_ROOT_HOST_MAX - 1] = 0;
    assert_int_equal(ov_node_add_root(n->n, host, NULL, ep, 9, w->now), OV_OK);
    assert_int_equal(info(n, 3)->nendpoints, OV_ROOT_ENDPOINTS_MAX);
    wu_free(w);
}

/* One server by two names stays a root until both are gone. */
static void test_two_names(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);

    (void)state;
    add(n, "one.example", &root->ep);
    add(n, "two.example", &root->ep);
    wu_run(w, OV_SEC);
    assert_int_equal(wu_peer(n, root)->keep, 2);
    ov_node_remove_root(n->n, "one.example", w->now);
    assert_int_equal(wu_peer(n, root)->keep, 1);
    assert_true(wu_peer(n, root)->relay);
    ov_node_remove_root(n->n, "two.example", w->now);
    assert_int_equal(wu_peer(n, root)->keep, 0);
    assert_false(wu_peer(n, root)->relay);
    wu_free(w);
}

/* A pinned address with another key is no root of ours, whatever the name says. */
static void test_mismatch(void **state)
{
    struct wu *w = wu_new(7);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    struct ov_identity other = wu_fake(w, root->addr);

    (void)state;
    wu_connect(n, root);
    assert_int_equal(ov_node_add_root(n->n, "root.example", &other, &root->ep, 1, w->now), OV_OK);
    wu_drain(n);
    assert_true(info(n, 0)->mismatch);
    assert_int_equal(info(n, 0)->addr, 0);
    assert_int_equal(n->e->stats.conflicts, 1);
    assert_true(ov_identity_equal(&wu_peer(n, root)->id, &root->id.pub));
    wu_free(w);
}

/* Somebody else answers where our root was: people are told, and the root stays pinned. */
static void test_replaced(void **state)
{
    struct wu *w = wu_new(8);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    struct wu_node *impostor = wu_node(w, OV_CAP_ROOT);

    (void)state;
    add(n, "root.example", &root->ep);
    wu_run(w, OV_SEC);
    struct ov_endpoint place = root->ep;
    wu_crash(root);
    root->ep = wu_endpoint(250, 1);
    impostor->ep = place;
    wu_run(w, 60 * OV_SEC);
    assert_true(info(n, 0)->mismatch);
    assert_true(info(n, 0)->addr == root->addr);
    assert_false(info(n, 0)->online);
    assert_null(wu_peer(n, impostor));
    /* It comes back. */
    impostor->ep = wu_endpoint(251, 1);
    root->ep = place;
    wu_restart(root);
    wu_run(w, 60 * OV_SEC);
    assert_true(info(n, 0)->online);
    assert_false(info(n, 0)->mismatch);
    wu_free(w);
}

/* Roots that a configuration names come and go with it. */
static void test_named(void **state)
{
    struct wu *w = wu_new(9);
    struct wu_node *c = wu_node(w, OV_CAP_ROOT | OV_CAP_CONTROLLER);
    struct wu_node *second = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);

    (void)state;
    ov_netid id = wu_network(w, c);
    w->net.config.nroots = 2;
    const struct ov_endpoint elsewhere = wu_endpoint(99, 4793);
    w->net.config.roots[0] =
        (struct ov_net_root){.id = c->id.pub, .nendpoints = 2, .endpoints = {c->ep, elsewhere}};
    w->net.config.roots[1] =
        (struct ov_net_root){.id = second->id.pub, .nendpoints = 1, .endpoints = {second->ep}};
    wu_root(n, c);
    wu_join(n);
    wu_run(w, 5 * OV_SEC);
    assert_int_equal(known(n), 2);
    /* One that was known already, by a name that led to one place, may be reached at two. */
    assert_int_equal(wu_peer(n, c)->nhints, 2);
    assert_true(ov_endpoint_equal(&wu_peer(n, c)->hints[1], &elsewhere));
    /* The user drops one that the network names too: it stays for the network. */
    ov_node_remove_root(n->n, "root0.example", w->now);
    assert_int_equal(known(n), 2);
    assert_int_equal(wu_peer(n, c)->keep, 2); /* as root and as controller */
    assert_true(wu_peer(n, c)->relay);
    wu_root(n, c);
    assert_true(ov_peer_online(wu_peer(n, second)));
    assert_true(wu_peer(n, second)->relay);
    /* A new revision without it. */
    w->net.config.nroots = 1;
    w->net.config.revision++;
    wu_net_of(n)->request_next = w->now;
    ov_network_wake(wu_net_of(n), w->now);
    wu_run(w, OV_SEC);
    assert_false(wu_peer(n, second)->relay);
    assert_int_equal(wu_peer(n, second)->keep, 0);
    assert_int_equal(ov_node_leave(n->n, id, w->now), OV_OK);
    assert_int_equal(known(n), 1); /* the user's */
    wu_free(w);
}

/* A configuration names as many as there are places: others get theirs all the same. */
static void test_shares(void **state)
{
    struct wu *w = wu_new(10);
    struct wu_node *n = wu_node(w, 0);
    struct ov_roots *rs = &n->n->roots;
    char host[OV_ROOT_HOST_MAX];
    unsigned of[3] = {0};

    (void)state;
    for (uint16_t i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_endpoint ep = wu_endpoint(200, (uint16_t)(1000 + i));
        snprintf(host, sizeof host, "%u of one", i);
        assert_int_equal(ov_roots_add(rs, host, 1, NULL, &ep, 1), OV_OK);
    }
    for (uint16_t i = 0; i < OV_ROOTS_MAX; i++) {
        struct ov_endpoint ep = wu_endpoint(200, (uint16_t)(2000 + i));
        snprintf(host, sizeof host, "%u of two", i);
        assert_int_equal(ov_roots_add(rs, host, 2, NULL, &ep, 1), i < 4 ? OV_OK : OV_EFULL);
    }
    for (uint16_t i = 0; i < 3; i++) {
        struct ov_endpoint ep = wu_endpoint(200, (uint16_t)(3000 + i));
        snprintf(host, sizeof host, "user%u.example", i);
        assert_int_equal(add(n, host, &ep), OV_OK);
    }
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        of[rs->root[i].net]++;
    assert_int_equal(of[0], 3);
    assert_in_range(of[1], 2, 3);
    assert_in_range(of[2], 2, 3);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_contact), cmocka_unit_test(test_no_relay),
        cmocka_unit_test(test_asks_slower),   cmocka_unit_test(test_false_answers),
        cmocka_unit_test(test_bound),         cmocka_unit_test(test_two_names),
        cmocka_unit_test(test_mismatch),      cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_named),         cmocka_unit_test(test_shares),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
