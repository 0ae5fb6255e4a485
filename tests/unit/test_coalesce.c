#include "core/coalesce.h"

#include "tests/unit/packets.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80
#define MSS 100

static uint8_t payload[70000];

/* What came out, gathered. */
struct got {
    size_t n;
    struct {
        size_t len, frames;
        struct ov_offload o;
        uint8_t bytes[OV_SUPERFRAME_MAX];
    } v[300];
};
static struct got got;
static struct ov_coalesce c;

/* A batch: frames stay until it is flushed. */
static uint8_t frames[300][1600];
static size_t nframes;

static void on_train(void *arg, const struct ov_train *t)
{
    struct got *g = arg;
    size_t at = 0;

    assert_true(g->n < 300);
    assert_in_range(t->n, 1, 1 + OV_COALESCE_SEGMENTS);
    for (size_t i = 0; i < t->n; i++) {
        assert_true(at + t->slices[i].len <= OV_SUPERFRAME_MAX);
        memcpy(g->v[g->n].bytes + at, t->slices[i].p, t->slices[i].len);
        at += t->slices[i].len;
    }
    assert_int_equal(at, t->len);
    assert_int_equal(t->offload.gso != OV_GSO_NONE, t->frames > 1);
    g->v[g->n].len = at;
    g->v[g->n].o = t->offload;
    g->v[g->n++].frames = t->frames;
}

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

static void begin(void)
{
    got.n = nframes = 0;
    memset(&c, 0xa5, sizeof c);
    ov_coalesce_init(&c, true, true, on_train, &got);
}

static struct packet packet(bool ip6)
{
    return (struct packet){.dst = {{2, 1, 1, 1, 1, 1}},
                           .src = {{2, 2, 2, 2, 2, 2}},
                           .ip6 = ip6,
                           .host = 9,
                           .id = 7,
                           .seq = 1000,
                           .ack = 77,
                           .window = 1000,
                           .tcp_options = 12,
                           .flags = ACK};
}

/* Add a segment with the bytes that its sequence number stands for. */
static void add(const struct packet *p, size_t len, enum packet_sum sum)
{
    struct ov_offload o;
    uint8_t *f = frames[nframes++];
    size_t n = packet_write(f, p, payload + (p->seq - 1000) % 3000, len, sum, &o);

    ov_coalesce_add(&c, f, n, &o);
}

/* Are the first two of `a`, then `b` put together? Either way nothing is lost or out of order. */
static bool joins(const struct packet *a, size_t alen, const struct packet *b, size_t blen)
{
    begin();
    add(a, alen, PACKET_PARTIAL);
    add(b, blen, PACKET_PARTIAL);
    ov_coalesce_flush(&c);
    if (got.n == 1) {
        assert_int_equal(got.v[0].frames, 2);
        return true;
    }
    assert_int_equal(got.n, 2);
    for (size_t i = 0; i < 2; i++) { /* UDP is never held */
        assert_int_equal(got.v[i].frames, 1);
        assert_memory_equal(got.v[i].bytes, frames[b->udp ? 1 - i : i], got.v[i].len);
    }
    return false;
}

/* Whatever is split is put together again, to the byte. */
static void test_inverse(void **state)
{
    static uint8_t super[16 + OV_SUPERFRAME_MAX], copy[OV_SUPERFRAME_MAX];

    (void)state;
    for (unsigned i = 0; i < 2 * 3 * 3; i++)
        for (size_t len = MSS + 1; len < 64 * MSS; len += 313) {
            struct packet p = packet(i & 1);
            struct ov_offload o;
            struct ov_segments s;
            uint8_t *f;
            size_t n;
            p.tags = i / 2 % 3;
            p.tcp_options = i / 6 * 20;
            p.flags = ACK | PSH | (len % 2 ? FIN : 0);
            n = packet_write_super(super + 16, &p, payload, len, MSS, &o);
            memcpy(copy, super + 16, n);
            size_t total = n;
            assert_int_equal(ov_segments_init(&s, &o, super + 16, n), OV_OK);
            begin();
            while ((f = ov_segments_next(&s, &n)) != NULL) {
                memcpy(frames[nframes], f, n);
                ov_coalesce_add(&c, frames[nframes++], n, &s.offload);
            }
            assert_int_equal(got.n, 0);
            ov_coalesce_flush(&c);
            assert_int_equal(got.n, 1);
            assert_int_equal(got.v[0].frames, s.n);
            assert_int_equal(got.v[0].len, total);
            assert_memory_equal(got.v[0].bytes, copy, total);
            assert_true(packet_same_offload(&got.v[0].o, &o));
        }
}

