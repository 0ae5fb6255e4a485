#!/bin/bash
# One identity on two computers, as after a disk was copied: everybody concerned is told, and nobody cries
# wolf at what nodes do all the time.
. "$(dirname "$0")/lab.sh"
two_joined
need "they reach each other" within 2 pings alice "$B"
site thief 20.0.0.9

quiet() { # NODE..: nobody is said to be alive twice
    local name
    for name; do
        json "$name" '[.peers[].twice] | all(. == null)' peers >/dev/null || return 1
        json "$name" '.twin == null' status >/dev/null || return 1
    done
}

# What nodes do: restart, crash, another outside port, another network, a server started anew.
for what in restart crash forget move server; do
    case $what in
    restart) stop alice && start alice ;;
    crash) crash alice && start alice ;;
    forget) forget ra ;;
    move) host alice rb 3 ;;
    server) stop root && start root ;;
    esac
    check "after $what they reach each other again" within 30 pings bob "$A"
    check "and nobody cries wolf" quiet root alice bob
done

# The server has to know the original before the copy, or it takes the original for the past at first.
need "the server knows alice" within 30 json root '[.peers[] | select(.address == "'"${ADDRESS[alice]}"'")][0].session | select(.)' peers

# Alice's directory, copied while she runs, and started elsewhere. Both of her talk with Bob all the time.
cp -a "$LAB/alice" "$LAB/thief"
rm -f "$LAB/thief/ovpn.sock"
printf '%s\n' "[node]" "name = thief" >"$LAB/thief.conf"
need "the copy starts" start thief
check "with the same address" test "${ADDRESS[thief]}" = "${ADDRESS[alice]}"
spawn alice ping -q -i 0.2 "$B" >/dev/null 2>&1
wait_for 10 is_ready thief
spawn thief ping -q -i 0.2 "$B" >/dev/null 2>&1
twice_at() { # NODE: its peers show alice twice
    json "$1" '[.peers[] | select(.address == "'"${ADDRESS[alice]}"'")][0].twice.at' peers
}
check "the server notices" within 90 twice_at root
check "alice is told" within 90 json alice .twin.told_by status
check "and where the other one is" within 90 eval 'json alice .twin.at status | grep -q "^20.0.0.9:"'
check "so is the copy" within 90 json thief .twin.told_by status
check "members notice too" within 90 twice_at bob
check "status says it, and what to do" eval 'ov alice status | grep -q "id new --force"'
check "the doctor says nothing else" says "another computer uses" ov alice doctor
check "by its name" test "$(ov alice --json doctor | jq -r .verdict)" = identity_twice
check "the owner sees it among the members" eval 'ov root net members dorm | grep -q "WARNING: ${ADDRESS[alice]} is alive on two computers"'
check "and programs" json root '[.members[] | select(.address == "'"${ADDRESS[alice]}"'")][0].twice | has("and_at")' net members dorm
check "peers shows it" eval 'ov bob peers | grep -q "WARNING: ${ADDRESS[alice]}"'
check "the doctor too" says "two computers" ov bob doctor "${ADDRESS[alice]}"
check "the logs have it once" eval '[ "$(grep -c "with this node.s identity" "$LOG/alice.log")" = 1 ] && [ "$(grep -c "alive on two computers" "$LOG/root.log")" = 1 ]'
check "bob himself is not suspected" eval 'json bob ".twin == null" status && json root "[.members[] | select(.name == \"bob\")][0].twice == null" net members dorm'

# What it says to do helps.
stop thief
need "the copy gets an identity of its own" ov thief id new --force
start thief
check "which is another node" test "${ADDRESS[thief]}" != "${ADDRESS[alice]}"
check "alice is herself again" within 60 pings bob "$A"
check "and stays connected" within 30 json alice '.roots[0].online' status
