"""The completion scripts, tested in the real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from helper import SLOW, program

# Words on the command line, the last one incomplete, and its possible completions: all of them, or some.
ALL = [
    (["conf"], ["config"]),
    (["config", ""], ["check", "convert", "print"]),
    (["config", "ch"], ["check"]),
    (["config", "convert", "-to", ""], ["hcl", "toml", "yaml"]),
    (["config", "convert", "--to", "h"], ["hcl"]),
    (["config", "print", "-layout", ""], ["files", "in-place", "snapshot"]),
    (["config", "print", "-output", "j"], ["json"]),
    (["config", "print", "-outp"], ["-output"]),
    (["config", "print", "--outp"], ["--output"]),
    (["completion", ""], ["bash", "fish", "zsh"]),
    (["help", "vers"], ["version"]),
    (["-log-level", ""], ["debug", "error", "info", "warning"]),
    (["-svid-file-n"], ["-svid-file-name"]),
    (["run", "-svid-file-n"], ["-svid-file-name"]),
    (["version", "-vers"], []),
    (["-hint", ""], []),
    (["-cert-dir", "ce"], ["certs"]),
    (["config", "check", "helper.c"], ["helper.conf"]),
    (["-verify", "-svid-key-"], ["-svid-key-file-name"]),
    (["doctor", "-svid-key-"], ["-svid-key-file-name"]),
    (["health", "-timeo"], ["-timeout"]),
]


@pytest.fixture
def directory(workdir: Path) -> Path:
    (workdir / "certs").mkdir()
    (workdir / "helper.conf").touch()
    return workdir


def script(shell: str) -> str:
    command = [program(), "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def in_bash(directory: Path, words: Sequence[str]) -> list[str]:
    # Splits words like readline.
    split = [part for word in words for part in re.split(r"(=)", word) if part or word == ""]
    line = " ".join(shlex.quote(word) for word in ["spiffe-helper", *split])
    text = script("bash") + f"COMP_WORDS=({line})\nCOMP_CWORD={len(split)}\n"
    text += '_spiffe_helper\nfor each in "${COMPREPLY[@]}"; do echo "$each"; done\n'
    command = ["bash", "--norc", "-u", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, check=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.splitlines()


def in_fish(directory: Path, words: Sequence[str]) -> list[str]:
    (directory / "completion").write_text(script("fish"))
    line = " ".join(["spiffe-helper", *words])
    text = f"source completion; or exit 9; complete -C {shlex.quote(line)}"
    home = directory / "home"
    home.mkdir(exist_ok=True)
    env = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"}
    command = ["fish", "--no-config", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, env=env, check=True, timeout=20)
    assert done.stderr == ""
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    # Since fish 4, words that merely contain the last one are listed too. Tab uses them if none begins with it.
    return [word for word in found if word.startswith(words[-1])] or found


class Zsh:
    """An interactive zsh on a terminal, which lists the completions of a word."""

    SETUP = (
        "autoload -U compinit; compinit -u -D; source ./completion; unsetopt auto_menu; setopt no_beep; PS1='' PS2=''; "
        # The possible additions, instead of the menu.
        "capture() { local -a found; compadd() { local -a all; builtin compadd -O all \"$@\"; "
        'found+=("${all[@]}"); builtin compadd "$@"; }; _main_complete; unfunction compadd; '
        'print -r -- "<${(j:|:)found}>"; compstate[list]=; compstate[insert]=; }; '
        "zle -C capture complete-word capture; bindkey '^I' capture; print -r -- '<re''ady>'\n"
    )

    def __init__(self, directory: Path) -> None:
        (directory / "completion").write_text(script("zsh"))
        env = {"HOME": str(directory), "PATH": os.environ["PATH"], "TERM": "dumb"}
        ours, theirs = pty.openpty()
        command = ["zsh", "-f", "-i"]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, env=env, start_new_session=True
        )
        os.close(theirs)
        self.terminal = ours
        self.send(self.SETUP)
        assert self.answer() == "ready"

    def send(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def answer(self) -> str:
        text, deadline = "", time.monotonic() + 20 * SLOW
        while not (found := re.search(r"<([^<>]*)>\r?\n", text)):
            ready = select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0]
            assert ready, f"no answer from zsh in {text!r}"
            text += os.read(self.terminal, 65536).decode()
        return found[1]

    def complete(self, words: Sequence[str]) -> list[str]:
        self.send("\x15spiffe-helper " + " ".join(words) + "\t")
        return [word for word in self.answer().split("|") if word]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def zsh(directory: Path) -> Iterator[Callable[[Sequence[str]], list[str]]]:
    shell = Zsh(directory)
    yield shell.complete
    shell.close()


def check(complete: Callable[[Sequence[str]], list[str]]) -> None:
    wrong = []
    for words, expected in ALL:
        found = sorted({word.rstrip("/ ") for word in complete(words)})
        if found != expected:
            wrong.append(f"{' '.join(words)!r}: {found}, not {expected}")
    assert not wrong, "\n".join(wrong)


def check_commands(complete: Callable[[Sequence[str]], list[str]]) -> None:
    overview = subprocess.run([program(), "help"], capture_output=True, text=True, check=True, timeout=10).stdout
    commands = re.findall(r"(?m)^  ([a-z]+)  ", overview.partition("Commands:")[2])
    assert {"run", "config", "help"} <= set(commands)
    assert sorted(set(complete([""]))) == sorted(commands)


def needs(shell: str) -> None:
    assert shutil.which(shell), f"{shell} is not installed: scripts/install-deps.sh test"


def test_bash(directory: Path) -> None:
    check(lambda words: in_bash(directory, words))
    check_commands(lambda words: in_bash(directory, words))
    assert in_bash(directory, ["config", "print", "-output=te"]) == ["text"]
    assert in_bash(directory, ["config", "print", "-output="]) == ["text", "json"]


def test_fish(directory: Path) -> None:
    needs("fish")
    check(lambda words: in_fish(directory, words))
    check_commands(lambda words: in_fish(directory, words))
    assert in_fish(directory, ["config", "print", "--output=te"]) == ["--output=text"]


def test_zsh(zsh: Callable[[Sequence[str]], list[str]]) -> None:
    needs("zsh")
    check(zsh)
    check_commands(zsh)
    assert zsh(["config", "print", "-output=te"]) == ["text"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_flag_of_help_is_completed(shell: str) -> None:
    usage = subprocess.run([program(), "-h"], capture_output=True, text=True, check=True, timeout=10).stdout
    flags = set(re.findall(r"(?m)^  -([a-z0-9-]{2,})", usage))
    assert len(flags) > 40
    text = script(shell)
    missing = [flag for flag in flags if not re.search(rf"-o {flag} " if shell == "fish" else rf"['\s]-{flag}['\s]", text)]
    assert not missing
