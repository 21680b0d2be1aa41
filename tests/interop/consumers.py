"""Runs the examples below examples/consumers by their run.sh, and under load while certificates rotate.

    consumer = Consumer("nginx", "www-data", talk=http, notified="signalled")
    check_readme(consumer)
    check_rotations(consumer)

`talk` sends a request over a connection, and raises an error if the consumer does not accept the client. A
consumer that watches the files has no `notified`.
"""

from __future__ import annotations

import os
import pwd
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import certs
from devagent import DevAgent
from devagent import program as agent_program
from helper import ROOT, SLOW, TIMEOUT_S, Helper, program, wait_until
from ports import free_port
from published import is_publication
from session import Session

ROTATIONS = 10
PERIOD_S = 2.0
CLIENTS = 2
TIMEOUT_S = 5.0
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Refused(Exception):
    """The consumer accepted a connection, and then refused the request."""


def as_user(name: str) -> list[str]:
    """A prefix that runs a program as this user, who then owns its files: some consumers refuse root. If the
    name is empty, the current user."""
    if os.geteuid() != 0 or not name:
        return []
    user = pwd.getpwnam(name)
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]


def nothing(_: socket.socket) -> None:
    """For a protocol that begins with TLS."""


@dataclass(frozen=True)
class Consumer:
    name: str  # the directory of the example
    user: str
    talk: Callable[[ssl.SSLSocket], None]  # raises Refused or OSError
    notified: str = ""  # the event of the helper that a reload begins or ends with
    within_s: float = 1.0  # time from a rotation to the first handshake with the new certificate
    start_s: float = 30.0  # time until it listens; more if it is compiled first
    path: Sequence[Path] = ()  # where its programs are, if not in the system's directories
    alpn: Sequence[str] = ()
    start_tls: Callable[[socket.socket], None] = nothing
    prepare: Callable[[Path], None] = field(default=lambda directory: None)  # called once it runs

    @property
    def example(self) -> Path:
        return ROOT / "examples/consumers" / self.name

    def environment(self, directory: Path, port: int) -> dict[str, str]:
        ours = [program().resolve().parent, agent_program().resolve().parent]
        path = ":".join(str(each) for each in [*ours, *self.path, SYSTEM])
        return {"PATH": path, "SPIFFE_EXAMPLE_DIR": str(directory), "PORT": str(port)}


def check_readme(consumer: Consumer) -> None:
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sp") as parent:
        environment = consumer.environment(Path(parent, "example"), free_port())
        with Session(consumer.example, environment, as_user(consumer.user)) as session:
            session.play(consumer.example / "README.md", timeout=2 * consumer.start_s)
        assert os.listdir(parent) == []


@dataclass
class Running:
    consumer: Consumer
    directory: Path
    port: int
    helper: Helper

    def context(self, client: Path) -> ssl.SSLContext:
        """For a client with the files in this directory; it verifies the server's chain."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if self.consumer.alpn:
            context.set_alpn_protocols(list(self.consumer.alpn))
        context.load_verify_locations(self.directory / "certs/svid_bundle.pem")
        context.load_cert_chain(client / "svid.pem", client / "svid_key.pem")
        return context

    def handshake(self, context: ssl.SSLContext) -> int:
        """Connects, sends a request, and returns the serial number of the server's certificate."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S * SLOW) as plain:
            self.consumer.start_tls(plain)
            with context.wrap_socket(plain) as connection:
                self.consumer.talk(connection)
                leaf = connection.getpeercert(binary_form=True)
        assert leaf is not None
        return certs.serial(ssl.DER_cert_to_PEM_cert(leaf).encode())


@contextmanager
def running(consumer: Consumer) -> Iterator[tuple[Running, DevAgent]]:
    """Runs the example's run.sh, with an agent that rotates only on command."""
    with tempfile.TemporaryDirectory(prefix="sc") as parent:
        directory, port = Path(parent, "example"), free_port()
        helper = Helper(Path(parent), env=consumer.environment(directory, port) | {"TTL": "2h"})
        helper.command = [*as_user(consumer.user), str(consumer.example / "run.sh")]
        agent = DevAgent(directory)  # which run.sh starts
        try:
            helper.start()
            it = Running(consumer, directory, port, helper)
            helper.wait_log(is_publication, consumer.start_s)
            # The first request waits until the program has started.
            context = it.context(directory / "client")
            wait_until(lambda: is_up(it), f"{consumer.name} to listen", consumer.start_s)
            consumer.prepare(directory)
            it.handshake(context)
            yield it, agent
            assert helper.stop() == 128 + 15
        except BaseException:
            print(helper.log_text())  # pytest shows it for a test that fails
            raise
        finally:
            helper.close()
        assert not directory.exists()


