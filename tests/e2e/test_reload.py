"""The configuration is read again: unchanged parts keep running, and impossible changes are refused with an error."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from pathlib import Path

import certs
import pytest
from children import Recorder, digest, wait_gone
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, Run, wait_until
from ports import free_port
from probe import ask, samples
from published import (
    KEY,
    SVID,
    Published,
    agent_serial,
    config,
    is_publication,
    lines_of,
    make_certs,
    rotate,
    wait_published,
)
from reloading import Load, calls, jwt_calls, reload, wait_event
from stalling import PREFIX, Disk
from tokens import JWT_BUNDLE, entry, wait_jwt_bundle, wait_token

NAMES_OF_X509 = ("svid_file_name", "svid_key_file_name", "svid_bundle_file_name")


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def wait_on_disk(out: Published, agent: DevAgent) -> None:
    """Waits until readers get the agent's last state, after which there will be no other."""
    last = agent_serial(agent)
    wait_until(lambda: certs.serial(out.read(SVID)) == last, f"serial {last:x} in {out.directory}")
    out.check(last)


def health(port: int) -> dict[str, object]:
    return {"health_checks": {"listener_enabled": True, "bind_address": "127.0.0.1", "bind_port": port}}


def tokens() -> dict[str, object]:
    return {"jwt_svids": [entry("web")], "jwt_bundle_file_name": JWT_BUNDLE}


# All edits together.

RENEW_TOKENS = ("tokens", "* hint")


def edits(workdir: Path, recorder: Recorder, other: DevAgent) -> list[tuple[str, dict[str, object]]]:
    """Name and keys: each is added to those before it, None removes one. * reopens streams."""
    more = recorder.keys("more")
    return [
        ("nothing", {}),
        ("modes", {"cert_file_mode": 0o640, "key_file_mode": 0o640}),
        ("cert_dir", {"cert_dir": "second"}),
        ("names", {"svid_bundle_file_name": "roots.pem"}),
        ("cmd_args", {"cmd_args": more["cmd_args"]}),
        ("renew_signal", {"renew_signal": "SIGUSR2"}),
        ("* address", {"agent_address": f"unix://{other.socket}"}),
        ("layout files", {"layout": "files"}),
        ("tokens", tokens()),
        ("health", health(free_port())),
        ("another port", health(free_port())),
        ("log_level", {"log_level": "debug"}),
        ("pid_file_name", {"pid_file_name": workdir / "no.pid"}),
        ("renew_cmd", {"renew_cmd": ["true"]}),
        ("another renew_cmd", {"renew_cmd": ["sh", "-c", "exit 0"]}),
        ("owner", {"owner": os.getuid(), "group": os.getgid()}),
        ("* hint", {"hint": "internal"}),
        ("layout in-place", {"layout": "in-place"}),
        ("bad", {"log_level": "loud"}),
        ("no child", {"log_level": None, **dict.fromkeys([*more, "pid_file_name"])}),
        ("no tokens", {"layout": "files", "jwt_svids": None, "jwt_bundle_file_name": None}),
        ("no health", {"health_checks": None, "renew_cmd": None}),
    ]


def edit(helper: Helper, name: str, text: str, first: DevAgent, other: DevAgent) -> None:
    """Applies one of edits(); rotations continue, and streams are unchanged."""
    before = calls(first), calls(other)
    jwt_before = jwt_calls(other)
    mark = helper.mark()
    reload(helper, text, event="config_reload_refused" if name == "bad" else "config_reloaded")
    helper.wait_log(is_publication, since=mark)
    if name in RENEW_TOKENS:
        # A token and the bundles, each on its own connection: the next edit finds both counted.
        wait_until(lambda: jwt_calls(other) >= jwt_before + 2, "the calls for tokens")
    if name.startswith("*"):
        opened = before[1].streams + 1
        wait_until(lambda: calls(other)[1:] == (opened, 1) and calls(first).open == 0, "one new stream")
        return
    after = calls(first), calls(other)
    assert [each.streams for each in after] == [each.streams for each in before], name
    if name not in RENEW_TOKENS:
        assert [each.connections for each in after] == [each.connections for each in before], name


