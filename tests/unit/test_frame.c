#include "core/frame.h"

#include "core/bytes.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Frames are put together from hex text, so that they can be compared with the RFCs by eye. */
struct bytes {
    uint8_t b[512];
    size_t len;
};

static void add(struct bytes *f, const char *hex)
{
    int high = -1;

    for (; *hex != '\0'; hex++) {
        int d = *hex >= '0' && *hex <= '9' ? *hex - '0' : *hex >= 'a' ? *hex - 'a' + 10 : -1;
        if (*hex == ' ')
            continue;
        assert_in_range(d, 0, 15);
        if (high < 0) {
            high = d;
            continue;
        }
        assert_true(f->len < sizeof(f->b));
        f->b[f->len++] = (uint8_t)(high << 4 | d);
        high = -1;
    }
    assert_int_equal(high, -1);
}

#define MACS    "0202aabbccdd 0206 11223344"
#define ETH_ARP MACS "0806"
#define ETH_IP4 MACS "0800"
#define ETH_IP6 MACS "86dd"

/* Parse a copy of just the right size, so that the sanitizer sees every overrun. */
static int parse(const struct bytes *f, size_t len, struct ov_frame_info *out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, f->b, len);
    int rc = ov_frame_parse(copy, len, out);
    free(copy);
    return rc;
}

static int parse_hex(const char *hex, struct ov_frame_info *out)
{
    struct bytes f = {.len = 0};

    add(&f, hex);
    return parse(&f, f.len, out);
}

/* Parses, and every shorter piece of it down to the Ethernet header is malformed. */
static void parse_and_cut(const char *hex, struct ov_frame_info *out)
{
    struct bytes f = {.len = 0};
    struct ov_frame_info cut;

    add(&f, hex);
    assert_int_equal(parse(&f, f.len, out), OV_OK);
    for (size_t len = 0; len < f.len; len++) {
        memset(&cut, 0xa5, sizeof(cut));
        assert_int_equal(parse(&f, len, &cut), OV_EINVAL);
        assert_int_equal(cut.tags, 0xa5);
    }
}

static void assert_ip(const struct ov_ip *ip, const char *text)
{
    char mine[OV_IP_TEXT];

    assert_string_equal(ov_ip_format(ip, mine), text);
}

static void assert_mac(const struct ov_mac *m, const char *text)
{
    char mine[OV_MAC_TEXT];

    assert_string_equal(ov_mac_format(m, mine), text);
}

static void test_ethernet(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(MACS "88b5", &f);
    assert_mac(&f.dst, "02:02:aa:bb:cc:dd");
    assert_mac(&f.src, "02:06:11:22:33:44");
    assert_int_equal(f.ethertype, 0x88b5);
    assert_int_equal(f.kind, OV_FRAME_OTHER);
    assert_int_equal(f.tags, 0);
    assert_int_equal(f.src_ip.family, 0);
    assert_false(f.has_link_mac);
    /* IPX in an IEEE 802.3 frame: the type is a length */
    parse_and_cut(MACS "0003 e0e003", &f);
    assert_int_equal(f.kind, OV_FRAME_OTHER);
    assert_int_equal(parse_hex(MACS "0003 e0e003 0000", &f), OV_OK);
}

static void test_vlan(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(MACS "8100 0005 0800 4500001400000000401100000a0000010a000002", &f);
    assert_int_equal(f.tags, 1);
    assert_int_equal(f.ethertype, OV_ETH_IP4);
    assert_int_equal(f.kind, OV_FRAME_IP4);
    assert_ip(&f.src_ip, "10.0.0.1");
    parse_and_cut(MACS "88a8 0005 8100 0006 0800 4500001400000000401100000a0000010a000002", &f);
    assert_int_equal(f.tags, 2);
    assert_int_equal(f.kind, OV_FRAME_IP4);
    /* A third tag is not looked behind. */
    assert_int_equal(parse_hex(MACS "88a8 0005 8100 0006 8100 0007 0800", &f), OV_OK);
    assert_int_equal(f.tags, 2);
    assert_int_equal(f.ethertype, OV_ETH_VLAN);
    assert_int_equal(f.kind, OV_FRAME_OTHER);
}

