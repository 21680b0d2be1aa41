"""As PID 1 of a container, and as a subreaper: orphans are reaped, and all of them end with the helper."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from children import Recorder, wait_gone
from devagent import DevAgent
from helper import SLOW, Helper, Run, children_of, wait_until
from published import config, lines_of, make_certs, rotate
from terminals import state_of
from wrapping import wait_event, wait_stdout, wrap

ORPHANS = 1000
PROGRAM = [sys.executable, str(Path(__file__).parent / "orphans.py")]
# It ends when PID 1 in it does, with the same exit status.
NAMESPACE = [
    "unshare",
    *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
]


@pytest.fixture(autouse=True)
def certs(workdir: Path) -> None:
    make_certs(workdir)


def init_of(helper: Helper) -> int:
    """The pid of PID 1 outside of the namespace."""
    (pid,) = helper.wait_children(1)
    return pid


def end(helper: Helper, number: signal.Signals = signal.SIGTERM) -> int:
    os.kill(init_of(helper), number)
    return helper.wait()


def reaped(helper: Helper) -> int:
    return len(lines_of(helper, "orphan_reaped", loud=False))


def test_a_thousand_orphans(agent: DevAgent, run_helper: Run) -> None:
    command = wrap(agent, *PROGRAM, ORPHANS, log_level="debug")
    helper = run_helper(command=command, prefix=NAMESPACE)
    wait_stdout(helper, "left", timeout=60)
    init = init_of(helper)
    (child,) = wait_until(lambda: len(left := children_of(init)) == 1 and left, "all orphans to be reaped")
    wait_until(lambda: reaped(helper) == ORPHANS, "the line of the last one")
    # The child got the signal, although many other pids were reaped.
    assert end(helper) == 3
    wait_gone(child)
    assert "exited with code 3" in lines_of(helper, "child_exited")[0].msg


@pytest.mark.parametrize("way", ["PID 1", "subreaper"])
def test_the_status_is_the_childs(agent: DevAgent, run_helper: Run, way: str) -> None:
    """It ends while orphans are ending."""
    more = {"prefix": NAMESPACE} if way == "PID 1" else {}
    keys = {} if way == "PID 1" else {"subreaper": True}
    helper = run_helper(command=wrap(agent, *PROGRAM, 200, "--exit", 5, **keys), **more)
    assert helper.wait() == 5


def test_a_program_that_fails_as_pid_1(agent: DevAgent, run_helper: Run) -> None:
    assert run_helper(command=wrap(agent, "no-such-program"), prefix=NAMESPACE).wait() == 127
    assert run_helper(command=wrap(agent, "sh", "-c", "kill -KILL $$"), prefix=NAMESPACE).wait() == 137


def test_processes_in_other_sessions_are_ended(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """They are not in the child's process group, and get SIGTERM after the child's end."""
    elsewhere = Recorder(workdir)
    keys = elsewhere.keys()
    words = [keys["cmd"], *keys["cmd_args"]]  # type: ignore[misc]
    helper = run_helper(command=wrap(agent, *PROGRAM, 3, "--elsewhere", *words), prefix=NAMESPACE)
    elsewhere.wait("started")
    wait_stdout(helper, "left")
    begin = time.monotonic()
    assert end(helper) == 3
    assert time.monotonic() - begin < 1.5 * SLOW, "nobody had to be waited for"
    assert [event["event"] for event in elsewhere.events()] == ["started", "SIGTERM"]
    assert lines_of(helper, "others_killed") == []
    assert helper.log[-1].msg == "Exiting"


def test_a_process_that_does_not_end_is_killed(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(command=wrap(agent, *PROGRAM, 3, "--deaf"), prefix=NAMESPACE)
    wait_stdout(helper, "left")
    (others,) = wait_until(
        lambda: [left for left in [children_of(init_of(helper))] if len(left) == 2], "the child and an orphan"
    )
    begin = time.monotonic()
    assert end(helper) == 3
    took = time.monotonic() - begin
    assert 2.0 <= took < 2.0 + 2 * SLOW
    for pid in others:
        wait_gone(pid)
    wait_event(helper, "others_killed")
    assert helper.log[-1].msg == "Exiting"


def test_the_end_of_the_child_ends_the_container(agent: DevAgent, run_helper: Run) -> None:
    command = wrap(agent, *PROGRAM, 3, "--exit", 4, "--elsewhere", "sleep", "36000")
    assert run_helper(command=command, prefix=NAMESPACE).wait() == 4


def test_as_pid_1_with_a_job(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys()), prefix=NAMESPACE)
    recorder.wait("started")
    for count in (1, 2, 3):
        rotate(agent, helper)
        recorder.wait("SIGUSR1", count)
    assert end(helper) == 0
    assert recorder.events()[-1]["event"] == "SIGTERM"


def test_as_pid_1_without_a_child(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(config(agent), prefix=NAMESPACE)
    helper.wait_log("X.509 certificates updated")
    begin = time.monotonic()
    assert end(helper, signal.SIGINT) == 0
    assert time.monotonic() - begin < 1.5 * SLOW


def test_as_pid_1_with_restarts(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """A child's end is not mistaken for an orphan's."""
    recorder = Recorder(workdir)
    keys = recorder.keys(on_rotate="restart", renew_signal=None, log_level="debug")
    helper = run_helper(command=wrap(agent, **keys), prefix=NAMESPACE)
    for count in range(1, 6):
        recorder.wait("started", count)
        rotate(agent, helper)
    recorder.wait("started", 6)
    assert end(helper) == 0
    said = [line.msg for line in lines_of(helper, "child_exited")]
    assert len(said) == 6
    assert all(re.search("exited with code 0", line) for line in said)
    assert reaped(helper) == 0


def test_subreaper(agent: DevAgent, run_helper: Run) -> None:
    """Without PID 1: we reap orphans, but do not end them."""
    words = [*PROGRAM, 50, "--elsewhere", "sleep", "36000"]
    helper = run_helper(command=wrap(agent, *words, log_level="debug", subreaper=True))
    wait_stdout(helper, "left")
    wait_until(lambda: reaped(helper) == 50, "all orphans to be reaped")
    child, orphan = helper.wait_children(2)
    try:
        assert helper.stop() == 3
        assert state_of(orphan) != "Z"
    finally:
        os.kill(orphan, signal.SIGKILL)
    wait_gone(child)


def test_no_subreaper(agent: DevAgent, run_helper: Run) -> None:
    """Orphans are not reparented to us by default."""
    helper = run_helper(command=wrap(agent, *PROGRAM, 50, log_level="debug"))
    wait_stdout(helper, "left")
    assert len(helper.children()) == 1
    assert helper.stop() == 3
    assert reaped(helper) == 0
