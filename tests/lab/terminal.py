"""A terminal on the node, into which a test types the session of a README.

    with Terminal(lab, reader.home / "examples", reader.environment) as terminal:
        terminal.play(README, "First shell")

Commands are typed as a reader types them, also those for a shell in a pod that `kubectl exec -it` has opened. The screen
then shows the expected output and a prompt, or the test fails. Beyond readme.py:

- Commands that only look (`kubectl get`, `kubectl logs`) are typed again until they show what is expected.
- A line that begins with `^C` says that the reader presses it when the lines before it are there.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import Lab
from readme import Step, matches, steps

TIMEOUT_S = 60.0
AGAIN_S = 0.3
INTERRUPT = "\x03"
# Wide enough that no shell breaks a line.
ROWS, COLUMNS = 50, 1000
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Ours, and that of a shell in a busybox, which shows its directory.
PROMPT = re.compile(r"(^|\n)(\$|/\S* [#$]) $")
CONTINUED = re.compile(r"(^|\n)> $")
LOOKS = re.compile(r"kubectl (-n \S+ )?(get|logs)\b")


class Terminal:
    def __init__(self, lab: Lab, directory: Path, environment: Mapping[str, str]) -> None:
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = lab.sandbox.popen(
            ["setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=directory,
            env=dict(environment) | {"TERM": "vt100", "PS1": "$ "},
        )
        os.close(theirs)
        self._received = b""
        self.wait(lambda shown: PROMPT.search(shown) is not None, "a prompt")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._screen)
        self._process.kill()
        self._process.wait()

    def play(self, readme: Path, heading: str | None = None) -> None:
        """Types all commands of a README, or of one section."""
        found = steps(readme, heading)
        assert found, f"{readme} shows no commands"
        for step in found:
            self.run(step)

    def run(self, step: Step, timeout: float = TIMEOUT_S) -> str:
        """Types a command and returns its output, which is the expected one."""
        again_until = time.monotonic() + timeout if LOOKS.match(step.command) else 0
        while True:
            self.begin(step)
            output = self._output(step, timeout)
            if matches(step.expected, output):
                return output
            assert time.monotonic() < again_until, difference(step, output)
            time.sleep(AGAIN_S)

    def begin(self, step: Step) -> None:
        """Types a command whose end is waited for elsewhere."""
        *continued, last = step.command.splitlines()
        for line in continued:
            self._type(line)
            self._wait_after(line, lambda shown: CONTINUED.search(shown) is not None, TIMEOUT_S)
        self._type(last)

    def finish(self, step: Step, timeout: float = TIMEOUT_S) -> str:
        """Waits for the end of a command that has been begun; its output, which is the expected one."""
        output = self._output(step, timeout)
        assert matches(step.expected, output), difference(step, output)
        return output

    def wait(self, shown: Callable[[str], bool], what: str, timeout: float = TIMEOUT_S) -> str:
        """Waits until what is shown since the last command was typed is as wanted; all of it."""
        deadline = time.monotonic() + timeout
        while not shown(text := self._text()):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._screen], [], [], left)[0], f"no {what} on the terminal, but:\n{text}"
            self._received += os.read(self._screen, 65536)
        return text

    # Internals

    def _type(self, line: str) -> None:
        self._received = b""
        os.write(self._screen, line.encode() + b"\n")

    def _text(self) -> str:
        """The screen: without colours, and without what was written over."""
        text = CONTROL.sub("", self._received.decode(errors="replace")).replace("\r\n", "\n")
        return re.sub(r"[^\n]*\r", "", text)

    def _wait_after(self, line: str, shown: Callable[[str], bool], timeout: float) -> str:
        """Waits for what is shown below the line that was typed, which the terminal shows first; all of that."""
        text = self.wait(lambda text: f"{line}\n" in text and shown(text.partition(f"{line}\n")[2]), f"end of `{line}`", timeout)
        return text.partition(f"{line}\n")[2]

    def _output(self, step: Step, timeout: float) -> str:
        line = step.command.splitlines()[-1]
        before, interrupt, _ = step.expected.partition("\n^C")
        if interrupt:
            self._wait_after(line, lambda shown: matches(before, shown), timeout)
            os.write(self._screen, INTERRUPT.encode())
        output = self._wait_after(line, lambda shown: PROMPT.search(shown) is not None, timeout)
        return PROMPT.sub(r"\1", output)


def difference(step: Step, output: str) -> str:
    return f"$ {step.command}\n{output}\ninstead of:\n{step.expected}"
