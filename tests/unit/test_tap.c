/* TAP devices, in a network namespace of their own. */
#include "tun/tap.h"

#include "tests/unit/edge.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/in.h>

static const struct ov_mac MAC = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};

#define KEEP 512

struct sink {
    size_t marked; /* frames of our test's ethertype */
    size_t all, batches, gone;
    size_t len[KEEP];
    uint8_t first[KEEP]; /* first byte of the payload */
    struct ov_tap *close_this;
};

struct fixture {
    uv_loop_t loop;
    struct ov_tap *tap;
    struct sink sink;
};

#define MARK 0x88b5 /* IEEE local experimental */

static void on_frames(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n)
{
    struct sink *s = arg;

    assert_true(n <= OV_TAP_BATCH_MAX);
    if (n == 0)
        s->gone++;
    s->batches++;
    for (size_t i = 0; i < n; i++) {
        s->all++;
        if (v[i].len >= 15 && (v[i].data[12] << 8 | v[i].data[13]) == MARK) {
            assert_true(s->marked < KEEP);
            s->len[s->marked] = v[i].len;
            s->first[s->marked++] = v[i].data[14];
        }
        /* The headroom and the frame are ours to overwrite; the others of the batch must not mind.
         */
        memset(v[i].data - OV_TAP_HEADROOM, 0xee, OV_TAP_HEADROOM + v[i].len);
    }
    if (s->close_this && s->marked)
        ov_tap_close(t);
}

static void start(struct fixture *f, const char *name)
{
    char why[256];

    memset(f, 0, sizeof *f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    int err = ov_tap_open(&f->loop, name, &MAC, true, on_frames, &f->sink, &f->tap, why);
    if (err != OV_OK)
        print_message("%s\n", why);
    assert_int_equal(err, OV_OK);
}

static void stop(struct fixture *f)
{
    ov_tap_close(f->tap);
    edge_loop_done(&f->loop);
}

static int packet_socket(const struct ov_tap *t, int protocol)
{
    struct sockaddr_ll ll = {.sll_family = AF_PACKET,
                             .sll_protocol = htons((uint16_t)protocol),
                             .sll_ifindex = (int)ov_tap_index(t)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof ll), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

/* A broadcast frame of our ethertype. */
static size_t make_frame(uint8_t *out, size_t len, uint8_t mark)
{
    memset(out, 0xff, 6);
    memcpy(out + 6, MAC.b, 6);
    out[6] = 0x06;
    out[12] = MARK >> 8;
    out[13] = MARK & 0xff;
    memset(out + 14, mark, len - 14);
    return len;
}

static void test_device(void **state)
{
    struct fixture f;
    struct ifreq req;

    (void)state;
    start(&f, "tapt%d");
    assert_string_equal(ov_tap_name(f.tap), "tapt0");
    assert_int_equal(ov_tap_index(f.tap), if_nametoindex("tapt0"));
    memset(&req, 0, sizeof req);
    strcpy(req.ifr_name, "tapt0");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &req), 0);
    assert_int_equal(req.ifr_hwaddr.sa_family, ARPHRD_ETHER);
    assert_memory_equal(req.ifr_hwaddr.sa_data, MAC.b, 6);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &req), 0);
    assert_false(req.ifr_flags & IFF_UP);
    close(fd);
    assert_true(edge_sh("test $(cat /proc/sys/net/ipv6/conf/tapt0/accept_ra) = 0"));
    assert_true(edge_sh("test $(cat /proc/sys/net/ipv6/conf/tapt0/addr_gen_mode) = 0"));
    assert_true(edge_sh("ip link set tapt0 up"));
    assert_true(edge_sh("ip -6 addr show dev tapt0 | grep -q 'fe80::11:22ff:fe33:4455/64'"));
    ov_tap_close(f.tap);
    ov_tap_close(f.tap);
    assert_int_equal(if_nametoindex("tapt0"), 0); /* gone before the loop runs */
    stop(&f);
}

