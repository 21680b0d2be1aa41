#!/usr/bin/env python3
"""Keeps the namespaces of a sandbox as long as its standard input is open, then leaves nothing of it.

    keeper.py DIRECTORY CGROUP

Prints the PID of the sandbox's first process. The end of input is the end of whoever started it, however that came:
then everything in the sandbox is killed, and CGROUP (a name below the root of each hierarchy) and DIRECTORY are
removed. Mounts, interfaces and network namespaces go with the last process. Exit status 0 if nothing is left.
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
LEFT_S = 20.0  # until the kernel has let go of the last process
# The first process reaps whatever is left to it: a signal that is ignored stays so over exec.
FIRST = "trap '' CHLD; echo ready; exec sleep infinity"
libc = ctypes.CDLL(None, use_errno=True)


def hierarchies() -> list[Path]:
    """The directories that hold the root of a cgroup hierarchy with controllers: one (v2), or one for each (v1)."""
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
    """Gives the children of a group of version 2 all its controllers."""
    for controller in (group / "cgroup.controllers").read_text().split():
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def remove_cgroup(name: str) -> list[str]:
    """The groups that could not be removed."""
    left = []
    for root in hierarchies():
        for directory, _, _ in os.walk(root / name, topdown=False):
            try:
                os.rmdir(directory)
            except OSError as error:
                left.append(f"{directory}: {error.strerror}")
    return left


def enter_sandbox() -> subprocess.Popen[bytes]:
    """The first process of the new namespaces."""
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
    # Only the end of the input counts, not what a terminal sends to everybody.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    create_cgroup(cgroup)
    first = enter_sandbox()
    print(first.pid, flush=True)
    sys.stdin.buffer.read()
    # With its first process the kernel kills all others of a PID namespace, and it ends after them.
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
