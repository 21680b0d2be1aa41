"""A reload and the consumers: replaced only if their command changed, and notified in time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from children import RECORDER, Recorder, digest, wait_gone
from devagent import DevAgent
from helper import Run, wait_until
from published import SVID, config, lines_of, make_certs, rotate, wait_published
from reloading import Load, reload, wait_event


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def kinds(recorder: Recorder) -> list[str]:
    return [event["event"] for event in recorder.events()]


NO_CHILD = {"cmd": None, "cmd_args": None, "renew_signal": None}


def test_the_same_command_keeps_running(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    make_certs(workdir, "second")
    helper = run_helper(config(agent, **recorder.keys(signals="SIGUSR1,SIGUSR2")))
    child = recorder.wait("started")["pid"]
    edits = [{"cert_dir": "second"}, {"layout": "files"}, {"svid_file_name": "cert.pem"}]
    for count, change in enumerate(edits, 1):
        reload(helper, config(agent, **recorder.keys(signals="SIGUSR1,SIGUSR2") | change))
        # The files moved, so it is notified.
        recorder.wait("SIGUSR1", count)
    assert helper.children() == [child]
    assert kinds(recorder) == ["started", "SIGUSR1", "SIGUSR1", "SIGUSR1"]


def test_another_signal(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    keys = recorder.keys(signals="SIGUSR1,SIGUSR2")
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    reload(helper, config(agent, **keys | {"renew_signal": "SIGUSR2"}))
    rotate(agent, helper)
    recorder.wait("SIGUSR2")
    assert kinds(recorder) == ["started", "SIGUSR1", "SIGUSR2"]


@pytest.mark.parametrize("moved", [False, True])
def test_another_command(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, moved: bool
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    first = recorder.wait("started")["pid"]
    directory = "second" if moved else "certs"
    keys = recorder.keys("--file", f"{directory}/{SVID}", "other", create_cert_dir=True, cert_dir=directory)
    reload(helper, config(agent, **keys))
    started = recorder.wait("started", 2)
    assert started["arguments"] == ["other"]
    assert started["digest"] == digest((workdir / directory / SVID).read_bytes())
    assert kinds(recorder) == ["started", "SIGTERM", "started"], "one after the other"
    assert helper.children() == [started["pid"]]
    assert started["pid"] != first
    # No signal for files that it has read at its start.
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    assert kinds(recorder)[2:] == ["started", "SIGUSR1"]


def test_the_old_child_stays_if_the_files_cannot_be_written(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    keys = recorder.keys("--file", f"second/{SVID}", "other", cert_dir="second")
    mark = helper.mark()
    reload(helper, config(agent, **keys))
    failed = wait_event(helper, "write_failed", mark)
    assert "second" in failed.fields["error"]
    # Neither rotations nor another edit end it early.
    mark = helper.mark()
    agent.rotate()
    helper.wait_log("Received update", since=mark)
    reload(helper, config(agent, log_level="debug", **keys))
    reload(helper, 'log_level = "loud"\n', event="config_reload_refused")
    assert helper.children() == [child]
    assert kinds(recorder) == ["started"]
    second = make_certs(workdir, "second")
    started = recorder.wait("started", 2)
    assert started["arguments"] == ["other"]
    assert started["digest"] == digest(second.read(SVID))
    assert kinds(recorder) == ["started", "SIGTERM", "started"]


def test_back_to_the_files_that_are_there(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    """A failed move is reverted, and the child is not affected."""
    out = make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    reload(helper, config(agent, **recorder.keys("other", cert_dir="second")))
    wait_event(helper, "write_failed")
    mark = helper.mark()
    reload(helper, config(agent, **recorder.keys()))
    wait_published(helper, mark)
    out.check(rotate(agent, helper))
    wait_until(lambda: recorder.events()[-1]["digest"] == digest(out.read(SVID)), "a child that knows")
    assert helper.children() == [child]
    assert set(kinds(recorder)) == {"started", "SIGUSR1"}


def test_a_child_is_removed_and_added_again(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    first = recorder.wait("started")["pid"]
    reload(helper, config(agent))
    wait_gone(first)
    wait_until(lambda: helper.children() == [], "no child")
    rotate(agent, helper)
    assert helper.children() == []
    assert kinds(recorder) == ["started", "SIGTERM"]
    reload(helper, config(agent, **recorder.keys()))
    # At once, since its files exist.
    started = recorder.wait("started", 2)
    assert helper.children() == [started["pid"]]
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    assert helper.stop() == 0
    wait_gone(started["pid"], timeout=0)


def test_a_child_that_is_added_again_before_it_has_ended(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    deaf = recorder.keys("--deaf", "SIGTERM", stop_timeout="700ms")
    helper = run_helper(config(agent, **deaf))
    first = recorder.wait("started")["pid"]
    reload(helper, config(agent, stop_timeout="700ms"))
    recorder.wait("SIGTERM")
    reload(helper, config(agent, **deaf))
    rotate(agent, helper)
    assert len(helper.children()) <= 1, "never two"
    second = recorder.wait("started", 2)["pid"]
    wait_gone(first, timeout=0)
    assert helper.children() == [second]
    assert kinds(recorder) == ["started", "SIGTERM", "started"]


def test_a_child_removed_while_it_ends(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys("--deaf", "SIGTERM", stop_timeout="60s")))
    child = recorder.wait("started")["pid"]
    reload(helper, config(agent, stop_timeout="60s"))
    recorder.wait("SIGTERM")
    # The first SIGTERM of the helper; for the child it is the second one.
    helper.send(signal.SIGTERM)
    assert helper.wait(5) == 0
    wait_gone(child, timeout=0)


def test_renew_cmd_is_added_and_removed(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    reload(helper, config(agent))
    before = helper.fds()
    for word in ("one", "two"):
        reload(helper, config(agent, renew_cmd=["echo", word]))
        mark = helper.mark()
        rotate(agent, helper)
        helper.wait_log(f"renew_cmd: {word}", since=mark)
        wait_event(helper, "renew_cmd_succeeded", mark)
    reload(helper, config(agent))
    mark = helper.mark()
    rotate(agent, helper)
    assert not [line for line in helper.log[mark:] if line.fields.get("event", "").startswith("renew_")]
    wait_until(lambda: helper.fds() <= before, f"{before} descriptors again, not {helper.fds()}")


def test_a_renew_cmd_that_is_replaced_while_it_runs(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    """The new command runs for the changes that the old one could not finish, and the two hardly overlap."""
    make_certs(workdir)
    helper = run_helper(config(agent, renew_cmd=["sleep", "36000"]))
    (old,) = helper.wait_children(1)
    mark = helper.mark()
    reload(helper, config(agent, renew_cmd=["echo", "new"]))
    helper.wait_log("renew_cmd: new", since=mark)
    wait_gone(old)
    wait_until(lambda: helper.children() == [], "no zombie")
    assert helper.stop() == 0


def test_a_pid_file_is_added_and_removed(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    """The recorder is the child at first, and later known only by its PID file."""
    make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    words = [sys.executable, str(RECORDER), str(recorder.file), "--signals", "SIGUSR1,SIGUSR2"]
    with subprocess.Popen(words, cwd=workdir) as process:
        try:
            recorder.wait("started")
            (workdir / "it.pid").write_text(str(process.pid))
            keys: dict[str, Any] = {"pid_file_name": "it.pid", "renew_signal": "SIGUSR1"}
            reload(helper, config(agent, **keys))
            recorder.wait("SIGUSR1")
            rotate(agent, helper)
            recorder.wait("SIGUSR1", 2)
            reload(helper, config(agent, **keys | {"renew_signal": "SIGUSR2"}))
            recorder.wait("SIGUSR2")
            reload(helper, config(agent))
            mark = helper.mark()
            rotate(agent, helper)
            assert not [line for line in helper.log[mark:] if "PID file" in line.msg]
        finally:
            process.terminate()
    assert kinds(recorder)[:3] == ["started", "SIGUSR1", "SIGUSR1"]


# Wrap mode.


@pytest.mark.parametrize("cmd", [True, False])
def test_wrap_mode_stays(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, cmd: bool
) -> None:
    """A file for job mode: with a command all keys but the mode apply, without one the reload is refused."""
    make_certs(workdir)
    keys = recorder.keys(signals="SIGUSR1,SIGHUP")
    helper = run_helper(config(agent, cmd_mode="wrap", config_reload_signal="SIGUSR2", **keys))
    child = recorder.wait("started")["pid"]
    text = config(agent, cert_file_mode=0o640, **(keys if cmd else {}))
    reload(helper, text, signal.SIGUSR2, event="config_reloaded" if cmd else "config_reload_refused")
    helper.wait_log("cmd_mode takes effect at the next start")
    helper.send(signal.SIGHUP)
    recorder.wait("SIGHUP")
    assert (workdir / "certs" / SVID).stat().st_mode & 0o777 == (0o640 if cmd else 0o644)
    assert helper.children() == [child]
    assert helper.stop() == 0


def test_wrap_mode_forwards_hup_and_reloads_by_its_own_signal(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    second = make_certs(workdir, "second")
    keys = recorder.keys(signals="SIGUSR1,SIGHUP", cmd_mode="wrap", config_reload_signal="SIGUSR2")
    helper = run_helper(config(agent, **keys))
    child = recorder.wait("started")["pid"]
    helper.config_file.write_text("no HCL at all")
    helper.send(signal.SIGHUP)
    recorder.wait("SIGHUP")
    assert lines_of(helper, "config_reload_begun") == []
    reload(helper, "no HCL at all", signal.SIGUSR2, event="config_reload_refused")
    mark = helper.mark()
    reload(helper, config(agent, **keys | {"cert_dir": "second"}), signal.SIGUSR2)
    second.check(wait_published(helper, mark))
    recorder.wait("SIGUSR1")
    # Another signal for the next reload.
    reload(helper, config(agent, **keys | {"config_reload_signal": "SIGWINCH"}), signal.SIGUSR2)
    reload(helper, config(agent, **keys | {"config_reload_signal": "SIGWINCH"}), signal.SIGWINCH)
    assert helper.children() == [child]
    assert helper.stop() == 0
    assert "SIGUSR2" not in kinds(recorder), "the helper's own"


def test_wrap_mode_under_load(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    outs = [make_certs(workdir, name) for name in ("certs", "second")]
    keys = recorder.keys(cmd_mode="wrap", config_reload_signal="SIGUSR2")
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    with Load(agent) as load:
        for count in range(10):
            more = recorder.keys("--file", f"{outs[count % 2].directory}/{SVID}", str(count))
            change = {"cert_dir": outs[count % 2].directory.name, "cmd_args": more["cmd_args"]}
            reload(helper, config(agent, **keys | change), signal.SIGUSR2)
            started = recorder.wait("started", count + 2)
            assert started["arguments"] == [str(count)]
    assert load.rotations > 10
    rotate(agent, helper)
    wait_until(lambda: recorder.events()[-1]["digest"] == digest(outs[1].read(SVID)), "a child that knows")
    events = kinds(recorder)
    assert events.count("started") == events.count("SIGTERM") + 1 == 11
    assert helper.stop() == 0


def test_a_reload_does_not_end_a_wrapped_helper(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    """Its command changed, so the exit of the old one does not end the helper."""
    make_certs(workdir)
    keys = recorder.keys(cmd_mode="wrap", config_reload_signal="SIGUSR2")
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    ends = recorder.keys("--exit", "7")
    reload(helper, config(agent, **keys | {"cmd_args": ends["cmd_args"]}), signal.SIGUSR2)
    recorder.wait("started", 2)
    assert helper.wait() == 7
