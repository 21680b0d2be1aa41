"""examples/consumers/java: mutual TLS in Java with our keystore and truststore, also read by other tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from consumers import listening
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from devagent import DevAgent
from helper import ROOT, Helper, program, wait_until
from ports import free_port
from published import config, publications, wait_published
from session import Session

EXAMPLE = ROOT / "examples/consumers/java"
DOMAIN = "spiffe://example.org"
KEYSTORE, TRUSTSTORE = "keystore.p12", "truststore.p12"
PASSWORD = "not changeit"
ROTATIONS = 10
# Far below the lifetime: on a loaded machine a handshake may be long after the certificate was read.
EVERY = "2s"
# On a loaded machine a JVM starts slowly.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class World:
    """Directories of helpers: server, client, and foreign, which is of another trust domain."""

    directory: Path
    server: Helper

    def command(self, mode: str, who: str, port: int, accept: str, *more: str) -> list[str]:
        stores, password = self.directory / who / "certs", self.directory / "password"
        words = ["java", EXAMPLE / "Greeter.java", mode, stores, password, accept, port, *more]
        return [str(word) for word in words]

    def call(self, who: str, port: int, accept: str = f"{DOMAIN}/server") -> subprocess.CompletedProcess[str]:
        command = self.command("call", who, port, accept)
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    @contextmanager
    def serve(self) -> Iterator[tuple[int, Path]]:
        """Runs the server; its port, and the file with its stderr."""
        command = self.command("serve", "server", 0, f"{DOMAIN}/client")
        with listening(command, self.directory, PATIENCE_S) as (port, err):
            yield int(port), err


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="sh-") as name, ExitStack() as stack:
        directory = Path(name)
        (directory / "password").write_text(PASSWORD + "\n")
        (directory / "agent").mkdir()
        (directory / "other").mkdir()
        ids = ["-id", "/server", "-id", "/client", "-rotate-every", EVERY]
        agent = stack.enter_context(DevAgent(directory / "agent", *ids))
        other = stack.enter_context(DevAgent(directory / "other", "-trust-domain", "other.example", *ids))
        sources = {
            "server": (agent, f"{DOMAIN}/server"),
            "client": (agent, f"{DOMAIN}/client"),
            "foreign": (other, "spiffe://other.example/client"),
        }
        helpers = {}
        for who, (source, spiffe_id) in sources.items():
            (directory / who / "certs").mkdir(parents=True)
            text = config(
                source,
                spiffe_id=spiffe_id,
                svid_keystore_file_name=KEYSTORE,
                truststore_file_name=TRUSTSTORE,
                keystore_password_file=directory / "password",
            )
            helpers[who] = stack.enter_context(Helper(directory / who, text))
            wait_published(helpers[who])
        yield World(directory, helpers["server"])


# Java compiles the program at each call, which takes seconds of processor time.
@pytest.mark.timeout(360)
def test_readme() -> None:
    with tempfile.TemporaryDirectory(prefix="sh-") as directory:
        environment = {
            "PATH": f"{program().resolve().parent}:{os.environ['PATH']}",
            "SPIFFE_EXAMPLE_DIR": f"{directory}/example",
            "PORT": str(free_port()),
        }
        with Session(EXAMPLE, environment) as session:
            session.play(EXAMPLE / "README.md", timeout=PATIENCE_S)
        assert os.listdir(directory) == []


def serial(line: str) -> str:
    return line.split()[-1].upper().zfill(2)


def published_serials(helper: Helper) -> list[str]:
    return [line.fields["serial"].lstrip("0") for line in publications(helper)]


def test_no_handshake_fails_over_rotations_and_the_next_shows_the_new_certificate(world: World) -> None:
    with world.serve() as (port, errors):
        out, err = world.directory / "client.out", world.directory / "client.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            command = world.command("call", "client", port, f"{DOMAIN}/server", "1000000")
            client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)

        def shown() -> list[str]:
            """Serial numbers of the server's certificates, in the order of the handshakes."""
            *whole, _ = out.read_text().split("\n")
            return [serial(line).lstrip("0") for line in whole]

        try:
            wait_until(lambda: bool(shown()) or client.poll() is not None, "a handshake", PATIENCE_S)
            first = len(published_serials(world.server))
            for count in range(first, first + ROTATIONS):
                wait_until(
                    lambda count=count: len(published_serials(world.server)) > count, "a rotation", PATIENCE_S
                )
                handshakes = len(shown())
                # The handshake of the first new line may have begun before; that of the second one has not.
                wait_until(lambda n=handshakes: len(shown()) > n + 1 or client.poll() is not None, "handshakes")
                assert client.poll() is None, err.read_text()
                assert published_serials(world.server).index(shown()[handshakes + 1]) >= count
            assert client.poll() is None, err.read_text()
            # Before the client is killed, which may interrupt a handshake.
            assert err.read_text() == "" and not refusals(errors)
        finally:
            client.kill()
            client.wait()
        lines = [line for line in out.read_text().split("\n")[:-1]]
        assert all(line.startswith(f"hello {DOMAIN}/client, from {DOMAIN}/server ") for line in lines)


