"""The sessions that an example's README shows, so that a test runs them and compares.

A session is an indented block. A line that begins with `$ ` is a command; one that ends with a backslash
continues in the next line, one with `<<END` up to the line `END`. The lines after a command are its expected
output:

    $ ../local/up.sh
    SPIRE runs; its agent listens on <path>
    ...
    ready

`<words>` stands for any text within a line, several spaces for one or more (the width of columns depends on
their content), a line of `...` for any number of lines, or none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

INDENT = "    "


@dataclass(frozen=True)
class Step:
    command: str
    expected: str  # "" if nothing is shown


def steps(readme: Path, heading: str | None = None) -> list[Step]:
    """The commands of a README, or of the section with this heading, in their order."""
    text = readme.read_text()
    if heading is not None:
        text = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found: list[tuple[list[str], list[str]]] = []
    continued = inside = False
    document = ""  # the line that ends a command's here-document
    for line in text.splitlines():
        if document:
            found[-1][0].append(line.removeprefix(INDENT))
            document = "" if found[-1][0][-1] == document else document
            continue
        if not line.startswith(INDENT):
            # An empty line may belong to the output; anything else ends it.
            inside = inside and not line
            if inside:
                found[-1][1].append("")
            continue
        content = line.removeprefix(INDENT)
        if continued:
            found[-1][0].append(content)
        elif content.startswith("$ "):
            found.append(([content.removeprefix("$ ")], []))
            inside = True
        elif inside:
            found[-1][1].append(content)
            continue
        else:
            continue
        continued = content.endswith("\\")
        document = "".join(re.findall(r"<<'?(\w+)", content)[:1])
    return [Step("\n".join(command), "\n".join(output).strip("\n")) for command, output in found]


def matches(expected: str, actual: str) -> bool:
    """Whether a program's output is as expected; spaces at the end of lines do not count."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
            continue
        parts = re.split(r"<[^<>\n]+>", line.rstrip())
        pattern += r"[^\n]+?".join(literal(part) for part in parts) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual.rstrip() + "\n" if actual.strip() else "") is not None


def literal(text: str) -> str:
    """A pattern for a text whose columns may be wider or narrower."""
    return r" +".join(re.escape(part) for part in re.split(r" {2,}", text))
