#!/bin/bash
# Superframes and partial checksums: whatever the TAP leaves to the other side, every byte arrives, and
# every checksum that leaves a host again is right.
. "$(dirname "$0")/lab.sh"

head -c 20000000 /dev/urandom >"$LAB/file"
PORT=5000
# copy FROM TO IP: the file by TCP
copy() {
    rm -f "$LAB/got"
    receive "$2" tcp-recv $((++PORT)) "$LAB/got" || return 1
    on "$1" timeout 60 "$PYTHON" "$HERE/wire.py" tcp-send "$3" $PORT "$LAB/file" || return 1
    received && [ "$(sha256sum <"$LAB/file")" = "$(sha256sum <"$LAB/got")" ]
}
# both WORDS: both ways, over IPv4 and IPv6
both() {
    check "$1: alice to bob, IPv4" copy alice bob "$B"
    check "$1: bob to alice, IPv4" copy bob alice "$A"
    check "$1: alice to bob, IPv6" copy alice bob "$B6"
    check "$1: bob to alice, IPv6" copy bob alice "$A6"
}
tell() { # NODE: its "offload"
    json "$1" .offload status
}
set_mtu() {
    ov root net set dorm mtu "$1" && within 5 eval '[ "$(json alice ".networks[0].mtu" networks) $(json bob ".networks[0].mtu" networks)" = "'"$1 $1"'" ]'
}
# Frames that carried the last copy, as the host's own device counts them: far fewer than segments.
packets() { # NODE rx|tx
    on "$1" ip -s -j link show "$(device "$1")" | jq ".[0].stats64.$2.packets"
}
no_bad_checksums() { # MACHINE: its kernel has met none
    local bad
    bad=$(on "$1" nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors | awk '{ n += $2 } END { print n + 0 }')
    echo "$bad bad checksums"
    [ "$bad" = 0 ]
}

two_joined
A6=$(ip6 alice) B6=$(ip6 bob) DA=$(device alice) DB=$(device bob)
need "they reach each other" within 2 pings alice "$B"
need "directly" within 5 is_path alice bob direct
check "status tells what is in use" eval 'tell alice; [[ $(tell alice) == csum\ tso*gro ]]'
T0=$(packets alice tx) R0=$(packets bob rx)
both direct
check "a train of UDP, IPv4" eval 'receive bob udp-count 6000 1200 40 5 && wire alice udp-train "$B" 6000 1200 40 && received'
check "a train of UDP, IPv6" eval 'receive alice udp-count 6001 1200 40 5 && wire bob udp-train "$A6" 6001 1200 40 && received'
segments=$((20000000 * 2 / 1300))
check "the host sends few large frames" eval 'n=$(($(packets alice tx) - T0)); echo "$n frames for $segments segments, and the acknowledgements"; [ $n -lt $segments ]'
check "and the other host gets few" eval 'n=$(($(packets bob rx) - R0)); echo "$n"; [ $n -lt $segments ]'
check "nothing was dropped as malformed" eval '{ ov alice --json status; ov bob --json status; } | jq -se "map(.drops | keys) | add | index(\"malformed_frame\") | not"'

# VLAN tags. Superframes with tags are in tests/unit; where the kernel has VLAN devices, here too.
check "a tagged frame arrives with its tag" eval 'receive bob tagged-recv "$DB" 7 0x8137 "tagged-doom" 5 && wire alice tagged-send "$DA" 7 0x8137 "tagged-doom" && received'
check "and back" eval 'receive alice tagged-recv "$DA" 9 0x8137 "tagged-back" 5 && wire bob tagged-send "$DB" 9 0x8137 "tagged-back" && received'
if on alice ip link add link "$DA" name vlan7 type vlan id 7 2>/dev/null; then
    on bob ip link add link "$DB" name vlan7 type vlan id 7
    V=fd00:7::1 W=fd00:7::2
    for name in alice bob; do
        on $name ip link set vlan7 up
    done
    on alice ip addr add "$V/64" dev vlan7 nodad
    on bob ip addr add "$W/64" dev vlan7 nodad
    need "no source check for the addresses of a VLAN" ov root net set dorm check-ip off
    check "tagged: they reach each other" within 5 on alice ping -6 -q -c 1 -W 0.5 $W
    check "tagged: TCP, alice to bob" copy alice bob $W
    check "tagged: TCP, bob to alice" copy bob alice $V
fi

# A machine behind bob's bridge, on a wire that carries whole checksums only, and verifies them.
space printer
on bob ip link add br0 type bridge
ip link add p0 netns bob type veth peer name eth0 netns printer
on bob ethtool -K p0 tx off rx off tso off gso off >/dev/null
on printer ethtool -K eth0 tx off rx off gro off >/dev/null
on bob ip link set p0 master br0 up
on bob ip link set "$DB" master br0
on bob ip link set br0 up
P=${B%.*}.200
on printer ip addr add "$P/24" dev eth0
on printer ip link set eth0 up
need "the owner permits bridging" ov root net set -m "${ADDRESS[bob]}" dorm bridge on
need "the machine behind the bridge is there" within 5 pings alice "$P"
on printer ip link set eth0 mtu "$(json alice '.networks[0].mtu' networks)"
check "bridged: TCP to the machine behind" copy alice printer "$P"
check "bridged: TCP from it" copy printer alice "$A"
check "bridged: UDP to it" eval 'receive printer udp-recv 9100 "odd number" 5 && wire alice udp-send "$P" 9100 "odd number" && received'
check "every checksum it saw was right" no_bad_checksums printer
check "and every one alice saw" no_bad_checksums alice
on bob ip link set "$DB" nomaster
on bob ip link del br0
need "the bridge goes" ov root net set -m "${ADDRESS[bob]}" dorm bridge off

# Other sizes, and a relay.
need "an MTU of 9000" set_mtu 9000
need "they still reach each other" within 5 pings alice "$B"
both "MTU 9000"
need "an MTU of 1280" set_mtu 1280
both "MTU 1280"
on alice ethtool -K "$DA" tso off gso off tx off >/dev/null
on bob ethtool -K "$DB" tso off gso off tx off gro off >/dev/null
both "the devices' own offloads off"
on alice ethtool -K "$DA" tso on gso on tx on >/dev/null
on bob ethtool -K "$DB" tso on gso on tx on gro on >/dev/null
nat ra random
nat rb random
stop alice && stop bob && start alice bob
need "relayed" within 5 pings alice "$B"
need "it is" is_path alice bob relay
both relayed
check "by relay all the time" is_path alice bob relay

# One side without: its checksums are finished here, those of the other arrive partial all the same.
nat ra port
nat rb port
stop alice && stop bob
sed -i 's/^\[node\]/[node]\noffload = no/' "$LAB/bob.conf"
start alice bob
need "offload = no: they reach each other" within 5 pings alice "$B"
check "status says so" test "$(tell bob)" = none
both "one side without"
check "no bad checksum, alice" no_bad_checksums alice
check "no bad checksum, bob" no_bad_checksums bob
