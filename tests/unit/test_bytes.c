#include "core/bytes.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_integers(void **state)
{
    static const uint8_t want[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
                                   0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14};
    uint8_t buf[sizeof(want)];
    struct ov_writer w;
    struct ov_reader r;

    (void)state;
    ov_writer_init(&w, buf, sizeof(buf));
    ov_writer_u8(&w, 0x01);
    ov_writer_u16(&w, 0x0203);
    ov_writer_u32(&w, 0x04050607);
    ov_writer_u40(&w, 0x08090a0b0cull);
    ov_writer_u64(&w, 0x0d0e0f1011121314ull);
    assert_false(w.failed);
    assert_int_equal(w.len, sizeof(want));
    assert_memory_equal(buf, want, sizeof(want));

    ov_reader_init(&r, buf, sizeof(buf));
    assert_int_equal(ov_reader_left(&r), sizeof(want));
    assert_int_equal(ov_reader_u8(&r), 0x01);
    assert_int_equal(ov_reader_u16(&r), 0x0203);
    assert_int_equal(ov_reader_u32(&r), 0x04050607);
    assert_true(ov_reader_u40(&r) == 0x08090a0b0cull);
    assert_false(ov_reader_done(&r));
    assert_true(ov_reader_u64(&r) == 0x0d0e0f1011121314ull);
    assert_true(ov_reader_done(&r));

    assert_true(ov_load32(want) == 0x01020304);
    assert_true(ov_load64(want + 1) == 0x0203040506070809ull);
    ov_store64(buf, 0xfffefdfcfbfaf9f8ull);
    assert_true(ov_load64(buf) == 0xfffefdfcfbfaf9f8ull);
    ov_store32(buf + 1, 0x80000001u);
    assert_true(ov_load32(buf + 1) == 0x80000001u);
}

