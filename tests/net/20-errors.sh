#!/bin/bash
# Whatever is wrong, ovpn says what, in words, and what to do; it never hangs and never dies of it.
. "$(dirname "$0")/lab.sh"
core
site root 20.0.0.1
site alice 20.0.0.2
site other 20.0.0.3
server root 20.0.0.1
node alice "[node]" "name = alice" "port = 5555"
node other "[node]" "name = other"

exits() { # CODE COMMAND..
    local code=0
    "${@:2}" </dev/null >"$LOG/out" 2>&1 || code=$?
    cat "$LOG/out"
    echo "(exit code $code)"
    [ $code = "$1" ]
}
refuses() { # NAME TEXT: its daemon does not start, within 5 s, and says TEXT
    local code=0
    nsenter --net="/run/netns/$1" -- timeout 5 "$OVPN" service -H "$LAB/$1" -c "$LAB/$1.conf" \
        >"$LOG/refusal" 2>&1 </dev/null || code=$?
    cat "$LOG/refusal"
    echo "(exit code $code)"
    [ $code != 0 ] && [ $code -lt 100 ] && grep -Eqi -- "$2" "$LOG/refusal"
}
config() { # NAME LINE..
    printf '%s\n' "${@:2}" >"$LAB/$1.conf"
}

# Before any daemon runs.
check "daemon not running: exit code 3" exits 3 ov alice status
check "daemon not running: says so and how to start it" says 'start it: .*ovpn.* service' ov alice status
check "unknown command: exit code 2" exits 2 ov alice jion
check "unknown command: the near one" says 'join' ov alice jion
check "no argument: exit code 2" exits 2 ov alice join
check "help: exit code 0" exits 0 "$OVPN" --help
check "version: exit code 0" exits 0 "$OVPN" --version

# Configuration.
config alice "[node]" "prot = 5555"
check "unknown key: file, line, the near one" refuses alice 'conf:2: .*prot.*port'
check "--check says the same" says 'conf:2: ' "$OVPN" service --check -c "$LAB/alice.conf"
check "with the exit code of a wrong configuration" eval '"$OVPN" service --check -c "$LAB/alice.conf" 2>/dev/null; [ $? = 2 ]'
config alice "[node]" "port = 99999"
check "a port out of range" refuses alice 'conf:2: .*port.*1 to 65535'
config alice "[nod]" "port = 5555"
check "unknown section" refuses alice 'conf:1: .*section.*node'
config alice "port 5555"
check "a line that is nothing" refuses alice 'conf:1: '
config alice "[root]" "enabled = perhaps"
check "neither yes nor no" refuses alice 'conf:2: .*yes or no'
for proxy in foo proxy:3128 http://proxy http://me:sesame@proxy https://proxy:3128; do
    config alice "[node]" "proxy = $proxy"
    check "a proxy without scheme or port: $proxy" refuses alice 'conf:2: .*http://.USER:PASSWORD@.HOST:PORT'
