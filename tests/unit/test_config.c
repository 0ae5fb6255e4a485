#include "cli/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ov_settings s;
static char why[OV_WHY_MAX];

static int setup(void **state)
{
    (void)state;
    ov_config_defaults(&s);
    why[0] = '\0';
    return 0;
}

static int parse(const char *text)
{
    char copy[8192];
    assert_true(strlen(text) < sizeof(copy));
    strcpy(copy, text);
    return ov_config_parse("/etc/ovpn/ovpn.conf", copy, &s, why);
}

static void bad(const char *text, const char *sentence)
{
    struct ov_settings before = s;
    assert_int_equal(parse(text), OV_EINVAL);
    assert_string_equal(why, sentence);
    assert_memory_equal(&before, &s, sizeof(s)); /* nothing of it is used */
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(""), OV_OK);
    assert_int_equal(s.port, 0);
    assert_string_equal(s.interface, "ovpn%d");
    assert_true(s.offload);
    assert_true(s.aes);
    assert_true(s.portmap);
    assert_true(s.lan_discovery);
    assert_true(s.priority);
    assert_false(s.relay);
    assert_false(s.root);
    assert_false(s.controller);
    assert_int_equal(s.log_level, OV_LOG_INFO);
    assert_int_equal(ov_config_port(&s), 0);
    assert_null(strchr(s.name, '.'));
}

static void everything(void **state)
{
    (void)state;
    assert_int_equal(parse("# a comment\n"
                           "[node]\n"
                           "bind = 192.0.2.7\n"
                           "name = dorm-pc\n"
                           "interface = lan%d\n"
                           "offload = no\n"
                           "aes = no\n"
                           "portmap = no\n"
                           "portmap_lease = 600\n"
                           "lan_discovery = no\n"
                           "priority = normal\n"
                           "relay = yes\n"
                           "relay_rate_mbit = 7\n"
                           "roots = vpn.example.org, 203.0.113.5:4794\n"
                           "    [2001:db8::1]:4793\n"
                           "\n"
                           "[root]\n"
                           "enabled = yes\n"
                           "port = 4800\n"
                           "relay_rate_mbit = 50\n"
                           "public = vpn.example.org:4800\n"
                           "[controller]\n"
                           "enabled = on\n"
                           "database = /srv/ovpn.db\n"
                           "[log]\n"
                           "level = debug\n"),
                     OV_OK);
    assert_int_equal(s.bind.family, 4);
    assert_string_equal(s.name, "dorm-pc");
    assert_string_equal(s.interface, "lan%d");
    assert_false(s.offload);
    assert_false(s.aes);
    assert_false(s.portmap);
    assert_int_equal(s.portmap_lease_s, 600);
    assert_false(s.lan_discovery);
    assert_false(s.priority);
    assert_true(s.relay);
    assert_int_equal(s.member_rate_mbit, 7);
    assert_int_equal(s.nroots, 3);
    assert_string_equal(s.roots[0].name, "vpn.example.org");
    assert_int_equal(s.roots[0].port, OV_DEFAULT_PORT);
    assert_string_equal(s.roots[1].name, "203.0.113.5");
    assert_int_equal(s.roots[1].port, 4794);
    assert_string_equal(s.roots[2].name, "2001:db8::1");
    assert_true(s.root);
    assert_int_equal(ov_config_port(&s), 4800);
    assert_int_equal(s.relay_rate_mbit, 50);
    assert_int_equal(s.npublic, 1);
    assert_int_equal(s.public[0].port, 4800);
    assert_true(s.controller);
    assert_string_equal(s.database, "/srv/ovpn.db");
    assert_int_equal(s.log_level, OV_LOG_DEBUG);
}

static void unknown_words(void **state)
{
    (void)state;
    bad("[node]\n\n# x\nprot = 5\n",
        "ovpn.conf:4: unknown key \"prot\" in [node]; did you mean \"port\"?");
    bad("[node]\npublic = a\n",
        "ovpn.conf:2: unknown key \"public\" in [node]; it belongs in [root]");
    bad("[node]\nqqqqqqqq = a\n", "ovpn.conf:2: unknown key \"qqqqqqqq\" in [node]");
    bad("[contoller]\n", "ovpn.conf:1: unknown section [contoller]; did you mean \"controller\"?");
    bad("[zzzzzzzzzzzz]\nport = 1\n", "ovpn.conf:1: unknown section [zzzzzzzzzzzz]");
    bad("port = 5\n", "ovpn.conf:1: \"port\" stands before any [section]");
}

static void bad_shape(void **state)
{
    (void)state;
    bad("[node]\nport\n", "ovpn.conf:2: this is neither a [section] nor key = value");
    bad("[node\nport = 5\n", "ovpn.conf:1: this is neither a [section] nor key = value");
    bad("[node]\nport = 5\nname = a\nport = 6\n",
        "ovpn.conf:4: \"port\" is given again (first in line 2)");
    bad("[root]\nenabled = yes\n[node]\nport = 5\n",
        "ovpn.conf: a root listens on [root] port; take port out of [node]");
}