static void test_arp(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(ETH_ARP "0001 0800 06 04 0001 020611223344 0a931105 000000000000 0a931106", &f);
    assert_int_equal(f.kind, OV_FRAME_ARP_REQUEST);
    assert_ip(&f.src_ip, "10.147.17.5");
    assert_ip(&f.dst_ip, "10.147.17.6");
    assert_true(f.has_link_mac);
    assert_mac(&f.link_mac, "02:06:11:22:33:44");
    parse_and_cut(ETH_ARP "0001 0800 06 04 0002 020611223344 0a931105 0202aabbccdd 0a931106", &f);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);
    /* gratuitous: a request for its own address */
    parse_and_cut(ETH_ARP "0001 0800 06 04 0001 020611223344 0a931105 000000000000 0a931105", &f);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);
    /* a probe, as in duplicate address detection */
    parse_and_cut(ETH_ARP "0001 0800 06 04 0001 020611223344 00000000 000000000000 0a931105", &f);
    assert_int_equal(f.kind, OV_FRAME_ARP_REQUEST);
    assert_ip(&f.src_ip, "0.0.0.0");
    parse_and_cut(ETH_ARP "0001 0800 06 04 0001 020611223344 00000000 000000000000 00000000", &f);
    assert_int_equal(f.kind, OV_FRAME_ARP_REQUEST);
    /* IEEE 802 hardware type counts, padding is fine, other operations still show their claim */
    assert_int_equal(parse_hex(ETH_ARP "0006 0800 06 04 0002 020611223344 0a931105 0202aabbccdd"
                                       "0a931106 000000000000000000",
                               &f),
                     OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);
    assert_int_equal(parse_hex(ETH_ARP "0001 0800 06 04 0003 020611223344 0a931105 0202aabbccdd"
                                       "0a931106",
                               &f),
                     OV_OK);
    assert_int_equal(f.kind, OV_FRAME_OTHER);
    assert_ip(&f.src_ip, "10.147.17.5");
}

static void test_bad_arp(void **state)
{
    struct ov_frame_info f;

#define ARP_TAIL "0001 020611223344 0a931105 000000000000 0a931106"
    (void)state;
    assert_int_equal(parse_hex(ETH_ARP "0002 0800 06 04" ARP_TAIL, &f), OV_EINVAL);
    assert_int_equal(parse_hex(ETH_ARP "0001 86dd 06 04" ARP_TAIL, &f), OV_EINVAL);
    assert_int_equal(parse_hex(ETH_ARP "0001 0800 08 04" ARP_TAIL, &f), OV_EINVAL);
    assert_int_equal(parse_hex(ETH_ARP "0001 0800 06 10" ARP_TAIL, &f), OV_EINVAL);
}

static void test_ip4(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(ETH_IP4 "45000018 00000000 40110000 0a931105 e00000fb 01020304", &f);
    assert_int_equal(f.kind, OV_FRAME_IP4);
    assert_ip(&f.src_ip, "10.147.17.5");
    assert_ip(&f.dst_ip, "224.0.0.251");
    parse_and_cut(ETH_IP4 "46000018 00000000 40110000 0a931105 0a931106 01010100", &f);
    assert_int_equal(parse_hex(ETH_IP4 "45000014 00000000 40110000 0a931105 0a931106 0000", &f),
                     OV_OK);
    assert_int_equal(parse_hex(ETH_IP4 "55000014 00000000 40110000 0a931105 0a931106", &f),
                     OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP4 "44000014 00000000 40110000 0a931105 0a931106", &f),
                     OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP4 "46000014 00000000 40110000 0a931105 0a931106", &f),
                     OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP4 "45000013 00000000 40110000 0a931105 0a931106", &f),
                     OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP4 "45000000 00000000 40110000 0a931105 0a931106", &f),
                     OV_EINVAL);
}

