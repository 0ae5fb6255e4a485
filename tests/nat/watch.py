#!/usr/bin/env python3
"""Watches two nodes find each other, from outside and from one clock.

  watch.py LAB OTHERS A_NAME A_ADDRESS A_IP A_MAPS B_NAME B_ADDRESS B_IP B_MAPS [NEIGHBOUR WORLD IP]

It sends a train of pings from A to B through the overlay, asks both daemons' local API what their path
to the other is, and sees every packet that leaves or enters the two machines. LAB has the daemons' state
directories; OTHERS are the addresses, with commas, of roots and relays: UDP to anybody else is either
data (known by its size: nothing else has that of a ping of ours) or was spent to punch. MAPS says what makes a
new mapping in the NAT in front of a machine, so that it counts as a flow: another "socket", and where it
maps so, another "address" or "port" that is written to.

With a NEIGHBOUR, a machine behind the router of A, that one talks to a server of its own (in namespace WORLD, at
IP): ten questions a second by one flow, and every two seconds one by a flow of its own, as a name is looked up.

Commands come on stdin, one a line; each gets one line of answer. Times are milliseconds, - is never.

  zero                the clock starts, and all that was seen is forgotten
  ping MS | ping off  one ping in so many milliseconds, as soon as A has its overlay address
  first SECS          wait for the first answer; says when it came
  direct SECS         wait until both ends say that their path is direct; says when the later one got it
  watch SECS          let the time pass
  event               something happens now: holes in the pings and path switches count from here
  mark                it has happened: `again` counts from here
  again SECS          wait until both ends get data directly and say so; says when
  answer SECS         wait for an answer to a ping sent after the mark; says when
  report              all of it as JSON
  quit"""

import contextlib
import ctypes
import json
import os
import selectors
import socket
import struct
import sys
import time

POLL = 0.04
PADDING = 400  # of a ping
DATA = range(PADDING + 40, PADDING + 160)  # UDP payload of one on its way, whatever its headers
FLOWS = {"socket": slice(1), "address": slice(2), "port": slice(3)}
ASIDE = {53, 67, 68, 1900, 5350, 5351, 5353}  # ports of services in the LAN
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3


