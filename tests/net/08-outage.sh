#!/bin/bash
# Servers go away: the controller's absence stops nothing, and a root that returns is found again.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
site keeper 20.0.0.2 # the controller: its own machine, an ordinary node of that root
router ra 20.0.1.1 10.0.1
host alice ra 2
router rb 20.0.2.1 10.0.2
host bob rb 2
node root "[node]" "name = root" "[root]" "enabled = yes" "public = 20.0.0.1:4793"
node keeper "[node]" "name = keeper" "roots = 20.0.0.1:4793" "[controller]" "enabled = yes"
node alice "[node]" "name = alice" "roots = 20.0.0.1:4793"
node bob "[node]" "name = bob" "roots = 20.0.0.1:4793"
need "daemons come up" start root keeper alice bob
need "a network on the controller" ov keeper net create dorm
need "both homes join through the root" join keeper 20.0.0.1:4793 dorm alice bob
A=$(ip4 alice) B=$(ip4 bob)
need "they reach each other" within 2 pings alice "$B"
need "directly" within 5 is_path alice bob direct

stop keeper
check "the controller is gone and traffic goes on" on alice ping -q -i 0.1 -c 20 -W 1 "$B"
crash bob
launch bob
check "a node restarted meanwhile is back in its network" within 5 pings bob "$A"
check "with its address" test "$(ip4 bob)" = "$B"
stop alice
launch alice
check "the other one too: neither has seen the controller" within 5 pings alice "$B"
start keeper || exit 1
check "the controller is back and sees its members" within 30 eval 'json keeper "[.members[] | select(.online)] | length == 2" net members dorm'

stop root
check "the root is gone and the direct path goes on" on alice ping -q -i 0.1 -c 20 -W 1 "$B"
start root || exit 1
check "alice finds the root again" within 30 json alice '.roots[0].online' status
check "bob too" within 30 json bob '.roots[0].online' status
crash root
start root || exit 1
check "and after a crash of the root" within 30 eval 'json alice ".roots[0].online" status && json bob ".roots[0].online" status'
nat ra random
nat rb random
ip -n rb link set wan down && ip -n rb link set wan up # and all mappings are gone
ip -n rb route add 192.0.2.1 dev wan src 20.0.2.1 2>/dev/null
ip -n rb route add default via 192.0.2.1 dev wan onlink src 20.0.2.1 2>/dev/null
check "which relays again when the direct path dies" within 15 pings alice "$B"
