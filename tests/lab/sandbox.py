"""An isolated environment on this machine: namespaces for processes, mounts and network, a cgroup, and a
directory. All of it is removed at the end, even if the tests were killed (keeper.py).

    with Sandbox() as sandbox:
        sandbox.run("mount", "-t", "tmpfs", "tmpfs", "/run")
        server = sandbox.start("server", "/usr/bin/server", "--port", "80")

Its processes see the machine's files unless something is mounted over them. The only network is its own
loopback, so all ports are free. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEEPER = Path(__file__).parent / "keeper.py"
POLL_S = 0.05
END_S = 60.0
PR_SET_PDEATHSIG = 1
NAMESPACES = ("net", "ipc", "mnt")
libc = ctypes.CDLL(None, use_errno=True)


class SandboxError(RuntimeError):
    """A program in the sandbox failed or timed out."""


def enter(namespace: int) -> None:
    if libc.setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Sandbox:
    def __init__(self) -> None:
        # In /tmp even if TMPDIR is set: it contains sockets, whose paths must be short.
        self.directory = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
        self.cgroup = f"spiffe-{self.directory.name}"
        self.first_process = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._namespaces: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[Any]] = {}
        self._children: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Sandbox:
        command = [sys.executable, KEEPER, self.directory, self.cgroup]
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, cwd="/"
        )
        assert self._keeper.stdout
        try:
            self.first_process = int(self._keeper.stdout.readline() or 0)
            if not self.first_process:
                raise SandboxError("cannot make namespaces or cgroups; this needs root")
            for name in ("pid", *NAMESPACES):
                self._namespaces[name] = os.open(f"/proc/{self.first_process}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all of it; raises an error if something is left."""
        # A child that has not been reaped would keep the namespace from ending.
        for process in self._children:
            process.kill()
        for process in self._children:
            process.wait()
        for namespace in self._namespaces.values():
            os.close(namespace)
        self._namespaces.clear()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate(timeout=END_S)
            if keeper.returncode != 0:
                raise SandboxError(f"the sandbox {self.cgroup} left something behind")

    def path(self, inside: str | Path) -> Path:
        """Our path of a file that has this path in the sandbox."""
        return Path(f"/proc/{self.first_process}/root") / str(inside).lstrip("/")

    # Programs

    def prefix(self, directory: Path) -> list[str]:
        """A prefix that runs a command in the sandbox, for callers that cannot use popen()."""
        spaces = ("--mount", "--net", "--ipc", "--pid")
        return ["nsenter", f"--target={self.first_process}", *spaces, "env", f"--chdir={directory}"]

    def start(self, name: str, *command: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program that runs until the end of the sandbox or stop(); its output goes to log(name)."""
        with self.log(name).open("ab") as log:
            process = self.popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self._processes[name] = process
        return process

    def stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        process.wait(END_S)

    def popen(self, command: Any, **options: Any) -> subprocess.Popen[Any]:
        """subprocess.Popen in the sandbox."""
        namespaces = [self._namespaces[name] for name in NAMESPACES]
        directory = os.fspath(options.pop("cwd", self.directory))

        def into_sandbox() -> None:
            for namespace in namespaces:
                enter(namespace)
            os.chdir(directory)
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with self._children_inside():
            child = subprocess.Popen(command, preexec_fn=into_sandbox, **options)
        self._children = [known for known in self._children if known.poll() is None] + [child]
        return child

    def run(self, *command: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
        """The output of a command; if it fails, the error has all of its output."""
        status, output, errors = self.attempt(*command, stdin=stdin, timeout=timeout)
        if status != 0:
            raise SandboxError(f"{' '.join(map(str, command))}: exit status {status}\n{output}{errors}")
        return output

    def attempt(self, *command: str | Path, stdin: str | None = None, timeout: float = 60) -> tuple[int, str, str]:
        """Exit status, stdout and stderr of a command."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = self.popen([os.fspath(word) for word in command], text=True, **pipes)
        try:
            output, errors = process.communicate(stdin or "", timeout)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process.returncode, output, errors

    @contextmanager
    def _children_inside(self) -> Iterator[None]:
        """New children of this thread are in the PID namespace of the sandbox."""
        outside = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(self._namespaces["pid"])
            try:
                yield
            finally:
                enter(outside)
        finally:
            os.close(outside)

    # Waiting

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def log_end(self, name: str) -> str:
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-30:])

    def wait(self, name: str, what: str, condition: Callable[[], Any], timeout: float = 60) -> Any:
        """Poll a condition while the program `name` runs; returns its first true result."""
        deadline = time.monotonic() + timeout
        while True:
            status = self._processes[name].poll()
            if status is not None:
                raise SandboxError(f"{name} ended with {status} before {what}:\n{self.log_end(name)}")
            outcome = condition()
            if outcome:
                return outcome
            if time.monotonic() > deadline:
                raise SandboxError(f"{name}: waited {timeout} s for {what}:\n{self.log_end(name)}")
            time.sleep(POLL_S)
