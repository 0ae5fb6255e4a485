#include "core/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MSG_LEN 80

struct scene {
    struct ov_cookie_checker checker;
    struct ov_cookie_maker maker;
    struct ov_random rnd;
    uint64_t drawn;
    uint8_t msg[MSG_LEN];
};

static const uint8_t here[] = {192, 0, 2, 1, 0x12, 0x34}, there[] = {192, 0, 2, 1, 0x12, 0x35};

/* Never the same bytes twice. */
static void fill(void *arg, void *buf, size_t len)
{
    uint64_t *drawn = arg;
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(*drawn * 37 + i);
    (*drawn)++;
}

static void scene_init(struct scene *s)
{
    struct ov_dh_public pub;
    struct ov_dh_secret sec;
    const uint8_t seed[32] = {0x40};

    memset(s, 0, sizeof(*s));
    s->rnd = (struct ov_random){fill, &s->drawn};
    ov_dh_from_seed(seed, &pub, &sec);
    ov_cookie_checker_init(&s->checker, &pub);
    ov_cookie_maker_init(&s->maker, &pub);
    for (size_t i = 0; i < sizeof(s->msg); i++)
        s->msg[i] = (uint8_t)i;
}

static enum ov_mac_state check(struct scene *s, const uint8_t source[6], ov_time now)
{
    return ov_cookie_check(&s->checker, &s->rnd, s->msg, MSG_LEN, source, 6, now);
}

static void give_cookie(struct scene *s, const uint8_t source[6], ov_time now)
{
    uint8_t reply[OV_COOKIE_REPLY_LEN];

    ov_cookie_mac(&s->maker, s->msg, MSG_LEN, now);
    ov_cookie_reply(&s->checker, &s->rnd, s->msg, MSG_LEN, source, 6, now, reply);
    assert_int_equal(ov_cookie_consume(&s->maker, reply, now), 0);
}

static void test_mac1(void **state)
{
    static const uint8_t zero[OV_MAC_LEN];
    struct ov_dh_public other = {{7}};
    struct ov_cookie_checker stranger;
    struct scene s;

    (void)state;
    scene_init(&s);
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, OV_SEC);
    assert_memory_equal(s.msg + MSG_LEN - OV_MAC_LEN, zero,
                        OV_MAC_LEN); /* no cookie: mac2 is zero */
    assert_int_equal(check(&s, here, OV_SEC), OV_MAC_VALID);
    for (size_t bit = 0; bit < 8 * (MSG_LEN - OV_MAC_LEN); bit++) {
        s.msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(check(&s, here, OV_SEC), OV_MAC_INVALID);
        s.msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < MSG_LEN; len++)
        assert_int_equal(ov_cookie_check(&s.checker, &s.rnd, s.msg, len, here, 6, OV_SEC),
                         OV_MAC_INVALID);
    ov_cookie_checker_init(&stranger, &other);
    assert_int_equal(ov_cookie_check(&stranger, &s.rnd, s.msg, MSG_LEN, here, 6, OV_SEC),
                     OV_MAC_INVALID);
}

/* The rules of the header, computed here from the primitives alone. */
static void test_construction(void **state)
{
    struct ov_dh_public pub;
    struct ov_dh_secret sec;
    const uint8_t seed[32] = {0x40};
    uint8_t text[44], key[32], mac[16], cookie[16];
    struct scene s;

    (void)state;
    scene_init(&s);
    ov_dh_from_seed(seed, &pub, &sec);
    give_cookie(&s, here, OV_SEC);
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, OV_SEC);

    memcpy(text, "ovpn mac1 v1", 12);
    memcpy(text + 12, pub.b, 32);
    ov_hash(key, 32, NULL, 0, text, 44);
    ov_hash(mac, 16, key, 32, s.msg, MSG_LEN - 32);
    assert_memory_equal(mac, s.msg + MSG_LEN - 32, 16);
    ov_hash(cookie, 16, s.checker.secret.b, 32, here, 6);
    ov_hash(mac, 16, cookie, 16, s.msg, MSG_LEN - 16);
    assert_memory_equal(mac, s.msg + MSG_LEN - 16, 16);
}

static void test_cookie_proves_the_source(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    give_cookie(&s, here, OV_SEC);
    assert_int_equal(check(&s, here, OV_SEC), OV_MAC_VALID); /* made before it had the cookie */
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, 2 * OV_SEC);
    assert_int_equal(check(&s, here, 2 * OV_SEC), OV_MAC_VALID_WITH_COOKIE);
    assert_int_equal(check(&s, there, 2 * OV_SEC), OV_MAC_VALID);
    s.msg[MSG_LEN - 1] ^= 1;
    assert_int_equal(check(&s, here, 2 * OV_SEC), OV_MAC_VALID);
}

static void test_cookie_grows_old(void **state)
{
    static const uint8_t zero[OV_MAC_LEN];
    const ov_time born = OV_SEC, last = born + OV_COOKIE_SECRET_LIFE - 5 * OV_SEC - 1;
    struct scene s;

    (void)state;
    scene_init(&s);
    give_cookie(&s, here, born);
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, last);
    assert_int_equal(check(&s, here, last), OV_MAC_VALID_WITH_COOKIE);
    /* Still good until the secret changes, and not after. */
    assert_int_equal(check(&s, here, born + OV_COOKIE_SECRET_LIFE - 1), OV_MAC_VALID_WITH_COOKIE);
    assert_int_equal(check(&s, here, born + OV_COOKIE_SECRET_LIFE), OV_MAC_VALID);
    /* The maker stops using it a little earlier by itself. */
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, last + 1);
    assert_memory_equal(s.msg + MSG_LEN - OV_MAC_LEN, zero, OV_MAC_LEN);
}

static void test_only_the_answer_to_the_last_message(void **state)
{
    uint8_t old[OV_COOKIE_REPLY_LEN], reply[OV_COOKIE_REPLY_LEN];
    struct ov_cookie_maker before;
    struct scene s;

    (void)state;
    scene_init(&s);
    memset(reply, 0, sizeof(reply));
    assert_int_equal(ov_cookie_consume(&s.maker, reply, OV_SEC), OV_EAUTH); /* nothing sent yet */
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, OV_SEC);
    ov_cookie_reply(&s.checker, &s.rnd, s.msg, MSG_LEN, here, 6, OV_SEC, old);
    s.msg[0] ^= 1;
    ov_cookie_mac(&s.maker, s.msg, MSG_LEN, OV_SEC);
    assert_int_equal(ov_cookie_consume(&s.maker, old, OV_SEC), OV_EAUTH);

    ov_cookie_reply(&s.checker, &s.rnd, s.msg, MSG_LEN, here, 6, OV_SEC, reply);
    before = s.maker;
    for (size_t bit = 0; bit < 8 * sizeof(reply); bit++) {
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_cookie_consume(&s.maker, reply, OV_SEC), OV_EAUTH);
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_memory_equal(&before, &s.maker, sizeof(before));
    assert_int_equal(ov_cookie_consume(&s.maker, reply, OV_SEC), 0);
    assert_int_equal(ov_cookie_consume(&s.maker, reply, OV_SEC), OV_EAUTH); /* replayed */
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac1),
        cmocka_unit_test(test_construction),
        cmocka_unit_test(test_cookie_proves_the_source),
        cmocka_unit_test(test_cookie_grows_old),
        cmocka_unit_test(test_only_the_answer_to_the_last_message),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
