# shellcheck shell=bash disable=SC2034
# n2n: s is the supernode, by which the edges find each other.
LAYER=Ethernet

needs() {
    command -v edge >/dev/null || { echo "n2n is not installed" && return 1; }
}

prepare() {
    daemon s supernode -l 7654
    wait_for 5 eval '[ -n "$(on s ss -Hlun "sport = :7654")" ]'
}

up() {
    edge_of b 2
    edge_of a 1
}

edge_of() { # MACHINE N
    daemon "$1" edge -d n2n -a "10.9.0.$2" -s 255.255.255.0 -c bench -k benchmark -l 20.0.0.3:7654 -p 7655
}

# Not through the supernode: one that is asked carries the frames until the edges know each other.
settled() {
    local before after
    before=$(on s cat /sys/class/net/to-a/statistics/rx_packets)
    on a ping -n -q -i 0.01 -c 20 "$B" >/dev/null
    after=$(on s cat /sys/class/net/to-a/statistics/rx_packets)
    [ $((after - before)) -lt 10 ]
}

about() {
    CIPHER=Twofish
    VERSION=$(edge -h 2>&1 | sed -n 's/.*n2n v\.\([0-9.]*\).*/\1/p')
}
