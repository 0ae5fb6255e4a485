/* Who may use up what belongs to all: the disk, the processor, memory, and places in tables. */
#include "attack.h"

#include "core/lookup.h"
#include "core/peer.h"
#include "core/root.h"
#include "core/volunteer.h"

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

/* ---- what a controller may cost ---- */

struct answer {
    struct ov_msg_net_reply m;
    uint8_t config[OV_CONFIG_MAX], cert[OV_CERT_MAX];
};

/* A configuration of this revision with eight roots; `proven`: with their proofs of work. */
static void make_answer(const struct ov_network *net, uint64_t revision, bool proven,
                        struct answer *a)
{
    struct ov_net_config c = *net->config;
    c.revision = revision;
    c.nroots = OV_NET_ROOTS_MAX;
    for (uint8_t i = 0; i < OV_NET_ROOTS_MAX; i++) {
        struct ov_identity_secret s;
        wire_identity(5000 + i, &s);
        c.roots[i] = (struct ov_net_root){.id = s.pub, .nendpoints = 1};
        c.roots[i].id.nonce ^= !proven;
        c.roots[i].endpoints[0] = wire_ep(3, i, 4000);
    }
    int len = ov_net_config_issue(&c, &controller, a->config);
    assert_true(len > 0);
    memcpy(a->cert, net->cert_blob, net->cert_len);
    a->m = (struct ov_msg_net_reply){
        .netid = net->id, .config = {a->config, (size_t)len}, .cert = {a->cert, net->cert_len}};
    memcpy(a->m.name, net->member_name, sizeof a->m.name);
}

/* A member, and the controller of its network. */
static struct ov_network *admitted(struct wire *w)
{
    struct host *c = wire_host(w, OV_CAP_CONTROLLER), *h = wire_host(w, 0);
    wire_identity(1000, &controller);
    assert_true(controller.pub.addr == c->addr);
    struct ov_network *net = make_member(w, h, 2, 0);
    assert_non_null(net->controller_peer);
    wire_run(w, OV_SEC);
    ov_node_tick(h->n, w->now);
    wire_drain(w, h);
    return net;
}

static void test_same_answer_again(void **state)
{
    struct wire w = {0};
    struct ov_network *net = admitted(&w);
    struct host *h = &w.h[1];
    struct answer a;
    (void)state;
    make_answer(net, 2, false, &a);
    ov_network_reply(net, &a.m);
    assert_int_equal(stored(h, OV_PERSIST_NETWORK, NULL), 1);
    for (int i = 0; i < 1000; i++) {
        ov_network_reply(net, &a.m);
        ov_node_tick(h->n, w.now);
        assert_int_equal(stored(h, OV_PERSIST_NETWORK, NULL), 0);
    }
    assert_int_equal(h->n->e.stats.drops[OV_DROP_BAD_IDENTITY], OV_NET_ROOTS_MAX);
    assert_int_equal(h->n->e.stats.drops[OV_DROP_LIMIT], 0);
    assert_true(net->request_next > w.now + 60 * OV_SEC);
    wire_free(&w);
}

/* Always something new: so much of it, and the rest is asked for. */
static void test_other_answers(void **state)
{
    struct wire w = {0};
    struct ov_network *net = admitted(&w);
    struct host *h = &w.h[1];
    struct answer a;
    unsigned writes = 0;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        make_answer(net, 2 + i, true, &a);
        ov_network_reply(net, &a.m);
        ov_node_tick(h->n, w.now);
        writes += stored(h, OV_PERSIST_NETWORK, NULL);
    }
    assert_in_range(writes, 10, 40);
    assert_int_equal(h->n->e.stats.drops[OV_DROP_LIMIT], 200 - writes);
    assert_true(net->request_next <= w.now + 5 * OV_SEC);
    w.now += 5 * OV_SEC;
    ov_node_tick(h->n, w.now);
    ov_network_reply(net, &a.m);
    assert_int_equal(net->config->revision, 201);
    wire_free(&w);
}

static unsigned roots_of(const struct host *h)
{
    unsigned n = 0;
    for (int i = 0; i < OV_ROOTS_MAX; i++)
        n += h->n->roots.root[i].host[0] != 0;
    return n;
}

