#!/bin/bash
# A router that forwards a port when asked: the real miniupnpd, by PCP, NAT-PMP and UPnP. Two homes that could
# never punch (both NATs symmetric) reach each other directly through it. And routers that lie or hang.
#
# Three homes with a router each, so that what takes its time does so in all of them at once.
. "$(dirname "$0")/lab.sh"
IGD=/usr/sbin/miniupnpd
[ -x $IGD ] || { echo "no miniupnpd: run packaging/deps check"; exit 1; }

# upnpd_chains ROUTER: the table that miniupnpd writes into, empty; as after the router's restart.
upnpd_chains() {
    on "$1" nft -f - <<<"add table inet filter
        delete table inet filter
        table inet filter {
            chain forward { type filter hook forward priority 0; jump miniupnpd; }
            chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
            chain postrouting { type nat hook postrouting priority 90; jump postrouting_miniupnpd; }
            chain miniupnpd { }
            chain prerouting_miniupnpd { }
            chain postrouting_miniupnpd { }
        }"
}

# upnpd ROUTER LINE..: its miniupnpd, with these lines of configuration.
upnpd() {
    upnpd_chains "$1"
    printf '%s\n' ext_ifname=wan listening_ip=lan secure_mode=yes system_uptime=no \
        uuid=2b5b13f1-1be8-4d36-a273-86101211bca5 "${@:2}" >"$LAB/$1.igd"
    spawn "$1" $IGD -d -f "$LAB/$1.igd" -P "$LAB/$1.igd.pid" >>"$LOG/igd-$1.log" 2>&1
    DAEMON[$1]=$SPAWNED
}

router_dies() { # ROUTER: what serves on it, the way power cuts do
    kill -9 "${DAEMON[$1]}"
    wait "${DAEMON[$1]}" 2>/dev/null
    return 0
}

forwards() { # HOME: does its router's ruleset forward a UDP port to it?
    on "${ROUTER[$1]}" nft list chain inet filter prerouting_miniupnpd | tee "$LOG/chain" | grep "dnat ip to ${LOCAL[$1]}:"
}

mapping() { # HOME: its external address, by the protocol that its router has
    json "$1" '.port_mapping | select(.state == "mapped" and .protocol == "'"${PROTOCOL[$1]}"'").external' status
}

restart() { # NODE..
    local name
    for name; do
        stop "$name" || return 1
    done
    start "$@"
}

declare -A DAEMON OVERLAY
HOMES=(alice carol dave)
declare -A ROUTER=([alice]=ra [carol]=rc [dave]=rd) LOCAL=([alice]=10.0.1.2 [carol]=10.0.3.2 [dave]=10.0.4.2) \
    PROTOCOL=([alice]=PCP [carol]=NAT-PMP [dave]=UPnP)
LEASE=8

home() { # NODE N: with a symmetric NAT whose address looks public to miniupnpd
    router "r${1:0:1}" "20.0.0.1$2" "10.0.$2" random
    host "$1" "r${1:0:1}" 2
}

core
site root 20.0.0.1
server root 20.0.0.1
home alice 1
home bob 2
home carol 3
home dave 4
for name in "${HOMES[@]}" bob; do
    node "$name" "[node]" "name = $name" "portmap_lease = $LEASE"
done
need "daemons come up" start root "${HOMES[@]}" bob
need "a network is made" ov root net create dorm
need "all homes join" join root 20.0.0.1:4793 dorm "${HOMES[@]}" bob
for name in "${HOMES[@]}"; do
    OVERLAY[$name]=$(ip4 "$name")
done
need "without a mapping they reach each other" within 2 pings bob "${OVERLAY[alice]}"
check "by the relay only" is_path bob alice relay
check "and it is told why" eval 'within 4 json alice ".port_mapping.problem == \"no router answered\"" status && ov alice status | grep "port mapping: none: no router answered"'
check "a root with a public address asks nobody" json root '.port_mapping.state == "unneeded"' status

# The life of a mapping, by each protocol.
serve() { # HOME: its router forwards when asked
    case $1 in
    alice) upnpd ra enable_natpmp=yes enable_upnp=no min_lifetime=2 ;;
    carol) upnpd rc enable_natpmp=yes enable_upnp=no ;;
    dave) upnpd rd enable_natpmp=no enable_upnp=yes ;;
    esac
}

# Half of its life is what it waits at most; by its end, when the router forgets it, it was prolonged twice. (One
# that was lost between, and made anew, would be counted from 0.)
at_half_life() { # HOME
    json "$1" '.port_mapping | (.lease_s | . > '$LEASE' / 2 and . <= '$LEASE') and .renew_s <= '$LEASE' / 2' status
}
renewed() { # HOME
    within 20 json "$1" '.port_mapping.renewals >= 2' status && forwards "$1" && mapping "$1" && at_half_life "$1" &&
        not grep "the port mapping is lost" "$LOG/$1.log"
}
goes_through() { # HOME
    within 2 pings bob "${OVERLAY[$1]}" && within 2 is_path bob "$1" direct &&
        json bob '.peers[] | select(.address == "'"${ADDRESS[$1]}"'").remote == "'"$(mapping "$1")"'"' peers
}

# (PCP's version is 2, NAT-PMP's 0)
on rc nft add rule inet firewall input iifname lan udp dport 5351 @th,64,8 2 drop
for name in "${HOMES[@]}"; do
    serve "$name"
done
for name in "${HOMES[@]}"; do
    check "${PROTOCOL[$name]}: mapped as soon as the router can" within 10 mapping "$name"
    check "${PROTOCOL[$name]}: the router forwards it" forwards "$name"
    check "${PROTOCOL[$name]}: status tells it" eval 'ov '"$name"' status | grep "port mapping: 20.0.0.1[0-9]:[0-9]* by '"${PROTOCOL[$name]}"', renewed in"'
