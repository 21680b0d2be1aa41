"""We read configurations like the Go helper (0.11.0), except for the differences listed here.

Both programs read thousands of files, cmd_args and path names. Verdicts are compared before keys of later
versions are refused, and values by the names of the keys.
"""

from __future__ import annotations

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from config_cases import ALIASES, MODE_KEYS, NEW_KEYS, random_cases
from config_forms import FORMS
from differential import Answer, Pair, Sides, ask, go_oracle, our_driver

SEED = 20_250_601
RANDOM_FILES = 12_000
REFUSED, ACCEPTED = "we refuse", "we accept"
# Our keys that the Go helper does not have, in lower case.
OURS_ONLY = {name.lower() for name in (*ALIASES.values(), *NEW_KEYS)}


@dataclass(frozen=True)
class Difference:
    """`what` is REFUSED, with our error; ACCEPTED, with Go's error; or a key, with both values."""

    what: str
    detail: str
    pair: Pair

    def kind(self) -> tuple[str, str]:
        """The part that similar differences share: without positions, names and numbers."""
        return self.what, re.sub(r'"[^"]*"|\d+', "_", self.detail)

    def report(self) -> str:
        text = self.pair.case.text.decode(errors="backslashreplace")
        said = [
            f"{side}: {a.get('error', 'accepted')}"
            for side, a in (("ours", self.pair.ours), ("Go's", self.pair.go))
        ]
        return "\n".join(
            [
                f"{self.pair.case.name}: {self.what}: {self.detail}",
                *said,
                f"---{self.pair.case.env or ''}",
                text,
                "---",
            ]
        )


def text_of(pair: Pair) -> str:
    return pair.case.text.decode("latin-1")


def holds(pattern: str) -> Callable[[Difference], bool]:
    return lambda d: re.search(pattern, text_of(d.pair), re.IGNORECASE) is not None


def is_json(d: Difference) -> bool:
    return d.pair.case.text.lstrip().startswith(b"{")


def go_value(d: Difference, key: str) -> object:
    return d.pair.go["values"][key]


def names_only_ours(d: Difference) -> bool:
    return set(d.detail.rpartition(": ")[2].lower().split(",")) <= OURS_ONLY


def quotes_a_key_of_ours(d: Difference) -> bool:
    return any(key.lower() in OURS_ONLY for key in re.findall(r'"(\w+)"\s*[={]', text_of(d.pair)))


def repeated(d: Difference) -> bool:
    """The key in our error occurs more than once: we check every value, Go only the last."""
    key = re.search(r": (?:\w+\.)?(\w+)(?:: address| must| =| has)", d.detail)
    return key is not None and len(re.findall(rf"(?i)\b{key[1]}\b", text_of(d.pair))) > 1


def mode_read_otherwise(d: Difference) -> bool:
    """We read the digits as octal, Go as decimal."""
    ours = d.pair.ours["values"][d.what]
    spellings = re.findall(rf'(?i)\b{d.what}"?\s*[=:]\s*("?)(\w+)', text_of(d.pair))
    octal = [(quote, digits) for quote, digits in spellings if re.fullmatch("[0-7]+", digits)]
    return any(int(digits, 8) & 0o777 == ours and (quote or len(digits) == 3) for quote, digits in octal)


def nobody_has_access(d: Difference) -> bool:
    octal = re.search(r'(?i)_mode"?\s*[=:]\s*"[1-7]0*000"', text_of(d.pair)) is not None
    return octal or any(int(str(go_value(d, key))) & 0o777 == 0 for key in MODE_KEYS) or repeated(d)


def always(_: Difference) -> bool:
    return True


@dataclass(frozen=True)
class Row:
    """An intentional difference: its kind, a pattern for its detail, and a further condition."""

    what: str
    pattern: str
    why: str
    when: Callable[[Difference], bool] = always

    def explains(self, d: Difference) -> bool:
        return (
            re.fullmatch(self.what, d.what) is not None
            and re.search(self.pattern, d.detail) is not None
            and self.when(d)
        )


EMPTY_BLOCK = r"\{(\s|#[^\n]*|//[^\n]*|/\*[^*]*\*/)*\}"
BROKEN_JSON = r"^: (expected|unknown escape|this (string|\"\{\"|\"\[\")|.*JSON|\\u needs|half of)"

