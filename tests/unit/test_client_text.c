/* What commands make of people's text, and what they make of numbers for people. */
#include "cli/client.h"
#include "cli/target.h"
#include "cli/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static void bytes(void **state)
{
    char u[OV_TEXT_UNIT];
    (void)state;

    assert_string_equal(ov_text_bytes(0, u), "0 B");
    assert_string_equal(ov_text_bytes(-5, u), "0 B");
    assert_string_equal(ov_text_bytes(1023, u), "1023 B");
    assert_string_equal(ov_text_bytes(1024, u), "1.0 KiB");
    assert_string_equal(ov_text_bytes(1024 * 1024 - 1, u), "1.0 MiB"); /* never 1024.0 KiB */
    assert_string_equal(ov_text_bytes(1258291, u), "1.2 MiB");
    assert_string_equal(ov_text_bytes(5.5 * 1024 * 1024 * 1024, u), "5.5 GiB");
    assert_string_equal(ov_text_bytes(1e30, u), "888178419700125.2 PiB");
}

static void times(void **state)
{
    char u[OV_TEXT_UNIT];
    (void)state;

    assert_string_equal(ov_text_ms(-1, u), "-");
    assert_string_equal(ov_text_ms(0.214, u), "0.21 ms");
    assert_string_equal(ov_text_ms(9.996, u), "10.0 ms");
    assert_string_equal(ov_text_ms(12.34, u), "12.3 ms");
    assert_string_equal(ov_text_ms(1204, u), "1.20 s");
    assert_string_equal(ov_text_duration(0, u), "0s");
    assert_string_equal(ov_text_duration(59.9, u), "59s");
    assert_string_equal(ov_text_duration(185, u), "3m 5s");
    assert_string_equal(ov_text_duration(3 * 3600 + 12 * 60, u), "3h 12m");
    assert_string_equal(ov_text_duration(5 * 86400 + 7200, u), "5d 2h");
    assert_string_equal(ov_text_duration(-3, u), "0s");
    assert_string_equal(ov_text_ago(0, 1000, u), "never");
    assert_string_equal(ov_text_ago(1000, 1000.5, u), "now");
    assert_string_equal(ov_text_ago(2000, 1000, u), "now"); /* clocks differ */
    assert_string_equal(ov_text_ago(1000, 1059.9, u), "59s ago");
    assert_string_equal(ov_text_ago(1000, 1000 + 185, u), "3m ago");
    assert_string_equal(ov_text_ago(1000, 1000 + 7300, u), "2h ago");
    assert_string_equal(ov_text_ago(1000, 1000 + 86400 * 9, u), "9d ago");
    assert_string_equal(ov_text_date(0, u), "-");
}

static void percents(void **state)
{
    char u[OV_TEXT_UNIT];
    (void)state;

    assert_string_equal(ov_text_percent(0, u), "0%");
    assert_string_equal(ov_text_percent(0.004, u), "0.4%");
    assert_string_equal(ov_text_percent(0.12, u), "12%");
    assert_string_equal(ov_text_percent(1, u), "100%");
}

static void seconds_are_parsed(void **state)
{
    static const char *const bad[] = {"",
                                      "s",
                                      "-1",
                                      "5x",
                                      "5ss",
                                      "1.2.3",
                                      " 5",
                                      "1e3",
                                      ".",
                                      "9999999999999999999999",
                                      "99999999999999999999999999",
                                      "999999d"};
    double v = -1;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ov_text_seconds(bad[i], &v), OV_EINVAL);
    assert_true(v == -1);
    assert_int_equal(ov_text_seconds("90", &v), OV_OK);
    assert_true(v == 90);
    assert_int_equal(ov_text_seconds("0.5", &v), OV_OK);
    assert_true(v == 0.5);
    assert_int_equal(ov_text_seconds("15m", &v), OV_OK);
    assert_true(v == 900);
    assert_int_equal(ov_text_seconds("24h", &v), OV_OK);
    assert_true(v == 86400);
    assert_int_equal(ov_text_seconds("7d", &v), OV_OK);
    assert_true(v == 7 * 86400);
}

