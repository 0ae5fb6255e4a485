#include "core/invite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ov_invite some_invite(void)
{
    struct ov_invite inv = {
        .netid = 0x8056c2e21c000001,
        .controller = {.nonce = 0x0102030405060708, .addr = 0x8056c2e21c},
        .nhosts = 2,
        .hosts = {{"vpn.example.org", 4793}, {"2001:db8::1", 443}},
    };

    memset(inv.controller.dh.b, 0x11, 32);
    memset(inv.controller.sign.b, 0x22, 32);
    memset(inv.secret, 0x33, sizeof(inv.secret));
    return inv;
}

static const char golden[] =
    "ovpn1agafnqxcdqaaaairceirceirceirceirceirceirceirceirceirceirceirceircerceirceir"
    "ceirceirceirceirceirceirceirceirceirceirceaicamcakbqhbaztgmztgmztgmztgmztgmztgmz"
    "qed3wobxc4zlymfwxa3dffzxxezysxeftembqge5giyryhi5dcan3w4fj4hy";

static void test_golden(void **state)
{
    struct ov_invite inv = some_invite();
    char text[OV_INVITE_TEXT];

    (void)state;
    assert_int_equal(ov_invite_format(&inv, text), 0);
    assert_string_equal(text, golden);
}

static void test_round_trip(void **state)
{
    struct ov_invite inv = some_invite(), got;
    char text[OV_INVITE_TEXT];

    (void)state;
    for (uint8_t n = 0; n <= OV_INVITE_HOSTS_MAX; n++) {
        inv.nhosts = n;
        for (size_t i = 0; i < n; i++)
            inv.hosts[i] = (struct ov_host){"192.0.2.1", (uint16_t)(1000 + i)};
        assert_int_equal(ov_invite_format(&inv, text), 0);
        assert_true(ov_invite_looks_like(text));
        assert_int_equal(ov_invite_parse(text, &got), 0);
        assert_int_equal(got.netid, inv.netid);
        assert_true(ov_identity_equal(&got.controller, &inv.controller));
        assert_int_equal(got.controller.addr, 0x8056c2e21c);
        assert_memory_equal(got.secret, inv.secret, sizeof(inv.secret));
        assert_int_equal(got.nhosts, n);
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(got.hosts[i].name, "192.0.2.1");
            assert_int_equal(got.hosts[i].port, 1000 + i);
        }
    }
}

static void test_largest(void **state)
{
    struct ov_invite inv = some_invite(), got;
    char text[OV_INVITE_TEXT];

    (void)state;
    inv.nhosts = OV_INVITE_HOSTS_MAX;
    for (size_t i = 0; i < inv.nhosts; i++) {
        memset(inv.hosts[i].name, 'a', OV_HOST_TEXT - 1);
        inv.hosts[i].name[OV_HOST_TEXT - 1] = '\0';
        inv.hosts[i].name[60] = inv.hosts[i].name[120] = '.';
        inv.hosts[i].port = 65535;
    }
    assert_int_equal(ov_invite_format(&inv, text), 0);
    assert_int_equal(ov_invite_parse(text, &got), 0);
    assert_int_equal(strlen(got.hosts[3].name), OV_HOST_TEXT - 1);
}

static void test_upper_case_is_the_same(void **state)
{
    char text[OV_INVITE_TEXT];
    struct ov_invite got;

    (void)state;
    strcpy(text, golden);
    for (char *p = text; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    assert_true(ov_invite_looks_like(text));
    assert_int_equal(ov_invite_parse(text, &got), 0);
    assert_int_equal(got.netid, 0x8056c2e21c000001);
}

static void test_mistyped(void **state)
{
    struct ov_invite got = {.netid = 5};
    char text[OV_INVITE_TEXT + 8];

    (void)state;
    for (size_t i = 0; i < strlen(golden); i++) {
        strcpy(text, golden);
        text[i] = text[i] == 'b' ? 'c' : 'b'; /* another letter of the alphabet */
        assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
        text[i] = '!';
        assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
        text[i] = '\0'; /* cut */
        assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
        strcpy(text, golden);
        if (text[i] != text[i + 1] && text[i + 1]) { /* two letters swapped */
            char c = text[i];

            text[i] = text[i + 1];
            text[i + 1] = c;
            assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
        }
    }
    strcpy(text, golden);
    strcat(text, "a");
    assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
    memset(text, 'a', sizeof(text) - 1); /* longer than any invite */
    memcpy(text, "ovpn1", 5);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
    assert_int_equal(got.netid, 5);
    assert_false(ov_invite_looks_like(""));
    assert_false(ov_invite_looks_like("ovpn"));
    assert_false(ov_invite_looks_like("8056c2e21c000001"));
}

/* Base32 of a blob, with the checksum made right: what a newer or a broken program could print. */
static void text_of(const uint8_t *blob, size_t len, char *text)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t whole[600], sum[16];
    size_t bits, n = 0;

    memcpy(whole, blob, len);
    ov_hash(sum, 16, NULL, 0, blob, len);
    memcpy(whole + len, sum, 4);
    bits = 8 * (len + 4);
    strcpy(text, "ovpn1");
    for (n = 0; n < bits; n += 5) {
        unsigned v = 0;

        for (size_t b = n; b < n + 5; b++)
            v = v << 1 | (b < bits && (whole[b / 8] >> (7 - b % 8) & 1) ? 1u : 0u);
        text[5 + n / 5] = digits[v];
    }
    text[5 + n / 5] = '\0';
}

