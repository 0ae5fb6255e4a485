#!/bin/bash
# Two homes that find no direct way: the best relay carries them, a member or one of several roots, and when that
# one dies another does, within a second.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
site root2 20.0.0.2
site friend 20.0.0.3
site idler 20.0.0.4
router ra 20.0.1.1 10.0.1 random
host alice ra 2
router rb 20.0.2.1 10.0.2 random
host bob rb 2
node root "[node]" "name = root" "roots = 20.0.0.2" "[root]" "enabled = yes" "public = 20.0.0.1:4793" \
    "[controller]" "enabled = yes"
node root2 "[node]" "name = root2" "[root]" "enabled = yes" "public = 20.0.0.2:4793"
node friend "[node]" "name = friend" "relay = yes"
node idler "[node]" "name = idler"
node alice "[node]" "name = alice"
node bob "[node]" "name = bob"
need "daemons come up" start root2 root friend idler alice bob
need "a network is made" ov root net create dorm
need "all join, by the first server only" join root 20.0.0.1:4793 dorm idler alice bob
A=$(ip4 alice) B=$(ip4 bob)

via() { # NODE PEER: the address of the relay
    json "$1" '[.peers[] | select(.address == "'"${ADDRESS[$2]}"'")][0].via' peers
}

goes_by() { # RELAY KIND: both ways
    is_path alice bob relay && is_path bob alice relay || return 1
    [ "$(via alice bob)" = "${ADDRESS[$1]}" ] && [ "$(via bob alice)" = "${ADDRESS[$1]}" ] || return 1
    json alice '[.peers[] | select(.address == "'"${ADDRESS[bob]}"'")][0].via_kind == "'"$2"'"' peers
}

by_roots() { # both ways, perhaps not by the same: there is no distance here
    is_path alice bob relay && is_path bob alice relay || return 1
    [ "$(via alice bob)" != "${ADDRESS[friend]}" ] && [ "$(via bob alice)" != "${ADDRESS[friend]}" ]
}

other_roots() { # NODE: how many it uses that answer
    json "$1" '[.roots[] | select(.online)] | length' status
}

has_roots() { # NODE N
    [ "$(other_roots "$1")" = "$2" ]
}

knows() { # ROOT NODE: a session, by the root's own word
    json "$1" 'any(.peers[]; .address == "'"${ADDRESS[$2]}"'" and .session and .path == "direct")' peers
}

# gap WORDS LIMIT_MS COMMAND..: the longest silence of a 10/s ping from bob while COMMAND happens.
gap() {
    local words=$1 limit=$(($2 * SLOW)) out=$LOG/gap ping mark
    shift 2
    spawn bob ping -n -D -i 0.1 -W 1 "$A" >"$out" 2>&1
    ping=$SPAWNED
    wait_for 5 eval '[ $(grep -c "bytes from" "$out") -ge 10 ]'
    "$@"
    mark=$(now_ms)
    wait_for 15 eval 'awk -v m="$mark" "/bytes from.* ms$/ { t = substr(\$1, 2) * 1000; if (t > m) n++ } END { exit n < 20 }" "$out"'
    kill "$ping"
    wait "$ping" 2>/dev/null
    awk '/bytes from.* ms$/ { t = substr($1, 2, 17) * 1000; if (last && t - last > max) max = t - last; last = t }
        END { printf "%d\n", max }' "$out" >"$LAB/gap"
    check "$words: ping gap $(cat "$LAB/gap") ms < $limit" eval \
        '[ "$(cat "$LAB/gap")" -lt $limit ] && awk -v m="$mark" "/bytes from.* ms$/ { if (substr(\$1, 2) * 1000 > m) n++ } END { exit n < 20 }" "$out"'
}

# ---- a network names its roots ----
check "the network's configuration brings the second root to its members" within 15 eval \
    'has_roots alice 2 && has_roots bob 2'

need "the owner names one only" ov root net set dorm "roots=${ADDRESS[root]}"
check "the other one is dropped" within 5 eval 'has_roots alice 1 && has_roots bob 1'
check "and refused is what is none of its servers" says "none of this node's servers" ov root net set dorm roots=1234512345
need "the owner names both" ov root net set dorm "roots=${ADDRESS[root2]},${ADDRESS[root]}"
check "both are used again" within 10 eval 'has_roots alice 2 && has_roots bob 2'
crash alice
start alice || exit 1
check "and remembered over a crash" within 5 has_roots alice 2
check "she is in" within 10 is_ready alice

# ---- roots ----
check "the first ping is answered" within 1 pings alice "$B"
check "there is no direct way" within 5 is_path alice bob relay
spawn alice ping -n -q -i 0.2 "$B" >/dev/null
KEEP=$SPAWNED
check "both go by a root" within 15 by_roots
check "a member that did not offer it relays nothing" json idler '.traffic.relayed_datagrams == 0' status

# ---- a member that relays ----
need "a member that relays joins" join root 20.0.0.1:4793 dorm friend
check "it is found and carries both" within 90 goes_by friend member
check "peers says so" eval 'ov alice peers | grep -q "RELAY.*${ADDRESS[friend]} (member)"'
check "and so does the member" json friend '.traffic.relayed_datagrams > 0' status
gap "the member is killed" 1000 crash friend
check "a root carries them now" within 5 by_roots
need "the member comes back" start friend
check "and is used again" within 60 goes_by friend member

# ---- the death of the root in use ----
crash friend
check "by a root again" within 10 by_roots
USED=root2 LEFT=root
[ "$(via alice bob)" = "${ADDRESS[root]}" ] && USED=root LEFT=root2
gap "the root in use is killed" 1000 crash $USED
check "the other one carries them" within 5 goes_by $LEFT root
need "the killed one comes back" start $USED
check "its members are back there" within 60 eval 'knows $USED alice && knows $USED bob'
gap "the other one is killed" 1000 crash $LEFT
check "the first one carries them again" within 5 goes_by $USED root
kill "$KEEP"
