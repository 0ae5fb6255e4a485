/* Turns, CoDel, superframes in pieces, order, and every bound of the fair queue. */
#include "core/fairq.h"

#include "core/bytes.h"
#include "tests/unit/packets.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#define NET   ((ov_netid)0x8056c2e21c000001)
#define LARGE 1400 /* bytes of payload */
#define SMALL 60
#define ALL   ((size_t)1 << 30)

static const uint8_t seed[16] = {1, 2, 3};
static uint8_t payload[65536], frame[OV_SUPERFRAME_MAX + 1];

static struct ov_fairq *new_queue(void)
{
    struct ov_fairq *q;
    assert_int_equal(ov_fairq_new(seed, &q), OV_OK);
    return q;
}

static struct ov_fairq_stats stats(const struct ov_fairq *q)
{
    struct ov_fairq_stats s;
    ov_fairq_stats(q, &s);
    return s;
}

static size_t add(struct ov_fairq *q, const struct packet *p, size_t bytes, ov_time now)
{
    struct ov_offload o;
    size_t len = packet_write(frame, p, payload, bytes, PACKET_FULL, &o);
    ov_fairq_add(q, NET, frame, len, &o, now);
    return len;
}

static size_t add_super(struct ov_fairq *q, const struct packet *p, size_t bytes, uint16_t size,
                        ov_time now)
{
    struct ov_offload o;
    size_t len = packet_write_super(frame, p, payload, bytes, size, &o);
    ov_fairq_add(q, NET, frame, len, &o, now);
    return len;
}

static bool take(struct ov_fairq *q, struct ov_fairq_piece *out, ov_time now)
{
    return ov_fairq_take(q, out, 1, ALL, now) == 1;
}

/* The source port of a frame of ours with IPv4 and nothing optional; its TCP sequence number. */
static unsigned port_of(const struct ov_fairq_piece *f)
{
    return ov_load16(f->data + 34);
}

static uint32_t seq_of(const struct ov_fairq_piece *f)
{
    return ov_load32(f->data + 38);
}

static bool ip_sum_is_right(const uint8_t *ip)
{
    return ov_sum16(0, ip, (size_t)(ip[0] & 15) * 4) == 0xffff;
}

/* ---- turns ---- */

static void comes_out_as_it_went_in(void **state)
{
    struct ov_fairq *q = new_queue();
    struct ov_fairq_piece f;
    struct packet p = {.port = 1};
    (void)state;
    assert_true(ov_fairq_empty(q));
    assert_false(take(q, &f, 1));
    for (p.seq = 0; p.seq < 100; p.seq++)
        add(q, &p, p.seq * 14, 1);
    assert_int_equal(stats(q).flows, 1);
    for (p.seq = 0; p.seq < 100; p.seq++) {
        struct ov_offload o;
        size_t len = packet_write(frame, &p, payload, p.seq * 14, PACKET_FULL, &o);
        assert_false(ov_fairq_empty(q));
        assert_true(take(q, &f, 2));
        assert_true(f.net == NET);
        assert_int_equal(f.len, len);
        assert_memory_equal(f.data, frame, len);
        assert_true(packet_same_offload(&f.offload, &o));
        memset(f.data - OV_FAIRQ_ROOM, 0xee, OV_FAIRQ_ROOM + f.len); /* as its taker may */
    }
    assert_true(ov_fairq_empty(q));
    assert_false(take(q, &f, 3));
    assert_int_equal(stats(q).bytes, 0);
    assert_int_equal(stats(q).flows, 0);
    assert_int_equal(stats(q).dropped, 0);
    ov_fairq_free(q);
}

