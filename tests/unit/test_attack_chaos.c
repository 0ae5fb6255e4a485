/* Four nodes with room for two peers each do all they can to each other, in any order: whatever
 * points to a peer, a path or a network must not outlive it. */
#include "attack.h"

#include "core/switch.h"

#define STEPS 6000

static uint32_t pick(struct wire *w, uint32_t below)
{
    uint8_t b[4];
    wire_fill(&w->h[0].random, b, sizeof b);
    return ((uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2]) % below;
}

/* A message of each kind that a hostile peer may send when it likes. */
static size_t any_message(struct wire *w, const struct host *from, uint8_t *buf, size_t cap)
{
    uint8_t cert[OV_CERT_MAX], blob[OV_REVOCATION_LEN];
    struct ov_slice slice = {cert, make_cert(ov_node_identity(from->n), 9, OV_PERM_BRIDGE, cert)};
    struct ov_writer wr;
    ov_writer_init(&wr, buf, cap);
    switch (pick(w, 12)) {
    case 0:
        ov_msg_close_encode(&wr, OV_CLOSE_SHUTDOWN);
        break;
    case 1:
        ov_msg_net_hello_encode(&wr, &(struct ov_msg_net_hello){.netid = the_net(),
                                                                .flags = OV_HELLO_WANT_REPLY,
                                                                .cert = slice});
        break;
    case 2:
        ov_msg_announce_encode(
            &wr, &(struct ov_msg_announce){.controller = controller.pub, .cert = slice});
        break;
    case 3:
        ov_msg_net_bye_encode(&wr, the_net());
        break;
    case 4: {
        struct ov_msg_punch m = {.nonce = 1 + pick(w, 9), .flags = (uint8_t)pick(w, 2), .n = 4};
        for (size_t i = 0; i < m.n; i++)
            m.c[i] = (struct ov_candidate){OV_CANDIDATE_REFLEXIVE, w->h[pick(w, 4)].ep[0]};
        ov_msg_punch_encode(&wr, &m);
        break;
    }
    case 5: {
        struct ov_msg_fragment m = {.id = (uint16_t)pick(w, 9), .total = 40, .bytes = {cert, 20}};
        m.offset = pick(w, 2) ? 20 : 0;
        ov_msg_fragment_encode(&wr, &m);
        break;
    }
    case 6: {
        struct ov_revocation r = {.netid = the_net(), .timestamp = NOW_WALL - pick(w, 2)};
        r.member = w->h[pick(w, 4)].addr;
        ov_revocation_issue(&r, &controller, blob);
        ov_msg_revoke_encode(&wr, blob);
        break;
    }
    case 7:
        ov_msg_lookup_encode(
            &wr, &(struct ov_msg_lookup){
                     .netid = the_net(),
                     .key = {.kind = OV_LOOKUP_GROUP, .group = {{255, 255, 255, 255, 255, 255}}}});
        break;
    case 8:
        ov_msg_whois_encode(&wr, &(struct ov_msg_whois){.n = 1, .addrs = {w->h[pick(w, 4)].addr}});
        break;
    case 9: {
        struct ov_msg_found m = {.netid = the_net(), .flags = OV_FOUND_MORE, .n = 1};
        m.key = (struct ov_lookup_key){.kind = OV_LOOKUP_MEMBER, .member = from->addr};
        m.certs[0] = slice;
        ov_msg_found_encode(&wr, &m);
        break;
    }
    default:
        wire_fill(&w->h[0].random, cert, sizeof cert);
        ov_writer_bytes(&wr, cert, 1 + pick(w, 200));
    }
    return wr.len;
}

static void send_any(struct wire *w, struct host *from, struct host *to)
{
    uint8_t buf[2048];
    struct ov_peer *p = wire_peer(from, to);
    size_t len = any_message(w, from, buf, sizeof buf);
    if (p && len)
        ov_peer_send(p, buf, len, 0);
}

static void frame_any(struct wire *w, struct host *h)
{
    struct ov_network *net = ov_network_find(&h->n->o, the_net());
    static uint8_t buf[64 + 64];
    uint8_t *f = buf + 64;
    struct ov_mac dst = ov_mac_derive(w->h[pick(w, 4)].addr, the_net());
    if (!net)
        return;
    memset(f, 0, 64);
    memcpy(f, dst.b, 6);
    if (pick(w, 3) == 0)
        memset(f, 0xff, 6);
    memcpy(f + 6, net->mac.b, 6);
    f[12] = 0x88;
    f[13] = 0xb5;
    ov_node_frames(h->n, the_net(), &(struct ov_frame){.data = f, .len = 64}, 1, w->now);
}

static void step(struct wire *w)
{
    struct host *h = &w->h[pick(w, 4)], *other = &w->h[pick(w, 4)];
    struct ov_local local = {.ep = h->ep[0]};
    char name[8] = {(char)('a' + pick(w, 3)), 0};
    switch (pick(w, 12)) {
    case 0:
        if (h != other)
            (void)!ov_node_ping(h->n, other->addr, 1 + pick(w, 99), w->now);
        break;
    case 1:
        local.ep.port = (uint16_t)(local.ep.port + pick(w, 2));
        ov_node_set_locals(h->n, &local, pick(w, 2), w->now);
        break;
    case 2:
        ov_node_remove_root(h->n, name, w->now);
        break;
    case 3:
        (void)!ov_node_add_root(h->n, name, pick(w, 2) ? ov_node_identity(other->n) : NULL,
                                other->ep, 1, w->now);
        break;
    case 4:
        if (pick(w, 4) == 0)
            (void)!ov_node_leave(h->n, the_net(), w->now);
        else if (!ov_network_find(&h->n->o, the_net()))
            make_member(w, h, (uint8_t)(2 + (h - w->h)), 0);
        break;
    case 5:
        h->cut = pick(w, 4) == 0;
        break;
    case 6:
        h->ep[0].port = (uint16_t)(4000 + pick(w, 3));
        break;
    case 7:
        if (pick(w, 20) == 0)
            wire_run(w, 200 * OV_SEC * pick(w, 5));
        break;
    case 8:
    case 9:
        frame_any(w, h);
        break;
    default:
        if (h != other)
            send_any(w, h, other);
    }
    wire_drain(w, h);
    wire_run(w, OV_MS * pick(w, 300));
}

static void chaos(uint64_t seed)
{
    struct wire w = {.max_peers = 2};
    for (int i = 0; i < 4; i++)
        wire_host(&w, i < 2 ? OV_CAP_ROOT | OV_CAP_CONTROLLER : 0);
    w.h[0].random = seed;
    for (size_t i = 0; i < 4; i++) {
        make_member(&w, &w.h[i], (uint8_t)(2 + i), i == 1 ? OV_PERM_BRIDGE : 0);
        wire_root(&w, &w.h[i], &w.h[i == 0]);
    }
    uint64_t sent = 0;
    ov_time start = w.now;
    for (int i = 0; i < STEPS; i++)
        step(&w);
    for (size_t i = 0; i < 4; i++) {
        sent += w.h[i].sent;
        assert_true(w.h[i].n->e.peers.len <= 2);
        assert_int_equal(w.h[i].strays, 0);
    }
    /* Nobody is provoked into a storm. */
    assert_true(sent < 40 * STEPS + 40 * (w.now - start) / OV_SEC);
    print_message("%llu datagrams in %llu s\n", (unsigned long long)sent,
                  (unsigned long long)((w.now - start) / OV_SEC));
    wire_free(&w);
}

static void test_chaos(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        chaos(seed);
}

static int setup(void **state)
{
    (void)state;
    wire_identity(6000, &controller);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chaos)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
