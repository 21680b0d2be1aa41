"""The unit for systemd is accepted by systemd itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from helper import ROOT, program

UNIT = ROOT / "packaging/systemd/spiffe-helper.service"
INSTALLED = "/usr/bin/spiffe-helper"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze: install systemd")


def verify(directory: Path, text: str) -> tuple[int, str]:
    """Exit status and words of `systemd-analyze verify`; 0 only where it has nothing to say about the unit."""
    unit = directory / UNIT.name
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def with_program(text: str) -> str:
    """The unit for the program under test, which is not installed."""
    assert f"ExecStart={INSTALLED} " in text
    return text.replace(INSTALLED, str(program()))


@needs_systemd
def test_unit_is_accepted(tmp_path: Path) -> None:
    assert verify(tmp_path, with_program(UNIT.read_text())) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("KillMode=mixed", "KillMode=mixt"),
        ("ProtectClock=yes", "ProtectKlock=yes"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@systemservice"),
        ("/bin/kill ", "/bin/no-such-kill "),
    ],
)
def test_a_mistake_in_the_unit_would_be_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = with_program(UNIT.read_text())
    assert right in text
    status, words = verify(tmp_path, text.replace(right, wrong))
    assert status != 0
    assert UNIT.name in words