/* One flow with large frames and one with more and smaller ones get as many bytes. */
static void flows_share_by_bytes(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet a = {.port = 1}, b = {.port = 2};
    struct ov_fairq_piece f;
    size_t got[3] = {0};
    (void)state;
    for (int i = 0; i < 100; i++)
        add(q, &a, LARGE, 1);
    for (int i = 0; i < 600; i++)
        add(q, &b, LARGE / 10, 1);
    while (got[1] + got[2] < 100000) {
        assert_true(take(q, &f, 2));
        got[port_of(&f)] += f.len;
    }
    assert_true(got[1] + 2 * OV_FAIRQ_QUANTUM > got[2] && got[2] + 2 * OV_FAIRQ_QUANTUM > got[1]);
    ov_fairq_free(q);
}

static void what_comes_new_goes_first(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet bulk = {.port = 1}, game = {.port = 2, .udp = true};
    struct ov_fairq_piece f;
    (void)state;
    for (int i = 0; i < 300; i++)
        add(q, &bulk, LARGE, 1);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 5; k++)
            assert_true(take(q, &f, 2) && port_of(&f) == 1);
        add(q, &game, SMALL, 2);
        assert_true(take(q, &f, 2));
        assert_int_equal(port_of(&f), 2);
    }
    ov_fairq_free(q);
}

/* Never having more than one frame waiting does not win more than a share. */
static void to_stop_and_start_wins_nothing(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet bulk = {.port = 1}, sly = {.port = 2};
    struct ov_fairq_piece f;
    size_t got[3] = {0};
    (void)state;
    for (int i = 0; i < 400; i++)
        add(q, &bulk, LARGE, 1);
    add(q, &sly, LARGE, 1);
    while (got[1] < 300 * (size_t)LARGE) {
        assert_true(take(q, &f, 2));
        got[port_of(&f)] += f.len;
        if (port_of(&f) == 2)
            add(q, &sly, LARGE, 2);
    }
    assert_true(got[2] < got[1] + 3 * OV_FAIRQ_QUANTUM);
    ov_fairq_free(q);
}

static void a_take_has_its_limits(void **state)
{
    struct ov_fairq *q = new_queue();
    struct ov_fairq_piece v[8];
    struct packet p = {.port = 1};
    (void)state;
    for (int i = 0; i < 20; i++)
        add(q, &p, LARGE, 1);
    assert_int_equal(ov_fairq_take(q, v, 8, 3 * 1500, 2), 3);
    assert_int_equal(ov_fairq_take(q, v, 8, 1, 2), 1); /* the first in any case */
    assert_int_equal(ov_fairq_take(q, v, 8, ALL, 2), 8);
    assert_int_equal(ov_fairq_take(q, v, 8, ALL, 2), 8);
    assert_true(ov_fairq_empty(q));
    ov_fairq_free(q);
}

/* ---- CoDel ---- */

/* Frames of `p` come every `gap` and one leaves every `drain`, for `span`. The longest stay in its
 * last half. */
static ov_time feed(struct ov_fairq *q, struct packet p, ov_time gap, ov_time drain, ov_time span)
{
    ov_time worst = 0, in = OV_SEC, out = OV_SEC, came[8192];
    struct ov_fairq_piece f;
    uint32_t last = 0;
    p.seq = 1;
    while (out < OV_SEC + span) {
        for (; in <= out; in += gap, p.seq++) {
            came[p.seq % 8192] = in;
            add(q, &p, LARGE, in);
        }
        if (take(q, &f, out)) {
            uint32_t seq = p.ip6 ? ov_load32(f.data + 58) : seq_of(&f);
            assert_true(seq > last);
            last = seq;
            if (out > OV_SEC + span / 2 && out - came[seq % 8192] > worst)
                worst = out - came[seq % 8192];
        }
        out += drain;
    }
    return worst;
}

static void a_queue_that_stands_loses_frames(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet p = {.port = 1};
    (void)state;
    ov_time worst = feed(q, p, 980000, OV_MS, 20 * OV_SEC); /* a fiftieth too much */
    assert_true(stats(q).dropped > 10 && stats(q).dropped < 1000);
    assert_true(worst < 100 * OV_MS);
    assert_int_equal(stats(q).marked, 0);
    ov_fairq_free(q);
}