static void test_joins(void **state)
{
    (void)state;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        struct packet a = packet(ip6), b = a, x;
        b.seq += MSS;
        b.id++;
        assert_true(joins(&a, MSS, &b, MSS));
        assert_true(joins(&a, MSS, &b, 1));
        assert_false(joins(&a, MSS, &b, MSS + 1));
        assert_false(joins(&a, MSS, &b, 0));
        a.seq = 0xffffffff - MSS / 2; /* over the end of the numbers */
        b.seq = a.seq + MSS;
        assert_true(joins(&a, MSS, &b, MSS));
        a.seq = 1000;
        b.seq = 1000 + MSS;
#define OTHER(field, value)                                                                        \
    x = b;                                                                                         \
    x.field = value;                                                                               \
    assert_false(joins(&a, MSS, &x, MSS))
        OTHER(seq, b.seq + 1);
        OTHER(seq, a.seq);
        OTHER(ack, 78);
        OTHER(window, 1001);
        OTHER(port, 4001);
        OTHER(host, 8);
        OTHER(tos, true);
        OTHER(tags, 1);
        OTHER(dst.b[5], 7);
        OTHER(src.b[0], 6);
        OTHER(tcp_options, 8);
        OTHER(ip6, !ip6);
        OTHER(udp, true);
        OTHER(flags, 0);
        OTHER(flags, ACK | SYN);
        OTHER(flags, ACK | RST);
        OTHER(flags, ACK | URG);
        OTHER(flags, ACK | ECE);
        OTHER(flags, ACK | CWR);
        OTHER(ip_options, 8);
        x = b;
        x.flags |= PSH;
        assert_true(joins(&a, MSS, &x, MSS));
        x.flags |= FIN;
        assert_true(joins(&a, MSS, &x, MSS));
        x = a; /* nothing follows those */
        x.flags |= PSH;
        assert_false(joins(&x, MSS, &b, MSS));
        x.flags = ACK | FIN;
        assert_false(joins(&x, MSS, &b, MSS));
        assert_false(joins(&a, MSS - 1, &b, MSS - 1)); /* a gap */
    }
    /* Without "don't fragment" the IDs must count on. */
    struct packet a = packet(false), b = a;
    b.seq += MSS;
    b.id += 2;
    assert_true(joins(&a, MSS, &b, MSS));
    a.no_df = b.no_df = true;
    assert_false(joins(&a, MSS, &b, MSS));
    b.id--;
    assert_true(joins(&a, MSS, &b, MSS));
    b.no_df = false;
    assert_false(joins(&a, MSS, &b, MSS));
}

/* Timestamps and what else the options say must be the same, to the byte. */
static void test_options(void **state)
{
    struct packet a = packet(false), b = a;
    struct ov_offload o;

    (void)state;
    b.seq += MSS;
    for (size_t at = 0; at < 12; at++) {
        begin();
        size_t n = packet_write(frames[0], &a, payload, MSS, PACKET_PARTIAL, &o);
        ov_coalesce_add(&c, frames[0], n, &o);
        packet_write(frames[1], &b, payload, MSS, PACKET_PARTIAL, &o);
        frames[1][54 + at] ^= 1;
        ov_coalesce_add(&c, frames[1], n, &o);
        ov_coalesce_flush(&c);
        assert_int_equal(got.n, 2);
    }
}

/* Whole checksums are not ours to judge; and a broken IP header is not mended. */
static void test_not_merged(void **state)
{
    struct packet a = packet(false), b = a;
    struct ov_offload o;

    (void)state;
    b.seq += MSS;
    begin();
    add(&a, MSS, PACKET_PARTIAL);
    add(&b, MSS, PACKET_FULL);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 2);
    begin();
    add(&a, MSS, PACKET_FULL);
    add(&b, MSS, PACKET_FULL);
    assert_int_equal(got.n, 2);
    begin();
    add(&a, MSS, PACKET_PARTIAL);
    size_t n = packet_write(frames[1], &b, payload, MSS, PACKET_PARTIAL, &o);
    frames[1][14 + 10] ^= 1;
    ov_coalesce_add(&c, frames[1], n, &o);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 2);
    begin();
    add(&a, MSS, PACKET_PARTIAL);
    packet_write(frames[1], &b, payload, MSS, PACKET_PARTIAL, &o);
    ov_coalesce_add(&c, frames[1], n + 2, &o); /* padded */
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 2);
    for (unsigned ip6 = 0; ip6 < 2; ip6++) { /* the device takes the other only */
        a = packet(ip6);
        b = a;
        b.seq += MSS;
        begin();
        ov_coalesce_init(&c, ip6, !ip6, on_train, &got);
        add(&a, MSS, PACKET_PARTIAL);
        add(&b, MSS, PACKET_PARTIAL);
        assert_int_equal(got.n, 2);
    }
}

