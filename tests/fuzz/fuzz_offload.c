/* Offload metadata and frames: 8 bytes of metadata, then the frame. What is accepted is split, and
 * the segments put together again. */
#include "core/coalesce.h"

#include <stdlib.h>
#include <string.h>

#define ROOM 16
#define HELD 64 /* segments that are put together */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void *copy_of(const void *p, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    if (!copy)
        abort();
    if (len)
        memcpy(copy, p, len);
    return copy;
}

/* A train splits into as many segments as were put into it. */
static void on_train(void *arg, const struct ov_train *t)
{
    size_t *frames = arg, at = ROOM;
    struct ov_segments s;
    uint8_t *whole = malloc(ROOM + t->len);

    if (!whole || t->n == 0 || t->n > 1 + OV_COALESCE_SEGMENTS)
        abort();
    for (size_t i = 0; i < t->n; at += t->slices[i++].len)
        if (t->slices[i].len)
            memcpy(whole + at, t->slices[i].p, t->slices[i].len);
    if (at != ROOM + t->len)
        abort();
    if (t->frames > 1 &&
        (ov_segments_init(&s, &t->offload, whole + ROOM, t->len) != OV_OK || s.n != t->frames))
        abort();
    *frames += t->frames;
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct ov_coalesce c;
    struct ov_segments s;
    uint8_t *held[HELD], *f;
    size_t n = 0, nheld = 0, frames = 0, flen;

    if (len < 8 || len - 8 > OV_SUPERFRAME_MAX)
        return 0;
    struct ov_offload o = {.partial = data[0] & 1,
                           .gso = (enum ov_gso)(data[1] & 3),
                           .gso_size = ov_load16(data + 2),
                           .csum_start = ov_load16(data + 4),
                           .csum_offset = ov_load16(data + 6)};
    len -= 8;
    uint8_t *buf = malloc(ROOM + len);
    if (!buf)
        abort();
    memcpy(buf + ROOM, data + 8, len);
    ov_coalesce_init(&c, true, true, on_train, &frames);
    if (ov_segments_init(&s, &o, buf + ROOM, len) == OV_OK) {
        if (s.n == 0 || s.n > OV_SEGMENTS_MAX)
            abort();
        while ((f = ov_segments_next(&s, &flen)) != NULL) {
            struct ov_offload mine = s.offload;
            if (flen > ov_segments_largest(&s) || !ov_offload_valid(&mine, f, flen))
                abort();
            memset(f - 14, 0xee, 14); /* the message's header */
            if (nheld < HELD) {
                held[nheld] = copy_of(f, flen);
                ov_coalesce_add(&c, held[nheld++], flen, &mine);
            }
            if (ov_offload_complete(&mine, f, flen) != OV_OK)
                abort();
            n++;
        }
        if (n != s.n)
            abort();
    }
    ov_coalesce_flush(&c);
    if (frames != nheld)
        abort();
    while (nheld)
        free(held[--nheld]);
    free(buf);
    return 0;
}
