"""The programs of the benchmark: its own two, the agent, and one helper at a time with its child."""

from __future__ import annotations

import base64
import ctypes
import mmap
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 15.0
MAX_SIGNALS = 4096
# The words of record.hh.
LAUNCHED, STARTED, PID, SIGNALS, FIRST_SIGNAL = range(5)
# Variables of the developer's environment that must not affect the results.
NOT_INHERITED = re.compile(r"SPIFFE_|SPIRE_|NOTIFY_SOCKET$|WATCHDOG_|OPENSSL_|GO[A-Z]|GRPC_|MALLOC_")
# Both helpers read this, so it has only keys of the Go helper.
CONFIG = """\
agent_address = "{agent}"
cmd = "{child}"
cmd_args = "{record}"
cert_dir = "{certs}"
renew_signal = "SIGUSR1"
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "svid_bundle.pem"
"""


class Broken(Exception):
    """The benchmark does not work. A slow helper does not cause this."""


def wait_until(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not check():
        if time.monotonic() > deadline:
            raise Broken(f"waited {TIMEOUT_S:g} s in vain for {what}")
        time.sleep(0.002)


def tail(log: Path) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""
    return "".join(f"\n  | {line}" for line in text.splitlines()[-15:])


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not NOT_INHERITED.match(name)}


def end(process: subprocess.Popen[bytes]) -> bool:
    """False if it had to be killed."""
    process.terminate()
    try:
        process.wait(TIMEOUT_S)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def serial_of(pem: Path) -> int:
    """The serial number of the first certificate in a PEM file."""
    match = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem.read_text(), re.DOTALL)
    if not match:
        raise Broken(f"{pem.name} holds no certificate")
    der = base64.b64decode(match[1])

    def header(at: int) -> tuple[int, int]:
        """Begin and end of the contents of the element at `at`."""
        length, begin = der[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, begin = int.from_bytes(der[begin : begin + octets]), begin + octets
        return begin, begin + length

    at, _ = header(0)  # Certificate
    at, _ = header(at)  # TBSCertificate
    if der[at] == 0xA0:  # [0] version
        _, at = header(at)
    begin, finish = header(at)
    return int.from_bytes(der[begin:finish])


def adopt_orphans() -> None:
    """Makes this process the parent of the children that the Go helper leaves behind."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def compile_programs(directory: Path) -> None:
    """Compiles bench_child and bench_launch, static for a fast start."""
    compiler = os.environ.get("CXX", "c++")
    for name in ("child", "launch"):
        command: list[str | Path] = [compiler, "-std=c++20", "-O2", "-static"]
        command += ["-o", directory / f"bench_{name}", HERE / f"{name}.cc"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Broken(f"{compiler} cannot compile {name}.cc:\n{done.stderr}")


class Send(NamedTuple):
    time_ns: int
    serial: int


class Agent:
    """A development agent that rotates on request, and records the time of each send."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.socket = directory / "agent.sock"
        self._control = directory / "control.sock"
        self._send_log = directory / "sends"
        self._log = directory / "agent.log"
        command: list[str | Path] = [program, "-socket", self.socket, "-control", self._control]
        command += ["-send-log", self._send_log, "-ttl", "1h", "-rotate-every", "0"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )
        self._connection = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Agent:
        try:
            wait_until(self._ready, "the agent's sockets")
            self._connection.settimeout(TIMEOUT_S)
            self._connection.connect(str(self._control))
            self._answers = self._connection.makefile("r")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        end(self._process)

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise Broken(f"the agent ended with status {self._process.returncode}{tail(self._log)}")
        return self.socket.exists() and self._control.exists()

    def _answer(self, to: str) -> str:
        try:
            line = self._answers.readline().strip()
        except TimeoutError:
            line = "nothing"
        if not line.startswith("ok"):
            raise Broken(f"the agent answers {line!r} to {to!r}{tail(self._log)}")
        return line

    def ask(self, command: str) -> str:
        self._connection.sendall(f"{command}\n".encode())
        return self._answer(command)

    def rotate(self, count: int, interval_s: float) -> None:
        """Single rotations, evenly spaced. The answers are read at the end, so that this process does not
        compete for the processor with a helper that has just received an update."""
        begin = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, begin + i * interval_s - time.monotonic()))
            self._connection.sendall(b"rotate\n")
        for _ in range(count):
            self._answer("rotate")

    def burst(self, count: int, rate: float) -> None:
        """Rotations by the agent's own clock. Long bursts are split, because the agent answers at the end."""
        slice_of = max(1, int(rate * TIMEOUT_S / 3))
        while count > 0:
            now = min(count, slice_of)
            self.ask(f"burst {now} {rate:g}")
            self.ask("wait")
            count -= now

    def sends(self) -> list[Send]:
        """All X.509 messages so far."""
        if not self._send_log.exists():
            return []
        lines = self._send_log.read_text().splitlines()
        return [Send(int(line.split()[1]), int(line.split()[2].replace(":", ""), 16)) for line in lines]


