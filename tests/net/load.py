#!/usr/bin/env python3
"""Moves much data through a tunnel and tells whether it came as it was sent.

  load.py tcp-listen PORT FILE FLOWS SECS
  load.py tcp-connect HOST PORT FILE FLOWS SECS [IFACE]
      Both ways at once: the file in as many parts as there are flows, one each, and compared by SHA-256
      with what should have come. What the listener sends is shifted by SHIFT bytes, so that nothing
      that comes back to its sender, or falls into another flow, is taken for right.
  load.py udp-listen PORT SEED SECS SIZE [ordered]
  load.py udp-connect HOST PORT SEED TRAINS SIZE SECS
      Trains of datagrams of mixed sizes, up to SIZE, each one send of the kernel's (UDP_SEGMENT). The next
      train leaves when the last one is there. Every datagram must come once and whole; `ordered`: and in order.

SECS is the longest that nothing may come. A listener prints "ready" when it listens."""

import hashlib
import mmap
import os
import random
import socket
import struct
import sys
import threading
import time

SHIFT = 4096
CHUNK = 1 << 18
UDP_SEGMENT = 103
SO_RCVBUFFORCE = 33


class Flow:
    """One connection: sends a slice of the file while it receives the other's."""

    def __init__(self, sock, file, number, flows, listener):
        self.sock, self.file, self.number = sock, file, number
        part = (os.path.getsize(file) - SHIFT) // flows
        self.length, at = part, part * number
        self.mine, self.theirs = (at + SHIFT, at) if listener else (at, at + SHIFT)
        self.hash, self.got, self.error = hashlib.sha256(), 0, None
        self.threads = [threading.Thread(target=self.guard, args=(f,)) for f in (self.send, self.receive)]

    def guard(self, work):
        try:
            work()
        except OSError as e:
            self.error = f"{work.__name__}: {e}"

    def send(self):
        with open(self.file, "rb") as f:
            self.sock.sendfile(f, self.mine, self.length)
        self.sock.shutdown(socket.SHUT_WR)

    def receive(self):
        buf = memoryview(bytearray(CHUNK))
        while n := self.sock.recv_into(buf):
            self.hash.update(buf[:n])
            self.got += n

    def verdict(self):
        with open(self.file, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m, memoryview(m) as v:
            want = hashlib.sha256(v[self.theirs:self.theirs + self.length]).hexdigest()
        if self.error or self.got != self.length or self.hash.hexdigest() != want:
            print(f"flow {self.number}: {self.got} of {self.length} bytes, {self.error or ''}"
                  f" sha256 {self.hash.hexdigest()}, not {want}")
            return 1
        return 0


def run(flows, start):
    for t in [t for f in flows for t in f.threads]:
        t.start()
    for t in [t for f in flows for t in f.threads]:
        t.join()
    secs = time.monotonic() - start
    failed = sum(f.verdict() for f in flows)
    mb = sum(f.got for f in flows) / 1e6
    print(f"{mb:.0f} MB in {len(flows)} flows, {mb / secs:.0f} MB/s, sha256 {flows[0].hash.hexdigest()[:16]}..")
    return 1 if failed else 0


def tcp_listen(port, file, count, secs):
    srv = socket.create_server(("", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    srv.settimeout(float(secs))
    print("ready", flush=True)
    flows, start = [], time.monotonic()
    for _ in range(int(count)):
        s, _ = srv.accept()
        s.settimeout(float(secs))
        flows.append(Flow(s, file, s.recv(1)[0], int(count), True))
    return run(flows, start)


def tcp_connect(host, port, file, count, secs, iface=None):
    flows, start = [], time.monotonic()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for i in range(int(count)):
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(float(secs))
        if iface:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, iface.encode())
        s.connect((host, int(port)))
        s.sendall(bytes([i]))
        flows.append(Flow(s, file, i, int(count), False))
    return run(flows, start)


def train(seed, number, size):
    """The size and the datagrams of a train, which follow from its number. Each begins with what it is."""
    r = random.Random(int(seed) << 32 | number)
    limit = int(size)
    size = r.choice((r.randint(12, 100), r.randint(12, limit), limit, limit - 1))
    count = min(r.randint(1, 64), 65000 // size)
    last = r.randint(12, size)
    return size, [struct.pack("!IIHH", int(seed), number, i, count) +
                  r.randbytes((last if i == count - 1 else size) - 12) for i in range(count)]


def udp_listen(port, seed, secs, size, order=None):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    except PermissionError:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(("", int(port)))
    s.settimeout(float(secs))
    print("ready", flush=True)
    number, got, want, total, overtaken = -1, set(), [], 0, 0
    while True:
        data, peer = s.recvfrom(65536)
        if data == b"end":
            break
        if len(data) < 12:
            print(f"{len(data)} bytes that nobody sent")
            return 1
        which, at, index, _ = struct.unpack("!IIHH", data[:12])
        if at == number + 1:
            number, got, want = at, set(), train(seed, at, size)[1]
        if which != int(seed) or at != number or index in got or index >= len(want) or data != want[index]:
            print(f"train {at} (in {number}), datagram {index}: {'twice' if index in got else 'not as sent'}")
            return 1
        overtaken += index != len(got)
        got.add(index)
        total += len(data)
        if len(got) == len(want):
            s.sendto(struct.pack("!I", number), peer)
    print(f"{number + 1} trains, {total / 1e6:.0f} MB, {overtaken} out of order")
    return 1 if order == "ordered" and overtaken else 0


def udp_connect(host, port, seed, trains, size, secs):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((host, int(port)))
    s.settimeout(float(secs))
    for number in range(int(trains)):
        each, datagrams = train(seed, number, size)
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, each if len(datagrams) > 1 else 0)
        s.send(b"".join(datagrams))
        if s.recv(100) != struct.pack("!I", number):
            print(f"train {number}: a strange answer")
            return 1
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)
    s.send(b"end")
    return 0


COMMANDS = {f.__name__.replace("_", "-"): f for f in (tcp_listen, tcp_connect, udp_listen, udp_connect)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
