/* Coalescing: a batch of segments of some flows, as the input makes them, some bytes of them
 * changed. Nothing may get lost, doubled or altered, and nothing may overtake inside a flow: what
 * comes out, split again, is what went in. */
#include "reader.h"
#include "tests/unit/packets.h"

#include "core/bytes.h"
#include "core/coalesce.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FRAMES_MAX 160
#define FRAME_MAX  1600
#define HEADROOM   16
#define FLOWS      10

struct frame {
    uint8_t bytes[FRAME_MAX];
    size_t len;
    unsigned flow;
    bool out;
};

static struct batch {
    struct frame v[FRAMES_MAX];
    size_t n;
} in;

/* What splitting makes anew: the checksums, and identifications where they mean nothing. */
static void blank(uint8_t *f, size_t len)
{
    struct ov_packet p;

    if (ov_packet_find(f, len, &p) != OV_OK)
        return;
    if (!p.ip6) {
        memset(f + p.ip + 10, 0, 2);
        if (f[p.ip + 6] & 0x40)
            memset(f + p.ip + 4, 0, 2);
    }
    if (p.proto == 6 && p.end - p.transport >= 20)
        memset(f + p.transport + 16, 0, 2);
}

/* It is the next of its flow that is not out yet; or, if bytes were changed, one of those. */
static void take(const uint8_t *f, size_t len, bool whole)
{
    static uint8_t a[FRAME_MAX], b[FRAME_MAX];
    bool passed[FLOWS + 1] = {false};

    if (len > FRAME_MAX)
        abort();
    for (size_t i = 0; i < in.n; i++) {
        struct frame *g = &in.v[i];
        if (g->out || (g->flow < FLOWS && passed[g->flow]))
            continue;
        if (g->len == len) {
            memcpy(a, f, len);
            memcpy(b, g->bytes, len);
            if (!whole) {
                blank(a, len);
                blank(b, len);
            }
            if (memcmp(a, b, len) == 0) {
                g->out = true;
                return;
            }
        }
        passed[g->flow] = true; /* it waits, and so must what is behind it */
    }
    abort();
}

static void on_train(void *arg, const struct ov_train *t)
{
    uint8_t *whole = malloc(HEADROOM + t->len), *f;
    size_t at = HEADROOM, len, n = 0;
    struct ov_segments s;

    (void)arg;
    if (!whole || t->n == 0 || t->n > 1 + OV_COALESCE_SEGMENTS)
        abort();
    for (size_t i = 0; i < t->n; at += t->slices[i++].len)
        memcpy(whole + at, t->slices[i].p, t->slices[i].len);
    if (at != HEADROOM + t->len)
        abort();
    if (t->frames == 1) {
        take(whole + HEADROOM, t->len, true);
        free(whole);
        return;
    }
    if (ov_segments_init(&s, &t->offload, whole + HEADROOM, t->len) != OV_OK || s.n != t->frames)
        abort();
    for (; (f = ov_segments_next(&s, &len)) != NULL; n++)
        take(f, len, false);
    if (n != t->frames)
        abort();
    free(whole);
}

/* A segment of a flow that goes on, but for what the input says. */
static void make(struct input *i, uint32_t *seq, uint16_t *id, struct ov_offload *o)
{
    static uint8_t payload[1400];
    struct frame *g = &in.v[in.n++];
    uint8_t flow = input_u8(i) % FLOWS, how = input_u8(i), changes = 0;
    size_t len = how & 1 ? input_u16(i) % sizeof payload : 100;
    struct packet p = {.dst = {{2, 1, 1, 1, 1, 1}},
                       .src = {{2, 2, 2, 2, 2, 2}},
                       .ip6 = flow & 1,
                       .no_df = flow & 2,
                       .tags = flow == 9,
                       .host = flow,
                       .id = id[flow]++,
                       .seq = seq[flow],
                       .window = 1000,
                       .tcp_options = flow & 4 ? 12u : 0u,
                       .flags = how & 2 ? input_u8(i) : 0x10};

    if (how & 4)
        p.seq += input_u8(i);
    seq[flow] = p.seq + (uint32_t)len;
    for (size_t k = 0; k < len; k++)
        payload[k] = (uint8_t)(in.n + k);
    g->len = packet_write(g->bytes, &p, payload, len, how & 8 ? PACKET_FULL : PACKET_PARTIAL, o);
    g->flow = flow;
    g->out = false;
    if (how & 16)
        changes = input_u8(i) % 8;
    for (; changes > 0; changes--) {
        size_t at = input_u8(i) % g->len;
        g->bytes[at] = input_u8(i);
        g->flow = FLOWS; /* whichever it is of now: see take() */
    }
    if (!ov_offload_valid(o, g->bytes, g->len))
        *o = ov_offload_none;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct ov_coalesce c;
    static uint8_t copies[FRAMES_MAX][FRAME_MAX];
    struct input i = {data, len};
    uint32_t seq[FLOWS] = {0};
    uint16_t id[FLOWS] = {0};

    in.n = 0;
    uint8_t can = input_u8(&i);
    ov_coalesce_init(&c, !(can & 1), !(can & 2), on_train, NULL);
    while (in.n < FRAMES_MAX && i.left > 0) {
        struct ov_offload o;
        size_t at = in.n;

        make(&i, seq, id, &o);
        memcpy(copies[at], in.v[at].bytes, in.v[at].len);
        ov_coalesce_add(&c, copies[at], in.v[at].len, &o);
        if (can & 4 && in.n % 16 == 0)
            ov_coalesce_flush(&c);
    }
    ov_coalesce_flush(&c);
    for (size_t k = 0; k < in.n; k++)
        if (!in.v[k].out)
            abort();
    return 0;
}
