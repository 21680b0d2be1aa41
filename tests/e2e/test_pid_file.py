"""pid_file_name: a process other than our child is notified of each rotation, and no other process is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import RECORDER, Recorder, digest
from devagent import DevAgent
from helper import SLOW, Helper, LogLine, Run, wait_until
from published import SVID, agent_serial, config, make_certs, rotate, wait_published, wait_serial

NOBODY = 65534


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


@pytest.fixture
def start(workdir: Path) -> Iterator[Callable[..., int]]:
    """Starts a program, which ends with the test; returns its pid."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str | Path) -> int:
        started.append(subprocess.Popen([str(word) for word in words], cwd=workdir))
        return started[-1].pid

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def target(recorder: Recorder, start: Callable[..., int]) -> int:
    """A recorder that is not the helper's child, but the test's."""
    pid = start(sys.executable, RECORDER, recorder.file, "--signals", "SIGUSR1", "--file", f"certs/{SVID}")
    recorder.wait("started")
    return pid


def keys(**more: object) -> dict[str, object]:
    return {"pid_file_name": "it.pid", "renew_signal": "SIGUSR1"} | more


def write(workdir: Path, text: object) -> Path:
    file = workdir / "it.pid"
    file.write_text(str(text))
    return file


def is_about(words: str, level: str = "") -> Callable[[LogLine], bool]:
    return lambda line: (
        "PID file" in line.msg
        and level in ("", line.level)
        and re.search(words, line.fields.get("error", "")) is not None
    )


def signalled(helper: Helper) -> list[LogLine]:
    return [line for line in helper.log if line.msg == "PID file signalled"]


def alive(pid: int) -> bool:
    """Whether it is running; a zombie is not."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


# The right process.


# The format of PostgreSQL 15.
POSTMASTER = """\
{}
/var/lib/postgresql/15/main
1731945600
5432
/var/run/postgresql
localhost
  5432001    131072