def refusals(errors: Path) -> list[str]:
    return [line for line in errors.read_text().splitlines() if line.startswith("refused")]


def test_a_client_of_another_trust_domain_is_refused(world: World) -> None:
    with world.serve() as (port, errors):
        # The client does not trust us.
        answer = world.call("foreign", port)
        assert answer.returncode == 1 and answer.stdout == ""
        assert "unable to find valid certification path" in answer.stderr, answer.stderr
        # With our truststore it does, but we do not trust the client.
        impostor = world.directory / "impostor/certs"
        impostor.mkdir(parents=True)
        before = len(refusals(errors))
        shutil.copy(world.directory / "foreign/certs" / KEYSTORE, impostor / KEYSTORE)
        shutil.copy(world.directory / "client/certs" / TRUSTSTORE, impostor / TRUSTSTORE)
        answer = world.call("impostor", port)
        assert answer.returncode == 1 and answer.stdout == ""
        wait_until(lambda: len(refusals(errors)) > before, "the server to say why")
        answer = world.call("client", port)
        assert answer.returncode == 0, answer.stderr
        # The client requires another ID of our trust domain.
        answer = world.call("client", port, f"{DOMAIN}/database")
        assert answer.returncode == 1 and f"the peer is not {DOMAIN}/database" in answer.stderr


@pytest.fixture(scope="module", params=[False, True], ids=["modern", "legacy"])
def stores(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Stores with federated authorities, and PEM files of the same identity, as written by one-shot mode."""
    with tempfile.TemporaryDirectory(prefix="sh-") as name:
        directory = Path(name)
        (directory / "agent").mkdir()
        (directory / "certs").mkdir()
        (directory / "password").write_text(PASSWORD)
        with DevAgent(directory / "agent", "-id", "/web") as agent:
            agent.federated(2)
            text = config(
                agent,
                daemon_mode=False,
                include_federated_domains=True,
                keystore_legacy=request.param,
                svid_keystore_file_name=KEYSTORE,
                truststore_file_name=TRUSTSTORE,
                keystore_password_file=directory / "password",
            )
            with Helper(directory, text) as helper:
                assert helper.wait() == 0, helper.log_text()
        yield directory


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_keytool_lists_one_key_and_every_authority(stores: Path) -> None:
    def entries(name: str) -> list[tuple[str, str]]:
        text = run("keytool", "-list", "-keystore", stores / "certs" / name, "-storepass:file", stores / "password")
        return re.findall(r"^(\S+), .*, (\w+Entry),", text, re.MULTILINE)

    assert entries(KEYSTORE) == [("spiffe", "PrivateKeyEntry")]
    found = entries(TRUSTSTORE)
    authorities = (stores / "certs/svid_bundle.pem").read_text().count("BEGIN CERTIFICATE")
    assert authorities >= 3
    assert [kind for _, kind in found] == ["trustedCertEntry"] * authorities
    # The key can be exported: its password is the store's.
    run(
        *("keytool", "-importkeystore", "-noprompt", "-srckeystore", stores / "certs" / KEYSTORE),
        *("-srcstorepass:file", stores / "password", "-destkeystore", stores / "copy.p12"),
        *("-deststorepass:file", stores / "password"),
    )
    (stores / "copy.p12").unlink()


def test_openssl_reads_what_the_pem_files_hold(stores: Path) -> None:
    def parsed(name: str, *more: str) -> str:
        return run("openssl", "pkcs12", "-in", stores / "certs" / name, "-passin", f"file:{stores / 'password'}", *more)

    assert public_key(parsed(KEYSTORE, "-noenc", "-nocerts")) == public_key((stores / "certs/svid_key.pem").read_text())
    assert blocks(parsed(KEYSTORE, "-nokeys")) == blocks((stores / "certs/svid.pem").read_text())
    assert blocks(parsed(TRUSTSTORE, "-nokeys")) == blocks((stores / "certs/svid_bundle.pem").read_text())


def blocks(text: str) -> list[str]:
    return re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)


def public_key(pem: str) -> str:
    done = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, capture_output=True, text=True, check=True)
    return done.stdout


def test_python_reads_them(stores: Path) -> None:
    keystore = load_pkcs12((stores / "certs" / KEYSTORE).read_bytes(), PASSWORD.encode())
    assert keystore.key is not None and keystore.cert is not None
    assert keystore.cert.friendly_name == b"spiffe"
    truststore = load_pkcs12((stores / "certs" / TRUSTSTORE).read_bytes(), PASSWORD.encode())
    names = [each.friendly_name or b"" for each in truststore.additional_certs]
    assert truststore.key is None and len(set(names)) == len(names) >= 3
