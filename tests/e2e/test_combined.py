"""The combined PEM file and key_format: published, rotated, revoked, and a format that does not fit the key."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

import pytest
from certs import pem_blocks, public_der
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from devagent import AgentRun, DevAgent
from helper import LogLine, Run, wait_until
from published import (
    BUNDLE,
    KEY,
    LAYOUTS,
    SVID,
    Published,
    agent_serial,
    config,
    lines_of,
    make_certs,
    rotate,
    wait_published,
    wait_serial,
)
from reloading import reload

COMBINED = "combined.pem"
LABELS = {"pkcs8": b"PRIVATE KEY", "sec1": b"EC PRIVATE KEY", "pkcs1": b"RSA PRIVATE KEY"}


def combined(agent: DevAgent, **keys: object) -> str:
    return config(agent, svid_combined_file_name=COMBINED, **keys)


def check_combined(out: Published, serial: int, order: str, label: bytes) -> None:
    """One key followed or preceded by the chain, the same as in the separate files, and they match."""
    content = out.read(COMBINED)
    parts = [out.read(KEY), out.read(SVID)]
    assert content == b"".join(parts if order == "key-first" else reversed(parts))
    labels = [each for each, _ in pem_blocks(content)]
    assert sorted(labels) == sorted([label, b"CERTIFICATE", b"CERTIFICATE"])
    leaf = x509.load_pem_x509_certificate(content)
    assert leaf.serial_number == serial
    key = load_pem_private_key(out.read(KEY), None)
    assert public_der(key.public_key()) == public_der(leaf.public_key())


@pytest.mark.parametrize(
    ("layout", "order", "key_format", "key_type"),
    [
        ("snapshot", "key-first", "sec1", "ec-p256"),
        ("files", "chain-first", "pkcs1", "rsa-2048"),
        ("in-place", "key-first", "pkcs8", "ed25519"),
    ],
)
def test_it_is_published_and_rotated(
    run_agent: AgentRun, run_helper: Run, workdir: Path, layout: str, order: str, key_format: str, key_type: str
) -> None:
    agent = run_agent("-intermediate", "-key-type", key_type)
    out = make_certs(workdir)
    keys: dict[str, object] = {"layout": layout, "key_format": key_format, "key_file_mode": "0640"}
    owner = 4711 if os.geteuid() == 0 else os.geteuid()
    helper = run_helper(combined(agent, combined_order=order, key_owner=owner, **keys))
    check_combined(out, wait_published(helper), order, LABELS[key_format])
    for _ in range(2):
        check_combined(out, rotate(agent, helper), order, LABELS[key_format])
        for name in (KEY, COMBINED):
            info = (out.directory / name).stat()
            assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o640, owner)
    assert lines_of(helper, "write_failed") == []


def test_it_may_be_the_only_output(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    names = {"svid_file_name": None, "svid_key_file_name": None, "svid_bundle_file_name": None}
    helper = run_helper(combined(agent, layout="files", **names))
    serial = wait_published(helper)
    assert [name for name in out.names() if not name.startswith("..")] == [COMBINED]
    assert x509.load_pem_x509_certificate(out.read(COMBINED)).serial_number == serial


def private_number(content: bytes) -> bytes:
    """The 32 bytes of an EC P-256 key that only its owner knows."""
    key = load_pem_private_key(content, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return key.private_numbers().private_value.to_bytes(32, "big")


def traces(directory: Path, numbers: list[bytes]) -> list[str]:
    """Files below the directory, in any generation, with one of the numbers in a PEM block or as plain bytes."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            try:
                content = b"" if path.is_symlink() else path.read_bytes()
            except FileNotFoundError:
                continue  # a generation that was removed meanwhile
            body = re.sub(rb"-----[A-Z ]+-----|\s", b"", content)
            blocks = [base64.b64decode(part + b"==") for part in re.findall(rb"[A-Za-z0-9+/]{60,}", body)]
            if any(number in each for number in numbers for each in (content, *blocks)):
                found.append(str(path))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_revocation_leaves_no_byte_of_the_key(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(combined(agent, layout=layout, key_format="sec1", revoke="remove", revoke_after="1s"))
    wait_published(helper)
    numbers = [private_number(out.read(KEY))]
    for _ in range(2):
        rotate(agent, helper)
        numbers.append(private_number(out.read(KEY)))
    # Key and combined file, in the snapshot layout also of superseded generations that are still there.
    assert 2 <= len(traces(out.directory, numbers)) <= (6 if layout == "snapshot" else 2)
    agent.deny()
    revoked = helper.wait_log(lambda line: line.fields.get("event") == "revoked")
    assert revoked.fields["path"] == f"{KEY}, {COMBINED}"
    wait_until(lambda: not traces(out.directory, numbers), "the keys to go")
    assert not (out.directory / COMBINED).exists()
    assert out.read(SVID) and out.read(BUNDLE)
    agent.allow()
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=15)
    back = x509.load_pem_x509_certificate(out.read(COMBINED))
    assert back.serial_number == agent_serial(agent)


def is_failure(line: LogLine) -> bool:
    return line.fields.get("event") == "write_failed"


def test_a_format_that_does_not_fit_leaves_the_old_files(
    run_agent: AgentRun, run_helper: Run, workdir: Path
) -> None:
    agent = run_agent()
    out = make_certs(workdir)
    helper = run_helper(combined(agent, key_format="sec1"))
    wait_published(helper)
    before = {name: out.read(name) for name in (SVID, KEY, BUNDLE, COMBINED)}
    agent.stop()
    agent.start("-key-type", "rsa-2048")
    failed = helper.wait_log(is_failure)
    assert failed.level == "error"
    assert "key_format" in failed.fields["error"] and "RSA key" in failed.fields["error"]
    assert "traditional" in failed.fields["hint"]
    assert {name: out.read(name) for name in before} == before
    # The solution in the hint.
    reload(helper, combined(agent, key_format="traditional"))
    wait_serial(helper, agent_serial(agent))
    assert pem_blocks(out.read(COMBINED))[0][0] == LABELS["pkcs1"]


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_refused_key_is_not_a_write_error(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path, place: str
) -> None:
    out = make_certs(workdir if place == "disk" else shm)
    helper = run_helper(combined(agent, cert_dir=out.directory, key_format="traditional"))
    wait_published(helper)
    before = out.read(COMBINED)
    agent.fault("bad-key")
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    assert out.read(COMBINED) == before
    rotate(agent, helper)
    assert lines_of(helper, "write_failed") == []
