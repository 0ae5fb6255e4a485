# shellcheck shell=bash disable=SC2034
# ZeroTier, where ZT_BIN is a zerotier-one with its controller built in: s is the controller, and the moon
# by which a and b find each other (ZeroTier's own roots cannot be reached from here).
LAYER=Ethernet

needs() {
    [ -n "${ZT_BIN-}" ] || { echo "ZT_BIN is not set" && return 1; }
    [ -x "$ZT_BIN" ] || { echo "ZT_BIN is no program: $ZT_BIN" && return 1; }
    command -v curl >/dev/null || { echo "curl is not installed" && return 1; }
}

api() { # MACHINE METHOD PATH [JSON]
    on "$1" curl -sf -X "$2" -H "X-ZT1-Auth: $(cat "$LAB/$1/authtoken.secret")" ${4:+-d "$4"} \
        "http://127.0.0.1:9993/$3"
}

zerotier() { # MACHINE
    daemon "$1" "$ZT_BIN" -U -p9993 "$LAB/$1"
}

online() { # MACHINE..
    local name
    for name; do
        wait_for 10 eval "[ -e $LAB/$name/authtoken.secret ] && api $name GET status" >/dev/null || return 1
    done
}

zt_stop() { # MACHINE
    kill "${DAEMON[$1]}" && wait_for 10 not kill -0 "${DAEMON[$1]}"
    unset "DAEMON[$1]"
}

prepare() {
    local name address net
    for name in a b s; do
        mkdir -p "$LAB/$name/moons.d"
        "$ZT_BIN" -i generate "$LAB/$name/identity.secret" "$LAB/$name/identity.public" || return 1
        printf '{"settings":{"allowSecondaryPort":false,"portMappingEnabled":false}}' >"$LAB/$name/local.conf"
    done
    (cd "$LAB/s" && "$ZT_BIN" -i initmoon identity.public |
        jq '.roots[0].stableEndpoints = ["20.0.0.3/9993"]' >moon.json && "$ZT_BIN" -i genmoon moon.json) || return 1
    for name in a b s; do
        cp "$LAB"/s/*.moon "$LAB/$name/moons.d/"
        zerotier $name
    done
    online a b s || return 1
    address=$(cut -d: -f1 "$LAB/s/identity.public")
    net=$(api s POST "controller/network/${address}______" '{"private":false,"v4AssignMode":{"zt":true},
        "routes":[{"target":"10.9.0.0/24"}],
        "ipAssignmentPools":[{"ipRangeStart":"10.9.0.1","ipRangeEnd":"10.9.0.20"}]}' | jq -er .id) || return 1
    api a POST "network/$net" '{}' && api b POST "network/$net" '{}' || return 1
    wait_for 30 eval "[ \"\$(api b GET network/$net | jq -r .status)\" = OK ]" || return 1
    wait_for 30 eval "[ \"\$(api a GET network/$net | jq -r .status)\" = OK ]" || return 1
    B=$(api b GET "network/$net" | jq -r '.assignedAddresses[0] | split("/")[0]')
    wait_for 30 pings a "$B" && zt_stop a && zt_stop b
}

up() {
    zerotier b
    zerotier a
}

settled() { # direct: the other is heard from at its own address
    api a GET peer | jq -e '[.[].paths[] | select(.active) | .address] | index("20.0.0.2/9993")'
}

about() {
    CIPHER="AES-GMAC-SIV or Salsa20/12"
    VERSION=$("$ZT_BIN" -v)
}
