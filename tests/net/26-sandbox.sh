#!/bin/bash
# What a daemon has given up, and that all it is there for works without it.
. "$(dirname "$0")/lab.sh"
two_homes port port
igd ra
id_of() { # USER: its number, as the daemon's system knows it
    getent passwd "$1" | cut -d: -f3
}
status() { # NODE KEY: the kernel's word on its process
    awk -v key="$2:" '$1 == key { $1 = ""; sub(/^ /, ""); print }' "/proc/${PID[$1]}/status"
}
state() { # NODE FILTER: its own word
    json "$1" ".sandbox | $2" status
}
# With CAP_IPC_LOCK where the limit of locked memory cannot be raised, and CAP_SYS_NICE the one of priority.
bits() { # NODE KEY: those of capabilities that it need not have
    echo $((0x$(status "$1" "$2") & ~(1 << 12 | 1 << 14 | 1 << 23)))
}
in_effect() { # NODE: CAP_NET_ADMIN
    [ $((0x$(status "$1" CapEff) & 1 << 12)) != 0 ]
}
need "both homes join" join root 20.0.0.1:4793 dorm alice bob
A=$(ip4 alice) B=$(ip4 bob)
need "ping" within 3 pings alice "$B"

for name in root alice; do
    if many_users; then
        check "$name runs as ovpn" eval '[ "$(status $name Uid)" = "$(id_of ovpn) $(id_of ovpn) $(id_of ovpn) $(id_of ovpn)" ] && [ "$(status $name Gid | cut -d" " -f1)" = 64793 ]'
        check "  which is in no other group" test "$(status $name Groups)" = 64793
        check "  what it has stored is its own" test -z "$(find "$LAB/$name" ! -user "$(id_of ovpn)")"
        [ "$SAN" = 1 ] || check "  nobody else looks into it" test "$(stat -c %u "/proc/${PID[$name]}/environ")" = 0
        check "  it says that it is all there" state $name '.state == "complete" and .user == "ovpn" and .memory_locked'
    else
        skip "$name runs as ovpn" "there is no second user in this namespace"
    fi
    check "$name: no new privileges" test "$(status $name NoNewPrivs)" = 1
    check "  system calls are filtered" test "$(status $name Seccomp)" = 2
    check "  capabilities: CAP_NET_ADMIN is left" test "$(bits $name CapPrm) $(bits $name CapInh) $(bits $name CapAmb)" = "0 0 0"
    check "  and not in effect" not in_effect $name
    check "  threads have no more" test "$(sort -u /proc/"${PID[$name]}"/task/*/status | grep -cE '^(CapEff|NoNewPrivs|Seccomp):')" = 3
done
if [ "$SAN" = 0 ]; then
    check "no core with keys in it" test "$(awk '/Max core file size/ { print $5 $6 }' "/proc/${PID[alice]}/limits")" = 00
    check "memory is locked" test "$(status alice VmLck | cut -d' ' -f1)" -gt 1000
fi
check "people are told" eval 'ov alice status | grep "^sandbox"'

# From inside: what fails, and what works. The user's own test, as another user has no way in.
check "forbidden calls and files fail" "$BUILD/tests/unit/test_sandbox"

# What it is there for.
check "a root has TCP port 443, below 1024" eval 'json root ".tcp.ports | map(select(.port == 443 and .problem == null)) | length == 1" status && wire alice tcp-open 20.0.0.1 443'
check "the router forwards a port" within 20 json alice '.port_mapping.state == "mapped"' status
check "leave: the device goes" eval 'ov alice leave dorm && within 5 not ip -n alice link show ovpn0'
check "join again: it is back, with address and route" eval 'ov alice join "$(netid root dorm)" && within 5 pings alice "$B"'
check "  without IPv6 of its own making" test "$(on alice cat /proc/sys/net/ipv6/conf/ovpn0/accept_ra)" = 0
check "the network's settings reach the device" eval 'ov root net set dorm mtu 1400 && within 5 eval "ip -n bob link show ovpn0 | grep -q \"mtu 1400\""'
check "another network, another device" eval 'ov root net create lan2 && join root 20.0.0.1:4793 lan2 alice bob && ip -n alice link show ovpn1'

# Names: a resolver that appears when the daemon runs, in a file that replaces the old one.
printf 'interface=lo\nno-resolv\nno-hosts\nlisten-address=127.0.0.1\naddress=/vpn.test/20.0.0.1\n' >"$LAB/dns.conf"
spawn bob dnsmasq -k -C "$LAB/dns.conf" -x "$LAB/dns.pid" >"$LOG/dnsmasq" 2>&1
echo 'nameserver 127.0.0.1' >"$LAB/resolv.conf" && mount --bind "$LAB/resolv.conf" /etc/resolv.conf
check "a server's name is found" eval 'ov bob leave lan2 && ov bob join --no-wait "$(netid root lan2)@vpn.test" && within 10 json bob "[.networks[].hosts[] | select(.host == \"vpn.test\")][0].state == \"answered\"" networks'

# By hand, by root, in the daemon's directory.
if many_users; then
    stop alice
    rm "$LAB/alice/lock" && rm -r "$LAB/alice/left"
    check "what root makes there is the daemon's" eval 'ov alice id new --force && [ -z "$(find "$LAB/alice" ! -user "$(id_of ovpn)")" ]'
    check "  and it starts with it" start alice
    stop alice
    cp "$LAB/bob.conf" "$LAB/alice.conf" && echo 'sandbox = no' >>"$LAB/alice.conf"
    check "sandbox = no: as it was before" eval 'start alice && [ "$(status alice Uid | cut -d" " -f1) $(status alice Seccomp)" = "0 0" ] && state alice ".state == \"off\""'
    stop alice && cp "$LAB/bob.conf" "$LAB/alice.conf"
    # As the systemd unit starts it: never root, with the rights it keeps; and its settings as they are installed.
    chown root:ovpn "$LAB/alice.conf" && chmod 640 "$LAB/alice.conf"
    spawn alice setpriv --reuid=ovpn --regid=ovpn --init-groups --inh-caps=-all,+net_admin,+net_bind_service \
        --ambient-caps=+net_admin,+net_bind_service --bounding-set=-all,+net_admin,+net_bind_service \
        "$OVPN" service -H "$LAB/alice" -c "$LAB/alice.conf" >"$LOG/unit.log" 2>&1
    PID[alice]=$SPAWNED
    check "started as ovpn, with rights handed down" eval 'within 10 answers alice &&
        ADDRESS[alice]=$(json alice .address status) && admit root dorm alice && within 10 is_ready alice'
    check "  it has no more than they" eval '[ "$(bits alice CapPrm)" = 0 ] && not in_effect alice && [ "$(status alice Seccomp)" = 2 ]'
fi
