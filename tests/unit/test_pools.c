#include "controller/pools.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct ov_prefix prefix(const char *text)
{
    struct ov_prefix p;
    assert_int_equal(ov_prefix_parse(text, &p), OV_OK);
    return p;
}

static struct ov_ip ip(const char *text)
{
    struct ov_ip v;
    assert_int_equal(ov_ip_parse(text, &v), OV_OK);
    return v;
}

static void expect_host(const char *pool, uint32_t i, const char *text)
{
    struct ov_prefix p = prefix(pool);
    struct ov_ip v, want = ip(text);
    ov_pool_host(&p, i, &v);
    assert_true(ov_ip_equal(&v, &want));
    assert_true(ov_pool_has_host(&p, &v));
}

static void test_hosts(void **state)
{
    (void)state;
    struct ov_prefix p = prefix("10.147.17.0/24");
    assert_int_equal(ov_pool_hosts(&p), 254);
    expect_host("10.147.17.0/24", 0, "10.147.17.1");
    expect_host("10.147.17.0/24", 253, "10.147.17.254");
    p = prefix("192.168.1.4/30");
    assert_int_equal(ov_pool_hosts(&p), 2);
    expect_host("192.168.1.4/30", 0, "192.168.1.5");
    expect_host("192.168.1.4/30", 1, "192.168.1.6");
    p = prefix("10.0.0.0/8");
    assert_int_equal(ov_pool_hosts(&p), 16777214);
    expect_host("10.0.0.0/8", 255, "10.0.1.0"); /* a host of a /8 like any other */
    expect_host("10.0.0.0/8", 16777213, "10.255.255.254");
}

static void test_has_host(void **state)
{
    (void)state;
    static const char *const no[] = {"10.147.17.0", "10.147.17.255", "10.147.18.1", "9.147.17.1",
                                     "fd00::1"};
    struct ov_prefix p = prefix("10.147.17.0/24");
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        struct ov_ip v = ip(no[i]);
        assert_false(ov_pool_has_host(&p, &v));
    }
}

static void test_base(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"10.147.17.5/24", "10.147.17.0/24"},
                                           {"10.147.17.5/32", "10.147.17.5/32"},
                                           {"10.147.23.5/20", "10.147.16.0/20"},
                                           {"255.255.255.255/0", "0.0.0.0/0"},
                                           {"fd12:3456::1/64", "fd12:3456::/64"},
                                           {"fd12:3456::ff/121", "fd12:3456::80/121"},
                                           {"::1/128", "::1/128"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ov_prefix p = prefix(cases[i][0]), want = prefix(cases[i][1]), got;
        ov_pool_base(&p, &got);
        assert_true(ov_ip_equal(&got.ip, &want.ip));
        assert_int_equal(got.bits, want.bits);
        assert_true(ov_pool_is_base(&got));
        assert_int_equal(ov_pool_is_base(&p), strcmp(cases[i][0], cases[i][1]) == 0);
    }
}

static void test_overlap(void **state)
{
    (void)state;
    struct ov_prefix wide = prefix("10.0.0.0/8"), a = prefix("10.147.17.0/24"),
                     b = prefix("10.147.18.0/24"), six = prefix("fd00::/8");
    assert_true(ov_pool_overlap(&wide, &a));
    assert_true(ov_pool_overlap(&a, &wide));
    assert_true(ov_pool_overlap(&a, &a));
    assert_false(ov_pool_overlap(&a, &b));
    assert_false(ov_pool_overlap(&a, &six));
}

static void test_ip6(void **state)
{
    (void)state;
    struct ov_prefix a, b, other, again;
    ov_pool_ip6(0x8056c2e21c000001, 0x0123456789, &a);
    ov_pool_ip6(0x8056c2e21c000001, 0x0123456789, &again);
    ov_pool_ip6(0x8056c2e21c000001, 0xfe23456789, &b);
    ov_pool_ip6(0x8056c2e21c000002, 0x0123456789, &other);
    assert_int_equal(a.ip.family, 6);
    assert_int_equal(a.ip.b[0], 0xfd);
    assert_int_equal(a.bits, 64);
    assert_int_equal(a.ip.b[6] | a.ip.b[7], 0); /* subnet 0 */
    static const uint8_t iid[8] = {0, 0, 0, 0x01, 0x23, 0x45, 0x67, 0x89};
    assert_memory_equal(a.ip.b + 8, iid, 8);
    assert_true(ov_ip_equal(&a.ip, &again.ip));
    assert_true(ov_prefix_contains(&a, &b.ip)); /* one network, one subnet */
    assert_false(ov_ip_equal(&a.ip, &b.ip));
    assert_false(ov_prefix_contains(&a, &other.ip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts), cmocka_unit_test(test_has_host),
        cmocka_unit_test(test_base),  cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_ip6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
