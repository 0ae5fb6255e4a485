#!/usr/bin/env python3
"""What no shell tool sends: raw Ethernet frames, broadcast and multicast UDP, garbage, bulk TCP.

Receivers print "ready" when they listen, then what came, and end with 0 once it is what was wanted.

  wire.py raw-send IFACE ETHERTYPE TEXT        to ff:ff:ff:ff:ff:ff; an ethertype below 1536 is a length: 802.3
  wire.py raw-recv IFACE ETHERTYPE TEXT SECS
  wire.py tagged-send IFACE VLAN ETHERTYPE TEXT   the same with an 802.1Q tag
  wire.py tagged-recv IFACE VLAN ETHERTYPE TEXT SECS
  wire.py udp-send HOST PORT TEXT [IFACE]      broadcast and multicast too
  wire.py udp-recv PORT TEXT SECS [GROUP IFACE_IP]
  wire.py spoof-ip IFACE SRC_IP DST_MAC DST_IP PORT TEXT   a UDP datagram with a source that is not ours
  wire.py spoof-mac IFACE SRC_MAC ETHERTYPE TEXT
  wire.py garbage HOST PORT SEED               datagrams of random bytes, of every length from 0 to 2000
  wire.py udp-train HOST PORT SIZE COUNT       as one send of the kernel's (UDP_SEGMENT); the last one byte shorter
  wire.py udp-count PORT SIZE COUNT SECS       it arrives, whole and in order
  wire.py tcp-send HOST PORT FILE              prints seconds and MB/s
  wire.py tcp-recv PORT FILE
  wire.py tcp-open HOST PORT                   somebody listens there
  wire.py tcp-garbage HOST PORT COUNT          connections: random bytes, half a hello, or nothing at all, kept open
  wire.py udp-flood HOST PORT SECS             as fast as it goes; prints how many
  wire.py api-hog SOCKET COUNT SECS            so many local clients: silent, a byte now and then, a body that never ends
  wire.py capture FILE                         every frame of every interface, until told to end
  wire.py find FILE TEXT                       0 when FILE has TEXT in any of its common disguises"""

import base64
import contextlib
import os
import random
import socket
import struct
import sys
import time

ETH_ALL = 3


def packet(iface, proto=ETH_ALL):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
    s.bind((iface, proto))
    return s


def raw_send(iface, ethertype, text, src=None):
    s = packet(iface)
    body = text.encode().ljust(60, b"\0")
    kind = int(ethertype, 0)
    head = b"\xff" * 6 + (src or s.getsockname()[4]) + struct.pack("!H", kind if kind >= 1536 else len(body))
    s.send(head + body)


def spoof_mac(iface, src, ethertype, text):
    raw_send(iface, ethertype, text, bytes.fromhex(src.replace(":", "")))


def raw_recv(iface, ethertype, text, secs):
    s, kind, end = packet(iface), int(ethertype, 0), time.monotonic() + float(secs)
    print("ready", flush=True)
    while time.monotonic() < end:
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            frame = s.recv(65536)
        except socket.timeout:
            break
        got = struct.unpack("!H", frame[12:14])[0]
        if (got == kind or kind < 1536 and got < 1536) and text.encode() in frame:
            print("got", frame[6:12].hex(":"), len(frame))
            return 0
    return 1


def tagged_send(iface, vid, ethertype, text):
    s = packet(iface)
    tag = struct.pack("!HHH", 0x8100, int(vid), int(ethertype, 0))
    s.send(b"\xff" * 6 + s.getsockname()[4] + tag + text.encode().ljust(60, b"\0"))


def tagged_recv(iface, vid, ethertype, text, secs):
    # The kernel takes the tag off before it hands the frame over, and tells it in PACKET_AUXDATA.
    s, end = packet(iface), time.monotonic() + float(secs)
    s.setsockopt(263, 8, 1)
    print("ready", flush=True)
    while time.monotonic() < end:
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            frame, aux, _, _ = s.recvmsg(65536, 256)
        except socket.timeout:
            break
        tags = [struct.unpack("=IIIHHHH", d[:20])[5] for level, kind, d in aux if (level, kind) == (263, 8)]
        if tags and tags[0] & 0xfff == int(vid) and frame[12:14] == struct.pack("!H", int(ethertype, 0)) \
                and text.encode() in frame:
            print("got", frame[6:12].hex(":"), "tag", tags[0], len(frame))
            return 0
    return 1


def udp_send(host, port, text, iface=None):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if iface:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, iface.encode())
    if host.startswith("2") and 224 <= int(host.split(".")[0]) < 240:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
    s.sendto(text.encode(), (host, int(port)))


def udp_recv(port, text, secs, group=None, via=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", int(port)))
    if group:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(via))
    print("ready", flush=True)
    end = time.monotonic() + float(secs)
    while time.monotonic() < end:
        s.settimeout(max(0.01, end - time.monotonic()))
        try:
            data, peer = s.recvfrom(65536)
        except socket.timeout:
            break
        if data == text.encode():
            print("got", peer[0])
            return 0
    return 1


