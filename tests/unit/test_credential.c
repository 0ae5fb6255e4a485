#include "core/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
static struct ov_identity_secret controller, stranger, member;

static ov_netid net_of(const struct ov_identity_secret *c)
{
    return c->pub.addr << 24 | 1;
}

static struct ov_prefix prefix(const char *text)
{
    struct ov_prefix p;

    assert_int_equal(ov_prefix_parse(text, &p), 0);
    return p;
}

static struct ov_endpoint endpoint(const char *text)
{
    struct ov_endpoint e;

    assert_int_equal(ov_endpoint_parse(text, &e), 0);
    return e;
}

static struct ov_cert some_cert(void)
{
    struct ov_cert c = {
        .netid = net_of(&controller),
        .member = member.pub,
        .timestamp = 1700000000000,
        .perms = OV_PERM_BRIDGE,
        .naddrs = 2,
        .addrs = {prefix("10.147.17.5/24"), prefix("fd00::5/64")},
    };

    return c;
}

static struct ov_net_config some_config(void)
{
    struct ov_net_config c = {
        .netid = net_of(&controller),
        .revision = 7,
        .timestamp = 1700000000000,
        .name = "dorm",
        .flags = OV_NET_CHECK_IP | OV_NET_BROADCAST,
        .mtu = OV_MTU_DEFAULT,
        .window_s = OV_WINDOW_DEFAULT,
        .multicast_limit = 64,
        .nroutes = 2,
        .routes = {{.dst = prefix("10.147.17.0/24")}, {.dst = prefix("fd00::/64")}},
        .ndns = 1,
        .dns_domain = "dorm.lan",
        .dns = {prefix("10.147.17.1/32").ip},
        .nroots = 1,
        .roots = {{.id = stranger.pub, .nendpoints = 2}},
    };

    c.routes[0].via = prefix("10.147.17.254/32").ip;
    c.roots[0].endpoints[0] = endpoint("192.0.2.1:4793");
    c.roots[0].endpoints[1] = endpoint("[2001:db8::1]:4793");
    return c;
}

/* Sign bytes as they are, to see what decoding says of a controller that signs nonsense. */
static size_t resign(uint8_t *blob, size_t len, const char *domain)
{
    struct ov_signature sig;

    ov_sign(&controller.sign, domain, blob, len - 64, &sig);
    memcpy(blob + len - 64, sig.b, 64);
    return len;
}

/* ---- certificates ---- */

static void test_cert_round_trip(void **state)
{
    struct ov_cert c = some_cert(), got;
    uint8_t blob[OV_CERT_MAX];
    int len = ov_cert_issue(&c, &controller, blob);

    (void)state;
    assert_int_equal(len, 1 + 8 + 5 + 72 + 8 + 2 + 1 + 6 + 18 + 64);
    assert_int_equal(ov_cert_verify(blob, (size_t)len, &controller.pub, &got), 0);
    assert_int_equal(got.netid, c.netid);
    assert_true(ov_identity_equal(&got.member, &member.pub));
    assert_int_equal(got.member.addr, member.pub.addr);
    assert_int_equal(got.timestamp, c.timestamp);
    assert_int_equal(got.perms, c.perms);
    assert_int_equal(got.naddrs, 2);
    assert_memory_equal(got.addrs, c.addrs, sizeof(c.addrs));
    assert_true(ov_cert_has_ip(&got, &c.addrs[1].ip));
    assert_false(ov_cert_has_ip(&got, &(struct ov_ip){.family = 4, .b = {10, 147, 17, 6}}));
}

static void test_cert_flipped_bits(void **state)
{
    struct ov_cert c = some_cert(), got;
    uint8_t blob[OV_CERT_MAX];
    size_t len = (size_t)ov_cert_issue(&c, &controller, blob);

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(ov_cert_verify(blob, len, &controller.pub, &got), 0);
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < len; n++)
        assert_int_equal(ov_cert_decode(blob, n, &got), OV_ETRUNC);
    blob[len] = 0;
    assert_int_equal(ov_cert_decode(blob, len + 1, &got), OV_ETRUNC);
    assert_int_equal(ov_cert_verify(blob, len, &controller.pub, &got), 0);
}

