"""A long-running helper at a real SPIRE agent."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helper import Helper, LogLine
from spire import Spire

pytestmark = pytest.mark.long

ID = "spiffe://example.org/long-lived"
CONFIG = """\
agent_address = "unix://{socket}"
cert_dir = "."
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "svid_bundle.pem"
"""


def event(name: str) -> Callable[[LogLine], bool]:
    return lambda line: line.fields.get("event") == name


def test_entry_made_after_the_helper(spire: Spire, run_helper: Callable[..., Helper]) -> None:
    helper = run_helper(CONFIG.format(socket=spire.socket))
    denied = helper.wait_log(event("identity_denied"))
    assert "PermissionDenied: no identity issued" in denied.msg
    entry = spire.entry_create(ID, x509_ttl=60)
    try:
        published = helper.wait_log(event("svid_published"), timeout=30)
        assert published.fields["spiffe_id"] == ID
        # Requested repeatedly, but logged once.
        assert len([line for line in helper.log if "identity_denied" in line.raw]) == 1
    finally:
        spire.entry_delete(entry)
        spire.wait_entry_gone(ID)


def test_entry_deleted_and_made_again(
    spire: Spire, workdir: Path, run_helper: Callable[..., Helper]
) -> None:
    entry = spire.entry_create(ID, x509_ttl=60)
    helper = run_helper(CONFIG.format(socket=spire.socket))
    try:
        helper.wait_log(event("svid_published"), timeout=30)
        before = (workdir / "svid.pem").read_bytes()
    finally:
        spire.entry_delete(entry)
    helper.wait_log(event("identity_denied"), timeout=30)
    assert (workdir / "svid.pem").read_bytes() == before
    since = helper.mark()
    entry = spire.entry_create(ID, x509_ttl=60)
    try:
        helper.wait_log(event("svid_published"), timeout=40, since=since)
        assert (workdir / "svid.pem").read_bytes() != before
    finally:
        spire.entry_delete(entry)
        spire.wait_entry_gone(ID)


def test_agent_restart(spire: Spire, workdir: Path, run_helper: Callable[..., Helper]) -> None:
    entry = spire.entry_create(ID, x509_ttl=60)
    helper = run_helper(CONFIG.format(socket=spire.socket))
    try:
        helper.wait_log(event("svid_published"), timeout=30)
        before = (workdir / "svid.pem").read_bytes()
        since = helper.mark()
        spire.restart_agent()
        helper.wait_log(event("stream_lost"), since=since)
        helper.wait_log(event("svid_published"), timeout=30, since=since)
        assert (workdir / "svid.pem").read_bytes() != before
        assert helper.running
    finally:
        spire.entry_delete(entry)
        spire.wait_entry_gone(ID)


def test_same_files_as_the_go_helper(
    spire: Spire, peers: Path, workdir: Path, run_helper: Callable[..., Helper]
) -> None:
    entry = spire.entry_create(ID, x509_ttl=3600)
    spire.wait_entry_visible(ID)
    go_dir = workdir / "go"
    our_dir = workdir / "ours"
    go_dir.mkdir()
    our_dir.mkdir()
    # Upstream does not accept unix://, and adds it to any value.
    config = CONFIG.format(socket=spire.socket).replace("unix://", "")
    try:
        go = Helper(go_dir, config)
        go.command[0] = str(peers / "spiffe-helper-go")
        with go, Helper(our_dir, config) as ours:
            ours.wait_log(event("svid_published"), timeout=30)
            go.wait_log("X.509 certificates updated", timeout=30)
            names = ("svid.pem", "svid_key.pem", "svid_bundle.pem")
            assert {n: (our_dir / n).read_bytes() for n in names} == {n: (go_dir / n).read_bytes() for n in names}
            assert [(our_dir / n).stat().st_mode & 0o777 for n in names] == [(go_dir / n).stat().st_mode & 0o777 for n in names]
    finally:
        spire.entry_delete(entry)
        spire.wait_entry_gone(ID)


HEALTH = """\
jwt_svids = [{{ jwt_audience = "db", jwt_svid_file_name = "db.jwt" }}]
jwt_bundle_file_name = "jwt_bundle.json"
health_checks {{
  listener_enabled = true
  unix_socket = "{workdir}/health.sock"
}}
"""


def ready(workdir: Path) -> int:
    """The status of the readiness probe."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(workdir / "health.sock"))
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status = connection.makefile("rb").readline().split()
    return int(status[1])


def wait_ready(workdir: Path, code: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while (answer := ready(workdir)) != code:
        assert time.monotonic() < deadline, f"readiness stays {answer}"
        time.sleep(0.1)


@pytest.mark.parametrize("revoke", ["keep", "remove"])
def test_readiness_and_the_key_after_the_entry_is_deleted(
    spire: Spire, workdir: Path, run_helper: Callable[..., Helper], revoke: str
) -> None:
    config = CONFIG + HEALTH + f'revoke = "{revoke}"\nrevoke_after = "3s"\n'
    entry = spire.entry_create(ID, x509_ttl=30, jwt_ttl=30)
    try:
        spire.wait_entry_visible(ID)
        helper = run_helper(config.format(socket=spire.socket, workdir=workdir))
        helper.wait_log(lambda line: line.msg == "Starting health server")
        wait_ready(workdir, 200, 30)
    finally:
        spire.entry_delete(entry)
    denied = helper.wait_log(event("identity_denied"), timeout=30)
    assert "PermissionDenied" in denied.msg
    if revoke == "remove":
        helper.wait_log(event("revoked"), timeout=30)
    # The X.509-SVID and the token expire, although these files stay.
    wait_ready(workdir, 503, 60)
    assert (workdir / "svid.pem").exists() and (workdir / "svid_bundle.pem").exists()
    assert (workdir / "svid_key.pem").exists() == (revoke == "keep")
    entry = spire.entry_create(ID, x509_ttl=60, jwt_ttl=60)
    try:
        wait_ready(workdir, 200, 90)
        assert (workdir / "svid_key.pem").exists()
    finally:
        spire.entry_delete(entry)
        spire.wait_entry_gone(ID)
