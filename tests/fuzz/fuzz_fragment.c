/* Reassembly: pieces of messages with any id, place and seal, and time between. What comes out must
 * be made of pieces that were put in under one key, each byte at its place; memory is what is
 * accounted for and keeps to its limit, and goes back to nothing. */
#include "reader.h"

#include "core/fragment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define LIMIT     8192
#define STEPS_MAX 512

/* A byte that tells where it belongs. */
static uint8_t mark(uint16_t id, size_t at)
{
    return (uint8_t)(id * 31u + at * 7u + (at >> 8));
}

static void whole(const struct ov_msg_fragment *last, const struct ov_slice *msg)
{
    if (msg->len != last->total || msg->len == 0)
        abort();
    for (size_t i = 0; i < msg->len; i++)
        if (msg->p[i] != mark(last->id, i))
            abort();
}

static void one(struct ov_fragments *f, struct input *in, ov_time now,
                struct ov_fragment_pool *pool, int slots)
{
    static uint8_t buf[OV_MESSAGE_MAX];
    uint8_t wire[OV_MSG_FRAGMENT_HEADER + sizeof buf];
    struct ov_fragment_seal seal = {input_u8(in) % 4u, input_u8(in)};
    struct ov_msg_fragment m = {
        .id = input_u8(in) % 8, .offset = input_u16(in), .total = input_u16(in)};
    struct ov_msg_fragment got;
    size_t len = input_u16(in);
    uint64_t lost = 0;
    struct ov_writer w;
    struct ov_slice msg;

    if (len > sizeof buf)
        return;
    for (size_t i = 0; i < len; i++)
        buf[i] = mark(m.id, m.offset + i);
    m.bytes = (struct ov_slice){buf, len};
    ov_writer_init(&w, wire, sizeof wire);
    ov_msg_fragment_encode(&w, &m);
    if (w.failed || ov_msg_fragment_decode(wire + 1, w.len - 1, &got) != OV_OK)
        return;
    if (ov_fragments_add(f, &got, &seal, now, pool, slots, &lost, &msg) == OV_OK)
        whole(&got, &msg);
    if (pool->bytes > LIMIT || lost > OV_FRAGMENT_SLOTS)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    struct ov_fragments f = {0};
    ov_time now = OV_SEC;
    uint64_t lost = 0;
    struct ov_fragment_pool pool = {0, LIMIT};

    for (int i = 0; i < STEPS_MAX && in.left > 0; i++) {
        uint8_t wait = input_u8(&in);
        now += wait * 10 * OV_MS;
        if (wait > 200) {
            ov_time again = ov_fragments_expire(&f, now, &lost);
            if (again <= now || (again == OV_NEVER) != (pool.bytes == 0))
                abort();
        }
        one(&f, &in, now, &pool, wait % 2 ? OV_FRAGMENT_SLOTS : 1);
    }
    ov_fragments_free(&f);
    if (pool.bytes != 0)
        abort();
    return 0;
}
