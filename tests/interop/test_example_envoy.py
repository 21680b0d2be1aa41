"""examples/envoy: the sessions of its READMEs and their claims, with real Envoys, SPIRE and OPA."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from envoys import EXAMPLE, LOCAL, PORTS, Example, Steady, answer, balance, closing, peer
from ext_authz import Authorizer
from helper import wait_until
from probe import ask
from session import Session

IDS = "spiffe://example.org/ns/default/sa/default"
FRONTENDS = {"FRONTEND_PORT": f"{IDS}/frontend", "FRONTEND_2_PORT": f"{IDS}/frontend-2"}
ROTATIONS = 5
VARIANTS = ["via-helper-files", "via-helper-sds", "deny-frontend", "rbac", "opa", "federated", "federated-files"]
# Method, path, and the frontends that are allowed.
VERDICTS = {
    ("GET", "/balances/balance_1"): {"FRONTEND_PORT", "FRONTEND_2_PORT"},
    ("GET", "/balances/balance_2"): {"FRONTEND_2_PORT"},
    ("GET", "/balances/balance_1?x=/balances/balance_2"): {"FRONTEND_PORT", "FRONTEND_2_PORT"},
    ("GET", "/balances/balance_1/..//balance_2"): {"FRONTEND_2_PORT"},
    ("GET", "/balances"): set(),
    ("POST", "/balances/balance_1"): set(),
    ("POST", "/balances/balance_2"): set(),
}


@pytest.fixture
def fresh(peers: Path) -> Iterator[Example]:
    """The example without a SPIRE; all of it is removed at the end."""
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="ev") as directory:
        example = Example(Path(directory), peers)
        try:
            yield example
        finally:
            example.down()
        assert os.listdir(directory) == []


@pytest.fixture(scope="module")
def spire_of_all(peers: Path) -> Iterator[Example]:
    with tempfile.TemporaryDirectory(prefix="ev") as directory:
        example = Example(Path(directory), peers)
        started = example.run(LOCAL / "up.sh")
        assert started.returncode == 0, started.stdout
        try:
            yield example
        finally:
            example.down()
            ended = example.run(LOCAL / "down.sh")
            assert ended.returncode == 0, ended.stdout
        assert os.listdir(directory) == []


@pytest.fixture
def example(spire_of_all: Example) -> Iterator[Example]:
    """The example with a running SPIRE."""
    yield spire_of_all
    spire_of_all.down()


def play(example: Example, variant: str) -> None:
    """Runs the session of a variant's README and compares the output, with other ports."""
    readme = EXAMPLE / variant / "README.md"
    with Session(readme.parent, example.environment()) as session:

        def with_our_ports(text: str) -> str:
            for name, port in PORTS.items():
                text = re.sub(rf"\b{port}\b", str(example.ports[name]), text)
            return text

        session.play(readme, adapt=with_our_ports)


def test_readme_without_a_running_spire(fresh: Example) -> None:
    play(fresh, "via-spire-sds")


@pytest.mark.parametrize("variant", VARIANTS)
def test_readme(example: Example, variant: str) -> None:
    play(example, variant)


def test_every_file_belongs_to_a_configuration() -> None:
    templates = [path.read_text() for path in EXAMPLE.rglob("*.yaml")]
    included = set(re.findall(r"(?m)^ *# include (\S+)$", "\n".join(templates)))
    fragments = {path.name for path in EXAMPLE.rglob("*.yaml") if path.parent.name != "sds"}
    assert fragments - included == {"backend.yaml", "frontend.yaml", "config.yaml"}
    assert included <= fragments


def serials(example: Example, caller: str) -> set[str]:
    """Serial numbers of the caller's certificates in the backend's access log."""
    return set(re.findall(rf"(?m)^\S+ 200 {caller} ([0-9a-f]+)$", example.log("backend")))


