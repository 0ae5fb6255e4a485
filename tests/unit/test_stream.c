/* Streams over real sockets: both ways, in TLS, and what strangers on a server's port can do. */
#include "transport/listen.h"
#include "transport/waiting.h"

#include "tests/unit/edge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define PORT 4793

static const struct ov_pow EASY = {.mem_kib = 8, .bits = 0};

struct side {
    struct ov_stream *s; /* the one that came up last */
    size_t up, down, packets;
    uint64_t bytes;
    char why[OV_STREAM_WHY];
    struct ov_listen *listen;
    struct ov_tls_context *tls;
};

static void on_up(void *arg, struct ov_stream *s)
{
    struct side *x = arg;
    x->s = s;
    x->up++;
}

static void on_packets(void *arg, struct ov_stream *s, const struct ov_frames_packet *v, size_t n)
{
    struct side *x = arg;
    (void)s;
    for (size_t i = 0; i < n; i++)
        x->bytes += v[i].len;
    x->packets += n;
}

static void on_down(void *arg, struct ov_stream *s, const char *why)
{
    struct side *x = arg;
    snprintf(x->why, sizeof x->why, "%s", why);
    x->down++;
    if (x->s == s)
        x->s = NULL;
    if (x->listen)
        ov_listen_gone(x->listen, s);
}

static struct ov_tls_context *on_tls(void *arg)
{
    return ((struct side *)arg)->tls;
}

static const struct ov_stream_events EVENTS = {
    .up = on_up, .packets = on_packets, .down = on_down, .tls = on_tls};

/* The tests write it into the address. */
#define WHO(bond, i) ((ov_addr)(bond) << 32 | (ov_addr)(i))
static enum ov_bond bond_of(void *arg, ov_addr who)
{
    (void)arg;
    return (enum ov_bond)(who >> 32);
}

struct fixture {
    uv_loop_t loop;
    struct side server, client;
    struct ov_identity_secret id;
};

static struct ov_endpoint address(void)
{
    return (struct ov_endpoint){.ip = {4, {127, 0, 0, 1}}, .port = PORT};
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct ov_endpoint at = address();
    uint8_t seed[32] = {7};
    char why[OV_TLS_WHY];

    uv_loop_init(&f->loop);
    assert_int_equal(ov_identity_make(seed, &EASY, NULL, NULL, &f->id), OV_OK);
    assert_int_equal(ov_tls_context_new(&f->id, &f->server.tls, why), OV_OK);
    assert_int_equal(ov_tls_context_new(NULL, &f->client.tls, why), OV_OK);
    struct ov_listen_config cfg = {
        .loop = &f->loop, .ev = &EVENTS, .bond = bond_of, .arg = &f->server};
    assert_int_equal(ov_listen_new(&cfg, &f->server.listen), OV_OK);
    assert_int_equal(ov_listen_add(f->server.listen, &at, why), OV_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->client.s)
        ov_stream_close(f->client.s);
    ov_listen_close(f->server.listen);
    edge_loop_done(&f->loop);
    ov_tls_context_free(f->server.tls);
    ov_tls_context_free(f->client.tls);
    free(f);
    return 0;
}

static void dial(struct fixture *f, bool tls)
{
    struct ov_stream_target t = {
        .to = address(), .tls = tls, .name = "root.example", .expect = &f->id.pub};
    char why[OV_STREAM_WHY];
    struct ov_stream *s;
    assert_int_equal(ov_stream_dial(&f->loop, &t, f->client.tls, &EVENTS, &f->client, &s, why),
                     OV_OK);
    f->client.s = s;
    assert_true(edge_wait(&f->loop, &f->client.up, f->client.up + 1));
    assert_true(edge_wait(&f->loop, &f->server.up, 1));
}

/* Somebody with a socket and no manners, at 127.0.0.`host`. */
static int stranger_at(struct fixture *f, const char *says, uint8_t host)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    struct ov_listen_stats before, now;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ov_listen_stats(f->server.listen, &before);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    if (*says)
        assert_int_equal(send(fd, says, strlen(says), MSG_NOSIGNAL), strlen(says));
    do {
        uv_run(&f->loop, UV_RUN_ONCE);
        ov_listen_stats(f->server.listen, &now);
    } while (now.accepted + now.refused == before.accepted + before.refused);
    return fd;
}

