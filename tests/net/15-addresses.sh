#!/bin/bash
# A server with two addresses on two wires: it answers from the one that was asked, else the firewall of a
# home lets no answer in.
. "$(dirname "$0")/lab.sh"
two_homes
SECOND=20.0.9.1
ip link add c-root2 netns core type veth peer name wan2 netns root
ip -n core addr add 192.0.2.1/32 dev c-root2
ip -n core link set c-root2 up
ip -n core route add $SECOND/32 dev c-root2
second() { # the second wire and its address; what leaves from that address leaves by that wire
    ip -n root link set wan2 up
    ip -n root addr add $SECOND/32 dev wan2
    ip -n root route add default via 192.0.2.1 dev wan2 onlink table 9
}
second
ip -n root rule add from $SECOND lookup 9
at() { # NODE IP: that is where it has the server
    json "$1" '.peers[] | select(.address == "'"${ADDRESS[root]}"'").remote == "'"$2"':4793"' peers
}
sent2() {
    ip -n root -s -j link show wan2 | jq '.[0].stats64.tx.packets'
}
before=$(sent2)
need "alice joins by the first address" join root 20.0.0.1:4793 dorm alice
need "bob joins by the second" join root $SECOND:4793 dorm bob
A=$(ip4 alice) B=$(ip4 bob)
check "alice has the server at the first" within 5 at alice 20.0.0.1
check "bob has it at the second" within 5 at bob $SECOND
check "the answers left by the second wire" test "$(sent2)" -gt "$before"
need "they reach each other" within 3 pings alice "$B"
check "directly" within 10 is_path alice bob direct

# What the server sends unasked comes from there, too: only from there may it come in.
policy rb 'iifname "wan" ip saddr 20.0.0.1 drop
    iifname "wan" ip saddr 20.0.1.1 drop'
check "relayed through it, alice reaches bob" within 10 pings alice "$B"
check "bob has it at the second still" at bob $SECOND
policy rb ''

# The address goes away, and with it all that was pinned to it; bob knows the other from the network.
ip -n root addr del $SECOND/32 dev wan2
ip -n core route del $SECOND/32
check "without its second address, bob finds the server at the first" within 30 at bob 20.0.0.1
check "alice is not bothered" at alice 20.0.0.1
check "they reach each other" within 5 pings bob "$A"
