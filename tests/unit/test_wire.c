/* Sealed messages against their golden bytes: an accidental change of the wire format fails here.
 */
#include "core/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_golden.h"

static const uint8_t cert_bytes[] = {0xc1, 0xc2, 0xc3}, config_bytes[] = {0xf1, 0xf2};
static const struct ov_slice cert = {cert_bytes, 3}, config = {config_bytes, 2};
static const struct ov_mac broadcast = {{255, 255, 255, 255, 255, 255}};
static const struct ov_mac mdns = {{0x01, 0, 0x5e, 0, 0, 0xfb}};

static struct ov_endpoint endpoint(const char *text)
{
    struct ov_endpoint e;

    assert_int_equal(ov_endpoint_parse(text, &e), 0);
    return e;
}

/* ---- messages: encoding a known one ---- */

static void make_frame(struct ov_writer *w)
{
    uint8_t h[OV_MSG_FRAME_HEADER];

    ov_msg_frame_header(NET, h);
    ov_writer_bytes(w, h, sizeof(h));
    for (uint8_t i = 0; i < OV_ETH_LEN; i++)
        ov_writer_u8(w, i);
}

static void make_frame_partial(struct ov_writer *w)
{
    const struct ov_offload o = {.partial = true, .csum_start = 34, .csum_offset = 16};
    uint8_t room[14 + OV_ETH_LEN];

    for (uint8_t i = 0; i < OV_ETH_LEN; i++)
        room[14 + i] = i;
    assert_int_equal(ov_msg_frame_prepend(NET, &o, room + 14), 14);
    ov_writer_bytes(w, room, sizeof(room));
}

static void make_fragment(struct ov_writer *w)
{
    const struct ov_msg_fragment m = {0x0102, 0x0304, 0x0309, {(const uint8_t *)"abcde", 5}};

    ov_msg_fragment_encode(w, &m);
}

static void make_probe(struct ov_writer *w)
{
    ov_msg_probe_encode(w, &(struct ov_msg_probe){.txid = TXID, .pad = 5});
}

static void make_probe_ok(struct ov_writer *w)
{
    ov_msg_probe_ok_encode(w, &(struct ov_msg_probe_ok){
                                  .txid = TXID, .size = 1444, .seen = endpoint("192.0.2.1:4793")});
}

static void make_probe_ok_relayed(struct ov_writer *w)
{
    ov_msg_probe_ok_encode(w, &(struct ov_msg_probe_ok){.txid = TXID, .size = 1444});
}

static void make_close(struct ov_writer *w)
{
    ov_msg_close_encode(w, OV_CLOSE_SHUTDOWN);
}

static void make_twin(struct ov_writer *w)
{
    ov_msg_twin_encode(w, &(struct ov_msg_twin){.seen = endpoint("192.0.2.1:4793")});
}

static void make_twin_relayed(struct ov_writer *w)
{
    ov_msg_twin_encode(w, &(struct ov_msg_twin){0});
}

static void make_whois(struct ov_writer *w)
{
    ov_msg_whois_encode(w, &(struct ov_msg_whois){.n = 2, .addrs = {ADDR1, ADDR2}});
}

static void make_identity(struct ov_writer *w)
{
    ov_msg_identity_encode(w, &(struct ov_msg_identity){.n = 1, .ids = {some_identity()}});
}

static void make_identity_none(struct ov_writer *w)
{
    ov_msg_identity_encode(w, &(struct ov_msg_identity){.n = 0});
}

static void make_reflect(struct ov_writer *w)
{
    ov_msg_reflect_encode(w, &(struct ov_msg_reflect){
                                 .txid = TXID, .flags = OV_REFLECT_OTHER, .pad = OV_REFLECT_PAD});
}

static void make_reflect_later(struct ov_writer *w)
{
    ov_msg_reflect_encode(
        w, &(struct ov_msg_reflect){
               .txid = TXID, .flags = OV_REFLECT_LATER, .wait = 23, .pad = OV_REFLECT_PAD_LATER});
}

static void make_reflect_ok(struct ov_writer *w)
{
    ov_msg_reflect_ok_encode(w, &(struct ov_msg_reflect_ok){.txid = TXID,
                                                            .flags = OV_REFLECT_OTHER,
                                                            .other = 4794,
                                                            .seen = endpoint("192.0.2.1:4793")});
}

