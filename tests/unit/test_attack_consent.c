/* What a malicious controller may put on this computer: private space, and nothing else unasked. */
#include "cli/config.h"
#include "cli/consent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static char why[OV_WHY_MAX];

static struct ov_link_state wish(const char *addr, const char *route)
{
    struct ov_link_state w;
    memset(&w, 0, sizeof(w));
    w.up = true;
    w.mtu = 1344;
    if (addr != NULL)
        assert_int_equal(ov_prefix_parse(addr, &w.addrs[w.naddrs++]), OV_OK);
    if (route != NULL)
        assert_int_equal(ov_prefix_parse(route, &w.routes[w.nroutes++].dst), OV_OK);
    return w;
}

static void expect_route(const char *route, bool taken)
{
    struct ov_link_state w = wish(NULL, route);
    ov_consent_filter(OV_CONSENT_PRIVATE, &w, why);
    assert_int_equal(w.nroutes, taken ? 1 : 0);
    assert_int_equal(why[0] == '\0', taken);
    assert_true(taken || strstr(why, route) != NULL);
    w = wish(route, NULL);
    ov_consent_filter(OV_CONSENT_PRIVATE, &w, why);
    assert_int_equal(w.naddrs, taken ? 1 : 0);
    assert_true(w.up);
    assert_int_equal(w.mtu, 1344);
}

static void private_space(void **state)
{
    static const char *const TAKEN[] = {"10.0.0.0/8",     "10.147.17.5/24", "172.16.0.0/12",
                                        "172.31.0.0/16",  "192.168.0.0/16", "192.168.1.1/32",
                                        "100.64.0.0/10",  "fd00:1::/32",    "fc00::/7",
                                        "fd12:3456::1/64"},
                             *const REFUSED[] = {
                                 "0.0.0.0/0",      "0.0.0.0/1",      "128.0.0.0/1",
                                 "8.8.8.8/32",     "10.0.0.0/7",     "172.0.0.0/8",
                                 "172.32.0.0/16",  "192.168.0.0/15", "192.0.0.0/8",
                                 "100.0.0.0/8",    "127.0.0.0/8",    "169.254.169.254/32",
                                 "224.0.0.0/4",    "::/0",           "2000::/3",
                                 "2001:db8::/32",  "f800::/5",       "fe80::/64",
                                 "ff00::/8",       "::1/128",        "255.255.255.255/32",
                                 "192.169.0.0/16", "::10.0.0.1/128", "::ffff:10.0.0.0/104"};
    (void)state;
    for (size_t i = 0; i < sizeof(TAKEN) / sizeof(TAKEN[0]); i++)
        expect_route(TAKEN[i], true);
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        struct ov_prefix p;
        char text[OV_PREFIX_TEXT];
        assert_int_equal(ov_prefix_parse(REFUSED[i], &p), OV_OK);
        expect_route(ov_prefix_format(&p, text), false);
    }
}

/* One wolf among sheep: the sheep stay, in order, and nothing of the wolf is left in the bytes. */
static void mixed(void **state)
{
    struct ov_link_state w = wish("10.1.0.1/24", "0.0.0.0/1"), clean = wish("10.1.0.1/24", NULL);
    (void)state;
    for (uint8_t i = 1; i < OV_LINK_ROUTES_MAX; i++)
        w.routes[w.nroutes++].dst =
            (struct ov_prefix){{.family = 4, .b = {(uint8_t)(i % 2 ? 10 : 9), i}}, 16};
    ov_consent_filter(OV_CONSENT_PRIVATE, &w, why);
    assert_int_equal(w.nroutes, OV_LINK_ROUTES_MAX / 2);
    for (uint8_t i = 0; i < w.nroutes; i++)
        assert_int_equal(w.routes[i].dst.ip.b[1], 2 * i + 1);
    assert_non_null(strstr(why, "route 0.0.0.0/1 is refused"));
    assert_non_null(strstr(why, "routes = all"));
    w = wish("10.1.0.1/24", "0.0.0.0/1");
    ov_consent_filter(OV_CONSENT_PRIVATE, &w, why);
    assert_memory_equal(&w, &clean, sizeof(w));
}

static void other_words(void **state)
{
    struct ov_link_state w = wish("8.0.0.1/8", "0.0.0.0/1"), same = w;
    (void)state;
    ov_consent_filter(OV_CONSENT_ALL, &w, why);
    assert_memory_equal(&w, &same, sizeof(w));
    assert_string_equal(why, "");
    w = wish("10.0.0.1/8", "10.9.0.0/16");
    ov_consent_filter(OV_CONSENT_NONE, &w, why);
    assert_int_equal(w.naddrs, 1);
    assert_int_equal(w.nroutes, 0);
    assert_non_null(strstr(why, "routes = none"));
    w = wish("8.0.0.1/8", NULL);
    ov_consent_filter(OV_CONSENT_NONE, &w, why);
    assert_int_equal(w.naddrs, 0);
    assert_non_null(strstr(why, "address 8.0.0.1/8"));
}

static void by_config(void **state)
{
    struct ov_settings s;
    char all[] = "[node]\nroutes = all\n", none[] = "[node]\nroutes = none\n",
         bad[] = "[node]\nroutes = ALL\n";
    (void)state;
    ov_config_defaults(&s);
    assert_int_equal(s.routes, OV_CONSENT_PRIVATE); /* unasked */
    assert_int_equal(ov_config_parse("x", all, &s, why), OV_OK);
    assert_int_equal(s.routes, OV_CONSENT_ALL);
    assert_int_equal(ov_config_parse("x", none, &s, why), OV_OK);
    assert_int_equal(s.routes, OV_CONSENT_NONE);
    assert_int_equal(ov_config_parse("x", bad, &s, why), OV_EINVAL);
    assert_string_equal(why, "x:2: routes = \"ALL\" is not understood; it takes private, all or "
                             "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_space),
        cmocka_unit_test(mixed),
        cmocka_unit_test(other_words),
        cmocka_unit_test(by_config),
    };
    return cmocka_run_group_tests_name("attack_consent", tests, NULL, NULL);
}
