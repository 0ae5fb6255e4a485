/* Who has how many connections to the local API, and who goes when there are too many. */
#include "cli/api_guests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1000000

static struct ov_api_guests g;
static struct ov_api_guest *out;
static uint64_t now;
static const struct ov_api_caller ROOT = {0, OV_API_ACCESS_ALL};

static int begin(void **state)
{
    (void)state;
    memset(&g, 0, sizeof(g));
    now = NOW;
    return 0;
}

static struct ov_api_caller user(uid_t uid)
{
    return (struct ov_api_caller){uid, OV_API_ACCESS_READ};
}

static struct ov_api_guest *enter(struct ov_api_caller who)
{
    assert_true(ov_api_guests_room(&g));
    struct ov_api_guest *p = ov_api_guests_enter(&g, &who, 7, now++, &out);
    assert_true(p->here && !p->going && p->uid == who.uid && p->access == who.access);
    assert_true(out == NULL || (out->here && out->going));
    return p;
}

/* The server let go of it. */
static void gone(struct ov_api_guest *p)
{
    if (p != NULL)
        p->here = false;
}

/* `n` of them come, and nobody goes for them. */
static void come(struct ov_api_caller who, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enter(who);
        assert_null(out);
    }
}

static size_t count(uid_t uid)
{
    size_t n = 0;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        n += g.v[i].here && !g.v[i].going && g.v[i].uid == uid;
    return n;
}

static void owners_have_all(void **state)
{
    (void)state;
    come(ROOT, OV_API_CONNECTIONS_MAX);
    assert_false(ov_api_guests_room(&g)); /* nobody is thrown out: the next waits */
    gone(&g.v[5]);
    come(ROOT, 1);
    assert_false(ov_api_guests_room(&g));
    gone(&g.v[6]);
    come(user(1000), 1);
    assert_true(ov_api_guests_room(&g)); /* for an owner */
    enter(ROOT);
    assert_int_equal(out->uid, 1000);
}

static void a_user_has_his_share(void **state)
{
    (void)state;
    struct ov_api_guest *first = enter(user(1000)), *second = enter(user(1000));
    come(user(1000), OV_API_USER_MAX - 2);
    come(user(1001), 1);
    first->since = now++; /* it was answered */
    enter(user(1000));
    assert_ptr_equal(out, second);
    assert_int_equal(count(1000), OV_API_USER_MAX);
    come(ROOT, 3); /* no owner takes anything while there are places */
    assert_int_equal(count(1000), OV_API_USER_MAX);
}

static void who_has_most_loses(void **state)
{
    (void)state;
    come(user(1000), 14);
    come(user(1001), OV_API_OTHERS_MAX - 14);
    enter(user(1002));
    assert_int_equal(out->uid, 1000);
    assert_int_equal(out->since, NOW);
    gone(out);
    assert_int_equal(count(1000) + count(1001) + count(1002), OV_API_OTHERS_MAX);
    come(ROOT, OV_API_CONNECTIONS_MAX - OV_API_OTHERS_MAX); /* their places were kept free */
    enter(ROOT);
    assert_int_equal(out->uid, 1000);
    gone(out);
    /* As many as another: the newcomer himself would have most. */
    memset(&g, 0, sizeof(g));
    come(user(1001), OV_API_OTHERS_MAX / 2);
    come(user(1000), OV_API_OTHERS_MAX / 2);
    enter(user(1000));
    assert_int_equal(out->uid, 1000);
}

/* Whoever does not go at once must not be told again and again. */
static void slow_to_go(void **state)
{
    size_t n = 0;
    (void)state;
    come(user(1000), OV_API_USER_MAX);
    for (; ov_api_guests_room(&g); n++) {
        enter(user(1000));
        assert_non_null(out);
    }
    assert_int_equal(n, OV_API_GUESTS_MAX - OV_API_USER_MAX);
    assert_int_equal(count(1000), OV_API_USER_MAX);
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        if (g.v[i].going)
            gone(&g.v[i]);
    assert_true(ov_api_guests_room(&g));
}

/* Whatever comes and goes: the bounds hold, and an owner goes for nobody. */
static void bounds(void **state)
{
    unsigned seed = 1;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        unsigned r = (unsigned)rand_r(&seed);
        struct ov_api_guest *p = &g.v[r / 8 % OV_API_GUESTS_MAX];
        if (r % 8 < 3) {
            gone(p);
        } else if (r % 8 == 3) {
            p->since = now++;
        } else if (ov_api_guests_room(&g)) {
            unsigned who = r / 1024 % 6;
            enter(who == 0 ? ROOT : user(who));
            assert_true(out == NULL || out->uid != 0);
        }
        size_t others = 0;
        for (uid_t uid = 1; uid < 6; uid++) {
            assert_true(count(uid) <= OV_API_USER_MAX);
            others += count(uid);
        }
        assert_true(others <= OV_API_OTHERS_MAX);
        assert_true(others + count(0) <= OV_API_CONNECTIONS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(owners_have_all, begin),
        cmocka_unit_test_setup(a_user_has_his_share, begin),
        cmocka_unit_test_setup(who_has_most_loses, begin),
        cmocka_unit_test_setup(slow_to_go, begin),
        cmocka_unit_test_setup(bounds, begin),
    };
    return cmocka_run_group_tests_name("api_guests", tests, NULL, NULL);
}
