#!/usr/bin/env python3
"""Checks the table of examples/README.md: every row of the walk links to files and tests that exist, and
every file below examples/ belongs to a row.

    scripts/check-examples.py [--self-test]

    --self-test  check that mistakes in such a table are found, and only they

A row is `| number | step or question | links | tests |`, a test `tests/…/test_x.py::test_name`. Rows that do
not belong to the walk follow it, with a dash as their number.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = "examples/README.md"
ROWS = 24
# Answered only in the documentation.
WITHOUT_TEST = {18}
OTHER = "–"
ROW = re.compile(rf"^\| *(\d+|{OTHER}) *\|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[^`]*)`")


@dataclass(frozen=True)
class Row:
    number: str
    targets: list[str]  # relative to examples/
    tests: list[str]


def rows_of(text: str) -> list[Row]:
    return [
        Row(number, LINK.findall(files), TEST.findall(tests)) for number, _, files, tests in ROW.findall(text)
    ]


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def check_row(row: Row, root: Path) -> Iterator[str]:
    if not row.targets:
        yield "names no file"
    for target in row.targets:
        if not (root / "examples" / target).exists():
            yield f"{target}: no such file"
    if not row.tests and row.number not in {str(number) for number in WITHOUT_TEST}:
        yield "names no test"
    for test in row.tests:
        file, _, name = test.partition("::")
        if not (root / file).is_file():
            yield f"{file}: no such file"
        elif name not in functions(root / file):
            yield f"{file} has no function {name or 'without a name'}"


def belongs(file: Path, named: set[Path]) -> bool:
    return any(folder in named for folder in file.parents)


def check(root: Path, files: list[Path]) -> Iterator[str]:
    """`files` are all files below examples/."""
    rows = rows_of((root / PAGE).read_text())
    numbers = [row.number for row in rows]
    wanted = [str(number) for number in range(1, ROWS + 1)]
    if numbers[:ROWS] != wanted or {*numbers[ROWS:]} - {OTHER}:
        yield f"the rows are {', '.join(numbers)}, not 1 to {ROWS}"
    for row in rows:
        for problem in check_row(row, root):
            yield f"row {row.number}: {problem}"
    named: set[Path] = set()
    for target in (target for row in rows for target in row.targets):
        path = (root / "examples" / target).resolve()
        named.add(path if path.is_dir() else path.parent)
    named.discard((root / "examples").resolve())
    for file in files:
        if file.resolve() != (root / PAGE).resolve() and not belongs(file.resolve(), named):
            yield f"{file.relative_to(root)} belongs to no row"


def report(root: Path, files: list[Path]) -> list[str]:
    return [f"{PAGE}: {problem}" for problem in check(root, files)]


# A change to a valid page or its tree, and the expected report; None if the change is allowed.
SELF_TEST = [
    ("", "", None),
    ("| 7 |", "| 8 |", "the rows are"),
    ("| 24 | step 24 | [all](all) | `tests/test_all.py::test_all` |\n", "", "the rows are"),
    ("(all) | `tests/test_all.py::test_all` |\n| 2 |", "(none) | `tests/test_all.py::test_all` |\n| 2 |", "none: no such"),
    ("| 3 | step 3 | [all](all)", "| 3 | step 3 | all", "row 3: names no file"),
    ("| 4 | step 4 | [all](all) | `tests/test_all.py::test_all` |", "| 4 | step 4 | [all](all) | |", "names no test"),
    ("| 18 | step 18 | [all](all) | `tests/test_all.py::test_all` |", "| 18 | step 18 | [all](all) | – |", None),
    ("| 5 | step 5 | [all](all) | `tests/test_all.py", "| 5 | step 5 | [all](all) | `tests/test_none.py", "no such file"),
    ("test_all.py::test_all` |\n| 6 |", "test_all.py::test_none` |\n| 6 |", "has no function test_none"),
    ("test_all.py::test_all` |\n| 6 |", "test_all.py` |\n| 6 |", "has no function without a name"),
    (f"| {OTHER} |", "| 25 |", "the rows are"),
    (f"| {OTHER} | more | [other](other/file)", f"| {OTHER} | more | [all](all)", "other/file belongs to no row"),
    ("[all](all)", "[all](all/deep/file#heading)", "all/file belongs to no row"),
]


def self_test() -> int:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        names = ["all/file", "all/deep/file", "other/file"]
        for name in names:
            (root / "examples" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "examples" / name).touch()
        (root / "tests").mkdir()
        (root / "tests/test_all.py").write_text("def test_all():\n    def test_none(): pass\n")
        test = "`tests/test_all.py::test_all`"
        lines = [f"| {number} | step {number} | [all](all) | {test} |" for number in range(1, ROWS + 1)]
        page = "\n".join(["| # | step | files | test |", "|---|---|---|---|", *lines])
        page += f"\n| {OTHER} | more | [other](other/file) | {test} |\n"
        failed = 0
        for before, after, expected in SELF_TEST:
            (root / PAGE).write_text(page.replace(before, after))
            found = report(root, [root / "examples" / name for name in names])
            if expected is None if found else expected is not None:
                failed = 1
                print(f"self-test: {after!r} for {before!r}: {found or 'nothing'} was reported, not {expected!r}")
            elif expected is not None and not any(expected in problem for problem in found):
                failed = 1
                print(f"self-test: {after!r} for {before!r}: {found} was reported, not {expected!r}")
    return failed


def tracked() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "examples"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in sorted(listed.stdout.split("\0")) if name and (ROOT / name).exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the table of examples/README.md.")
    parser.add_argument("--self-test", action="store_true", help="check that mistakes are found, and only they")
    if parser.parse_args().self_test:
        return self_test()
    files = tracked()
    problems = report(ROOT, files)
    print("\n".join(problems) if problems else f"{len(files)} files of examples: each belongs to a step with a test")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
