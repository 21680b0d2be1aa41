#!/usr/bin/env python3
"""Checks that docs/messages.md has every message of the sources, and no other.

    scripts/check-messages.py [--self-test]

    --self-test  check that missing and stale messages are found, and only they

The first column of each table there holds messages as `code`, with <placeholders>. A table of log lines has
a second column with their levels and events. scripts/messages.py finds the messages in the sources.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from messages import DATA, Piece, literals, messages, stripped

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/messages.md")
SPAN = re.compile(r"`([^`]+)`")
PLACEHOLDER = re.compile(r"<[a-z][^<>]*>")
FORMAT_FIELD = re.compile(r"\{[^{}\"]*\}|%s|\n")
LEVEL = re.compile(r"\b(?:debug|info|warning|error|fatal)\b")
LEANING = re.compile(r"\b[Aa]s above\b|\| [Tt]he same (?:for|with|,)|\b(?:next|previous) (?:line|row)\b")
EDGES = " \t,;:()[]'\"."


@dataclass
class Row:
    line: int
    spans: list[str]
    levels: set[str]
    events: set[str]
    empty: bool  # a cell is empty
    leans: bool  # refers to the row above it


def rows_of(page: str) -> Iterator[Row]:
    columns = 0
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("|"):
            columns = 0
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if columns == 0:
            columns = len(cells) if cells[0] in ("message", "line of the log") else -1
            continue
        if columns < 0 or set(line) <= set("|-: "):
            continue
        second = cells[1] if columns == 4 else ""
        events = {event.removeprefix("event=") for event in SPAN.findall(second)}
        levels = set(LEVEL.findall(SPAN.sub("", second)))
        empty = len(cells) != columns or not all(cells)
        yield Row(number, SPAN.findall(cells[0]), levels, events, empty, LEANING.search("| ".join(["", *cells[1:]])) is not None)


def parts_of(text: str) -> list[str]:
    """The fixed words of a literal, or of the text between placeholders."""
    return [part for field in FORMAT_FIELD.split(text) if len(part := field.strip(EDGES)) > 1]


def has(row: Row, piece: Piece) -> bool:
    parts = parts_of(piece.text)
    return any(all(part in span for part in parts) for span in row.spans)


def missing(pieces: list[Piece], rows: list[Row]) -> Iterator[tuple[Piece, str]]:
    events = {event for row in rows for event in row.events}
    for piece in pieces:
        if piece.kind == "event":
            known = piece.text in events or (piece.text[0] == "_" and any(e.endswith(piece.text) for e in events))
            if not known:
                yield piece, f"has no event={piece.text}"
            continue
        found = [row for row in rows if has(row, piece)]
        if not found:
            yield piece, f"has no row with {piece.text.strip()!r}"
        elif piece.level and not any(piece.level in row.levels for row in found):
            yield piece, f"line {found[0].line}: the level of {piece.text.strip()!r} is {piece.level}"


class Known:
    """The strings of the sources, in their fixed parts."""

    def __init__(self, texts: set[str]) -> None:
        self.joined = "\0" + "\0".join(part for text in texts for part in parts_of(text)) + "\0"

    def has(self, part: str, begin: str = "") -> bool:
        """Whether it is in one string, or spans the end of one and the start of another, and so on."""
        if begin + part in self.joined:
            return True
        for gap in re.finditer(r"[\s:;,(]+", part):
            head, tail = part[: gap.start()].strip(EDGES), part[gap.end() :].strip(EDGES)
            if head and f"{begin}{head}\0" in self.joined and self.has(tail, "\0"):
                return True
        return False


def stale(rows: list[Row], texts: set[str]) -> Iterator[str]:
    known = Known(texts)
    for row in rows:
        if row.empty or not row.spans:
            yield f"{PAGE}:{row.line}: a cell is empty, or one is missing"
        if row.leans:
            yield f"{PAGE}:{row.line}: a row that leans on its neighbour says nothing to who greps it"
        for part in (part for span in row.spans for fixed in PLACEHOLDER.split(span) for part in parts_of(fixed)):
            if not known.has(part):
                yield f"{PAGE}:{row.line}: no source has {part!r}"
        for event in row.events:
            if PLACEHOLDER.sub("", event).lstrip("_") not in texts:
                yield f"{PAGE}:{row.line}: no source has event={event}"


def check(root: Path) -> list[str]:
    rows = list(rows_of((root / PAGE).read_text()))
    pieces = [piece for piece in messages(root / "src") if piece.kind != "hint"]
    out = [f"{piece.path.relative_to(root)}:{piece.line}: {PAGE} {why}" for piece, why in missing(pieces, rows)]
    return out + list(stale(rows, literals(root / "src")))


SELF_TEST_SOURCE = """
#include "base/log.hh"
constexpr CommandFlag kFlag = {"flag", "help of a flag"};
const char* help() { return R"(raw text here)"; }  // "comment text here"
Result<int> open_it(const std::string& path) {
  if (path.contains("two words")) return fail(ErrorKind::io, "cannot open " + path, "ask somebody else");
  const char* hint = path.empty() ? "say which one" : "say it again";
  out.print("data for people");
  return fail(Error{ErrorKind::io, fmt::format("{} is no file, but {}", path, kind(path)), hint});
}
void Daemon::tell(bool warned) {
  log_.warning("Lost " + name() + ": it was closed" " early", {{"event", "lost"}, {"path", "the path"}});
  log::write(warned ? log::Level::debug : log::Level::info, warned ? "Again" : "At first", {{"event", "seen"}});
  troubles_.failed("", "some cause", {log::Level::error, "Unable to go on", {{"hint", "try it again"}}});
  troubles_.ended("", "It goes on", fields);
  notices.warn("odd_file", path, "is an odd file");
  add(out, Grade::ok, "step", "all is well");
  add(out, Grade::fail, "step", "nothing is well", "call for help");
  hook.info(name_, {{"event", event("started")}});
}
"""
SELF_TEST_PAGE = """# Page

