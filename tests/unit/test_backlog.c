#include "cli/backlog.h"

#include "edge.h"

/* A line of `rate` bytes a second, watched each `gap` for `span`, with always more to send. */
static void run(struct ov_backlog *b, ov_time *now, uint64_t rate, ov_time gap, ov_time span)
{
    size_t below = b->below;
    for (ov_time end = *now + span; *now < end;) {
        *now += gap;
        size_t gone = (size_t)(rate * gap / OV_SEC);
        below -= gone < below ? gone : below;
        ov_backlog_before(b, below, true, *now);
        size_t sent = below < b->limit ? b->limit - below : 0;
        below += sent;
        ov_backlog_after(b, below, sent, true, *now);
    }
}

static void the_rate_is_learned(void **state)
{
    static const uint64_t rates[] = {3000000, 12500000, 125000000};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ov_backlog b;
        ov_time now = OV_SEC;
        ov_backlog_init(&b);
        run(&b, &now, rates[i], OV_MS, OV_SEC);
        assert_true(b.rate > rates[i] * 9 / 10 && b.rate < rates[i] * 11 / 10);
        assert_true(b.limit < rates[i] / 250 * 12 / 10);
        /* another line */
        run(&b, &now, 6000000, OV_MS, OV_SEC);
        assert_true(b.rate > 5400000 && b.rate < 6600000);
    }
}

static void a_slow_line_keeps_some_packets(void **state)
{
    struct ov_backlog b;
    ov_time now = OV_SEC;
    (void)state;
    ov_backlog_init(&b);
    run(&b, &now, 100000, OV_MS, 5 * OV_SEC);
    assert_int_equal(b.limit, OV_BACKLOG_MIN);
    assert_true(b.rate > 80000 && b.rate < 120000);
}

/* Looked at too late, the line is dry: more has to be below. */
static void a_dry_line_gets_more(void **state)
{
    struct ov_backlog b;
    ov_time now = OV_SEC;
    (void)state;
    ov_backlog_init(&b);
    run(&b, &now, 12500000, OV_MS, OV_SEC);
    size_t before = b.limit;
    run(&b, &now, 12500000, 10 * OV_MS, 50 * OV_MS);
    assert_true(b.limit >= 2 * before);
    run(&b, &now, UINT32_MAX, OV_MS, OV_SEC); /* and never more than this */
    assert_int_equal(b.limit, OV_BACKLOG_MAX);
}

static void a_line_that_takes_all_is_fast(void **state)
{
    struct ov_backlog b;
    (void)state;
    ov_backlog_init(&b);
    for (ov_time now = OV_SEC; now < 2 * OV_SEC; now += OV_MS) {
        ov_backlog_before(&b, 0, true, now);
        ov_backlog_after(&b, 0, b.limit, false, now);
    }
    assert_int_equal(b.limit, OV_BACKLOG_MAX);
}

/* What says nothing of the line changes nothing. */
static void samples_that_do_not_count(void **state)
{
    struct ov_backlog b;
    (void)state;
    ov_backlog_init(&b);
    for (ov_time now = OV_SEC; now < 2 * OV_SEC; now += OV_MS) {
        ov_backlog_before(&b, 20000, false, now); /* others sent, too */
        ov_backlog_after(&b, 90000, 70000, true, now);
    }
    for (ov_time now = 2 * OV_SEC; now < 3 * OV_SEC; now += OV_MS) {
        ov_backlog_before(&b, 90001, true, now); /* it grew */
        ov_backlog_after(&b, 90000, 0, true, now);
        ov_backlog_before(&b, 0, true, now); /* no time went by */
        ov_backlog_after(&b, 0, 0, false, now);
        ov_backlog_before(&b, 0, true, now + 1); /* nothing was there */
        ov_backlog_after(&b, 90000, 0, true, now + 1);
    }
    assert_true(b.rate == 0);
    assert_int_equal(b.limit, OV_BACKLOG_FIRST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_learned),
        cmocka_unit_test(a_slow_line_keeps_some_packets),
        cmocka_unit_test(a_dry_line_gets_more),
        cmocka_unit_test(a_line_that_takes_all_is_fast),
        cmocka_unit_test(samples_that_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
