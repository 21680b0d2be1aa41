"""JWT-SVIDs and the JWT bundle: what is written, when it is renewed, what is refused, and which waits for which."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest
from children import Recorder
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from published import (
    LAYOUTS,
    NAMES,
    Published,
    agent_serial,
    config,
    lines_of,
    make_certs,
    rotate,
    wait_published,
)
from tokens import (
    DOMAIN,
    ID,
    JWT_BUNDLE,
    NO_X509,
    bundles,
    claims,
    entry,
    is_token,
    read_claims,
    seconds_left,
    tokens,
    verify,
    wait_jwt_bundle,
    wait_token,
)

UMASK = ["sh", "-c", 'umask 077; exec "$@"', "sh"]

# The cause, as a regular expression for the field `error`.
TOKEN_CAUSES = {
    "jwt-expired": "expired",
    "jwt-bad-signature": "signature",
    "jwt-unknown-key": 'no key "unknown"',
    "jwt-wrong-audience": '"web".*"somebody-else"',
    "jwt-wrong-id": f'sub is "{ID}-other"',
}
BUNDLE_CAUSES = {"no-jwt-bundles": "no JWT bundle", "bad-jwt-bundle": "JSON"}


def loud(helper: Helper, since: int = 0) -> list[LogLine]:
    """Without lines about lifetimes: with lifetimes of seconds, a busy machine is late."""
    lines = [line for line in helper.log[since:] if line.level in ("warning", "error", "fatal")]
    return [line for line in lines if line.fields.get("event") not in ("expiring", "expired")]


def wait_refused(helper: Helper, level: str, since: int = 0) -> LogLine:
    return helper.wait_log(
        lambda line: line.fields.get("event") == "update_refused" and line.level == level, since=since
    )


def wait_lost(helper: Helper, event: str = "stream_lost", since: int = 0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == event, since=since)


def wait_all(helper: Helper, *audiences: str) -> None:
    for audience in audiences:
        wait_token(helper, audience)


def contents(out: Published) -> dict[str, bytes]:
    return {name: out.read(name) for name in out.names() if not name.startswith("..")}


# What is written.


@pytest.mark.agent("-federated", "3")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tokens_and_bundle_together_with_x509(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    svids = [entry("web"), entry("db", "cache", "queue")]
    keys = {"layout": layout, "jwt_svids": svids, "jwt_bundle_file_name": JWT_BUNDLE}
    helper = run_helper(config(agent, **keys, log_level="debug"))
    wait_published(helper)
    bundle = wait_jwt_bundle(helper)
    wait_all(helper, "web", "db")
    assert claims(out.read("web.jwt"))["aud"] == ["web"]
    assert claims(out.read("db.jwt"))["aud"] == ["db", "cache", "queue"]
    for name in ("web.jwt", "db.jwt"):
        verify(out.read(name), bundle)
        assert claims(out.read(name))["sub"] == ID
        assert out.mode(name) == 0o600
    assert list(bundles(bundle)) == [DOMAIN, *(f"federated-{i}.example" for i in (1, 2, 3))]
    assert out.mode(JWT_BUNDLE) == 0o600
    out.check()
    assert sorted(contents(out)) == sorted([*NAMES, "web.jwt", "db.jwt", JWT_BUNDLE])
    # At any level: a valid token is as secret as a password.
    for name in ("web.jwt", "db.jwt"):
        for part in out.read(name).decode().split(".")[1:]:
            assert part not in helper.log_text()
    assert loud(helper) == []


@pytest.mark.agent("-id", "/first", "-id", "/second,hint=mine")
def test_the_selected_identity(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    svids = [
        entry("standard"),
        entry("hint", hint="mine"),
        entry("id", spiffe_id="spiffe://example.org/first"),
    ]
    helper = run_helper(config(agent, **NO_X509, hint="mine", jwt_svids=svids))
    wait_all(helper, "standard", "hint", "id")
    subjects = [read_claims(helper, name)["sub"] for name in ("standard", "hint", "id")]
    assert [subject.rpartition("/")[2] for subject in subjects] == ["second", "second", "first"]


@pytest.mark.agent("-jwt-ttl", "2s")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_read_only_modes_are_kept_from_rotation_to_rotation(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    modes = {"cert_file_mode": "0444", "key_file_mode": "0400"}
    modes |= {"jwt_svid_file_mode": "0440", "jwt_bundle_file_mode": "0444"}
    keys = {"layout": layout, "jwt_svids": [entry("web")], "jwt_bundle_file_name": JWT_BUNDLE} | modes
    # Without the capability that lets root write into read-only files, and with a restrictive umask.
    prefix = ["setpriv", "--bounding-set", "-dac_override", *UMASK]
    helper = run_helper(config(agent, **keys), prefix=prefix)
    wait_published(helper)
    first = wait_jwt_bundle(helper)
    wait_token(helper, "web")
    for _ in range(2):
        files = [*NAMES, "web.jwt", JWT_BUNDLE]
        assert [out.mode(name) for name in files] == [0o444, 0o400, 0o444, 0o440, 0o444]
        mark = helper.mark()
        agent.rotate_jwt()
        last, first = first, wait_jwt_bundle(helper, mark)
        assert first != last
        out.check(rotate(agent, helper))
        wait_token(helper, "web", helper.mark())
    assert loud(helper) == []


@pytest.mark.parametrize("count", [200, 1000])
def test_many_audiences(agent: DevAgent, run_helper: Run, workdir: Path, count: int) -> None:
    out = make_certs(workdir)
    svids = [entry(f"a-{i}") for i in range(count)]
    begin = time.monotonic()
    helper = run_helper(config(agent, jwt_svids=svids))
    names = {f"a-{i}.jwt" for i in range(count)}

    def all_written() -> bool:
        return {line.fields["path"] for line in helper.log if line.msg == "JWT SVID updated"} == names

    # X.509 does not wait for them, not even while some are pending.
    wait_published(helper)
    wait_token(helper, "a-0")
    for _ in range(5):
        out.check(rotate(agent, helper, timeout=1))
    wait_until(all_written, f"{count} tokens", 30)
    assert time.monotonic() - begin < 20 * SLOW
    assert all(claims(out.read(f"a-{i}.jwt"))["aud"] == [f"a-{i}"] for i in range(count))
    assert loud(helper) == []


@pytest.mark.agent("-jwt-ttl", "4s")
def test_never_more_than_16_requests_at_once(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent.fault("delay 20")  # long enough for the requests to overlap
    names = [f"a-{i}" for i in range(300)]
    helper = run_helper(config(agent, jwt_svids=[entry(name) for name in names]))

    def each_written_twice() -> bool:
        written = Counter(line.fields["path"] for line in helper.log if is_token(line))
        return len(written) == len(names) and min(written.values()) >= 2

    wait_until(each_written_twice, "every token and the one after it", 30)
    status = agent.status()
    assert status["rpcs"]["FetchJWTSVID"] >= 2 * len(names)
    assert status["most_at_once"]["FetchJWTSVID"] == 16
    assert all(claims(out.read(f"{name}.jwt"))["aud"] == [name] for name in names)
    assert loud(helper) == []


# When it is renewed.


@pytest.mark.agent("-jwt-ttl", "6s")
@pytest.mark.long
def test_a_token_is_renewed_at_half_of_its_life(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **tokens("web")))
    last = wait_token(helper, "web")
    for _ in range(3):
        mark = helper.mark()
        now = wait_token(helper, "web", mark)
        # In whole seconds, by the agent's clock: a delay of this test does not matter.
        assert 2 <= now["iat"] - last["iat"] <= 4 * SLOW
        assert now["exp"] > last["exp"]
        last = now


@pytest.mark.agent("-jwt-ttl", "2s")
def test_without_an_agent_the_files_stay_and_its_return_brings_fresh_ones(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    svids = [entry("web"), entry("db")]
    helper = run_helper(config(agent, jwt_svids=svids, jwt_bundle_file_name=JWT_BUNDLE))
    wait_published(helper)
    wait_jwt_bundle(helper)
    wait_all(helper, "web", "db")
    mark = helper.mark()
    agent.kill()
    # No pending call remains whose answer would be written.
    for kind in ("x509", "bundle", "jwt"):
        helper.wait_log(lambda line, kind=kind: line.level == "error" and line.fields.get("kind") == kind, since=mark)
    before = contents(out)
    # After the time at which both would have been renewed, and after their expiry.
    wait_until(
        lambda: all(seconds_left(read_claims(helper, name)) < -1 for name in ("web", "db")), "the end of both"
    )
    assert contents(out) == before
    # Once each for X.509, bundle and tokens: the agent is gone for all of them.
    causes = [line.msg for line in loud(helper, mark)]
    assert len(causes) == len(set(causes)), causes
    # A stream may end while the agent, about to exit, still listens.
    gone = [cause for cause in causes if "cannot reach the agent" in cause]
    assert 2 <= len(gone) <= 3 and len(causes) <= len(gone) + 2, causes
    wait_until(lambda: len(lines_of(helper, "expired")) == 2, "that said of each")
    assert sorted(line.fields["path"] for line in lines_of(helper, "expired")) == ["db.jwt", "web.jwt"]
    mark = helper.mark()
    agent.start()
    up = time.monotonic()
    for audience in ("web", "db"):
        assert seconds_left(wait_token(helper, audience, mark)) > 0
    assert time.monotonic() - up < 5 * SLOW
    # The restarted agent has other keys.
    verify(out.read("web.jwt"), wait_jwt_bundle(helper, mark))
    out.check()


# What is refused.


@pytest.mark.agent("-jwt-ttl", "2s")
@pytest.mark.parametrize("fault", sorted(TOKEN_CAUSES))
def test_a_spoiled_token(agent: DevAgent, run_helper: Run, workdir: Path, fault: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **tokens("web"), log_level="debug"))
    wait_token(helper, "web")
    mark = helper.mark()
    agent.fault(fault)
    refused = wait_refused(helper, "error", mark)
    before = out.state()
    assert re.search(TOKEN_CAUSES[fault], refused.fields["error"]), refused.raw
    assert refused.fields["path"] == "web.jwt"
    # Requested again later and still invalid: not logged again.
    wait_refused(helper, "debug", mark)
    assert out.state() == before
    assert loud(helper, mark) == [refused]
    mark = helper.mark()
    agent.clear()
    assert seconds_left(wait_token(helper, "web", mark)) > 0
    assert len(lines_of(helper, "stream_restored")) == 1
    # After a valid token the cause is logged again.
    mark = helper.mark()
    agent.fault(fault)
    wait_refused(helper, "error", mark)
    for part in out.read("web.jwt").decode().split(".")[1:]:
        assert part not in helper.log_text()


@pytest.mark.parametrize("fault", sorted(BUNDLE_CAUSES))
@pytest.mark.parametrize("with_x509", [True, False], ids=["x509", "jwt-only"])
def test_a_spoiled_bundle(
    agent: DevAgent, run_helper: Run, workdir: Path, fault: str, with_x509: bool
) -> None:
    out = make_certs(workdir)
    x509 = {} if with_x509 else NO_X509
    keys = config(agent, **x509, layout="files", jwt_bundle_file_name=JWT_BUNDLE, log_level="debug")
    helper = run_helper(keys)
    first = wait_jwt_bundle(helper)
    mark = helper.mark()
    agent.fault(fault)
    refused = wait_refused(helper, "error", mark)
    assert refused.msg.startswith("JWT bundles refused")
    assert re.search(BUNDLE_CAUSES[fault], refused.fields["error"]), refused.raw
    # It is still the agent's current state when the helper reconnects, but is not logged again.
    agent.drop()
    wait_refused(helper, "debug", mark)
    assert out.read(JWT_BUNDLE) == first
    assert [line for line in helper.log[mark:] if line.msg == "JWT bundle updated"] == []
    mark = helper.mark()
    agent.rotate_jwt()
    assert len(bundles(wait_jwt_bundle(helper, mark))[DOMAIN]) == 2
    assert len(lines_of(helper, "update_refused")) == 1


@pytest.mark.agent("-federated", "1")
def test_our_own_bundle_spoiled_and_a_valid_one(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, jwt_bundle_file_name=JWT_BUNDLE))
    wait_published(helper)
    first = wait_jwt_bundle(helper)
    mark = helper.mark()
    agent.fault("bad-jwt-bundle")
    wait_refused(helper, "error", mark)
    assert out.read(JWT_BUNDLE) == first
    agent.rotate_jwt()
    assert len(bundles(wait_jwt_bundle(helper, mark))[DOMAIN]) == 2


@pytest.mark.agent("-fault", "no-jwt-bundles")
def test_tokens_wait_for_the_bundles_that_verify_them(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, jwt_svids=[entry("web")]))
    wait_published(helper)
    wait_refused(helper, "error")
    wait_until(lambda: agent.status()["rpcs"]["FetchJWTSVID"] > 0, "the call for the token")
    assert "web.jwt" not in out.names()
    agent.rotate()
    wait_token(helper, "web")


@pytest.mark.agent("-jwt-ttl", "2s")
def test_a_new_key_of_the_agent(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **tokens("web"), jwt_bundle_file_name=JWT_BUNDLE))
    wait_token(helper, "web")
    first = wait_jwt_bundle(helper)
    mark = helper.mark()
    agent.rotate_jwt()
    bundle = wait_jwt_bundle(helper, mark)
    wait_token(helper, "web", helper.mark())
    verify(out.read("web.jwt"), bundle)
    with pytest.raises(KeyError):
        verify(out.read("web.jwt"), first)


# Which waits for which.


@pytest.mark.agent("-jwt-ttl", "2s")
def test_a_denied_token_does_not_delay_others(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    svids = [entry("never", spiffe_id="spiffe://example.org/nobody"), entry("web")]
    helper = run_helper(config(agent, jwt_svids=svids, log_level="debug"))
    wait_published(helper)
    denied = wait_lost(helper, "identity_denied")
    assert (denied.level, denied.fields["path"]) == ("error", "never.jwt")
    assert "PermissionDenied" in denied.msg
    for _ in range(3):
        wait_token(helper, "web", helper.mark(), timeout=3)
        out.check(rotate(agent, helper, timeout=2))
    # Requested again, 1, 2, 4 … seconds later.
    helper.wait_log(lambda line: line.level == "debug" and line.fields.get("event") == "identity_denied")
    assert loud(helper) == [denied]
    assert "never.jwt" not in out.names()


def test_a_denial_of_everything_and_its_end(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent.deny()
    svids = [entry("web"), entry("db")]
    helper = run_helper(config(agent, jwt_svids=svids, jwt_bundle_file_name=JWT_BUNDLE))
    for what in ("x509 context", "JWT bundles", "fetch JWT SVID"):
        assert "PermissionDenied" in helper.wait_log(what).msg
    agent.allow()
    wait_published(helper)
    wait_jwt_bundle(helper)
    wait_all(helper, "web", "db")
    out.check(agent_serial(agent))


# The child.


def test_without_x509_the_child_starts_after_the_first_tokens(
    run_agent: AgentRun, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    agent = run_agent("-jwt-ttl", "2s")
    recorder = Recorder(workdir)
    svids = [entry("web"), entry("late", spiffe_id="spiffe://example.org/late")]
    keys = recorder.keys("--file", "certs/web.jwt") | NO_X509 | {"jwt_bundle_file_name": JWT_BUNDLE}
    helper = run_helper(config(agent, **keys, jwt_svids=svids))
    wait_jwt_bundle(helper)
    wait_token(helper, "web")
    wait_token(helper, "web", helper.mark())
    assert recorder.events() == []
    assert helper.children() == []
    agent.restart("-id", "/workload", "-id", "/late")
    started = recorder.wait("started")
    assert claims(out.read("late.jwt"))["sub"] == "spiffe://example.org/late"
    # And is notified of each change.
    for count in (1, 2):
        told = recorder.wait("SIGUSR1", count)
        assert told["pid"] == started["pid"]

    def new_tokens() -> bool:
        return len({event["digest"] for event in recorder.events()}) > 1

    wait_until(new_tokens, "a new token at a signal")


def test_with_a_bundle_alone_the_child_starts_after_it(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys("--file", f"certs/{JWT_BUNDLE}") | NO_X509
    helper = run_helper(config(agent, **keys, jwt_bundle_file_name=JWT_BUNDLE))
    first = recorder.wait("started")["digest"]
    mark = helper.mark()
    agent.rotate_jwt()
    wait_jwt_bundle(helper, mark)
    assert recorder.wait("SIGUSR1")["digest"] != first


@pytest.mark.agent("-jwt-ttl", "2s")
def test_with_x509_the_child_is_notified_of_x509_only(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, jwt_svids=[entry("web")], **recorder.keys()))
    recorder.wait("started")
    wait_token(helper, "web")
    for _ in range(2):
        wait_token(helper, "web", helper.mark())
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    assert len(recorder.events("SIGUSR1")) == 1
