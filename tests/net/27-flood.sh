#!/bin/bash
# serial
# 100,000 forged datagrams a second, from everywhere, at a member and at the root: members do not notice, newcomers
# get in by their cookie, memory stays as it is, and nobody is sent more than was sent in his name.
. "$(dirname "$0")/lab.sh"
RATE=$((${FLOOD_RATE:-100000} / SLOW / SLOW)) # sanitizers make the node slower
SECS=${FLOOD_SECS:-3}
core
site root 20.0.0.1
site alice 20.0.0.2
site bob 20.0.0.3
site attacker 20.0.0.66
# Answers to forged sources come to who forged them, to be counted.
ip -n core route add 21.5.0.0/16 via 20.0.0.66 dev c-attacker onlink
ip -n attacker route add blackhole 21.5.0.0/16
server root 20.0.0.1
node alice "[node]" "name = alice" "port = 5555"
node bob "[node]" "name = bob"
ALL="carol dave eve frank"
n=10
for name in $ALL; do
    site "$name" 20.0.0.$((++n))
    node "$name" "[node]" "name = $name"
done
# shellcheck disable=SC2086
need "daemons come up" start root alice bob $ALL
need "a network" ov root net create --open dorm
ID=$(netid root dorm)
enter() { # NAME: it joins, for which it needs to know the root, and a session with it
    ov "$1" join --no-wait "$ID@20.0.0.1" >/dev/null && within 15 is_ready "$1"
}
need "members join" eval 'enter alice && enter bob && enter carol'
A=$(ip4 alice) B=$(ip4 bob)
need "they reach each other" within 3 pings bob "$A"

rss() { # NAME: kB
    awk '/^VmRSS/ { print $2 }' "/proc/${PID[$1]}/status"
}
counters() { # bytes that the attacker has sent and was sent
    on attacker awk '/wan:/ { print $10, $2 }' /proc/net/dev
}
flood() { # NAME IP PORT ARGS..: in the background
    spawn attacker "$BUILD/tests/net/flood" "$2" "$3" "$(json "$1" .identity status)" rate=$RATE "${@:4}" >"$LOG/flood"
    FLOOD=$SPAWNED
}
# flooded NAME IP PORT ARGS -- COMMAND..: while the flood lasts members' pings are answered, and the command succeeds.
flooded() {
    local name=$1 args=("${@:2}") before sent got s g n
    while [ "$1" != -- ]; do shift; done
    args=("${args[@]:0:${#args[@]}-$#}")
    before=$(rss "$name")
    read -r sent got < <(counters)
    spawn bob ping -n -q -i 0.01 -W 1 "$A" >"$LOG/ping"
    PING=$SPAWNED
    flood "$name" "${args[@]}" seconds="$SECS"
    check "a newcomer gets in meanwhile" "${@:2}"
    wait $FLOOD
    kill -INT "$PING"
    wait "$PING"
    read -r s g < <(counters)
    n=$(cut -d' ' -f1 "$LOG/flood")
    check "  $(cat "$LOG/flood")" test "$n" -gt $((RATE * SECS / 20))
    check "  members' pings: $(grep -o '[0-9.]*% packet loss' "$LOG/ping")" awk '/packet loss/ { sub(/.*received, /, ""); lost = $0 + 0; n++ } END { exit !(n == 1 && lost < 1) }' "$LOG/ping"
    check "  nothing is amplified: $((s - sent)) bytes in, $((g - got)) back" test $((g - got)) -le $((s - sent))
    [ "$SAN" = 1 ] || check "  memory is flat: $before kB, then $(rss "$name") kB" test "$(rss "$name")" -le $((before + 512))
}
limited() { # NAME: it counts what it does not answer with a handshake
    json "$1" '.drops.handshake_limit.count > 1000' status
}
# Tables that grow to their bound grow now.
for kind in initiation who; do
    flood alice 20.0.0.2 5555 from=21.5 seconds=1 kind=$kind
    wait $FLOOD
    flood root 20.0.0.1 4793 from=21.5 seconds=1 kind=$kind
    wait $FLOOD
done
echo "# forged initiations from everywhere, at a member"
flooded alice 20.0.0.2 5555 from=21.5 -- within 10 pings carol "$A"
check "  it wanted cookies" limited alice
echo "# at the root and controller, whom a newcomer needs"
flooded root 20.0.0.1 4793 from=21.5 -- enter dave
check "  it wanted cookies" limited root
echo "# from one place"
flooded root 20.0.0.1 4793 seed=3 -- enter eve
echo "# first contacts: who are you?"
flooded root 20.0.0.1 4793 from=21.5 kind=who -- enter frank
echo "# data of no session"
flooded alice 20.0.0.2 5555 from=21.5 kind=data -- within 10 pings dave "$A"
check "all reach each other" eval 'for n in $ALL; do within 3 pings $n "$A" && within 3 pings $n "$B" || exit; done'
