/* The host behind each TAP: just enough of an IP stack to ping and be pinged. */
#include "sim.h"

#include "core/bytes.h"

#include <assert.h>
#include <string.h>

#define PING_DATA 32
#define ECHO_LEN  (OV_ETH_LEN + 20 + 8 + PING_DATA)
#define TRIES_MAX 60
#define ARP_LEN   (OV_ETH_LEN + 28)

static const struct ov_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void to_overlay(struct sim_node *n, const uint8_t *frame, size_t len)
{
    sim_post(n->sim, SIM_FRAME, n->sim->now, OV_FRAME_HEADROOM, frame, len)->node = n;
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)p[i] << 8 | (i + 1 < len ? p[i + 1] : 0);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void write_ether(struct ov_writer *w, const struct ov_mac *dst, const struct sim_node *n,
                        uint16_t type)
{
    ov_writer_bytes(w, dst->b, 6);
    ov_writer_bytes(w, n->mac.b, 6);
    ov_writer_u16(w, type);
}

static void send_arp(struct sim_node *n, uint16_t op, const struct ov_mac *to_mac,
                     const struct ov_ip *to)
{
    uint8_t frame[ARP_LEN];
    struct ov_writer w;

    ov_writer_init(&w, frame, sizeof(frame));
    write_ether(&w, to_mac, n, OV_ETH_ARP);
    ov_writer_u16(&w, 1);
    ov_writer_u16(&w, OV_ETH_IP4);
    ov_writer_u8(&w, 6);
    ov_writer_u8(&w, 4);
    ov_writer_u16(&w, op);
    ov_writer_bytes(&w, n->mac.b, 6);
    ov_writer_bytes(&w, n->ip.b, 4);
    ov_writer_bytes(&w, op == 1 ? (const uint8_t[6]){0} : to_mac->b, 6);
    ov_writer_bytes(&w, to->b, 4);
    assert(!w.failed && w.len == sizeof(frame));
    to_overlay(n, frame, w.len);
}

/* An echo request or reply (RFC 792), `id` being the ping's number. */
static void send_echo(struct sim_node *n, uint8_t type, const struct ov_mac *mac,
                      const struct ov_ip *to, uint32_t id)
{
    uint8_t frame[ECHO_LEN];
    struct ov_writer w;

    ov_writer_init(&w, frame, sizeof(frame));
    write_ether(&w, mac, n, OV_ETH_IP4);
    ov_writer_u32(&w, 0x45000000u | (ECHO_LEN - OV_ETH_LEN));
    ov_writer_u32(&w, 0);
    ov_writer_u32(&w, 64u << 24 | 1u << 16);
    ov_writer_bytes(&w, n->ip.b, 4);
    ov_writer_bytes(&w, to->b, 4);
    ov_writer_u32(&w, (uint32_t)type << 24);
    ov_writer_u32(&w, id);
    for (unsigned i = 0; i < PING_DATA; i++)
        ov_writer_u8(&w, (uint8_t)(i ^ id));
    assert(!w.failed && w.len == sizeof(frame));
    put16(frame + OV_ETH_LEN + 10, checksum(frame + OV_ETH_LEN, 20));
    put16(frame + OV_ETH_LEN + 22, checksum(frame + OV_ETH_LEN + 20, 8 + PING_DATA));
    to_overlay(n, frame, w.len);
}

static const struct ov_mac *neighbour(const struct sim_node *n, const struct ov_ip *ip)
{
    size_t count = n->nneighbours < SIM_NEIGHBOURS_MAX ? n->nneighbours : SIM_NEIGHBOURS_MAX;

    for (size_t i = 0; i < count; i++) {
        if (ov_ip_equal(&n->neighbours[i].ip, ip))
            return &n->neighbours[i].mac;
    }
    return NULL;
}

static void learn(struct sim_node *n, const struct ov_ip *ip, const struct ov_mac *mac)
{
    const struct ov_mac *known = neighbour(n, ip);
    size_t i = n->nneighbours % SIM_NEIGHBOURS_MAX;

    if (known != NULL) {
        assert(memcmp(known, mac, sizeof(*mac)) == 0); /* an address never moves here */
        return;
    }
    n->neighbours[i].ip = *ip;
    n->neighbours[i].mac = *mac;
    n->nneighbours++;
}

/* Echo requests are answered, echo replies noted; both must have come through unharmed. */
static void take_echo(struct sim_node *n, const struct ov_frame_info *f, const uint8_t *frame,
                      size_t len)
{
    const uint8_t *icmp = frame + OV_ETH_LEN + 20;

    if (len != ECHO_LEN || frame[OV_ETH_LEN + 9] != 1 || !ov_ip_equal(&f->dst_ip, &n->ip))
        return;
    assert(checksum(frame + OV_ETH_LEN, 20) == 0);
    assert(checksum(icmp, 8 + PING_DATA) == 0);
    uint32_t id = ov_load32(icmp + 4);
    if (icmp[0] == 8) {
        send_echo(n, 0, &f->src, &f->src_ip, id);
    } else if (icmp[0] == 0) {
        assert(id < n->sim->npings);
        struct sim_ping *p = &n->sim->pings[id];
        assert(p->from == n && ov_ip_equal(&p->to, &f->src_ip));
        if (p->rtt == 0)
            p->rtt = n->sim->now - p->sent + 1;
    }
}

void sim_stack_frame(struct sim_node *n, const uint8_t *frame, size_t len)
{
    struct ov_frame_info f;
    int rc = ov_frame_parse(frame, len, &f);

    assert(rc == OV_OK);
    if (n->sim->arrived != NULL)
        n->sim->arrived(n->sim->arg, n, frame, len);
    if (!n->ready || f.tags != 0)
        return;
    if (!ov_mac_is_multicast(&f.dst) && memcmp(&f.dst, &n->mac, sizeof(f.dst)) != 0)
        return;
    if (f.kind == OV_FRAME_ARP_REQUEST && ov_ip_equal(&f.dst_ip, &n->ip)) {
        learn(n, &f.src_ip, &f.link_mac);
        send_arp(n, 2, &f.src, &f.src_ip);
    } else if (f.kind == OV_FRAME_ARP_REPLY && ov_ip_equal(&f.dst_ip, &n->ip)) {
        learn(n, &f.src_ip, &f.link_mac);
        for (size_t i = 0; i < n->sim->npings; i++) {
            struct sim_ping *p = &n->sim->pings[i];
            if (p->from == n && p->rtt == 0 && ov_ip_equal(&p->to, &f.src_ip))
                send_echo(n, 8, &f.link_mac, &p->to, (uint32_t)i);
        }
    } else if (f.kind == OV_FRAME_IP4) {
        take_echo(n, &f, frame, len);
    }
}

void sim_stack_ping(struct sim *s, size_t ping)
{
    struct sim_ping *p = &s->pings[ping];

    if (p->rtt != 0 || p->tries >= TRIES_MAX)
        return;
    p->tries++;
    if (p->from->ready) {
        const struct ov_mac *mac = neighbour(p->from, &p->to);
        if (mac != NULL)
            send_echo(p->from, 8, mac, &p->to, (uint32_t)ping);
        else
            send_arp(p->from, 1, &broadcast, &p->to);
    }
    sim_post(s, SIM_PING, s->now + OV_SEC, 0, NULL, 0)->ping = ping;
}
