#!/usr/bin/env python3
"""Finds the messages of spiffe-helper in the literals of its sources: log lines, errors, warnings.

    scripts/messages.py [SRC]

Prints "file:line: kind: words" for each; check-messages.py compares them with docs/messages.md.

Messages are composed of literals and values, so this finds the pieces of a message. It knows only the tokens
and brackets of C++. A literal counts if it is an argument of a log call, or if it has two words and is not in
a place without messages (NO_MESSAGE). Hints do not count: each comes with a message.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"
# Another program.
NOT_OURS = {"dev_agent", "dev_agent_main.cc"}

# Calls without messages: comparisons, help, and commands' output of data.
NO_MESSAGE = {
    "add_entry", "asm", "contains", "ends_with", "family", "find", "key", "print", "put", "records", "row",
    "starts_with", "static_assert", "system_error",
}  # fmt: skip
# Functions without messages.
NO_MESSAGES = {
    "all_flags", "bash_completion", "certificate_secret", "federated_text", "fish_completion", "in_words", "keys_list",
    "manual_of_commands", "manual_of_keys", "records", "svid_text", "validation_secret", "zsh_completion",
}  # fmt: skip
# Types and names of tables without messages.
NO_TABLE = {"Command", "CommandFlag", "Effect", "kDependent", "kFormats"}
# Tables with a message in one column.
TABLES = {"Phrase": 1}
# Calls that make an error, and the number of the argument that is its hint; -1: the last argument with words.
HINT_AT = {
    "Error": 2, "bad": 2, "StartError": 2, "fail": 2, "fail_at": 3, "fail_with": 1, "in.refuse": 1, "missing": 1, "must_be": 1,
    "other_format": 3, "invalid": -1, "refuse": -1, "refuse_key": -1, "refuse_message": -1, "unknown": 1, "warnings.push_back": 2, "warnings_.push_back": 2,
}  # fmt: skip
# Names that begin an error in a list or a call, and the distance to its hint.
HINT_BEHIND = {"ErrorKind": 2, "FailureKind": 2, "Grade": 3, "StartFailure": 2}
# Names of constants with hints; those with "hint" in their name are known.
HINTS = {"kIndent", "kOffered", "kWarned"}

# Literals of other kinds: titles in commands' output, names in files, words of other programs.
DATA = {
    "404 page not found", "Failed to connect to remote host:", "HTTP/1.1\r\nHost: localhost\r\nConnection: close",
    "JWK Set of", "JWT bundle of", "JWT bundles of", "Not Found", "Service Unavailable",
    "an X.509 output such as svid_file_name", "and of", "another kind of name", "bundle map of",
    "cmd, pid_file_name, renew_cmd or prepare_cmd", "federated bundle of", "hints of", "in PKCS#12", "issued by", "list of objects",
    "list of strings", "more trust domains", "new chain", "new serial", "own trust domain", "private key",
    "revocation list", "revocation lists", "spiffe-helper PKCS#12 MAC", "spiffe-helper PKCS#12 key",
    "spiffe-helper PKCS#12 truststore", "svid_keystore_file_name or truststore_file_name", "text/plain; charset=utf-8",
    "text/plain; version=0.0.4; charset=utf-8", "the agent's socket: a path, unix:///path or tcp://IP:port",
    "the signature is that of the trust domain", "with its private key",
    "?credential-bundle.private-key.x509.pem *.credential-bundle.private-key.x509.pem "
    "*.spiffe-trust-bundle.x509.pem "
    "?credential-bundle.private-key.pem *.credential-bundle.private-key.pem *.spiffe-trust-bundle.pem "
    "?credential-bundle.pem *.credential-bundle.pem *.trust-bundle.pem hints.json",
}  # fmt: skip

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#[^\n]*(?:\\\n[^\n]*)*)
    |(?P<raw>R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)")
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<code>'(?:[^'\\\n]|\\.)+'|[A-Za-z_]\w*|\d[\w.']*|::|->|[-+*/<>=!&|^%]=|&&|\|\||.)""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
PROSE = re.compile(r"[A-Za-z][a-z]+[,:;]? [A-Za-z0-9\"]")
HINTING = re.compile(r"(?:\b|_)hint(?:_|$)")
LOG = re.compile(r"(?:\b|_)log_?(?:::|\.)(debug|info|warning|error|fatal|write)$|\b(line_of)$")
NOTICE = re.compile(r"\bnotices(?:\.|->)(warn|inform)$")
TROUBLE = re.compile(r"\btroubles_\.(failed|ended)$")
LEVEL = re.compile(r"(?:log :: )?Level :: (\w+)")
ASSIGNED = re.compile(r"(?:^| )(\w+) \+?= ")
NOT_A_BLOCK = re.compile(r"[A-Za-z_]\w*$|[(,=>]$")
BLOCK = {"namespace", "class", "struct", "union", "enum", "extern", "else", "do", "try"}


@dataclass
class Piece:
    path: Path
    line: int
    text: str
    kind: str = "error"  # error, log, event or hint
    level: str = ""  # of a log line, if it is always the same


@dataclass
class Frame:
    """The content of an open bracket."""

    bracket: str = "{"
    head: str = ""  # the name before it; of a block, its owner
    block: bool = True
    arguments: list[str] = field(default_factory=lambda: [""])  # of a block: its statement
    pieces: list[tuple[int, Piece]] = field(default_factory=list)  # and the number of the argument

    def add(self, token: str) -> None:
        self.arguments[-1] += token + " "


def value_of(literal: str) -> str:
    named = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
    return re.sub(r"\\(.)", lambda match: named.get(match[1], match[1]), literal[1:-1], flags=re.DOTALL)


def tokens_of(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line; adjacent strings are one."""
    line, pending = 1, ("", "", 0)
    for match in TOKEN.finditer(text):
        kind, token = str(match.lastgroup), match[0]
        if kind == "string" and pending[0]:
            pending = (kind, pending[1] + value_of(token), pending[2])
        elif kind != "space":
            if pending[0]:
                yield pending
            pending = ("", "", 0)
            if kind == "string":
                pending = (kind, value_of(token), line)
            else:
                yield kind, token, line
        line += token.count("\n")
    if pending[0]:
        yield pending