@contextlib.contextmanager
def inside(space):
    """A socket belongs to the network namespace that it is made in."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{space}", "rb") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"no way into {space}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class End:
    """One node: what its daemon says of the other, and its packets."""

    def __init__(self, loop, lab, others, name, peer, maps):
        self.loop, self.others, self.peer = loop, others, peer
        self.flow = FLOWS[maps]
        self.socket_path = f"{lab}/{name}/ovpn.sock"
        self.api, self.answer, self.asked = None, b"", False
        self.next_poll = 0.0
        with inside(name):
            self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.packets.setblocking(False)
        loop.register(self.packets, selectors.EVENT_READ, self.packet)
        self.zero()

    def zero(self):
        self.path, self.remote, self.via, self.since = "none", None, None, None
        self.direct_at = None
        self.switches, self.attempts = 0, 0
        self.spent = []  # time and flow of each packet
        self.data_at = None  # when data came directly

    # -- packets --

    def packet(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (iface, _, kind, _, _) = self.packets.recvfrom(2048)
                if iface.startswith("ovpn") or iface == "lo":
                    continue
                self.one(data, kind == socket.PACKET_OUTGOING)

    def one(self, data, out):
        if len(data) >= 28 and data[0] >> 4 == 4 and data[9] == 17:
            head = (data[0] & 15) * 4
            src, dst = (socket.inet_ntop(socket.AF_INET, data[i:i + 4]) for i in (12, 16))
        elif len(data) >= 48 and data[0] >> 4 == 6 and data[6] == 17:
            head = 40
            src, dst = (socket.inet_ntop(socket.AF_INET6, data[i:i + 16]) for i in (8, 24))
        else:
            return
        sport, dport, length = struct.unpack("!HHH", data[head:head + 6])
        if (dst if out else src) in self.others or dport in ASIDE or sport in ASIDE:
            return
        if length - 8 in DATA:
            if not out:
                self.data_at = time.monotonic()
        elif out:
            self.spent.append((time.monotonic(), (sport, dst, dport)[self.flow]))

    # -- the API --

    def hang_up(self):
        if self.api:
            self.loop.unregister(self.api)
            self.api.close()
        self.api, self.answer, self.asked = None, b"", False

    def due(self):
        """When to ask next; a daemon that does not answer is asked again after a while."""
        return self.next_poll + (2 if self.asked else 0)

    def poll(self, now):
        self.next_poll = now + POLL
        try:
            if not self.api:
                self.api = socket.socket(socket.AF_UNIX)
                self.api.setblocking(False)
                self.loop.register(self.api, selectors.EVENT_READ, self.answered)
                self.api.connect(self.socket_path)
            self.api.send(f"GET /v1/peers/{self.peer} HTTP/1.1\r\nHost: ovpn\r\n\r\n".encode())
            self.answer, self.asked = b"", True
        except OSError:
            self.hang_up()

    def answered(self):
        try:
            more = self.api.recv(65536)
        except OSError:
            more = b""
        if not more:
            return self.hang_up()
        self.answer += more
        head, _, body = self.answer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = [int(l.split(b":")[1]) for l in lines if l.startswith(b"content-length:")]
        if not length or len(body) < length[0]:
            return None
        self.asked = False
        if b" 200 " in lines[0]:
            self.learn(json.loads(body))
        if b"connection: close" in lines:
            self.hang_up()
        return None

    def learn(self, peer):
        self.attempts = max(self.attempts, (peer.get("punch") or {}).get("attempts") or 0)
        path, remote, since = peer["path"], peer["remote"], peer["since"]
        if (path, remote) != (self.path, self.remote) and self.path != "none":
            self.switches += 1
        if path == "direct" and self.direct_at is None:
            at = since - time.time() + time.monotonic() if since else time.monotonic()
            self.direct_at = min(at, time.monotonic())
        self.path, self.remote, self.via, self.since = path, remote, peer["via"], since

    def cost(self, until):
        """Packets, flows, and the most packets in any one second."""
        spent = [s for s in self.spent if until is None or s[0] <= until]
        most = first = 0
        for last, (at, _) in enumerate(spent):
            while spent[first][0] < at - 1:
                first += 1
            most = max(most, last - first + 1)
        return len(spent), len({flow for _, flow in spent}), most


class Train:
    """Pings from A to B."""

    def __init__(self, loop, space, src, dst):
        self.dst, self.src = dst, src
        with inside(space):
            self.icmp = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.icmp.setblocking(False)
        loop.register(self.icmp, selectors.EVENT_READ, self.reply)
        self.ident = os.getpid() & 0xFFFF
        self.bound, self.interval, self.next = False, None, 0.0
        self.seq = 0
        self.zero()

    def zero(self):
        self.sent, self.first, self.last, self.answered = {}, None, None, 0
        self.first_sent = None
        self.hole = 0.0
        self.since_mark = None

    def event(self, now):
        self.hole, self.last = 0.0, now
        self.sent, self.answered = {}, 0

    def send(self, now):
        self.next = max(self.next + self.interval, now)
        if not self.bound:
            try:
                self.icmp.bind((self.src, 0))
                self.bound = True
            except OSError:
                self.next = now + 0.002
                return
        self.seq = (self.seq + 1) & 0xFFFF
        body = struct.pack("!BBHHH", 8, 0, 0, self.ident, self.seq) + bytes(PADDING)
        total = sum(struct.unpack(f"!{len(body) // 2}H", body))
        total = (total & 0xFFFF) + (total >> 16)
        total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        try:
            self.icmp.sendto(body[:2] + struct.pack("!H", total) + body[4:], (self.dst, 0))
        except OSError:
            return
        self.sent[self.seq] = now
        self.first_sent = self.first_sent or now

    def reply(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.icmp.recv(2048)[20:]
                kind, _, _, ident, seq = struct.unpack("!BBHHH", data[:8])
                if kind == 0 and ident == self.ident and seq in self.sent:
                    self.got(self.sent.pop(seq), time.monotonic())

    def got(self, sent, now):
        self.first = self.first or now
        if self.last is not None:
            self.hole = max(self.hole, now - self.last)
        self.last = now
        self.answered += 1
        if self.since_mark is None or sent >= self.mark:
            self.since_mark = self.since_mark or now

    def longest(self, now):
        """The longest time without an answer, the present one too; milliseconds."""
        if self.last is None:
            return None
        return round(1000 * (max(self.hole, now - self.last) if self.interval else self.hole), 1)


class Neighbour:
    """Somebody else behind A's router, with a server out there."""

    GAP, FRESH = 0.1, 20  # s between two questions; every so many by a flow of its own
    PATIENCE = 1  # s: what is not answered until then is lost
    PORT = 53

    def __init__(self, loop, space, world, ip):
        self.loop, self.space = loop, space
        with inside(world):
            self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind((ip, self.PORT))
        loop.register(self.server, selectors.EVENT_READ, self.serve)
        self.to = (ip, self.PORT)
        self.next, self.count, self.fresh = 0.0, 0, []
        self.steady = self.flow()
        self.zero()

    def flow(self):
        with inside(self.space):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(self.to)
        self.loop.register(s, selectors.EVENT_READ, lambda: self.answer(s))
        return s

    def zero(self):
        self.sent, self.late, self.answered = {}, [0, 0], [0, 0]  # [by the old flow, by new ones]
        self.last, self.hole = time.monotonic(), 0.0

    def serve(self):
        data, who = self.server.recvfrom(64)
        self.server.sendto(data, who)

    def ask(self, now):
        self.next = max(self.next + self.GAP, now)
        self.count += 1
        new = self.count % self.FRESH == 0
        if new:
            self.fresh.append(self.flow())
            if len(self.fresh) > 4:  # its mapping lives on
                gone = self.fresh.pop(0)
                self.loop.unregister(gone)
                gone.close()
        s = self.fresh[-1] if new else self.steady
        with contextlib.suppress(OSError):
            s.send(struct.pack("!I", self.count) + bytes(28))
        self.sent[self.count] = now, new

    def answer(self, s):
        now = time.monotonic()
        with contextlib.suppress(OSError):
            sent = self.sent.pop(struct.unpack("!I", s.recv(64)[:4])[0], None)
            if sent is None:
                return
            at, new = sent
            if now - at > self.PATIENCE:
                self.late[new] += 1
                return
            self.answered[new] += 1
            self.hole, self.last = max(self.hole, now - self.last), now

    def report(self, now):
        """Percent lost by the old flow, the longest time without an answer in ms, and how many new flows failed."""
        lost = [self.late[new] + sum(now - at > self.PATIENCE and n == new for at, n in self.sent.values())
                for new in (False, True)]
        return {"loss": round(100 * lost[0] / max(1, lost[0] + self.answered[0]), 1),
                "gap": round(1000 * max(self.hole, now - self.last), 1),
                "failed": lost[1], "fresh": lost[1] + self.answered[1]}