static void test_cert_wrong_key(void **state)
{
    struct ov_cert c = some_cert(), got;
    struct ov_identity impostor = stranger.pub, unchecked = controller.pub;
    uint8_t blob[OV_CERT_MAX];
    int len = ov_cert_issue(&c, &controller, blob);

    (void)state;
    assert_int_equal(ov_cert_verify(blob, (size_t)len, &stranger.pub, &got), OV_EAUTH);
    impostor.addr = controller.pub.addr; /* the right address, another key */
    assert_int_equal(ov_cert_verify(blob, (size_t)len, &impostor, &got), OV_EAUTH);
    unchecked.addr = 0; /* the right key, address never proven */
    assert_int_equal(ov_cert_verify(blob, (size_t)len, &unchecked, &got), OV_EAUTH);
    assert_int_equal(ov_cert_issue(&c, &stranger, blob), OV_EINVAL); /* not its network */
}

static void test_cert_bad_shapes(void **state)
{
    const char domain[] = "ovpn certificate v1";
    const size_t n_at = 1 + 8 + 5 + 72 + 8 + 2, bits_at = n_at + 1 + 5;
    struct ov_cert c = some_cert(), got;
    uint8_t good[OV_CERT_MAX], blob[OV_CERT_MAX];
    size_t len = (size_t)ov_cert_issue(&c, &controller, good);

    (void)state;
    memcpy(blob, good, len);
    blob[0] = 2;
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), OV_EVERSION);
    memcpy(blob, good, len);
    blob[n_at] = 1; /* fewer addresses than there are bytes for */
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), OV_ETRUNC);
    blob[n_at] = OV_CERT_ADDRS_MAX + 1;
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), OV_EINVAL);
    memcpy(blob, good, len);
    blob[bits_at] = 32;
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), 0);
    blob[bits_at] = 33;
    assert_int_not_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), 0);
    memcpy(blob, good, len);
    blob[9] = 0xff; /* a reserved member address */
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), OV_EINVAL);
    memcpy(blob, good, len);
    blob[1] = 0x00; /* a network of no controller */
    assert_int_equal(ov_cert_decode(blob, resign(blob, len, domain), &got), OV_EINVAL);

    c.naddrs = OV_CERT_ADDRS_MAX + 1;
    assert_int_equal(ov_cert_issue(&c, &controller, blob), OV_EINVAL);
    c.naddrs = OV_CERT_ADDRS_MAX; /* the six more have no family */
    assert_int_equal(ov_cert_issue(&c, &controller, blob), OV_EINVAL);
    for (size_t i = 2; i < OV_CERT_ADDRS_MAX; i++)
        c.addrs[i] = c.addrs[1];
    assert_true(ov_cert_issue(&c, &controller, blob) > 0);
    c.addrs[0].bits = 33;
    assert_int_equal(ov_cert_issue(&c, &controller, blob), OV_EINVAL);
}

static void test_cert_agreement(void **state)
{
    struct ov_cert a = some_cert(), b = a;

    (void)state;
    b.timestamp += 60000;
    assert_true(ov_cert_agree(&a, &b, 60));
    assert_true(ov_cert_agree(&b, &a, 60));
    b.timestamp++;
    assert_false(ov_cert_agree(&a, &b, 60));
    assert_false(ov_cert_agree(&b, &a, 60));
    a.timestamp = 0;
    b.timestamp = UINT64_MAX;
    assert_false(ov_cert_agree(&a, &b, UINT32_MAX));
    b = a;
    b.netid++;
    assert_false(ov_cert_agree(&a, &b, 60));
}

/* ---- configuration ---- */

static void test_config_round_trip(void **state)
{
    struct ov_net_config c = some_config(), got;
    uint8_t blob[OV_CONFIG_MAX], again[OV_CONFIG_MAX];
    int len = ov_net_config_issue(&c, &controller, blob);

    (void)state;
    assert_true(len > 0);
    assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), 0);
    assert_int_equal(got.netid, c.netid);
    assert_int_equal(got.revision, 7);
    assert_int_equal(got.timestamp, c.timestamp);
    assert_string_equal(got.name, "dorm");
    assert_int_equal(got.flags, c.flags);
    assert_int_equal(got.mtu, c.mtu);
    assert_int_equal(got.window_s, c.window_s);
    assert_int_equal(got.multicast_limit, 64);
    assert_int_equal(got.nroutes, 2);
    assert_memory_equal(got.routes, c.routes, sizeof(c.routes));
    assert_int_equal(got.ndns, 1);
    assert_string_equal(got.dns_domain, "dorm.lan");
    assert_memory_equal(got.dns, c.dns, sizeof(c.dns));
    assert_int_equal(got.nroots, 1);
    assert_true(ov_identity_equal(&got.roots[0].id, &stranger.pub));
    assert_int_equal(got.roots[0].id.addr, stranger.pub.addr);
    assert_int_equal(got.roots[0].nendpoints, 2);
    assert_true(ov_endpoint_equal(&got.roots[0].endpoints[1], &c.roots[0].endpoints[1]));
    assert_int_equal(ov_net_config_issue(&got, &controller, again), len);
    assert_memory_equal(again, blob, (size_t)len);
}

