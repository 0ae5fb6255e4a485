#include "core/switch.h"

#include "wire_up.h"

/* A LAN of three members; b is who receives. */
struct lan {
    struct wu *w;
    struct wu_node *a, *b, *c;
    struct ov_mac ma, mb, mc;
    struct ov_ip ia, ib, ic;
    uint8_t f[OV_FRAME_MAX];
    struct ov_offload o; /* of what is received */
};

/* Not of the form of a member's; and one that is, by chance. */
static const struct ov_mac foreign = {{0x0a, 0xde, 0xad, 0xbe, 0xef, 0x01}};
static const struct ov_mac lookalike = {{0x02, 0xde, 0xad, 0xbe, 0xef, 0x02}};
static const struct ov_mac group = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};
static const struct ov_ip nobody = {4, {10, 1, 0, 99}};
static const struct ov_ip zero = {4, {0}};

static struct lan lan(uint64_t seed)
{
    struct lan l = {.w = wu_lan(seed, 3)};

    l.a = l.w->node[1];
    l.b = l.w->node[2];
    l.c = l.w->node[3];
    l.ma = wu_mac(l.a);
    l.mb = wu_mac(l.b);
    l.mc = wu_mac(l.c);
    l.ia = wu_ip(l.a);
    l.ib = wu_ip(l.b);
    l.ic = wu_ip(l.c);
    /* They know each other. */
    wu_frame(l.a, l.f, wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, 20));
    wu_frame(l.a, l.f, wu_ip4(l.f, &l.mc, &l.ma, &l.ia, &l.ic, 20));
    wu_frame(l.b, l.f, wu_ip4(l.f, &l.mc, &l.mb, &l.ib, &l.ic, 20));
    wu_run(l.w, 2 * OV_SEC);
    assert_int_equal(l.b->frames, 1);
    assert_int_equal(l.c->frames, 2);
    return l;
}

/* Frame `l->f` of `len` bytes comes from `a` to `b`, past a's own switch. */
static void receive(struct lan *l, size_t len)
{
    struct ov_peer *p = wu_peer(l->b, l->a);

    ov_node_tick(l->b->n, l->w->now);
    ov_switch_receive(wu_net_of(l->b), p, l->f, len, &l->o);
    wu_drain(l->b);
}

static void expect_taken(struct lan *l, size_t len)
{
    unsigned before = l->b->frames;

    receive(l, len);
    assert_int_equal(l->b->frames, before + 1);
    assert_int_equal(l->b->frame_len, len);
    assert_memory_equal(l->b->frame, l->f, len);
}

static void expect_refused(struct lan *l, size_t len, enum ov_drop why)
{
    uint64_t *drops = l->b->e->stats.drops, before[OV_DROP_COUNT];
    unsigned frames = l->b->frames;

    memcpy(before, drops, sizeof before);
    receive(l, len);
    assert_int_equal(l->b->frames, frames);
    for (int i = 0; i < OV_DROP_COUNT; i++)
        assert_int_equal(drops[i] - before[i], i == (int)why);
}

/* Give `n` (as everybody sees it) these permissions. */
static void permit(struct lan *l, struct wu_node *n, uint16_t perms)
{
    uint8_t cert[OV_CERT_MAX];
    struct ov_ip ip = wu_ip(n);
    size_t len;

    l->w->net.stamp++;
    len = wu_cert(l->w, &n->id.pub, l->w->net.stamp, perms, &ip, cert);
    for (size_t i = 1; i < l->w->nnodes; i++) {
        struct ov_network *net = wu_net_of(l->w->node[i]);
        if (l->w->node[i] == n)
            net->cert.perms = perms;
        else
            assert_int_equal(ov_member_accept(net, cert, len, NULL), OV_OK);
    }
}

/* ---- inwards ---- */

static void test_source_mac(void **state)
{
    struct lan l = lan(1);

    (void)state;
    expect_taken(&l, wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, 40));
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.mc, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &foreign, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.mb, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &group, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    /* A bridge may send from any but a group's, and ours. */
    permit(&l, l.a, OV_PERM_BRIDGE);
    expect_taken(&l, wu_ip4(l.f, &l.mb, &foreign, &l.ia, &l.ib, 40));
    expect_refused(&l, wu_ip4(l.f, &l.mb, &group, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &wu_broadcast, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.mb, &l.ia, &l.ib, 40), OV_DROP_SOURCE_MAC);
    wu_free(l.w);
}

