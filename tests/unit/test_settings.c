#include "controller/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct ov_net_record fresh(void)
{
    struct ov_net_record n = {.netid = 0x8056c2e21c000001,
                              .name = "dorm",
                              .mtu = OV_MTU_DEFAULT,
                              .window_s = OV_WINDOW_DEFAULT,
                              .flags = OV_NET_CHECK_IP,
                              .ip6 = true,
                              .npools = 1,
                              .pools = {{.ip = {4, {10, 147, 17, 0}}, .bits = 24}}};
    return n;
}

static void good(struct ov_net_record *n, const char *key, const char *value)
{
    char why[256] = "";
    int r = ov_settings_net(n, key, value, why);
    if (r != OV_OK)
        fail_msg("%s=%s refused: %s", key, value, why);
}

/* Refused, the record untouched, and a sentence that names what was wrong. */
static void bad(const char *key, const char *value, const char *says)
{
    struct ov_net_record n = fresh(), was = fresh();
    char why[256] = "";
    assert_int_equal(ov_settings_net(&n, key, value, why), OV_EINVAL);
    assert_memory_equal(&n, &was, sizeof n);
    if (strstr(why, says) == NULL)
        fail_msg("%s=%s: \"%s\" does not say \"%s\"", key, value, why, says);
}

static void test_scalars(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    good(&n, "name", "lan-party.2");
    assert_string_equal(n.name, "lan-party.2");
    good(&n, "note", "宿舍 & friends");
    assert_string_equal(n.note, "宿舍 & friends");
    good(&n, "note", "");
    good(&n, "mtu", "1280");
    good(&n, "mtu", "9000");
    assert_int_equal(n.mtu, 9000);
    good(&n, "window", "3600");
    assert_int_equal(n.window_s, 3600);
    good(&n, "multicast-limit", "0");
    assert_int_equal(n.multicast_limit, 0);
    good(&n, "ip6", "off");
    assert_false(n.ip6);
    good(&n, "open", "on");
    assert_true(n.open);
    good(&n, "broadcast", "on");
    good(&n, "check-ip", "off");
    assert_int_equal(n.flags, OV_NET_BROADCAST);
}

static void test_roots(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    good(&n, "roots", "8056c2e21c, 1234567890");
    assert_int_equal(n.nchosen, 2);
    assert_int_equal(n.chosen[0], 0x8056c2e21cull);
    assert_int_equal(n.chosen[1], 0x1234567890ull);
    good(&n, "roots", "all");
    assert_int_equal(n.nchosen, 0);
    bad("roots", "", "not the address");
    bad("roots", "none", "not the address");
    bad("roots", "8056c2e21c,", "not the address");
    bad("roots", "vpn.example.org", "ovpn status");
    bad("roots", "8056c2e21c,8056c2e21c", "twice");
    bad("roots",
        "1000000001,1000000002,1000000003,1000000004,1000000005,1000000006,1000000007,1000000008,"
        "1000000009",
        "at most 8");
}

static void test_bad_scalars(void **state)
{
    (void)state;
    static const char *const mtus[] = {
        "",      "1279",  "9001",  "1400x", "-1",
        "+1400", " 1400", "1400 ", "0x578", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof mtus / sizeof mtus[0]; i++)
        bad("mtu", mtus[i], "from 1280 to 9000");
    bad("window", "0", "from 1 to 31536000");
    bad("window", "24h", "from 1 to 31536000");
    bad("ip6", "yes", "on or off");
    bad("open", "", "on or off");
    bad("name", "", "1 to 63");
    bad("name", "has space", "letters");
    bad("name", "-x", "starts with");
    bad("name", "8056c2e21c", "network id");
    bad("name", "8056c2e21c000001", "network id");
    char long_name[65];
    memset(long_name, 'a', 64);
    long_name[64] = '\0';
    bad("name", long_name, "1 to 63");
    bad("note", "two\nlines", "one line");
    bad("note", "\xff\xfe", "UTF-8");
    bad("note", "\xc0\xaf", "UTF-8");     /* an overlong slash */
    bad("note", "\xed\xa0\x80", "UTF-8"); /* half a surrogate pair */
    bad("note", "\xe5\xae", "UTF-8");     /* cut off */
    bad("colour", "red", "no setting \"colour\"");
    bad("", "x", "no setting");
}

static void test_pools(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    char text[OV_PREFIX_TEXT];
    good(&n, "pool", "10.1.0.0/16, 192.168.9.0/28");
    assert_int_equal(n.npools, 2);
    assert_string_equal(ov_prefix_format(&n.pools[0], text), "10.1.0.0/16");
    assert_string_equal(ov_prefix_format(&n.pools[1], text), "192.168.9.0/28");
    good(&n, "pool", "none");
    assert_int_equal(n.npools, 0);
    bad("pool", "10.1.0.5/16", "do you mean 10.1.0.0/16?");
    bad("pool", "10.1.0.0", "not a subnet");
    bad("pool", "10.1.0.0/16,", "not a subnet");
    bad("pool", "10.1.0.0/16,,10.2.0.0/16", "not a subnet");
    bad("pool", "10.1.0.0/31", "/8 to /30");
    bad("pool", "0.0.0.0/0", "/8 to /30");
    bad("pool", "127.0.0.0/24", "cannot be used");
    bad("pool", "224.0.0.0/24", "cannot be used");
    bad("pool", "169.254.0.0/16", "cannot be used");
    bad("pool", "fd00::/64", "not IPv4");
    bad("pool", "10.1.0.0/16,10.1.7.0/24", "overlaps");
    bad("pool", "10.1.0.0/24,10.2.0.0/24,10.3.0.0/24,10.4.0.0/24,10.5.0.0/24", "at most 4");
}

