#include "core/offload.h"

#include "tests/unit/packets.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#define ROOM 16
#define FIN  0x01
#define SYN  0x02
#define PSH  0x08
#define ACK  0x10
#define CWR  0x80

static uint8_t payload[65536], super[ROOM + OV_SUPERFRAME_MAX + 64];
static uint8_t *const frame = super + ROOM;

static int setup(void **state)
{
    uint32_t x = 1;

    (void)state;
    for (size_t i = 0; i < sizeof payload; i++) {
        x = x * 1664525 + 1013904223;
        payload[i] = (uint8_t)(x >> 24);
    }
    return 0;
}

static struct packet packet(bool ip6, bool udp)
{
    return (struct packet){.dst = {{2, 1, 1, 1, 1, 1}},
                           .src = {{2, 2, 2, 2, 2, 2}},
                           .ip6 = ip6,
                           .udp = udp,
                           .host = 9,
                           .id = 0xfffe,
                           .seq = 0xfffff000,
                           .ack = 77,
                           .window = 1000,
                           .flags = ACK | PSH};
}

/* Split what `p` makes of `len` bytes, and compare each segment, completed, with one that was
 * written from scratch. */
static void expect_split(const struct packet *p, size_t len, uint16_t size)
{
    static uint8_t want[OV_SUPERFRAME_MAX];
    struct ov_offload o;
    struct ov_segments s;
    size_t total = packet_write_super(frame, p, payload, len, size, &o), at = 0, got, n = 0;
    size_t count = len > size ? (len + size - 1) / size : 1;
    uint8_t *f;

    memset(super, 0xee, ROOM);
    assert_int_equal(ov_segments_init(&s, &o, frame, total), OV_OK);
    assert_int_equal(s.n, count);
    assert_int_equal(ov_segments_largest(&s), count > 1 ? packet_heads(p) + size : total);
    while ((f = ov_segments_next(&s, &got)) != NULL) {
        struct packet q = *p;
        size_t bytes = len - at < size ? len - at : size;
        struct ov_offload mine = s.offload, theirs;
        q.id = (uint16_t)(p->id + n);
        q.seq = (uint32_t)(p->seq + at);
        if (n > 0)
            q.flags &= (uint8_t)~CWR;
        if (n + 1 < count)
            q.flags &= (uint8_t) ~(FIN | PSH);
        size_t want_len = packet_write(want, &q, payload + at, bytes, PACKET_PARTIAL, &theirs);
        assert_int_equal(got, want_len);
        assert_true(packet_same_offload(&mine, &theirs));
        assert_true(ov_offload_valid(&mine, f, got));
        assert_int_equal(ov_offload_complete(&mine, f, got), OV_OK);
        assert_false(mine.partial);
        packet_write(want, &q, payload + at, bytes, PACKET_FULL, NULL);
        assert_memory_equal(f, want, want_len);
        memset(f - 14, 0xdd, 14 + got); /* a segment is done with before the next */
        at += bytes;
        n++;
    }
    assert_int_equal(n, count);
    assert_int_equal(at, len);
    assert_null(ov_segments_next(&s, &got));
}

/* Every kind of header, with sizes that divide and that do not. */
static void test_split(void **state)
{
    static const size_t lens[] = {0, 1, 2, 99, 100, 101, 200, 201, 999, 1001, 4096};
    static const uint16_t sizes[] = {1, 3, 100, 101, 536, 1460};

    (void)state;
    for (unsigned i = 0; i < 2 * 2 * 3 * 3 * 3; i++) {
        struct packet p = packet(i & 1, i & 2);
        p.tags = i / 4 % 3;
        p.ip_options = i / 12 % 3 * (p.ip6 ? 8 : 20);
        p.tcp_options = i / 36 % 3 * 20;
        for (size_t l = 0; l < sizeof lens / sizeof lens[0]; l++)
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
                if (lens[l] <= (size_t)sizes[s] * OV_SEGMENTS_MAX)
                    expect_split(&p, lens[l], sizes[s]);
    }
}

static void test_largest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct packet p = packet(i & 1, i & 2);
        p.tags = 2;
        size_t most = OV_SUPERFRAME_MAX - packet_heads(&p);
        expect_split(&p, most, 1400);
        expect_split(&p, most, 65535);
        expect_split(&p, most, 8948);
        expect_split(&p, most, 40);
    }
}

