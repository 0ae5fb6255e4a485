/* Changes and addresses of the host, in a network namespace of their own. */
#include "transport/watch.h"

#include "tests/unit/edge.h"

#include <arpa/inet.h>

struct fixture {
    uv_loop_t loop;
    struct ov_watch *w, *second; /* NULL: the test needs one only */
    size_t fired;
    uint64_t fired_at;
    unsigned way; /* with the last one */
    size_t moves; /* with how many */
    uint64_t moved_at;
};

static void on_change(void *arg, unsigned ways)
{
    struct fixture *f = arg;

    f->fired++;
    f->way = ways;
    f->fired_at = uv_hrtime();
    if (ways != 0) {
        f->moves++;
        f->moved_at = f->fired_at;
    }
}

/* Two ends of a cable, a0 and b0, both up. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_true(edge_sh("ip link add a0 type veth peer name b0"));
    assert_true(edge_sh("echo 1 > /proc/sys/net/ipv6/conf/a0/addr_gen_mode"));
    assert_true(edge_sh("echo 1 > /proc/sys/net/ipv6/conf/b0/addr_gen_mode"));
    assert_true(edge_sh("ip link set a0 up && ip link set b0 up"));
    uv_loop_init(&f->loop);
    assert_int_equal(ov_watch_open(&f->loop, on_change, f, &f->w), OV_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ov_watch_close(f->w);
    ov_watch_close(f->w);
    ov_watch_close(f->second);
    ov_watch_close(NULL);
    edge_loop_done(&f->loop);
    free(f);
    return edge_sh("ip link delete a0") ? 0 : -1;
}

static void on_ended(uv_timer_t *t)
{
    ++*(size_t *)t->data;
}

/* Nothing may be told in twice the debounce time, however the loop runs. */
static void expect_quiet(struct fixture *f)
{
    uv_timer_t timer;
    size_t ended = 0, before = f->fired;

    uv_update_time(&f->loop);
    uv_timer_init(&f->loop, &timer);
    timer.data = &ended;
    uv_timer_start(&timer, on_ended, 500, 0);
    while (!ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_int_equal(f->fired, before);
}

/* One change is told once. */
static void expect_once(struct fixture *f)
{
    size_t before = f->fired;

    assert_true(edge_wait(&f->loop, &f->fired, before + 1));
    expect_quiet(f);
}

static void test_address(void **state)
{
    struct fixture *f = *state;

    expect_quiet(f);
    uint64_t before = uv_hrtime();
    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    expect_once(f);
    assert_true(f->fired_at - before >= 240 * 1000000ull); /* not before the debounce */
    assert_true(edge_sh("ip addr add fd00:1::1/64 dev a0 nodad"));
    expect_once(f);
    assert_true(edge_sh("ip addr del 198.18.1.1/24 dev a0"));
    expect_once(f);
    assert_int_equal(f->fired, 3);
}

/* Many changes at once are one. */
static void test_burst(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("for i in 1 2 3 4 5 6 7 8; do echo addr add 198.18.$i.1/24 dev a0; done | "
                        "ip -batch -"));
    expect_once(f);
    assert_int_equal(f->fired, 1);
}

static void test_route_and_link(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    expect_once(f);
    assert_true(edge_sh("ip route add default via 198.18.1.2"));
    expect_once(f);
    assert_true(edge_sh("ip route del default"));
    expect_once(f);
    assert_true(edge_sh("ip link set b0 down")); /* pulls the plug of a0 */
    expect_once(f);
    assert_true(edge_sh("ip link set b0 up"));
    expect_once(f);
    assert_true(edge_sh("ip link set a0 down"));
    expect_once(f);
}

/* The way out moves, and no address does: to another router, to another cable, by the metric, in
 * both families. What is not the way out is only a change. */
static void test_way(void **state)
{
    static const struct {
        const char *command;
        unsigned way;
    } steps[] = {
        {"ip route add default via 198.18.1.2", OV_WATCH_WAY4},
        {"ip route replace default via 198.18.1.3", OV_WATCH_WAY4},
        {"ip route add 198.51.100.0/24 via 198.18.1.2", 0},
        {"ip route add default via 198.18.2.1 dev b0 metric 50", 0}, /* the other has none: 0 */
        {"ip route del default via 198.18.1.3", OV_WATCH_WAY4},
        {"ip route add default via 198.18.1.3 metric 20", OV_WATCH_WAY4},
        {"ip -6 route add default via fd00:1::2", OV_WATCH_WAY6},
        {"ip -6 route add default via fd00:2::2 metric 10", OV_WATCH_WAY6},
        {"ip -6 route del default via fd00:2::2", OV_WATCH_WAY6},
        {"ip rule add pref 7 table 77", OV_WATCH_WAY4},
        {"ip rule del pref 7", OV_WATCH_WAY4},
        {"ip -6 rule add pref 7 table 77", OV_WATCH_WAY6},
        {"ip -6 rule del pref 7", OV_WATCH_WAY6},
        {"ip route add 128.0.0.0/1 via 198.18.1.2",
         OV_WATCH_WAY4}, /* as some VPNs lay theirs over it */
        {"ip route del default via 198.18.1.3", 0},
    };
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0 && ip addr add 198.18.2.2/24 dev b0 && "
                        "ip addr add fd00:1::1/64 dev a0 nodad && "
                        "ip addr add fd00:2::1/64 dev b0 nodad && "
                        "ip route add default via 198.18.1.2 table 77 && "
                        "ip -6 route add default via fd00:1::7 table 77"));
    expect_once(f);
    assert_false(f->way);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_true(edge_sh(steps[i].command));
        expect_once(f);
        if (f->way != steps[i].way)
            fail_msg("%s: %u", steps[i].command, f->way);
        ov_watch_proven(f->w); /* or the next had to wait */
    }
    assert_true(edge_sh("ip route flush table 77 && ip -6 route flush table 77"));
}