static void test_contents_are_checked(void **state)
{
    const size_t n_at = 1 + 8 + 72 + 16;
    uint8_t blob[300] = {1, 0x80, 0x56, 0xc2, 0xe2, 0x1c, 0, 0, 1};
    char text[OV_INVITE_TEXT];
    struct ov_invite got;

    (void)state;
    text_of(blob, n_at + 1, text);
    assert_int_equal(ov_invite_parse(text, &got), 0);
    assert_int_equal(got.nhosts, 0);
    for (size_t len = 1; len <= n_at; len++) {
        text_of(blob, len, text);
        assert_int_equal(ov_invite_parse(text, &got), OV_ETRUNC);
    }
    text_of(blob, n_at + 2, text);
    assert_int_equal(ov_invite_parse(text, &got), OV_ETRUNC); /* a byte left over */
    blob[0] = 2;
    text_of(blob, n_at + 1, text);
    assert_int_equal(ov_invite_parse(text, &got), OV_EVERSION);
    blob[0] = 1;
    blob[1] = 0xff; /* no valid controller address */
    text_of(blob, n_at + 1, text);
    assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
    blob[1] = 0x80;
    blob[n_at] = OV_INVITE_HOSTS_MAX + 1;
    for (size_t i = 0; i <= OV_INVITE_HOSTS_MAX; i++)
        memcpy(blob + n_at + 1 + 4 * i, "\001h\001\002", 4);
    text_of(blob, n_at + 1 + 4 * (OV_INVITE_HOSTS_MAX + 1), text);
    assert_int_not_equal(ov_invite_parse(text, &got), 0);
    blob[n_at] = 1;
    text_of(blob, n_at + 1 + 4, text);
    assert_int_equal(ov_invite_parse(text, &got), 0);
    assert_string_equal(got.hosts[0].name, "h");
    assert_int_equal(got.hosts[0].port, 0x0102);
    blob[n_at + 2] = '/'; /* not a host */
    text_of(blob, n_at + 1 + 4, text);
    assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
    blob[n_at + 2] = 'h';
    blob[n_at + 3] = blob[n_at + 4] = 0; /* port 0 */
    text_of(blob, n_at + 1 + 4, text);
    assert_int_equal(ov_invite_parse(text, &got), OV_EINVAL);
}

static void test_format_refuses(void **state)
{
    struct ov_invite inv = some_invite();
    char text[OV_INVITE_TEXT];

    (void)state;
    inv.nhosts = OV_INVITE_HOSTS_MAX + 1;
    assert_int_equal(ov_invite_format(&inv, text), OV_EINVAL);
    inv = some_invite();
    strcpy(inv.hosts[1].name, "no spaces");
    assert_int_equal(ov_invite_format(&inv, text), OV_EINVAL);
    inv = some_invite();
    inv.hosts[0].port = 0;
    assert_int_equal(ov_invite_format(&inv, text), OV_EINVAL);
    inv = some_invite();
    inv.netid = 1;
    assert_int_equal(ov_invite_format(&inv, text), OV_EINVAL);
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text, *name;
        unsigned port;
    } good[] = {
        {"vpn.example.org", "vpn.example.org", 4793},
        {"vpn.example.org.", "vpn.example.org.", 4793},
        {"vpn.example.org:443", "vpn.example.org", 443},
        {"a-b_c:65535", "a-b_c", 65535},
        {"192.0.2.1", "192.0.2.1", 4793},
        {"192.0.2.1:1", "192.0.2.1", 1},
        {"[2001:db8::1]:443", "2001:db8::1", 443},
        {"[2001:db8::1]", "2001:db8::1", 4793},
        {"2001:db8::1", "2001:db8::1", 4793},
        {"::1", "::1", 4793},
    };
    static const char *const bad[] = {
        "",
        ":",
        ":443",
        "host:",
        "host:0",
        "host:65536",
        "host:99999999999",
        "host:12x",
        "host:-1",
        "host: 1",
        "host:01",
        "-host",
        "host-",
        "ho st",
        "a..b",
        ".a",
        "a.-b",
        "a-.b",
        "[::1",
        "::1]",
        "[::1]443",
        "[::1]:",
        "[::1]x:1",
        "[host]:1",
        "[192.0.2.1]:1",
        "[]",
        "[]:1",
        "1:2:3",
        "a:b:c",
        "host/path",
        "user@host",
        "h\nost",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", /* a label of 64 */
    };
    struct ov_host h;
    char longest[OV_HOST_TEXT + 8];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(ov_host_parse(good[i].text, &h), 0);
        assert_string_equal(h.name, good[i].name);
        assert_int_equal(h.port, good[i].port);
    }
    h.port = 7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ov_host_parse(bad[i], &h) != OV_EINVAL)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(h.port, 7);
    memset(longest, 'a', sizeof(longest));
    longest[60] = longest[120] = '.';
    longest[OV_HOST_TEXT - 1] = '\0';
    assert_int_equal(ov_host_parse(longest, &h), 0);
    longest[OV_HOST_TEXT - 1] = 'a';
    longest[OV_HOST_TEXT] = '\0';
    assert_int_equal(ov_host_parse(longest, &h), OV_EINVAL);
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest),        cmocka_unit_test(test_upper_case_is_the_same),
        cmocka_unit_test(test_mistyped),       cmocka_unit_test(test_contents_are_checked),
        cmocka_unit_test(test_format_refuses), cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
