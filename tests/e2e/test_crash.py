"""SIGKILL at random moments of a flood: files are always whole, and every restart comes up."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import SLOW, Helper, Run
from published import (
    KEY,
    NAMES,
    SVID,
    TIDY_S,
    Published,
    agent_serial,
    config,
    make_certs,
    rotate,
    wait_published,
    wait_serial,
)
from readers import read_names, read_snapshot

# Fewer if each takes several times as long.
KILLS = int(200 / SLOW)
BURST = 1000
RATE = 500


def keep_flooding(agent: DevAgent) -> None:
    if not agent.status()["burst"]:
        agent.burst(BURST, RATE)


def check_whole(out: Published, ever_published: bool) -> None:
    """Every name is a whole file, and one snapshot has a pair; or there is nothing at all yet."""
    if not ever_published and not os.path.lexists(out.directory / "..data"):
        assert not [name for name in NAMES if os.path.lexists(out.directory / name)]
        return
    read_snapshot(str(out.directory))
    present = [name for name in NAMES if os.path.lexists(out.directory / name)]
    for name in present:
        assert os.readlink(out.directory / name) == f"..data/{name}"
        certs.pem_blocks(out.read(name))
    # Only the very first publication may be interrupted between ..data and its links.
    assert len(present) == len(NAMES) or not ever_published


def kill_at_some_moment(helper: Helper, chance: random.Random) -> bool:
    """Kills it after a random time; returns true if it had published by then."""
    published = chance.random() < 0.75
    if published:
        wait_published(helper, timeout=15)
    # The moment is random on purpose.
    time.sleep(chance.uniform(0, 0.03 if published else 0.02) * SLOW)
    assert helper.running, helper.log_text()
    helper.kill()
    return published


@pytest.mark.timeout(240)
@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.long
def test_kills_in_a_flood(agent: DevAgent, workdir: Path, shm: Path, where: str) -> None:
    out = make_certs(shm if where == "memory" else workdir)
    chance = random.Random(20260301)
    ever_published = False
    early_restarts = 0
    kills = KILLS if where == "disk" else KILLS // 4
    for _ in range(kills):
        keep_flooding(agent)
        with Helper(workdir, config(agent, cert_dir=out.directory)) as helper:
            published = kill_at_some_moment(helper, chance)
        early_restarts += not published
        ever_published = ever_published or published
        check_whole(out, ever_published)
    assert 0 < early_restarts < kills / 2
    agent.wait()
    live = out.live()
    with Helper(workdir, config(agent, cert_dir=out.directory)) as helper:
        wait_serial(helper, agent_serial(agent), timeout=15)
        out.check(agent_serial(agent))
        # Leftovers of killed helpers are removed at the start, except the generation that was live: readers may use it.
        assert set(out.strangers()) <= {live}
        agent.burst(50, RATE)
        agent.wait()
        wait_serial(helper, agent_serial(agent))
        out.wait_tidy(TIDY_S)
        out.check(agent_serial(agent))
        rotate(agent, helper)
        assert helper.stop() == 0
    out.check(agent_serial(agent))
    assert out.strangers() == []


@pytest.mark.timeout(240)
def test_kills_in_the_files_layout(agent: DevAgent, workdir: Path) -> None:
    out = make_certs(workdir)
    chance = random.Random(20260302)
    ever_published = False
    for _ in range(KILLS // 4):
        keep_flooding(agent)
        with Helper(workdir, config(agent, layout="files")) as helper:
            # A pair that the last kill left between two renames has been repaired.
            ever_published = kill_at_some_moment(helper, chance) or ever_published
        if ever_published:
            read_names(str(out.directory))
    agent.wait()
    with Helper(workdir, config(agent, layout="files")) as helper:
        wait_serial(helper, agent_serial(agent), timeout=15)
        out.check(agent_serial(agent))
        assert helper.stop() == 0
    assert out.names() == sorted(NAMES)


def test_a_pair_torn_apart_by_a_crash_is_repaired(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent, layout="files"))
    wait_published(first)
    old_svid = out.read(SVID)
    rotate(agent, first)
    first.kill()
    # The state after a crash between two renames: the key is newer than the certificate.
    (out.directory / SVID).write_bytes(old_svid)
    assert not certs.pair_matches(out.read(SVID), out.read(KEY))
    second = run_helper(config(agent, layout="files"))
    wait_published(second)
    out.check(agent_serial(agent))


def test_left_overs_of_a_crash_are_removed_at_the_start(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    first.kill()
    live = out.live()
    half = out.directory / "..gen.1700000000000000001"
    half.mkdir()
    (half / SVID).write_bytes(out.read(SVID)[:100])
    os.symlink(half.name, out.directory / "..tmp.1234abcd")
    (out.directory / "..tmp.5678").write_bytes(b"half")
    # Neither names of another helper nor other files are removed.
    other = out.directory / "..gen.0123456789abcdef.1700000000000000002"
    other.mkdir()
    (out.directory / "notes.txt").write_bytes(b"keep me")
    second = run_helper(config(agent))
    wait_published(second)
    assert out.live() == live
    assert out.strangers() == sorted([other.name, "notes.txt"])
    assert second.stop() == 0
    assert out.strangers() == sorted([other.name, "notes.txt"])
