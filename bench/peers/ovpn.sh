# shellcheck shell=bash disable=SC2034
# ovpn: s is root and controller; a and b are members already, as after a reboot. ovpn:chacha is the same on
# processors without AES, ovpn:normal without realtime priority.
LAYER=Ethernet

needs() { # [chacha|normal]
    case ${1-} in
    '' | chacha | normal) ;;
    *) echo "ovpn can be ovpn:chacha or ovpn:normal, not $1" && return 1 ;;
    esac
}

prepare() { # [chacha|normal]
    local line=
    case ${1-} in
    chacha) line="aes = no" ;;
    normal) line="priority = normal" ;;
    esac
    IDENTITIES=0 # of the pool: making one takes a second
    server s 20.0.0.3
    node a "[node]" "name = a" ${line:+"$line"}
    node b "[node]" "name = b" ${line:+"$line"}
    start s a b && ov s net create bench && join s 20.0.0.3:4793 bench a b || return 1
    B=$(ip4 b)
    wait_for 10 pings a "$B" && stop a && stop b
}

up() {
    launch b
    launch a
}

settled() { # the path MTU is sought only while frames flow
    pings a "$B" && is_path a b direct && is_path b a direct && whole a b && whole b a
}

whole() { # NODE OTHER: its largest frames go as one datagram each
    [ "$(json "$1" '[.peers[] | select(.address == "'"${ADDRESS[$2]}"'")][0].mtu' peers)" -ge 1400 ]
}

pids() {
    echo "${PID[a]} ${PID[b]}"
}

about() {
    CIPHER=$(json a '[.peers[] | select(.address == "'"${ADDRESS[b]}"'")][0].cipher' peers)
    VERSION=$("$OVPN" --version | awk '{ print $NF }')
}
