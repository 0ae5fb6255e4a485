/* No hard punch may cost more than its budget, whatever it tries. */
#include "core/budget.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define PEER 0x2001cc1ffcull
#define NOW  (1000 * OV_SEC)

/* Ask for a datagram each millisecond for 20 s, with a canary home whenever one is wanted. */
static unsigned greedy(struct ov_budget *b, unsigned flows, ov_time now, ov_time *end)
{
    unsigned n = 0, second = 0;
    ov_time from = now;

    for (int i = 0; i < 20000; i++, now += OV_MS) {
        if (now - from >= OV_SEC) {
            assert_true(second <= OV_BUDGET_PPS + OV_BUDGET_BURST);
            second = 0;
            from = now;
        }
        enum ov_budget_verdict v = ov_budget_take(b, flows, now);
        if (v == OV_BUDGET_CANARY)
            ov_budget_canary_home(b);
        n += v == OV_BUDGET_GO;
        second += v == OV_BUDGET_GO;
        if (v == OV_BUDGET_SPENT)
            break;
    }
    *end = now;
    return n;
}

static void test_caps(void **state)
{
    struct ov_budget b;
    ov_time end;

    (void)state;
    ov_budget_init(&b, NOW);
    assert_int_equal(ov_budget_take(&b, 0, NOW), OV_BUDGET_SPENT); /* not reserved */
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW), OV_OK);
    ov_budget_start(&b, NOW);
    assert_int_equal(greedy(&b, 0, NOW, &end), OV_BUDGET_PACKETS);
    assert_in_range(end - NOW, 2500 * OV_MS, 2700 * OV_MS); /* 500 a second */
    assert_int_equal(ov_budget_take_canary(&b, end), OV_BUDGET_SPENT);
    ov_budget_end(&b);
    assert_int_equal(ov_budget_reserve(&b, PEER, end), OV_OK);
    ov_budget_start(&b, end);
    assert_int_equal(greedy(&b, 1, end, &end), OV_BUDGET_FLOWS);
    ov_budget_end(&b);
}

static void test_one_at_a_time(void **state)
{
    struct ov_budget b;

    (void)state;
    ov_budget_init(&b, NOW);
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW), OV_OK);
    assert_int_equal(ov_budget_reserve(&b, PEER + 1, NOW), OV_ESTATE);
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW), OV_ESTATE);
    ov_budget_end(&b);
    assert_int_equal(ov_budget_reserve(&b, PEER + 1, NOW), OV_OK);
}

/* Three that started in an hour; one that never did is none. */
static void test_attempts(void **state)
{
    struct ov_budget b;
    ov_time now = NOW;

    (void)state;
    ov_budget_init(&b, now);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ov_budget_reserve(&b, PEER, now), OV_OK);
        ov_budget_end(&b);
    }
    for (int i = 0; i < OV_BUDGET_ATTEMPTS; i++, now += 60 * OV_SEC) {
        assert_int_equal(ov_budget_reserve(&b, PEER, now), OV_OK);
        ov_budget_start(&b, now);
        ov_budget_start(&b, now); /* counts once */
        ov_budget_end(&b);
    }
    assert_int_equal(ov_budget_reserve(&b, PEER, now), OV_ELIMIT);
    assert_int_equal(ov_budget_reserve(&b, PEER + 1, now), OV_OK);
    ov_budget_end(&b);
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW + OV_BUDGET_HOUR - 1), OV_ELIMIT);
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW + OV_BUDGET_HOUR), OV_OK);
}

/* One that got through does not count, but not without end; nor do those behind another router. */
static void test_hits(void **state)
{
    struct ov_budget b;

    (void)state;
    ov_budget_init(&b, NOW);
    for (unsigned i = 0; i < OV_BUDGET_HITS + OV_BUDGET_ATTEMPTS; i++) {
        assert_int_equal(ov_budget_reserve(&b, PEER, NOW + i), OV_OK);
        ov_budget_start(&b, NOW + i);
        ov_budget_hit(&b, NOW + i);
        ov_budget_end(&b);
    }
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW + 99), OV_ELIMIT);
    ov_budget_forget(&b);
    assert_int_equal(ov_budget_reserve(&b, PEER, NOW + 99), OV_OK);
    ov_budget_hit(&b, NOW + 99); /* not begun: nothing to give back */
    ov_budget_end(&b);
}

/* More peers than are remembered do not make more attempts. */
static void test_many_peers(void **state)
{
    struct ov_budget b;

    (void)state;
    ov_budget_init(&b, NOW);
    for (unsigned i = 0; i < OV_BUDGET_PEERS; i++) {
        assert_int_equal(ov_budget_reserve(&b, PEER + i, NOW + i), OV_OK);
        ov_budget_start(&b, NOW + i);
        ov_budget_end(&b);
    }
    assert_int_equal(ov_budget_reserve(&b, PEER + OV_BUDGET_PEERS, NOW + 999), OV_ELIMIT);
    assert_int_equal(ov_budget_reserve(&b, PEER + 7, NOW + 999), OV_OK);
    ov_budget_end(&b);
    assert_int_equal(ov_budget_reserve(&b, PEER + OV_BUDGET_PEERS, NOW + OV_BUDGET_HOUR), OV_OK);
}

/* Without canaries that come home it ends soon; each that does lets it go further. */
static void test_canaries(void **state)
{
    struct ov_budget b;
    ov_time now = NOW;
    unsigned n = 0;

    (void)state;
    ov_budget_init(&b, now);
    assert_int_equal(ov_budget_reserve(&b, PEER, now), OV_OK);
    for (int i = 0; i < 1000; i++, now += 10 * OV_MS)
        n += ov_budget_take(&b, 1, now) == OV_BUDGET_GO;
    assert_int_equal(n, OV_BUDGET_AHEAD);
    assert_true(ov_budget_wants_canary(&b));
    assert_int_equal(ov_budget_take_canary(&b, now), OV_BUDGET_GO);
    assert_int_equal(ov_budget_take(&b, 1, now), OV_BUDGET_CANARY);
    ov_budget_canary_home(&b);
    assert_false(ov_budget_wants_canary(&b));
    for (n = 0; ov_budget_take(&b, 0, now) == OV_BUDGET_GO; now += 10 * OV_MS)
        n++;
    assert_in_range(n, OV_BUDGET_AHEAD + 1, OV_BUDGET_TRUST);
    assert_true(ov_budget_waits(&b));
    for (int i = 0; i < 9; i++)
        ov_budget_canary_lost(&b);
    ov_budget_canary_home(&b);
    for (n = 0; ov_budget_take(&b, 0, now) == OV_BUDGET_GO; now += 10 * OV_MS)
        n++;
    assert_int_equal(n, OV_BUDGET_WARY * 3 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caps),       cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_attempts),   cmocka_unit_test(test_hits),
        cmocka_unit_test(test_many_peers), cmocka_unit_test(test_canaries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
