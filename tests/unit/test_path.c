#include "core/path.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW (100 * OV_SEC)

static struct ov_endpoint ep(uint8_t host)
{
    return (struct ov_endpoint){{4, {198, 51, 100, host}}, 4793, 0};
}

static int add(struct ov_paths *ps, uint8_t host, ov_time now)
{
    struct ov_endpoint to = ep(host);

    return ov_paths_add(ps, 0, &to, OV_CANDIDATE_SEEN, now);
}

/* A path that was proven at `now`, with this round trip. */
static int valid(struct ov_paths *ps, uint8_t host, ov_time now, ov_time rtt)
{
    int i = add(ps, host, now);

    ps->p[i].state = OV_PATH_VALID;
    ps->p[i].last_ok = ps->p[i].last_rx = now;
    for (int k = 0; k < 40; k++) /* until jitter is gone */
        ov_quality_answered(&ps->p[i].q, rtt);
    return i;
}

static void test_table(void **state)
{
    struct ov_paths ps;
    struct ov_endpoint to = ep(1);

    (void)state;
    ov_paths_init(&ps, NOW);
    assert_int_equal(ps.active, OV_PATH_RELAY);
    assert_int_equal(ov_paths_find(&ps, 0, &to), -1);
    int i = add(&ps, 1, NOW);
    assert_int_equal(add(&ps, 1, NOW), i);
    assert_int_equal(ov_paths_find(&ps, 0, &to), i);
    assert_int_equal(ov_paths_find(&ps, 1, &to), -1); /* another socket is another path */
    assert_int_equal(ps.p[i].state, OV_PATH_TRYING);
    assert_int_equal(ps.p[i].q.mtu, OV_PATH_MTU_MIN);
    ov_path_remove(&ps, i);
    assert_int_equal(ov_paths_find(&ps, 0, &to), -1);
}

/* A full table gives up the trying path that started first, then the valid one proven longest ago,
 * and never the one in use. */
static void test_full(void **state)
{
    struct ov_paths ps;

    (void)state;
    ov_paths_init(&ps, NOW);
    for (uint8_t k = 0; k < OV_PATHS_MAX; k++)
        add(&ps, k, NOW + k);
    ps.p[0].state = OV_PATH_VALID;
    ps.active = 0;
    ps.p[1].state = ps.p[2].state = OV_PATH_VALID;
    assert_int_equal(add(&ps, 100, NOW + 100), 3);
    assert_int_equal(add(&ps, 101, NOW + 101), 4);
    for (int k = 0; k < OV_PATHS_MAX; k++) {
        ps.p[k].state = OV_PATH_VALID;
        ps.p[k].last_ok = NOW + 1000 - (ov_time)k;
    }
    assert_int_equal(add(&ps, 102, NOW + 102), OV_PATHS_MAX - 1);
    ps.p[OV_PATHS_MAX - 1].state = OV_PATH_VALID;
    ps.p[OV_PATHS_MAX - 1].last_ok = NOW + 5000;
    ps.p[0].last_ok = 1;
    assert_int_equal(add(&ps, 103, NOW + 103), OV_PATHS_MAX - 2);
}

static void test_schedule(void **state)
{
    static const ov_time at[OV_PATH_TRIES] = {0, 100, 300, 700, 1500};
    struct ov_paths ps;

    (void)state;
    ov_paths_init(&ps, NOW);
    struct ov_path *p = &ps.p[add(&ps, 1, NOW)];
    assert_true(p->next_probe == OV_NEVER);
    ov_path_schedule(p, NOW, 50 * OV_MS);
    for (int k = 0; k < OV_PATH_TRIES; k++) {
        assert_int_equal(p->next_probe, NOW + 50 * OV_MS + at[k] * OV_MS);
        ov_path_advance(p);
    }
    assert_true(p->next_probe == OV_NEVER);
}