/* What a controller calls a network goes to people's shells and terminals: no honest one signs more
 * than names, and another's are refused. */
static void test_config_names(void **state)
{
    static const char *const bad[] = {"d$rm", "d`rm", "do;m", "d rm", "do/m", "-orm", "d*rm"};
    struct ov_net_config c = some_config(), got;
    uint8_t blob[OV_CONFIG_MAX];
    int len = ov_net_config_issue(&c, &controller, blob);
    uint8_t *name = blob + 26, *domain = memmem(blob, (size_t)len, "dorm.lan", 8);

    (void)state;
    assert_memory_equal(name, "dorm", 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(name, bad[i], 4);
        resign(blob, (size_t)len, "ovpn network v1");
        assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), OV_EINVAL);
        memcpy(name, "dorm", 4);
        memcpy(domain, bad[i], 4);
        resign(blob, (size_t)len, "ovpn network v1");
        assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), OV_EINVAL);
        memcpy(domain, "dorm", 4);
        strcpy(c.name, bad[i]);
        assert_int_equal(ov_net_config_issue(&c, &controller, blob), OV_EINVAL);
        strcpy(c.name, "dorm");
        assert_int_equal(ov_net_config_issue(&c, &controller, blob), len);
    }
    c.name[0] = '\0';
    assert_int_equal(ov_net_config_issue(&c, &controller, blob), OV_EINVAL);
}

/* The members' secret is there or not, as the flag says. */
static void test_config_lan_key(void **state)
{
    struct ov_net_config c = some_config(), got;
    uint8_t blob[OV_CONFIG_MAX], with[OV_CONFIG_MAX];
    int len = ov_net_config_issue(&c, &controller, blob);

    (void)state;
    memset(c.lan_key.b, 0xa5, sizeof(c.lan_key.b));
    assert_int_equal(ov_net_config_issue(&c, &controller, with), len); /* no flag, no key */
    assert_memory_equal(with, blob, (size_t)len);
    c.flags |= OV_NET_LAN_KEY;
    assert_int_equal(ov_net_config_issue(&c, &controller, with), len + 32);
    assert_memory_equal(with + len - 64, c.lan_key.b, 32); /* last before the signature */
    assert_int_equal(ov_net_config_verify(with, (size_t)len + 32, &controller.pub, &got), 0);
    assert_memory_equal(got.lan_key.b, c.lan_key.b, 32);
    assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), 0);
    assert_true(got.lan_key.b[0] == 0 && !(got.flags & OV_NET_LAN_KEY));
    /* the flag without the key */
    blob[1 + 8 + 8 + 8 + 1 + 4 + 1] |= OV_NET_LAN_KEY;
    resign(blob, (size_t)len, "ovpn network v1");
    assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), OV_ETRUNC);
}

/* The largest one fits. */
static void test_config_full(void **state)
{
    struct ov_net_config c = some_config(), got;
    uint8_t blob[OV_CONFIG_MAX];
    int len;

    (void)state;
    c.flags |= OV_NET_LAN_KEY;
    memset(c.name, 'n', sizeof(c.name) - 1);
    memset(c.dns_domain, 'd', sizeof(c.dns_domain) - 1);
    c.nroutes = OV_NET_ROUTES_MAX;
    for (size_t i = 0; i < OV_NET_ROUTES_MAX; i++)
        c.routes[i] = (struct ov_route){prefix("fd00::/64"), prefix("fd00::1/64").ip};
    c.ndns = OV_NET_DNS_MAX;
    for (size_t i = 0; i < OV_NET_DNS_MAX; i++)
        c.dns[i] = prefix("fd00::1/64").ip;
    c.nroots = OV_NET_ROOTS_MAX;
    for (size_t i = 0; i < OV_NET_ROOTS_MAX; i++) {
        c.roots[i].id = stranger.pub;
        c.roots[i].nendpoints = OV_ROOT_ENDPOINTS_MAX;
        for (size_t j = 0; j < OV_ROOT_ENDPOINTS_MAX; j++)
            c.roots[i].endpoints[j] = endpoint("[2001:db8::1]:4793");
    }
    len = ov_net_config_issue(&c, &controller, blob);
    assert_true(len > 0);
    assert_int_equal(ov_net_config_verify(blob, (size_t)len, &controller.pub, &got), 0);
    assert_memory_equal(got.routes, c.routes, sizeof(c.routes));
}

