"""Fixtures of the end-to-end tests: directories, the development agent and the helper."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helper import ROOT, Helper, program

if TYPE_CHECKING:
    from broken import Setup
    from devagent import DevAgent

sys.path.append(str(ROOT / "tests/support"))
HELPERS = pytest.StashKey[list[Helper]]()


def file_system(path: str | Path) -> str:
    done = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def pytest_sessionstart() -> None:
    if not program().is_file():
        build = "cmake --preset release && cmake --build --preset release"
        pytest.exit(f"{program()} does not exist: {build}", 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_root") and os.geteuid() != 0:
        pytest.fail("needs root: it mounts file systems, gives files away or drops capabilities", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Shows the helpers' logs for a failed test."""
    report: pytest.TestReport = yield
    if report.failed:
        for helper in item.stash.get(HELPERS, []):
            report.sections.append((f"log of {' '.join(helper.command)}", helper.log_text()))
    return report


# Shorter names than tmp_path's: paths of sockets in these directories must fit into 108 bytes.


@pytest.fixture
def workdir() -> Iterator[Path]:
    """An empty directory on a disk; /tmp may be in memory."""
    parent = "/var/tmp" if file_system(tempfile.gettempdir()) in {"tmpfs", "ramfs"} else None
    with tempfile.TemporaryDirectory(prefix="sh-", dir=parent) as directory:
        yield Path(directory)


@pytest.fixture
def shm() -> Iterator[Path]:
    """An empty directory in memory."""
    with tempfile.TemporaryDirectory(prefix="sh-", dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture
def run_agent() -> Iterator[Callable[..., DevAgent]]:
    """Starts a development agent with these flags; it ends with the test."""
    from devagent import DevAgent

    started: list[tuple[DevAgent, str]] = []

    def run(*flags: str) -> DevAgent:
        directory = tempfile.mkdtemp(prefix="sa-")
        agent = DevAgent(Path(directory), *flags)
        started.append((agent, directory))
        return agent.__enter__()

    yield run
    for agent, directory in reversed(started):
        agent.__exit__(None, None, None)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def agent(request: pytest.FixtureRequest, run_agent: Callable[..., DevAgent]) -> DevAgent:
    """A development agent, with the flags of @pytest.mark.agent("--flag", …), if any."""
    marker = request.node.get_closest_marker("agent")
    return run_agent(*(marker.args if marker else ()))


@pytest.fixture
def run_helper(request: pytest.FixtureRequest, workdir: Path, shm: Path) -> Iterator[Callable[..., Helper]]:
    """Starts Helper(directory, …), in `workdir` by default; it ends before the directories are removed."""
    started = request.node.stash.setdefault(HELPERS, [])

    def run(config: str | None = None, *arguments: str | Path, **more: Any) -> Helper:
        helper = Helper(more.pop("directory", workdir), config, arguments, **more).start()
        started.append(helper)
        return helper

    yield run
    for helper in reversed(started):
        helper.close()
    for helper in started:
        helper.check_sanitizers()


@pytest.fixture
def setup(agent: DevAgent, workdir: Path, run_helper: Callable[..., Helper]) -> Iterator[Setup]:
    """A set-up for doctor, which a test breaks."""
    from broken import Setup

    made = Setup(workdir, agent, run_helper)
    made.certs.mkdir()
    yield made
    for process in made.owned:
        process.kill()
        process.wait()
