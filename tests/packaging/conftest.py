"""Fixtures of the tests of installation and packages."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("e2e", "interop", "support"))]

from commands import ROOT, release, run  # noqa: E402
from roots import debian_root  # noqa: E402

SUITES = ["bookworm", "trixie"]
SLOW_FIXTURES = {"dist", "clean_debian", "arm64"}
# On arm64 the other tests test the same programs.
collect_ignore = ["test_arm64.py"] if platform.machine() != "x86_64" else []


def pytest_sessionstart() -> None:
    if not (release() / "spiffe-helper").is_file():
        build = "cmake --preset release && cmake --build --preset release"
        pytest.exit(f"{release()}/spiffe-helper does not exist: {build}", 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """More time for slow fixtures: the first test also builds all artefacts, or downloads Debian."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.timeout(3600))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_root") and os.geteuid() != 0:
        pytest.fail("needs root: it installs packages into directories that become the root", pytrace=False)


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All artefacts: made by packaging/build.sh from the built programs, or those in $SPIFFE_DIST."""
    if "SPIFFE_DIST" in os.environ:
        return Path(os.environ["SPIFFE_DIST"])
    directory = tmp_path_factory.mktemp("dist")
    run(ROOT / "packaging/build.sh", "--output", directory, "all", timeout=1200)
    return directory


@pytest.fixture
def one(dist: Path) -> Callable[[str], Path]:
    """The only artefact that matches a pattern."""

    def find(pattern: str) -> Path:
        (path,) = dist.glob(pattern)
        return path

    return find


@pytest.fixture(scope="session", params=SUITES)
def clean_debian(request: pytest.FixtureRequest) -> Path:
    """A directory with a minimal Debian and systemd. It must not be changed; `debian` is a copy."""
    return debian_root(request.param)


@pytest.fixture
def debian(clean_debian: Path, tmp_path: Path) -> Path:
    """A copy of it, to install into."""
    root = tmp_path / "root"
    run("cp", "-a", "--reflink=auto", clean_debian, root)
    return root
