/* What strangers and hostile members must not be able to do. */
#include "attack.h"

#include "core/directory.h"
#include "core/member.h"
#include "core/session.h"
#include "core/switch.h"
#include "core/volunteer.h"

static void know(struct ov_network *net, const struct ov_identity *who, uint8_t last,
                 uint16_t perms)
{
    uint8_t cert[OV_CERT_MAX];
    size_t len = make_cert(who, last, perms, cert);
    assert_int_equal(ov_member_accept(net, cert, len, NULL), OV_OK);
}

/* Let `a` be connected with `b`, directly. */
static void connect_to(struct wire *w, struct host *a, const struct host *b)
{
    wire_root(w, a, b);
    wire_run(w, 2 * OV_SEC);
    assert_true(ov_peer_up(ov_peer_by_key(&a->n->e, &ov_node_identity(b->n)->dh)));
}

/* An IPv4 frame, or what `body` is, behind room for headers. */
static uint8_t *make_frame(const struct ov_mac *dst, const struct ov_mac *src, uint16_t type,
                           const uint8_t *body, size_t blen, size_t *len)
{
    static uint8_t buf[64 + 1500];
    uint8_t *f = buf + 64;
    memcpy(f, dst->b, 6);
    memcpy(f + 6, src->b, 6);
    f[12] = (uint8_t)(type >> 8);
    f[13] = (uint8_t)type;
    memcpy(f + 14, body, blen);
    *len = 14 + blen;
    return f;
}

/* Send a frame from the engine of `a` to its peer `p`, past its own switch. */
static void send_raw(struct wire *w, struct host *a, struct ov_peer *p, uint8_t *frame, size_t len)
{
    ov_msg_frame_header(the_net(), frame - OV_MSG_FRAME_HEADER);
    assert_int_equal(
        ov_peer_send(p, frame - OV_MSG_FRAME_HEADER, len + OV_MSG_FRAME_HEADER, OV_SEND_FRAME),
        OV_OK);
    wire_drain(w, a);
    wire_run(w, 50 * OV_MS);
}

static uint64_t drops(const struct host *h, enum ov_drop why)
{
    return h->n->e.stats.drops[why];
}

static const uint8_t ip4_from_7[20] = {0x45, 0, 0,  20, 0, 0, 0,  0, 64, 17,
                                       0,    0, 10, 0,  0, 7, 10, 0, 0,  2};

/* Another key at the address of a member (which costs 2^40 proofs of work) is not that member. */
static void test_second_key_for_an_address(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    struct ov_network *net = make_member(&w, a, 2, 0);
    struct ov_identity_secret victim;
    uint8_t blob[128], raw[OV_IDENTITY_LEN];
    struct ov_writer wr;
    size_t len;
    (void)state;
    wire_identity(7000, &victim);
    know(net, &victim.pub, 7, 0);
    ov_identity_encode(ov_node_identity(b->n), raw);
    ov_writer_init(&wr, blob, sizeof blob);
    ov_writer_u8(&wr, 1);
    ov_writer_bytes(&wr, raw, sizeof raw);
    ov_writer_u64(&wr, 0);
    ov_writer_endpoint(&wr, &(struct ov_endpoint){0});
    assert_int_equal(ov_node_restore(a->n, OV_PERSIST_PEER, victim.pub.addr, blob, wr.len, w.now),
                     OV_OK);
    connect_to(&w, b, a);
    assert_true(ov_peer_up(ov_peer_find(&a->n->e, victim.pub.addr)));

    struct ov_mac theirs = ov_mac_derive(victim.pub.addr, the_net());
    uint8_t *f = make_frame(&net->mac, &theirs, OV_ETH_IP4, ip4_from_7, 20, &len);
    send_raw(&w, b, wire_peer(b, a), f, len);
    assert_int_equal(a->n->e.stats.tx_frames, 0);
    assert_int_equal(drops(a, OV_DROP_NOT_MEMBER), 1);

    f = make_frame(&theirs, &net->mac, OV_ETH_IP4, ip4_from_7, 20, &len);
    uint64_t before = drops(b, OV_DROP_NOT_JOINED);
    ov_switch_send(net, f, len, &ov_offload_none, NULL);
    wire_drain(&w, a);
    wire_run(&w, 50 * OV_MS);
    assert_int_equal(drops(b, OV_DROP_NOT_JOINED), before);
    assert_int_equal(drops(a, OV_DROP_CONFLICT), 1);

    uint8_t bye[9];
    ov_writer_init(&wr, bye, sizeof bye);
    ov_msg_net_bye_encode(&wr, the_net());
    ov_peer_send(wire_peer(b, a), bye, wr.len, 0);
    wire_drain(&w, b);
    wire_run(&w, 50 * OV_MS);
    assert_non_null(ov_member_find(net, victim.pub.addr));
    wire_free(&w);
}

