"""Nothing of a sandbox outlives the process that made it, even if that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keeper import hierarchies
from sandbox import Sandbox

pytestmark = pytest.mark.needs_root

LIMIT_S = 60
# Like a node: a daemon that is not awaited, a mount, an interface and a cgroup with a process. All of it has
# the name of the directory.
NODE = """
import os, sys, time
from keeper import hierarchies
from sandbox import Sandbox
with Sandbox() as sandbox:
    name = sandbox.directory.name
    sandbox.run("mount", "-t", "tmpfs", name, "/run")
    sandbox.run("ip", "link", "add", name, "type", "veth", "peer", "name", "peer")
    sandbox.run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
    server = sandbox.start("server", "sleep", "1000")
    for root in hierarchies():
        pod = root / sandbox.cgroup / "pod"
        pod.mkdir()
        if root.name != "cpuset":
            (pod / "cgroup.procs").write_text(str(server.pid))
    print(name, os.readlink(f"/proc/{server.pid}/ns/pid"), flush=True)
    if sys.argv[1] == "wait":
        time.sleep(1000)
"""


class Traces:
    """Possible traces of a sandbox."""

    def __init__(self, line: str) -> None:
        self.name, self.namespace = line.split()

    def found(self) -> list[str]:
        places = (Path("/tmp"), Path("/sys/class/net"), *hierarchies())
        traces = [str(path) for place in places for path in place.glob(f"*{self.name}*")]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        traces += [mount for mount in mounts if self.name in mount]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(process / "ns/pid") == self.namespace:
                    traces.append(str(process))
            except OSError:  # it has ended
                continue
        return traces


@pytest.fixture
def node() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", NODE, how]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_is_left_of_a_sandbox_whose_maker_is_killed(
    node: Callable[[str], subprocess.Popen[str]], number: signal.Signals
) -> None:
    maker = node("wait")
    assert maker.stdout
    traces = Traces(maker.stdout.readline())
    assert {"/tmp", "/proc"} <= {str(Path(trace).parent) for trace in traces.found()}
    maker.send_signal(number)
    maker.wait(LIMIT_S)
    deadline = time.monotonic() + LIMIT_S
    while (left := traces.found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def test_nothing_is_left_of_a_sandbox_that_ends(node: Callable[[str], subprocess.Popen[str]]) -> None:
    maker = node("end")
    output, _ = maker.communicate(timeout=LIMIT_S)
    assert maker.returncode == 0
    assert Traces(output).found() == []


def test_a_failed_command_is_reported_with_its_output() -> None:
    with Sandbox() as sandbox, pytest.raises(RuntimeError, match="exit status 3\nout\nerr"):
        sandbox.run("sh", "-c", "echo out; echo err >&2; exit 3")
