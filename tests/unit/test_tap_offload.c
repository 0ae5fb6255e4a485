/* What a TAP leaves to others and what others leave to it, against the kernel. */
#include "tests/unit/edge.h"
#include "tests/unit/packets.h"
#include "tun/tap.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>

static const struct ov_mac MAC = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};
static const struct ov_mac OTHER = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x66}};

#define GSO_UDP_L4 5 /* from Linux 6.2 */
#define ACK        0x10
#define PSH        0x08

static uint8_t payload[65536];

struct fixture {
    uv_loop_t loop;
    struct ov_tap *tap;
    int fd;
    size_t n, bytes;
    struct ov_offload o; /* of the last one */
    size_t len;
    uint8_t frame[OV_SUPERFRAME_MAX];
};

static struct packet packet(bool ip6, bool udp)
{
    return (struct packet){.src = OTHER,
                           .dst = MAC,
                           .ip6 = ip6,
                           .udp = udp,
                           .host = 9,
                           .port = 4321,
                           .seq = 1000,
                           .tcp_options = 12,
                           .flags = ACK};
}

/* The host has things of its own to say: count only ours, by their port. */
static bool is_ours(const uint8_t *f, size_t len)
{
    struct ov_packet p;

    return ov_packet_find(f, len, &p) == OV_OK && p.end >= p.transport + 2 &&
           (f[p.transport] << 8 | f[p.transport + 1]) == 4321;
}

static void on_frames(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n)
{
    struct fixture *f = arg;

    (void)t;
    for (size_t i = 0; i < n; i++) {
        if (!is_ours(v[i].data, v[i].len))
            continue;
        f->n++;
        f->bytes += v[i].len;
        f->o = v[i].offload;
        f->len = v[i].len;
        memcpy(f->frame, v[i].data, v[i].len);
    }
    for (size_t i = 0; i < n; i++) /* consumed, and the others do not mind */
        memset(v[i].data - OV_TAP_HEADROOM, 0xee, OV_TAP_HEADROOM + v[i].len);
}

static void start(struct fixture *f, bool offload)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    char why[256];

    memset(f, 0, sizeof *f);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(ov_tap_open(&f->loop, "tapo0", &MAC, offload, on_frames, f, &f->tap, why),
                     OV_OK);
    assert_true(edge_sh("ip link set tapo0 up"));
    f->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    assert_true(f->fd >= 0);
    assert_int_equal(setsockopt(f->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), 0);
    ll.sll_ifindex = (int)ov_tap_index(f->tap);
    assert_int_equal(bind(f->fd, (struct sockaddr *)&ll, sizeof ll), 0);
    assert_int_equal(setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
}

static void stop(struct fixture *f)
{
    close(f->fd);
    ov_tap_close(f->tap);
    edge_loop_done(&f->loop);
}

/* The host sends this out of the device. */
static void host_sends(struct fixture *f, const uint8_t *frame, size_t len,
                       const struct ov_offload *o)
{
    static uint8_t buf[sizeof(struct virtio_net_hdr) + OV_SUPERFRAME_MAX];
    struct virtio_net_hdr h = {.flags = o->partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
                               .gso_type = o->gso == OV_GSO_TCP4   ? VIRTIO_NET_HDR_GSO_TCPV4
                                           : o->gso == OV_GSO_TCP6 ? VIRTIO_NET_HDR_GSO_TCPV6
                                           : o->gso == OV_GSO_UDP  ? GSO_UDP_L4
                                                                   : 0,
                               .hdr_len = o->hdr_len,
                               .gso_size = o->gso_size,
                               .csum_start = o->csum_start,
                               .csum_offset = o->csum_offset};

    memcpy(buf, &h, sizeof h);
    memcpy(buf + sizeof h, frame, len);
    assert_int_equal(send(f->fd, buf, sizeof h + len, 0), sizeof h + len);
}

/* The next packet of ours that comes up in the host. */
static size_t host_gets(struct fixture *f, struct virtio_net_hdr *h, const uint8_t **frame)
{
    static uint8_t buf[sizeof *h + OV_SUPERFRAME_MAX];

    for (;;) {
        ssize_t r = recv(f->fd, buf, sizeof buf, 0);
        assert_true(r > (ssize_t)sizeof *h);
        memcpy(h, buf, sizeof *h);
        *frame = buf + sizeof *h;
        if (is_ours(*frame, (size_t)r - sizeof *h))
            return (size_t)r - sizeof *h;
    }
}

static void test_offloads(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, true);
    /* Every kernel that has TAP devices at all has had these for more than ten years. */
    assert_int_equal(ov_tap_offloads(f.tap) & (OV_TAP_CSUM | OV_TAP_TSO | OV_TAP_GRO),
                     OV_TAP_CSUM | OV_TAP_TSO | OV_TAP_GRO);
    stop(&f);
    start(&f, false);
    assert_int_equal(ov_tap_offloads(f.tap), 0);
    stop(&f);
}

