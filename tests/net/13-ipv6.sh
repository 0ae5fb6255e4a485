#!/bin/bash
# IPv6: two homes with stateful firewalls and no NAT, and one that has nothing but IPv6.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
ip -n core -6 addr add fe80::1/64 dev c-root nodad
ip -n root -6 addr add 2001:db8:ff::1/128 dev wan nodad
ip -n root -6 addr add fe80::2/64 dev wan nodad
ip -n root -6 route add default via fe80::1 dev wan
ip -n core -6 route add 2001:db8:ff::1/128 via fe80::2 dev c-root
for n in 1 2; do
    router "r$n" "20.0.$n.1" "10.0.$n" random
    v6 "r$n" "2001:db8:$n"
    host "h$n" "r$n" 2
    host6 "h$n" "2001:db8:$n" 2
    node "h$n" "[node]" "name = h$n"
done
router r3 20.0.3.1 10.0.3
host old r3 2 # has IPv4 only
node old "[node]" "name = old"
router r4 20.0.4.1 10.0.4
v6 r4 2001:db8:4
host new r4 2
host6 new 2001:db8:4 2
ip -n new addr flush dev eth0 scope global
ip -n new -6 addr add 2001:db8:4::2/64 dev eth0 nodad 2>/dev/null
ip -n new -6 route replace default via 2001:db8:4::1
node new "[node]" "name = new"
node root "[node]" "name = root" "[root]" "enabled = yes" "public = 20.0.0.1:4793, [2001:db8:ff::1]:4793" \
    "[controller]" "enabled = yes"
need "daemons come up" start root h1 h2 old new
need "a network" ov root net create --open dorm
ID=$(netid root dorm)
for name in h1 h2 old; do
    ov $name join --no-wait "$ID@20.0.0.1:4793" >/dev/null
done
ov new join --no-wait "$ID@[2001:db8:ff::1]:4793" >/dev/null
for name in h1 h2 old new; do
    need "$name is in" within 10 is_ready $name
done
check "two homes: first ping" within 1 pings h1 "$(ip4 h2)"
check "direct by IPv6 though their IPv4 is symmetric" within 5 is_path h1 h2 direct
check "by an IPv6 address" json h1 '.peers[] | select(.address == "'"${ADDRESS[h2]}"'").remote | startswith("[2001:db8:2:")' peers
check "IPv6 only x IPv4 only: relayed" within 2 pings new "$(ip4 old)"
check "and told so" is_path new old relay