/* Frames that the host sends arrive in batches, in order and whole. */
static void test_read(void **state)
{
    struct fixture f;
    uint8_t frame[9100];

    (void)state;
    start(&f, "tapt0");
    assert_true(edge_sh("ip link set tapt0 up mtu 9000"));
    int fd = packet_socket(f.tap, 0);
    for (unsigned i = 0; i < 300; i++) {
        size_t len = make_frame(frame, i == 7 ? 9014 : 60 + i, (uint8_t)i);
        assert_int_equal(send(fd, frame, len, 0), len);
    }
    assert_true(edge_wait(&f.loop, &f.sink.marked, 300));
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(f.sink.len[i], i == 7 ? 9014 : 60 + i);
        assert_int_equal(f.sink.first[i], (uint8_t)i);
    }
    assert_true(f.sink.batches < 150);
    assert_int_equal(ov_tap_dropped(f.tap), 0);
    close(fd);
    stop(&f);
}

/* A frame above the maximum is dropped and counted, and the next one arrives. */
static void test_read_oversize(void **state)
{
    struct fixture f;
    static uint8_t frame[20000];

    (void)state;
    start(&f, "tapt0");
    assert_true(edge_sh("ip link set tapt0 up mtu 12000"));
    int fd = packet_socket(f.tap, 0);
    static const size_t lens[] = {OV_TAP_FRAME_MAX,
                                  OV_TAP_FRAME_MAX + 1,
                                  OV_TAP_FRAME_MAX + 2,
                                  OV_TAP_FRAME_MAX + 3,
                                  12014,
                                  100};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        assert_int_equal(send(fd, frame, make_frame(frame, lens[i], (uint8_t)i), 0), lens[i]);
    assert_true(edge_wait(&f.loop, &f.sink.marked, 2));
    assert_int_equal(f.sink.marked, 2);
    assert_int_equal(f.sink.len[0], OV_TAP_FRAME_MAX);
    assert_int_equal(f.sink.len[1], 100);
    assert_int_equal(ov_tap_dropped(f.tap), 4);
    close(fd);
    stop(&f);
}

/* What is written comes up in the host; while the device is down it is dropped and counted. */
static void test_write(void **state)
{
    struct fixture f;
    uint8_t frame[1514], got[2048];

    (void)state;
    start(&f, "tapt0");
    ov_tap_write(f.tap, frame, make_frame(frame, 100, 1), NULL);
    assert_int_equal(ov_tap_dropped(f.tap), 1);
    assert_true(edge_sh("ip link set tapt0 up"));
    int fd = packet_socket(f.tap, MARK);
    ov_tap_write(f.tap, frame, make_frame(frame, sizeof frame, 2), NULL);
    assert_int_equal(recv(fd, got, sizeof got, 0), sizeof frame);
    assert_memory_equal(got, frame, sizeof frame);
    ov_tap_write(f.tap, frame, 3, NULL); /* no frame at all */
    assert_int_equal(ov_tap_dropped(f.tap), 2);
    close(fd);
    stop(&f);
}

/* The host speaks IP over it: it asks for a neighbour (ARP), and takes a datagram written to it. */
static void test_ip(void **state)
{
    struct fixture f;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

    (void)state;
    start(&f, "tapt0");
    assert_true(edge_sh("ip addr add 198.18.5.1/24 dev tapt0 && ip link set tapt0 up"));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, "198.18.5.2", &to.sin_addr);
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    assert_true(edge_wait(&f.loop, &f.sink.all, 1));
    close(fd);
    stop(&f);
}

static bool has_group(const struct ov_tap *t, const uint8_t mac[6])
{
    struct ov_mac v[64];
    size_t n = ov_tap_groups(t, v, 64);

    for (size_t i = 0; i < n; i++)
        if (memcmp(v[i].b, mac, 6) == 0)
            return true;
    return false;
}

