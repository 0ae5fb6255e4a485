#include "cli/pace.h"

#include "edge.h"

/* Turns of `packets` each, `gap` apart, for `span`; what the last one was told. */
static ov_time run(struct ov_pace *p, ov_time *now, unsigned packets, ov_time gap, ov_time span,
                   bool idle)
{
    ov_time rest = 0;
    for (ov_time end = *now + span; *now < end; *now += gap) {
        ov_pace_count(p, packets);
        rest = ov_pace_rest(p, idle, *now);
    }
    return rest;
}

static void few_packets_never_wait(void **state)
{
    struct ov_pace p = {0};
    ov_time now = OV_SEC;
    (void)state;
    /* a game's 128 packets a second, and a download of 100 Mbit/s beside it */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(run(&p, &now, 1, 120000, 240000, true), 0);
}

static void many_gather(void **state)
{
    struct ov_pace p = {0};
    ov_time now = OV_SEC;
    (void)state;
    assert_int_equal(run(&p, &now, 1, 20000, OV_MS, true), OV_PACE_REST);
    assert_int_equal(run(&p, &now, 2, 10000, OV_MS, true), OV_PACE_LONG_REST);
    assert_int_equal(run(&p, &now, 1, 20000, OV_MS, true), OV_PACE_REST);
    /* and stop to when they stop: a burst long ago says nothing of now */
    now += OV_SEC;
    ov_pace_count(&p, 1);
    assert_int_equal(ov_pace_rest(&p, true, now), 0);
    assert_int_equal(run(&p, &now, 1, OV_MS, 10 * OV_MS, true), 0);
}

static void work_left_is_done_first(void **state)
{
    struct ov_pace p = {0};
    ov_time now = OV_SEC, breath = 0;
    (void)state;
    run(&p, &now, 50, 100000, OV_MS, true);
    ov_time rested = now - 100000;
    while (breath == 0) {
        ov_pace_count(&p, 50);
        breath = ov_pace_rest(&p, false, now);
        now += 100000;
    }
    assert_int_equal(breath, OV_PACE_BREATH); /* but not for ever */
    assert_true(now - rested >= OV_PACE_STRETCH && now - rested < OV_PACE_STRETCH + OV_MS);
    assert_int_equal(ov_pace_rest(&p, false, now), 0);
}

/* A breath at the end of each stretch, if the thread slept in none of them. */
static void who_slept_needs_no_breath(void **state)
{
    struct ov_pace p = {0};
    (void)state;
    assert_false(ov_pace_breathless(&p, 7)); /* a ping, after a long sleep */
    assert_false(ov_pace_breathless(&p, 9));
    assert_true(ov_pace_breathless(&p, 9));
    assert_true(ov_pace_breathless(&p, 10)); /* the breath itself is no other sleep */
    assert_false(ov_pace_breathless(&p, 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_packets_never_wait), cmocka_unit_test(many_gather),
        cmocka_unit_test(work_left_is_done_first), cmocka_unit_test(who_slept_needs_no_breath)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
