"""jwks_file_name: the JWT authorities of our own trust domain, and how the helper determines that domain."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from children import Recorder
from devagent import AgentRun, DevAgent
from helper import Helper, LogLine, Run, program
from published import LAYOUTS, config, lines_of, make_certs, wait_published
from reloading import reload
from tokens import DOMAIN, ID, JWT_BUNDLE, NO_X509, bundles, entry, tokens, wait_jwt_bundle, wait_token

JWKS = "jwks.json"
ALONE = NO_X509 | {"jwks_file_name": JWKS}


def wait_jwks(helper: Helper, since: int = 0) -> list[dict[str, str]]:
    """The keys of the file once it was written, or written again after `since`."""
    helper.wait_log(
        lambda line: (
            line.fields.get("event") == "jwt_bundle_published"
            and line.fields["path"] == JWKS
            and line.level == "info"
        ),
        since=since,
    )
    return read(helper)


def read(helper: Helper) -> list[dict[str, str]]:
    document = json.loads(Path(helper.directory, "certs", JWKS).read_bytes())
    assert list(document) == ["keys"]
    keys: list[dict[str, str]] = document["keys"]
    assert [key["kid"] for key in keys] == sorted(key["kid"] for key in keys)
    return keys


def command(helper: Helper, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(), *words], cwd=helper.directory, capture_output=True, text=True, timeout=30, check=False
    )


def wait_unknown(helper: Helper, since: int = 0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == "jwks_not_updated", since=since)


@pytest.mark.agent("-federated", "2")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_file_has_only_our_own_keys(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    keys = {"layout": layout, "jwt_bundle_file_name": JWT_BUNDLE, "jwks_file_name": JWKS}
    helper = run_helper(config(agent, **keys, jwt_bundle_file_mode="0640"))
    wait_published(helper)
    first = wait_jwks(helper)
    assert first == bundles(wait_jwt_bundle(helper))[DOMAIN]
    assert out.mode(JWKS) == 0o640
    # Only a new key replaces the file.
    mark = helper.mark()
    agent.rotate_jwt()
    second = wait_jwks(helper, mark)
    assert len(second) == 2
    assert first[0] in second
    mark = helper.mark()
    before = out.state()[JWKS]
    agent.federated(1)
    wait_jwt_bundle(helper, mark)
    helper.wait_log("JWT bundle updated", since=mark)
    assert out.state()[JWKS] == before
    assert lines_of(helper, "jwks_not_updated") == []


@pytest.mark.agent("-federated", "1")
def test_the_x509_svid_defines_our_trust_domain(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    """The X.509-SVID is refused at first, so that the bundles arrive long before it."""
    out = make_certs(workdir)
    agent.fault("wrong-key")
    helper = run_helper(config(agent, jwt_bundle_file_name=JWT_BUNDLE, jwks_file_name=JWKS))
    bundle = wait_jwt_bundle(helper)
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    assert JWKS not in out.names()
    mark = helper.mark()
    agent.clear()
    wait_published(helper, mark)
    assert wait_jwks(helper, mark) == bundles(bundle)[DOMAIN]
    assert lines_of(helper, "jwks_not_updated") == []


@pytest.mark.agent("-federated", "1")
def test_an_entry_of_x509_svids_defines_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    further = [{"spiffe_id": ID, "dir": "web", "svid_combined_file_name": "web.pem"}]
    helper = run_helper(config(agent, **ALONE, create_cert_dir=True, x509_svids=further))
    assert len(wait_jwks(helper)) == 1


@pytest.mark.agent("-federated", "1")
def test_a_token_defines_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent.fault("jwt-bad-signature")
    helper = run_helper(config(agent, **tokens("web", "db"), jwks_file_name=JWKS))
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    assert JWKS not in out.names()
    agent.clear()
    wait_token(helper, "web")
    assert len(wait_jwks(helper)) == 1
    assert lines_of(helper, "jwks_not_updated") == []


def test_without_them_it_is_the_only_trust_domain(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent = run_agent()
    helper = run_helper(config(agent, **ALONE))
    first = wait_jwks(helper)
    # A federation must not change the trust domain: the file stays, and the reason is logged.
    mark = helper.mark()
    agent.federated(1)
    unknown = wait_unknown(helper, mark)
    assert "several trust domains" in unknown.msg
    assert "spiffe_id" in unknown.fields["hint"]
    assert unknown.fields["files"] == "kept"
    assert read(helper) == first
    assert out.names("jwks") == [JWKS]


@pytest.mark.agent("-federated", "1")
def test_without_them_spiffe_id_defines_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **ALONE))
    wait_unknown(helper)
    assert JWKS not in out.names()
    assert helper.stop() == 0
    helper = run_helper(config(agent, **ALONE, spiffe_id=ID))
    assert len(wait_jwks(helper)) == 1
    assert [line for line in helper.log if line.level == "warning"] == []


@pytest.mark.agent("-federated", "1")
@pytest.mark.parametrize("fault", ["bad-jwt-bundle", "no-jwt-bundles"])
@pytest.mark.parametrize("known_by", ["x509", "token", "spiffe_id"])
def test_the_file_stays_when_the_own_bundle_is_missing(
    agent: DevAgent, run_helper: Run, workdir: Path, fault: str, known_by: str
) -> None:
    make_certs(workdir)
    keys: dict[str, object] = {
        "x509": {"jwks_file_name": JWKS},
        "token": tokens("web") | {"jwks_file_name": JWKS},
        "spiffe_id": ALONE | {"spiffe_id": ID},
    }[known_by]
    helper = run_helper(config(agent, **keys))
    first = wait_jwks(helper)
    mark = helper.mark()
    agent.fault(fault)
    helper.wait_log(lambda line: line.level in ("warning", "error"), since=mark)
    assert read(helper) == first
    mark = helper.mark()
    agent.clear()
    agent.rotate_jwt()
    assert len(wait_jwks(helper, mark)) == 2


def test_one_shot_writes_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    keys = {"jwt_bundle_file_name": JWT_BUNDLE, "jwks_file_name": JWKS}
    helper = run_helper(config(agent, daemon_mode=False, **keys))
    assert helper.wait() == 0
    assert len(read(helper)) == 1
    assert len([line for line in helper.log if line.msg == "Successfully fetched JWT bundle"]) == 1


@pytest.mark.agent("-federated", "1")
def test_one_shot_ends_when_it_cannot_be_written(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **ALONE, daemon_mode=False, timeout="1s"))
    assert helper.wait() == 1
    assert wait_unknown(helper).level == "error"


def test_the_child_is_notified_of_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys("--file", f"certs/{JWKS}") | ALONE
    helper = run_helper(config(agent, **keys))
    first = recorder.wait("started")["digest"]
    mark = helper.mark()
    agent.rotate_jwt()
    wait_jwks(helper, mark)
    assert recorder.wait("SIGUSR1")["digest"] != first


def test_a_reload_adds_and_removes_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, jwt_svids=[entry("web")]))
    wait_token(helper, "web")
    reload(helper, config(agent, jwt_svids=[entry("web")], jwks_file_name=JWKS))
    assert len(wait_jwks(helper)) == 1
    reload(helper, config(agent, jwt_svids=[entry("web")]))
    (out.directory / JWKS).unlink()
    mark = helper.mark()
    reload(helper, config(agent, jwt_svids=[entry("db")]))
    wait_token(helper, "db", mark)
    assert JWKS not in out.names()


@pytest.mark.agent("-federated", "1")
def test_doctor_and_show_support_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **ALONE, spiffe_id=ID))
    wait_jwks(helper)
    done = command(helper, "doctor", "-config", helper.config_file.name)
    assert f"jwks: it holds the JWT keys of {DOMAIN}" in done.stdout
    assert "they are whole" in done.stdout
    shown = command(helper, "show", f"certs/{JWKS}")
    assert shown.returncode == 0
    Path(helper.directory, "alone.conf").write_text(config(agent, **ALONE))
    done = command(helper, "doctor", "-config", "alone.conf")
    assert done.returncode != 0
    assert "set spiffe_id" in done.stdout
