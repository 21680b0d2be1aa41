"""Reading and comparing the sessions of READMEs."""

from __future__ import annotations

from pathlib import Path

import pytest
from readme import Step, matches, steps

PAGE = """\
# An example

    not a session

## First

    $ cat >file <<END
    $ text

    more
    END
    $ echo one \\
        two
    one two

    ...
Words.

    $ true

## Second

    $ false
"""


def test_commands_go_on_and_have_their_output(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(PAGE)
    first = [
        Step("cat >file <<END\n$ text\n\nmore\nEND", ""),
        Step("echo one \\\n    two", "one two\n\n..."),
        Step("true", ""),
    ]
    assert steps(readme, "First") == first
    assert steps(readme) == [*first, Step("false", "")]


@pytest.mark.parametrize(
    "expected, actual",
    [
        ("", "\n"),
        ("a line", "a line  \n"),
        ("serial=<serial>", "serial=1 and more\n"),
        ("first\n...\nlast", "first\nlast\n"),
        ("first\n...\nlast", "first\nsecond\nthird\nlast\n"),
        ("NAME      READY", "NAME   READY\n"),
    ],
)
def test_output_is_as_expected(expected: str, actual: str) -> None:
    assert matches(expected, actual)


@pytest.mark.parametrize(
    "expected, actual",
    [
        ("", "noise\n"),
        ("a line", ""),
        ("a line", "another line\n"),
        ("a line", "a line\nanother\n"),
        ("serial=<serial>", "serial=\n"),
        ("serial=<serial>", "serial=1\n2\n"),
        ("first\n...\nlast", "first\nsecond\n"),
        ("NAME READY", "NAME   READY\n"),
        ("NAME   READY", "NAMEREADY\n"),
        ("1.5", "125\n"),
    ],
)
def test_output_is_not_as_expected(expected: str, actual: str) -> None:
    assert not matches(expected, actual)
