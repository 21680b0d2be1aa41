"""examples/consumers/postgresql: database users by their certificates, as its README shows it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from consumers import as_user
from helper import ROOT, program
from ports import free_port
from session import Session

EXAMPLE = ROOT / "examples/consumers/postgresql"


def postgresql() -> Path:
    """Debian's directory of the server's programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def test_readme(peers: Path) -> None:
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sp") as directory:
        path = f"{peers}:{program().resolve().parent}:{postgresql()}:{os.environ['PATH']}"
        environment = {"PATH": path, "SPIFFE_EXAMPLE_DIR": f"{directory}/example", "PGPORT": str(free_port())}
        try:
            with Session(EXAMPLE, environment, as_user("postgres")) as session:
                session.play(EXAMPLE / "README.md")
        finally:
            down = ROOT / "examples/local/down.sh"
            subprocess.run(down, env=os.environ | environment, check=True, timeout=60)
        assert os.listdir(directory) == []
