#!/bin/bash
# kill -9 at random moments, of every daemon, while networks, members and invites are made: what was
# promised once is there for ever.
. "$(dirname "$0")/lab.sh"
two_joined
need "they reach each other" within 2 pings alice "$B"
ID=${ADDRESS[root]}
RANDOM=4793
: >"$LAB/promised"

# Changes as fast as they go; only what succeeded is promised.
busy() {
    local i=$1
    while [ ! -e "$LAB/enough" ]; do
        i=$((i + 1))
        ov root net create "net$i" >/dev/null 2>&1 && echo "net net$i" >>"$LAB/promised"
        ov root net invite dorm --note "note$i" >/dev/null 2>&1 && echo "invite note$i" >>"$LAB/promised"
        ov root net name dorm "${ADDRESS[alice]}" "name$i" >/dev/null 2>&1 && echo "name name$i" >"$LAB/name"
    done
}
kept() { # KIND FILTER ARGS..: all promised of a kind are told
    ov root --json "${@:3}" | jq -r "$2" | sort >"$LAB/have"
    sed -n "s/^$1 //p" "$LAB/promised" | sort | comm -23 - "$LAB/have" >"$LAB/lost"
    echo "$(wc -l <"$LAB/have") there, $(wc -l <"$LAB/lost") lost"
    [ -s "$LAB/have" ] && [ ! -s "$LAB/lost" ]
}

for round in 1 2 3 4 5; do
    rm -f "$LAB/enough"
    busy $((round * 1000)) &
    BUSY=$!
    n=$(wc -l <"$LAB/promised")
    wait_for 10 eval '[ $(wc -l <"$LAB/promised") -ge $((n + RANDOM % 12 + 2)) ]'
    crash root
    touch "$LAB/enough"
    wait $BUSY
    start root || { check "the controller starts after crash $round" false && break; }
done
check "five crashes of a busy controller ($(wc -l <"$LAB/promised") changes)" test "$(wc -l <"$LAB/promised")" -gt 10
check "same identity" test "${ADDRESS[root]}" = "$ID"
check "no network is lost" kept net '.networks[].name' net list
check "no invite is lost" kept invite '.invites[].note' net invites dorm
check "no member is lost" json root '[.members[] | select(.state == "admitted")] | length == 2' net members dorm
last_name() { # as promised, or one whose promise the crash cut off
    local told promised
    told=$(json root '.members[].name | select(startswith("name"))' net members dorm)
    promised=$(cut -d' ' -f2 "$LAB/name")
    echo "$told $promised"
    [ "${told#name}" -ge "${promised#name}" ]
}
check "the last name given holds" last_name

# Nodes, at random moments of their start and of traffic.
for round in 1 2 3 4 5 6; do
    on alice timeout 1 ping -q -i 0.02 "$B" >/dev/null 2>&1 &
    traffic=$!
    victim=$( ((round % 2)) && echo alice || echo bob)
    before=${ADDRESS[$victim]}
    wait_for 1 eval '[ $((RANDOM % 8)) = 0 ]'
    crash "$victim"
    launch "$victim"
    wait_for 1 eval '[ $((RANDOM % 8)) = 0 ]'
    crash "$victim"
    start "$victim" || { check "$victim starts after crash $round" false && break; }
    [ "${ADDRESS[$victim]}" = "$before" ] || check "$victim keeps its identity" false
    wait $traffic
done
check "twelve crashes of nodes: networks are remembered" within 5 eval 'is_ready alice && is_ready bob'
check "addresses too" test "$(ip4 alice) $(ip4 bob)" = "$A $B"
check "and they reach each other" within 5 pings alice "$B"
check "no half-written file is left" test -z "$(find "$LAB"/{root,alice,bob} -name '*.tmp*' -o -name '*.new')"
check "secrets are the owner's alone" test -z "$(find "$LAB"/{root,alice,bob} -type f -perm /077)"