def test_edits_under_load(run_agent: AgentRun, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    """Twice through all of them: no update is lost, and nothing is left behind."""
    first, other = (run_agent("-id", "/workload,hint=internal") for _ in range(2))
    outs = {name: make_certs(workdir, name) for name in ("certs", "second")}
    child = recorder.keys(signals="SIGUSR1,SIGUSR2")
    helper = run_helper(config(first, **child))
    recorder.wait("started")
    reload(helper, config(first, **child))
    descriptors = helper.fds()
    for _ in range(2):
        keys = dict(child)
        with Load(first, other) as load:
            for name, change in edits(workdir, recorder, other):
                keys |= change
                edit(helper, name, config(first, **keys), first, other)
        assert load.rotations > 20
        wait_until(lambda: certs.serial(outs["second"].read(SVID)) == agent_serial(other), "the last rotation")
        assert certs.pair_matches(outs["second"].read(SVID), outs["second"].read(KEY))
        reload(helper, config(first, **child))
        wait_on_disk(outs["certs"], first)
        (pid,) = helper.wait_children(1)
        told = {"pid": pid, "digest": digest(outs["certs"].read(SVID))}
        wait_until(lambda: recorder.events()[-1].items() >= told.items(), "a child that knows the last one")
        wait_until(lambda: helper.fds() <= descriptors, f"{descriptors} descriptors again")
    assert helper.stop() == 0
    wait_gone(pid, timeout=0)


# Outputs.


def test_modes_and_owners(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    serial = wait_published(helper)
    mark = helper.mark()
    root = os.geteuid() == 0
    owner = {"owner": 4711, "group": 4712} if root else {}
    reload(helper, config(agent, cert_file_mode=0o640, key_file_mode=0o640, **owner))
    said = wait_event(helper, "files_adapted", mark)
    assert said.level == "info", "it was not somebody else"
    for name in (SVID, KEY):
        seen = (out.directory / name).stat()
        assert stat.S_IMODE(seen.st_mode) == 0o640
        assert not root or (seen.st_uid, seen.st_gid) == (4711, 4712)
    out.check(serial)
    assert not [line for line in helper.log[mark:] if line.level in ("warning", "error")]
    # This one was changed.
    (out.directory / KEY).chmod(0o644)
    agent.resend()
    assert wait_event(helper, "files_repaired", mark).level == "warning"


@pytest.mark.parametrize("after", ["files", "in-place", "snapshot"])
@pytest.mark.parametrize("before", ["snapshot", "files", "in-place"])
def test_layouts(agent: DevAgent, run_helper: Run, workdir: Path, before: str, after: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, layout=before))
    wait_published(helper)
    mark = helper.mark()
    reload(helper, config(agent, layout=after))
    if before != after:
        wait_published(helper, mark)
    serial = rotate(agent, helper)
    assert certs.serial(out.read(SVID)) == serial
    assert certs.pair_matches(out.read(SVID), out.read(KEY))
    assert [(out.directory / name).is_symlink() for name in (SVID, KEY)] == [after == "snapshot"] * 2
    assert helper.stop() == 0
    assert out.strangers() == []
    assert bool(out.generations()) == (after == "snapshot")


def test_another_directory_keeps_the_files_of_the_first(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    first, second = make_certs(workdir), make_certs(workdir, "second")
    helper = run_helper(config(agent))
    old = wait_published(helper)
    streams = calls(agent)
    mark = helper.mark()
    reload(helper, config(agent, cert_dir="second"))
    second.check(wait_published(helper, mark))
    new = rotate(agent, helper)
    second.check(new)
    assert first.check() == old
    assert first.strangers() == []
    assert calls(agent) == streams
    # Another helper can use the first directory.
    (workdir / "other").mkdir()
    other = run_helper(config(agent, cert_dir=first.directory), directory=workdir / "other")
    first.check(wait_published(other))
    assert lines_of(other, "locked") == []


def test_a_directory_locked_by_another_helper(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    second = make_certs(workdir, "second")
    (workdir / "other").mkdir()
    other = run_helper(config(agent, cert_dir=second.directory), directory=workdir / "other")
    old = wait_published(other)
    helper = run_helper(config(agent))
    wait_published(helper)
    mark = helper.mark()
    reload(helper, config(agent, cert_dir="second"))
    # It keeps trying, for longer than at the start: a running helper does not end because of another one.
    failed = wait_event(helper, "locked", mark)
    assert (failed.level, failed.msg) == ("error", "Unable to dump bundle")
    assert second.check() == old
    mark = helper.mark()
    assert other.stop() == 0
    second.check(wait_published(helper, mark))
    second.check(rotate(agent, helper))


def test_tokens_are_added_and_removed(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    streams = calls(agent)
    reload(helper, config(agent, **tokens()))
    claims = wait_token(helper, "web")
    assert claims["aud"] == ["web"]
    wait_jwt_bundle(helper)
    mark = helper.mark()
    reload(helper, config(agent, jwt_svids=[entry("web"), entry("db")]))
    assert wait_token(helper, "db", mark)["aud"] == ["db"]
    assert wait_token(helper, "web", mark)["aud"] == ["web"]
    mark = helper.mark()
    reload(helper, config(agent))
    out.check(wait_published(helper, mark))
    out.check(rotate(agent, helper))
    assert calls(agent)[1:] == streams[1:], "the X.509 stream is the same"
    wait_until(lambda: agent.status()["jwt_bundle_streams"] == 0, "the end of the stream of bundles")


@pytest.mark.agent("-ttl", "10s", "-rotate-every", "0")
@pytest.mark.long
def test_x509_is_removed(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """Its files stay and expire, without an alarm."""
    make_certs(workdir)
    port = free_port()
    keys = health(port) | tokens()
    keys["health_checks"] |= {"metrics_path": "/metrics"}
    helper = run_helper(config(agent, **keys))
    wait_published(helper)
    wait_token(helper, "web")
    expires = certs.load_leaf((workdir / "certs" / SVID).read_bytes()).not_valid_after_utc.timestamp()
    assert any("svid_not_after_seconds{spiffe_id" in name for name in samples(port))
    mark = helper.mark()
    reload(helper, config(agent, **keys | dict.fromkeys(NAMES_OF_X509)))
    wait_token(helper, "web", mark)
    assert not any("bundle_not_after" in name or "spiffe_id=" in name for name in samples(port))
    wait_until(lambda: time.time() > expires + 0.2, "the end of what is on disk", timeout=12)
    assert "expired" not in [line.fields.get("event") for line in helper.log[mark:]]
    assert ask(port, "/ready").code == 200


def test_the_health_endpoint(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    first, second = free_port(), free_port()
    helper = run_helper(config(agent, **health(first)))
    wait_published(helper)
    assert ask(first, "/ready").code == 200
    reload(helper, config(agent, **health(second)))
    assert ask(second, "/ready").code == 200
    with pytest.raises(ConnectionRefusedError):
        ask(first, "/ready")
    # A port in use: everything stays as it was, and the rest of the file is not applied either.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        make_certs(workdir, "second")
        line = reload(helper, config(agent, cert_dir="second", **health(port)), event="config_reload_refused")
        assert str(port) in line.fields["error"]
    assert ask(second, "/ready").code == 200
    rotate(agent, helper)
    assert Published(workdir / "second").names() == []
    reload(helper, config(agent))
    with pytest.raises(ConnectionRefusedError):
        ask(second, "/ready")


def test_log_level(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    agent.resend()
    rotate(agent, helper)
    assert not [line for line in helper.log if line.level == "debug"]
    reload(helper, config(agent, log_level="debug"))
    agent.resend()
    assert helper.wait_log("X.509 certificates unchanged").level == "debug"


# Sources.


def test_another_agent(run_agent: AgentRun, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    out = make_certs(workdir)
    first, second = run_agent(), run_agent()
    helper = run_helper(config(first, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    mark = helper.mark()
    reload(helper, config(second, **recorder.keys()))
    assert wait_published(helper, mark) == agent_serial(second)
    first.wait_streams(0)
    recorder.wait("SIGUSR1")
    first.rotate()
    out.check(rotate(second, helper))
    # The command did not change, and neither did the child.
    assert helper.children() == [child]


def test_an_agent_that_does_not_run_yet(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first, second = run_agent(), run_agent()
    second.stop()
    helper = run_helper(config(first))
    serial = wait_published(helper)
    reload(helper, config(second))
    wait_event(helper, "stream_lost")
    out.check(serial)
    second.start()
    out.check(rotate(second, helper))


@pytest.mark.parametrize("fault", ["invalid", "unimplemented"])
def test_a_server_other_than_an_agent_does_not_stop_the_child(
    run_agent: AgentRun, run_helper: Run, workdir: Path, recorder: Recorder, fault: str
) -> None:
    out = make_certs(workdir)
    agent, other = run_agent(), run_agent("-fault", fault)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    before = out.state()
    reload(helper, config(other, **recorder.keys()))
    lost = wait_event(helper, "stream_lost")
    assert lost.level == "error"
    assert lost.fields["retry_in"].startswith("3"), "30 s and a little"
    assert out.state() == before
    agent.wait_streams(0)
    # The same process corrects the mistake, with the same child.
    reload(helper, config(agent, **recorder.keys()))
    agent.wait_streams(1)
    out.check(rotate(agent, helper))
    assert helper.children() == [child]


HINTS = ("-id", "/one,hint=one", "-id", "/two,hint=two")


@pytest.mark.agent(*HINTS)
@pytest.mark.parametrize("moved", [False, True])
def test_another_identity(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, moved: bool
) -> None:
    """Until the new identity is available, the previous one is not published again, and no consumer is notified."""
    out, second = make_certs(workdir), make_certs(workdir, "second")
    helper = run_helper(config(agent, hint="one", **recorder.keys()))
    child = recorder.wait("started")["pid"]
    serial = out.check()
    agent.deny()
    more = recorder.keys("other")
    mark = helper.mark()
    reload(helper, config(agent, hint="two", **more, cert_dir="second" if moved else "certs"))
    helper.wait_log("PermissionDenied", since=mark)
    assert out.check() == serial
    assert (second.directory / SVID).exists() is False
    assert helper.children() == [child]
    agent.allow()
    helper.wait_log(lambda line: is_publication(line) and line.fields["spiffe_id"].endswith("/two"), since=mark)
    assert recorder.wait("started", 2)["arguments"] == ["other"]
    (second if moved else out).check()
    assert [event["event"] for event in recorder.events()] == ["started", "SIGTERM", "started"]


@pytest.mark.agent(*HINTS)
def test_a_selection_that_changes_nothing(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, hint="one", **recorder.keys()))
    recorder.wait("started")
    reload(helper, config(agent, spiffe_id="spiffe://example.org/one", **recorder.keys("other")))
    assert recorder.wait("started", 2)["arguments"] == ["other"]


# At inconvenient moments.


def test_before_the_first_identity(
    run_agent: AgentRun, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    agent = run_agent("-fault", "deny")
    first, second = make_certs(workdir), make_certs(workdir, "second")
    helper = run_helper(config(agent, **recorder.keys()))
    helper.wait_log("PermissionDenied")
    reload(helper, config(agent, cert_dir="second", **recorder.keys("--file", "second/svid.pem", "other")))
    assert helper.children() == []
    agent.allow()
    started = recorder.wait("started")
    assert started["arguments"] == ["other"]
    assert started["digest"] == digest(second.read(SVID))
    assert [name for name in first.names() if not name.startswith("..")] == []


def test_while_the_disk_hangs(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    """A reload during a reload: the last file counts."""
    outs = [make_certs(workdir, name) for name in ("certs", "second", "third")]

    def text(number: int) -> str:
        path = outs[number].directory / SVID
        return config(agent, cert_dir=outs[number].directory, **recorder.keys("--file", str(path), str(number)))

    helper = run_helper(text(0), prefix=PREFIX)
    with Disk(helper) as disk:
        child = recorder.wait("started")["pid"]
        disk.stall()
        agent.rotate()
        disk.wait_stalled()
        reload(helper, text(1))
        for number in (0, 1, 2):
            helper.config_file.write_text(text(number))
            helper.send(signal.SIGHUP)
        agent.rotate()
        assert helper.children() == [child], "the old one goes on"
        mark = helper.mark()
        disk.flow()
        wait_event(helper, "config_reloaded", mark)
        wait_until(lambda: recorder.events()[-1].get("arguments") == ["2"], "the third child")
        wait_on_disk(outs[2], agent)
        last = digest(outs[2].read(SVID))
        wait_until(lambda: recorder.events()[-1]["digest"] == last, "a child that knows the last one")
        assert helper.stop() == 0


def test_sigterm_during_a_move(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    second = make_certs(workdir, "second")
    helper = run_helper(config(agent, **recorder.keys()), prefix=PREFIX)
    with Disk(helper) as disk:
        child = recorder.wait("started")["pid"]
        disk.stall()
        agent.rotate()
        disk.wait_stalled()
        reload(helper, config(agent, cert_dir="second", **recorder.keys("other")))
        begin = time.monotonic()
        assert helper.stop() == 0
        assert time.monotonic() - begin < 2 * SLOW
    wait_gone(child, timeout=0)
    assert [event["event"] for event in recorder.events()] == ["started", "SIGTERM"]
    assert second.names() == []
