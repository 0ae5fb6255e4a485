#!/bin/bash
# A network without IP rules: a DHCP server among the members leases addresses to the others.
. "$(dirname "$0")/lab.sh"
two_homes
need "checks of source addresses are off" ov root net set dorm check-ip off
need "both homes join" join root 20.0.0.1:4793 dorm alice bob
DA=$(device alice) DB=$(device bob)
need "they reach each other" within 2 pings alice "$(ip4 bob)"

on alice ip addr add 192.168.77.1/24 dev "$DA"
on alice dnsmasq --no-daemon --user=root --conf-file=/dev/null --port=0 --interface="$DA" --bind-interfaces \
    --dhcp-range=192.168.77.50,192.168.77.99,1h --dhcp-option=6,192.168.77.53 --dhcp-authoritative \
    --dhcp-leasefile="$LAB/leases" --log-dhcp >"$LOG/dnsmasq" 2>&1 &
need "dnsmasq runs" wait_for 5 grep -q 'DHCP, IP range' "$LOG/dnsmasq"
cat >"$LAB/dhclient-script" <<'S'
#!/bin/sh
case $reason in
BOUND) ip addr add "$new_ip_address/24" dev "$interface" && echo "$new_ip_address $new_domain_name_servers" > /run/lab/lease ;;
esac
S
chmod +x "$LAB/dhclient-script"
: >"$LAB/empty"
on bob dhclient -4 -d -1 -cf "$LAB/empty" -sf "$LAB/dhclient-script" -lf "$LAB/bob.leases" -pf "$LAB/dhclient.pid" "$DB" >"$LOG/dhclient" 2>&1 &
check "dhclient gets a lease across the overlay" within 10 test -s "$LAB/lease"
check "from the server's range, with its options" grep -Eq '^192\.168\.77\.[5-9][0-9] 192\.168\.77\.53$' "$LAB/lease"
check "the server wrote it down" grep -q "$(cut -d' ' -f1 "$LAB/lease")" "$LAB/leases"
check "the leased address works" within 3 pings alice "$(cut -d' ' -f1 "$LAB/lease")"
