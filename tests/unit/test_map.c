#include "core/map.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t seed[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void test_put_get_del(void **state)
{
    struct ov_map m;
    int a, b;

    (void)state;
    ov_map_init(&m, 10, seed);
    assert_null(ov_map_get(&m, ov_key_u64(1)));
    assert_null(ov_map_del(&m, ov_key_u64(1)));
    assert_int_equal(ov_map_put(&m, ov_key_u64(1), &a), OV_OK);
    assert_ptr_equal(ov_map_get(&m, ov_key_u64(1)), &a);
    assert_null(ov_map_get(&m, (struct ov_key){1, 1}));
    assert_int_equal(ov_map_put(&m, ov_key_u64(1), &b), OV_OK);
    assert_ptr_equal(ov_map_get(&m, ov_key_u64(1)), &b);
    assert_int_equal(m.len, 1);
    assert_ptr_equal(ov_map_del(&m, ov_key_u64(1)), &b);
    assert_null(ov_map_del(&m, ov_key_u64(1)));
    assert_int_equal(m.len, 0);
    ov_map_free(&m);
    ov_map_free(&m);
    assert_int_equal(m.len, 0);
}

static void test_maximum(void **state)
{
    enum { MAX = 1000 };
    static int values[MAX + 1];
    struct ov_map m;

    (void)state;
    ov_map_init(&m, MAX, seed);
    for (size_t i = 0; i < MAX; i++)
        assert_int_equal(ov_map_put(&m, ov_key_u64(i), &values[i]), OV_OK);
    assert_int_equal(ov_map_put(&m, ov_key_u64(MAX), &values[MAX]), OV_EFULL);
    assert_null(ov_map_get(&m, ov_key_u64(MAX)));
    assert_int_equal(ov_map_put(&m, ov_key_u64(7), &values[MAX]),
                     OV_OK); /* replacing still works */
    assert_ptr_equal(ov_map_get(&m, ov_key_u64(7)), &values[MAX]);
    assert_non_null(ov_map_del(&m, ov_key_u64(8)));
    assert_int_equal(ov_map_put(&m, ov_key_u64(MAX), &values[MAX]), OV_OK);
    assert_int_equal(m.len, MAX);
    assert_true(m.cap <= 4 * MAX);
    ov_map_free(&m);
}

/* Random puts and dels against a plain array; the table may not grow from churn alone. */
static void test_churn(void **state)
{
    enum { KEYS = 512 };
    static int values[KEYS];
    bool in[KEYS] = {false};
    size_t count = 0;
    unsigned x = 5;
    struct ov_map m;

    (void)state;
    ov_map_init(&m, KEYS, seed);
    for (int round = 0; round < 200000; round++) {
        x = x * 1664525u + 1013904223u;
        size_t i = (x >> 8) % KEYS;
        struct ov_key k = {i * 0x10001, ~(uint64_t)i};
        if ((x >> 20) % 2 == 0) {
            assert_int_equal(ov_map_put(&m, k, &values[i]), OV_OK);
            count += !in[i];
            in[i] = true;
        } else {
            assert_ptr_equal(ov_map_del(&m, k), in[i] ? &values[i] : NULL);
            count -= in[i];
            in[i] = false;
        }
        assert_int_equal(m.len, count);
        assert_true(m.len + m.tombs < m.cap);
        i = (x >> 4) % KEYS;
        k = (struct ov_key){i * 0x10001, ~(uint64_t)i};
        assert_ptr_equal(ov_map_get(&m, k), in[i] ? &values[i] : NULL);
    }
    assert_true(m.cap <= 4 * KEYS);
    ov_map_free(&m);
}

static void test_iterate_and_remove(void **state)
{
    enum { N = 300 };
    static int values[N];
    bool seen[N] = {false};
    struct ov_map m;
    struct ov_key k;
    void *v;
    size_t count = 0;

    (void)state;
    ov_map_init(&m, N, seed);
    assert_null(ov_map_next(&m, &(size_t){0}, NULL));
    for (size_t i = 0; i < N; i++)
        assert_int_equal(ov_map_put(&m, ov_key_u64(i), &values[i]), OV_OK);
    for (size_t it = 0; (v = ov_map_next(&m, &it, &k)) != NULL; count++) {
        assert_ptr_equal(v, &values[k.lo]);
        assert_false(seen[k.lo]);
        seen[k.lo] = true;
        if (k.lo % 2 == 0)
            assert_ptr_equal(ov_map_del(&m, k), v);
    }
    assert_int_equal(count, N);
    assert_int_equal(m.len, N / 2);
    count = 0;
    for (size_t it = 0; ov_map_next(&m, &it, NULL) != NULL;)
        count++;
    assert_int_equal(count, N / 2);
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(ov_map_get(&m, ov_key_u64(i)), i % 2 == 0 ? NULL : &values[i]);
    ov_map_free(&m);
}

static void test_key_ip(void **state)
{
    struct ov_ip four = {4, {192, 0, 2, 1}};
    struct ov_ip mapped = {6, {[10] = 0xff, 0xff, 192, 0, 2, 1}};
    struct ov_ip six = {6, {0x20, 1, 0x0d, 0xb8, [15] = 9}};
    struct ov_key a = ov_key_ip(&four), b = ov_key_ip(&mapped), c = ov_key_ip(&six);

    (void)state;
    assert_true(a.hi == 0 && a.lo == 0xffffc0000201ull);
    assert_true(a.hi == b.hi && a.lo == b.lo);
    assert_true(c.hi == 0x20010db800000000ull && c.lo == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_get_del), cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_churn),       cmocka_unit_test(test_iterate_and_remove),
        cmocka_unit_test(test_key_ip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