/* Roots that a configuration names are looked into as time allows: in the end all. */
static void test_named_roots_wait(void **state)
{
    struct wire w = {0};
    struct ov_network *net = admitted(&w);
    struct host *h = &w.h[1];
    struct answer a;
    (void)state;
    make_answer(net, 2, true, &a);
    h->n->e.pow_checks = (struct ov_bucket){.rate = 1, .burst = 2, .last = w.now};
    ov_node_tick(h->n, w.now);
    ov_network_reply(net, &a.m);
    assert_int_equal(roots_of(h), 0);
    wire_run(&w, 3 * OV_SEC + OV_SEC / 2);
    assert_in_range(roots_of(h), 1, 5);
    wire_run(&w, 10 * OV_SEC);
    assert_int_equal(roots_of(h), OV_NET_ROOTS_MAX);
    wire_free(&w);
}

/* ---- what a directory may cost ---- */

#define CERTS OV_FOUND_MAX

static void make_certs(uint8_t blob[CERTS][OV_CERT_MAX], struct ov_slice out[CERTS])
{
    for (uint8_t i = 0; i < CERTS; i++) {
        struct ov_identity_secret s;
        wire_identity(7000 + i, &s);
        out[i] = (struct ov_slice){blob[i], make_cert(&s.pub, (uint8_t)(100 + i), 0, blob[i])};
    }
}

static void test_named_certificates(void **state)
{
    struct wire w = {0};
    struct ov_network *net = admitted(&w);
    struct host *h = &w.h[1];
    static uint8_t blob[CERTS][OV_CERT_MAX];
    struct ov_msg_found f = {.netid = the_net(), .n = CERTS};
    struct ov_member *m;
    (void)state;
    make_certs(blob, f.certs);
    /* Nobody asked. */
    f.key = (struct ov_lookup_key){.kind = OV_LOOKUP_GROUP, .group = OV_VOLUNTEERS};
    net->volunteers.asked = w.now;
    ov_lookup_found(net, net->controller_peer, &f);
    assert_int_equal(net->members.len, 0);
    /* Asked: so many are checked, what is known costs nothing, and more follow with time. */
    net->told = (struct ov_bucket){.rate = 1, .burst = 10, .tokens_ns = 10000000000, .last = w.now};
    net->volunteers.asking = true;
    ov_lookup_found(net, net->controller_peer, &f);
    assert_int_equal(net->members.len, 10);
    assert_int_equal(h->n->e.stats.drops[OV_DROP_LIMIT], CERTS - 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ov_member_told(net, f.certs[i].p, f.certs[i].len, &m), OV_OK);
    assert_int_equal(ov_member_told(net, f.certs[10].p, f.certs[10].len, &m), OV_ELIMIT);
    ov_lookup_found(net, net->controller_peer, &f); /* answered already */
    assert_int_equal(net->members.len, 10);
    w.now += 3 * OV_SEC;
    ov_node_tick(h->n, w.now);
    net->volunteers.asking = true;
    ov_lookup_found(net, net->controller_peer, &f);
    assert_int_equal(net->members.len, 13);
    wire_free(&w);
}

/* ---- what an answer to "who is there" may cost ---- */

static void iam(struct wire *w, struct host *h, uint64_t nonce, const struct ov_identity *id,
                const struct ov_endpoint *from)
{
    struct ov_iam m = {.caps = OV_CAP_ROOT, .nonce = nonce, .id = *id};
    uint8_t buf[OV_IAM_LEN];
    ov_iam_encode(&m, buf);
    ov_node_datagrams(h->n, &(struct ov_datagram){.from = *from, .data = buf, .len = sizeof buf}, 1,
                      w->now);
    wire_drain(w, h);
}

