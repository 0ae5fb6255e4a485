/* Datagrams: what decodes encodes to the same bytes. */
#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void same(const void *a, const void *b, size_t len)
{
    if (memcmp(a, b, len) != 0)
        abort();
}

static void payloads(const uint8_t *data, size_t len)
{
    uint8_t out[OV_INITIATION_PAYLOAD];
    struct ov_initiation init;
    struct ov_response resp;

    if (len == OV_INITIATION_PAYLOAD && ov_initiation_decode(data, &init) == OV_OK) {
        ov_initiation_encode(&init, out);
        same(out, data, OV_INITIATION_PAYLOAD);
    }
    if (len == OV_RESPONSE_PAYLOAD && ov_response_decode(data, &resp) == OV_OK) {
        ov_response_encode(&resp, out);
        same(out, data, OV_RESPONSE_PAYLOAD);
    }
}

static void relay(const uint8_t *data, size_t len)
{
    static const uint8_t key[16];
    uint8_t out[OV_RELAY_HEADER];
    struct ov_relay r;

    if (ov_relay_decode(data, len, &r) != OV_OK)
        return;
    ov_relay_encode(&r, key, out);
    same(out, data, OV_RELAY_TAG_AT);
    if (ov_relay_verify(out, key) != OV_OK)
        abort();
    if ((ov_relay_verify(data, key) == OV_OK) != (memcmp(out, data, sizeof(out)) == 0))
        abort();
}

static void first_contact(const uint8_t *data, size_t len)
{
    uint8_t who[OV_WHO_LEN], iam[OV_IAM_LEN];
    struct ov_iam i;
    uint64_t nonce;

    if (ov_who_decode(data, len, &nonce) == OV_OK) {
        ov_who_encode(nonce, who);
        same(who, data, sizeof(who));
    }
    if (ov_iam_decode(data, len, &i) == OV_OK) {
        ov_iam_encode(&i, iam);
        same(iam, data, sizeof(iam));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    payloads(data, len);
    relay(data, len);
    first_contact(data, len);
    return 0;
}
