#!/bin/bash
# serial
# What a daemon costs that has nothing to do: memory, processor, traffic. It is at home: behind a router that
# opens ports, on a LAN with another member, with ten known peers.
#
# IDLE_SETTLE and IDLE_SECONDS: when and for how long; `make check-idle` waits until nothing is new any more, and for so
# long that all that comes again has come.
. "$(dirname "$0")/lab.sh"
SETTLE=${IDLE_SETTLE:-0} SECONDS_LONG=${IDLE_SECONDS:-20}
# Sanitizers take memory and time of their own: with them the limits are ten times what people get, and
# catch only what runs away.
TIMES=$((SAN ? 10 : 1))
core
site root 20.0.0.1
server root 20.0.0.1
router ra 20.0.2.1 10.0.1 port
igd ra
host m1 ra 2
host m2 ra 3
ALL="m1 m2"
for n in 3 4 5 6 7 8 9 10 11; do
    site "m$n" "20.0.1.$n"
    ALL="$ALL m$n"
done
for name in $ALL; do
    node "$name" "[node]" "name = $name"
done
# shellcheck disable=SC2086
need "twelve daemons come up" start root $ALL
need "a network" ov root net create --open dorm
ID=$(netid root dorm)
for name in $ALL; do
    ov "$name" join --no-wait "$ID@20.0.0.1:4793" >/dev/null
done
for name in $ALL; do
    need "$name is in" within 10 is_ready "$name"
done
for name in $ALL; do
    [ "$name" = m1 ] || need "m1 reaches $name" within 3 pings m1 "$(ip4 "$name")"
done
check "m1 has ten peers, the root besides" within 3 json m1 '[.peers[] | select(.session)] | length >= 11' peers
check "the router forwards a port to it" within 10 json m1 '.port_mapping.state == "mapped"' status
check "it looks for neighbours" json m1 '.lan_discovery.sent > 0' status

used() { # jiffies of user and system time
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${PID[m1]}/stat"
}
bytes() { # both ways, whatever it is: with Ethernet's headers, and what the kernel says by itself
    on m1 awk '/eth0:/ { print $2 + $10 }' /proc/net/dev
}
sleep "$SETTLE"
start_used=$(used) start_bytes=$(bytes) start_ms=$(now_ms)
sleep "$SECONDS_LONG" # the measurement itself
ms=$(($(now_ms) - start_ms))
cpu=$((($(used) - start_used) * 1000000 / $(getconf CLK_TCK) / ms)) # of 1000
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/${PID[m1]}/status")
rate=$((($(bytes) - start_bytes) * 86400 / ms)) # kB a day
check "memory: $rss kB < $((13 * TIMES)) MB" test "$rss" -lt $((13312 * TIMES))
check "memory: nothing of libcurl, which only commands need" not grep -q libcurl "/proc/${PID[m1]}/maps"
check "processor: $cpu/1000 of one core < $((5 * TIMES))/1000" test $cpu -lt $((5 * TIMES))
if [ "$SETTLE" -ge 60 ]; then
    check "traffic: $rate kB a day < 2 MB, by $SECONDS_LONG s of it" test $rate -lt 2000
else
    check "traffic: $rate kB a day, as in the first minute with ten peers, < 80 MB" test $rate -lt 80000
fi