@contextmanager
def listening(
    command: Sequence[str], directory: Path, patience: float = TIMEOUT_S
) -> Iterator[tuple[str, Path]]:
    """Runs a server that prints a line once it listens; that line's last word, and the file of its stderr."""
    out, err = directory / "server.out", directory / "server.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    try:
        wait_until(
            lambda: out.read_text().endswith("\n") or running.poll() is not None, "the server to listen", patience
        )
        assert running.poll() is None, err.read_text()
        yield out.read_text().split()[-1], err
        assert running.poll() is None, err.read_text()
    finally:
        running.kill()
        running.wait()


def is_up(it: Running) -> bool:
    assert it.helper.running, it.helper.log_text()
    try:
        with socket.create_connection(("127.0.0.1", it.port), timeout=TIMEOUT_S * SLOW):
            return True
    except OSError:
        return False


class Clients:
    """Threads that repeat handshakes and record every failure."""

    def __init__(self, it: Running) -> None:
        self._it = it
        self._context = it.context(it.directory / "client")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        self.failures: list[str] = []
        self.serials: set[int] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                serial = self._it.handshake(self._context)
            except (OSError, Refused) as error:
                with self._lock:
                    self.failures.append(f"{time.monotonic():.3f}: {error!r}")
            else:
                with self._lock:
                    self.serials.add(serial)


def rotate(it: Running, agent: DevAgent, context: ssl.SSLContext) -> tuple[int, float]:
    """Rotates; returns the new certificate's serial number and the seconds until a handshake shows it."""
    mark = it.helper.mark()
    began = time.monotonic()
    agent.rotate()
    published = it.helper.wait_log(is_publication, 10, mark)
    if it.consumer.notified:
        it.helper.wait_log(lambda line: line.fields.get("event") == it.consumer.notified, 10, mark)
    serial = int(published.fields["serial"], 16)
    wait_until(lambda: it.handshake(context) == serial, f"{it.consumer.name} to show the new certificate", 30)
    return serial, time.monotonic() - began


def refuses_strangers(it: Running) -> None:
    """Checks that the consumer refuses a client of an unknown trust domain."""
    with tempfile.TemporaryDirectory(prefix="sa-") as parent, DevAgent(Path(parent), "-trust-domain", "other.test") as agent:
        names = ["-svid-file-name=svid.pem", "-svid-key-file-name=svid_key.pem", "-svid-bundle-file-name=bundle.pem"]
        words = [program(), "-agent-address", agent.endpoint, "-daemon-mode=false", "-cert-dir", parent, *names]
        subprocess.run(words, check=True, capture_output=True, timeout=60, cwd=parent)
        context = it.context(Path(parent))
        try:
            it.handshake(context)
        except (OSError, Refused):
            return
    raise AssertionError(f"{it.consumer.name} served a client of another trust domain")


def check_rotations(consumer: Consumer) -> None:
    with running(consumer) as (it, agent):
        context = it.context(it.directory / "client")
        with Clients(it) as clients:
            delays = []
            start = time.monotonic()
            for count in range(ROTATIONS):
                wait_until(lambda at=start + count * PERIOD_S: time.monotonic() >= at, "the time of a rotation")
                serial, delay = rotate(it, agent, context)
                delays.append(delay)
            # The clients have seen the last certificate, too.
            wait_until(lambda: serial in clients.serials, "the clients to meet the last certificate")
        assert clients.failures == []
        # The median: the machine may be busy during one of the rotations.
        assert statistics.median(delays) < consumer.within_s * SLOW, delays
        refuses_strangers(it)
        # A known client is still accepted.
        it.handshake(context)


def http(connection: ssl.SSLSocket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = b""
    # Not until the end of the connection, which Envoy keeps open for a second.
    while b"\r\n\r\n" not in answer and (chunk := connection.recv(4096)):
        answer += chunk
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Refused(answer[:100])