static void a_burst_loses_nothing(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet p = {.port = 1};
    struct ov_fairq_piece f;
    ov_time now = OV_SEC;
    (void)state;
    for (int burst = 0; burst < 50; burst++) {
        for (int i = 0; i < 90; i++)
            add(q, &p, LARGE, now);
        for (int i = 0; i < 90; i++, now += OV_MS)
            assert_true(take(q, &f, now));
        assert_true(ov_fairq_empty(q));
    }
    assert_int_equal(stats(q).dropped, 0);
    ov_fairq_free(q);
}

static void a_mark_instead_of_a_loss(void **state)
{
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        struct ov_fairq *q = new_queue();
        struct packet p = {.port = 1, .tos = true, .ip6 = ip6};
        struct ov_fairq_piece f;
        size_t marked = 0;
        (void)feed(q, p, 980000, OV_MS, 2 * OV_SEC);
        assert_int_equal(stats(q).dropped, 0);
        uint64_t before = stats(q).marked;
        assert_true(before > 0);
        for (ov_time now = 3 * OV_SEC; take(q, &f, now); now += OV_MS) {
            const uint8_t *ip = f.data + 14;
            unsigned ecn = ip6 ? ip[1] >> 4 & 3 : ip[1] & 3;
            marked += ecn == 3;
            assert_true(ecn == 2 || ecn == 3);
            assert_true(ip6 || ip_sum_is_right(ip));
        }
        assert_true(marked > 0);
        assert_int_equal(stats(q).marked - before, marked);
        ov_fairq_free(q);
    }
}

static void a_slow_line_is_given_time(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet p = {.port = 1};
    struct ov_fairq_piece f;
    (void)state;
    ov_fairq_set_rate(q, 64000); /* 24 ms a frame: two wait longer than 5 ms, always */
    ov_time now = OV_SEC;
    add(q, &p, LARGE, now);
    for (int i = 0; i < 200; i++, now += 24 * OV_MS) {
        add(q, &p, LARGE, now);
        assert_true(take(q, &f, now));
    }
    assert_int_equal(stats(q).dropped, 0);
    ov_fairq_free(q);
}

/* ---- superframes ---- */

static uint8_t whole[OV_SUPERFRAME_MAX], room[16 + OV_SUPERFRAME_MAX];

/* The segments of `piece`, compared with the next ones of `want`, and spoiled. */
static void compare(struct ov_segments *want, const struct ov_fairq_piece *piece)
{
    struct ov_segments have;
    uint8_t *a, *b;
    size_t la, lb;
    memcpy(room + 16, piece->data, piece->len);
    assert_int_equal(ov_segments_init(&have, &piece->offload, room + 16, piece->len), OV_OK);
    while ((a = ov_segments_next(&have, &la)) != NULL) {
        b = ov_segments_next(want, &lb);
        assert_non_null(b);
        assert_int_equal(la, lb);
        assert_memory_equal(a, b, la);
        assert_true(packet_same_offload(&have.offload, &want->offload));
    }
    memset(piece->data - OV_FAIRQ_ROOM, 0xee, OV_FAIRQ_ROOM + piece->len);
}

