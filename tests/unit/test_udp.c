/* UDP sockets against each other and against plain sockets, on loopback, IPv4 and IPv6. */
#include "transport/udp.h"

#include "tests/unit/edge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define BIG (1 << 20)

struct sink {
    uint8_t *data; /* all bytes in order */
    size_t bytes, datagrams, callbacks;
    size_t sizes[4096];
    struct ov_endpoint from;
    struct ov_ip to;
    bool close_at_once;
};

struct fixture {
    uv_loop_t loop;
    struct ov_udp *a, *b;
    struct sink at_b;
    struct ov_endpoint to_a, to_b;
};

static struct ov_endpoint loopback(int family, uint16_t port)
{
    struct ov_endpoint e = {.ip = {.family = (uint8_t)family}, .port = port};

    if (family == 4) {
        e.ip.b[0] = 127;
        e.ip.b[3] = 1;
    } else {
        e.ip.b[15] = 1;
    }
    return e;
}

static void on_packets(void *arg, struct ov_udp *u, const struct ov_udp_packet *v, size_t n)
{
    struct sink *s = arg;

    assert_in_range(n, 1, OV_UDP_BATCH_MAX);
    s->callbacks++;
    for (size_t i = 0; i < n; i++) {
        assert_true(s->bytes + v[i].len <= BIG && s->datagrams < 4096);
        memcpy(s->data + s->bytes, v[i].data, v[i].len);
        memset(v[i].data, 0xee, v[i].len); /* allowed, and must not hurt the others of the batch */
        s->sizes[s->datagrams++] = v[i].len;
        s->bytes += v[i].len;
        s->from = v[i].from;
        s->to = v[i].to;
    }
    if (s->close_at_once)
        ov_udp_close(u);
}

static void unexpected(void *arg, struct ov_udp *u, const struct ov_udp_packet *v, size_t n)
{
    (void)arg, (void)u, (void)v, (void)n;
    fail_msg("nothing was sent there");
}

static void start(struct fixture *f, int family)
{
    char why[256];
    struct ov_endpoint any = loopback(family, 0);

    memset(f, 0, sizeof *f);
    f->at_b.data = malloc(BIG);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(ov_udp_open(&f->loop, &any, unexpected, NULL, &f->a, why), OV_OK);
    assert_int_equal(ov_udp_open(&f->loop, &any, on_packets, &f->at_b, &f->b, why), OV_OK);
    assert_int_not_equal(ov_udp_port(f->a), 0);
    f->to_a = loopback(family, ov_udp_port(f->a));
    f->to_b = loopback(family, ov_udp_port(f->b));
}

static void stop(struct fixture *f)
{
    ov_udp_close(f->a);
    ov_udp_close(f->b);
    edge_loop_done(&f->loop);
    free(f->at_b.data);
}

static const uint8_t *pattern(void)
{
    static uint8_t p[BIG];

    for (size_t i = 0; i < BIG; i++)
        p[i] = (uint8_t)(i * 7 + i / 251);
    return p;
}

static void no_drops(const struct ov_udp *u)
{
    struct ov_udp_stats s, zero = {0};

    ov_udp_stats(u, &s);
    assert_memory_equal(&s, &zero, sizeof s);
}

/* `len` bytes in datagrams of `segment` must have arrived, whole and in order. */
static void expect_train(struct fixture *f, const uint8_t *data, size_t len, size_t segment)
{
    size_t n = (len + segment - 1) / segment;

    assert_true(edge_wait(&f->loop, &f->at_b.datagrams, n));
    assert_int_equal(f->at_b.datagrams, n);
    assert_int_equal(f->at_b.bytes, len);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(f->at_b.sizes[i], i + 1 < n ? segment : len - segment * (n - 1));
    assert_memory_equal(f->at_b.data, data, len);
}

static void single(int family)
{
    struct fixture f;

    start(&f, family);
    ov_udp_send(f.a, NULL, &f.to_b, 0, (const uint8_t *)"hello", 5, 0);
    ov_udp_send(f.a, NULL, &f.to_b, 0, (const uint8_t *)"", 0, 0); /* nothing */
    ov_udp_flush(f.a);
    ov_udp_flush(f.a); /* nothing twice */
    expect_train(&f, (const uint8_t *)"hello", 5, 5);
    assert_int_equal(f.at_b.from.ip.family, family);
    assert_int_equal(f.at_b.from.port, ov_udp_port(f.a));
    assert_memory_equal(f.at_b.from.ip.b, f.to_a.ip.b, 16);
    assert_int_equal(f.at_b.from.scope, 0);
    no_drops(f.a);
    no_drops(f.b);
    stop(&f);
}