/* A controller that signs another node's address to a key of its choice takes neither that node's
 * place nor that of the controller that this node is. */
static void test_lying_certificate(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *v = wire_host(&w, OV_CAP_CONTROLLER);
    struct ov_network *net = make_member(&w, a, 2, 0);
    struct ov_identity_secret evil;
    struct ov_identity lie;
    size_t len;
    (void)state;
    wire_identity(7000, &evil);
    lie = evil.pub;
    lie.addr = v->addr;
    know(net, &lie, 7, 0);
    struct ov_mac theirs = ov_mac_derive(v->addr, the_net());
    uint8_t *f = make_frame(&theirs, &net->mac, OV_ETH_IP4, ip4_from_7, 20, &len);
    ov_switch_send(net, f, len, &ov_offload_none, NULL);
    wire_drain(&w, a);
    assert_true(ov_identity_equal(&wire_peer(a, v)->id, &lie)); /* nobody else claims it yet */

    ov_netid other = v->addr << 24 | 5;
    assert_int_equal(ov_node_join(a->n, other, NULL, NULL, "a", w.now), OV_OK);
    wire_drain(&w, a);
    wire_run(&w, 3 * OV_SEC);
    assert_int_equal(ov_network_find(&a->n->o, other)->controller.addr, 0);

    connect_to(&w, v, a);
    assert_true(ov_identity_equal(&wire_peer(a, v)->id, ov_node_identity(v->n)));
    wire_run(&w, 3 * OV_SEC);
    assert_true(
        ov_identity_equal(&ov_network_find(&a->n->o, other)->controller, ov_node_identity(v->n)));
    f = make_frame(&theirs, &net->mac, OV_ETH_IP4, ip4_from_7, 20, &len);
    ov_switch_send(net, f, len, &ov_offload_none, NULL);
    assert_int_equal(drops(a, OV_DROP_CONFLICT), 1);
    wire_free(&w);
}

/* A node that is restarted still knows who was removed. */
static void test_restart_keeps_revocations(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *again = wire_host(&w, 0);
    struct ov_network *net = make_member(&w, a, 2, 0);
    struct ov_identity_secret removed;
    struct ov_revocation r = {.netid = the_net(), .timestamp = NOW_WALL};
    uint8_t blob[OV_REVOCATION_LEN], cert[OV_CERT_MAX], stored[16384];
    struct ov_output o;
    size_t len = 0;
    (void)state;
    wire_identity(7000, &removed);
    know(net, &removed.pub, 7, 0);
    r.member = removed.pub.addr;
    ov_revocation_issue(&r, &controller, blob);
    ov_member_revoke(net, NULL, blob, sizeof blob);
    assert_null(ov_member_find(net, removed.pub.addr));
    while (ov_node_pull(a->n, &o))
        if (o.kind == OV_OUT_PERSIST && o.persist.kind == OV_PERSIST_NETWORK) {
            len = o.persist.len;
            memcpy(stored, o.persist.data, len);
        }
    assert_true(len > 0);
    /* The same host again: it has to be the same node, for its certificate. */
    again->n->e.id = a->n->e.id;
    assert_int_equal(
        ov_node_restore(again->n, OV_PERSIST_NETWORK, the_net(), stored, len - 1, w.now),
        OV_EINVAL);
    assert_int_equal(ov_node_restore(again->n, OV_PERSIST_NETWORK, the_net(), stored, len, w.now),
                     OV_OK);
    net = ov_network_find(&again->n->o, the_net());
    assert_true(ov_network_ready(net));
    len = make_cert(&removed.pub, 7, 0, cert);
    assert_int_equal(ov_member_accept(net, cert, len, NULL), OV_EEXPIRED);
    wire_free(&w);
}

