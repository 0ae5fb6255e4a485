#include "core/member.h"

#include "wire_up.h"

#define BASE 0x2000000000ull

/* Node 1 of a LAN takes certificates in. */
struct club {
    struct wu *w;
    struct wu_node *n;
    struct ov_network *net;
    uint8_t cert[OV_CERT_MAX];
};

static struct club club(uint64_t seed)
{
    struct club c = {.w = wu_lan(seed, 2)};

    c.n = c.w->node[1];
    c.net = wu_net_of(c.n);
    return c;
}

static int accept_cert(struct club *c, const struct ov_identity *id, ov_wall stamp,
                       const struct ov_ip *ip)
{
    size_t len = wu_cert(c->w, id, stamp, 0, ip, c->cert);

    return ov_member_accept(c->net, c->cert, len, NULL);
}

static void test_accept(void **state)
{
    struct club c = club(1);
    struct ov_identity id = wu_fake(c.w, BASE + 1);
    struct ov_ip one = {4, {10, 1, 1, 1}}, two = {4, {10, 1, 1, 2}};
    ov_wall t = c.w->net.stamp;
    struct ov_member *m;

    (void)state;
    assert_int_equal(accept_cert(&c, &id, t, &one), OV_OK);
    m = ov_member_find(c.net, BASE + 1);
    assert_non_null(m);
    assert_true(ov_member_valid(c.net, m));
    assert_ptr_equal(ov_member_by_ip(c.net, &one), m);
    /* A newer one replaces it; an older one changes nothing. */
    assert_int_equal(accept_cert(&c, &id, t + 10, &two), OV_OK);
    assert_null(ov_member_by_ip(c.net, &one));
    assert_ptr_equal(ov_member_by_ip(c.net, &two), m);
    assert_int_equal(accept_cert(&c, &id, t + 5, &one), OV_OK);
    assert_null(ov_member_by_ip(c.net, &one));
    assert_int_equal(m->cert.timestamp, t + 10);
    ov_member_remove(c.net, BASE + 1);
    assert_null(ov_member_find(c.net, BASE + 1));
    assert_null(ov_member_by_ip(c.net, &two));
    wu_free(c.w);
}

static void test_refused(void **state)
{
    struct club c = club(2);
    struct ov_identity id = wu_fake(c.w, BASE + 1);
    size_t before = c.net->members.len, len;
    struct ov_ip ip = {4, {10, 1, 1, 1}};

    (void)state;
    len = wu_cert(c.w, &id, c.w->net.stamp, 0, &ip, c.cert);
    for (size_t i = 0; i < len; i++) {
        assert_int_not_equal(ov_member_accept(c.net, c.cert, i, NULL), OV_OK);
        c.cert[i] ^= 0x10;
        assert_int_not_equal(ov_member_accept(c.net, c.cert, len, NULL), OV_OK);
        c.cert[i] ^= 0x10;
    }
    /* Another network of the same controller. */
    c.w->net.config.netid++;
    len = wu_cert(c.w, &id, c.w->net.stamp, 0, &ip, c.cert);
    c.w->net.config.netid--;
    assert_int_equal(ov_member_accept(c.net, c.cert, len, NULL), OV_EINVAL);
    /* Ourselves. */
    assert_int_equal(accept_cert(&c, &c.n->id.pub, c.w->net.stamp + 1, &ip), OV_EEXIST);
    assert_int_equal(c.net->members.len, before);
    wu_free(c.w);
}

/* Certificates agree while their timestamps differ by at most the window, either way. */
static void test_agreement(void **state)
{
    struct club c = club(3);
    ov_wall t = c.net->cert.timestamp, window = OV_WINDOW_DEFAULT * 1000ull;
    static const struct {
        int sign;
        ov_wall by;
        bool valid;
    } cases[] = {{1, 0, true}, {1, 1, true}, {-1, 1, true}};
    struct ov_identity id;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int edge = 0; edge < 2; edge++) {
            ov_wall by = edge ? window + cases[i].by : cases[i].by;
            bool want = by <= window;
            id = wu_fake(c.w, BASE + 10 * i + (unsigned)edge);
            assert_int_equal(accept_cert(&c, &id, cases[i].sign > 0 ? t + by : t - by, NULL),
                             OV_OK);
            assert_int_equal(ov_member_valid(c.net, ov_member_find(c.net, id.addr)), want);
        }
    }
    /* As ours is renewed, those that are not fall out. */
    id = wu_fake(c.w, BASE + 100);
    assert_int_equal(accept_cert(&c, &id, t, NULL), OV_OK);
    c.net->cert.timestamp = t + window;
    assert_true(ov_member_valid(c.net, ov_member_find(c.net, id.addr)));
    c.net->cert.timestamp = t + window + 1;
    assert_false(ov_member_valid(c.net, ov_member_find(c.net, id.addr)));
    assert_int_equal(accept_cert(&c, &id, t + 1, NULL), OV_OK);
    assert_true(ov_member_valid(c.net, ov_member_find(c.net, id.addr)));
    c.net->cert.netid = 0; /* no membership of ours: nobody is valid */
    assert_false(ov_member_valid(c.net, ov_member_find(c.net, id.addr)));
    wu_free(c.w);
}

