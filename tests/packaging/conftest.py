"""Fixtures of the tests of what is installed and packaged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from commands import release  # noqa: E402


def pytest_sessionstart() -> None:
    if not (release() / "spiffe-helper").is_file():
        build = "cmake --preset release && cmake --build --preset release"
        pytest.exit(f"{release()}/spiffe-helper does not exist: {build}", 1)
