"""A denied identity: `revoke = "remove"` removes its private key."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from ports import free_port
from probe import ask
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
from tokens import entry, wait_token


def revoking(agent: DevAgent, after: str, **keys: object) -> str:
    return config(agent, revoke="remove", revoke_after=after, **keys)


def content(path: Path) -> bytes:
    """The file's content; empty if it has just been removed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def keys_on_disk(out: Published) -> list[str]:
    """Every file below the directory that contains a private key, in any generation."""
    # Not rglob(): a generation may be removed meanwhile.
    files = [Path(folder, name) for folder, _, names in os.walk(out.directory) for name in names]
    return sorted(str(path) for path in files if not path.is_symlink() and b"PRIVATE KEY" in content(path))


def wait_event(helper: Helper, event: str, since: int = 0, timeout: float = 10.0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == event, timeout, since)


def refusals(helper: Helper) -> int:
    return len(lines_of(helper, "update_refused", loud=False))


def wait_removed(out: Published) -> None:
    wait_until(lambda: not keys_on_disk(out), "the key to go")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_the_key_is_removed_and_restored(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path, layout: str, place: str
) -> None:
    out = make_certs(workdir if place == "disk" else shm)
    keys = {"cert_dir": out.directory, "layout": layout, "jwt_svids": [entry("web")]}
    helper = run_helper(revoking(agent, "1s", **keys))
    wait_published(helper)
    helper.wait_log("JWT SVID updated")
    # Superseded generations are kept for a while for readers: their keys have to be removed, too.
    rotate(agent, helper)
    rotate(agent, helper)
    assert 1 <= len(keys_on_disk(out)) <= (3 if layout == "snapshot" else 1)
    kept = {name: out.read(name) for name in (SVID, BUNDLE, "web.jwt")}
    agent.deny()
    revoked = wait_event(helper, "revoked")
    assert (revoked.level, revoked.fields["path"]) == ("warning", KEY)
    wait_removed(out)
    assert KEY not in [name for name in out.names() if (out.directory / name).exists()]
    assert {name: out.read(name) for name in kept} == kept
    # The next one is new and complete.
    mark = helper.mark()
    agent.allow()
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=15)
    out.check(agent_serial(agent))
    helper.wait_log("the private key is written again", since=mark)
    out.check(rotate(agent, helper))


def test_the_same_identity_restores_the_key(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(revoking(agent, "500ms"))
    serial = wait_published(helper)
    agent.deny()
    wait_event(helper, "revoked")
    wait_removed(out)
    mark = helper.mark()
    agent.allow()
    assert wait_published(helper, mark) == serial
    out.check(serial)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_key_of_an_earlier_helper_is_removed(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent, layout=layout))
    wait_published(first)
    rotate(agent, first)
    first.kill()
    assert keys_on_disk(out)
    agent.deny()
    helper = run_helper(revoking(agent, "500ms", layout=layout))
    wait_event(helper, "revoked")
    wait_removed(out)
    agent.allow()
    wait_published(helper)
    out.check(agent_serial(agent))


@pytest.mark.long
def test_a_refused_message_does_not_restore_the_key(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path
) -> None:
    on_disk, in_memory = make_certs(workdir), make_certs(shm)
    beside = workdir / "beside"
    beside.mkdir()
    outs = [on_disk, in_memory]
    helpers = [
        run_helper(revoking(agent, "500ms", cert_dir=out.directory, log_level="debug"), directory=where)
        for out, where in zip(outs, (workdir, beside), strict=True)
    ]
    for helper in helpers:
        wait_published(helper)
    agent.deny()
    for out, helper in zip(outs, helpers, strict=True):
        wait_event(helper, "revoked")
        wait_removed(out)
    agent.fault("expired")
    agent.allow()
    for helper in helpers:
        assert wait_event(helper, "update_refused").level == "error"
    for count in (2, 3):
        agent.resend()
        for helper in helpers:
            wait_until(lambda: refusals(helper) == count, "the message to be refused")  # noqa: B023
    # In memory, a set is prepared while the message is verified, and removed a moment later.
    for out in outs:
        wait_removed(out)
    # All files are checked every 10 s.
    deadline = time.monotonic() + 11
    wait_until(lambda: any(map(keys_on_disk, outs)) or time.monotonic() > deadline, "a key, in vain", 15)
    assert [keys_on_disk(out) for out in outs] == [[], []]
    agent.rotate()
    for out, helper in zip(outs, helpers, strict=True):
        wait_serial(helper, agent_serial(agent))
        out.check(agent_serial(agent))


