"""Reader processes that read and check files as fast as they can while a helper publishes.

    with Readers(certs, ["snapshot"]) as readers:
        …
    report = readers.report
    assert report.reads > 1000 and not report.faults

A snapshot reader opens `..data` once and reads certificate, key and bundle relative to it: all are whole and
match. A name reader opens the configured names, one by one: each is whole. A missing file is
counted as `vanished`, and is not a fault: before the first publication, or if a reader was delayed until
its generation had been deleted.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import certs

NAMES = ("svid.pem", "svid_key.pem", "svid_bundle.pem")
MOST_FAULTS = 20


@dataclass
class Report:
    """The results of one reader, or of all together."""

    reads: int = 0  # whole snapshots, or whole files
    vanished: int = 0
    changes: int = 0  # how often a read differed from the previous one
    faults: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.reads += other.reads
        self.vanished += other.vanished
        self.changes += other.changes
        self.faults += other.faults


def read_all(path: str, directory: int | None = None) -> bytes:
    """Reads until the end of the file in small steps, like most programs, so that torn files are noticed."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        content = b""
        while chunk := os.read(file, 300):
            content += chunk
        return content
    finally:
        os.close(file)


def check_set(svid: bytes, key: bytes, bundle: bytes) -> None:
    """Raises Torn if one of them is not whole, or they do not match."""
    leaf = certs.certificates(svid)[0]
    certs.certificates(bundle)
    if not certs.same_point(leaf, certs.private_key(key)):
        raise certs.Torn("the key is not that of the certificate")


def read_snapshot(directory: str) -> bytes:
    data = os.open(f"{directory}/..data", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        svid, key, bundle = (read_all(name, data) for name in NAMES)
    finally:
        os.close(data)
    check_set(svid, key, bundle)
    return svid


def read_names(directory: str) -> bytes:
    svid, key, bundle = (read_all(f"{directory}/{name}") for name in NAMES)
    certs.certificates(svid)
    certs.private_key(key)
    certs.certificates(bundle)
    return svid


HOW: dict[str, Callable[[str], bytes]] = {"snapshot": read_snapshot, "names": read_names}


def read_until_told(how: str, directories: Sequence[str], stop: int) -> Report:
    """Reads until `stop` is readable or closed. Reads each once before it prints "ready", and once at the end."""
    report = Report()
    last = dict.fromkeys(directories, b"")

    def look(directory: str) -> None:
        try:
            svid = HOW[how](directory)
            report.reads += 1
            report.changes += svid != last[directory]
            last[directory] = svid
        except FileNotFoundError:
            report.vanished += 1
        except certs.Torn as torn:
            report.faults.append(f"{how}: {torn}")

    for directory in directories:
        look(directory)
    print("ready", flush=True)
    for directory in itertools.cycle(directories):
        if len(report.faults) >= MOST_FAULTS or select.select([stop], [], [], 0)[0]:
            break
        look(directory)
    for directory in directories:
        look(directory)
    return report


class Readers:
    """A process for each kind, which reads all directories in turn; `report` is set when the context ends."""

    def __init__(
        self, directory: Path | Sequence[Path], kinds: Sequence[str] = ("snapshot", "names")
    ) -> None:
        self.directories = [directory] if isinstance(directory, Path) else list(directory)
        self.kinds = kinds
        self.report = Report()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Readers:
        for kind in self.kinds:
            command = [sys.executable, __file__, kind, *map(str, self.directories)]
            # Without a buffer, which could hold more than the line that is read below.
            process = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._processes.append(process)
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            # Closes its standard input, which stops it, and reads its report.
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            self.report.add(Report(**json.loads(output)))


def main() -> None:
    kind, *directories = sys.argv[1:]
    report = read_until_told(kind, directories, sys.stdin.fileno())
    print(json.dumps(vars(report)))


if __name__ == "__main__":
    main()
