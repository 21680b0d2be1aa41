"""examples/local: SPIRE on one machine, as its README shows it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helper import ROOT, program
from session import Session

EXAMPLE = ROOT / "examples/local"


@pytest.fixture
def session(peers: Path) -> Iterator[Session]:
    """A shell in the example's directory, with the programs in PATH. Everything ends with it."""
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sp") as directory:
        path = f"{peers}:{program().resolve().parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "SPIFFE_EXAMPLE_DIR": f"{directory}/example"}
        try:
            with Session(EXAMPLE, environment) as running:
                yield running
        finally:
            subprocess.run(EXAMPLE / "down.sh", env=os.environ | environment, check=True, timeout=60)
        assert os.listdir(directory) == []


def test_readme(session: Session) -> None:
    session.play(EXAMPLE / "README.md")


def up(session: Session, *settings: str) -> tuple[int, str]:
    return session.run(" ".join([*settings, "./up.sh"]))


def test_up_refuses_a_port_in_use_and_leaves_nothing(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert up(session, f"SPIRE_PORT={port}") == (1, f"up.sh: port {port} or {port + 1} is not free\n")
    assert session.run("ls $SPIFFE_EXAMPLE_DIR")[0] != 0


def test_down_ends_only_what_up_started(session: Session) -> None:
    assert up(session)[0] == 0
    status, output = up(session)
    assert status == 1 and "exists: run down.sh first" in output
    # As after a reboot: a PID file has the number of another process.
    pid_file = Path(session.run("echo -n $SPIFFE_EXAMPLE_DIR")[1], "example.org/spire-agent.pid")
    agent = os.pidfd_open(int(pid_file.read_text()))
    try:
        assert session.run(f"sleep 3600 & echo $! >{pid_file}; ./down.sh") == (0, "SPIRE of example.org is gone\n")
        assert session.run("kill -0 $!") == (0, "")
    finally:
        signal.pidfd_send_signal(agent, signal.SIGTERM)
        os.close(agent)


def test_federation(session: Session) -> None:
    session.play(EXAMPLE / "FEDERATION.md")