/* A bridge may speak for MACs of its own network, not for another member's. */
static void test_bridge_takes_no_members_mac(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    struct ov_network *net = make_member(&w, a, 2, 0);
    struct ov_identity_secret victim;
    size_t len;
    (void)state;
    wire_identity(7000, &victim);
    know(net, &victim.pub, 7, 0);
    know(net, ov_node_identity(b->n), 8, OV_PERM_BRIDGE);
    connect_to(&w, b, a);
    struct ov_mac theirs = ov_mac_derive(victim.pub.addr, the_net()),
                  foreign = {{2, 9, 9, 9, 9, 9}};
    uint8_t *f = make_frame(&net->mac, &theirs, OV_ETH_IP4, ip4_from_7, 20, &len);
    send_raw(&w, b, wire_peer(b, a), f, len);
    assert_int_equal(a->n->e.stats.tx_frames, 0);
    assert_int_equal(drops(a, OV_DROP_SOURCE_MAC), 1);
    assert_int_equal(net->learned.len, 0);
    f = make_frame(&net->mac, &foreign, OV_ETH_IP4, ip4_from_7, 20, &len);
    send_raw(&w, b, wire_peer(b, a), f, len);
    assert_int_equal(a->n->e.stats.tx_frames, 1);
    assert_int_equal(net->learned.len, 1);
    wire_free(&w);
}

/* A plain member cannot make itself the router of everybody, nor redirect them. */
static void test_no_router_but_the_controllers(void **state)
{
    static const uint8_t types[2] = {134, 137};
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    struct ov_network *net = make_member(&w, a, 2, 0);
    size_t len;
    (void)state;
    know(net, ov_node_identity(b->n), 8, 0);
    connect_to(&w, b, a);
    struct ov_mac src = ov_mac_derive(b->addr, the_net()), all = {{0x33, 0x33, 0, 0, 0, 1}};
    struct ov_ip ll = ov_ip_link_local(&src);
    for (size_t i = 0; i < 2; i++) {
        uint8_t body[40 + 40] = {0x60, 0, 0, 0, 0, 40, 58, 255};
        memcpy(body + 8, ll.b, 16);
        body[24] = 0xff;
        body[25] = 2;
        body[39] = 1;
        body[40] = types[i];
        uint8_t *f = make_frame(&all, &src, OV_ETH_IP6, body, sizeof body, &len);
        send_raw(&w, b, wire_peer(b, a), f, len);
        assert_int_equal(drops(a, OV_DROP_SOURCE_IP), i + 1);
    }
    assert_int_equal(a->n->e.stats.tx_frames, 0);
    wire_free(&w);
}

/* Incomplete messages go by themselves: their memory is everybody's. */
static void test_fragments_expire(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    (void)state;
    connect_to(&w, b, a);
    wire_peer(a, b)->remember = true;
    for (uint16_t id = 1; id <= OV_FRAGMENT_SLOTS; id++) {
        uint8_t buf[64];
        struct ov_writer wr;
        struct ov_msg_fragment m = {.id = id, .total = OV_MESSAGE_MAX};
        m.bytes = (struct ov_slice){(const uint8_t *)"x", 1};
        ov_writer_init(&wr, buf, sizeof buf);
        ov_msg_fragment_encode(&wr, &m);
        assert_int_equal(ov_peer_send(wire_peer(b, a), buf, wr.len, OV_SEND_QUIET), OV_OK);
    }
    wire_drain(&w, b);
    wire_run(&w, 50 * OV_MS);
    assert_int_equal(a->n->e.reassembly.bytes, OV_FRAGMENT_SLOTS * OV_MESSAGE_MAX);
    wire_run(&w, OV_FRAGMENT_LIFE + OV_SEC);
    assert_int_equal(a->n->e.reassembly.bytes, 0);
    assert_int_equal(drops(a, OV_DROP_FRAGMENTS), OV_FRAGMENT_SLOTS);
    wire_free(&w);
}