static void test_routes(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    char text[OV_IP_TEXT];
    good(&n, "routes", "192.168.1.0/24 via 10.147.17.1, 172.16.0.0/12");
    assert_int_equal(n.nroutes, 2);
    assert_string_equal(ov_ip_format(&n.routes[0].via, text), "10.147.17.1");
    assert_int_equal(n.routes[1].via.family, 0);
    good(&n, "routes", "none");
    assert_int_equal(n.nroutes, 0);
    bad("routes", "192.168.1.0/24 via", "not a route");
    bad("routes", "192.168.1.0/24 via x", "not the address of a gateway");
    bad("routes", "192.168.1.0/24 10.147.17.1", "not a route");
    bad("routes", "192.168.1.7/24 via 10.147.17.1", "do you mean 192.168.1.0/24?");
    bad("routes", "192.168.1.0/24 via fd00::1", "two address families");
    bad("routes", "192.168.1.0/24 via 10.9.9.9", "outside");
    bad("routes", "fd01::/16 via fd00::1", "outside");
    bad("routes", "10.1.0.0/16,10.1.0.0/16", "twice");
    char many[33 * 16] = "";
    for (int i = 0; i < 33; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%s10.%d.0.0/16", i ? "," : "",
                 i);
    bad("routes", many, "at most 32");
}

static void test_dns(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    good(&n, "dns", "dorm.lan 10.147.17.1,fd00::53");
    assert_string_equal(n.dns_domain, "dorm.lan");
    assert_int_equal(n.ndns, 2);
    good(&n, "dns", "none");
    assert_int_equal(n.ndns, 0);
    assert_string_equal(n.dns_domain, "");
    bad("dns", "dorm.lan", "a domain and its servers");
    bad("dns", "dorm..lan 10.1.1.1", "not a domain");
    bad("dns", ".lan 10.1.1.1", "not a domain");
    bad("dns", "dorm.lan 10.1.1", "not the address");
    bad("dns", "dorm.lan 1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5", "at most 4");
}

static void bad_member(const char *key, const char *value, const char *says)
{
    struct ov_net_record n = fresh();
    struct ov_member_record m = {.tags = "x"}, was = m;
    char why[256] = "";
    assert_int_equal(ov_settings_member(&n, &m, key, value, why), OV_EINVAL);
    assert_memory_equal(&m, &was, sizeof m);
    if (strstr(why, says) == NULL)
        fail_msg("%s=%s: \"%s\" does not say \"%s\"", key, value, why, says);
}

static void test_member(void **state)
{
    (void)state;
    struct ov_net_record n = fresh();
    struct ov_member_record m = {.netid = n.netid};
    char why[256], text[OV_PREFIX_TEXT];
    assert_int_equal(ov_settings_member(&n, &m, "bridge", "on", why), OV_OK);
    assert_int_equal(m.perms, OV_PERM_BRIDGE);
    assert_int_equal(ov_settings_member(&n, &m, "bridge", "off", why), OV_OK);
    assert_int_equal(m.perms, 0);
    assert_int_equal(ov_settings_member(&n, &m, "ip", "10.147.17.9, 10.147.17.7", why), OV_OK);
    assert_int_equal(m.naddrs, 2);
    assert_string_equal(ov_prefix_format(&m.addrs[0], text), "10.147.17.9/24");
    assert_int_equal(ov_settings_member(&n, &m, "tags", "games , nas", why), OV_OK);
    assert_string_equal(m.tags, "games,nas");
    assert_int_equal(ov_settings_member(&n, &m, "tags", "", why), OV_OK);
    assert_string_equal(m.tags, "");
    bad_member("ip", "10.147.17.0", "not a host");
    bad_member("ip", "10.147.17.255", "not a host");
    bad_member("ip", "10.148.0.1", "not a host");
    bad_member("ip", "10.147.17.1/24", "not an IPv4 address");
    bad_member("ip", "fd00::1", "not an IPv4 address");
    bad_member("ip", "10.147.17.1,10.147.17.1", "twice");
    bad_member("ip",
               "10.147.17.1,10.147.17.2,10.147.17.3,10.147.17.4,10.147.17.5,10.147.17.6,"
               "10.147.17.7,10.147.17.8",
               "at most 7");
    bad_member("tags", "a,,b", "a tag is");
    bad_member("tags", "a b", "a tag is");
    bad_member("bridge", "1", "on or off");
    bad_member("speed", "1", "no setting");
    char tags[400];
    memset(tags, 'a', sizeof tags);
    for (size_t i = 50; i < sizeof tags; i += 51)
        tags[i] = ',';
    tags[sizeof tags - 1] = '\0';
    bad_member("tags", tags, "at most 255");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_bad_scalars),
        cmocka_unit_test(test_roots),   cmocka_unit_test(test_pools),
        cmocka_unit_test(test_routes),  cmocka_unit_test(test_dns),
        cmocka_unit_test(test_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
