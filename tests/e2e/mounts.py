"""Helpers in a private mount namespace, which the tests see through /proc."""

from __future__ import annotations

import subprocess
from pathlib import Path

from helper import Helper
from published import Published


def mounting(*commands: str) -> list[str]:
    """A prefix for Helper: runs these shell commands in a new mount namespace, then the helper."""
    script = "; ".join(["set -e", "mount --make-rprivate /", *commands, 'exec "$@"'])
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def tmpfs(path: Path, options: str = "size=256k,mode=0755") -> str:
    return f"mount -t tmpfs -o {options} none {path}"


def seen_by(helper: Helper, path: Path) -> Path:
    """The path in that helper's namespace."""
    return Path(f"/proc/{helper.pid}/root{path}")


def published_by(helper: Helper, path: Path) -> Published:
    return Published(seen_by(helper, path))


def inside(helper: Helper, *command: str | Path) -> None:
    """Runs a command in the helper's mount namespace."""
    words = ["nsenter", "-t", str(helper.pid), "-m", *map(str, command)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
