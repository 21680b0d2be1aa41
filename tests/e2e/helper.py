"""The real spiffe-helper, running in a directory of the test.

    with Helper(directory, 'cert_dir = "certs"\n…') as helper:
        helper.wait_log("X.509 SVID updated")
        first = helper.wait_file("certs/svid.pem")
        agent.rotate()
        helper.wait_file("certs/svid.pem", other_than=first)
        assert helper.stop() == 0

The program is $SPIFFE_HELPER, else build/release/spiffe-helper. The directory is its working directory;
helper.conf, helper.log (stderr) and stdout.txt are kept there. Waits end as soon as the awaited event has
happened, and fail at once with the log when the program has exited.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
# Sanitized programs are slower; tests/run.sh sets this.
SLOW = float(os.environ.get("SPIFFE_TEST_SLOW", "1"))
TIMEOUT_S = 10.0
POLL_S = 0.005
# For a minimal environment: a sanitizer needs its options, which name our suppressions.
SANITIZERS = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
# Variables of a developer's environment that must not affect the tests.
NOT_INHERITED = ("SPIFFE_ENDPOINT_SOCKET", "NOTIFY_SOCKET", "WATCHDOG_USEC", "OPENSSL_CONF", "NO_COLOR")
SANITIZER_REPORT = re.compile(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|: runtime error: ")


def program() -> Path:
    return Path(os.environ.get("SPIFFE_HELPER") or ROOT / "build/release/spiffe-helper")


def wait_until(check: Callable[[], T], what: str, timeout: float = TIMEOUT_S) -> T:
    """The first true result of `check`, which is called every 5 ms."""
    deadline = time.monotonic() + timeout * SLOW
    while not (answer := check()):
        assert time.monotonic() < deadline, f"waited {timeout * SLOW:g} s in vain for {what}"
        time.sleep(POLL_S)
    return answer


def children_of(parent: int) -> list[int]:
    """Its direct children, zombies included, oldest first."""
    found = []
    # Not Path.glob(), which examines each name and fails for a process that ends meanwhile.
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            after_name = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == parent:
            found.append((int(after_name[19]), int(pid)))
    return [pid for _, pid in sorted(found)]


@dataclass(frozen=True)
class LogLine:
    """A line of stderr; if it is not a line of the log, level is empty and msg is the whole line."""

    raw: str
    time: str = ""
    level: str = ""
    msg: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


KEY_VALUE = re.compile(r'([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)')
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unquote(value: str) -> str:
    if not value.startswith('"'):
        return value

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else CONTROLS.get(code, code)

    return ESCAPE.sub(plain, value[1:-1])


def parse_line(raw: str) -> LogLine:
    if raw.startswith("{"):
        try:
            fields = {key: str(value) for key, value in json.loads(raw).items()}
        except ValueError:
            return LogLine(raw, msg=raw)
    elif raw.startswith("time="):
        fields = {key: unquote(value) for key, value in KEY_VALUE.findall(raw)}
    else:
        return LogLine(raw, msg=raw)
    return LogLine(raw, fields.pop("time", ""), fields.pop("level", ""), fields.pop("msg", ""), fields)


class LogReader:
    """Reads a pipe into a file and a list of lines, on a thread, and notifies waiting callers.

    Without `file` the source is not a pipe but a file that grows. `take` reads as well, so that a caller that
    saw an effect of the program also sees the log up to that moment.
    """

    def __init__(self, source: int, file: Path | None) -> None:
        self.lines: list[LogLine] = []
        self.news = threading.Condition()
        self.ended = False
        os.set_blocking(source, False)
        self._source = source
        self._rest = b""
        self._file = file.open("wb", buffering=0) if file else None
        self._finish = os.eventfd(0)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Reads the rest of the source and ends, even if a grandchild holds the other end open."""
        os.eventfd_write(self._finish, 1)
        self._thread.join()

    def take(self) -> bool:
        """Reads what is there; returns false at the end of a pipe."""
        with self.news:
            while not self.ended:
                try:
                    chunk = os.read(self._source, 65536)
                except BlockingIOError:
                    return True
                if not chunk:
                    return self._file is None
                if self._file:
                    self._file.write(chunk)
                *complete, self._rest = (self._rest + chunk).split(b"\n")
                self.lines += [parse_line(line.decode(errors="replace")) for line in complete]
                self.news.notify_all()
            return False

    def _read(self) -> None:
        finishing = False
        while not finishing:
            # select() always calls a file ready.
            sources, patience = ([self._source], None) if self._file else ([], POLL_S)
            finishing = self._finish in select.select([*sources, self._finish], [], [], patience)[0]
            finishing = not self.take() or finishing
        with self.news:
            if self._rest:
                self.lines.append(parse_line(self._rest.decode(errors="replace")))
            self.ended = True
            self.news.notify_all()
            if self._file:
                self._file.close()
            os.close(self._source)


