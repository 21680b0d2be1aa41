"""A terminal on the node, into which a test types the session of a README.

    with Terminal(lab, reader.home / "examples", reader.environment) as terminal:
        terminal.play(README, "First shell")

Commands are typed as by a reader, including those for a shell in a pod that `kubectl exec -it` has opened.
The screen must then show the expected output and a prompt. In addition to readme.py:

- Commands that only read (`kubectl get`, `kubectl logs`) are repeated until their output is the expected one.
- At a line that begins with `^C`, the test presses it once the lines before it are shown.
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
# Wide enough that no shell wraps a line.
ROWS, COLUMNS = 50, 1000
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Our prompt, and busybox's, which contains the directory.
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
        """Types a command, checks its output and returns it."""
        again_until = time.monotonic() + timeout if LOOKS.match(step.command) else 0
        while True:
            self.begin(step)
            output = self._output(step, timeout)
            if matches(step.expected, output):
                return output
            assert time.monotonic() < again_until, difference(step, output)
            time.sleep(AGAIN_S)

    def begin(self, step: Step) -> None:
        """Types a command; finish() waits for its end."""
        *continued, last = step.command.splitlines()
        for line in continued:
            self._type(line)
            self._wait_after(line, lambda shown: CONTINUED.search(shown) is not None, TIMEOUT_S)
        self._type(last)

    def finish(self, step: Step, timeout: float = TIMEOUT_S) -> str:
        """Waits for the end of a command after begin(); checks and returns its output."""
        output = self._output(step, timeout)
        assert matches(step.expected, output), difference(step, output)
        return output

    def wait(self, shown: Callable[[str], bool], what: str, timeout: float = TIMEOUT_S) -> str:
        """Waits until the text since the last command is as wanted, and returns it."""
        deadline = time.monotonic() + timeout
        while not shown(text := self._text()):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._screen], [], [], left)[0], f"no {what} on the terminal, but:\n{text}"
            self._received += os.read(self._screen, 65536)
        return text

    # Implementation

    def _type(self, line: str) -> None:
        self._received = b""
        os.write(self._screen, line.encode() + b"\n")

    def _text(self) -> str:
        """The text on the screen, without colours and overwritten parts."""
        text = CONTROL.sub("", self._received.decode(errors="replace")).replace("\r\n", "\n")
        return re.sub(r"[^\n]*\r", "", text)

    def _wait_after(self, line: str, shown: Callable[[str], bool], timeout: float) -> str:
        """Waits for text below the echo of the line that was typed, and returns it."""
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