static void test_who_are_you(void **state)
{
    struct wire w = {0};
    struct host *h = wire_host(&w, 0), *r = wire_host(&w, OV_CAP_ROOT);
    const struct ov_root *root = &h->n->roots.root[0];
    struct ov_identity_secret other;
    (void)state;
    wire_identity(9, &other);
    assert_int_equal(ov_node_add_root(h->n, "root", NULL, r->ep, 1, w.now), OV_OK);
    wire_drain(&w, h);
    wire_run(&w, OV_SEC);
    assert_non_null(root->peer);
    r->cut = true;
    wire_run(&w, 60 * OV_SEC); /* it is silent, so there are questions */
    h->n->e.pow_checks = (struct ov_bucket){.burst = 200, .tokens_ns = 200000000000, .last = w.now};
    ov_node_tick(h->n, w.now);
    for (int i = 0; i < 100; i++)
        iam(&w, h, root->nonce, ov_node_identity(r->n), &r->ep[0]);
    assert_true(h->n->e.pow_checks.tokens_ns == 200000000000); /* whom we know costs nothing */
    for (int i = 0; i < 100; i++)
        iam(&w, h, root->nonce, &other.pub, &r->ep[0]);
    assert_true(h->n->e.pow_checks.tokens_ns == 199000000000); /* others are looked at once */
    assert_true(root->mismatch);
    uint64_t nonce = root->nonce;
    wire_run(&w, 31 * OV_SEC);
    assert_true(root->nonce != nonce);
    iam(&w, h, nonce, ov_node_identity(r->n), &r->ep[0]);
    assert_true(root->mismatch);
    iam(&w, h, root->nonce, ov_node_identity(r->n), &r->ep[0]);
    assert_false(root->mismatch);
    wire_free(&w);
}

static void revoked_by(struct host *h, struct ov_peer *from, bool forged, ov_addr member,
                       ov_wall stamp)
{
    struct ov_revocation v = {.netid = the_net(), .member = member, .timestamp = stamp};
    uint8_t blob[OV_REVOCATION_LEN], buf[1 + OV_REVOCATION_LEN];
    struct ov_writer w;

    ov_revocation_issue(&v, &controller, blob);
    blob[OV_REVOCATION_LEN - 1] ^= forged; /* (the signature ends it) */
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_revoke_encode(&w, blob);
    ov_node_message(h->n, from, buf, w.len);
}

static unsigned writes(struct host *h)
{
    struct ov_output o;
    unsigned n = 0;

    while (ov_node_pull(h->n, &o))
        n += o.kind == OV_OUT_PERSIST && o.persist.kind == OV_PERSIST_NETWORK;
    return n;
}

/* A controller may throw out whom it likes, as often as it likes; that is not the disk's time, nor
 * without end the processor's. */
static void test_revocations_without_end(void **state)
{
    struct wire w = {0};
    struct host *h = wire_host(&w, 0);
    unsigned n = 0;

    (void)state;
    wire_identity(4242, &controller);
    struct ov_network *net = make_member(&w, h, 2, 0);
    ov_time began = w.now;
    writes(h);
    for (unsigned i = 0; i < 5000; i++) {
        revoked_by(h, net->controller_peer, false, 0x0a00000001, NOW_WALL + i);
        n += writes(h);
    }
    assert_in_range(n, 1, 1);
    assert_in_range(net->revoked.of[0].timestamp - NOW_WALL, 900, 1100); /* the rest is left out */
    while (w.now < began + 3 * OV_SEC) {
        w.now += 100 * OV_MS;
        ov_node_tick(h->n, w.now);
        n += writes(h);
    }
    assert_int_equal(n, 2); /* and the last of them is stored */
    revoked_by(h, net->controller_peer, false, 0x0a00000002, NOW_WALL);
    revoked_by(h, net->controller_peer, false, 0x0a00000003, NOW_WALL);
    assert_int_equal(writes(h), 1);
    ov_node_shutdown(h->n, w.now);
    assert_int_equal(writes(h), 1); /* also when it ends at once */
    wire_free(&w);
}

/* Forged ones of whom we keep a connection with, as of a root, cost a signature each. */
static void test_forged_revocations(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *h = wire_host(&w, 0);

    (void)state;
    wire_identity(4242, &controller);
    make_member(&w, h, 2, 0);
    wire_root(&w, h, root);
    wire_run(&w, OV_SEC);
    struct ov_peer *p = ov_peer_find(&h->n->e, root->addr);
    assert_non_null(p);
    assert_true(p->keep > 0);
    uint64_t checked = h->n->e.stats.drops[OV_DROP_AUTH];
    for (unsigned i = 0; i < 5000; i++)
        revoked_by(h, p, true, 0x0a00000001, NOW_WALL + i);
    checked = h->n->e.stats.drops[OV_DROP_AUTH] - checked;
    assert_in_range(checked, 1, 100);
    wire_free(&w);
}