static void numbers_are_parsed(void **state)
{
    uint64_t v = 7;
    (void)state;

    assert_int_equal(ov_text_number("", 10, &v), OV_EINVAL);
    assert_int_equal(ov_text_number("-1", 10, &v), OV_EINVAL);
    assert_int_equal(ov_text_number("1x", 10, &v), OV_EINVAL);
    assert_int_equal(ov_text_number("11", 10, &v), OV_EINVAL);
    assert_int_equal(ov_text_number("18446744073709551616", UINT64_MAX, &v), OV_EINVAL);
    assert_int_equal(v, 7);
    assert_int_equal(ov_text_number("10", 10, &v), OV_OK);
    assert_int_equal(v, 10);
    assert_int_equal(ov_text_number("18446744073709551615", UINT64_MAX, &v), OV_OK);
    assert_true(v == UINT64_MAX);
}

static void near_words(void **state)
{
    static const char *const words[] = {"join", "leave", "status", "networks", "net"};
    (void)state;

    assert_string_equal(ov_text_nearest("jion", words, 5), "join");
    assert_string_equal(ov_text_nearest("staus", words, 5), "status");
    assert_string_equal(ov_text_nearest("netwrks", words, 5), "networks");
    assert_string_equal(ov_text_nearest("stat", words, 5), "status"); /* not finished */
    assert_null(ov_text_nearest("frobnicate", words, 5));
    assert_null(ov_text_nearest("", words, 5));
    assert_null(ov_text_nearest("a-word-that-is-much-too-long-to-be-any-of-these", words, 5));
}

static void clean_text(void **state)
{
    char *s = ov_text_clean("one\ntwo\033[31m\t", true);
    (void)state;

    assert_string_equal(s, "one\ntwo?[31m?");
    free(s);
    assert_int_equal(ov_text_width("\xe7\x8e\x8b"), 2);
    assert_int_equal(ov_text_width(""), 0);
}

static void assert_refused(const char *text, const char *because)
{
    struct ov_target t;
    char why[OV_TARGET_WHY] = "";

    assert_int_equal(ov_target_parse(text, &t, why), OV_EINVAL);
    if (!strstr(why, because))
        fail_msg("\"%s\" was refused because: %s", text, why);
}

static void netids_are_explained(void **state)
{
    (void)state;
    assert_refused("", "missing");
    assert_refused("8056c2e21c00001", "has 15 hex digits; a network id is 16");
    assert_refused("8056c2e21c0000011", "has 17 hex digits");
    assert_refused("1", "has 1 hex digit;");
    assert_refused("8056c2e21c", "address of a node");
    assert_refused("8056c2e21c00000g", "'g' at place 16");
    assert_refused("8056c2e2-1c000001", "'-' at place 9");
    assert_refused("dorm", "its owner can tell it");
    assert_refused("ff56c2e21c000001", "reserved");
    assert_refused("0056c2e21c000001", "reserved");
    assert_refused("@vpn.example.org", "missing");
    assert_refused("8056c2e21c000001@", "not a server");
    assert_refused("8056c2e21c000001@host:99999", "not a server");
    assert_refused("8056c2e21c000001@host:", "not a server");
}

static void targets_are_parsed(void **state)
{
    struct ov_target t;
    char why[OV_TARGET_WHY];
    (void)state;

    assert_int_equal(ov_target_parse("8056C2E21C000001", &t, why), OV_OK);
    assert_true(t.netid == 0x8056c2e21c000001ull);
    assert_false(t.has_host);
    assert_false(t.is_invite);
    assert_int_equal(ov_target_parse("8056c2e21c000001@vpn.example.org", &t, why), OV_OK);
    assert_true(t.has_host);
    assert_string_equal(t.host.name, "vpn.example.org");
    assert_int_equal(t.host.port, OV_DEFAULT_PORT);
    assert_int_equal(ov_target_parse("8056c2e21c000001@[2001:db8::1]:99", &t, why), OV_OK);
    assert_string_equal(t.host.name, "2001:db8::1");
    assert_int_equal(t.host.port, 99);
}

static void invites_are_checked(void **state)
{
    struct ov_invite invite = {.netid = 0x8056c2e21c000001ull, .nhosts = 1};
    char text[OV_INVITE_TEXT], why[OV_TARGET_WHY];
    struct ov_target t;
    size_t last;
    (void)state;

    memset(&invite.controller.dh, 7, sizeof invite.controller.dh);
    strcpy(invite.hosts[0].name, "vpn.example.org");
    invite.hosts[0].port = 4793;
    assert_int_equal(ov_invite_format(&invite, text), OV_OK);
    assert_int_equal(ov_target_parse(text, &t, why), OV_OK);
    assert_true(t.is_invite);
    assert_true(t.netid == invite.netid);
    text[60] = text[60] == 'a' ? 'b' : 'a';
    assert_refused(text, "mistyped");
    last = strlen(text) - 1;
    text[60] = text[60] == 'a' ? 'b' : 'a';
    text[last] = '\0';
    assert_refused(text, "mistyped");
    assert_refused("ovpn1", "mistyped");
}

