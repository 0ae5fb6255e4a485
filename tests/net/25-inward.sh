#!/bin/bash
# A peer that says it is reached at its overlay address does not turn the tunnel into itself.
. "$(dirname "$0")/lab.sh"
two_joined random random
need "they reach each other by the relay" within 5 pings alice "$B"

ticks() { # NODE: processor time so far, in 1/100 s
    awk '{ print $14 + $15 }' "/proc/${PID[$1]}/stat"
}

sent() { # NODE: bytes that it put on the wire outside
    on "$1" cat /sys/class/net/eth0/statistics/tx_bytes
}

ip -n bob link add d0 type veth peer name d1
ip -n bob link set d1 up
ip -n bob link set d0 up
ip -n bob addr add "$B/32" dev d0 # now bob tells it to alice
BEFORE=$(ticks alice) WIRE=$(sent alice)
for _ in $(seq 20); do
    sleep 0.4 # it comes and goes; all the while nothing may burn
    ! ov alice peers | grep -q "$B:" || FOUND=1
done
check "no path through the tunnel itself" test -z "${FOUND-}"
check "no storm on the wire" test $(($(sent alice) - WIRE)) -lt 1000000
check "nor in the processor" test $(($(ticks alice) - BEFORE)) -lt 200
check "they still reach each other" within 2 pings alice "$B"
