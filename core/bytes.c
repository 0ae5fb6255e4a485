#include "bytes.h"

#include <stdlib.h>
#include <string.h>

/* The bytes of an address of this family, or -1. */
static int family_width(uint8_t family)
{
    switch (family) {
    case 0:
        return 0;
    case 4:
        return 4;
    case 6:
        return 16;
    default:
        return -1;
    }
}

void ov_reader_init(struct ov_reader *r, const void *data, size_t len)
{
    static const uint8_t nothing[1]; /* so that a borrowed empty slice is never NULL */

    r->p = len > 0 ? data : nothing;
    r->end = r->p + len;
    r->failed = false;
}

const uint8_t *ov_reader_take(struct ov_reader *r, size_t n)
{
    if (r->failed || n > (size_t)(r->end - r->p)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->p;
    r->p += n;
    return at;
}

/* The next `n` (at most 8) bytes as one big-endian number; zero on failure. */
static uint64_t take_uint(struct ov_reader *r, size_t n)
{
    const uint8_t *p = ov_reader_take(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p != NULL && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t ov_reader_u8(struct ov_reader *r)
{
    return (uint8_t)take_uint(r, 1);
}

uint16_t ov_reader_u16(struct ov_reader *r)
{
    return (uint16_t)take_uint(r, 2);
}

uint32_t ov_reader_u32(struct ov_reader *r)
{
    return (uint32_t)take_uint(r, 4);
}

uint64_t ov_reader_u40(struct ov_reader *r)
{
    return take_uint(r, 5);
}

uint64_t ov_reader_u64(struct ov_reader *r)
{
    return take_uint(r, 8);
}

void ov_reader_copy(struct ov_reader *r, void *dst, size_t n)
{
    const uint8_t *p = ov_reader_take(r, n);

    if (n == 0)
        return;
    if (p != NULL)
        memcpy(dst, p, n);
    else
        memset(dst, 0, n);
}

void ov_reader_text(struct ov_reader *r, char *dst, size_t cap)
{
    size_t n = ov_reader_u8(r);
    const uint8_t *p = ov_reader_take(r, n);

    if (cap > 0)
        dst[0] = '\0';
    if (p == NULL)
        return;
    if (n >= cap) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f) {
            r->failed = true;
            return;
        }
    }
    memcpy(dst, p, n);
    dst[n] = '\0';
}

void ov_reader_ip(struct ov_reader *r, struct ov_ip *out)
{
    uint8_t family = ov_reader_u8(r);
    int width = family_width(family);

    *out = (struct ov_ip){0};
    if (width < 0) {
        r->failed = true;
        return;
    }
    ov_reader_copy(r, out->b, (size_t)width);
    if (!r->failed)
        out->family = family;
}

void ov_reader_prefix(struct ov_reader *r, struct ov_prefix *out)
{
    ov_reader_ip(r, &out->ip);
    out->bits = ov_reader_u8(r);
    if (out->bits > 8 * family_width(out->ip.family))
        r->failed = true;
    if (r->failed)
        *out = (struct ov_prefix){0};
}

void ov_reader_endpoint(struct ov_reader *r, struct ov_endpoint *out)
{
    *out = (struct ov_endpoint){0};
    ov_reader_ip(r, &out->ip);
    out->port = ov_reader_u16(r);
    if (r->failed)
        *out = (struct ov_endpoint){0};
}

size_t ov_reader_left(const struct ov_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->p);
}

bool ov_reader_done(const struct ov_reader *r)
{
    return !r->failed && r->p == r->end;
}

void ov_writer_init(struct ov_writer *w, void *buf, size_t cap)
{
    *w = (struct ov_writer){.base = buf, .cap = cap};
}

/* Room for `n` more bytes, or NULL; the only place that moves `len`. */
static uint8_t *claim(struct ov_writer *w, size_t n)
{
    if (w->failed || n > w->cap - w->len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *at = w->base + w->len;
    w->len += n;
    return at;
}

/* The low `n` (at most 8) bytes of `v`, big-endian. */
static void put_uint(struct ov_writer *w, uint64_t v, size_t n)
{
    uint8_t *p = claim(w, n);

    for (size_t i = n; p != NULL && i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

void ov_writer_u8(struct ov_writer *w, uint8_t v)
{
    put_uint(w, v, 1);
}

void ov_writer_u16(struct ov_writer *w, uint16_t v)
{
    put_uint(w, v, 2);
}

void ov_writer_u32(struct ov_writer *w, uint32_t v)
{
    put_uint(w, v, 4);
}

void ov_writer_u40(struct ov_writer *w, uint64_t v)
{
    if (v > OV_ADDR_MASK)
        w->failed = true;
    put_uint(w, v, 5);
}

void ov_writer_u64(struct ov_writer *w, uint64_t v)
{
    put_uint(w, v, 8);
}

void ov_writer_bytes(struct ov_writer *w, const void *src, size_t n)
{
    uint8_t *p = claim(w, n);

    if (p != NULL && n > 0)
        memcpy(p, src, n);
}

void ov_writer_zero(struct ov_writer *w, size_t n)
{
    uint8_t *p = claim(w, n);

    if (p != NULL && n > 0)
        memset(p, 0, n);
}

void ov_writer_text(struct ov_writer *w, const char *text)
{
    size_t n = strlen(text);

    if (n > UINT8_MAX) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, (uint8_t)n);
    ov_writer_bytes(w, text, n);
}

void ov_writer_ip(struct ov_writer *w, const struct ov_ip *ip)
{
    int width = family_width(ip->family);

    if (width < 0) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, ip->family);
    ov_writer_bytes(w, ip->b, (size_t)width);
}

void ov_writer_prefix(struct ov_writer *w, const struct ov_prefix *p)
{
    ov_writer_ip(w, &p->ip);
    if (p->bits > 8 * family_width(p->ip.family))
        w->failed = true;
    ov_writer_u8(w, p->bits);
}

void ov_writer_endpoint(struct ov_writer *w, const struct ov_endpoint *e)
{
    ov_writer_ip(w, &e->ip);
    ov_writer_u16(w, e->port);
}

/* ---- memory ---- */

void *ov_lines_alloc(size_t len)
{
    size_t whole = (len + OV_LINE - 1) / OV_LINE * OV_LINE;
    void *p = aligned_alloc(OV_LINE, whole);

    if (p != NULL)
        memset(p, 0, whole);
    return p;
}
