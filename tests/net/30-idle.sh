#!/bin/bash
# serial
# What a daemon costs that has nothing to do: memory, processor, traffic.
. "$(dirname "$0")/lab.sh"
# Sanitizers take memory and time of their own: with them the limits are ten times what people get, and
# catch only what runs away.
TIMES=$((SAN ? 10 : 1))
core
site root 20.0.0.1
server root 20.0.0.1
ALL=
for n in 1 2 3 4 5 6 7 8 9 10; do
    site "m$n" "20.0.1.$n"
    node "m$n" "[node]" "name = m$n"
    ALL="$ALL m$n"
done
# shellcheck disable=SC2086
need "eleven daemons come up" start root $ALL
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
check "m1 has ten peers" within 3 json m1 '[.peers[] | select(.session)] | length >= 10' peers

used() { # jiffies of user and system time
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${PID[m1]}/stat"
}
bytes() {
    on m1 awk '/wan:/ { print $2 + $10 }' /proc/net/dev
}
start_used=$(used) start_bytes=$(bytes) start_ms=$(now_ms)
sleep 20 # the measurement itself
ms=$(($(now_ms) - start_ms))
cpu=$((($(used) - start_used) * 1000000 / $(getconf CLK_TCK) / ms)) # of 1000
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/${PID[m1]}/status")
rate=$((($(bytes) - start_bytes) * 86400 / ms)) # kB a day
check "memory: $rss kB < $((12 * TIMES)) MB" test "$rss" -lt $((12288 * TIMES))
check "memory: nothing of libcurl, which only commands need" not grep -q libcurl "/proc/${PID[m1]}/maps"
check "processor: $cpu/1000 of one core < $((5 * TIMES))/1000" test $cpu -lt $((5 * TIMES))
check "traffic: $rate kB a day, as in the first minute with ten peers, < 30 MB" test $rate -lt 30000