static struct ov_msg_punch some_punch(void)
{
    return (struct ov_msg_punch){
        .nonce = TXID,
        .flags = OV_PUNCH_ACK,
        .round = 2,
        .delay_ms = 300,
        .nat = {OV_NAT_APDM, OV_NAT_APDF, OV_NAT_SEQUENTIAL, -2, 40000, 16},
        .strategy = 3,
        .n = 2,
        .c = {{OV_CANDIDATE_LOCAL, endpoint("10.0.0.2:5000")},
              {OV_CANDIDATE_REFLEXIVE, endpoint("[2001:db8::1]:6000")}},
    };
}

static void make_punch(struct ov_writer *w)
{
    struct ov_msg_punch m = some_punch();

    ov_msg_punch_encode(w, &m);
}

static void make_net_request(struct ov_writer *w)
{
    struct ov_msg_net_request m = {.netid = NET,
                                   .have_revision = 7,
                                   .have_timestamp = BIG,
                                   .hostname = "dorm-pc",
                                   .has_secret = true};

    memset(m.secret, 0x33, sizeof(m.secret));
    ov_msg_net_request_encode(w, &m);
}

static void make_net_request_plain(struct ov_writer *w)
{
    ov_msg_net_request_encode(w, &(struct ov_msg_net_request){.netid = NET});
}

static void make_net_reply(struct ov_writer *w)
{
    ov_msg_net_reply_encode(w, &(struct ov_msg_net_reply){
                                   .netid = NET, .name = "alice", .config = config, .cert = cert});
}

static void make_net_reply_pending(struct ov_writer *w)
{
    ov_msg_net_reply_encode(w, &(struct ov_msg_net_reply){.netid = NET, .status = OV_NET_PENDING});
}

static void make_net_hello(struct ov_writer *w)
{
    ov_msg_net_hello_encode(w, &(struct ov_msg_net_hello){.netid = NET,
                                                          .flags = OV_HELLO_WANT_REPLY,
                                                          .cert = cert,
                                                          .ngroups = 2,
                                                          .groups = {broadcast, mdns}});
}

static void make_revoke(struct ov_writer *w)
{
    uint8_t blob[OV_REVOCATION_LEN];

    memset(blob, 0x44, sizeof(blob));
    ov_msg_revoke_encode(w, blob);
}

static void make_net_bye(struct ov_writer *w)
{
    ov_msg_net_bye_encode(w, NET);
}

static void make_announce(struct ov_writer *w)
{
    ov_msg_announce_encode(
        w, &(struct ov_msg_announce){
               .controller = some_identity(), .cert = cert, .ngroups = 1, .groups = {mdns}});
}

static void make_lookup_ip(struct ov_writer *w)
{
    const struct ov_lookup_key key = {.kind = OV_LOOKUP_IP,
                                      .ip = {.family = 4, .b = {10, 147, 17, 5}}};

    ov_msg_lookup_encode(w, &(struct ov_msg_lookup){.netid = NET, .key = key, .version = 9});
}

static void make_lookup_group(struct ov_writer *w)
{
    const struct ov_lookup_key key = {.kind = OV_LOOKUP_GROUP, .group = broadcast};

    ov_msg_lookup_encode(
        w, &(struct ov_msg_lookup){.netid = NET, .key = key, .version = 9, .after = ADDR1});
}

static const struct ov_lookup_key member_key = {.kind = OV_LOOKUP_MEMBER, .member = ADDR2};

static void make_lookup_member(struct ov_writer *w)
{
    ov_msg_lookup_encode(w, &(struct ov_msg_lookup){.netid = NET, .key = member_key, .version = 9});
}

static void make_found(struct ov_writer *w)
{
    ov_msg_found_encode(w, &(struct ov_msg_found){.netid = NET,
                                                  .key = member_key,
                                                  .version = 9,
                                                  .flags = OV_FOUND_MORE,
                                                  .n = 2,
                                                  .certs = {cert, config}});
}

/* ---- messages: decoding and encoding again ---- */

