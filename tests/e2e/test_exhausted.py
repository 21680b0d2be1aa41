"""Exhausted processes, threads, descriptors and memory, and files that do not end."""

from __future__ import annotations

import itertools
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import SANITIZERS, Helper, Run, wait_until
from published import agent_serial, config, make_certs, rotate, wait_serial
from wrapping import wait_event

STOP_S = 2
# A separate user for each test, since the limit counts all processes of a user.
USERS = (50_000 + os.getpid() % 1000 * 10 + number % 10 for number in itertools.count())


class Somebody:
    """A user who owns only the outputs: root is exempt from the limit of processes."""

    def __init__(self, agent: DevAgent, workdir: Path) -> None:
        self.uid = next(USERS)
        self.prefix = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        self.out = make_certs(workdir)
        for path in (workdir, self.out.directory):
            os.chown(path, self.uid, self.uid)
        agent.directory.chmod(0o755)
        agent.socket.chmod(0o666)

    def limit(self, helper: Helper, processes: int) -> None:
        command = [*self.prefix, "prlimit", f"--pid={helper.pid}", f"--nproc={processes}:"]
        subprocess.run(command, check=True)


@pytest.fixture
def somebody(agent: DevAgent, workdir: Path) -> Somebody:
    return Somebody(agent, workdir)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def wait_lack(helper: Helper, since: int) -> None:
    lack = helper.wait_log("no connection is opened: no thread: resource temporarily", since=since)
    assert "ulimit -u" in lack.fields["hint"]
    assert lack.fields["retry_in"]


def exhaust(what: str, agent: DevAgent, helper: Helper) -> None:
    mark = helper.mark()
    if what == "rotation":
        rotate(agent, helper)
    elif what == "loss":
        agent.disconnect()
        wait_lack(helper, mark)
    elif what == "reload":
        helper.config_file.write_text(helper.config_file.read_text() + "verify = false\n")
        helper.send(signal.SIGUSR2)
        wait_event(helper, "config_reloaded", since=mark)
        wait_lack(helper, mark)
    else:
        os.kill(helper.children()[0], signal.SIGKILL)
        wait_event(helper, "child_start_failed", since=mark)


@pytest.mark.needs_root
@pytest.mark.parametrize("lifted", [False, True])
@pytest.mark.parametrize("what", ["rotation", "loss", "reload", "restart"])
def test_no_thread_left(agent: DevAgent, run_helper: Run, somebody: Somebody, what: str, lifted: bool) -> None:
    """The helper and its child keep running, and SIGTERM ends both in time."""
    keys = config(
        agent,
        cmd="sleep",
        cmd_args=["36000"],
        cmd_mode="wrap",
        config_reload_signal="SIGUSR2",
        restart="always",
        stop_timeout=f"{STOP_S}s",
    )
    # The leak sanitizer needs a thread, which the limit forbids.
    options = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    helper = run_helper(keys, prefix=somebody.prefix, env={} if lifted else {"ASAN_OPTIONS": options})
    wait_event(helper, "child_started")
    somebody.limit(helper, 1)
    exhaust(what, agent, helper)
    assert helper.running
    if lifted:
        somebody.limit(helper, 1000)
        agent.rotate()
        wait_serial(helper, agent_serial(agent), timeout=20)
        somebody.out.check(agent_serial(agent))
        helper.wait_children(1, timeout=20)
    children = helper.children()
    assert len(children) == (0 if what == "restart" and not lifted else 1)
    status = helper.stop(timeout=STOP_S + 1)
    if children:
        assert status == 128 + signal.SIGTERM
    assert all(map(is_gone, children))
    assert helper.log[-1].msg == "Exiting"


