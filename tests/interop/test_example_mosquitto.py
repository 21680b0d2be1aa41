"""examples/consumers/mosquitto, as its README shows it, and rotations under load."""

from __future__ import annotations

import ssl

from consumers import Consumer, Refused, check_readme, check_rotations

# MQTT 3.1.1: a clean session, no identifier; accepted.
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
ACCEPTED = b"\x20\x02\x00\x00"


def connect(connection: ssl.SSLSocket) -> None:
    connection.sendall(CONNECT)
    answer = connection.recv(100)
    if answer != ACCEPTED:
        raise Refused(answer)


CONSUMER = Consumer("mosquitto", "mosquitto", talk=connect, notified="signalled")


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