static void test_single(void **state)
{
    (void)state;
    single(4);
    single(6);
}

/* Trains of every awkward shape; above the 64 segments or 64 KB of one send they are cut. */
static void test_trains(void **state)
{
    static const struct {
        size_t len, segment;
    } cases[] = {{1000, 1000},      {1001, 1000},         {2000, 1000},   {65000, 1400},
                 {64 * 1200, 1200}, {65 * 10, 10},        {200 * 10, 10}, {130000, 1452},
                 {90000, 9000},     {200 * 100 + 1, 100}, {3, 1}};
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct fixture f;
            start(&f, family);
            ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), cases[i].len, cases[i].segment);
            ov_udp_flush(f.a);
            expect_train(&f, pattern(), cases[i].len, cases[i].segment);
            no_drops(f.a);
            no_drops(f.b);
            stop(&f);
        }
    }
}

/* 1000 datagrams, more than one batch either way, arrive in order. */
static void test_batch(void **state)
{
    const uint8_t *p = pattern();

    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        struct fixture f;
        start(&f, family);
        for (size_t i = 0; i < 1000; i++) {
            ov_udp_send(f.a, NULL, &f.to_b, 0, p + i * 100, 100, 0);
            if (i % 150 == 149) { /* more than a batch, less than small socket buffers */
                ov_udp_flush(f.a);
                assert_true(edge_wait(&f.loop, &f.at_b.datagrams, i + 1));
            }
        }
        ov_udp_flush(f.a);
        expect_train(&f, p, 100000, 100);
        assert_true(f.at_b.callbacks < 500);
        no_drops(f.a);
        stop(&f);
    }
}

/* Joined datagrams that are more than one callback may get are given in several. */
static void test_many_joined(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, 4);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 7, 0); /* so that a train crosses the border */
    const size_t trains = 2 * OV_UDP_BATCH_MAX / 64;
    for (size_t i = 0; i < trains; i++)
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern() + 7 + i * 448, 448, 7);
    ov_udp_flush(f.a);
    expect_train(&f, pattern(), 7 * (1 + 64 * trains), 7);
    assert_true(f.at_b.callbacks >= 3);
    stop(&f);
}

/* A plain socket that is told the TTL, as a peer to ours. */
static int plain_socket(int family, struct ov_endpoint *out)
{
    int one = 1, fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = 10};
    socklen_t len = family == 4 ? sizeof in4 : sizeof in6;
    struct sockaddr *sa = family == 4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, sa, len), 0);
    assert_int_equal(getsockname(fd, sa, &len), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    if (family == 4)
        assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof one), 0);
    else
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof one), 0);
    *out = loopback(family, ntohs(family == 4 ? in4.sin_port : in6.sin6_port));
    return fd;
}

/* Receive one datagram; returns its length and stores its TTL. */
static ssize_t receive(int fd, uint8_t *buf, size_t cap, int *ttl)
{
    union {
        struct cmsghdr align;
        char bytes[128];
    } control;
    struct iovec iov = {buf, cap};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    assert_true(n >= 0);
    assert_non_null(c);
    memcpy(ttl, CMSG_DATA(c), sizeof *ttl);
    return n;
}

static void test_ttl(void **state)
{
    uint8_t buf[2048];
    int ttl, fallback;

    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        struct fixture f;
        struct ov_endpoint to;
        start(&f, family);
        int fd = plain_socket(family, &to);
        ov_udp_send(f.a, NULL, &to, 0, pattern(), 10, 0);
        ov_udp_send(f.a, NULL, &to, 3, pattern(), 20, 0);
        ov_udp_send(f.a, NULL, &to, 5, pattern(), 2500, 1000); /* a train has it in each datagram */
        ov_udp_send(f.a, NULL, &to, 0, pattern(), 30, 0);
        ov_udp_flush(f.a);
        assert_int_equal(receive(fd, buf, sizeof buf, &fallback), 10);
        assert_true(fallback > 5);
        assert_int_equal(receive(fd, buf, sizeof buf, &ttl), 20);
        assert_int_equal(ttl, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(receive(fd, buf, sizeof buf, &ttl), i < 2 ? 1000 : 500);
            assert_int_equal(ttl, 5);
            assert_memory_equal(buf, pattern() + 1000 * i, i < 2 ? 1000 : 500);
        }
        assert_int_equal(receive(fd, buf, sizeof buf, &ttl), 30);
        assert_int_equal(ttl, fallback);
        close(fd);
        stop(&f);
    }
}

