"""examples/siem: every rule fires on a log of its event, recorded here, and on nothing else."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import ROOT, Helper
from session import Session
from siem_rules import SIEM, conditions, events_of, fired_by_jq, fired_by_sigma, level_of, rule_names, sigma_files
from siem_scenarios import ROTATIONS, SCENARIOS, Stage
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

LOGS = SIEM / "logs"
# Set to record the logs of the example again.
RECORD = os.environ.get("SPIFFE_RECORD_LOGS") == "1"
# These checks need lists of tags from the network, and our rules have no such tags.
ONLINE = {"attacktag", "d3_fendtag"}

Shape = tuple[str, str, frozenset[str]]


def shape(event: dict[str, str]) -> Shape:
    return event.get("event", ""), event["level"], frozenset(event)


def shapes(lines: list[str]) -> set[Shape]:
    """The events of a log, with their levels and fields."""
    return {shape(event) for event in events_of(lines) if "event" in event}


def shortened(lines: list[str], *places: Path | str) -> list[str]:
    """For readers: the first three lines of each message and fields, without paths of the tests."""
    kept = []
    seen: Counter[tuple[str, Shape]] = Counter()
    for line, event in zip(lines, events_of(lines), strict=True):
        what = (event["msg"], shape(event))
        seen[what] += 1
        if seen[what] <= 3:
            for place in places:
                line = line.replace(str(place), "/srv/app")
            kept.append(line)
    return kept


@pytest.mark.parametrize("name", SCENARIOS)
def test_rules_fire_on_what_they_are_for(
    name: str, agent: DevAgent, run_helper: Callable[..., Helper], workdir: Path
) -> None:
    """Both forms fire, and no other rule does. The example's log is recorded in this way."""
    stage = Stage(workdir, agent, run_helper)
    SCENARIOS[name].play(stage)
    lines = stage.lines()
    recorded = workdir / "recorded.jsonl"
    recorded.write_text("".join(f"{line}\n" for line in lines))
    sample = LOGS / f"{name}.jsonl"
    if RECORD:
        short = shortened(lines, sys.executable, workdir, agent.directory)
        sample.write_text("".join(f"{line}\n" for line in short))
    assert fired_by_jq(recorded) == SCENARIOS[name].fires
    assert fired_by_sigma(recorded) == SCENARIOS[name].fires
    assert shapes(sample.read_text().splitlines()) <= shapes(lines)
    if name == "normal":
        published = [event for event in events_of(lines) if event.get("event") == "svid_published"]
        assert len(published) > ROTATIONS


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_logs_of_the_example(name: str) -> None:
    log = LOGS / f"{name}.jsonl"
    assert fired_by_jq(log) == SCENARIOS[name].fires
    assert fired_by_sigma(log) == SCENARIOS[name].fires


def test_readme() -> None:
    with Session(SIEM, {}) as session:
        session.play(SIEM / "README.md")


def test_readme_has_every_rule_with_its_level() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", (SIEM / "README.md").read_text(), re.MULTILINE)
    assert dict(rows) == {file.stem: level_of(file) for file in sigma_files()}


def test_every_rule_fires_and_has_both_forms() -> None:
    assert sorted(file.stem for file in (SIEM / "jq").iterdir()) == rule_names()
    assert sorted(file.stem for file in LOGS.iterdir()) == sorted(SCENARIOS)
    assert sorted(set().union(*(scenario.fires for scenario in SCENARIOS.values()))) == rule_names()


def test_sigma_is_valid() -> None:
    chosen = {validator for name, validator in validators.items() if name not in ONLINE}
    validator = SigmaValidator(chosen)
    collection = SigmaCollection.load_ruleset(sigma_files())
    assert not collection.errors
    issues = validator.validate_rules(iter(collection))
    assert not issues, "\n".join(map(str, issues))


def test_rules_rest_on_documented_events() -> None:
    documented = {*re.findall(r"`(\w+)`", (ROOT / "docs/health.md").read_text().split("## The log")[1])}
    documented |= {word.replace("prepare_cmd", "renew_cmd") for word in documented}  # for "the same with"
    used: set[str] = set()
    for file in sigma_files():
        for _, condition in conditions(file):
            used.update(field.split("|")[0] for field in condition)
            events = condition.get("event", [])
            used.update([events] if isinstance(events, str) else events)
    assert used <= documented


def test_a_program_may_write_to_the_same_log(tmp_path: Path) -> None:
    """Lines of other programs neither count nor stop the detection."""
    log = tmp_path / "mixed.jsonl"
    forged = '{"event": "revoked", "level": "info", "msg": "forged", "time": "2026-01-02T03:04:05Z"}'
    noise = ["plain words", '{"unfinished', "[1, 2]", "17", "null", "", forged]
    log.write_text("\n".join([*noise, (LOGS / "files-changed.jsonl").read_text()]))
    assert fired_by_jq(log) == {"files-changed"}