class Helper:
    """`arguments` are added to those that name the configuration; `command` replaces them all.

    `prefix` is a program that executes the rest of its command line in its own place: setpriv, unshare …
    `log_pipe=False`: stderr is a file. The helper drops lines rather than wait for the reader of a pipe, so a test that
    counts thousands of them needs this.
    """

    def __init__(
        self,
        directory: Path,
        config: str | None = None,
        arguments: Sequence[str | Path] = (),
        *,
        command: Sequence[str | Path] | None = None,
        prefix: Sequence[str | Path] = (),
        env: Mapping[str, str] | None = None,
        log_pipe: bool = True,
    ) -> None:
        self.log_pipe = log_pipe
        self.directory = Path(directory)
        self.config_file = self.directory / "helper.conf"
        if config is not None:
            self.config_file.write_text(config)
        if command is None:
            command = [*(("-config", self.config_file) if config is not None else ()), *arguments]
        self.command = [str(word) for word in (*prefix, program(), *command)]
        self.env = {k: v for k, v in os.environ.items() if k not in NOT_INHERITED} | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Helper:
        log = self.directory / "helper.log"
        if self.log_pipe:
            source, log_write = os.pipe()
        else:
            log_write = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
            source = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        with (self.directory / "stdout.txt").open("wb") as stdout:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log_write,
                # Its own session, so that signals of the tests' terminal do not reach it.
                start_new_session=True,
            )
        os.close(log_write)
        self._exited = os.pidfd_open(self._process.pid)
        self._log = LogReader(source, log if self.log_pipe else None)
        self._reaper = threading.Thread(target=self._finish_log, daemon=True)
        self._reaper.start()
        return self

    def __enter__(self) -> Helper:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self.close()
        if kind is None:
            self.check_sanitizers()

    def close(self) -> None:
        """Ends the program, and its children that outlive it."""
        if self._process is None:
            return
        left = self._open_children() if self.running else []
        if self.running:
            try:
                self.stop(timeout=5)
            except AssertionError:
                self.kill()
        for child in left:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
            os.close(child)
        self._reaper.join()

    def _open_children(self) -> list[int]:
        """A pidfd of each child that has not been reaped."""
        descriptors = []
        for pid in self.children():
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
        return descriptors

    # The process.

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not exited; leaves the exit status to wait()."""
        if self._process is None or self._process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        self._process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT_S) -> int:
        """Waits for the exit and returns the status, -N for signal N; its log is complete then."""
        assert self._process is not None, "not started"
        try:
            status = self._process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout * SLOW:g} s{self._tail()}") from None
        self._reaper.join()
        return status

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = TIMEOUT_S) -> int:
        self.send(number)
        return self.wait(timeout)

    def kill(self) -> int:
        return self.stop(signal.SIGKILL)

    def children(self) -> list[int]:
        return children_of(self.pid)

    def wait_children(self, count: int, timeout: float = TIMEOUT_S) -> list[int]:
        wait_until(lambda: len(self.children()) == count, f"{count} children", timeout)
        return self.children()

    def rss(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
        assert match, f"no VmRSS{self._tail()}"
        return int(match[1]) * 1024

    def fds(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    # Log and files.

    @property
    def log(self) -> list[LogLine]:
        """The lines logged so far."""
        self._log.take()
        with self._log.news:
            return list(self._log.lines)

    def mark(self) -> int:
        """A position in the log: wait_log(…, since=mark) sees only later lines."""
        return len(self.log)

    def log_text(self) -> str:
        return "\n".join(line.raw for line in self.log)

    def stdout(self) -> str:
        return (self.directory / "stdout.txt").read_text()

    def wait_log(
        self, what: str | Callable[[LogLine], bool], timeout: float = TIMEOUT_S, since: int = 0
    ) -> LogLine:
        """The first line after `since` that contains `what`, or for which `what` returns true."""
        matches = what if callable(what) else lambda line: what in line.msg or what in line.raw
        deadline = time.monotonic() + timeout * SLOW
        seen = since
        with self._log.news:
            while True:
                for line in self._log.lines[seen:]:
                    if matches(line):
                        return line
                seen = max(seen, len(self._log.lines))
                left = deadline - time.monotonic()
                assert not self._log.ended, f"the log ended without {what!r}{self._tail()}"
                assert left > 0, f"no {what!r} in the log for {timeout * SLOW:g} s{self._tail()}"
                self._log.news.wait(left)

    def wait_file(
        self, path: str | Path, timeout: float = TIMEOUT_S, *, other_than: bytes | None = None
    ) -> bytes:
        """The content of a file, relative to the directory, once it exists and differs from `other_than`."""
        file = self.directory / path

        def content() -> list[bytes]:
            try:
                now = file.read_bytes()
            except FileNotFoundError:
                assert self.running, f"exited without writing {path}{self._tail()}"
                return []
            return [now] if now != other_than else []

        try:
            return wait_until(content, f"{path} to {'change' if other_than else 'appear'}", timeout)[0]
        except AssertionError as failure:
            raise AssertionError(f"{failure}{self._tail()}") from None

    def check_sanitizers(self) -> None:
        reports = [line.raw for line in self.log if SANITIZER_REPORT.search(line.raw)]
        assert not reports, f"a sanitizer reported: {reports[0]}{self._tail(200)}"

    def _finish_log(self) -> None:
        # Leaves the exit status to whichever thread takes it first: the log ends when the program does.
        select.select([self._exited], [], [])
        os.close(self._exited)
        self._log.finish()

    def _tail(self, lines: int = 40) -> str:
        # Not self.log: the caller may hold its lock.
        last = [line.raw for line in self._log.lines[-lines:]]
        return "\n" + "\n".join([f"--- the end of helper.log, {self.directory}", *last, "---"])


# The type of the fixture run_helper, which takes the arguments of Helper without the directory.
Run = Callable[..., Helper]
