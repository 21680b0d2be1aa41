"""examples/consumers/haproxy, as its README shows it, and rotations under load."""

from __future__ import annotations

import time

import pytest
from consumers import Consumer, check_readme, check_rotations, http, running
from helper import wait_until
from published import agent_serial

CONSUMER = Consumer("haproxy", "haproxy", talk=http, notified="signalled")


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)


@pytest.mark.long
def test_a_rotation_right_after_another() -> None:
    """HAProxy executes itself again on the signal. Until that is done, it first blocks and then ignores the next."""
    with running(CONSUMER) as (it, agent):
        context = it.context(it.directory / "client")
        start = time.monotonic()
        wait_until(lambda: time.monotonic() > start + 10, "the end of the guard of the start", 20)
        for rate in (30, 50, 100, 200, 300) * 2:
            agent.burst(2, rate)
            agent.wait()
            serial = agent_serial(agent)
            wait_until(lambda serial=serial: it.handshake(context) == serial, "the second certificate", 30)