static void test_flags(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct packet p = packet(false, false);
        p.flags = (uint8_t)flags;
        expect_split(&p, 500, 100);
        expect_split(&p, 100, 100);
    }
}

/* ---- checksums ---- */

static void test_sum(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++)
        for (size_t at = 0; at < 4; at++) {
            unsigned want = 0;
            for (size_t i = 0; i < len; i++)
                want += i % 2 ? payload[at + i] : (unsigned)payload[at + i] << 8;
            while (want >> 16)
                want = (want & 0xffff) + (want >> 16);
            assert_int_equal(ov_sum16(0, payload + at, len), want);
        }
    memset(frame, 0xff, 65536);
    assert_int_equal(ov_sum16(0xffffffff, frame, 65535), 0xff00); /* 0xffff is 0 */
    assert_int_equal(ov_sum16(0, frame, 65534), 0xffff);
    assert_int_equal(ov_sum16_resize(0x1234, 100, 100), 0x1234);
    assert_int_equal(ov_sum16_resize(0x1234, 100, 101), 0x1235);
    assert_int_equal(ov_sum16_resize(0x0001, 100, 98), 0xfffe); /* -1 */
}

static void test_complete(void **state)
{
    static uint8_t want[2048];

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        for (size_t len = 0; len < 40; len++) {
            struct packet p = packet(i & 1, i & 2);
            struct ov_offload o;
            p.tags = i / 4;
            packet_write(want, &p, payload, len, PACKET_FULL, NULL);
            size_t n = packet_write(frame, &p, payload, len, PACKET_PARTIAL, &o);
            memset(frame + n, 0x55, 20); /* Ethernet may pad, with anything */
            assert_true(ov_offload_valid(&o, frame, n + 20));
            assert_int_equal(ov_offload_complete(&o, frame, n + 20), OV_OK);
            assert_memory_equal(frame, want, n);
            assert_true(packet_same_offload(&o, &ov_offload_none));
            assert_int_equal(ov_offload_complete(&o, frame, n), OV_OK); /* nothing to do */
            assert_memory_equal(frame, want, n);
        }
}

/* A UDP checksum that comes out as 0 is sent as 0xffff: 0 would say that there is none. */
static void test_zero(void **state)
{
    struct packet p = packet(false, true);
    struct ov_offload o;
    uint16_t sum = 0;
    uint8_t bytes[2] = {0, 0};
    size_t n = packet_write(frame, &p, bytes, 2, PACKET_PARTIAL, &o);

    (void)state;
    assert_int_equal(ov_offload_sum(&o, frame, n, &sum), OV_OK);
    bytes[0] = (uint8_t)(sum >> 8);
    bytes[1] = (uint8_t)sum;
    n = packet_write(frame, &p, bytes, 2, PACKET_PARTIAL, &o);
    assert_int_equal(ov_offload_sum(&o, frame, n, &sum), OV_OK);
    assert_int_equal(sum, 0xffff);
}

/* Finishing another checksum than the packet's own would write into the frame where it pleases the
 * sender: nowhere else is valid. */
static void test_only_own(void **state)
{
    struct ov_offload o, good;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct packet p = packet(i & 1, i & 2);
        size_t n = packet_write(frame, &p, payload, 64, PACKET_PARTIAL, &good);
        unsigned valid = 0;
        for (uint16_t start = 0; start < n + 4; start++)
            for (uint16_t offset = 0; offset < n + 4; offset++) {
                o = (struct ov_offload){
                    .partial = true, .csum_start = start, .csum_offset = offset};
                valid += ov_offload_valid(&o, frame, n);
            }
        assert_int_equal(valid, 1);
        assert_true(ov_offload_valid(&good, frame, n));
        o = (struct ov_offload){.partial = true, .csum_start = 0xffff, .csum_offset = 0xffff};
        assert_false(ov_offload_valid(&o, frame, n));
        assert_true(ov_offload_valid(&ov_offload_none, frame, n));
        for (size_t cut = 0; cut < n; cut++)
            assert_false(ov_offload_valid(&good, frame, cut));
    }
    /* Fragments have no transport header, or not all of its payload. */
    struct packet p = packet(false, false);
    size_t n = packet_write(frame, &p, payload, 64, PACKET_PARTIAL, &good);
    frame[14 + 6] = 0x20;
    assert_false(ov_offload_valid(&good, frame, n));
    frame[14 + 6] = 0;
    frame[14 + 7] = 1;
    assert_false(ov_offload_valid(&good, frame, n));
}

