# shellcheck shell=bash
# lab: an internet on one machine, for tests that run the real daemon behind real NATs.
#
# A test sources this file first. The whole test then runs in its own network, mount and process
# namespaces (user namespace too when not root): names never collide with another run, nothing of the host
# is touched, and when the test ends, however it ends, the kernel takes everything down with it.
#
#   core                the routed internet, 192.0.2.1; a capture here sees all that providers see
#   site NAME IP..      a machine with public addresses on it
#   router NAME IP LAN [NAT] [CGN]   a home: bridge "lan" with LAN.1/24 inside, "wan" outside
#   host NAME ROUTER N  a machine at LAN.N on a router's LAN; again on another router: it moves there
#   nat, forget, wanip, mtu, policy, v6, igd   change a router
#   node NAME [LINE..]  an identity, a state directory and a configuration; start, stop, crash, ov
#   check, need, within, wait_for    results (TAP) and conditions; nothing ever sleeps for a fixed time
set -u -o pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT=$(cd "$HERE/../.." && pwd)
BUILD=$(cd "${BUILD:-$PROJECT/build}" && pwd)
OVPN=$BUILD/ovpn
SAN=${SAN:-0}
SLOW=${SLOW:-$((SAN ? 3 : 1))} # limits are multiplied by it
TEST=$(basename "$0" .sh)
LOG=${LAB_LOG:-$BUILD/tests/log/$TEST}
LAB=/run/lab
PATH=$PATH:/usr/sbin:/sbin
PYTHON=$(command -v /usr/bin/python3 || command -v python3)

# ---- into namespaces of our own ----

lab_enter() {
    local how probe='mount -t tmpfs lab /run && mkdir /run/netns && ip netns add t &&
        nsenter --net=/run/netns/t ip tuntap add t0 mode tap'
    for how in -nmp -Urnmp; do
        # shellcheck disable=SC2086 # flags
        if unshare $how --fork --mount-proc --kill-child sh -c "$probe" 2>/dev/null; then
            LAB_INSIDE=$how exec unshare $how --fork --mount-proc --kill-child bash "$0" "$@"
        fi
    done
    echo "# not root, and user namespaces or /dev/net/tun are not to be had"
    echo "no network lab on this machine: run as root, with /dev/net/tun"
    exit 77
}

lab_begin() {
    [ -x "$OVPN" ] || { echo "no $OVPN: run make first"; exit 1; }
    mount -t tmpfs lab /run && mkdir -p /run/netns "$LAB" || exit 1
    rm -rf "$LOG" && mkdir -p "$LOG"
    ip link set lo up
    many_users && lab_user
    trap lab_end EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
}

# As on an installed system: there is a user for the daemon, and everybody may open /dev/net/tun.
lab_user() {
    cp /etc/passwd /etc/group "$LAB/" && mkdir "$LAB/dev" &&
        sed -i '/^ovpn:/d' "$LAB/passwd" "$LAB/group" &&
        echo "ovpn:x:64793:64793::/nonexistent:/usr/sbin/nologin" >>"$LAB/passwd" &&
        echo "ovpn:x:64793:" >>"$LAB/group" &&
        mount --bind "$LAB/passwd" /etc/passwd && mount --bind "$LAB/group" /etc/group &&
        mount -t tmpfs -o mode=755 lab "$LAB/dev" && mknod -m 666 "$LAB/dev/tun" c 10 200 &&
        mount --move "$LAB/dev" /dev/net && rmdir "$LAB/dev" || exit 1
}

