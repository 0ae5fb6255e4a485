#!/bin/bash
# The disk is full, the pool is empty: told, survived, and over when there is room again.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
mkdir -p "$LAB/root" && mount -t tmpfs -o size=2m,mode=700 small "$LAB/root" || exit 1
server root 20.0.0.1
ALL="a b c d e f g"
n=1
for name in $ALL; do
    site "$name" 20.0.0.$((++n))
    node "$name" "[node]" "name = $name"
done
# shellcheck disable=SC2086
need "daemons come up" start root $ALL
need "a network" ov root net create tiny
ID=$(netid root tiny)

# A pool with room for six: seven ask.
need "its pool is small" ov root net set tiny pool 10.99.0.0/29
for name in $ALL; do
    ov "$name" join --no-wait "$ID@20.0.0.1:4793" >/dev/null
    need "$name asks" within 5 is_member root tiny "$name" pending
done
for name in a b c d e f; do
    need "$name is admitted" ov root net authorize tiny "${ADDRESS[$name]}"
done
check "the seventh finds the pool empty" not eval 'ov root net authorize tiny "${ADDRESS[g]}" >"$LOG/authorize" 2>&1'
check "an empty pool is told to the owner" grep -Ei 'pool|address' "$LOG/authorize"
check "and the node is no member" not is_ready g
need "the pool grows" ov root net set tiny pool 10.99.0.0/24
check "and the node gets in" eval 'ov root net authorize tiny "${ADDRESS[g]}" && within 5 is_ready g'

# Disk full while the controller writes.
head -c 100000000 /dev/zero >"$LAB/root/ballast" 2>/dev/null
made=0
for n in $(seq 50); do
    ov root net create "more$n" >"$LOG/create" 2>&1 || break
    made=$n
    head -c 100000000 /dev/zero >>"$LAB/root/ballast" 2>/dev/null
done
check "a full disk is told ($made networks still fitted)" eval 'cat "$LOG/create"; grep -Eqi "disk|space|full" "$LOG/create"'
check "the daemon lives" answers root
check "and keeps its members in touch" within 2 pings a "$(ip4 b)"
check "what was refused is not there" not ov root net show "more$((made + 1))"
rm "$LAB/root/ballast"
check "with room again it works" within 3 ov root net create roomy
crash root
start root || exit 1
check "all that was confirmed is there after a crash" eval '[ "$(json root "[.networks[].name | select(startswith(\"more\"))] | length" net list)" = '"$made"' ] && ov root net show roomy >/dev/null'

# A node's own disk is full.
stop f
mkdir -p "$LAB/f2" && mount -t tmpfs -o size=128k,mode=700 small "$LAB/f2" && cp -a "$LAB/f/." "$LAB/f2/" || exit 1
head -c 1000000 /dev/zero >"$LAB/f2/ballast" 2>/dev/null
mv "$LAB/f" "$LAB/f1" && ln -s f2 "$LAB/f"
launch f
check "a node with a full disk still reaches its network, or says why not" eval 'within 5 pings f "$(ip4 a)" || grep -Ei "space|disk|full" "$LOG/f.log"'
alive f 2>/dev/null || unset "PID[f]"

# What could not be stored is, as soon as there is room.
need "somebody is thrown out meanwhile" ov root net deauthorize tiny "${ADDRESS[e]}"
check "status tells that it cannot be stored" within 5 json f '.not_stored | test("space")' status
check "doctor too" json f '.verdict == "not_stored" and (.host.state_error | test("space"))' doctor
rm "$LAB/f2/ballast"
check "with room again it is stored" within 20 json f '.not_stored == null' status
check "and doctor is content" json f '.verdict != "not_stored"' doctor
