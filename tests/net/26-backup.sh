#!/bin/bash
# A server saved while it works, lost, and built up again elsewhere from two files and a passphrase.
. "$(dirname "$0")/lab.sh"
two_joined
need "they reach each other" within 2 pings alice "$B"
ID=${ADDRESS[root]}
NET=$(netid root dorm)
echo "four words in a row" >"$LAB/words"
secret() {
    ov root id "$@" --passphrase-file "$LAB/words"
}
controller() {
    ov root controller "$@" -c "$LAB/root.conf"
}

# Changes as fast as they go, while copies are made.
busy() {
    local i=0
    while [ ! -e "$LAB/enough" ]; do
        ov root net invite dorm --note "note$((++i))" >/dev/null 2>&1 || echo "invite $i refused" >>"$LAB/refused"
        echo "$i" >"$LAB/done"
    done
}
made() { # since a copy
    [ "$(cat "$LAB/done" 2>/dev/null || echo 0)" -gt "$1" ]
}
busy &
BUSY=$!
for n in 1 2 3 4 5; do
    wait_for 5 made $((n * 2))
    before=$(cat "$LAB/done")
    check "copy $n, with $before invites made" controller backup --force "$LAB/copy"
    sqlite=$(json root '.members' controller restore --check "$LAB/copy" -c "$LAB/root.conf")
    check "it has both members" test "$sqlite" = 2
done
touch "$LAB/enough"
wait $BUSY
check "no change was refused meanwhile" test ! -e "$LAB/refused"
check "the copy is the owner's alone" test "$(stat -c %a "$LAB/copy")" = 600
check "the identity is saved" secret export "$LAB/paper"
check "not over another file" not controller backup "$LAB/paper"
check "nothing is put back under a running daemon" not controller restore "$LAB/copy"

# What happens after the copy is lost with the server, but must not confuse the members.
need "a later change" ov root net set dorm mtu 1400
need "reaches the members" within 5 eval '[ "$(json alice ".networks[0].mtu" networks)" = 1400 ]'
crash root
rm -r "$LAB/root"
mkdir -m 700 "$LAB/root"
check "a copy without its identity is refused" not controller restore "$LAB/copy"
echo "other words" >"$LAB/wrong"
check "a wrong passphrase too" not ov root id import "$LAB/paper" --passphrase-file "$LAB/wrong"
check "and leaves nothing" test -z "$(ls -A "$LAB/root")"
need "the identity comes back" secret import "$LAB/paper"
need "and its networks" controller restore "$LAB/copy"
need "the new server starts" start root
check "as the old one" test "${ADDRESS[root]} $(netid root dorm)" = "$ID $NET"
check "its members are there" json root '[.members[] | select(.state == "admitted")] | length == 2' net members dorm
check "they go on" within 5 pings alice "$B"
need "a change at the new server" ov root net set dorm mtu 1300
check "reaches members that hold later settings than the copy" within 30 eval '[ "$(json alice ".networks[0].mtu" networks)" = 1300 ] && [ "$(json bob ".networks[0].mtu" networks)" = 1300 ]'

stop root
check "put back once more, the present one is kept" eval 'controller restore "$LAB/copy" | tee "$LOG/restore"; grep -q "is now .*controller.db.old-" "$LOG/restore" && grep -q "ovpn join NETID@NEWHOST" "$LOG/restore"'
identity "$LAB/stranger"
check "another controller's copy is refused" not ov root -H "$LAB/stranger" controller restore "$LAB/copy"
