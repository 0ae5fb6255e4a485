/* Addresses, routes and MTU of a TAP, read back with ip(8), in a network namespace of their own. */
#include "tun/link.h"

#include "tests/unit/edge.h"

#include "tun/tap.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct ov_mac MAC = {{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};

struct fixture {
    uv_loop_t loop;
    struct ov_tap *tap;
    struct ov_link *link;
    struct ov_link_state want;
    char why[256];
};

static void on_frames(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t n)
{
    (void)arg, (void)t, (void)v, (void)n;
}

static struct ov_ip ip(const char *text)
{
    struct ov_ip out = {.family = strchr(text, ':') ? 6 : 4};

    assert_int_equal(inet_pton(out.family == 4 ? AF_INET : AF_INET6, text, out.b), 1);
    return out;
}

static struct ov_prefix prefix(const char *text)
{
    char address[64];
    struct ov_prefix out;
    const char *slash = strchr(text, '/');

    snprintf(address, sizeof address, "%.*s", (int)(slash - text), text);
    out.ip = ip(address);
    out.bits = (uint8_t)atoi(slash + 1);
    return out;
}

static void want_addr(struct fixture *f, const char *text)
{
    f->want.addrs[f->want.naddrs++] = prefix(text);
}

static void want_route(struct fixture *f, const char *dst, const char *via)
{
    struct ov_link_route *r = &f->want.routes[f->want.nroutes++];

    r->dst = prefix(dst);
    r->via = via ? ip(via) : (struct ov_ip){0};
}

/* A TAP named tapl0, and another interface named other0. */
static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_true(edge_sh("ip tuntap add dev other0 mode tap && ip link set other0 up"));
    uv_loop_init(&f->loop);
    assert_int_equal(ov_tap_open(&f->loop, "tapl0", &MAC, true, on_frames, NULL, &f->tap, f->why),
                     OV_OK);
    assert_int_equal(ov_link_open(ov_tap_index(f->tap), &f->link, f->why), OV_OK);
    f->want.up = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ov_link_close(f->link);
    ov_link_close(NULL);
    ov_tap_close(f->tap);
    edge_loop_done(&f->loop);
    free(f);
    return edge_sh("ip link delete other0") ? 0 : -1;
}

static int apply(struct fixture *f)
{
    return ov_link_apply(f->link, &f->want, f->why);
}

static void expect_ok(struct fixture *f)
{
    int err = apply(f);

    if (err != OV_OK)
        print_message("%s\n", f->why);
    assert_int_equal(err, OV_OK);
    assert_string_equal(f->why, "");
}

/* `ip` output for the TAP has (or has not) a line with `pattern`. */
static bool has(const char *what, const char *pattern)
{
    return edge_sh("ip %s show dev tapl0 | grep -qE '%s'", what, pattern);
}

static void test_all(void **state)
{
    struct fixture *f = *state;

    f->want.mtu = 2800;
    want_addr(f, "10.147.17.5/24");
    want_addr(f, "10.200.0.1/30");
    want_addr(f, "10.200.1.1/31");
    want_addr(f, "10.200.2.1/32");
    want_addr(f, "fd00:1:2::5/88");
    want_route(f, "192.168.77.9/24", "10.147.17.1");
    want_route(f, "192.168.78.0/24", NULL);
    want_route(f, "10.147.17.0/24", NULL); /* there already: the kernel's own */
    want_route(f, "fd00:9::/48", "fd00:1:2::1");
    want_route(f, "fd00:a::/48", NULL);
    for (int i = 0; i < 3; i++) { /* again and again is the same */
        expect_ok(f);
        assert_true(has("link", "mtu 2800"));
        assert_true(has("link", "[<,]UP[,>]"));
        assert_true(has("-4 addr", "inet 10.147.17.5/24 brd 10.147.17.255 scope global"));
        assert_true(has("-4 addr", "inet 10.200.0.1/30 brd 10.200.0.3 "));
        assert_true(has("-4 addr", "inet 10.200.1.1/31 scope"));
        assert_true(has("-4 addr", "inet 10.200.2.1/32 scope"));
        assert_true(has("-6 addr", "inet6 fd00:1:2::5/88 scope global nodad"));
        assert_false(has("-6 addr", "fd00:1:2::5/88.*tentative"));
        assert_true(has("-4 route", "^192.168.77.0/24 via 10.147.17.1 proto 79"));
        assert_true(has("-4 route", "^192.168.78.0/24 proto 79 scope link"));
        assert_true(has("-4 route", "^10.147.17.0/24 proto kernel"));
        assert_false(has("-4 route", "^10.147.17.0/24 proto 79"));
        assert_true(has("-6 route", "^fd00:9::/48 via fd00:1:2::1 proto 79"));
        assert_true(has("-6 route", "^fd00:a::/48 proto 79"));
        assert_true(edge_sh("ip route show table local | grep -q 'broadcast 10.147.17.255'"));
    }
}

