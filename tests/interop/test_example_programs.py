"""examples/programs: a server and a client in Go and in Python that use our files directly."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import certs
import pytest
from consumers import listening
from devagent import DevAgent
from helper import ROOT, Helper, program, wait_until
from published import BUNDLE, SVID, config, openssl_serial
from session import Session

EXAMPLE = ROOT / "examples/programs"
DOMAIN = "spiffe://example.org"
FOREIGN = "spiffe://other.example/client"
LANGUAGES = ("go", "python")
MIXED = [("go", "python"), ("python", "go")]
PAIRS = [*MIXED, ("go", "go"), ("python", "python")]


def go() -> str:
    return shutil.which("go") or "/usr/local/go/bin/go"


@dataclass(frozen=True)
class World:
    """Directories of helpers: server, client, stranger, and foreign, which is of another trust domain. The
    impostor has the certificate of foreign and our bundle, so it accepts our servers."""

    directory: Path
    agent: DevAgent

    def command(self, language: str, mode: str, who: str, accept: str, *more: str) -> list[str]:
        by_language = {"go": [self.directory / "greeter"], "python": ["python3", EXAMPLE / "python/greeter.py"]}
        certs_dir = self.directory / who / "certs"
        words = [*by_language[language], mode, f"--certs={certs_dir}", f"--accept={accept}", *more]
        return [str(word) for word in words]

    def impersonate(self) -> None:
        """Gives the impostor our current bundle."""
        shutil.copy(self.directory / "client/certs" / BUNDLE, self.directory / "impostor/certs" / BUNDLE)

    def call(
        self, language: str, url: str, who: str = "client", accept: str = f"{DOMAIN}/server"
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(language, "call", who, accept, url)
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    def serial(self, who: str) -> str:
        return openssl_serial(certs.serial((self.directory / who / "certs" / SVID).read_bytes()))

    def renew(self, push: Callable[[], object]) -> None:
        """Calls `push`; returns when server and client have new files."""
        before = [self.serial(who) for who in ("server", "client")]
        push()
        for who, serial in zip(("server", "client"), before, strict=True):
            wait_until(lambda who=who, serial=serial: self.serial(who) != serial, f"a new certificate of {who}")

    def server(
        self, language: str, who: str = "server", accept: str = f"{DOMAIN}/client"
    ) -> AbstractContextManager[tuple[str, Path]]:
        """Runs a server; its URL, and the file with its stderr."""
        return listening(self.command(language, "serve", who, accept), self.directory)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="sh-") as name, ExitStack() as stack:
        directory = Path(name)
        environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
        build = [go(), "build", "-trimpath", "-o", directory / "greeter", "."]
        subprocess.run(build, cwd=EXAMPLE / "go", env=environment, check=True, timeout=110)
        (directory / "agent").mkdir()
        (directory / "other").mkdir()
        ids = ["-id", "/server", "-id", "/client", "-id", "/stranger"]
        agent = stack.enter_context(DevAgent(directory / "agent", *ids))
        other = stack.enter_context(DevAgent(directory / "other", "-trust-domain", "other.example", *ids))
        wanted = {who: (agent, f"{DOMAIN}/{who}") for who in ("server", "client", "stranger")}
        for who, (source, spiffe_id) in (wanted | {"foreign": (other, FOREIGN)}).items():
            (directory / who / "certs").mkdir(parents=True)
            helper = stack.enter_context(Helper(directory / who, config(source, spiffe_id=spiffe_id)))
            helper.wait_file(Path("certs") / SVID)
        shutil.copytree(directory / "foreign", directory / "impostor")
        yield World(directory, agent)


def test_readme() -> None:
    path = f"{program().resolve().parent}:{os.environ['PATH']}:{Path(go()).parent}"
    with Session(EXAMPLE, {"PATH": path}) as session:
        session.play(EXAMPLE / "README.md")


@pytest.mark.parametrize("server, client", PAIRS)
def test_a_renewal_is_presented_to_the_next_handshake(world: World, server: str, client: str) -> None:
    """A renewal of both certificates, then of the authority, without a restart."""

    def greeted() -> None:
        answer = world.call(client, url)
        assert answer.stdout.splitlines() == [
            f"Hello {DOMAIN}/client",
            f"from the server with certificate {world.serial('server')}",
        ], answer.stderr + errors.read_text()

    with world.server(server) as (url, errors):
        greeted()
        world.renew(world.agent.rotate)
        greeted()
        # Twice, so that the authority from the server's start is no longer in the bundle.
        world.renew(world.agent.rotate_ca)
        world.renew(world.agent.rotate_ca)
        greeted()
        assert errors.read_text() == ""


@pytest.mark.parametrize("who", ["stranger", "impostor"])
@pytest.mark.parametrize("server, client", MIXED)
def test_a_server_refuses_another_client(world: World, server: str, client: str, who: str) -> None:
    """Another SPIFFE ID of our trust domain, and another trust domain."""
    world.impersonate()
    with world.server(server) as (url, errors):
        answer = world.call(client, url, who)
        assert answer.returncode != 0
        assert "Hello" not in answer.stdout
        reason = {
            "stranger": f"the peer is {DOMAIN}/stranger, not {DOMAIN}/client",
            "impostor": {"go": "unknown authority", "python": "certificate verify failed"}[server],
        }
        wait_until(lambda: reason[who] in errors.read_text(), "the server to say why")
        assert world.call(client, url).returncode == 0


@pytest.mark.parametrize("server, client", MIXED)
def test_a_client_refuses_another_server(world: World, server: str, client: str) -> None:
    with world.server(server) as (url, _):
        other_id = world.call(client, url, accept=f"{DOMAIN}/database")
        assert other_id.returncode != 0
        assert f"the peer is {DOMAIN}/server, not {DOMAIN}/database" in other_id.stderr
    with world.server(server, "foreign") as (url, _):
        foreign = world.call(client, url, accept=FOREIGN)
        assert foreign.returncode != 0
        assert {"go": "unknown authority", "python": "certificate verify failed"}[client] in foreign.stderr


@pytest.mark.parametrize("server", LANGUAGES)
def test_a_server_refuses_a_client_without_a_certificate(world: World, server: str) -> None:
    with world.server(server) as (url, _):
        answer = subprocess.run(["curl", "--silent", "--insecure", url], capture_output=True, text=True, timeout=30)
        assert answer.returncode != 0
        assert "Hello" not in answer.stdout
