#include "core/replay.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Accept or refuse as `want` says, and look the same beforehand. */
static void expect(struct ov_replay *w, uint64_t counter, bool want)
{
    assert_int_equal(ov_replay_check(w, counter), want);
    assert_int_equal(ov_replay_accept(w, counter), want ? OV_OK : OV_EREPLAY);
    assert_false(ov_replay_check(w, counter));
}

static void test_in_order(void **state)
{
    struct ov_replay w;

    (void)state;
    ov_replay_init(&w);
    for (uint64_t c = 0; c < 3 * OV_REPLAY_WINDOW; c++)
        expect(&w, c, true);
    for (uint64_t c = 0; c < 3 * OV_REPLAY_WINDOW; c++)
        expect(&w, c, false);
}

/* Every counter of a window in reverse, at each alignment of the highest. */
static void test_backwards(void **state)
{
    struct ov_replay w;

    (void)state;
    for (uint64_t top = 5 * OV_REPLAY_WINDOW; top < 5 * OV_REPLAY_WINDOW + 65; top++) {
        ov_replay_init(&w);
        expect(&w, top, true);
        for (uint64_t age = 1; age <= OV_REPLAY_WINDOW; age++)
            expect(&w, top - age, true);
        for (uint64_t age = OV_REPLAY_WINDOW + 1; age < OV_REPLAY_WINDOW + 200; age++)
            expect(&w, top - age, false);
        for (uint64_t age = 0; age <= OV_REPLAY_WINDOW; age++)
            expect(&w, top - age, false);
    }
}

static void test_jumps(void **state)
{
    struct ov_replay w;

    (void)state;
    ov_replay_init(&w);
    expect(&w, 3, true);
    expect(&w, 0, true);
    expect(&w, OV_REPLAY_WINDOW, true);
    expect(&w, 3, false);
    expect(&w, 2, true);
    expect(&w, 1ull << 40, true);
    expect(&w, 1, false);
    expect(&w, (1ull << 40) - 1, true);
    expect(&w, (1ull << 40) - OV_REPLAY_WINDOW, true);
    expect(&w, (1ull << 40) - OV_REPLAY_WINDOW - 1, false);
    expect(&w, (1ull << 40) + 64 * OV_REPLAY_WORDS, true); /* the ring once around, same word */
    expect(&w, (1ull << 40) + 64 * OV_REPLAY_WORDS - 1, true);
}

static void test_the_end(void **state)
{
    struct ov_replay w;

    (void)state;
    ov_replay_init(&w);
    expect(&w, UINT64_MAX, false);
    expect(&w, UINT64_MAX - 1, true);
    expect(&w, UINT64_MAX - 1, false);
    expect(&w, UINT64_MAX, false);
    expect(&w, UINT64_MAX - 2, true);
    expect(&w, 0, false);
}

/* Random counters around a moving top, against a list of everything ever accepted. */
static void test_against_model(void **state)
{
    enum { SPAN = 40000 };
    static bool seen[SPAN];
    struct ov_replay w;
    unsigned x = 9;
    uint64_t top = 0, accepted = 0;

    (void)state;
    ov_replay_init(&w);
    for (int i = 0; i < 400000; i++) {
        x = x * 1664525u + 1013904223u;
        uint64_t c = top > 9000 ? top - 9000 : 0;
        c += (x >> 8) % 9020;
        if (c >= SPAN)
            break;
        bool fresh = !seen[c] && c + OV_REPLAY_WINDOW >= top;
        assert_int_equal(ov_replay_check(&w, c), fresh);
        assert_int_equal(ov_replay_accept(&w, c), fresh ? OV_OK : OV_EREPLAY);
        seen[c] |= fresh;
        accepted += fresh;
        if (fresh && c > top)
            top = c;
    }
    assert_true(accepted > 1000 && top > OV_REPLAY_WINDOW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),      cmocka_unit_test(test_backwards),
        cmocka_unit_test(test_jumps),         cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_against_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
