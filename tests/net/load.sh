# shellcheck shell=bash
# load: a lab whose members move much data, for tests that source this file.
#
# Every case moves LOAD_MB, both ways at once, and compares what came by SHA-256. Members are alice and
# bob, with public addresses of both families; bob's line goes through the machine "line", where it is
# straight (a bridge), or crooked: real datagrams come late, twice or not at all (line.c).
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

LOAD_MB=${LOAD_MB:-$((SAN ? 6 : 16))}
LINE=$BUILD/tests/net/line
PORT=5000
QUIET=$((20 * SLOW)) # seconds without any byte: the case has failed

data() { # FILE MB
    head -c $(($2 * 1000000 + 4096)) /dev/urandom >"$1"
}

# load KIND FROM TO IP LISTENER'S ARGS.. -- CONNECTOR'S ARGS..: both sides of load.py
load() {
    local kind=$1 from=$2 to=$3 ip=$4 limit=$(((90 + LOAD_MB) * SLOW)) code=0 listen=()
    shift 4
    while [ "$1" != -- ]; do
        listen+=("$1")
        shift
    done
    spawn "$to" timeout $limit "$PYTHON" "$HERE/load.py" "$kind-listen" $((++PORT)) "${listen[@]}" >"$LOG/listener" 2>&1
    local listener=$SPAWNED
    wait_for 5 grep -q ready "$LOG/listener" || code=1
    on "$from" timeout $limit "$PYTHON" "$HERE/load.py" "$kind-connect" "$ip" $PORT "${@:2}" || code=1
    wait "$listener" || code=1
    grep -v ready "$LOG/listener"
    return $code
}

move() { # FROM TO IP [FLOWS]: DATA, both ways at once
    load tcp "$1" "$2" "$3" "$DATA" "${4:-1}" $QUIET -- "$DATA" "${4:-1}" $QUIET
}

# trains FROM TO IP [SIZE] [ordered]: datagrams of up to SIZE bytes, LOAD_MB of them in all
trains() {
    local seed=$RANDOM size=${4:-1200}
    load udp "$1" "$2" "$3" $seed $QUIET "$size" "${@:5:1}" -- $seed $((LOAD_MB * 40)) "$size" $QUIET
}

set_mtu() {
    ov root net set dorm mtu "$1" && within 5 eval '[ "$(json alice ".networks[0].mtu" networks) $(json bob ".networks[0].mtu" networks)" = "'"$1 $1"'" ]'
}

drops() { # NODE REASON
    json "$1" ".drops.$2.count // 0" status
}

no_drops() { # REASON..: at no member
    local reason name n sum=0
    for reason; do
        for name in alice bob; do
            n=$(drops $name "$reason") && sum=$((sum + n)) || return 1
            [ "$n" = 0 ] || echo "$name: $reason $n"
        done
    done
    [ $sum = 0 ]
}

no_bad_checksums() { # MACHINE: its kernel has met none
    local bad
    bad=$(on "$1" nstat -asz TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors | awk '{ n += $2 } END { print n + 0 }')
    echo "$bad bad checksums"
    [ "$bad" = 0 ]
}

# ---- lines ----

site6() { # NAME N: 2001:db8:N::1 for a site
    ip -n core -6 addr add fe80::1/64 dev "c-$1" nodad
    ip -n "$1" -6 addr add fe80::2/64 dev wan nodad
    ip -n "$1" -6 addr add "2001:db8:$2::1/128" dev wan nodad
    ip -n "$1" -6 route add default via fe80::1 dev wan
    ip -n core -6 route add "2001:db8:$2::1/128" via fe80::2 dev "c-$1"
}

# Every datagram for itself: no superframe passes this device.
single() { # MACHINE DEVICE
    on "$1" ethtool -K "$2" gso off tso off gro off tx-udp-segmentation off >/dev/null
}

whole() {
    on "$1" ethtool -K "$2" gso on tso on tx-udp-segmentation on >/dev/null
}

line_mtu() { # BYTES: of bob's line
    ip -n bob link set wan mtu "$1"
    ip -n line link set near mtu "$1"
    ip -n line link set far mtu "$1"
    ip -n core link set c-bob mtu "$1"
}

straight() { # bob's line
    whole core c-bob
    whole bob wan
    ip -n line link set near master br0
    ip -n line link set far master br0
}

crooked() { # ARGS of line
    single core c-bob
    single bob wan
    ip -n line link set near nomaster
    ip -n line link set far nomaster
    spawn line "$LINE" near far "$@" >"$LOG/line" 2>&1
    CROOKED=$SPAWNED
    wait_for 5 grep -q ready "$LOG/line"
}

crooked_end() { # what it did is in LINE_DID
    local code=0
    kill "$CROOKED"
    wait "$CROOKED" || code=$?
    straight
    LINE_DID=$(tail -n 1 "$LOG/line")
    echo "$LINE_DID"
    return $code
}

line_did() { # late, furthest, twice, lost, overrun
    awk -v what="$1" '{ for (i = 1; i < NF; i++) if ($i == what) { print $(i + 1) } }' <<<"$LINE_DID"
}

only_by_relay() { # no datagram passes between alice and bob
    on core nft -f - <<<'table inet apart {
        chain forward {
            type filter hook forward priority 0
            iifname "c-alice" oifname "c-bob" drop
            iifname "c-bob" oifname "c-alice" drop
        }
    }'
}

# root, alice and bob, joined. A, B, A6, B6 are overlay addresses, DA and DB devices.
load_lab() {
    [ -x "$LINE" ] || { echo "no $LINE: run make net"; exit 1; }
    core
    site root 20.0.0.1
    site alice 20.0.1.1
    space line
    space bob
    ip link add c-bob netns core type veth peer name near netns line
    ip link add wan netns bob type veth peer name far netns line
    ip -n line link add br0 type bridge
    for name in br0 near far; do
        on line sh -c "echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6"
        ip -n line link set $name up
    done
    plug bob 20.0.2.1
    straight
    site6 alice 1
    site6 bob 2
    node root "[node]" "name = root" "[root]" "enabled = yes" "public = 20.0.0.1:4793" \
        "relay_rate_mbit = 100000" "[controller]" "enabled = yes"
    node alice "[node]" "name = alice"
    node bob "[node]" "name = bob"
    need "daemons come up" start root alice bob
    need "a network is made" ov root net create dorm
    need "both join" join root 20.0.0.1:4793 dorm alice bob
    A=$(ip4 alice) B=$(ip4 bob) A6=$(ip6 alice) B6=$(ip6 bob) DA=$(device alice) DB=$(device bob)
    need "they reach each other" within 2 pings alice "$B"
    need "directly" within 5 is_path alice bob direct
    DATA=$LAB/data
    data "$DATA" "$LOAD_MB"
}
