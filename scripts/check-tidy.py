#!/usr/bin/env python3
"""Runs clang-tidy over src/ with the commands of build/release, as tests/run.sh builds it.

    scripts/check-tidy.py [REGEX]     only files whose path matches, for example src/output/

clang-tidy is installed in build/tidy: the checks of versions up to 22 also examine all system headers, which
takes four times as long.

Clean results are cached in ~/.cache/spiffe-helper-tidy by the content of all files that are compiled, so only
files affected by a change are checked again. Exit status: 0 clean, 1 findings.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"
CLEAN = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spiffe-helper-tidy"
KEPT_S = 30 * 24 * 3600
VERSION = "23.1.4"
VENV = ROOT / "build/tidy"
TIDY = [
    str(VENV / "bin/clang-tidy"),
    "-quiet",
    # The commands are g++'s, with warnings that clang does not know.
    "-extra-arg=-Wno-unknown-warning-option",
    # Checking fmt's definitions takes long, and they are not ours.
    "-extra-arg=-UFMT_HEADER_ONLY",
]


def install() -> None:
    """May be interrupted: the version is recorded after the installation."""
    mark = VENV / "version"
    if mark.exists() and mark.read_text() == VERSION:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    pip = [VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", f"clang-tidy=={VERSION}"]
    subprocess.run(pip, check=True)
    mark.write_text(VERSION)


def build() -> int:
    """Makes protoc's headers and the include list of each file; returns the number of jobs."""
    step = "build_preset check --target spiffe-helper spiffe-dev-agent"
    script = f'root=. && . scripts/build-env.sh && {step} && echo "$CMAKE_BUILD_PARALLEL_LEVEL"'
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}check-tidy.py: the build of preset check failed")
    return int(done.stdout.split()[-1])


def commands() -> dict[str, str]:
    """From each file of src/ to a command that compiles it alone; release compiles several files as one."""
    found: dict[str, str] = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        file = Path(entry["file"])
        included = re.findall(r'^#include "(/.+)"$', file.read_text(), re.M) if file.suffix == ".cxx" else [str(file)]
        for source in included:
            name = os.path.relpath(source, ROOT)
            if name.startswith("src/"):
                found[name] = entry["command"].replace(f" -c {file}", f" -c {source}")
    return found


def write_commands(of: dict[str, str]) -> None:
    entries = [{"directory": str(BUILD), "command": command, "file": str(ROOT / name)} for name, command in of.items()]
    (VENV / "compile_commands.json").write_text(json.dumps(entries))


def dependencies() -> dict[str, list[Path]]:
    """From each object file to the files that it was compiled from."""
    command = ["flock", BUILD.with_suffix(".lock"), "ninja", "-C", BUILD, "-t", "deps"]
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, list[Path]] = {}
    for line in text.stdout.splitlines():
        if line.startswith(" "):
            files.append(BUILD / line.strip())
        elif line:
            files = found.setdefault(line.partition(":")[0], [])
    return found


def object_of(command: str) -> str:
    words = command.split()
    return words[words.index("-o") + 1]


@cache
def digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def key(command: str, files: list[Path], common: bytes) -> str:
    state = hashlib.sha256(common)
    # The same key in every checkout.
    state.update(command.replace(str(ROOT), "").encode())
    for file in files:
        state.update(digest(file))
    return state.hexdigest()


def is_clean(source: str, mark: Path) -> bool:
    done = subprocess.run([*TIDY, "-p", VENV, source], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        mark.touch()
    else:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0


def forget_old() -> None:
    CLEAN.mkdir(parents=True, exist_ok=True)
    for mark in CLEAN.iterdir():
        if time.time() - mark.stat().st_mtime > KEPT_S:
            mark.unlink(missing_ok=True)


def main() -> int:
    arguments = sys.argv[1:]
    if len(arguments) > 1:
        sys.exit("check-tidy.py: one expression at most, see the head of this file")
    wanted = re.compile(arguments[0] if arguments else "")
    install()
    jobs = build()
    forget_old()
    common = f"{VERSION} {TIDY[1:]}".encode() + (ROOT / ".clang-tidy").read_bytes()
    includes = dependencies()
    todo: dict[str, Path] = {}
    sources = {name: command for name, command in commands().items() if wanted.search(name)}
    write_commands(sources)
    for source, command in sources.items():
        # The headers of an object, without the other sources in it.
        own = ROOT / source
        files = [each for each in includes[object_of(command)] if each.suffix not in (".cc", ".cxx")]
        mark = CLEAN / key(command, [own, *files], common)
        if mark.exists():
            mark.touch()
        else:
            todo[source] = mark
    with ThreadPoolExecutor(jobs) as pool:
        failed = list(pool.map(is_clean, todo, todo.values())).count(False)
    print(f"check-tidy.py: {len(sources)} files, {len(todo)} looked at, {failed} with findings")
    return 1 if failed or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
