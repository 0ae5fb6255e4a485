#!/bin/bash
# Members on one LAN find each other without leaving it: no internet, no server, right after a reboot. What a
# stranger on the LAN learns of it (nothing), and what it can do (little).
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
router ra 20.0.1.1 10.0.1
host alice ra 2
host bob ra 3
host carol ra 4
host dave ra 5
host eve ra 9
server root 20.0.0.1
node alice "[node]" "name = alice"
node bob "[node]" "name = bob"
node carol "[node]" "name = carol"
for name in d1 d2 d3; do
    touch "/run/netns/$name"
    mount --bind /run/netns/dave "/run/netns/$name"
    node $name "[node]" "name = $name"
done
need "daemons come up" start root alice bob carol d1 d2 d3
need "a network is made" ov root net create dorm
need "all on one LAN join" join root 20.0.0.1:4793 dorm alice bob carol d1 d2 d3
A=$(ip4 alice) B=$(ip4 bob) C=$(ip4 carol)
need "with the internet there: a ping is answered" within 1 pings alice "$B"

lan_path() { # NODE PEER: direct, by an address of the LAN (10.0.1. or link-local)
    json "$1" '.peers[] | select(.address == "'"${ADDRESS[$2]}"'") |
        .path == "direct" and (.remote | test("^10\\.0\\.1\\.|^\\[fe80:"))' peers
}
count() { # NODE WHAT
    json "$1" ".lan_discovery.$2" status
}
check "and direct, by the LAN, within 1 s" within 1 lan_path alice bob

stranger() { # ARGS..
    on eve "$PYTHON" "$HERE/beacon.py" "$@"
}
spawn eve "$PYTHON" "$HERE/beacon.py" listen "$LOG/beacons" >"$LOG/eve" 2>&1
EVE=$SPAWNED
need "a stranger listens" wait_for 5 grep -q ready "$LOG/eve"

# The reboot without internet: nothing that was learnt survives but what is on the disk.
for name in alice bob carol d1 d2 d3; do
    stop $name
done
crash root
ip -n ra link set wan down
for name in alice bob d1 d2 d3; do
    rm -rf "$LAB/$name/peers" # not even whom they knew
done
start=$(now_ms)
start alice bob
need "no internet, no server: a ping is answered" wait_for 5 pings alice "$B"
check "  < 2 s after the daemons started: $(($(now_ms) - start)) ms" test $(($(now_ms) - start)) -lt $((2000 * SLOW))
check "direct, by the LAN" within 1 lan_path alice bob
check "and the other way" pings bob "$A"
check "a broadcast reaches the other" eval 'receive bob udp-recv 7777 hello-lan 5 && wire alice udp-send 255.255.255.255 7777 hello-lan "$(device alice)" && received'

check "a third one comes" start carol
check "and is reached" within 2 pings alice "$C"
check "and reaches the others" within 2 pings carol "$B"

# Nothing was said for a while, the peers are forgotten: asking the LAN finds them again.
stop bob
start bob
check "one that was away is found again" within 2 pings alice "$B"

# What a stranger sees.
check "two beacons share nothing but their header" stranger strange "$LOG/beacons" 3
check "no address, no network id in them" eval 'not grep -qi "${ADDRESS[alice]}\|$(json alice ".networks[0].netid" networks)" "$LOG/beacons"'

# What it can do: replay and flood.
# (The kernel refuses what claims to come from its own address.)
kill "$EVE"
wait "$EVE" 2>/dev/null
cp "$LOG/beacons" "$LOG/old"
heard=$(count alice heard) known=$(count alice recognized) tries=$(count alice tries)
stranger replay "$LOG/old" 300 own
need "(replayed beacons were heard)" within 3 eval '[ "$(count alice heard)" -ge '$((heard + 300))' ]'
tried=$(($(count alice recognized) - known)) # genuine ones come in between
check "replayed from elsewhere they mean nothing: $tried of 300 recognized" test $tried -le 12
check "nor lead to anything" test "$(count alice tries)" = "$tries"
heard=$(count alice heard) tries=$(count alice tries)
stranger replay "$LOG/old" 1000 spoofed
need "(replayed with their source they were heard)" within 3 eval '[ "$(count alice heard)" -ge '$((heard + 200))' ]'
tried=$(($(count alice tries) - tries))
check "replayed with their source: $tried tries of 1000" test $tried -le 8
stop bob
stop alice
rm -rf "$LAB/alice/peers"
start alice
stranger replay "$LOG/old" 1000 spoofed
check "of one who is away: tried a few times, not 300" within 10 eval '[ "$(count alice tries)" -ge 1 ] && [ "$(count alice tries)" -le 8 ]'
check "with few handshakes" json alice '[.peers[] | .tx_bytes] | add < 20000' peers
start bob
need "(he is back)" within 2 pings alice "$B"
heard=$(count alice heard) tries=$(count alice tries)
stranger flood 3000
check "a flood is heard" within 5 eval '[ "$(count alice heard)" -gt '$((heard + 500))' ]'
check "and leads to nothing" test "$(count alice tries)" = "$tries"
check "pings go on" within 1 pings alice "$B"
check "and the daemon answers" answers alice

check "sent is little: $(count alice sent) beacons so far" test "$(count alice sent)" -lt 80

# Three nodes on one host share the port and the interface. (The kernel does not send from one to the other by
# their devices, both being its own.)
check "nodes on one host: they come up" start d1 d2 d3
check "each finds the others" within 2 eval 'lan_path d1 d2 && lan_path d2 d3 && lan_path d3 d1'
check "and one on another host" within 2 eval 'ov alice ping -c 1 "${ADDRESS[d1]}" && ov alice ping -c 1 "${ADDRESS[d2]}"'
check "which finds them all" within 2 eval 'lan_path alice d1 && lan_path alice d2 && lan_path alice d3'

# Switched off: nothing is said or heard. (Those who look for it by the LAN do not find it.)
stop alice
stop bob
printf '%s\n' "[node]" "name = alice" "lan_discovery = no" >"$LAB/alice.conf"
rm -rf "$LAB/alice/peers" "$LAB/bob/peers"
start alice bob
check "switched off" eval 'ov alice --json status | jq -e ".lan_discovery.state == \"off\""'
check "there is no socket for it" not eval 'on alice ss -Hlun sport = 4795 | grep -q .'
check "and nobody finds it" not within 3 pings bob "$A"
check "others find each other" within 2 pings bob "$C"