static void test_source_ip4(void **state)
{
    struct lan l = lan(2);

    (void)state;
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.ma, &l.ic, &l.ib, 40), OV_DROP_SOURCE_IP);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.ma, &zero, &l.ib, 40), OV_DROP_SOURCE_IP);
    expect_refused(&l, wu_ip4(l.f, &wu_broadcast, &l.ma, &nobody, &l.ib, 40), OV_DROP_SOURCE_IP);
    /* Other protocols claim nothing. */
    expect_taken(&l, wu_eth(l.f, &l.mb, &l.ma, 0x8137, l.f + 100, 50));
    /* Behind a route that leads through it, and where addresses are not checked. */
    struct ov_net_config *c = wu_net_of(l.b)->config;
    c->nroutes = 1;
    c->routes[0] = (struct ov_route){{{4, {192, 168, 7, 0}}, 24}, l.ia};
    struct ov_ip behind = {4, {192, 168, 7, 7}};
    expect_taken(&l, wu_ip4(l.f, &l.mb, &l.ma, &behind, &l.ib, 40));
    c->routes[0].via = l.ic;
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.ma, &behind, &l.ib, 40), OV_DROP_SOURCE_IP);
    c->routes[0].via.family = 0; /* on the link: nobody's in particular */
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.ma, &behind, &l.ib, 40), OV_DROP_SOURCE_IP);
    c->flags = OV_NET_BROADCAST;
    expect_taken(&l, wu_ip4(l.f, &l.mb, &l.ma, &l.ic, &l.ib, 40));
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.mc, &l.ic, &l.ib, 40), OV_DROP_SOURCE_MAC);
    wu_free(l.w);
}

static void test_source_arp(void **state)
{
    struct lan l = lan(3);

    (void)state;
    for (uint16_t op = 1; op <= 2; op++) {
        expect_taken(&l, wu_arp(l.f, op, &wu_broadcast, &l.ma, &l.ia, &l.ib));
        expect_refused(&l, wu_arp(l.f, op, &wu_broadcast, &l.ma, &l.ic, &l.ib), OV_DROP_SOURCE_IP);
        /* The hardware address inside must be the outer one. */
        size_t len = wu_arp(l.f, op, &wu_broadcast, &l.ma, &l.ia, &l.ib);
        memcpy(l.f + OV_ETH_LEN + 8, l.mc.b, 6);
        expect_refused(&l, len, OV_DROP_SOURCE_IP);
    }
    /* A probe (RFC 5227) claims nothing; a gratuitous request does. */
    expect_taken(&l, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &zero, &l.ic));
    expect_refused(&l, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &l.ic, &l.ic), OV_DROP_SOURCE_IP);
    expect_refused(&l, wu_arp(l.f, 2, &l.mb, &l.ma, &zero, &l.ib), OV_DROP_SOURCE_IP);
    wu_free(l.w);
}

/* IPv6 with ICMPv6 `type`; `target` for neighbour discovery, `link` as its link-layer option. */
static size_t icmp6(uint8_t *out, const struct ov_mac *dst, const struct ov_mac *src,
                    const struct ov_ip *from, const struct ov_ip *to, uint8_t type,
                    const struct ov_ip *target, const struct ov_mac *link)
{
    uint8_t p[40 + 24 + 8] = {0x60, 0, 0, 0, 0, 24, 58, 255};

    memcpy(p + 8, from->b, 16);
    memcpy(p + 24, to->b, 16);
    p[40] = type;
    memcpy(p + 48, target->b, 16);
    if (link) {
        p[5] = 32;
        p[64] = type == 135 ? 1 : 2;
        p[65] = 1;
        memcpy(p + 66, link->b, 6);
    }
    return wu_eth(out, dst, src, OV_ETH_IP6, p, link ? 72 : 64);
}

