#!/bin/bash
# `ovpn doctor` says what is wrong, in every situation that can be made here, and when nothing works.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
server root 20.0.0.1
site friend 20.0.0.9
node friend "[node]" "name = friend" "roots = 20.0.0.77"
for n in 1 2 3; do
    router "r$n" "20.0.$n.1" "10.0.$n" random
    host "home$n" "r$n" 2
    node "home$n" "[node]" "name = home$n"
done

doctor() { # NODE EXIT-CODE VERDICT [PEER]: what it says, to people and to programs at once, is the same
    local code=0 code_json=0 verdict words people
    ov "$1" doctor -c "$LAB/$1.conf" "${@:4}" >"$LOG/doctor.txt" </dev/null &
    people=$!
    ov "$1" doctor --json -c "$LAB/$1.conf" "${@:4}" >"$LOG/doctor.json" </dev/null || code_json=$?
    wait $people || code=$?
    verdict=$(jq -r .verdict "$LOG/doctor.json")
    words=$(jq -r .words "$LOG/doctor.json")
    echo "$verdict (exit code $code_json): $words"
    [ "$code_json $verdict" = "$2 $3" ] || { cat "$LOG/doctor.json" && return 1; }
    cat "$LOG/doctor.txt"
    [ "$code" = "$2" ] && tr '\n' ' ' <"$LOG/doctor.txt" | tr -s ' ' | grep -qF "${words:0:60}"
}
has() { # TEXT: in the last report for people
    tr '\n' ' ' <"$LOG/doctor.txt" | tr -s ' ' | grep -qE -- "$1" || { cat "$LOG/doctor.txt"; return 1; }
}

# A name that nobody knows; no way out at all; no server.
printf '[node]\nname = home1\nroots = nobody.invalid\n' >"$LAB/home1.conf"
need "a daemon" start home1
check "the daemon cannot look the name up" within 10 doctor home1 1 no_dns
check "status shows it, too" eval 'ov home1 status | grep -E "^nobody.invalid +- +- +- +its name is not found"'
check "and does not tell to name a server" eval '! ov home1 status | grep "knows no root" && ov home1 status | grep "Is the name right"'
check "that comes first, when a peer is asked for" doctor home1 1 no_dns 10.9.9.9
ip -n home1 link set eth0 down
check "no network" doctor home1 1 offline
stop home1
printf '[node]\nname = home1\n' >"$LAB/home1.conf"
need "all come up" start root friend home1 home2
check "no network, and no server known: the network is missed first" doctor home1 1 offline
check "what to do" has 'connect its cable or Wi-Fi'
ip -n home1 link set eth0 up
ip -n home1 route add default via 10.0.1.1
check "no server known" doctor home1 1 no_root_known
check "what to do" has 'join a network: ovpn join'
check "the server itself is well" doctor root 0 ok
need "a network" ov root net create dorm
ID=$(netid root dorm)
need "home1 asks" ov home1 join --no-wait "$ID@20.0.0.1:4793"
check "waiting for the owner" within 10 doctor home1 1 waiting
check "status names a network that does not work yet" eval 'ov home1 status | grep -E "^networks +1: $ID waiting for admission .ovpn networks tells why"'
check "and on a server, how many are its own" eval 'ov root status | grep -E "^networks +0 joined, 1 of its own$"'
check "what to tell the owner" has "${ADDRESS[home1]}"
need "it and others are admitted" eval 'for n in home2 friend; do ov $n join --no-wait $ID@20.0.0.1:4793; done; admit root dorm home1 home2 friend'
for name in home1 home2 friend; do
    need "$name is in" within 10 is_ready $name
done

# A mistyped port: the server answers all the same, by TLS, and nothing tells that UDP is blocked.
host home4 r2 3
node home4 "[node]" "name = home4"
need "home4 comes up" start home4
need "it is joined by a wrong port" ov home4 join --no-wait "$ID@20.0.0.1:4000"
need "that is answered, by TLS" within 30 json home4 '.roots[0].online and .roots[0].link.kind == "tls"' status
need "it is let in" admit root dorm home4
check "the port is asked after" within 10 doctor home4 0 odd_port
check "with both ports" has '20.0.0.1 does not answer by UDP on port 4000: is the port right. .Usually it is 4793'
check "status does not say that UDP is blocked" eval '! ov home4 status | grep -i "blocked"'
stop home4

# A controller that is no root: its answers by UDP tell that it is not blocked.
site bare 20.0.0.3
node bare "[node]" "name = bare" "port = 4793" "[controller]" "enabled = yes"
host home5 r2 4
node home5 "[node]" "name = home5"
need "both come up" start bare home5
check "it is told that it should be a root" doctor bare 1 controller_alone
check "what to do" has 'enabled = yes. under .root. in ovpn.conf'
check "so do status, and the check of its settings" eval 'ov bare status | grep "enabled = yes" &&
    ov bare service --check -c "$LAB/bare.conf" | grep "enabled = yes. under .root."'
need "a network there" ov bare net create club
need "it is joined" ov home5 join --no-wait "$(netid bare club)@20.0.0.3"
check "it waits for the owner" within 10 doctor home5 1 waiting
check "and has UDP" within 5 json home5 '.nat.udp == true' status
stop home5 && stop bare