ready   
"""


@pytest.mark.parametrize("form", ["{}", "{}\n", "  {}\r\n", "+{}", POSTMASTER])
def test_signalled_at_each_rotation(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int, form: str
) -> None:
    out = make_certs(workdir)
    write(workdir, form.format(target))
    helper = run_helper(config(agent, **keys()))
    for count in range(1, 6):
        told = recorder.wait("SIGUSR1", count)
        # The files are written first.
        assert told["digest"] == digest(out.read(SVID))
        rotate(agent, helper)
    recorder.wait("SIGUSR1", 6)
    assert [event["event"] for event in recorder.events()] == ["started"] + ["SIGUSR1"] * 6
    wait_until(lambda: len(signalled(helper)) == 6, "the last line")
    assert {line.fields["pid"] for line in signalled(helper)} == {str(target)}
    assert helper.stop() == 0
    assert alive(target)


def test_the_last_rotation_of_a_flood_is_notified(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int
) -> None:
    out = make_certs(workdir)
    write(workdir, target)
    helper = run_helper(config(agent, **keys()))
    agent.burst(200, 400)
    agent.wait()
    wait_serial(helper, agent_serial(agent))
    last = digest(out.read(SVID))
    wait_until(lambda: recorder.events()[-1]["digest"] == last, "the signal after the last publication")
    assert not [line for line in helper.log if line.level in ("warning", "error")]


def test_together_with_a_child(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int
) -> None:
    make_certs(workdir)
    (workdir / "child").mkdir()
    child = Recorder(workdir / "child")
    write(workdir, target)
    helper = run_helper(config(agent, **keys() | child.keys()))
    child.wait("started")
    for count in range(1, 4):
        rotate(agent, helper)
        child.wait("SIGUSR1", count)
        recorder.wait("SIGUSR1", count + 1)
    # The child is restarted after its end, and the other process is notified as before.
    os.kill(child.events()[0]["pid"], signal.SIGKILL)
    wait_until(lambda: helper.children() == [], "the end of the child")
    rotate(agent, helper)
    child.wait("started", 2)
    recorder.wait("SIGUSR1", 5)
    assert helper.stop() == 0
    assert alive(target)


def test_a_pid_that_changes(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int, start: Callable[..., int]
) -> None:
    """A restarted program writes its file again; then only the new process is notified."""
    make_certs(workdir)
    write(workdir, target)
    helper = run_helper(config(agent, **keys()))
    recorder.wait("SIGUSR1")
    second = start(sys.executable, RECORDER, recorder.file, "--signals", "SIGUSR1")
    recorder.wait("started", 2)
    write(workdir, second)
    rotate(agent, helper)
    assert recorder.wait("SIGUSR1", 2)["pid"] == second
    assert alive(target)


# Wrong processes.

REFUSED = {
    "0": ("0", "not the number of a process"),
    "-1": ("-1", "not the number of a process"),
    "of a group": ("-{target}", "not the number of a process"),
    "too large": ("99999999999999999999", "not the number of a process"),
    "rubbish": ("abc\\x1b[31m", "is not a number"),
    "more than a number": ("{target} or so", "is not a number"),
    "hexadecimal": ("0x10", "is not a number"),
    "empty": ("", "is empty"),
    "the helper": ("{helper}", "is the helper itself"),
    "nobody": ("{nobody}", "no such process|has ended"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("check", [True, False])
def test_an_invalid_pid(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int, kind: str, check: bool
) -> None:
    make_certs(workdir)
    ended = subprocess.Popen(["true"])
    ended.wait()
    # The file is written late, since only then the helper's own pid is known.
    helper = run_helper(config(agent, **keys(pid_file_check=check)))
    wait_published(helper)
    text, words = REFUSED[kind]
    write(workdir, text.format(target=target, helper=helper.pid, nobody=ended.pid))
    mark = helper.mark()
    rotate(agent, helper)
    said = helper.wait_log(is_about(words), since=mark)
    assert "it.pid" in said.raw or "process" in said.fields["error"]
    assert "\x1b" not in said.raw
    assert helper.running
    # After a valid pid replaces it, the process is notified of the same rotation.
    write(workdir, target)
    recorder.wait("SIGUSR1")
    assert helper.stop() == 0
    assert [event["event"] for event in recorder.events()] == ["started", "SIGUSR1"]


@pytest.mark.parametrize("kind", ["a directory", "a FIFO", "a device", "a socket's name", "too large"])
def test_a_path_that_is_not_a_file(agent: DevAgent, run_helper: Run, workdir: Path, kind: str) -> None:
    """It does not make the helper wait, and files are still published."""
    out = make_certs(workdir)
    file = workdir / "it.pid"
    if kind == "a directory":
        file.mkdir()
    elif kind == "a FIFO":
        os.mkfifo(file)
    elif kind == "too large":
        file.write_text(" " * 10000)
    else:
        file.symlink_to("/dev/zero" if kind == "a device" else agent.socket)
    helper = run_helper(config(agent, **keys()))
    wait_published(helper)
    said = helper.wait_log(is_about("regular file|too large|directory", "error"))
    assert "Unable to signal PID file" in said.msg
    begin = time.monotonic()
    out.check(rotate(agent, helper))
    assert time.monotonic() - begin < 2 * SLOW
    assert helper.stop() == 0


def test_a_process_that_does_not_catch_the_signal(
    agent: DevAgent, run_helper: Run, workdir: Path, start: Callable[..., int]
) -> None:
    make_certs(workdir)
    pid = start("sleep", "36000")
    write(workdir, pid)
    helper = run_helper(config(agent, **keys()))
    said = helper.wait_log(is_about("does not catch SIGUSR1", "warning"))
    assert str(pid) in said.fields["error"]
    mark = helper.mark()
    for _ in range(3):
        rotate(agent, helper)
    helper.wait_log("X.509 certificates updated", since=mark)
    assert alive(pid)
    # Logged once, not at each rotation.
    assert len([line for line in helper.log if is_about("does not catch", "warning")(line)]) == 1
    assert helper.stop() == 0
    assert alive(pid)


def test_a_process_that_catches_the_signal_late(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, start: Callable[..., int]
) -> None:
    """Its file exists before its handler does."""
    make_certs(workdir)
    # Without a fork: around one, the shell blocks all signals, which counts as handling them.
    os.mkfifo(workdir / "go")
    wait = 'read -r line <go; exec "$@"'
    words = [sys.executable, RECORDER, recorder.file, "--signals", "SIGUSR1"]
    pid = start("sh", "-c", wait, "sh", *words)
    write(workdir, pid)
    helper = run_helper(config(agent, **keys()))
    helper.wait_log(is_about("does not catch"))
    (workdir / "go").write_text("\n")
    assert recorder.wait("SIGUSR1")["pid"] == pid


def test_a_pid_that_was_reused(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int
) -> None:
    make_certs(workdir)
    file = write(workdir, target)
    # The process is much younger than its file.
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    helper = run_helper(config(agent, **keys()))
    said = helper.wait_log(is_about("the number now belongs to another process"))
    assert str(target) in said.fields["error"]
    assert "pid_file_check = false" in said.raw or said.level == "warning"
    rotate(agent, helper)
    assert [event["event"] for event in recorder.events()] == ["started"]
    # It counts after its owner has written it again.
    os.utime(file)
    recorder.wait("SIGUSR1")


def test_without_the_check(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int, start: Callable[..., int]
) -> None:
    """Any process is signalled, as upstream does."""
    make_certs(workdir)
    file = write(workdir, target)
    os.utime(file, (time.time() - 3600, time.time() - 3600))
    helper = run_helper(config(agent, **keys(pid_file_check=False)))
    recorder.wait("SIGUSR1")
    victim = start("sleep", "36000")
    write(workdir, victim)
    rotate(agent, helper)
    wait_until(lambda: not alive(victim), "the end of what does not catch the signal")


def test_a_file_that_appears_late(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **keys()))
    said = helper.wait_log(is_about("no such file"))
    assert said.level == "warning"
    assert "retry_in" in said.fields
    write(workdir, target)
    recorder.wait("SIGUSR1")
    # Once, although it was tried several times.
    rotate(agent, helper)
    recorder.wait("SIGUSR1", 2)
    # A signal that has arrived may not be logged yet; it is when the helper has ended.
    assert helper.stop() == 0
    assert len(signalled(helper)) == 2


def test_a_newer_rotation_replaces_the_pending_one(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug", **keys()))
    helper.wait_log(lambda line: line.msg == "PID file not signalled yet")
    for _ in range(5):
        since = helper.mark()
        rotate(agent, helper)
        replaced = helper.wait_log(lambda line: line.msg == "Unable to signal PID file", since=since)
        # Each starts new attempts, and the first retry is after 100 ms.
        begun = helper.log.index(replaced, since)
        tried = helper.wait_log(lambda line: line.msg == "PID file not signalled yet", since=begun)
        assert tried.fields["retry_in"] == "100ms"
    # The attempts that were replaced have failed: logged once, since the cause is the same.
    failures = [line.level for line in helper.log if line.msg == "Unable to signal PID file"]
    assert failures.count("error") == 1
    assert len(failures) == 5
    write(workdir, target)
    recorder.wait("SIGUSR1")
    rotate(agent, helper)
    recorder.wait("SIGUSR1", 2)
    assert [event["event"] for event in recorder.events()] == ["started", "SIGUSR1", "SIGUSR1"]


def test_stopped_while_it_is_tried(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **keys()))
    helper.wait_log(is_about("no such file"))
    begin = time.monotonic()
    assert helper.stop() == 0
    assert time.monotonic() - begin < 1 * SLOW


@pytest.mark.needs_root
@pytest.mark.parametrize("check", [True, False])
def test_a_process_of_another_user(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, target: int, check: bool
) -> None:
    """The helper's user is nobody, the process is root's."""
    out = make_certs(workdir)
    for path in (workdir, out.directory):
        os.chown(path, NOBODY, NOBODY)
    for path in (agent.directory, workdir):
        path.chmod(0o755)
    agent.socket.chmod(0o666)
    write(workdir, target)
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    helper = run_helper(config(agent, **keys(pid_file_check=check)), prefix=prefix)
    said = helper.wait_log(is_about("operation not permitted"))
    assert str(target) in said.fields["error"]
    out.check(rotate(agent, helper))
    assert helper.stop() == 0
    assert [event["event"] for event in recorder.events()] == ["started"]


@pytest.mark.needs_root
def test_a_file_without_read_permission(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    for path in (workdir, out.directory):
        os.chown(path, NOBODY, NOBODY)
    agent.directory.chmod(0o755)
    agent.socket.chmod(0o666)
    file = write(workdir, 1)
    file.chmod(0o600)
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    helper = run_helper(config(agent, **keys()), prefix=prefix)
    helper.wait_log(is_about("read it.pid: permission denied", "error"))
    out.check(rotate(agent, helper))
