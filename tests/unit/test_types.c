#include "core/types.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct ov_ip ip_of(const char *text)
{
    struct ov_ip ip;

    assert_int_equal(ov_ip_parse(text, &ip), OV_OK);
    return ip;
}

static void test_strerror(void **state)
{
    (void)state;
    for (int e = 0; e >= OV_ELIMIT; e--) {
        assert_non_null(ov_strerror(e));
        assert_string_not_equal(ov_strerror(e), ov_strerror(1));
        for (int other = 0; other > e; other--)
            assert_string_not_equal(ov_strerror(e), ov_strerror(other));
    }
    assert_string_equal(ov_strerror(1), ov_strerror(-1000));
}

static void test_addr(void **state)
{
    static const char *const bad[] = {
        "",           "8056c2e21",  "8056c2e21c0",  "8056c2e21g", "0000000000",
        "00ffffffff", "ff00000000", "ffffffffff",   " 8056c2e21", "8056c2e21 ",
        "-056c2e21c", "0x56c2e21c", "8056c2e21c\n", "80 56c2e21"};
    ov_addr a = 77;
    char text[OV_ADDR_TEXT];

    (void)state;
    assert_int_equal(ov_addr_parse("8056c2e21c", &a), OV_OK);
    assert_true(a == 0x8056c2e21cull);
    assert_string_equal(ov_addr_format(a, text), "8056c2e21c");
    assert_int_equal(ov_addr_parse("8056C2E21C", &a), OV_OK);
    assert_true(a == 0x8056c2e21cull);
    assert_int_equal(ov_addr_parse("0100000000", &a), OV_OK);
    assert_string_equal(ov_addr_format(a, text), "0100000000");
    a = 77;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(ov_addr_parse(bad[i], &a), OV_EINVAL);
        assert_true(a == 77);
    }
    assert_false(ov_addr_valid(0));
    assert_false(ov_addr_valid(0x00ffffffffull));
    assert_true(ov_addr_valid(0x0100000000ull));
    assert_true(ov_addr_valid(0xfeffffffffull));
    assert_false(ov_addr_valid(0xff00000000ull));
    assert_false(ov_addr_valid(0x10000000000ull));
    assert_false(ov_addr_valid(UINT64_MAX));
}

static void test_netid(void **state)
{
    static const char *const bad[] = {"",
                                      "8056c2e21c00000",
                                      "8056c2e21c0000011",
                                      "0056c2e21c000001",
                                      "ff56c2e21c000001",
                                      "8056c2e21c00000x",
                                      "8056c2e21c-00001"};
    ov_netid id = 77;
    char text[OV_NETID_TEXT];

    (void)state;
    assert_int_equal(ov_netid_parse("8056c2e21c000001", &id), OV_OK);
    assert_true(id == 0x8056c2e21c000001ull);
    assert_true(ov_netid_controller(id) == 0x8056c2e21cull);
    assert_string_equal(ov_netid_format(id, text), "8056c2e21c000001");
    id = 77;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(ov_netid_parse(bad[i], &id), OV_EINVAL);
        assert_true(id == 77);
    }
}

static void test_mac(void **state)
{
    struct ov_mac m = {{0x02, 0x1b, 0x00, 0xff, 0xa0, 0x09}};
    struct ov_mac all = ov_mac_from_u64(0xffffffffffffull);
    struct ov_mac group = {{0x33, 0x33, 0, 0, 0, 1}};
    char text[OV_MAC_TEXT];

    (void)state;
    assert_string_equal(ov_mac_format(&m, text), "02:1b:00:ff:a0:09");
    assert_true(ov_mac_u64(&m) == 0x021b00ffa009ull);
    struct ov_mac back = ov_mac_from_u64(ov_mac_u64(&m));
    assert_memory_equal(back.b, m.b, 6);
    assert_false(ov_mac_is_multicast(&m));
    assert_true(ov_mac_is_multicast(&all));
    assert_true(ov_mac_is_broadcast(&all));
    assert_true(ov_mac_is_multicast(&group));
    assert_false(ov_mac_is_broadcast(&group));
}

