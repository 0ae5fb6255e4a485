#!/bin/bash
# Where UDP does not get through: TCP, TLS and a proxy carry it to the root, and UDP is taken back.
. "$(dirname "$0")/lab.sh"
MB=${LINKS_MB:-20} # of the transfer during which pings are measured; 100 in the full form
two_homes port port
cp "$LAB/bob.conf" "$LAB/bob.plain"
need "both homes join" join root 20.0.0.1:4793 dorm alice bob
A=$(ip4 alice) B=$(ip4 bob)
need "ping" within 3 pings alice "$B"

link() { # NODE: how it reaches its root: tcp, tls or none
    json "$1" '.roots[0].link.kind // "none"' status
}

is_link() {
    [ "$(link "$1")" = "$2" ]
}

# restart_behind RULES: both homes start anew behind routers with these rules; first ping < 3 s.
restart_behind() {
    local name
    for name in alice bob; do
        stop "$name" || return 1
    done
    policy ra "$1"
    policy rb "$1"
    forget ra
    forget rb
    STARTED=$(now_ms)
    launch alice
    launch bob
    wait_for 5 pings alice "$B" || return 1
    FIRST=$(($(now_ms) - STARTED))
    echo "first ping after $FIRST ms"
    [ $FIRST -lt $((3000 * SLOW)) ]
}

# transfer: alice sends bob so many megabytes, whole; bob's pings meanwhile are answered in time.
head -c $((MB * 1000000)) /dev/urandom >"$LAB/file"
transfer() {
    local p95 ping
    receive bob tcp-recv 5001 "$LAB/got"
    spawn bob ping -n -i 0.05 -c 4000 -W 2 "$A" >"$LOG/ping"
    ping=$SPAWNED
    on alice timeout 170 "$PYTHON" "$HERE/wire.py" tcp-send "$B" 5001 "$LAB/file" >"$LOG/sent" || return 1
    received && cmp "$LAB/file" "$LAB/got" || return 1
    kill -INT "$ping"
    wait "$ping" 2>/dev/null
    p95=$(sed -n 's/.*time=\([0-9.]*\).*/\1/p' "$LOG/ping" | sort -n |
        awk '{ v[NR] = $1 } END { print(NR > 4 ? int(v[int(NR * 0.95 + 0.5)]) : 9999) }')
    echo "$MB MB, seconds and MB/s: $(cat "$LOG/sent"); ping p95 $p95 ms, $(grep -o '[0-9.]*% packet loss' "$LOG/ping")"
    [ "$p95" -lt $((300 * SLOW)) ]
}

NO_UDP='meta l4proto udp drop'
check "UDP dropped: first ping < 3 s" restart_behind "$NO_UDP"
check "  by TCP, and so it is told" eval 'is_link alice tcp && is_link bob tcp &&
    ov alice status | grep -q "online by TCP" && ov alice peers | grep -q "RELAY" &&
    ov alice peers | grep -q "${ADDRESS[root]} by TCP"'
check "  one stream each" within 15 json root '.tcp.connections == 2 and .tcp.strangers == 0' status
check "  $MB MB arrive, pings meanwhile < 300 ms" transfer

check "UDP rejected: first ping < 3 s" restart_behind 'meta l4proto udp reject'
check "  $MB MB arrive, pings meanwhile < 300 ms" transfer

check "only TCP 443 open: first ping < 3 s" restart_behind "$NO_UDP; tcp dport 443 accept; ct state established accept; drop"
check "  by TLS" eval 'is_link alice tls && is_link bob tls && ov bob status | grep -q "online by TLS"'
check "  $MB MB arrive, pings meanwhile < 300 ms" transfer

# A proxy that lets out to port 443 only, as most do, and wants a password.
site proxy 20.0.0.5
printf '%s\n' 'Port 8888' 'Listen 20.0.0.5' 'Timeout 600' 'ConnectPort 443' 'BasicAuth dorm s3cret' \
    "LogFile \"$LOG/tinyproxy.log\"" 'LogLevel Connect' >"$LAB/tinyproxy.conf"
spawn proxy tinyproxy -d -c "$LAB/tinyproxy.conf" >/dev/null 2>&1
need "the proxy listens" wait_for 10 eval 'on proxy "$PYTHON" "$HERE/wire.py" tcp-open 20.0.0.5 8888'
printf '[node]\nname = alice\nproxy = http://dorm:s3cret@20.0.0.5:8888\n' >"$LAB/alice.conf"
export https_proxy=http://dorm:s3cret@20.0.0.5:8888
check "only an HTTP proxy open: first ping < 3 s" restart_behind "$NO_UDP; ip daddr 20.0.0.5 tcp dport 8888 accept; ct state established accept; drop"
unset https_proxy
check "  by TLS through it, by configuration and by environment" eval '
    json alice ".roots[0].link | .kind == \"tls\" and .proxy == \"20.0.0.5:8888\"" status &&
    json bob ".roots[0].link | .kind == \"tls\" and .proxy == \"20.0.0.5:8888\"" status &&
    ov bob status | grep -q "online by TLS through the proxy 20.0.0.5:8888"'