/* Signatures of a stranger are not checked as fast as it can send them. */
static void test_flood_of_signatures(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    uint8_t cert[OV_CERT_MAX], buf[1024], blob[OV_REVOCATION_LEN];
    struct ov_writer wr;
    (void)state;
    make_member(&w, a, 2, 0);
    connect_to(&w, b, a);
    size_t len = make_cert(ov_node_identity(b->n), 8, 0, cert);
    cert[len - 1] ^= 1;
    struct ov_msg_net_hello h = {.netid = the_net(), .cert = {cert, len}};
    struct ov_revocation r = {.netid = the_net(), .member = b->addr, .timestamp = NOW_WALL};
    ov_revocation_issue(&r, &controller, blob);
    blob[sizeof blob - 1] ^= 1;
    for (int i = 0; i < 500; i++) {
        ov_writer_init(&wr, buf, sizeof buf);
        if (i % 2)
            ov_msg_net_hello_encode(&wr, &h);
        else
            ov_msg_revoke_encode(&wr, blob);
        ov_peer_send(wire_peer(b, a), buf, wr.len, OV_SEND_QUIET);
    }
    wire_drain(&w, b);
    wire_run(&w, 50 * OV_MS);
    assert_in_range(drops(a, OV_DROP_LIMIT), 430, 500);
    wire_free(&w);
}

/* One stranger without a cookie cannot spend all the proofs of work that a node checks. */
static void test_strangers_show_a_cookie(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0);
    struct ov_cookie_maker macs;
    struct ov_identity_secret self;
    (void)state;
    wire_identity(7000, &self); /* each nonce makes another identity */
    ov_cookie_maker_init(&macs, &ov_node_identity(root->n)->dh);
    for (uint64_t i = 0; i < 100; i++) {
        uint8_t d[OV_INITIATION_LEN] = {OV_WIRE_INITIATION}, payload[OV_INITIATION_PAYLOAD];
        uint8_t seed[32] = {(uint8_t)i, 1};
        struct ov_initiation init = {.sign = self.pub.sign, .nonce = self.pub.nonce + 1 + i};
        struct ov_noise hs;
        init.stamp = 1 + i;
        init.aeads = 1 << OV_AEAD_CHACHA20POLY1305;
        ov_initiation_encode(&init, payload);
        ov_noise_init_initiator(&hs, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &self.pub.dh, &self.dh,
                                &ov_node_identity(root->n)->dh);
        assert_int_equal(ov_noise_write1(&hs, seed, payload, sizeof payload, d + 8), OV_OK);
        ov_cookie_mac(&macs, d, sizeof d, w.now);
        struct ov_datagram in = {.from = wire_ep(9, (uint8_t)i, 1000), .data = d, .len = sizeof d};
        ov_node_datagrams(root->n, &in, 1, w.now);
        wire_drain(&w, root);
    }
    assert_in_range(root->n->e.peers.len, 10, 25);
    assert_in_range(drops(root, OV_DROP_HANDSHAKE_LIMIT), 75, 99);
    /* An honest newcomer gets in all the same, at the cost of one round trip. */
    wire_root(&w, a, root);
    wire_run(&w, 200 * OV_MS);
    assert_true(ov_peer_online(wire_peer(a, root)));
    wire_free(&w);
}

static enum ov_tie shares(void *arg, const struct ov_peer *p)
{
    (void)arg;
    (void)p;
    return OV_TIE_MEMBER;
}

/* A punch cannot make a node shoot at others faster than its budget. */
static void test_punches_keep_the_budget(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    (void)state;
    connect_to(&w, b, a);
    wire_run(&w, 5 * OV_SEC);
    struct ov_engine_ops ops = *a->n->e.ops;
    ops.tie = shares;
    a->n->e.ops = &ops;
    uint64_t before = a->sent;
    a->n->e.unproven = (struct ov_bucket){.rate = 10, .burst = 50, .last = w.now};
    for (uint64_t round = 0; round < 5; round++) {
        uint8_t buf[1024];
        struct ov_writer wr;
        struct ov_msg_punch m = {.nonce = round + 1, .n = OV_CANDIDATES_MAX};
        for (uint8_t i = 0; i < OV_CANDIDATES_MAX; i++)
            m.c[i] = (struct ov_candidate){OV_CANDIDATE_REFLEXIVE,
                                           wire_ep(9, i, (uint16_t)(1000 + round))};
        ov_writer_init(&wr, buf, sizeof buf);
        ov_msg_punch_encode(&wr, &m);
        ov_peer_send(wire_peer(b, a), buf, wr.len, OV_SEND_QUIET);
        wire_drain(&w, b);
        wire_run(&w, OV_SEC);
    }
    assert_in_range(a->sent - before, 20, 100);
    wire_free(&w);
}