#define AGAIN(name)                                                                                \
    static int again_##name(const uint8_t *in, size_t len, struct ov_writer *w)                    \
    {                                                                                              \
        struct ov_msg_##name m;                                                                    \
        int err = ov_msg_##name##_decode(in, len, &m);                                             \
                                                                                                   \
        if (!err)                                                                                  \
            ov_msg_##name##_encode(w, &m);                                                         \
        return err;                                                                                \
    }
AGAIN(fragment)
AGAIN(probe)
AGAIN(probe_ok)
AGAIN(twin)
AGAIN(reflect)
AGAIN(reflect_ok)
AGAIN(whois)
AGAIN(identity)
AGAIN(punch)
AGAIN(net_request)
AGAIN(net_reply)
AGAIN(net_hello)
AGAIN(announce)
AGAIN(lookup)
AGAIN(found)

static int again_frame(const uint8_t *in, size_t len, struct ov_writer *w)
{
    static uint8_t room[OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL + OV_FRAME_MAX];
    uint8_t *copy = room + OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL;
    struct ov_offload o;
    struct ov_slice frame;
    ov_netid net;
    int err = ov_msg_frame_decode(in, len, &net, &frame, &o);

    if (err)
        return err;
    memcpy(copy, frame.p, frame.len);
    size_t header = ov_msg_frame_prepend(net, &o, copy);
    ov_writer_bytes(w, copy - header, header + frame.len);
    return 0;
}

static int again_close(const uint8_t *in, size_t len, struct ov_writer *w)
{
    uint8_t reason;
    int err = ov_msg_close_decode(in, len, &reason);

    if (!err)
        ov_msg_close_encode(w, (enum ov_close_reason)reason);
    return err;
}

static int again_net_bye(const uint8_t *in, size_t len, struct ov_writer *w)
{
    ov_netid net;
    int err = ov_msg_net_bye_decode(in, len, &net);

    if (!err)
        ov_msg_net_bye_encode(w, net);
    return err;
}

/* Where a message may end: exactly where the golden one does, or anywhere from some length on. */
enum tail { FIXED, OPEN };

