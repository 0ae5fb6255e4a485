/* Superframes and partial checksums through the engine: from the TAP of one member to that of
 * another. */
#include "core/switch.h"

#include "tests/unit/packets.h"
#include "wire_up.h"

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10

#define KEEP 1500

/* What arrived at b. */
static struct {
    size_t n;
    struct {
        size_t len;
        struct ov_offload o;
        uint8_t bytes[2000];
    } v[KEEP];
} got;

static uint8_t payload[65536], room[OV_FRAME_HEADROOM + OV_SUPERFRAME_MAX];
static uint8_t *const super = room + OV_FRAME_HEADROOM;

static void on_frame(struct wu_node *n, const struct ov_out_frame *f)
{
    (void)n;
    assert_true(got.n < KEEP && f->len <= sizeof got.v[0].bytes);
    got.v[got.n].len = f->len;
    got.v[got.n].o = f->offload;
    memcpy(got.v[got.n++].bytes, f->data, f->len);
}

struct lan {
    struct wu *w;
    struct wu_node *a, *b, *c;
    struct packet p; /* from a to b */
};

static struct lan lan(uint64_t seed)
{
    struct lan l = {.w = wu_lan(seed, 3)};

    l.a = l.w->node[1];
    l.b = l.w->node[2];
    l.c = l.w->node[3];
    l.b->on_frame = on_frame;
    l.p = (struct packet){.src = wu_mac(l.a),
                          .dst = wu_mac(l.b),
                          .from = wu_ip(l.a),
                          .to = wu_ip(l.b),
                          .tcp_options = 12,
                          .id = 5,
                          .seq = 1000,
                          .flags = ACK | PSH};
    return l;
}

/* They have a direct path that takes all that a network of the default MTU has. */
static void acquaint(struct lan *l)
{
    uint8_t f[OV_FRAME_MAX];

    wu_frame(l->a, f, packet_write(f, &l->p, payload, 20, PACKET_FULL, NULL));
    wu_run(l->w, 3 * OV_SEC);
    struct ov_peer *p = wu_peer(l->a, l->b);
    assert_true(p->paths->active >= 0);
    p->paths->p[p->paths->active].q.mtu = OV_PATH_MTU_SAFE;
    assert_int_equal(got.n, 1);
    got.n = 0;
}

/* A frame from a's TAP; what is to leave goes on at once. Returns the trains that left. */
static size_t send(struct lan *l, size_t len, const struct ov_offload *o)
{
    struct ov_frame f = {.data = super, .len = len, .offload = *o};
    struct ov_output out;
    size_t trains = 0;

    ov_node_frames(l->a->n, l->w->net.config.netid, &f, 1, l->w->now);
    while (ov_node_pull(l->a->n, &out)) {
        if (out.kind != OV_OUT_DATAGRAMS)
            continue;
        const struct ov_out_datagrams *d = &out.datagrams;
        trains++;
        assert_true(ov_endpoint_equal(&d->to, &l->b->ep));
        for (size_t at = 0; at < d->len; at += d->segment)
            wu_inject(l->b, &l->a->ep, d->data + at,
                      d->len - at < d->segment ? d->len - at : d->segment);
    }
    return trains;
}

/* What arrived is what `p` makes of `len` bytes in segments of `size`. */
static void expect(const struct packet *p, size_t len, size_t size, enum packet_sum sum)
{
    static uint8_t want[OV_SUPERFRAME_MAX];
    size_t count = len > size ? (len + size - 1) / size : 1;

    assert_int_equal(got.n, count);
    for (size_t i = 0; i < count; i++) {
        struct packet q = *p;
        struct ov_offload o;
        size_t at = i * size, bytes = len - at < size ? len - at : size;
        q.id = (uint16_t)(p->id + i);
        q.seq = (uint32_t)(p->seq + at);
        if (i + 1 < count)
            q.flags &= (uint8_t) ~(FIN | PSH);
        size_t n = packet_write(want, &q, payload + at, bytes, sum, &o);
        assert_int_equal(got.v[i].len, n);
        assert_memory_equal(got.v[i].bytes, want, n);
        assert_true(packet_same_offload(&got.v[i].o, &o));
    }
    got.n = 0;
}

