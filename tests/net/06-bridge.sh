#!/bin/bash
# A member with the bridge permission brings the machines behind its Linux bridge into the network.
. "$(dirname "$0")/lab.sh"
two_joined
need "they reach each other" within 2 pings alice "$B"
DB=$(device bob)
NET=${B%.*}

# A printer on bob's bridge, with an address of the network that no certificate names.
space printer
on bob ip link add br0 type bridge
ip link add p0 netns bob type veth peer name eth0 netns printer
on bob ip link set p0 master br0 up
on bob ip link set "$DB" master br0
on bob ip link set br0 up
on bob ip addr add "$B/24" dev br0
on bob ip addr del "$B/24" dev "$DB" 2>/dev/null
on printer ip addr add "$NET.200/24" dev eth0
on printer ip link set eth0 up

check "without the permission it is not reachable" not wait_for 1 pings alice "$NET.200"
need "the owner permits bridging" ov root net set -m "${ADDRESS[bob]}" dorm bridge on
check "bob is told" within 3 json bob '.networks[0].bridge' networks
check "alice reaches the machine behind the bridge" within 5 pings alice "$NET.200"
check "it reaches alice" within 3 pings printer "$A"
check "ARP names the machine itself" test "$(on alice ip -j neigh show "$NET.200" | jq -r '.[0].lladdr')" = "$(on printer ip -j link show eth0 | jq -r '.[0].address')"
check "bob himself still answers" within 3 pings alice "$B"
check "broadcast from the printer arrives" eval 'receive alice udp-recv 9100 "paper?" 5 && wire printer udp-send "$NET.255" 9100 "paper?" && received'
check "and to it" eval 'receive printer udp-recv 9101 "print" 5 && wire alice udp-send "$NET.255" 9101 "print" && received'
need "the permission goes" ov root net set -m "${ADDRESS[bob]}" dorm bridge off
check "and with it the machine" within 5 not pings alice "$NET.200"
