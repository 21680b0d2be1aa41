"""prepare_cmd: a command that must succeed before consumers are notified of new files."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from children import Recorder, wait_gone
from devagent import DevAgent
from helper import SLOW, Run, wait_until
from notify import Manager
from ports import free_port
from probe import ask, samples
from published import SVID, config, make_certs, rotate, wait_published
from reloading import reload, wait_event

# Fails while the file "bad" exists, otherwise keeps a copy of the file.
PREPARE = f"[ ! -e bad ] && cat certs/{SVID} > prepared.new && mv prepared.new prepared"


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_it_runs_before_the_program_and_after_the_files(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys(), prepare_cmd=sh(PREPARE)))
    recorder.wait("started")
    assert (workdir / "prepared").read_bytes() == out.read(SVID)
    for count in range(1, 4):
        rotate(agent, helper)
        recorder.wait("SIGUSR1", count)
        assert (workdir / "prepared").read_bytes() == out.read(SVID)
    # A signal that has arrived may not be logged yet; it is when the helper has ended.
    assert helper.stop() == 0
    order = ["prepare_cmd succeeded", "child started", "child signalled"]
    assert [line.msg for line in helper.log if line.msg in order] == [
        *order[:2],
        *(order[0], order[2]) * 3,
    ]


def test_readiness_while_it_fails_and_without_the_program(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    (workdir / "bad").touch()
    port = free_port()
    checks = {"listener_enabled": True, "bind_address": "127.0.0.1", "bind_port": port}
    checks |= {"metrics_path": "/metrics", "ready_includes_program": True}
    keys = Recorder(workdir).keys(prepare_cmd=sh(PREPARE), health_checks=checks)
    helper = run_helper(config(agent, **keys))
    failed = wait_event(helper, "prepare_cmd_failed")
    assert failed.msg == "prepare_cmd exited with code 1; the program is not started until it succeeds"
    assert failed.fields["command"] == "sh"
    assert failed.fields["exit_code"] == "1"
    assert "SPIFFE_HELPER_CERT_DIR=" in failed.fields["hint"]
    answer = ask(port, "/ready")
    assert answer.code == 503
    assert answer.json()["program"] == ["cmd does not run", "prepare_cmd exited with code 1"]
    assert ask(port, "/live").code == 200
    assert samples(port)['hook_runs_total{hook="prepare",result="failed"}'] >= 1
    (workdir / "bad").unlink()
    wait_until(lambda: ask(port, "/ready").code == 200, "readiness")
    now = samples(port)
    assert now['hook_runs_total{hook="prepare",result="succeeded"}'] == 1
    assert (now["child_up"], now['hook_failing{hook="prepare"}']) == (1, 0)
    (child,) = helper.children()
    mark = helper.mark()
    os.kill(child, signal.SIGKILL)
    wait_event(helper, "child_exited", mark)
    answer = ask(port, "/ready")
    assert (answer.code, answer.json()["program"]) == (503, ["cmd does not run"])


def test_the_service_manager_waits_for_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    (workdir / "bad").touch()
    with Manager(f"{workdir}/notify.sock") as manager:
        helper = run_helper(config(agent, prepare_cmd=sh(PREPARE)), env=manager.env)
        wait_event(helper, "prepare_cmd_failed")
        assert "READY" not in manager.phases()
        (workdir / "bad").unlink()
        manager.wait_phase("READY")


@pytest.mark.parametrize("deaf", [False, True])
def test_it_is_ended_with_the_helper(agent: DevAgent, run_helper: Run, workdir: Path, deaf: bool) -> None:
    make_certs(workdir)
    trap = "trap '' TERM; " if deaf else ""
    recorder = Recorder(workdir)
    script = f"{trap}echo $$ > new; mv new pid; sleep 36000"
    helper = run_helper(config(agent, **recorder.keys(stop_timeout="500ms"), prepare_cmd=sh(script)))
    run = int(helper.wait_file("pid"))
    begin = time.monotonic()
    assert helper.stop() == 0
    assert time.monotonic() - begin < 1.5 * SLOW
    wait_gone(run, timeout=0)
    assert recorder.events() == []


def test_a_reload_changes_and_removes_it(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    recorder.wait("started")
    mark = helper.mark()
    reload(helper, config(agent, **recorder.keys(), prepare_cmd=["sleep", "36000"]))
    wait_event(helper, "prepare_cmd_started", mark)
    # Consumers of its files are notified after it, or without it.
    rotate(agent, helper)
    assert recorder.events("SIGUSR1") == []
    mark = helper.mark()
    reload(helper, config(agent, **recorder.keys(), prepare_cmd=sh(PREPARE)))
    recorder.wait("SIGUSR1")
    wait_event(helper, "prepare_cmd_succeeded", mark)
    mark = helper.mark()
    reload(helper, config(agent, **recorder.keys()))
    rotate(agent, helper)
    recorder.wait("SIGUSR1", 2)
    assert not [line for line in helper.log[mark:] if line.fields.get("event") == "prepare_cmd_started"]
    assert helper.stop() == 0


@pytest.mark.parametrize(("script", "code"), [(PREPARE, 0), ("exit 7", 1)])
def test_one_shot(agent: DevAgent, run_helper: Run, workdir: Path, script: str, code: int) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, daemon_mode=False, prepare_cmd=sh(script)))
    assert helper.wait() == code
    out.check()
    if code == 0:
        assert (workdir / "prepared").read_bytes() == out.read(SVID)
    else:
        assert wait_event(helper, "prepare_cmd_failed").fields["exit_code"] == "7"


def test_rotations_do_not_wait_for_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys(), prepare_cmd=["sleep", "36000"]))
    wait_published(helper)
    for _ in range(3):
        out.check(rotate(agent, helper))
    assert recorder.events() == []
