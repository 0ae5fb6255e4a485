# shellcheck shell=bash disable=SC2034
# Nebula with its default cipher and MTU. Each knows where the other is, so no lighthouse is needed.
LAYER=IP

needs() {
    command -v nebula >/dev/null || { echo "nebula is not installed" && return 1; }
}

prepare() {
    (cd "$LAB" && nebula-cert ca -name bench &&
        nebula-cert sign -name a -ip 10.9.0.1/24 && nebula-cert sign -name b -ip 10.9.0.2/24) &&
        config a 2 && config b 1
}

config() { # MACHINE OTHERS-N
    cat >"$LAB/$1.yml" <<T
pki: { ca: $LAB/ca.crt, cert: $LAB/$1.crt, key: $LAB/$1.key }
static_host_map: { "10.9.0.$2": ["20.0.0.$2:4242"] }
lighthouse: { am_lighthouse: false }
listen: { host: 0.0.0.0, port: 4242 }
tun: { dev: nebula }
logging: { level: warning, format: text }
firewall:
  outbound: [{ port: any, proto: any, host: any }]
  inbound: [{ port: any, proto: any, host: any }]
T
}

up() {
    daemon b nebula -config "$LAB/b.yml"
    daemon a nebula -config "$LAB/a.yml"
}

about() {
    CIPHER=AES-256-GCM
    VERSION=$(nebula -version | awk '{ print $2 }')
}