static void test_igmp(void **state)
{
    struct ov_frame_info f;

    (void)state;
    /* IGMPv2 report behind router alert, and a query */
    parse_and_cut(
        ETH_IP4 "46000020 00000000 01020000 0a931105 e00000fb 94040000 1600 0904 e00000fb", &f);
    assert_int_equal(f.kind, OV_FRAME_MEMBERSHIP);
    parse_and_cut(ETH_IP4 "4500001c 00000000 01020000 0a931105 e0000001 1164 0000 00000000", &f);
    assert_int_equal(f.kind, OV_FRAME_MEMBERSHIP);
    /* a later fragment has no IGMP header */
    parse_and_cut(ETH_IP4 "45000016 00000001 01020000 0a931105 e00000fb 1600", &f);
    assert_int_equal(f.kind, OV_FRAME_IP4);
    assert_int_equal(
        parse_hex(ETH_IP4 "4500001a 00000000 01020000 0a931105 e00000fb 1600 0904 e000", &f),
        OV_EINVAL);
}

#define IP6(len, next, hops)                                                                       \
    ETH_IP6 "60000000" len next hops "fe800000000000000006 11fffe223344"                           \
            "ff0200000000000000000001ff000009"
#define IP6_UNSPEC(len, next, hops)                                                                \
    ETH_IP6 "60000000" len next hops "00000000000000000000000000000000"                            \
            "ff0200000000000000000001ff000009"
#define TARGET  "fd000000000000000000000000000009"
#define SOLICIT "87 00 0000 00000000" TARGET

static void test_ip6(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(IP6("0004", "11", "40") "01020304", &f);
    assert_int_equal(f.kind, OV_FRAME_IP6);
    assert_ip(&f.src_ip, "fe80::6:11ff:fe22:3344");
    assert_ip(&f.dst_ip, "ff02::1:ff00:9");
    parse_and_cut(IP6("0000", "3b", "40"), &f);
    parse_and_cut(IP6("0008", "3a", "40") "80 00 0000 00010001", &f); /* echo */
    assert_int_equal(f.kind, OV_FRAME_IP6);
    assert_int_equal(parse_hex(IP6("0002", "3a", "40") "8000", &f), OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP6 "50000000 0000 3b 40" TARGET TARGET, &f), OV_EINVAL);
    assert_int_equal(parse_hex(ETH_IP6 "60000000 0001 3b 40" TARGET TARGET, &f), OV_EINVAL);
}