/* One watch sees the way out go to and fro and end where it was told to be, another one elsewhere.
 */
static void test_cool_down(void **state)
{
    struct fixture *f = *state, other = {0};

    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0 && "
                        "ip addr add fd00:1::1/64 dev a0 nodad"));
    expect_once(f);
    assert_true(edge_sh("ip route add default via 198.18.1.2"));
    assert_true(edge_wait(&f->loop, &f->moves, 1));
    assert_true(edge_sh("ip route replace default via 198.18.1.3"));
    expect_once(f);
    assert_int_equal(ov_watch_open(&f->loop, on_change, &other, &other.w), OV_OK);
    f->second = other.w;
    for (int router = 4; router >= 2; router--) {
        assert_true(edge_sh("ip route replace default via 198.18.1.%d", router));
        expect_once(f); /* some route is another: no move */
    }
    assert_int_equal(f->moves, 1);
    assert_int_equal(other.moves, 1);
    uint64_t before = other.moved_at;
    assert_true(edge_sh("ip -6 route add default via fd00:1::2"));
    expect_once(f); /* the other family's */
    assert_int_equal(f->way, OV_WATCH_WAY6);
    assert_true(edge_wait(&f->loop, &other.moves, 3) || edge_wait(&f->loop, &other.moves, 3));
    assert_true(other.moved_at - before >= (OV_WATCH_COOL_MS - 1000) * 1000000ull);
    assert_int_equal(f->moves, 2);
    ov_watch_proven(other.w);
    assert_true(edge_sh("ip route replace default via 198.18.1.3"));
    assert_true(edge_wait(&f->loop, &f->moves, 3));    /* it had waited long enough, */
    assert_true(edge_wait(&f->loop, &other.moves, 4)); /* and this one was let off it */
}

/* No descriptor is left: nobody knows the way out, which is not to say that there is none. */
static void test_cannot_ask(void **state)
{
    struct fixture *f = *state;
    struct edge_descriptors all;
    struct ov_ip ip;
    size_t n;

    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0 && ip route add default via 198.18.1.2"));
    expect_once(f);
    assert_int_equal(f->way, OV_WATCH_WAY4);
    ov_watch_proven(f->w);
    edge_take_descriptors(&all);
    assert_int_equal(ov_watch_addresses(&ip, 1, &n, NULL, NULL), OV_EIO);
    assert_true(edge_sh("ip route add 198.51.100.0/24 via 198.18.1.2"));
    expect_once(f);
    assert_false(f->way);
    assert_true(edge_sh("ip route replace default via 198.18.1.3"));
    expect_once(f);
    assert_false(f->way);
    edge_give_descriptors(&all);
    expect_once(f); /* it asked again by itself */
    assert_true(f->way);
}

/* Messages without a change: refreshed lifetimes, other tables, a link's name for people. */
static void test_noise(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add fd00:1::1/64 dev a0 nodad valid_lft 1000 preferred_lft 500"));
    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    expect_once(f);
    assert_true(edge_sh("ip addr change fd00:1::1/64 dev a0 valid_lft 2000 preferred_lft 1000"));
    assert_true(edge_sh("ip route add default via 198.18.1.2 table 77"));
    assert_true(edge_sh("ip link set a0 alias cable"));
    assert_true(edge_sh("ip link set a0 txqueuelen 77"));
    assert_true(edge_sh("ip rule add pref 7 from 203.0.113.7 table 77 && ip rule del pref 7"));
    assert_true(edge_sh("ip addr add 198.18.9.1/24 dev a0 && ip addr del 198.18.9.1/24 dev a0 && "
                        "ip route flush table 77"));
    expect_quiet(f);
}

