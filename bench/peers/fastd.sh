# shellcheck shell=bash disable=SC2034
# fastd as an Ethernet switch, with the method and the MTU that its documentation suggests. Only a is told
# where the other is: when both call at once, each keeps the session that the other gave up, for 19 s.
LAYER=Ethernet

needs() {
    command -v fastd >/dev/null || { echo "fastd is not installed" && return 1; }
}

prepare() {
    local name
    for name in a b; do
        fastd --generate-key 2>/dev/null >"$LAB/$name.keys" || return 1
    done
    config a 1 b "remote 20.0.0.2:10000;" && config b 2 a ""
}

key() { # MACHINE Secret|Public
    sed -n "s/^$2: *//p" "$LAB/$1.keys"
}

config() { # MACHINE N OTHER WHERE
    cat >"$LAB/$1.conf" <<T
mode tap;
interface "fastd";
mtu 1426;
method "salsa2012+umac";
bind 20.0.0.$2:10000;
secret "$(key "$1" Secret)";
on up "ip addr add 10.9.0.$2/24 dev fastd; ip link set fastd up";
peer "$3" {
    $4
    key "$(key "$3" Public)";
}
T
}

up() {
    daemon b fastd --config "$LAB/b.conf"
    daemon a fastd --config "$LAB/a.conf"
}

about() {
    CIPHER=Salsa20/12+UMAC
    VERSION=$(fastd --version | awk '{ print $2 }')
}
