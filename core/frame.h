/* frame: what the switch must know of an Ethernet frame: MACs, EtherType behind VLAN tags, and the
 * addresses that ARP, ND and IP headers claim. Every field is length-checked; a frame too short for
 * what it claims to be is `malformed`. (IEEE 802.3, 802.1Q; RFC 826, 791, 8200, 4861, 2131) */
#ifndef OV_CORE_FRAME_H
#define OV_CORE_FRAME_H

#include "types.h"

#define OV_ETH_LEN   14
#define OV_ETH_IP4   0x0800
#define OV_ETH_ARP   0x0806
#define OV_ETH_IP6   0x86dd
#define OV_ETH_VLAN  0x8100
#define OV_ETH_QINQ  0x88a8
#define OV_FRAME_MAX (OV_ETH_LEN + 8 + 9000)

enum ov_frame_kind {
    OV_FRAME_OTHER, /* any EtherType we do not look into */
    OV_FRAME_IP4,
    OV_FRAME_IP6,
    OV_FRAME_ARP_REQUEST,
    OV_FRAME_ARP_REPLY,  /* also gratuitous, that is a request for the sender's own address */
    OV_FRAME_ND_SOLICIT, /* ICMPv6 135 */
    OV_FRAME_ND_ADVERT,  /* ICMPv6 136 */
    OV_FRAME_MEMBERSHIP, /* IGMP, MLD: group membership changed */
    OV_FRAME_ND_ROUTER,  /* ICMPv6 134, 137: router advertisement, redirect */
};

struct ov_frame_info {
    struct ov_mac dst, src;
    uint16_t ethertype; /* behind VLAN tags */
    uint8_t tags;       /* VLAN tags, 0..2 */
    enum ov_frame_kind kind;
    struct ov_ip src_ip;    /* IP source, ARP sender, or none (family 0); 0.0.0.0 and :: are kept */
    struct ov_ip dst_ip;    /* IP destination, ARP target */
    struct ov_ip target;    /* ND target */
    struct ov_mac link_mac; /* ARP sender hardware address, or ND's link-layer option */
    bool has_link_mac;
};

/* OV_EINVAL: malformed, or neighbour discovery that RFC 4861 section 7.1 has every receiver
 * discard. Extension headers are walked, so that ND cannot hide behind them. Checksums are not
 * looked at: a frame from the TAP may not have its own yet. */
OV_CHECK int ov_frame_parse(const uint8_t *frame, size_t len, struct ov_frame_info *out);

/* The answer to an ARP request or a neighbour solicitation `req` (as parsed from `frame`), telling
 * that `ip` is at `mac`. Returns the length of the frame in `out`, or OV_EINVAL when req is neither
 * or is VLAN-tagged. */
#define OV_ANSWER_MAX 96
OV_CHECK int ov_frame_answer(const struct ov_frame_info *req, const struct ov_ip *ip,
                             const struct ov_mac *mac, uint8_t out[OV_ANSWER_MAX]);

/* The MAC of a member of a network, locally administered and unicast, so made that it can be turned
 * back. With all numbers unsigned and big-endian:
 *
 *     mix       = (netid * 0x9e3779b97f4a7c15 mod 2^64) >> 24      (40 bits)
 *     byte 0    = (netid & 0xfc) | 0x02
 *     bytes 1-5 = address XOR mix
 *
 * For example address 8056c2e21c in network 8056c2e21c000001 is 02:68:ad:d1:37:d7. */
struct ov_mac ov_mac_derive(ov_addr addr, ov_netid net);
/* False when `mac` is not of this network's derived form. */
bool ov_mac_underive(const struct ov_mac *mac, ov_netid net, ov_addr *addr);
/* fe80::/64 with the modified EUI-64 of the MAC (RFC 4291 appendix A). */
struct ov_ip ov_ip_link_local(const struct ov_mac *mac);

#endif
