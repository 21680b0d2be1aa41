"""A wrapped program: its exit code is the helper's, and how both end. Configured only by flags, without a file."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from children import RECORDER, Recorder, digest, wait_gone
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, Run, wait_until
from published import SVID, config, lines_of, make_certs, rotate
from wrapping import DEAF, OBEDIENT, wait_event, wait_stdout, wrap


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


# The effect of the program's end on the helper.

ENDS = {
    "nothing wrong": ("exit 0", 0),
    "a code": ("exit 7", 7),
    "the highest code": ("exit 255", 255),
    "killed": ("kill -KILL $$", 137),
    "asked to end by itself": ("kill -TERM $$", 143),
    "a fault": ("ulimit -c 0; kill -SEGV $$", 139),
    "the files are there": (f"test -s certs/{SVID} && exit 9", 9),
}


@pytest.mark.parametrize("how", ENDS)
def test_its_exit_code_is_ours(agent: DevAgent, run_helper: Run, workdir: Path, how: str) -> None:
    make_certs(workdir)
    script, code = ENDS[how]
    helper = run_helper(command=wrap(agent, "sh", "-c", script))
    assert helper.wait() == code
    (line,) = lines_of(helper, "child_exited")
    assert "again" not in line.msg, "restart is never unless configured"
    assert helper.log[-1].msg == "Exiting"


def test_wrap_mode_from_a_file(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, cmd_mode="wrap", cmd="sh", cmd_args=["-c", "exit 7"]))
    assert helper.wait() == 7


def test_wrap_mode_on_the_command_line_overrides_the_file(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    words = ["--", "sh", "-c", 'exit "$#"', "sh", "a b", ""]
    helper = run_helper(config(agent, cmd="sleep", cmd_args="36000"), *words)
    assert helper.wait() == 2, "no word of it is split or dropped"


def unfit(workdir: Path, kind: str) -> str:
    program = workdir / "program"
    if kind == "a directory":
        program.mkdir()
    elif kind != "no such path":
        text = "#!/no/such/interpreter\n" if kind == "no interpreter" else "neither ELF nor a script\n"
        program.write_text(text)
        program.chmod(0o644 if kind == "no permission" else 0o755)
    return str(program)


UNFIT = {
    "no such path": (127, "no such file"),
    "no permission": (126, "permission denied"),
    "a directory": (126, "is a directory"),
    "no interpreter": (126, "no such file"),
    "no program": (126, "exec format error"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_program_that_cannot_be_executed(agent: DevAgent, run_helper: Run, workdir: Path, kind: str) -> None:
    make_certs(workdir)
    code, words = UNFIT[kind]
    program = unfit(workdir, kind)
    helper = run_helper(command=wrap(agent, program))
    assert helper.wait() == code
    (line,) = lines_of(helper, "child_start_failed")
    assert program in line.msg
    assert words in line.msg


@pytest.mark.parametrize("there", [False, True])
def test_a_program_that_is_not_in_the_path(agent: DevAgent, run_helper: Run, workdir: Path, there: bool) -> None:
    make_certs(workdir)
    if there:
        (workdir / "some-program").write_text("#!/bin/sh\n")  # but not executable
    helper = run_helper(command=wrap(agent, "some-program"), env={"PATH": f"/nowhere:{workdir}"})
    assert helper.wait() == (126 if there else 127)
    (line,) = lines_of(helper, "child_start_failed")
    assert "some-program" in line.msg
    assert there or "/nowhere" in line.msg, "the path that was searched"


# How both are ended.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_exit_code_after_sigterm(
    agent: DevAgent, run_helper: Run, workdir: Path, number: signal.Signals
) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, "sh", "-c", OBEDIENT))
    wait_stdout(helper)
    assert helper.stop(number) == 3


def test_it_takes_the_stop_signal(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    keys = recorder.keys(signals="SIGUSR1,SIGQUIT", stop_signal="SIGQUIT", stop_timeout="300ms")
    helper = run_helper(command=wrap(agent, **keys))
    recorder.wait("started")
    assert helper.stop() == 137
    assert [event["event"] for event in recorder.events()] == ["started", "SIGQUIT"]


def test_it_has_no_handler(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, "sleep", "36000"))
    wait_event(helper, "child_started")
    assert helper.stop() == 143


def test_a_deaf_program_is_killed_with_its_group(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, "sh", "-c", DEAF, stop_timeout="1s"))
    grandchild = int(wait_stdout(helper)[0])
    assert os.getpgid(grandchild) == helper.children()[0] != os.getpgid(helper.pid)
    begin = time.monotonic()
    assert helper.stop() == 137
    assert 1.0 <= time.monotonic() - begin < 1.0 + 2 * SLOW
    wait_gone(grandchild)
    assert "killed by SIGKILL" in lines_of(helper, "child_exited")[0].msg


def test_a_program_that_left_its_group_is_ended_too(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """Another process may have stayed behind in the group."""
    make_certs(workdir)
    script = (
        "import os, signal, subprocess\n"
        "other = subprocess.Popen(['sleep', '36000'])\n"
        "os.setpgid(0, os.getpgid(os.getppid()))\n"
        "print(other.pid, 'ready', sep='\\n', flush=True)\n"
        "while True: signal.pause()\n"
    )
    helper = run_helper(command=wrap(agent, sys.executable, "-c", script))
    other = int(wait_stdout(helper)[0])
    assert helper.stop() == 143
    wait_gone(other)


def test_a_second_signal_kills(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, "sh", "-c", DEAF, stop_timeout="1h"))
    grandchild = int(wait_stdout(helper)[0])
    helper.send(signal.SIGINT)
    helper.wait_log("stopping the child")
    assert helper.stop() == 137
    wait_gone(grandchild)


def test_the_whole_group_gets_the_signal(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """The program's children end with it, as after ^C."""
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, "sh", "-c", "sleep 36000 & echo $!; echo ready; wait"))
    grandchild = int(wait_stdout(helper)[0])
    assert helper.stop() == 143
    wait_gone(grandchild)