static int stranger(struct fixture *f, const char *says)
{
    return stranger_at(f, says, 1);
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    uint8_t data[OV_FRAMES_MAX] = {1};

    for (int tls = 0; tls < 2; tls++) {
        f->server.up = f->server.packets = f->client.packets = 0;
        dial(f, tls);
        assert_int_equal(ov_stream_is_tls(f->server.s), tls);
        if (tls)
            assert_true(ov_identity_equal(ov_stream_identity(f->client.s), &f->id.pub));
        for (size_t len = OV_FRAMES_MIN; len <= OV_FRAMES_MAX; len += 1148) {
            ov_stream_send(f->client.s, data, len);
            ov_stream_send(f->server.s, data, len);
        }
        ov_stream_flush(f->client.s);
        ov_stream_flush(f->server.s);
        assert_true(edge_wait(&f->loop, &f->server.packets, 9));
        assert_true(edge_wait(&f->loop, &f->client.packets, 9));
        assert_int_equal(f->server.bytes, f->client.bytes);
        size_t down = f->server.down;
        ov_stream_close(f->client.s);
        f->client.s = NULL;
        assert_true(edge_wait(&f->loop, &f->server.down, down + 1));
        assert_string_equal(f->server.why, "the other side closed it");
    }
}

static void test_another_certificate(void **state)
{
    struct fixture *f = *state;
    struct ov_identity other = f->id.pub;
    struct ov_stream_target t = {
        .to = address(), .tls = true, .name = "root.example", .expect = &other};
    char why[OV_STREAM_WHY];
    struct ov_stream *s;

    other.sign.b[3] ^= 1;
    assert_int_equal(ov_stream_dial(&f->loop, &t, f->client.tls, &EVENTS, &f->client, &s, why),
                     OV_OK);
    assert_true(edge_wait(&f->loop, &f->client.down, 1));
    assert_non_null(strstr(f->client.why, "not the root"));
    assert_int_equal(f->client.up, 0);
}

static void test_garbage(void **state)
{
    static const char *const SAYS[] = {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n",
                                       "\x16\x03\x01zzzz", "ovpn/1\r\n\xff\xff", "ovpn/1\r\n\x01"};
    struct fixture *f = *state;
    size_t n = sizeof SAYS / sizeof *SAYS;

    for (size_t i = 0; i < n; i++) {
        int fd = stranger(f, SAYS[i]);
        shutdown(fd, SHUT_WR);
        assert_true(edge_wait(&f->loop, &f->server.down, i + 1));
        close(fd);
    }
    struct ov_listen_stats st;
    ov_listen_stats(f->server.listen, &st);
    assert_int_equal(st.connections, 0);
    assert_int_equal(f->server.packets, 0);
}

/* Those who say nothing drive out each other, and nobody who is known. */
static void test_strangers(void **state)
{
    struct fixture *f = *state;
    struct ov_listen_stats st;
    int fd[3 * OV_LISTEN_SOURCE_STRANGERS];
    size_t n = sizeof fd / sizeof *fd;

    dial(f, false);
    ov_listen_trust(f->server.listen, f->server.s, 1);
    for (size_t i = 0; i < n; i++)
        fd[i] = stranger(f, "");
    ov_listen_stats(f->server.listen, &st);
    assert_in_range(st.strangers, 1, OV_LISTEN_SOURCE_STRANGERS);
    assert_true(st.refused > 0); /* they came too often besides */
    assert_int_equal(st.connections, st.strangers + 1);
    assert_true(ov_stream_is_up(f->client.s));
    for (size_t i = 0; i < n; i++)
        close(fd[i]);
}

/* ---- all connections are taken ---- */

#define FEW     64 /* connections */
#define ENEMIES 5  /* who have as many streams as one may */

/* A listener of few connections in the place of the other one. */
static void few(struct fixture *f)
{
    struct ov_endpoint at = address();
    char why[OV_STREAM_WHY];
    struct ov_listen_config cfg = {
        .loop = &f->loop, .ev = &EVENTS, .bond = bond_of, .arg = &f->server, .max = FEW};

    ov_listen_close(f->server.listen);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(ov_listen_new(&cfg, &f->server.listen), OV_OK);
    assert_int_equal(ov_listen_add(f->server.listen, &at, why), OV_OK);
}

/* A connection from there that proves to be of `who`. */
static void known(struct fixture *f, ov_addr who, uint8_t host, int *fd)
{
    size_t up = f->server.up;

    *fd = stranger_at(f, OV_FRAMES_HELLO, host);
    assert_true(edge_wait(&f->loop, &f->server.up, up + 1));
    ov_listen_trust(f->server.listen, f->server.s, who);
}

static size_t refused(const struct fixture *f)
{
    struct ov_listen_stats st;

    ov_listen_stats(f->server.listen, &st);
    return st.refused;
}

/* Has the server closed it? */
static bool is_closed(int fd)
{
    uint8_t buf[256];
    ssize_t r;

    do
        r = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    while (r > 0);
    return r == 0 || errno != EAGAIN;
}

static unsigned count_closed(const int *fd, int n)
{
    unsigned closed = 0;

    for (int i = 0; i < n; i++)
        closed += is_closed(fd[i]);
    return closed;
}

