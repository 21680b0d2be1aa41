"""Tries to read a helper's files in a process of another user.

    with UserReader(out.directory, User(65534, 65534)) as reader:
        reader.watch()
        …
        files = reader.look()  # name → content, or the name of an errno
    assert reader.attempts.keys() == {"read"}

From watch() to look() it reads the key as often as it can; `attempts` counts the results: "read", or the name of
an errno.
"""

from __future__ import annotations

import errno
import json
import os
import select
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helper import SLOW, TIMEOUT_S
from published import KEY, NAMES


@dataclass(frozen=True)
class User:
    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def run(self, *words: str | Path) -> str:
        """The output of this command when the user runs it."""
        done = subprocess.run(
            words,
            user=self.uid,
            group=self.gid,
            extra_groups=self.groups,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=TIMEOUT_S * SLOW,
        )
        return done.stdout

    def become(self) -> None:
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


class UserReader:
    def __init__(self, directory: Path, user: User) -> None:
        self.attempts: dict[str, int] = {}
        self._directory = directory
        self._user = user

    def __enter__(self) -> UserReader:
        ids = ",".join(map(str, (self._user.uid, self._user.gid, *self._user.groups)))
        # Started by root, since that user may not be able to read the interpreter and this file.
        self._process = subprocess.Popen(
            [sys.executable, __file__, ids, str(self._directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def watch(self) -> None:
        self._ask("watch")

    def look(self) -> dict[str, str]:
        """Reads each of the three files."""
        self._ask("look")
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.attempts = answer["attempts"]
        files: dict[str, str] = answer["files"]
        return files

    def _ask(self, command: str) -> None:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)


# The process.


def read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def main() -> None:
    ids, directory = sys.argv[1:]
    uid, gid, *groups = map(int, ids.split(","))
    User(uid, gid, tuple(groups)).become()
    os.chdir("/")
    attempts: Counter[str] = Counter()
    # Without a buffer, which would hide the next command from select().
    commands = open(0, "rb", buffering=0)
    for command in commands:
        if command == b"look\n":
            files = {name: read(f"{directory}/{name}") for name in NAMES}
            print(json.dumps({"files": files, "attempts": attempts}), flush=True)
            continue
        waiting = False
        while not waiting:
            outcome = read(f"{directory}/{KEY}")
            attempts[outcome if outcome in errno.errorcode.values() else "read"] += 1
            waiting = bool(select.select([commands], [], [], 0)[0])


if __name__ == "__main__":
    main()