static void test_ip4(void **state)
{
    static const char *const good[] = {"0.0.0.0", "255.255.255.255", "10.147.17.5", "1.20.250.9"};
    static const char *const bad[] = {"",
                                      "1",
                                      "1.2",
                                      "1.2.3",
                                      "1.2.3.",
                                      "1.2.3.4.",
                                      ".1.2.3.4",
                                      "1.2.3.4.5",
                                      "256.1.1.1",
                                      "1.2.3.256",
                                      "01.2.3.4",
                                      "1.2.3.04",
                                      "1.2.3.00",
                                      "1..3.4",
                                      "1.2.3.4 ",
                                      " 1.2.3.4",
                                      "1.2.3.-4",
                                      "1.2.3.+4",
                                      "1.2.3.0x4",
                                      "1.2.3.4/8",
                                      "a.b.c.d",
                                      "1,2,3,4",
                                      "1.2.3.1e1",
                                      "0000.0.0.0",
                                      "1.2.3.4\n",
                                      "1.2.3.99999999999999999999",
                                      "\xef\xbc\x91.2.3.4"};
    struct ov_ip ip;
    char text[OV_IP_TEXT];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        uint8_t want[4];
        assert_int_equal(inet_pton(AF_INET, good[i], want), 1);
        memset(&ip, 0xa5, sizeof(ip));
        assert_int_equal(ov_ip_parse(good[i], &ip), OV_OK);
        assert_int_equal(ip.family, 4);
        assert_memory_equal(ip.b, want, 4);
        for (int j = 4; j < 16; j++)
            assert_int_equal(ip.b[j], 0);
        assert_string_equal(ov_ip_format(&ip, text), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        memset(&ip, 0xa5, sizeof(ip));
        assert_int_equal(ov_ip_parse(bad[i], &ip), OV_EINVAL);
        assert_int_equal(ip.family, 0xa5);
    }
    /* Every octet value, at every position. */
    for (int at = 0; at < 4; at++) {
        for (int v = 0; v < 300; v++) {
            char s[64];
            int o[4] = {7, 7, 7, 7};
            o[at] = v;
            snprintf(s, sizeof(s), "%d.%d.%d.%d", o[0], o[1], o[2], o[3]);
            assert_int_equal(ov_ip_parse(s, &ip), v < 256 ? OV_OK : OV_EINVAL);
            if (v < 256)
                assert_int_equal(ip.b[at], v);
        }
    }
    assert_string_equal(ov_ip_format(&(struct ov_ip){0}, text), "none");
}