static void test_reader_fails_stickily(void **state)
{
    static const uint8_t in[3] = {1, 2, 3};
    uint8_t copy[4] = {9, 9, 9, 9};
    struct ov_reader r;

    (void)state;
    ov_reader_init(&r, in, sizeof(in));
    assert_int_equal(ov_reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(ov_reader_u8(&r), 0);
    assert_null(ov_reader_take(&r, 0));
    assert_int_equal(ov_reader_left(&r), 0);
    assert_false(ov_reader_done(&r));
    ov_reader_copy(&r, copy, sizeof(copy));
    for (size_t i = 0; i < sizeof(copy); i++)
        assert_int_equal(copy[i], 0);

    ov_reader_init(&r, in, sizeof(in));
    assert_null(ov_reader_take(&r, SIZE_MAX));
    assert_true(r.failed);

    ov_reader_init(&r, in, sizeof(in));
    assert_ptr_equal(ov_reader_take(&r, 2), in);
    assert_ptr_equal(ov_reader_take(&r, 0), in + 2);
    assert_ptr_equal(ov_reader_take(&r, 1), in + 2);
    assert_true(ov_reader_done(&r));
    assert_non_null(ov_reader_take(&r, 0));

    ov_reader_init(&r, NULL, 0);
    assert_true(ov_reader_done(&r));
    assert_non_null(ov_reader_take(&r, 0));
    assert_int_equal(ov_reader_u8(&r), 0);
    assert_true(r.failed);
}

static void test_writer_fails_stickily(void **state)
{
    uint8_t buf[4] = {9, 9, 9, 9};
    struct ov_writer w;

    (void)state;
    ov_writer_init(&w, buf, 3);
    ov_writer_u16(&w, 0x0102);
    ov_writer_u16(&w, 0x0304);
    assert_true(w.failed);
    assert_int_equal(w.len, 2);
    ov_writer_u8(&w, 5); /* would fit */
    ov_writer_zero(&w, 1);
    ov_writer_bytes(&w, "x", 1);
    assert_int_equal(w.len, 2);
    assert_memory_equal(buf, ((uint8_t[]){1, 2, 9, 9}), 4);

    ov_writer_init(&w, buf, 4);
    ov_writer_bytes(&w, NULL, 0);
    ov_writer_zero(&w, 3);
    ov_writer_bytes(&w, "x", 1);
    assert_false(w.failed);
    assert_memory_equal(buf, ((uint8_t[]){0, 0, 0, 'x'}), 4);
    ov_writer_bytes(&w, "x", SIZE_MAX);
    assert_true(w.failed);

    ov_writer_init(&w, buf, 4);
    ov_writer_u40(&w, 0);
    assert_true(w.failed);
    uint8_t five[5];
    ov_writer_init(&w, five, 5);
    ov_writer_u40(&w, OV_ADDR_MASK + 1);
    assert_true(w.failed);
}

static void test_text(void **state)
{
    uint8_t buf[300];
    char longest[257], out[256];
    struct ov_writer w;
    struct ov_reader r;

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[255] = '\0';
    ov_writer_init(&w, buf, sizeof(buf));
    ov_writer_text(&w, "gr\xc3\xbc\xc3\x9f");
    ov_writer_text(&w, "");
    ov_writer_text(&w, longest);
    assert_false(w.failed);
    ov_reader_init(&r, buf, w.len);
    ov_reader_text(&r, out, 7);
    assert_string_equal(out, "gr\xc3\xbc\xc3\x9f");
    ov_reader_text(&r, out, 1);
    assert_string_equal(out, "");
    ov_reader_text(&r, out, sizeof(out));
    assert_string_equal(out, longest);
    assert_true(ov_reader_done(&r));

    longest[255] = 'a';
    longest[256] = '\0';
    ov_writer_init(&w, buf, sizeof(buf));
    ov_writer_text(&w, longest);
    assert_true(w.failed);
    assert_int_equal(w.len, 0);
}

static void test_bad_text(void **state)
{
    static const struct {
        const char *bytes;
        size_t len, cap;
    } bad[] = {
        {"", 0, 8},
        {"\x03"
         "ab",
         3, 8},
        {"\x03"
         "abc",
         4, 3},
        {"\x00", 1, 0},
        {"\x02"
         "a\0",
         3, 8},
        {"\x02"
         "a\n",
         3, 8},
        {"\x01\x1b", 2, 8},
        {"\x01\x7f", 2, 8},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char out[8] = "zzzzzzz";
        struct ov_reader r;
        ov_reader_init(&r, bad[i].bytes, bad[i].len);
        ov_reader_text(&r, out, bad[i].cap);
        assert_true(r.failed);
        if (bad[i].cap > 0)
            assert_string_equal(out, "");
    }
}

static void test_addresses(void **state)
{
    static const char *const texts[] = {"192.0.2.1:4793", "[2001:db8::1]:4793"};
    static const size_t sizes[] = {7, 19};
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_reader r;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ov_endpoint e, back;
        assert_int_equal(ov_endpoint_parse(texts[i], &e), OV_OK);
        ov_writer_init(&w, buf, sizeof(buf));
        ov_writer_endpoint(&w, &e);
        assert_int_equal(w.len, sizes[i]);
        ov_reader_init(&r, buf, w.len);
        memset(&back, 0xa5, sizeof(back));
        ov_reader_endpoint(&r, &back);
        assert_true(ov_reader_done(&r));
        assert_true(ov_endpoint_equal(&e, &back));
        for (size_t cut = 0; cut < w.len; cut++) {
            ov_reader_init(&r, buf, cut);
            ov_reader_endpoint(&r, &back);
            assert_true(r.failed);
            assert_int_equal(back.ip.family, 0);
            assert_int_equal(back.port, 0);
        }
    }
    struct ov_endpoint none = {0};
    ov_writer_init(&w, buf, sizeof(buf));
    ov_writer_endpoint(&w, &none);
    assert_int_equal(w.len, 3);
    ov_reader_init(&r, "\x05\1\2\3\4\5\6\7\x08", 9);
    struct ov_ip ip;
    ov_reader_ip(&r, &ip);
    assert_true(r.failed);
    assert_int_equal(ip.family, 0);
    ov_writer_init(&w, buf, sizeof(buf));
    ov_writer_ip(&w, &(struct ov_ip){.family = 5});
    assert_true(w.failed);
}

static void test_prefixes(void **state)
{
    uint8_t buf[64];

    (void)state;
    for (unsigned family = 0; family <= 6; family += family == 0 ? 4 : 2) {
        unsigned width = family == 4 ? 32 : family == 6 ? 128 : 0;
        for (unsigned bits = 0; bits < 256; bits++) {
            struct ov_prefix p = {{.family = (uint8_t)family}, (uint8_t)bits}, back;
            struct ov_writer w;
            struct ov_reader r;
            ov_writer_init(&w, buf, sizeof(buf));
            ov_writer_prefix(&w, &p);
            assert_int_equal(w.failed, bits > width);
            size_t len = 1 + width / 8 + 1;
            memset(buf, 0, len);
            buf[0] = (uint8_t)family;
            buf[len - 1] = (uint8_t)bits;
            ov_reader_init(&r, buf, len);
            ov_reader_prefix(&r, &back);
            assert_int_equal(r.failed, bits > width);
            assert_int_equal(back.bits, bits > width ? 0 : bits);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_reader_fails_stickily),
        cmocka_unit_test(test_text),     cmocka_unit_test(test_writer_fails_stickily),
        cmocka_unit_test(test_bad_text), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