static const struct {
    const char *name, *hex;
    void (*make)(struct ov_writer *w);
    int (*again)(const uint8_t *in, size_t len, struct ov_writer *w);
    enum tail tail;
    size_t min; /* OPEN: the shortest good one, with its type byte */
} messages[] = {
    {"frame", HEX_FRAME, make_frame, again_frame, OPEN, 10 + 14},
    {"partial", HEX_FRAME_PARTIAL, make_frame_partial, again_frame, OPEN, 14 + 14},
    {"fragment", HEX_FRAGMENT, make_fragment, again_fragment, OPEN, 7 + 1},
    {"probe", HEX_PROBE, make_probe, again_probe, OPEN, 9},
    {"probe_ok", HEX_PROBE_OK, make_probe_ok, again_probe_ok, FIXED, 0},
    {"probe_ok relayed", HEX_PROBE_OK_RELAYED, make_probe_ok_relayed, again_probe_ok, FIXED, 0},
    {"reflect", HEX_REFLECT, make_reflect, again_reflect, OPEN, 10 + OV_REFLECT_PAD},
    {"reflect_later", HEX_REFLECT_LATER, make_reflect_later, again_reflect, OPEN,
     11 + OV_REFLECT_PAD_LATER},
    {"reflect_ok", HEX_REFLECT_OK, make_reflect_ok, again_reflect_ok, FIXED, 0},
    {"twin", HEX_TWIN, make_twin, again_twin, FIXED, 0},
    {"twin, relayed", HEX_TWIN_RELAYED, make_twin_relayed, again_twin, FIXED, 0},
    {"close", HEX_CLOSE, make_close, again_close, FIXED, 0},
    {"whois", HEX_WHOIS, make_whois, again_whois, FIXED, 0},
    {"identity", HEX_IDENTITY, make_identity, again_identity, FIXED, 0},
    {"identity none", HEX_IDENTITY_NONE, make_identity_none, again_identity, FIXED, 0},
    {"punch", HEX_PUNCH, make_punch, again_punch, FIXED, 0},
    {"net_request", HEX_NET_REQUEST, make_net_request, again_net_request, FIXED, 0},
    {"net_request plain", HEX_NET_REQUEST_PLAIN, make_net_request_plain, again_net_request, FIXED,
     0},
    {"net_reply", HEX_NET_REPLY, make_net_reply, again_net_reply, FIXED, 0},
    {"net_reply pending", HEX_NET_REPLY_PENDING, make_net_reply_pending, again_net_reply, FIXED, 0},
    {"net_hello", HEX_NET_HELLO, make_net_hello, again_net_hello, FIXED, 0},
    {"revoke", HEX_REVOKE, make_revoke, NULL, FIXED, 0},
    {"net_bye", HEX_NET_BYE, make_net_bye, again_net_bye, FIXED, 0},
    {"announce", HEX_ANNOUNCE, make_announce, again_announce, FIXED, 0},
    {"lookup ip", HEX_LOOKUP_IP, make_lookup_ip, again_lookup, FIXED, 0},
    {"lookup group", HEX_LOOKUP_GROUP, make_lookup_group, again_lookup, FIXED, 0},
    {"lookup member", HEX_LOOKUP_MEMBER, make_lookup_member, again_lookup, FIXED, 0},
    {"found", HEX_FOUND, make_found, again_found, FIXED, 0},
};
#define COUNT (sizeof(messages) / sizeof(messages[0]))

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t b[1024], small[1024];
        struct ov_writer w, short_of;

        print_message("%s\n", messages[i].name);
        ov_writer_init(&w, b, sizeof(b));
        messages[i].make(&w);
        assert_false(w.failed);
        assert_hex(b, w.len, messages[i].hex);
        /* One byte less room fails, and nothing is written beyond the room. */
        memset(small, 0xee, sizeof(small));
        ov_writer_init(&short_of, small, w.len - 1);
        messages[i].make(&short_of);
        assert_true(short_of.failed);
        assert_int_equal(small[w.len - 1], 0xee);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t in[1024], out[1024];
        size_t len = unhex(messages[i].hex, in, sizeof(in));
        struct ov_writer w;

        if (!messages[i].again)
            continue;
        print_message("%s\n", messages[i].name);
        ov_writer_init(&w, out, sizeof(out));
        assert_int_equal(messages[i].again(in + 1, len - 1, &w), 0);
        assert_false(w.failed);
        assert_int_equal(w.len, len);
        assert_memory_equal(out, in, len);
    }
}

/* Each piece is decoded from a heap block of exactly its size, so that a sanitizer sees a byte read
 * behind it. */
static int decode_exactly(size_t i, const uint8_t *in, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1), out[1024];
    struct ov_writer w;
    int err;

    assert_non_null(copy);
    memcpy(copy, in, len);
    ov_writer_init(&w, out, sizeof(out));
    err = messages[i].again(copy, len, &w);
    free(copy);
    return err;
}

static void test_truncated_and_trailing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t in[1024] = {0};
        size_t len = unhex(messages[i].hex, in, sizeof(in) - 1);
        size_t min = messages[i].tail == OPEN ? messages[i].min : len;

        if (!messages[i].again)
            continue;
        print_message("%s\n", messages[i].name);
        for (size_t n = 0; n + 1 < min; n++) {
            int err = decode_exactly(i, in + 1, n);

            assert_true(err == OV_ETRUNC || err == OV_EINVAL);
        }
        assert_int_equal(decode_exactly(i, in + 1, min - 1), 0);
        if (messages[i].tail == FIXED) {
            in[len] = 0;
            assert_int_not_equal(decode_exactly(i, in + 1, len), 0);
        }
    }
}

/* Random bytes of every length: an error or a message that encodes to the same bytes; never a
 * crash. */
static void test_random_bytes(void **state)
{
    uint64_t x = 42;
    size_t good = 0;

    (void)state;
    for (size_t round = 0; round < 40; round++) {
        for (size_t len = 0; len <= 300; len++) {
            uint8_t in[300];

            for (size_t i = 0; i < len; i++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                in[i] =
                    (uint8_t)(x >> 56) & (round % 2 ? 0xff : 0x03); /* small counts are likelier */
            }
            for (size_t i = 0; i < COUNT; i++) {
                uint8_t out[1024];
                struct ov_writer w;

                if (!messages[i].again)
                    continue;
                ov_writer_init(&w, out, sizeof(out));
                if (messages[i].again(in, len, &w) != 0)
                    continue;
                good++;
                assert_false(w.failed);
                assert_int_equal(w.len, len + 1);
                assert_memory_equal(out + 1, in, len);
            }
        }
    }
    assert_true(good > 100);
}

