#!/usr/bin/env python3
"""Checks the hardening of released programs in their ELF files, with readelf.

    scripts/check-hardening.py [--compiler COMPILER] [PROGRAM...]

Without names: both programs of build/release. A program must be position-independent and static, without text
relocations, without memory that is writable and executable, with a stack that is not executable, and with
every relocation done and read-only before main() (full RELRO). CET (amd64) and BTI (arm64) are required if
the C library of the compiler that made the program is marked for them. The default compiler is g++ for the
program's machine.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The machine in `readelf -h`; the compiler; the notes of a marked file.
MACHINES = {
    "Advanced Micro Devices X86-64": ("x86_64-linux-gnu-g++", {"IBT", "SHSTK"}),
    "AArch64": ("aarch64-linux-gnu-g++", {"BTI"}),
}


def readelf(*arguments: str | Path) -> str:
    command = ["readelf", "-W", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout


def marks(path: str | Path, known: set[str]) -> set[str]:
    """The protections of branches that the notes of an object or program declare."""
    lines = re.findall(r"feature: (.*)$", readelf("-n", path), re.MULTILINE)
    return known & set(re.split(r"[ ,]+", " ".join(lines)))


def segments(program: Path) -> list[tuple[str, str]]:
    """Type and access rights of each segment, the rights without blanks: ("LOAD", "RE")."""
    pattern = r"^ +([A-Z_]+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([R ][W ][E ])"
    found = re.findall(pattern, readelf("-l", program), re.MULTILINE)
    return [(kind, rights.replace(" ", "")) for kind, rights in found]


def layout_complaints(program: Path) -> list[str]:
    """The defects of the program's memory protection."""
    parts = segments(program)
    kinds = [kind for kind, _ in parts]
    found = []
    if not re.search(r"Type: +DYN", readelf("-h", program)):
        found.append("not position-independent: loaded at the same address every time")
    if "INTERP" in kinds:
        found.append("linked dynamically")
    if "GNU_STACK" not in kinds or ("GNU_STACK", "RWE") in parts:
        found.append("its stack is executable")
    if any(kind == "LOAD" and "W" in rights and "E" in rights for kind, rights in parts):
        found.append("a segment is writable and executable")
    if "GNU_RELRO" not in kinds:
        found.append("relocated data stays writable: no GNU_RELRO")
    dynamic = readelf("-d", program)
    found += [f"needs the shared library {name}" for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)]
    if "(TEXTREL)" in dynamic or re.search(r"\(FLAGS\).*TEXTREL", dynamic):
        found.append("text relocations: code is writable while it starts")
    if not re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW", dynamic):
        found.append("not relocated in whole before main(): no BIND_NOW")
    return found


def libc_marks(machine: str, compiler: str | None) -> set[str] | None:
    """The protections of the C library; None if the compiler is not installed."""
    default, known = MACHINES[machine]
    chosen = compiler or shutil.which(default)
    if chosen is None:
        return None
    command = [chosen, "-print-file-name=rcrt1.o"]
    path = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return marks(path, known)


def check(program: Path, compiler: str | None) -> bool:
    machine = re.search(r"Machine: +(.*)$", readelf("-h", program), re.MULTILINE)
    name = machine.group(1).strip() if machine else "unknown"
    if name not in MACHINES:
        print(f"{program}: for {name}, which this script does not know")
        return False
    found = layout_complaints(program)
    wanted = libc_marks(name, compiler)
    has = marks(program, MACHINES[name][1])
    found += [f"not marked for {each}, which the C library has" for each in sorted((wanted or set()) - has)]
    for problem in found:
        print(f"{program}: {problem}")
    if not found:
        branches = ", ".join(sorted(has)) or "no marks for branches"
        reason = "no compiler to ask about the C library" if wanted is None else "as the C library"
        print(f"{program}: static-pie, full RELRO, no executable stack; {branches} ({reason})")
    return not found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler")
    parser.add_argument("programs", nargs="*", type=Path)
    arguments = parser.parse_args()
    release = ROOT / "build/release"
    programs = arguments.programs or [release / "spiffe-helper", release / "spiffe-dev-agent"]
    return 0 if all([check(program, arguments.compiler) for program in programs]) else 1


if __name__ == "__main__":
    sys.exit(main())
