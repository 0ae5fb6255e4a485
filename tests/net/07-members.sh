#!/bin/bash
# The owner decides who is in, at once, and invites work exactly once.
. "$(dirname "$0")/lab.sh"
two_joined
check "an IP that nobody spoke with is looked for" ov alice ping -c 1 "$B"
check "nobody has this one" says "servers were asked" ov alice ping -c 1 "${B%.*}.77"
need "they reach each other" within 2 pings alice "$B"
need "directly: the controller is not in between" within 5 is_path alice bob direct

need "bob is put out" ov root net deauthorize dorm "${ADDRESS[bob]}"
check "cut off < 2 s" within 2 not pings alice "$B"
check "both ways" not pings bob "$A"
check "bob is told" within 3 in_state bob refused
check "and why" json bob '.networks[0].reason == "denied" and (.networks[0].message | length > 10)' networks
stop bob && start bob || exit 1
check "a restart does not bring it back" not wait_for 2 pings bob "$A"
need "bob is let in again" ov root net authorize dorm "${ADDRESS[bob]}"
check "and is back" within 5 pings alice "$B"
check "with its address" test "$(ip4 bob)" = "$B"

site eve 20.0.0.66
node eve "[node]" "name = eve"
site mallory 20.0.0.67
node mallory "[node]" "name = mallory"
need "two more come up" start eve mallory
INVITE=$(json root .invite net invite dorm --note "for Eve")
check "an invite is one line" grep -Eq '^ovpn1[a-zA-Z0-9_-]+$' <<<"$INVITE"
check "joining by it is enough, also when a mail broke the line" ov eve join --timeout 10s "${INVITE:0:70}" " ${INVITE:70}"
check "and admits at once" within 2 is_ready eve
UNNEEDED=$(json root .invite net invite dorm)
check "another invite is not used by a member: told" grep "is not used" <(ov eve join --timeout 10s "ovpn join $UNNEEDED")
check "and is still good" grep "took back 1 invite" <(ov root net revoke dorm --unused)
check "with the note that the invite had" json root '.members[] | select(.address == "'"${ADDRESS[eve]}"'").note == "for Eve"' net members dorm
check "eve reaches alice" within 2 pings eve "$A"
ov mallory join --no-wait "$INVITE" >/dev/null 2>&1
check "the second user is refused" within 5 json mallory '.networks[0].state == "refused" and .networks[0].reason == "used_invite"' networks
check "and told to ask for a new one" json mallory '.networks[0].message | test("invite")' networks
check "the owner sees who used it" json root '.invites[0].used_by == "'"${ADDRESS[eve]}"'"' net invites dorm
ov mallory leave "$(netid root dorm)" >/dev/null
SHORT=$(json root .invite net invite --ttl 1s dorm)
sleep 1.2 # the invite itself is a clock: nothing else tells when it is over
ov mallory join --no-wait "$SHORT" >/dev/null 2>&1
check "an expired invite is refused" within 5 json mallory '.networks[0].state == "refused" and .networks[0].reason == "expired_invite"' networks
ov mallory leave "$(netid root dorm)" >/dev/null
check "the owner sees that it is over" json root '[.invites[].state] == ["used", "expired"]' net invites dorm
SPARE=$(json root .invite net invite dorm)
SPARE_ID=$(json root '.invites[] | select(.state == "good").id' net invites dorm)
check "who is thrown out can come back by an unused invite: told" grep -E '^1 unused invite is still good.*ovpn net invites dorm' <(ov root net deauthorize dorm "${ADDRESS[eve]}")
check "it can be taken back" grep "took back the invite $SPARE_ID" <(ov root net revoke dorm "$SPARE_ID")
check "a member is no invite" says 'invites dorm shows them; a member is put out by ovpn net deauthorize' ov root net revoke dorm eve
check "not the one that is used" says "${ADDRESS[eve]} has used this invite" ov root net revoke dorm "$(json root '.invites[] | select(.state == "used").id' net invites dorm)"
ov eve leave "$(netid root dorm)" >/dev/null
ov eve join --no-wait "$SPARE" >/dev/null 2>&1
check "and lets nobody in any more" within 5 json eve '.networks[0].state == "refused" and .networks[0].reason == "bad_invite"' networks
check "all that are unused go at once" grep 'took back 1 invite$' <(ov root net revoke dorm --unused)
check "who used one stays seen" json root '[.invites[].state] == ["used"]' net invites dorm
check "no word of invites when none is left" not grep 'invite' <(ov root net deauthorize dorm "${ADDRESS[eve]}")
ov root net authorize dorm "${ADDRESS[eve]}" >/dev/null
need "eve is in again" within 5 is_ready eve
check "a mistyped invite is told so" says 'invite' ov mallory join "${INVITE%????}abcd"
check "who waited and left is seen no more" within 5 json root '[.members[].address] | index("'"${ADDRESS[mallory]}"'") == null' net members dorm
check "leaving takes the device away" eval 'D=$(device eve) && ov eve leave "$(netid root dorm)" && within 2 not on eve ip link show "$D"'
check "and the address stays eve's" eval 'json root ".members[] | select(.address == \"${ADDRESS[eve]}\").state == \"admitted\"" net members dorm'
check "she is seen to have left" within 5 grep -E "${ADDRESS[eve]} .* left (now|[0-9]+s ago)" <(ov root net members dorm)
check "she comes back by the network's id alone" ov eve join --timeout 10s "$(netid root dorm)"
check "and is seen to be back" within 5 json root '.members[] | select(.address == "'"${ADDRESS[eve]}"'") | .online and .left == null' net members dorm
check "members, for people" grep -q "${ADDRESS[alice]}.*alice" <(ov root net members dorm)
check "a name is given" eval 'ov root net name dorm "${ADDRESS[alice]}" dorm-pc && ov bob ping -c 1 "$A"'
check "the network can be deleted" ov root net delete --yes dorm
check "and its members are told" within 5 eval '[ "$(json bob ".networks[0].reason" networks)" = not_found ]'
