#include "core/ratelimit.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t seed[16] = {7};

static struct ov_ip ip4(uint32_t n)
{
    return (struct ov_ip){4,
                          {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void test_bucket(void **state)
{
    struct ov_bucket b;

    (void)state;
    ov_bucket_init(&b, 10, 5, 1000 * OV_SEC);
    assert_false(ov_bucket_take(&b, 6, 1000 * OV_SEC));
    assert_true(ov_bucket_take(&b, 5, 1000 * OV_SEC));
    assert_true(ov_bucket_take(&b, 0, 1000 * OV_SEC));
    assert_false(ov_bucket_take(&b, 1, 1000 * OV_SEC + 100 * OV_MS - 1));
    assert_true(ov_bucket_take(&b, 1, 1000 * OV_SEC + 100 * OV_MS));
    assert_false(ov_bucket_take(&b, 1, 1000 * OV_SEC)); /* time going back gives nothing */
    assert_false(ov_bucket_take(&b, 2, 1000 * OV_SEC + 200 * OV_MS)); /* all or none... */
    assert_true(ov_bucket_take(&b, 1, 1000 * OV_SEC + 200 * OV_MS));  /* ...and none was taken */
    assert_false(ov_bucket_take(&b, 6, 5000 * OV_SEC));               /* never above the burst */
    assert_true(ov_bucket_take(&b, 5, 5000 * OV_SEC));
}

/* One token a second, asked every millisecond: the fractions are not lost. */
static void test_slow_rate(void **state)
{
    struct ov_bucket b;
    unsigned got = 0;

    (void)state;
    ov_bucket_init(&b, 1, 1, 1);
    for (ov_time t = 1; t <= 100 * OV_SEC; t += OV_MS)
        got += ov_bucket_take(&b, 1, t);
    assert_int_equal(got, 100);
}

static void test_extremes(void **state)
{
    struct ov_bucket b;

    (void)state;
    ov_bucket_init(&b, UINT64_MAX, UINT64_MAX, 1);
    assert_false(ov_bucket_take(&b, UINT64_MAX, 1));
    assert_true(ov_bucket_take(&b, UINT64_MAX / 1000000000ull, 1));
    assert_false(ov_bucket_take(&b, 1, 1));
    assert_true(ov_bucket_take(&b, 10000000000ull, 2));
    assert_true(ov_bucket_take(&b, 10000000000ull, UINT64_MAX));
    ov_bucket_init(&b, 0, 2, 1);
    assert_true(ov_bucket_take(&b, 2, 1));
    assert_false(ov_bucket_take(&b, 1, UINT64_MAX));
    ov_bucket_init(&b, 5, 0, 1);
    assert_false(ov_bucket_take(&b, 1, UINT64_MAX));
}

static void test_sources(void **state)
{
    struct ov_ratelimit *r = ov_ratelimit_new(16, 1, 2, seed);
    struct ov_ip a = ip4(1), b = ip4(2);
    struct ov_ip net1 = {6, {0x20, 1, 0x0d, 0xb8, [15] = 1}};
    struct ov_ip net1_other = {6, {0x20, 1, 0x0d, 0xb8, [8] = 9, [15] = 2}};
    struct ov_ip net2 = {6, {0x20, 1, 0x0d, 0xb8, [7] = 1, [15] = 1}};

    (void)state;
    assert_non_null(r);
    assert_true(ov_ratelimit_allow(r, &a, 1));
    assert_true(ov_ratelimit_allow(r, &a, 1));
    assert_false(ov_ratelimit_allow(r, &a, 1));
    assert_true(ov_ratelimit_allow(r, &b, 1));
    assert_true(ov_ratelimit_allow(r, &a, 1 + OV_SEC));
    assert_false(ov_ratelimit_allow(r, &a, 1 + OV_SEC));
    assert_int_equal(ov_ratelimit_sources(r), 2);

    assert_true(ov_ratelimit_allow(r, &net1, 1)); /* a /64 is one source */
    assert_true(ov_ratelimit_allow(r, &net1_other, 1));
    assert_false(ov_ratelimit_allow(r, &net1, 1));
    assert_true(ov_ratelimit_allow(r, &net2, 1));
    assert_int_equal(ov_ratelimit_sources(r), 4);
    ov_ratelimit_free(r);
    ov_ratelimit_free(NULL);
}

/* The table full, and the one used longest ago makes room: only that one starts afresh. */
static void test_eviction(void **state)
{
    enum { MAX = 64 };
    struct ov_ratelimit *r = ov_ratelimit_new(MAX, 0, 1, seed);

    (void)state;
    assert_non_null(r);
    for (uint32_t i = 0; i < MAX; i++) {
        struct ov_ip ip = ip4(i);
        assert_true(ov_ratelimit_allow(r, &ip, 1));
    }
    assert_int_equal(ov_ratelimit_sources(r), MAX);
    struct ov_ip first = ip4(0), second = ip4(1), third = ip4(2), fresh = ip4(1000);
    assert_false(ov_ratelimit_allow(r, &first, 1)); /* used: the second is now the oldest */
    assert_true(ov_ratelimit_allow(r, &fresh, 1));
    assert_int_equal(ov_ratelimit_sources(r), MAX);
    assert_false(ov_ratelimit_allow(r, &first, 1));
    assert_false(ov_ratelimit_allow(r, &third, 1));
    assert_false(ov_ratelimit_allow(r, &fresh, 1));
    assert_true(ov_ratelimit_allow(r, &second, 1)); /* forgotten */
    for (uint32_t i = 0; i < 100000; i++) {
        struct ov_ip ip = ip4(0x0a000000 + i);
        assert_true(ov_ratelimit_allow(r, &ip, 1));
        assert_true(ov_ratelimit_sources(r) <= MAX);
    }
    for (uint32_t i = 100000 - MAX; i < 100000; i++) {
        struct ov_ip ip = ip4(0x0a000000 + i);
        assert_false(ov_ratelimit_allow(r, &ip, 1));
    }
    ov_ratelimit_free(r);
}

static void test_single(void **state)
{
    struct ov_ratelimit *r = ov_ratelimit_new(1, 0, 1, seed);
    struct ov_ip a = ip4(1), b = ip4(2);

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(ov_ratelimit_allow(r, &a, 1));
        assert_false(ov_ratelimit_allow(r, &a, 1));
        assert_true(ov_ratelimit_allow(r, &b, 1));
        assert_int_equal(ov_ratelimit_sources(r), 1);
    }
    ov_ratelimit_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket),   cmocka_unit_test(test_slow_rate),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_sources),
        cmocka_unit_test(test_eviction), cmocka_unit_test(test_single),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
