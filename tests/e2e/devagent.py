"""The development agent, running in a directory of the test.

    with DevAgent(directory, "-federated", "2") as agent:
        ... agent.socket is its Workload API ...
        agent.wait_streams(1)
        seq = agent.rotate()
        agent.fault("wrong-key")

The program is $SPIFFE_DEV_AGENT, else build/release/spiffe-dev-agent. Commands and faults are those that
`spiffe-dev-agent -help` lists. Its output is agent.log in the directory. Any thread may call; one command
runs at a time, but wait() and wait_streams() do not block others.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Sanitized programs are slower; tests/run.sh sets this.
SLOW = float(os.environ.get("SPIFFE_TEST_SLOW", "1"))
TIMEOUT_S = 10.0
POLL_S = 0.005
# Without ThreadSanitizer: gRPC's archives are not instrumented, so it does not see their synchronisation.
SANITIZER_REPORT = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|: runtime error: ")


def program() -> Path:
    return Path(os.environ.get("SPIFFE_DEV_AGENT") or ROOT / "build/release/spiffe-dev-agent")


class AgentError(AssertionError):
    """The agent answered `error: …`, or is not running."""


@dataclass(frozen=True)
class Sent:
    """A line of the send log: the time at which a message of FetchX509SVID was passed to gRPC."""

    seq: int
    monotonic_ns: int
    serial: str


class DevAgent:
    """Paths of sockets are limited to 107 bytes, so `directory` needs a short name."""

    def __init__(self, directory: str | Path, *flags: str | Path, binary: str | Path | None = None) -> None:
        self.directory = Path(directory)
        self.socket = self.directory / "agent.sock"
        self.control = self.directory / "control.sock"
        self.log = self.directory / "agent.log"
        self.send_log = self.directory / "send.log"
        self.flags = [str(flag) for flag in flags]
        self._binary = Path(binary) if binary else program()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        """For SPIFFE_ENDPOINT_SOCKET."""
        return f"unix://{self.socket}"

    # The process.

    def __enter__(self) -> DevAgent:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *flags: str | Path) -> DevAgent:
        """Returns when the agent is ready. Can be called again after stop(), with more flags."""
        command = [self._binary, "-socket", self.socket, "-control", self.control, *self.flags, *flags]
        if "-send-log" not in self.flags:
            command += ["-send-log", self.send_log]
        with self.log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # It makes keys first, which may take seconds: the time limit is that of the whole test.
        try:
            while b"listening on " not in self.log.read_bytes()[begin:]:
                if self._process.poll() is not None:
                    raise AgentError(f"the agent does not start:\n{self.log_text()[begin:]}")
                time.sleep(POLL_S)
        except BaseException:
            self.close()
            raise
        return self

    def stop(self, number: int = signal.SIGTERM, timeout: float = TIMEOUT_S) -> int:
        """The exit status, -N for signal N."""
        assert self._process is not None, "not started"
        self._hang_up()
        self._process.send_signal(number)
        try:
            return self._process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AgentError(f"the agent did not stop:\n{self.log_text()}") from None

    def kill(self) -> int:
        """Like a crash: the sockets' files remain."""
        return self.stop(signal.SIGKILL)

    def restart(self, *flags: str | Path) -> DevAgent:
        self.stop()
        return self.start(*flags)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        self._hang_up()
        if SANITIZER_REPORT.search(self.log_text()):
            raise AgentError(f"a sanitizer reported:\n{self.log_text()}")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def sent(self) -> list[Sent]:
        """The lines of the send log."""
        lines = self.send_log.read_text().splitlines() if self.send_log.exists() else []
        return [Sent(int(seq), int(ns), serial) for seq, ns, serial in map(str.split, lines)]

    # Commands. A new key may take seconds, so there is no time limit but that of the whole test.

    def command(self, line: str) -> str:
        """The answer without its "ok "; raises AgentError for an error."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                return self._ask(self._connection, line)
            except OSError:
                self._hang_up()  # a late answer must not be taken for the answer to the next command
                raise

    def rotate(self) -> int:
        """Sends new SVIDs to all streams; returns the sequence number of the state."""
        return self._seq(self.command("rotate"))

    def resend(self) -> int:
        """Sends the same state to all streams again."""
        return self._seq(self.command("resend"))

    def rotate_ca(self) -> int:
        """Creates a new X.509 authority, and SVIDs signed by it; the bundle also contains the previous one."""
        return self._seq(self.command("rotate-ca"))

    def rotate_jwt(self) -> int:
        """Creates a new JWT key; the bundle also contains the previous one."""
        return self._seq(self.command("rotate-jwt"))

    def federated(self, count: int) -> int:
        return self._seq(self.command(f"federated {count}"))

    def crls(self, count: int) -> int:
        return self._seq(self.command(f"crls {count}"))

    def fault(self, name: str, argument: int | None = None) -> int:
        """Injects a fault: fault("wrong-key"), fault("wrong-key@2"), fault("delay", 100)."""
        return self._seq(self.command(f"fault {name}" + (f" {argument}" if argument is not None else "")))

    def clear(self) -> int:
        """Removes all faults, and pushes a valid state if the current one is spoiled."""
        return self._seq(self.command("clear"))

    def deny(self) -> None:
        """Answers open streams and new calls with PermissionDenied, until allow()."""
        self.command("deny")

    def allow(self) -> None:
        self.command("allow")

    def drop(self) -> None:
        """Ends all streams with Unavailable."""
        self.command("drop")

    def disconnect(self) -> None:
        """Closes all connections."""
        self.command("disconnect")

    def burst(self, count: int, rate: float) -> None:
        """`count` rotations at `rate` a second, in the background; wait() waits for them."""
        self.command(f"burst {count} {rate}")

    def wait(self) -> dict[str, int]:
        """The burst's results after its end: sent, seq, ms."""
        answer = self._alone("wait")
        return {key: int(value) for key, value in (word.split("=") for word in answer.split())}

    def wait_streams(self, count: int, timeout: float = TIMEOUT_S) -> int:
        """Waits until at least `count` streams of FetchX509SVID are open (0: none is open); returns their number."""
        answer = self._alone(f"streams {count} {timeout * SLOW}")
        return int(answer.removeprefix("streams="))

    def status(self) -> dict[str, Any]:
        """seq, serial, streams, connections, rpcs, faults, denied and more."""
        return dict(json.loads(self.command("status")))

    def faults(self) -> list[str]:
        """The names of all faults."""
        return self.command("faults").split()

    # Implementation.

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.control))
        except OSError as error:
            connection.close()
            raise AgentError(f"{self.control}: {error}\n{self.log_text()}") from None
        return connection

    def _ask(self, connection: socket.socket, line: str) -> str:
        connection.sendall(line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError(f"{line}: the agent hung up\n{self.log_text()}")
            answer += chunk
        kind, _, rest = answer.decode().strip().partition(" ")
        if kind != "ok":
            raise AgentError(f"{line}: {rest}")
        return rest

    def _alone(self, line: str) -> str:
        """On a separate connection, since it may take a while."""
        with self._connect() as connection:
            return self._ask(connection, line)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _seq(answer: str) -> int:
        return int(answer.split()[0].removeprefix("seq="))


# The type of the fixture run_agent, which takes flags of the agent.
AgentRun = Callable[..., DevAgent]
