#!/usr/bin/env python3
"""Checks that every relative link in the Markdown files leads somewhere: the file and, behind "#", the heading.

    scripts/check-links.py [--installed DIRECTORY]

    --installed  check the documents below this directory instead, as `cmake --install` has put them

Links to other sites are not followed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
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
    """Same lines, code blanked: brackets in it are no links. The text of a link may be code, so that stays."""
    return CODE.sub(lambda code: re.sub(r"[^\n]", "x" if code[0].startswith("`") else " ", code[0]), text)


def anchors(path: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
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


def main() -> int:
    parser = argparse.ArgumentParser(description="Checks the relative links of the Markdown files.")
    parser.add_argument("--installed", type=Path, metavar="DIRECTORY", help="check the documents below this directory")
    top = parser.parse_args().installed
    documents = sorted(top.rglob("*.md")) if top else tracked()
    if not documents:
        print("check-links.py: no documents", file=sys.stderr)
        return 1
    broken = list(check(documents, top or ROOT))
    print("\n".join(broken) if broken else f"{len(documents)} documents: every link leads somewhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