# Peers.
# Peers.
A=$(ip4 home1) B=$(ip4 home2) F=$(ip4 friend)
check "a friend with a public address: direct" doctor home1 0 direct "${ADDRESS[friend]}"
check "for how long" has 'way +DIRECT to 20.0.0.9:[0-9]+, for [0-9]+s'
check "by its overlay address, too" doctor home1 0 direct "$F"
check "two random routers: relayed, and why" doctor home1 0 relayed_both_random "${ADDRESS[home2]}"
check "what helps" has 'UPnP.*forward.*IPv6'
check "both routers are told of" has 'Your router.*random.*address-and-port-dependent.*its router.*random'
check "without a peer: one line for it, with the reason" eval 'doctor home1 0 some_relayed && has "${ADDRESS[home2]} both sides are behind NATs with random ports"'
check "nobody of that name" doctor home1 1 peer_unknown 10.99.99.99
check "how to call a member" has 'its address .10 digits. or its IP.*ovpn peers'
check "nobody with that address" doctor home1 1 peer_not_found 1234567890
check "it may be mistyped" has 'compare the address'
check "this computer itself" eval 'doctor home1 0 peer_self "$A" && doctor home1 0 peer_self "${ADDRESS[home1]}"'
A6=$(ip6 home1)
check "in capitals, and by its IPv6 address" eval 'doctor home1 0 peer_self "${ADDRESS[home1]^^}" && doctor home1 0 peer_self "${A6^^}"'
stop home2
check "a peer that is off" within 20 doctor home1 1 peer_offline "${ADDRESS[home2]}"
check "its controller calls members by name" eval 'ov root peers | grep -E "^${ADDRESS[home1]} +home1 "'
check "for programs, too" json root ".name == \"home1\"" peers "${ADDRESS[home1]}"
stop root
rm -rf "$LAB/root/peers"
need "the controller has forgotten its peers, but not its members" start root
check "a member that is off, for its controller" doctor root 1 peer_offline home2
start home2

check "one of two servers does not answer" within 20 doctor friend 0 root_away
check "it is said which" has 'of 2 servers only 1 answers; 20.0.0.77 does not'

# Large datagrams vanish: no fault of the small ones.
black_hole() { policy r1 "${1:+meta length > 1000 ip protocol udp drop}"; }
black_hole yes
check "an MTU black hole" within 20 doctor home1 1 mtu_blackhole "${ADDRESS[friend]}"
black_hole ''

# UDP is stopped, after it had worked; then all but one port is; then it is back.
no_udp() { policy r1 "${1:+meta l4proto udp drop; $1}"; }
no_udp "tcp dport 443 drop" # (on a busy machine TLS may win against TCP)
check "UDP is blocked: by TCP" within 40 doctor home1 0 udp_blocked
check "what to ask for" has 'relayed through 20.0.0.1.* by TCP.*ask who runs this network'
check "and of a peer" doctor home1 0 udp_blocked "$F"
stop home1
no_udp "tcp dport 443 accept; ct state established accept; drop"
start home1
check "only 443 is open: by TLS" within 20 doctor home1 0 only_443 "$F"
no_udp ''
check "it is back" within 60 doctor home1 0 direct "$F"

# The controller is away; the root is; a firewall on this very computer.
on home1 nft 'table inet mine { chain out { type filter hook output priority 0; meta l4proto { udp, tcp } drop; }; }'
stop home1 && start home1
check "a firewall here" within 20 doctor home1 1 host_firewall
on home1 nft delete table inet mine
need "(it is through again)" within 20 json home1 '.roots[0].online' status

# The only server dies. Until that is noticed, what is said without a daemon.
stop root
check "no daemon: code 3" doctor home3 3 no_daemon
check "it says how to start it" has 'start it: sudo ovpn service'
check "no daemon, and a peer is asked for" doctor home3 3 no_daemon 10.9.9.9
printf '[node]\nprot = 5\n' >"$LAB/home3.conf"
check "a mistake in the settings" doctor home3 3 bad_config
check "with its line" has 'home3.conf:2: .*prot'
printf '[node]\nname = home3\nroots = nobody.invalid\n' >"$LAB/home3.conf"
check "a name that nobody knows is shown before the daemon runs" eval 'doctor home3 3 no_daemon && has "nobody.invalid .*cannot find"'
printf '[node]\nname = home3\n' >"$LAB/home3.conf"
mkdir "$LAB/home3.away" && mv "$LAB/home3/identity.secret" "$LAB/home3.away/" && echo nonsense >"$LAB/home3/identity.secret"
check "a broken identity" eval 'doctor home3 3 bad_state && has "identity.secret is broken"'
mv "$LAB/home3.away/identity.secret" "$LAB/home3/"
check "it says how to start this very daemon" has "sudo ovpn service -H $LAB/home3"
no_tun() {
    unshare -m sh -c "mount -t tmpfs none /dev/net && exec nsenter --net=/run/netns/home3 -- '$OVPN' -H '$LAB/home3' doctor --json" \
        >"$LOG/doctor.json"
    [ $? = 3 ] && jq -e '.verdict == "no_tun"' "$LOG/doctor.json"
}
check "no /dev/net/tun" no_tun
check "two peers are one too many: code 2" eval 'ov home3 doctor a b 2>/dev/null; [ $? = 2 ]'


check "no root answers" within 40 doctor home1 1 no_root
check "it is said which" has '20.0.0.1 .*no answer'
check "what to do" has 'ask the owner of 20.0.0.1'
check "a ping of who is not connected says that no server answers" says 'No server answers.*ovpn doctor' \
    ov home1 ping -c 1 "${ADDRESS[home2]}"
