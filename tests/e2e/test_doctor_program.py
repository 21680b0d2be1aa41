"""spiffe-helper doctor checks the running helper's program."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path

import broken
import pytest
from broken import Setup
from children import Recorder, wait_gone
from helper import SANITIZERS, Helper, program

PLANTER = 12345


def of_program(setup: Setup) -> dict[str, str]:
    _, findings, lines = setup.doctor()
    found = [each for each in findings if each["step"] == "program"]
    assert len(found) == 1, lines
    return found[0]


def start_recorder(setup: Setup, workdir: Path, **keys: object) -> tuple[Helper, int]:
    recorder = Recorder(workdir)
    setup.keys |= recorder.keys(**keys)
    helper = setup.start()
    return helper, int(recorder.wait("started")["pid"])


def kill_program(helper: Helper, child: int) -> None:
    os.kill(child, signal.SIGKILL)
    wait_gone(child)
    helper.wait_log(lambda line: line.fields.get("event") == "child_exited")


def test_a_program_that_runs_and_one_that_was_killed(setup: Setup, workdir: Path) -> None:
    helper, child = start_recorder(setup, workdir)
    name = Path(str(setup.keys["cmd"])).name
    found = of_program(setup)
    assert found["grade"] == "ok"
    assert found["message"] == f"the helper (pid {helper.pid}) runs, its program {name} (pid {child}) too"

    kill_program(helper, child)
    found = of_program(setup)
    assert found["grade"] == "warn"
    assert found["message"] == f"the helper (pid {helper.pid}) runs, but its program {name} does not"
    assert "child_exited" in found["hint"] and "next rotation" in found["hint"]

    setup.agent.rotate()
    Recorder(workdir).wait("started", 2)
    assert of_program(setup)["grade"] == "ok"


def test_a_program_with_restart_always_that_does_not_run_is_a_failure(setup: Setup) -> None:
    setup.keys |= {"cmd": "/bin/false", "restart": "always"}
    helper = setup.start()
    helper.wait_log(lambda line: line.fields.get("event") == "child_exited" and "again in" in line.msg)
    found = of_program(setup)
    assert found["grade"] == "fail"
    assert found["message"] == f"the helper (pid {helper.pid}) runs, but its program false does not"


def test_a_script_that_becomes_another_program(setup: Setup) -> None:
    script = setup.directory / "run.sh"
    script.write_text("#!/bin/sh\ntrap exit TERM\necho x >ready\nread line <wait\n")
    script.chmod(0o755)
    os.mkfifo(setup.directory / "wait")
    setup.keys |= {"cmd": "./run.sh"}
    helper = setup.start()
    helper.wait_file("ready")
    (child,) = helper.wait_children(1)
    assert of_program(setup)["message"].endswith(f"its program run.sh (pid {child}) too")
    assert helper.stop() == 0

    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    helper = setup.start()
    (child,) = helper.wait_children(1)
    while Path(f"/proc/{child}/comm").read_text() != "sleep\n":
        assert helper.running
    found = of_program(setup)
    assert (found["grade"], found["hint"]) == ("ok", "")
    assert found["message"].endswith(f"its child sleep (pid {child}), which run.sh may have started")


def test_without_a_helper_its_program_is_not_checked(setup: Setup) -> None:
    setup.keys["cmd"] = "/bin/sleep"
    found = of_program(setup)
    assert found["grade"] == "ok"
    assert found["message"] == "no helper runs, so whether sleep does was not looked at"
    del setup.keys["cmd"]
    assert "program: " not in setup.doctor()[2]


def test_the_command_line_names_the_program_too(setup: Setup) -> None:
    names = [word for key, name in broken.NAMES.items() for word in (f"-{key.replace('_', '-')}", name)]
    flags = ["-agent-address", str(setup.agent.socket), "-cert-dir", "certs", *names]
    words = ["--", "/bin/sleep", "1000"]
    helper = setup.run_helper(None, *flags, *words)
    (child,) = helper.wait_children(1)
    env = SANITIZERS | {"PATH": os.environ["PATH"]}
    asked = [program(), "doctor", *flags, *words]
    done = subprocess.run(asked, cwd=setup.directory, capture_output=True, text=True, timeout=60, env=env)
    assert f"ok    program: the helper (pid {helper.pid}) runs, its program sleep (pid {child}) too\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.needs_root
def test_the_pid_in_another_users_lock_file_is_not_trusted(setup: Setup, workdir: Path) -> None:
    """It names a helper that runs with this configuration and now has other files; its program is not running."""
    helper, child = start_recorder(setup, workdir)
    kill_program(helper, child)
    # Otherwise it would find the new directory within 10 s and lock it.
    with broken.stopped(helper):
        setup.certs.rename(setup.directory / "old")
        setup.certs.mkdir()
        lock = setup.certs / "..lock"
        lock.write_text(f"pid {helper.pid}\nname svid.pem\nend\n")
        os.chown(lock, PLANTER, PLANTER)
        with lock.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            _, findings, lines = setup.doctor()
    wrong = {each["step"] for each in findings if each["grade"] != "ok"}
    assert wrong == {"lock"}, lines
    assert f"belongs to uid {PLANTER}" in lines
    assert "ok    program: the helper cannot be seen from here" in lines


@pytest.mark.needs_root
def test_a_lock_file_that_cannot_be_read_is_reported(setup: Setup, workdir: Path) -> None:
    start_recorder(setup, workdir)
    setup.agent.socket.chmod(0o777)
    workdir.chmod(0o755)
    setup.certs.chmod(0o777)
    setup.prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    lines = setup.doctor()[2]
    assert "warn  lock: cannot read ..lock: permission denied" in lines
    assert "ok    program: the helper cannot be seen from here" in lines


@pytest.mark.needs_root
def test_a_helper_in_another_pid_namespace_is_not_checked(setup: Setup, workdir: Path) -> None:
    helper, child = start_recorder(setup, workdir)
    kill_program(helper, child)
    setup.prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    code, findings, lines = setup.doctor()
    (warning,) = (each for each in findings if each["grade"] != "ok")
    assert (code, warning["step"]) == (0, "lock"), lines
    assert "cannot be seen from here" in warning["message"] and "own container" in warning["hint"]
    assert "ok    program: the helper cannot be seen from here" in lines
