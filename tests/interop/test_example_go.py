"""examples/consumers/go, as its README shows it, and rotations under load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from consumers import Consumer, check_readme, check_rotations, http

GO = Path(shutil.which("go") or "/usr/local/go/bin/go")
CONSUMER = Consumer("go", "", talk=http, start_s=120.0, path=[GO.parent])

# The standard library is compiled first unless it is in Go's cache.
pytestmark = [pytest.mark.skipif(not GO.exists(), reason="not run: Go is needed"), pytest.mark.timeout(300)]


def test_readme() -> None:
    check_readme(CONSUMER)


def test_rotations_fail_no_handshake() -> None:
    check_rotations(CONSUMER)
