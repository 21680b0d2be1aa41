#!/usr/bin/env python3
"""Checks sizes: no file over 500 lines, no function over 60.

    scripts/check-lines.py

A limit may be exceeded if a comment gives the reason in one line: "check-lines: a table of …". For a file it
is among the first 10 lines, for a function in the line above it.

C++ functions are found by their layout, which clang-format guarantees: a declaration that is not indented,
a line that ends with "{", and a lone "}". Members defined inside a class are not seen.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "tests", "scripts", ".ci", "cmake", "packaging")
SUFFIXES = {".cc", ".hh", ".py", ".sh", ".cmake", ".go"}
MAX_FILE = 500
MAX_FUNCTION = 60
REASON = re.compile(r"(//|#) check-lines: \S+ \S+")
NOT_A_FUNCTION = re.compile(r"(inline )?(namespace|class|struct|enum|union|extern)\b.*\{$")


def cpp_functions(lines: list[str]) -> Iterator[tuple[int, int]]:
    """First and last line of each function; the first is where its declaration begins."""
    start = declaration = 0
    for number, line in enumerate(lines, 1):
        if start:
            if line == "}":
                yield start, number
            if line.startswith("}"):
                start = declaration = 0
            continue
        if not line.startswith(" "):
            # A declaration may fill several lines; the later ones are indented.
            code = line and line[0] not in "#/}" and not line.endswith(";")
            declaration = number if code and not NOT_A_FUNCTION.match(line) else 0
        if declaration and line.endswith("{"):
            start = declaration


def python_functions(text: str) -> Iterator[tuple[int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.end_lineno or node.lineno


def check(path: Path) -> Iterator[str]:
    text = path.read_text()
    lines = text.splitlines()
    name = path.relative_to(ROOT)
    if len(lines) > MAX_FILE and not any(map(REASON.search, lines[:10])):
        yield f"{name}:{len(lines)}: {len(lines)} lines, more than {MAX_FILE}"
    functions: Iterator[tuple[int, int]] = iter(())
    if path.suffix in {".cc", ".hh"}:
        functions = cpp_functions(lines)
    elif path.suffix == ".py":
        functions = python_functions(text)
    for first, last in functions:
        if last - first + 1 > MAX_FUNCTION and not REASON.search(lines[max(first - 2, 0)]):
            yield f"{name}:{first}: a function of {last - first + 1} lines, more than {MAX_FUNCTION}"


def main() -> int:
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file()]
    wanted = [p for p in files if p.suffix in SUFFIXES or p.parent.name == ".ci"]
    problems = [problem for path in sorted(wanted) for problem in check(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