/* Those who have as many as they may, and who mean nothing to us, go for newcomers: one stream each
 * time, of who has most; nobody who is announced or of our networks. */
static void test_full_of_enemies(void **state)
{
    struct fixture *f = *state;
    int fd[FEW], member[2], new[30];
    int n = 0;

    few(f);
    known(f, WHO(OV_BOND_OURS, 1), 1, &member[0]);
    known(f, WHO(OV_BOND_ANNOUNCED, 2), 2, &member[1]);
    for (; n < FEW - 2; n++)
        known(f, WHO(OV_BOND_NONE, n / 12), (uint8_t)(3 + n % 4), &fd[n]);
    for (int i = 0; i < 30; i++)
        known(f, WHO(OV_BOND_NONE, 100 + i), (uint8_t)(10 + i), &new[i]);
    assert_int_equal(refused(f), 0);
    assert_int_equal(count_closed(member, 2), 0);
    assert_int_equal(count_closed(new, 30), 0);
    assert_int_equal(count_closed(fd, n), 30);
    for (int i = 0; i < ENEMIES; i++) /* each has about as many left */
        assert_in_range(count_closed(&fd[12 * i], 12), 5, 7);
    for (int i = 0; i < n; i++)
        close(fd[i]);
    for (int i = 0; i < 30; i++)
        close(new[i]);
    close(member[0]);
    close(member[1]);
}

/* With a stream for each, the address that has most loses one; those who are announced go only
 * when there are none but them and ours, and ours go for nobody. */
static void test_full_of_ones(void **state)
{
    struct fixture *f = *state;
    int fd[FEW], new[8];
    int n = 0;

    few(f);
    for (; n < 20; n++)
        known(f, WHO(OV_BOND_OURS, n), 1, &fd[n]);
    for (; n < 40; n++)
        known(f, WHO(OV_BOND_ANNOUNCED, n), (uint8_t)(n < 25 ? n : 2), &fd[n]);
    for (; n < FEW; n++)
        known(f, WHO(OV_BOND_ANNOUNCED, n), 3, &fd[n]);
    for (int i = 0; i < 4; i++)
        known(f, WHO(OV_BOND_OURS, 100 + i), (uint8_t)(50 + i), &new[i]);
    assert_int_equal(count_closed(fd, 40), 0);
    assert_int_equal(count_closed(&fd[40], 4), 4); /* the oldest of 127.0.0.3 */
    for (int i = 4; i < 8; i++) { /* who has not proven himself yet is not the first to go */
        new[i] = stranger_at(f, "", (uint8_t)(50 + i));
        assert_int_equal(count_closed(new, i + 1), 0);
    }
    int last = stranger_at(f, "", 90); /* there may be so many of them */
    assert_int_equal(count_closed(new, 8), 1);
    assert_int_equal(refused(f), 0);
    assert_int_equal(count_closed(fd, 40), 0);
    close(last);
    for (int i = 0; i < 8; i++)
        close(new[i]);
    for (int i = 0; i < n; i++)
        close(fd[i]);
}

static void test_full_of_members(void **state)
{
    struct fixture *f = *state;
    int fd[FEW];

    few(f);
    for (int i = 0; i < FEW; i++)
        known(f, WHO(OV_BOND_OURS, i / 2), (uint8_t)(1 + i % 4), &fd[i]);
    int last = stranger_at(f, "", 90);
    assert_int_equal(refused(f), 1);
    assert_int_equal(count_closed(fd, FEW), 0);
    close(last);
    for (int i = 0; i < FEW; i++)
        close(fd[i]);
}

/* Who does not read makes us keep little, and who proves nothing has ten seconds. */
static void test_deaf(void **state)
{
    struct fixture *f = *state;
    uint8_t data[1400] = {2};
    int fd = stranger(f, OV_FRAMES_HELLO);

    assert_true(edge_wait(&f->loop, &f->server.up, 1));
    for (int i = 0; i < 20000; i++) { /* 28 MB */
        ov_stream_send(f->server.s, data, sizeof data);
        ov_stream_flush(f->server.s);
    }
    assert_in_range(ov_stream_waiting(f->server.s), 1, OV_WAITING_BYTES + 2 * OV_FRAMES_MAX);
    assert_true(ov_stream_dropped(f->server.s) > 10000);
    assert_true(edge_wait(&f->loop, &f->server.down, 1)); /* ten seconds after it came */
    assert_string_equal(f->server.why, "nobody proved to be there");
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways),       TEST(test_another_certificate),
        TEST(test_garbage),         TEST(test_strangers),
        TEST(test_full_of_enemies), TEST(test_full_of_ones),
        TEST(test_full_of_members), TEST(test_deaf),
    };

    EDGE_NEED_NETNS();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
