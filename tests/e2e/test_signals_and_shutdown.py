"""How the helper ends, with and without a child, and the signals that do not end it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from children import Recorder, wait_gone
from devagent import AgentRun, DevAgent
from helper import SANITIZERS, SLOW, Helper, Run, wait_until
from published import agent_serial, config, lines_of, make_certs, rotate, wait_published


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def timed_stop(helper: Helper, number: signal.Signals = signal.SIGTERM) -> float:
    """Stops it, which must return exit code 0; returns the seconds that this took."""
    begin = time.monotonic()
    assert helper.stop(number) == 0
    return (time.monotonic() - begin) / SLOW


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("when", ["published", "denied", "no agent", "at once"])
def test_stopped_without_a_child(
    run_agent: AgentRun, run_helper: Run, workdir: Path, number: signal.Signals, when: str
) -> None:
    make_certs(workdir)
    agent = run_agent(*(["-fault", "deny"] if when == "denied" else []))
    if when == "no agent":
        agent.stop()
    helper = run_helper(config(agent))
    waited_for = {
        "published": "X.509 certificates updated",
        "denied": "PermissionDenied",
        "no agent": "cannot reach the agent",
        "at once": "Launching daemon",
    }
    helper.wait_log(waited_for[when])
    assert timed_stop(helper, number) < 2
    assert helper.log[-1].msg == "Exiting"


def test_stopped_before_its_first_log_line(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent))
    # Signals are blocked from the first line of main(); before that, the default action may still apply.
    status = helper.stop()
    assert status == 0 or (status == -signal.SIGTERM and helper.log == [])


def test_files_stay_on_disk(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    serial = wait_published(helper)
    timed_stop(helper)
    out.check(serial)


def test_stopped_with_a_child(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    assert timed_stop(helper) < 1
    wait_gone(child, timeout=0)
    assert [event["event"] for event in recorder.events()] == ["started", "SIGTERM"]
    assert helper.log[-1].msg == "Exiting"
    assert "exited with code 0" in lines_of(helper, "child_exited")[0].raw


def test_another_stop_signal(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    keys = recorder.keys(signals="SIGUSR1,SIGQUIT", stop_signal="SIGQUIT", stop_timeout="300ms")
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    assert timed_stop(helper) < 2
    assert [event["event"] for event in recorder.events()] == ["started", "SIGQUIT"]
    assert "killed by SIGKILL" in lines_of(helper, "child_exited")[0].raw


def test_a_deaf_child_is_killed(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys("--deaf", "SIGTERM", stop_timeout="500ms")))
    child = recorder.wait("started")["pid"]
    took = timed_stop(helper)
    assert 0.5 <= took * SLOW
    assert took < 2
    wait_gone(child, timeout=0)
    assert "killed by SIGKILL" in lines_of(helper, "child_exited")[0].raw


def test_a_second_sigterm_kills_the_child(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys("--deaf", "SIGTERM", stop_timeout="60s")))
    child = recorder.wait("started")["pid"]
    helper.send(signal.SIGTERM)
    recorder.wait("SIGTERM")
    assert helper.running
    assert timed_stop(helper) < 2
    wait_gone(child, timeout=0)


def test_a_stopped_child_is_woken_to_end(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys(stop_timeout="60s")))
    child = recorder.wait("started")["pid"]
    os.kill(child, signal.SIGSTOP)
    state = Path(f"/proc/{child}/stat")
    wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the child to stop")
    assert timed_stop(helper) < 2
    assert [event["event"] for event in recorder.events()] == ["started", "SIGTERM"]
    assert lines_of(helper, "child_exited"), "a child that is merely stopped has not exited"


def test_the_child_ends_with_a_helper_that_is_killed(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    # Threads of the helper that start and end must not end it.
    for _ in range(3):
        rotate(agent, helper)
    agent.drop()
    helper.wait_log(lambda line: line.fields.get("event") == "stream_restored")
    assert helper.children() == [child]
    helper.kill()
    wait_gone(child)
    assert recorder.events()[-1]["event"] == "SIGTERM"


def test_a_renewal_signal_is_sent_only_to_the_child(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """It is not sent to the child's group. Processes that the child leaves in its group are ended after it."""
    make_certs(workdir)
    grandchild, parent = Recorder(workdir / "grand"), Recorder(workdir)
    grandchild.file.parent.mkdir()
    words = grandchild.keys()["cmd_args"]
    own = parent.keys()
    assert isinstance(words, list)
    assert isinstance(own["cmd_args"], list)
    script = '"$0" "$@" & exec ' + " ".join([str(own["cmd"]), *own["cmd_args"]])
    helper = run_helper(
        config(agent, cmd="sh", cmd_args=["-c", script, own["cmd"], *words], renew_signal="SIGUSR1")
    )
    pid = grandchild.wait("started")["pid"]
    parent.wait("started")
    try:
        rotate(agent, helper)
        parent.wait("SIGUSR1")
        assert [event["event"] for event in grandchild.events()] == ["started"]
        assert timed_stop(helper) < 2
        assert parent.events()[-1]["event"] == "SIGTERM"
        assert [event["event"] for event in grandchild.events()] == ["started", "SIGTERM"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_signals_that_do_not_end_it(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGALRM, signal.SIGWINCH):
        helper.send(number)
    out.check(rotate(agent, helper))
    assert timed_stop(helper) < 2


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_descriptors(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, closed: str
) -> None:
    """Closed standard descriptors: no file or socket may take their place, since a log line would go into it."""
    out = make_certs(workdir)
    keys = config(agent, log_level="debug", **recorder.keys())
    helper = run_helper(keys, prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    started = recorder.wait("started")
    for count in (1, 2, 3):
        agent.rotate()
        recorder.wait("SIGUSR1", count)
        out.check(agent_serial(agent))
    allowed = {"/dev/null", *started["descriptors"].values()}
    if "libgrpc" in Path(f"/proc/{helper.pid}/maps").read_text():
        # A sanitizer's build loads libraries, and one of them opens an eventfd before main().
        allowed.add("anon_inode:[eventfd]")
    for number in "012":
        assert os.readlink(f"/proc/{helper.pid}/fd/{number}") in allowed
    assert helper.stop() == 0


def test_without_any_environment(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    sanitizers = [f"{name}={value}" for name, value in SANITIZERS.items()]
    prefix = ["env", "-i", *sanitizers]
    helper = run_helper(config(agent, cmd="sleep", cmd_args="36000"), prefix=prefix)
    out.check(wait_published(helper))
    helper.wait_children(1)
    assert timed_stop(helper) < 2


def test_a_closed_log_pipe(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """A closed pipe as stderr, as after `| head`, does not end it."""
    out = make_certs(workdir)
    script = 'exec 2> >(true); wait $!; exec "$@"'
    run_helper(config(agent, log_level="debug"), prefix=["bash", "-c", script, "bash"])
    first = wait_until(lambda: (out.directory / "svid.pem").exists() and out.read("svid.pem"), "files")
    agent.rotate()
    wait_until(lambda: out.read("svid.pem") != first, "the next files")
    out.check()
