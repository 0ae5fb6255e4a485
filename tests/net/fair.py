#!/usr/bin/env python3
"""A game beside downloads: what a slow line does to small packets.

  fair.py listen PORT
      Takes TCP in and says at the end of each connection how much came and for how long; sends
      datagrams back. Prints "ready".
  fair.py play HOST PORT SECS FLOWS [FLOOD]
      FLOWS TCP connections send all they can for SECS, and FLOOD Mbit/s of datagrams of 1000 bytes
      besides, while 60 datagrams of 100 bytes a second go there and back. Prints the result as JSON:
      {"mbit": in all, "flows": [Mbit/s of each], "sent", "lost", "p50", "p95"}: the small datagrams'
      number, losses and round trips in ms."""

import json
import socket
import struct
import sys
import threading
import time

RATE = 60
SMALL = 100
LARGE = 1000
CHUNK = bytes(1 << 16)
LAST = 2.0  # how long the last answers may take


def take(sock):
    """One download: the answer to its end is bytes and seconds from the first to the last of them."""
    buf, total, first, last = bytearray(1 << 18), 0, 0.0, 0.0
    while n := sock.recv_into(buf):
        last = time.monotonic()
        first, total = first or last, total + n
    sock.sendall(struct.pack("!Qd", total, last - first))
    sock.close()


def listen(port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("", port))
    tcp = socket.create_server(("", port))

    def echo():
        while True:
            data, source = udp.recvfrom(2048)
            if len(data) == SMALL:
                udp.sendto(data, source)

    threading.Thread(target=echo, daemon=True).start()
    print("ready", flush=True)
    while True:
        threading.Thread(target=take, args=(tcp.accept()[0],), daemon=True).start()


class Download(threading.Thread):
    def __init__(self, to, until):
        super().__init__(daemon=True)
        self.sock, self.until = socket.create_connection(to), until
        for name in b"cubic", b"reno":  # they fill every queue there is; reno is in every kernel
            try:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
                break
            except OSError:
                pass
        self.total, self.seconds = 0, 1.0

    def run(self):
        while time.monotonic() < self.until:
            self.sock.sendall(CHUNK)
        self.sock.shutdown(socket.SHUT_WR)
        answer = self.sock.recv(16, socket.MSG_WAITALL)
        self.total, self.seconds = struct.unpack("!Qd", answer)


def flood(to, until, mbit):
    sock, gap = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), LARGE * 8 * 10 / (mbit * 1e6)
    at = time.monotonic()
    while at < until:
        for _ in range(10):
            sock.sendto(bytes(LARGE), to)
        at += gap
        time.sleep(max(0, at - time.monotonic()))


def play(host, port, secs, flows, mbit):
    to = (host, port)
    game = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    game.connect(to)
    began = time.monotonic()
    until, rtts, sent = began + secs, {}, 0

    def answers():
        while data := game.recv(2048):
            number, when = struct.unpack("!Qd", data[:16])
            rtts[number] = (time.monotonic() - when) * 1000

    threading.Thread(target=answers, daemon=True).start()
    downloads = [Download(to, until) for _ in range(flows)]
    for d in downloads:
        d.start()
    if mbit:
        threading.Thread(target=flood, args=(to, until, mbit), daemon=True).start()
    while time.monotonic() < until:
        game.send(struct.pack("!Qd", sent, time.monotonic()).ljust(SMALL))
        sent += 1
        time.sleep(max(0, began + sent / RATE - time.monotonic()))
    for d in downloads:
        d.join()
    end = time.monotonic() + LAST
    while len(rtts) < sent and time.monotonic() < end:
        time.sleep(0.01)
    took = sorted(rtts.values()) or [0]
    rates = [d.total * 8 / d.seconds / 1e6 for d in downloads]
    print(json.dumps({
        "mbit": round(sum(rates), 1), "flows": [round(r, 1) for r in rates], "sent": sent, "lost": sent - len(rtts),
        "p50": round(took[len(took) // 2], 1), "p95": round(took[len(took) * 95 // 100], 1)}))


if sys.argv[1] == "listen":
    listen(int(sys.argv[2]))
else:
    play(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]) if sys.argv[6:] else 0)