/* Networks that one stranger makes up do not push others out of a root's directory. */
static void test_directory_is_not_crowded_out(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *honest = wire_host(&w, 0);
    struct host *b = wire_host(&w, 0);
    struct ov_identity_secret evil;
    uint8_t cert[OV_CERT_MAX];
    struct ov_directory *d = root->n->o.directory;
    (void)state;
    connect_to(&w, honest, root);
    connect_to(&w, b, root);
    size_t len = make_cert(ov_node_identity(honest->n), 8, 0, cert);
    struct ov_msg_announce m = {.controller = controller.pub, .cert = {cert, len}};
    ov_directory_announced(d, wire_peer(root, honest), &m);
    assert_int_equal(ov_directory_members(d), 1);
    wire_identity(8000, &evil);
    for (uint64_t i = 1; i <= 3 * OV_DIRECTORY_NETS; i++) {
        struct ov_cert c = {.netid = evil.pub.addr << 24 | i, .timestamp = NOW_WALL};
        c.member = *ov_node_identity(b->n);
        int n = ov_cert_issue(&c, &evil, cert);
        assert_true(n > 0);
        m = (struct ov_msg_announce){.controller = evil.pub, .cert = {cert, (size_t)n}};
        wire_run(&w, 50 * OV_MS);
        ov_directory_announced(d, wire_peer(root, b), &m);
    }
    assert_int_equal(ov_directory_members(d), OV_DIRECTORY_NETS);
    struct ov_msg_lookup l = {.netid = the_net(),
                              .key = {.kind = OV_LOOKUP_MEMBER, .member = b->addr}};
    static uint8_t out[OV_MESSAGE_MAX];
    int n = ov_directory_answer(d, ov_node_identity(honest->n), &l, out);
    if (n <= 0)
        fail_msg("answer: %d", n);
    wire_free(&w);
}

/* An address that was given to somebody else is not won back by announcing an old certificate. */
static void test_old_certificate_takes_no_address(void **state)
{
    struct wire w = {0};
    struct host *root = wire_host(&w, OV_CAP_ROOT), *a = wire_host(&w, 0), *b = wire_host(&w, 0);
    struct ov_directory *d = root->n->o.directory;
    struct ov_msg_lookup l = {.netid = the_net(), .key = {.kind = OV_LOOKUP_IP}};
    struct ov_msg_found found;
    struct ov_cert c = {.netid = the_net(), .timestamp = NOW_WALL + 1, .naddrs = 1};
    static uint8_t out[OV_MESSAGE_MAX];
    uint8_t cert[OV_CERT_MAX];
    (void)state;
    connect_to(&w, a, root);
    connect_to(&w, b, root);
    l.key.ip = (struct ov_ip){4, {10, 0, 0, 7}};
    c.member = *ov_node_identity(a->n);
    c.addrs[0] = (struct ov_prefix){.ip = l.key.ip, .bits = 24};
    int n = ov_cert_issue(&c, &controller, cert);
    assert_true(n > 0);
    struct ov_msg_announce m = {.controller = controller.pub, .cert = {cert, (size_t)n}};
    ov_directory_announced(d, wire_peer(root, a), &m);
    uint8_t old[OV_CERT_MAX];
    m.cert = (struct ov_slice){old, make_cert(ov_node_identity(b->n), 7, 0, old)};
    ov_directory_announced(d, wire_peer(root, b), &m);
    assert_int_equal(ov_directory_members(d), 2);
    n = ov_directory_answer(d, ov_node_identity(b->n), &l, out);
    assert_true(n > 0 && ov_msg_found_decode(out + 1, (size_t)n - 1, &found) == OV_OK);
    assert_int_equal(found.n, 1);
    assert_int_equal(ov_cert_decode(found.certs[0].p, found.certs[0].len, &c), OV_OK);
    assert_true(ov_identity_equal(&c.member, ov_node_identity(a->n)));
    wire_free(&w);
}

