#include "core/timer.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N 200

struct probe {
    struct ov_timer t;
    struct ov_timers *ts;
    int id, calls;
    ov_time restart; /* not 0: start again for then */
    struct probe *stops, *moves;
    ov_time moves_to;
    int *log, *logged;
};

static void fire(void *arg, ov_time now)
{
    struct probe *p = arg;

    assert_false(ov_timer_active(&p->t));
    assert_true(p->t.when <= now);
    p->calls++;
    if (p->log != NULL)
        p->log[(*p->logged)++] = p->id;
    if (p->stops != NULL)
        ov_timer_stop(p->ts, &p->stops->t);
    if (p->moves != NULL)
        ov_timer_start(p->ts, &p->moves->t, p->moves_to);
    if (p->restart != 0)
        ov_timer_start(p->ts, &p->t, p->restart);
}

static void probe_init(struct probe *p, struct ov_timers *ts, int id)
{
    memset(p, 0, sizeof(*p));
    p->ts = ts;
    p->id = id;
    ov_timer_init(&p->t, fire, p);
}

static void test_order(void **state)
{
    struct ov_timers ts;
    struct probe p[N];
    int log[N], logged = 0;

    (void)state;
    ov_timers_init(&ts);
    assert_true(ov_timers_next(&ts) == OV_NEVER);
    ov_timers_run(&ts, 5);
    assert_int_equal(ov_timers_reserve(&ts, N), OV_OK);
    for (int i = 0; i < N; i++) {
        probe_init(&p[i], &ts, i);
        p[i].log = log;
        p[i].logged = &logged;
        ov_timer_start(&ts, &p[i].t, (ov_time)(10 + (i * 7919) % 13));
        assert_true(ov_timer_active(&p[i].t));
    }
    assert_true(ov_timers_next(&ts) == 10);
    ov_timers_run(&ts, 9);
    assert_int_equal(logged, 0);
    ov_timers_run(&ts, 15);
    assert_true(logged > 0 && logged < N);
    assert_true(ov_timers_next(&ts) == 16);
    ov_timers_run(&ts, 100);
    assert_int_equal(logged, N);
    for (int i = 1; i < N; i++) {
        struct probe *a = &p[log[i - 1]], *b = &p[log[i]];
        assert_true(a->t.when < b->t.when || (a->t.when == b->t.when && a->id < b->id));
    }
    assert_true(ov_timers_next(&ts) == OV_NEVER);
    ov_timers_free(&ts);
}

static void test_move_and_stop(void **state)
{
    struct ov_timers ts;
    struct probe p[N];
    unsigned x = 3;

    (void)state;
    ov_timers_init(&ts);
    for (int i = 0; i < N; i++)
        probe_init(&p[i], &ts, i);
    for (int round = 0; round < 20000; round++) {
        x = x * 1664525u + 1013904223u;
        struct ov_timer *t = &p[(x >> 8) % N].t;
        ov_time least = OV_NEVER;
        if ((x >> 28) % 4 == 0)
            ov_timer_stop(&ts, t);
        else if ((x >> 28) % 4 == 1)
            ov_timer_start(&ts, t, OV_NEVER);
        else
            ov_timer_start(&ts, t, 1 + (x >> 4) % 1000);
        assert_int_equal(ov_timer_active(t), (x >> 28) % 4 > 1);
        for (int i = 0; i < N; i++) {
            if (ov_timer_active(&p[i].t) && p[i].t.when < least)
                least = p[i].t.when;
        }
        assert_true(ov_timers_next(&ts) == least);
    }
    ov_timers_free(&ts);
    for (int i = 0; i < N; i++) {
        assert_false(ov_timer_active(&p[i].t));
        assert_int_equal(p[i].calls, 0);
    }
}

/* A timer that a callback starts for now waits for the next run, whatever else is due. */
static void test_restart_waits(void **state)
{
    struct ov_timers ts;
    struct probe p[3];

    (void)state;
    ov_timers_init(&ts);
    for (int i = 0; i < 3; i++) {
        probe_init(&p[i], &ts, i);
        ov_timer_start(&ts, &p[i].t, (ov_time)(10 + i));
    }
    p[0].restart = 1; /* long past, and before the others */
    ov_timers_run(&ts, 50);
    assert_int_equal(p[0].calls, 1);
    assert_int_equal(p[1].calls, 1);
    assert_int_equal(p[2].calls, 1);
    assert_true(ov_timers_next(&ts) == 1);
    ov_timers_run(&ts, 50);
    assert_int_equal(p[0].calls, 2);
    ov_timers_free(&ts);
}

