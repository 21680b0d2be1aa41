"""Rapid rotations with concurrent readers: no torn file, no mismatched pair, nothing left over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from certs import Torn
from devagent import DevAgent
from helper import SLOW, Helper, Run, wait_until
from published import (
    NAMES,
    Published,
    agent_serial,
    config,
    make_certs,
    publications,
    wait_published,
    wait_serial,
)
from readers import Readers, read_names, read_snapshot

ROTATIONS = 3000
RATE = 500


def storm(agent: DevAgent, helper: Helper) -> int:
    """Rotates rapidly; returns the serial number on disk at the end, once the helper has reported it."""
    agent.burst(ROTATIONS, RATE)
    assert agent.wait()["sent"] == ROTATIONS
    last = agent_serial(agent)
    wait_serial(helper, last, timeout=20)
    return last


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.long
def test_storm_in_the_snapshot_layout(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path, where: str
) -> None:
    out = make_certs(shm if where == "memory" else workdir)
    helper = run_helper(config(agent, cert_dir=out.directory))
    wait_published(helper)
    with Readers(out.directory, ["snapshot", "snapshot", "names"]) as readers:
        last = storm(agent, helper)
    report = readers.report
    assert report.faults == []
    # The readers did read, while files changed.
    assert report.reads > 1000
    assert report.changes > 100
    # A generation exists long enough: a reader that has opened it finds its files.
    assert report.vanished * 100 < report.reads
    assert len(out.generations()) <= 65, "the live one and 64 superseded ones are the most there may be"
    assert out.check() == last
    out.wait_tidy()
    assert out.check() == last
    assert out.strangers() == []
    assert not [line for line in helper.log if line.level in ("warning", "error")]


def test_storm_in_the_files_layout(agent: DevAgent, run_helper: Run, shm: Path) -> None:
    out = make_certs(shm)
    helper = run_helper(config(agent, cert_dir=out.directory, layout="files"))
    wait_published(helper)
    with Readers(out.directory, ["names", "names"]) as readers:
        last = storm(agent, helper)
    assert readers.report.faults == []
    assert readers.report.vanished == 0, "a name is never missing"
    assert readers.report.reads > 1000
    assert readers.report.changes > 100
    assert out.check() == last
    assert out.names() == sorted({*NAMES, "..lock"})


def test_a_storm_costs_no_memory_and_no_descriptors(agent: DevAgent, run_helper: Run, shm: Path) -> None:
    out = make_certs(shm)
    helper = run_helper(config(agent, cert_dir=out.directory))
    wait_published(helper)
    agent.burst(200, RATE)
    agent.wait()
    wait_serial(helper, agent_serial(agent))
    descriptors, threads, resident = helper.fds(), helper.threads(), helper.rss()
    agent.burst(1500, RATE)
    agent.wait()
    wait_serial(helper, agent_serial(agent), timeout=20)
    # gRPC starts and ends threads as needed, each with a descriptor or two.
    wait_until(lambda: helper.threads() <= threads + 4, "threads to end")
    wait_until(lambda: helper.fds() <= descriptors + 4, "descriptors to be closed")
    # Sanitizers keep freed memory.
    assert helper.rss() - resident < (8 if SLOW == 1 else 400) * 1024 * 1024
    assert len(publications(helper)) > 100


def test_an_orderly_exit_in_a_storm_leaves_one_generation(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    agent.burst(2000, RATE)
    wait_until(lambda: len(publications(helper)) >= 30, "30 publications")
    assert helper.stop() == 0
    out.check()
    assert out.strangers() == []


# The readers themselves: they detect faults.


def write_set(directory: Path, svid: bytes, key: bytes, bundle: bytes) -> None:
    directory.mkdir(exist_ok=True)
    for name, content in zip(NAMES, (svid, key, bundle), strict=True):
        (directory / name).write_bytes(content)


@pytest.fixture
def two_sets(agent: DevAgent, run_helper: Run, workdir: Path) -> list[list[bytes]]:
    """The contents of two publications."""
    out = make_certs(workdir, "source")
    helper = run_helper(config(agent, cert_dir="source"))
    sets = []
    for _ in range(2):
        agent.rotate()
        wait_serial(helper, agent_serial(agent))
        sets.append([out.read(name) for name in NAMES])
    return sets


def test_readers_find_a_mismatched_pair(two_sets: list[list[bytes]], workdir: Path) -> None:
    out = make_certs(workdir, "made")
    (svid, _, bundle), (_, other_key, _) = two_sets
    write_set(out.directory / "..gen.1", svid, other_key, bundle)
    os.symlink("..gen.1", out.directory / "..data")
    with Readers(out.directory, ["snapshot"]) as readers:
        pass
    assert "not that of the certificate" in readers.report.faults[0]
    assert readers.report.reads == 0


def test_readers_find_torn_files(two_sets: list[list[bytes]], workdir: Path) -> None:
    out = make_certs(workdir, "made")
    svid, key, bundle = two_sets[0]
    half = len(svid) // 2
    torn = [svid[:-1], svid[:half], svid[10:], b"", svid + b"\n", two_sets[1][0][:half] + svid[half + 7 :]]
    for content in torn:
        write_set(out.directory, content, key, bundle)
        with pytest.raises(Torn):
            read_names(str(out.directory))
    write_set(out.directory, svid, key[:-40], bundle)
    with pytest.raises(Torn):
        read_names(str(out.directory))


def test_readers_accept_whole_files(two_sets: list[list[bytes]], workdir: Path) -> None:
    source = Published(workdir / "source")
    assert read_snapshot(str(source.directory)) == two_sets[1][0]
    assert read_names(str(source.directory)) == two_sets[1][0]
    with Readers(source.directory) as readers:
        pass
    assert readers.report.reads >= 2
    assert readers.report.faults == []
