"""An agent that refuses, delays, hangs up, floods or goes away: no update is lost, except coalesced ones."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import tokens
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from published import (
    agent_serial,
    config,
    lines_of,
    make_certs,
    publications,
    rotate,
    wait_published,
    wait_serial,
)


def loud(helper: Helper, since: int = 0) -> list[LogLine]:
    return [line for line in helper.log[since:] if line.level in ("warning", "error", "fatal")]


@pytest.mark.long
def test_denied_and_allowed_again(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    before = out.state()
    agent.deny()
    denied = helper.wait_log(lambda line: line.fields.get("event") == "identity_denied")
    assert denied.level == "error"
    assert denied.msg.startswith("Error while watching x509 context: PermissionDenied")
    assert denied.fields["files"] == "kept"
    # Repeated with the same answer: logged once.
    wait_until(lambda: agent.status()["denied"] >= 2, "two more questions", 15)
    assert out.state() == before
    assert loud(helper) == [denied]
    agent.allow()
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=15)
    out.check(agent_serial(agent))
    assert len(lines_of(helper, "stream_restored")) == 1
    assert loud(helper) == [denied]


def test_denied_from_the_start(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent = run_agent("-fault", "deny")
    helper = run_helper(config(agent))
    denied = helper.wait_log(lambda line: line.fields.get("event") == "identity_denied")
    assert "files" not in denied.fields
    assert denied.fields["hint"]
    assert out.names() in ([], ["..lock"])
    agent.allow()
    assert wait_published(helper) == out.check()
    assert loud(helper) == [denied]


@pytest.mark.parametrize("fault", ["drop", "disconnect", "close-mid-message", "unavailable"])
def test_a_stream_that_breaks(agent: DevAgent, run_helper: Run, workdir: Path, fault: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    before = out.state()
    agent.fault(fault)
    lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert lost.level == "error"
    assert lost.msg.startswith("Error while watching x509 context: ")
    assert lost.fields["files"] == "kept"
    assert out.state() == before
    # A rotation while the helper is not connected is not lost.
    agent.rotate()
    agent.command("available")
    wait_serial(helper, agent_serial(agent), timeout=15)
    out.check(agent_serial(agent))
    assert loud(helper) == [lost]
    assert len(lines_of(helper, "stream_restored")) == 1
    # The stream works: the next update arrives at once.
    out.check(rotate(agent, helper))


def test_several_breaks_are_logged_once_each(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    for count in (1, 2):
        agent.drop()
        agent.rotate()
        wait_serial(helper, agent_serial(agent), timeout=15)
        assert len(lines_of(helper, "stream_lost")) == count
        assert len(lines_of(helper, "stream_restored")) == count
    out.check(agent_serial(agent))


def test_messages_that_are_late(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    agent.fault("delay", 300)
    begin = time.monotonic()
    helper = run_helper(config(agent))
    wait_published(helper)
    assert time.monotonic() - begin > 0.3
    for _ in range(3):
        agent.rotate()
    rotate(agent, helper)
    out.check(agent_serial(agent))
    assert loud(helper) == []


def test_a_flood(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    agent.burst(1000, 2000)
    assert agent.wait()["sent"] == 1000
    wait_serial(helper, agent_serial(agent))
    out.check(agent_serial(agent))
    assert 2 <= len(publications(helper)) <= 1001
    assert loud(helper) == []


def test_an_agent_that_is_started_again(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    before = out.state()
    agent.stop()
    assert not agent.socket.exists()
    helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert out.state() == before
    agent.start()
    begin = time.monotonic()
    wait_serial(helper, agent_serial(agent), timeout=15)
    assert time.monotonic() - begin < 3.5 * SLOW
    out.check(agent_serial(agent))
    assert len(lines_of(helper, "stream_restored")) == 1
    causes = [line.msg for line in loud(helper)]
    assert 1 <= len(causes) <= 2, "the end of the stream, and that nobody is there any more"
    assert len(set(causes)) == len(causes)


def test_an_agent_that_crashes(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    agent.kill()
    assert agent.socket.exists(), "a crash leaves its socket behind"
    helper.wait_log("connection refused")
    agent.start()
    begin = time.monotonic()
    wait_serial(helper, agent_serial(agent), timeout=15)
    assert time.monotonic() - begin < 3.5 * SLOW
    out.check(agent_serial(agent))


def test_an_agent_that_comes_late(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    agent = run_agent()
    agent.stop()
    helper = run_helper(config(agent))
    lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert "no such file or directory" in lost.msg
    assert str(agent.socket) in lost.msg
    assert lost.fields["hint"]
    # Attempts follow every second and are not logged. There is no event to wait for if nothing is logged.
    time.sleep(2.5)
    assert loud(helper) == [lost]
    agent.start()
    wait_serial(helper, agent_serial(agent))
    assert loud(helper) == [lost]


@pytest.mark.parametrize("fault", ["invalid", "unimplemented"])
def test_another_server_on_the_socket_is_fatal_at_first(
    run_agent: AgentRun, run_helper: Run, workdir: Path, fault: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(run_agent("-fault", fault)))
    assert helper.wait() == 1
    (error,) = [line for line in loud(helper) if line.fields.get("event") == "stream_lost"]
    assert {"invalid": "InvalidArgument", "unimplemented": "Unimplemented"}[fault] in error.msg
    assert error.fields["hint"]
    assert out.names() in ([], ["..lock"])


@pytest.mark.long
def test_another_server_on_the_socket_later_is_retried(
    run_agent: AgentRun, run_helper: Run, workdir: Path
) -> None:
    pairs = []
    for fault in ("invalid", "unimplemented"):
        directory = workdir / fault
        directory.mkdir()
        make_certs(directory)
        agent = run_agent()
        helper = run_helper(config(agent), directory=directory)
        wait_published(helper)
        agent.fault(fault)
        lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
        assert lost.level == "error"
        assert lost.fields["retry_in"].startswith("3"), "30 s and a little"
        pairs.append((agent, helper))
    for agent, helper in pairs:
        agent.allow()
        agent.rotate()
    for agent, helper in pairs:
        wait_serial(helper, agent_serial(agent), timeout=40)
        assert len(loud(helper)) == 1


def test_an_agent_that_restarts_during_the_wait_after_its_refusal(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    agent.fault("unimplemented")
    lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert lost.fields["retry_in"].startswith("3"), "30 s and a little"
    agent.restart()
    wait_serial(helper, agent_serial(agent))
    assert loud(helper) == [lost]


@pytest.mark.agent("-jwt-ttl", "4s")
def test_without_a_descriptor_for_a_new_connection(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, jwt_svids=[tokens.entry("db")]))
    wait_published(helper)
    tokens.wait_token(helper, "db")
    before = resource.prlimit(helper.pid, resource.RLIMIT_NOFILE)
    # Open connections are not affected; the descriptor numbers below stay in use while it runs.
    resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, (8, before[1]))
    mark = helper.mark()
    agent.disconnect()
    for kind in ("x509", "bundle", "jwt"):
        helper.wait_log(
            lambda line, kind=kind: line.fields.get("kind") == kind and "too many open files" in line.msg,
            since=mark,
        )
    resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, before)
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=20)
    tokens.wait_token(helper, "db", since=helper.mark(), timeout=20)
    assert helper.stop() == 0
