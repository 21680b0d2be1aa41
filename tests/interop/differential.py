"""Gives both sides the same inputs: our config-driver, and go-oracle for the Go helper.

Each is one process for all inputs. In their inputs and answers, every byte of a string is the character of
that number.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config_cases import Case
from helper import program

Answer = dict[str, Any]


def our_driver() -> Path:
    """Built in the program's directory."""
    return program().with_name("config-driver")


def go_oracle(peers: Path) -> Path:
    return peers / "go-oracle"


def ask(driver: Path, mode: str, inputs: Sequence[object]) -> list[Answer]:
    lines = "".join(json.dumps(one) + "\n" for one in inputs)
    # Variables could set agent_address.
    done = subprocess.run([driver, mode], input=lines, capture_output=True, text=True, env={}, timeout=60)
    assert done.returncode == 0, f"{driver} {mode}: exit {done.returncode}\n{done.stderr[-2000:]}"
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(answers) == len(inputs), f"{driver} answered {len(answers)} of {len(inputs)} inputs"
    return answers


@dataclass(frozen=True)
class Pair:
    """A configuration and the answers of both sides."""

    case: Case
    ours: Answer
    go: Answer


class Sides:
    """Both drivers, and a directory for the files they read."""

    def __init__(self, peers: Path, directory: Path) -> None:
        self.drivers = (our_driver(), go_oracle(peers))
        self.directory = directory

    def configs(self, cases: Sequence[Case]) -> list[Pair]:
        inputs = []
        for number, case in enumerate(cases):
            path = self.directory / f"{number}.conf"
            path.write_bytes(case.text)
            inputs.append({"path": str(path), "env": case.env})
        ours, go = (ask(driver, "config", inputs) for driver in self.drivers)
        return [Pair(*each) for each in zip(cases, ours, go, strict=True)]

    def shrink(self, case: Case, fails: Callable[[Pair], bool]) -> Pair:
        """The file without all lines that are not needed for the failure."""
        best = self.configs([case])[0]
        while True:
            lines = best.case.text.splitlines(keepends=True)
            fewer = [b"".join(lines[:at] + lines[at + 1 :]) for at in range(len(lines))]
            pairs = self.configs([Case(case.name, text, case.env) for text in fewer])
            found = next((pair for pair in pairs if fails(pair)), None)
            if found is None:
                return best
            best = found
