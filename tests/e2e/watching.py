"""Programs that watch a published file with inotify, like consumers, and the content that they read then.

A watcher prints the file's content in base64, a line for each event. Whether it is ready is read from the
kernel: which inodes its process watches.
"""

from __future__ import annotations

import base64
import binascii
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import certs
from devagent import DevAgent
from helper import SLOW, Helper, children_of, wait_until
from published import SVID, Published, config, make_certs, rotate, wait_published

ROTATIONS = 5
INODE = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)


def inodes_watched_by(process: int) -> set[int]:
    """Including its descendants."""
    found: set[int] = set()
    for child in children_of(process):
        found |= inodes_watched_by(child)
    directory = Path(f"/proc/{process}/fdinfo")
    try:
        for name in os.listdir(directory):
            with suppress(FileNotFoundError):
                found |= {int(inode, 16) for inode in INODE.findall((directory / name).read_text())}
    except OSError:
        pass  # ended meanwhile
    return found


def serial_of(content: bytes) -> int:
    """0 if it is not a whole certificate: with the in-place layout it may be read during a write."""
    try:
        return certs.serial(content)
    except (certs.Torn, ValueError, IndexError):
        return 0


class Watcher:
    """`watched` is the path that the program watches."""

    def __init__(self, command: Sequence[str | Path], watched: Path, env: Mapping[str, str] | None = None) -> None:
        self.watched = watched
        self._heard: queue.Queue[bytes] = queue.Queue()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, **env} if env else None,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                self._heard.put(base64.b64decode(line.strip(), validate=True))
            except binascii.Error:
                continue

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Waits until it watches the current target of its path."""

        def ready() -> bool:
            assert self._process.poll() is None, f"ended with {self._process.returncode}"
            return self.watched.stat().st_ino in inodes_watched_by(self.pid)

        wait_until(ready, f"a watch of {self.watched}")

    def wait_serial(self, serial: int, timeout: float) -> None:
        """Waits until it was woken and has read the certificate with this serial number."""
        seen: list[str] = []

        def new() -> bool:
            try:
                seen.append(f"{serial_of(self._heard.get(timeout=0.01)):x}")
            except queue.Empty:
                assert self._process.poll() is None, f"ended with {self._process.returncode}"
                return False
            return seen[-1] == f"{serial:x}"

        try:
            wait_until(new, f"serial {serial:x}", timeout)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it read {seen}") from None

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()


def superseded(out: Published) -> str:
    """The live generation, which the next rotation supersedes; "" for the other layouts."""
    return out.live() if (out.directory / "..data").is_symlink() else ""


def check_rotations(
    agent: DevAgent,
    run_helper: Callable[..., Helper],
    workdir: Path,
    layout: str,
    start: Callable[[Path], Watcher],
    *,
    again: bool = False,
) -> None:
    """Every rotation wakes the watcher while the superseded generation still exists, so its removal is not the cause.

    `start` gets the path of the certificate. `again`: the watcher is restarted for every rotation.
    """
    out = make_certs(workdir)
    helper = run_helper(config(agent, layout=layout))
    wait_published(helper)
    path = out.directory / SVID
    watcher = start(path)
    try:
        for _ in range(ROTATIONS):
            watcher.wait_ready()
            old = superseded(out)
            serial = rotate(agent, helper)
            watcher.wait_serial(serial, timeout=5)
            assert SLOW > 1 or not old or (out.directory / old).is_dir()
            if again:
                watcher.__exit__(None, None, None)
                watcher = start(path)
    finally:
        watcher.__exit__(None, None, None)
