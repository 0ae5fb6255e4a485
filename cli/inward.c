#include "inward.h"

#include <string.h>

#define ETHERNET 14
#define TAG      4
#define TAGS_MAX 2
#define UDP      17

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Length of the Ethernet header, VLAN tags included: a VLAN may lie on top of our device. */
static size_t ethernet(const uint8_t *frame, size_t len)
{
    size_t n = ETHERNET;
    for (int i = 0; i < TAGS_MAX && n + TAG <= len; i++) {
        uint16_t type = load16(frame + n - 2);
        if (type != 0x8100 && type != 0x88a8)
            break;
        n += TAG;
    }
    return n;
}

bool ov_inward_source(const uint8_t *frame, size_t len, struct ov_endpoint *src)
{
    size_t skip = ethernet(frame, len), have = len < skip ? 0 : len - skip, head;
    const uint8_t *ip = frame + skip;
    if (have < 20)
        return false;
    memset(src, 0, sizeof(*src));
    if (load16(ip - 2) == 0x0800) {
        head = (size_t)(ip[0] & 15) * 4;
        if (ip[0] >> 4 != 4 || head < 20 || ip[9] != UDP || (load16(ip + 6) & 0x1fff) != 0)
            return false;
        src->ip.family = 4;
        memcpy(src->ip.b, ip + 12, 4);
    } else if (load16(ip - 2) == 0x86dd) {
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
