#!/bin/bash
# Much data over lines of many kinds: every byte arrives as it was sent, and nothing twice.
. "$(dirname "$0")/load.sh"
load_lab

check "IPv4, one flow" move alice bob "$B"
check "IPv4, eight flows" move alice bob "$B" 8
check "IPv6, four flows" move bob alice "$A6" 4
check "UDP trains, in order" trains alice bob "$B" 1200 ordered
check "UDP trains, IPv6" trains bob alice "$A6" 1200 ordered

# Sizes of the network and of the line.
need "the network's MTU becomes 1280" set_mtu 1280
check "MTU 1280: IPv4" move alice bob "$B" 2
check "MTU 1280: IPv6" move bob alice "$A6" 2
need "it becomes 9000, over a line of 1500" set_mtu 9000
check "fragments: IPv4" move alice bob "$B" 2
check "fragments: UDP trains" trains alice bob "$B" 8900
line_mtu 9000
ip -n alice link set wan mtu 9000
ip -n core link set c-alice mtu 9000
stop alice && stop bob && start alice bob
need "a line of 9000" within 10 pings alice "$B"
check "both 9000: IPv4" move alice bob "$B" 2
check "both 9000: IPv6" move bob alice "$A6" 2
line_mtu 1280
need "a line of 1280, the network with 1344" set_mtu 1344
check "1344 over 1280: IPv4" move alice bob "$B" 2
check "1344 over 1280: IPv6" move bob alice "$A6" 2
line_mtu 1500
ip -n alice link set wan mtu 1500
ip -n core link set c-alice mtu 1500
stop alice && stop bob && start alice bob
need "a line of 1500 again" within 10 pings alice "$B"
need "direct" within 10 is_path alice bob direct

# One percent of the datagrams is lost, both ways.
lossy() {
    single alice wan
    single bob wan
    single core c-alice
    single core c-bob
    on core nft -f - <<<'table inet lossy {
        counter passed { }
        counter lost { }
        chain forward {
            type filter hook forward priority 0
            meta l4proto udp counter name passed
            meta l4proto udp numgen random mod 100 == 0 counter name lost drop
        }
    }'
}
lost() {
    on core nft -j list counters | jq -er '[.nftables[].counter | select(.) | {(.name): .packets}] | add |
        if (.lost > .passed / 200 and .lost < .passed / 50) then "\(.lost) of \(.passed)" else error("\(.)") end'
}
lossy
check "1 % loss: IPv4, eight flows" move alice bob "$B" 8
check "1 % loss: IPv6, eight flows" move bob alice "$A6" 8
check "so many were lost" lost
on core nft delete table inet lossy
for name in alice bob; do
    whole $name wan
    whole core c-$name
done

# Datagrams come late and twice. What is refused came twice: from the line, or because a member in doubt of its
# path sends by the relay too.
replays() {
    echo $(($(drops alice replay) + $(drops bob replay)))
}
by_relay() {
    json root .traffic.relayed_datagrams status
}
REPLAYS=$(replays) RELAYED=$(by_relay)
need "a line with datagrams late and twice" crooked late=20 by=60 twice=50 seed=7
check "late and twice: IPv4, four flows" move alice bob "$B" 4
check "late and twice: IPv6, four flows" move bob alice "$A6" 4
check "late and twice: UDP trains" trains alice bob "$B" 1200
check "late and twice: UDP trains back" trains bob alice "$A" 1200
check "the line ends" crooked_end
check "it did so to many" eval '[ "$(line_did late)" -gt $((LOAD_MB * 20)) ] && [ "$(line_did twice)" -gt $((LOAD_MB * 10)) ]'
refused() {
    local n=$(($(replays) - REPLAYS)) twice relayed=$(($(by_relay) - RELAYED))
    twice=$(line_did twice)
    echo "$n replays, $twice sent twice, $relayed by the relay"
    [ $n -gt 0 ] && [ $n -le $((twice + relayed)) ]
}
check "what came twice was refused, and nothing else" refused
need "the same, and lost" crooked late=50 by=200 twice=100 lost=200 seed=9
check "late, twice and lost: IPv4, eight flows" move alice bob "$B" 8
check "the line ends" crooked_end
need "the network's MTU becomes 9000" set_mtu 9000
need "late and twice, in fragments" crooked late=50 by=10 twice=50 seed=11
check "fragments late and twice: IPv4, eight flows" move alice bob "$B" 8
check "fragments late and twice: UDP trains" trains alice bob "$B" 8900
check "the line ends" crooked_end
need "the network's MTU is the default's" set_mtu 1344
check "nothing was malformed, or not authentic" no_drops auth malformed malformed_message malformed_frame source_mac source_ip

# Only IPv6 between them.
on core nft -f - <<<'table ip six {
    chain forward {
        type filter hook forward priority 0
        iifname "c-alice" oifname "c-bob" drop
        iifname "c-bob" oifname "c-alice" drop
    }
}'
stop alice && stop bob && start alice bob
need "only IPv6 between them" within 10 pings alice "$B"
need "direct" within 10 is_path alice bob direct
check "by IPv6" json alice '.peers[] | select(.address == "'"${ADDRESS[bob]}"'").remote | startswith("[2001:db8:2:")' peers
check "over IPv6: IPv4" move alice bob "$B" 4
check "over IPv6: IPv6" move bob alice "$A6" 4
on core nft delete table ip six

# By the root, a fifth of the data.
only_by_relay
stop alice && stop bob && start alice bob
need "only by the root" within 10 pings alice "$B"
need "relayed" is_path alice bob relay
DATA=$LAB/fifth
data "$DATA" $((LOAD_MB > 4 ? LOAD_MB / 5 : 1))
check "relayed: IPv4, four flows" move alice bob "$B" 4
check "relayed: IPv6" move bob alice "$A6"
check "all of it by the root" eval 'is_path alice bob relay && json root ".traffic.relayed_bytes | select(. > 4 * '"$(stat -c %s "$DATA")"')" status'
