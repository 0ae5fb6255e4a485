#include "frame.h"

#include "bytes.h"

#include <string.h>

#define ARP_HTYPE_ETHERNET 1
#define ARP_HTYPE_IEEE802  6 /* Linux takes it for Ethernet, so a spoofer may use it */
#define ARP_REQUEST        1
#define ARP_REPLY          2

#define IP_PROTO_IGMP    2
#define IP6_NEXT_HOP     0
#define IP6_NEXT_ROUTING 43
#define IP6_NEXT_FRAG    44
#define IP6_NEXT_ICMP    58
#define IP6_NEXT_DEST    60
#define IP6_HEADERS_MAX  8 /* extension headers that anything sane sends */
#define IP6_HEADER       40

#define ICMP6_MLD_QUERY     130
#define ICMP6_MLD_REPORT    131
#define ICMP6_MLD_DONE      132
#define ICMP6_ND_ROUTER     134
#define ICMP6_ND_SOLICIT    135
#define ICMP6_ND_ADVERT     136
#define ICMP6_ND_REDIRECT   137
#define ICMP6_MLD_REPORT_V2 143

#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2
#define ND_SOLICITED  0x40000000u
#define ND_OVERRIDE   0x20000000u
#define ND_ADVERT_LEN 32 /* with the target link-layer option */
#define ND_HOP_LIMIT  255

static void read_mac(struct ov_reader *r, struct ov_mac *out)
{
    ov_reader_copy(r, out->b, sizeof(out->b));
}

static void read_ip4(struct ov_reader *r, struct ov_ip *out)
{
    *out = (struct ov_ip){.family = 4};
    ov_reader_copy(r, out->b, 4);
}

static void read_ip6(struct ov_reader *r, struct ov_ip *out)
{
    *out = (struct ov_ip){.family = 6};
    ov_reader_copy(r, out->b, 16);
}

/* 0.0.0.0 or :: */
static bool unspecified(const struct ov_ip *ip)
{
    static const uint8_t zero[16];

    return memcmp(ip->b, zero, sizeof(zero)) == 0;
}

/* A reader of the next `len` bytes of `r`; failed when there are fewer. */
static struct ov_reader part(struct ov_reader *r, size_t len)
{
    struct ov_reader sub;
    const uint8_t *p = ov_reader_take(r, len);

    ov_reader_init(&sub, p, p != NULL ? len : 0);
    sub.failed = r->failed;
    return sub;
}

static int parse_arp(struct ov_reader *r, struct ov_frame_info *f)
{
    struct ov_mac target;
    uint16_t htype = ov_reader_u16(r), ptype = ov_reader_u16(r);
    uint8_t hlen = ov_reader_u8(r), plen = ov_reader_u8(r);
    uint16_t op = ov_reader_u16(r);

    read_mac(r, &f->link_mac);
    read_ip4(r, &f->src_ip);
    read_mac(r, &target);
    read_ip4(r, &f->dst_ip);
    if (r->failed || (htype != ARP_HTYPE_ETHERNET && htype != ARP_HTYPE_IEEE802) ||
        ptype != OV_ETH_IP4 || hlen != 6 || plen != 4)
        return OV_EINVAL;
    f->has_link_mac = true;
    if (op == ARP_REPLY ||
        (op == ARP_REQUEST && ov_ip_equal(&f->src_ip, &f->dst_ip) && !unspecified(&f->src_ip)))
        f->kind = OV_FRAME_ARP_REPLY;
    else if (op == ARP_REQUEST)
        f->kind = OV_FRAME_ARP_REQUEST;
    return OV_OK;
}

