#!/usr/bin/env python3
"""Checks that a released program is small, static and stripped.

    scripts/check-size.py [PROGRAM] [--max BYTES]
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path

PT_INTERP, SHT_SYMTAB = 3, 2
ROOT = Path(__file__).resolve().parent.parent


def table(elf: bytes, offset: int, entry_size: int, count: int, type_at: int) -> list[int]:
    """The types of the entries of a program or section header table."""
    return [struct.unpack_from("<I", elf, offset + i * entry_size + type_at)[0] for i in range(count)]


def complaints(elf: bytes, limit: int) -> list[str]:
    if elf[:6] != b"\x7fELF\x02\x01":
        return ["not a 64-bit little-endian ELF file"]
    phoff, shoff, _, _, phsize, phnum, shsize, shnum = struct.unpack_from("<QQIHHHHH", elf, 32)
    segments = table(elf, phoff, phsize, phnum, 0)
    sections = table(elf, shoff, shsize, shnum, 4)
    found = []
    if len(elf) > limit:
        found.append(f"{len(elf):,} bytes, more than {limit:,}")
    # A static position-independent program has a dynamic section, but no interpreter.
    if PT_INTERP in segments:
        found.append("linked dynamically")
    if SHT_SYMTAB in sections:
        found.append("not stripped")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", type=Path, default=ROOT / "build/release/spiffe-helper")
    parser.add_argument("--max", type=int, default=12_500_000)
    arguments = parser.parse_args()
    elf = arguments.program.read_bytes()
    found = complaints(elf, arguments.max)
    for problem in found:
        print(f"{arguments.program}: {problem}")
    if not found:
        print(f"{arguments.program}: {len(elf):,} bytes, static, stripped")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