static void test_callbacks_touch_due_timers(void **state)
{
    struct ov_timers ts;
    struct probe p[6];

    (void)state;
    ov_timers_init(&ts);
    for (int i = 0; i < 6; i++) {
        probe_init(&p[i], &ts, i);
        ov_timer_start(&ts, &p[i].t, (ov_time)(10 + i));
    }
    p[0].stops = &p[2]; /* due in this very run */
    p[1].moves = &p[4]; /* due too, put off */
    p[1].moves_to = 70;
    p[3].moves = &p[5]; /* due too, and moved to now: next run */
    p[3].moves_to = 50;
    ov_timers_run(&ts, 50);
    static const int want[6] = {1, 1, 0, 1, 0, 0};
    for (int i = 0; i < 6; i++)
        assert_int_equal(p[i].calls, want[i]);
    assert_true(ov_timers_next(&ts) == 50);
    ov_timers_run(&ts, 50);
    assert_int_equal(p[5].calls, 1);
    assert_true(ov_timers_next(&ts) == 70);
    ov_timers_run(&ts, 70);
    assert_int_equal(p[4].calls, 1);
    assert_false(ov_timer_active(&p[2].t));
    ov_timers_free(&ts);
}

/* The array is as full as can be, every timer is due, and each starts itself again. */
static void test_full_array(void **state)
{
    struct ov_timers ts;
    struct probe p[16];

    (void)state;
    ov_timers_init(&ts);
    assert_int_equal(ov_timers_reserve(&ts, 16), OV_OK);
    assert_int_equal(ts.cap, 16);
    for (int i = 0; i < 16; i++) {
        probe_init(&p[i], &ts, i);
        p[i].restart = (ov_time)(100 - i);
        ov_timer_start(&ts, &p[i].t, (ov_time)(1 + i));
    }
    p[0].stops = &p[9];
    ov_timers_run(&ts, 40);
    assert_int_equal(ts.cap, 16);
    assert_int_equal(ts.len, 15);
    for (int i = 0; i < 16; i++)
        assert_int_equal(p[i].calls, i == 9 ? 0 : 1);
    assert_true(ov_timers_next(&ts) == 85);
    ov_timers_free(&ts);
}

struct grower {
    struct ov_timer t;
    struct ov_timers *ts;
    struct probe *more;
};

static void grow(void *arg, ov_time now)
{
    struct grower *g = arg;

    assert_int_equal(ov_timers_reserve(g->ts, 100), OV_OK);
    for (int i = 0; i < 100; i++)
        ov_timer_start(g->ts, &g->more[i].t, now + 1);
}

/* The array is moved while due timers wait in it. */
static void test_grow_while_running(void **state)
{
    struct ov_timers ts;
    struct probe p[N];
    struct grower g = {.ts = &ts, .more = p + 10};

    (void)state;
    ov_timers_init(&ts);
    ov_timer_init(&g.t, grow, &g);
    ov_timer_start(&ts, &g.t, 1);
    for (int i = 0; i < N; i++)
        probe_init(&p[i], &ts, i);
    for (int i = 0; i < 10; i++)
        ov_timer_start(&ts, &p[i].t, (ov_time)(2 + i));
    ov_timers_run(&ts, 20);
    for (int i = 0; i < 110; i++)
        assert_int_equal(p[i].calls, i < 10);
    ov_timers_run(&ts, 21);
    for (int i = 0; i < 110; i++)
        assert_int_equal(p[i].calls, 1);
    ov_timers_free(&ts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),         cmocka_unit_test(test_move_and_stop),
        cmocka_unit_test(test_restart_waits), cmocka_unit_test(test_callbacks_touch_due_timers),
        cmocka_unit_test(test_full_array),    cmocka_unit_test(test_grow_while_running),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
