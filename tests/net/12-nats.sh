#!/bin/bash
# Every pair of NATs: the first ping is answered at once, and the path is the best that the pair allows.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
server root 20.0.0.1
need "the server comes up" start root
need "a network" ov root net create --open dorm
ID=$(netid root dorm)

# Homes of each kind, all members of one network.
n=0
for type in port keep addr fullcone random random2; do
    n=$((n + 1))
    router "r$type" "20.0.$n.1" "10.0.$n" "${type%2}"
    host "$type" "r$type" 2
    node "$type" "[node]" "name = $type"
done
site public 20.0.0.9
node public "[node]" "name = public"
# Two homes behind one provider's NAT.
router cgn 20.0.50.1 100.64.1 port
for n in 1 2; do
    router "rsub$n" "100.64.1.1$n" "10.0.6$n" port cgn
    host "sub$n" "rsub$n" 2
    node "sub$n" "[node]" "name = sub$n"
done
ALL="port keep addr fullcone random random2 public sub1 sub2"
# shellcheck disable=SC2086
need "all homes come up" start $ALL
for name in $ALL; do
    ov "$name" join --no-wait "$ID@20.0.0.1:4793" >/dev/null || exit 1
done
for name in $ALL; do
    need "$name is in" within 10 is_ready "$name"
done

pair() { # A B PATH
    local ip
    ip=$(ip4 "$2")
    check "$1 x $2: first ping" within 1 pings "$1" "$ip"
    case $3 in
    direct) check "$1 x $2: direct" within 3 is_path "$1" "$2" direct ;;
    relay)
        check "$1 x $2: stays relayed, and says so" eval 'on '"$1"' ping -q -i 0.2 -c 20 -W 1 '"$ip"' && is_path '"$1 $2"' relay && ov '"$1"' peers | grep -q "${ADDRESS['"$2"']}.*RELAY"'
        ;;
    esac
}
pair public port direct
pair random public direct
pair port keep direct
pair addr port direct
pair fullcone port direct
pair fullcone random direct
pair addr random direct
pair random random2 relay
pair sub1 port direct
pair sub1 fullcone direct
pair sub2 sub1 any
