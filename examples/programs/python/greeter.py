#!/usr/bin/env python3
"""A server and a client that authenticate each other by the files of spiffe-helper.

greeter.py serve --certs DIR --accept spiffe://example.org/client [--listen ADDRESS]
greeter.py call  --certs DIR --accept spiffe://example.org/server URL
"""

from __future__ import annotations

import argparse
import http.client
import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from identity import Identity, Refused


class Handler(BaseHTTPRequestHandler):
    timeout = 5

    def setup(self) -> None:
        # In the connection's own thread, so that a slow peer holds up nobody.
        server: Server = self.server  # type: ignore[assignment]
        self.request.settimeout(self.timeout)
        self.request.do_handshake()
        self.peer = server.identity.check(self.request)
        super().setup()

    def do_GET(self) -> None:
        # Who it is was checked in setup(). What it may do is decided here.
        body = f"Hello {self.peer}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], identity: Identity) -> None:
        super().__init__(address, Handler)
        self.identity = identity

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        plain, peer = super().get_request()
        try:
            context = self.identity.context(ssl.PROTOCOL_TLS_SERVER)
            return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), peer
        except OSError as error:
            print(f"no identity: {error}", file=sys.stderr, flush=True)
            plain.close()
            raise

    def handle_error(self, request: object, client_address: object) -> None:
        print(f"refused: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


def serve(identity: Identity, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    with Server((host, int(port)), identity) as server:
        print(f"listening on https://{host}:{server.server_port}", flush=True)
        server.serve_forever()


def call(identity: Identity, url: str) -> None:
    parts = urlsplit(url)
    context = identity.context(ssl.PROTOCOL_TLS_CLIENT)
    connection = http.client.HTTPSConnection(parts.netloc, context=context, timeout=5)
    connection.connect()
    # Before anything is sent.
    identity.check(connection.sock)
    serial = connection.sock.getpeercert()["serialNumber"]
    connection.request("GET", parts.path or "/")
    body = connection.getresponse().read().decode()
    print(f"{body}from the server with certificate {serial}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Greets whom it is told to accept.")
    parser.add_argument("mode", choices=["serve", "call"])
    parser.add_argument("--certs", type=Path, default=Path("certs"), help="where spiffe-helper writes")
    parser.add_argument("--accept", required=True, help="the peer's SPIFFE ID")
    parser.add_argument("--listen", default="127.0.0.1:0", help="where to serve")
    parser.add_argument("url", nargs="?", default="")
    options = parser.parse_intermixed_args()
    identity = Identity(options.certs, options.accept)
    try:
        if options.mode == "serve":
            serve(identity, options.listen)
        else:
            call(identity, options.url)
    except (OSError, Refused) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
