"""A child that is restarted: at a rotation, after its end, and until the helper gives up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from children import Recorder, digest, wait_gone
from devagent import DevAgent
from helper import Helper, Run, wait_until
from ports import free_port
from published import SVID, Published, agent_serial, config, lines_of, make_certs, rotate, wait_serial
from wrapping import wait_event, wait_stdout, wrap

LONELY = 61234  # a user that runs no other processes
NEXT = re.compile(r"again in (\d+)(ms|s)\b")


@pytest.fixture
def out(workdir: Path) -> Published:
    return make_certs(workdir)


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def starts(helper: Helper) -> int:
    return len(lines_of(helper, "child_started"))


# At a rotation.


# Holds a lock while it runs, and releases it 100 ms after SIGTERM; a shell starts at once.
ALONE = f"""
trap 'sleep 0.1; rmdir lock; exit 0' TERM
mkdir lock || echo "two at once" >> faults
sha256sum < certs/{SVID} >> starts
while :; do sleep 0.01; done
"""


@pytest.mark.parametrize("wraps", [False, True])
def test_never_two_at_once(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, wraps: bool
) -> None:
    """40 rotations in 600 ms, and a child that takes 100 ms to end."""
    keys: dict[str, object] = {"cmd": "sh", "cmd_args": ["-c", ALONE], "on_rotate": "restart"}
    more = {"command": wrap(agent, **keys)} if wraps else {"config": config(agent, **keys)}
    helper = run_helper(**more)
    helper.wait_file("starts")
    begin = time.monotonic()
    agent.burst(40, 40 / 0.6)
    agent.wait()
    wait_serial(helper, agent_serial(agent))
    last = digest(out.read(SVID))
    wait_until(lambda: last in (workdir / "starts").read_text().splitlines()[-1], "the last SVID to be used")
    # This child may have been started for an earlier rotation; then one more child follows.
    wait_until(lambda: starts(helper) == len(lines_of(helper, "child_exited")) + 1, "the last child")
    took = time.monotonic() - begin
    assert not (workdir / "faults").exists()
    # At most one in 100 ms, also if the rotations have taken longer than intended.
    assert 2 < starts(helper) < max(12, 3 + took / 0.1), "what came while it was being stopped is one"
    assert len(helper.children()) == 1
    assert helper.stop() == 0
    assert not (workdir / "lock").exists()


def test_the_lock_detects_two(agent: DevAgent, run_helper: Run, workdir: Path, out: Published) -> None:
    """Checks that the previous test can fail."""
    run_helper(command=wrap(agent, "sh", "-c", f"({ALONE}) & {ALONE}"))
    wait_until((workdir / "faults").exists, "two at once to be found")


def test_a_deaf_child_is_replaced(agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder) -> None:
    keys = recorder.keys("--deaf", "SIGTERM", on_rotate="restart", stop_timeout="200ms", renew_signal=None)
    helper = run_helper(command=wrap(agent, **keys))
    first = recorder.wait("started")["pid"]
    rotate(agent, helper)
    second = recorder.wait("started", 2)
    assert second["digest"] == digest(out.read(SVID))
    assert helper.children() == [second["pid"]]
    assert "killed by SIGKILL" in lines_of(helper, "child_exited")[0].msg
    assert lines_of(helper, "child_exited")[0].fields["pid"] == str(first)


def test_a_replacement_is_not_a_warning(agent: DevAgent, run_helper: Run, out: Published) -> None:
    """A program that does not handle SIGTERM would otherwise cause a warning at each rotation."""
    helper = run_helper(command=wrap(agent, "sleep", "36000", on_rotate="restart"))
    wait_event(helper, "child_started")
    rotate(agent, helper)
    line = wait_event(helper, "child_exited")
    assert "was killed by SIGTERM; it starts again now" in line.msg
    assert line.level == "info"


def test_on_rotate_none(agent: DevAgent, run_helper: Run, out: Published, recorder: Recorder) -> None:
    helper = run_helper(command=wrap(agent, **recorder.keys(on_rotate="none")))
    recorder.wait("started")
    for _ in range(3):
        rotate(agent, helper)
    assert helper.stop() == 0
    assert [event["event"] for event in recorder.events()] == ["started", "SIGTERM"]


# After its end.


@pytest.mark.parametrize(("policy", "code"), [("never", 0), ("never", 9), ("on-failure", 0)])
def test_its_end_ends_the_helper(
    agent: DevAgent, run_helper: Run, out: Published, policy: str, code: int
) -> None:
    helper = run_helper(command=wrap(agent, "sh", "-c", f"exit {code}", restart=policy))
    assert helper.wait() == code
    assert starts(helper) == 1


AGAIN = [("on-failure", "exit 9"), ("on-failure", "kill -KILL $$"), ("always", "exit 0")]


@pytest.mark.parametrize(("policy", "end"), AGAIN)
def test_it_starts_again(
    agent: DevAgent, run_helper: Run, out: Published, policy: str, end: str
) -> None:
    script = f"test -e again && echo ready && exec sleep 36000; touch again; {end}"
    helper = run_helper(command=wrap(agent, "sh", "-c", script, restart=policy))
    wait_stdout(helper)
    wait_until(lambda: starts(helper) == 2, "the log to say so")
    assert helper.stop() == 143


@pytest.mark.long
def test_a_crash_loop_ends_the_helper(agent: DevAgent, run_helper: Run, out: Published) -> None:
    helper = run_helper(command=wrap(agent, "sh", "-c", "exit 9", restart="on-failure"))
    # It waits 1 + 2 + 4 + 8 s, each up to a fifth longer.
    assert helper.wait(timeout=30) == 9
    said = [line.msg for line in lines_of(helper, "child_exited")]
    assert len(said) == starts(helper) == 5
    for wait, line in zip((1, 2, 4, 8), said, strict=False):
        found = NEXT.search(line)
        assert found, line
        # Truncated to whole seconds.
        seconds = int(found[1]) / (1000 if found[2] == "ms" else 1)
        assert int(0.8 * wait) <= seconds <= 1.2 * wait, line
    assert "giving up" in said[-1]


def test_stopped_while_it_waits_to_start(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path
) -> None:
    """A failed start counts like any failure."""
    helper = run_helper(command=wrap(agent, workdir / "missing", restart="always"))
    line = wait_event(helper, "child_start_failed")
    failed = time.monotonic()
    assert NEXT.search(line.msg)
    # A rotation does not start it early.
    rotate(agent, helper)
    assert helper.stop() == 127
    # The first wait is at least 800 ms, the second one 1600 ms.
    took = time.monotonic() - failed
    assert len(lines_of(helper, "child_start_failed")) == 1 or took > 0.7


# Without a process left to start it.


@pytest.mark.needs_root
@pytest.mark.parametrize("wraps", [False, True])
def test_no_process_left(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, wraps: bool
) -> None:
    """A problem of the machine and not of the program: retried with any policy, and never ends the helper."""
    for path in (workdir, out.directory):
        os.chown(path, LONELY, LONELY)
    agent.directory.chmod(0o755)
    agent.socket.chmod(0o666)
    keys: dict[str, object] = {"cmd": "sleep", "cmd_args": ["36000"], "on_rotate": "restart"}
    more = {"command": wrap(agent, **keys)} if wraps else {"config": config(agent, **keys)}
    as_them = ["setpriv", f"--reuid={LONELY}", f"--regid={LONELY}", "--clear-groups"]
    helper = run_helper(**more, prefix=as_them)
    wait_event(helper, "child_started")

    def limit(processes: str) -> None:
        subprocess.run([*as_them, "prlimit", f"--pid={helper.pid}", f"--nproc={processes}:"], check=True)

    limit("1")
    rotate(agent, helper)
    wait_until(lambda: len(lines_of(helper, "child_start_failed")) >= 2, "a second try")
    for line in lines_of(helper, "child_start_failed"):
        assert "resource temporarily unavailable; it is tried again in " in line.msg
        assert "pids.max" in line.fields["hint"]
    assert helper.running
    limit("1000")
    wait_until(lambda: starts(helper) == 2, "the child to be started again")
    assert helper.stop() == (143 if wraps else 0)


# In job mode.


@pytest.mark.parametrize(("policy", "end"), AGAIN)
def test_a_job_starts_again(
    agent: DevAgent, run_helper: Run, out: Published, policy: str, end: str
) -> None:
    """At once, and not only at the next rotation."""
    script = f"test -e again && echo ready && exec sleep 36000; touch again; {end}"
    helper = run_helper(config(agent, cmd="sh", cmd_args=["-c", script], restart=policy))
    wait_stdout(helper)
    assert NEXT.search(lines_of(helper, "child_exited")[0].msg)
    assert len(lines_of(helper, "svid_published")) == 1
    assert helper.stop() == 0


def test_a_job_that_ended_well_waits_for_the_next_rotation(
    agent: DevAgent, run_helper: Run, out: Published
) -> None:
    helper = run_helper(config(agent, cmd="true", restart="on-failure"))
    assert "at the next rotation" in wait_event(helper, "child_exited").msg
    rotate(agent, helper)
    wait_until(lambda: starts(helper) == 2, "the start of the rotation")


# Its leftovers: a server of two processes, where the worker keeps the port.

SERVER = """
import os, signal, socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
if os.fork() == 0:
    if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open("new", "w") as file: file.write(str(os.getpid()))
    os.rename("new", "worker")
    while True: time.sleep(3600)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("wraps", [False, True])
