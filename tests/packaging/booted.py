"""Boots the systemd of a directory as PID 1 of its own namespaces, without a network; needs root."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from commands import attempt
from helper import wait_until

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE_S = 60.0
# $1: the directory. The last lines make it the root, which systemd's own sandboxes need.
BOOT = """
set -e
cd "$1"
mount --make-rprivate /
mount --bind . .
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for directory in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $directory; done
chmod 1777 tmp
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
for name in null zero full random urandom tty; do
    touch dev/$name
    mount --bind /dev/$name dev/$name
done
mkdir dev/shm dev/pts .old
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . .old
cd /
umount -l .old
rmdir .old
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=console --show-status=no SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
"""
NAMESPACES = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]


class Booted:
    """A running systemd; `pid` is its PID outside of its namespace."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def enter(self) -> list[str]:
        """A prefix that runs a command inside."""
        environment = ["env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]
        return ["nsenter", "-t", str(self.pid), *NAMESPACES, "--root", "--wd", *environment]

    def attempt(self, *command: str) -> tuple[int, str]:
        return attempt(*self.enter, *command)

    def run(self, *command: str) -> str:
        status, output = self.attempt(*command)
        assert status == 0, f"{' '.join(command)}: exit status {status}\n{output}"
        return output


def hierarchies() -> list[Path]:
    """systemd's cgroup hierarchies: one (v2), or two if controllers have their own hierarchies."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return [CGROUPS / "systemd", CGROUPS / "unified"]


@contextmanager
def cgroup() -> Iterator[list[Path]]:
    name = f"spiffe-helper-test-{uuid.uuid4().hex[:12]}"
    made = [hierarchy / name for hierarchy in hierarchies()]
    for path in made:
        path.mkdir()
    try:
        yield made
    finally:
        for path in made:
            for directory, _, _ in os.walk(path, topdown=False):
                remove(Path(directory))


def remove(directory: Path) -> None:
    """Waits for killed processes, which leave their cgroup a moment later."""

    def gone() -> bool:
        with suppress(OSError):
            directory.rmdir()
        return not directory.exists()

    wait_until(gone, f"the last process to leave {directory}", PATIENCE_S)


def child_of(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def found() -> list[str]:
        assert process.poll() is None, "unshare failed"
        return children.read_text().split()

    return int(wait_until(found, "the first process", PATIENCE_S)[0])


@contextmanager
def booted(root: Path, log: Path) -> Iterator[Booted]:
    """Ends all of its processes at the end. The output of systemd and of the setup is in the log."""
    with cgroup() as groups, log.open("wb") as output:
        join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
        command = ["sh", "-c", join + 'exec "$@"', "sh", "unshare", *NAMESPACES, "--fork", "sh", "-c", BOOT, "sh", root]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        init = 0

        def unshares() -> bool:
            assert process.poll() is None, log.read_text()
            return Path(f"/proc/{process.pid}/comm").read_text() == "unshare\n"

        def runs() -> bool:
            # `systemctl --wait` fails until systemd listens.
            assert process.poll() is None, log.read_text()
            return machine.attempt("systemctl", "is-system-running", "--wait")[1].strip() in {"running", "degraded"}

        try:
            wait_until(unshares, "unshare", PATIENCE_S)
            init = child_of(process)
            machine = Booted(init)
            wait_until(runs, "systemd", PATIENCE_S)
            yield machine
        finally:
            if init:
                os.kill(init, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