static void test_superframe_comes(void **state)
{
    static struct fixture f;
    static uint8_t frame[OV_SUPERFRAME_MAX];
    struct ov_offload o;

    (void)state;
    start(&f, true);
    for (unsigned i = 0; i < 4; i++) {
        struct packet p = packet(i & 1, false);
        p.src = MAC;
        p.dst = OTHER;
        p.tags = i / 2;
        size_t len = packet_write_super(frame, &p, payload, 60000, 1400, &o);
        host_sends(&f, frame, len, &o);
        assert_true(edge_wait(&f.loop, &f.n, i + 1));
        assert_int_equal(f.len, len);
        assert_memory_equal(f.frame, frame, len);
        f.o.hdr_len = o.hdr_len; /* only told */
        assert_true(packet_same_offload(&f.o, &o));
    }
    for (unsigned i = 0; i < 2 && (ov_tap_offloads(f.tap) & OV_TAP_USO); i++, f.n--) {
        struct packet p = packet(i & 1, true);
        size_t len = packet_write_super(frame, &p, payload, 30000, 1400, &o);
        host_sends(&f, frame, len, &o);
        assert_true(edge_wait(&f.loop, &f.n, 5));
        assert_memory_equal(f.frame, frame, len);
        f.o.hdr_len = o.hdr_len;
        assert_true(packet_same_offload(&f.o, &o));
    }
    /* A checksum alone, behind superframes in one batch. */
    struct packet p = packet(false, true);
    size_t len = packet_write(frame, &p, payload, 99, PACKET_PARTIAL, &o);
    host_sends(&f, frame, len, &o);
    assert_true(edge_wait(&f.loop, &f.n, 5));
    assert_true(packet_same_offload(&f.o, &o));
    assert_memory_equal(f.frame, frame, len);
    p.udp = false;
    len = packet_write_super(frame, &p, payload, 65000, 1400, &o);
    f.bytes = 0;
    for (unsigned i = 0; i < 20; i++)
        host_sends(&f, frame, len, &o);
    assert_true(edge_wait(&f.loop, &f.n, 25));
    assert_int_equal(f.bytes, 20 * len);
    assert_int_equal(ov_tap_dropped(f.tap), 0);
    stop(&f);
}

/* Without a vnet header the kernel does it all. */
static void test_none_comes(void **state)
{
    static struct fixture f;
    static uint8_t frame[OV_SUPERFRAME_MAX], want[2000];
    struct packet p = packet(false, false);
    struct ov_offload o;

    (void)state;
    start(&f, false);
    size_t len = packet_write_super(frame, &p, payload, 14000, 1400, &o);
    host_sends(&f, frame, len, &o);
    assert_true(edge_wait(&f.loop, &f.n, 10));
    p.seq += 9 * 1400;
    p.id = 9;
    assert_int_equal(f.len, packet_write(want, &p, payload + 9 * 1400, 1400, PACKET_FULL, NULL));
    assert_memory_equal(f.frame, want, f.len);
    assert_true(packet_same_offload(&f.o, &ov_offload_none));
    stop(&f);
}

static void test_segments_go_together(void **state)
{
    static struct fixture f;
    static uint8_t frames[40][1500], want[OV_SUPERFRAME_MAX];
    struct virtio_net_hdr h;
    struct ov_offload o;
    const uint8_t *got;

    (void)state;
    start(&f, true);
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        struct packet p = packet(ip6, false), first = p;
        for (unsigned i = 0; i < 40; i++) {
            p.flags = i == 39 ? ACK | PSH : ACK;
            p.seq = 1000 + i * 1400;
            p.id = (uint16_t)i;
            size_t len = packet_write(frames[i], &p, payload + i * 1400, 1400, PACKET_PARTIAL, &o);
            ov_tap_write(f.tap, frames[i], len, &o);
        }
        ov_tap_flush(f.tap);
        first.flags = ACK | PSH;
        size_t len = packet_write_super(want, &first, payload, 40 * 1400, 1400, &o);
        assert_int_equal(host_gets(&f, &h, &got), len);
        assert_memory_equal(got, want, len);
        assert_int_equal(h.gso_type, ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4);
        assert_int_equal(h.gso_size, 1400);
        assert_true(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
        assert_int_equal(h.csum_start, o.csum_start);
    }
    assert_int_equal(ov_tap_dropped(f.tap), 0);
    stop(&f);
}

/* A partial checksum is written as such where that can be told, and else finished. */
static void test_checksum_written(void **state)
{
    static struct fixture f;
    uint8_t frame[1500], want[1500];
    struct virtio_net_hdr h;
    struct ov_offload o;
    const uint8_t *got;

    (void)state;
    for (unsigned offload = 0; offload < 2; offload++) {
        start(&f, offload);
        for (unsigned i = 0; i < 4; i++) {
            struct packet p = packet(i & 1, i & 2);
            size_t len = packet_write(frame, &p, payload, 101, PACKET_PARTIAL, &o);
            ov_tap_write(f.tap, frame, len, &o);
            ov_tap_flush(f.tap);
            packet_write(want, &p, payload, 101, offload ? PACKET_PARTIAL : PACKET_FULL, NULL);
            assert_int_equal(host_gets(&f, &h, &got), len);
            assert_memory_equal(got, want, len);
            assert_int_equal(h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, offload);
        }
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offloads),         cmocka_unit_test(test_superframe_comes),
        cmocka_unit_test(test_none_comes),       cmocka_unit_test(test_segments_go_together),
        cmocka_unit_test(test_checksum_written),
    };

    EDGE_NEED_NETNS();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