done
need "(bob forgets all of them)" restart bob
for name in "${HOMES[@]}"; do
    check "${PROTOCOL[$name]}: direct, through the mapping" goes_through "$name"
done
for name in "${HOMES[@]}"; do
    check "${PROTOCOL[$name]}: renewed at half of its life, and again" renewed "$name"
done
for name in "${HOMES[@]}"; do
    router_dies "${ROUTER[$name]}"
    upnpd_chains "${ROUTER[$name]}"
    check "${PROTOCOL[$name]}: (the router forgot it)" not forwards "$name"
    serve "$name"
done
for name in "${HOMES[@]}"; do
    check "${PROTOCOL[$name]}: made again after the router's restart" within 15 forwards "$name"
    check "${PROTOCOL[$name]}: removed at the end" eval 'stop '"$name"' && not forwards '"$name"
    router_dies "${ROUTER[$name]}"
    upnpd_chains "${ROUTER[$name]}"
done
on rc nft flush chain inet firewall input

# Routers that are none: one at each home, their daemons started anew.
fakes() { # MODE MODE MODE
    local i name
    for i in 0 1 2; do
        name=${HOMES[i]} MODE[$name]=${*:i+1:1}
        spawn "${ROUTER[$name]}" "$PYTHON" "$HERE/igd.py" "${MODE[$name]}" "${LOCAL[$name]%.2}.1" >"$(asked "$name")" 2>&1
        DAEMON[${ROUTER[$name]}]=$SPAWNED
    done
    for name in "${HOMES[@]}"; do
        wait_for 10 grep -q ready "$(asked "$name")" || return 1
    done
    start "${HOMES[@]}"
}
declare -A MODE
asked() { # HOME: the file that has what its router was asked
    echo "$LOG/fake-${MODE[$1]}"
}

has_problem() { # NODE TEXT
    json "$1" '.port_mapping.problem == "'"$2"'"' status
}

# quick LIMIT_MS COMMAND..: it succeeds within the time.
quick() {
    local start ms
    start=$(now_ms)
    "${@:2}" >/dev/null || return 1
    ms=$(($(now_ms) - start))
    echo "took $ms ms (limit $1 x $SLOW)"
    [ $ms -lt $(($1 * SLOW)) ]
}

is_served() { # HOME: whatever its router does
    local mode=${MODE[$1]}
    [ "$mode" = foreign ] || check "$mode: it is asked" within 12 grep -q connection "$(asked "$1")"
    check "$mode: meanwhile commands are answered at once" quick 300 ov "$1" status
    check "$mode: and pings" within 2 pings bob "${OVERLAY[$1]}"
}

is_bad() { # HOME LIMIT PROBLEM
    local mode=${MODE[$1]}
    check "$mode: status tells" within "$2" has_problem "$1" "$3"
    check "$mode: no mapping is claimed" not json "$1" '.port_mapping.state == "mapped"' status
    check "$mode: the daemon ends in time" quick 2000 stop "$1"
    router_dies "${ROUTER[$1]}"
}

host neighbour rd 9
spawn neighbour "$PYTHON" "$HERE/igd.py" forgets "${LOCAL[dave]%.2}.9" >"$LOG/neighbour-igd" 2>&1
NEIGHBOUR=$SPAWNED
need "(three bad routers, and a neighbour that poses as one)" fakes hangs trickles foreign
for name in "${HOMES[@]}"; do
    is_served "$name"
done
is_bad alice 5 "it takes too long to answer"
is_bad carol 5 "it takes too long to answer"
is_bad dave 5 "no router answered"
check "a neighbour that says it is the router is not asked" eval 'grep -q ready "$LOG/neighbour-igd" && not grep -q add "$LOG/neighbour-igd"'
kill "$NEIGHBOUR"
need "(three more)" fakes huge garbage elsewhere
for name in "${HOMES[@]}"; do
    is_served "$name"
done
is_bad alice 5 "its answer is too long"
is_bad carol 12 "its answer is no HTTP"
is_bad dave 5 "its description names no internet connection of its own"

# Two that are odd, but work. (What is only like a router is one by UPnP.)
PROTOCOL[carol]=UPnP
need "(another bad one, and two that are odd)" fakes loopback works forgets
is_served alice
is_bad alice 5 "the router has no address outside"
check "works: mapped by another port, for ever" eval 'within 5 mapping carol && json carol ".port_mapping | select(.lease_s == null and .external != \"20.0.0.10:\(.port)\").external" status && [ "$(grep -c add "$(asked carol)")" = 1 ]'
check "works: ends in time" quick 2000 stop carol
check "works: removed at the end" eval '[ "$(sed -n "s/add //p" "$(asked carol)")" = "$(sed -n "s/delete //p" "$(asked carol)")" ]'
check "forgets: is believed" within 5 mapping dave
# It hangs just when the mapping is to be removed.
kill -STOP "${DAEMON[rd]}"
check "forgets: hangs at the end, which is in time all the same" quick 2500 stop dave
kill -CONT "${DAEMON[rd]}"
router_dies rc
router_dies rd

# Switched off.
printf '%s\n' "[node]" "name = alice" "portmap = no" >"$LAB/alice.conf"
upnpd ra enable_natpmp=yes enable_upnp=yes
need "(it starts again)" start alice
check "switched off: nothing is asked for" eval 'ov alice status | grep "port mapping: off" && within 2 pings bob '"${OVERLAY[alice]}"' && not forwards alice'
router_dies ra
