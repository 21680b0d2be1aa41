"""examples/quickstart: run.sh, without any settings."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from commands import ROOT

QUICKSTART = ROOT / "examples/quickstart/run.sh"


def test_it_shows_two_renewals(tmp_path: Path) -> None:
    """It leaves neither files nor processes."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ran = subprocess.run([QUICKSTART], env=environment, capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    renewals = re.findall(r"rotation (\d): certificate (\w{8}) -> (\w{8}), with its key, in one step", ran.stdout)
    assert [number for number, _, _ in renewals] == ["1", "2"]
    assert renewals[0][2] == renewals[1][1] != renewals[1][2]
    assert ran.stdout.count("the program says: SIGHUP received: loaded certificate") == 2
    assert "The identity in svid.pem: spiffe://example.org/quickstart/app\n" in ran.stdout
    assert "Does the chain verify?    svid.pem: OK\n" in ran.stdout
    assert "the program says: asked to stop: bye\n" in ran.stdout
    assert "the helper's exit code: 0\n" in ran.stdout
    assert os.listdir(tmp_path) == []
    left = subprocess.run(["pgrep", "--full", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == ""
