"""Runs the rules of examples/siem on logs: the jq form with detect.sh, the Sigma form as SQL on a table of events.

    fired_by_jq(log), fired_by_sigma(log)     # names of rules
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helper import ROOT
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule

SIEM = ROOT / "examples/siem"
DETECT = SIEM / "detect.sh"
FOUND = 1  # exit status of detect.sh


def sigma_files() -> list[Path]:
    return sorted((SIEM / "sigma").glob("*.yml"))


def rule_names() -> list[str]:
    return [file.stem for file in sigma_files()]


def level_of(file: Path) -> str:
    """The level of its last rule."""
    *_, rule = yaml.safe_load_all(file.read_text())
    return str(rule["level"])


def events_of(lines: list[str]) -> list[dict[str, str]]:
    """The helper's own lines, which a SIEM would store."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def fired_by_jq(log: Path) -> set[str]:
    ran = subprocess.run([DETECT, log], capture_output=True, text=True)
    assert ran.returncode in (0, FOUND), ran.stderr
    assert not ran.stderr
    found = {line.split(":")[0] for line in ran.stdout.splitlines()}
    assert bool(found) == (ran.returncode == FOUND)
    return found


@cache
def sigma_queries() -> dict[str, str]:
    """For each file, the query of its last rule, which may count matches of the others."""
    backend = sqliteBackend()
    backend.table = "logs"
    queries = {}
    for file in sigma_files():
        collection = SigmaCollection.from_yaml(file.read_text())
        *parts, rule = collection.rules
        assert all(parts) and isinstance(rule, SigmaCorrelationRule) == bool(parts)
        queries[file.stem] = backend.convert(collection)[-1]
    return queries


def conditions(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named conditions of a file's rules: fields with their values."""
    for rule in yaml.safe_load_all(file.read_text()):
        for name, condition in rule.get("detection", {}).items():
            if name != "condition":
                yield name, condition


@cache
def fields_of_rules() -> frozenset[str]:
    found = (field for file in sigma_files() for _, condition in conditions(file) for field in condition)
    return frozenset(field.split("|")[0] for field in found)


def fired_by_sigma(log: Path) -> set[str]:
    # The correlations expect the time of an event under this name.
    events = [event | {"timestamp": event["time"]} for event in events_of(log.read_text().splitlines())]
    columns = sorted(fields_of_rules().union(*events))
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE logs ({', '.join(f'`{name}` TEXT' for name in columns)})")
        places = ", ".join("?" * len(columns))
        rows = [[event.get(name) for name in columns] for event in events]
        database.executemany(f"INSERT INTO logs VALUES ({places})", rows)
        return {rule for rule, query in sigma_queries().items() if database.execute(query).fetchall()}