/* What is too large to send, and what is too large to take, is counted, and the rest goes on. */
static void test_oversize(void **state)
{
    struct ov_udp_stats s;

    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        struct fixture f;
        start(&f, family);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 70000, 0);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), OV_UDP_DATAGRAM_MAX + 1, 0);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 3 * (OV_UDP_DATAGRAM_MAX + 1),
                    OV_UDP_DATAGRAM_MAX + 1);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), OV_UDP_DATAGRAM_MAX, 0);
        ov_udp_flush(f.a);
        expect_train(&f, pattern(), OV_UDP_DATAGRAM_MAX, OV_UDP_DATAGRAM_MAX);
        ov_udp_stats(f.a, &s);
        assert_int_equal(s.send_too_large, 1);
        assert_int_equal(s.send_dropped + s.send_errors, 0);
        ov_udp_stats(f.b, &s);
        assert_in_range(s.recv_truncated, 2, 4); /* a joined train counts once */
        stop(&f);
    }
}

static void test_bad_destinations(void **state)
{
    struct fixture f;
    struct ov_endpoint six = loopback(6, 9), no_port = loopback(4, 0), none = {.port = 9};
    struct ov_udp_stats s;

    (void)state;
    start(&f, 4);
    ov_udp_send(f.a, NULL, &six, 0, pattern(), 10, 0);
    ov_udp_send(f.a, NULL, &no_port, 0, pattern(), 30, 10);
    ov_udp_send(f.a, NULL, &none, 0, pattern(), 10, 0);
    ov_udp_flush(f.a);
    ov_udp_stats(f.a, &s);
    assert_int_equal(s.send_errors, 5);
    stop(&f);
}

/* A closed port answers with an ICMP error: the socket must not mind. */
static void test_refused(void **state)
{
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        struct fixture f;
        struct ov_endpoint closed;
        start(&f, family);
        close(plain_socket(family, &closed));
        for (int i = 0; i < 20; i++) {
            ov_udp_send(f.a, NULL, &closed, 0, pattern(), 10, 0);
            ov_udp_flush(f.a);
            uv_run(&f.loop, UV_RUN_NOWAIT);
        }
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 77, 0);
        ov_udp_flush(f.a);
        expect_train(&f, pattern(), 77, 77);
        no_drops(f.a);
        stop(&f);
    }
}

/* The descriptor of the socket bound to `port`. */
static int find_descriptor(uint16_t port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in in;
        socklen_t len = sizeof in;
        if (getsockname(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET &&
            ntohs(in.sin_port) == port)
            return fd;
    }
    fail_msg("no such socket");
    return -1;
}

/* The kernel refuses UDP_SEGMENT on a socket without checksums: trains must arrive all the same. */
static void test_gso_refused(void **state)
{
    struct fixture f;
    int one = 1;

    (void)state;
    start(&f, 4);
    assert_int_equal(
        setsockopt(find_descriptor(ov_udp_port(f.a)), SOL_SOCKET, SO_NO_CHECK, &one, sizeof one),
        0);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 500, 500);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern() + 500, 40000, 500);
    ov_udp_send(f.a, NULL, &f.to_b, 9, pattern() + 40500, 1200, 500);
    ov_udp_flush(f.a);
    expect_train(&f, pattern(), 41700, 500);
    no_drops(f.a);
    stop(&f);
}

static void test_port_in_use(void **state)
{
    struct fixture f;
    struct ov_udp *u = NULL;
    char why[256] = "";

    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        start(&f, family);
        assert_int_equal(ov_udp_open(&f.loop, &f.to_b, unexpected, NULL, &u, why), OV_EEXIST);
        assert_null(u);
        assert_non_null(strstr(why, "in use"));
        ov_udp_close(f.b); /* free at once, before the loop runs */
        assert_int_equal(ov_udp_open(&f.loop, &f.to_b, on_packets, &f.at_b, &f.b, why), OV_OK);
        assert_int_equal(ov_udp_port(f.b), f.to_b.port);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 9, 0);
        ov_udp_flush(f.a);
        expect_train(&f, pattern(), 9, 9);
        stop(&f);
    }
}

/* Both families may have the same port: IPv6 sockets take no IPv4. */
static void test_both_families(void **state)
{
    struct fixture f;
    struct ov_udp *u;
    struct ov_endpoint any = {.ip = {.family = 6}};
    char why[256];

    (void)state;
    start(&f, 4);
    any.port = ov_udp_port(f.b);
    assert_int_equal(ov_udp_open(&f.loop, &any, unexpected, NULL, &u, why), OV_OK);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 9, 0);
    ov_udp_flush(f.a);
    expect_train(&f, pattern(), 9, 9);
    ov_udp_close(u);
    stop(&f);
}

