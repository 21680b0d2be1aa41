"""PKCS#12 keystores and truststores: their content, and when they are written."""

from __future__ import annotations

import os
from pathlib import Path

import certs
import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12KeyAndCertificates, load_pkcs12
from devagent import DevAgent
from helper import LogLine, Run, wait_until
from published import KEY, LAYOUTS, SVID, TIDY_S, Published, config, lines_of, make_certs, rotate, wait_published

KEYSTORE, TRUSTSTORE = "keystore.p12", "truststore.p12"
STORES = {"svid_keystore_file_name": KEYSTORE, "truststore_file_name": TRUSTSTORE}


def der_of(stored: PKCS12KeyAndCertificates) -> list[bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding

    all_of_them = ([stored.cert] if stored.cert else []) + stored.additional_certs
    return [each.certificate.public_bytes(Encoding.DER) for each in all_of_them]


def check(out: Published, password: bytes = b"changeit") -> None:
    """Checks that the stores contain the same as the PEM files."""
    keystore = load_pkcs12(out.read(KEYSTORE), password)
    assert keystore.cert is not None and keystore.cert.friendly_name == b"spiffe"
    assert der_of(keystore) == certs.certificates(out.read(SVID))
    assert keystore.key is not None
    assert certs.public_der(keystore.key.public_key()) == certs.public_der(certs.load_leaf(out.read(SVID)).public_key())
    truststore = load_pkcs12(out.read(TRUSTSTORE), password)
    assert truststore.key is None
    assert der_of(truststore) == certs.certificates(out.read("svid_bundle.pem"))
    names = [each.friendly_name or b"" for each in truststore.additional_certs]
    assert len(set(names)) == len(names) and all(name.startswith(b"example.org-") for name in names)


def opens(out: Published, name: str, password: bytes) -> bool:
    try:
        load_pkcs12(out.read(name), password)
    except (ValueError, FileNotFoundError):
        return False
    return True


def write_password(path: Path, text: str) -> Path:
    """Replaces the file atomically, since a reader may come at any time."""
    new = path.with_suffix(".new")
    new.write_text(text)
    return new.rename(path)


def is_failure(line: LogLine) -> bool:
    return line.fields.get("event") == "write_failed"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_stores_have_the_content_of_the_pem_files(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path, layout: str, place: str
) -> None:
    out = make_certs(workdir if place == "disk" else shm)
    helper = run_helper(config(agent, cert_dir=out.directory, layout=layout, **STORES))
    wait_published(helper)
    check(out)
    assert (out.mode(KEYSTORE), out.mode(TRUSTSTORE)) == (0o600, 0o644)
    (warning,) = lines_of(helper, "default_keystore_password")
    assert warning.level == "warning"
    before = out.read(KEYSTORE), out.read(TRUSTSTORE)
    rotate(agent, helper)
    check(out)
    # The authorities did not change, and neither did their file.
    assert out.read(KEYSTORE) != before[0] and out.read(TRUSTSTORE) == before[1]
    mark = helper.mark()
    agent.rotate_ca()
    wait_published(helper, mark)
    check(out)
    assert out.read(TRUSTSTORE) != before[1]


def test_stores_alone(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    pem = {"svid_file_name": None, "svid_key_file_name": None, "svid_bundle_file_name": None}
    wait_published(run_helper(config(agent, **STORES, **pem)))
    assert [name for name in out.names() if not name.startswith("..")] == [KEYSTORE, TRUSTSTORE]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("legacy", [False, True])
def test_the_same_identity_is_not_written_again(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str, legacy: bool
) -> None:
    out = make_certs(workdir)
    text = config(agent, layout=layout, keystore_legacy=legacy, log_level="debug", **STORES)
    helper = run_helper(text)
    wait_published(helper)
    before = out.state()
    mark = helper.mark()
    agent.resend()
    helper.wait_log(lambda line: line.fields.get("event") == "svid_unchanged", since=mark)
    assert out.state() == before
    stores = out.read(KEYSTORE), out.read(TRUSTSTORE)
    inodes = (out.directory / KEYSTORE).stat().st_ino, (out.directory / TRUSTSTORE).stat().st_ino
    helper.stop()
    wait_published(run_helper(text))
    assert (out.read(KEYSTORE), out.read(TRUSTSTORE)) == stores
    assert ((out.directory / KEYSTORE).stat().st_ino, (out.directory / TRUSTSTORE).stat().st_ino) == inodes


@pytest.mark.long
def test_a_changed_password_takes_effect_without_a_reload(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    password = write_password(workdir / "password", "first\n")
    helper = run_helper(config(agent, keystore_password_file=password, **STORES))
    wait_published(helper)
    check(out, b"first")
    assert not lines_of(helper, "default_keystore_password")
    write_password(password, "second")
    rotate(agent, helper)
    check(out, b"second")
    # A check finds it without a message of the agent.
    write_password(password, "third\r\n")
    wait_until(lambda: opens(out, KEYSTORE, b"third"), "the third password", TIDY_S)
    check(out, b"third")
    assert not any(word in helper.log_text() for word in ("first\n", "second", "third"))


@pytest.mark.parametrize("content", [None, "", "two\nlines\n", "long" * 1000])
def test_a_password_that_cannot_be_read_changes_nothing(
    agent: DevAgent, run_helper: Run, workdir: Path, content: str | None
) -> None:
    out = make_certs(workdir)
    password = write_password(workdir / "password", "good\n")
    helper = run_helper(config(agent, keystore_password_file=password, **STORES))
    wait_published(helper)
    before = out.state()
    if content is None:
        password.unlink()
    else:
        write_password(password, content)
    mark = helper.mark()
    agent.rotate()
    failure = helper.wait_log(is_failure, since=mark)
    assert failure.level == "error" and f'"{password}"' in failure.fields["error"]
    assert failure.fields["error"].startswith("keystore_password_file: ")
    assert not content or content.split("\n")[0] not in failure.raw
    assert out.state() == before
    write_password(password, "better\n")
    wait_published(helper, mark)
    check(out, b"better")


def test_one_shot_fails_without_its_password_file(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, daemon_mode=False, keystore_password_file=workdir / "none", **STORES))
    assert helper.wait() == 1
    assert "no such file" in helper.log_text()
    assert KEYSTORE not in out.names() and SVID not in out.names()


def test_a_fifo_as_password_file_does_not_block(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    os.mkfifo(workdir / "password")
    helper = run_helper(config(agent, keystore_password_file=workdir / "password", **STORES))
    helper.wait_log(is_failure)
    assert helper.stop() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_revoke_removes_the_keystore_and_keeps_the_truststore(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, layout=layout, revoke="remove", revoke_after="1s", **STORES))
    wait_published(helper)
    rotate(agent, helper)
    kept = out.read(TRUSTSTORE)
    agent.deny()
    helper.wait_log(lambda line: line.fields.get("event") == "revoked")

    def left() -> list[str]:
        files = [Path(folder, name) for folder, _, names in os.walk(out.directory) for name in names]
        return sorted(str(path) for path in files if path.name in {KEY, KEYSTORE} and not path.is_symlink())

    wait_until(lambda: not left(), "key and keystore to go")
    assert not (out.directory / KEYSTORE).exists() and out.read(TRUSTSTORE) == kept
    mark = helper.mark()
    agent.allow()
    agent.rotate()
    wait_published(helper, mark)
    check(out)