| line of the log | level, event | cause | what to do |
|---|---|---|---|
| `Lost <name>: it was closed early` | warning `event=lost` | a | b |
| `At first`<br>`Again` | info, debug `event=seen` | a | b |
| `Unable to go on` | error | a | b |
| `It goes on` | info | a | b |
| `<path> is an odd file` | warning `event=odd_file` | a | b |
| `<line>` | info `event=<hook>_started` | a | b |

| message | cause | what to do |
|---|---|---|
| `cannot open <path>` | a | b |
| `<path> is no file, but <kind>`<br>`nothing is well: cannot open <path>` | a | b |
"""
# A change in the sources or on the page, and the expected report.
SELF_TEST = [
    ("", "", None),
    ('Lost "', 'Gone "', "has no row with 'Gone'"),
    ('Lost "', 'Gone "', "no source has 'Lost'"),
    ("log_.warning", "log_.error", "the level of 'Lost' is error"),
    ('"event", "lost"', '"event", "gone"', "has no event=gone"),
    ('"event", "lost"', '"event", "gone"', "no source has event=lost"),
    ('"Again"', '"Once more"', "has no row with 'Once more'"),
    ("cannot open ", "cannot shut ", "has no row with 'cannot shut'"),
    ("is no file, but {}", "is a file, but {}", "has no row with '{} is a file"),
    ("Unable to go on", "Unable to stay", "has no row with 'Unable to stay'"),
    ("It goes on", "It stays", "no source has 'It goes on'"),
    ("odd_file", "odd_link", "has no event=odd_link"),
    ("an odd file", "an odd link", "has no row with 'is an odd link'"),
    ("nothing is well", "little is well", "no source has 'nothing is well: cannot open'"),
    ('event("started")', 'event("begun")', "no source has event=<hook>_started"),
    ("two words", "three words", None),
    ("help of a flag", "another help", None),
    ("raw text", "other text", None),
    ("comment text", "other text", None),
    ("data for people", "data for all", None),
    ("say which one", "say what it is", None),
    ("ask somebody else", "ask nobody", None),
    ("the path", "another path", None),
    ("all is well", "all is good", None),
    ("| `It goes on` | info | a | b |", "| `It goes on` | info | a | |", "a cell is empty"),
    ("| `It goes on` | info | a | b |", "| `It goes on` | info | a |", "one is missing"),
    ("| `It goes on` | info | a | b |", "| `It goes on` | info | a | As above. |", "leans on its neighbour"),
]


def self_test() -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "src/deep").mkdir(parents=True)
        (root / "docs").mkdir()
        for before, after, expected in SELF_TEST:
            on_page = before.startswith("|")
            page = SELF_TEST_PAGE.replace(before, after) if on_page else SELF_TEST_PAGE
            source = SELF_TEST_SOURCE if on_page else SELF_TEST_SOURCE.replace(before, after)
            (root / "src/deep/file.cc").write_text(source)
            (root / PAGE).write_text(page)
            found = check(root)
            if not any(expected in problem for problem in found) if expected else found:
                failed = 1
                print(f"self-test: {after!r} for {before!r}: {found or 'nothing'} was reported, not {expected!r}")
    return failed


def unused() -> Iterator[str]:
    known = {stripped(text) for text in literals(ROOT / "src")}
    for text in sorted(DATA - known):
        yield f"scripts/messages.py: DATA has {text!r}, and no source"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares docs/messages.md with the messages of the sources.")
    parser.add_argument("--self-test", action="store_true", help="check that missing or stale ones are found")
    if parser.parse_args().self_test:
        return self_test()
    problems = [*check(ROOT), *unused()]
    print("\n".join(problems) if problems else f"{PAGE} has the messages of the sources")
    if problems:
        print("A message needs a row: message, cause, what to do", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
