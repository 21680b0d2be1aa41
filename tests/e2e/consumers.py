"""Consumers of several identities: each a process with a PID file, which reads its files whenever it is signalled.

    with Consumers(workdir, {"web": certs / "web", "db": certs / "db"}) as consumers:
        … entry("web", **consumers.keys("web")) …
        consumers.wait(1)
        assert consumers.settle() == {"web": 1, "db": 1}

`seen` has an entry for each signal: the serial number of the pair that was read then, or its error. The
signal is a real-time one, which queues, and is awaited rather than handled, so that each is counted.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import certs
from helper import SLOW
from published import openssl_serial
from readers import read_snapshot

SIGNAL = "SIGRTMIN+1"
NOTIFIED = signal.SIGRTMIN + 1
# The kernel delivers the lowest of the pending signals first, so all signals sent earlier are already counted.
ASKED = signal.SIGRTMIN + 2
WAIT_S = 20.0


class Consumers:
    """`directories`: one for each consumer's identity, with layout "snapshot". `directory`: for PID files."""

    def __init__(self, directory: Path, directories: Mapping[str, Path]) -> None:
        self.seen: dict[str, list[str]] = {name: [] for name in directories}
        self._directory = directory
        self._directories = directories
        self._pids: dict[str, int] = {}
        self._answered: set[str] = set()
        self._rest = b""

    def __enter__(self) -> Consumers:
        words = [f"{name}={directory}" for name, directory in self._directories.items()]
        self._process = subprocess.Popen(
            [sys.executable, __file__, *words], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._take_until(lambda: len(self._pids) == len(self.seen), "the consumers to be ready")
        except BaseException:
            self.__exit__()
            raise
        for name, pid in self._pids.items():
            self._pid_file(name).write_text(str(pid))
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def keys(self, name: str) -> dict[str, object]:
        """Keys of an entry that notifies this consumer."""
        return {"pid_file_name": str(self._pid_file(name)), "renew_signal": SIGNAL}

    def wait(self, count: int | Mapping[str, int]) -> None:
        """Waits until each was signalled at least `count` times."""
        counts = dict.fromkeys(self.seen, count) if isinstance(count, int) else count
        self._take_until(
            lambda: all(len(self.seen[name]) >= least for name, least in counts.items()), f"signals: {counts}"
        )

    def settle(self) -> dict[str, int]:
        """The number of signals to each so far."""
        self._answered.clear()
        for pid in self._pids.values():
            os.kill(pid, ASKED)
        self._take_until(lambda: self._answered == self.seen.keys(), "the consumers to answer")
        return {name: len(seen) for name, seen in self.seen.items()}

    def _pid_file(self, name: str) -> Path:
        return self._directory / f"{name}.pid"

    def _take_until(self, done: Callable[[], bool], what: str) -> None:
        assert self._process.stdout is not None
        deadline = time.monotonic() + WAIT_S * SLOW
        while not done():
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self._process.stdout], [], [], left)[0], f"waited in vain for {what}: {self.seen}"
            chunk = os.read(self._process.stdout.fileno(), 65536)
            assert chunk, "the consumers have ended"
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                name, event, value = line.decode().split(" ", 2)
                if event == "read":
                    self.seen[name].append(value)
                elif event == "ready":
                    self._pids[name] = int(value)
                else:
                    self._answered.add(name)


# The processes.


def look(directory: str) -> str:
    while True:
        try:
            return openssl_serial(certs.serial(read_snapshot(directory)))
        except FileNotFoundError:
            continue  # delayed until the generation was deleted: there is a newer one
        except certs.Torn as torn:
            return f"torn: {torn}".replace("\n", " ")


def consume(name: str, directory: str) -> None:
    def say(event: str, value: object = "") -> None:
        os.write(sys.stdout.fileno(), f"{name} {event} {value}\n".encode())

    signal.pthread_sigmask(signal.SIG_BLOCK, {NOTIFIED, ASKED})
    # Never called; the helper checks whether the signal is handled.
    signal.signal(NOTIFIED, lambda *_: None)
    say("ready", os.getpid())
    while True:
        if signal.sigwait({NOTIFIED, ASKED}) == NOTIFIED:
            say("read", look(directory))
        else:
            say("answered")


def main() -> None:
    """Runs a process for each NAME=DIRECTORY, until the end of standard input."""
    import cryptography.x509  # noqa: F401  imported once before the fork, not in each process

    children = []
    for word in sys.argv[1:]:
        name, _, directory = word.partition("=")
        pid = os.fork()
        if pid == 0:
            consume(name, directory)
        children.append(pid)
    sys.stdin.buffer.read()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