/* A certificate for a known address with another key, however well signed. */
static void test_conflict(void **state)
{
    struct club c = club(4);
    struct ov_identity id = wu_fake(c.w, BASE + 1), other = wu_fake(c.w, BASE + 1);
    ov_wall t = c.w->net.stamp;

    (void)state;
    assert_int_equal(accept_cert(&c, &id, t, NULL), OV_OK);
    assert_int_equal(accept_cert(&c, &other, t + 9, NULL), OV_ECONFLICT); /* pinned by the member */
    assert_true(ov_identity_equal(&ov_member_find(c.net, BASE + 1)->cert.member, &id));
    wu_connect(c.n, c.w->node[2]);
    ov_member_remove(c.net, c.w->node[2]->addr);
    other = wu_fake(c.w, c.w->node[2]->addr);
    assert_int_equal(accept_cert(&c, &other, t + 9, NULL), OV_ECONFLICT); /* ...by the peer */
    wu_drain(c.n);
    assert_int_equal(c.n->e->stats.conflicts, 2);
    assert_int_equal(c.n->events[OV_EVENT_CONFLICT], 2);
    assert_null(ov_member_find(c.net, other.addr));
    wu_free(c.w);
}

/* An address given to somebody else belongs to the newest certificate that names it. */
static void test_ip_moves(void **state)
{
    struct club c = club(5);
    struct ov_identity a = wu_fake(c.w, BASE + 1), b = wu_fake(c.w, BASE + 2);
    struct ov_ip ip = {4, {10, 1, 1, 1}};
    ov_wall t = c.w->net.stamp;

    (void)state;
    assert_int_equal(accept_cert(&c, &b, t + 5, &ip), OV_OK);
    assert_int_equal(accept_cert(&c, &a, t, &ip), OV_OK);
    assert_true(ov_member_by_ip(c.net, &ip)->cert.member.addr == BASE + 2);
    assert_int_equal(accept_cert(&c, &a, t + 9, &ip), OV_OK);
    assert_true(ov_member_by_ip(c.net, &ip)->cert.member.addr == BASE + 1);
    ov_member_remove(c.net, BASE + 2);
    assert_true(ov_member_by_ip(c.net, &ip)->cert.member.addr == BASE + 1);
    wu_free(c.w);
}

/* A full table gives up who was not heard of for longest. */
static void test_bound(void **state)
{
    struct club c = club(6);
    struct ov_ip ip = {4, {10, 2, 0, 0}};

    (void)state;
    for (unsigned i = 0; i < OV_MEMBERS_MAX + 50; i++) {
        struct ov_identity id = wu_fake(c.w, BASE + i);
        ip.b[2] = (uint8_t)(i >> 8);
        ip.b[3] = (uint8_t)i;
        c.w->now += OV_MS;
        c.n->e->now = c.w->now;
        assert_int_equal(accept_cert(&c, &id, c.w->net.stamp, &ip), OV_OK);
        assert_true(c.net->members.len <= OV_MEMBERS_MAX);
    }
    assert_int_equal(c.net->members.len, OV_MEMBERS_MAX);
    assert_true(c.net->ips.len <= OV_MEMBERS_MAX);
    assert_null(ov_member_find(c.net, BASE));
    assert_non_null(ov_member_find(c.net, BASE + OV_MEMBERS_MAX + 49));
    wu_free(c.w);
}

/* ---- showing certificates ---- */

