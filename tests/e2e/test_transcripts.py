"""Runs the transcripts, which transcripts/README.md describes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import NOT_INHERITED, SLOW, program

HERE = Path(__file__).parent / "transcripts"
PLACEHOLDERS = {
    "<...>": r".*",
    "<version>": r"\d+\.\d+\S*(?: \S.*)?",
    "<time>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "<duration>": r"(?:\d+(?:d|h|m|s|ms))+",
}

# Sends a command to the development agent, and prints nothing if it succeeds.
AGENT = """\
#!{python}
import socket, sys
with socket.socket(socket.AF_UNIX) as control:
    control.connect("{control}")
    control.sendall(" ".join(sys.argv[1:]).encode() + b"\\n")
    answer = control.makefile().readline()
    sys.exit(0 if answer.startswith("ok") else answer)
"""


@dataclass
class Step:
    """A command, the text above it and its expected output."""

    words: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    code: int = 0

    def text(self) -> str:
        return "\n".join([*self.words, "$ " + "\n".join(self.command), *self.expected, f"exit: {self.code}"]) + "\n"


def steps(lines: list[str]) -> Iterator[Step]:
    step, end = Step(), ""
    for number, line in enumerate(lines, 1):
        if end or (not step.command and line.startswith("$ ")):
            step.command.append(line if end else line[2:])
            heredoc = re.search(r"<<(\w+)", line)
            end = "" if line == end else end or (heredoc[1] if heredoc else "")
        elif not step.command:
            assert line == "" or line.startswith("#"), f"line {number} belongs to no command: {line}"
            step.words.append(line)
        elif found := re.fullmatch(r"exit: (\d+)", line):
            step.code = int(found[1])
            yield step
            step = Step()
        else:
            step.expected.append(line)
    assert not step.command, f"no exit: line ends {step.command[0]!r}"


def pattern(expected: list[str]) -> str:
    out = ""
    for line in expected:
        if line == "<lines>":
            out += r"(?:.*\n)*?"
            continue
        parts = re.split("(" + "|".join(map(re.escape, PLACEHOLDERS)) + ")", line)
        out += "".join(PLACEHOLDERS.get(part, re.escape(part)) for part in parts) + "\n"
    return out


class Shell:
    """One shell per command, all in one directory."""

    def __init__(self, directory: Path, agent: DevAgent) -> None:
        self.directory = directory
        self.agent = agent
        self.output = directory.parent / "output"
        self.sessions: list[int] = []
        tools = directory.parent / "bin"
        tools.mkdir()
        (tools / "spiffe-helper").symlink_to(program().resolve())
        (tools / "agent").write_text(AGENT.format(python=sys.executable, control=agent.control))
        (tools / "agent").chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self.env = inherited | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "AGENT": f"unix://{agent.socket}",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, step: Step) -> tuple[str, int]:
        # A file and not a pipe, since background processes would keep the pipe's other end open.
        with self.output.open("wb") as out:
            process = subprocess.Popen(
                ["sh", "-c", "\n".join(step.command) + "\n"],
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        code = process.wait(timeout=30 * SLOW)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 0)
            self.sessions.append(process.pid)  # it has members, so its number is not reused
        text = self.output.read_bytes().decode()
        return text.replace(str(self.agent.socket), "<agent>").replace(str(self.directory), "<directory>"), code

    def close(self) -> None:
        """Ends the remaining background processes."""
        for session in self.sessions:
            with suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)


@pytest.fixture
def shell(workdir: Path, agent: DevAgent) -> Iterator[Shell]:
    (workdir / "here").mkdir()
    shell = Shell(workdir / "here", agent)
    yield shell
    shell.close()


FILES = sorted(HERE.glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file: Path, shell: Shell) -> None:
    update = bool(os.environ.get("UPDATE_TRANSCRIPTS"))
    done, wrong = [], []
    for step in steps(file.read_text().splitlines()):
        text, code = shell.run(step)
        if update and not step.expected:
            step.expected = text.splitlines()
        expected = pattern(step.expected)
        if code != step.code or not re.fullmatch(expected, text if text.endswith("\n") or not text else text + "\n"):
            wrong.append(f"$ {step.command[0]}\n{text}exit: {code}\n-- expected:\n" + step.text())
        done.append(step.text())
    if update:
        file.write_text("".join(done))
    assert not wrong, "\n".join(wrong)


def test_there_are_transcripts() -> None:
    commands = {"config", "doctor", "fetch", "health", "show", "usage", "verify", "watch"}
    assert commands <= {file.stem for file in FILES}


@pytest.mark.parametrize(
    ("expected", "text", "same"),
    [
        (["a <...> b"], "a 1 2 b\n", True),
        (["a"], "a\nb\n", False),
        (["a", "<lines>"], "a\nb\nc\n", True),
        (["<lines>", "c"], "a\nb\n", False),
        (["in <duration>"], "in 59m59s\n", True),
        (["in <duration>"], "in soon\n", False),
        (["a.b"], "axb\n", False),
    ],
)
def test_placeholders_do_not_match_too_much(expected: list[str], text: str, same: bool) -> None:
    assert bool(re.fullmatch(pattern(expected), text)) is same
