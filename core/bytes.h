/* bytes: the only way core/ touches wire bytes: a bounded reader and a bounded writer.
 *
 * Both fail stickily: after the first overrun every read yields zero, every write does nothing, and
 * `failed` stays true, so a decoder is a straight list of reads with one check at its end. All
 * integers are big-endian. */
#ifndef OV_CORE_BYTES_H
#define OV_CORE_BYTES_H

#include "types.h"

/* Bytes somewhere else. */
struct ov_slice {
    const uint8_t *p;
    size_t len;
};

struct ov_reader {
    const uint8_t *p, *end;
    bool failed;
};

void ov_reader_init(struct ov_reader *r, const void *data, size_t len);
uint8_t ov_reader_u8(struct ov_reader *r);
uint16_t ov_reader_u16(struct ov_reader *r);
uint32_t ov_reader_u32(struct ov_reader *r);
uint64_t ov_reader_u40(struct ov_reader *r);
uint64_t ov_reader_u64(struct ov_reader *r);
/* Borrow `n` bytes of the input, or NULL on failure (also for n == 0 once failed). */
const uint8_t *ov_reader_take(struct ov_reader *r, size_t n);
/* Copy `n` bytes; on failure `dst` is zeroed. */
void ov_reader_copy(struct ov_reader *r, void *dst, size_t n);
/* u8 length, then that many bytes of text into `dst` of `cap` bytes, NUL-terminated. Fails if the
 * text has a NUL or control byte in it or does not fit. */
void ov_reader_text(struct ov_reader *r, char *dst, size_t cap);
/* u8 family (4 or 6, or 0 for none), then 4, 16 or 0 bytes. */
void ov_reader_ip(struct ov_reader *r, struct ov_ip *out);
/* ip, then u8 bits. Fails when bits exceed the family's width. */
void ov_reader_prefix(struct ov_reader *r, struct ov_prefix *out);
/* ip, then u16 port. */
void ov_reader_endpoint(struct ov_reader *r, struct ov_endpoint *out);
size_t ov_reader_left(const struct ov_reader *r);
/* True when nothing failed and everything was consumed. */
OV_CHECK bool ov_reader_done(const struct ov_reader *r);

struct ov_writer {
    uint8_t *base;
    size_t len, cap;
    bool failed;
};

void ov_writer_init(struct ov_writer *w, void *buf, size_t cap);
void ov_writer_u8(struct ov_writer *w, uint8_t v);
void ov_writer_u16(struct ov_writer *w, uint16_t v);
void ov_writer_u32(struct ov_writer *w, uint32_t v);
void ov_writer_u40(struct ov_writer *w, uint64_t v);
void ov_writer_u64(struct ov_writer *w, uint64_t v);
void ov_writer_bytes(struct ov_writer *w, const void *src, size_t n);
void ov_writer_zero(struct ov_writer *w, size_t n);
void ov_writer_text(struct ov_writer *w, const char *text); /* fails above 255 bytes */
void ov_writer_ip(struct ov_writer *w, const struct ov_ip *ip);
void ov_writer_prefix(struct ov_writer *w, const struct ov_prefix *p);
void ov_writer_endpoint(struct ov_writer *w, const struct ov_endpoint *e);

/* What processors fetch and keep of memory at once; where they differ it only costs time. */
#define OV_LINE 64
/* Zeroed memory that begins with a line of its own; NULL when there is none. For free(). */
void *ov_lines_alloc(size_t len);
/* This memory will be read or written soon: a hint, good for any address. */
static inline void ov_prefetch(const void *p)
{
    __builtin_prefetch(p);
}
/* The same for all of `len` bytes. */
static inline void ov_prefetch_range(const void *p, size_t len)
{
    for (size_t i = 0; i < len; i += OV_LINE)
        __builtin_prefetch((const uint8_t *)p + i);
}

/* Big-endian loads and stores for the fixed headers of the data path. */
static inline uint16_t ov_load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t ov_load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t ov_load64(const uint8_t *p)
{
    return (uint64_t)ov_load32(p) << 32 | ov_load32(p + 4);
}
static inline void ov_store16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void ov_store32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline void ov_store64(uint8_t *p, uint64_t v)
{
    ov_store32(p, (uint32_t)(v >> 32));
    ov_store32(p + 4, (uint32_t)v);
}

#endif