static void test_config_flipped_bits(void **state)
{
    struct ov_net_config c = some_config(), got;
    uint8_t blob[OV_CONFIG_MAX];
    size_t len = (size_t)ov_net_config_issue(&c, &controller, blob);

    (void)state;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(ov_net_config_verify(blob, len, &controller.pub, &got), 0);
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t n = 0; n < len; n++)
        assert_int_equal(ov_net_config_verify(blob, n, &controller.pub, &got), OV_ETRUNC);
    blob[len] = 0;
    assert_int_equal(ov_net_config_verify(blob, len + 1, &controller.pub, &got), OV_ETRUNC);
    assert_int_equal(ov_net_config_verify(blob, len, &stranger.pub, &got), OV_EAUTH);
    assert_int_equal(ov_net_config_verify(blob, len, &controller.pub, &got), 0);
}

/* One field wrong at a time: never signed, and refused even where a controller has signed it. */
static void test_config_ranges(void **state)
{
    const char domain[] = "ovpn network v1";
    const size_t name_at = 1 + 8 + 8 + 8, mtu_at = name_at + 1 + 4 + 2, window_at = mtu_at + 2;
    const size_t routes_at = window_at + 4 + 4, bits_at = routes_at + 1 + 5;
    struct ov_net_config got;
    uint8_t good[OV_CONFIG_MAX], blob[OV_CONFIG_MAX];
    size_t len;

#define REFUSED(change)                                                                            \
    do {                                                                                           \
        struct ov_net_config c = some_config();                                                    \
        change;                                                                                    \
        assert_int_equal(ov_net_config_issue(&c, &controller, blob), OV_EINVAL);                   \
    } while (0)
#define REFUSED_SIGNED(err, change)                                                                \
    do {                                                                                           \
        memcpy(blob, good, len);                                                                   \
        change;                                                                                    \
        resign(blob, len, domain);                                                                 \
        assert_int_equal(ov_net_config_verify(blob, len, &controller.pub, &got), err);             \
    } while (0)

    (void)state;
    REFUSED(c.mtu = OV_MTU_MIN - 1);
    REFUSED(c.mtu = OV_MTU_MAX + 1);
    REFUSED(c.window_s = 0);
    REFUSED(c.window_s = OV_WINDOW_MAX + 1);
    REFUSED(c.nroutes = OV_NET_ROUTES_MAX + 1);
    REFUSED(c.ndns = OV_NET_DNS_MAX + 1);
    REFUSED(c.nroots = OV_NET_ROOTS_MAX + 1);
    REFUSED(c.roots[0].nendpoints = OV_ROOT_ENDPOINTS_MAX + 1);
    REFUSED(c.roots[0].endpoints[0].port = 0);
    REFUSED(c.roots[0].id.addr = 0);
    REFUSED(c.routes[0].dst.bits = 33);
    REFUSED(c.routes[0].dst.ip.family = 0);
    REFUSED(c.routes[0].via = c.routes[1].dst.ip);
    REFUSED(c.dns[0].family = 0);
    REFUSED(c.name[0] = '\n');
    REFUSED(c.netid = net_of(&stranger));

    struct ov_net_config c = some_config();
    len = (size_t)ov_net_config_issue(&c, &controller, good);
    REFUSED_SIGNED(OV_OK, blob[0] = 1);
    REFUSED_SIGNED(OV_EVERSION, blob[0] = 2);
    REFUSED_SIGNED(OV_EAUTH, blob[5] ^= 1); /* another controller's network */
    REFUSED_SIGNED(OV_EINVAL, (blob[mtu_at] = 0x04, blob[mtu_at + 1] = 0xff));
    REFUSED_SIGNED(OV_OK, (blob[mtu_at] = 0x05, blob[mtu_at + 1] = 0x00));
    REFUSED_SIGNED(OV_OK, (blob[mtu_at] = 0x23, blob[mtu_at + 1] = 0x28));
    REFUSED_SIGNED(OV_EINVAL, (blob[mtu_at] = 0x23, blob[mtu_at + 1] = 0x29));
    REFUSED_SIGNED(OV_EINVAL, memset(blob + window_at, 0, 4));
    REFUSED_SIGNED(OV_ETRUNC, blob[name_at] = 64);
    REFUSED_SIGNED(OV_ETRUNC, blob[name_at + 1] = 0x07);
    REFUSED_SIGNED(OV_ETRUNC, blob[routes_at] = 200);
    REFUSED_SIGNED(OV_ETRUNC, blob[bits_at] = 33);
}

