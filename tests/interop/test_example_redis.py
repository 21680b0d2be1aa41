"""examples/consumers/redis, as its README shows it, and rotations under load."""

from __future__ import annotations

import ssl

from consumers import Consumer, Refused, check_readme, check_rotations


def ping(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"PING\r\n")
    answer = connection.recv(100)
    if answer != b"+PONG\r\n":
        raise Refused(answer)


CONSUMER = Consumer("redis", "redis", talk=ping, notified="renew_cmd_succeeded")


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
