# shellcheck shell=bash disable=SC2034
# ovpn: s is root and controller; a and b are members already, as after a reboot. ovpn:chacha is the same on
# processors without AES.
LAYER=Ethernet

needs() { # [chacha]
    [ "${1-}" = chacha ] || [ $# = 0 ] || { echo "ovpn can be ovpn:chacha, not $1" && return 1; }
}

prepare() { # [chacha]
    IDENTITIES=0 # of the pool: making one takes a second
    server s 20.0.0.3
    node a "[node]" "name = a" ${1:+"aes = no"}
    node b "[node]" "name = b" ${1:+"aes = no"}
    start s a b && ov s net create bench && join s 20.0.0.3:4793 bench a b || return 1
    B=$(ip4 b)
    wait_for 10 pings a "$B" && stop a && stop b
}

up() {
    launch b
    launch a
}

settled() {
    is_path a b direct && is_path b a direct
}

pids() {
    echo "${PID[a]} ${PID[b]}"
}

about() {
    CIPHER=$(json a '[.peers[] | select(.address == "'"${ADDRESS[b]}"'")][0].cipher' peers)
    VERSION=$("$OVPN" --version | awk '{ print $NF }')
}
