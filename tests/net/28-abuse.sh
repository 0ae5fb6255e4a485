#!/bin/bash
# serial
# Who has a right to be served and takes too much of it: a local client, a relayed member, a stranger who asks the
# controller. The others do not notice.
. "$(dirname "$0")/lab.sh"
SECS=${ABUSE_SECS:-4}
core
site root 20.0.0.1
n=0
for name in alice bob mallory trudy; do
    n=$((n + 1))
    router "r-$name" "20.0.$n.1" "10.0.$n" random # none of them finds a direct way
    host $name "r-$name" 2
    node $name "[node]" "name = $name"
done
site carol 20.0.0.5
site peter 20.0.0.6
node carol "[node]" "name = carol"
node peter "[node]" "name = peter"
node root "[node]" "name = root" "[root]" "enabled = yes" "public = 20.0.0.1:4793" "relay_rate_mbit = 20" \
    "[controller]" "enabled = yes"
need "daemons come up" start root alice bob mallory trudy carol peter
need "a network" ov root net create dorm
need "members join" join root 20.0.0.1:4793 dorm alice bob mallory trudy
ID=$(netid root dorm)
B=$(ip4 bob) T=$(ip4 trudy)
need "they reach each other" eval 'within 5 pings alice "$B" && within 5 pings mallory "$T"'
need "by the root" eval 'is_path alice bob relay && is_path mallory trudy relay'

rss() { # kB of the root
    awk '/^VmRSS/ { print $2 }' "/proc/${PID[root]}/status"
}
# meanwhile COMMAND..: it succeeds while alice pings bob, and no ping is lost.
meanwhile() {
    spawn alice ping -n -q -i 0.02 -W 2 "$B" >"$LOG/ping"
    PING=$SPAWNED
    check "  $1" "${@:2}"
    wait "$ABUSE"
    kill -INT "$PING"
    wait "$PING"
    check "  others' pings: $(grep -o '[0-9.]*% packet loss' "$LOG/ping"), $(grep -o 'rtt.*' "$LOG/ping")" \
        awk '/packet loss/ { sub(/.*received, /, ""); lost = $0 + 0; n++ } END { exit !(n == 1 && lost < 1) }' "$LOG/ping"
}
relayed() { # bytes that the root has passed on
    json root .traffic.relayed_bytes status
}

echo "# a relayed member sends as fast as it can"
before=$(rss) bytes=$(relayed) ms=$(now_ms)
spawn mallory "$PYTHON" "$HERE/wire.py" udp-flood "$T" 9 $((SECS * SLOW)) >"$LOG/abuse"
ABUSE=$SPAWNED
meanwhile "another one gets through the relay" within 5 pings bob "$(ip4 alice)"
mbit=$((($(relayed) - bytes) * 8 / ($(now_ms) - ms) / 1000))
check "  $(cat "$LOG/abuse"); relayed: $mbit Mbit/s, of 20 that each may have" test $mbit -le 30
check "  it was cut" json root '.drops | to_entries | map(select(.key | test("relay|limit"))) | length > 0' status
[ "$SAN" = 1 ] || check "  memory: $before kB, then $(rss) kB" test "$(rss)" -le $((before + 2048))

echo "# local clients that take all places and send next to nothing"
before=$(rss)
spawn root "$PYTHON" "$HERE/wire.py" api-hog "$LAB/root/ovpn.sock" 100 $((SECS * 3)) >"$LOG/abuse"
ABUSE=$SPAWNED
wait_for 5 grep -q ready "$LOG/abuse"
meanwhile "the daemon goes on: who is not at this API is served" within 5 answers alice
check "  afterwards it answers at once" within 15 answers root
check "  $(tail -n 1 "$LOG/abuse")" grep -q clients "$LOG/abuse"
[ "$SAN" = 1 ] || check "  memory: $before kB, then $(rss) kB" test "$(rss)" -le $((before + 2048))

echo "# a stranger who asks and asks to join"
nag() { # until the time is over; $1 is its name
    local end=$(($(now_ms) + SECS * 1000)) times=0
    while [ "$(now_ms)" -lt $end ]; do
        ov "$1" join --no-wait "$ID@20.0.0.1" >/dev/null 2>&1
        ov "$1" leave "$ID" >/dev/null 2>&1
        times=$((times + 1))
    done
    echo "$times times"
}
nag peter >"$LOG/abuse" &
ABUSE=$!
meanwhile "a newcomer is admitted" join root 20.0.0.1:4793 dorm carol
check "  $(cat "$LOG/abuse"), and it waits once" json root '[.members[] | select(.address == "'"${ADDRESS[peter]}"'")] | length <= 1' net members dorm
check "all is well" eval 'within 5 pings carol "$B" && within 5 pings mallory "$T"'