# Every intentional difference. A row that matches nothing fails the test, too.
INTENDED = (
    # Accepted by us and refused by Go.
    Row(
        ACCEPTED, "^unknown top level key", "aliases of v0.6, and keys that are new with us", names_only_ours
    ),
    Row(ACCEPTED, r"^unknown key\(s\) in jwt_svids.*: (hint|spiffe_id)$", "keys that are new with us"),
    Row(
        ACCEPTED,
        "is required in 'jwt_svids'|jwt_svids.*not an object type",
        "blocks jwt_svids { … }, which Go tears into one entry a key",
        holds(r"\bjwt_svids\"?\s*=?\s*\{|^\s*\{"),
    ),
    Row(ACCEPTED, r"root.cmd_args: unknown type for string \*ast.ListType", "cmd_args may be a list"),
    Row(
        ACCEPTED,
        "invalid syntax|unknown (slice )?type|not an object type",
        "null in JSON: not set",
        lambda d: is_json(d) and b"null" in d.pair.case.text,
    ),
    Row(
        ACCEPTED,
        "root.health_checks: not an object type",
        "health_checks: [] in JSON: no blocks, as tools write it",
        is_json,
    ),
    Row(
        ACCEPTED,
        "^workload endpoint",
        "a bare path may hold whatever a path may; Go makes a URI of it",
        holds("agent_?address"),
    ),
    Row(
        ACCEPTED,
        "illegal octal number",
        "a number where text is due is its text, here of hint",
        holds(r"= *0\d*[89]"),
    ),
    Row(ACCEPTED, "illegal char escape", r"\\/ in JSON", lambda d: is_json(d) and rb"\/" in d.pair.case.text),
    Row(
        ACCEPTED,
        "heredoc not terminated",
        "a heredoc's last line may be the file's, without a line end",
        holds(r"\n[ \t]*\w+\Z"),
    ),
    Row(ACCEPTED, "^both SPIRE_AGENT_ADDRESS and SPIFFE_ENDPOINT_SOCKET set", "the newer name wins"),
    Row(
        "warning",
        "^SPIRE_AGENT_ADDRESS is deprecated and will be removed",
        "0.10.0 is over, and it was not removed",
        lambda d: "SPIRE_AGENT_ADDRESS is deprecated. Use SPIFFE_ENDPOINT_SOCKET instead."
        in d.pair.ours["warnings"],
    ),
    Row(
        ACCEPTED,
        "all or none|at least one of",
        "an alias in quotes, which Go passes over",
        quotes_a_key_of_ours,
    ),
    # Accepted by Go and refused by us.
    Row(REFUSED, "are the same file|lies below .*, which is a file", "one output would overwrite another"),
    Row(REFUSED, "names no file|leads out of cert_dir", "it can only fail, or write where nobody looks"),
    Row(REFUSED, 'names that begin with ".." are the helper', "..data and its like in cert_dir are ours"),
    Row(REFUSED, "gives others access to the key", "a guess never opens a key to others"),
    Row(REFUSED, "gives nobody access", "the next write would fail", nobody_has_access),
    Row(
        REFUSED,
        "_mode must be a file mode",
        "a mode in quotes is octal, without signs and _",
        holds(r'_mode"?\s*[=:]\s*"(\+|.*_|.*[89]|0b)'),
    ),
    Row(
        REFUSED,
        "must be|must not be|cmd_args has|agent_address: address",
        "of a key given twice each value must be right, not just the last",
        repeated,
    ),
    Row(
        REFUSED,
        "renew_signal must be a signal",
        "found when the configuration is read, not at the first rotation",
        lambda d: go_value(d, "renew_signal") == 0,
    ),
    Row(
        REFUSED,
        "bind_port must be a port",
        "it cannot be bound; Go logs a warning and serves nothing",
        lambda d: not 0 <= int(str(go_value(d, "health_checks.bind_port"))) <= 65535,
    ),
    Row(
        REFUSED,
        "_path must begin with /|liveness_path and health_checks.readiness_path are both",
        "Go panics when it registers them",
        lambda d: go_value(d, "health_checks.listener_enabled") is True,
    ),
    Row(
        REFUSED,
        "cmd_args has",
        "found when the configuration is read, not when the command is started",
        lambda d: "args_error" in d.pair.go,
    ),
    Row(REFUSED, BROKEN_JSON, "Go's JSON reader stops at the last brace, and minds little before", is_json),
    Row(
        REFUSED,
        'is not a number|expected "=" or|expected "=" after|expected a key',
        "Go takes a stray word before a block for part of its name and passes over both",
        lambda d: not is_json(d),
    ),
    Row(
        REFUSED,
        "unknown key",
        "Go looks at no key with a second part but the first of the file",
        holds(r'\w"?\s+"?\w+"?\s*\{'),
    ),
    Row(
        REFUSED,
        'unexpected character "[^ -~]',
        "letters beyond ASCII in bare names: no key has any",
        lambda d: not is_json(d),
    ),
    Row(
        REFUSED, "expected a value for .*, found the end of the file", "Go drops a last key that has no value"
    ),
    Row(
        REFUSED,
        "must be a list.*not an object",
        "Go takes an empty block for an empty list",
        holds(EMPTY_BLOCK),
    ),
    Row(
        REFUSED, "needs jwt_svid_file_name", "Go passes over an empty block jwt_svids {}", holds(EMPTY_BLOCK)
    ),
    Row(
        REFUSED,
        "agent_address: address",
        "Go puts unix:// before it and never connects",
        lambda d: ":" in str(go_value(d, "agent_address"))[6:],
    ),
    Row(
        REFUSED,
        r"health_checks\.(unix_socket|bind_address|metrics_path) must",
        "a key that Go does not know, and passes over inside health_checks",
    ),
    Row(REFUSED, "takes no name", "Go passes over a block with a name"),
    Row(
        REFUSED,
        "a heredoc begins with",
        "letters beyond ASCII in a heredoc's word",
        holds("<<\\w*[\x80-\xff]"),
    ),
    Row(REFUSED, "may not hold a NUL byte", "no path and no argument can hold one"),
    Row(
        REFUSED, "", "a quoted key that Go does not know and passes over is one of ours", quotes_a_key_of_ours
    ),
    # Accepted by both, with different meanings.
    Row(
        "[a-z_]+",
        "",
        "an alias in quotes, which Go passes over",
        lambda d: f'"{ALIASES.get(d.what)}"'.lower() in text_of(d.pair).lower(),
    ),
    Row(
        "agent_address",
        "for ['\"]unix://(unix|tcp):",
        "Go puts unix:// before whatever it finds",
        holds("agent_?address"),
    ),
    Row(
        "agent_address",
        "for ['\"]unix://(?!unix:|tcp:)[^/]",
        "a relative path, which Go cannot dial: it takes its first part for a host",
    ),
    Row("renew_signal", "for 0$", "HUP, hup, 1 and SIGRTMIN+3 are signals too"),
    Row(
        "(cert|key|jwt_bundle|jwt_svid)_file_mode",
        "",
        '644 and "644" are meant as octal; Go reads them as decimal',
        mode_read_otherwise,
    ),
)