static void test_groups(void **state)
{
    static const uint8_t all_hosts[6] = {0x01, 0x00, 0x5e, 0, 0, 1};
    static const uint8_t ours[6] = {0x01, 0x00, 0x5e, 0x01, 0x02, 0x03};
    struct fixture f, g;
    struct ip_mreqn join = {0};
    struct ov_mac one[1];

    (void)state;
    start(&f, "tapt0");
    start(&g, "tapt00"); /* a name that begins alike */
    assert_true(edge_sh("ip addr add 198.18.5.1/24 dev tapt0 && ip link set tapt0 up"));
    assert_true(edge_sh("ip link set tapt00 up"));
    assert_true(has_group(f.tap, all_hosts));
    assert_false(has_group(f.tap, ours));
    join.imr_ifindex = (int)ov_tap_index(f.tap);
    inet_pton(AF_INET, "239.1.2.3", &join.imr_multiaddr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join), 0);
    assert_true(has_group(f.tap, ours));
    assert_false(has_group(g.tap, ours));
    assert_int_equal(ov_tap_groups(f.tap, one, 1), 1);
    assert_int_equal(ov_tap_groups(f.tap, one, 0), 0);
    close(fd);
    assert_false(has_group(f.tap, ours));
    stop(&g);
    stop(&f);
}

static void test_errors(void **state)
{
    struct fixture f;
    struct ov_tap *t = NULL;
    char why[256];
    struct ov_mac multicast = {{0x01, 0, 0x5e, 0, 0, 1}};
    const char *bad[] = {"", "sixteen_letters_", "a/b", "a b"};

    (void)state;
    start(&f, "tapt0");
    assert_int_equal(ov_tap_open(&f.loop, "tapt0", &MAC, true, on_frames, NULL, &t, why),
                     OV_EEXIST);
    assert_non_null(strstr(why, "tapt0"));
    assert_int_equal(ov_tap_open(&f.loop, "lo", &MAC, true, on_frames, NULL, &t, why), OV_EEXIST);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ov_tap_open(&f.loop, bad[i], &MAC, true, on_frames, NULL, &t, why),
                         OV_EINVAL);
    assert_int_equal(ov_tap_open(&f.loop, "tapt1", &multicast, true, on_frames, NULL, &t, why),
                     OV_EINVAL);
    assert_int_equal(if_nametoindex("tapt1"), 0);
    assert_null(t);
    stop(&f);
}

/* A persistent device that nobody holds is taken over, with our MAC. */
static void test_take_over(void **state)
{
    struct fixture f;

    (void)state;
    assert_true(edge_sh("ip tuntap add dev tapt7 mode tap"));
    start(&f, "tapt7");
    assert_true(edge_sh("ip link show tapt7 | grep -q 02:11:22:33:44:55"));
    stop(&f);
    assert_true(edge_sh("ip link delete tapt7"));
}

/* Somebody deletes the device: said once, and closing it is still right. */
static void test_deleted(void **state)
{
    struct fixture f;
    uint8_t frame[100];

    (void)state;
    start(&f, "tapt0");
    assert_true(edge_sh("ip link set tapt0 up && ip link delete tapt0"));
    assert_true(edge_wait(&f.loop, &f.sink.gone, 1));
    uv_run(&f.loop, UV_RUN_NOWAIT);
    assert_int_equal(f.sink.gone, 1);
    ov_tap_write(f.tap, frame, make_frame(frame, sizeof frame, 1), NULL);
    assert_int_equal(ov_tap_dropped(f.tap), 1);
    stop(&f);
}

static void test_close_in_callback(void **state)
{
    struct fixture f;
    uint8_t frame[100];

    (void)state;
    start(&f, "tapt0");
    assert_true(edge_sh("ip link set tapt0 up"));
    f.sink.close_this = f.tap;
    int fd = packet_socket(f.tap, 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(send(fd, frame, make_frame(frame, sizeof frame, 1), 0), sizeof frame);
    assert_true(edge_wait(&f.loop, &f.sink.marked, 1));
    assert_true(f.sink.marked <= OV_TAP_BATCH_MAX);
    f.tap = NULL; /* freed by the loop */
    close(fd);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_oversize),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_ip),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_take_over),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_close_in_callback),
    };
    EDGE_NEED_NETNS();
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
        fprintf(stderr, "SKIPPED %s: no /dev/net/tun\n", __FILE__);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
