#include "core/lookup.h"

#include "wire_up.h"

struct asker {
    struct wu *w;
    struct wu_node *a, *b;
    struct ov_network *net;
    struct ov_mac ma, mb;
    struct ov_ip ia, ib;
    uint8_t f[OV_FRAME_MAX];
};

/* Node 1 asks; it knows nobody, and the directory is reached or not as the hook says. */
static struct asker asker(uint64_t seed)
{
    struct asker x = {.w = wu_lan(seed, 2)};

    x.a = x.w->node[1];
    x.b = x.w->node[2];
    x.net = wu_net_of(x.a);
    x.ma = wu_mac(x.a);
    x.mb = wu_mac(x.b);
    x.ia = wu_ip(x.a);
    x.ib = wu_ip(x.b);
    ov_member_clear(x.net);
    return x;
}

static bool no_root(void *arg, struct wu_packet *p)
{
    const struct wu *w = arg;

    return p->src != w->node[0] && !ov_endpoint_equal(&p->to, &w->node[0]->ep);
}

static void silence(struct asker *x)
{
    x->w->hook = no_root;
    x->w->hook_arg = x->w;
}

static void arp(struct asker *x, const struct ov_ip *ip)
{
    wu_frame(x->a, x->f, wu_arp(x->f, 1, &wu_broadcast, &x->ma, &x->ia, ip));
}

static unsigned in_use(const struct asker *x)
{
    unsigned n = 0;

    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        n += x->net->lookups[i].key.kind != 0;
    return n;
}

static size_t held(const struct asker *x)
{
    size_t n = 0;

    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        n += x->net->lookups[i].held.n;
    return n;
}