def test_it_ends_with_a_helper_that_is_killed(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    helper.kill()
    wait_gone(child)
    # The signal may be sent once more for each thread of the helper that ends.
    assert [event["event"] for event in recorder.events()][:3] == ["started", "SIGUSR1", "SIGTERM"]


# Before there is a program to end.


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("why", ["denied", "no agent"])
def test_interrupted_before_the_start(
    run_agent: AgentRun, run_helper: Run, workdir: Path, number: signal.Signals, code: int, why: str
) -> None:
    make_certs(workdir)
    agent = run_agent("-fault", "deny")
    if why == "no agent":
        agent.stop()
    helper = run_helper(command=wrap(agent, "true", stop_timeout="1h"))
    helper.wait_log("PermissionDenied" if why == "denied" else "cannot reach the agent")
    # Of all waits, only that of stop_timeout could matter here, and it is an hour.
    assert helper.stop(number) == code
    assert lines_of(helper, "child_started") == []
    assert helper.log[-1].msg == "Exiting"


def test_start_timeout(run_agent: AgentRun, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(command=wrap(run_agent("-fault", "deny"), "true", start_timeout="300ms"))
    assert helper.wait() == 1
    assert "start_timeout" in lines_of(helper, "start_timed_out")[0].msg
    assert lines_of(helper, "child_started") == []


def test_start_timeout_ends_with_the_start(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    make_certs(workdir)
    limit = 2 * SLOW
    helper = run_helper(command=wrap(agent, **recorder.keys(start_timeout=f"{limit:g}s")))
    begin = time.monotonic()
    recorder.wait("started")
    wait_until(lambda: time.monotonic() > begin + limit + 0.2, "start_timeout to be over")
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    assert helper.stop() == 0


# The program's environment.


@pytest.mark.agent("-federated", "1")
def test_nothing_leaks_into_it(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder
) -> None:
    """With all options that hold descriptors: its state is as without a helper, except for its process group."""
    make_certs(workdir)
    alone = Recorder(workdir / "alone")
    alone.file.parent.mkdir()
    words = [sys.executable, str(RECORDER), str(alone.file), "--exit", "0"]
    env = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1", "MINE": "kept"}
    with Helper(alone.file.parent, prefix=["sh", "-c", 'exec "$0" "$@"', *words], env=env) as bare:
        assert bare.wait() == 0
    expected = alone.wait("started")
    keys = recorder.keys(
        cmd_mode="wrap",
        jwt_svids=[{"jwt_audience": "a", "jwt_svid_file_name": "token"}],
        jwt_bundle_file_name="keys.json",
        health_checks={"listener_enabled": True, "unix_socket": str(workdir / "health.sock")},
        renew_cmd=["true"],
        include_federated_domains=True,
    )
    helper = run_helper(config(agent, **keys), env=env)
    started = recorder.wait("started")
    rotate(agent, helper)
    assert recorder.wait("SIGUSR1")["digest"] == digest((workdir / "certs" / SVID).read_bytes())
    assert sorted(started["descriptors"]) == sorted(expected["descriptors"]) == ["0", "1", "2"]
    assert started["signals"] == expected["signals"]
    assert started["core"] == expected["core"]
    assert started["coredump_filter"] == expected["coredump_filter"]
    assert started["group"] == started["pid"]
    assert started["parent"] == helper.pid
    environment = {**expected["environment"], "SPIFFE_ENDPOINT_SOCKET": agent.endpoint}
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        del environment[name]
    for changed_by_shells in ("_", "SHLVL", "PWD", "OLDPWD"):
        environment.pop(changed_by_shells, None)
        started["environment"].pop(changed_by_shells, None)
    assert started["environment"] == environment
    assert helper.stop() == 0


def test_ignored_signals_stay_ignored(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """As nohup requires, and systemd for SIGPIPE."""
    make_certs(workdir)
    prefix = ["sh", "-c", 'trap "" HUP USR2 PIPE; exec "$@"', "sh"]
    helper = run_helper(command=wrap(agent, "grep", "SigIgn", "/proc/self/status"), prefix=prefix)
    assert helper.wait() == 0
    ignored = int(helper.stdout().split()[1], 16)
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE):
        assert ignored >> (number - 1) & 1
    assert not ignored >> (signal.SIGCHLD - 1) & 1
