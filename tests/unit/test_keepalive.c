/* How long silence may last, learned from paths that died of it. */
#include "core/keepalive.h"
#include "core/natprofile.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

#define PLANNED (15 * OV_SEC)

static ov_time at = 1000 * OV_SEC;

static bool test(struct ov_keepalive *k, ov_time silence, ov_time planned)
{
    at += silence + OV_SEC;
    return ov_keepalive_test(k, at - silence, at, planned);
}

static void dies(struct ov_keepalive *k, ov_time silence, ov_time now)
{
    if (test(k, silence, PLANNED))
        ov_keepalive_unanswered(k, now, PLANNED);
}

static void lives(struct ov_keepalive *k, ov_time silence, ov_time now)
{
    if (test(k, silence, PLANNED))
        ov_keepalive_answered(k, now, PLANNED);
}

static void test_two_deaths_halve(void **state)
{
    struct ov_keepalive k = {0};
    (void)state;
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
    dies(&k, 15 * OV_SEC, OV_SEC);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
    dies(&k, 15 * OV_SEC, 2 * OV_SEC);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), OV_KEEPALIVE_FLOOR); /* not 7.5 s */
    k = (struct ov_keepalive){0};
    for (int i = 0; i < 2; i++) {
        assert_true(test(&k, 20 * OV_SEC, 20 * OV_SEC));
        ov_keepalive_unanswered(&k, OV_SEC, 20 * OV_SEC);
    }
    assert_int_equal(ov_keepalive_gap(&k, 20 * OV_SEC), 10 * OV_SEC);
    for (int i = 0; i < 6; i++)
        dies(&k, 9 * OV_SEC, 3 * OV_SEC);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), OV_KEEPALIVE_FLOOR);
}

/* One answer in between, and it was something else. */
static void test_in_a_row(void **state)
{
    struct ov_keepalive k = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        dies(&k, 15 * OV_SEC, OV_SEC);
        lives(&k, 15 * OV_SEC, OV_SEC);
    }
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
}

static void test_what_counts(void **state)
{
    struct ov_keepalive k = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        dies(&k, 4 * OV_SEC, OV_SEC);                 /* that was no silence */
        dies(&k, 60 * OV_SEC, OV_SEC);                /* nobody kept it alive */
        ov_keepalive_unanswered(&k, OV_SEC, PLANNED); /* nothing was tested */
    }
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
    assert_true(test(&k, 15 * OV_SEC, PLANNED));
    ov_keepalive_unanswered(&k, OV_SEC, PLANNED);
    ov_time heard = at - 15 * OV_SEC; /* the same silence, asked again and again */
    for (int i = 0; i < 10; i++)
        assert_false(ov_keepalive_test(&k, heard, at += 250 * OV_MS, PLANNED));
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
}

static void test_upward(void **state)
{
    struct ov_keepalive k = {0};
    ov_time now = OV_SEC, before = 0;
    (void)state;
    dies(&k, 15 * OV_SEC, now);
    dies(&k, 15 * OV_SEC, now);
    for (; now < 300 * OV_SEC; now += 8 * OV_SEC)
        lives(&k, 8 * OV_SEC, now);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), OV_KEEPALIVE_FLOOR);
    for (; now < 3600 * OV_SEC && k.limit; now += before) {
        assert_true(ov_keepalive_gap(&k, PLANNED) >= before);
        before = ov_keepalive_gap(&k, PLANNED);
        lives(&k, before, now);
    }
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), PLANNED);
    assert_in_range(now, 1200 * OV_SEC, 2500 * OV_SEC);
    assert_int_equal(k.halved, 0);
    /* It has tried that in vain: next time it is more patient. */
    for (int i = 0; i < 4; i++)
        dies(&k, 9 * OV_SEC, now);
    assert_int_equal(k.halved, 2);
    lives(&k, 8 * OV_SEC, now + 1190 * OV_SEC);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), OV_KEEPALIVE_FLOOR);
    lives(&k, 8 * OV_SEC, now + 1200 * OV_SEC);
    assert_int_equal(ov_keepalive_gap(&k, PLANNED), 10 * OV_SEC);
}

static void test_of_our_nat(void **state)
{
    struct ov_nat_profile p = {0};
    (void)state;
    assert_int_equal(ov_nat_patience(&p), OV_NEVER);
    p.lives_s = 23;
    assert_int_equal(ov_nat_patience(&p), OV_NEVER);
    p = (struct ov_nat_profile){.lives_s = 12, .dies_s = 23};
    assert_int_equal(ov_nat_patience(&p), 10 * OV_SEC);
    p = (struct ov_nat_profile){.dies_s = 12};
    assert_int_equal(ov_nat_patience(&p), OV_KEEPALIVE_FLOOR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_deaths_halve), cmocka_unit_test(test_in_a_row),
        cmocka_unit_test(test_what_counts),      cmocka_unit_test(test_upward),
        cmocka_unit_test(test_of_our_nat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