static void test_source_ip6(void **state)
{
    struct lan l = lan(4);
    struct ov_ip la = ov_ip_link_local(&l.ma), lb = ov_ip_link_local(&l.mb);
    struct ov_ip lc = ov_ip_link_local(&l.mc), none = {6, {0}};
    struct ov_ip all = {6, {0xff, 2, [15] = 1}}, solicited = {6, {0xff, 2, [11] = 1, 0xff}};
    struct ov_mac many = {{0x33, 0x33, 0, 0, 0, 1}};

    (void)state;
    memcpy(solicited.b + 13, lb.b + 13, 3);
    for (uint8_t type = 128; type <= 129; type++) {
        expect_taken(&l, icmp6(l.f, &l.mb, &l.ma, &la, &lb, type, &none, NULL));
        expect_refused(&l, icmp6(l.f, &l.mb, &l.ma, &lc, &lb, type, &none, NULL),
                       OV_DROP_SOURCE_IP);
        expect_refused(&l, icmp6(l.f, &l.mb, &l.ma, &none, &lb, type, &none, NULL),
                       OV_DROP_SOURCE_IP);
    }
    expect_taken(&l, icmp6(l.f, &many, &l.ma, &la, &solicited, 135, &lb, &l.ma));
    /* RFC 4862's detection of duplicates asks for the sender's own address, or takes another's. */
    expect_taken(&l, icmp6(l.f, &many, &l.ma, &none, &solicited, 135, &la, NULL));
    expect_refused(&l, icmp6(l.f, &many, &l.ma, &none, &solicited, 135, &lb, NULL),
                   OV_DROP_SOURCE_IP);
    expect_refused(&l, icmp6(l.f, &many, &l.ma, &lc, &solicited, 135, &lb, &l.ma),
                   OV_DROP_SOURCE_IP);
    expect_refused(&l, icmp6(l.f, &many, &l.ma, &la, &solicited, 135, &lb, &l.mc),
                   OV_DROP_SOURCE_IP);
    expect_taken(&l, icmp6(l.f, &l.mb, &l.ma, &la, &lb, 136, &la, &l.ma));
    expect_refused(&l, icmp6(l.f, &l.mb, &l.ma, &la, &lb, 136, &lc, &l.ma), OV_DROP_SOURCE_IP);
    expect_refused(&l, icmp6(l.f, &l.mb, &l.ma, &lc, &lb, 136, &la, &l.ma), OV_DROP_SOURCE_IP);
    expect_refused(&l, icmp6(l.f, &many, &l.ma, &la, &all, 136, &la, &l.mc), OV_DROP_SOURCE_IP);
    wu_free(l.w);
}

static void test_destination(void **state)
{
    struct lan l = lan(5);
    struct ov_network *net = wu_net_of(l.b);

    (void)state;
    expect_refused(&l, wu_ip4(l.f, &l.mc, &l.ma, &l.ia, &l.ic, 40), OV_DROP_NO_DESTINATION);
    expect_refused(&l, wu_ip4(l.f, &foreign, &l.ma, &l.ia, &l.ic, 40), OV_DROP_NO_DESTINATION);
    expect_taken(&l, wu_ip4(l.f, &wu_broadcast, &l.ma, &l.ia, &l.ib, 40));
    expect_taken(&l, wu_ip4(l.f, &group, &l.ma, &l.ia, &l.ib, 40));
    net->config->flags &= (uint16_t)~OV_NET_BROADCAST;
    expect_refused(&l, wu_ip4(l.f, &group, &l.ma, &l.ia, &l.ib, 40), OV_DROP_MULTICAST_LIMIT);
    net->cert.perms = OV_PERM_BRIDGE; /* we bridge: frames for whoever is behind us */
    expect_taken(&l, wu_ip4(l.f, &foreign, &l.ma, &l.ia, &l.ic, 40));
    wu_free(l.w);
}

