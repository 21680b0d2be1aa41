"""examples/consumers/grpc-cpp, as its README shows it, and rotations under load."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from consumers import Consumer, Refused, check_readme, check_rotations

# The example is compiled first.
pytestmark = pytest.mark.timeout(300)
# HTTP/2: RFC 9113, section 4.1.
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


# HPACK (RFC 7541): its static table has POST, https, and the names :path, :authority and content-type.
FIELDS = (
    b"\x83\x87\x04" + text(b"/greeter.Greeter/Greet") + b"\x01" + text(b"localhost")
    + b"\x0f\x10" + text(b"application/grpc") + b"\x00" + text(b"te") + text(b"trailers")
)
# An empty message, not compressed.
CALL = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
    + frame(HEADERS, END_HEADERS, 1, FIELDS) + frame(DATA, END_STREAM, 1, bytes(5))
)


def greet(connection: ssl.SSLSocket) -> None:
    connection.sendall(CALL)
    received = b""
    while True:
        size = int.from_bytes(received[:3], "big")
        if len(received) < 9 or len(received) < 9 + size:
            chunk = connection.recv(4096)
            if not chunk:
                raise Refused("closed")
            received += chunk
        elif received[3] == DATA:
            message = received[14 : 9 + size]
            if message != b"hello, spiffe://example.org/client":
                raise Refused(message)
            return
        else:
            received = received[9 + size :]


# gRPC checks the files every second.
CONSUMER = Consumer("grpc-cpp", "", talk=greet, within_s=2.0, start_s=120.0, path=[Path("/usr/lib/ccache")], alpn=["h2"])


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