static void test_ignore(void **state)
{
    struct fixture *f = *state;
    unsigned b0 = if_nametoindex("b0");

    assert_int_equal(ov_watch_ignore(f->w, b0, true), OV_OK);
    assert_int_equal(ov_watch_ignore(f->w, b0, true), OV_OK);
    assert_true(edge_sh("ip addr add 198.18.2.1/24 dev b0 && ip route add default dev b0"));
    assert_true(edge_sh("ip link set b0 mtu 1400"));
    expect_quiet(f);
    assert_true(edge_sh("ip addr add 198.18.4.1/24 dev a0"));
    expect_once(f);
    assert_false(f->way); /* it goes through b0, which counts for nothing */
    for (unsigned i = 1; i < OV_WATCH_IGNORE_MAX; i++)
        assert_int_equal(ov_watch_ignore(f->w, 1000 + i, true), OV_OK);
    assert_int_equal(ov_watch_ignore(f->w, 5000, true), OV_EFULL);
    assert_int_equal(ov_watch_ignore(f->w, 5000, false), OV_OK);
    assert_int_equal(ov_watch_ignore(f->w, b0, false), OV_OK);
    assert_int_equal(ov_watch_ignore(f->w, 5000, true), OV_OK);
    assert_true(edge_sh("ip addr add 198.18.3.1/24 dev b0"));
    expect_once(f);
}

/* More messages than the socket holds, none of them of interest: the loss is told as one change,
 * and the watch goes on. */
static void test_overflow(void **state)
{
    struct fixture *f = *state;

    assert_true(
        edge_sh("for k in 1 2 3; do for i in $(seq 250); do for j in 1 2 3 4 5 6; do "
                "echo route add 198.19.$i.$((j * 8))/29 dev a0 table 77; "
                "echo route del 198.19.$i.$((j * 8))/29 dev a0 table 77; done; done; done | "
                "ip -batch -"));
    expect_once(f);
    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    expect_once(f);
}

static bool skip_b0(void *arg, const char *ifname)
{
    ++*(size_t *)arg;
    return strcmp(ifname, "b0") == 0;
}

/* The usable addresses now, as a list with spaces. */
static void list_addresses(char *got, size_t cap)
{
    struct ov_ip v[16];
    size_t asked = 0, n;
    char text[INET6_ADDRSTRLEN];

    assert_int_equal(ov_watch_addresses(v, 16, &n, skip_b0, &asked), OV_OK);
    got[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        inet_ntop(v[i].family == 4 ? AF_INET : AF_INET6, v[i].b, text, sizeof text);
        snprintf(got + strlen(got), cap - strlen(got), "%s%s", i ? " " : "", text);
    }
}

/* They become exactly those in `want`: the kernel tells of a lost or found carrier in its own time.
 */
static void expect_addresses(const char *want)
{
    char got[512];
    uint64_t end = uv_hrtime() + 10000000000ull;

    do
        list_addresses(got, sizeof got);
    while (strcmp(got, want) != 0 && uv_hrtime() < end);
    assert_string_equal(got, want);
}

static void test_addresses(void **state)
{
    struct ov_ip one[1];
    size_t n;

    (void)state;
    expect_addresses("");
    assert_true(edge_sh("ip addr add fe80::1/64 dev a0 nodad"));
    expect_addresses("fe80::1"); /* nothing else */
    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    expect_addresses("198.18.1.1");
    assert_true(edge_sh("ip addr add fd00:1::1/64 dev a0 nodad"));
    expect_addresses("198.18.1.1 fd00:1::1");
    assert_true(edge_sh("ip addr add 198.18.1.1/32 dev a0")); /* once, though there twice */
    expect_addresses("198.18.1.1 fd00:1::1");
    assert_true(edge_sh("ip addr add 198.18.2.1/24 dev b0")); /* skipped */
    assert_true(edge_sh("ip addr add 198.18.3.1/32 dev lo"));
    expect_addresses("198.18.1.1 fd00:1::1");
    assert_int_equal(ov_watch_addresses(one, 1, &n, NULL, NULL), OV_OK);
    assert_int_equal(n, 1);
    assert_int_equal(ov_watch_addresses(one, 0, &n, NULL, NULL), OV_OK);
    assert_int_equal(n, 0);
    assert_true(edge_sh("ip link set b0 down"));
    expect_addresses(""); /* no cable */
    assert_true(edge_sh("ip link set b0 up"));
    expect_addresses("198.18.1.1 fd00:1::1");
    assert_true(edge_sh("ip addr del 198.18.3.1/32 dev lo"));
}

/* Closing while a change waits for its time: it is never told. */
static void test_close_while_pending(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 198.18.1.1/24 dev a0"));
    uv_run(&f->loop, UV_RUN_NOWAIT);
    ov_watch_close(f->w);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->fired, 0);
    assert_int_equal(ov_watch_open(&f->loop, on_change, f, &f->w), OV_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_address),   TEST(test_burst),      TEST(test_route_and_link),
        TEST(test_noise),     TEST(test_way),        TEST(test_ignore),
        TEST(test_overflow),  TEST(test_addresses),  TEST(test_close_while_pending),
        TEST(test_cool_down), TEST(test_cannot_ask),
    };
    EDGE_NEED_NETNS();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
