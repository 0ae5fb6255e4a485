/* Ethernet frames: parse, and answer what is a question. */
#include "core/frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct ov_mac mac = {{0x02, 1, 2, 3, 4, 5}};
    struct ov_frame_info f, answer;
    uint8_t out[OV_ANSWER_MAX];

    if (ov_frame_parse(data, len, &f) != OV_OK)
        return 0;
    bool arp = f.kind == OV_FRAME_ARP_REQUEST, nd = f.kind == OV_FRAME_ND_SOLICIT;
    int n = ov_frame_answer(&f, arp ? &f.dst_ip : &f.target, &mac, out);
    if ((n > 0) != ((arp || nd) && f.tags == 0))
        abort();
    if (n > 0 && (ov_frame_parse(out, (size_t)n, &answer) != OV_OK ||
                  answer.kind != (arp ? OV_FRAME_ARP_REPLY : OV_FRAME_ND_ADVERT)))
        abort();
    return 0;
}
