/* Beacons: golden bytes, what opens them, and what does not. */
#include "core/beacon.h"

#include "core/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Made from docs/protocol.md by another program: networks with keys a0.., a1.., a2.. and a fourth
 * entry that is none, from 192.168.1.2. */
#define HEX_BEACON                                                                                 \
    "08000000000102030405060708090a0b0c0d0e0f1011121314151617f4f9e667450330f71f527b35"             \
    "2cebf0c737939751f03de5c74399bef81424a98fb37315e35afc5de887145f9c7a0218408cb7beed"             \
    "4843d244d001d99b7707214403d6f6ae8ee41fb834f736c5ee5a767b32db507b21fbf47de7b4c42a"             \
    "6706dc3463bcec5eac9314389b59e3dcb6eeb3bd0f41e7831f274476d2f3ab1d7547e9e502a9b5bf"             \
    "161c81d5920ba7c4280ceb50d4a2fd35f458ec64d4c8229a2de644c33a6ec22736d8f4151a8b98a6"             \
    "f6c871b2eebb2c02029735d4ce546352addf7589151b199770f9bfa408d0072f61ff763434621278"             \
    "9d7b9d6c5c68db5a17ea499aa8adfaf03614bf79013fd191fa50db409fbc47304021d917cb0831b4"             \
    "21421dd56b3142a816df7a128675c1cda80ef5173e08d6e96f47c0828cfd1ac12a47e48435bb7b5c"             \
    "856edbaf4f8251cd13d5eda9970f2508bc54d10f6e3faea063279f7f2de168a293d3245f60616263"             \
    "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b"             \
    "8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3"             \
    "b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacb"

static const struct ov_ip home = {.family = 4, .b = {192, 168, 1, 2}};
static const struct ov_ip home6 = {.family = 6, .b = {0xfe, 0x80, [15] = 2}};

static struct ov_secret32 key(unsigned n)
{
    struct ov_secret32 k;

    memset(k.b, (int)(0xa0 + n), sizeof(k.b));
    return k;
}

/* Counts up from where `arg` is. */
static void count_up(void *arg, void *buf, size_t len)
{
    uint8_t *next = arg, *p = buf;

    for (size_t i = 0; i < len; i++)
        p[i] = (*next)++;
}

static struct ov_beacon some(void)
{
    struct ov_beacon b = {.id.nonce = 0x0102030405060708, .port = 40231, .boot = 0xb0b1};

    memset(&b.id.dh, 0x11, sizeof(b.id.dh));
    memset(&b.id.sign, 0x22, sizeof(b.id.sign));
    return b;
}

static const struct ov_lookup_key seek_ip = {.kind = OV_LOOKUP_IP,
                                             .ip = {.family = 4, .b = {10, 147, 17, 5}}},
                                  seek_ip6 = {.kind = OV_LOOKUP_IP,
                                              .ip = {.family = 6, .b = {0xfd, [15] = 5}}},
                                  seek_member = {.kind = OV_LOOKUP_MEMBER, .member = 0x8056c2e21c};

static size_t make(uint8_t from, size_t n, const struct ov_ip *source, uint8_t out[OV_BEACON_MAX])
{
    struct ov_beacon b = some();
    struct ov_secret32 keys[OV_BEACON_ENTRIES_MAX];
    struct ov_beacon_entry v[OV_BEACON_ENTRIES_MAX] = {0};
    struct ov_random r = {count_up, &from};

    for (unsigned i = 0; i < n; i++) {
        keys[i] = key(i);
        v[i].key = &keys[i];
    }
    v[1].seek = seek_ip;
    v[2].seek = seek_member;
    v[3].seek = seek_ip6;
    return ov_beacon_encode(&b, v, n, source, &r, out);
}

static void test_golden(void **state)
{
    uint8_t d[OV_BEACON_MAX];
    char hex[2 * OV_BEACON_MAX + 1];
    size_t len = make(0, 3, &home, d);

    (void)state;
    for (size_t i = 0; i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", d[i]);
    assert_string_equal(hex, HEX_BEACON);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t n = 1; n <= OV_BEACON_ENTRIES_MAX; n++) {
        uint8_t d[OV_BEACON_MAX];
        const struct ov_ip *source = n % 2 ? &home : &home6;
        size_t len = make((uint8_t)(n * 31), n, source, d);
        struct ov_beacon want = some(), got;

        assert_int_equal(len, OV_BEACON_LEN(n <= 2 ? 2 : n <= 4 ? 4 : 8));
        assert_true(ov_beacon_valid(d, len));
        for (unsigned i = 0; i < n; i++) {
            struct ov_secret32 k = key(i);
            assert_int_equal(ov_beacon_open(d, len, source, &k, &got), OV_OK);
            assert_true(ov_identity_equal(&got.id, &want.id));
            assert_int_equal(got.id.addr, 0);
            assert_int_equal(got.port, want.port);
            assert_int_equal(got.boot, want.boot);
            struct ov_lookup_key seek = i == 1   ? seek_ip
                                        : i == 2 ? seek_member
                                        : i == 3 ? seek_ip6
                                                 : (struct ov_lookup_key){0};
            assert_true(got.seek.kind == seek.kind &&
                        (seek.kind == 0 || ov_lookup_key_equal(&got.seek, &seek)));
        }
        struct ov_secret32 other = key(9);
        assert_int_equal(ov_beacon_open(d, len, source, &other, &got), OV_ENOENT);
    }
}