@pytest.mark.parametrize("keys", [{}, {"revoke": "keep", "revoke_after": "100ms"}], ids=["standard", "keep"])
def test_the_key_stays_by_default(
    agent: DevAgent, run_helper: Run, workdir: Path, keys: dict[str, object]
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **keys, log_level="debug"))
    wait_published(helper)
    before = out.state()
    agent.deny()
    wait_event(helper, "identity_denied")
    mark = helper.mark()
    # The same denial again, more than a second later.
    wait_event(helper, "identity_denied", mark)
    assert out.state() == before
    assert lines_of(helper, "revoked") == []


def test_the_key_stays_if_revoke_is_no_longer_set(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    after = 2 * SLOW
    helper = run_helper(revoking(agent, f"{after:g}s", log_level="debug"))
    wait_published(helper)
    before = out.state()
    agent.deny()
    over = time.monotonic() + after
    wait_event(helper, "identity_denied")
    reload(helper, config(agent, revoke="keep", log_level="debug"))
    while time.monotonic() < over + 0.5:
        # The same denial again, a second or more later.
        wait_event(helper, "identity_denied", helper.mark())
    assert out.state() == before
    assert lines_of(helper, "revoked") == []


@pytest.mark.parametrize("interruption", ["identity", "agent away"])
def test_an_interruption_of_the_denial_starts_the_wait_again(
    agent: DevAgent, run_helper: Run, workdir: Path, interruption: str
) -> None:
    out = make_certs(workdir)
    after = 3 * SLOW
    helper = run_helper(revoking(agent, f"{after:g}s", log_level="debug"))
    wait_published(helper)
    agent.deny()
    first = time.monotonic()
    wait_event(helper, "identity_denied")
    mark = helper.mark()
    if interruption == "identity":
        agent.allow()
        wait_event(helper, "stream_restored", mark)
        assert time.monotonic() - first < after, "too slow to tell"
        agent.deny()
    else:
        agent.kill()
        wait_event(helper, "stream_lost", mark)
        agent.start("-fault", "deny")
    wait_event(helper, "identity_denied", mark)
    again = time.monotonic()
    assert again - first < 2 * after
    wait_event(helper, "revoked")
    assert time.monotonic() - again > after - 0.2
    wait_removed(out)


def test_without_a_key_nothing_is_removed(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent = run_agent("-fault", "deny")
    helper = run_helper(revoking(agent, "100ms", log_level="debug"))
    wait_event(helper, "identity_denied")
    wait_event(helper, "identity_denied", helper.mark())
    assert lines_of(helper, "revoked") == []
    agent.allow()
    assert wait_published(helper) == out.check()


def test_an_absent_agent_is_not_a_denial(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(revoking(agent, "100ms", log_level="debug"))
    wait_published(helper)
    before = out.state()
    agent.kill()
    wait_event(helper, "stream_lost")
    agent.start("-fault", "unavailable")
    helper.wait_log("Unavailable")
    assert out.state() == before
    assert lines_of(helper, "revoked") == []


def test_readiness_reports_it_and_other_files_stay(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    port = free_port()
    health = {"listener_enabled": True, "bind_address": "127.0.0.1", "bind_port": port}
    helper = run_helper(revoking(agent, "500ms", health_checks=health, jwt_svids=[entry("web")]))
    wait_published(helper)
    wait_token(helper, "web")
    assert ask(port, "/ready").code == 200
    agent.deny()
    wait_event(helper, "revoked")
    wait_removed(out)
    answer = ask(port, "/ready")
    assert answer.code == 503
    assert answer.json()["health"]["file_write_statuses"]["x509_write_status"] == "unwritten"
    assert ask(port, "/live").code == 200
    agent.allow()
    wait_until(lambda: ask(port, "/ready").code == 200, "readiness", 10 * SLOW)
    out.check()