# Every daemon still running must end well, within its time; then the results are complete.
lab_end() {
    local code=$? name what
    trap '' TERM INT
    if [ "$FAILED" != 0 ] || [ "$code" != 0 ]; then
        for name in "${!PID[@]}"; do
            for what in status networks peers; do
                timeout 2 nsenter --net="/run/netns/$name" -- "$OVPN" -H "$LAB/$name" $what
            done >"$LOG/$name.state" 2>&1
        done
    fi
    for name in "${!PID[@]}"; do
        stop "$name" || { FAILED=1 && echo "not ok $((++CHECKS)) - $name ends well when told to"; }
    done
    echo "1..$CHECKS"
    [ "$FAILED" = 0 ] && [ "$code" = 0 ] && exit 0
    for name in "$LOG"/*.log; do
        [ -s "$name" ] && { echo "# --- $(basename "$name" .log)"; tail -n 12 "$name" | sed 's/^/#   /'; }
    done
    exit $((code ? code : 1))
}

# ---- results and conditions ----

declare -A PID ADDRESS
CHECKS=0 FAILED=0 ELAPSED=0 IDENTITIES=0

now_ms() {
    local t=$EPOCHREALTIME
    echo "${t%.*}${t#*.}" | cut -c1-13
}

# wait_for SECONDS COMMAND..: until the command succeeds; ELAPSED tells the milliseconds it took.
wait_for() {
    local start end
    start=$(now_ms)
    end=$((start + ${1%.*} * 1000 * SLOW))
    shift
    until "$@"; do
        ELAPSED=$(($(now_ms) - start))
        [ "$(now_ms)" -lt $end ] || return 1
        sleep 0.03
    done
    ELAPSED=$(($(now_ms) - start))
}

# within SECONDS COMMAND..: wait_for that says how long it took, and what it was when it failed.
within() {
    if wait_for "$@" 2>"$LOG/last"; then
        echo "after $ELAPSED ms (limit $1 s x $SLOW)"
    else
        echo "not within $1 s x $SLOW: ${*:2}"
        cat "$LOG/last"
        return 1
    fi
}

# check WORDS COMMAND..: one result. What the command printed is shown.
check() {
    local words=$1 verdict=ok
    shift
    "$@" >"$LOG/check" 2>&1 || { verdict='not ok' && FAILED=1; }
    echo "$verdict $((++CHECKS)) - $words"
    [ "$verdict" = ok ] || echo "#   failed: $*"
    tail -n 15 "$LOG/check" | cut -c1-300 | sed 's/^/#   /'
    [ "$verdict" = ok ]
}

# need WORDS COMMAND..: a check without which the rest makes no sense.
need() {
    check "$@" || { echo "# giving up: the rest needs this" && exit 1; }
}

skip() { # WORDS WHY: loudly not done
    echo "ok $((++CHECKS)) - $1 # SKIP $2"
}

not() {
    ! "$@"
}

many_users() { # not so in a namespace made without root
    awk '$3 > 1 { many = 1 } END { exit !many }' /proc/self/uid_map
}

# says TEXT COMMAND..: the command fails, and says TEXT (an extended regular expression).
says() {
    local text=$1 out code=0
    shift
    out=$("$@" 2>&1 </dev/null) || code=$?
    echo "$out"
    [ $code != 0 ] || { echo "(it succeeded)"; return 1; }
    [ $code -lt 100 ] || { echo "(it died: $code)"; return 1; }
    grep -Eqi -- "$text" <<<"$out" || { echo "(does not say: $text)"; return 1; }
}

# ---- machines ----

# spawn MACHINE COMMAND..: in the background; SPAWNED is the command itself, no shell around it, so that
# a kill reaches it.
spawn() {
    nsenter --net="/run/netns/$1" -- "${@:2}" &
    SPAWNED=$!
}

wire() { # MACHINE ARGS..: wire.py there
    on "$1" "$PYTHON" "$HERE/wire.py" "${@:2}"
}

# receive MACHINE ARGS..: a wire.py receiver in the background that listens when this returns.
receive() {
    spawn "$1" "$PYTHON" "$HERE/wire.py" "${@:2}" >"$LOG/receive" 2>&1
    RECEIVER=$SPAWNED
    wait_for 5 grep -q ready "$LOG/receive"
}

received() { # what receive() waited for came
    local code=0
    wait "$RECEIVER" || code=$?
    cat "$LOG/receive"
    return $code
}

on() { # MACHINE COMMAND..: run it there
    nsenter --net="/run/netns/$1" -- "${@:2}"
}

space() { # NAME: an empty machine that forwards
    ip netns add "$1"
    # In one shell there: /proc/sys/net is that of the reader's namespace.
    on "$1" sh -c 'ip link set lo up
        cd /proc/sys/net
        echo 1 | tee ipv4/ip_forward ipv6/conf/all/forwarding >/dev/null
        echo 0 | tee ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter \
            ipv6/conf/default/accept_dad ipv4/icmp_ratelimit >/dev/null
        # A switch inside a home router does not look into packets.
        [ ! -e bridge/bridge-nf-call-iptables ] || echo 0 | tee bridge/bridge-nf-call-* >/dev/null' || exit 1
}

# Its one hop stands for many: what has few left, as a packet that only has to open the sender's own NAT, gets
# nowhere.
core() {
    space core
    on core nft -f - <<<"table inet far {
        chain forward {
            type filter hook forward priority 0
            ip ttl < 5 drop
            ip6 hoplimit < 5 drop
        }
    }" || exit 1
}

# Machines hang off the core by a veth of their own, with /32 routes: no two share a wire.
attach() { # NAME IP..
    ip link add "c-$1" netns core type veth peer name wan netns "$1"
    plug "$@"
}

plug() { # NAME IP..: addresses and routes for the two ends of its line, which are there
    local name=$1 ip
    ip -n core addr add 192.0.2.1/32 dev "c-$name"
    ip -n core link set "c-$name" up
    ip -n "$name" link set wan up
    for ip in "${@:2}"; do
        ip -n "$name" addr add "$ip/32" dev wan
        ip -n core route add "$ip/32" dev "c-$name"
    done
    ip -n "$name" route add 192.0.2.1 dev wan src "$2"
    ip -n "$name" route add default via 192.0.2.1 dev wan onlink src "$2"
}

site() { # NAME IP..
    space "$1"
    attach "$@"
}

# router NAME IP LAN [NAT] [CGN]: LAN as in 10.0.1. With CGN, IP is one of that router's LAN.
router() {
    local name=$1 ip=$2 lan=$3 type=${4:-port} cgn=${5-}
    space "$name"
    if [ -n "$cgn" ]; then
        ip link add "l-$name" netns "$cgn" type veth peer name wan netns "$name"
        ip -n "$cgn" link set "l-$name" master lan up
        ip -n "$name" addr add "$ip/24" dev wan
        ip -n "$name" link set wan up
        ip -n "$name" route add default via "${ip%.*}.1"
    else
        attach "$name" "$ip"
    fi
    ip -n "$name" link add lan type bridge
    ip -n "$name" addr add "$lan.1/24" dev lan
    ip -n "$name" link set lan up
    nat "$name" "$type"
}

# host NAME ROUTER N: a new machine, or an old one that moves (its processes live on).
host() {
    local name=$1 router=$2 n=$3 lan
    if [ -e "/run/netns/$name" ]; then
        ip -n "$name" link del eth0
    else
        space "$name"
    fi
    lan=$(ip -n "$router" -j addr show lan | jq -r '.[0].addr_info[] | select(.family=="inet").local')
    ip link add "l-$name" netns "$router" type veth peer name eth0 netns "$name"
    ip -n "$router" link set "l-$name" master lan up
    ip -n "$name" addr add "${lan%.*}.$n/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" route add default via "$lan"
}

forget() { # ROUTER: every mapping is gone, as after a power cut (an empty IPCTNL_MSG_CT_DELETE)
    on "$1" "$PYTHON" -c 'import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack("=IHHIIBBH", 20, 258, 5, 1, 0, 0, 0, 0))
sys_error = struct.unpack("=i", s.recv(99)[16:20])[0]
assert sys_error in (0, -2), sys_error'
}

forget_any() { # ROUTER: the same, if it has any
    [ "$(on "$1" cat /proc/sys/net/netfilter/nf_conntrack_count 2>/dev/null || echo 0)" = 0 ] || forget "$1"
}

# nat ROUTER TYPE[+open][+hair]: how UDP is mapped and filtered (RFC 4787's words in brackets).
#   port      one mapping a socket, only those written to may answer  [EIM, APDF]
#   keep      the same, and the port number stays                     [EIM, APDF]
#   addr      other ports of those written to may answer              [EIM, ADF]
#   fullcone  everybody may answer                                    [EIM, EIF]
#   random    a random port for each destination: "symmetric"         [APDM, APDF]
#   adm       a port for each address written to, none like another   [ADM, APDF]
#   seq, dec  the next port up (down) for each destination            [APDM, APDF]
#   block     as random, out of the 2048 ports that a provider gives  [APDM, APDF]
#   none      no translation and no firewall
# open: what is sent to the router itself reaches it. hair: an external port can be used from inside, too
# (port and keep only). Maps remember who is behind each external port, and which external port somebody
# has; inbound flows of addr and fullcone, and those of a hairpin, go through them.
nat() {
    local router=$1 type=${2%%+*} map='masquerade to :20000-29999' key='' value='' learn='' dnat='' hair=''
    local out='oifname "wan" meta l4proto udp' ip input='iifname "wan" drop'
    ip=$(ip -n "$router" -j -4 addr show wan | jq -r '.[0].addr_info[0].local')
    case $type in
    none)
        on "$router" nft flush ruleset
        forget_any "$router"
        return
        ;;
    keep) map=masquerade ;;
    random) map='masquerade fully-random' ;;
    block) map='masquerade to :10240-12287 fully-random' ;;
    adm) map='masquerade to :jhash ip saddr . udp sport . ip daddr mod 60000 seed 7 offset 1500' ;;
    seq) map="snat $(nat_steps "$ip" 40000 1)" ;;
    dec) map="snat $(nat_steps "$ip" 60000 -1)" ;;
    addr) key='inet_service . ipv4_addr' value='udp sport . ip daddr' dnat='udp dport . ip saddr' ;;
    fullcone) key='inet_service' value='udp sport' dnat='udp dport' ;;
    port) ;;
    *) echo "nat: no type $type" >&2 && exit 1 ;;
    esac
    case $2+ in *+open+*) input='' ;; esac
    case $2+ in *+hair+*) hair=$ip key=${key:-inet_service} value=${value:-udp sport} ;; esac
    if [ -n "$key" ]; then
        learn="map inside {
            type $key : ipv4_addr . inet_service
            flags dynamic,timeout
            size 65535
        }
        map outside {
            type ipv4_addr . inet_service : ipv4_addr . inet_service
            flags dynamic,timeout
            size 65535
        }
        chain learn {
            type filter hook postrouting priority 300
            $out ct direction original update @inside { $value timeout 60s : ct original ip saddr . ct original proto-src }
            $out ct direction reply update @inside { $value timeout 60s : ct reply ip saddr . ct reply proto-src }
            $out ct direction original update @outside { ct original ip saddr . ct original proto-src timeout 60s : ip saddr . udp sport }
        }"
        [ -z "$dnat" ] || dnat="iifname \"wan\" meta l4proto udp dnat ip to $dnat map @inside"
    fi
    if [ -n "$hair" ]; then
        dnat="$dnat
            iifname \"lan\" ip daddr $hair meta l4proto udp dnat ip to udp dport map @inside"
        hair="iifname \"lan\" oifname \"lan\" ct status dnat snat ip to ip saddr . udp sport map @outside
            iifname \"lan\" oifname \"lan\" ct status dnat snat ip to $hair"
    fi
    # At once, and the old mappings go afterwards: a flow that began between two rulesets would leave with
    # its private address for as long as its sender goes on.
    on "$router" nft -f - <<<"flush ruleset
    table ip nat {
        $learn
        chain pre {
            type nat hook prerouting priority -100
            $dnat
        }
        chain post {
            type nat hook postrouting priority 100
            $hair
            $out $map
            oifname \"wan\" masquerade
        }
    }
    # (58 is ICMPv6: /etc/protocols, which has the name, may not be there)
    table inet firewall {
        chain input {
            type filter hook input priority 0
            meta l4proto 58 accept
            iifname \"wan\" ct state established,related accept
            $input
        }
        chain forward {
            type filter hook forward priority 0
            ct state established,related accept
            ct status dnat accept
            iifname \"wan\" drop
        }
    }" || exit 1
    forget_any "$router"
}

nat_steps() { # IP FIRST STEP: one after the other. (masquerade to :numgen counts in the wrong byte order.)
    echo "ip addr . port to numgen inc mod 2000 map {"
    seq "$2" "$3" $(($2 + 1999 * $3)) | awk -v ip="$1" '{ print NR - 1 ": " ip " . " $1 "," }'
    echo "}"
}

policy() { # ROUTER RULES: more filtering of what it forwards; "" takes it away
    on "$1" nft "add table inet rules; delete table inet rules"
    [ -z "$2" ] || on "$1" nft -f - <<<"table inet rules {
        chain forward {
            type filter hook forward priority 10
            $2
        }
    }"
}

igd() { # ROUTER: it opens ports for those who ask: UPnP, NAT-PMP and PCP (its WAN address must look public)
    local dir=$LAB/igd-$1
    mkdir -p "$dir"
    on "$1" nft -f - <<<"table inet igd {
        chain forward {
            type filter hook forward priority -1
            jump opened
        }
        chain opened {
        }
        chain prerouting {
            type nat hook prerouting priority -101
            jump mapped
        }
        chain mapped {
        }
        chain postrouting {
            type nat hook postrouting priority 99
            jump leaving
        }
        chain leaving {
        }
    }" || exit 1
    printf '%s\n' ext_ifname=wan listening_ip=lan enable_upnp=yes enable_natpmp=yes http_port=5000 \
        system_uptime=yes notify_interval=3600 secure_mode=yes upnp_table_name=igd upnp_nat_table_name=igd \
        upnp_forward_chain=opened upnp_nat_chain=mapped upnp_nat_postrouting_chain=leaving \
        "lease_file=$dir/leases" uuid=6f766e70-0000-4000-8000-000000000001 >"$dir/conf"
    spawn "$1" miniupnpd -d -f "$dir/conf" -P "$dir/pid" >"$LOG/igd-$1.log" 2>&1
    wait_for 5 eval 'on '"$1"' ss -Hlun sport = 5351 | grep -q .' || { echo "# no IGD on $1" && exit 1; }
}

wanip() { # ROUTER OLD NEW: the provider gives another address
    ip -n core route add "$3/32" dev "c-$1"
    ip -n "$1" addr add "$3/32" dev wan
    ip -n "$1" route replace default via 192.0.2.1 dev wan onlink src "$3"
    ip -n "$1" route replace 192.0.2.1 dev wan src "$3"
    ip -n "$1" addr del "$2/32" dev wan
    ip -n core route del "$2/32" dev "c-$1"
}

mtu() { # ROUTER BYTES: of its way to the internet
    ip -n "$1" link set wan mtu "$2"
    ip -n core link set "c-$1" mtu "$2"
}

v6() { # ROUTER PREFIX: IPv6 for the router's LAN (PREFIX::/64), stateful firewall as nat() made it
    ip -n core -6 addr add fe80::1/64 dev "c-$1" nodad
    ip -n "$1" -6 addr add fe80::2/64 dev wan nodad
    ip -n core -6 route add "$2::/64" via fe80::2 dev "c-$1"
    ip -n "$1" -6 route add default via fe80::1 dev wan
    ip -n "$1" -6 addr add "$2::1/64" dev lan nodad
}

host6() { # HOST PREFIX N
    ip -n "$1" -6 addr add "$2::$3/64" dev eth0 nodad
    ip -n "$1" -6 route add default via "$2::1"
}

# ---- watching the internet ----

capture() { # FILE: every frame that crosses the core, until capture_end
    spawn core "$PYTHON" "$HERE/wire.py" capture "$1" >"$LOG/capture" 2>&1
    CAPTURE=$SPAWNED CAPTURED=$1
    wait_for 5 grep -q ready "$LOG/capture"
}

capture_end() { # once all that was sent before is in the file
    local mark="end of capture $RANDOM$RANDOM"
    wait_for 10 eval 'wire core udp-send 20.0.0.1 9 "$mark"; grep -aq "$mark" "$CAPTURED"' || return 1
    kill "$CAPTURE"
    wait "$CAPTURE" 2>/dev/null
    return 0
}

# ---- nodes ----

# identity DIR: one from the pool in BUILD, made when it is not there (about a second of work each).
identity() {
    local pool=$BUILD/tests/ids n=$((++IDENTITIES))
    mkdir -p "$pool"
    (
        flock 9
        [ -d "$pool/$n" ] || {
            rm -rf "$pool/$n.new"
            "$OVPN" id new -H "$pool/$n.new" && mv "$pool/$n.new" "$pool/$n"
        }
    ) 9>"$pool/$n.lock" >"$LOG/identity.log" 2>&1 || { cat "$LOG/identity.log" && exit 1; }
    mkdir -p "$1" && chmod 700 "$1" && cp -a "$pool/$n/." "$1/"
}

node() { # NAME [CONFIG LINE..]
    identity "$LAB/$1"
    printf '%s\n' "${@:2}" >"$LAB/$1.conf"
}

server() { # NAME IP: a root that is a controller too, as small installations have it
    node "$1" "[node]" "name = $1" "[root]" "enabled = yes" "public = $2:4793" \
        "[controller]" "enabled = yes"
}

ov() { # NAME ARGS..: the command line, as its user types it
    on "$1" "$OVPN" -H "$LAB/$1" "${@:2}"
}

answers() {
    ov "$1" --json status >/dev/null 2>&1
}

launch() { # NAME: the daemon, without waiting for it
    nsenter --net="/run/netns/$1" -- "$OVPN" service -H "$LAB/$1" -c "$LAB/$1.conf" \
        >>"$LOG/$1.log" 2>&1 &
    PID[$1]=$!
}

start() { # NAME..: daemons that answer
    local name
    for name; do
        launch "$name"
    done
    for name; do
        wait_for 10 answers "$name" || { echo "# $name does not come up" && return 1; }
        ADDRESS[$name]=$(ov "$name" --json status | jq -r .address)
    done
}

stop() { # NAME: as init does; it has 5 s and must end with 0
    local pid=${PID[$1]} code=0
    unset "PID[$1]"
    kill "$pid" 2>/dev/null
    wait_for 5 not kill -0 "$pid" 2>/dev/null || { kill -9 "$pid" && echo "# $1: killed"; }
    wait "$pid" || code=$?
    [ $code = 0 ] || echo "# $1: daemon ended with $code"
    return $code
}

crash() { # NAME
    local pid=${PID[$1]}
    unset "PID[$1]"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
    return 0
}

alive() {
    kill -0 "${PID[$1]}"
}

json() { # NAME FILTER ARGS..: what `ovpn --json ARGS` says, through jq; fails on null and false
    ov "$1" --json "${@:3}" | jq -er "$2"
}

netid() { # CONTROLLER NAME
    json "$1" '.netid // .networks[0].netid' net show "$2"
}

is_ready() { # NODE [NETID]
    [ "$(json "$1" '[.networks[] | select(.netid | startswith("'"${2-}"'"))][0].state' networks 2>&1)" = ready ]
}

state_of() { # NODE: of its first network
    json "$1" '.networks[0].state' networks
}

in_state() { # NODE STATE
    [ "$(state_of "$1")" = "$2" ]
}

ip4() { # NODE [NETID]: its overlay address
    json "$1" '[.networks[] | select(.netid | startswith("'"${2-}"'"))][0].addresses[0] | split("/")[0]' networks
}

ip6() {
    json "$1" '[.networks[].addresses[] | select(contains(":"))][0] | split("/")[0]' networks
}

device() {
    json "$1" '.networks[0].device' networks
}

path() { # NODE PEER: direct, relay or none
    json "$1" '[.peers[] | select(.address=="'"${ADDRESS[$2]}"'")][0].path' peers
}

is_path() { # NODE PEER PATH
    [ "$(path "$1" "$2")" = "$3" ]
}

pings() { # NODE IP: one is answered
    on "$1" ping -n -q -c 1 -W 0.3 "$2" >/dev/null
}

member_state() { # CONTROLLER NET NODE
    json "$1" '[.members[] | select(.address=="'"${ADDRESS[$3]}"'")][0].state' net members "$2"
}

is_member() { # CONTROLLER NET NODE STATE
    [ "$(member_state "$1" "$2" "$3")" = "$4" ]
}

# admit CONTROLLER NET NODE..: the nodes have asked; let them in.
admit() {
    local name
    for name in "${@:3}"; do
        wait_for 10 is_member "$1" "$2" "$name" pending || return 1
        ov "$1" net authorize "$2" "${ADDRESS[$name]}" || return 1
    done
}

# join SERVER HOST NET NODE..: by netid and host, admitted, ready.
join() {
    local server=$1 where=$2 net=$3 id name
    shift 3
    id=$(netid "$server" "$net") || return 1
    for name; do
        ov "$name" join --no-wait "$id@$where" || return 1
    done
    admit "$server" "$net" "$@" || return 1
    for name; do
        wait_for 10 is_ready "$name" "$id" || return 1
    done
}

# two_homes [NAT] [NAT]: server "root" at 20.0.0.1 with network "dorm"; alice and bob behind routers ra
# (20.0.1.1) and rb (20.0.2.1), their daemons up, not joined yet.
two_homes() {
    core
    site root 20.0.0.1
    router ra 20.0.1.1 10.0.1 "${1:-port}"
    host alice ra 2
    router rb 20.0.2.1 10.0.2 "${2:-port}"
    host bob rb 2
    server root 20.0.0.1
    node alice "[node]" "name = alice"
    node bob "[node]" "name = bob"
    need "daemons come up" start root alice bob
    need "a network is made" ov root net create dorm
}

# two_joined [NAT] [NAT]: and joined. A and B are their overlay addresses.
two_joined() {
    two_homes "$@"
    need "both homes join" join root 20.0.0.1:4793 dorm alice bob
    A=$(ip4 alice) B=$(ip4 bob)
}

[ -n "${LAB_INSIDE-}" ] || lab_enter "$@"
lab_begin