/* ---- revocations ---- */

static void test_revocation(void **state)
{
    struct ov_revocation r = {net_of(&controller), member.pub.addr, 1700000000000}, got;
    uint8_t blob[OV_REVOCATION_LEN + 1];

    (void)state;
    ov_revocation_issue(&r, &controller, blob);
    assert_int_equal(ov_revocation_verify(blob, OV_REVOCATION_LEN, &controller.pub, &got), 0);
    assert_int_equal(got.netid, r.netid);
    assert_int_equal(got.member, r.member);
    assert_int_equal(got.timestamp, r.timestamp);
    assert_int_equal(ov_revocation_verify(blob, OV_REVOCATION_LEN, &stranger.pub, &got), OV_EAUTH);
    for (size_t n = 0; n <= sizeof(blob); n++)
        assert_int_equal(ov_revocation_decode(blob, n, &got),
                         n == OV_REVOCATION_LEN ? OV_OK : OV_ETRUNC);
    for (size_t bit = 0; bit < 8 * OV_REVOCATION_LEN; bit++) {
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(ov_revocation_verify(blob, OV_REVOCATION_LEN, &controller.pub, &got),
                             0);
        blob[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    blob[0] = 2;
    assert_int_equal(ov_revocation_decode(blob, OV_REVOCATION_LEN, &got), OV_EVERSION);
    blob[0] = 1;
    blob[9] = 0; /* a reserved member address */
    assert_int_equal(ov_revocation_decode(blob, OV_REVOCATION_LEN, &got), OV_EINVAL);
}

/* A signature over one kind of blob is worth nothing on another, even if the bytes could be both.
 */
static void test_domains_are_separate(void **state)
{
    struct ov_revocation r = {net_of(&controller), member.pub.addr, 1}, got;
    uint8_t blob[OV_REVOCATION_LEN];

    (void)state;
    ov_revocation_issue(&r, &controller, blob);
    resign(blob, sizeof(blob), "ovpn revocation v1");
    assert_int_equal(ov_revocation_verify(blob, sizeof(blob), &controller.pub, &got), 0);
    resign(blob, sizeof(blob), "ovpn certificate v1");
    assert_int_equal(ov_revocation_verify(blob, sizeof(blob), &controller.pub, &got), OV_EAUTH);
}

/* Any bytes of any length: never a crash, never accepted. */
static void test_random_bytes(void **state)
{
    uint8_t blob[OV_CONFIG_MAX];
    uint64_t x = 1;

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        size_t len = round % 600;
        struct ov_net_config config;
        struct ov_revocation rev;
        struct ov_cert cert;

        for (size_t i = 0; i < len; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            blob[i] = (uint8_t)(x >> 56);
        }
        if (round % 2 && len > 0)
            blob[0] = 1;
        assert_int_not_equal(ov_cert_verify(blob, len, &controller.pub, &cert), 0);
        assert_int_not_equal(ov_net_config_verify(blob, len, &controller.pub, &config), 0);
        assert_int_not_equal(ov_revocation_verify(blob, len, &controller.pub, &rev), 0);
    }
}

static int setup(void **state)
{
    const uint8_t seeds[3][32] = {{1}, {2}, {3}};
    int err = ov_crypto_init();

    (void)state;
    if (!err)
        err = ov_identity_make(seeds[0], &easy, NULL, NULL, &controller);
    if (!err)
        err = ov_identity_make(seeds[1], &easy, NULL, NULL, &stranger);
    if (!err)
        err = ov_identity_make(seeds[2], &easy, NULL, NULL, &member);
    return err;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cert_round_trip),      cmocka_unit_test(test_cert_flipped_bits),
        cmocka_unit_test(test_cert_wrong_key),       cmocka_unit_test(test_cert_bad_shapes),
        cmocka_unit_test(test_cert_agreement),       cmocka_unit_test(test_config_round_trip),
        cmocka_unit_test(test_config_names),         cmocka_unit_test(test_config_lan_key),
        cmocka_unit_test(test_config_full),          cmocka_unit_test(test_config_flipped_bits),
        cmocka_unit_test(test_config_ranges),        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_domains_are_separate), cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