static void test_bad_bind(void **state)
{
    uv_loop_t loop;
    struct ov_udp *u = NULL;
    char why[256] = "";
    struct ov_endpoint none = {.port = 1}, foreign = {.ip = {4, {192, 0, 2, 1}}};

    (void)state;
    uv_loop_init(&loop);
    assert_int_equal(ov_udp_open(&loop, &none, unexpected, NULL, &u, why), OV_EINVAL);
    assert_int_equal(ov_udp_open(&loop, &foreign, unexpected, NULL, &u, why), OV_EIO);
    assert_non_null(strstr(why, "not an IPv4 address of this host"));
    assert_null(u);
    edge_loop_done(&loop);
}

/* Close with sends not flushed, datagrams not read, and twice. */
static void test_close_while_pending(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, 4);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 5000, 100);
    ov_udp_flush(f.a);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 5000, 100);
    ov_udp_close(f.b);
    ov_udp_close(f.b);
    ov_udp_close(f.a);
    ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 100, 0);
    ov_udp_flush(f.a);
    ov_udp_close(NULL);
    stop(&f);
    assert_int_equal(f.at_b.callbacks, 0);
}

/* Closing within the callback ends the callbacks, though more has arrived. */
static void test_close_in_callback(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, 4);
    f.at_b.close_at_once = true;
    for (int i = 0; i < 100; i++)
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 100, 0);
    for (int i = 0; i < 8; i++) /* joined, 512 datagrams: more than one callback */
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 64 * 10, 10);
    ov_udp_flush(f.a);
    assert_true(edge_wait(&f.loop, &f.at_b.callbacks, 1));
    assert_int_equal(f.at_b.callbacks, 1);
    f.b = NULL; /* freed by the loop */
    stop(&f);
}

/* Nothing is ever fragmented here: what is larger than the interface takes is not sent. */
static void test_never_fragmented(void **state)
{
    struct ov_udp_stats s;

    (void)state;
    if (!edge_netns()) {
        fprintf(stderr, "SKIPPED test_never_fragmented: needs root, or user namespaces\n");
        skip();
    }
    assert_true(edge_sh("ip link set lo mtu 1500"));
    for (int family = 4; family <= 6; family += 2) {
        struct fixture f;
        size_t fits = family == 4 ? 1472 : 1452;
        start(&f, family);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), fits + 1, 0);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 3 * (fits + 1), fits + 1);
        ov_udp_send(f.a, NULL, &f.to_b, 0, pattern(), 3 * fits, fits);
        ov_udp_flush(f.a);
        expect_train(&f, pattern(), 3 * fits, fits);
        ov_udp_stats(f.a, &s);
        assert_int_equal(s.send_too_large, 4);
        assert_int_equal(s.send_dropped + s.send_errors, 0);
        stop(&f);
    }
}

static struct ov_ip ip_of(const char *text)
{
    struct ov_ip ip;

    assert_int_equal(ov_ip_parse(text, &ip), OV_OK);
    return ip;
}

/* A host with several addresses answers from the one that was asked, in trains and single ones; an
 * address that is not its own any more stops nothing. */
