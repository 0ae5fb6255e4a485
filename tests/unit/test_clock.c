#include "cli/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A clock that has run for a while on a host that slept before. */
static struct ov_clock running(void)
{
    struct ov_clock c = {0};
    assert_int_equal(ov_clock_note(&c, 100 * OV_SEC, 3700 * OV_SEC), 3700 * OV_SEC);
    assert_false(ov_clock_woke(&c)); /* that was before us */
    return c;
}

static void sleep_is_noticed_once(void **state)
{
    struct ov_clock c = running();
    (void)state;
    assert_int_equal(ov_clock_note(&c, 101 * OV_SEC, 3731 * OV_SEC), 3731 * OV_SEC);
    assert_true(ov_clock_woke(&c));
    assert_false(ov_clock_woke(&c));
    (void)ov_clock_note(&c, 200 * OV_SEC, 3830 * OV_SEC);
    assert_false(ov_clock_woke(&c));
    (void)ov_clock_note(&c, 200 * OV_SEC, 3830 * OV_SEC + 8 * 3600 * OV_SEC);
    (void)ov_clock_note(&c, 201 * OV_SEC, 3831 * OV_SEC + 8 * 3600 * OV_SEC);
    assert_true(ov_clock_woke(&c)); /* though looked at again since */
}

static void a_moment_is_none(void **state)
{
    struct ov_clock c = running();
    (void)state;
    for (ov_time t = 1; t < 100; t++) /* nor many of them */
        (void)ov_clock_note(&c, (100 + t) * OV_SEC, (3700 + t) * OV_SEC + t * 4 * OV_SEC);
    assert_false(ov_clock_woke(&c));
    (void)ov_clock_note(&c, 250 * OV_SEC, 249 * OV_SEC); /* clocks that make no sense */
    assert_false(ov_clock_woke(&c));
    assert_int_equal(ov_clock_note(&c, 0, 0), 1);
}

static void an_alarm_that_comes_late(void **state)
{
    struct ov_clock c = running();
    (void)state;
    ov_clock_alarm(&c, 3720 * OV_SEC);
    (void)ov_clock_note(&c, 124 * OV_SEC, 3724 * OV_SEC); /* a busy machine */
    assert_false(ov_clock_woke(&c));
    (void)ov_clock_note(&c, 150 * OV_SEC, 3750 * OV_SEC); /* a stopped process */
    assert_true(ov_clock_woke(&c));
    (void)ov_clock_note(&c, 151 * OV_SEC, 3751 * OV_SEC); /* before there is a new alarm */
    assert_false(ov_clock_woke(&c));
    ov_clock_alarm(&c, 5 * OV_SEC); /* long due when it was set */
    (void)ov_clock_note(&c, 152 * OV_SEC, 3752 * OV_SEC);
    assert_false(ov_clock_woke(&c));
    ov_clock_alarm(&c, OV_NEVER); /* nothing to do, and packets came after an hour */
    (void)ov_clock_note(&c, 3751 * OV_SEC, 7351 * OV_SEC);
    assert_false(ov_clock_woke(&c));
}

static void these_clocks(void **state)
{
    struct ov_clock c = {0};
    ov_time a = ov_clock_now(&c), b = ov_clock_now(&c);
    (void)state;
    assert_true(a > 0 && b >= a);
    assert_false(ov_clock_woke(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleep_is_noticed_once),
        cmocka_unit_test(a_moment_is_none),
        cmocka_unit_test(an_alarm_that_comes_late),
        cmocka_unit_test(these_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