static void test_nd(void **state)
{
    struct ov_frame_info f;

    (void)state;
    parse_and_cut(IP6("0018", "3a", "ff") SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    assert_ip(&f.target, "fd00::9");
    assert_false(f.has_link_mac);
    parse_and_cut(IP6("0020", "3a", "ff") SOLICIT "0101 020611223344", &f);
    assert_true(f.has_link_mac);
    assert_mac(&f.link_mac, "02:06:11:22:33:44");
    /* an option for others first (a nonce, RFC 3971), then ours */
    parse_and_cut(IP6("0028", "3a", "ff") SOLICIT "0e01 010203040506 0101 020611223344", &f);
    assert_true(f.has_link_mac);
    /* the target's option in a solicitation is not the sender's */
    parse_and_cut(IP6("0020", "3a", "ff") SOLICIT "0201 020611223344", &f);
    assert_false(f.has_link_mac);
    parse_and_cut(IP6("0020", "3a", "ff") "88 00 0000 60000000" TARGET "0201 020611223344", &f);
    assert_int_equal(f.kind, OV_FRAME_ND_ADVERT);
    assert_ip(&f.target, "fd00::9");
    assert_mac(&f.link_mac, "02:06:11:22:33:44");
    parse_and_cut(IP6_UNSPEC("0018", "3a", "ff") SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    assert_ip(&f.src_ip, "::");
}

static void test_bad_nd(void **state)
{
    static const char *const bad[] = {
        IP6("0018", "3a", "fe") SOLICIT,                      /* came by a router */
        IP6("0018", "3a", "ff") "87 01 0000 00000000" TARGET, /* code */
        IP6("0018", "3a", "ff") "87 00 0000 00000000 ff020000000000000000000000000009",
        IP6("0017", "3a", "ff") SOLICIT,
        IP6("0020", "3a", "ff") SOLICIT "0100 020611223344",                  /* length 0 */
        IP6("0020", "3a", "ff") SOLICIT "0102 020611223344",                  /* beyond the end */
        IP6("0028", "3a", "ff") SOLICIT "0102 020611223344 0000000000000000", /* not Ethernet */
        IP6("0019", "3a", "ff") SOLICIT "01",
        IP6("0028", "3a", "ff") SOLICIT "0101 020611223344 0101 020611223345", /* two answers */
        IP6_UNSPEC("0020", "3a", "ff") SOLICIT "0101 020611223344",
    };
    struct ov_frame_info f;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse_hex(bad[i], &f) != OV_EINVAL)
            fail_msg("accepted bad[%zu]", i);
    }
}

