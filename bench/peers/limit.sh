# shellcheck shell=bash disable=SC2034
# bench/limit.c: TAP and UDP alone, with the MTU of an ovpn network; with realtime priority as ovpn has it, or without.
LAYER=Ethernet

needs() { # PATH CIPHER
    [ "$2" != aes ] || grep -qw aes /proc/cpuinfo || { echo "the processor has no AES" && return 1; }
}

up() { # PATH CIPHER [realtime]
    local name n=0 local=20.0.0.1 remote=20.0.0.2
    for name in a b; do
        # shellcheck disable=SC2086 # words
        daemon $name ${3:+chrt --rr 1} "$BUILD/bench/limit" pump 1344 $local $remote "$1" "$2"
        local=20.0.0.2 remote=20.0.0.1
    done
    for name in a b; do
        wait_for 5 ip -n $name link show pump || return 1
        ip -n $name addr add 10.9.0.$((++n))/24 dev pump
        ip -n $name link set pump mtu 1344 up
    done
}

about() { # PATH CIPHER
    case $2 in
    none) CIPHER=none ;;
    aes) CIPHER=AES-256-GCM ;;
    chacha) CIPHER=ChaCha20-Poly1305 ;;
    esac
}
