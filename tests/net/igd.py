#!/usr/bin/env python3
"""A UPnP router that only looks like one, for tests.

  igd.py MODE ADDRESS      serves SSDP and HTTP at ADDRESS until killed; says "ready"

  works      maps; knows no leases (725), and the first port asked for is taken (718)
  hangs      takes connections and never answers
  trickles   answers one byte at a time, for ever
  huge       a description without end
  garbage    noise instead of HTTP and SSDP, and a flood of noise as NAT-PMP and PCP
  elsewhere  a description whose control URL leads to another host
  foreign    answers the search with another host's URL
  loopback   says that its address outside is 127.0.0.1
  forgets    maps, and has no such mapping when asked
"""
import http.server
import os
import socket
import socketserver
import struct
import sys
import threading
import time

MODE, ADDRESS = sys.argv[1], sys.argv[2]
TYPE = "urn:schemas-upnp-org:service:WANIPConnection:1"
GATEWAY = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
mappings, asked = {}, set()


def description(port):
    host = "20.0.0.1" if MODE == "elsewhere" else ADDRESS
    return f"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>{GATEWAY}</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{TYPE}</serviceType><controlURL>http://{host}:{port}/control</controlURL>
<eventSubURL>/event</eventSubURL><SCPDURL>/scpd</SCPDURL></service></serviceList></device></deviceList></device>
</deviceList></device></root>"""


def value(body, name):
    return body.split(f"<{name}>")[1].split("<")[0]


def act(action, body):
    """(error or 0, answer) of one SOAP call."""
    if action == "GetExternalIPAddress":
        ip = "127.0.0.1" if MODE == "loopback" else "20.0.0.10"
        return 0, f"<NewExternalIPAddress>{ip}</NewExternalIPAddress>"
    port = int(value(body, "NewExternalPort"))
    if action == "AddPortMapping":
        if MODE == "works" and value(body, "NewLeaseDuration") != "0":
            return 725, ""
        if MODE == "works" and not asked:
            asked.add(port)
            return 718, ""
        mappings[port] = value(body, "NewInternalClient"), value(body, "NewInternalPort")
        print("add", port, flush=True)
        return 0, ""
    if action == "DeletePortMapping":
        print("delete", port, flush=True)
        return (0, "") if mappings.pop(port, None) else (714, "")
    if MODE == "forgets" or port not in mappings:
        return 714, ""
    client, internal = mappings[port]
    return 0, (f"<NewInternalPort>{internal}</NewInternalPort><NewInternalClient>{client}</NewInternalClient>"
               "<NewEnabled>1</NewEnabled><NewLeaseDuration>0</NewLeaseDuration>")


class Handler(http.server.BaseHTTPRequestHandler):
    def handle_one_request(self):
        print("connection", flush=True)
        if MODE == "hangs":
            time.sleep(3600)
        elif MODE == "trickles":
            while True:
                self.wfile.write(b"H")
                time.sleep(0.05)
        elif MODE == "garbage":
            self.wfile.write(os.urandom(5000))
            self.close_connection = True
        else:
            super().handle_one_request()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(description(self.server.server_port).encode())
        while MODE == "huge":
            self.wfile.write(b"<x>" * 20000)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers["SOAPAction"].strip('"').split("#")[1]
        error, answer = act(action, body)
        text = (f"<s:Envelope><s:Body><u:{action}Response>{answer}</u:{action}Response></s:Body></s:Envelope>"
                if not error else f"<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>{error}</errorCode>"
                                  "</UPnPError></detail></s:Fault></s:Body></s:Envelope>").encode()
        # In chunks of odd sizes: that is HTTP, too.
        self.protocol_version = "HTTP/1.1"
        self.send_response(500 if error else 200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(0, len(text), 7):
            part = text[i:i + 7]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # they go when they have had enough


def noise(sock, to):
    """Answers to nothing, some of them nearly right: by NAT-PMP, never for the right port."""
    for i in range(20000):
        head = (b"\0\x80\0\0", b"\0\x81\0\0" + os.urandom(4) + b"\0\0", b"\2\x80\0\0",
                b"\2\x81\0\0", os.urandom(4))[i % 5]
        sock.sendto(head + os.urandom(i % 80), to)


def ssdp(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", 1900))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    struct.pack("4s4s", socket.inet_aton("239.255.255.250"), socket.inet_aton(ADDRESS)))
    host = "20.0.0.1" if MODE == "foreign" else ADDRESS
    while True:
        text, who = sock.recvfrom(2000)
        if not text.startswith(b"M-SEARCH"):
            continue
        if MODE == "garbage":
            for i in range(100):
                sock.sendto(os.urandom(i * 20 % 1400), who)
        sock.sendto(f"HTTP/1.1 200 OK\r\nST: {GATEWAY}\r\nUSN: uuid:1::{GATEWAY}\r\nEXT:\r\n"
                    f"LOCATION: http://{host}:{port}/root.xml\r\n\r\n".encode(), who)


def main():
    server = Server((ADDRESS, 0), Handler)
    threading.Thread(target=ssdp, args=(server.server_port,), daemon=True).start()
    if MODE == "garbage":
        pxp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pxp.bind((ADDRESS, 5351))

        def serve():
            while True:
                noise(pxp, pxp.recvfrom(2000)[1])
        threading.Thread(target=serve, daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


main()
