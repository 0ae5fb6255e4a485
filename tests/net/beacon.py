#!/usr/bin/env python3
"""What a stranger on a LAN can do with beacons (core/beacon.h).

  beacon.py listen FILE            every one heard, one in a line: source address and bytes, until told to end
  beacon.py strange FILE COUNT     0 when COUNT or more are in FILE and no two share any 4 bytes but the first
  beacon.py replay FILE COUNT SRC  those in FILE again, COUNT in all: SRC "own" from our address, else as from
                                   the one they came from
  beacon.py flood COUNT            of random bytes and the right shape"""

import os
import socket
import struct
import sys

PORT = 4795
GROUP4, GROUP6 = "239.255.47.94", "ff02::4f56:504e"
HEADER, ENTRY = 28, 109


def listen(file):
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    a.bind((GROUP4, PORT))
    index = socket.if_nametoindex("eth0")
    a.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                 socket.inet_aton(GROUP4) + struct.pack("@4si", b"\0" * 4, index))
    with open(file, "w", encoding="ascii") as f:
        print("ready", flush=True)
        while True:
            data, source = a.recvfrom(2048)
            print(source[0], data.hex(), file=f, flush=True)


def read(file):
    with open(file, encoding="ascii") as f:
        return [(source, bytes.fromhex(data)) for source, data in (line.split() for line in f)]


def strange(file, count):
    seen, all_of = {}, read(file)
    for n, (_, data) in enumerate(all_of):
        if data[:4] != b"\x08\0\0\0" or (len(data) - HEADER) % ENTRY:
            print("not a beacon:", data.hex())
            return 1
        for i in range(4, len(data) - 3):
            if seen.setdefault(data[i:i + 4], n) != n:
                print("beacons share", data[i:i + 4].hex())
                return 1
    print(len(all_of), "beacons of", {source for source, _ in all_of})
    return len(all_of) < int(count)


def send_as(source, data):
    """From an address that is not ours: with an IP header of our own."""
    udp = struct.pack("!HHHH", PORT, PORT, 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0,
                     socket.inet_aton(source), socket.inet_aton(GROUP4))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        s.sendto(ip + udp, (GROUP4, 0))


def replay(file, count, how):
    all_of = read(file)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for i in range(int(count)):
            source, data = all_of[i % len(all_of)]
            if how == "own":
                s.sendto(data, (GROUP4, PORT))
            else:
                send_as(source, data)


def flood(count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        for i in range(int(count)):
            data = b"\x08\0\0\0" + os.urandom(24 + ENTRY * (2, 4, 8)[i % 3])
            s.sendto(data, (GROUP4, PORT))


if __name__ == "__main__":
    sys.exit({"listen": listen, "strange": strange, "replay": replay, "flood": flood}[sys.argv[1]](*sys.argv[2:]))
