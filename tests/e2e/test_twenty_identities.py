"""Twenty entries of x509_svids, each with a consumer: whole pairs, and signals for the own identity alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from consumers import Consumers
from devagent import DevAgent
from helper import Helper
from published import Published, is_publication, lines_of
from published import NAMES as FILES
from readers import Readers
from reloading import reload, wait_event
from test_fetch import as_json
from test_x509_svids import entry, of, several, wait_all
from tokens import NO_X509

Run = Callable[..., Helper]
Entry = dict[str, object]
NAMES = [f"id-{i:02}" for i in range(20)]
# Directories of further entries; their consumers are there from the start.
ADDED = ["more-0", "more-1"]
ROTATIONS = 250
# Faster than the helper takes them.
RATE = 500
pytestmark = pytest.mark.agent(*(word for name in NAMES for word in ("-id", f"/{name},hint={name}")))


@pytest.fixture
def out(shm: Path) -> Path:
    """In memory: to sync 5,000 sets to a disk takes minutes."""
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
    """Every identity is published, and every consumer notified of that."""
    started = run_helper(text_of(agent, out, entries(consumers)))
    consumers.wait(dict.fromkeys(NAMES, 1))
    return started


def offered(agent: DevAgent) -> dict[str, str]:
    """The serial number of each identity that the agent has now."""
    svids = as_json(agent, "x509", "-timeout", "60s")["svids"]
    return {each["hint"]: each["chain"][0]["serial"] for each in svids}


def published(helper: Helper) -> dict[str, list[str]]:
    """The serial numbers of each directory's publications."""
    found: dict[str, list[str]] = {}
    for line in filter(is_publication, helper.log):
        found.setdefault(line.fields["dir"], []).append(line.fields["serial"])
    return found


def check_signals(helper: Helper, consumers: Consumers) -> dict[str, int]:
    """Ends the helper. Each publication was one signal, to its own consumer, who then read that set or a later one."""
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
    """What stays as it was if nothing is published."""
    found: list[object] = [os.readlink(directory / "..data"), (directory / "..lock").stat().st_ino]
    for name in FILES:
        for seen in ((directory / name).lstat(), (directory / name).stat()):
            found.append((name, seen.st_ino, seen.st_mode, seen.st_mtime_ns))
    return found


def test_5000_pairs_are_whole_and_each_is_notified_of(
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
    # Each pair was read by its consumer, and was no other's.
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
    # A message that the helper has not taken yet is replaced by the next.
    taken = Counter(line.fields["dir"] for line in helper.log if line.msg == "Received update")
    assert signals == taken
    for name in NAMES:
        assert consumers.seen[name][-1] == last[name]
        assert Published(out / name).check() == int(last[name], 16)
        assert Published(out / name).strangers() == []


# Nobody else.


def wait_taken(helper: Helper, since: int) -> None:
    """Until the next message is taken for every identity."""
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
def test_one_alone_changes(
    agent: DevAgent, helper: Helper, consumers: Consumers, out: Path, name: str
) -> None:
    others = [other for other in NAMES if other != name]
    # It cannot be written for a while, which is to hold up no other.
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


def test_a_reload_touches_no_entry_that_stays(
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

    # In another order, too.
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
