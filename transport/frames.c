#include "frames.h"

#include <stdlib.h>
#include <string.h>

static size_t length(const uint8_t *p)
{
    return (size_t)(p[0] << 8 | p[1]);
}

static bool possible(size_t len)
{
    return len >= OV_FRAMES_MIN && len <= OV_FRAMES_MAX;
}

/* Take what belongs to the greeting; false: it is another one. */
static bool greet(struct ov_frames *f, const uint8_t *data, size_t len, size_t *used)
{
    while (f->hello && *used < len) {
        if (data[(*used)++] != (uint8_t)OV_FRAMES_HELLO[f->greeted])
            return false;
        f->hello = ++f->greeted < OV_FRAMES_HELLO_LEN;
    }
    return true;
}

/* Go on with the datagram that has begun. True: it is complete. */
static int complete(struct ov_frames *f, const uint8_t *data, size_t len, size_t *used, bool *done)
{
    while (f->have < OV_FRAMES_HEAD && *used < len)
        f->part[f->have++] = data[(*used)++];
    if (f->have < OV_FRAMES_HEAD)
        return OV_OK;
    size_t want = length(f->part);
    if (!possible(want))
        return OV_EINVAL;
    size_t missing = want + OV_FRAMES_HEAD - f->have, more = len - *used;
    if (more > missing)
        more = missing;
    memcpy(f->part + f->have, data + *used, more);
    f->have += more;
    *used += more;
    *done = more == missing;
    return OV_OK;
}

int ov_frames_cut(struct ov_frames *f, uint8_t *data, size_t len, struct ov_frames_packet *v,
                  size_t cap, size_t *n, size_t *used)
{
    *n = *used = 0;
    if (!greet(f, data, len, used))
        return OV_EINVAL;
    if (f->part && f->have == 0) { /* given out by the last call */
        free(f->part);
        f->part = NULL;
    }
    if (f->part && *used < len && cap > 0) {
        bool done = false;
        int err = complete(f, data, len, used, &done);
        if (err != OV_OK || !done)
            return err;
        v[(*n)++] = (struct ov_frames_packet){f->part + OV_FRAMES_HEAD, f->have - OV_FRAMES_HEAD};
        f->have = 0;
    }
    while (*n < cap && len - *used >= OV_FRAMES_HEAD) {
        size_t want = length(data + *used);
        if (!possible(want))
            return OV_EINVAL;
        if (len - *used < OV_FRAMES_HEAD + want)
            break;
        v[(*n)++] = (struct ov_frames_packet){data + *used + OV_FRAMES_HEAD, want};
        *used += OV_FRAMES_HEAD + want;
    }
    if (*n == cap || *used == len || (f->part && f->have == 0))
        return OV_OK; /* what is left waits for the next call */
    f->part = malloc(OV_FRAMES_HEAD + OV_FRAMES_MAX);
    if (!f->part)
        return OV_ENOMEM;
    f->have = len - *used;
    memcpy(f->part, data + *used, f->have);
    *used = len;
    return OV_OK;
}

void ov_frames_free(struct ov_frames *f)
{
    free(f->part);
    memset(f, 0, sizeof *f);
}
