/* Which frames are UDP datagrams, and of whom: at every length, with and without IPv6 fragments. */
#include "cli/inward.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static uint8_t f[14 + 8 + 60 + 8];

/* The same from a buffer of just that size, so that a sanitizer sees what is read beyond. */
static bool source(size_t len, struct ov_endpoint *src)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, f, len);
    bool is = ov_inward_source(copy, len, src);
    free(copy);
    return is;
}

static void only_from(size_t least, uint8_t family, uint8_t first)
{
    struct ov_endpoint src;
    for (size_t len = 0; len < sizeof(f); len++) {
        assert_int_equal(source(len, &src), len >= least);
        if (len < least)
            continue;
        assert_int_equal(src.port, 0x1234);
        assert_int_equal(src.ip.family, family);
        assert_int_equal(src.ip.b[0], first);
    }
}

static void ipv4(void **state)
{
    struct ov_endpoint src;
    (void)state;
    memset(f, 0, sizeof(f));
    memcpy(f + 12, "\x08\x00\x47", 3); /* with 8 bytes of options */
    f[14 + 9] = 17;
    f[14 + 12] = 10;
    memcpy(f + 14 + 28, "\x12\x34", 2);
    only_from(14 + 28 + 8, 4, 10);
    f[14 + 7] = 1; /* a later piece has no ports */
    assert_false(source(sizeof(f), &src));
    f[14 + 7] = 0;
    f[14 + 6] = 0x20; /* the first has */
    assert_true(source(sizeof(f), &src));
    f[14 + 9] = 6;
    assert_false(source(sizeof(f), &src));
}

static void ipv6(void **state)
{
    struct ov_endpoint src;
    (void)state;
    memset(f, 0, sizeof(f));
    memcpy(f + 12, "\x86\xdd\x60", 3);
    f[14 + 6] = 17;
    f[14 + 8] = 0xfd;
    memcpy(f + 14 + 40, "\x12\x34", 2);
    only_from(14 + 40 + 8, 6, 0xfd);
    f[14 + 6] = 44;
    f[14 + 40] = 17;
    f[14 + 41] = 0;
    memcpy(f + 14 + 48, "\x12\x34", 2);
    only_from(14 + 48 + 8, 6, 0xfd);
    f[14 + 43] = 8;
    assert_false(source(sizeof(f), &src));
}

/* A VLAN on top of the device: its frames come tagged, once or twice. */
static void tagged(void **state)
{
    struct ov_endpoint src;
    (void)state;
    memset(f, 0, sizeof(f));
    memcpy(f + 12, "\x81\x00\x00\x07\x08\x00\x45", 7);
    f[18 + 9] = 17;
    f[18 + 12] = 10;
    memcpy(f + 18 + 20, "\x12\x34", 2);
    only_from(18 + 20 + 8, 4, 10);
    memset(f, 0, sizeof(f));
    memcpy(f + 12, "\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd\x60", 11);
    f[22 + 6] = 17;
    f[22 + 8] = 0xfd;
    memcpy(f + 22 + 40, "\x12\x34", 2);
    only_from(22 + 40 + 8, 6, 0xfd);
    memcpy(f + 12, "\x81\x00\x00\x07\x08\x06", 6);
    assert_false(source(sizeof(f), &src));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ipv4), cmocka_unit_test(ipv6),
                                       cmocka_unit_test(tagged)};
    return cmocka_run_group_tests_name("attack_inward", tests, NULL, NULL);
}
