"""credential_folder: the draft SPIFFE Filesystem Delivery, spiffe/spiffe pull request 376.

Sections are those of the revision with names in ".x509.pem". Quotes below are its requirements on a provisioning
system. Files for further identities and hints.json are not part of it: section 2 allows other files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import certs
import pytest
from children import Recorder
from devagent import AgentRun, DevAgent
from helper import SANITIZERS, Helper, Run, program, wait_until
from ports import free_port
from probe import samples
from published import LAYOUTS, Published, agent_serial, config, make_certs, rotate, wait_published, wait_serial
from reloading import Load, reload
from tokens import NO_X509

FOLDER = "creds"
BUNDLE = "credential-bundle.private-key.x509.pem"
TRUST = ".spiffe-trust-bundle.x509.pem"
OWN = "example.org"
layouts = pytest.mark.parametrize("layout", LAYOUTS)
three = pytest.mark.agent("-id", "/web,hint=web", "-id", "/db", "-id", "/job,hint=job", "-federated", "1")


def settings(agent: DevAgent, layout: str = "snapshot", **keys: object) -> str:
    plain = NO_X509 | {"credential_folder": FOLDER, "create_cert_dir": True, "layout": layout}
    return config(agent, **(plain | keys))


def names(out: Published) -> list[str]:
    return sorted(name for name in os.listdir(out.directory / FOLDER) if not name.startswith(".."))


def expected(federated: int, numbers: tuple[int, ...] = (0,)) -> list[str]:
    domains = [OWN, *(f"federated-{i + 1}.example" for i in range(federated))]
    bundles = [BUNDLE if number == 0 else f"{number}.{BUNDLE}" for number in numbers]
    return sorted(["hints.json", *bundles, *(domain + TRUST for domain in domains)])


def read(out: Published, name: str) -> bytes:
    return out.read(f"{FOLDER}/{name}")


def check_credential_bundle(content: bytes, anchors: list[bytes]) -> bytes:
    """Checks section 2.1; returns the leaf."""
    # "MUST NOT contain any inter-block data", "MUST NOT contain any PEM blocks that have PEM headers": pem_blocks()
    # accepts neither.
    blocks = certs.pem_blocks(content)
    # "The first block must be of type PRIVATE KEY", the rest "must be of type CERTIFICATE";
    # "MUST NOT contain any other PEM block types"; "two or more PEM blocks".
    assert blocks[0][0] == b"PRIVATE KEY"
    assert {label for label, _ in blocks[1:]} == {b"CERTIFICATE"}
    # "contain a PKCS#8-serialized private key"; "The leaf certificate must be issued to the public key".
    assert certs.same_point(blocks[1][1], blocks[0][1])
    # "MUST NOT contain the trust anchor".
    assert not {der for _, der in blocks[1:]} & set(anchors)
    return blocks[1][1]


def check(out: Published, federated: int, numbers: tuple[int, ...] = (0,)) -> None:
    assert names(out) == expected(federated, numbers)
    # Section 2.2: "MUST be named following the pattern"; the rules for blocks are those of section 2.1.
    trust = {name: certs.certificates(read(out, name)) for name in names(out) if name.endswith(TRUST)}
    assert all(trust.values())
    hints = json.loads(read(out, "hints.json"))["hints"]
    assert [hint["id"] for hint in hints] == list(numbers)
    for hint in hints:
        content = read(out, BUNDLE if hint["id"] == 0 else f"{hint['id']}.{BUNDLE}")
        check_credential_bundle(content, trust[OWN + TRUST])
        assert hint["fingerprint"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def leaf_id(out: Published, number: int) -> str:
    content = read(out, BUNDLE if number == 0 else f"{number}.{BUNDLE}")
    match = re.search(rb"spiffe://[a-z./]+", certs.pem_blocks(content)[1][1])
    assert match is not None
    return match[0].decode()


def change(helper: Helper, act: Callable[[], object]) -> None:
    mark = helper.mark()
    act()
    wait_published(helper, mark)


def ask(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [program(), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=SANITIZERS, timeout=60, check=False)


@layouts
@pytest.mark.agent("-intermediate", "-federated", "2")
def test_the_requirements_of_the_draft(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout, key_format="sec1", svid_combined_file_name="c.pem"))
    wait_published(helper)
    check(out, 2)
    assert len(certs.pem_blocks(read(out, BUNDLE))) == 3
    # Section 2.1: "SHOULD be configured to limit access to […] only the necessary user(s)".
    assert {out.mode(f"{FOLDER}/{name}") for name in names(out)} == {0o600}
    # Section 2.1: "SHOULD update the credential bundle".
    before = read(out, BUNDLE)
    rotate(agent, helper)
    check(out, 2)
    assert read(out, BUNDLE) != before
    # Section 2.2: "SHOULD update the trust bundles […] as the system's federation configuration changes".
    change(helper, lambda: agent.federated(3))
    check(out, 3)
    change(helper, lambda: agent.federated(1))
    check(out, 1)
    change(helper, agent.rotate_ca)
    check(out, 1)
    assert len(certs.certificates(read(out, OWN + TRUST))) == 2


@layouts
@pytest.mark.agent("-federated", "2")
def test_de_federation_while_the_helper_is_down(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    """Section 3.2: without the file peers of that trust domain are refused."""
    out = make_certs(workdir)
    first = run_helper(settings(agent, layout))
    wait_published(first)
    check(out, 2)
    first.kill()
    agent.federated(0)
    wait_published(run_helper(settings(agent, layout)))
    check(out, 0)


@layouts
def test_another_revision(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    """The files of the revision before are removed, at a reload and after a restart."""
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout))
    wait_published(helper)
    first = names(out)

    def of(bundle: str, trust: str) -> list[str]:
        return sorted(name.replace(BUNDLE, bundle).replace(TRUST, trust) for name in first)

    mark = helper.mark()
    reload(helper, settings(agent, layout, credential_folder_draft="plain"))
    wait_published(helper, mark)
    assert names(out) == of("credential-bundle.pem", ".trust-bundle.pem")
    helper.stop()
    wait_published(run_helper(settings(agent, layout, credential_folder_draft="private-key")))
    assert names(out) == of("credential-bundle.private-key.pem", ".spiffe-trust-bundle.pem")


def test_updates_are_atomic(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """Sections 2.1 and 2.2: a reader "reads either the complete old content or the complete new content".

    In one snapshot, the hints are those of the files next to them."""
    out = make_certs(workdir)
    helper = run_helper(settings(agent))
    wait_published(helper)
    seen = set()
    with Load(agent):
        while len(seen) < 20:
            with out.opened(f"{FOLDER}/..data") as snapshot:
                try:
                    content, hints = snapshot(BUNDLE), snapshot("hints.json")
                except FileNotFoundError:  # superseded, and removed
                    continue
            assert certs.same_point(certs.pem_blocks(content)[1][1], certs.pem_blocks(content)[0][1])
            assert hashlib.sha256(content).hexdigest() in hints.decode()
            seen.add(content)


@layouts
@three
def test_every_identity_has_a_file(
    agent: DevAgent, run_agent: AgentRun, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    port = free_port()
    metrics = {"listener_enabled": True, "bind_port": port, "metrics_path": "/metrics"}
    helper = run_helper(settings(agent, layout, log_level="debug", health_checks=metrics))
    wait_published(helper)
    check(out, 1, (0, 1, 2))
    found = samples(port)
    for name in ("web", "db", "job"):
        assert f'svid_not_after_seconds{{spiffe_id="spiffe://{OWN}/{name}"}}' in found
    assert [leaf_id(out, number) for number in (0, 1, 2)] == [
        f"spiffe://{OWN}/{name}" for name in ("web", "db", "job")
    ]
    hints = json.loads(read(out, "hints.json"))["hints"]
    assert [hint["hint"] for hint in hints] == ["web", "", "job"]
    rotate(agent, helper)
    check(out, 1, (0, 1, 2))
    # A refused one is left out, does not delay others, and its number stays free.
    mark = helper.mark()
    agent.fault("wrong-key@2")
    wait_published(helper, mark)
    check(out, 1, (0, 2))
    assert leaf_id(out, 2) == f"spiffe://{OWN}/job"
    said = helper.wait_log("left out of credential_folder", since=mark)
    assert (said.level, said.fields["spiffe_id"]) == ("warning", f"spiffe://{OWN}/db")
    change(helper, agent.clear)
    check(out, 1, (0, 1, 2))
    # Another agent offers fewer.
    other = run_agent("-id", "/web,hint=web")
    reload(helper, settings(other, layout))
    wait_serial(helper, agent_serial(other))
    check(out, 0)
    if layout == "snapshot":
        folder = out.directory / FOLDER
        assert sorted(os.listdir(folder / os.readlink(folder / "..data"))) == expected(0)


@three
def test_a_selection_chooses_the_identities(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """An entry's folder contains only its own identity: its readers may not use the others."""
    out = make_certs(workdir)
    entries = [{"hint": "job", "dir": "job", "credential_folder": FOLDER}]
    helper = run_helper(settings(agent, credential_folder=None, x509_svids=entries))
    wait_published(helper)
    job = Published(out.directory / "job")
    check(job, 1)
    assert leaf_id(job, 0) == f"spiffe://{OWN}/job"
    mark = helper.mark()
    reload(helper, settings(agent, spiffe_id=f"spiffe://{OWN}/db", x509_svids=entries))
    wait_published(helper, mark)
    check(out, 1)
    assert leaf_id(out, 0) == f"spiffe://{OWN}/db"


