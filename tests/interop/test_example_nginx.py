"""examples/consumers/nginx, as its README shows it, and rotations under load."""

from __future__ import annotations

from consumers import Consumer, check_readme, check_rotations, http

CONSUMER = Consumer("nginx", "www-data", talk=http, notified="signalled")


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