/* There was no room to tell of a change: it is told later. */
static void test_told_in_the_end(void **state)
{
    struct wire w = {0};
    struct host *h = wire_host(&w, 0);
    struct ov_outq *q = &h->n->e.out;
    struct ov_output o;
    unsigned told = 0;

    (void)state;
    wire_identity(4242, &controller);
    struct ov_network *net = make_member(&w, h, 2, 0);
    size_t max = q->max, kept = q->kept;
    q->max = q->kept = 0;
    ov_network_refuse(net, OV_NET_DENIED);
    q->max = max;
    q->kept = kept;
    while (ov_node_pull(h->n, &o))
        assert_int_not_equal(o.kind, OV_OUT_EVENT);
    for (int i = 0; i < 10; i++) {
        w.now += 100 * OV_MS;
        ov_node_tick(h->n, w.now);
        while (ov_node_pull(h->n, &o))
            told += o.kind == OV_OUT_EVENT && o.event.kind == OV_EVENT_NETWORK;
    }
    assert_int_equal(told, 1);
    wire_free(&w);
}

/* The member's machine has died while its table of peers is full of those that are there: it looks
 * for one that relays, and the place for that one is not its own, on which it is at work. */
static void test_not_evicted_by_itself(void **state)
{
    struct wire w = {.max_peers = 0};
    uint8_t cert[OV_CERT_MAX], frame[80] = {OV_MSG_FRAME};
    struct ov_identity_secret relay;
    struct ov_member *m[3];

    (void)state;
    wire_identity(4242, &controller);
    wire_identity(777, &relay);
    struct host *root = wire_host(&w, OV_CAP_ROOT), *dead = wire_host(&w, 0),
                *live = wire_host(&w, 0);
    w.max_peers = 4; /* the root, the controller, and these two */
    struct host *h = wire_host(&w, 0);
    struct ov_network *net = make_member(&w, h, 1, 0);
    make_member(&w, dead, 2, 0);
    make_member(&w, live, 3, 0);
    wire_root(&w, h, root);
    wire_root(&w, dead, root);
    wire_root(&w, live, root);
    const struct ov_identity *who[] = {ov_node_identity(dead->n), ov_node_identity(live->n),
                                       &relay.pub};
    for (size_t i = 0; i < 3; i++) {
        size_t len = make_cert(who[i], (uint8_t)(i == 2 ? 9 : 2 + i), 0, cert);
        assert_int_equal(ov_member_accept(net, cert, len, &m[i]), OV_OK);
    }
    wire_run(&w, 5 * OV_SEC);
    ov_store64(frame + 2, the_net());
    struct ov_peer *p = ov_member_peer(m[0]);
    assert_non_null(p);
    assert_non_null(ov_member_peer(m[1]));
    for (int i = 0; i < 100; i++) {
        if (i == 6) {
            assert_true(ov_peer_up(p));
            dead->cut = true;
        }
        for (int k = 0; k < 2; k++) {
            struct ov_peer *to = ov_member_peer(m[k]);
            if (to)
                ov_peer_send(to, frame, sizeof frame, OV_SEND_FRAME);
        }
        net->volunteers.n = i > 6; /* as a directory says */
        net->volunteers.member[0] = relay.pub.addr;
        wire_drain(&w, h);
        wire_run(&w, OV_SEC);
    }
    assert_null(h->n->e.busy);
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick_restarts),
        cmocka_unit_test(test_stamps_are_written_rarely),
        cmocka_unit_test(test_stored_in_the_end),
        cmocka_unit_test(test_same_answer_again),
        cmocka_unit_test(test_other_answers),
        cmocka_unit_test(test_named_roots_wait),
        cmocka_unit_test(test_named_certificates),
        cmocka_unit_test(test_who_are_you),
        cmocka_unit_test(test_revocations_without_end),
        cmocka_unit_test(test_forged_revocations),
        cmocka_unit_test(test_told_in_the_end),
        cmocka_unit_test(test_not_evicted_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