static void test_probes(void **state)
{
    struct ov_paths ps;
    struct ov_probe out;

    (void)state;
    ov_paths_init(&ps, NOW);
    assert_true(ov_probes_deadline(&ps) == OV_NEVER);
    for (uint64_t k = 1; k <= OV_PROBES_MAX; k++)
        assert_int_equal(ov_probe_add(&ps, &(struct ov_probe){.txid = k, .sent = NOW + k}), 0);
    assert_int_equal(ov_probes_deadline(&ps), NOW + 1 + OV_PROBE_LOST);
    assert_false(ov_probe_take(&ps, 0, &out));
    assert_false(ov_probe_take(&ps, 999, &out));
    /* The oldest gives way, but not one that a user waits for while there is another. */
    ps.probes[0].user_id = 5;
    assert_int_equal(ov_probe_add(&ps, &(struct ov_probe){.txid = 100, .sent = NOW + 100}), 0);
    assert_false(ov_probe_take(&ps, 2, &out));
    assert_true(ov_probe_take(&ps, 1, &out));
    assert_int_equal(out.user_id, 5);
    assert_false(ov_probe_take(&ps, 1, &out)); /* once only */
    assert_false(ov_probe_lost(&ps, NOW + 2 + OV_PROBE_LOST, &out));
    assert_true(ov_probe_lost(&ps, NOW + 3 + OV_PROBE_LOST, &out));
    assert_int_equal(out.txid, 3);
    assert_false(ov_probe_lost(&ps, NOW + 3 + OV_PROBE_LOST, &out));
}

/* Where users wait for all of them, the one given up is named. */
static void test_probes_of_users(void **state)
{
    struct ov_paths ps;
    struct ov_probe out;

    (void)state;
    ov_paths_init(&ps, NOW);
    for (uint64_t k = 1; k <= OV_PROBES_MAX; k++)
        assert_int_equal(
            ov_probe_add(&ps, &(struct ov_probe){.txid = k, .sent = NOW + k, .user_id = 100 + k}),
            0);
    assert_int_equal(ov_probe_add(&ps, &(struct ov_probe){.txid = 200, .sent = NOW + 99}), 101);
    assert_false(ov_probe_take(&ps, 1, &out));
    assert_int_equal(ov_probe_add(&ps, &(struct ov_probe){.txid = 201, .sent = NOW + 100}), 0);
    /* A place that is free again holds nobody's any more. */
    assert_true(ov_probe_take(&ps, 2, &out));
    assert_int_equal(ov_probe_add(&ps, &(struct ov_probe){.txid = 202, .sent = NOW + 101}), 0);
}

/* Probes of a path that goes are forgotten, so that their answers prove nothing; a user's ping only
 * loses its path. */
static void test_probes_of_removed_path(void **state)
{
    struct ov_paths ps;
    struct ov_probe out;

    (void)state;
    ov_paths_init(&ps, NOW);
    int i = add(&ps, 1, NOW);
    const struct ov_probe probes[] = {{.txid = 1, .path = i, .sent = NOW},
                                      {.txid = 2, .path = i, .sent = NOW, .user_id = 9},
                                      {.txid = 3, .path = OV_PATH_RELAY, .sent = NOW}};
    for (int k = 0; k < 3; k++)
        assert_int_equal(ov_probe_add(&ps, &probes[k]), 0);
    ov_path_remove(&ps, i);
    assert_false(ov_probe_take(&ps, 1, &out));
    assert_true(ov_probe_take(&ps, 2, &out));
    assert_int_equal(out.path, OV_PATH_NONE);
    assert_true(ov_probe_take(&ps, 3, &out));
    assert_int_equal(out.path, OV_PATH_RELAY);
}

static void test_smoothing(void **state)
{
    struct ov_path_quality q;

    (void)state;
    ov_quality_init(&q);
    ov_quality_answered(&q, 100 * OV_MS);
    assert_int_equal(q.srtt, 100 * OV_MS);
    assert_int_equal(q.jitter, 50 * OV_MS);
    ov_quality_answered(&q, 180 * OV_MS);
    assert_int_equal(q.srtt, 110 * OV_MS);
    assert_int_equal(q.jitter, (150 + 80) * OV_MS / 4);
    ov_quality_answered(&q, 0);
    assert_true(q.srtt > 0);
    for (int i = 0; i < 100; i++)
        ov_quality_lost(&q);
    assert_in_range(q.loss, 990, 1000);
    for (int i = 0; i < 100; i++)
        ov_quality_answered(&q, OV_MS);
    assert_int_equal(q.loss, 0);
}

