"""systemd: our unit is accepted, and the helper's notifications to its manager are in the right order."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import certs
import pytest
from children import Recorder
from devagent import AgentRun, DevAgent
from helper import ROOT, SLOW, Run, program, wait_until
from notify import Manager
from published import NAMES, SVID, config, make_certs, rotate, wait_published
from reloading import reload, wait_event
from stalling import PREFIX, Disk
from tokens import JWT_BUNDLE, entry

UNIT = ROOT / "packaging/systemd/spiffe-helper.service"
INSTALLED = "/usr/bin/spiffe-helper"

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze: install systemd")


def verify(directory: Path, text: str) -> tuple[int, str]:
    """Exit status and output of `systemd-analyze verify`; 0 only if it reports nothing about the unit."""
    unit = directory / UNIT.name
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def with_program(text: str) -> str:
    """The unit with the program under test, which is not installed."""
    assert f"ExecStart={INSTALLED} " in text
    return text.replace(INSTALLED, str(program()))


@needs_systemd
def test_unit_is_accepted(tmp_path: Path) -> None:
    assert verify(tmp_path, with_program(UNIT.read_text())) == (0, "")


def test_a_wrapped_program_that_is_stopped_has_not_failed() -> None:
    """systemd.service(5) calls these signals clean; if they end a wrapped program, the helper exits with a code."""
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("SuccessExitStatus=")]
    clean = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM)
    assert line.partition("=")[2].split() == [str(128 + each) for each in clean]


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("SuccessExitStatus=129", "SuccessExitStatus=1290"),
        ("KillMode=mixed", "KillMode=mixt"),
        ("ProtectClock=yes", "ProtectKlock=yes"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@systemservice"),
        ("/bin/sh ", "/bin/no-such-shell "),
    ],
)
def test_a_mistake_in_the_unit_would_be_found(tmp_path: Path, right: str, wrong: str) -> None:
    text = with_program(UNIT.read_text())
    assert right in text
    status, words = verify(tmp_path, text.replace(right, wrong))
    assert status != 0
    assert UNIT.name in words


# Notifications.


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, workdir: Path) -> Iterator[Manager]:
    path = f"{workdir}/notify.sock"
    with Manager(path if request.param == "path" else f"@{path}") as listening:
        yield listening


def test_the_order_of_notifications(
    run_agent: AgentRun, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    agent = run_agent("-fault", "deny")
    helper = run_helper(config(agent, **recorder.keys()), env=manager.env)
    first = manager.wait(lambda message: message.get("STATUS"), "a status")
    assert first.get("STATUS") == "waiting for an identity"
    assert first.get("EXTEND_TIMEOUT_USEC") == "30000000"
    manager.wait(lambda message: "PermissionDenied" in (message.get("STATUS") or ""), "the cause")
    assert manager.phases() == []
    agent.allow()
    ready = manager.wait_phase("READY")
    assert helper.children() != [], "the child runs"
    leaf = certs.load_leaf(out.read(SVID))
    until = leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ready.get("STATUS") == f"spiffe://example.org/workload, valid until {until}"
    reload(helper, config(agent, **recorder.keys()))
    manager.wait_phase("READY", since=manager.messages.index(ready) + 1)
    assert helper.stop() == 0
    stopping = manager.wait_phase("STOPPING")
    assert stopping.get("STATUS") == "stopping"
    assert manager.phases() == ["READY", "RELOADING", "READY", "STOPPING"]


@pytest.mark.parametrize("late", ["jwt", "bundle"])
def test_not_ready_before_all_files_are_written(
    agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager, late: str
) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    agent.fault("jwt-expired" if late == "jwt" else "no-jwt-bundles")
    keys = recorder.keys(jwt_svids=[entry("web")], jwt_bundle_file_name=JWT_BUNDLE)
    helper = run_helper(config(agent, **keys), env=manager.env)
    # The child needs only X.509.
    recorder.wait("started")
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    if late == "jwt":  # the next rotation ends the other fault
        rotate(agent, helper)
        recorder.wait("SIGUSR1")
    assert manager.phases() == []
    agent.clear()
    if late == "bundle":
        agent.rotate_jwt()
    manager.wait_phase("READY")
    assert {*NAMES, "web.jwt", JWT_BUNDLE} <= {*out.names()}
    assert manager.phases() == ["READY"]


def test_not_ready_if_the_files_cannot_be_written(
    agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    helper = run_helper(config(agent), env=manager.env)
    wait_event(helper, "write_failed")
    manager.wait(lambda message: (message.get("STATUS") or "").startswith("cannot write certs: "), "the cause")
    rotated = helper.mark()
    agent.rotate()
    helper.wait_log("Received update", since=rotated)
    assert manager.phases() == []
    out = make_certs(workdir)
    manager.wait_phase("READY")
    out.check()


def test_ready_in_wrap_mode(agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, cmd="sleep", cmd_args="36000", cmd_mode="wrap"), env=manager.env)
    manager.wait_phase("READY")
    assert len(helper.children()) == 1
    assert helper.stop() == 128 + signal.SIGTERM
    manager.wait_phase("STOPPING")
    assert manager.phases() == ["READY", "STOPPING"]


def test_a_status_with_each_rotation(
    agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    """The validity of certificates is in seconds: the text changes when the end of validity does."""
    out = make_certs(workdir)
    helper = run_helper(config(agent), env=manager.env)
    first = manager.wait_phase("READY").get("STATUS")

    def says_another() -> bool:
        rotate(agent, helper)
        return manager.messages[-1].get("STATUS") != first

    wait_until(says_another, "another end of validity")
    until = certs.load_leaf(out.read(SVID)).not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    manager.wait(lambda message: (message.get("STATUS") or "").endswith(until), until)
    assert manager.phases() == ["READY"]


@pytest.mark.parametrize("kind", ["good", "bad", "moved"])
def test_a_reload(agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager, kind: str) -> None:
    make_certs(workdir)
    second = make_certs(workdir, "second")
    helper = run_helper(config(agent), env=manager.env)
    manager.wait_phase("READY")
    said = len(manager.messages)
    text = config(agent, cert_dir="second") if kind == "moved" else config(agent)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    if kind == "bad":
        reload(helper, "no HCL", event="config_reload_refused")
    else:
        reload(helper, text)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reloading = manager.wait_phase("RELOADING", said)
    assert before <= int(reloading.get("MONOTONIC_USEC") or 0) <= after
    manager.wait_phase("READY", said)
    if kind == "moved":
        second.check()
    assert manager.phases() == ["READY", "RELOADING", "READY"]
    # And once more.
    reload(helper, text)
    wait_until(lambda: manager.phases() == ["READY"] + ["RELOADING", "READY"] * 2, "the second one")


def test_a_reload_ends_when_the_files_are_written(
    agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent), env=manager.env)
    manager.wait_phase("READY")
    reload(helper, config(agent, cert_dir="second"))
    wait_event(helper, "write_failed")
    rotated = helper.mark()
    agent.rotate()
    helper.wait_log("Received update", since=rotated)
    reload(helper, "no HCL", event="config_reload_refused")
    assert manager.phases() == ["READY", "RELOADING"]
    second = make_certs(workdir, "second")
    wait_until(lambda: manager.phases() == ["READY", "RELOADING", "READY"], "the end of the reload")
    second.check()


def test_a_reload_before_the_first_identity(
    run_agent: AgentRun, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    """The start is not complete, so there is no state that could be reloading."""
    make_certs(workdir)
    agent = run_agent("-fault", "deny")
    helper = run_helper(config(agent), env=manager.env)
    helper.wait_log("PermissionDenied")
    reload(helper, config(agent, log_level="debug"))
    reload(helper, "no HCL", event="config_reload_refused")
    assert manager.phases() == []
    agent.allow()
    manager.wait_phase("READY")
    assert manager.phases() == ["READY"]


@pytest.mark.parametrize("of", ["us", "whoever", "another"])
def test_watchdog(agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager, of: str) -> None:
    make_certs(workdir)
    env = manager.env | {"WATCHDOG_USEC": "400000"}
    pid = {"us": "export WATCHDOG_PID=$$; ", "whoever": "", "another": "export WATCHDOG_PID=1; "}[of]
    helper = run_helper(config(agent), prefix=["sh", "-c", f'{pid}exec "$@"', "sh"], env=env)
    manager.wait_phase("READY")
    if of == "another":
        assert helper.stop() == 0
        assert not [message for message in manager.messages if message.get("WATCHDOG")]
        return
    wait_until(lambda: len(manager.gaps("WATCHDOG")) >= 5, "pings")
    # At half the interval. A message that this test receives late makes one gap long, and the next one short.
    assert 0.1 < median(manager.gaps("WATCHDOG")) * SLOW < 0.4 * SLOW
    assert helper.stop() == 0


def test_the_watchdog_is_notified_while_the_disk_hangs(
    agent: DevAgent, run_helper: Run, workdir: Path, manager: Manager
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent), prefix=PREFIX, env=manager.env | {"WATCHDOG_USEC": "400000"})
    with Disk(helper) as disk:
        manager.wait_phase("READY")
        disk.stall()
        agent.rotate()
        disk.wait_stalled()
        count = len(manager.gaps("WATCHDOG"))
        wait_until(lambda: len(manager.gaps("WATCHDOG")) >= count + 5, "pings")
        disk.flow()
        assert median(manager.gaps("WATCHDOG")[count:]) < 0.4
        assert helper.stop() == 0


@pytest.mark.parametrize("address", ["/nowhere/notify", "@nobody-listens-here", "relative", "/" + "x" * 200])
def test_a_manager_that_does_not_listen(agent: DevAgent, run_helper: Run, workdir: Path, address: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent), env={"NOTIFY_SOCKET": address})
    said = helper.wait_log("cannot notify the service manager")
    assert said.level == "warning"
    wait_published(helper)
    out.check(rotate(agent, helper))
    assert helper.stop() == 0
    assert len([line for line in helper.log if "service manager" in line.msg]) == 1


def test_a_manager_that_does_not_read(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """Its queue is full, and the helper does not wait for it."""
    out = make_certs(workdir)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(f"{workdir}/deaf.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    other.sendto(b"FILL=1", f"{workdir}/deaf.sock")
        helper = run_helper(config(agent), env={"NOTIFY_SOCKET": f"{workdir}/deaf.sock"})
        wait_published(helper)
        out.check(rotate(agent, helper))
        # Once there is room, the latest state is sent.
        deaf.settimeout(5 * SLOW)
        said = b""
        while b"READY=1" not in said:
            said = deaf.recv(4096)
        assert b"STATUS=spiffe://example.org/workload, valid until" in said
        assert helper.stop() == 0


@pytest.mark.long
def test_the_start_time_is_extended_repeatedly(
    run_agent: AgentRun, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    agent = run_agent("-fault", "deny")
    with Manager(f"{workdir}/notify.sock") as manager:
        run_helper(config(agent), env=manager.env)
        wait_until(lambda: len(manager.gaps("EXTEND_TIMEOUT_USEC")) >= 1, "the second time", timeout=15)
        assert 9 < manager.gaps("EXTEND_TIMEOUT_USEC")[0] * SLOW < 12 * SLOW
        agent.allow()
        manager.wait_phase("READY")
