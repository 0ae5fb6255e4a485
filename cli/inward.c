#include "inward.h"

#include <string.h>

#define ETHERNET 14
#define UDP      17

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

bool ov_inward_source(const uint8_t *frame, size_t len, struct ov_endpoint *src)
{
    const uint8_t *ip = frame + ETHERNET;
    size_t have = len < ETHERNET ? 0 : len - ETHERNET, head;
    if (have < 20)
        return false;
    memset(src, 0, sizeof(*src));
    if (load16(frame + 12) == 0x0800) {
        head = (size_t)(ip[0] & 15) * 4;
        if (ip[0] >> 4 != 4 || head < 20 || ip[9] != UDP || (load16(ip + 6) & 0x1fff) != 0)
            return false;
        src->ip.family = 4;
        memcpy(src->ip.b, ip + 12, 4);
    } else if (load16(frame + 12) == 0x86dd) {
        size_t fragment = have > 48 && ip[6] == 44 ? 8 : 0; /* a fragment header */
        head = 40 + fragment;
        if (ip[0] >> 4 != 6 || have < head || ip[fragment > 0 ? 40 : 6] != UDP ||
            (fragment > 0 && (load16(ip + 42) & 0xfff8) != 0))
            return false;
        src->ip.family = 6;
        memcpy(src->ip.b, ip + 8, 16);
    } else {
        return false;
    }
    if (have < head + 8)
        return false;
    src->port = load16(ip + head);
    return true;
}