static void a_superframe_leaves_in_pieces(void **state)
{
    static const struct packet kinds[] = {
        {.port = 1, .tcp_options = 12, .flags = 0x99, .seq = 77, .id = 65530},
        {.port = 1, .ip6 = true, .flags = 0x99, .seq = 0xfffffff0},
        {.port = 1, .tags = 2, .ip_options = 8, .flags = 0x18},
        {.port = 1, .udp = true, .id = 9},
        {.port = 1, .udp = true, .ip6 = true},
    };
    static const size_t lengths[] = {1, 1300, 1301, 5000, 62400, 65000};
    static const uint64_t rates[] = {0, 2500000, 12500000, 125000000};
    (void)state;
    for (size_t i = 0; i < 5 * 6 * 4; i++) {
        const struct packet *p = &kinds[i % 5];
        size_t bytes = lengths[i / 5 % 6], pieces = 0;
        struct ov_fairq *q = new_queue();
        struct ov_fairq_piece f[8];
        struct ov_segments want;
        struct ov_offload o;
        ov_fairq_set_rate(q, rates[i / 30]);
        size_t len = packet_write_super(whole, p, payload, bytes, 1300, &o);
        add_super(q, p, bytes, 1300, 1);
        assert_int_equal(ov_segments_init(&want, &o, whole, len), OV_OK);
        size_t segments = want.n;
        assert_int_equal(stats(q).bytes, len + (segments - 1) * packet_heads(p));
        for (size_t n; (n = ov_fairq_take(q, f, 8, ALL, 2)) != 0; pieces++) {
            assert_int_equal(n, 1); /* the next one is written over its end */
            compare(&want, &f[0]);
        }
        assert_int_equal(want.next, want.n);
        assert_int_equal(stats(q).bytes, 0);
        if (rates[i / 30] == 0)
            assert_true(2 * pieces >= segments); /* a turn may be overdrawn by one */
        else if (rates[i / 30] == 125000000)     /* 62500 bytes a turn */
            assert_true(pieces <= 2);
        ov_fairq_free(q);
    }
}

static void small_ones_go_between_the_pieces(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet bulk = {.port = 1}, game = {.port = 2, .udp = true};
    struct ov_fairq_piece f;
    (void)state;
    add_super(q, &bulk, 65000, 1300, 1);
    assert_true(take(q, &f, 2) && port_of(&f) == 1 && f.len <= 54 + 2 * 1300);
    for (int i = 0; i < 20; i++) {
        add(q, &game, SMALL, 2);
        assert_true(take(q, &f, 2) && port_of(&f) == 2);
        assert_true(take(q, &f, 2) && port_of(&f) == 1 && f.len <= 54 + 2 * 1300);
    }
    ov_fairq_free(q);
}

/* What was taken of a superframe is spoiled; marks and losses of the rest do not depend on it. */
static void pieces_are_marked_too(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet p = {.port = 1, .tos = true};
    struct ov_fairq_piece f;
    ov_time now = OV_SEC;
    size_t marked = 0;
    (void)state;
    for (int i = 0; i < 10; i++)
        add_super(q, &p, 65000, 1300, now);
    for (; take(q, &f, now); now += OV_MS) {
        marked += (f.data[15] & 3) == 3;
        assert_true(ip_sum_is_right(f.data + 14));
        memset(f.data - OV_FAIRQ_ROOM, 0, OV_FAIRQ_ROOM + f.len);
    }
    assert_true(marked > 5);
    assert_int_equal(stats(q).marked, marked);
    assert_int_equal(stats(q).dropped, 0);
    assert_true(now >= OV_SEC + 250 * OV_MS); /* nothing of 500 segments was lost */
    ov_fairq_free(q);
}

/* Frames and superframes, whatever is lost in between and however much is taken at once. */
static void a_flow_keeps_its_order(void **state)
{
    struct ov_fairq *q = new_queue();
    uint32_t seq[4] = {1, 1, 1, 1}, last[4] = {0};
    struct ov_fairq_piece v[16];
    ov_time now = OV_SEC;
    (void)state;
    srand(7);
    for (int round = 0; round < 20000; round++, now += 300000) {
        unsigned i = (unsigned)rand() % 4;
        struct packet p = {.port = (uint16_t)(100 + i), .seq = seq[i]};
        size_t bytes = 1 + (size_t)rand() % (rand() % 8 == 0 ? 65000 : 1300);
        if (bytes > 1300)
            add_super(q, &p, bytes, 1300, now);
        else
            add(q, &p, bytes, now);
        seq[i] += (uint32_t)bytes;
        ov_fairq_set_rate(q, (uint64_t)rand() % 50000000);
        size_t n = ov_fairq_take(q, v, 1 + (size_t)rand() % 16, (size_t)rand() % 9000, now);
        for (size_t k = 0; k < n; k++) {
            i = port_of(&v[k]) - 100;
            assert_true(seq_of(&v[k]) > last[i]);
            last[i] = seq_of(&v[k]);
        }
        for (size_t k = 0; k < n; k++)
            memset(v[k].data - OV_FAIRQ_ROOM, 0xee, OV_FAIRQ_ROOM + v[k].len);
    }
    assert_true(stats(q).dropped > 100);
    ov_fairq_free(q);
}

