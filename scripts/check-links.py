#!/usr/bin/env python3
"""Checks every relative link in the Markdown files: the file and, after "#", the heading must exist.

    scripts/check-links.py [--installed DIRECTORY | --self-test]

    --installed  check the documents below this directory instead, as `cmake --install` has put them
    --self-test  check that broken links are found, and only they

Links to other sites are not followed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"(?ms)^(```|~~~).*?^\1|^(?: {4}|\t)[^\n]*$|`[^`\n]*`")
LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
REFERENCE = re.compile(r"(?m)^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$")
HEADING = re.compile(r"(?m)^#{1,6}\s+(.*?)\s*#*$")
OTHER_SITE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in sorted(listed.stdout.split("\0")) if name]


def without_code(text: str) -> str:
    """Same lines, with code blanked, except the text of a link: brackets in code are not links."""
    return CODE.sub(lambda code: re.sub(r"[^\n]", "x" if code[0].startswith("`") else " ", code[0]), text)


def anchors(path: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    found: set[str] = set()
    text = re.sub(r"(?ms)^(```|~~~).*?^\1", "", path.read_text())
    for heading in HEADING.findall(text):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 0
        while (name := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(name)
    return found


def links(text: str) -> Iterator[tuple[int, str]]:
    """Line and target of each link."""
    plain = without_code(text)
    for pattern in (LINK, REFERENCE):
        for match in pattern.finditer(plain):
            yield plain.count("\n", 0, match.start()) + 1, match[1]


def problem(document: Path, target: str, top: Path) -> str | None:
    name, _, anchor = unquote(target).partition("#")
    path = (document.parent / name).resolve() if name else document
    if not path.is_relative_to(top.resolve()):
        return "leads out of the tree"
    if not path.exists():
        return "no such file"
    if anchor and path.suffix == ".md" and anchor not in anchors(path):
        return f"no such heading; there are: {', '.join(sorted(anchors(path)))}"
    return None


def check(documents: list[Path], top: Path) -> Iterator[str]:
    for document in documents:
        for line, target in links(document.read_text()):
            if OTHER_SITE.match(target):
                continue
            if reason := problem(document, target, top):
                yield f"{document.relative_to(top)}:{line}: {target}: {reason}"


# Pieces of a document, and whether the link in each is accepted.
SELF_TEST = [
    ("# One `two` [three](docs/other.md)", True),
    ("[file](docs/other.md)", True),
    ("[directory](docs)", True),
    ("[file with a title](docs/other.md \"Title\")", True),
    ("[`code`](docs/other.md)", True),
    ("[no file](other.md)", False),
    ("[`no` [file]](other.md)", False),
    ("![no picture](<picture.png>)", False),
    ("[reference]: docs/none.md", False),
    ("[out of the tree](../outside.md)", False),
    ("[heading here](#one-two-three)", True),
    ("[no heading here](#four)", False),
    ("[heading there](docs/other.md#a-b-c)", True),
    ("[second of its name](docs/other.md#a-b-c-1)", True),
    ("[no third](docs/other.md#a-b-c-2)", False),
    ("[comment in code](docs/other.md#no-heading)", False),
    ("[two](docs/other.md) [links](none.md)", False),
    ("[other site](https://example.org/none.md)", True),
    ("`[code](none.md)`", True),
    ("    [code](none.md)", True),
    ("```\n[code](none.md)\n```", True),
]


def self_test() -> int:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory) / "tree"
        (top / "docs").mkdir(parents=True)
        (top.parent / "outside.md").touch()
        (top / "docs/other.md").write_text("# A: b, C\n\n## A b c\n\n```\n# No heading\n```\n")
        document = top / "README.md"
        document.write_text("\n".join(text for text, _ in SELF_TEST) + "\n")
        found = {int(report.split(":")[1]) for report in check([document], top)}
    expected = set()
    line = 1
    for text, leads in SELF_TEST:
        expected |= set() if leads else {line}
        line += text.count("\n") + 1
    for line in sorted(found ^ expected):
        print(f"self-test: the link of line {line} was {'wrongly' if line in found else 'not'} reported")
    return 1 if found != expected else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the relative links of the Markdown files.")
    parser.add_argument("--installed", type=Path, metavar="DIRECTORY", help="check the documents below this directory")
    parser.add_argument("--self-test", action="store_true", help="check that broken links are found, and only they")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    top = options.installed
    documents = sorted(top.rglob("*.md")) if top else tracked()
    if not documents:
        print("check-links.py: no documents", file=sys.stderr)
        return 1
    broken = list(check(documents, top or ROOT))
    print("\n".join(broken) if broken else f"{len(documents)} documents: every link leads somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
