#include "tests/unit/packets.h"

#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

/* RFC 1071, byte by byte. */
static unsigned sum_bytes(unsigned sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (unsigned)p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static size_t transport_header(const struct packet *p)
{
    return p->udp ? 8 : 20 + p->tcp_options;
}

static size_t ip_header(const struct packet *p)
{
    return (p->ip6 ? 40 : 20) + p->ip_options;
}

size_t packet_heads(const struct packet *p)
{
    return 14 + 4 * p->tags + ip_header(p) + transport_header(p);
}

static size_t write_ethernet(uint8_t *out, const struct packet *p)
{
    size_t at = 12;

    memcpy(out, p->dst.b, 6);
    memcpy(out + 6, p->src.b, 6);
    for (unsigned i = 0; i < p->tags; i++, at += 4) {
        put16(out + at, i + 1 < p->tags ? 0x88a8 : 0x8100);
        put16(out + at + 2, 100 + i);
    }
    put16(out + at, p->ip6 ? 0x86dd : 0x0800);
    return at + 2;
}

/* Returns the sum of the pseudo header's addresses. */
static unsigned write_ip(uint8_t *ip, const struct packet *p, size_t len)
{
    uint8_t proto = p->udp ? 17 : 6, *addrs = ip + (p->ip6 ? 8 : 12);
    size_t header = ip_header(p), size = p->ip6 ? 16 : 4;

    memset(ip, 0, header);
    if (p->ip6) {
        ip[0] = 0x60;
        ip[1] = p->tos ? 0x20 : 0;
        put16(ip + 4, (unsigned)(len + p->ip_options));
        ip[6] = p->ip_options ? 60 : proto;
        ip[7] = 64;
        if (p->ip_options) { /* destination options, of one PadN */
            ip[40] = proto;
            ip[41] = (uint8_t)(p->ip_options / 8 - 1);
            ip[42] = 1;
            ip[43] = (uint8_t)(p->ip_options - 4);
        }
    } else {
        ip[0] = (uint8_t)(0x40 | header / 4);
        ip[1] = p->tos ? 2 : 0;
        put16(ip + 2, (unsigned)(header + len));
        put16(ip + 4, p->id);
        ip[6] = p->no_df ? 0 : 0x40;
        ip[8] = 64;
        ip[9] = proto;
        memset(ip + 20, 1, p->ip_options); /* NOP */
    }
    if (p->from.family) {
        memcpy(addrs, p->from.b, size);
        memcpy(addrs + size, p->to.b, size);
    } else {
        for (size_t i = 0; i < 2 * size; i++)
            addrs[i] = (uint8_t)(0xfd - 7 * i);
        addrs[size - 1] = p->host;
    }
    if (!p->ip6)
        put16(ip + 10, 0xffff - sum_bytes(0, ip, header));
    return sum_bytes(proto, addrs, 2 * size);
}

size_t packet_write(uint8_t *out, const struct packet *p, const uint8_t *payload, size_t len,
                    enum packet_sum sum, struct ov_offload *o)
{
    size_t ip = write_ethernet(out, p), t = ip + ip_header(p), header = transport_header(p);
    uint8_t *th = out + t, *field = th + (p->udp ? 6 : 16), size[2];
    unsigned partial = write_ip(out + ip, p, header + len);

    memset(th, 0, header);
    put16(th, p->port ? p->port : 4000);
    put16(th + 2, 80);
    if (p->udp) {
        put16(th + 4, (unsigned)(header + len));
    } else {
        put32(th + 4, p->seq);
        put32(th + 8, p->ack);
        th[12] = (uint8_t)(header / 4 << 4);
        th[13] = p->flags;
        put16(th + 14, p->window);
        for (unsigned i = 0; i < p->tcp_options; i++)
            th[20 + i] = (uint8_t)(i + 1);
    }
    memcpy(th + header, payload, len);
    put16(size, (unsigned)(header + len));
    partial = sum_bytes(partial, size, 2);
    if (sum == PACKET_FULL) {
        unsigned full = 0xffff - sum_bytes(partial, th, header + len);
        put16(field, full ? full : 0xffff);
    } else {
        put16(field, partial);
    }
    if (o) {
        *o = (struct ov_offload){0};
        if (sum == PACKET_PARTIAL)
            *o = (struct ov_offload){
                .partial = true, .csum_start = (uint16_t)t, .csum_offset = p->udp ? 6 : 16};
    }
    return t + header + len;
}

size_t packet_write_super(uint8_t *out, const struct packet *p, const uint8_t *payload, size_t len,
                          uint16_t size, struct ov_offload *o)
{
    size_t total = packet_write(out, p, payload, len, PACKET_PARTIAL, o);

    o->gso = p->udp ? OV_GSO_UDP : p->ip6 ? OV_GSO_TCP6 : OV_GSO_TCP4;
    o->gso_size = size;
    o->hdr_len = (uint16_t)packet_heads(p);
    return total;
}

bool packet_same_offload(const struct ov_offload *a, const struct ov_offload *b)
{
    return a->partial == b->partial && a->gso == b->gso && a->gso_size == b->gso_size &&
           a->hdr_len == b->hdr_len && a->csum_start == b->csum_start &&
           a->csum_offset == b->csum_offset;
}
