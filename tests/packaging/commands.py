"""Runs programs in tests of the packaging."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def release() -> Path:
    """The directory of the released programs."""
    helper = os.environ.get("SPIFFE_HELPER")
    return Path(helper).parent if helper else ROOT / "build/release"


def version() -> str:
    """The version of the sources."""
    match = re.search(r"project\(spiffe-helper VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert match
    return match[1]


def run(*command: str | Path, **more: object) -> str:
    """The command's stdout and stderr; if it fails, they are in the error."""
    status, output = attempt(*command, **more)
    assert status == 0, f"{' '.join(map(str, command))}: exit status {status}\n{output}"
    return output


def attempt(*command: str | Path, **more: object) -> tuple[int, str]:
    """Exit status, and stdout and stderr together."""
    options: dict[str, object] = {"timeout": 100, **more}
    done = subprocess.run(  # type: ignore[call-overload]
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    return done.returncode, done.stdout
