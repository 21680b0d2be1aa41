"""The configuration that most tutorials show, word for word, against a real SPIRE."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helper import Helper, LogLine
from spire import Spire

pytestmark = pytest.mark.long

ID = "spiffe://example.org/test-workload/hello-world"

# camelCase keys, as in v0.6 and still in tutorials. Only the socket's path was changed.
TUTORIAL = """\
agentAddress = "{socket}"
cmd = "sleep"
cmdArgs = "36000"
certDir = "certs"
renewSignal = "SIGUSR1"
svidFileName = "svid.pem"
svidKeyFileName = "svid_key.pem"
svidBundleFileName = "svid_bundle.pem"
"""


@pytest.fixture
def entry(spire: Spire) -> Iterator[str]:
    entry_id = spire.entry_create(ID, x509_ttl=60)
    spire.wait_entry_visible(ID)
    yield entry_id
    spire.entry_delete(entry_id)
    spire.wait_entry_gone(ID)


def event(name: str) -> Callable[[LogLine], bool]:
    return lambda line: line.fields.get("event") == name


def verify(certs: Path) -> str:
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", certs / "svid_bundle.pem", certs / "svid.pem"],
        capture_output=True,
        text=True,
    )
    return (done.stdout + done.stderr).strip()


def modes(certs: Path) -> dict[str, str]:
    return {name: f"{(certs / name).stat().st_mode & 0o7777:04o}" for name in ("svid.pem", "svid_key.pem", "svid_bundle.pem")}


@pytest.mark.timeout(180)
def test_tutorial(spire: Spire, entry: str, workdir: Path, run_helper: Callable[..., Helper]) -> None:
    certs = workdir / "certs"
    certs.mkdir()
    (workdir / "helper.conf").write_text(TUTORIAL.format(socket=spire.socket))
    helper = run_helper()  # without arguments: helper.conf is the default

    helper.wait_log(event("child_started"))
    assert modes(certs) == {"svid.pem": "0644", "svid_key.pem": "0600", "svid_bundle.pem": "0644"}
    assert verify(certs).endswith("svid.pem: OK")
    (sleep,) = helper.children()
    assert Path(f"/proc/{sleep}/cmdline").read_bytes() == b"sleep\00036000\000"
    deprecated = [line.msg for line in helper.log if "will be deprecated" in line.msg]
    assert "agentAddress will be deprecated, should be used as agent_address" in deprecated
    first = (certs / "svid.pem").read_bytes()

    # The first rotation: SIGUSR1 kills sleep, which has no handler for it; this is logged.
    died = helper.wait_log(event("child_exited"), timeout=50)
    assert "SIGUSR1" in died.msg and "renew_signal" in died.msg and "next rotation" in died.msg
    assert str(sleep) in died.raw
    second = (certs / "svid.pem").read_bytes()
    assert second != first
    assert helper.children() == []
    since = helper.mark()

    # The next one starts it again.
    helper.wait_log(event("child_started"), timeout=50, since=since)
    assert (certs / "svid.pem").read_bytes() not in (first, second)
    assert verify(certs).endswith("svid.pem: OK")
    (again,) = helper.children()
    assert again != sleep

    begun = time.monotonic()
    assert helper.stop() == 0
    assert time.monotonic() - begun < 1
    assert helper.log[-1].msg == "Exiting"
    assert not Path(f"/proc/{again}").exists()
