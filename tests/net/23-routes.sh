#!/bin/bash
# A network's owner cannot take a member's Internet: addresses and routes are private unless consented.
. "$(dirname "$0")/lab.sh"
two_joined
GREEDY="0.0.0.0/1, 128.0.0.0/1, 20.0.0.1/32, 169.254.169.254/32, ::/0, 192.168.77.0/24 via $B"
DEV=$(device alice)

routes() { # NODE: what its networks put into its tables
    { ip -n "$1" route show proto 79 && ip -n "$1" -6 route show proto 79; } | awk '{ print $1 }' | sort | xargs
}

gets() { # NODE ROUTES
    [ "$(routes "$1")" = "$2" ]
}

need "a greedy owner" ov root net set dorm routes "$GREEDY"
check "only the private route is taken" within 3 gets alice 192.168.77.0/24
check "the server is still reached outside" eval '! ip -n alice route get 20.0.0.1 | grep -q "$DEV"'
check "the user is told" within 2 eval 'ov alice networks | grep -q "0.0.0.0/1 is refused.*routes = all"'
check "and programs too" json alice '.networks[0].device_problem | test("refused")' networks
check "once in the log" eval '[ "$(grep -c "is refused" "$LOG/alice.log")" = 1 ]'
check "traffic goes on" within 2 pings alice "$B"
ov alice leave "$(netid root dorm)" >/dev/null
check "joining it works" eval 'ov alice join --timeout 10s "$(netid root dorm)@20.0.0.1" 2>"$LOG/join"'
check "and tells" grep -q "is refused" "$LOG/join"
ov root net set dorm routes none >/dev/null
check "it is over when the routes are gone" within 3 json alice '.networks[0].device_problem == null' networks
check "and so are they" gets alice ""

sed -i '/^\[node\]/a routes = none' "$LAB/alice.conf"
stop alice && start alice || exit 1
need "no routes at all" within 3 is_ready alice
ov root net set dorm routes "192.168.77.0/24 via $B" >/dev/null
check "the user is told whose word it was" within 3 eval 'ov alice networks | grep -q "192.168.77.0/24 is refused.*routes = none"'
check "and has none" gets alice ""
sed -i 's/^routes = none/routes = all/' "$LAB/alice.conf"
stop alice && start alice || exit 1
ov root net set dorm routes "198.51.100.0/24 via $B" >/dev/null
check "all means all" within 5 gets alice 198.51.100.0/24
check "without complaint" json alice '.networks[0].device_problem == null' networks

check "the owner is told of a public pool" eval 'ov root net set dorm pool 8.0.0.0/8 | grep -q "pool 8.0.0.0/8 is not private"'
check "a public pool is no address for bob" within 3 eval 'ov bob networks | grep -q "address 8.0.0.*/8 is refused"'
check "and takes no traffic of his" eval '! ip -n bob route get 8.8.8.8 | grep -q "$(device bob)"'
ov bob leave "$(netid root dorm)" >/dev/null
ov bob join --timeout 10s "$(netid root dorm)@20.0.0.1" >"$LAB/join" 2>&1
check "joining does not tell it as his" eval 'grep -q "^joined dorm" "$LAB/join" && ! grep -q "as 8\." "$LAB/join"'

# The subnet of the network is that of the home, or a public one.
json_doctor() { # NODE JQ: of its report, well or not
    ov "$1" doctor --json >"$LOG/doctor.json" || true
    jq -e "$2" "$LOG/doctor.json"
}
need "no route is in the way of what follows" ov root net set dorm routes none
need "the network moves into alice's LAN" ov root net set dorm pool 10.0.1.0/24
check "her address is left out, and not shown as hers" within 5 json alice \
    '.networks[0] | .left_out[0].reason == "taken" and (.addresses | length) == 1 and (.addresses[0] | test(":"))' networks
check "the table tells" eval 'ov alice networks | grep -q "ready, without its IPv4 address .*ovpn.* fd"'
check "doctor knows why, and what to do" json_doctor alice \
    '.verdict == "subnet_taken" and (.words | test("interface eth0")) and any(.advice[]; contains("ovpn net set dorm pool 192.168.99.0/24"))'
ov alice leave "$(netid root dorm)" >/dev/null
ov alice join --timeout 10s "$(netid root dorm)@20.0.0.1" >"$LAB/join" 2>&1
check "joining does not tell it as hers" eval 'grep -q "^joined dorm as fd" "$LAB/join" && grep -q "10.0.1.*left out" "$LAB/join"'
need "the cure" ov root net set dorm pool 192.168.99.0/24
check "helps" within 5 json_doctor alice '.verdict != "subnet_taken" and .outcome != "broken" and .networks[0].left_out == []'
need "a public subnet" ov root net set dorm pool 8.8.8.0/24
check "doctor says that it is refused here" within 5 json_doctor bob \
    '.verdict == "address_refused" and (.words | test("routes = all")) and any(.advice[]; contains("ovpn net set dorm pool"))'
