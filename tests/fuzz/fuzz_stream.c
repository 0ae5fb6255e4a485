/* What comes by TCP: datagrams cut out of a stream, and a proxy's answer. However the bytes are
 * divided on their way, the same comes out of them; and what is written, by the queue in front of a
 * stream, is read as it was. The first byte says how the bytes are divided. */
#include "core/bytes.h"
#include "transport/connect.h"
#include "transport/frames.h"
#include "transport/waiting.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CUTS 4

/* All that came out: each datagram with its length before it. */
struct result {
    uint8_t *p;
    size_t len, count;
    int err;
};

static void keep(struct result *r, const struct ov_frames_packet *p)
{
    if (p->len < OV_FRAMES_MIN || p->len > OV_FRAMES_MAX)
        abort();
    ov_store16(r->p + r->len, (uint16_t)p->len);
    memcpy(r->p + r->len + 2, p->data, p->len);
    r->len += 2 + p->len;
    r->count++;
}

/* `step` bytes at a time, each in memory of its own. */
static struct result cut(const uint8_t *data, size_t len, size_t step, bool hello)
{
    struct ov_frames f = {.hello = hello};
    struct ov_frames_packet v[CUTS];
    struct result r = {.p = malloc(len + 1)};

    if (!r.p)
        abort();
    for (size_t at = 0; at < len && r.err == OV_OK; at += step) {
        size_t n = len - at < step ? len - at : step, done = 0, used, got;
        uint8_t *piece = malloc(n);

        if (!piece)
            abort();
        memcpy(piece, data + at, n);
        while (done < n && r.err == OV_OK) {
            r.err = ov_frames_cut(&f, piece + done, n - done, v, CUTS, &got, &used);
            if (got > CUTS || used > n - done || (r.err == OV_OK && used == 0 && got == 0))
                abort();
            for (size_t i = 0; i < got; i++) {
                keep(&r, &v[i]);
                memset(v[i].data, 0xff, v[i].len); /* as opening in place does */
            }
            done += used;
        }
        free(piece);
    }
    ov_frames_free(&f);
    return r;
}

static void frames(const uint8_t *data, size_t len, size_t step, bool hello)
{
    struct result a = cut(data, len, len ? len : 1, hello), b = cut(data, len, step, hello);

    if (a.err != b.err || a.len != b.len || a.count != b.count ||
        (a.err == OV_OK && memcmp(a.p, b.p, a.len) != 0))
        abort();
    free(a.p);
    free(b.p);
}

/* Datagrams of these bytes through the queue; those that it gives back are cut out again. */
static void through(const uint8_t *data, size_t len, size_t size)
{
    struct ov_waiting q = {0};
    uint8_t out[3000];
    size_t n, put = 0, got = 0;

    size = OV_FRAMES_MIN + size * 4;
    for (size_t at = 0; at + size <= len; at += size, put++)
        ov_waiting_put(&q, data + at, size, OV_SEC);
    while ((n = ov_waiting_take(&q, out, sizeof out, OV_SEC)) > 0) {
        struct result r = cut(out, n, n, false);

        if (r.err != OV_OK || r.len != n)
            abort();
        got += r.count;
        free(r.p);
    }
    if (got + q.dropped != put || !ov_waiting_empty(&q))
        abort();
    ov_waiting_free(&q);
}

static int answer(const uint8_t *data, size_t len, size_t step, size_t *used,
                  char why[OV_CONNECT_WHY])
{
    struct ov_connect c = {0};
    int err = OV_ETRUNC;

    *used = 0;
    for (size_t at = 0; at < len && err == OV_ETRUNC; at += step) {
        size_t n = len - at < step ? len - at : step, took;
        uint8_t *piece = malloc(n);

        if (!piece)
            abort();
        memcpy(piece, data + at, n);
        why[0] = '\0';
        err = ov_connect_feed(&c, piece, n, &took, why);
        if (took > n || (err == OV_ETRUNC && took != n) ||
            memchr(why, '\0', OV_CONNECT_WHY) == NULL)
            abort();
        *used += took;
        free(piece);
    }
    return err;
}

static void proxy(const uint8_t *data, size_t len, size_t step)
{
    char why[2][OV_CONNECT_WHY] = {"", ""};
    size_t used[2];
    int a = answer(data, len, len ? len : 1, &used[0], why[0]);
    int b = answer(data, len, step, &used[1], why[1]);

    if (a != b || (a == OV_OK && used[0] != used[1]))
        abort();
}

static void url(const uint8_t *data, size_t len)
{
    char text[512], out[OV_CONNECT_REQUEST];
    struct ov_connect_proxy p;
    size_t n;

    if (len >= sizeof text)
        return;
    memcpy(text, data, len);
    text[len] = '\0';
    if (ov_connect_parse(text, &p) != OV_OK)
        return;
    if (p.host[0] == '\0' || p.port == 0)
        abort();
    n = ov_connect_request(&p, "vpn.example.org", 443, out);
    if (n >= sizeof out || (n > 0 && (memcmp(out, "CONNECT vpn.example.org:443 ", 28) != 0 ||
                                      memcmp(out + n - 4, "\r\n\r\n", 4) != 0)))
        abort();
    for (size_t i = 1; i + 4 < n; i++) /* one header a line, and no second request */
        if (out[i] == '\n' && (out[i - 1] != '\r' || out[i + 1] == '\r'))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    size_t step = 1 + data[0] % 64u;
    frames(data + 1, len - 1, step, false);
    frames(data + 1, len - 1, step, true);
    through(data + 1, len - 1, data[0]);
    proxy(data + 1, len - 1, step);
    url(data + 1, len - 1);
    return 0;
}