check "  $MB MB arrive, pings meanwhile < 300 ms" transfer
check "  the password is nowhere to be seen" not grep -rq s3cret "$LOG" <(ov alice --json status) <(ov alice status)
check "  a wrong one is told of" eval '
    stop alice && sed -i s/s3cret/wrong/ "$LAB/alice.conf" && start alice &&
    wait_for 6 eval "ov alice status | grep -q \"the proxy wants a user and a password\""'

# Somebody in between opens TLS: what comes to port 443 is answered with another certificate.
site other 20.0.0.9
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=proxy \
    -keyout "$LAB/other.key" -out "$LAB/other.pem" 2>/dev/null
spawn other openssl s_server -quiet -accept 443 -cert "$LAB/other.pem" -key "$LAB/other.key" >/dev/null 2>&1 </dev/null
printf '[node]\nname = alice\n' >"$LAB/alice.conf"
check "alice behind it" eval 'stop alice && policy ra "$NO_UDP; tcp dport 443 accept; ct state established accept; drop" &&
    on ra nft "add table ip bend; add chain ip bend pre { type nat hook prerouting priority -101; };
        add rule ip bend pre iifname lan tcp dport 443 dnat to 20.0.0.9:443" && start alice'
check "  is not connected, and told why" eval 'wait_for 8 eval "ov alice status | grep -Eq \"what answers is not the root\"" &&
    json alice ".roots[0].online | not" status'
check "  once it is gone, alice is connected" eval 'on ra nft delete table ip bend && within 40 is_link alice tls'

# First contact, by a node that knows nothing yet.
host carol ra 7
node carol "[node]" "name = carol"
check "a node joins for the first time without UDP" eval 'start carol && join root 20.0.0.1 dorm carol'
check "  and is reached" within 3 pings bob "$(ip4 carol)"

# Nobody on the TCP ports is hurt by those who do not speak it.
check "garbage, and clients that say nothing" eval 'on other "$PYTHON" "$HERE/wire.py" tcp-garbage 20.0.0.1 4793 60 &&
    on other "$PYTHON" "$HERE/wire.py" tcp-garbage 20.0.0.1 443 60'
check "  strangers are few, and soon gone" within 16 json root '.tcp.strangers == 0 and .tcp.connections == 3' status
check "  the streams of members live" eval 'is_link carol tls && wait_for 3 pings bob "$(ip4 carol)"'

# A router on the way forgets the stream, and says nothing: TCP would try for long.
port_of() {
    on carol ss -Htn state established dst 20.0.0.1 | awk '{ sub(/.*:/, "", $3); print $3; exit }'
}
PORT=$(port_of)
check "(carol's stream is known)" test -n "$PORT"
spawn carol ping -n -i 0.2 "$B" >/dev/null
PING=$SPAWNED
policy ra "$NO_UDP; tcp sport $PORT drop; tcp dport $PORT drop"
check "a stream that is cut without a word is replaced" within 14 eval 'pings carol "$B" && [ "$(port_of)" != "$PORT" ]'
kill "$PING"
wait "$PING" 2>/dev/null
policy ra "$NO_UDP"

# A server that ends, and is back.
check "the root restarts: connected again" eval 'stop root && start root && within 20 pings bob "$(ip4 carol)"'

# UDP gets through again.
policy ra ""
policy rb ""
check "UDP is open again: taken back" eval 'wait_for 25 is_link carol none && within 25 is_link bob none && json carol ".roots[0].online" status'
check "  and peers are direct again" eval 'on bob ping -q -i 0.2 -c 15 -W 1 "$(ip4 carol)"; within 10 is_path bob carol direct'
check "  the streams are closed after 30 s of it" within 45 json root '.tcp.connections == 0' status

# UDP goes away while all is well.
policy ra "$NO_UDP"
policy rb "$NO_UDP"
forget ra
forget rb
spawn carol ping -n -i 0.2 "$B" >/dev/null
PING=$SPAWNED
check "UDP is gone in the middle of it: pings are back" within 10 pings bob "$(ip4 carol)"
kill "$PING"
check "  by streams" eval 'wait_for 25 is_link bob tcp && wait_for 25 is_link carol tcp'