/* What we made and is not wished any more goes; what others made stays. */
static void test_change(void **state)
{
    struct fixture *f = *state;

    want_addr(
        f, "10.147.17.5/24"); /* the primary of its subnet: the kernel removes the others with it */
    want_addr(f, "10.147.17.6/24");
    want_addr(f, "fd00:1:2::5/64");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    want_route(f, "192.168.78.0/24", "10.147.17.1");
    expect_ok(f);
    expect_ok(f); /* still ours, though there already */
    assert_true(edge_sh("ip addr add 10.99.0.1/24 dev tapl0"));
    assert_true(edge_sh("ip route add 192.168.99.0/24 via 10.99.0.2"));

    f->want.naddrs = f->want.nroutes = 0;
    want_addr(f, "10.147.17.6/24");
    want_addr(f, "fd00:1:2::5/80"); /* the same address, another prefix */
    want_route(f, "192.168.77.0/24", "10.147.17.2");
    expect_ok(f);
    assert_false(has("-4 addr", "10.147.17.5"));
    assert_true(has("-4 addr", "10.147.17.6/24"));
    assert_true(has("-6 addr", "fd00:1:2::5/80"));
    assert_false(has("-6 addr", "fd00:1:2::5/64"));
    assert_true(has("-4 route", "^192.168.77.0/24 via 10.147.17.2"));
    assert_false(has("-4 route", "via 10.147.17.1"));
    assert_false(has("-4 route", "^192.168.78.0"));
    assert_true(has("-4 addr", "10.99.0.1/24"));
    assert_true(has("-4 route", "^192.168.99.0/24 via 10.99.0.2"));

    f->want.naddrs = f->want.nroutes = 0;
    expect_ok(f);
    assert_false(has("-4 addr", "10.147"));
    assert_false(has("-6 addr", "fd00"));
    assert_true(has("-4 addr", "10.99.0.1/24"));
}

/* Wishing for what somebody else has made does not make it ours to remove. */
static void test_foreign(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip link set tapl0 up && ip addr add 10.99.0.1/24 dev tapl0"));
    assert_true(edge_sh("ip route add 192.168.99.0/24 dev tapl0"));
    want_addr(f, "10.99.0.1/24");
    want_route(f, "192.168.99.0/24", NULL);
    expect_ok(f);
    f->want.naddrs = f->want.nroutes = 0;
    expect_ok(f);
    assert_true(has("-4 addr", "10.99.0.1/24"));
    assert_true(has("-4 route", "^192.168.99.0/24"));
}

/* What an administrator or the kernel took away comes back. */
static void test_heal(void **state)
{
    struct fixture *f = *state;

    want_addr(f, "10.147.17.5/24");
    want_addr(f, "fd00:1:2::5/64");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    expect_ok(f);
    assert_true(edge_sh("ip addr flush dev tapl0"));
    assert_false(has("-4 addr", "10.147.17.5"));
    expect_ok(f);
    assert_true(edge_sh("ip link set tapl0 down"));
    expect_ok(f);
    assert_true(has("-4 addr", "10.147.17.5"));
    assert_true(has("-6 addr", "fd00:1:2::5"));
    assert_true(has("-4 route", "^192.168.77.0/24"));
    f->want.naddrs = f->want.nroutes = 0;
    assert_true(edge_sh("ip addr flush dev tapl0")); /* removing what is gone is no error */
    expect_ok(f);
}