static int parse_ip4(struct ov_reader *r, struct ov_frame_info *f)
{
    uint8_t first = ov_reader_u8(r);
    size_t header = (size_t)(first & 0x0f) * 4;

    ov_reader_take(r, 1);
    size_t total = ov_reader_u16(r);
    ov_reader_take(r, 2);
    uint16_t fragment = ov_reader_u16(r);
    ov_reader_take(r, 1);
    uint8_t proto = ov_reader_u8(r);
    ov_reader_take(r, 2);
    read_ip4(r, &f->src_ip);
    read_ip4(r, &f->dst_ip);
    if (r->failed || first >> 4 != 4 || header < 20 || total < header)
        return OV_EINVAL;
    struct ov_reader body = part(r, total - 20);
    ov_reader_take(&body, header - 20);
    f->kind = OV_FRAME_IP4;
    if (proto == IP_PROTO_IGMP && (fragment & 0x1fff) == 0) {
        ov_reader_take(&body, 8);
        f->kind = OV_FRAME_MEMBERSHIP;
    }
    return body.failed ? OV_EINVAL : OV_OK;
}

/* The link-layer address in ND option `wanted`. A second one is refused: receivers differ in which
 * they believe. */
static int parse_nd_options(struct ov_reader *r, uint8_t wanted, struct ov_frame_info *f)
{
    while (ov_reader_left(r) > 0) {
        uint8_t type = ov_reader_u8(r);
        size_t len = (size_t)ov_reader_u8(r) * 8;
        if (r->failed || len == 0)
            return OV_EINVAL;
        struct ov_reader option = part(r, len - 2);
        if (type == wanted) {
            if (f->has_link_mac || len != 8)
                return OV_EINVAL;
            read_mac(&option, &f->link_mac);
            f->has_link_mac = true;
        }
        if (option.failed)
            return OV_EINVAL;
    }
    return OV_OK;
}

/* A neighbour solicitation or advertisement, from behind its ICMPv6 type on; the checks are those
 * of RFC 4861 section 7.1. */
static int parse_nd(struct ov_reader *r, uint8_t type, uint8_t hops, struct ov_frame_info *f)
{
    uint8_t code = ov_reader_u8(r);

    ov_reader_take(r, 2 + 4);
    read_ip6(r, &f->target);
    if (r->failed || code != 0 || hops != ND_HOP_LIMIT || f->target.b[0] == 0xff)
        return OV_EINVAL;
    f->kind = type == ICMP6_ND_SOLICIT ? OV_FRAME_ND_SOLICIT : OV_FRAME_ND_ADVERT;
    if (parse_nd_options(r, type == ICMP6_ND_SOLICIT ? ND_OPT_SOURCE : ND_OPT_TARGET, f) != OV_OK)
        return OV_EINVAL;
    if (type == ICMP6_ND_SOLICIT && f->has_link_mac && unspecified(&f->src_ip))
        return OV_EINVAL;
    return OV_OK;
}

static int parse_icmp6(struct ov_reader *r, uint8_t hops, struct ov_frame_info *f)
{
    uint8_t type = ov_reader_u8(r);

    switch (type) {
    case ICMP6_ND_SOLICIT:
    case ICMP6_ND_ADVERT:
        return parse_nd(r, type, hops, f);
    case ICMP6_ND_ROUTER:
    case ICMP6_ND_REDIRECT:
        ov_reader_take(r, 3);
        f->kind = OV_FRAME_ND_ROUTER;
        break;
    case ICMP6_MLD_QUERY:
    case ICMP6_MLD_REPORT:
    case ICMP6_MLD_DONE:
        ov_reader_take(r, 23);
        f->kind = OV_FRAME_MEMBERSHIP;
        break;
    case ICMP6_MLD_REPORT_V2:
        ov_reader_take(r, 7);
        f->kind = OV_FRAME_MEMBERSHIP;
        break;
    default:
        ov_reader_take(r, 3);
        break;
    }
    return r->failed ? OV_EINVAL : OV_OK;
}

/* Walk the extension headers to ICMPv6, if that is what the packet is. A fragment header ends the
 * walk unless the packet is whole all the same (RFC 6946): ND in real fragments is ignored by its
 * receivers (RFC 6980). */