def test_five_rotations_by_files_fail_no_request(example: Example) -> None:
    """On persistent connections, on new ones, and on new ones directly to the backend's Envoy."""
    example.up("via-helper-files")
    steady = Steady()
    shown: set[int] = set()

    def directly() -> tuple[int, str]:
        with closing(example.backend_connection("frontend")) as connection:
            got = answer(connection, "/balances/balance_1")
            shown.add(peer(connection).serial_number)
            return got

    backend = example.backend_connection("frontend")
    backend.connect()
    names = peer(backend).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"{IDS}/backend"]
    kept = {port: example.connection(port) for port in FRONTENDS} | {"BACKEND_PORT": backend}
    for port, connection in kept.items():
        connection.connect()
        connection.auto_open = 0  # not reopened when it is closed
        expected = balance("balance_1", 120, FRONTENDS.get(port, f"{IDS}/frontend"))
        steady.ask(f"kept {port}", lambda c=connection: answer(c, "/balances/balance_1"), expected)
    for port, caller in FRONTENDS.items():
        steady.ask(f"new {port}", lambda p=port: example.ask(p, "/balances/balance_2"), balance("balance_2", 75, caller))
    steady.ask("new BACKEND_PORT", directly, balance("balance_1", 120, f"{IDS}/frontend"))

    def rotations() -> list[int]:
        return [len(shown) - 1, *(len(serials(example, caller)) - 1 for caller in FRONTENDS.values())]

    with steady:
        wait_until(lambda: steady.failures or min(rotations()) >= ROTATIONS, "five rotations", timeout=60)
    for connection in kept.values():
        connection.close()
    assert steady.failures == []
    assert min(steady.counts.values()) > 50, steady.counts
    # Envoy has never read a key and a certificate of different sets.
    failed = ask(example.files / "backend/admin.sock", "/stats?filter=key_rotation_failed").body
    assert failed.splitlines() == ["sds.ROOTCA.key_rotation_failed: 0", "sds.default.key_rotation_failed: 0"]
    # The backend has not refused a request either.
    assert set(re.findall(r"(?m)^/balances\S* (\d+) ", example.log("backend"))) == {"200"}


def test_dropped_id_is_refused_by_sds_too(example: Example) -> None:
    example.up("deny-frontend", "via-spire-sds")
    assert example.ask("FRONTEND_PORT", "/balances/balance_1")[0] == 503
    assert example.ask("FRONTEND_2_PORT", "/balances/balance_2") == balance("balance_2", 75, FRONTENDS["FRONTEND_2_PORT"])


def allowed(example: Example) -> dict[tuple[str, str], set[str]]:
    """The frontends whose requests no policy refuses; the app's own answer does not matter."""
    found = {}
    for method, path in VERDICTS:
        found[method, path] = {port for port in FRONTENDS if example.ask(port, path, method)[0] != 403}
    return found


def test_rbac_and_opa_give_the_same_verdicts(example: Example, peers: Path) -> None:
    example.up("rbac")
    assert allowed(example) == VERDICTS
    example.up("opa")
    query = re.findall(r"(?m)^ +path: (\S+)$", (EXAMPLE / "opa/config.yaml").read_text())
    assert query == ["envoy/authz/allow"]
    with Authorizer(example.ports["OPA_PORT"], peers / "opa", EXAMPLE / "opa/policy.rego", query[0]) as opa:
        curl = ["curl", "-s", f"http://localhost:{example.ports['FRONTEND_PORT']}/balances/balance_1"]
        subprocess.run(curl, stdout=subprocess.DEVNULL, check=True, timeout=30)
        assert allowed(example) == VERDICTS
    recorded = json.loads((EXAMPLE / "opa/input.json").read_text())
    assert shape(recorded) == shape(opa.inputs[0])


def shape(value: object) -> object:
    """The parts that are the same for every request."""
    varying = ("id", "time", "portValue", "host", ":authority", "x-request-id", "x-forwarded-client-cert", "user-agent")
    if not isinstance(value, dict):
        return value
    return {key: None if key in varying else shape(inner) for key, inner in value.items()}


def test_run_refuses_invalid_arguments(fresh: Example) -> None:
    refused = fresh.run(EXAMPLE / "run.sh", "up", "via-nothing")
    assert (refused.returncode, refused.stdout) == (1, "run.sh: there is no such variant: via-nothing\n")
    refused = fresh.run(EXAMPLE / "run.sh", "up", "rbac", ENVOY="/dev/null")
    assert refused.returncode == 1 and "found no Envoy" in refused.stdout
    refused = fresh.run(EXAMPLE / "run.sh", "down")
    assert (refused.returncode, refused.stdout) == (1, "run.sh: nothing is running\n")


def test_failed_start_leaves_nothing(example: Example) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        failed = example.run(EXAMPLE / "run.sh", "up", "rbac", APP_PORT=str(used.getsockname()[1]))
    assert failed.returncode == 1
    assert "Address already in use" in failed.stdout
    assert failed.stdout.endswith("run.sh: app did not become ready\n")
    assert not example.files.exists()