static void test_hello(void **state)
{
    struct wu *w = wu_lan(7, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    struct ov_mac group = {{0x01, 0, 0x5e, 0, 0, 9}};

    (void)state;
    ov_node_set_groups(a->n, w->net.config.netid, &group, 1, w->now);
    wu_drain(a);
    wu_connect(a, b);
    ov_member_remove(wu_net_of(a), b->addr);
    ov_member_remove(wu_net_of(b), a->addr);
    ov_member_hello(wu_net_of(a), wu_peer(a, b), true);
    wu_drain(a);
    wu_run(w, OV_SEC);
    assert_non_null(wu_member(a, b)); /* answered */
    assert_non_null(wu_member(b, a));
    assert_int_equal(wu_member(b, a)->ngroups, 1);
    assert_memory_equal(wu_member(b, a)->groups, &group, sizeof group);
    assert_true(wu_peer(b, a)->remember);
    assert_non_null(wu_stored(b, OV_PERSIST_PEER, a->addr));
    wu_free(w);
}

/* A good certificate shown by somebody else makes nobody a member. */
static void test_hello_of_another(void **state)
{
    struct wu *w = wu_lan(8, 2);
    struct wu_node *thief = wu_node(w, 0), *b = w->node[2];
    const struct ov_network *net = wu_net_of(w->node[1]);
    struct ov_msg_net_hello h = {.netid = net->id, .cert = {net->cert_blob, net->cert_len}};
    uint8_t buf[1024];
    struct ov_writer out;

    (void)state;
    wu_connect(thief, b);
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_net_hello_encode(&out, &h);
    wu_message(thief, b, buf, out.len);
    assert_int_equal(wu_drops(b, NOT_MEMBER), 1);
    assert_null(wu_member(b, thief));
    wu_free(w);
}

/* ---- revocation ---- */

static void test_revoked(void **state)
{
    struct club c = club(9);
    struct ov_identity id = wu_fake(c.w, BASE + 1);
    uint8_t blob[OV_REVOCATION_LEN];
    ov_wall t = c.w->net.stamp;

    (void)state;
    assert_int_equal(accept_cert(&c, &id, t, NULL), OV_OK);
    wu_revoke(c.w, BASE + 1, t - 1, blob); /* of an earlier one */
    ov_member_revoke(c.net, NULL, blob, sizeof blob);
    assert_true(ov_member_valid(c.net, ov_member_find(c.net, BASE + 1)));
    wu_revoke(c.w, BASE + 1, t, blob);
    for (size_t i = 0; i < sizeof blob; i++) {
        blob[i] ^= 1;
        ov_member_revoke(c.net, NULL, blob, sizeof blob);
        blob[i] ^= 1;
        ov_member_revoke(c.net, NULL, blob, i);
    }
    assert_non_null(ov_member_find(c.net, BASE + 1));
    assert_int_equal(wu_drops(c.n, AUTH), 2 * sizeof blob);
    ov_member_revoke(c.net, NULL, blob, sizeof blob);
    assert_null(ov_member_find(c.net, BASE + 1));
    assert_int_equal(accept_cert(&c, &id, t, NULL), OV_EEXPIRED);
    assert_int_equal(accept_cert(&c, &id, t + 1, NULL), OV_OK); /* admitted again */
    assert_true(ov_member_valid(c.net, ov_member_find(c.net, BASE + 1)));
    wu_free(c.w);
}

/* It spreads to all, from whoever hears it, and ends the membership of whom it names. */
static void test_revocation_spreads(void **state)
{
    struct wu *w = wu_lan(10, 4);
    uint8_t msg[1 + OV_REVOCATION_LEN] = {OV_MSG_REVOKE};
    struct wu_node *out = w->node[4];

    (void)state;
    wu_connect(w->node[1], w->node[2]);
    wu_connect(w->node[2], out);
    ov_member_hello(wu_net_of(w->node[2]), wu_peer(w->node[2], out), true);
    wu_drain(w->node[2]);
    wu_run(w, OV_SEC);
    assert_non_null(wu_member(w->node[2], out));
    wu_revoke(w, out->addr, w->net.stamp, msg + 1);
    w->net.silent = true;
    wu_message(w->node[1], w->node[2], msg, sizeof msg);
    wu_run(w, OV_SEC);
    assert_null(wu_member(w->node[2], out));
    assert_int_equal(wu_net_of(out)->state, OV_NET_STATE_REFUSED);
    assert_int_equal(wu_net_of(out)->status, OV_NET_DENIED);
    assert_int_equal(wu_net_of(out)->members.len, 0);
    assert_int_equal(out->last[OV_EVENT_NETWORK].net, w->net.config.netid);
    /* Once more says nothing new: it is not passed on. */
    wu_log_clear(w);
    wu_message(w->node[1], w->node[2], msg, sizeof msg);
    assert_int_equal(wu_count_sent(w, w->node[2], &out->ep), 0);
    wu_free(w);
}

/* ---- what ends with a membership ---- */

/* A controller and four members, of which `in` and `out` have talked. */
struct parting {
    struct wu *w;
    struct wu_node *in, *out;
};

static struct parting parting(uint64_t seed)
{
    struct wu *w = wu_lan(seed, 4);
    struct parting x = {w, w->node[2], w->node[4]};

    wu_connect(x.in, x.out);
    ov_member_hello(wu_net_of(x.in), wu_peer(x.in, x.out), true);
    wu_drain(x.in);
    wu_run(w, OV_SEC);
    assert_true(wu_peer(x.in, x.out)->remember);
    assert_non_null(wu_stored(x.in, OV_PERSIST_PEER, x.out->addr));
    return x;
}

/* The removed one does not hear of it itself. */
static void expel(struct parting *x)
{
    uint8_t msg[1 + OV_REVOCATION_LEN] = {OV_MSG_REVOKE};

    wu_revoke(x->w, x->out->addr, x->w->net.stamp, msg + 1);
    x->w->net.silent = true;
    wu_message(x->w->node[1], x->in, msg, sizeof msg);
    wu_run(x->w, OV_SEC);
    assert_null(wu_member(x->in, x->out));
}

static void say_bye(struct parting *x, struct wu_node *to)
{
    uint8_t bye[16];
    struct ov_writer out;

    ov_writer_init(&out, bye, sizeof bye);
    ov_msg_net_bye_encode(&out, x->w->net.config.netid);
    wu_message(x->out, to, bye, out.len);
}

/* `out` asks `in` to punch to a third host. True: it did, or told candidates of its own. */
static bool punches(struct parting *x)
{
    struct ov_endpoint third = wu_endpoint(70, 7000);
    struct ov_msg_punch m = {.nonce = 7, .n = 1, .c = {{OV_CANDIDATE_REFLEXIVE, third}}};
    uint64_t answers = wu_drops(x->out, UNEXPECTED);
    uint8_t buf[1000];
    struct ov_writer out;

    if (!ov_peer_up(wu_know(x->out, x->in)))
        wu_connect(x->out, x->in);
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_punch_encode(&out, &m);
    wu_log_clear(x->w);
    wu_message(x->out, x->in, buf, out.len);
    wu_run(x->w, 2 * OV_SEC);
    bool told = wu_drops(x->out, UNEXPECTED) > answers; /* it did not ask */
    bool sent = wu_count_sent(x->w, x->in, &third) > 0;
    assert_int_equal(told, sent);
    return sent;
}

static void test_removed_cannot_punch(void **state)
{
    struct parting x = parting(12);
    struct ov_peer *p = wu_peer(x.in, x.out);

    (void)state;
    assert_true(punches(&x));
    p->last_frame = x.w->now; /* frames were on their way, too */
    assert_non_null(p->punch);
    expel(&x);
    assert_ptr_equal(wu_peer(x.in, x.out), p);
    assert_false(p->remember);
    assert_int_equal(p->last_frame, 0);
    assert_null(p->punch);
    assert_null(wu_stored(x.in, OV_PERSIST_PEER, x.out->addr));
    assert_false(punches(&x));
    wu_run(x.w, 300 * OV_SEC);
    assert_false(punches(&x));
    assert_false(wu_peer(x.in, x.out)->remember); /* nor does a session bring it back */
    assert_null(wu_stored(x.in, OV_PERSIST_PEER, x.out->addr));
    wu_free(x.w);
}

/* A restart does not make it one of those who are believed until they show certificates. */
static void test_removed_cannot_punch_after_restart(void **state)
{
    struct parting x = parting(13);
    const struct wu_stored *s = wu_stored(x.in, OV_PERSIST_PEER, x.out->addr);
    uint8_t copy[256];
    size_t len = s->len;
    struct ov_peer *p;

    (void)state;
    assert_in_range(len, 1, sizeof copy);
    memcpy(copy, s->data, len);
    expel(&x);
    wu_restart(x.in);
    wu_run(x.w, OV_SEC);
    assert_false(punches(&x));
    /* Not even where the disk could not forget it. */
    wu_restart(x.in);
    assert_int_equal(ov_node_restore(x.in->n, OV_PERSIST_PEER, x.out->addr, copy, len, x.w->now),
                     OV_OK);
    p = wu_peer(x.in, x.out);
    assert_true(p->remember);
    wu_run(x.w, 5 * OV_SEC);
    assert_false(punches(&x));
    assert_false(wu_peer(x.in, x.out)->remember);
    wu_free(x.w);
}

/* Members that were stored punch at once, before certificates came, but not for ever. */
static void test_stored_are_believed_for_a_while(void **state)
{
    for (int late = 0; late < 2; late++) {
        struct parting x = parting(14 + (uint64_t)late);
        ov_network_refuse(wu_net_of(x.out), OV_NET_DENIED); /* it has nothing to show any more, */
        say_bye(&x, x.w->node[0]);                          /* nor has the directory */
        x.w->net.silent = true;
        wu_restart(x.in);
        wu_run(x.w, OV_SEC);
        assert_true(ov_peer_up(wu_peer(x.in, x.out))); /* it was called */
        assert_null(wu_member(x.in, x.out));
        if (late)
            wu_run(x.w, OV_PEER_ACTIVE);
        assert_int_equal(punches(&x), !late);
        wu_free(x.w);
    }
    (void)state;
}

static void test_certificate_of_another_age_cannot_punch(void **state)
{
    struct parting x = parting(16);

    (void)state;
    wu_net_of(x.in)->cert.timestamp += (wu_net_of(x.in)->config->window_s + 60) * 1000ull;
    assert_non_null(wu_member(x.in, x.out));
    assert_false(punches(&x));
    wu_run(x.w, OV_REKEY_AFTER + 60 * OV_SEC);
    if (!ov_peer_up(wu_peer(x.in, x.out)))
        wu_connect(x.in, x.out);
    else
        ov_peer_rehandshake(wu_peer(x.in, x.out));
    wu_run(x.w, OV_SEC);
    assert_false(wu_peer(x.in, x.out)->remember); /* seen with the next session */
    wu_free(x.w);
}

/* Who left, and all after we left, or were shut out ourselves. */
static void test_leaving_cannot_punch(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct parting x = parting(17 + (uint64_t)how);
        if (how == 0)
            say_bye(&x, x.in);
        else if (how == 1)
            assert_int_equal(ov_node_leave(x.in->n, x.w->net.config.netid, x.w->now), OV_OK);
        else
            ov_network_refuse(wu_net_of(x.in), OV_NET_DENIED);
        x.w->net.silent = true;
        wu_drain(x.in);
        wu_run(x.w, OV_SEC);
        assert_false(wu_peer(x.in, x.out)->remember);
        assert_false(punches(&x));
        wu_free(x.w);
    }
}