static void answers_from_where_it_was_asked(int family, const char *second, const char *gone)
{
    struct fixture f;
    struct sink at_many = {.data = malloc(BIG)};
    struct ov_endpoint any = {.ip = {.family = (uint8_t)family}}, to_many;
    struct ov_ip foreign = ip_of(gone), wrong = ip_of(family == 4 ? "::1" : "127.0.0.1");
    struct ov_udp *many;
    struct ov_udp_stats s;
    char why[256];

    start(&f, family);
    assert_int_equal(ov_udp_open(&f.loop, &any, on_packets, &at_many, &many, why), OV_OK);
    to_many = (struct ov_endpoint){.ip = ip_of(second), .port = ov_udp_port(many)};
    ov_udp_send(f.b, NULL, &to_many, 0, pattern(), 2500, 1000);
    ov_udp_flush(f.b);
    assert_true(edge_wait(&f.loop, &at_many.datagrams, 3));
    assert_true(ov_endpoint_equal(&at_many.from, &f.to_b));
    assert_true(ov_ip_equal(&at_many.to, &to_many.ip));

    ov_udp_send(many, &at_many.to, &f.to_b, 0, pattern(), 10, 0);
    ov_udp_flush(many);
    assert_true(edge_wait(&f.loop, &f.at_b.datagrams, 1));
    assert_true(ov_endpoint_equal(&f.at_b.from, &to_many));
    assert_int_equal(f.at_b.to.family, 0); /* bound to one address: nothing to tell */
    ov_udp_send(many, &at_many.to, &f.to_b, 7, pattern(), 2500, 1000);
    ov_udp_flush(many);
    assert_true(edge_wait(&f.loop, &f.at_b.datagrams, 4));
    assert_true(ov_endpoint_equal(&f.at_b.from, &to_many));
    no_drops(many);

    ov_udp_send(many, &foreign, &f.to_b, 0, pattern(), 10, 0);
    ov_udp_send(many, &foreign, &f.to_b, 7, pattern(), 2500, 1000);
    ov_udp_send(many, &wrong, &f.to_b, 0, pattern(), 10, 0); /* the other family's: no pin */
    ov_udp_flush(many);
    assert_true(edge_wait(&f.loop, &f.at_b.datagrams, 9));
    to_many.ip = f.to_b.ip; /* as the host routes */
    assert_true(ov_endpoint_equal(&f.at_b.from, &to_many));
    ov_udp_stats(many, &s);
    assert_int_equal(s.send_unpinned, 2);
    assert_int_equal(s.send_dropped + s.send_errors + s.send_too_large, 0);
    ov_udp_close(many);
    stop(&f);
    free(at_many.data);
}

static void test_several_addresses(void **state)
{
    (void)state;
    answers_from_where_it_was_asked(4, "127.0.0.2", "192.0.2.99");
}

static void test_several_addresses6(void **state)
{
    (void)state;
    if (!edge_netns()) {
        fprintf(stderr, "SKIPPED test_several_addresses6: needs root, or user namespaces\n");
        skip();
    }
    assert_true(edge_sh("ip -6 addr add fd00::2/128 dev lo"));
    answers_from_where_it_was_asked(6, "fd00::2", "2001:db8::99");
}

/* ---- many that share their buffers ---- */

#define MANY 200

static void test_many_beside(void **state)
{
    struct fixture f;
    struct ov_udp *many[MANY];
    char why[256];
    struct ov_endpoint any = loopback(4, 0);

    (void)state;
    start(&f, 4);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(ov_udp_open_beside(&f.loop, f.b, &any, on_packets, &f.at_b, &many[i], why),
                         OV_OK);
    /* Each sends from its own port, though all is gathered in one place. */
    for (int i = 0; i < MANY; i++) {
        ov_udp_send(many[i], NULL, &f.to_b, 0, (const uint8_t *)"hello", 5, 0);
        ov_udp_flush(f.b);
        assert_true(edge_wait(&f.loop, &f.at_b.datagrams, (size_t)i + 1));
        assert_int_equal(f.at_b.from.port, ov_udp_port(many[i]));
    }
    /* A closed one takes what it had not sent along, and nobody else's. */
    ov_udp_send(many[1], NULL, &f.to_b, 0, (const uint8_t *)"first", 5, 0);
    ov_udp_send(many[0], NULL, &f.to_b, 0, (const uint8_t *)"never", 5, 0);
    ov_udp_close(many[0]);
    ov_udp_send(many[1], NULL, &f.to_b, 0, (const uint8_t *)"last", 4, 0);
    ov_udp_close(many[2]);
    ov_udp_flush(many[3]);
    assert_true(edge_wait(&f.loop, &f.at_b.datagrams, MANY + 2));
    assert_int_equal(f.at_b.bytes, 5 * MANY + 9);
    assert_memory_equal(f.at_b.data + 5 * MANY, "firstlast", 9);
    /* Each receives. */
    for (int i = 3; i < MANY; i++) {
        struct ov_endpoint to = loopback(4, ov_udp_port(many[i]));
        ov_udp_send(f.a, NULL, &to, 0, (const uint8_t *)"0123456789", 10, 0);
    }
    ov_udp_flush(f.a);
    assert_true(edge_wait(&f.loop, &f.at_b.datagrams, MANY + 2 + MANY - 3));
    ov_udp_close(many[1]);
    for (int i = 3; i < MANY; i++)
        ov_udp_close(many[i]);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_trains),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_many_joined),
        cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_bad_destinations),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_gso_refused),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_bad_bind),
        cmocka_unit_test(test_close_while_pending),
        cmocka_unit_test(test_close_in_callback),
        cmocka_unit_test(test_many_beside),
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_several_addresses6), /* these two last: they change the namespace */
        cmocka_unit_test(test_never_fragmented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