@three
def test_a_reload_brings_the_others(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """Also if the identity was known before: published as a whole, not file by file."""
    out = make_certs(workdir)
    helper = run_helper(settings(agent, credential_folder=None, svid_combined_file_name="c.pem"))
    wait_published(helper)
    mark = helper.mark()
    reload(helper, settings(agent, svid_combined_file_name="c.pem"))
    wait_published(helper, mark)
    check(out, 1, (0, 1, 2))


@pytest.mark.agent("-id", "/web", "-id", "/db", "-ttl", "4s", "-rotate-every", "0")
def test_the_log_has_the_end_of_every_identity(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(settings(agent))
    wait_published(helper)
    for event in ("expiring", "expired"):
        for name in ("web", "db"):
            wanted = {"event": event, "spiffe_id": f"spiffe://{OWN}/{name}"}
            helper.wait_log(lambda line, wanted=wanted: wanted.items() <= line.fields.items())


@layouts
@three
def test_revocation_removes_every_key(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout, revoke="remove", revoke_after="200ms"))
    wait_published(helper)
    rotate(agent, helper)
    agent.deny()
    revoked = helper.wait_log(lambda line: line.fields.get("event") == "revoked")
    assert f"{FOLDER}/*" in revoked.fields["path"]
    kept = [path for path in out.directory.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert kept == []
    assert names(out) == []
    mark = helper.mark()
    agent.allow()
    wait_published(helper, mark, timeout=20)
    check(out, 1, (0, 1, 2))


@pytest.mark.parametrize("absolute", [True, False])
def test_the_program_gets_the_folder(
    agent: DevAgent, run_helper: Run, workdir: Path, absolute: bool
) -> None:
    out = make_certs(workdir)
    cert_dir = str(out.directory) if absolute else "./certs"
    keys = {
        "cert_dir": cert_dir,
        "cmd": "sh",
        "cmd_args": ["-c", 'echo "$SPIFFE_CREDENTIAL_FOLDER" > child; exec sleep 60'],
        "prepare_cmd": ["sh", "-c", 'echo "$SPIFFE_CREDENTIAL_FOLDER" > hook'],
    }
    helper = run_helper(settings(agent, **keys))
    for name in ("hook", "child"):
        file = Path(helper.directory, name)
        wait_until(lambda file=file: file.exists() and file.read_text().endswith("\n"), f"the file {name}")
        assert file.read_text().strip() == str(out.directory / FOLDER)


def test_without_a_folder_the_program_gets_none(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys() | {"cmd": "sh", "cmd_args": ["-c", "env > child; exec sleep 60"]}
    helper = run_helper(config(agent, **keys))
    file = Path(helper.directory, "child")
    wait_until(lambda: file.exists() and b"SPIFFE_ENDPOINT_SOCKET" in file.read_bytes(), "the file child")
    assert b"SPIFFE_CREDENTIAL_FOLDER" not in file.read_bytes()


@layouts
@three
def test_commands_understand_it(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(settings(agent, layout))
    wait_published(helper)
    shown = ask("show", f"certs/{FOLDER}", cwd=workdir)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "hints.json: hints of 3 SVIDs" in shown.stdout
    assert f"1.{BUNDLE}: X.509-SVID with its private key" in shown.stdout
    told = json.loads(ask("show", f"certs/{FOLDER}/hints.json", "-output", "json", cwd=workdir).stdout)
    assert [hint["id"] for hint in told["files"][0]["hints"]] == [0, 1, 2]
    assert helper.stop() == 0
    good = ask("doctor", cwd=workdir)
    assert "they are whole, belong together and have the right modes" in good.stdout, good.stdout
    (out.directory / FOLDER / "README").write_text("mine")
    assert f"certs/{FOLDER}/README is not the helper's" in ask("doctor", cwd=workdir).stdout
    (out.directory / FOLDER / "README").unlink()
    (out.directory / FOLDER / BUNDLE).unlink()
    problem = "no file beside it has the fingerprint of entry 0"
    assert f"hints.json: {problem}" in ask("doctor", cwd=workdir).stdout
    assert problem in ask("show", f"certs/{FOLDER}", cwd=workdir).stdout
    # Without the others, nobody can tell.
    assert "fingerprint of" not in ask("show", f"certs/{FOLDER}/hints.json", cwd=workdir).stdout
    (out.directory / FOLDER / "hints.json").unlink()
    assert "hints.json is missing" in ask("doctor", cwd=workdir).stdout


def test_a_folder_is_only_for_its_output(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    for keys in ({"bundle_dir": FOLDER}, {"svid_combined_file_name": f"{FOLDER}/c.pem"}):
        helper = run_helper(settings(agent, **keys))
        assert helper.wait() == 1
        assert "credential_folder" in helper.log_text()
    assert names_below(out) == []


def names_below(out: Published) -> list[Path]:
    return list(out.directory.rglob("*.pem"))
