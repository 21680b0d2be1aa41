"""spiffe-helper fetch x509 -write -format: writes the daemon's outputs once."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import certs
import pytest
import yaml
from devagent import DevAgent
from test_fetch import TWO, Ran, fetch, listing, openssl

PKCS12_WARNING = (
    "warning: the password of PKCS#12 files is the default, changeit: -password-file FILE sets another\n"
)


def tree(directory: Path) -> dict[str, int]:
    """The mode of every file below, by its path."""
    return {
        str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode)
        for path in directory.rglob("*")
        if not path.is_dir()
    }


def write(agent: DevAgent, directory: Path, formats: str, *words: str | Path) -> Ran:
    return fetch(agent, "x509", "-write", directory, "-format", formats, *words)


def pem_of(content: bytes, label: bytes) -> bytes:
    """The PEM blocks with this label, concatenated."""
    return b"".join(re.findall(rb"-----BEGIN %b-----\n.*?-----END %b-----\n" % (label, label), content, re.DOTALL))


def check_pair(content: bytes) -> bytes:
    """Asserts that key and certificate match; returns the chain."""
    chain = pem_of(content, b"CERTIFICATE")
    assert certs.pair_matches(chain, pem_of(content, b"PRIVATE KEY"))
    return chain


def pkcs12(file: Path, *words: str, password: str = "changeit") -> bytes:
    return openssl("pkcs12", "-in", file, "-passin", f"pass:{password}", *words).encode()


@TWO
def test_pem_is_the_default(agent: DevAgent, workdir: Path) -> None:
    for name in ("plain", "pem"):
        (workdir / name).mkdir()
    fetch(agent, "x509", "-write", workdir / "plain")
    assert write(agent, workdir / "pem", "pem").err == f"wrote 10 files to {workdir}/pem\n"
    assert listing(workdir / "pem") == listing(workdir / "plain")
    for name in listing(workdir / "pem"):
        assert (workdir / "pem" / name).read_bytes() == (workdir / "plain" / name).read_bytes()


@TWO
def test_combined(agent: DevAgent, workdir: Path) -> None:
    ran = write(agent, workdir, "combined")
    assert (ran.code, ran.err) == (0, f"wrote 2 files to {workdir}\n")
    assert listing(workdir) == {"combined.0.pem": 0o600, "combined.1.pem": 0o600}
    for name, path in (("combined.0.pem", "/web"), ("combined.1.pem", "/db")):
        chain = check_pair((workdir / name).read_bytes())
        assert certs.spiffe_id(chain) == f"spiffe://example.org{path}"
        assert len(certs.certificates(chain)) == 2
        key = openssl("pkey", "-in", workdir / name, "-pubout")
        assert key == openssl("x509", "-in", workdir / name, "-noout", "-pubkey")


def test_pkcs12_opens_with_the_default_password_after_a_warning(agent: DevAgent, workdir: Path) -> None:
    ran = write(agent, workdir, "pem,pkcs12")
    assert ran.code == 0
    assert ran.err == f"{PKCS12_WARNING}wrote 5 files to {workdir}\n"
    assert listing(workdir) == {
        "svid.0.pem": 0o644,
        "svid.0.key": 0o600,
        "bundle.0.pem": 0o644,
        "keystore.0.p12": 0o600,
        "truststore.0.p12": 0o644,
    }
    chain = check_pair(pkcs12(workdir / "keystore.0.p12", "-nodes"))
    assert chain == (workdir / "svid.0.pem").read_bytes()
    trusted = pem_of(pkcs12(workdir / "truststore.0.p12", "-nokeys"), b"CERTIFICATE")
    assert trusted == (workdir / "bundle.0.pem").read_bytes()


def test_pkcs12_with_a_given_password(agent: DevAgent, workdir: Path) -> None:
    (workdir / "password").write_text("open sesame\n")
    (workdir / "to").mkdir()
    ran = write(agent, workdir / "to", "keystore", "-password-file", workdir / "password")
    assert (ran.code, ran.err) == (0, f"wrote 1 file to {workdir}/to\n")
    check_pair(pkcs12(workdir / "to/keystore.0.p12", "-nodes", password="open sesame"))
    with pytest.raises(subprocess.CalledProcessError):
        pkcs12(workdir / "to/keystore.0.p12", "-nodes")


@pytest.mark.agent("-federated", "2")
def test_outputs_that_keep_trust_domains_apart(agent: DevAgent, workdir: Path) -> None:
    ran = write(agent, workdir, "bundle-map,bundle-dir,envoy-sds-dir")
    assert (ran.code, ran.err) == (0, f"wrote 6 files to {workdir}\n")
    domains = ["example.org", "federated-1.example", "federated-2.example"]
    assert tree(workdir) == {
        "bundle_map.0.json": 0o644,
        "envoy_sds_dir.0/svid.yaml": 0o600,
        "envoy_sds_dir.0/validation.yaml": 0o600,
        **{f"bundle_dir.0/{domain}.pem": 0o644 for domain in domains},
    }
    for name in ("bundle_dir.0", "envoy_sds_dir.0"):
        assert stat.S_IMODE((workdir / name).stat().st_mode) == 0o755
    bundles = json.loads((workdir / "bundle_map.0.json").read_text())
    assert sorted(bundles["trust_domains"]) == domains
    secret = yaml.safe_load((workdir / "envoy_sds_dir.0/svid.yaml").read_text())["resources"][0]
    pair = secret["tls_certificate"]
    chain, key = (pair[name]["inline_string"].encode() for name in ("certificate_chain", "private_key"))
    assert certs.pair_matches(chain, key)


@pytest.mark.agent("-federated", "2")
def test_the_file_of_a_removed_trust_domain_is_removed(agent: DevAgent, workdir: Path) -> None:
    write(agent, workdir, "bundle-dir")
    (workdir / "bundle_dir.0/gone.example.pem").write_text("from before")
    assert write(agent, workdir, "bundle-dir").code == 0
    assert sorted(os.listdir(workdir / "bundle_dir.0")) == [
        "example.org.pem",
        "federated-1.example.pem",
        "federated-2.example.pem",
    ]


def test_a_foreign_folder_is_an_error_that_changes_nothing(agent: DevAgent, workdir: Path) -> None:
    folder = workdir / "bundle_dir.0"
    folder.mkdir()
    (folder / "mine.pem").write_text("precious")
    (folder / "mine.txt").write_text("precious")
    ran = write(agent, workdir, "combined,bundle-dir,envoy-sds-dir")
    assert ran.code == 1
    assert f"error: cannot write {workdir}/bundle_dir.0: " in ran.err
    assert tree(workdir) == {"bundle_dir.0/mine.pem": 0o644, "bundle_dir.0/mine.txt": 0o644}
    assert os.listdir(workdir) == ["bundle_dir.0"]


def test_a_failed_write_changes_nothing(agent: DevAgent, workdir: Path) -> None:
    assert write(agent, workdir, "combined").code == 0
    before = (workdir / "combined.0.pem").read_bytes()
    (workdir / "bundle_dir.0/example.org.pem").mkdir(parents=True)
    agent.rotate()
    ran = write(agent, workdir, "combined,bundle-dir,envoy-sds-dir")
    assert ran.code == 1
    assert f"error: cannot write {workdir}/bundle_dir.0/example.org.pem: " in ran.err
    assert (workdir / "combined.0.pem").read_bytes() == before
    # Neither temporary files nor directories for files that were not written.
    assert sorted(os.listdir(workdir)) == ["bundle_dir.0", "combined.0.pem"]


def test_a_planted_folder_is_not_followed(agent: DevAgent, workdir: Path) -> None:
    (workdir / "victim").mkdir()
    (workdir / "to").mkdir()
    (workdir / "to/envoy_sds_dir.0").symlink_to(workdir / "victim")
    ran = write(agent, workdir / "to", "envoy-sds-dir")
    assert ran.code == 1 and ran.err.startswith(f"error: cannot write {workdir}/to/envoy_sds_dir.0: ")
    assert os.listdir(workdir / "victim") == []


@pytest.mark.parametrize("fault", ["wrong-ca", "wrong-key", "bad-federated"])
@pytest.mark.agent("-federated", "1", "-id", "/web")
def test_an_invalid_svid_is_not_written_in_any_format(agent: DevAgent, workdir: Path, fault: str) -> None:
    agent.fault(fault)
    ran = write(agent, workdir, "combined,pkcs12,bundle-dir")
    assert ran.code == 5
    assert ran.err.endswith("\nhint: nothing was written\n")
    assert os.listdir(workdir) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x509", "-format", "combined"], "-format needs -write"),
        (["bundles", "-write", ".", "-format", "pem"], "-format is for fetch x509"),
        (["x509", "-write", ".", "-format", "nothing"], "-format takes a list of pem, pkcs12, "),
        (["x509", "-write", ".", "-password-file", "x"], "-password-file is for PKCS#12"),
        (["x509", "-password-file", "x"], "-password-file needs -write"),
    ],
)
def test_usage(words: list[str], said: str) -> None:
    ran = fetch("unix:///nowhere", *words)
    assert ran.code == 2 and f"error: {said}" in ran.err and "\nhint: " in ran.err


def test_a_password_file_that_cannot_be_read(agent: DevAgent, workdir: Path) -> None:
    ran = write(agent, workdir, "pkcs12", "-password-file", workdir / "none")
    assert ran.code == 1
    assert ran.err.startswith(f'error: cannot read the password in "{workdir}/none": no such file or directory\n')
    assert os.listdir(workdir) == []
