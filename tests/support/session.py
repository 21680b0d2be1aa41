"""A shell that runs the commands of a README in sequence, as its reader would.

    with Session(example, {"SPIFFE_EXAMPLE_DIR": str(tmp_path)}) as session:
        session.play(example / "README.md", "Run it")

Variables, the working directory and background jobs are kept from one command to the next. A command whose
output is not the expected one fails the test; a step without expected output must print nothing. Background
jobs of a session end with it at the latest.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from readme import matches, steps

TIMEOUT_S = 60.0
# Reads commands, each ended by a NUL, and marks the end of each one's output by its exit status between NULs.
LOOP = 'while IFS= read -r -d "" -u {0} line; do eval "$line" </dev/null {0}<&-; printf "\\0%d\\0" $?; done'


class Session:
    """`prefix` is a program that executes the shell elsewhere: nsenter …"""

    def __init__(self, directory: Path, environment: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        self._directory = directory
        self._environment = dict(os.environ) | dict(environment)
        self._prefix = prefix

    def __enter__(self) -> Session:
        commands, self._commands = os.pipe()
        self._output, output = os.pipe()
        self._process = subprocess.Popen(
            [*self._prefix, "bash", "-c", LOOP.format(commands)],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[commands],
            start_new_session=True,
        )
        os.close(commands)
        os.close(output)
        return self

    def __exit__(self, *_: object) -> None:
        # Its background jobs are in its group.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._commands)
        os.close(self._output)

    def run(self, command: str, timeout: float = TIMEOUT_S) -> tuple[int, str]:
        """Exit status and output of a command; stderr is part of it, as on a terminal."""
        os.write(self._commands, command.encode() + b"\0")
        deadline = time.monotonic() + timeout
        received = b""
        while received.count(b"\0") < 2:
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self._output], [], [], left)[0]
            assert ready, f"no end of `{command}` for {timeout:g} s:\n{received.decode(errors='replace')}"
            chunk = os.read(self._output, 65536)
            assert chunk, f"the shell has ended at `{command}`:\n{received.decode(errors='replace')}"
            received += chunk
        output, status, _ = received.split(b"\0")
        return int(status), output.decode(errors="replace")

    def play(
        self,
        readme: Path,
        heading: str | None = None,
        timeout: float = TIMEOUT_S,
        adapt: Callable[[str], str] = lambda text: text,
    ) -> None:
        """Runs a README, or one section of it, and compares; `adapt` changes commands and output."""
        found = steps(readme, heading)
        assert found, f"{readme} shows no commands"
        for step in found:
            status, output = self.run(adapt(step.command), timeout)
            assert matches(adapt(step.expected), output), (
                f"{readme}: $ {step.command}\nexit status {status}, output:\n{output}\ninstead of:\n{step.expected}"
            )