/* Nothing overtakes inside a flow; other flows may be held meanwhile. */
static void test_order(void **state)
{
    struct packet a = packet(false), b = packet(false), udp = packet(false);

    (void)state;
    b.port = 5000;
    udp.udp = true;
    begin();
    for (unsigned i = 0; i < 10; i++) {
        add(&a, MSS, PACKET_PARTIAL);
        add(&b, MSS, PACKET_PARTIAL);
        add(&udp, 10, PACKET_PARTIAL); /* passes at once */
        assert_int_equal(got.n, i + 1);
        a.seq += MSS;
        b.seq += MSS;
    }
    add(&a, 0, PACKET_PARTIAL); /* a bare ACK, after what is held */
    assert_int_equal(got.n, 12);
    assert_int_equal(got.v[10].frames, 10);
    assert_int_equal(got.v[11].frames, 1);
    assert_memory_equal(got.v[11].bytes, frames[30], got.v[11].len);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 13);
    assert_int_equal(got.v[12].frames, 10);
    assert_int_equal(got.v[12].len, packet_heads(&b) + 10 * MSS);
    /* An IP fragment may be of any flow. */
    begin();
    add(&a, MSS, PACKET_PARTIAL);
    add(&b, MSS, PACKET_PARTIAL);
    size_t n = packet_write(frames[2], &a, payload, 50, PACKET_FULL, NULL);
    frames[2][14 + 6] = 0x20;
    ov_coalesce_add(&c, frames[2], n, NULL);
    assert_int_equal(got.n, 3);
    assert_memory_equal(got.v[2].bytes, frames[2], n);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 3);
}

static void test_bounds(void **state)
{
    struct packet p = packet(false);

    (void)state;
    begin(); /* segments of a train */
    for (unsigned i = 0; i < 2 * OV_COALESCE_SEGMENTS + 1; i++) {
        add(&p, MSS, PACKET_PARTIAL);
        p.seq += MSS;
    }
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 3);
    assert_int_equal(got.v[0].frames, OV_COALESCE_SEGMENTS);
    assert_int_equal(got.v[1].frames, OV_COALESCE_SEGMENTS);
    assert_int_equal(got.v[2].frames, 1);
    begin(); /* bytes of a train */
    p.tags = 2;
    for (unsigned i = 0; i < 60; i++) {
        add(&p, 1400, PACKET_PARTIAL);
        p.seq += 1400;
    }
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.v[0].frames, (65535 - 52) / 1400);
    assert_true(got.v[0].len <= OV_SUPERFRAME_MAX);
    assert_int_equal(got.v[0].frames + got.v[1].frames, 60);
    begin(); /* flows */
    for (unsigned i = 0; i <= OV_COALESCE_FLOWS; i++) {
        p.port = (uint16_t)(6000 + i);
        assert_int_equal(got.n, 0);
        add(&p, MSS, PACKET_PARTIAL);
    }
    assert_int_equal(got.n, OV_COALESCE_FLOWS);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, OV_COALESCE_FLOWS + 1);
    ov_coalesce_flush(&c);
    assert_int_equal(got.n, OV_COALESCE_FLOWS + 1);
}

/* Bytes that are no frame at all pass as they are. */
static void test_garbage(void **state)
{
    (void)state;
    begin();
    for (size_t len = 0; len < 200; len++) {
        ov_coalesce_add(&c, payload + len, len, NULL);
        assert_int_equal(got.n, len + 1);
        assert_int_equal(got.v[len].len, len);
        assert_memory_equal(got.v[len].bytes, payload + len, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse), cmocka_unit_test(test_joins),
        cmocka_unit_test(test_options), cmocka_unit_test(test_not_merged),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
