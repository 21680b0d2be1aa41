"""`cmake --install`: every file has its place below the prefix, and units find the program there."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest
from commands import ROOT, attempt, release, run

FILES = [
    "bin/spiffe-dev-agent",
    "bin/spiffe-helper",
    "lib/systemd/system/spiffe-helper.service",
    "lib/systemd/system/spiffe-helper@.service",
    "share/bash-completion/completions/spiffe-helper",
    "share/doc/spiffe-dev-agent/LICENSE",
    "share/doc/spiffe-helper/LICENSE",
    "share/doc/spiffe-helper/README.md",
    "share/doc/spiffe-helper/examples/helper.conf",
    "share/fish/vendor_completions.d/spiffe-helper.fish",
    "share/man/man1/spiffe-dev-agent.1.gz",
    "share/man/man1/spiffe-helper.1.gz",
    "share/man/man5/spiffe-helper.conf.5.gz",
    "share/zsh/site-functions/_spiffe-helper",
]
UNITS = ["spiffe-helper.service", "spiffe-helper@.service"]
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze: install systemd")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", release(), "--prefix", directory)
    return directory


def files_below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())


def test_every_file_is_at_its_place(prefix: Path) -> None:
    docs = [f"share/doc/spiffe-helper/docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
    internal = {f"share/doc/spiffe-helper/docs/{name}" for name in ("ARCHITECTURE.md", "rules.md")}
    assert files_below(prefix) == sorted({*FILES, *docs} - internal)


def test_no_link_of_the_installed_documents_is_broken(prefix: Path) -> None:
    documents = prefix / "share/doc/spiffe-helper"
    assert "every link leads somewhere" in run(ROOT / "scripts/check-links.py", "--installed", documents)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One heading\n[a](a.md#one-heading) [b](b.md) [c](#two)\n    [d](code.md)\n")
    status, output = attempt(ROOT / "scripts/check-links.py", "--installed", tmp_path)
    assert status == 1
    assert [line.split(": ")[:2] for line in output.splitlines()] == [["a.md:2", "b.md"], ["a.md:2", "#two"]]


def test_modes_do_not_depend_on_who_installs(prefix: Path) -> None:
    for name in files_below(prefix):
        assert (prefix / name).stat().st_mode & 0o777 == (0o755 if name.startswith("bin/") else 0o644), name


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_the_units_find_the_installed_program(prefix: Path, unit: str) -> None:
    """systemd-analyze reports a program that does not exist."""
    path = prefix / "lib/systemd/system" / unit
    assert f"ExecStart={prefix}/bin/spiffe-helper -config /etc/spiffe-helper/" in path.read_text()
    instance = path.with_name(unit.replace("@.", "@web."))
    if instance != path:
        shutil.copy(path, instance)
    try:
        assert run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", instance) == ""
    finally:
        if instance != path:
            instance.unlink()


@pytest.mark.parametrize("unit", UNITS)
def test_a_staged_installation_names_the_final_path(tmp_path: Path, unit: str) -> None:
    run("env", f"DESTDIR={tmp_path}", "cmake", "--install", release(), "--prefix", "/opt/spiffe")
    assert (tmp_path / "opt/spiffe/bin/spiffe-helper").is_file()
    text = (tmp_path / "opt/spiffe/lib/systemd/system" / unit).read_text()
    assert "ExecStart=/opt/spiffe/bin/spiffe-helper -config" in text
    assert str(tmp_path) not in text


def test_the_unit_for_several_helpers_differs_only_in_the_name() -> None:
    single, several = ((ROOT / "packaging/systemd" / unit).read_text().splitlines() for unit in UNITS)

    def settings(lines: list[str]) -> list[str]:
        return [line for line in lines if line and not line.startswith("#")]

    different = [pair for pair in zip(settings(single), settings(several), strict=True) if pair[0] != pair[1]]
    assert different == [
        ("Description=SPIFFE identities in files", "Description=SPIFFE identities in files (%i)"),
        ("ConditionPathExists=/etc/spiffe-helper/helper.conf", "ConditionPathExists=/etc/spiffe-helper/%i.conf"),
        (
            "ExecStart=/usr/bin/spiffe-helper -config /etc/spiffe-helper/helper.conf",
            "ExecStart=/usr/bin/spiffe-helper -config /etc/spiffe-helper/%i.conf",
        ),
        ("RuntimeDirectory=spiffe-helper", "RuntimeDirectory=spiffe-helper/%i"),
    ]


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_the_sandbox_of_the_units_is_tight(prefix: Path, unit: str) -> None:
    """Comments in the unit explain the remaining findings of `systemd-analyze security --offline`."""
    path = prefix / "lib/systemd/system" / unit
    run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=35", path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_those_of_the_program(prefix: Path, shell: str) -> None:
    (name,) = [name for name in FILES if f"share/{shell}" in name]
    assert (prefix / name).read_text() == run(prefix / "bin/spiffe-helper", "completion", shell)


@pytest.mark.parametrize("page", [name for name in FILES if "/man/" in name])
def test_manual_pages_are_compressed_without_a_time(prefix: Path, page: str) -> None:
    compressed = (prefix / page).read_bytes()
    assert compressed[4:8] == bytes(4)
    assert gzip.decompress(compressed).startswith(b'.\\" ')


def test_the_agents_page_has_its_flags(prefix: Path) -> None:
    page = gzip.decompress((prefix / "share/man/man1/spiffe-dev-agent.1.gz").read_bytes()).decode()
    flags = re.findall(r"(?m)^  -([a-z-]+)[ ,]", run(prefix / "bin/spiffe-dev-agent", "-h"))
    assert len(flags) > 10
    assert sorted(flags) == sorted(re.findall(r"(?m)^\.It Fl ([a-z-]+)", page))


def test_the_example_is_valid_with_each_of_its_parts(prefix: Path, tmp_path: Path) -> None:
    text = (prefix / "share/doc/spiffe-helper/examples/helper.conf").read_text()
    # Settings in comments have no space after "#", except inside a block.
    first, *paragraphs = re.split(r"\n(?=\n)", text)
    assert len(paragraphs) >= 6
    helper, file = prefix / "bin/spiffe-helper", tmp_path / "helper.conf"
    optional = [each for each in paragraphs if "\n#" in each.replace("\n# ", "\n")]
    assert len(optional) >= 4
    fixed = "\n".join([first, *(each for each in paragraphs if each not in optional)])
    for paragraph in ["", *optional]:
        file.write_text(fixed + re.sub(r"(?m)^#(?=\w|  \w|})", "", paragraph) + "\n")
        assert run(helper, "config", "check", file) == f"{file}: valid\n"