static int setup(void **state)
{
    (void)state;
    wire_identity(6000, &controller);
    return 0;
}

/* A controller signs an address that its member's key has not. That member says that it relays, and
 * passes on what the true owner of the address sends: who comes by it must not take its place
 * meanwhile. */
static void test_relay_with_an_address_of_another(void **state)
{
    struct wire w = {0};
    struct host *a = wire_host(&w, 0), *z = wire_host(&w, 0), *v = wire_host(&w, 0);
    uint8_t cert[OV_CERT_MAX], hello[1024], d[OV_RELAY_HEADER + OV_INITIATION_LEN];
    struct ov_identity lie = *ov_node_identity(z->n);
    struct ov_peer *at_z, *at_v, *liar;
    struct ov_member *m;
    struct ov_writer out;

    (void)state;
    wire_identity(99, &controller);
    struct ov_network *net = make_member(&w, a, 2, 0);
    lie.addr = v->addr;
    size_t len = make_cert(&lie, 7, 0, cert);
    assert_int_equal(ov_member_accept(net, cert, len, &m), OV_OK);
    assert_non_null(ov_member_peer(m)); /* as a broadcast does */
    assert_int_equal(ov_peer_get(&z->n->e, ov_node_identity(a->n), &at_z), OV_OK);
    ov_peer_hint(at_z, &a->ep[0]);
    ov_peer_connect(at_z);
    ov_node_tick(z->n, w.now);
    wire_drain(&w, z);
    wire_run(&w, OV_SEC);
    liar = ov_peer_find(&a->n->e, v->addr);
    assert_non_null(liar);
    assert_true(ov_peer_up(liar) && liar->claimed);

    struct ov_msg_net_hello h = {.netid = the_net(), .cert = {cert, len}, .ngroups = 1};
    h.groups[0] = OV_VOLUNTEERS;
    ov_writer_init(&out, hello, sizeof hello);
    ov_msg_net_hello_encode(&out, &h);
    assert_int_equal(ov_peer_send(at_z, hello, out.len, OV_SEND_QUIET), OV_OK);
    wire_drain(&w, z);
    wire_run(&w, OV_SEC);
    assert_false(liar->volunteer);

    /* Should one be a relay all the same, it is left in time. */
    liar->volunteer = true;
    assert_int_equal(ov_peer_get(&v->n->e, ov_node_identity(a->n), &at_v), OV_OK);
    assert_int_equal(ov_session_initiate(&v->n->e, &at_v->s, at_v, &at_v->id, d + OV_RELAY_HEADER),
                     OV_OK);
    ov_keypair_relay_header(at_z->s.current, v->addr, true, d);
    ov_node_datagrams(a->n, &(struct ov_datagram){.from = z->ep[0], .data = d, .len = sizeof d}, 1,
                      w.now);
    wire_drain(&w, a);
    const struct ov_peer *p = ov_peer_find(&a->n->e, v->addr);
    assert_non_null(p);
    assert_true(ov_identity_equal(&p->id, ov_node_identity(v->n)));
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_key_for_an_address),
        cmocka_unit_test(test_lying_certificate),
        cmocka_unit_test(test_restart_keeps_revocations),
        cmocka_unit_test(test_bridge_takes_no_members_mac),
        cmocka_unit_test(test_no_router_but_the_controllers),
        cmocka_unit_test(test_fragments_expire),
        cmocka_unit_test(test_flood_of_signatures),
        cmocka_unit_test(test_strangers_show_a_cookie),
        cmocka_unit_test(test_punches_keep_the_budget),
        cmocka_unit_test(test_old_certificate_takes_no_address),
        cmocka_unit_test(test_directory_is_not_crowded_out),
        cmocka_unit_test(test_relay_with_an_address_of_another),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
