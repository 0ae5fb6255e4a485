#!/bin/bash
# Much data with what hosts leave to their network devices: superframes, partial checksums and VLAN tags
# arrive right at members with and without offload, and at machines behind a bridge.
. "$(dirname "$0")/load.sh"
load_lab

# frames NODE: that its host sent into the network; how many bytes each carried tells of superframes
frames() {
    on "$1" ip -s -j link show "$(device "$1")" | jq '.[0].stats64.tx.packets'
}
# superframes COMMAND..: it sends far fewer frames than the segments of LOAD_MB
superframes() {
    local before after
    before=$(frames alice)
    "$@" || return 1
    after=$(frames alice)
    echo "$((after - before)) frames for $((LOAD_MB * 1000000 / 1290)) segments and as many acknowledgements"
    [ $((after - before)) -lt $((LOAD_MB * 1000000 / 1290)) ]
}

# A VLAN: the tag is put on and taken off by line.c, as not every kernel has VLAN devices; superframes and partial
# checksums pass through it.
vlan() { # MACHINE DEVICE N
    local mac
    mac=$(ip -n "$1" -j link show "$2" | jq -r '.[0].address')
    ip link add vlan7 netns "$1" address "$mac" type veth peer name trunk netns "$1"
    on "$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/trunk/disable_ipv6'
    ip -n "$1" link set vlan7 mtu 1340 up
    ip -n "$1" link set trunk mtu 1340 up
    ip -n "$1" addr add "10.7.0.$3/24" dev vlan7
    ip -n "$1" addr add "fd00:7::$3/64" dev vlan7 nodad
    ip -n "$1" maddr add "33:33:ff:00:00:0$3" dev "$2" # neighbour discovery, as a VLAN device would
    spawn "$1" "$LINE" trunk "$2" tag=7 >"$LOG/vlan-$1" 2>&1
    VLANS+=("$SPAWNED")
    wait_for 5 grep -q ready "$LOG/vlan-$1"
}
no_vlans() {
    kill "${VLANS[@]}" && wait "${VLANS[@]}" && cat "$LOG"/vlan-*
    ip -n alice link del vlan7
    ip -n bob link del vlan7
}
VLANS=()
need "no source check for the addresses of a VLAN" ov root net set dorm check-ip off
need "a VLAN at both" eval 'vlan alice "$DA" 1 && vlan bob "$DB" 2'
need "they reach each other in it" within 5 on alice ping -6 -q -c 1 -W 0.5 fd00:7::2
check "tagged: IPv4, in superframes" superframes move alice bob 10.7.0.2 4
check "tagged: IPv6, in superframes" superframes move alice bob fd00:7::2
check "tagged: IPv6, from bob" move bob alice fd00:7::1 4
check "tagged: UDP trains" trains alice bob 10.7.0.2 1200 ordered
check "beside it, untagged: IPv4" superframes move alice bob "$B" 2
check "no bad checksum" eval 'no_bad_checksums alice && no_bad_checksums bob'
check "the VLAN goes" no_vlans

# A machine behind bob's bridge, which verifies all checksums; its wire carries partial ones, or whole ones only.
space printer
on bob ip link add br0 type bridge
ip link add p0 netns bob type veth peer name eth0 netns printer
on bob ip link set p0 master br0 up
on bob ip link set "$DB" master br0
on bob ip link set br0 up
P=${B%.*}.200 P6=${B6%:*}:2222
on printer ip addr add "$P/24" dev eth0
on printer ip link set eth0 mtu "$(json alice '.networks[0].mtu' networks)" up
need "the owner permits bridging" ov root net set -m "${ADDRESS[bob]}" dorm bridge on
need "the machine behind the bridge is there" within 5 pings alice "$P"
for partial in off on; do
    on bob ethtool -K p0 tx $partial tso $partial gso $partial rx off >/dev/null
    on printer ethtool -K eth0 tx $partial tso $partial gso $partial rx off >/dev/null
    check "bridged, its wire's offload $partial: to the machine behind" move alice printer "$P" 4
    check "bridged, its wire's offload $partial: from it" move printer alice "$A"
    check "bridged, its wire's offload $partial: UDP trains to it" trains alice printer "$P" 1200 ordered
    check "bridged, its wire's offload $partial: UDP trains from it" trains printer alice "$A" 1200 ordered
done
check "every checksum it met was right" no_bad_checksums printer
check "and every one alice met" no_bad_checksums alice
on bob ip link set "$DB" nomaster
on bob ip link del br0
need "the bridge goes" ov root net set -m "${ADDRESS[bob]}" dorm bridge off

# offload NODE yes|no
offload() {
    sed -i '/^offload/d; s/^\[node\]/[node]\noffload = '"$2"'/' "$LAB/$1.conf"
}
for mix in "no yes" "yes no" "no no"; do
    offload alice "${mix% *}"
    offload bob "${mix#* }"
    stop alice && stop bob && start alice bob
    need "offload of alice and bob: $mix" within 10 pings alice "$B"
    need "direct" within 10 is_path alice bob direct
    check "$mix: IPv4" move alice bob "$B" 4
    check "$mix: IPv6" move bob alice "$A6" 2
    check "$mix: UDP trains" trains alice bob "$B" 1200 ordered
    check "$mix: UDP trains back, IPv6" trains bob alice "$A6" 1200 ordered
done
check "no bad checksum" eval 'no_bad_checksums alice && no_bad_checksums bob'
check "nothing was malformed, or not authentic" no_drops auth replay malformed malformed_message malformed_frame source_mac
