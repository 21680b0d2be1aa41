"""Signals that are forwarded to a wrapped program, and renewal signals that wait until it handles them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from children import Recorder, digest, wait_gone
from devagent import DevAgent
from helper import Run, wait_until
from published import SVID, Published, config, lines_of, make_certs, rotate
from wrapping import wait_event, wrap

REALTIME = ["SIGRTMIN"] + [f"SIGRTMIN+{n}" for n in range(1, signal.SIGRTMAX - signal.SIGRTMIN + 1)]
FORWARDED = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGQUIT", "SIGCONT", *REALTIME]


@pytest.fixture
def out(workdir: Path) -> Published:
    return make_certs(workdir)


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def names(recorder: Recorder) -> list[str]:
    return [event["event"] for event in recorder.events()]


# Forwarding.


def test_signals_reach_the_program(
    agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder
) -> None:
    assert len(REALTIME) > 30
    keys = recorder.keys(signals=",".join(FORWARDED), renew_signal=None)
    helper = run_helper(command=wrap(agent, **keys))
    recorder.wait("started")
    for name in FORWARDED:
        base, _, offset = name.partition("+")
        os.kill(helper.pid, getattr(signal, base) + int(offset or 0))
        recorder.wait(name)
    assert names(recorder) == ["started", *FORWARDED]
    assert helper.stop() == 0


def test_real_time_signals_are_counted(
    agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder
) -> None:
    """The kernel queues them, and no forwarded signal is lost."""
    keys = recorder.keys("--sigwait", signals="SIGRTMIN+5", renew_signal=None)
    helper = run_helper(command=wrap(agent, **keys))
    recorder.wait("started")
    for _ in range(20):
        os.kill(helper.pid, signal.SIGRTMIN + 5)
    recorder.wait("SIGRTMIN+5", 20)
    helper.stop()
    assert names(recorder).count("SIGRTMIN+5") == 20


def test_signals_without_a_program(
    run_agent: Callable[..., DevAgent], run_helper: Run, out: Published
) -> None:
    helper = run_helper(command=wrap(run_agent("-fault", "deny"), "true"))
    helper.wait_log("PermissionDenied")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGRTMAX):
        helper.send(number)
    assert helper.stop() == 143


def test_a_program_is_continued(agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder) -> None:
    helper = run_helper(command=wrap(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    state = Path(f"/proc/{child}/stat")
    os.kill(child, signal.SIGSTOP)
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the program to stop")
    helper.send(signal.SIGCONT)
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] != "T", "the program to go on")
    assert helper.stop() == 0


def test_only_the_program_gets_them(agent: DevAgent, run_helper: Run, out: Published, workdir: Path) -> None:
    """Not its group, since its children may not handle them."""
    script = "trap 'kill -0 $! && echo both' USR1; sleep 36000 & echo ready; wait; kill $!; exit 5"
    helper = run_helper(command=wrap(agent, "sh", "-c", script))
    wait_until(lambda: "ready\n" in helper.stdout(), "the program")
    helper.send(signal.SIGUSR1)
    assert helper.wait() == 5
    assert helper.stdout() == "ready\nboth\n"


# The guard of the renewal signal.


def mode(agent: DevAgent, wraps: bool, keys: dict[str, object]) -> dict[str, object]:
    """Arguments of run_helper() for the same program, wrapped or as a job."""
    return {"command": wrap(agent, **keys)} if wraps else {"config": config(agent, **keys)}


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGRTMIN+3"])
@pytest.mark.parametrize("wraps", [False, True])
def test_a_rotation_before_there_is_a_handler(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, recorder: Recorder, wraps: bool, name: str
) -> None:
    go = workdir / "go"
    helper = run_helper(**mode(agent, wraps, recorder.keys("--late", str(go), signals=name)))
    child = wait_event(helper, "child_started").fields["pid"]
    for _ in range(3):
        rotate(agent, helper)
    go.touch()
    assert recorder.wait(name)["digest"] == digest(out.read(SVID))
    rotate(agent, helper)
    assert recorder.wait(name, 2)["digest"] == digest(out.read(SVID))
    assert len(recorder.events(name)) == 2, "three that were waiting are one"
    assert {str(event["pid"]) for event in recorder.events()} == {child}
    assert lines_of(helper, "signal_unhandled") == []


@pytest.mark.parametrize("wraps", [False, True])
def test_a_rotation_while_the_signal_is_ignored(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, recorder: Recorder, wraps: bool
) -> None:
    """A program may ignore its signals while it starts, as HAProxy does."""
    go = workdir / "go"
    helper = run_helper(**mode(agent, wraps, recorder.keys("--late", str(go), "--ignoring")))
    recorder.wait("ignoring")
    rotate(agent, helper)
    go.touch()
    assert recorder.wait("SIGUSR1")["digest"] == digest(out.read(SVID))
    assert lines_of(helper, "signal_withheld") == []


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.long
def test_a_program_that_goes_on_ignoring_the_signal(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, recorder: Recorder, wraps: bool
) -> None:
    """It is sent all the same, ten seconds after the program's start."""
    helper = run_helper(**mode(agent, wraps, recorder.keys("--late", str(workdir / "never"), "--ignoring")))
    recorder.wait("ignoring")
    rotate(agent, helper)
    wait_event(helper, "signalled", timeout=15)
    assert lines_of(helper, "signal_withheld") == []


