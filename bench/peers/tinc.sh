# shellcheck shell=bash disable=SC2034
# tinc as an Ethernet switch, otherwise with its defaults.
LAYER=Ethernet

needs() {
    command -v tincd >/dev/null || { echo "tinc is not installed" && return 1; }
}

prepare() {
    config a 1 && config b 2 && cp "$LAB/a/hosts/a" "$LAB/b/hosts/" && cp "$LAB/b/hosts/b" "$LAB/a/hosts/" &&
        echo "ConnectTo = b" >>"$LAB/a/tinc.conf"
}

config() { # MACHINE N
    mkdir -p "$LAB/$1/hosts"
    printf '%s\n' "Name = $1" "Mode = switch" "Interface = tinc" "AddressFamily = ipv4" >"$LAB/$1/tinc.conf"
    echo "Address = 20.0.0.$2" >"$LAB/$1/hosts/$1"
    printf '%s\n' '#!/bin/sh' "ip addr add 10.9.0.$2/24 dev \$INTERFACE" 'ip link set $INTERFACE up' \
        >"$LAB/$1/tinc-up"
    chmod +x "$LAB/$1/tinc-up"
    tincd -c "$LAB/$1" -K </dev/null
}

up() {
    daemon b tincd -c "$LAB/b" -D --pidfile="$LAB/b/pid"
    daemon a tincd -c "$LAB/a" -D --pidfile="$LAB/a/pid"
}

about() {
    CIPHER=AES-256-CBC+SHA-256
    VERSION=$(tincd --version | awk 'NR == 1 { print $3 }')
}
