#include "core/node.h"

#include "core/member.h"
#include "wire_up.h"

static bool ponged(void *arg)
{
    const struct wu_node *n = arg;

    return n->events[OV_EVENT_PONG] > 0;
}

static void ping(struct wu_node *from, struct wu_node *to, uint64_t id)
{
    from->events[OV_EVENT_PONG] = 0;
    assert_int_equal(ov_node_ping(from->n, to->addr, id, from->w->now), OV_OK);
    wu_drain(from);
}

/* ---- making ---- */

static void test_refused_configurations(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *n = wu_node(w, 0);
    struct ov_node_config cfg = n->cfg;
    struct ov_node *out = NULL;

    (void)state;
    assert_int_equal(ov_node_new(&cfg, 0, WU_WALL, &out), OV_EINVAL);
    cfg.identity = NULL;
    assert_int_equal(ov_node_new(&cfg, w->now, WU_WALL, &out), OV_EINVAL);
    cfg = n->cfg;
    cfg.random.fill = NULL;
    assert_int_equal(ov_node_new(&cfg, w->now, WU_WALL, &out), OV_EINVAL);
    assert_null(out);
    assert_true(ov_identity_equal(ov_node_identity(n->n), &n->id.pub));
    wu_free(w);
}

/* Empty lists may come without an array. */
static void test_empty_lists(void **state)
{
    struct wu *w = wu_lan(2, 1);
    struct wu_node *n = w->node[1];
    ov_netid net = w->net.config.netid;

    (void)state;
    ov_node_set_groups(n->n, net, NULL, 0, w->now);
    ov_node_set_locals(n->n, NULL, 0, w->now);
    ov_node_set_locals(n->n, NULL, 0, w->now);
    ov_node_set_sockets(n->n, NULL, 0, w->now);
    assert_int_equal(ov_node_add_root(n->n, "nowhere.example", NULL, NULL, 0, w->now), OV_OK);
    ov_node_datagrams(n->n, NULL, 0, w->now);
    ov_node_frames(n->n, net, NULL, 0, w->now);
    wu_drain(n);
    assert_int_equal(n->e->nlocals, 0);
    wu_free(w);
}

/* What does not fit into the lists is left out. */
static void test_long_lists(void **state)
{
    struct wu *w = wu_lan(14, 2);
    struct wu_node *n = w->node[1];
    static struct ov_mac groups[2 * OV_GROUPS_MAX];
    static struct ov_local locals[2 * OV_LOCALS_MAX];
    uint8_t families[2 * OV_SOCKETS_MAX];

    (void)state;
    for (unsigned i = 0; i < 2 * OV_GROUPS_MAX; i++)
        groups[i] = (struct ov_mac){{0x01, 0, 0x5e, 0, 0, (uint8_t)i}};
    for (unsigned i = 0; i < 2 * OV_LOCALS_MAX; i++)
        locals[i] = (struct ov_local){0, wu_endpoint(100 + i, 4001)};
    memset(families, 4, sizeof families);
    ov_node_set_groups(n->n, w->net.config.netid, groups, 2 * OV_GROUPS_MAX, w->now);
    ov_node_set_groups(n->n, 0x1234567890000001, groups, 1, w->now); /* not joined: nothing */
    ov_node_set_locals(n->n, locals, 2 * OV_LOCALS_MAX, w->now);
    ov_node_set_sockets(n->n, families, sizeof families, w->now);
    assert_int_equal(wu_net_of(n)->ngroups, OV_GROUPS_MAX);
    assert_int_equal(n->e->nlocals, OV_LOCALS_MAX);
    wu_drain(n);
    wu_run(w, 2 * OV_SEC); /* announcements and hellos of that size fit their messages */
    assert_true(ov_peer_online(wu_peer(n, w->node[0])));
    wu_connect(n, w->node[2]);
    ov_member_hello(wu_net_of(n), wu_peer(n, w->node[2]), false);
    wu_drain(n);
    wu_run(w, OV_SEC);
    assert_int_equal(wu_member(w->node[2], n)->ngroups, OV_GROUPS_MAX);
    wu_free(w);
}

/* ---- two nodes ---- */

