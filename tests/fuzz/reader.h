/* reader: an input read as a list of steps. Whatever the bytes are, they are some list. */
#ifndef OV_TESTS_FUZZ_READER_H
#define OV_TESTS_FUZZ_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *p;
    size_t left;
};

static inline uint8_t input_u8(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

static inline uint16_t input_u16(struct input *in)
{
    uint16_t high = input_u8(in);

    return (uint16_t)(high << 8 | input_u8(in));
}

/* Two bytes of length, then so many bytes, or as many as there are. */
static inline const uint8_t *input_bytes(struct input *in, size_t *len)
{
    const uint8_t *p;
    size_t want = input_u16(in);

    *len = want < in->left ? want : in->left;
    p = in->p;
    in->p += *len;
    in->left -= *len;
    return p;
}

#endif