static void test_mtu_and_vlan(void **state)
{
    struct lan l = lan(6);
    size_t most = OV_MTU_DEFAULT + OV_ETH_LEN;
    static const uint8_t tag[8] = {0x81, 0x00, 0, 5, 0x81, 0x00, 0, 6};

    (void)state;
    size_t len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, OV_MTU_DEFAULT - 20);
    assert_int_equal(len, most);
    expect_taken(&l, len);
    len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, OV_MTU_DEFAULT - 19);
    expect_refused(&l, len, OV_DROP_TOO_LARGE);
    for (size_t tags = 1; tags <= 2; tags++) {
        len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, OV_MTU_DEFAULT - 20);
        memmove(l.f + 12 + 4 * tags, l.f + 12, len - 12);
        memcpy(l.f + 12, tag, 4 * tags);
        expect_taken(&l, len + 4 * tags);
        expect_refused(&l, len + 4 * tags + 1, OV_DROP_TOO_LARGE);
        /* A tag hides no address. */
        memcpy(l.f + 12 + 4 * tags + 2 + 12, l.ic.b, 4);
        expect_refused(&l, len + 4 * tags, OV_DROP_SOURCE_IP);
    }
    wu_free(l.w);
}

static void test_malformed(void **state)
{
    struct lan l = lan(7);
    size_t len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, 40);

    (void)state;
    for (size_t i = 0; i < OV_ETH_LEN + 20; i++)
        expect_refused(&l, i, OV_DROP_MALFORMED_FRAME);
    l.f[OV_ETH_LEN] = 0x41; /* a header of four bytes */
    expect_refused(&l, len, OV_DROP_MALFORMED_FRAME);
    wu_free(l.w);
}

static void test_membership(void **state)
{
    struct lan l = lan(8);
    struct ov_network *net = wu_net_of(l.b);
    size_t len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, 40);

    (void)state;
    ov_member_remove(net, l.a->addr);
    wu_log_clear(l.w);
    expect_refused(&l, len, OV_DROP_NOT_MEMBER);
    assert_int_equal(wu_count_sent(l.w, l.b, NULL), 1); /* it is asked for its certificate */
    for (int i = 0; i < 50; i++)
        receive(&l, len);
    assert_in_range(wu_count_sent(l.w, l.b, NULL), 1, 4); /* but not each time */
    wu_run(l.w, 2 * l.w->delay);
    expect_taken(&l, len); /* it has answered, however often it was asked */
    net->state = OV_NET_STATE_WAITING;
    expect_refused(&l, len, OV_DROP_NOT_JOINED);
    wu_free(l.w);
}

/* ---- bridging ---- */

static void test_learning(void **state)
{
    struct lan l = lan(9);
    struct ov_network *net = wu_net_of(l.b);
    unsigned before;

    (void)state;
    permit(&l, l.a, OV_PERM_BRIDGE);
    expect_taken(&l, wu_ip4(l.f, &l.mb, &foreign, &nobody, &l.ib, 40));
    assert_int_equal(net->learned.len, 1);
    /* What is for it goes through the bridge. */
    before = l.a->frames;
    wu_frame(l.b, l.f, wu_ip4(l.f, &foreign, &l.mb, &l.ib, &nobody, 40));
    wu_run(l.w, OV_SEC);
    assert_int_equal(l.a->frames, before + 1);
    /* It forgets. */
    wu_run(l.w, OV_LEARNED_LIFE);
    before = l.a->frames;
    uint64_t lost = wu_drops(l.b, NO_DESTINATION);
    wu_frame(l.b, l.f, wu_ip4(l.f, &foreign, &l.mb, &l.ib, &nobody, 40));
    wu_run(l.w, OV_SEC);
    assert_int_equal(l.a->frames + wu_drops(l.b, NO_DESTINATION) - lost, before + 1);
    /* With the member goes what was behind it. */
    expect_taken(&l, wu_ip4(l.f, &l.mb, &foreign, &nobody, &l.ib, 40));
    ov_member_remove(net, l.a->addr);
    assert_int_equal(net->learned.len, 0);
    wu_free(l.w);
}

/* A bridge cannot draw another member's frames to itself by sending from its MAC. */
static void test_members_are_not_learned(void **state)
{
    struct lan l = lan(10);
    unsigned before = l.c->frames;

    (void)state;
    permit(&l, l.a, OV_PERM_BRIDGE);
    expect_refused(&l, wu_ip4(l.f, &l.mb, &l.mc, &l.ic, &l.ib, 40), OV_DROP_SOURCE_MAC);
    wu_frame(l.b, l.f, wu_ip4(l.f, &l.mc, &l.mb, &l.ib, &l.ic, 40));
    wu_run(l.w, OV_SEC);
    assert_int_equal(l.c->frames, before + 1);
    wu_free(l.w);
}