static void test_ping(void **state)
{
    struct wu *w = wu_new(3);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_root(a, root);
    wu_root(b, root);
    wu_run(w, OV_SEC);
    /* b is found by asking the root for its identity, and first heard through it. */
    ping(a, b, 77);
    assert_true(wu_until(w, ponged, a, 5 * OV_SEC));
    assert_int_equal(a->last[OV_EVENT_PONG].id, 77);
    assert_int_equal(a->last[OV_EVENT_PONG].addr, b->addr);
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 4 * w->delay);
    assert_true(a->last[OV_EVENT_PONG].relayed);
    ping(a, root, 78);
    assert_true(wu_until(w, ponged, a, OV_SEC));
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 2 * w->delay);
    assert_false(a->last[OV_EVENT_PONG].relayed);
    wu_free(w);
}

static void test_ping_nobody(void **state)
{
    struct wu *w = wu_new(4);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *a = wu_node(w, 0);

    (void)state;
    wu_root(a, root);
    wu_run(w, OV_SEC);
    assert_int_equal(ov_node_ping(a->n, a->addr, 1, w->now), OV_EINVAL);
    assert_int_equal(ov_node_ping(a->n, 0, 1, w->now), OV_EINVAL);
    assert_int_equal(ov_node_ping(a->n, root->addr, 0, w->now), OV_EINVAL);
    assert_int_equal(ov_node_ping(a->n, 0x123456789a, 5, w->now), OV_OK);
    ov_time asked = w->now;
    assert_true(wu_until(w, ponged, a, 10 * OV_SEC));
    assert_int_equal(w->now - asked, 5 * OV_SEC);
    assert_int_equal(a->last[OV_EVENT_PONG].id, 5);
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 0);
    wu_free(w);
}

static void test_ping_table(void **state)
{
    struct wu *w = wu_new(5);
    struct wu_node *a = wu_node(w, 0);

    (void)state;
    for (uint64_t i = 1; i <= OV_NODE_PINGS_MAX; i++)
        assert_int_equal(ov_node_ping(a->n, 0x1200000000 + i, i, w->now), OV_OK);
    assert_int_equal(ov_node_ping(a->n, 0x1300000000, 99, w->now), OV_EFULL);
    wu_drain(a);
    wu_run(w, 6 * OV_SEC);
    assert_int_equal(a->events[OV_EVENT_PONG], OV_NODE_PINGS_MAX); /* each is told of */
    assert_int_equal(ov_node_ping(a->n, 0x1300000000, 99, w->now), OV_OK);
    wu_free(w);
}

/* Whatever happens to the way that the ping took, its sender is told. */
static void test_ping_outlives_its_path(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    wu_crash(b);
    ping(a, b, 7);
    ov_node_network_changed(a->n, w->now);
    wu_drain(a);
    assert_true(wu_until(w, ponged, a, 6 * OV_SEC));
    assert_int_equal(a->last[OV_EVENT_PONG].id, 7);
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 0);
    /* Now there is a session, but no way at all. */
    ping(a, b, 8);
    assert_true(wu_until(w, ponged, a, 6 * OV_SEC));
    assert_int_equal(a->last[OV_EVENT_PONG].id, 8);
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 0);
    wu_free(w);
}

/* More pings to one peer than it can have probes under way, and none is answered: each is told of
 * once. So are those to a peer that is forgotten meanwhile. */
static void test_each_ping_is_told_of(void **state)
{
    struct wu *w = wu_new(8);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0), *c = wu_node(w, 0);
    unsigned told = 0;

    (void)state;
    wu_connect(a, b);
    wu_crash(b);
    assert_true(OV_NODE_PINGS_MAX > OV_PROBES_MAX);
    for (uint64_t id = 1; id <= OV_NODE_PINGS_MAX; id++) {
        ping(a, b, id);
        told += a->events[OV_EVENT_PONG];
        wu_run(w, OV_MS);
    }
    assert_int_equal(told, OV_NODE_PINGS_MAX - OV_PROBES_MAX);
    assert_int_equal(a->last[OV_EVENT_PONG].id, told); /* the oldest were given up */
    assert_int_equal(a->last[OV_EVENT_PONG].rtt, 0);
    a->events[OV_EVENT_PONG] = 0;
    wu_run(w, 3 * OV_SEC);
    assert_int_equal(told + a->events[OV_EVENT_PONG], OV_NODE_PINGS_MAX);
    wu_run(w, 3 * OV_SEC); /* until they may be asked for again */
    wu_connect(a, c);
    ping(a, c, 100);
    assert_int_equal(a->events[OV_EVENT_PONG], 0);
    ov_peer_forget(wu_peer(a, c));
    wu_drain(a);
    assert_int_equal(a->events[OV_EVENT_PONG], 1);
    assert_int_equal(a->last[OV_EVENT_PONG].id, 100);
    wu_free(w);
}

