# shellcheck shell=bash disable=SC2034
# OpenVPN carrying Ethernet between two peers, UDP, TLS with pinned certificates.
LAYER=Ethernet

needs() {
    command -v openvpn >/dev/null || { echo "openvpn is not installed" && return 1; }
    command -v openssl >/dev/null || { echo "openssl is not installed" && return 1; }
}

prepare() {
    local name
    for name in a b; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
            -subj "/CN=$name" -keyout "$LAB/$name.key" -out "$LAB/$name.crt" || return 1
    done
}

fingerprint() { # MACHINE
    openssl x509 -in "$LAB/$1.crt" -noout -fingerprint -sha256 | cut -d= -f2
}

up() {
    side b 2 a 1 --tls-server --dh none
    side a 1 b 2 --tls-client
}

side() { # MACHINE N OTHER N ARGS..
    daemon "$1" openvpn --dev tap0 --dev-type tap --proto udp4 --local "20.0.0.$2" --remote "20.0.0.$4" \
        --ifconfig "10.9.0.$2" 255.255.255.0 --cert "$LAB/$1.crt" --key "$LAB/$1.key" \
        --peer-fingerprint "$(fingerprint "$3")" --data-ciphers AES-256-GCM --cipher AES-256-GCM \
        --disable-dco --verb 3 "${@:5}"
}

about() {
    CIPHER=$(sed -n "s/.*Data Channel: cipher '\([^']*\)'.*/\1/p" "$LOG/openvpn.a.log" | tail -n 1)
    VERSION=$(openvpn --version | awk 'NR == 1 { print $2 }')
}
