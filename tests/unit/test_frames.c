#include "transport/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZES 5
static const size_t sizes[SIZES] = {OV_FRAMES_MIN, 33, 300, 1440, OV_FRAMES_MAX};

static size_t make(uint8_t *out, bool hello)
{
    size_t n = 0;

    if (hello) {
        memcpy(out, OV_FRAMES_HELLO, OV_FRAMES_HELLO_LEN);
        n = OV_FRAMES_HELLO_LEN;
    }
    for (size_t i = 0; i < SIZES; i++) {
        out[n++] = (uint8_t)(sizes[i] >> 8);
        out[n++] = (uint8_t)sizes[i];
        memset(out + n, (int)(i + 1), sizes[i]);
        n += sizes[i];
    }
    return n;
}

/* Feed one piece; every datagram that comes out must be the next one. */
static void feed(struct ov_frames *f, const uint8_t *data, size_t len, size_t cap, size_t *next)
{
    struct ov_frames_packet v[8];
    uint8_t *copy = malloc(len); /* exactly so large: a sanitizer sees who reads too far */
    size_t at = 0, n, used, idle = 0;

    assert_non_null(copy);
    memcpy(copy, data, len);
    while (at < len) {
        assert_int_equal(ov_frames_cut(f, copy + at, len - at, v, cap, &n, &used), OV_OK);
        for (size_t i = 0; i < n; i++, (*next)++) {
            assert_true(*next < SIZES);
            assert_int_equal(v[i].len, sizes[*next]);
            assert_int_equal(v[i].data[0], *next + 1);
            assert_int_equal(v[i].data[v[i].len - 1], *next + 1);
        }
        at += used;
        idle = n + used ? 0 : idle + 1;
        assert_true(idle < 2);
    }
    free(copy);
}

static void test_every_split(void **state)
{
    uint8_t wire[OV_FRAMES_MAX + 4096];
    (void)state;

    for (int hello = 0; hello < 2; hello++) {
        size_t len = make(wire, hello);
        for (size_t cut = 0; cut <= len; cut++) {
            struct ov_frames f = {.hello = hello};
            size_t next = 0;
            feed(&f, wire, cut, 8, &next);
            feed(&f, wire + cut, len - cut, 8, &next);
            assert_int_equal(next, SIZES);
            assert_false(f.hello);
            ov_frames_free(&f);
        }
    }
}

static void test_small_pieces(void **state)
{
    uint8_t wire[OV_FRAMES_MAX + 4096];
    size_t len = make(wire, true);
    (void)state;

    for (size_t piece = 1; piece < 70; piece++) {
        struct ov_frames f = {.hello = true};
        size_t next = 0;
        for (size_t at = 0; at < len; at += piece)
            feed(&f, wire + at, len - at < piece ? len - at : piece, 1 + piece % 3, &next);
        assert_int_equal(next, SIZES);
        ov_frames_free(&f);
    }
}

static int cut_one(bool hello, const uint8_t *data, size_t len, size_t split)
{
    struct ov_frames f = {.hello = hello};
    struct ov_frames_packet v[4];
    uint8_t copy[64];
    size_t n, used;

    memcpy(copy, data, len);
    int err = ov_frames_cut(&f, copy, split, v, 4, &n, &used);
    if (err == OV_OK && split < len)
        err = ov_frames_cut(&f, copy + split, len - split, v, 4, &n, &used);
    ov_frames_free(&f);
    return err;
}

static void test_garbage(void **state)
{
    static const uint8_t empty[] = {0, 0}, tiny[] = {0, OV_FRAMES_MIN - 1}, huge[] = {0x24, 1};
    (void)state;

    for (size_t split = 0; split <= 2; split++) {
        assert_int_equal(cut_one(false, empty, 2, split), OV_EINVAL);
        assert_int_equal(cut_one(false, tiny, 2, split), OV_EINVAL);
        assert_int_equal(cut_one(false, huge, 2, split), OV_EINVAL);
    }
    assert_int_equal(cut_one(true, (const uint8_t *)"GET / HTTP/1.1\r\n", 16, 5), OV_EINVAL);
    assert_int_equal(cut_one(true, (const uint8_t *)"ovpn/2\r\n", 8, 3), OV_EINVAL);
    assert_int_equal(cut_one(true, (const uint8_t *)"ovpn/1\r\n", 8, 3), OV_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_small_pieces),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