static int parse_ip6_body(struct ov_reader *r, uint8_t next, uint8_t hops, struct ov_frame_info *f)
{
    for (int headers = 0; headers <= IP6_HEADERS_MAX; headers++) {
        size_t len = 0;
        if (next == IP6_NEXT_ICMP)
            return parse_icmp6(r, hops, f);
        if (next != IP6_NEXT_HOP && next != IP6_NEXT_ROUTING && next != IP6_NEXT_DEST &&
            next != IP6_NEXT_FRAG)
            return OV_OK;
        bool fragment = next == IP6_NEXT_FRAG;
        next = ov_reader_u8(r);
        len = ov_reader_u8(r);
        if (fragment) {
            uint16_t where = ov_reader_u16(r);
            ov_reader_take(r, 4);
            if (!r->failed && (where & 0xfff9) != 0)
                return OV_OK;
        } else {
            ov_reader_take(r, 6 + len * 8);
        }
        if (r->failed)
            return OV_EINVAL;
    }
    return OV_EINVAL;
}

static int parse_ip6(struct ov_reader *r, struct ov_frame_info *f)
{
    uint32_t first = ov_reader_u32(r);
    size_t payload = ov_reader_u16(r);
    uint8_t next = ov_reader_u8(r), hops = ov_reader_u8(r);

    read_ip6(r, &f->src_ip);
    read_ip6(r, &f->dst_ip);
    struct ov_reader body = part(r, payload);
    if (body.failed || first >> 28 != 6)
        return OV_EINVAL;
    f->kind = OV_FRAME_IP6;
    return parse_ip6_body(&body, next, hops, f);
}

int ov_frame_parse(const uint8_t *frame, size_t len, struct ov_frame_info *out)
{
    struct ov_frame_info f = {.kind = OV_FRAME_OTHER};
    struct ov_reader r;
    int rc = OV_OK;

    ov_reader_init(&r, frame, len);
    read_mac(&r, &f.dst);
    read_mac(&r, &f.src);
    f.ethertype = ov_reader_u16(&r);
    while (f.tags < 2 && (f.ethertype == OV_ETH_VLAN || f.ethertype == OV_ETH_QINQ)) {
        ov_reader_take(&r, 2);
        f.ethertype = ov_reader_u16(&r);
        f.tags++;
    }
    if (r.failed)
        return OV_EINVAL;
    if (f.ethertype == OV_ETH_ARP)
        rc = parse_arp(&r, &f);
    else if (f.ethertype == OV_ETH_IP4)
        rc = parse_ip4(&r, &f);
    else if (f.ethertype == OV_ETH_IP6)
        rc = parse_ip6(&r, &f);
    else if (f.ethertype <= 1500 && f.ethertype > ov_reader_left(&r))
        rc = OV_EINVAL; /* an IEEE 802.3 length */
    if (rc == OV_OK)
        *out = f;
    return rc;
}

/* ---- answers ---- */

static void write_ether(struct ov_writer *w, const struct ov_mac *dst, const struct ov_mac *src,
                        uint16_t type)
{
    ov_writer_bytes(w, dst->b, 6);
    ov_writer_bytes(w, src->b, 6);
    ov_writer_u16(w, type);
}

static void write_arp_reply(struct ov_writer *w, const struct ov_frame_info *req,
                            const struct ov_ip *ip, const struct ov_mac *mac)
{
    write_ether(w, &req->src, mac, OV_ETH_ARP);
    ov_writer_u16(w, ARP_HTYPE_ETHERNET);
    ov_writer_u16(w, OV_ETH_IP4);
    ov_writer_u8(w, 6);
    ov_writer_u8(w, 4);
    ov_writer_u16(w, ARP_REPLY);
    ov_writer_bytes(w, mac->b, 6);
    ov_writer_bytes(w, ip->b, 4);
    ov_writer_bytes(w, req->link_mac.b, 6);
    ov_writer_bytes(w, req->src_ip.b, 4);
}

/* The ones' complement sum of big-endian 16-bit words; `len` is even. */
static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)p[i] << 8 | p[i + 1];
    return sum;
}