/* Before anything was learned: a frame for who knows whom goes to the bridges. */
static void test_unknown_to_bridges(void **state)
{
    struct lan l = lan(16);
    unsigned before = l.c->frames;

    (void)state;
    l.w->net.perms = OV_PERM_BRIDGE;
    ov_network_session(wu_net_of(l.c), wu_peer(l.c, l.w->node[0]), true); /* asks again */
    wu_run(l.w, 2 * OV_SEC);
    assert_int_equal(wu_net_of(l.c)->cert.perms, OV_PERM_BRIDGE);
    wu_frame(l.b, l.f, wu_ip4(l.f, &foreign, &l.mb, &l.ib, &nobody, 40));
    wu_run(l.w, 3 * OV_SEC);
    assert_int_equal(l.c->frames, before + 1);
    wu_frame(l.b, l.f, wu_ip4(l.f, &lookalike, &l.mb, &l.ib, &nobody, 40));
    wu_run(l.w, 3 * OV_SEC);
    assert_int_equal(l.c->frames, before + 2);
    wu_free(l.w);
}

static void test_learned_bound(void **state)
{
    struct lan l = lan(11);
    struct ov_network *net = wu_net_of(l.b);
    struct ov_mac mac = foreign;

    (void)state;
    permit(&l, l.a, OV_PERM_BRIDGE);
    for (unsigned i = 0; i < OV_LEARNED_MAX + 10; i++) {
        mac.b[4] = (uint8_t)(i >> 8);
        mac.b[5] = (uint8_t)i;
        unsigned frames = l.b->frames;
        receive(&l, wu_ip4(l.f, &l.mb, &mac, &nobody, &l.ib, 40));
        assert_int_equal(l.b->frames, frames + 1); /* taken all the same */
    }
    assert_int_equal(net->learned.len, OV_LEARNED_MAX);
    assert_int_equal(wu_drops(l.b, TABLE_FULL), 10);
    /* The old ones make room in time. */
    l.w->now += OV_LEARNED_LIFE;
    permit(&l, l.a, OV_PERM_BRIDGE);
    receive(&l, wu_ip4(l.f, &l.mb, &mac, &nobody, &l.ib, 40));
    mac.b[3] = 0;
    receive(&l, wu_ip4(l.f, &l.mb, &mac, &nobody, &l.ib, 40));
    assert_in_range(net->learned.len, 1, 2);
    wu_free(l.w);
}

/* ---- outwards ---- */

static void test_send_refusals(void **state)
{
    struct lan l = lan(12);
    size_t len;

    (void)state;
    wu_frame(l.a, l.f, wu_ip4(l.f, &l.mb, &foreign, &l.ia, &l.ib, 40));
    assert_int_equal(wu_drops(l.a, SOURCE_MAC), 1);
    wu_frame(l.a, l.f, 13);
    assert_int_equal(wu_drops(l.a, MALFORMED_FRAME), 1);
    len = wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, OV_MTU_DEFAULT - 19);
    wu_frame(l.a, l.f, len);
    assert_int_equal(wu_drops(l.a, TOO_LARGE), 1);
    wu_net_of(l.a)->config->flags &= (uint16_t)~OV_NET_BROADCAST;
    wu_frame(l.a, l.f, wu_ip4(l.f, &group, &l.ma, &l.ia, &l.ib, 40));
    assert_int_equal(wu_drops(l.a, MULTICAST_LIMIT), 1);
    wu_net_of(l.a)->state = OV_NET_STATE_REFUSED;
    wu_frame(l.a, l.f, wu_ip4(l.f, &l.mb, &l.ma, &l.ia, &l.ib, 40));
    assert_int_equal(wu_drops(l.a, NOT_JOINED), 1);
    ov_node_frames(l.a->n, 0x1234567890000001,
                   (struct ov_frame[]){{.data = l.f + OV_FRAME_HEADROOM, .len = 60},
                                       {.data = l.f + 100, .len = 60}},
                   2, l.w->now);
    assert_int_equal(wu_drops(l.a, NOT_JOINED), 3);
    wu_free(l.w);
}

