#!/bin/bash
# A router that forwards a port when asked: the real miniupnpd, by PCP, NAT-PMP and UPnP. Two homes that could
# never punch (both NATs symmetric) reach each other directly through it. And routers that lie or hang.
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
    ROUTER=$SPAWNED
}

upnpd_kill() { # the way power cuts do
    kill -9 "$ROUTER"
    wait "$ROUTER" 2>/dev/null
    return 0
}

forwards() { # ROUTER HOST: does its ruleset forward a UDP port to HOST?
    on "$1" nft list chain inet filter prerouting_miniupnpd | tee "$LOG/chain" | grep "dnat ip to $2:"
}

is_mapped() { # NODE PROTOCOL
    json "$1" '.port_mapping | select(.state == "mapped" and .protocol == "'"$2"'").external' status
}

restart_bob() {
    stop bob && start bob && wait_for 10 is_ready bob
}

renewed() { # NODE TIMES
    json "$1" ".port_mapping.renewals >= $2" status
}

two_homes random random
wanip ra 20.0.1.1 20.0.0.10
need "both homes join" join root 20.0.0.1:4793 dorm alice bob
A=$(ip4 alice) B=$(ip4 bob)
need "without a mapping they reach each other" within 2 pings bob "$A"
check "by the relay only" is_path bob alice relay
check "and it is told why" eval 'within 4 json alice ".port_mapping.problem == \"no router answered\"" status && ov alice status | grep "port mapping: none: no router answered"'
check "a root with a public address asks nobody" json root '.port_mapping.state == "unneeded"' status

# all_of PROTOCOL MIN_RENEWALS LINE..: the life of a mapping.
all_of() {
    local protocol=$1 renewals=$2
    shift 2
    upnpd ra "$@"
    check "$protocol: mapped as soon as the router can" within 10 is_mapped alice "$protocol"
    check "$protocol: the router forwards it" forwards ra 10.0.1.2
    check "$protocol: status tells it" eval 'ov alice status | grep "port mapping: 20.0.0.10:[0-9]* by '"$protocol"', renewed in"'
    check "$protocol: direct" eval 'restart_bob && within 2 pings bob '"$A"' && within 2 is_path bob alice direct'
    check "$protocol: through the mapping" json bob '.peers[] | select(.address == "'"${ADDRESS[alice]}"'").remote == "'"$(is_mapped alice "$protocol")"'"' peers
    [ "$renewals" = 0 ] || check "$protocol: renewed" eval 'within 20 renewed alice '"$renewals"' && forwards ra 10.0.1.2'
    upnpd_kill
    upnpd_chains ra
    check "$protocol: (the router forgot it)" not forwards ra 10.0.1.2
    upnpd ra "$@"
    check "$protocol: made again after the router's restart" within 15 forwards ra 10.0.1.2
    check "$protocol: removed at the end" eval 'stop alice; not forwards ra 10.0.1.2'
    upnpd_kill
    upnpd_chains ra
    start alice
}
all_of PCP 2 enable_natpmp=yes enable_upnp=no min_lifetime=2 max_lifetime=10
# (PCP's version is 2, NAT-PMP's 0)
on ra nft add rule inet firewall input iifname lan udp dport 5351 @th,64,8 2 drop
all_of NAT-PMP 0 enable_natpmp=yes enable_upnp=no
all_of UPnP 0 enable_natpmp=no enable_upnp=yes

# Routers that are none.
fake() { # MODE: one at the router's address, alice's daemon started anew
    PORTMAP=$LOG/fake-$1
    spawn ra "$PYTHON" "$HERE/igd.py" "$1" 10.0.1.1 >"$PORTMAP" 2>&1
    ROUTER=$SPAWNED
    wait_for 10 grep -q ready "$PORTMAP"
    stop alice && start alice
}

has_problem() { # TEXT
    json alice '.port_mapping.problem == "'"$1"'"' status
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

# is_bad MODE LIMIT PROBLEM: what it does to us, and what it does not.
is_bad() {
    need "$1: (it is there)" fake "$1"
    [ "$1" = foreign ] || check "$1: it is asked" within 12 grep -q connection "$PORTMAP"
    check "$1: meanwhile commands are answered at once" quick 300 ov alice status
    check "$1: and pings" within 2 pings bob "$A"
    check "$1: status tells" within "$2" has_problem "$3"
    check "$1: no mapping is claimed" not json alice '.port_mapping.state == "mapped"' status
    check "$1: the daemon ends in time" quick 2000 stop alice
    upnpd_kill
    start alice
}
on ra nft flush chain inet firewall input
stop alice && start alice
is_bad hangs 5 "it takes too long to answer"
is_bad trickles 5 "it takes too long to answer"
is_bad huge 5 "its answer is too long"
is_bad garbage 12 "its answer is no HTTP"
is_bad elsewhere 5 "its description names no internet connection of its own"
is_bad foreign 5 "no router answered"
is_bad loopback 5 "the router has no address outside"

# And two that are odd, but work.
need "works: (it is there)" fake works
check "works: mapped by another port, for ever" eval 'within 5 is_mapped alice UPnP && json alice ".port_mapping | select(.lease_s == null and .external != \"20.0.0.10:\(.port)\").external" status && [ "$(grep -c add "$PORTMAP")" = 1 ]'
check "works: ends in time" quick 2000 stop alice
check "works: removed at the end" eval '[ "$(sed -n "s/add //p" "$PORTMAP")" = "$(sed -n "s/delete //p" "$PORTMAP")" ]'
upnpd_kill
start alice
need "forgets: (it is there)" fake forgets
check "forgets: is believed" within 5 is_mapped alice UPnP
# It hangs just when the mapping is to be removed.
kill -STOP "$ROUTER"
check "forgets: hangs at the end, which is in time all the same" quick 2500 stop alice
kill -CONT "$ROUTER"
upnpd_kill
start alice

# Switched off.
stop alice
printf '%s\n' "[node]" "name = alice" "portmap = no" >"$LAB/alice.conf"
upnpd ra enable_natpmp=yes enable_upnp=yes
start alice
check "switched off: nothing is asked for" eval 'ov alice status | grep "port mapping: off" && within 2 pings bob '"$A"' && not forwards ra 10.0.1.2'
upnpd_kill