static void gathered(const char *expected, int n, char *const *words)
{
    char text[OV_TARGET_TEXT];

    ov_target_gather(n, words, text);
    assert_string_equal(text, expected);
}
#define assert_gathered(expected, ...)                                                             \
    gathered(expected, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *), (char *[]){__VA_ARGS__})

/* As invites come out of mails and messages. */
static void pieces_are_gathered(void **state)
{
    char text[OV_TARGET_TEXT], longer[2 * OV_TARGET_TEXT], *word = longer;
    (void)state;

    assert_gathered("ovpn1abcdef", "ovpn1abcdef");
    assert_gathered("ovpn1abcdef", "ovpn1abc", "def");
    assert_gathered("ovpn1abcdef", " \tovpn1abc\r\n  def\n");
    assert_gathered("ovpn1abcdef", "ovpn join ovpn1abcdef");
    assert_gathered("ovpn1abcdef", "  sudo ovpn join\novpn1abc", "", "d", "ef ");
    assert_gathered("OVPN1abcdef", "ovpn", "join", "OVPN1abcdef");
    assert_gathered("8056c2e21c000001@vpn.example.org", " 8056c2e21c000001@vpn.example.org\n");
    assert_gathered("8056c2e21c000001 dorm", "8056c2e21c000001", "dorm");
    assert_gathered("joiner", "joiner");
    assert_gathered("", "");
    assert_gathered("", " \n", " ");
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ov_target_gather(1, &word, text);
    assert_int_equal(strlen(text), OV_TARGET_TEXT - 1); /* too long for any */
}

static void paths_are_escaped(void **state)
{
    char *path = ov_client_path("controller", "networks", "my net/../x?y", "members");
    (void)state;

    assert_string_equal(path, "/v1/controller/networks/my%20net%2F..%2Fx%3Fy/members");
    free(path);
}

static void json_members(void **state)
{
    json_t *o = json_pack("{s:s,s:s,s:f,s:n,s:b,s:[s,s],s:[{s:s}]}", "t", "x", "empty", "", "n",
                          1.5, "null", "b", 1, "a", "1", "2", "o", "name", "dorm");
    char *joined;
    (void)state;

    assert_string_equal(ov_json_text(o, "t", "-"), "x");
    assert_string_equal(ov_json_text(o, "null", "-"), "-");
    assert_string_equal(ov_json_text(o, "empty", "-"), "-");
    assert_string_equal(ov_json_text(o, "n", "-"), "-");
    assert_string_equal(ov_json_text(NULL, "n", "-"), "-");
    assert_true(ov_json_number(o, "n", 0) == 1.5);
    assert_true(ov_json_number(o, "t", -1) == -1);
    assert_true(ov_json_flag(o, "b"));
    assert_false(ov_json_flag(o, "t"));
    joined = ov_json_join(json_object_get(o, "a"), NULL, ", ");
    assert_string_equal(joined, "1, 2");
    free(joined);
    joined = ov_json_join(json_object_get(o, "o"), "name", ", ");
    assert_string_equal(joined, "dorm");
    free(joined);
    joined = ov_json_join(NULL, NULL, ", ");
    assert_string_equal(joined, "");
    free(joined);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes),
        cmocka_unit_test(times),
        cmocka_unit_test(percents),
        cmocka_unit_test(seconds_are_parsed),
        cmocka_unit_test(numbers_are_parsed),
        cmocka_unit_test(near_words),
        cmocka_unit_test(clean_text),
        cmocka_unit_test(netids_are_explained),
        cmocka_unit_test(targets_are_parsed),
        cmocka_unit_test(invites_are_checked),
        cmocka_unit_test(pieces_are_gathered),
        cmocka_unit_test(paths_are_escaped),
        cmocka_unit_test(json_members),
    };
    return cmocka_run_group_tests_name("client_text", tests, NULL, NULL);
}
