"""A child for the helper: records its events, one line of JSON for each.

    recorder.py EVENTS [--signals SIGHUP,SIGRTMIN+1] [--deaf SIGTERM] [--file FILE] [--exit CODE]
        [--late FILE [--ignoring]] [--sigwait] [MORE …]

The first event is "started", once its handlers are in place: pid, arguments, environment, descriptors, signal
state. Each signal is one more event; with --file it has the digest of that file at that moment. SIGTERM ends it,
unless it ignores it (--deaf). With --exit it ends by itself after the start.

With --late it has no handlers before that file exists, and with --ignoring it ignores its signals until then, after the
event "ignoring"; with --sigwait it never has any, but blocks its signals and waits for them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any


def number_of(name: str) -> int:
    base, _, offset = name.partition("+")
    return int(getattr(signal, base)) + int(offset or 0)


def name_of(number: int) -> str:
    offset = number - signal.SIGRTMIN
    return f"SIGRTMIN+{offset}" if offset > 0 else signal.Signals(number).name


def digest(path: str | None) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    except FileNotFoundError:
        return "missing"


def descriptors() -> dict[str, str]:
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass  # the descriptor that was used to list them
    return found


def signal_state() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":\t") for line in lines if line.startswith(("SigBlk", "SigIgn")))


def describe_start(rest: list[str], before: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": "started",
        "arguments": rest,
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "group": os.getpgid(0),
        "parent": os.getppid(),
        "core": Path("/proc/self/limits").read_text().split("Max core file size")[1].split()[0],
        "coredump_filter": Path("/proc/self/coredump_filter").read_text().strip(),
        **before,
    }


def main() -> None:
    # Before the code below opens or changes something.
    before = {"descriptors": descriptors(), "signals": signal_state()}
    parser = argparse.ArgumentParser()
    parser.add_argument("events")
    parser.add_argument("--signals", default="")
    parser.add_argument("--deaf", default="")
    parser.add_argument("--file")
    parser.add_argument("--exit", type=int)
    parser.add_argument("--late", type=Path)
    parser.add_argument("--ignoring", action="store_true")
    parser.add_argument("--sigwait", action="store_true")
    options, rest = parser.parse_known_args()
    events = os.open(options.events, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def record(event: dict[str, Any]) -> None:
        event |= {"pid": os.getpid(), "digest": digest(options.file)}
        os.write(events, json.dumps(event).encode() + b"\n")

    def on_signal(number: int, _: FrameType | None = None) -> None:
        name = name_of(number)
        record({"event": name})
        if name == "SIGTERM" and name not in options.deaf:
            sys.exit(0)

    # Not pause(): a signal that arrives just before it would be noticed only after the next one.
    news, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup)
    names = filter(None, {"SIGTERM", *options.signals.split(","), *options.deaf.split(",")})
    numbers = {number_of(name) for name in names}
    if options.ignoring:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        record({"event": "ignoring"})
    while options.late and not options.late.exists():
        time.sleep(0.005)
    if options.sigwait:
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    else:
        for number in numbers:
            signal.signal(number, on_signal)
    record(describe_start(rest, before))
    if options.exit is not None:
        sys.exit(options.exit)
    while options.sigwait:
        on_signal(signal.sigwait(numbers))
    while True:
        select.select([news], [], [])
        os.read(news, 4096)


if __name__ == "__main__":
    main()
