#include "core/network.h"

#include "wire_up.h"

/* A controller that is a root, and a node that has not joined yet. */
struct joining {
    struct wu *w;
    struct wu_node *c, *n;
    ov_netid id;
};

static struct joining joining(uint64_t seed)
{
    struct joining j = {.w = wu_new(seed)};

    j.c = wu_node(j.w, OV_CAP_ROOT | OV_CAP_CONTROLLER);
    j.n = wu_node(j.w, 0);
    j.id = wu_network(j.w, j.c);
    wu_root(j.n, j.c);
    return j;
}

static struct ov_network_info *info(const struct joining *j)
{
    static struct ov_network_info i;

    assert_int_equal(ov_node_network(j->n->n, j->id, &i), OV_OK);
    return &i;
}

/* Have the node ask again, and let the answer come. */
static void ask_again(struct joining *j)
{
    struct ov_network *net = wu_net_of(j->n);

    net->request_next = j->w->now;
    ov_network_wake(net, j->w->now);
    wu_run(j->w, 4 * j->w->delay);
}

/* ---- joining ---- */

static void test_states(void **state)
{
    struct joining j = joining(1);
    uint8_t secret[OV_INVITE_SECRET_LEN] = {1, 2, 3};

    (void)state;
    j.w->net.silent = true;
    assert_int_equal(ov_node_join(j.n->n, j.id, NULL, secret, "pc", j.w->now), OV_OK);
    assert_int_equal(ov_node_join(j.n->n, j.id, NULL, NULL, "pc", j.w->now), OV_EEXIST);
    wu_drain(j.n);
    assert_int_equal(info(&j)->state, OV_NET_STATE_ASKING); /* its root is the controller */
    wu_run(j.w, 10 * OV_SEC);
    assert_int_equal(info(&j)->state, OV_NET_STATE_ASKING);
    assert_in_range(j.w->net.requests, 3, 6);
    assert_string_equal(j.w->net.last.hostname, "pc");
    assert_true(j.w->net.last.has_secret);
    assert_memory_equal(j.w->net.last.secret, secret, sizeof secret);
    assert_int_equal(j.w->net.last.have_revision, 0);
    j.w->net.silent = false;
    j.w->net.answer = OV_NET_PENDING;
    ask_again(&j);
    assert_int_equal(info(&j)->state, OV_NET_STATE_WAITING);
    assert_int_equal(info(&j)->status, OV_NET_PENDING);
    assert_true(info(&j)->controller_online);
    j.w->net.answer = OV_NET_OK;
    wu_run(j.w, 16 * OV_SEC);
    assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
    assert_int_equal(info(&j)->config.revision, 1);
    assert_true(info(&j)->has_config);
    assert_string_equal(info(&j)->member_name, "member-2");
    assert_int_equal(info(&j)->cert.naddrs, 1);
    assert_false(wu_net_of(j.n)->has_secret); /* used */
    assert_true(j.n->events[OV_EVENT_NETWORK] >= 3);
    wu_free(j.w);
}

/* After an invite was refused, to join without one asks the owner. */
static void test_refused_invite(void **state)
{
    struct joining j = joining(1);
    uint8_t secret[OV_INVITE_SECRET_LEN] = {1, 2, 3};

    (void)state;
    j.w->net.answer = OV_NET_USED_INVITE;
    assert_int_equal(ov_node_join(j.n->n, j.id, NULL, secret, "pc", j.w->now), OV_OK);
    wu_run(j.w, 3 * OV_SEC);
    assert_int_equal(info(&j)->status, OV_NET_USED_INVITE);
    assert_true(j.w->net.last.has_secret);
    assert_int_equal(ov_node_join(j.n->n, j.id, NULL, NULL, "pc", j.w->now), OV_EEXIST);
    j.w->net.answer = OV_NET_PENDING;
    wu_run(j.w, 3 * OV_SEC);
    assert_false(j.w->net.last.has_secret);
    assert_int_equal(info(&j)->status, OV_NET_PENDING);
    wu_free(j.w);
}

/* Without an identity of the controller, a root tells it: the id proves it. */
static void test_controller_by_whois(void **state)
{
    struct wu *w = wu_new(2);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *c = wu_node(w, OV_CAP_CONTROLLER);
    struct wu_node *n = wu_node(w, 0);
    ov_netid id = wu_network(w, c);

    (void)state;
    wu_root(n, root);
    assert_int_equal(ov_node_join(n->n, id, NULL, NULL, "pc", w->now), OV_OK);
    wu_drain(n);
    wu_run(w, 20 * OV_SEC);
    assert_int_equal(wu_net_of(n)->state, OV_NET_STATE_CONNECTING);
    wu_root(c, root); /* the controller comes up */
    wu_run(w, 20 * OV_SEC);
    assert_int_equal(wu_net_of(n)->state, OV_NET_STATE_READY);
    assert_true(ov_identity_equal(&wu_net_of(n)->controller, &c->id.pub));
    wu_free(w);
}

