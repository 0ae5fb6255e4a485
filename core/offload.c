#include "offload.h"

#include "bytes.h"
#include "frame.h"

#include <string.h>

#define IP4_HEADER      20
#define IP6_HEADER      40
#define IP6_HOP         0
#define IP6_ROUTING     43
#define IP6_DEST        60
#define IP6_HEADERS_MAX 8

#define PROTO_TCP  6
#define TCP_HEADER 20
#define TCP_SEQ    4
#define TCP_DATA   12 /* data offset */
#define TCP_FLAGS  13
#define TCP_SUM    16
#define TCP_FIN    0x01
#define TCP_PSH    0x08
#define TCP_CWR    0x80

#define PROTO_UDP  17
#define UDP_HEADER 8
#define UDP_LENGTH 4
#define UDP_SUM    6

const struct ov_offload ov_offload_none;

/* ---- sums ---- */

uint16_t ov_sum16(uint32_t sum, const uint8_t *p, size_t len)
{
    uint64_t s = sum;

    for (; len >= 4; p += 4, len -= 4)
        s += ov_load32(p);
    if (len >= 2) {
        s += ov_load16(p);
        p += 2;
        len -= 2;
    }
    if (len > 0)
        s += (uint64_t)p[0] << 8;
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}

uint16_t ov_sum16_resize(uint16_t partial, size_t from, size_t to)
{
    return ov_sum16((uint32_t)partial + (uint16_t)~from + (uint16_t)to, NULL, 0);
}

/* ---- where things are ---- */

/* Behind the extension headers that may stand before a transport header. */
static int walk_ip6(const uint8_t *frame, struct ov_packet *p)
{
    uint8_t next = frame[p->ip + 6];
    size_t at = p->ip + IP6_HEADER;

    for (int i = 0; next == IP6_HOP || next == IP6_ROUTING || next == IP6_DEST; i++) {
        if (i == IP6_HEADERS_MAX || p->end - at < 8)
            return OV_EINVAL;
        size_t len = 8 + (size_t)frame[at + 1] * 8;
        if (p->end - at < len)
            return OV_EINVAL;
        next = frame[at];
        at += len;
    }
    p->proto = next;
    p->transport = at;
    return OV_OK;
}

int ov_packet_find(const uint8_t *frame, size_t len, struct ov_packet *out)
{
    struct ov_packet p = {.ip = OV_ETH_LEN};

    if (len < OV_ETH_LEN)
        return OV_EINVAL;
    uint16_t type = ov_load16(frame + 12);
    while ((type == OV_ETH_VLAN || type == OV_ETH_QINQ) && p.ip < OV_ETH_LEN + 8 &&
           len >= p.ip + 4) {
        p.ip += 4;
        type = ov_load16(frame + p.ip - 2);
    }
    const uint8_t *ip = frame + p.ip;
    size_t left = len - p.ip;
    if (type == OV_ETH_IP4 && left >= IP4_HEADER && ip[0] >> 4 == 4) {
        size_t header = (size_t)(ip[0] & 15) * 4, total = ov_load16(ip + 2);
        if (header < IP4_HEADER || total < header || total > left || (ov_load16(ip + 6) & 0x3fff))
            return OV_EINVAL;
        p.proto = ip[9];
        p.transport = p.ip + header;
        p.end = p.ip + total;
    } else if (type == OV_ETH_IP6 && left >= IP6_HEADER && ip[0] >> 4 == 6) {
        size_t payload = ov_load16(ip + 4);
        if (payload > left - IP6_HEADER)
            return OV_EINVAL;
        p.ip6 = true;
        p.end = p.ip + IP6_HEADER + payload;
        if (walk_ip6(frame, &p) != OV_OK)
            return OV_EINVAL;
    } else {
        return OV_EINVAL;
    }
    *out = p;
    return OV_OK;
}

/* Is the checksum that of the packet's own TCP or UDP header? */
static bool is_own(const struct ov_offload *o, const struct ov_packet *p)
{
    size_t room = p->end - p->transport;

    if (o->csum_start != p->transport)
        return false;
    return (p->proto == PROTO_TCP && o->csum_offset == TCP_SUM && room >= TCP_HEADER) ||
           (p->proto == PROTO_UDP && o->csum_offset == UDP_SUM && room >= UDP_HEADER);
}

/* ---- checksums ---- */

bool ov_offload_valid(const struct ov_offload *o, const uint8_t *frame, size_t len)
{
    struct ov_packet p;

    return !o->partial || (ov_packet_find(frame, len, &p) == OV_OK && is_own(o, &p));
}

int ov_offload_sum(const struct ov_offload *o, const uint8_t *frame, size_t len, uint16_t *sum)
{
    struct ov_packet p;
    size_t end = len;

    if (!o->partial || (size_t)o->csum_start + o->csum_offset + 2 > len)
        return OV_EINVAL;
    if (ov_packet_find(frame, len, &p) == OV_OK && is_own(o, &p))
        end = p.end; /* what pads the frame is not summed */
    uint16_t s = (uint16_t)~ov_sum16(0, frame + o->csum_start, end - o->csum_start);
    *sum = s != 0 ? s : 0xffff; /* the same number, and in UDP 0 would be "no checksum" */
    return OV_OK;
}