def train(size, count):
    return b"".join(bytes([i]) * size for i in range(int(count)))[:-1]


def udp_train(host, port, size, count):
    size = int(size)
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_UDP, 103, size)
    s.sendto(train(size, count), (host, int(port)))


def udp_count(port, size, count, secs):
    s, size = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), int(size)
    s.bind(("", int(port)))
    s.settimeout(float(secs))
    print("ready", flush=True)
    want = train(size, count)
    for at in range(0, len(want), size):
        if s.recv(65536) != want[at:at + size]:
            return 1
    print("got", count)
    return 0


def checksum(b):
    n = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return ~n & 0xFFFF


def spoof_ip(iface, src, dst_mac, dst, port, text):
    s = packet(iface)
    data = text.encode()
    udp = struct.pack("!HHHH", 9999, int(port), 8 + len(data), 0) + data
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0, 64, 17, 0,
                     socket.inet_aton(src), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    s.send(bytes.fromhex(dst_mac.replace(":", "")) + s.getsockname()[4] + b"\x08\x00" + ip + udp)


def garbage(host, port, seed):
    r = random.Random(int(seed))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for length in range(2001):
        for first in (None, r.randrange(1, 9)):  # all of it random; and a known type before it
            body = bytearray(r.randbytes(length))
            if first is not None and length >= 4:
                body[:4] = bytes((first, 0, 0, 0))
            s.sendto(body, (host, int(port)))
        if length % 20 == 0:
            time.sleep(0.002)  # no faster than a socket buffer takes


def tcp_send(host, port, file):
    start = time.monotonic()
    s = socket.create_connection((host, int(port)), 10)
    with open(file, "rb") as f:
        n = s.sendfile(f)
    s.shutdown(socket.SHUT_WR)
    s.recv(1)  # until the other side has it all
    secs = time.monotonic() - start
    print(f"{secs:.2f} {n / secs / 1e6:.1f}")


def tcp_recv(port, file):
    srv = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    print("ready", flush=True)
    s, _ = srv.accept()
    with open(file, "wb") as f:
        while data := s.recv(1 << 20):
            f.write(data)
    s.send(b"1")


def tcp_open(host, port):
    socket.create_connection((host, int(port)), 1).close()


def tcp_garbage(host, port, count):
    rnd, kept = random.Random(int(port)), []
    starts = [b"", b"ovpn/1\r\n", b"ovpn/", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"ovpn/1\r\n\x24\x00"]
    for n in range(int(count)):
        try:
            s = socket.create_connection((host, int(port)), 5)
            s.send(starts[n % len(starts)] + (rnd.randbytes(rnd.randrange(3000)) if n % 4 else b""))
            kept.append(s)
        except OSError:
            pass  # too many of us: that is what it is to do
    s = socket.create_connection((host, int(port)), 5)
    s.settimeout(5)
    s.send(b"ovpn/1\r\n" + b"\x00\x20" + bytes(32))
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        assert s.recv(10) == b"", "an answer to garbage"


def capture(file):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)  # as much as may be had
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # root in a namespace only
            s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    print("ready", flush=True)
    with open(file, "wb", buffering=0) as f:
        while True:
            f.write(s.recv(65536))


def udp_flood(host, port, secs):
    s, end, n, body = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic() + float(secs), 0, bytes(1200)
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            s.sendto(body, (host, int(port)))
        n += 1
    print(f"{n} datagrams, {n * len(body) * 8 / float(secs) / 1e6:.0f} Mbit/s")


def api_hog(path, count, secs):
    """Each is made anew when it is closed, and never waits for an answer."""
    heads = (b"", b"GET /v1/status HTTP/1.1\r\nX: ", b"POST /v1/pings HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
    clients, refused, end = [None] * int(count), 0, time.monotonic() + float(secs)
    ready = False
    while time.monotonic() < end:
        for i, c in enumerate(clients):
            try:
                if c is None:
                    c = clients[i] = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                    c.connect(path)
                    c.send(heads[i % 3])
                elif i % 3:
                    c.send(b"x")
            except OSError:
                c.close()
                clients[i], refused = None, refused + 1
        if not ready:
            print("ready", flush=True)
            ready = True
        time.sleep(0.1)
    print(f"{count} clients, {refused} times refused or closed")


def find(file, text):
    with open(file, "rb") as f:
        data = f.read()
    t = text.encode()
    forms = {t, t.hex().encode(), t.hex().upper().encode(), t[::-1], bytes(b ^ 0xFF for b in t),
             text.encode("utf-16-le"), text.encode("utf-16-be")}
    forms |= {base64.b64encode(t[i:])[2:-4] for i in range(3)}
    hits = [f for f in forms if f in data]
    print(f"{len(data)} bytes, {len(hits)} hits")
    return 0 if hits else 1


COMMANDS = {f.__name__.replace("_", "-"): f for f in
            (raw_send, raw_recv, tagged_send, tagged_recv, udp_send, udp_recv, spoof_ip, spoof_mac,
             garbage, udp_train, udp_count, tcp_send, tcp_recv, tcp_open, tcp_garbage, udp_flood, api_hog, capture,
             find)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