static void test_statuses(void **state)
{
    static const enum ov_net_status refusals[] = {OV_NET_DENIED,         OV_NET_NOT_FOUND,
                                                  OV_NET_BAD_INVITE,     OV_NET_USED_INVITE,
                                                  OV_NET_EXPIRED_INVITE, OV_NET_POOL_EXHAUSTED};
    struct joining j = joining(3);

    (void)state;
    wu_join(j.n);
    wu_run(j.w, 5 * OV_SEC);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
        j.w->net.answer = refusals[i];
        ask_again(&j);
        assert_int_equal(info(&j)->state, OV_NET_STATE_REFUSED);
        assert_int_equal(info(&j)->status, refusals[i]);
        assert_int_equal(wu_net_of(j.n)->cert.netid, 0);
        j.w->net.answer = OV_NET_OK; /* it goes on asking, and is let in again */
        wu_run(j.w, 31 * OV_SEC);
    }
    assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
    /* A controller in trouble takes nothing away. */
    j.w->net.answer = OV_NET_UNAVAILABLE;
    ask_again(&j);
    assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
    assert_int_equal(info(&j)->status, OV_NET_UNAVAILABLE);
    /* Admission was taken back: a member no more, but it waits. */
    j.w->net.answer = OV_NET_PENDING;
    ask_again(&j);
    assert_int_equal(info(&j)->state, OV_NET_STATE_WAITING);
    assert_int_equal(wu_net_of(j.n)->cert.netid, 0);
    wu_free(j.w);
}

static void test_bounds(void **state)
{
    struct wu *w = wu_new(4);
    struct wu_node *n = wu_node(w, 0);
    ov_netid list[OV_NETWORKS_MAX + 1];

    (void)state;
    for (unsigned i = 0; i < OV_NETWORKS_MAX; i++)
        assert_int_equal(ov_node_join(n->n, 0x1234567890000000 + i, NULL, NULL, "pc", w->now),
                         OV_OK);
    assert_int_equal(ov_node_join(n->n, 0x1234567890000099, NULL, NULL, "pc", w->now), OV_EFULL);
    assert_int_equal(ov_node_networks(n->n, list, OV_NETWORKS_MAX + 1), OV_NETWORKS_MAX);
    assert_int_equal(ov_node_networks(n->n, list, 3), 3);
    wu_drain(n);
    assert_int_equal(ov_node_leave(n->n, 0x1234567890000099, w->now), OV_ENOENT);
    assert_int_equal(ov_node_leave(n->n, 0x1234567890000003, w->now), OV_OK);
    wu_drain(n);
    assert_null(wu_stored(n, OV_PERSIST_NETWORK, 0x1234567890000003));
    assert_int_equal(ov_node_join(n->n, 0x1234567890000099, NULL, NULL, "pc", w->now), OV_OK);
    wu_free(w);
}

/* ---- what it believes ---- */

static void test_monotonic(void **state)
{
    struct joining j = joining(5);

    (void)state;
    j.w->net.config.revision = 10;
    wu_join(j.n);
    wu_run(j.w, 5 * OV_SEC);
    ov_wall stamp = j.w->net.stamp;
    j.w->net.stamp = stamp + 5;
    j.w->net.config.revision = 9; /* older: refused; the newer certificate is taken */
    j.w->net.config.mtu = 2000;
    ask_again(&j);
    assert_int_equal(info(&j)->config.revision, 10);
    assert_int_equal(info(&j)->config.mtu, OV_MTU_DEFAULT);
    assert_int_equal(info(&j)->cert.timestamp, stamp + 5);
    /* The other way round; and what was taken is told and stored. */
    j.w->net.stamp = stamp + 4;
    j.w->net.config.revision = 11;
    unsigned told = j.n->events[OV_EVENT_NETWORK];
    ask_again(&j);
    assert_int_equal(info(&j)->config.mtu, 2000);
    assert_int_equal(info(&j)->cert.timestamp, stamp + 5);
    assert_true(j.n->events[OV_EVENT_NETWORK] > told);
    wu_crash(j.c);
    wu_restart(j.n);
    assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
    assert_int_equal(info(&j)->config.revision, 11);
    assert_int_equal(info(&j)->cert.timestamp, stamp + 5);
    wu_free(j.w);
}

