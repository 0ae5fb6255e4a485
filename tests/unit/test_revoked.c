#include "core/revoked.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define BASE 0x1000000000ull
#define T0   1767225600000ull

static void test_newest_counts(void **state)
{
    struct ov_revoked r = {0};

    (void)state;
    assert_true(ov_revoked_until(&r, BASE) == 0);
    assert_true(ov_revoked_add(&r, BASE, T0, 0));
    assert_true(ov_revoked_until(&r, BASE) == T0);
    assert_false(ov_revoked_add(&r, BASE, T0, 0));
    assert_false(ov_revoked_add(&r, BASE, T0 - 1, 0));
    assert_true(ov_revoked_add(&r, BASE, T0 + 1, 0));
    assert_true(ov_revoked_until(&r, BASE) == T0 + 1);
    assert_true(ov_revoked_until(&r, BASE + 1) == 0);
    assert_int_equal(r.n, 1);
}

/* Of more than fit nobody comes back: a floor stands in for those given up. */
static void test_none_comes_back(void **state)
{
    struct ov_revoked r = {0};
    const unsigned many = OV_REVOKED_MAX * 3;

    (void)state;
    for (unsigned i = 0; i < many; i++) {
        unsigned k = i * 7 % many; /* in no order */
        ov_wall floor = r.floor;
        (void)!ov_revoked_add(&r, BASE + k, T0 + k, 0);
        assert_true(r.n <= OV_REVOKED_MAX && r.floor >= floor);
        for (unsigned j = 0; j <= i; j++)
            assert_true(ov_revoked_until(&r, BASE + j * 7 % many) >= T0 + j * 7 % many);
    }
    assert_int_equal(r.n, OV_REVOKED_MAX);
    assert_true(r.floor == T0 + many - OV_REVOKED_MAX - 1);    /* and no higher than need be */
    assert_false(ov_revoked_add(&r, BASE + many, r.floor, 0)); /* said already */
}

/* What is older than the window makes room, and leaves no floor. */
static void test_old_ones_make_room(void **state)
{
    struct ov_revoked r = {0};

    (void)state;
    for (unsigned i = 0; i < OV_REVOKED_MAX; i++)
        assert_true(ov_revoked_add(&r, BASE + i, T0 + i, 0));
    assert_true(ov_revoked_add(&r, BASE + 999, T0 + 999, T0 + 100));
    assert_int_equal(r.n, OV_REVOKED_MAX - 100 + 1);
    assert_true(r.floor == 0);
    assert_true(ov_revoked_until(&r, BASE + 99) == 0);
    assert_true(ov_revoked_until(&r, BASE + 100) == T0 + 100);
    assert_true(ov_revoked_until(&r, BASE + 999) == T0 + 999);
}

/* A full table and one who is in it already: nobody gives way. */
static void test_full_and_known(void **state)
{
    struct ov_revoked r = {0};

    (void)state;
    for (unsigned i = 0; i < OV_REVOKED_MAX; i++)
        assert_true(ov_revoked_add(&r, BASE + i, T0 + i, 0));
    assert_true(ov_revoked_add(&r, BASE + 5, T0 + 5000, 0));
    assert_true(r.floor == 0 && ov_revoked_until(&r, BASE) == T0);
    assert_true(ov_revoked_until(&r, BASE + 5) == T0 + 5000);
    assert_true(ov_revoked_add(&r, BASE + 800, T0 - 1, 0)); /* earlier than all */
    assert_true(r.floor == T0 - 1 && ov_revoked_until(&r, BASE + 800) == T0 - 1);
    assert_true(ov_revoked_until(&r, BASE) == T0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_counts),
        cmocka_unit_test(test_none_comes_back),
        cmocka_unit_test(test_old_ones_make_room),
        cmocka_unit_test(test_full_and_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
