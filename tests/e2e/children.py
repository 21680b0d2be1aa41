"""Configures recorders (recorder.py) and reads the events that they wrote."""

from __future__ import annotations

import hashlib
import json
import os
import select
import sys
from pathlib import Path
from typing import Any

from helper import SLOW, TIMEOUT_S, wait_until
from published import SVID

RECORDER = Path(__file__).parent / "recorder.py"


class Recorder:
    """The events of all recorders that one configuration started."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "events.jsonl"

    def keys(self, *arguments: str, signals: str = "SIGUSR1", **more: object) -> dict[str, object]:
        """Keys of a configuration that starts a recorder and signals it at each rotation."""
        words = [str(RECORDER), str(self.file), "--signals", signals, "--file", f"certs/{SVID}", *arguments]
        return {"cmd": sys.executable, "cmd_args": words, "renew_signal": signals.split(",")[0]} | more

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        lines = self.file.read_text().splitlines(keepends=True) if self.file.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if kind in ("", event["event"])]

    def wait(self, kind: str, count: int = 1, timeout: float = TIMEOUT_S) -> dict[str, Any]:
        """Waits for the count-th event of this kind and returns it."""
        what = f"event {kind} no. {count} of a child"
        wait_until(lambda: len(self.events(kind)) >= count, what, timeout)
        return self.events(kind)[count - 1]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wait_gone(pid: int, timeout: float = TIMEOUT_S) -> None:
    """Waits until a process, which need not be our child, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready = select.select([descriptor], [], [], timeout * SLOW)[0]
        assert ready, f"process {pid} still runs after {timeout * SLOW:g} s"
    finally:
        os.close(descriptor)
