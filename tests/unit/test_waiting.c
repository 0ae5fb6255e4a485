#include "transport/waiting.h"

#include "transport/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void put(struct ov_waiting *b, uint8_t mark, size_t len, ov_time now)
{
    uint8_t d[OV_FRAMES_MAX];
    memset(d, mark, len);
    ov_waiting_put(b, d, len, now);
}

/* The next one alone: its mark; 0: none. */
static uint8_t get(struct ov_waiting *b, size_t *len, ov_time now)
{
    uint8_t out[OV_FRAMES_HEAD + OV_FRAMES_MAX];
    /* Find the cap at which exactly one comes: it must never come cut. */
    size_t n = 0;
    for (size_t cap = OV_FRAMES_MIN; n == 0 && cap <= sizeof out; cap++)
        n = ov_waiting_take(b, out, cap, now);
    *len = n ? n - OV_FRAMES_HEAD : 0;
    if (n)
        assert_int_equal(out[0] << 8 | out[1], *len);
    return n ? out[OV_FRAMES_HEAD] : 0;
}

static void test_small_first(void **state)
{
    struct ov_waiting b = {0};
    size_t len;
    (void)state;

    put(&b, 1, 1400, OV_SEC);
    put(&b, 2, 1400, OV_SEC);
    put(&b, 3, 100, OV_SEC);
    assert_int_equal(get(&b, &len, OV_SEC), 3);
    assert_int_equal(len, 100);
    assert_int_equal(get(&b, &len, OV_SEC), 1);
    assert_int_equal(len, 1400);
    assert_int_equal(get(&b, &len, OV_SEC), 2);
    assert_true(ov_waiting_empty(&b));
    assert_int_equal(get(&b, &len, OV_SEC), 0);
    assert_int_equal(b.bytes, 0);
    assert_int_equal(b.dropped, 0);
    ov_waiting_free(&b);
}

/* A flood of small ones gets its half, not more. */
static void test_fair(void **state)
{
    struct ov_waiting b = {0};
    size_t len, small = 0, large = 0;
    (void)state;

    for (int i = 0; i < 90; i++)
        put(&b, 1, 1200, OV_SEC);
    for (int i = 0; i < 300; i++)
        put(&b, 2, 400, OV_SEC);
    while (small + large < 120000)
        *(get(&b, &len, OV_SEC) == 2 ? &small : &large) += len;
    assert_in_range(small, large, large + 20000);
    ov_waiting_free(&b);
    assert_true(ov_waiting_empty(&b));
}

static void test_bounded_bytes(void **state)
{
    struct ov_waiting b = {0};
    size_t len;
    (void)state;

    for (int i = 0; i < 1000; i++) {
        put(&b, (uint8_t)(1 + i % 250), 1400, OV_SEC);
        put(&b, 255, 64, OV_SEC);
        assert_true(b.bytes <= OV_WAITING_BYTES);
    }
    assert_true(b.dropped > 800);
    assert_int_equal(get(&b, &len, OV_SEC), 255); /* large ones gave way first */
    ov_waiting_free(&b);
    /* The oldest goes. */
    for (int i = 1; i <= 40; i++)
        put(&b, (uint8_t)i, OV_FRAMES_MAX, OV_SEC);
    size_t fit = OV_WAITING_BYTES / (OV_FRAMES_MAX + OV_FRAMES_HEAD);
    assert_int_equal(get(&b, &len, OV_SEC), 40 - fit + 1);
    ov_waiting_free(&b);
}

static void test_bounded_time(void **state)
{
    struct ov_waiting b = {0};
    size_t len;
    (void)state;

    put(&b, 1, 1400, OV_SEC);
    put(&b, 2, 64, OV_SEC);
    put(&b, 3, 1400, OV_SEC + 100 * OV_MS);
    assert_int_equal(get(&b, &len, OV_SEC + OV_WAITING_WAIT + OV_MS), 3);
    assert_int_equal(b.dropped, 2);
    assert_true(ov_waiting_empty(&b));
    put(&b, 4, 64, 2 * OV_SEC);
    assert_int_equal(get(&b, &len, 2 * OV_SEC + OV_WAITING_WAIT), 4);
    put(&b, 5, 64, 3 * OV_SEC);
    put(&b, 6, 64, 4 * OV_SEC);
    assert_int_equal(get(&b, &len, 4 * OV_SEC), 6);
    ov_waiting_free(&b);
}

static void test_many_in_one(void **state)
{
    struct ov_waiting b = {0};
    uint8_t out[8192];
    (void)state;

    for (int i = 0; i < 20; i++)
        put(&b, 1, 1000, OV_SEC);
    assert_int_equal(ov_waiting_take(&b, out, sizeof out, OV_SEC), 8 * 1002);
    assert_int_equal(ov_waiting_take(&b, out, sizeof out, OV_SEC), 8 * 1002);
    assert_int_equal(ov_waiting_take(&b, out, sizeof out, OV_SEC), 4 * 1002);
    assert_int_equal(ov_waiting_take(&b, out, sizeof out, OV_SEC), 0);
    ov_waiting_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_first),   cmocka_unit_test(test_fair),
        cmocka_unit_test(test_bounded_bytes), cmocka_unit_test(test_bounded_time),
        cmocka_unit_test(test_many_in_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