static void test_down(void **state)
{
    struct fixture *f = *state;

    want_addr(f, "10.147.17.5/24");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    expect_ok(f);
    f->want.up = false;
    expect_ok(f);
    assert_false(has("link", "[<,]UP[,>]"));
    assert_false(has("-4 route", "192.168.77"));
    f->want.up = true;
    expect_ok(f);
    assert_true(has("-4 route", "^192.168.77.0/24"));
}

/* What collides is left out and said, the rest is made; it is made as soon as the other is gone. */
static void collision(struct fixture *f, const char *others, const char *ours)
{
    const char *nodad = strchr(others, ':') ? "nodad" : "";

    assert_true(edge_sh("ip addr add %s dev other0 %s", others, nodad));
    f->want.naddrs = f->want.nroutes = 0;
    want_addr(f, ours);
    want_addr(f, "10.147.17.5/24");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    assert_int_equal(apply(f), OV_EEXIST);
    assert_non_null(strstr(f->why, "other0"));
    assert_non_null(strstr(f->why, ours));
    assert_false(has("addr", ours));
    assert_true(has("-4 addr", "10.147.17.5/24"));
    assert_int_equal(ov_link_addr(f->link, &f->want.addrs[0]), OV_EEXIST);
    assert_int_equal(ov_link_addr(f->link, &f->want.addrs[1]), OV_OK);
    assert_true(has("-4 route", "^192.168.77.0/24"));
    assert_true(edge_sh("ip addr del %s dev other0", others));
    expect_ok(f);
    assert_int_equal(ov_link_addr(f->link, &f->want.addrs[0]), OV_OK);
    assert_true(has("addr", ours));
    assert_true(edge_sh("ip addr add %s dev other0 %s", others, nodad));
    assert_int_equal(apply(f), OV_EEXIST); /* and goes when the other comes back */
    assert_false(has("addr", ours));
    assert_true(edge_sh("ip addr del %s dev other0", others));
}

static void test_address_collision(void **state)
{
    struct fixture *f = *state;

    collision(f, "192.168.1.7/24", "192.168.1.5/24"); /* the same subnet */
    collision(f, "192.168.1.5/24", "192.168.1.5/24"); /* the same address */
    collision(f, "172.16.0.1/12", "172.17.3.4/24");   /* a part of it */
    collision(f, "fd00:1::1/64", "fd00:1::2/64");
    collision(f, "fd00:1::1/63", "fd00:1::2/80");
}

static void test_no_collision(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 10.1.2.3/24 dev other0"));
    assert_true(edge_sh("ip route add default via 10.1.2.1"));
    assert_true(edge_sh("ip route add 10.0.0.0/8 via 10.1.2.1"));
    assert_true(edge_sh("ip route add 10.1.3.0/24 via 10.1.2.1 table 77"));
    assert_true(edge_sh("ip addr add fd00:1::1/64 dev other0 nodad"));
    want_addr(f, "10.1.3.4/24"); /* next to it, and in a network that is routed away */
    want_addr(f, "10.1.5.5/16"); /* around it: the other's stays reachable */
    want_addr(f, "fd00:2::1/64");
    want_addr(f, "fe80::77/64"); /* every interface has that subnet */
    expect_ok(f);
    assert_true(has("-4 addr", "10.1.3.4/24"));
    assert_true(has("-4 addr", "10.1.5.5/16"));
    assert_true(has("-6 addr", "fd00:2::1/64"));
    assert_true(has("-6 addr", "fe80::77/64"));
}

static void test_route_collision(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 10.1.2.3/24 dev other0"));
    assert_true(edge_sh("ip route add default via 10.1.2.1 metric 100"));
    assert_true(edge_sh("ip route add 192.168.77.0/24 via 10.1.2.1 metric 600"));
    want_addr(f, "10.147.17.5/24");
    want_route(f, "0.0.0.0/0", "10.147.17.1");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    want_route(f, "10.1.2.128/25", "10.147.17.1");
    want_route(f, "192.168.78.0/24", "10.147.17.1");
    assert_int_equal(apply(f), OV_EEXIST);
    assert_non_null(strstr(f->why, "route 0.0.0.0/0"));
    assert_false(has("-4 route", "default"));
    assert_false(has("-4 route", "192.168.77"));
    assert_false(has("-4 route", "10.1.2.128"));
    assert_true(has("-4 route", "^192.168.78.0/24 via 10.147.17.1"));
}

