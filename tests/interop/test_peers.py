"""The peers themselves: properties on which the interop tests rely."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from spire import BUILD_SH, Spire, SpireError

ID = "spiffe://example.org/peers"


@pytest.fixture
def entry(spire: Spire) -> Iterator[str]:
    entry_id = spire.entry_create(ID, x509_ttl=60, hint="peers")
    yield entry_id
    spire.entry_delete(entry_id)
    spire.wait_entry_gone(ID)


def output(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()


def expires_within(svid: dict[str, str], seconds: int) -> bool:
    """Whether the leaf, which is the chain's first certificate, expires within that time."""
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-checkend", str(seconds)]
    leaf = base64.b64decode(svid["x509_svid"])
    return subprocess.run(command, input=leaf, capture_output=True).returncode != 0


def test_versions(peers: Path) -> None:
    assert output(peers / "spire-server", "--version") == "1.15.3"
    assert output(peers / "spire-agent", "--version") == "1.15.3"
    assert output(peers / "spiffe-helper-go", "-version") == "0.11.0"
    assert output(peers / "opa", "version").startswith("Version: 1.4.2\n")


def test_build_prints_only_the_directory(peers: Path) -> None:
    built = subprocess.run([BUILD_SH], check=True, capture_output=True, text=True)
    (line,) = built.stdout.splitlines()
    assert (Path(line) / "spire-agent").is_file()


def test_entry_gets_an_svid_of_a_minute(spire: Spire, entry: str) -> None:
    svid = spire.wait_entry_visible(ID, timeout=30)
    assert svid["hint"] == "peers"
    assert expires_within(svid, 61)
    assert not expires_within(svid, 0)


def test_entry_of_another_user_is_not_served(spire: Spire, entry: str) -> None:
    other = spire.entry_create("spiffe://example.org/other", ["unix:uid:4242"])
    spire.wait_entry_visible(ID)
    assert [svid["spiffe_id"] for svid in spire.fetch_x509()] == [ID]
    assert {shown["id"] for shown in spire.entry_show()} == {entry, other}
    spire.entry_delete(other)


def test_deleted_entry_is_no_longer_served(spire: Spire) -> None:
    entry_id = spire.entry_create(ID)
    spire.wait_entry_visible(ID)
    spire.entry_delete(entry_id)
    spire.wait_entry_gone(ID)
    assert spire.entry_show() == []


def test_agent_keeps_its_identity_over_a_restart(spire: Spire, entry: str) -> None:
    spire.stop_agent()
    with pytest.raises(SpireError):
        spire.fetch_x509()
    spire.start_agent()
    spire.wait_entry_visible(ID)


def test_bundle_of_a_federated_trust_domain(spire: Spire) -> None:
    spire.bundle_set("other.test", spire.bundle_show())
    spire.bundle_set("other.test", spire.bundle_show("spiffe"))
    entry_id = spire.entry_create(ID, federates_with=["other.test"])
    spire.wait_entry_visible(ID)
    assert spire.entry_show(entry_id)[0]["federates_with"] == ["other.test"]
    spire.entry_delete(entry_id)
    spire.wait_entry_gone(ID)


def test_refused_request_is_an_error(spire: Spire) -> None:
    with pytest.raises(SpireError, match="other trust domain|not a member"):
        spire.entry_create("spiffe://elsewhere.test/x")


def test_go_helper_writes_its_files(spire: Spire, peers: Path, entry: str, tmp_path: Path) -> None:
    spire.wait_entry_visible(ID)
    files = ("svid.pem", "svid_key.pem", "bundle.pem")
    conf = tmp_path / "helper.conf"
    conf.write_text(
        f'agent_address = "{spire.socket}"\n'
        f'cert_dir = "{tmp_path}"\n'
        "daemon_mode = false\n"
        'svid_file_name = "svid.pem"\n'
        'svid_key_file_name = "svid_key.pem"\n'
        'svid_bundle_file_name = "bundle.pem"\n'
    )
    helper = [peers / "spiffe-helper-go", "-config", conf]
    subprocess.run(helper, check=True, capture_output=True, timeout=30)
    labels = [re.findall("BEGIN (.+)-----", (tmp_path / name).read_text()) for name in files]
    assert labels == [["CERTIFICATE"], ["PRIVATE KEY"], ["CERTIFICATE"]]
    assert output("openssl", "verify", "-CAfile", tmp_path / "bundle.pem", tmp_path / "svid.pem")


def test_socket_path_that_does_not_fit(peers: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long"):
        Spire(tmp_path / ("d" * 100), peers)


def test_failed_start_leaves_nothing_running(peers: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="sp") as directory:
        broken = Spire(directory, peers, ca_ttl="soon")
        with pytest.raises(SpireError, match="ended before"):
            broken.start()
    processes = output("ps", "-eo", "args")
    assert directory not in processes