static void test_shutdown(void **state)
{
    struct wu *w = wu_new(7);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    ov_node_shutdown(a->n, w->now);
    wu_drain(a);
    wu_crash(a);
    wu_run(w, OV_SEC);
    assert_false(ov_peer_up(wu_peer(b, a)));
    assert_null(wu_peer(b, a)->s.current);
    struct ov_peer_info info;
    assert_int_equal(ov_node_peer(b->n, a->addr, &info), OV_OK);
    assert_false(info.session);
    assert_int_equal(info.path, OV_PEER_NONE);
    wu_free(w);
}

/* ---- a network, and starting again ---- */

static void test_frame_crosses(void **state)
{
    struct wu *w = wu_lan(8, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    uint8_t frame[OV_FRAME_MAX];
    struct ov_mac ma = wu_mac(a), mb = wu_mac(b);
    struct ov_ip ia = wu_ip(a), ib = wu_ip(b);
    size_t len = wu_ip4(frame, &mb, &ma, &ia, &ib, 1300);

    (void)state;
    wu_frame(a, frame, len);
    wu_run(w, OV_SEC);
    assert_int_equal(b->frames, 1);
    assert_int_equal(b->frame_len, len);
    assert_memory_equal(b->frame, frame, len);
    wu_free(w);
}

static bool member_again(void *arg)
{
    const struct wu_node *n = arg;
    const struct ov_network *net = wu_net_of(n);

    return net && ov_network_ready(net);
}

/* With the controller away, a node boots into its network from what it stored, and talks to the
 * other members. */
static void test_restart(void **state)
{
    struct wu *w = wu_lan(9, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    struct ov_mac ma = wu_mac(a), mb = wu_mac(b);
    struct ov_ip ia = wu_ip(a), ib = wu_ip(b);
    uint8_t frame[OV_FRAME_MAX];
    size_t len = wu_ip4(frame, &mb, &ma, &ia, &ib, 100);

    (void)state;
    wu_frame(a, frame, len);
    wu_run(w, 5 * OV_SEC);
    assert_int_equal(b->frames, 1);
    uint64_t stamp = a->e->stamp;
    wu_crash(w->node[0]);
    wu_restart(a);
    assert_true(member_again(a));
    assert_non_null(wu_peer(a, b)); /* remembered, and where it was */
    wu_run(w, 5 * OV_SEC);
    assert_true(a->e->stamp > stamp);
    assert_true(ov_peer_up(wu_peer(a, b)));
    len = wu_ip4(frame, &ma, &mb, &ib, &ia, 100);
    wu_frame(b, frame, len);
    wu_run(w, 5 * OV_SEC);
    assert_int_equal(a->frames, 1);
    wu_free(w);
}

static void test_restore_refuses(void **state)
{
    struct wu *w = wu_lan(10, 1);
    struct wu_node *a = w->node[1];
    ov_netid net = w->net.config.netid;
    const struct wu_stored *peer = wu_stored(a, OV_PERSIST_PEER, w->node[0]->addr);
    const struct wu_stored *mine = wu_stored(a, OV_PERSIST_NETWORK, net);

    (void)state;
    assert_non_null(peer);
    assert_non_null(mine);
    struct wu_node *x = wu_node(w, 0);
    for (size_t len = 0; len < peer->len; len++)
        assert_int_equal(ov_node_restore(x->n, OV_PERSIST_PEER, peer->id, peer->data, len, w->now),
                         OV_EINVAL);
    for (size_t len = 0; len < mine->len; len++)
        assert_int_equal(ov_node_restore(x->n, OV_PERSIST_NETWORK, net, mine->data, len, w->now),
                         OV_EINVAL);
    for (size_t len = 0; len < 20; len++)
        if (len != 8)
            assert_int_equal(ov_node_restore(x->n, OV_PERSIST_STAMP, 0, mine->data, len, w->now),
                             OV_EINVAL);
    assert_int_equal(ov_node_restore(x->n, 99, 0, mine->data, 8, w->now), OV_EINVAL);
    assert_int_equal(x->e->peers.len, 0);
    assert_int_equal(x->n->o.n, 0);
    wu_free(w);
}

/* ---- identities ---- */

/* A second key for a known address is refused, counted and told. */
static void test_conflict(void **state)
{
    struct wu *w = wu_new(11);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_identity other = b->id.pub;
    struct ov_peer *p;
    struct ov_node_stats stats;

    (void)state;
    wu_connect(a, b);
    other.sign.b[0] ^= 1;
    assert_int_equal(ov_peer_get(a->e, &other, &p), OV_ECONFLICT);
    other = wu_fake(w, b->addr);
    assert_int_equal(ov_peer_get(a->e, &other, &p), OV_ECONFLICT);
    other = wu_fake(w, a->addr); /* our own address, too */
    assert_int_equal(ov_peer_get(a->e, &other, &p), OV_ECONFLICT);
    wu_drain(a);
    ov_node_stats(a->n, &stats);
    assert_int_equal(stats.conflicts, 3);
    assert_int_equal(stats.drops[OV_DROP_CONFLICT], 3);
    assert_int_equal(a->events[OV_EVENT_CONFLICT], 3);
    assert_int_equal(stats.peers, 1);
    assert_int_equal(stats.sessions, 1);
    assert_true(ov_identity_equal(&wu_peer(a, b)->id, &b->id.pub));
    wu_free(w);
}

/* Time that goes back is taken as standing still. */
static void test_clock_back(void **state)
{
    struct wu *w = wu_new(12);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    ov_time now = a->e->now;
    ov_node_tick(a->n, now / 2);
    assert_int_equal(a->e->now, now);
    wu_free(w);
}

static void test_send(void **state)
{
    struct wu *w = wu_lan(13, 1);
    struct wu_node *root = w->node[0];
    uint8_t revoke[1 + OV_REVOCATION_LEN] = {OV_MSG_REVOKE};

    (void)state;
    wu_revoke(w, w->node[1]->addr, WU_WALL, revoke + 1);
    assert_int_equal(ov_node_send(root->n, 0x1234567890, revoke, sizeof revoke, w->now), OV_ENOENT);
    assert_int_equal(ov_node_send(root->n, root->addr, revoke, 0, w->now), OV_EINVAL);
    assert_int_equal(ov_node_send(root->n, root->addr, (uint8_t[]){OV_MSG_FRAME}, 1, w->now),
                     OV_EINVAL);
    assert_int_equal(ov_node_send(root->n, w->node[1]->addr, revoke, sizeof revoke, w->now), OV_OK);
    wu_drain(root);
    wu_run(w, OV_SEC);
    assert_int_equal(wu_net_of(w->node[1])->state, OV_NET_STATE_REFUSED);
    wu_free(w);
}

/* A ping to a member finds the direct way by itself: no frame has to go first. */
static void test_ping_goes_direct(void **state)
{
    struct wu *w = wu_lan(31, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    struct ov_ip ip = wu_ip(b);
    uint8_t cert[OV_CERT_MAX];
    size_t len = wu_cert(w, &b->id.pub, WU_WALL, 0, &ip, cert);

    (void)state;
    assert_int_equal(ov_member_accept(wu_net_of(a), cert, len, NULL), OV_OK);
    for (uint64_t id = 1; id <= 3; id++) {
        ping(a, b, id);
        wu_run(w, OV_SEC);
        assert_int_equal(a->events[OV_EVENT_PONG], 1);
    }
    assert_non_null(wu_peer(a, b)->paths);
    assert_true(wu_peer(a, b)->paths->active >= 0);
    assert_true(wu_peer(b, a)->paths->active >= 0);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_goes_direct),
        cmocka_unit_test(test_refused_configurations),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_ping_nobody),
        cmocka_unit_test(test_ping_table),
        cmocka_unit_test(test_ping_outlives_its_path),
        cmocka_unit_test(test_each_ping_is_told_of),
        cmocka_unit_test(test_shutdown),
        cmocka_unit_test(test_frame_crosses),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restore_refuses),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_send),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
