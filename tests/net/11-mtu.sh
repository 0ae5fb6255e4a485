#!/bin/bash
# Frames of 1500 and 9000 bytes cross a path of 1400, direct and relayed, and no default fragments.
. "$(dirname "$0")/lab.sh"
two_joined
mtu ra 1400
need "they reach each other" within 2 pings alice "$B"
need "directly" within 5 is_path alice bob direct
sized() { # BYTES of IP packet
    on alice ping -q -M "do" -c 3 -i 0.2 -W 1 -s $(($1 - 28)) "$B"
}
check "the default MTU fits the device" sized "$(on alice cat "/sys/class/net/$(device alice)/mtu" 2>/dev/null || json alice '.networks[0].mtu' networks)"
set_mtu() {
    ov root net set dorm mtu "$1" && within 5 eval '[ "$(json alice ".networks[0].mtu" networks) $(json bob ".networks[0].mtu" networks)" = "'"$1 $1"'" ]'
}
need "the network's MTU becomes 1500" set_mtu 1500
check "1500 bytes cross" within 5 sized 1500
need "the network's MTU becomes 9000" set_mtu 9000
check "the device has it" eval 'on alice ip link show "$(device alice)" | grep -q "mtu 9000"'
check "9000 bytes cross" within 5 sized 9000
check "no larger ones" not sized 9001
head -c 20000000 /dev/urandom >"$LAB/file"
receive bob tcp-recv 5001 "$LAB/got"
check "20 MB by TCP" eval 'on alice timeout 60 "$PYTHON" "$HERE/wire.py" tcp-send "$B" 5001 "$LAB/file" && cmp "$LAB/file" "$LAB/got"'
check "the path's own MTU was found" json alice '.peers[] | select(.address == "'"${ADDRESS[bob]}"'") | .mtu > 0 and .mtu <= 1400' peers
nat ra random
nat rb random
stop alice && stop bob && start alice bob
need "relayed" within 5 pings alice "$B"
check "it is" is_path alice bob relay
check "9000 bytes cross by relay" within 5 sized 9000
# A path that swallows what is too large, and says nothing.
policy ra 'icmp type destination-unreachable drop'
on ra nft 'add chain inet rules out { type filter hook output priority 0; }'
on ra nft 'add rule inet rules out icmp type destination-unreachable drop'
on core nft 'add table inet rules; add chain inet rules out { type filter hook output priority 0; }; add rule inet rules out icmp type destination-unreachable drop'
stop alice && stop bob && start alice bob
need "again, over a black hole" within 5 pings alice "$B"
check "9000 bytes cross a black hole" within 10 sized 9000