/* The examples of RFC 5952 and the corners of the rules. */
static void test_ip6_text(void **state)
{
    static const char *const pairs[][2] = {
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"},
        {"2001:db8:0:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"},
        {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:0001", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1"},
        {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"0:0:0:0:0:0:0:0", "::"},
        {"::", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"1:0:0:0:0:0:0:0", "1::"},
        {"1::", "1::"},
        {"0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
        {"::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"0:0:2:3:4:5:6:7", "::2:3:4:5:6:7"},
        {"2:3:4:5:6:7:0:0", "2:3:4:5:6:7::"},
        {"1:0:0:2:0:0:3:4", "1::2:0:0:3:4"},
        {"fe80::a:b:c:d", "fe80::a:b:c:d"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:c000:201", "::ffff:192.0.2.1"},
        {"0:0:0:0:0:FFFF:192.0.2.1", "::ffff:192.0.2.1"},
        {"::192.0.2.1", "::c000:201"},
        {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"},
        {"1::7.8.9.10", "1::708:90a"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    char text[OV_IP_TEXT];

    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct ov_ip ip;
        uint8_t want[16];
        assert_int_equal(inet_pton(AF_INET6, pairs[i][0], want), 1);
        assert_int_equal(ov_ip_parse(pairs[i][0], &ip), OV_OK);
        assert_int_equal(ip.family, 6);
        assert_memory_equal(ip.b, want, 16);
        assert_string_equal(ov_ip_format(&ip, text), pairs[i][1]);
    }
}

static void test_ip6_bad(void **state)
{
    static const char *const bad[] = {
        ":",
        ":::",
        ":1",
        "1:",
        "::1:",
        ":1::",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1::2::3",
        "::1::",
        "1:::2",
        "12345::",
        "::00001",
        "::g",
        "::1 ",
        " ::1",
        "::1%1",
        "::1/64",
        "[::1]",
        "::1.2.3",
        "::1.2.3.256",
        "::1.2.3.4.5",
        "::1.2.3.4:5",
        "::01.2.3.4",
        "::a.2.3.4",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "1:2:3:4:5:6::1.2.3.4",
        "::ffff:",
        "::.1.2.3",
        "::-1",
        "::0x1",
        "1:2:3:4:5:6:7:8\n",
    };
    struct ov_ip ip;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        memset(&ip, 0xa5, sizeof(ip));
        if (ov_ip_parse(bad[i], &ip) != OV_EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(ip.family, 0xa5);
    }
}

/* Every pattern of zero groups: parse(format(x)) == x, and the C library agrees with both. */
static void test_ip6_patterns(void **state)
{
    char text[OV_IP_TEXT], theirs[INET6_ADDRSTRLEN];

    (void)state;
    for (unsigned pattern = 0; pattern < 6561; pattern++) {
        struct ov_ip ip = {.family = 6}, back;
        unsigned p = pattern;
        for (int g = 0; g < 8; g++, p /= 3) {
            unsigned v = p % 3 == 0 ? 0 : p % 3 == 1 ? 0xf : 0xabcd;
            ip.b[2 * g] = (uint8_t)(v >> 8);
            ip.b[2 * g + 1] = (uint8_t)v;
        }
        ov_ip_format(&ip, text);
        assert_int_equal(ov_ip_parse(text, &back), OV_OK);
        assert_true(ov_ip_equal(&ip, &back));
        assert_non_null(inet_ntop(AF_INET6, ip.b, theirs, sizeof(theirs)));
        if (strchr(theirs, '.') == NULL) /* it also writes ::a.b.c.d, we do not */
            assert_string_equal(text, theirs);
    }
}

/* Text mutated at random: we accept exactly what the C library accepts. */
static void test_ip_against_libc(void **state)
{
    static const char alphabet[] = "::::....0123456789abcdefF%/ g";
    static const char *const seeds[] = {
        "2001:db8::1:0:0:1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8", "10.147.17.5", "::", "1::8"};
    unsigned x = 1;
    size_t accepted = 0;

    (void)state;
    for (int round = 0; round < 300000; round++) {
        char s[48] = {0};
        uint8_t want[16];
        struct ov_ip ip;
        x = x * 1664525u + 1013904223u;
        strcpy(s, seeds[(x >> 16) % COUNT(seeds)]);
        for (unsigned edits = (x >> 8) % 4; edits > 0; edits--) {
            x = x * 1664525u + 1013904223u;
            size_t n = strlen(s), at = (x >> 12) % (n + 1);
            char c = alphabet[(x >> 20) % (sizeof(alphabet) - 1)];
            if ((x >> 8) % 3 == 0 && at < n) {
                memmove(s + at, s + at + 1, n - at);
            } else if ((x >> 8) % 3 == 1 && at < n) {
                s[at] = c;
            } else if (n + 2 < sizeof(s)) {
                memmove(s + at + 1, s + at, n - at + 1);
                s[at] = c;
            }
        }
        bool six = strchr(s, ':') != NULL;
        bool ok = inet_pton(six ? AF_INET6 : AF_INET, s, want) == 1;
        if ((ov_ip_parse(s, &ip) == OV_OK) != ok)
            fail_msg("\"%s\": the C library says %s", s, ok ? "yes" : "no");
        if (ok) {
            assert_memory_equal(ip.b, want, six ? 16 : 4);
            accepted++;
        }
    }
    assert_true(accepted > 1000);
}

static void test_prefix(void **state)
{
    static const char *const good[] = {"10.147.17.5/24", "0.0.0.0/0", "1.2.3.4/32",
                                       "fd00::5/64",     "::/0",      "2001:db8::1/128"};
    static const char *const bad[] = {
        "10.0.0.0",    "10.0.0.0/", "10.0.0.0/33",        "10.0.0.0/08",  "10.0.0.0/-1",
        "10.0.0.0/8 ", "/8",        "10.0.0/8",           "10.0.0.0/8/8", "::/129",
        "::/",         "::/1x",     "10.0.0.0/4294967304"};
    struct ov_prefix p;
    char text[OV_PREFIX_TEXT];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(ov_prefix_parse(good[i], &p), OV_OK);
        assert_string_equal(ov_prefix_format(&p, text), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        memset(&p, 0xa5, sizeof(p));
        assert_int_equal(ov_prefix_parse(bad[i], &p), OV_EINVAL);
        assert_int_equal(p.bits, 0xa5);
    }
}

static void test_prefix_contains(void **state)
{
    static const struct {
        const char *prefix, *ip;
        bool in;
    } cases[] = {
        {"10.147.17.5/24", "10.147.17.0", true},
        {"10.147.17.5/24", "10.147.17.255", true},
        {"10.147.17.5/24", "10.147.16.255", false},
        {"10.147.17.5/24", "10.147.18.0", false},
        {"10.147.17.5/32", "10.147.17.5", true},
        {"10.147.17.5/32", "10.147.17.4", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::", false},
        {"::/0", "1.2.3.4", false},
        {"128.0.0.0/1", "127.255.255.255", false},
        {"128.0.0.0/1", "255.0.0.0", true},
        {"10.0.0.0/23", "10.0.1.255", true},
        {"10.0.0.0/23", "10.0.2.0", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fc00::1", false},
        {"2001:db8::1/127", "2001:db8::", true},
        {"2001:db8::1/127", "2001:db8::2", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"::/0", "ffff::", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ov_prefix p;
        struct ov_ip ip = ip_of(cases[i].ip);
        assert_int_equal(ov_prefix_parse(cases[i].prefix, &p), OV_OK);
        assert_int_equal(ov_prefix_contains(&p, &ip), cases[i].in);
    }
    assert_false(ov_prefix_contains(&(struct ov_prefix){0}, &(struct ov_ip){0}));
}

static void test_endpoint(void **state)
{
    static const char *const good[] = {
        "192.0.2.1:4793",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[2001:db8::1]:4793",
        "[::]:0",
        "[fe80::1%3]:4793",
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"};
    static const char *const bad[] = {
        "",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:04",
        ":4793",
        "192.0.2.1:-1",
        "192.0.2.1:1 ",
        "[192.0.2.1]:1",
        "::1:4793",
        "[::1]",
        "[::1]:",
        "[::1:4793",
        "::1]:4793",
        "[]:1",
        "[::1%]:1",
        "[::1%0]:1",
        "[::1%eth0]:1",
        "[::1%1x]:1",
        "[%1]:1",
        "[[::1]]:1",
        "[::1]]:1",
        "host:1",
        "[::1%4294967296]:1",
        "[:1",
        "[:",
        "192.0.2.1:4793:1",
        "[1111111111111111111111111111111111111111111111111111111111111111111111111]:1"};
    char text[OV_ENDPOINT_TEXT];
    struct ov_endpoint e, same;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(ov_endpoint_parse(good[i], &e), OV_OK);
        assert_string_equal(ov_endpoint_format(&e, text), good[i]);
        assert_int_equal(ov_endpoint_parse(text, &same), OV_OK);
        assert_true(ov_endpoint_equal(&e, &same));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        memset(&e, 0xa5, sizeof(e));
        if (ov_endpoint_parse(bad[i], &e) != OV_EINVAL)
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(e.port, 0xa5a5);
    }
    assert_int_equal(ov_endpoint_parse("[fe80::1%3]:4793", &e), OV_OK);
    same = e;
    same.scope = 4;
    assert_false(ov_endpoint_equal(&e, &same));
    same = e;
    same.port++;
    assert_false(ov_endpoint_equal(&e, &same));
    same = e;
    same.ip.b[15]++;
    assert_false(ov_endpoint_equal(&e, &same));
    assert_string_equal(ov_endpoint_format(&(struct ov_endpoint){0}, text), "none");
}

static void test_names(void **state)
{
    static const char *const good[] = {"a",    "7",          "dorm",      "Lan-Party.2",
                                       "x_y",  "0000000000", "8056c2e21", "8056c2e21c0000012",
                                       "a..b", "a-"};
    static const char *const bad[] = {"",           "-n",
                                      ".a",         "_a",
                                      "a b",        "a\tb",
                                      "$(id)",      "`id`",
                                      "a;b",        "a'b",
                                      "a\"b",       "a/b",
                                      "a*",         "{a,b}",
                                      "~",          "a\\b",
                                      "d\xc3\xb6",  "a\n",
                                      "a$b",        "a=b",
                                      "8056c2e21c", "8056C2E21C000001",
                                      "a&b",        "a|b",
                                      "a<b",        "a>b",
                                      "a!b",        "a#b",
                                      "a%b",        "a:b",
                                      "a@b",        "(a)"};
    char name[OV_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(ov_name_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(ov_name_valid(bad[i]));
    memset(name, 'n', sizeof(name));
    name[OV_NAME_MAX] = '\0';
    assert_false(ov_name_valid(name));
    name[OV_NAME_MAX - 1] = '\0';
    assert_true(ov_name_valid(name));
    /* Every byte, at the start and behind it. */
    for (int c = 1; c < 256; c++) {
        char start[] = {(char)c, 'x', 0}, behind[] = {'x', (char)c, 0};
        bool letter = c < 128 && isalnum(c);
        assert_int_equal(ov_name_valid(start), letter);
        assert_int_equal(ov_name_valid(behind), letter || (c < 128 && strchr("._-", c)));
        assert_int_equal(ov_domain_valid(start), letter);
        assert_int_equal(ov_domain_valid(behind), letter);
    }
}

static void test_domains(void **state)
{
    static const char *const good[] = {"lan", "dorm.lan", "a-b.c", "1.2", "xn--bcher-kva.example"};
    static const char *const bad[] = {"",     ".",   ".lan", "lan.", "-a", "a-",
                                      "a..b", "a_b", "a b",  "a;b",  "$a", "a\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(ov_domain_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(ov_domain_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strerror),
        cmocka_unit_test(test_addr),
        cmocka_unit_test(test_netid),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_mac),
        cmocka_unit_test(test_ip4),
        cmocka_unit_test(test_ip6_text),
        cmocka_unit_test(test_ip6_bad),
        cmocka_unit_test(test_ip6_patterns),
        cmocka_unit_test(test_ip_against_libc),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_contains),
        cmocka_unit_test(test_endpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