def differences(pair: Pair) -> Iterator[Difference]:
    ours, go = pair.ours, pair.go
    # Go checks the address only when it dials, after it has read everything; an invalid one then ends it.
    go_error = go.get("error") or go.get("address_error")
    if "error" in ours:
        if not go_error:
            yield Difference(REFUSED, re.sub(r"^\S+\.conf(:\d+:\d+)?", "", ours["error"]), pair)
        return
    if go_error:
        yield Difference(ACCEPTED, re.sub(r'^failed to parse "[^"]*"', "", go_error), pair)
        return
    for key, value in ours["values"].items():
        theirs = go["values"][key]
        if key in MODE_KEYS:
            theirs &= 0o777  # open(2) ignores the other bits
        if key.startswith("health_checks.") and not go["values"]["health_checks.listener_enabled"]:
            continue  # not used without a listener, and Go leaves it empty
        if value != theirs:
            yield Difference(key, f"{value!r} for {theirs!r}", pair)
    for warning in go["warnings"]:
        if warning not in ours["warnings"]:
            yield Difference("warning", warning, pair)


def unexplained(pair: Pair) -> list[Difference]:
    return [d for d in differences(pair) if not any(row.explains(d) for row in INTENDED)]


def one_of_each(wrong: list[Difference]) -> list[Difference]:
    return list({d.kind(): d for d in reversed(wrong)}.values())


def smallest(sides: Sides, wrong: Difference) -> str:
    """The report of a difference, for the smallest file that shows it."""

    def same(pair: Pair) -> list[Difference]:
        return [d for d in unexplained(pair) if d.kind() == wrong.kind()]

    return same(sides.shrink(wrong.pair.case, lambda pair: bool(same(pair))))[0].report()