int ov_offload_complete(struct ov_offload *o, uint8_t *frame, size_t len)
{
    uint16_t sum;

    if (!o->partial)
        return OV_OK;
    if (ov_offload_sum(o, frame, len, &sum) != OV_OK)
        return OV_EINVAL;
    ov_store16(frame + o->csum_start + o->csum_offset, sum);
    *o = (struct ov_offload){.gso = o->gso, .gso_size = o->gso_size, .hdr_len = o->hdr_len};
    return OV_OK;
}

/* ---- splitting ---- */

/* Check a superframe's metadata, and find its parts. */
static int split(struct ov_segments *s, const struct ov_offload *o)
{
    struct ov_packet p;

    if (ov_packet_find(s->frame, s->len, &p) != OV_OK || p.end != s->len || !o->partial ||
        !is_own(o, &p) || o->gso_size == 0)
        return OV_EINVAL;
    bool tcp = p.proto == PROTO_TCP;
    if (tcp != (o->gso != OV_GSO_UDP) || (tcp && p.ip6 != (o->gso == OV_GSO_TCP6)))
        return OV_EINVAL;
    size_t header = tcp ? (size_t)(s->frame[p.transport + TCP_DATA] >> 4) * 4 : UDP_HEADER;
    s->ip = p.ip;
    s->transport = p.transport;
    s->payload = p.transport + header;
    s->size = o->gso_size;
    if ((tcp && header < TCP_HEADER) || s->payload > s->len || s->payload > sizeof s->heads)
        return OV_EINVAL;
    size_t bytes = s->len - s->payload;
    if (bytes > s->size)
        s->n = (bytes + s->size - 1) / s->size;
    if (s->n > OV_SEGMENTS_MAX)
        return OV_EINVAL;
    memcpy(s->heads, s->frame, s->payload);
    return OV_OK;
}

int ov_segments_init(struct ov_segments *s, const struct ov_offload *o, uint8_t *frame, size_t len)
{
    s->offload = (struct ov_offload){.partial = o->partial};
    s->frame = frame;
    s->len = len;
    s->n = 1;
    s->next = 0;
    s->gso = o->gso;
    if (o->partial) {
        s->offload.csum_start = o->csum_start;
        s->offload.csum_offset = o->csum_offset;
    }
    if (o->gso != OV_GSO_NONE)
        return split(s, o);
    if (!ov_offload_valid(&s->offload, frame, len))
        return ov_offload_complete(&s->offload, frame, len);
    return OV_OK;
}

size_t ov_segments_largest(const struct ov_segments *s)
{
    return s->n > 1 ? s->payload + s->size : s->len;
}

static void write_ip(const struct ov_segments *s, uint8_t *frame, size_t len, size_t i)
{
    uint8_t *ip = frame + s->ip;

    if (ip[0] >> 4 == 6) {
        ov_store16(ip + 4, (uint16_t)(len - s->ip - IP6_HEADER));
        return;
    }
    ov_store16(ip + 2, (uint16_t)(len - s->ip));
    ov_store16(ip + 4, (uint16_t)(ov_load16(ip + 4) + i));
    ov_store16(ip + 10, 0);
    ov_store16(ip + 10, (uint16_t)~ov_sum16(0, ip, (size_t)(ip[0] & 15) * 4));
}

/* Of the segments from `i` to before s->next. FIN and PSH are for after the last byte, CWR is said
 * once. */
static void write_transport(const struct ov_segments *s, uint8_t *frame, size_t len, size_t i)
{
    uint8_t *t = frame + s->transport, *sum = t + s->offload.csum_offset;

    if (s->gso == OV_GSO_UDP) {
        ov_store16(t + UDP_LENGTH, (uint16_t)(len - s->transport));
    } else {
        ov_store32(t + TCP_SEQ, (uint32_t)(ov_load32(t + TCP_SEQ) + i * s->size));
        if (s->next < s->n)
            t[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        if (i > 0)
            t[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    }
    ov_store16(sum, ov_sum16_resize(ov_load16(sum), s->len - s->transport, len - s->transport));
}

uint8_t *ov_segments_take(struct ov_segments *s, size_t max, struct ov_offload *o, size_t *len)
{
    size_t i = s->next, n = s->n - i < max ? s->n - i : max;

    if (n == 0)
        return NULL;
    s->next += n;
    *o = s->offload;
    if (s->gso == OV_GSO_NONE) {
        *len = s->len;
        return s->frame;
    }
    if (n > 1) {
        o->gso = s->gso;
        o->gso_size = (uint16_t)s->size;
        o->hdr_len = (uint16_t)s->payload;
    }
    size_t skip = i * s->size, most = s->payload + n * s->size;
    *len = s->len - skip < most ? s->len - skip : most;
    uint8_t *frame = s->frame + skip;
    memcpy(frame, s->heads, s->payload);
    write_ip(s, frame, *len, i);
    write_transport(s, frame, *len, i);
    return frame;
}

uint8_t *ov_segments_next(struct ov_segments *s, size_t *len)
{
    struct ov_offload same;

    return ov_segments_take(s, 1, &same, len);
}
