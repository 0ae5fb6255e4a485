/* Beacons: any bytes, and any body that somebody with the key has sealed. What opens is encoded to
 * one that opens as the same. */
#include "core/beacon.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct ov_ip source = {.family = 4, .b = {192, 168, 1, 2}};
static const struct ov_secret32 key = {{0xa0}};

static void zeroes(void *arg, void *buf, size_t len)
{
    (void)arg;
    memset(buf, 0, len);
}

static void again(const struct ov_beacon *b)
{
    static const struct ov_random random = {.fill = zeroes};
    const struct ov_beacon_entry v = {&key, b->seek};
    uint8_t out[OV_BEACON_MAX];
    struct ov_beacon got;
    size_t len = ov_beacon_encode(b, &v, 1, &source, &random, out);

    if (ov_beacon_open(out, len, &source, &key, &got) != OV_OK ||
        !ov_identity_equal(&got.id, &b->id) || got.port != b->port || got.boot != b->boot ||
        (b->seek.kind == 0 ? got.seek.kind != 0 : !ov_lookup_key_equal(&got.seek, &b->seek)))
        abort();
}

/* The bytes as the body of an entry. */
static void sealed(const uint8_t *data, size_t len)
{
    static const uint8_t ad[] = {OV_WIRE_BEACON, 0, 0, 0, 4, 192, 168, 1, 2};
    uint8_t d[OV_BEACON_LEN(2)] = {OV_WIRE_BEACON}, body[OV_BEACON_BODY] = {0};
    struct ov_beacon b;

    if (len > 0)
        memcpy(body, data, len < sizeof(body) ? len : sizeof(body));
    ov_xaead_seal(key.b, d + 4, ad, sizeof(ad), body, sizeof(body), d + OV_BEACON_HEADER);
    if (ov_beacon_open(d, sizeof(d), &source, &key, &b) == OV_OK)
        again(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ov_beacon b;

    if (ov_crypto_init() != OV_OK)
        abort();
    if (ov_beacon_open(data, len, &source, &key, &b) == OV_OK) {
        if (!ov_beacon_valid(data, len))
            abort();
        again(&b);
    }
    sealed(data, len);
    return 0;
}