/* ---- bounds ---- */

static void the_fattest_pays_for_a_full_queue(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet bulk = {.port = 1}, game = {.port = 2, .udp = true}, flood = {.port = 3};
    struct ov_fairq_piece f;
    size_t games = 0, last_bulk = 0;
    (void)state;
    for (int i = 0; i < 20; i++)
        add(q, &game, SMALL, 1);
    for (bulk.seq = 1; bulk.seq <= 200; bulk.seq++)
        add_super(q, &bulk, 65000, 1300, 1);
    for (flood.seq = 1; flood.seq <= 5000; flood.seq++) {
        add(q, &flood, SMALL, 1);
        assert_true(stats(q).memory <= OV_FAIRQ_BYTES);
    }
    uint64_t dropped = stats(q).dropped;
    assert_true(dropped > 100 * 50 && stats(q).memory > OV_FAIRQ_BYTES / 2);
    while (take(q, &f, 2)) {
        games += port_of(&f) == 2;
        if (port_of(&f) == 1)
            last_bulk = seq_of(&f);
    }
    assert_int_equal(games, 20);
    assert_int_equal(stats(q).dropped, dropped);
    assert_true(last_bulk > 200); /* the oldest ones went, not the newest */
    assert_true(stats(q).memory > 0);
    (void)take(q, &f, 3); /* the last piece is given back with the call after it */
    ov_fairq_trim(q);
    assert_int_equal(stats(q).memory, 0);
    ov_fairq_free(q);
}

static void memory_serves_all_sizes_in_turn(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet p = {.port = 1};
    struct ov_fairq_piece f;
    (void)state;
    for (int size = 0; size < 6; size++) {
        for (int i = 0; i < 4000; i++) {
            add_super(q, &p, (size_t)1500 << size > 65000 ? 65000 : (size_t)1500 << size, 1300, 1);
            assert_true(stats(q).memory <= OV_FAIRQ_BYTES);
        }
        while (take(q, &f, 1))
            ;
    }
    ov_fairq_free(q);
}

static void more_flows_than_queues(void **state)
{
    struct ov_fairq *q = new_queue();
    static uint8_t seen[1500];
    struct ov_fairq_piece f;
    (void)state;
    for (unsigned i = 0; i < 1500; i++) {
        struct packet p = {.port = (uint16_t)(1000 + i)};
        add(q, &p, SMALL, 1);
    }
    assert_true(stats(q).flows > OV_FAIRQ_FLOWS / 2 && stats(q).flows <= OV_FAIRQ_FLOWS);
    while (take(q, &f, 1))
        seen[port_of(&f) - 1000]++;
    for (unsigned i = 0; i < 1500; i++)
        assert_int_equal(seen[i], 1);
    ov_fairq_free(q);
}