static void test_revocations_bound(void **state)
{
    struct club c = club(11);
    uint8_t blob[OV_REVOCATION_LEN];
    ov_wall t = c.w->net.stamp;
    struct ov_identity first = wu_fake(c.w, BASE), last = wu_fake(c.w, BASE + OV_REVOKED_MAX + 9);

    (void)state;
    for (unsigned i = 0; i < OV_REVOKED_MAX + 10; i++) {
        wu_revoke(c.w, BASE + i, t + i, blob);
        ov_member_revoke(c.net, NULL, blob, sizeof blob);
        assert_true(c.net->revoked.n <= OV_REVOKED_MAX);
    }
    assert_int_equal(c.net->revoked.n, OV_REVOKED_MAX);
    assert_int_equal(accept_cert(&c, &last, t, NULL), OV_EEXPIRED);
    assert_int_equal(accept_cert(&c, &first, t, NULL), OV_EEXPIRED); /* its entry gave way */
    wu_drain(c.n);
    wu_run(c.w, 2 * OV_SEC); /* many in a second are stored once */
    wu_restart(c.n);
    c.net = wu_net_of(c.n);
    assert_int_equal(accept_cert(&c, &last, t, NULL), OV_EEXPIRED);
    assert_int_equal(accept_cert(&c, &first, t, NULL), OV_EEXPIRED);
    assert_int_equal(accept_cert(&c, &first, t + 10, NULL), OV_OK);
    wu_free(c.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_ip_moves),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_hello_of_another),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_revocation_spreads),
        cmocka_unit_test(test_removed_cannot_punch),
        cmocka_unit_test(test_removed_cannot_punch_after_restart),
        cmocka_unit_test(test_stored_are_believed_for_a_while),
        cmocka_unit_test(test_certificate_of_another_age_cannot_punch),
        cmocka_unit_test(test_leaving_cannot_punch),
        cmocka_unit_test(test_revocations_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
