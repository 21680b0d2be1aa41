"""scripts/check-hardening.py: the released programs pass; a program without one of the properties fails."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from commands import ROOT, attempt, release, run

CHECK = ROOT / "scripts/check-hardening.py"
HARDENED = ("-fPIE", "-static-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack")


def compiled(directory: Path, *flags: str) -> Path:
    source, program = directory / "program.cc", directory / "program"
    source.write_text("int main() {}\n")
    run("g++", source, "-o", program, *HARDENED, *flags)
    return program


def test_the_released_programs_are_hardened() -> None:
    run(CHECK, release() / "spiffe-helper", release() / "spiffe-dev-agent")


def test_a_hardened_program_passes(tmp_path: Path) -> None:
    assert "static-pie, full RELRO" in run(CHECK, compiled(tmp_path))


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["-no-pie", "-static"], "not position-independent"),
        (["-no-pie", "-pie"], "linked dynamically"),
        # g++ adds -Bdynamic after libstdc++, so libc.so is needed although there is no interpreter.
        (["-static-libstdc++"], "needs the shared library libc.so.6"),
        (["-Wl,-z,execstack"], "its stack is executable"),
        (["-Wl,-z,norelro"], "relocated data stays writable"),
        (["-Wl,-z,lazy"], "not relocated in whole before main()"),
    ],
)
def test_a_missing_property_is_named(tmp_path: Path, flags: list[str], complaint: str) -> None:
    status, output = attempt(CHECK, compiled(tmp_path, *flags))
    assert status == 1
    assert complaint in output


def test_writable_code_is_named(tmp_path: Path) -> None:
    """No linker option makes code writable, so the flags of a segment are changed in the file."""
    program = compiled(tmp_path)
    elf = bytearray(program.read_bytes())
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    load, executable, everything = 1, 1, 7
    for at in range(offset, offset + size * count, size):
        kind, rights = struct.unpack_from("<II", elf, at)
        if kind == load and rights & executable:
            struct.pack_into("<I", elf, at + 4, everything)
    program.write_bytes(elf)
    status, output = attempt(CHECK, program)
    assert status == 1
    assert "a segment is writable and executable" in output