static void test_bad_answers(void **state)
{
    struct joining j = joining(6);
    struct ov_msg_net_reply r = {.status = OV_NET_OK};
    uint8_t config[OV_CONFIG_MAX], cert[OV_CERT_MAX];
    struct ov_ip ip = {4, {10, 1, 0, 2}};

    (void)state;
    j.w->net.silent = true;
    wu_join(j.n);
    wu_run(j.w, OV_SEC);
    struct ov_network *net = wu_net_of(j.n);
    int clen = ov_net_config_issue(&j.w->net.config, &j.c->id, config);
    assert_true(clen > 0);
    size_t len = wu_cert(j.w, &j.n->id.pub, WU_WALL, 0, &ip, cert);
    r.netid = net->id;
    r.config = (struct ov_slice){config, (size_t)clen};
    r.cert = (struct ov_slice){cert, len};
    uint64_t drops = wu_drops(j.n, AUTH);
    config[clen - 1] ^= 1; /* forged configuration */
    ov_network_reply(net, &r);
    config[clen - 1] ^= 1;
    cert[len - 1] ^= 1; /* forged certificate */
    ov_network_reply(net, &r);
    r.cert.len = wu_cert(j.w, &j.c->id.pub, WU_WALL, 0, &ip, cert); /* somebody else's */
    ov_network_reply(net, &r);
    r.cert.len = 0;
    ov_network_reply(net, &r);
    assert_int_equal(wu_drops(j.n, AUTH), drops + 4);
    assert_int_not_equal(net->state, OV_NET_STATE_READY);
    /* A reply of somebody who is not its controller. */
    struct wu_node *x = wu_node(j.w, 0);
    uint8_t buf[64];
    struct ov_writer out;
    struct ov_msg_net_reply denied = {.netid = net->id, .status = OV_NET_DENIED};
    wu_connect(x, j.n);
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_net_reply_encode(&out, &denied);
    drops = wu_drops(j.n, UNEXPECTED);
    wu_message(x, j.n, buf, out.len);
    assert_int_equal(wu_drops(j.n, UNEXPECTED), drops + 1);
    assert_int_not_equal(net->state, OV_NET_STATE_REFUSED);
    wu_free(j.w);
}

/* Another key for the controller's address is refused. */
static void test_controller_pinned(void **state)
{
    struct joining j = joining(7);
    struct ov_identity other = wu_fake(j.w, j.c->addr);

    (void)state;
    wu_join(j.n);
    wu_run(j.w, 5 * OV_SEC);
    struct ov_network *net = wu_net_of(j.n);
    ov_peer_unkeep(net->controller_peer);
    net->controller_peer = NULL;
    ov_network_controller(net, &other);
    assert_null(net->controller_peer);
    assert_int_equal(wu_drops(j.n, CONFLICT), 1);
    ov_network_controller(net, &j.c->id.pub);
    assert_ptr_equal(net->controller_peer, wu_peer(j.n, j.c));
    wu_free(j.w);
}

/* ---- coming back ---- */

static void test_restore(void **state)
{
    struct joining j = joining(8);

    (void)state;
    j.w->net.config.nroots = 1;
    j.w->net.config.roots[0] =
        (struct ov_net_root){.id = j.c->id.pub, .nendpoints = 1, .endpoints = {j.c->ep}};
    wu_join(j.n);
    wu_run(j.w, 5 * OV_SEC);
    wu_restart(j.n);
    assert_int_equal(info(&j)->state, OV_NET_STATE_READY);
    assert_string_equal(info(&j)->member_name, "member-2");
    /* The configuration names the root: nobody has to add it. */
    unsigned before = j.w->net.requests;
    wu_run(j.w, 5 * OV_SEC);
    assert_true(ov_peer_online(wu_peer(j.n, j.c)));
    assert_true(j.w->net.requests > before); /* and it asks whether anything is new */
    assert_int_equal(j.w->net.last.have_revision, 1);
    assert_int_equal(j.w->net.last.have_timestamp, j.w->net.stamp);
    /* A refusal is remembered too: no member after the next start. */
    j.w->net.answer = OV_NET_DENIED;
    ask_again(&j);
    wu_crash(j.c);
    wu_restart(j.n);
    assert_int_not_equal(info(&j)->state, OV_NET_STATE_READY);
    assert_int_equal(wu_net_of(j.n)->cert.netid, 0);
    wu_free(j.w);
}