static void test_mtu_search(void **state)
{
    struct ov_path_quality q;

    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        uint16_t want[] = {OV_PATH_MTU_SAFE, family == 4 ? 1472 : 1452, family == 4 ? 8972 : 8952};
        ov_quality_init(&q);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(ov_quality_mtu_probe(&q, (uint8_t)family, NOW), want[k]);
            ov_quality_mtu_sent(&q, NOW);
            assert_int_equal(ov_quality_mtu_probe(&q, (uint8_t)family, NOW), 0);
            ov_quality_mtu_answered(&q, want[k], NOW);
            assert_int_equal(q.mtu, want[k]);
        }
        assert_int_equal(ov_quality_mtu_probe(&q, (uint8_t)family, NOW), 0);
    }
}

static int mtu_tries(struct ov_path_quality *q, ov_time from, ov_time to)
{
    int tries = 0;

    for (ov_time now = from; now < to; now += 50 * OV_MS)
        if (ov_quality_mtu_probe(q, 4, now)) {
            ov_quality_mtu_sent(q, now);
            tries++;
        }
    return tries;
}

/* Soon at first, as it may have been loss; each minute when it was not. Jumbo frames get no such
 * patience. */
static void test_mtu_stops(void **state)
{
    struct ov_path_quality q;
    ov_time later = NOW + 120 * OV_SEC;

    (void)state;
    ov_quality_init(&q);
    assert_int_equal(mtu_tries(&q, NOW, NOW + OV_SEC), 3);
    assert_int_equal(mtu_tries(&q, NOW + OV_SEC, NOW + 60 * OV_SEC), 5 * 3);
    (void)mtu_tries(&q, NOW + 60 * OV_SEC, later);
    assert_int_equal(mtu_tries(&q, later, later + 605 * OV_SEC), 10 * 3);
    assert_int_equal(q.mtu, OV_PATH_MTU_MIN);
    assert_int_equal(ov_quality_mtu_probe(&q, 4, later + 700 * OV_SEC), OV_PATH_MTU_SAFE);
    ov_quality_mtu_answered(&q, OV_PATH_MTU_SAFE, later);
    ov_quality_mtu_answered(&q, 1472, later);
    assert_int_equal(mtu_tries(&q, later, later + 60 * OV_SEC), 3);
}

static void test_black_hole(void **state)
{
    struct ov_path_quality q;

    (void)state;
    ov_quality_init(&q);
    ov_quality_mtu_answered(&q, OV_PATH_MTU_SAFE, NOW);
    ov_quality_mtu_answered(&q, 1472, NOW);
    ov_quality_mtu_missed(&q, NOW);
    assert_int_equal(q.mtu, 1472);
    ov_quality_mtu_answered(&q, 1472, NOW); /* it was only a loss */
    ov_quality_mtu_missed(&q, NOW);
    ov_quality_mtu_missed(&q, NOW);
    assert_int_equal(q.mtu, 1472);
    ov_quality_mtu_missed(&q, NOW);
    assert_int_equal(q.mtu, OV_PATH_MTU_MIN);
    assert_int_equal(ov_quality_mtu_probe(&q, 4, NOW), OV_PATH_MTU_SAFE);
    /* A third of all that is small is lost, too. */
    ov_quality_mtu_answered(&q, OV_PATH_MTU_SAFE, NOW);
    q.loss = 330;
    for (int i = 0; i < 5; i++)
        ov_quality_mtu_missed(&q, NOW);
    assert_int_equal(q.mtu, OV_PATH_MTU_SAFE);
    ov_quality_mtu_missed(&q, NOW);
    assert_int_equal(q.mtu, OV_PATH_MTU_MIN);
}

static void test_score(void **state)
{
    struct ov_path far = {.remote = ep(1), .q = {.srtt = 40 * OV_MS}};
    struct ov_path near = far, lossy = far, six = far;

    (void)state;
    near.remote.ip = (struct ov_ip){4, {192, 168, 1, 2}};
    lossy.q.loss = 500;
    six.remote.ip = (struct ov_ip){6, {0x20, 1, 0xd, 0xb8}};
    assert_int_equal(ov_path_score(&far), 40 * OV_MS);
    assert_int_equal(ov_path_score(&near), 32 * OV_MS);
    assert_int_equal(ov_path_score(&six), 38 * OV_MS);
    assert_int_equal(ov_path_score(&lossy), 190 * OV_MS);
}