@dataclass(frozen=True)
class Memory:
    rss: int
    private: int
    dirty: int


class HelperRun:
    """One helper with its child, in a directory of its own, from start to end."""

    def __init__(self, program: Path, flags: list[str], programs: Path, agent: Agent, directory: Path) -> None:
        self._program = program
        self._flags = flags
        self._programs = programs
        self._agent = agent
        self._directory = directory
        self._record_file = directory / "record"
        self.certs = directory / "certs"
        self._log = directory / "helper.log"

    def __enter__(self) -> HelperRun:
        self.certs.mkdir(parents=True)
        with self._record_file.open("wb") as file:
            file.truncate(8 * (FIRST_SIGNAL + MAX_SIGNALS))
        with self._record_file.open("r+b") as file:
            self._record = mmap.mmap(file.fileno(), 0)
        child = self._programs / "bench_child"
        config = self._directory / "helper.conf"
        config.write_text(
            CONFIG.format(agent=self._agent.socket, child=child, record=self._record_file, certs=self.certs)
        )
        command: list[str | Path] = [self._programs / "bench_launch", self._record_file]
        command += [self._program, "-config", config, *self._flags]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )
        try:
            self._wait(self._child_started, "its child")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_time = end(self._process)
        child = self._word(PID)
        self._record.close()
        # The Go helper leaves its child behind.
        if child and self._is_ours(child):
            os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
        if error is None:
            if not in_time:
                raise Broken(f"{self._program.name} does not end on SIGTERM{tail(self._log)}")
            self._agent.ask("streams 0")
            shutil.rmtree(self._directory)

    def _is_ours(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/exe").readlink() == self._programs / "bench_child"
        except OSError:  # gone, or a zombie
            return False

    def _word(self, index: int) -> int:
        (value,) = struct.unpack_from("=Q", self._record, 8 * index)
        return int(value)

    def _wait(self, check: Callable[[], bool], what: str) -> None:
        def alive_and_well() -> bool:
            self._check_alive()
            return check()

        try:
            wait_until(alive_and_well, what)
        except Broken as error:
            raise Broken(f"{self._program.name}: {error}{tail(self._log)}") from None

    def _check_alive(self) -> None:
        if self._process.poll() is not None:
            raise Broken(f"ended with status {self._process.returncode}")

    def _child_started(self) -> bool:
        return self._word(PID) != 0

    def start_ns(self) -> int:
        """From exec to the child's first instruction."""
        return self._word(STARTED) - self._word(LAUNCHED)

    def signals(self) -> list[int]:
        """When the child received its signals."""
        count = self._word(SIGNALS)
        if count > MAX_SIGNALS:
            raise Broken(f"{count} signals: the record holds {MAX_SIGNALS}")
        return list(struct.unpack_from(f"={count}Q", self._record, 8 * FIRST_SIGNAL))

    def wait_serial(self, serial: int) -> None:
        """Waits until this certificate is published: the helper has done the measured work."""

        def published() -> bool:
            try:
                return serial_of(self.certs / "svid.pem") == serial
            except (Broken, ValueError, IndexError, OSError):  # incomplete: the Go helper writes in place
                return False

        self._wait(published, f"serial {serial:x} in svid.pem")
        for name in ("svid_key.pem", "svid_bundle.pem"):
            if not (self.certs / name).read_text().startswith("-----BEGIN "):
                raise Broken(f"{self._program.name} wrote no {name}")

    def cpu_ns(self) -> int:
        """User and system time of the process, including ended threads."""
        clock = ctypes.c_int()
        if ctypes.CDLL(None).clock_getcpuclockid(self._process.pid, ctypes.byref(clock)) != 0:
            raise Broken("no CPU clock of another process on this system")
        return time.clock_gettime_ns(clock.value)

    def memory(self) -> Memory:
        text = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
        dirty = kib["Private_Dirty"]
        return Memory(1024 * kib["Rss"], 1024 * (kib["Private_Clean"] + dirty), 1024 * dirty)