/* One thing that cannot be does not keep the others from being done, and goes before a collision.
 */
static void test_partial_error(void **state)
{
    struct fixture *f = *state;

    assert_true(edge_sh("ip addr add 192.168.1.7/24 dev other0"));
    assert_true(edge_sh("echo 1 > /proc/sys/net/ipv6/conf/tapl0/disable_ipv6"));
    want_addr(f, "192.168.1.5/24");
    want_addr(f, "fd00:1:2::5/64");
    want_addr(f, "10.147.17.5/24");
    want_route(f, "192.168.76.0/24", "10.250.0.1"); /* a gateway nobody reaches */
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    assert_int_equal(apply(f), OV_EIO);
    assert_non_null(strstr(f->why, "IPv6 is turned off"));
    assert_true(has("-4 addr", "10.147.17.5/24"));
    assert_false(has("-4 route", "192.168.76"));
    assert_true(has("-4 route", "^192.168.77.0/24"));
}

static void test_invalid(void **state)
{
    struct fixture *f = *state;
    struct ov_link_state bad[6];

    want_addr(f, "10.147.17.5/24");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    for (size_t i = 0; i < 6; i++)
        bad[i] = f->want;
    bad[0].addrs[0].bits = 33;
    bad[1].addrs[0].ip.family = 5;
    bad[2].addrs[0].bits = 0;
    bad[3].routes[0].dst.bits = 33;
    bad[4].routes[0].via = ip("fd00::1");
    bad[5].naddrs = OV_LINK_ADDRS_MAX + 1;
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(ov_link_apply(f->link, &bad[i], f->why), OV_EINVAL);
    assert_false(has("addr", "10.147"));
    f->want.mtu = 10; /* less than any Ethernet */
    assert_int_equal(apply(f), OV_EIO);
    assert_true(strlen(f->why) > 0);
}

static void test_full(void **state)
{
    struct fixture *f = *state;
    char text[64];

    for (int i = 0; i < OV_LINK_ADDRS_MAX; i++) {
        snprintf(text, sizeof text, "10.147.%d.1/24", i);
        want_addr(f, text);
    }
    for (int i = 0; i < OV_LINK_ROUTES_MAX; i++) {
        snprintf(text, sizeof text, "10.148.%d.0/24", i);
        want_route(f, text, "10.147.0.2");
    }
    expect_ok(f);
    assert_true(edge_sh("test $(ip route show proto 79 | wc -l) = %d", OV_LINK_ROUTES_MAX));
    f->want.nroutes = 0;
    expect_ok(f);
    assert_true(edge_sh("test $(ip route show proto 79 | wc -l) = 0"));
}

/* The device goes, and all with it; applying then says so. */
static void test_device_gone(void **state)
{
    struct fixture *f = *state;

    want_addr(f, "10.147.17.5/24");
    want_route(f, "192.168.77.0/24", "10.147.17.1");
    expect_ok(f);
    ov_tap_close(f->tap);
    assert_false(edge_sh("ip addr | grep -q 10.147.17.5"));
    assert_false(edge_sh("ip route | grep -q 192.168.77"));
    assert_int_equal(apply(f), OV_ENOENT);
}

static void test_not_allowed(void **state)
{
    struct fixture *f = *state;
    int status;

    want_addr(f, "10.147.17.5/24");
    pid_t child = fork();
    if (child == 0) {
        struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {0};
        struct ov_link *l;
        int ok = syscall(SYS_capset, &h, none) == 0 &&
                 ov_link_open(ov_tap_index(f->tap), &l, f->why) == OV_OK &&
                 ov_link_apply(l, &f->want, f->why) == OV_EPERM && strstr(f->why, "CAP_NET_ADMIN");
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all),           TEST(test_change),
        TEST(test_foreign),       TEST(test_heal),
        TEST(test_down),          TEST(test_address_collision),
        TEST(test_no_collision),  TEST(test_route_collision),
        TEST(test_partial_error), TEST(test_invalid),
        TEST(test_full),          TEST(test_device_gone),
        TEST(test_not_allowed),
    };
    EDGE_NEED_NETNS();
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
        fprintf(stderr, "SKIPPED %s: no /dev/net/tun\n", __FILE__);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