static void test_extension_headers(void **state)
{
    struct ov_frame_info f;
    struct bytes many = {.len = 0};

    (void)state;
    /* neighbour discovery may not hide behind any of them */
    parse_and_cut(IP6("0020", "3c", "ff") "3a00 000000000000" SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    parse_and_cut(IP6("0028", "00", "ff") "2b00 010400000000 3a00 000000000000" SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    parse_and_cut(IP6("0028", "3c", "ff") "3a01 000000000000 0000000000000000" SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    parse_and_cut(IP6("0020", "2c", "ff") "3a00 0000 00000001" SOLICIT,
                  &f); /* a whole "fragment" */
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    /* real fragments, first and later, are not looked into */
    parse_and_cut(IP6("0020", "2c", "ff") "3a00 0001 00000001" SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_IP6);
    parse_and_cut(IP6("0020", "2c", "ff") "3a00 0008 00000001" SOLICIT, &f);
    assert_int_equal(f.kind, OV_FRAME_IP6);
    /* eight headers are walked, nine are refused */
    add(&many, IP6("0058", "3c", "ff"));
    for (int i = 0; i < 7; i++)
        add(&many, "3c00 000000000000");
    add(&many, "3a00 000000000000" SOLICIT);
    assert_int_equal(parse(&many, many.len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ND_SOLICIT);
    many.len = 0;
    add(&many, IP6("0060", "3c", "ff"));
    for (int i = 0; i < 8; i++)
        add(&many, "3c00 000000000000");
    add(&many, "3a00 000000000000" SOLICIT);
    assert_int_equal(parse(&many, many.len, &f), OV_EINVAL);
}

static void test_mld(void **state)
{
    static const char *const types[] = {"82", "83", "84"};
    struct ov_frame_info f;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct bytes b = {.len = 0};
        add(&b, IP6("0020", "00", "01") "3a00 0502 0000 0100");
        add(&b, types[i]);
        add(&b, "00 0000 00000000 ff0200000000000000000001ff000009");
        assert_int_equal(parse(&b, b.len, &f), OV_OK);
        assert_int_equal(f.kind, OV_FRAME_MEMBERSHIP);
        for (size_t len = 0; len < b.len; len++)
            assert_int_equal(parse(&b, len, &f), OV_EINVAL);
    }
    parse_and_cut(IP6("0010", "00", "01") "3a00 0502 0000 0100 8f00 0000 0000 0000", &f);
    assert_int_equal(f.kind, OV_FRAME_MEMBERSHIP);
    assert_int_equal(
        parse_hex(IP6("0010", "00", "01") "3a00 0502 0000 0100 8200 0000 0000 0000", &f),
        OV_EINVAL);
}

static const struct ov_mac owner = {{0x02, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e}};

static void test_answer_arp(void **state)
{
    struct ov_frame_info req, f;
    struct ov_ip ip;
    uint8_t out[OV_ANSWER_MAX];
    struct bytes want = {.len = 0};

    (void)state;
    assert_int_equal(ov_ip_parse("10.147.17.6", &ip), OV_OK);
    assert_int_equal(parse_hex(ETH_ARP "0001 0800 06 04 0001 020611223344 0a931105 000000000000"
                                       "0a931106",
                               &req),
                     OV_OK);
    add(&want, "020611223344 020a0b0c0d0e 0806 0001 0800 06 04 0002"
               "020a0b0c0d0e 0a931106 020611223344 0a931105");
    assert_int_equal(ov_frame_answer(&req, &ip, &owner, out), (int)want.len);
    assert_memory_equal(out, want.b, want.len);
    assert_int_equal(ov_frame_parse(out, want.len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ARP_REPLY);

    struct ov_ip six = {.family = 6};
    assert_int_equal(ov_frame_answer(&req, &six, &owner, out), OV_EINVAL);
    req.tags = 1;
    assert_int_equal(ov_frame_answer(&req, &ip, &owner, out), OV_EINVAL);
    req.tags = 0;
    req.kind = OV_FRAME_ARP_REPLY;
    assert_int_equal(ov_frame_answer(&req, &ip, &owner, out), OV_EINVAL);
    req.kind = OV_FRAME_IP4;
    assert_int_equal(ov_frame_answer(&req, &ip, &owner, out), OV_EINVAL);
}

/* The sum over pseudo-header and message with its checksum in place is all ones (RFC 4443). */
static void assert_icmp6_checksum(const uint8_t *frame, size_t len)
{
    uint32_t sum = (uint32_t)(len - 54) + 58;

    for (size_t i = 22; i < len; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
}

static void test_answer_nd(void **state)
{
    struct ov_frame_info req, f;
    struct ov_ip ip;
    uint8_t out[OV_ANSWER_MAX];

    (void)state;
    assert_int_equal(ov_ip_parse("fd00::9", &ip), OV_OK);
    assert_int_equal(parse_hex(IP6("0020", "3a", "ff") SOLICIT "0101 020611223344", &req), OV_OK);
    int len = ov_frame_answer(&req, &ip, &owner, out);
    assert_int_equal(len, 86);
    assert_icmp6_checksum(out, (size_t)len);
    assert_int_equal(ov_frame_parse(out, (size_t)len, &f), OV_OK);
    assert_int_equal(f.kind, OV_FRAME_ND_ADVERT);
    assert_mac(&f.dst, "02:06:11:22:33:44");
    assert_mac(&f.src, "02:0a:0b:0c:0d:0e");
    assert_mac(&f.link_mac, "02:0a:0b:0c:0d:0e");
    assert_ip(&f.src_ip, "fd00::9");
    assert_ip(&f.dst_ip, "fe80::6:11ff:fe22:3344");
    assert_ip(&f.target, "fd00::9");
    assert_int_equal(out[21], 255);  /* hop limit */
    assert_int_equal(out[58], 0x60); /* solicited, override */
    struct ov_ip four = {.family = 4};
    assert_int_equal(ov_frame_answer(&req, &four, &owner, out), OV_EINVAL);

    /* duplicate address detection: to all nodes, not solicited */
    assert_int_equal(parse_hex(IP6_UNSPEC("0018", "3a", "ff") SOLICIT, &req), OV_OK);
    len = ov_frame_answer(&req, &ip, &owner, out);
    assert_int_equal(len, 86);
    assert_icmp6_checksum(out, (size_t)len);
    assert_int_equal(ov_frame_parse(out, (size_t)len, &f), OV_OK);
    assert_mac(&f.dst, "33:33:00:00:00:01");
    assert_ip(&f.dst_ip, "ff02::1");
    assert_int_equal(out[58], 0x20);
}

static void test_mac_derive(void **state)
{
    static const ov_netid nets[] = {0x8056c2e21c000001ull, 0x0100000000000000ull,
                                    0xfeffffffffffffffull, 0x8056c2e21c0000fdull};
    static const ov_addr addrs[] = {0x8056c2e21cull, 0x0100000000ull, 0xfeffffffffull,
                                    0x123456789aull};
    ov_addr back;

    (void)state;
    struct ov_mac m = ov_mac_derive(0x8056c2e21cull, 0x8056c2e21c000001ull);
    assert_mac(&m, "02:68:ad:d1:37:d7"); /* the example in frame.h */
    for (size_t n = 0; n < 4; n++) {
        for (size_t a = 0; a < 4; a++) {
            m = ov_mac_derive(addrs[a], nets[n]);
            assert_int_equal(m.b[0] & 3, 2);
            assert_int_equal(m.b[0] & 0xfc, nets[n] & 0xfc);
            back = 0;
            assert_true(ov_mac_underive(&m, nets[n], &back));
            assert_true(back == addrs[a]);
            m.b[0] ^= 0x04;
            back = 77;
            assert_false(ov_mac_underive(&m, nets[n], &back));
            assert_true(back == 77);
        }
    }
    m = ov_mac_derive(0, nets[0]); /* turns back into an address that is not valid */
    assert_false(ov_mac_underive(&m, nets[0], &back));
    m = ov_mac_derive(0xff00000001ull, nets[0]);
    assert_false(ov_mac_underive(&m, nets[0], &back));
}

static void test_link_local(void **state)
{
    struct ov_mac m = {{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}}; /* RFC 4291 appendix A and RFC 2464 */
    struct ov_ip ip = ov_ip_link_local(&m);

    (void)state;
    assert_ip(&ip, "fe80::3656:78ff:fe9a:bcde");
}

/* Whatever one flips in a good frame, parsing stays inside the bytes and the kinds. */
static void test_mutations(void **state)
{
    static const char *const good[] = {
        ETH_ARP "0001 0800 06 04 0001 020611223344 0a931105 000000000000 0a931106",
        MACS
        "8100 0005 0800 46000020 00000000 01020000 0a931105 e00000fb 94040000 1600 0904 e00000fb",
        IP6("0028", "3c", "ff") "3a00 000000000000" SOLICIT "0101 020611223344",
    };
    unsigned x = 1;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct bytes f = {.len = 0};
        struct ov_frame_info info;
        add(&f, good[round % 3]);
        for (int flips = 0; flips < 3; flips++) {
            x = x * 1664525u + 1013904223u;
            f.b[12 + (x >> 8) % (f.len - 12)] = (uint8_t)(x >> 24);
        }
        x = x * 1664525u + 1013904223u;
        if (parse(&f, f.len - (x >> 20) % 5, &info) == OV_OK)
            assert_in_range(info.kind, OV_FRAME_OTHER, OV_FRAME_MEMBERSHIP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ethernet),   cmocka_unit_test(test_vlan),
        cmocka_unit_test(test_arp),        cmocka_unit_test(test_bad_arp),
        cmocka_unit_test(test_ip4),        cmocka_unit_test(test_igmp),
        cmocka_unit_test(test_ip6),        cmocka_unit_test(test_nd),
        cmocka_unit_test(test_bad_nd),     cmocka_unit_test(test_extension_headers),
        cmocka_unit_test(test_mld),        cmocka_unit_test(test_answer_arp),
        cmocka_unit_test(test_answer_nd),  cmocka_unit_test(test_mac_derive),
        cmocka_unit_test(test_link_local), cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