static void test_restore_broken(void **state)
{
    struct joining j = joining(9);

    (void)state;
    wu_join(j.n);
    wu_run(j.w, 5 * OV_SEC);
    struct wu_stored *s = (struct wu_stored *)wu_stored(j.n, OV_PERSIST_NETWORK, j.id);
    struct wu_node *x = wu_node(j.w, 0);
    /* Another node's membership is none of ours; a changed byte of what is signed is seen. */
    assert_int_equal(ov_node_restore(x->n, OV_PERSIST_NETWORK, j.id, s->data, s->len, j.w->now),
                     OV_EINVAL);
    assert_false(ov_network_ready(wu_net_of(x)));
    struct wu_node *y = wu_node(j.w, 0);
    s->data[s->len - 20] ^= 1;
    assert_int_equal(ov_node_restore(y->n, OV_PERSIST_NETWORK, j.id, s->data, s->len, j.w->now),
                     OV_EINVAL);
    assert_false(ov_network_ready(wu_net_of(y)));
    s->data[s->len - 20] ^= 1;
    /* A controller's key that is not the netid's is not pinned, nor is the network joined. */
    struct wu_node *z = wu_node(j.w, 0);
    s->data[5] ^= 1;
    assert_int_equal(ov_node_restore(z->n, OV_PERSIST_NETWORK, j.id, s->data, s->len, j.w->now),
                     OV_EINVAL);
    assert_null(wu_net_of(z));
    assert_null(wu_peer(z, j.c));
    s->data[5] ^= 1;
    assert_int_equal(ov_node_restore(z->n, OV_PERSIST_NETWORK, j.id + 1, s->data, s->len, j.w->now),
                     OV_EINVAL); /* of another network */
    assert_false(ov_network_ready(ov_network_find(&z->n->o, j.id + 1)));
    wu_free(j.w);
}

/* With the controller gone, members go on: for as long as it takes. */
static void test_without_controller(void **state)
{
    struct wu *w = wu_new(10);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *c = wu_node(w, OV_CAP_CONTROLLER);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    uint8_t f[OV_FRAME_MAX];

    (void)state;
    wu_network(w, c);
    wu_root(c, root);
    wu_root(a, root);
    wu_root(b, root);
    wu_run(w, OV_SEC);
    wu_join(a);
    wu_join(b);
    wu_run(w, 10 * OV_SEC);
    wu_crash(c);
    wu_run(w, 3600 * OV_SEC);
    struct ov_mac ma = wu_mac(a), mb = wu_mac(b);
    struct ov_ip ia = wu_ip(a), ib = wu_ip(b);
    wu_frame(a, f, wu_ip4(f, &mb, &ma, &ia, &ib, 100));
    wu_run(w, 5 * OV_SEC);
    assert_int_equal(b->frames, 1);
    struct ov_network_info i;
    assert_int_equal(ov_node_network(a->n, w->net.config.netid, &i), OV_OK);
    assert_false(i.controller_online);
    assert_int_equal(i.state, OV_NET_STATE_READY);
    wu_free(w);
}

/* A controller may be a member of its own network. */
static void test_own_network(void **state)
{
    struct wu *w = wu_new(11);
    struct wu_node *c = wu_node(w, OV_CAP_ROOT | OV_CAP_CONTROLLER), *n = wu_node(w, 0);
    uint8_t f[OV_FRAME_MAX];

    (void)state;
    wu_network(w, c);
    wu_join(c);
    wu_root(n, c);
    wu_join(n);
    wu_run(w, 5 * OV_SEC);
    assert_true(ov_network_ready(wu_net_of(c)));
    struct ov_mac mc = wu_mac(c), mn = wu_mac(n);
    struct ov_ip ic = wu_ip(c), in = wu_ip(n);
    wu_frame(c, f, wu_arp(f, 1, &wu_broadcast, &mc, &ic, &in)); /* its own directory answers */
    assert_int_equal(c->frames, 1);
    wu_frame(c, f, wu_ip4(f, &mn, &mc, &ic, &in, 100));
    wu_frame(n, f, wu_ip4(f, &mc, &mn, &in, &ic, 100));
    wu_run(w, OV_SEC);
    assert_int_equal(n->frames, 1);
    assert_int_equal(c->frames, 2);
    wu_restart(c);
    assert_true(ov_network_ready(wu_net_of(c)));
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_refused_invite),
        cmocka_unit_test(test_controller_by_whois),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_bad_answers),
        cmocka_unit_test(test_controller_pinned),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_restore_broken),
        cmocka_unit_test(test_without_controller),
        cmocka_unit_test(test_own_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
