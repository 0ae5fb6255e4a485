#!/bin/bash
# The network is real Ethernet: whatever a LAN carries, it carries.
. "$(dirname "$0")/lab.sh"
two_joined
DA=$(device alice) DB=$(device bob)
need "they reach each other" within 2 pings alice "$B"
mac_of() { on "$1" ip -j link show "$2" | jq -r '.[0].address'; }

on alice ip neigh flush dev "$DA"
check "ARP: asked anew and answered" within 2 eval 'on alice ping -q -c 1 -W 0.5 "$B" >/dev/null && on alice ip neigh show "$B" dev "$DA" | grep -q "$(mac_of bob "$DB")"'
check "no address conflict: nobody else answers" test "$(on alice ip neigh show "$B" | wc -l)" = 1

B6=$(ip6 bob)
check "IPv6: each member has an RFC 4193 address" grep -q '^fd' <<<"$B6"
check "ND: ping -6 to it" within 3 on alice ping -6 -q -c 1 -W 0.5 "$B6"
LL=$(on bob ip -6 -j addr show dev "$DB" scope link | jq -r '[.[].addr_info[].local | select(.)][0]')
check "ND: ping -6 to the link-local address" within 3 on alice ping -6 -q -c 1 -W 0.5 "$LL%$DA"

check "UDP to 255.255.255.255" eval 'receive bob udp-recv 6112 "game here?" 5 && wire alice udp-send 255.255.255.255 6112 "game here?" "$DA" && received'
check "UDP to the subnet's broadcast" eval 'receive alice udp-recv 6112 "game there" 5 && wire bob udp-send "${B%.*}.255" 6112 "game there" && received'
check "the source is the sender's" grep -q "got $B" "$LOG/receive"

check "mDNS: a joined group receives" eval 'receive bob udp-recv 5353 "_ssh._tcp.local" 8 224.0.0.251 "$B" &&
    within 8 eval "wire alice udp-send 224.0.0.251 5353 _ssh._tcp.local $DA; ! kill -0 $RECEIVER 2>/dev/null" && received'
check "SSDP: another group" eval 'receive alice udp-recv 1900 "M-SEARCH" 8 239.255.255.250 "$A" &&
    within 8 eval "wire bob udp-send 239.255.255.250 1900 M-SEARCH $DB; ! kill -0 $RECEIVER 2>/dev/null" && received'

check "IPX: ethertype 0x8137" eval 'receive bob raw-recv "$DB" 0x8137 "ipx-doom" 5 && wire alice raw-send "$DA" 0x8137 "ipx-doom" && received'
check "802.3 frames with a length (old IPX, NetBEUI)" eval 'receive bob raw-recv "$DB" 3 "novell" 5 && wire alice raw-send "$DA" 3 "novell" && received'
check "an experimental ethertype, other way" eval 'receive alice raw-recv "$DA" 0x88b5 "experiment" 5 && wire bob raw-send "$DB" 0x88b5 "experiment" && received'

# Nobody speaks for another.
check "a stranger's source IP does not arrive" not eval 'receive bob udp-recv 7000 "lie" 2 &&
    wire alice spoof-ip "$DA" "${A%.*}.99" "$(mac_of bob "$DB")" "$B" 7000 lie && received'
check "its own does" eval 'receive bob udp-recv 7000 "truth" 5 &&
    wire alice spoof-ip "$DA" "$A" "$(mac_of bob "$DB")" "$B" 7000 truth && received'
check "a stranger's source MAC does not arrive" not eval 'receive bob raw-recv "$DB" 0x88b5 "liar" 2 &&
    wire alice spoof-mac "$DA" 02:00:00:00:00:99 0x88b5 "liar" && received'
drops() { ov alice --json status; ov bob --json status; }
check "and both are counted with their reason" eval 'drops | jq -se "map(.drops | keys) | add | index(\"source_ip\") and index(\"source_mac\")"'