@pytest.fixture(scope="module")
def sides(peers: Path) -> Iterator[Sides]:
    with tempfile.TemporaryDirectory(prefix="sc-", dir="/dev/shm") as directory:
        yield Sides(peers, Path(directory))


def test_configurations_mean_the_same_as_to_go(sides: Sides) -> None:
    cases = [*FORMS, *random_cases(SEED, RANDOM_FILES)]
    pairs = sides.configs(cases)
    found = [d for pair in pairs for d in differences(pair)]
    rows = Counter(row for d in found for row in INTENDED if row.explains(d))
    for row in INTENDED:
        print(f"{rows[row]:6} {row.what}: {row.pattern}")
    accepted = sum("error" not in pair.ours and "error" not in pair.go for pair in pairs)
    print(f"{len(cases)} files, of which both accept {accepted}; {len(found)} intended differences")
    wrong = [d for pair in pairs for d in unexplained(pair)]
    if wrong:
        kinds = Counter(d.kind() for d in wrong)
        reports = "\n\n".join(smallest(sides, d) for d in one_of_each(wrong)[:6])
        pytest.fail(
            f"{len(wrong)} differences that no row explains: {kinds.most_common(20)}\n\n{reports}",
            pytrace=False,
        )
    never = [row for row in INTENDED if not rows[row]]
    assert not never, f"rows that explain nothing: {[(row.what, row.pattern) for row in never]}"
    # If both refuse most files, the comparison shows little.
    assert accepted > len(cases) / 3


# cmd_args.

ARGS: tuple[str, ...] = (
    "",
    " ",
    "  ",
    "a",
    "-c x",
    '"a b" c',
    '"a ""b"" c"',
    'a"b',
    '"a"b',
    '"a',
    '"',
    '""',
    '"" ""',
    "'a b'",
    "a\\ b",
)
ARGS += (
    "\n",
    "\na b\nc",
    "a\r\nb",
    "a\r",
    "\r",
    '"a\nb" c',
    '"a\r\nb"',
    '"a\r"',
    "a\tb",
    "\t",
    " \n a",
    "a \n",
    '"a"\n"b',
    "a\0b",
)


def random_args(rng: random.Random) -> str:
    return "".join(
        rng.choices(" \"\n\r\tab'\\\x00\xc3\xa9", (8, 8, 2, 2, 1, 6, 6, 1, 1, 1, 1, 1), k=rng.randrange(12))
    )


def test_cmd_args_are_split_as_go_splits_them(peers: Path) -> None:
    rng = random.Random(SEED)
    inputs = [*ARGS, *(random_args(rng) for _ in range(10_000))]
    both = zip(inputs, ask(our_driver(), "args", inputs), ask(go_oracle(peers), "args", inputs), strict=True)
    wrong = sorted((len(text), text, ours, go) for text, ours, go in both if not same_args(text, ours, go))
    assert not wrong, f"{len(wrong)} differ, the shortest: {wrong[:5]}"


def same_args(text: str, ours: Answer, go: Answer) -> bool:
    if go.get("error") == "EOF":  # only line ends: Go cannot start the command then
        return ours.get("values") == [] and not text.strip("\r\n")
    return ("error" in ours) == ("error" in go) and ours.get("values") == go.get("values")


# Names below cert_dir.

PATHS: tuple[str, ...] = (
    "",
    ".",
    "/",
    "..",
    "//",
    "/.",
    "/..",
    "../..",
    "a",
    "a/",
    "/a",
    "a/..",
    "a/../..",
    "/a/../..",
    "./a",
    "a//b",
    "a/./b",
)
PATHS += ("/etc/x", "certs", "/certs/", "é", "\0", " ", "...", "..a", "a..", "\xff")


def random_path(rng: random.Random) -> str:
    return "".join(
        rng.choices(
            ("/", ".", "..", "a", "bc", "/./", "/../", "\xe9"), (8, 4, 4, 4, 2, 1, 2, 1), k=rng.randrange(9)
        )
    )


def test_names_are_joined_to_directories_as_go_joins_them(peers: Path) -> None:
    rng = random.Random(SEED)
    inputs = [[directory, name] for directory in PATHS for name in PATHS]
    inputs += [[random_path(rng), random_path(rng)] for _ in range(10_000)]
    both = zip(inputs, ask(our_driver(), "join", inputs), ask(go_oracle(peers), "join", inputs), strict=True)
    wrong = [each for each in both if each[1] != each[2]]
    assert not wrong, f"{len(wrong)} differ: {wrong[:5]}"
