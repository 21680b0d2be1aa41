"""An HTTPS server for clients of one trust domain, with Python's standard library. On SIGHUP it reads its files again."""

from __future__ import annotations

import signal
import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = ("127.0.0.1", 8443)
CERTS = Path("certs")


def load() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(CERTS / "svid.pem", CERTS / "svid_key.pem")
    # Clients of this trust domain, and no others. An authority in the bundle need not be self-signed.
    context.load_verify_locations(CERTS / "svid_bundle.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    timeout = 5

    def setup(self) -> None:
        # In the connection's own thread: a slow client delays no other.
        self.request.settimeout(self.timeout)
        self.request.do_handshake()
        super().setup()

    def do_GET(self) -> None:
        names = self.request.getpeercert()["subjectAltName"]
        # Decide here what this client may do.
        client = next(value for kind, value in names if kind == "URI")
        body = f"hello, {client}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.tls = load()
        super().__init__(ADDRESS, Handler)

    def reload(self, *_: object) -> None:
        """A new context: load_verify_locations() on the old one would only add authorities."""
        try:
            self.tls = load()
        except OSError as error:
            # Certificate and key were replaced between the two reads; another SIGHUP follows.
            print(f"keeping the old certificate: {error}", file=sys.stderr, flush=True)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        plain, client = super().get_request()
        return self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), client

    def handle_error(self, request: object, client_address: object) -> None:
        print(f"refused: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    with Server() as server:
        signal.signal(signal.SIGHUP, server.reload)
        server.serve_forever()
