#!/bin/bash
# Nothing that members say to each other can be read on the internet, direct or relayed; nor can names.
. "$(dirname "$0")/lab.sh"
two_homes random random # relayed: the root's wires are seen too
MARKER="the quick brown fox of the dormitory jumps over 4793 lazy firewalls"
SECRET="dormitory-with-a-long-and-recognizable-name"
capture "$LAB/internet" || exit 1
need "a network with a marked name" ov root net create "$SECRET"
need "both join" join root 20.0.0.1:4793 "$SECRET" alice bob
A=$(ip4 alice) B=$(ip4 bob)
need "they reach each other" within 2 pings alice "$B"

exchange() { # by UDP, TCP, HTTP and ping
    need "UDP arrives, $1" eval 'receive bob udp-recv 5000 "$MARKER" 10 && wire alice udp-send "$B" 5000 "$MARKER" && received'
    for _ in $(seq 200); do echo "$MARKER"; done >"$LAB/marked"
    receive bob tcp-recv 5001 "$LAB/got"
    need "TCP arrives, $1" eval 'wire alice tcp-send "$B" 5001 "$LAB/marked" && cmp "$LAB/marked" "$LAB/got"'
    # (http.server's own main() asks the DNS who it is, and there is none)
    spawn bob "$PYTHON" -c "
import http.server, os, socketserver
os.chdir('$LAB')
socketserver.TCPServer.allow_reuse_address = True
socketserver.TCPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()" >/dev/null 2>&1
    need "HTTP arrives, $1" within 5 eval 'on alice "$PYTHON" -c "
import sys, urllib.request
sys.exit(0 if urllib.request.urlopen(\"http://$B:8000/marked\", timeout=5).read() == open(\"$LAB/marked\", \"rb\").read() else 1)"'
    kill $SPAWNED && wait $SPAWNED
    check "ping with a pattern, $1" on alice ping -q -c 2 -W 2 -p 666f782d62797465 "$B"
}
exchange relayed
check "it was relayed" is_path alice bob relay
nat ra fullcone
nat rb fullcone
stop alice && stop bob && start alice bob || exit 1
need "a direct path" within 10 eval 'pings alice "$B"; is_path alice bob direct'
exchange direct
need "the capture ends" capture_end

check "the capture saw the traffic" test "$(stat -c %s "$LAB/internet")" -gt 60000
check "no marker in it" not wire alice find "$LAB/internet" "$MARKER"
check "no part of the marker" not wire alice find "$LAB/internet" "dormitory jumps over"
check "no ping pattern" not wire alice find "$LAB/internet" "fox-bytefox-byte"
check "no network name" not wire alice find "$LAB/internet" "$SECRET"
check "no HTTP" not wire alice find "$LAB/internet" "GET /marked"
capture "$LAB/plain" && wire bob udp-send 20.0.0.1 9 "$MARKER"
wait_for 3 wire alice find "$LAB/plain" "$MARKER" >/dev/null
check "(the search does find what is sent in the clear)" wire alice find "$LAB/plain" "$MARKER"
capture_end
