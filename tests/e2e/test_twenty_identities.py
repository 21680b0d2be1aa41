"""Twenty entries of x509_svids, each with a consumer: whole pairs, and signals only for the consumer's own identity."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from consumers import Consumers
from devagent import DevAgent
from helper import Helper, Run
from published import NAMES as FILES
from published import Published, is_publication, lines_of
from readers import Readers
from reloading import reload, wait_event
from test_fetch import as_json
from test_x509_svids import entry, of, several, wait_all
from tokens import NO_X509

Entry = dict[str, object]
NAMES = [f"id-{i:02}" for i in range(20)]
# Directories of additional entries; their consumers run from the start.
ADDED = ["more-0", "more-1"]
ROTATIONS = 250
# Faster than the helper can follow.
RATE = 500
pytestmark = pytest.mark.agent(*(word for name in NAMES for word in ("-id", f"/{name},hint={name}")))


@pytest.fixture
def out(shm: Path) -> Path:
    """In memory, since syncing 5,000 sets to a disk takes minutes."""
    return shm / "certs"


@pytest.fixture
def consumers(workdir: Path, out: Path) -> Iterator[Consumers]:
    with Consumers(workdir, {name: out / name for name in NAMES + ADDED}) as started:
        yield started


def entries(consumers: Consumers) -> dict[str, Entry]:
    return {name: entry(name, **consumers.keys(name)) for name in NAMES}


def text_of(agent: DevAgent, out: Path, configured: dict[str, Entry]) -> str:
    return several(agent, *configured.values(), cert_dir=str(out), **NO_X509)


@pytest.fixture
def helper(agent: DevAgent, run_helper: Run, consumers: Consumers, out: Path) -> Helper:
    """A helper that has published every identity and notified every consumer."""
    started = run_helper(text_of(agent, out, entries(consumers)), log_pipe=False)
    consumers.wait(dict.fromkeys(NAMES, 1))
    return started


def offered(agent: DevAgent) -> dict[str, str]:
    """The serial number of each identity in the agent's current state."""
    svids = as_json(agent, "x509", "-timeout", "60s")["svids"]
    return {each["hint"]: each["chain"][0]["serial"] for each in svids}


def published(helper: Helper) -> dict[str, list[str]]:
    """The serial numbers of each directory's publications."""
    found: dict[str, list[str]] = {}
    for line in filter(is_publication, helper.log):
        found.setdefault(line.fields["dir"], []).append(line.fields["serial"])
    return found


def check_signals(helper: Helper, consumers: Consumers) -> dict[str, int]:
    """Ends the helper. Each publication was one signal to its own consumer, which read that set or a later one."""
    assert helper.stop() == 0
    signals = {name: count for name, count in consumers.settle().items() if count > 0}
    written = published(helper)
    assert signals == {name: len(serials) for name, serials in written.items()}
    assert signals == Counter(line.fields["dir"] for line in lines_of(helper, "signalled"))
    for name, serials in written.items():
        for i, serial in enumerate(consumers.seen[name]):
            assert serial in serials[i:], f"{name}, signal {i}: {serial}"
    return signals


def marks(directory: Path) -> list[object]:
    """Properties that do not change without a publication."""
    found: list[object] = [os.readlink(directory / "..data"), (directory / "..lock").stat().st_ino]
    for name in FILES:
        for seen in ((directory / name).lstat(), (directory / name).stat()):
            found.append((name, seen.st_ino, seen.st_mode, seen.st_mtime_ns))
    return found


def test_5000_pairs_are_whole_and_each_causes_a_notification(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path
) -> None:
    with Readers([out / name for name in NAMES], ["snapshot"]) as readers:
        for count in range(2, ROTATIONS + 2):
            agent.rotate()
            consumers.wait(dict.fromkeys(NAMES, count))
    assert readers.report.faults == []
    assert readers.report.changes > len(NAMES)
    last = offered(agent)
    assert set(check_signals(helper, consumers).values()) == {ROTATIONS + 1}
    # Each pair was read by its own consumer and by no other.
    assert {name: consumers.seen[name] for name in NAMES} == published(helper)
    assert len({serial for serials in consumers.seen.values() for serial in serials}) == 20 * (ROTATIONS + 1)
    for name in NAMES:
        assert Published(out / name).check() == int(last[name], 16)
        assert Published(out / name).strangers() == []


