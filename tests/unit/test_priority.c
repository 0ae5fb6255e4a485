#include "cli/priority.h"

#include "edge.h"

#include <sched.h>
#include <stdio.h>

#define TOO_LONG (20 * OV_SEC)

static const struct ov_log silent;

static void not_wanted(void **state)
{
    struct ov_priority p;
    uv_loop_t loop;
    (void)state;
    uv_loop_init(&loop);
    ov_priority_open(&p, &loop, false, NULL, &silent);
    assert_false(ov_priority_held(&p));
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    ov_priority_close(&p);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void new_thread(void *arg)
{
    *(int *)arg = sched_getscheduler(0);
}

/* A loop that hangs, or has too much to do, loses it; one that comes back gets it back. */
static void lost_and_given_back(void **state)
{
    struct ov_priority p;
    uv_loop_t loop;
    uv_thread_t thread;
    int policy = -1;
    (void)state;
    uv_loop_init(&loop);
    ov_priority_open(&p, &loop, true, NULL, &silent);
    if (!ov_priority_held(&p)) {
        ov_priority_close(&p);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        fprintf(stderr, "SKIPPED, NOT PROVEN: not allowed to have realtime priority here\n");
        skip();
    }
    assert_int_equal(sched_getscheduler(0), SCHED_RR);
    assert_int_equal(uv_thread_create(&thread, new_thread, &policy), 0);
    uv_thread_join(&thread);
    assert_int_equal(policy, SCHED_RR); /* see take() */

    uint64_t end = uv_hrtime() + TOO_LONG; /* or it would go on for ever, at this priority */
    while (sched_getscheduler(0) == SCHED_RR && uv_hrtime() < end)
        ; /* the kernel ends this */
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    assert_true(ov_priority_held(&p)); /* the loop has not looked yet */
    ov_priority_check(&p);
    assert_false(ov_priority_held(&p));
    uv_ref((uv_handle_t *)&p.again);
    uv_run(&loop, UV_RUN_DEFAULT); /* until the timer has run */
    assert_true(ov_priority_held(&p));
    assert_int_equal(sched_getscheduler(0), SCHED_RR);
    ov_priority_close(&p);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(not_wanted),
                                       cmocka_unit_test(lost_and_given_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