/* From another address, or with any bit changed, it is nothing. */
static void test_changed(void **state)
{
    static const struct ov_ip elsewhere = {.family = 4, .b = {192, 168, 1, 3}};
    uint8_t d[OV_BEACON_MAX];
    size_t len = make(7, 1, &home, d);
    struct ov_secret32 k = key(0);
    struct ov_beacon got;

    (void)state;
    assert_int_equal(ov_beacon_open(d, len, &elsewhere, &k, &got), OV_ENOENT);
    assert_int_equal(ov_beacon_open(d, len, &home6, &k, &got), OV_ENOENT);
    for (size_t bit = 0; bit < 8 * OV_BEACON_LEN(1); bit++) {
        d[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_beacon_open(d, len, &home, &k, &got), bit < 32 ? OV_EINVAL : OV_ENOENT);
        d[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n <= OV_BEACON_MAX + 1; n++) {
        bool fits = n == 246 || n == 464 || n == 900;
        uint8_t *exact = calloc(1, n ? n : 1);
        memcpy(exact, d, n < len ? n : len);
        assert_int_equal(ov_beacon_valid(exact, n), fits);
        assert_int_equal(ov_beacon_open(exact, n, &home, &k, &got), n == len          ? OV_OK
                                                                    : n > len && fits ? OV_OK
                                                                                      : OV_EINVAL);
        free(exact);
    }
    assert_int_equal(ov_beacon_open(d, len, &home, &k, &got), OV_OK);
}

/* Made by somebody who has the key and says nonsense. */
static void test_nonsense(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int err;
    } cases[] = {
        {76, 0, OV_OK},       {76, 2, OV_EINVAL}, {76, 3, OV_EINVAL}, {76, 5, OV_EINVAL},
        {76, 255, OV_EINVAL}, {92, 1, OV_EINVAL}, {77, 1, OV_EINVAL}, /* kind 0 has no key */
        {76, 1, OV_EINVAL},                                           /* address 0 */
        {76, 4, OV_OK},       {76, 6, OV_OK}, /* 0.0.0.0 and ::, which nobody has */
    };
    uint8_t d[OV_BEACON_LEN(2)] = {OV_WIRE_BEACON}, body[OV_BEACON_BODY], ad[9] = {OV_WIRE_BEACON};
    struct ov_secret32 k = key(0);
    struct ov_beacon got;

    (void)state;
    memcpy(ad + 4, (uint8_t[]){4, 192, 168, 1, 2}, 5);
    for (size_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        memset(body, 0, sizeof(body));
        bool no_port = i == sizeof(cases) / sizeof(cases[0]);
        body[73] = no_port ? 0 : 1;
        if (!no_port)
            body[cases[i].at] = cases[i].value;
        ov_xaead_seal(k.b, d + 4, ad, sizeof(ad), body, sizeof(body), d + OV_BEACON_HEADER);
        assert_int_equal(ov_beacon_open(d, sizeof(d), &home, &k, &got),
                         no_port ? OV_EINVAL : cases[i].err);
    }
}

/* Two networks with one key, which only a controller that wants trouble has: no nonce is used
 * twice. */
static void test_one_key_twice(void **state)
{
    uint8_t d[OV_BEACON_MAX], salt = 0xf0;
    struct ov_beacon b = some(), got;
    struct ov_secret32 k = key(0);
    struct ov_beacon_entry v[2] = {{&k, {0}}, {&k, {0}}};
    struct ov_random r = {count_up, &salt};
    size_t len = ov_beacon_encode(&b, v, 2, &home, &r, d);

    (void)state;
    assert_memory_not_equal(d + OV_BEACON_HEADER, d + OV_BEACON_LEN(1), OV_BEACON_ENTRY);
    assert_int_equal(ov_beacon_open(d, len, &home, &k, &got), OV_OK);
    memset(d + OV_BEACON_HEADER, 0, OV_BEACON_ENTRY); /* the second one alone opens, too */
    assert_int_equal(ov_beacon_open(d, len, &home, &k, &got), OV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_changed),       cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_one_key_twice),
    };

    return ov_crypto_init() == OV_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
