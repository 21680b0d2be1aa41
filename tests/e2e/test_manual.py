"""The manual pages, generated like in the build."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from helper import ROOT, program

PAGES = ["spiffe-helper.1", "spiffe-helper.conf.5", "spiffe-dev-agent.1"]
# Their defaults depend on other keys, and the page describes this.
DEPENDENT = {"cmd_mode", "on_rotate", "renew_signal_guard", "config_reload_signal"}


@pytest.fixture
def pages(workdir: Path) -> dict[str, Path]:
    made = {"PROGRAM": program(), "DATE": "November 24, 2026", "SOURCE": ROOT / "docs/man", "OUTPUT": workdir}
    words = [f"-D{name}={value}" for name, value in made.items()]
    subprocess.run(["cmake", *words, "-P", ROOT / "cmake/SpiffeManual.cmake"], check=True, timeout=60)
    return {name: workdir / name for name in PAGES}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


def shown(page: Path) -> str:
    return run("mandoc", "-T", "ascii", "-O", "width=80", page).stdout.replace("\b", "")


@pytest.mark.parametrize("name", PAGES)
def test_the_linters_find_nothing(pages: dict[str, Path], name: str) -> None:
    lint = run("mandoc", "-T", "lint", "-W", "warning", pages[name])
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")
    man = run("man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", pages[name])
    assert (man.returncode, man.stderr) == (0, "")
    assert "@" not in pages[name].read_text()


def test_every_key_is_listed_with_its_default(pages: dict[str, Path]) -> None:
    listed = dict(re.findall(r"(?ms)^\.It Cm (\S+) = [^\n]*\n(.*?)(?=^\.It|^\.El)", pages[PAGES[1]].read_text()))
    done = subprocess.run([program(), "config", "print", "-output=json"], capture_output=True, cwd="/", timeout=10)
    printed = json.loads(done.stdout)
    for block in ("health_checks", "start", "reload"):
        for name, value in printed.pop(block).items():
            printed[f"{block}.{name}"] = value
    assert printed.keys() <= listed.keys()
    # These have no default in print's output.
    for key in printed.keys() - {"agent_address", "cmd"}:
        text = listed[key].replace("\\-", "-")
        if isinstance(printed[key], str | bool | int) and printed[key] != "" and "Default" in text:
            (default,) = re.findall(r"(?m)^Default: (.*)\.$", text)
            value = json.dumps(printed[key])
            assert value in default, key
            assert (value != default) == (key in DEPENDENT), key


def test_every_command_is_listed(pages: dict[str, Path]) -> None:
    text = pages[PAGES[0]].read_text()
    overview = run(program(), "help").stdout.partition("Commands:")[2]
    for command in re.findall(r"(?m)^  ([a-z]+)  ", overview):
        assert command in {"run", "help"} or f".Ss spiffe-helper {command}\n" in text
    # Help is shown unchanged, including dashes and backslashes.
    assert "spiffe-helper config convert helper.conf >helper.toml" in shown(pages[PAGES[0]])
