#!/bin/bash
# Two homes behind port-restricted NATs: from nothing to a direct LAN, and what people are shown of it.
. "$(dirname "$0")/lab.sh"
two_homes port port

id=$(netid root dorm)
check "a join tells what it waits for" ov alice join --no-wait "$id@20.0.0.1:4793"
check "another home joins" ov bob join --no-wait "$id@20.0.0.1:4793"
need "the owner sees both asking" wait_for 5 eval 'is_member root dorm alice pending && is_member root dorm bob pending'
check "who is not admitted is told so" within 2 in_state alice waiting
check "and why: a person must act" json alice '.networks[0].message | test("admit|owner|authoriz")' networks

need "alice is admitted" admit root dorm alice
check "alice's network is ready" within 2 is_ready alice
ov root net authorize dorm "${ADDRESS[bob]}" >/dev/null
need "bob's network is ready" within 1 is_ready bob
A=$(ip4 alice) B=$(ip4 bob)
need "first ping is answered < 1 s after admission" within 1 pings alice "$B"
check "direct < 2 s, seen from alice" within 2 is_path alice bob direct
check "direct < 2 s, seen from bob" within 2 is_path bob alice direct
check "and the other way" pings bob "$A"

check "peers: address, path, remote, round trip, cipher" json alice '.peers[] |
    select(.address == "'"${ADDRESS[bob]}"'") |
    .session and .path == "direct" and (.remote | startswith("20.0.2.1:")) and .rtt_ms > 0 and
    .rtt_ms < 1000 and (.cipher | test("AES-256-GCM|ChaCha20-Poly1305")) and .rx_bytes > 0 and
    .tx_bytes > 0 and .via == null and (.networks[0].addresses[0] | startswith("'"$B"'"))' peers
check "peers: the root is told as such" json alice '.peers[] | select(.address == "'"${ADDRESS[root]}"'") |
    .roles | index("root") != null' peers
check "peers, for people: DIRECT" grep -q "${ADDRESS[bob]}.*DIRECT" <(ov alice peers)
check "status: node and root" json alice '.address == "'"${ADDRESS[alice]}"'" and .uptime_s >= 0 and
    .networks == 1 and .sessions >= 2 and .roots[0].online and (.roots[0].seen_as | startswith("20.0.1.1:")) and
    .traffic.tx_frames > 0 and .traffic.rx_datagrams > 0' status
check "networks: device, MTU, addresses" json alice '.networks[0] | .name == "dorm" and .mtu >= 1280 and
    .device_problem == null and (.mac | test("^[0-9a-f:]{17}$")) and (.addresses | length) == 2 and
    .controller.address == "'"${ADDRESS[root]}"'"' networks
check "the device is up and has the address" grep -q "inet $A/24" <(on alice ip addr show "$(device alice)" up)
check "ovpn ping by member name or address" ov alice ping -c 1 "${ADDRESS[bob]}"
check "ovpn ping by overlay address" json alice .answered ping -c 1 "$B"

# A node that knows its network.
check "bob's daemon ends well" stop bob
start=$(now_ms)
launch bob
need "a node with a remembered network has its first ping answered" wait_for 5 pings bob "$A"
check "  < 1 s after its daemon started: $(($(now_ms) - start)) ms" test $(($(now_ms) - start)) -lt $((1000 * SLOW))
check "and it is direct again" within 3 is_path bob alice direct
check "with the same address" test "$(ip4 bob)" = "$B"

# Who is gone.
need "bob goes" stop bob
gone() {
    ov alice ping -c 1 "${ADDRESS[bob]}" >/dev/null
    ov alice peers | tee "$LOG/peers" | grep -E "^${ADDRESS[bob]} +$B +- +- +seen [0-9]+[sm] ago"
}
check "it is told when he was last seen" within 30 gone