static void bad_values(void **state)
{
    (void)state;
    static const char *const PORTS[] = {"0", "65536", "-1", "4793x", "x", "4294967297"};
    for (size_t i = 0; i < sizeof(PORTS) / sizeof(PORTS[0]); i++) {
        char text[64], sentence[128];
        snprintf(text, sizeof(text), "[node]\nport = %s\n", PORTS[i]);
        snprintf(sentence, sizeof(sentence),
                 "ovpn.conf:2: port = \"%s\" is not understood; it takes a UDP port, 1 to 65535",
                 PORTS[i]);
        bad(text, sentence);
    }
    static const char *const OTHERS[] = {
        "[node]\nbind = example.org\n",
        "[node]\nname =\n",
        "[node]\noffload = tso\n",
        "[node]\npriority = high\n",
        "[node]\nrelay = 3\n",
        "[node]\nrelay_rate_mbit = 0\n",
        "[node]\ninterface = a/b\n",
        "[node]\ninterface = ovpn%s\n",
        "[node]\ninterface = ovpn%d%d\n",
        "[node]\ninterface = a-name-of-16-let\n",
        "[node]\nroots = bad host:99999\n",
        "[node]\nroots = a,b,c,d,e,f,g,h,i\n",
        "[root]\nenabled = maybe\n",
        "[root]\nrelay_rate_mbit = 0\n",
        "[root]\npublic = a,b,c,d,e\n",
        "[controller]\ndatabase = relative.db\n",
        "[log]\nlevel = loud\n",
    };
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        assert_int_equal(parse(OTHERS[i]), OV_EINVAL);
        assert_memory_equal(why, "ovpn.conf:2: ", 13);
        assert_non_null(strstr(why, "it takes"));
    }
}

static void leases(void **state)
{
    static const struct {
        const char *text;
        unsigned seconds; /* 0: refused */
    } rows[] = {
        {"7", 0}, {"8", 8}, {"604800", 604800}, {"604801", 0}, {"0", 0}, {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[64], sentence[128];
        snprintf(text, sizeof(text), "[node]\nportmap_lease = %s\n", rows[i].text);
        if (rows[i].seconds > 0) {
            assert_int_equal(parse(text), OV_OK);
            assert_int_equal(s.portmap_lease_s, rows[i].seconds);
            continue;
        }
        snprintf(sentence, sizeof(sentence),
                 "ovpn.conf:2: portmap_lease = \"%s\" is not understood; it takes seconds, 8 to "
                 "604800",
                 rows[i].text);
        bad(text, sentence);
    }
}

static void long_line(void **state)
{
    (void)state;
    char text[1024] = "[node]\nname = ";
    memset(text + strlen(text), 'a', 900);
    strcat(text, "\nport = 5\n");
    assert_int_equal(parse(text), OV_EINVAL);
    assert_non_null(strstr(why, "ovpn.conf:2: the line is longer than"));
}

static void from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/ovpn-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[node]\nport = 5\n", 16), 16);
    assert_int_equal(ov_config_read(path, &s, why), OV_OK);
    assert_int_equal(s.port, 5);
    assert_int_equal(write(fd, "\0", 1), 1);
    assert_int_equal(ov_config_read(path, &s, why), OV_EINVAL);
    close(fd);
    unlink(path);
    assert_int_equal(ov_config_read(path, &s, why), OV_ENOENT);
    assert_non_null(strstr(why, path));
}

/* A proxy's password is for root and the daemon. */
static void a_password_for_everybody(void **state)
{
    static const char WITH[] = "[node]\nproxy = http://me:sesame@proxy:3128\n";
    char path[] = "/tmp/ovpn-test-XXXXXX";
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, WITH, sizeof(WITH) - 1), sizeof(WITH) - 1);
    assert_int_equal(ov_config_read(path, &s, why), OV_OK);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_false(ov_config_exposed(path, &s, why));
    assert_int_equal(fchmod(fd, 0644), 0);
    assert_true(ov_config_exposed(path, &s, why));
    assert_non_null(strstr(why, path));
    assert_null(strstr(why, "sesame"));
    ov_config_defaults(&s);
    assert_false(ov_config_exposed(path, &s, why)); /* no password, or not from there */
    close(fd);
    unlink(path);
}

static void host_labels(void **state)
{
    (void)state;
    char out[OV_HOST_LABEL];
    struct ov_host h = {"vpn.example.org", OV_DEFAULT_PORT};
    assert_string_equal(ov_host_format(&h, out), "vpn.example.org");
    h.port = 99;
    assert_string_equal(ov_host_format(&h, out), "vpn.example.org:99");
    struct ov_host v6 = {"2001:db8::1", 99};
    assert_string_equal(ov_host_format(&v6, out), "[2001:db8::1]:99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults, setup),
        cmocka_unit_test_setup(everything, setup),
        cmocka_unit_test_setup(unknown_words, setup),
        cmocka_unit_test_setup(bad_shape, setup),
        cmocka_unit_test_setup(bad_values, setup),
        cmocka_unit_test_setup(long_line, setup),
        cmocka_unit_test_setup(leases, setup),
        cmocka_unit_test_setup(from_a_file, setup),
        cmocka_unit_test_setup(a_password_for_everybody, setup),
        cmocka_unit_test(host_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