static void test_ip(void **state)
{
    struct asker x = asker(1);
    struct ov_frame_info f;

    (void)state;
    arp(&x, &x.ib);
    arp(&x, &x.ib); /* the same question is asked once */
    assert_int_equal(in_use(&x), 1);
    wu_run(x.w, 3 * x.w->delay);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(x.a->frames, 1);
    assert_int_equal(ov_frame_parse(x.a->frame, x.a->frame_len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);
    assert_memory_equal(&f.link_mac, &x.mb, 6);
    wu_free(x.w);
}

static ov_addr seek(struct asker *x, const struct ov_ip *ip, bool *asked)
{
    ov_addr found = ov_node_seek(x->a->n, ip, asked, x->w->now);

    wu_drain(x->a);
    return found;
}

/* People ask for an IP, too, and nothing waits for the answer. */
static void test_seek(void **state)
{
    struct asker x = asker(7);
    static const struct ov_ip nobody = {4, {10, 1, 0, 200}}, elsewhere = {4, {10, 2, 0, 1}};
    bool asked;

    (void)state;
    assert_int_equal(seek(&x, &x.ia, &asked), x.a->addr);
    assert_false(asked);
    assert_int_equal(seek(&x, &elsewhere, &asked), 0);
    assert_false(asked);
    assert_int_equal(seek(&x, &x.ib, &asked), 0);
    assert_true(asked);
    seek(&x, &x.ib, &asked); /* is asked once */
    assert_int_equal(in_use(&x), 1);
    wu_run(x.w, 3 * x.w->delay);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(seek(&x, &x.ib, &asked), x.b->addr);
    assert_false(asked);
    assert_int_equal(seek(&x, &nobody, &asked), 0);
    wu_run(x.w, 5 * OV_SEC);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(wu_drops(x.a, NO_DESTINATION), 0); /* nothing waited */
    assert_int_equal(x.a->frames, 0);
    wu_free(x.w);
}

static void test_member(void **state)
{
    struct asker x = asker(2);

    (void)state;
    for (int i = 0; i < 3; i++) /* frames wait, and go out in order */
        wu_frame(x.a, x.f, wu_ip4(x.f, &x.mb, &x.ma, &x.ia, &x.ib, 10 + (size_t)i));
    assert_int_equal(in_use(&x), 1);
    assert_int_equal(held(&x), 3);
    wu_run(x.w, OV_SEC);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(x.b->frames, 3);
    assert_int_equal(x.b->frame_len, OV_ETH_LEN + 20 + 12);
    wu_free(x.w);
}

static void test_nobody(void **state)
{
    struct asker x = asker(3);
    static const struct ov_ip nobody = {4, {10, 1, 0, 200}};
    struct ov_mac stranger = ov_mac_derive(0x1234567890, x.w->net.config.netid);

    (void)state;
    arp(&x, &nobody);
    wu_frame(x.a, x.f, wu_ip4(x.f, &stranger, &x.ma, &x.ia, &nobody, 10));
    assert_int_equal(in_use(&x), 2);
    wu_run(x.w, 5 * OV_SEC);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(x.a->frames, 0);
    assert_int_equal(x.b->frames, 0);
    assert_int_equal(wu_drops(x.a, NO_DESTINATION), 2);
    wu_free(x.w);
}

/* Where source addresses are not checked anybody may have it: all are asked. */
static void test_nobody_unchecked(void **state)
{
    struct asker x = asker(4);
    static const struct ov_ip nobody = {4, {10, 1, 0, 200}};

    (void)state;
    x.net->config->flags &= (uint16_t)~OV_NET_CHECK_IP;
    arp(&x, &nobody);
    wu_run(x.w, 2 * OV_SEC);
    assert_int_equal(x.b->frames, 1);
    wu_free(x.w);
}

/* A directory that does not answer is asked a few times; then what waits is dropped. */
static void test_silence(void **state)
{
    struct asker x = asker(5);

    (void)state;
    silence(&x);
    for (int i = 0; i < OV_HELD_MAX + 5; i++)
        wu_frame(x.a, x.f, wu_ip4(x.f, &x.mb, &x.ma, &x.ia, &x.ib, 10));
    assert_int_equal(held(&x), OV_HELD_MAX);
    assert_int_equal(wu_drops(x.a, QUEUE_FULL), 5);
    wu_run(x.w, 10 * OV_SEC);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(wu_drops(x.a, NO_DESTINATION) + wu_drops(x.a, MULTICAST_LIMIT), OV_HELD_MAX);
    wu_free(x.w);
}

/* A directory that comes back is asked at once. */
static void test_retry(void **state)
{
    struct asker x = asker(6);

    (void)state;
    silence(&x);
    wu_frame(x.a, x.f, wu_ip4(x.f, &x.mb, &x.ma, &x.ia, &x.ib, 10));
    wu_run(x.w, 20 * OV_MS);
    x.w->hook = NULL;
    ov_lookup_retry(x.net);
    wu_run(x.w, OV_SEC);
    assert_int_equal(x.b->frames, 1);
    wu_free(x.w);
}

static void test_held_bytes(void **state)
{
    struct ov_held h = {0};
    static uint8_t frame[OV_HELD_BYTES + 1];
    struct ov_queued *q;

    (void)state;
    assert_false(ov_held_add(&h, frame, OV_HELD_BYTES + 1));
    assert_true(ov_held_add(&h, frame, OV_HELD_BYTES - 10));
    assert_false(ov_held_add(&h, frame, 11));
    frame[0] = 7;
    assert_true(ov_held_add(&h, frame, 10));
    assert_int_equal(h.n, 2);
    assert_int_equal(h.bytes, OV_HELD_BYTES);
    q = ov_held_take(&h);
    assert_int_equal(q->len, OV_HELD_BYTES - 10);
    free(q);
    q = ov_held_take(&h);
    assert_int_equal(q->len, 10);
    assert_int_equal(q->msg[OV_MSG_FRAME_HEADER], 7);
    free(q);
    assert_null(ov_held_take(&h));
    assert_int_equal(h.bytes, 0);
    for (int i = 0; i < OV_HELD_MAX; i++)
        assert_true(ov_held_add(&h, frame, 1));
    assert_false(ov_held_add(&h, frame, 1));
    ov_held_clear(&h);
    assert_int_equal(h.n, 0);
}

/* A full table of questions gives up the oldest. */
static void test_bound(void **state)
{
    struct asker x = asker(7);
    struct ov_ip ip = {4, {10, 1, 3, 0}};

    (void)state;
    silence(&x);
    for (unsigned i = 0; i < OV_LOOKUPS_MAX + 5; i++) {
        ip.b[3] = (uint8_t)i;
        arp(&x, &ip);
        wu_run(x.w, OV_MS);
    }
    assert_int_equal(in_use(&x), OV_LOOKUPS_MAX);
    assert_int_equal(wu_drops(x.a, TABLE_FULL), 5);
    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        assert_true(x.net->lookups[i].key.ip.b[3] >= 5);
    ov_lookup_clear(x.net);
    assert_int_equal(in_use(&x), 0);
    assert_int_equal(wu_drops(x.a, NO_DESTINATION), OV_LOOKUPS_MAX);
    wu_free(x.w);
}

/* Answers that were not asked for, or that prove nothing, change nothing. */
static void test_false_answers(void **state)
{
    struct asker x = asker(8);
    struct ov_network *theirs = wu_net_of(x.b);
    struct ov_msg_found found = {.netid = x.net->id,
                                 .key = {.kind = OV_LOOKUP_IP, .ip = {4, {10, 1, 0, 200}}},
                                 .n = 1,
                                 .certs = {{theirs->cert_blob, theirs->cert_len}}};
    struct ov_peer *root = wu_peer(x.a, x.w->node[0]);
    uint8_t forged[OV_CERT_MAX];

    (void)state;
    ov_lookup_found(x.net, root, &found);
    assert_null(ov_member_find(x.net, x.b->addr));
    silence(&x);
    arp(&x, &found.key.ip);
    ov_lookup_found(x.net, root, &found); /* a member, but without that address */
    assert_int_equal(x.a->frames, 0);
    memcpy(forged, theirs->cert_blob, theirs->cert_len);
    forged[theirs->cert_len - 1] ^= 1;
    found.key.ip = x.ib;
    found.certs[0].p = forged;
    ov_member_clear(x.net);
    arp(&x, &x.ib);
    ov_lookup_found(x.net, root, &found);
    assert_int_equal(x.a->frames, 0);
    assert_int_equal(wu_drops(x.a, NOT_MEMBER), 1);
    /* From who is no directory of ours. */
    uint8_t buf[1024];
    struct ov_writer out;
    found.certs[0].p = theirs->cert_blob;
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_found_encode(&out, &found);
    x.w->hook = NULL;
    wu_connect(x.b, x.a);
    uint64_t before = wu_drops(x.a, UNEXPECTED);
    wu_message(x.b, x.a, buf, out.len);
    assert_int_equal(wu_drops(x.a, UNEXPECTED), before + 1);
    wu_free(x.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_nobody_unchecked),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_held_bytes),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_false_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