@pytest.mark.parametrize("wraps", [False, True])
def test_a_rotation_at_the_very_start(
    agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder, wraps: bool
) -> None:
    """It survives any number of signals while it starts, and is notified of the last rotation."""
    helper = run_helper(**mode(agent, wraps, recorder.keys()))
    wait_event(helper, "child_started")
    agent.burst(100, 500)
    agent.wait()
    rotate(agent, helper)
    last = digest(out.read(SVID))
    wait_until(lambda: recorder.events()[-1:] and recorder.events()[-1]["digest"] == last, "the last signal")
    assert len(lines_of(helper, "child_started")) == 1
    assert lines_of(helper, "child_exited") == []


@pytest.mark.parametrize("wraps", [False, True])
def test_a_program_in_sigwait_is_ready(
    agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder, wraps: bool
) -> None:
    """Without a handler: during sigwait() its signals are not even blocked."""
    helper = run_helper(**mode(agent, wraps, recorder.keys("--sigwait")))
    recorder.wait("started")
    for count in (1, 2, 3):
        rotate(agent, helper)
        recorder.wait("SIGUSR1", count, timeout=5)
    assert lines_of(helper, "signal_unhandled") == []
    assert helper.stop() == 0


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.long
def test_a_signal_that_is_withheld(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, recorder: Recorder, wraps: bool
) -> None:
    """Withheld from a program that does not handle it after 10 s, until it does; in wrap mode by default."""
    go = workdir / "go"
    keys = recorder.keys("--late", str(go)) | ({} if wraps else {"renew_signal_guard": True})
    helper = run_helper(**mode(agent, wraps, keys))
    wait_event(helper, "child_started")
    rotate(agent, helper)
    line = wait_event(helper, "signal_withheld", timeout=15)
    assert "SIGUSR1" in line.msg
    assert "renew_signal_guard" in line.fields["hint"]
    rotate(agent, helper)
    assert helper.children() == [int(line.fields["pid"])]
    assert lines_of(helper, "signalled") == []
    go.touch()
    assert recorder.wait("SIGUSR1")["digest"] == digest(out.read(SVID))
    assert len(lines_of(helper, "signal_withheld")) == 1
    assert helper.stop() == 0


@pytest.mark.long
def test_without_the_guard_sleep_is_killed(agent: DevAgent, run_helper: Run, out: Published) -> None:
    """The case that the guard prevents, with sleep as the entry point."""
    keys = {"renew_signal": "SIGUSR1", "renew_signal_guard": False}
    helper = run_helper(command=wrap(agent, "sleep", "36000", **keys))
    wait_event(helper, "child_started")
    rotate(agent, helper)
    warning = wait_event(helper, "signal_unhandled", timeout=15)
    assert "it will be killed by it" in warning.msg
    assert helper.wait() == 128 + signal.SIGUSR1
    assert "killed by SIGUSR1, the renew_signal" in lines_of(helper, "child_exited")[0].msg


# A child that keeps running.


@pytest.mark.parametrize("ends", ["stopped", "killed"])
def test_a_job_that_keeps_running(
    agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder, ends: str
) -> None:
    helper = run_helper(config(agent, **recorder.keys(stop_cmd_on_exit=False)))
    child = recorder.wait("started")["pid"]
    descriptor = os.pidfd_open(child)
    try:
        if ends == "stopped":
            assert helper.stop() == 0
            assert "left running" in lines_of(helper, "child_left")[0].msg
        else:
            helper.kill()
        # It answers, and has not got a signal before.
        signal.pidfd_send_signal(descriptor, signal.SIGUSR1)
        recorder.wait("SIGUSR1")
        assert names(recorder) == ["started", "SIGUSR1"]
    finally:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)
    wait_gone(child)