static void test_train(void **state)
{
    struct lan l = lan(1);
    struct ov_offload o;

    (void)state;
    acquaint(&l);
    for (unsigned i = 0; i < 2 * 2 * 3; i++) {
        struct packet p = l.p;
        p.ip6 = i & 1;
        p.udp = i & 2;
        p.tags = i / 4;
        if (p.ip6) {
            p.from = ov_ip_link_local(&p.src);
            p.to = ov_ip_link_local(&p.dst);
        }
        uint16_t size = (uint16_t)(OV_MTU_DEFAULT - (packet_heads(&p) - OV_ETH_LEN - 4 * p.tags));
        size_t most = OV_SUPERFRAME_MAX - packet_heads(&p) - 8;
        uint64_t frames = l.a->e->stats.rx_frames;
        size_t n = packet_write_super(super, &p, payload, most, size, &o);
        assert_int_equal(send(&l, n, &o), 2); /* UDP takes no more in one */
        assert_int_equal(l.a->e->stats.rx_frames, frames + got.n);
        expect(&p, most, size, PACKET_PARTIAL);
        n = packet_write_super(super, &p, payload, 40000, size, &o);
        assert_int_equal(send(&l, n, &o), 1);
        expect(&p, 40000, size, PACKET_PARTIAL);
        n = packet_write_super(super, &p, payload, 4001, 100, &o);
        assert_int_equal(send(&l, n, &o), 1);
        expect(&p, 4001, 100, PACKET_PARTIAL);
        n = packet_write(super, &p, payload, 77, PACKET_PARTIAL, &o); /* not split at all */
        assert_int_equal(send(&l, n, &o), 1);
        expect(&p, 77, 100, PACKET_PARTIAL);
    }
    assert_int_equal(wu_drops(l.b, MALFORMED_FRAME), 0);
    wu_free(l.w);
}

/* Where the path takes less than a segment, each goes in fragments; where the four bytes of a
 * partial checksum are too much, it is finished instead. */
static void test_narrow_path(void **state)
{
    struct lan l = lan(2);
    struct ov_offload o;

    (void)state;
    acquaint(&l);
    struct ov_peer *p = wu_peer(l.a, l.b);
    uint16_t *mtu = &p->paths->p[p->paths->active].q.mtu;
    size_t plain = OV_DATA_OVERHEAD + OV_MSG_FRAME_HEADER + packet_heads(&l.p) + 1000;
    for (size_t room_left = 0; room_left <= 4; room_left++) {
        *mtu = (uint16_t)(plain + room_left);
        uint64_t sent = p->tx_datagrams;
        size_t n = packet_write_super(super, &l.p, payload, 10000, 1000, &o);
        send(&l, n, &o);
        assert_int_equal(p->tx_datagrams, sent + 10);
        expect(&l.p, 10000, 1000, room_left < 4 ? PACKET_FULL : PACKET_PARTIAL);
    }
    *mtu = (uint16_t)(plain - 1);
    uint64_t sent = p->tx_datagrams;
    size_t n = packet_write_super(super, &l.p, payload, 10000, 1000, &o);
    send(&l, n, &o);
    assert_int_equal(p->tx_datagrams, sent + 20);
    expect(&l.p, 10000, 1000, PACKET_PARTIAL);
    wu_free(l.w);
}

/* To whom nobody was asked for yet: the segments wait, as whole frames. */
static void test_held(void **state)
{
    struct lan l = lan(3);
    struct ov_offload o;
    size_t n = packet_write_super(super, &l.p, payload, 800, 200, &o);
    struct ov_frame f = {.data = super, .len = n, .offload = o};

    (void)state;
    got.n = 0;
    ov_node_frames(l.a->n, l.w->net.config.netid, &f, 1, l.w->now);
    wu_drain(l.a);
    wu_run(l.w, 3 * OV_SEC);
    expect(&l.p, 800, 200, PACKET_FULL);
    wu_free(l.w);
}

