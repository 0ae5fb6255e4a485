#!/usr/bin/env python3
"""NAT-PMP (RFC 6886) as a home router has it whose provider gives it an address of 100.64.0.0/10: natpmp.py LAN WAN

Debian's miniupnpd refuses to map on such an address. UDP only; mappings last as long as the router."""

import socket
import struct
import subprocess
import sys
import time

TABLE = """table ip pmp {
    map inside {
        type inet_service : ipv4_addr . inet_service
    }
    chain pre {
        type nat hook prerouting priority -101
        iifname "wan" meta l4proto udp dnat ip to udp dport map @inside
    }
}
"""


def nft(text):
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def main():
    lan, wan = sys.argv[1:]
    nft(TABLE)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((lan, 5351))
    start, held = time.monotonic(), {}
    while True:
        data, who = s.recvfrom(1100)
        if len(data) < 2 or data[1] >= 128:
            continue
        epoch, op = int(time.monotonic() - start), data[1]
        if data[0] != 0:  # PCP: we are older
            s.sendto(struct.pack("!BBHI", 0, 128 + op, 1, epoch), who)
        elif op == 0:
            s.sendto(struct.pack("!BBHI4s", 0, 128, 0, epoch, socket.inet_aton(wan)), who)
        elif op == 1 and len(data) == 12:
            inside, outside, life = struct.unpack("!HHI", data[4:])
            if life:
                outside = outside or inside
                while held.setdefault(outside, (who[0], inside)) != (who[0], inside):
                    outside = outside % 60000 + 1024
                nft(f"add element ip pmp inside {{ {outside} : {who[0]} . {inside} }}")
            s.sendto(struct.pack("!BBHIHHI", 0, 129, 0, epoch, inside, outside if life else 0, life), who)
        else:
            s.sendto(struct.pack("!BBHI", 0, 128 + op, 5, epoch), who)


if __name__ == "__main__":
    main()
