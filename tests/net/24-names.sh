#!/bin/bash
# A stranger that calls itself what a friend is called is not let in by that name.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
server root 20.0.0.1
site eve 20.0.0.66
node eve "[node]" "name = bob"
site bob 20.0.0.67
node bob "[node]" "name = bob"
need "daemons come up" start root eve bob
need "a network" ov root net create dorm
ID=$(netid root dorm)
ov eve join --no-wait "$ID@20.0.0.1" >/dev/null
need "a stranger asks first" within 5 in_state eve waiting
ov bob join --no-wait "$ID@20.0.0.1" >/dev/null
need "then the friend" within 5 in_state bob waiting
check "the name is no proof" says "any node may call itself bob.*${ADDRESS[eve]}" ov root net authorize dorm bob
check "the stranger stays out" json root '.members | all(.state == "pending")' net members dorm
check "the address is" ov root net authorize dorm "${ADDRESS[bob]}"
check "the friend is in" within 5 is_ready bob
check "a name that the owner gave counts" eval 'ov root net name dorm "${ADDRESS[bob]}" ada && ov root net deauthorize dorm ada && ov root net authorize dorm ada'
