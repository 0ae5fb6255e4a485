#!/bin/bash
# Datagrams of random bytes, of every length, at a root's and at a member's port: nothing but counters move.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
site alice 20.0.0.2
site bob 20.0.0.3
site attacker 20.0.0.66
server root 20.0.0.1
node alice "[node]" "name = alice" "port = 5555"
node bob "[node]" "name = bob"
need "daemons come up" start root alice bob
need "a network" ov root net create dorm
need "both join" join root 20.0.0.1:4793 dorm alice bob
A=$(ip4 alice)
need "they reach each other" within 2 pings bob "$A"

rss() { # NAME: kB
    awk '/^VmRSS/ { print $2 }' "/proc/${PID[$1]}/status"
}
attack() {
    wire attacker garbage 20.0.0.1 4793 "$1" && wire attacker garbage 20.0.0.2 5555 "$1"
}
drops() {
    json "$1" '[.drops[].count] | add // 0' status
}
attack 1 # tables that grow to their bound grow now
wait_for 2 pings bob "$A"
before_root=$(rss root) before_alice=$(rss alice) dropped=$(drops alice)
for seed in 2 3 4 5; do
    attack $seed
done
check "the member lives" within 2 pings bob "$A"
check "the root lives" answers root
check "it counted them" within 3 eval '[ "$(drops alice)" -gt $((dropped + 8000)) ]'
check "by reason" eval 'ov alice status -v | grep -Ei "malformed|no such session|unknown"'
check "to who asks for it only" eval '! ov alice status | grep -E "^offload|DROPPED" && ov alice status --verbose | grep -E "^offload|DROPPED"'
if [ "$SAN" = 0 ]; then
    check "the member's memory is flat: $before_alice kB, now $(rss alice) kB" test "$(rss alice)" -le $((before_alice + 512))
    check "the root's too: $before_root kB, now $(rss root) kB" test "$(rss root)" -le $((before_root + 512))
fi
# Nobody is amplified: the attacker got no more bytes than it sent.
sent=$(on attacker awk '/wan:/ { print $10 }' /proc/net/dev)
got=$(on attacker awk '/wan:/ { print $2 }' /proc/net/dev)
check "nothing was amplified: $sent bytes in, $got bytes back" test "$got" -lt $((sent / 10))
check "a newcomer still gets in" eval 'site carol 20.0.0.4; node carol "[node]" "name = carol"; start carol && join root 20.0.0.1:4793 dorm carol && within 2 pings carol "$A"'
