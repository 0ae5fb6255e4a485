#include "transport/pmp.h"

#include "core/bytes.h"

#include <string.h>

#define ANSWER 0x80

void ov_pmp_address_encode(uint8_t out[OV_PMP_ADDRESS_LEN])
{
    out[0] = OV_PMP_VERSION;
    out[1] = OV_PMP_ADDRESS;
}

void ov_pmp_map_encode(uint16_t internal, uint16_t external, uint32_t lifetime,
                       uint8_t out[OV_PMP_MAP_LEN])
{
    memset(out, 0, OV_PMP_MAP_LEN);
    out[0] = OV_PMP_VERSION;
    out[1] = OV_PMP_MAP_UDP;
    ov_store16(out + 4, internal);
    ov_store16(out + 6, external);
    ov_store32(out + 8, lifetime);
}

int ov_pmp_decode(const uint8_t *in, size_t len, struct ov_pmp_answer *out)
{
    struct ov_reader r;
    struct ov_pmp_answer a = {0};

    ov_reader_init(&r, in, len);
    uint8_t version = ov_reader_u8(&r), op = ov_reader_u8(&r);
    a.op = op & (uint8_t)~ANSWER;
    a.result = ov_reader_u16(&r);
    if (r.failed)
        return OV_ETRUNC;
    if (version != OV_PMP_VERSION || !(op & ANSWER))
        return OV_EINVAL;
    if (ov_reader_left(&r) >= 4 || a.result == OV_PMP_OK)
        a.epoch = ov_reader_u32(&r);
    if (a.result == OV_PMP_OK && a.op == OV_PMP_ADDRESS) {
        a.address.family = 4;
        ov_reader_copy(&r, a.address.b, 4);
    } else if (a.result == OV_PMP_OK && a.op == OV_PMP_MAP_UDP) {
        a.internal = ov_reader_u16(&r);
        a.external = ov_reader_u16(&r);
        a.lifetime = ov_reader_u32(&r);
    } else if (a.result == OV_PMP_OK) {
        return OV_EINVAL;
    }
    if (r.failed)
        return OV_ETRUNC;
    *out = a;
    return OV_OK;
}

const char *ov_pmp_result_text(uint16_t result)
{
    static const char *const TEXT[] = {
        [OV_PMP_OK] = "it is well",
        [OV_PMP_BAD_VERSION] = "it speaks another version",
        [OV_PMP_REFUSED] = "mappings are switched off",
        [OV_PMP_NETWORK_FAILURE] = "it has no address outside",
        [OV_PMP_NO_RESOURCES] = "it has no room for one more",
        [OV_PMP_BAD_OP] = "it does not know the request",
    };
    return result < sizeof TEXT / sizeof TEXT[0] ? TEXT[result] : "it fails for an unknown reason";
}
