"""Runs our program and the Go helper with the same configuration and agent, and compares them.

A Row is a configuration and the events while it runs. Each side has an Outcome, a flat table: contents and
modes of files, log lines, events of the child, exit status. To compare more, add to `observe` or `summary`.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from children import RECORDER, Recorder
from helper import Helper, LogLine, program, wait_until
from ports import accepts, free_port

SVID, KEY, BUNDLE = "svid.pem", "svid_key.pem", "svid_bundle.pem"
AGENT = 'agent_address = "{socket}"\n'
FILES = f'svid_file_name = "{SVID}"\nsvid_key_file_name = "{KEY}"\nsvid_bundle_file_name = "{BUNDLE}"\n'
BASE = AGENT + 'cert_dir = "certs"\n' + FILES
UPDATED = "X.509 certificates updated"
JWT_UPDATED = "JWT SVID updated"
JWT_BUNDLE_UPDATED = "JWT bundle updated"
CHILD = f'cmd = "{sys.executable}"\n'
# Messages that users search for; "…" stands for any text.
MESSAGES = (
    *("Using configuration file: …", "Launching daemon", "Daemon mode disabled", "Watching for X509 Context"),
    *(
        "Watching for JWT Bundles",
        "Starting health server",
        "Exiting",
        "Received update",
        UPDATED,
        JWT_UPDATED,
    ),
    *(JWT_BUNDLE_UPDATED, "Successfully fetched x509 certificates", "Successfully fetched JWT bundle"),
    *("Successfully fetched JWT SVIDs", "Unable to dump bundle", "Unable to signal process"),
    *("Unable to signal PID file", "Error while watching x509 context: …"),
)
Outcome = dict[str, object]
LAST = "at last"


class Agent(Protocol):
    """A development agent, or a SPIRE, which never gets commands."""

    socket: Path


Act = Callable[[Any], object]


@dataclass(frozen=True)
class Row:
    name: str
    # Added to BASE; the whole file if `whole` is set. {socket}, {port} and {dir} (the working directory) are
    # filled in, so other braces are doubled.
    config: str = ""
    whole: bool = False
    ours: str | None = None  # the same with keys that Go does not know
    agent: tuple[str, ...] = ()  # flags of the development agent
    arguments: tuple[str, ...] = ("-config", "helper.conf")
    env: dict[str, str] = field(default_factory=dict)  # values are filled in, too
    prefix: tuple[str, ...] = ()
    prepare: Callable[[Path], object] = lambda directory: (directory / "certs").mkdir()
    ready: tuple[str, ...] = (
        UPDATED,
    )  # log lines of the first publication; "|" separates our message from Go's
    then: tuple[tuple[Act, str], ...] = ()  # commands to the agent, and the log line that follows each
    ends: bool = False  # it exits by itself
    stop: signal.Signals = signal.SIGTERM
    child: bool = False  # it starts a recorder with `recorder()`
    signals: int = 0  # number of signals that its child gets
    health: tuple[str, ...] = ()  # URL paths of health requests
    spire: bool = False  # runs with a real SPIRE, too


def recorder(*arguments: str, signals: str = "SIGUSR1") -> str:
    """Keys that start a recorder; its events are in events.jsonl."""
    words = [str(RECORDER), "events.jsonl", "--signals", signals, "--file", f"certs/{SVID}", *arguments]
    return CHILD + "cmd_args = " + json.dumps(" ".join(words)) + "\n"


def rotate(agent: Any) -> object:
    return agent.rotate()


class Side:
    """One of the two programs, in its own directory."""

    def __init__(self, row: Row, directory: Path, agent: Agent, binary: Path, text: str) -> None:
        self.row = row
        self.directory = directory
        self.port = free_port() if row.health else 0
        row.prepare(directory)
        values = {"socket": agent.socket, "port": self.port, "dir": directory}
        whole = text if row.whole else BASE + text
        (directory / "helper.conf").write_text(whole.format(**values))
        env = {name: value.format(**values) for name, value in row.env.items()}
        self.helper = Helper(directory, command=row.arguments, prefix=row.prefix, env=env)
        self.helper.command[len(row.prefix)] = str(binary)
        self.recorder = Recorder(directory)
        self.orphans: list[int] = []

    @contextmanager
    def running(self) -> Iterator[Side]:
        with self.helper:
            try:
                yield self
            finally:
                self.note_orphans()
        # The Go helper does not end its child.
        for orphan in self.orphans:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(orphan, signal.SIGKILL)
            os.close(orphan)

    def note_orphans(self) -> None:
        for pid in self.helper.children() if self.helper.running else ():
            with suppress(ProcessLookupError):  # it has just ended
                self.orphans.append(os.pidfd_open(pid))

    def wait_ready(self) -> None:
        for message, count in Counter(self.row.ready).items():
            self.helper.wait_log(any_of(message, count), timeout=20)
        if self.row.child:
            self.recorder.wait("started")
        if self.port:
            wait_until(lambda: accepts(("127.0.0.1", self.port)), "the health server")

    def stop(self) -> int:
        self.note_orphans()
        return self.helper.stop(self.row.stop)

    # Observations.

    def observe(self, moment: str, outcome: Outcome) -> None:
        for name, path in self.files():
            outcome[f"{moment}: mode of {name}"] = oct(stat.S_IMODE(path.stat().st_mode))
            outcome[f"{moment}: content of {name}"] = content(path)

    def files(self) -> Iterator[tuple[str, Path]]:
        """All files except those of our layouts and of the test."""
        for folder, folders, names in os.walk(self.directory):
            folders[:] = [name for name in folders if not name.startswith("..")]
            for name in names:
                path = Path(folder, name)
                mine = path.parent == self.directory and name in MINE
                if not name.startswith("..") and not mine:
                    yield str(path.relative_to(self.directory)), path

    def get(self, path: str) -> object:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, answer.getheader("Content-Type"), body

    def summary(self, outcome: Outcome, status: int) -> None:
        outcome["exit status"] = status
        for line in self.helper.log:
            if message := known(line):
                outcome[f"says {message}"] = line.level, line.fields.get("system")
        ids = [line.fields.get("spiffe_id") for line in self.helper.log if line.msg == "Received update"]
        outcome["updates of"] = sorted({str(each) for each in ids})
        if self.row.child:
            events = self.recorder.events()
            started = events[0]
            rest = {name: value for name, value in started["environment"].items() if name not in ("PWD", "_")}
            outcome["child's arguments"] = started["arguments"]
            outcome["child's environment"] = rest
            outcome["child's directory"] = Path(started["cwd"]).relative_to(self.directory)
            outcome["child's events"] = [event["event"] for event in events]
            # The SVID at the time of each event.
            outcome["child's files"] = [event["digest"] for event in events if event["event"] != "SIGTERM"]


MINE = {"helper.conf", "helper.log", "stdout.txt", "events.jsonl"}


def known(line: LogLine) -> str:
    for message in MESSAGES:
        if line.msg == message or (message.endswith("…") and line.msg.startswith(message[:-1])):
            # The path is equal on both sides; the text after a watch's error is gRPC's.
            return line.msg if message.startswith("Using") else message
    return ""


def any_of(messages: str, count: int = 1) -> Callable[[LogLine], bool]:
    """For wait_log(), which passes every line once: true for the count-th match."""
    left = count

    def check(line: LogLine) -> bool:
        nonlocal left
        left -= any(message in line.msg for message in messages.split("|"))
        return left == 0

    return check


def content(path: Path) -> object:
    """A token or a JWT bundle decoded, anything else unchanged."""
    raw = path.read_bytes()
    if re.fullmatch(rb"[\w-]+\.[\w-]+\.[\w-]+", raw):
        return token(raw)
    if raw.startswith(b"{"):
        return {domain: key_set(encoded) for domain, encoded in json.loads(raw).items()}
    return raw


def token(raw: bytes) -> object:
    header, claims = (json.loads(base64.urlsafe_b64decode(part + b"==")) for part in raw.split(b".")[:2])
    lifetime = claims.pop("exp") - claims.pop("iat")
    claims.pop("jti", None)  # different for each token
    return {"header": header, "claims": claims, "lifetime": lifetime}


def key_set(encoded: str) -> object:
    decoded = json.loads(base64.b64decode(encoded, validate=True))
    decoded["keys"] = sorted(decoded["keys"], key=lambda key: str(key["kid"]))
    return decoded


def wait_for(sides: Sequence[Side], marks: Sequence[int], message: str, signals: int) -> None:
    for side, mark in zip(sides, marks, strict=True):
        side.helper.wait_log(any_of(message), timeout=20, since=mark)
        if signals:
            told = lambda side=side: len(side.recorder.events("SIGUSR1")) >= signals  # noqa: E731
            wait_until(told, f"signal {signals} of a child")


def run(row: Row, directory: Path, agent: Agent, go: Path) -> tuple[Outcome, Outcome]:
    """The outcomes of a row: ours, and Go's."""
    sides = []
    for name, binary, text in (("ours", program(), row.ours or row.config), ("go", go, row.config)):
        place = directory / name
        place.mkdir(mode=0o755)
        sides.append(Side(row, place, agent, binary, text))
    outcomes: tuple[Outcome, Outcome] = ({}, {})
    with ExitStack() as stack:
        for side in sides:
            stack.enter_context(side.running())
        if row.ends:
            statuses = [side.helper.wait(timeout=20) for side in sides]
        else:
            for side in sides:
                side.wait_ready()
            observe("at first", sides, outcomes)
            for number, (act, message) in enumerate(row.then, 1):
                marks = [side.helper.mark() for side in sides]
                act(agent)
                wait_for(sides, marks, message, min(number, row.signals))
                observe(f"after {number}", sides, outcomes)
            statuses = [side.stop() for side in sides]
        observe(LAST, sides, outcomes)
        for side, outcome, status in zip(sides, outcomes, statuses, strict=True):
            side.summary(outcome, status)
    return outcomes


def observe(moment: str, sides: Sequence[Side], outcomes: Sequence[Outcome]) -> None:
    for side, outcome in zip(sides, outcomes, strict=True):
        side.observe(moment, outcome)
    for path in sides[0].row.health if moment != LAST else ():
        answers = health_answers(sides, path)
        for outcome, answer in zip(outcomes, answers, strict=True):
            outcome[f"{moment}: GET {path}"] = answer


def health_answers(sides: Sequence[Side], path: str) -> list[object]:
    """The answers once they agree, or after 2 s: Go logs a failed write before it counts it."""
    answers: list[object] = []

    def agree() -> bool:
        answers[:] = [side.get(path) for side in sides]
        return answers[0] == answers[1]

    with suppress(AssertionError):
        wait_until(agree, "the same health", timeout=2)
    return answers


def differences(ours: Outcome, go: Outcome) -> dict[str, tuple[object, object]]:
    nothing = "nothing"
    names = dict.fromkeys([*ours, *go])
    pairs = {name: (ours.get(name, nothing), go.get(name, nothing)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