/* Golden messages with one byte changed: same promise. */
static void test_changed_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t in[1024];
        size_t len = unhex(messages[i].hex, in, sizeof(in));

        if (!messages[i].again)
            continue;
        for (size_t at = 1; at < len; at++) {
            for (unsigned v = 0; v < 256; v++) {
                uint8_t out[1024], was = in[at];
                struct ov_writer w;

                in[at] = (uint8_t)v;
                ov_writer_init(&w, out, sizeof(out));
                if (messages[i].again(in + 1, len - 1, &w) == 0) {
                    assert_false(w.failed);
                    assert_int_equal(w.len, len);
                    assert_memory_equal(out, in, len);
                }
                in[at] = was;
            }
        }
    }
}

/* ---- ranges ---- */

/* Decode golden message `hex` with byte `at` (counted with the type byte) set to `v`. */
#define WITH_BYTE(name, hex, at, v) with_byte(again_##name, hex, at, v)

static int with_byte(int (*again)(const uint8_t *, size_t, struct ov_writer *), const char *hex,
                     size_t at, uint8_t v)
{
    uint8_t in[1024], out[1024];
    size_t len = unhex(hex, in, sizeof(in));
    struct ov_writer w;

    assert_true(at < len);
    in[at] = v;
    ov_writer_init(&w, out, sizeof(out));
    return again(in + 1, len - 1, &w);
}