class Watch:
    def __init__(self, lab, others, a, a_address, a_ip, a_maps, b, b_address, b_ip, b_maps, *neighbour):
        self.loop = selectors.DefaultSelector()
        others = set(others.split(","))
        self.ends = [End(self.loop, lab, others, a, b_address, a_maps), End(self.loop, lab, others, b, a_address, b_maps)]
        self.train = Train(self.loop, a, a_ip, b_ip)
        self.neighbour = Neighbour(self.loop, *neighbour) if neighbour else None
        self.loop.register(sys.stdin, selectors.EVENT_READ, self.command)
        self.start = self.marked = time.monotonic()
        self.until, self.deadline = None, None
        self.done = False

    def ms(self, at, start=None):
        return None if at is None else round((at - (start or self.start)) * 1000, 1)

    def say(self, value):
        print("-" if value is None else value, flush=True)

    def command(self):
        words = sys.stdin.readline().split()
        if not words or words[0] == "quit":
            self.done = True
            return
        name, now = words[0], time.monotonic()
        if name in ("first", "direct", "watch", "again", "answer"):
            self.until, self.deadline = getattr(self, "is_" + name), now + float(words[1])
            return
        if name == "zero":
            self.start = self.marked = self.train.mark = now
            for it in filter(None, (*self.ends, self.train, self.neighbour)):
                it.zero()
        elif name == "ping":
            self.train.interval = None if words[1] == "off" else float(words[1]) / 1000
            self.train.next = now
        elif name == "event":
            self.train.event(now)
            for end in self.ends:
                end.switches = 0
        elif name == "mark":
            self.marked = self.train.mark = now
            self.train.since_mark = None
            for end in self.ends:
                end.data_at = None
        elif name == "report":
            return self.say(json.dumps(self.report(now)))
        else:
            sys.exit(f"watch: no command {name}")
        self.say("ok")

    def is_first(self):
        return self.ms(self.train.first)

    def direct_at(self):
        at = [end.direct_at for end in self.ends]
        return None if None in at else max(at)

    def is_direct(self):
        return self.ms(self.direct_at())

    def is_again(self):
        at = [end.data_at for end in self.ends]
        if None in at or any(end.path != "direct" for end in self.ends):
            return None
        return self.ms(max(at), self.marked)

    def is_answer(self):
        return self.ms(self.train.since_mark, self.marked)

    def is_watch(self):
        return None

    def report(self, now):
        cost = [end.cost(self.direct_at()) for end in self.ends]
        return {
            "first": self.is_first(), "direct": self.is_direct(), "hole": self.train.longest(now),
            "sent": self.train.answered + len(self.train.sent), "answered": self.train.answered,
            "paths": [end.path for end in self.ends], "remotes": [end.remote for end in self.ends],
            "via": [end.via for end in self.ends], "switches": [end.switches for end in self.ends],
            "attempts": [end.attempts for end in self.ends], "packets": [c[0] for c in cost], "flows": [c[1] for c in cost], "rate": [c[2] for c in cost],
            **(self.neighbour.report(now) if self.neighbour else dict.fromkeys(("loss", "gap", "failed", "fresh"))),
        }

    def run(self):
        while not self.done:
            now = time.monotonic()
            for end in self.ends:
                if now >= end.due():
                    end.poll(now)
            if self.train.interval and now >= self.train.next:
                self.train.send(now)
            if self.neighbour and now >= self.neighbour.next:
                self.neighbour.ask(now)
            if self.until:
                value = self.until()
                if value is not None or now >= self.deadline:
                    self.until = None
                    self.say(value)
            due = [end.due() for end in self.ends]
            due += [self.train.next] if self.train.interval else []
            due += [self.neighbour.next] if self.neighbour else []
            due += [self.deadline] if self.until else []
            for key, _ in self.loop.select(max(0.0005, min(due) - time.monotonic())):
                key.data()


if __name__ == "__main__":
    if len(sys.argv) not in (11, 14):
        sys.exit(__doc__)
    Watch(*sys.argv[1:]).run()