/* Nobody has this MAC: neither a member nor somebody behind a bridge. */
static void test_no_destination(void **state)
{
    struct lan l = lan(13);
    struct ov_mac stranger = ov_mac_derive(0x1234567890, l.w->net.config.netid);

    (void)state;
    wu_frame(l.a, l.f, wu_ip4(l.f, &foreign, &l.ma, &l.ia, &nobody, 40));
    wu_run(l.w, 5 * OV_SEC);
    assert_int_equal(wu_drops(l.a, NO_DESTINATION), 1);
    wu_frame(l.a, l.f, wu_ip4(l.f, &stranger, &l.ma, &l.ia, &nobody, 40)); /* asked for, in vain */
    wu_run(l.w, 5 * OV_SEC);
    assert_int_equal(wu_drops(l.a, NO_DESTINATION), 2);
    wu_free(l.w);
}

/* ARP and ND for members are answered here, without a packet leaving. */
static void test_local_answers(void **state)
{
    struct lan l = lan(14);
    struct ov_ip la = ov_ip_link_local(&l.ma), lb = ov_ip_link_local(&l.mb);
    struct ov_ip solicited = {6, {0xff, 2, [11] = 1, 0xff}};
    struct ov_mac many = {{0x33, 0x33, 0xff, lb.b[13], lb.b[14], lb.b[15]}};
    struct ov_frame_info f;

    (void)state;
    memcpy(solicited.b + 13, lb.b + 13, 3);
    wu_log_clear(l.w);
    unsigned before = l.a->frames;
    wu_frame(l.a, l.f, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &l.ia, &l.ib));
    assert_int_equal(l.a->frames, before + 1);
    assert_int_equal(ov_frame_parse(l.a->frame, l.a->frame_len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);
    assert_true(ov_ip_equal(&f.src_ip, &l.ib));
    assert_memory_equal(&f.link_mac, &l.mb, 6);
    assert_memory_equal(&f.dst, &l.ma, 6);

    wu_frame(l.a, l.f, icmp6(l.f, &many, &l.ma, &la, &solicited, 135, &lb, &l.ma));
    assert_int_equal(l.a->frames, before + 2);
    assert_int_equal(ov_frame_parse(l.a->frame, l.a->frame_len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ND_ADVERT);
    assert_true(ov_ip_equal(&f.target, &lb));
    assert_memory_equal(&f.link_mac, &l.mb, 6);
    assert_int_equal(wu_count_sent(l.w, l.a, NULL), 0);
    /* Our own address is nobody else's to answer for; nor is a probe for it. */
    wu_frame(l.a, l.f, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &l.ia, &l.ia));
    assert_int_equal(l.a->frames, before + 2);
    wu_free(l.w);
}

/* A bridge answers for itself, and where addresses are not checked everybody does. */
static void test_no_local_answer(void **state)
{
    struct lan l = lan(15);
    unsigned a = l.a->frames, b = l.b->frames;

    (void)state;
    permit(&l, l.b, OV_PERM_BRIDGE);
    wu_frame(l.a, l.f, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &l.ia, &l.ib));
    wu_run(l.w, OV_SEC);
    assert_int_equal(l.a->frames, a);
    assert_int_equal(l.b->frames, b + 1);
    permit(&l, l.b, 0);
    wu_net_of(l.a)->config->flags = OV_NET_BROADCAST;
    wu_frame(l.a, l.f, wu_arp(l.f, 1, &wu_broadcast, &l.ma, &l.ia, &l.ib));
    wu_run(l.w, OV_SEC);
    assert_int_equal(l.a->frames, a);
    assert_int_equal(l.b->frames, b + 2);
    wu_free(l.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_mac),         cmocka_unit_test(test_source_ip4),
        cmocka_unit_test(test_source_arp),         cmocka_unit_test(test_source_ip6),
        cmocka_unit_test(test_destination),        cmocka_unit_test(test_mtu_and_vlan),
        cmocka_unit_test(test_malformed),          cmocka_unit_test(test_membership),
        cmocka_unit_test(test_learning),           cmocka_unit_test(test_members_are_not_learned),
        cmocka_unit_test(test_unknown_to_bridges), cmocka_unit_test(test_learned_bound),
        cmocka_unit_test(test_send_refusals),      cmocka_unit_test(test_no_destination),
        cmocka_unit_test(test_local_answers),      cmocka_unit_test(test_no_local_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