static void test_ranges_of_decoders(void **state)
{
    (void)state;
    assert_int_equal(WITH_BYTE(frame, HEX_FRAME, 1, 2), OV_EINVAL); /* flags */
    assert_int_equal(WITH_BYTE(frame, HEX_FRAME_PARTIAL, 1, 3), OV_EINVAL);
    assert_int_equal(WITH_BYTE(fragment, HEX_FRAGMENT, 6, 0x08), OV_EINVAL); /* beyond total */
    assert_int_equal(WITH_BYTE(fragment, HEX_FRAGMENT, 5, 0x40), OV_EINVAL); /* total too large */
    assert_int_equal(WITH_BYTE(fragment, HEX_FRAGMENT, 5, 0x3f), OV_OK);
    assert_int_equal(WITH_BYTE(probe, HEX_PROBE, 13, 1), OV_EINVAL);               /* padding */
    assert_int_not_equal(WITH_BYTE(probe_ok, HEX_PROBE_OK, 11, 5), 0);             /* family */
    assert_int_equal(WITH_BYTE(probe_ok, HEX_PROBE_OK_RELAYED, 13, 1), OV_EINVAL); /* port alone */
    assert_int_equal(WITH_BYTE(reflect, HEX_REFLECT, 20, 1), OV_EINVAL);           /* padding */
    assert_int_equal(WITH_BYTE(reflect, HEX_REFLECT_LATER, 10, 0), OV_EINVAL);     /* wait */
    assert_int_equal(WITH_BYTE(reflect, HEX_REFLECT_LATER, 10, 31), OV_EINVAL);
    assert_int_not_equal(WITH_BYTE(reflect_ok, HEX_REFLECT_OK, 12, 0), 0); /* no endpoint */
    assert_int_not_equal(WITH_BYTE(whois, HEX_WHOIS, 1, 0), 0);
    assert_int_not_equal(WITH_BYTE(whois, HEX_WHOIS, 1, 17), 0);
    assert_int_equal(WITH_BYTE(whois, HEX_WHOIS, 2, 0xff), OV_EINVAL); /* reserved address */
    assert_int_not_equal(WITH_BYTE(identity, HEX_IDENTITY, 1, 17), 0);
    assert_int_equal(WITH_BYTE(punch, HEX_PUNCH, 24, 0), OV_EINVAL); /* kind */
    assert_int_equal(WITH_BYTE(punch, HEX_PUNCH, 24, OV_CANDIDATE_SEEN), OV_EINVAL);
    assert_int_not_equal(WITH_BYTE(punch, HEX_PUNCH, 23, 17), 0); /* count */
    assert_int_equal(WITH_BYTE(net_request, HEX_NET_REQUEST, 1, 0), OV_EINVAL);
    assert_int_not_equal(WITH_BYTE(net_request, HEX_NET_REQUEST, 25, 64), 0); /* host name */
    assert_int_not_equal(WITH_BYTE(net_request, HEX_NET_REQUEST, 26, '\n'), 0);
    assert_int_equal(WITH_BYTE(net_request, HEX_NET_REQUEST, 33, 15), OV_EINVAL); /* secret */
    assert_int_equal(WITH_BYTE(net_reply, HEX_NET_REPLY, 9, 1), OV_EINVAL); /* blobs, but refused */
    assert_int_equal(WITH_BYTE(net_reply, HEX_NET_REPLY_PENDING, 9, 9), OV_EINVAL); /* status */
    assert_int_not_equal(WITH_BYTE(net_reply, HEX_NET_REPLY, 16, 0x20), 0);         /* length */
    assert_int_equal(WITH_BYTE(net_reply, HEX_NET_REPLY, 11, 'A'), 0);              /* "Alice" */
    assert_int_equal(WITH_BYTE(net_reply, HEX_NET_REPLY, 11, '`'), OV_EINVAL);
    assert_int_equal(WITH_BYTE(net_reply, HEX_NET_REPLY, 12, '$'), OV_EINVAL);
    assert_int_equal(WITH_BYTE(net_hello, HEX_NET_HELLO, 16, 0xfe), OV_EINVAL); /* unicast group */
    assert_int_not_equal(WITH_BYTE(net_hello, HEX_NET_HELLO, 15, 65), 0);
    assert_int_equal(WITH_BYTE(net_bye, HEX_NET_BYE, 1, 0), OV_EINVAL);
    assert_int_equal(WITH_BYTE(lookup, HEX_LOOKUP_MEMBER, 10, 0), OV_EINVAL); /* member */
    assert_int_equal(WITH_BYTE(lookup, HEX_LOOKUP_GROUP, 10, 0xfe), OV_EINVAL);
    assert_int_not_equal(WITH_BYTE(lookup, HEX_LOOKUP_MEMBER, 9, 4), 0);        /* kind */
    assert_int_equal(WITH_BYTE(lookup, HEX_LOOKUP_GROUP, 24, 0xff), OV_EINVAL); /* after */
    assert_int_not_equal(WITH_BYTE(found, HEX_FOUND, 24, 33), 0);
}

