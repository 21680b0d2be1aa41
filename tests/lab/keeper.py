#!/usr/bin/env python3
"""Keeps the namespaces of a sandbox while its standard input is open, then removes all of the sandbox.

    keeper.py DIRECTORY CGROUP

Prints the PID of the sandbox's first process. The input ends with the process that started this one, even if
that was killed. Then all processes in the sandbox are killed; CGROUP (a name below each hierarchy's root) and
DIRECTORY are removed. Mounts and network go with the last process. Exit status 0 if nothing is left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CLONE_NEWPID = 0x20000000
LEFT_S = 20.0  # until the kernel has released the last process
# The kernel reaps orphans of the first process: SIGCHLD stays ignored after exec.
FIRST = "trap '' CHLD; echo ready; exec sleep infinity"
libc = ctypes.CDLL(None, use_errno=True)


def hierarchies() -> list[Path]:
    """The roots of cgroup hierarchies with controllers: one (v2), or one for each controller (v1)."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def create_cgroup(name: str) -> None:
    for root in hierarchies():
        (root / name).mkdir()
        if (root / "cgroup.subtree_control").exists():
            delegate(root)
            delegate(root / name)
        elif (root / "cpuset.cpus").exists():
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (root / name / setting).write_text((root / setting).read_text())


def delegate(group: Path) -> None:
    """Enables all controllers of a cgroup (v2) for its children."""
    for controller in (group / "cgroup.controllers").read_text().split():
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroup(name: str) -> list[str]:
    """Removes the cgroups; returns those that could not be removed."""
    left = []
    for root in hierarchies():
        for directory, _, _ in os.walk(root / name, topdown=False):
            try:
                os.rmdir(directory)
            except OSError as error:
                left.append(f"{directory}: {error.strerror}")
    return left


def enter_sandbox() -> subprocess.Popen[bytes]:
    """Starts the first process of the new namespaces."""
    if libc.unshare(CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    others = ["unshare", "--net", "--ipc", "--mount", "--mount-proc", "--propagation", "private"]
    first = subprocess.Popen([*others, "sh", "-c", FIRST], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert first.stdout
    if first.stdout.readline() != b"ready\n":
        raise SystemExit(f"unshare: exit status {first.wait()}")
    return first


def main() -> int:
    directory, cgroup = Path(sys.argv[1]), sys.argv[2]
    # Only the end of the input ends this, not signals of a terminal to the process group.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    create_cgroup(cgroup)
    first = enter_sandbox()
    print(first.pid, flush=True)
    sys.stdin.buffer.read()
    # When the first process of a PID namespace ends, the kernel first kills all others in it.
    first.kill()
    first.wait()
    deadline = time.monotonic() + LEFT_S
    while (left := remove_cgroup(cgroup)) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(directory)
    print("\n".join(left), end="", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