/* Groups get common frames with whole checksums: who hears them may look at them raw. */
static void test_multicast(void **state)
{
    struct lan l = lan(4);
    struct packet p = l.p;
    struct ov_offload o;

    (void)state;
    acquaint(&l);
    p.udp = true;
    p.dst = wu_broadcast;
    p.to = (struct ov_ip){4, {10, 1, 0, 255}};
    unsigned before = l.c->frames;
    size_t n = packet_write_super(super, &p, payload, 500, 100, &o);
    struct ov_frame f = {.data = super, .len = n, .offload = o};
    ov_node_frames(l.a->n, l.w->net.config.netid, &f, 1, l.w->now);
    wu_drain(l.a);
    wu_run(l.w, 3 * OV_SEC);
    expect(&p, 500, 100, PACKET_FULL);
    assert_int_equal(l.c->frames, before + 5);
    n = packet_write(super, &p, payload, 50, PACKET_PARTIAL, &o);
    f = (struct ov_frame){.data = super, .len = n, .offload = o};
    ov_node_frames(l.a->n, l.w->net.config.netid, &f, 1, l.w->now);
    wu_drain(l.a);
    wu_run(l.w, 3 * OV_SEC);
    expect(&p, 50, 100, PACKET_FULL);
    wu_free(l.w);
}

/* The checks of common frames hold for superframes, and are counted the same. */
static void test_refused(void **state)
{
    struct lan l = lan(5);
    struct packet p = l.p;
    struct ov_offload o;
    size_t n;

    (void)state;
    acquaint(&l);
    n = packet_write_super(super, &p, payload, 5000, 0, &o);
    assert_int_equal(send(&l, n, &o), 0);
    assert_int_equal(wu_drops(l.a, MALFORMED_FRAME), 1);
    n = packet_write_super(super, &p, payload, 5000, 1000, &o);
    o.csum_start++;
    assert_int_equal(send(&l, n, &o), 0);
    assert_int_equal(wu_drops(l.a, MALFORMED_FRAME), 2);
    n = packet_write_super(super, &p, payload, 5000, OV_MTU_DEFAULT - 51, &o);
    assert_int_equal(send(&l, n, &o), 0);
    assert_int_equal(wu_drops(l.a, TOO_LARGE), 1);
    p.src = wu_mac(l.c);
    n = packet_write_super(super, &p, payload, 5000, 1000, &o);
    assert_int_equal(send(&l, n, &o), 0);
    assert_int_equal(wu_drops(l.a, SOURCE_MAC), 1);
    p = l.p;
    p.from = wu_ip(l.c);
    n = packet_write_super(super, &p, payload, 5000, 1000, &o);
    send(&l, n, &o);
    assert_int_equal(wu_drops(l.b, SOURCE_IP), 5);
    assert_int_equal(got.n, 0);
    wu_free(l.w);
}

/* A peer that says where a checksum is must say where it is: finishing it anywhere else would let
 * it change the frame after it was checked. */
static void test_lying_peer(void **state)
{
    struct lan l = lan(6);
    uint8_t f[2000];
    struct ov_offload o;

    (void)state;
    acquaint(&l);
    ov_node_tick(l.b->n, l.w->now);
    size_t n = packet_write(f, &l.p, payload, 100, PACKET_PARTIAL, &o);
    uint16_t at = o.csum_start;
    for (o.csum_start = 0; o.csum_start < n + 10; o.csum_start++)
        ov_switch_receive(wu_net_of(l.b), wu_peer(l.b, l.a), f, n, &o);
    wu_drain(l.b);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.v[0].o.csum_start, at);
    assert_int_equal(wu_drops(l.b, MALFORMED_FRAME), n + 9);
    got.n = 0;
    wu_free(l.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train),   cmocka_unit_test(test_narrow_path),
        cmocka_unit_test(test_held),    cmocka_unit_test(test_multicast),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_lying_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
