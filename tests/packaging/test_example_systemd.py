"""examples/systemd: its README's commands in a Debian 12 that has booted, with a real SPIRE."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from booted import Booted, booted
from commands import ROOT, run
from helper import wait_until
from roots import debian_root
from session import Session
from spire import PeersUnavailable, peers_dir
from test_deb import install

pytestmark = pytest.mark.needs_root
EXAMPLE = ROOT / "examples/systemd"
# The example's directory for a reader of the README.
INSIDE = Path("root/systemd")
UNITS = ["spire-server.service", "spire-agent.service", "spiffe-helper@web.service", "web.service"]


@pytest.fixture
def root(dist: Path, tmp_path: Path) -> Iterator[Path]:
    """A Debian with the package, SPIRE's programs and the example."""
    try:
        peers = peers_dir()
    except PeersUnavailable as reason:
        pytest.skip(f"not run: {reason}")
    root = tmp_path / "root"
    run("cp", "-a", "--reflink=auto", debian_root("bookworm"), root)
    install(root, *dist.glob("spiffe-helper_*.deb"))
    run("cp", peers / "spire-server", peers / "spire-agent", root / "usr/local/bin")
    shutil.copytree(EXAMPLE, root / INSIDE)
    yield root
    # pytest would keep this half gigabyte with the test's directory.
    shutil.rmtree(root)


@pytest.fixture
def machine(root: Path, tmp_path: Path) -> Iterator[Booted]:
    with booted(root, tmp_path / "console.log") as running:
        yield running


def serials(session: Session) -> list[str]:
    """Serial numbers of the certificates that the program has loaded."""
    return [line.rsplit(maxsplit=1)[1] for line in session.run("journalctl -o cat -t web.sh")[1].splitlines()]


def test_readme(machine: Booted) -> None:
    with Session(ROOT, {}, machine.enter) as session:
        assert session.run(f"cd /{INSIDE}") == (0, "")
        session.play(EXAMPLE / "README.md", "Set up")
        # --man=no: a minimal Debian has no manual pages.
        assert session.run("systemd-analyze verify --man=no " + " ".join(UNITS)) == (0, "")
        assert len(set(serials(session))) > 1, "it loaded the same certificate again and again"
        # The agent needs no new token, and the helper reconnects.
        assert session.run("systemctl restart spire-agent") == (0, "")
        known = set(serials(session))
        wait_until(lambda: not known.issuperset(serials(session)), "a certificate of the agent that restarted", 60)
        session.play(EXAMPLE / "README.md", "Remove")
        assert session.run("systemctl --failed --no-legend") == (0, "")