/* The host may leave the checksum of any protocol to us: it is completed. */
static void test_other_protocol(void **state)
{
    struct packet p = packet(false, true);
    struct ov_offload o;
    struct ov_segments s;
    size_t n = packet_write(frame, &p, payload, 64, PACKET_PARTIAL, &o), len;

    (void)state;
    uint16_t pseudo = (uint16_t)(frame[o.csum_start + 6] << 8 | frame[o.csum_start + 7]);
    frame[14 + 9] = 47; /* as in a tunnel, where the sum is that of something inside */
    assert_int_equal(ov_segments_init(&s, &o, frame, n), OV_OK);
    assert_false(s.offload.partial);
    assert_ptr_equal(ov_segments_next(&s, &len), frame);
    assert_int_equal(len, n);
    assert_null(ov_segments_next(&s, &len));
    assert_int_equal(ov_sum16(pseudo, frame + o.csum_start, n - o.csum_start), 0xffff);
    o.csum_offset = (uint16_t)(n - o.csum_start - 1);
    assert_int_equal(ov_segments_init(&s, &o, frame, n), OV_EINVAL);
    o = (struct ov_offload){.partial = true, .csum_start = 0xffff, .csum_offset = 2};
    assert_int_equal(ov_segments_init(&s, &o, frame, n), OV_EINVAL);
}

/* ---- malformed superframes ---- */

static int try(const struct ov_offload *o, size_t len)
{
    struct ov_segments s;

    return ov_segments_init(&s, o, frame, len);
}

static void test_malformed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct packet p = packet(i & 1, i & 2);
        struct ov_offload good, o;
        size_t n = packet_write_super(frame, &p, payload, 3000, 1000, &good);
        assert_int_equal(try(&good, n), OV_OK);
        for (size_t len = 0; len < n; len++)
            assert_int_equal(try(&good, len), OV_EINVAL);
        assert_int_equal(try(&good, n + 1), OV_EINVAL);
#define BAD(field, value)                                                                          \
    o = good;                                                                                      \
    o.field = value;                                                                               \
    assert_int_equal(try(&o, n), OV_EINVAL)
        BAD(partial, false);
        BAD(gso_size, 0);
        BAD(gso_size, 1); /* 3000 segments */
        BAD(csum_start, good.csum_start + 1);
        BAD(csum_start, 0xffff);
        BAD(csum_offset, 0);
        BAD(csum_offset, 0xffff);
        for (int gso = OV_GSO_TCP4; gso <= OV_GSO_UDP; gso++)
            if (gso != (int)good.gso) {
                BAD(gso, (enum ov_gso)gso);
            }
        o = good;
        o.hdr_len = 7; /* told wrong, and not believed */
        assert_int_equal(try(&o, n), OV_OK);
        if (!p.udp) {
            uint8_t *data = frame + good.csum_start + 12, was = *data;
            *data = 0x40;
            assert_int_equal(try(&good, n), OV_EINVAL);
            *data = was;
        }
        frame[12] = 0x81; /* another EtherType */
        frame[13] = 0x37;
        assert_int_equal(try(&good, n), OV_EINVAL);
    }
    /* Headers that do not end where the packet does. */
    struct packet p = packet(false, false);
    struct ov_offload o;
    size_t n = packet_write_super(frame, &p, payload, 10, 5, &o);
    frame[o.csum_start + 12] = 0xf0;
    assert_int_equal(try(&o, n), OV_EINVAL);
    /* More headers than anybody sends. */
    p = packet(true, false);
    p.ip_options = 240;
    n = packet_write_super(frame, &p, payload, 100, 50, &o);
    assert_int_equal(try(&o, n), OV_EINVAL);
    p.ip_options = 160;
    expect_split(&p, 100, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),     cmocka_unit_test(test_largest),
        cmocka_unit_test(test_flags),     cmocka_unit_test(test_sum),
        cmocka_unit_test(test_complete),  cmocka_unit_test(test_zero),
        cmocka_unit_test(test_only_own),  cmocka_unit_test(test_other_protocol),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
