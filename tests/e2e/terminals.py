"""Runs programs on their own terminal, like an interactive user."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from helper import NOT_INHERITED, SLOW, TIMEOUT_S, program, wait_until

INTERRUPT, SUSPEND, QUIT, END = "\x03", "\x1a", "\x1c", "\x04"


def state_of(pid: int) -> str:
    """T: stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Terminal:
    """A program that leads the session of a new terminal. At the end the terminal is hung up and the program killed."""

    def __init__(self, directory: Path, command: Sequence[str | Path]) -> None:
        self.directory = directory
        ours, theirs = pty.openpty()
        env = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=directory,
            env=env | {"TERM": "vt100", "PS1": "$ "},
        )
        os.close(theirs)
        self.screen = ours
        self._shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.process.kill()
        self.process.wait()

    def hang_up(self) -> None:
        if self.screen >= 0:
            os.close(self.screen)
        self.screen = -1

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def expect(self, text: str, count: int = 1, timeout: float = TIMEOUT_S) -> None:
        """Waits until `text` was shown this number of times since the last call. Each output counts once."""
        deadline = time.monotonic() + timeout * SLOW
        while self._shown.count(text) < count:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} on the terminal, but {self._shown!r}\n{self.log()}"
            self._read(left)
        self._shown = self._shown.rpartition(text)[2]

    def _read(self, patience: float) -> None:
        if select.select([self.screen], [], [], patience)[0]:
            self._shown += os.read(self.screen, 65536).decode(errors="replace")

    def foreground(self) -> int:
        """The process group that ^C goes to."""
        return os.tcgetpgrp(self.screen)

    def wait_foreground(self, group: int) -> None:
        wait_until(lambda: self.foreground() == group, f"group {group} in the foreground")

    def log(self) -> str:
        file = self.directory / "helper.log"
        return file.read_text() if file.exists() else ""

    def wait_log(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.log().count(text) >= count, f"{text!r} in the log")

    def wait_child(self, number: int = 1) -> int:
        """The pid of the number-th child that a helper started, once it runs its program."""
        self.wait_log("event=child_started", number)
        line = [line for line in self.log().splitlines() if "event=child_started" in line][number - 1]
        return int(line.partition(" pid=")[2].split()[0])


class Shell(Terminal):
    """A shell with job control. `words` are available in it as "${words[@]}"."""

    def __init__(self, directory: Path, words: Sequence[str | Path]) -> None:
        command = shlex.join([str(program()), *map(str, words)])
        (directory / "words").write_text(f"words=({command})\n")
        super().__init__(directory, ["bash", "--norc", "--noprofile", "--noediting", "-i"])
        self.type(". ./words\n")

    def run(self, line: str = '"${words[@]}"') -> int:
        """Starts the helper with its log in a file; returns the pid of its child."""
        self.type(line.replace('"${words[@]}"', '"${words[@]}" 2>>helper.log') + "\n")
        return self.wait_child()

    def wait_stopped(self) -> None:
        """Waits until the shell has noticed that a background job has stopped, which may be later than we do."""

        def told() -> bool:
            self.type("jobs\n")
            self._read(0.1)
            return "Stopped" in self._shown

        wait_until(told, "the shell to know of the stop")

    def expect_code(self, code: int) -> None:
        """Checks the exit code of the last command."""
        self.wait_foreground(self.process.pid)
        self.type("echo code=$?.\n")
        self.expect(f"code={code}.")
