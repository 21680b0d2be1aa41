"""renew_cmd: a command after each publication, one run at a time, without delaying anything."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from children import Recorder, wait_gone
from devagent import DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from published import (
    NAMES,
    SVID,
    agent_serial,
    config,
    lines_of,
    make_certs,
    rotate,
    wait_serial,
)
from reloading import wait_event
from tokens import JWT_BUNDLE, NO_X509, entry, wait_token


@dataclass
class Command:
    """A shell script that records its start, runs `script`, and records its end."""

    directory: Path

    def keys(self, script: str = "", **more: object) -> dict[str, object]:
        note = f"cd {self.directory}; note() {{ echo \"$1 $$ $SPIFFE_HELPER_CHANGED\" >> runs; }}; note begin"
        return {"renew_cmd": ["sh", "-c", f"{note}; {script or ':'}; note end", "sh"]} | more

    def notes(self, kind: str) -> list[str]:
        """The pids of runs that have started, or ended."""
        return [words[1] for words in self.lines() if words[0] == kind]

    def lines(self) -> list[list[str]]:
        file = self.directory / "runs"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def wait(self, kind: str, count: int = 1, timeout: float = 10.0) -> int:
        wait_until(lambda: len(self.notes(kind)) >= count, f"{kind} of run no. {count}", timeout)
        return int(self.notes(kind)[count - 1])


@pytest.fixture
def command(workdir: Path) -> Command:
    return Command(workdir)


def output(helper: Helper) -> list[str]:
    return [line.msg.removeprefix("renew_cmd: ") for line in lines_of(helper, "renew_cmd_output")]


def wait_failed(helper: Helper, since: int = 0, timeout: float = 10.0) -> LogLine:
    return wait_event(helper, "renew_cmd_failed", since, timeout)


# When it runs.


def test_after_each_publication(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **command.keys(f"cat certs/{SVID} > seen.new; mv seen.new seen")))
    for count in range(1, 4):
        command.wait("end", count)
        # The files are written first.
        assert (workdir / "seen").read_bytes() == out.read(SVID)
        rotate(agent, helper)
    command.wait("end", 4)
    # Not without a change.
    agent.resend()
    rotate(agent, helper)
    command.wait("end", 5)
    wait_until(lambda: len(lines_of(helper, "renew_cmd_succeeded")) == 5, "the end of the last run")
    assert len(command.notes("begin")) == 5
    assert helper.children() == []
    assert helper.stop() == 0


def test_once_for_a_burst(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    """Publications continue while it runs; one more run covers all of them, including the last."""
    out = make_certs(workdir)
    script = f"cat certs/{SVID} > seen; while [ -e hold ]; do sleep 0.01; done"
    (workdir / "hold").touch()
    helper = run_helper(config(agent, **command.keys(script)))
    command.wait("begin")
    agent.burst(200, 500)
    agent.wait()
    wait_serial(helper, agent_serial(agent))
    assert len(command.notes("begin")) == 1
    (workdir / "hold").unlink()
    command.wait("end", 2)
    assert (workdir / "seen").read_bytes() == out.read(SVID)
    wait_until(lambda: len(lines_of(helper, "renew_cmd_succeeded")) == 2, "the end of the last run")
    assert [words[0] for words in command.lines()] == ["begin", "end"] * 2


def test_it_never_overlaps(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **command.keys("sleep 0.03")))
    agent.burst(150, 150)
    agent.wait()
    # The helper has no child between two runs either: the last run is the one after the last publication.
    published = wait_serial(helper, agent_serial(agent))
    started = wait_event(helper, "renew_cmd_started", helper.log.index(published))
    wait_event(helper, "renew_cmd_succeeded", helper.log.index(started))
    notes = [words[:2] for words in command.lines()]
    assert len(notes) > 8
    assert [kind for kind, _ in notes] == ["begin", "end"] * (len(notes) // 2)
    assert all(begin == end for (_, begin), (_, end) in zip(notes[::2], notes[1::2], strict=True))


def test_it_delays_neither_files_nor_signals(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys() | command.keys("sleep 36000", renew_cmd_at_start=True)
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    run = command.wait("begin")
    for count in range(1, 4):
        out.check(rotate(agent, helper))
        recorder.wait("SIGUSR1", count)
    assert command.notes("begin") == [str(run)]
    assert helper.stop() == 0


def test_debounced(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **command.keys(renew_debounce="300ms")))
    command.wait("end")
    begin = time.monotonic()
    for _ in range(5):
        rotate(agent, helper)
    published = wait_serial(helper, agent_serial(agent))
    # At most one in 300 ms, also if the rotations have taken longer than intended.
    most = 2 + int((time.monotonic() - begin) / 0.3)
    started = wait_event(helper, "renew_cmd_started", helper.log.index(published))
    wait_event(helper, "renew_cmd_succeeded", helper.log.index(started))
    assert 2 <= len(command.notes("begin")) <= most


# Its input.


def test_its_environment(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    env = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "MINE": "kept"}
    env["SPIFFE_HELPER_CHANGED"] = "not this"
    script = "import json, os; json.dump(dict(os.environ), open('env.new', 'w')); os.rename('env.new', 'env')"
    helper = run_helper(config(agent, renew_cmd=["python3", "-c", script]), env=env)
    seen = json.loads(helper.wait_file("env"))
    assert seen["SPIFFE_HELPER_CHANGED"] == "x509"
    assert seen["SPIFFE_HELPER_CERT_DIR"] == str(workdir.resolve() / "certs")
    assert seen["SPIFFE_ENDPOINT_SOCKET"] == f"unix://{agent.socket}"
    assert seen["MINE"] == "kept"
    assert not [name for name in seen if name.startswith(("NOTIFY_", "WATCHDOG_"))]


def test_the_list_of_changes(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    make_certs(workdir)
    text = config(
        agent,
        jwt_svids=[entry("web")],
        jwt_bundle_file_name=JWT_BUNDLE,
        notify_on=["x509", "jwt", "bundle"],
        **command.keys(),
    )
    helper = run_helper(text)
    command.wait("end")
    # The first time, once all of them exist.
    assert {*command.lines()[0][2].split(",")} == {"x509", "jwt", "bundle"}
    rotate(agent, helper)
    command.wait("end", 2)
    assert command.lines()[2][2] == "x509"
    agent.rotate_jwt()
    command.wait("end", 3)
    assert command.lines()[-1][2] in ("bundle", "jwt,bundle")


def test_only_what_notify_on_names(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    text = config(agent, jwt_svids=[entry("web")], notify_on=["jwt"], **command.keys())
    helper = run_helper(text)
    command.wait("end")
    rotate(agent, helper)
    rotate(agent, helper)
    wait_until(lambda: helper.children() == [], "no run")
    assert [words[2] for words in command.lines()] == ["jwt", "jwt"]


def test_its_output_goes_to_the_log(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    script = r"""
echo plain; echo error >&2; printf 'escape \033[31m \007 and \\ and "\n'
printf 'bad \377 utf-8\n'; printf '%0300d\n' 0; printf 'without an end'
"""
    helper = run_helper(config(agent, renew_cmd=["sh", "-c", script]))
    wait_event(helper, "renew_cmd_succeeded")
    lines = output(helper)
    assert lines[:2] == ["plain", "error"]
    assert lines[4] == "0" * 200 + "…"
    assert lines[5] == "without an end"
    assert len(lines) == 6
    raw = (workdir / "helper.log").read_bytes()
    assert b"\x1b" not in raw and b"\x07" not in raw and b"\xff" not in raw
    assert helper.stdout() == ""


def test_a_flood_of_output_is_limited(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, renew_cmd=["sh", "-c", "seq 1 200000"]))
    wait_event(helper, "renew_cmd_succeeded")
    left = wait_event(helper, "renew_cmd_output_left_out")
    lines = output(helper)
    assert lines[0] == "1"
    assert 1 < len(lines) <= 100
    assert str(200000 - len(lines)) in left.msg


def test_its_stdin_is_empty_and_no_descriptor_leaks(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, renew_cmd=["sh", "-c", "read line; echo read $?; ls -m /proc/$$/fd"]))
    wait_event(helper, "renew_cmd_succeeded")
    assert output(helper) == ["read 1", "0, 1, 2"]


def test_a_string_is_split_as_cmd_args_are(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, renew_cmd='echo "two words"  $HOME *'))
    wait_event(helper, "renew_cmd_succeeded")
    # No shell; between two spaces there is an empty word.
    assert output(helper) == ["two words  $HOME *"]


# Failures.


def test_retried_until_it_succeeds(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    script = "[ $(grep -c begin runs) -ge 3 ] || exit 3"
    helper = run_helper(config(agent, **command.keys(script, log_level="debug")))
    begin = time.monotonic()
    first = wait_failed(helper)
    assert first.level == "error"
    assert "exited with code 3" in first.msg
    assert first.fields["exit_code"] == "3"
    command.wait("end")
    # After 1 s and 2 s more.
    assert time.monotonic() - begin > 2.5
    failed = lines_of(helper, "renew_cmd_failed", loud=False)
    assert [line.fields["retry_in"] for line in failed] == ["1s", "2s"]
    assert [line.level for line in failed] == ["error", "debug"], "the same once more"
    assert len(command.notes("begin")) == 3
    assert {words[2] for words in command.lines()} == {"x509"}
    wait_event(helper, "renew_cmd_succeeded")
    assert helper.children() == []


def test_a_newer_rotation_does_not_wait_for_the_retry(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **command.keys("exit 1", log_level="debug")))
    wait_failed(helper)
    for _ in range(4):
        mark = helper.mark()
        published = wait_serial(helper, rotate(agent, helper))
        started = wait_event(helper, "renew_cmd_started", helper.log.index(published, mark))
        failed = wait_failed(helper, helper.log.index(started, mark))
        # The back-off restarts with each rotation: a second retry would wait longer.
        assert failed.fields["retry_in"] == "1s"


def test_changes_of_a_failed_run_are_repeated(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    keys = command.keys("[ -e good ] || exit 3")
    helper = run_helper(config(agent, jwt_svids=[entry("web")], notify_on=["x509", "jwt"], **keys))
    wait_failed(helper)
    rotate(agent, helper)
    (workdir / "good").touch()
    wait_event(helper, "renew_cmd_succeeded")
    assert {*command.lines()[-1][2].split(",")} == {"x509", "jwt"}


@pytest.mark.parametrize("program", ["no-such-program", "{workdir}/no-program"])
def test_a_command_that_cannot_be_started(agent: DevAgent, run_helper: Run, workdir: Path, program: str) -> None:
    out = make_certs(workdir)
    (workdir / "no-program").write_text("")
    path = program.format(workdir=workdir)
    helper = run_helper(config(agent, renew_cmd=[path]))
    failed = wait_failed(helper)
    assert "cannot be started" in failed.msg
    assert path in failed.msg
    out.check(rotate(agent, helper))
    assert helper.children() == []


@pytest.mark.parametrize("deaf", [False, True])
def test_killed_at_its_limit_with_its_group(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command, deaf: bool
) -> None:
    out = make_certs(workdir)
    trap = "trap '' TERM; " if deaf else ""
    script = f"{trap}sleep 36000 & echo $! > new; mv new other; sleep 36000"
    helper = run_helper(config(agent, **command.keys(script, renew_cmd_timeout="300ms")))
    run = command.wait("begin")
    other = int(helper.wait_file("other", other_than=b""))
    failed = wait_failed(helper)
    assert "took longer than 300ms" in failed.msg
    assert failed.fields["signal"] == ("SIGKILL" if deaf else "SIGTERM")
    wait_gone(run)
    wait_gone(other)
    # It does not wait for another rotation.
    command.wait("begin", 2)
    out.check(rotate(agent, helper))
    assert helper.stop() == 0


def test_processes_that_it_leaves_behind_keep_running(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    """A daemon that it starts is left alone, and does not block the helper."""
    make_certs(workdir)
    script = "sleep 36000 & echo $! > other"
    helper = run_helper(config(agent, **command.keys(script)))
    wait_event(helper, "renew_cmd_succeeded")
    other = int((workdir / "other").read_text())
    try:
        rotate(agent, helper)
        command.wait("end", 2)
        assert Path(f"/proc/{other}").exists()
    finally:
        for pid in {other, int((workdir / "other").read_text())}:
            os.kill(pid, signal.SIGKILL)


# With and without other consumers, and at the end.


def test_after_the_child_and_the_pid_file(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys() | command.keys() | {"pid_file_name": "none.pid", "log_level": "debug"}
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    # Then it is not a retry for the first publication.
    (workdir / "none.pid").write_text(str(helper.children()[0]))
    helper.wait_log("PID file signalled")
    assert command.notes("begin") == [], "the program has just read the files"
    mark = helper.mark()
    agent.rotate()
    recorder.wait("SIGUSR1")
    command.wait("end")
    order = ["child signalled", "PID file signalled", "renew_cmd started"]
    wait_event(helper, "renew_cmd_succeeded", mark)
    assert [line.msg for line in helper.log[mark:] if line.msg in order] == order


def test_at_the_start_of_the_child_too(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys(), **command.keys(renew_cmd_at_start=True)))
    wait_event(helper, "renew_cmd_succeeded")
    order = ["child started", "renew_cmd started"]
    assert [line.msg for line in helper.log if line.msg in order] == order
    assert helper.stop() == 0


def test_files_without_x509(agent: DevAgent, run_helper: Run, workdir: Path, command: Command) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **NO_X509, jwt_svids=[entry("web")], **command.keys()))
    wait_token(helper, "web")
    command.wait("end")
    assert command.lines()[0][2] == "jwt"


@pytest.mark.parametrize("deaf", [False, True])
def test_it_is_ended_with_the_helper(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command, deaf: bool
) -> None:
    make_certs(workdir)
    trap = "trap '' TERM; " if deaf else ""
    helper = run_helper(config(agent, **command.keys(f"{trap}sleep 36000")))
    run = command.wait("begin")
    (inner,) = wait_until(lambda: Path(f"/proc/{run}/task/{run}/children").read_text().split(), "sleep")
    begin = time.monotonic()
    assert helper.stop() == 0
    took = time.monotonic() - begin
    assert took < (4 if deaf else 1) * SLOW
    wait_gone(run, timeout=0)
    wait_gone(int(inner), timeout=0)
    assert helper.log[-1].msg == "Exiting"


def test_a_second_sigterm_kills_it(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **command.keys("trap 'echo told' TERM; while :; do sleep 0.1; done")))
    run = command.wait("begin")
    wait_until(lambda: Path(f"/proc/{run}/task/{run}/children").read_text().split(), "its trap")
    helper.send(signal.SIGTERM)
    helper.wait_log("renew_cmd: told")
    begin = time.monotonic()
    assert helper.stop() == 0
    assert time.monotonic() - begin < 1 * SLOW
    wait_gone(run, timeout=0)


def test_it_ends_with_a_helper_that_is_killed(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **command.keys("exec sleep 36000")))
    run = command.wait("begin")
    helper.kill()
    wait_gone(run)


# One-shot.


def one_shot(agent: DevAgent, **keys: object) -> str:
    return config(agent, daemon_mode=False, **keys)


@pytest.mark.parametrize("once", [False, True])
def test_one_shot(agent: DevAgent, run_helper: Run, workdir: Path, command: Command, once: bool) -> None:
    out = make_certs(workdir)
    helper = run_helper(one_shot(agent, **command.keys("ls certs > seen"), renew_cmd_once=once))
    assert helper.wait() == 0
    out.check()
    assert len(command.notes("end")) == int(once)
    if once:
        assert {*NAMES} <= {*(workdir / "seen").read_text().split()}


@pytest.mark.parametrize(("script", "words"), [("exit 7", "exited with code 7"), ("kill -9 $$", "SIGKILL")])
def test_one_shot_that_fails(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command, script: str, words: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(one_shot(agent, **command.keys(script), renew_cmd_once=True))
    assert helper.wait() == 1
    assert words in lines_of(helper, "renew_cmd_failed")[0].msg
    out.check()
    assert len(command.notes("begin")) == 1, "no retry"


def test_one_shot_that_takes_too_long(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    keys = command.keys("sleep 36000", renew_cmd_once=True, renew_cmd_timeout="200ms")
    helper = run_helper(one_shot(agent, **keys))
    run = command.wait("begin")
    assert helper.wait() == 1
    wait_gone(run, timeout=0)


def test_one_shot_that_is_interrupted(
    agent: DevAgent, run_helper: Run, workdir: Path, command: Command
) -> None:
    make_certs(workdir)
    helper = run_helper(one_shot(agent, **command.keys("sleep 36000"), renew_cmd_once=True))
    run = command.wait("begin")
    assert helper.stop() == 1
    wait_gone(run, timeout=0)