/* What tells flows apart: network, addresses, protocol, ports; MACs where there is no IP. */
static void what_a_flow_is(void **state)
{
    struct ov_fairq *q = new_queue();
    struct packet v[] = {{.port = 1},
                         {.port = 2},
                         {.port = 1, .udp = true},
                         {.port = 1, .host = 9},
                         {.port = 1, .ip6 = true},
                         {.port = 2, .ip6 = true},
                         {.port = 3, .tags = 1}};
    (void)state;
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < 7; i++) {
            add(q, &v[i], SMALL, 1);
            assert_int_equal(stats(q).flows, twice ? 10 : i + 1);
            for (uint8_t k = 0; i == 6 && !twice && k < 3; k++) { /* ARP of three hosts */
                uint8_t arp[42] = {[11] = k, [12] = 0x08, [13] = 0x06};
                ov_fairq_add(q, NET, arp, sizeof arp, &ov_offload_none, 1);
            }
        }
    size_t len = packet_write(frame, &v[0], payload, SMALL, PACKET_FULL, NULL);
    ov_fairq_add(q, NET + 1, frame, len, &ov_offload_none, 1);
    assert_int_equal(stats(q).flows, 11);
    ov_fairq_free(q);
}

/* What is malformed comes out as it went in, or is a loss; it never harms. */
static void bad_frames(void **state)
{
    struct ov_fairq *q = new_queue();
    struct ov_offload o;
    struct packet p = {.port = 1, .tos = true};
    struct ov_fairq_piece f;
    size_t in = 0, out = 0;
    (void)state;
    size_t len = packet_write_super(frame, &p, payload, 65000, 1300, &o);
    ov_fairq_add(q, NET, frame, OV_SUPERFRAME_MAX + 1, &ov_offload_none, 1);
    assert_int_equal(stats(q).dropped, 1);
    for (size_t n = 0; n < 80; n++, in += 2) { /* cut everywhere in its headers */
        uint8_t *exact = malloc(n > 0 ? n : 1);
        assert_non_null(exact);
        memcpy(exact, frame, n);
        ov_fairq_add(q, NET, exact, n, &ov_offload_none, 1);
        ov_fairq_add(q, NET, exact, n, &o, 1);
        free(exact);
    }
    struct ov_offload v[] = {o, o, o, o};
    v[0].gso_size = 0;
    v[1].csum_start = 9;
    v[2].gso = OV_GSO_UDP;
    v[3].partial = false;
    for (int i = 0; i < 4; i++, in++)
        ov_fairq_add(q, NET, frame, len, &v[i], 1);
    for (ov_time now = 1; take(q, &f, now); now += 100 * OV_MS) /* so that CoDel looks at them */
        out++;
    assert_int_equal(out + stats(q).dropped - 1, in);
    srand(3);
    for (int i = 0; i < 20000; i++) {
        for (size_t k = 0; k < 100; k++)
            frame[k] = (uint8_t)rand();
        frame[12] = 8;
        frame[13] = 0;
        frame[14] = (uint8_t)(0x40 | rand() % 16);
        o.gso = (enum ov_gso)(rand() % 4);
        ov_fairq_add(q, NET, frame, (size_t)rand() % 3000, &o, (ov_time)i * OV_MS);
        (void)take(q, &f, (ov_time)i * OV_MS);
    }
    ov_fairq_free(q);
}

int main(void)
{
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31 + i / 251);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_as_it_went_in),
        cmocka_unit_test(flows_share_by_bytes),
        cmocka_unit_test(what_comes_new_goes_first),
        cmocka_unit_test(to_stop_and_start_wins_nothing),
        cmocka_unit_test(a_take_has_its_limits),
        cmocka_unit_test(a_queue_that_stands_loses_frames),
        cmocka_unit_test(a_burst_loses_nothing),
        cmocka_unit_test(a_mark_instead_of_a_loss),
        cmocka_unit_test(a_slow_line_is_given_time),
        cmocka_unit_test(a_superframe_leaves_in_pieces),
        cmocka_unit_test(small_ones_go_between_the_pieces),
        cmocka_unit_test(pieces_are_marked_too),
        cmocka_unit_test(a_flow_keeps_its_order),
        cmocka_unit_test(the_fattest_pays_for_a_full_queue),
        cmocka_unit_test(memory_serves_all_sizes_in_turn),
        cmocka_unit_test(more_flows_than_queues),
        cmocka_unit_test(what_a_flow_is),
        cmocka_unit_test(bad_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