/* Fill in the checksum of an ICMPv6 message of `len` bytes at `icmp` in the packet at `ip6`. */
static void set_icmp6_checksum(const uint8_t *ip6, uint8_t *icmp, size_t len)
{
    uint32_t sum = sum16((uint32_t)len + IP6_NEXT_ICMP, ip6 + 8, 32);

    sum = sum16(sum, icmp, len);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    icmp[2] = (uint8_t)(~sum >> 8);
    icmp[3] = (uint8_t)~sum;
}

/* A solicited advertisement; to all nodes and unsolicited when the asker has no address yet, as
 * it is in duplicate address detection (RFC 4861 section 7.2.4). */
static void write_nd_advert(struct ov_writer *w, const struct ov_frame_info *req,
                            const struct ov_ip *ip, const struct ov_mac *mac)
{
    static const struct ov_ip all_nodes = {6, {0xff, 0x02, [15] = 1}};
    static const struct ov_mac all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};
    bool dad = unspecified(&req->src_ip);

    write_ether(w, dad ? &all_nodes_mac : &req->src, mac, OV_ETH_IP6);
    ov_writer_u32(w, 6u << 28);
    ov_writer_u16(w, ND_ADVERT_LEN);
    ov_writer_u8(w, IP6_NEXT_ICMP);
    ov_writer_u8(w, ND_HOP_LIMIT);
    ov_writer_bytes(w, ip->b, 16);
    ov_writer_bytes(w, dad ? all_nodes.b : req->src_ip.b, 16);
    ov_writer_u8(w, ICMP6_ND_ADVERT);
    ov_writer_u8(w, 0);
    ov_writer_u16(w, 0); /* checksum, below */
    ov_writer_u32(w, dad ? ND_OVERRIDE : ND_SOLICITED | ND_OVERRIDE);
    ov_writer_bytes(w, ip->b, 16);
    ov_writer_u8(w, ND_OPT_TARGET);
    ov_writer_u8(w, 1);
    ov_writer_bytes(w, mac->b, 6);
    if (!w->failed)
        set_icmp6_checksum(w->base + OV_ETH_LEN, w->base + OV_ETH_LEN + IP6_HEADER, ND_ADVERT_LEN);
}

int ov_frame_answer(const struct ov_frame_info *req, const struct ov_ip *ip,
                    const struct ov_mac *mac, uint8_t out[OV_ANSWER_MAX])
{
    struct ov_writer w;

    ov_writer_init(&w, out, OV_ANSWER_MAX);
    if (req->tags != 0)
        return OV_EINVAL;
    if (req->kind == OV_FRAME_ARP_REQUEST && ip->family == 4)
        write_arp_reply(&w, req, ip, mac);
    else if (req->kind == OV_FRAME_ND_SOLICIT && ip->family == 6)
        write_nd_advert(&w, req, ip, mac);
    else
        return OV_EINVAL;
    return w.failed ? OV_EINVAL : (int)w.len;
}

/* ---- derived addresses ---- */

static uint64_t netid_mix(ov_netid net)
{
    return net * 0x9e3779b97f4a7c15ull >> 24;
}

struct ov_mac ov_mac_derive(ov_addr addr, ov_netid net)
{
    uint64_t first = (net & 0xfc) | 0x02;

    return ov_mac_from_u64(first << 40 | ((addr ^ netid_mix(net)) & OV_ADDR_MASK));
}

bool ov_mac_underive(const struct ov_mac *mac, ov_netid net, ov_addr *addr)
{
    ov_addr a = (ov_mac_u64(mac) ^ netid_mix(net)) & OV_ADDR_MASK;

    if (mac->b[0] != ((net & 0xfc) | 0x02) || !ov_addr_valid(a))
        return false;
    *addr = a;
    return true;
}

struct ov_ip ov_ip_link_local(const struct ov_mac *mac)
{
    const uint8_t *m = mac->b;

    return (struct ov_ip){
        6, {0xfe, 0x80, [8] = m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}
