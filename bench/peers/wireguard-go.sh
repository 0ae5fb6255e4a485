# shellcheck shell=bash disable=SC2034
# WireGuard in user space: the kernel's would be no comparison of daemons.
LAYER=IP

needs() {
    command -v wireguard-go >/dev/null || { echo "wireguard-go is not installed" && return 1; }
    command -v wg >/dev/null || { echo "wireguard-tools is not installed" && return 1; }
}

prepare() {
    (umask 077 && wg genkey >"$LAB/a.key" && wg genkey >"$LAB/b.key") && config a 1 b 2 && config b 2 a 1
}

config() { # MACHINE N OTHER N
    cat >"$LAB/$1.conf" <<T
[Interface]
PrivateKey = $(cat "$LAB/$1.key")
ListenPort = 51820
[Peer]
PublicKey = $(wg pubkey <"$LAB/$3.key")
Endpoint = 20.0.0.$4:51820
AllowedIPs = 10.9.0.$4/32
T
}

up() {
    local name n=2
    for name in b a; do # the device names differ because their control sockets share a directory
        daemon $name env LOG_LEVEL=error wireguard-go -f wg$name
    done
    for name in b a; do
        wait_for 5 test -S /var/run/wireguard/wg$name.sock || return 1
        on $name wg setconf wg$name "$LAB/$name.conf" || return 1
        ip -n $name addr add 10.9.0.$((n--))/24 dev wg$name
        ip -n $name link set wg$name mtu 1420 up
    done
}

about() {
    CIPHER=ChaCha20-Poly1305
    VERSION=$(wireguard-go --version | awk 'NR == 1 { print $2 }')
}
