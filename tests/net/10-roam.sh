#!/bin/bash
# Things that change under a running ping: the LAN, the provider's address, the router's memory.
. "$(dirname "$0")/lab.sh"
two_joined
router rc 20.0.3.1 10.0.3
need "they reach each other" within 2 pings alice "$B"
need "directly" within 5 is_path alice bob direct

# gap WORDS LIMIT_MS COMMAND..: the longest silence of a 10/s ping from bob while COMMAND happens.
gap() {
    local words=$1 limit=$(($2 * SLOW)) out=$LOG/gap
    shift 2
    spawn bob ping -n -D -i 0.1 -W 1 "$A" >"$out" 2>&1
    local ping=$SPAWNED
    wait_for 5 eval '[ $(grep -c icmp_seq "$out") -ge 5 ]'
    "$@"
    local mark
    mark=$(now_ms)
    # Answered again, and for a second on end: the answers' own times tell the gap.
    wait_for 15 eval 'awk -v m="$mark" "/bytes from.* ms$/ { t = substr(\$1, 2) * 1000; if (t > m) n++ } END { exit n < 10 }" "$out"'
    kill $ping
    wait $ping 2>/dev/null
    awk '/bytes from.* ms$/ { t = substr($1, 2, 17) * 1000; if (last && t - last > max) max = t - last; last = t }
        END { printf "%d\n", max }' "$out" >"$LAB/gap"
    check "$words: ping gap $(cat "$LAB/gap") ms < $limit" eval \
        '[ "$(cat "$LAB/gap")" -lt $limit ] && awk -v m="$mark" "/bytes from.* ms$/ { if (substr(\$1, 2) * 1000 > m) n++ } END { exit n < 10 }" "$out"'
}
gap "alice moves to another LAN" 3000 host alice rc 7
check "it is direct again" within 10 is_path bob alice direct
check "from the new address" within 5 json bob '.peers[] | select(.address == "'"${ADDRESS[alice]}"'").remote | startswith("20.0.3.1:")' peers
gap "and back" 3000 host alice ra 3
check "direct again" within 10 is_path bob alice direct
gap "the provider changes alice's address" 8000 wanip ra 20.0.1.1 20.0.1.77
check "direct again" within 15 is_path bob alice direct
gap "alice's router restarts" 8000 forget ra

# A computer that sleeps, or whose daemon is stopped: it lies still until the other end has given it up and its router
# has forgotten it. What it sends first when it goes on is answered.
kill -STOP "${PID[alice]}"
spawn bob ping -n -q -i 0.2 "$A" >/dev/null
CALLING=$SPAWNED
check "alice's daemon is stopped: the other end notices" within 30 not is_path bob alice direct
kill "$CALLING"
forget ra
kill -CONT "${PID[alice]}"
check "it goes on: a ping is answered" within 2 pings alice "$B"
check "it knows that it lay still" grep "all paths are proven anew" "$LOG/alice.log"
check "and is direct again" within 5 eval 'is_path alice bob direct && is_path bob alice direct'
gap "both on one LAN" 3000 host alice rb 9
check "direct, by the LAN" within 15 json alice '.peers[] | select(.address == "'"${ADDRESS[bob]}"'").remote | startswith("10.0.2.2:")' peers

# A second cable that is there, with its address, long before the default route moves to it; nobody sends anything.
seen() { # IP: the server sees alice there
    json root '.peers[] | select(.address == "'"${ADDRESS[alice]}"'").remote | startswith("'"$1"':")' peers
}
need "alice stops" stop alice
ip link add l-spare netns rc type veth peer name eth1 netns alice
ip -n rc link set l-spare master lan up
ip -n alice addr add 10.0.3.8/24 dev eth1
ip -n alice link set eth1 up
need "and comes back with two cables" start alice
need "by the first of them" within 10 seen 20.0.2.1
# A server follows at once who was silent for a second where it was; others it asks first whether they are still
# there, and here the answer comes.
need "and is silent" within 15 json root '.peers[] | select(.address == "'"${ADDRESS[alice]}"'").last_rx < now - 1.2' peers
ip -n alice route replace default via 10.0.3.1 dev eth1
check "the default route moves to the second: the server hears of it" within 3 seen 20.0.3.1
check "the LAN is used as before" within 5 json alice '.peers[] | select(.address == "'"${ADDRESS[bob]}"'").remote | startswith("10.0.2.2:")' peers

# Somebody on the LAN moves it as he likes (a router advertisement does): that is not followed each time.
moves() { grep -c "the default route for IPv4 is another" "$LOG/alice.log"; }
MOVES=$(moves)
for _ in 1 2 3 4; do
    ip -n alice route replace default via 10.0.2.1 dev eth0
    sleep 0.4
    ip -n alice route replace default via 10.0.3.1 dev eth1
    sleep 0.4
done
check "to and fro: it is not followed each time" eval '[ "$(moves)" -le $((MOVES + 1)) ]'
