"""Outputs that separate trust by domain, and outputs that are directories."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from pathlib import Path

import certs
import pytest
import yaml
from devagent import DevAgent
from helper import SANITIZERS, Helper, Run, program, wait_until
from published import BUNDLE, KEY, LAYOUTS, NAMES, SVID, Published, config, make_certs, rotate, wait_published

OWN = "example.org"
OUTPUTS = {"bundle_map_file_name": "map.json", "bundle_dir": "bundles"}
layouts = pytest.mark.parametrize("layout", LAYOUTS)


def settings(agent: DevAgent, layout: str, **keys: object) -> str:
    return config(agent, layout=layout, **({"create_cert_dir": True} | OUTPUTS | keys))


def domains(count: int) -> list[str]:
    return sorted([OWN, *(f"federated-{number + 1}.example" for number in range(count))])


def in_map(out: Published) -> dict[str, list[bytes]]:
    """The certificates of each trust domain of the bundle map."""
    document = json.loads(out.read("map.json"))
    assert list(document["trust_domains"]) == sorted(document["trust_domains"])
    return {
        domain: [base64.b64decode(key["x5c"][0]) for key in jwks["keys"]]
        for domain, jwks in document["trust_domains"].items()
    }


def in_directory(out: Published) -> dict[str, list[bytes]]:
    """The same for the directory, from its listing."""
    names = [name for name in os.listdir(out.directory / "bundles") if not name.startswith("..")]
    return {name.removesuffix(".pem"): certs.certificates(out.read(f"bundles/{name}")) for name in names}


def check(out: Published, federated: int) -> None:
    found = in_map(out)
    assert sorted(found) == domains(federated)
    assert in_directory(out) == found
    assert found[OWN] == certs.certificates(out.read(BUNDLE))
    assert all(found.values())


def change(agent: DevAgent, helper: Helper, federated: int) -> None:
    mark = helper.mark()
    agent.federated(federated)
    wait_published(helper, mark)


@layouts
@pytest.mark.agent("-federated", "2")
def test_trust_domains_are_added_and_removed(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout))
    wait_published(helper)
    check(out, 2)
    assert stat.S_IMODE((out.directory / "bundles").stat().st_mode) == 0o755
    assert out.mode(f"bundles/{OWN}.pem") == out.mode("map.json") == 0o644
    rotate(agent, helper)
    check(out, 2)
    change(agent, helper, 4)
    check(out, 4)
    change(agent, helper, 1)
    check(out, 1)
    mark = helper.mark()
    agent.rotate_ca()
    wait_published(helper, mark)
    check(out, 1)
    assert len(in_map(out)[OWN]) == 2


@layouts
@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.agent("-federated", "3")
def test_a_trust_domain_removed_while_stopped_is_removed(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str, end: str
) -> None:
    out = make_certs(workdir)
    first = run_helper(settings(agent, layout))
    wait_published(first)
    check(out, 3)
    if end == "stop":
        assert first.stop() == 0
    else:
        first.kill()
    agent.federated(1)
    wait_published(run_helper(settings(agent, layout)))
    check(out, 1)


@pytest.mark.parametrize(("before", "after"), [(a, b) for a in LAYOUTS for b in LAYOUTS if a != b])
@pytest.mark.agent("-federated", "2")
def test_files_of_another_layout_are_removed(
    agent: DevAgent, run_helper: Run, workdir: Path, before: str, after: str
) -> None:
    out = make_certs(workdir)
    first = run_helper(settings(agent, before))
    wait_published(first)
    assert first.stop() == 0
    agent.federated(0)
    wait_published(run_helper(settings(agent, after)))
    check(out, 0)


@layouts
def test_a_foreign_directory_is_not_changed(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    foreign = out.directory / "bundles"
    foreign.mkdir()
    (foreign / "root.pem").write_text("a root")
    (foreign / "ca-certificates.crt").write_text("all roots")
    helper = run_helper(settings(agent, layout))
    line = helper.wait_log(
        lambda line: 'bundles: \\"root.pem\\" would have to be removed, and may be another program\'s, as '
        '\\"ca-certificates.crt\\" is' in line.raw
    )
    assert "needs a directory of its own" in line.fields["hint"]
    assert sorted(path.name for path in foreign.iterdir() if path.name[:2] != "..") == [
        "ca-certificates.crt", "root.pem",
    ]
    assert not set(out.names()) & set(NAMES)
    # It does not matter which of the two is removed.
    mark = helper.mark()
    (foreign / "ca-certificates.crt").unlink()
    agent.rotate()
    wait_published(helper, mark, timeout=20)
    check(out, 0)


def test_a_missing_directory_is_an_error_or_created(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, "snapshot", create_cert_dir=False, daemon_mode=False))
    assert helper.wait() == 1
    assert "certs/bundles: no such file or directory" in helper.log_text().lower()
    assert run_helper(settings(agent, "snapshot", daemon_mode=False)).wait() == 0
    check(out, 0)


def test_bytes_are_stable(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, "snapshot"))
    wait_published(helper)
    before = (out.read("map.json"), out.read(f"bundles/{OWN}.pem"))
    rotate(agent, helper)
    assert (out.read("map.json"), out.read(f"bundles/{OWN}.pem")) == before


@layouts
@pytest.mark.agent("-federated", "1")
def test_secrets_of_envoy(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout, envoy_sds_dir="sds", revoke="remove", revoke_after="200ms"))
    wait_published(helper)
    for count in (1, 2, 0):
        change(agent, helper, count) if count != 1 else None
        secret = yaml.safe_load(out.read("sds/svid.yaml"))["resources"][0]
        assert secret["name"] == "default"
        pair = secret["tls_certificate"]
        assert pair["certificate_chain"]["inline_string"].encode() == out.read(SVID)
        assert pair["private_key"]["inline_string"].encode() == out.read(KEY)
        validation = yaml.safe_load(out.read("sds/validation.yaml"))["resources"][0]
        assert validation["name"] == "ALL"
        validator = validation["validation_context"]["custom_validator_config"]
        assert validator["name"] == "envoy.tls.cert_validator.spiffe"
        assert [each["name"] for each in validator["typed_config"]["trust_domains"]] == domains(count)
        for each in validator["typed_config"]["trust_domains"]:
            assert each["trust_bundle"]["inline_string"].encode() == out.read(f"bundles/{each['name']}.pem")
    assert out.mode("sds/svid.yaml") == out.mode("sds/validation.yaml") == 0o600
    good = ask("show", "certs/sds", cwd=workdir)
    assert "svid.yaml: X.509-SVID with its private key" in good.stdout
    agent.deny()
    revoked = helper.wait_log(lambda line: line.fields.get("event") == "revoked")
    assert "sds/*" in revoked.fields["path"]
    kept = [path for path in out.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert kept == []
    agent.allow()
    helper.wait_log("the private key is written again", 15)
    wait_until(lambda: (out.directory / "sds/svid.yaml").exists(), "the secret to come back")


def ask(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [program(), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=SANITIZERS, timeout=60, check=False)


@layouts
@pytest.mark.agent("-federated", "1")
def test_commands_support_them(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout))
    wait_published(helper)
    shown = ask("show", cwd=workdir)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "map.json: bundle map of 2 trust domains" in shown.stdout
    assert "bundles/federated-1.example.pem: bundle of 1 authority" in shown.stdout
    for bundle in ("map.json", "bundles"):
        verified = ask("verify", "-svid", "certs/svid.pem", "-bundle", f"certs/{bundle}", cwd=workdir)
        assert verified.stdout.startswith(f"verified: spiffe://{OWN}/workload"), verified.stderr
    # Another trust domain's authorities are not used. The helper would write the file again within 10 s.
    assert helper.stop() == 0
    (out.directory / f"bundles/{OWN}.pem").unlink()
    refused = ask("verify", "-svid", "certs/svid.pem", "-bundle", "certs/bundles", cwd=workdir)
    assert refused.returncode == 1
    assert f"{OWN}.pem" in refused.stderr
    wanting = ask("doctor", cwd=workdir)
    assert "files" in wanting.stdout


@layouts
@pytest.mark.agent("-federated", "1")
def test_the_doctor_looks_into_directories(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout))
    wait_published(helper)
    assert helper.stop() == 0
    good = ask("doctor", cwd=workdir)
    assert "they are whole, belong together and have the right modes" in good.stdout, good.stdout
    (out.directory / f"bundles/{OWN}.pem").chmod(0o666)
    wrong = ask("doctor", cwd=workdir)
    assert f"bundles/{OWN}.pem: its mode is 0666, not 0644" in wrong.stdout
    (out.directory / f"bundles/{OWN}.pem").chmod(0o644)
    (out.directory / "bundles/README").write_text("mine")
    strange = ask("doctor", cwd=workdir)
    assert "certs/bundles/README is not the helper's" in strange.stdout
