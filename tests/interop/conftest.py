"""Fixtures of the interoperability tests: the peers, a running SPIRE, the helper."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "support")]

from helper import Helper  # noqa: E402
from spire import PeersUnavailable, Spire, peers_dir  # noqa: E402


# They time handshakes of servers under load, so no more than two may run at the same time.
MEASURED = re.compile(r"test_example_(.).*::test_.*(rotations_fail_no_handshake|shows_the_new_certificate)")


class Groups(LoadScopeScheduling):
    """The groups that tests/run.sh runs in parallel: files, which share fixtures, and the measured tests."""

    def _split_scope(self, nodeid: str) -> str:
        measured = MEASURED.search(nodeid)
        if not measured:
            return nodeid.split("::")[0]
        return "measured, half of them" if measured[1] < "j" else "measured, the others"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups first."""
    items.sort(key=lambda item: (not MEASURED.search(item.nodeid), item.get_closest_marker("long") is None))


@pytest.fixture(scope="session")
def peers() -> Path:
    try:
        return peers_dir()
    except PeersUnavailable as reason:
        pytest.skip(f"not run: {reason}")


@pytest.fixture(scope="module")
def spire(peers: Path) -> Iterator[Spire]:
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sp") as directory, Spire(directory, peers) as running:
        yield running


@pytest.fixture
def workdir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sh-") as directory:
        yield Path(directory)


@pytest.fixture
def run_helper(workdir: Path) -> Iterator[Callable[..., Helper]]:
    """Starts our helper in `workdir`; it ends with the test."""
    started: list[Helper] = []

    def run(config: str | None = None, *arguments: str | Path, **more: Any) -> Helper:
        started.append(Helper(more.pop("directory", workdir), config, arguments, **more).start())
        return started[-1]

    yield run
    for helper in reversed(started):
        helper.close()
    for helper in started:
        helper.check_sanitizers()