def test_a_worker_that_keeps_the_port_is_ended_first(
    agent: DevAgent, run_helper: Run, out: Published, workdir: Path, wraps: bool, deaf: bool
) -> None:
    keys: dict[str, object] = {"cmd": sys.executable, "restart": "always", "stop_timeout": "300ms"}
    keys["cmd_args"] = ["-c", SERVER, str(free_port()), "deaf" if deaf else "good"]
    helper = run_helper(**({"command": wrap(agent, **keys)} if wraps else {"config": config(agent, **keys)}))
    wait_stdout(helper)
    first = int(helper.wait_file("worker"))
    os.kill(int(wait_event(helper, "child_started").fields["pid"]), signal.SIGKILL)
    helper.wait_file("worker", other_than=str(first).encode())
    wait_gone(first)
    wait_until(lambda: starts(helper) >= 2, "the log to say so")
    assert starts(helper) == 2, "the first new start had the port"
    signals = [line.fields["signal"] for line in lines_of(helper, "group_ended")]
    assert signals == ["SIGTERM", "SIGKILL"] if deaf else ["SIGTERM"]
    # Also when the helper ends, after the master has gone.
    worker = int((workdir / "worker").read_text())
    os.kill(int(lines_of(helper, "child_started")[1].fields["pid"]), signal.SIGKILL)
    wait_until(lambda: len(lines_of(helper, "child_exited")) == 2, "its end")
    helper.stop()
    wait_gone(worker, timeout=0.1)


def test_a_daemon_stays(agent: DevAgent, run_helper: Run, out: Published, workdir: Path) -> None:
    script = "test -e pid || setsid sh -c 'echo $$ > pid; exec sleep 600' & until test -s pid; do sleep 0.01; done; exit 1"
    helper = run_helper(config(agent, cmd="sh", cmd_args=["-c", script]))
    wait_event(helper, "child_exited")
    daemon = int((workdir / "pid").read_text())
    try:
        rotate(agent, helper)
        wait_until(lambda: len(lines_of(helper, "child_exited")) == 2, "the second end")
        assert helper.stop() == 0
        os.kill(daemon, 0)
        assert lines_of(helper, "group_ended") == []
    finally:
        os.kill(daemon, signal.SIGKILL)
