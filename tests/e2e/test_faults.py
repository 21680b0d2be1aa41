"""Spoiled messages: logged once with the cause, nothing is published, and the next valid message is accepted."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime, timezone
from pathlib import Path

import certs
import pytest
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from published import (
    BUNDLE,
    SVID,
    Entry,
    Published,
    agent_serial,
    config,
    lines_of,
    make_certs,
    openssl_serial,
    publications,
    rotate,
    wait_published,
    wait_serial,
)

# The cause, as a regular expression for the field `error`.
CAUSES = {
    "truncated-der": "certificate",
    "trailing-der": "trailing|follow|certificate",
    "garbage-der": "certificate",
    "wrong-key": "key.*(match|belong)",
    "bad-key": "key.*PKCS#8|PKCS#8.*key",
    "wrong-id": "example.org/workload-other",
    "bad-id": "scheme|spiffe://",
    "expired": "expired",
    "wrong-ca": "authorit|issuer|bundle|verif",
    "ca-leaf": "CA",
    "no-uri": "URI",
    "two-uris": "URI",
    "empty-id": "spiffe_id",
    "empty-svid": "x509_svid",
    "empty-key": "x509_svid_key",
    "empty-bundle": "bundle",
    "bad-bundle": "bundle",
    "unknown-hint": "hint",
    "no-svids": "no.*SVID",
}
# Faults with a test of their own, here and in test_agent_lost.py.
ELSEWHERE = {
    "not-yet-valid",
    "bad-federated",
    "oversized",
    "deny",
    "unavailable",
    "invalid",
    "unimplemented",
    "delay",
    "drop",
    "disconnect",
    "close-mid-message",
}
# Faults of tokens and their bundles: test_jwt.py.
JWT = {
    "no-jwt-bundles",
    "bad-jwt-bundle",
    "jwt-expired",
    "jwt-bad-signature",
    "jwt-unknown-key",
    "jwt-wrong-audience",
    "jwt-wrong-id",
}


def wait_next_second(since: str) -> None:
    """Waits until the clock shows a later time than a log line."""
    wait_until(lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") != since, "the next second")


def refusals(helper: Helper) -> list[LogLine]:
    return lines_of(helper, "update_refused")


def wait_refused(helper: Helper, since: int = 0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == "update_refused", since=since)


def check_still(out: Published, before: dict[str, Entry], helper: Helper, count: int) -> None:
    assert out.state() == before
    assert len(publications(helper)) == count


def test_every_fault_of_the_agent_is_tested(agent: DevAgent) -> None:
    assert sorted(agent.faults()) == sorted([*CAUSES, *ELSEWHERE, *JWT])


@pytest.mark.agent("-id", "/workload,hint=mine")
@pytest.mark.parametrize("fault", sorted(CAUSES))
def test_a_spoiled_message(agent: DevAgent, run_helper: Run, workdir: Path, fault: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, hint="mine", log_level="debug"))
    wait_published(helper)
    before = out.state()
    agent.fault(fault)
    refused = wait_refused(helper)
    assert refused.level == "error"
    assert re.search(CAUSES[fault], refused.fields["error"]), refused.raw
    # SPIRE repeats the same state after any change of a bundle; it is not logged again.
    mark = helper.mark()
    agent.resend()
    assert wait_refused(helper, mark).level == "debug"
    check_still(out, before, helper, 1)
    out.check(rotate(agent, helper))
    assert len(refusals(helper)) == 1
    # After a valid update the cause is logged again.
    mark = helper.mark()
    agent.fault(fault)
    assert wait_refused(helper, mark).level == "error"
    assert len(publications(helper)) == 2


@pytest.mark.parametrize("fault", [("expired",), ("not-yet-valid", 3600)], ids=lambda fault: fault[0])
def test_an_error_about_the_time_is_logged_once(
    agent: DevAgent, run_helper: Run, workdir: Path, fault: tuple[str, int]
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug"))
    wait_published(helper)
    agent.fault(*fault)
    refused = wait_refused(helper)
    # The same state again at a later time.
    wait_next_second(refused.time)
    mark = helper.mark()
    agent.resend()
    assert wait_refused(helper, mark).level == "debug"
    assert refusals(helper) == [refused]


@pytest.mark.parametrize("fault", ["expired", "empty-key", "no-svids"])
def test_a_spoiled_message_before_any_valid_one(
    run_agent: AgentRun, run_helper: Run, workdir: Path, fault: str
) -> None:
    out = make_certs(workdir)
    agent = run_agent("-fault", fault)
    helper = run_helper(config(agent))
    assert wait_refused(helper).level == "error"
    assert out.names() in ([], ["..lock"])
    out.check(rotate(agent, helper))
    assert len(refusals(helper)) == 1


@pytest.mark.agent("-federated", "1")
def test_faults_with_verification_switched_off(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, verify=False))
    wait_published(helper)
    agent.fault("wrong-ca")
    wait_serial(helper, agent_serial(agent))
    before = out.state_in_use()
    # verify = false skips only the check of the chain.
    agent.fault("wrong-key")
    wait_refused(helper)
    assert out.state_in_use() == before
    assert len(publications(helper)) == 2


@pytest.mark.agent("-id", "/first", "-id", "/second")
@pytest.mark.parametrize("fault", ["expired", "wrong-key", "trailing-der"])
def test_an_identity_that_is_not_selected_is_only_reported(
    agent: DevAgent, run_helper: Run, workdir: Path, fault: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, spiffe_id="spiffe://example.org/first", log_level="debug"))
    wait_published(helper)
    agent.fault(f"{fault}@2")
    wait_serial(helper, agent_serial(agent))
    out.check(agent_serial(agent))
    (finding,) = lines_of(helper, "svid_finding")
    # The same state again at a later time is not logged.
    wait_next_second(finding.time)
    agent.resend()
    helper.wait_log(lambda line: line.level == "debug" and line.fields.get("event") == "svid_finding")
    assert lines_of(helper, "svid_finding") == [finding]
    assert finding.level == "warning"
    assert finding.fields["spiffe_id"] == "spiffe://example.org/second"
    assert refusals(helper) == []


@pytest.mark.agent("-id", "/first", "-id", "/second")
def test_an_empty_field_discards_the_message_wherever_it_is(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, spiffe_id="spiffe://example.org/first"))
    wait_published(helper)
    before = out.state()
    agent.fault("empty-key@2")
    assert "x509_svid_key" in wait_refused(helper).fields["error"]
    check_still(out, before, helper, 1)
    out.check(rotate(agent, helper))


@pytest.mark.agent("-federated", "2")
def test_a_foreign_bundle_that_cannot_be_read(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, include_federated_domains=True))
    wait_published(helper)
    bundle = out.read(BUNDLE)
    assert len(certs.certificates(bundle)) == 3
    agent.fault("bad-federated")
    wait_serial(helper, agent_serial(agent))
    # The identity is the new one; the trust domain's bundle did not change.
    assert certs.serial(out.read(SVID)) == agent_serial(agent)
    assert out.read(BUNDLE) == bundle
    mark = helper.mark()
    agent.resend()
    out.check(rotate(agent, helper))
    (finding,) = lines_of(helper, "bundle_refused")
    assert finding.level == "warning"
    assert finding.fields["trust_domain"] == "federated-1.example"
    assert [line for line in helper.log[mark:] if line.level == "error"] == []
    assert refusals(helper) == []


def test_a_foreign_bundle_that_never_could_be_read_is_left_out(
    run_agent: AgentRun, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    agent = run_agent("-federated", "2", "-fault", "bad-federated")
    helper = run_helper(config(agent, include_federated_domains=True))
    wait_published(helper)
    assert len(certs.certificates(out.read(BUNDLE))) == 2
    assert len(lines_of(helper, "bundle_refused")) == 1
    rotate(agent, helper)
    assert len(certs.certificates(out.read(BUNDLE))) == 3


@pytest.mark.agent("-cross-signed-root")
def test_a_root_that_is_not_self_signed(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    rotate(agent, helper)
    root = certs.load_leaf(out.read(BUNDLE))
    assert root.subject != root.issuer
    assert certs.openssl_verifies(out.read(SVID), out.read(BUNDLE), "-partial_chain") == "OK"
    assert certs.serial(out.read(SVID)) == agent_serial(agent)
    assert refusals(helper) == []


def test_a_new_authority(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    old_bundle = out.read(BUNDLE)
    agent.rotate_ca()
    wait_serial(helper, agent_serial(agent))
    out.check(agent_serial(agent))
    assert len(certs.certificates(out.read(BUNDLE))) == 2
    assert certs.openssl_verifies(out.read(SVID), old_bundle) != "OK"


def test_an_identity_that_is_not_valid_yet(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    before = out.state()
    skew = math.ceil(4 * SLOW)
    agent.fault("not-yet-valid", skew)
    refused = wait_refused(helper)
    assert refused.level == "error"
    assert re.search("not (yet )?valid|ahead|clock", refused.fields["error"]), refused.raw
    named = [int(seconds) for seconds in re.findall(r"\b(\d+)(?:\.\d+)?s\b", refused.raw)]
    assert any(1 <= seconds <= skew for seconds in named), f"the message names the skew: {refused.raw}"
    check_still(out, before, helper, 1)
    sent = agent.status()["sent"]
    # No further message: it is accepted when it becomes valid.
    wait_serial(helper, agent_serial(agent), timeout=10)
    out.check(agent_serial(agent))
    assert agent.status()["sent"] == sent
    assert len(refusals(helper)) == 1


def test_a_newer_message_replaces_one_that_is_not_valid_yet(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    skew = math.ceil(2 * SLOW)
    agent.fault("not-yet-valid", skew)
    valid = time.time() + skew
    early = agent_serial(agent)
    wait_refused(helper)
    newest = rotate(agent, helper)
    # It would become valid now; an update after that shows that the helper had the opportunity to accept it.
    wait_until(lambda: time.time() > valid + 1, "the time from which it is valid")
    agent.rotate()
    wait_serial(helper, agent_serial(agent))
    assert openssl_serial(early) not in [line.fields["serial"] for line in publications(helper)]
    assert openssl_serial(newest) in [line.fields["serial"] for line in publications(helper)]
    out.check(agent_serial(agent))


def test_a_message_that_is_too_large(agent: DevAgent, run_helper: Run, shm: Path, workdir: Path) -> None:
    out = make_certs(shm)
    helper = run_helper(config(agent, cert_dir=out.directory, log_level="debug"))
    wait_published(helper)
    before = out.state()
    agent.fault("oversized")
    lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert lost.level == "error"
    assert "ResourceExhausted" in lost.raw
    assert "64 MiB" in lost.raw
    # It is still the agent's current state when the helper reconnects, but is not logged again.
    again = helper.wait_log(lambda line: line is not lost and line.fields.get("event") == "stream_lost")
    assert again.level == "debug"
    check_still(out, before, helper, 1)
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=15)
    out.check(agent_serial(agent))
    assert len(lines_of(helper, "stream_lost")) == 1