static void test_private(void **state)
{
    static const struct {
        const char *text;
        bool is;
    } t[] = {{"10.0.0.1", true},       {"172.15.255.255", false}, {"172.16.0.0", true},
             {"172.31.255.255", true}, {"172.32.0.0", false},     {"192.168.0.1", true},
             {"192.169.0.1", false},   {"169.254.9.9", true},     {"100.64.0.1", false},
             {"8.8.8.8", false},       {"fd00::1", true},         {"fc00::1", true},
             {"fe80::1", true},        {"febf::1", true},         {"fec0::1", false},
             {"2001:db8::1", false}};

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct ov_ip ip;
        assert_int_equal(ov_ip_parse(t[i].text, &ip), OV_OK);
        assert_int_equal(ov_ip_is_private(&ip), t[i].is);
    }
}

static void test_choose(void **state)
{
    struct ov_paths ps;

    (void)state;
    ov_paths_init(&ps, NOW);
    assert_int_equal(ov_paths_choose(&ps, false), OV_PATH_RELAY);
    add(&ps, 9, NOW); /* trying: not to be used */
    assert_int_equal(ov_paths_choose(&ps, false), OV_PATH_RELAY);
    int slow = valid(&ps, 1, NOW, 50 * OV_MS);
    assert_int_equal(ov_paths_choose(&ps, false), slow);
    ps.active = slow;
    /* A little better is not enough; clearly better is, three times in a row. */
    int same = valid(&ps, 2, NOW, 45 * OV_MS);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ov_paths_choose(&ps, false), slow);
    ov_path_remove(&ps, same);
    int fast = valid(&ps, 3, NOW, 10 * OV_MS);
    assert_int_equal(ov_paths_choose(&ps, false), slow);
    assert_int_equal(ov_paths_choose(&ps, false), slow);
    assert_int_equal(ov_paths_choose(&ps, false), fast);
}

/* The way by the router's hairpin is hardly slower than the LAN, and loses all the same; the LAN is
 * left only for what is better by far, three times. */
static void test_choose_near(void **state)
{
    struct ov_paths ps;

    (void)state;
    ov_paths_init(&ps, NOW);
    int hairpin = valid(&ps, 1, NOW, 300000);
    ps.active = ov_paths_choose(&ps, false);
    assert_int_equal(ps.active, hairpin);
    assert_false(ov_paths_has_near(&ps));
    int lan = valid(&ps, 2, NOW, 600000);
    assert_int_equal(ov_paths_choose(&ps, false), hairpin);
    ps.p[lan].near = true;
    assert_true(ov_paths_has_near(&ps));
    ps.active = ov_paths_choose(&ps, false);
    assert_int_equal(ps.active, lan);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ov_paths_choose(&ps, false), lan);
    ps.p[lan].q.srtt = 50 * OV_MS;
    assert_int_equal(ov_paths_choose(&ps, false), lan);
    assert_int_equal(ov_paths_choose(&ps, false), lan);
    assert_int_equal(ov_paths_choose(&ps, false), hairpin);
    ps.p[lan].state = OV_PATH_TRYING;
    assert_false(ov_paths_has_near(&ps));
}

static void test_choose_in_doubt(void **state)
{
    struct ov_paths ps;

    (void)state;
    ov_paths_init(&ps, NOW);
    int act = valid(&ps, 1, NOW, 10 * OV_MS), other = valid(&ps, 2, NOW, 90 * OV_MS);
    ps.active = act;
    ps.p[act].last_rx = NOW + OV_SEC;
    assert_int_equal(ov_paths_choose(&ps, true), act); /* nothing fresher */
    ps.p[other].last_ok = NOW + 2 * OV_SEC;
    assert_int_equal(ov_paths_choose(&ps, true), other);
    assert_int_equal(ov_paths_choose(&ps, false), act);
    /* An active path that is to be proven anew counts no more. */
    ps.p[act].state = OV_PATH_TRYING;
    assert_int_equal(ov_paths_choose(&ps, false), other);
    ov_path_remove(&ps, other);
    assert_int_equal(ov_paths_choose(&ps, false), OV_PATH_RELAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_full),
        cmocka_unit_test(test_schedule),        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_probes_of_users), cmocka_unit_test(test_probes_of_removed_path),
        cmocka_unit_test(test_smoothing),       cmocka_unit_test(test_mtu_search),
        cmocka_unit_test(test_mtu_stops),       cmocka_unit_test(test_black_hole),
        cmocka_unit_test(test_score),           cmocka_unit_test(test_private),
        cmocka_unit_test(test_choose),          cmocka_unit_test(test_choose_near),
        cmocka_unit_test(test_choose_in_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