/* Full tables go through; one more is refused on both sides, also when all its bytes are there. */
static void test_full_tables(void **state)
{
    static uint8_t b[20000];
    struct ov_msg_punch punch = some_punch(), punch_got;
    struct ov_msg_whois whois = {.n = OV_WHOIS_MAX}, whois_got;
    struct ov_msg_net_hello hello = {.netid = NET, .cert = cert, .ngroups = OV_GROUPS_MAX},
                            hello_got;
    struct ov_msg_found found = {.netid = NET, .key = member_key, .n = OV_FOUND_MAX}, found_got;
    struct ov_writer w;

    (void)state;
    punch.n = OV_CANDIDATES_MAX;
    for (size_t i = 0; i < OV_CANDIDATES_MAX; i++)
        punch.c[i] = (struct ov_candidate){OV_CANDIDATE_MAPPED, endpoint("192.0.2.9:1")};
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_punch_encode(&w, &punch);
    assert_int_equal(ov_msg_punch_decode(b + 1, w.len - 1, &punch_got), 0);
    for (size_t i = 0; i < OV_CANDIDATES_MAX; i++)
        assert_true(punch_got.c[i].kind == punch.c[i].kind &&
                    ov_endpoint_equal(&punch_got.c[i].ep, &punch.c[i].ep));
    memcpy(b + w.len, b + w.len - 8, 8);
    b[23]++;
    assert_int_not_equal(ov_msg_punch_decode(b + 1, w.len - 1 + 8, &punch_got), 0);
    punch.n++;
    ov_msg_punch_encode(&w, &punch);
    assert_true(w.failed);

    for (size_t i = 0; i < OV_WHOIS_MAX; i++)
        whois.addrs[i] = ADDR1 + i;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_whois_encode(&w, &whois);
    assert_int_equal(ov_msg_whois_decode(b + 1, w.len - 1, &whois_got), 0);
    assert_memory_equal(whois_got.addrs, whois.addrs, sizeof(whois.addrs));
    memcpy(b + w.len, b + w.len - 5, 5);
    b[1]++;
    assert_int_not_equal(ov_msg_whois_decode(b + 1, w.len - 1 + 5, &whois_got), 0);
    whois.n++;
    ov_msg_whois_encode(&w, &whois);
    assert_true(w.failed);

    for (size_t i = 0; i < OV_GROUPS_MAX; i++)
        hello.groups[i] = mdns;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_net_hello_encode(&w, &hello);
    assert_int_equal(ov_msg_net_hello_decode(b + 1, w.len - 1, &hello_got), 0);
    assert_memory_equal(hello_got.groups, hello.groups, sizeof(hello.groups));
    memcpy(b + w.len, b + w.len - 6, 6);
    b[23]++;
    assert_int_not_equal(ov_msg_net_hello_decode(b + 1, w.len - 1 + 6, &hello_got), 0);
    hello.ngroups++;
    ov_msg_net_hello_encode(&w, &hello);
    assert_true(w.failed);

    for (size_t i = 0; i < OV_FOUND_MAX; i++)
        found.certs[i] = cert;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_found_encode(&w, &found);
    assert_int_equal(ov_msg_found_decode(b + 1, w.len - 1, &found_got), 0);
    assert_int_equal(found_got.certs[OV_FOUND_MAX - 1].len, 3);
    memcpy(b + w.len, b + w.len - 5, 5);
    b[24]++;
    assert_int_not_equal(ov_msg_found_decode(b + 1, w.len - 1 + 5, &found_got), 0);
    found.n++;
    ov_msg_found_encode(&w, &found);
    assert_true(w.failed);
}

static void test_blob_limits(void **state)
{
    static const uint8_t big[OV_CONFIG_MAX + 1];
    static uint8_t b[2 * OV_CONFIG_MAX];
    struct ov_msg_net_reply m = {
        .netid = NET, .config = {big, OV_CONFIG_MAX}, .cert = {big, OV_CERT_MAX}};
    struct ov_msg_net_reply got;
    struct ov_writer w;

    (void)state;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_net_reply_encode(&w, &m);
    assert_int_equal(ov_msg_net_reply_decode(b + 1, w.len - 1, &got), 0);
    assert_int_equal(got.config.len, OV_CONFIG_MAX);
    assert_int_equal(got.cert.len, OV_CERT_MAX);
    m.config.len++;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_net_reply_encode(&w, &m);
    assert_true(w.failed);
    m.config.len--;
    m.cert.len++;
    ov_writer_init(&w, b, sizeof(b));
    ov_msg_net_reply_encode(&w, &m);
    assert_true(w.failed);
}

static void test_frame_limits(void **state)
{
    static uint8_t in[OV_MSG_FRAME_HEADER + OV_FRAME_MAX];
    struct ov_slice frame;
    struct ov_offload o;
    ov_netid net;

    (void)state;
    assert_int_equal(ov_msg_frame_decode(in, 9 + OV_FRAME_MAX, &net, &frame, &o), 0);
    assert_int_equal(frame.len, OV_FRAME_MAX);
    assert_ptr_equal(frame.p, in + 9);
    assert_int_equal(ov_msg_frame_decode(in, 9 + OV_FRAME_MAX + 1, &net, &frame, &o), OV_EINVAL);
    assert_int_equal(ov_msg_frame_decode(in, 9 + OV_ETH_LEN - 1, &net, &frame, &o), OV_ETRUNC);
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_truncated_and_trailing),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_ranges_of_decoders),
        cmocka_unit_test(test_full_tables),
        cmocka_unit_test(test_blob_limits),
        cmocka_unit_test(test_frame_limits),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