done
rm "$LAB/alice.conf"
check "no such file" refuses alice 'alice.conf.*no such file|no such file.*alice.conf'
config alice "[node]" "name = alice" "port = 5555"
check "a good one passes --check" "$OVPN" service --check -c "$LAB/alice.conf"
config hidden "[node]" "proxy = http://me:sesame@proxy:3128"
chmod 640 "$LAB/hidden.conf"
check "a password that is kept" eval '[ "$("$OVPN" service --check -c "$LAB/hidden.conf" 2>&1)" = "the settings are good" ]'
chmod 644 "$LAB/hidden.conf"
check "a password that everybody may read" eval 'OUT=$("$OVPN" service --check -c "$LAB/hidden.conf" 2>&1) && grep -q "everybody.*hidden.conf.*chmod 640" <<<"$OUT" && ! grep -q sesame <<<"$OUT"'
if many_users; then
    nobody() { on alice setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"; }
    chmod 640 "$LAB/hidden.conf"
    check "settings that are not for everybody: --check says it" says 'may not read.*sudo' nobody "$OVPN" service --check -c "$LAB/hidden.conf"
    check "and doctor, which goes on without them" says 'settings +you may not read them' nobody "$OVPN" -H "$LAB/nowhere" doctor -c "$LAB/hidden.conf"
    packaging=$(dirname "$0")/../../packaging
    check "an installation gives them to the daemon's group" eval '"$packaging/user" "$packaging/ovpn.sysusers" "$LAB/hidden.conf" &&
        [ "$(stat -c "%a %U %G" "$LAB/hidden.conf")" = "640 root ovpn" ]'
else
    skip "settings that are not for everybody" "there is no second user in this namespace"
fi

# The machine.
start alice root || exit 1
check "port in use" eval 'cp -a "$LAB/alice" "$LAB/twin" && rm -f "$LAB"/twin/*.sock "$LAB"/twin/*lock* && cp "$LAB/alice.conf" "$LAB/twin.conf" && ln -s alice /run/netns/twin && refuses twin "5555.*in use|in use.*5555"'
check "a second daemon on one state directory" refuses alice 'another .*daemon uses .*-H DIR'
check "and the first lives on" answers alice
chmod 755 /run "$LAB"
nobody_starts() {
    node nobody && chown -R 65534:65534 "$LAB/nobody"
    ln -s other /run/netns/nobody
    on other setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$OVPN" service \
        -H "$LAB/nobody" -c "$LAB/other.conf" >"$LOG/nobody.log" 2>&1 &
    PID[nobody]=$!
    wait_for 5 answers nobody && ov nobody join --no-wait "$ID@20.0.0.1:4793" &&
        within 5 json nobody '.networks[0].device_problem | test("CAP_NET_ADMIN|root")' networks
}
ov root net create --open dorm >/dev/null || exit 1
ID=$(netid root dorm)
if many_users; then
    check "no permission: as nobody" says 'permission|root|sudo' on alice setpriv --reuid=65534 --regid=65534 --clear-groups "$OVPN" -H "$LAB/alice" status
    check "service as nobody: the network tells what right is missing" nobody_starts
    stop nobody
else
    skip "what nobody may" "there is no second user in this namespace"
fi
rm -f /run/netns/nobody
check "a state directory that cannot be" says 'not a directory|cannot|no such' on other timeout 5 "$OVPN" service -H /proc/1/nowhere -c "$LAB/other.conf"

no_tap() { # without /dev/net/tun, in a mount namespace of its own
    unshare -m sh -c "mount -t tmpfs none /dev/net && exec nsenter --net=/run/netns/other -- '$OVPN' service -H '$LAB/other' -c '$LAB/other.conf'" \
        >>"$LOG/other.log" 2>&1 &
    PID[other]=$!
    wait_for 5 answers other || grep -Ei '/dev/net/tun' "$LOG/other.log"
}
check "TAP missing: the daemon says it or runs without" no_tap
if alive other 2>/dev/null; then
    ov other join --no-wait "$ID@20.0.0.1:4793" >/dev/null
    check "TAP missing: the network tells how to get it" within 10 json other '.networks[0].device_problem | test("/dev/net/tun")' networks
    ov other leave "$ID" >/dev/null
    stop other
else
    unset "PID[other]"
fi

# Joining.
for bad in "" 12345 8056c2e21c00000g 8056c2e21c0000011 "$ID@" "$ID@:4793" "$ID@host:0" "$ID@host:99999" "@20.0.0.1" 0000000000000000; do
    check "malformed netid '$bad'" exits 2 ov alice join --no-wait "$bad"
done
check "malformed netid: what one looks like" says '16 hex' ov alice join --no-wait 12345
check "unreachable host: the join stays and tells" eval 'ov alice join --no-wait "$ID@20.0.0.77:4793"; within 12 json alice ".networks[0].hosts[0] | .state == \"failed\" or (.message | test(\"answer|reach\"))" networks'
check "status too" within 5 json alice '[.roots[] | select(.host | startswith("20.0.0.77"))][0] | (.online | not) and (.problem | length > 5)' status
ov alice leave "$ID" >/dev/null
check "unknown host name: told" eval 'ov alice join --no-wait "$ID@no.such.host.invalid:4793"; within 12 json alice ".networks[0].hosts[0] | .state == \"failed\" and (.message | length > 5)" networks'
ov alice leave "$ID" >/dev/null
check "join with a timeout ends and says why" exits 1 ov alice join --timeout 2s "$ID@20.0.0.77:4793"
ov alice leave "$ID" >/dev/null
WRONG=$(printf '%s%06x' "${ID:0:10}" 0x123456)
check "a network that its controller does not have" eval 'ov alice join --no-wait "$WRONG@20.0.0.1:4793"; within 8 json alice ".networks[0] | .state == \"refused\" and .reason == \"not_found\"" networks'
check "doctor tells to leave it" says "ovpn leave $WRONG" ov alice doctor
ov alice leave "$WRONG" >/dev/null
STRANGER=$(printf '%s%s' "${ADDRESS[alice]}" 000001)
start other || exit 1
check "a netid of a node that is no controller" eval 'ov other join --no-wait "$STRANGER@20.0.0.1:4793" >/dev/null; within 10 json other ".networks[0].state != \"ready\" and (.networks[0].message | length > 5)" networks'
ov other leave "$STRANGER" >/dev/null
check "a mistyped controller in a netid: told while it waits" grep -m 1 '20.0.0.1.* answers, but knows no controller 5e6a374400: is the network id right' <(ov other join --timeout 10s 5e6a374400000001@20.0.0.1:4793 2>&1)
ov other leave 5e6a374400000001 >/dev/null
INVITE=$(json root .invite net invite --host 20.0.0.1 dorm)
stop root
check "a known controller that is down: told" says 'known and has been asked, but does not answer' ov other join --timeout 2s "$INVITE"
ov other leave "$ID" >/dev/null
start root || exit 1
stop other

# A name server that is there and says nothing.
stops_while_asking() {
    local begun elapsed
    start alice && ov alice join --no-wait "$ID@silent.example.org:4793" && within 10 grep -q asked "$LOG/nameserver" || return 1
    begun=$(now_ms)
    stop alice || return 1
    elapsed=$(($(now_ms) - begun))
    echo "after $elapsed ms (limit 3 s x $SLOW)"
    [ $elapsed -lt $((3000 * SLOW)) ]
}
printf 'nameserver 127.0.0.1\noptions timeout:30\n' >"$LAB/resolv.conf"
if mount --bind "$LAB/resolv.conf" /etc/resolv.conf; then
    stop alice
    spawn alice "$PYTHON" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
s.recv(999)
print("asked", flush=True)
time.sleep(1000)' >"$LOG/nameserver" 2>&1
    SILENT=$SPAWNED
    check "the end of a daemon does not wait for a silent name server" stops_while_asking
    kill "$SILENT"
    umount /etc/resolv.conf
    start alice || exit 1
    ov alice leave "$ID" >/dev/null
else
    skip "the end with a silent name server" "/etc/resolv.conf is not there to be replaced"
fi

# Wrong key behind a known address: another machine, with another identity, where the root was.
ov alice join --no-wait "$ID@20.0.0.1:4793" >/dev/null
need "alice is in" within 5 is_ready alice
stop root
mv "$LAB/root" "$LAB/root.real" && cp -a "$LAB/other" "$LAB/root"
start root || exit 1
check "wrong key behind a known address: not believed" within 20 json alice '.roots[0] | (.online | not) and (.problem | test("another server"))' status
check "doctor knows it, and what a new invite is for" eval '! ov alice --json doctor >"$LOG/doctor.json" && jq -e ".verdict == \"wrong_root\" and any(.advice[]; contains(\"with a new invite\"))" "$LOG/doctor.json"'
check "status speaks of no firewall" eval 'ov alice status | tee "$LOG/status" | grep -q "with a new invite" && ! grep -q firewall "$LOG/status"'
check "the network stays" is_ready alice
stop root
rm -rf "$LAB/root" && mv "$LAB/root.real" "$LAB/root"

# Owner's commands.
start root || exit 1
check "no such network" says 'no network.*drom' ov root net show drom
check "no such member" says 'no member|not.*member|unknown' ov root net authorize dorm 1234567890
check "name taken" says 'already|taken|exists' ov root net create dorm
check "bad setting" says 'mtu' ov root net set dorm mtu 70000
check "unknown setting" says 'color|key' ov root net set dorm color blue
check "a bad pool" says 'pool|prefix|subnet' ov root net set dorm pool 10.0.0.0/99
check "not a controller" says 'controller' ov alice net list
check "an error is JSON with --json" eval 'OUT=$(ov root --json net show drom 2>/dev/null); jq -e ".error.code == \"not_found\" and (.error.message | length > 0)" <<<"$OUT"'

# Who is in the group ovpn may look at this node, and at nothing that is the owner's alone, however it is spelt.
if many_users; then
    GROUP=$(getent group ovpn | cut -d: -f3)
    looks() { # PATH STATUS
        on root setpriv --reuid=65534 --regid="$GROUP" --clear-groups --inh-caps=-all "$PYTHON" - "$LAB/root/ovpn.sock" "$1" <<'P' | grep "^HTTP/1.1 $2 " >/dev/null
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(f"GET {sys.argv[2]} HTTP/1.1\r\nHost: ovpn\r\nConnection: close\r\n\r\n".encode())
print(b"".join(iter(lambda: s.recv(65536), b"")).decode())
P
    }
    check "the group sees the status" looks /v1/status 200
    check "not the owner's networks" looks /v1/controller/networks 403
    for path in v1/controller/networks //v1/controller/networks /v1//controller/networks /%761/controller/networks; do
        check "nor by $path" looks "$path" 403
    done
else
    skip "the group ovpn" "there is no second user in this namespace"
fi

# Files that are not what they should be.
stop root
stop alice
broken() { # NAME WORDS TEXT COMMAND..: spoil the state directory by COMMAND, see the refusal, mend it
    local name=$1 words=$2 text=$3
    rm -rf "$LAB/saved" && cp -a "$LAB/$name" "$LAB/saved"
    (cd "$LAB/$name" && eval "$4") || exit 1
    check "$words" refuses "$name" "$text"
    rm -rf "${LAB:?}/$name" && mv "$LAB/saved" "$LAB/$name"
}
SECRET=identity.secret
broken alice "identity cut short" "$SECRET" "truncate -s 20 $SECRET"
broken alice "identity empty" "$SECRET" ": > $SECRET"
broken alice "identity with a flipped digit" "$SECRET" "sed -i '/^seed/{s/0\$/1/;t;s/.\$/0/}' $SECRET"
broken alice "identity of random bytes" "$SECRET" "head -c 200 /dev/urandom > $SECRET"
DB=$(basename "$(find "$LAB/root" -name '*.db' | head -n 1)")
broken root "database of garbage" "$DB" "rm -f $DB-*; head -c 20000 /dev/urandom > $DB"
broken root "database from a newer ovpn" 'newer' "python3 -c \"import sqlite3; c = sqlite3.connect('$DB'); c.execute('PRAGMA user_version = 9999'); c.commit()\""
broken root "database cut in half" "$DB" "rm -f $DB-*; truncate -s 5000 $DB"
chmod 644 "$LAB/alice/$SECRET"
start alice root || check "all mended, both come up" false
check "and alice is in again" within 5 is_ready alice
check "an identity readable by all is not left so" test "$(stat -c %a "$LAB/alice/$SECRET")" = 600