def test_a_burst_ends_in_the_last_state_everywhere(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path
) -> None:
    with Readers([out / name for name in NAMES], ["snapshot"]) as readers:
        agent.burst(ROTATIONS, RATE)
        agent.wait()
        last = offered(agent)
        for name in NAMES:
            helper.wait_log(lambda line, name=name: of(name)(line) and line.fields["serial"] == last[name])
    assert readers.report.faults == []
    assert readers.report.changes > len(NAMES)
    signals = check_signals(helper, consumers)
    # A message that the helper has not taken yet is replaced by the next one.
    taken = Counter(line.fields["dir"] for line in helper.log if line.msg == "Received update")
    assert signals == taken
    for name in NAMES:
        assert consumers.seen[name][-1] == last[name]
        assert Published(out / name).check() == int(last[name], 16)
        assert Published(out / name).strangers() == []


# No other identity is affected.


def wait_taken(helper: Helper, since: int) -> None:
    """Waits until the next message is taken for every identity."""
    for name in NAMES:
        helper.wait_log(
            lambda line, name=name: line.msg == "Received update" and line.fields["dir"] == name, since=since
        )


@pytest.mark.parametrize("number", [1, 8, 20])
def test_all_change_but_one(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path, number: int
) -> None:
    name = NAMES[number - 1]
    before = marks(out / name)
    agent.fault(f"wrong-key@{number}")
    assert wait_event(helper, "update_refused").fields["dir"] == name
    consumers.wait({other: 2 for other in NAMES if other != name})
    assert marks(out / name) == before
    assert check_signals(helper, consumers) == dict.fromkeys(NAMES, 2) | {name: 1}


@pytest.mark.parametrize("name", [NAMES[0], NAMES[7], NAMES[-1]])
def test_only_one_changes(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path, name: str
) -> None:
    others = [other for other in NAMES if other != name]
    # It cannot be written for a while, which must not delay the others.
    data = out / name / "..data"
    (out / name / "live").symlink_to(os.readlink(data))
    (out / name / "planted").symlink_to(out)
    (out / name / "planted").replace(data)
    agent.rotate()
    assert wait_event(helper, "write_failed").fields["dir"] == name
    consumers.wait(dict.fromkeys(others, 2))
    before = {other: marks(out / other) for other in others}

    (out / name / "live").replace(data)
    mark = helper.mark()
    agent.resend()
    wait_taken(helper, mark)
    consumers.wait({name: 2})
    assert {other: marks(out / other) for other in others} == before
    assert check_signals(helper, consumers) == dict.fromkeys(NAMES, 2)
    assert Published(out / name).check() == int(offered(agent)[name], 16)


def test_a_reload_does_not_touch_unchanged_entries(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path
) -> None:
    configured = entries(consumers)
    removed, stay = NAMES[-2:], NAMES[:-6]
    files, selection, hook, told = NAMES[-6:-2]
    for name in removed:
        del configured[name]
    for name, hint in zip(ADDED, removed, strict=True):
        configured[name] = entry(name, hint=hint, **consumers.keys(name))
    configured[files]["svid_combined_file_name"] = "all.pem"
    configured[selection]["hint"] = stay[0]
    configured[hook]["renew_cmd"] = ["true"]
    configured[told] = entry(told)
    before = {name: marks(out / name) for name in [*stay, hook, told, *removed]}

    # In another order as well.
    mark = helper.mark()
    reload(helper, text_of(agent, out, dict(reversed(configured.items()))))
    published_again = [files, selection, *ADDED]
    wait_all(helper, *published_again, since=mark)
    consumers.wait(dict.fromkeys([files, selection], 2) | dict.fromkeys(ADDED, 1))
    assert {name: marks(out / name) for name in before} == before
    signals = dict.fromkeys(NAMES, 1) | dict.fromkeys([files, selection], 2) | dict.fromkeys(ADDED, 1)
    assert consumers.settle() == signals

    agent.rotate()
    notified = [*stay, files, selection, hook, *ADDED]
    signals |= {name: signals[name] + 1 for name in notified}
    consumers.wait({name: signals[name] for name in notified})
    helper.wait_log(of(told), since=mark)
    assert helper.stop() == 0
    assert consumers.settle() == signals
    last = offered(agent)
    for name in [*stay, hook]:
        assert Published(out / name).check() == int(last[name], 16)
    assert Published(out / selection).check() == int(last[stay[0]], 16)
    for name in removed:
        assert marks(out / name) == before[name]