@pytest.mark.needs_root
def test_no_thread_for_tokens(agent: DevAgent, run_helper: Run, somebody: Somebody) -> None:
    """The calls for tokens and the stream of their bundles are retried as well."""
    svids = [{"jwt_audience": "db", "jwt_svid_file_name": "db.jwt"}]
    helper = run_helper(
        config(agent, jwt_svids=svids, jwt_bundle_file_name="jwks.json"), prefix=somebody.prefix
    )
    helper.wait_file("certs/db.jwt")
    somebody.limit(helper, 1)
    mark = helper.mark()
    agent.disconnect()
    helper.wait_log(lambda line: line.fields.get("kind") == "bundle" and "no thread" in line.msg, since=mark)
    somebody.limit(helper, 1000)
    agent.rotate()
    wait_serial(helper, agent_serial(agent), timeout=20)
    assert helper.stop() == 0


# At the start: an error line with a hint, and exit code 1.

# Sanitizers reserve terabytes of address space.
LIMITS = [
    *(("--nproc", number) for number in range(2, 9)),
    *(("--nofile", number) for number in range(8, 25)),
    *(("--as", kilobytes * 1024) for kilobytes in range(40_960, 65_537, 4096) if not SANITIZERS),
]


def check_refused(helper: Helper) -> None:
    # Well below the helper's own time limit.
    assert helper.wait(timeout=5) == 1
    told = [line for line in helper.log if line.level == "error" or line.raw.startswith("error: ")]
    assert told
    assert "hint" in helper.log_text()
    assert "terminate called" not in helper.log_text()


@pytest.mark.needs_root
@pytest.mark.parametrize("daemon_mode", [True, False])
@pytest.mark.parametrize("what", ["--nproc", "--nofile", "--as"])
def test_no_room_at_the_start(
    agent: DevAgent, run_helper: Run, somebody: Somebody, what: str, daemon_mode: bool
) -> None:
    keys = config(agent, daemon_mode=daemon_mode, timeout=None if daemon_mode else "10s")
    for name, value in LIMITS:
        if name == what:
            prefix = [*somebody.prefix, "prlimit", f"{name}={value}"]
            check_refused(run_helper(keys, prefix=prefix))
    helper = run_helper(keys, prefix=somebody.prefix)
    wait_serial(helper, agent_serial(agent)) if daemon_mode else helper.wait()


@pytest.mark.parametrize("call", ["timerfd_create", "signalfd4", "eventfd2"])
def test_a_refused_system_call(agent: DevAgent, run_helper: Run, workdir: Path, call: str) -> None:
    make_certs(workdir)
    prefix = [sys.executable, Path(__file__).with_name("without_call.py"), call]
    check_refused(run_helper(config(agent), prefix=prefix))


# A configuration file that does not end.


@pytest.fixture
def endless(request: pytest.FixtureRequest, workdir: Path) -> Iterator[Path]:
    if request.param == "fifo":
        os.mkfifo(workdir / "pipe")
        yield workdir / "pipe"
        return
    controller, terminal = pty.openpty()
    yield Path(os.ttyname(terminal))
    os.close(controller)
    os.close(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("endless", ["fifo", "terminal"], indirect=True)
@pytest.mark.parametrize("before", [[], ["config", "check"], ["fetch", "x509"]])
def test_a_configuration_that_never_ends(
    run_helper: Run, endless: Path, number: signal.Signals, before: list[str]
) -> None:
    helper = run_helper(command=[*before, "-config", endless])

    def reads_it() -> bool:
        directory = Path(f"/proc/{helper.pid}/fd")
        links = []
        with suppress(FileNotFoundError):
            links = [os.readlink(directory / each) for each in os.listdir(directory)]
        return str(endless) in links

    wait_until(reads_it, "the file to be opened")
    helper.send(number)
    assert helper.wait(timeout=5) in (1, -number)
    if not before:
        assert f"interrupted by {number.name}" in helper.log_text()


def test_a_configuration_that_comes_late(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    os.mkfifo(workdir / "pipe")
    helper = run_helper(command=["-config", workdir / "pipe"])
    (workdir / "pipe").write_text(config(agent))
    wait_serial(helper, agent_serial(agent))
    assert helper.stop() == 0