def head_of(code: list[str]) -> str:
    """The qualified name at its end, without template arguments."""
    words = list(code)
    if words and words[-1] == ">":
        depth = 0
        while words:
            depth += {">": 1, "<": -1}.get(words.pop(), 0)
            if depth == 0:
                break
    taken: list[str] = []
    while words and (words[-1] in ("::", ".", "->") or words[-1].isidentifier()):
        if taken and words[-1].isidentifier() and taken[0].isidentifier():
            break
        taken.insert(0, words.pop())
    return "".join(taken)


class Reader:
    """The messages of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack = [Frame()]
        self.code: list[str] = []

    def read(self, text: str) -> list[Piece]:
        for kind, token, line in tokens_of(text):
            top = self.stack[-1]
            if kind == "string":
                top.pieces.append((len(top.arguments) - 1, self.piece(token, line)))
                token = '"' + re.sub(r"\s", "_", token) + '"'
            if token in ("(", "[", "{"):
                self.open(token)
            elif token in (")", "]", "}") and len(self.stack) > 1:
                self.close(token)
            elif token == ";" and top.block:
                top.arguments = [""]
            elif token == "," and not top.block:
                top.arguments.append("")
            else:
                top.add(token if kind != "raw" else '""')
            self.code.append(token)
        return [piece for _, piece in self.stack[0].pieces]

    def statement(self) -> str:
        return next(frame for frame in reversed(self.stack) if frame.block).arguments[-1]

    def piece(self, text: str, line: int) -> Piece:
        out = Piece(self.path, line, text)
        for frame in reversed(self.stack):
            names = ASSIGNED.findall(frame.arguments[-1])
            if names and (names[-1] in HINTS or "hint" in names[-1].lower()):
                out.kind = "hint"
            if frame.block:
                if HINTING.search(frame.head) or text.startswith(("hint: ", "\nhint: ")):
                    out.kind = "hint"
                break
        return out

    def open(self, bracket: str) -> None:
        around = self.stack[-1]
        statement = around.arguments[-1]
        words = statement.split()
        block = bracket == "{" and around.block
        if block and words:
            value = NOT_A_BLOCK.search(words[-1]) and words[-1] not in BLOCK and not BLOCK & set(words[:4])
            block = not value or words[-1] in ("const", "noexcept", "override")
        elif bracket == "{" and words and words[-1] in (")", "]", "mutable"):
            block = True  # a lambda, as an argument
        head = head_of(self.code[-80:])
        if block:
            called = re.search(r"([\w:.]+) \( \)[^()]*$", statement)
            head = around.head if around.head or not called else called[1]
        self.stack.append(Frame(bracket, head, block))

    def close(self, bracket: str) -> None:
        frame = self.stack.pop()
        around = self.stack[-1]
        settle(frame, around, set(self.statement().split()))
        around.pieces += [(len(around.arguments) - 1, piece) for _, piece in frame.pieces]
        if frame.block and around.block:
            around.arguments = [""]
        else:
            around.add(f"{frame.bracket} {bracket}")


def settle(frame: Frame, around: Frame, statement: set[str]) -> None:
    """Decides the kind of each of its pieces, at its end."""
    name = re.split(r"::|->|\.", frame.head)[-1]
    first = frame.arguments[0].strip()
    if frame.block:
        frame.pieces = [] if name in NO_MESSAGES else frame.pieces
    elif name in NO_MESSAGE or NO_TABLE & statement:
        frame.pieces = []
    elif settle_log(frame, first):
        return
    elif frame.bracket == "{" and first in ('"event"', '"hint"'):
        for _, piece in frame.pieces:
            piece.kind = first.strip('"')
        del frame.pieces[0]
    elif name == "event" and len(frame.arguments) == 1:
        for _, piece in frame.pieces:
            piece.kind, piece.text = "event", "_" + piece.text
    elif tables := TABLES.keys() & statement:
        if frame.bracket == "{" and first.startswith('"'):
            frame.pieces = [(at, piece) for at, piece in frame.pieces if at == TABLES[min(tables)]]
    else:
        settle_error(frame, around, name)


def settle_log(frame: Frame, first: str) -> bool:
    if match := LOG.search(frame.head):
        named = match[1] or "write"
        level = LEVEL.fullmatch(first)
        keep_log(frame, int(named == "write"), named if named != "write" else level[1] if level else "")
    elif match := NOTICE.search(frame.head):
        for at, piece in frame.pieces:
            piece.kind = "event" if at == 0 else piece.kind
        keep_log(frame, 2, {"warn": "warning", "inform": "info"}[match[1]])
    elif match := TROUBLE.search(frame.head):
        # The lines of a failure are in a list, which has been handled already.
        keep_log(frame, 1 if match[1] == "ended" else -1, "info")
    elif frame.bracket == "{" and (match := LEVEL.fullmatch(first)):
        keep_log(frame, 1, match[1])
    else:
        return False
    return True


def keep_log(frame: Frame, argument: int, level: str) -> None:
    """The message of a log call is the argument with this number; the others are fields."""
    kept = []
    for at, piece in frame.pieces:
        if at == argument and piece.kind == "error":
            piece.kind, piece.level = "log", level
        if piece.kind != "error":
            kept.append((at, piece))
    frame.pieces = kept


def settle_error(frame: Frame, around: Frame, name: str) -> None:
    if any(argument.strip() == "Grade :: ok" for argument in frame.arguments):
        frame.pieces = []
        return
    hint_at = HINT_AT.get(frame.head, HINT_AT.get(name, HINT_AT.get(around.head) if frame.bracket == "{" else None))
    for at, argument in enumerate(frame.arguments):
        for word in HINT_BEHIND.keys() & set(argument.split()):
            if f"{word} ::" in argument:
                hint_at = at + HINT_BEHIND[word]
    if hint_at == -1:
        said = sorted({at for at, piece in frame.pieces if piece.kind == "error" and PROSE.search(piece.text)})
        hint_at = said[-1] if len(said) > 1 else None
    for at, piece in frame.pieces:
        if at == hint_at:
            piece.kind = "hint"


def stripped(text: str) -> str:
    return text.strip(" \r\n,")


def is_message(piece: Piece) -> bool:
    if stripped(piece.text) in DATA:
        return False
    if piece.kind == "error":
        return PROSE.search(piece.text) is not None
    return piece.kind == "event" or (piece.kind == "log" and re.search(r"[A-Za-z]{2}", piece.text) is not None)


def pieces_of(path: Path, text: str) -> list[Piece]:
    return [piece for piece in Reader(path).read(text) if is_message(piece)]


def sources(src: Path) -> Iterator[Path]:
    for path in sorted(src.rglob("*")):
        if path.suffix in {".cc", ".hh"} and path.relative_to(src).parts[0] not in NOT_OURS:
            yield path


def messages(src: Path = SRC) -> list[Piece]:
    return [piece for path in sources(src) for piece in pieces_of(path, path.read_text())]


def literals(src: Path = SRC) -> set[str]:
    """All strings of the sources."""
    out = set()
    for path in sources(src):
        out |= {token for kind, token, _ in tokens_of(path.read_text()) if kind in ("string", "raw")}
    return out


def main() -> int:
    src = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SRC
    for piece in messages(src):
        level = " " + piece.level if piece.level else ""
        print(f"{piece.path.relative_to(src.parent)}:{piece.line}: {piece.kind}{level}: {piece.text!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
