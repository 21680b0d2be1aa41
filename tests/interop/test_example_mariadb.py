"""examples/consumers/mariadb, as its README shows it, and rotations under load."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
from pathlib import Path

from consumers import Consumer, Refused, as_user, check_readme, check_rotations
from helper import wait_until
from ports import accepts

USER = "mysql"
# CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; maximum packet size; utf8.
HEADER = struct.pack("<IIB23x", 0x00080000 | 0x8000 | 0x0800 | 0x0200, 1 << 24, 33)


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


def read_packet(connection: socket.socket) -> tuple[int, bytes]:
    def read(size: int) -> bytes:
        content = b""
        while len(content) < size:
            chunk = connection.recv(size - len(content))
            if not chunk:
                raise ConnectionResetError("closed")
            content += chunk
        return content

    head = read(4)
    return head[3], read(int.from_bytes(head[:3], "little"))


def start_tls(connection: socket.socket) -> None:
    read_packet(connection)  # the greeting
    connection.sendall(packet(1, HEADER))


def log_in(connection: ssl.SSLSocket) -> None:
    """Logs in as app, without a password."""
    connection.sendall(packet(2, HEADER + b"app\0\0mysql_native_password\0"))
    number, answer = read_packet(connection)
    if answer[0] == 0xFE:  # another plugin, also without a password
        connection.sendall(packet(number + 1, b""))
        _, answer = read_packet(connection)
    if answer[0] != 0:
        raise Refused(answer)


def make_user(directory: Path) -> None:
    # It listens on its port first.
    wait_until(lambda: accepts(f"{directory}/mariadb.sock"), "mariadbd to listen on its socket")
    words = ["mariadb", "--no-defaults", f"--socket={directory}/mariadb.sock", "-e", "CREATE USER app REQUIRE X509"]
    subprocess.run([*as_user(USER), *words], check=True, timeout=60)


CONSUMER = Consumer(
    "mariadb", USER, talk=log_in, notified="renew_cmd_succeeded", start_tls=start_tls, prepare=make_user
)


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
