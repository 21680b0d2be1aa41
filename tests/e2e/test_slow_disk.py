"""A disk that hangs: the helper keeps reaping, ends in time, and loses nothing when the disk works again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from children import Recorder
from devagent import DevAgent
from helper import SLOW, Run
from published import (
    Published,
    agent_serial,
    config,
    lines_of,
    make_certs,
    publications,
    rotate,
    wait_published,
    wait_serial,
)
from reloading import reload
from stalling import AT_OPENING, PREFIX, Disk


@pytest.fixture
def out(workdir: Path) -> Published:
    return make_certs(workdir)


def test_nothing_is_lost_while_the_disk_hangs(agent: DevAgent, run_helper: Run, out: Published) -> None:
    helper = run_helper(config(agent), prefix=PREFIX)
    with Disk(helper) as disk:
        wait_published(helper)
        before = out.check()
        disk.stall()
        agent.rotate()
        disk.wait_stalled()
        for _ in range(3):
            agent.rotate()
        # The end of the stream comes after its messages, so they have been read by then.
        agent.drop()
        helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
        assert out.check() == before
        disk.flow()
        wait_serial(helper, agent_serial(agent))
        out.check(agent_serial(agent))
        # Intermediate states are coalesced.
        assert len(publications(helper)) <= 4
        assert helper.stop() == 0
    assert out.strangers() == []


def test_a_child_is_reaped_while_the_disk_hangs(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Published
) -> None:
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys()), prefix=PREFIX)
    with Disk(helper) as disk:
        child = recorder.wait("started")["pid"]
        disk.stall()
        agent.rotate()
        disk.wait_stalled()
        os.kill(child, signal.SIGKILL)
        helper.wait_log(lambda line: line.fields.get("event") == "child_exited")
        assert helper.children() == []
        disk.flow()
        # The pending rotation starts it again.
        recorder.wait("started", 2)
        assert helper.stop() == 0


@pytest.mark.parametrize("back_at", ["never", "disk_hangs", "Exiting"])
def test_it_ends_while_the_disk_hangs(
    agent: DevAgent, run_helper: Run, out: Published, back_at: str
) -> None:
    helper = run_helper(config(agent), prefix=PREFIX)
    with Disk(helper) as disk:
        wait_published(helper)
        calls = disk.calls
        rotate(agent, helper)
        # In the last call of a publication: the following one comes as soon as the disk works again.
        disk.stall(after=disk.calls - calls - 1)
        agent.rotate()
        disk.wait_stalled()
        begin = time.monotonic()
        helper.send(signal.SIGTERM)
        said = helper.wait_log(lambda line: line.fields.get("event") == "disk_hangs")
        if back_at != "never":
            # At the moment when the helper cleans up.
            helper.wait_log(back_at)
            disk.flow()
        assert helper.wait() == 0
        assert time.monotonic() - begin < 2 * SLOW
    assert said.level == "warning"
    out.check()
    again = run_helper(config(agent))
    wait_serial(again, agent_serial(agent))
    assert len(lines_of(again, "write_failed")) == 0
    rotate(agent, again)
    assert again.stop() == 0
    assert out.strangers() == []


def test_a_child_is_reaped_while_another_directory_hangs(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Published
) -> None:
    second = make_certs(workdir, "second")
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys()), prefix=AT_OPENING)
    with Disk(helper) as disk:
        child = recorder.wait("started")["pid"]
        disk.stall()
        reload(helper, config(agent, cert_dir="second", **recorder.keys()))
        disk.wait_stalled()
        os.kill(child, signal.SIGKILL)
        helper.wait_log(lambda line: line.fields.get("event") == "child_exited")
        mark = helper.mark()
        disk.flow()
        second.check(wait_published(helper, mark))
        assert helper.stop() == 0
    assert second.strangers() == []


def test_it_ends_if_nothing_was_ever_written(agent: DevAgent, run_helper: Run, out: Published) -> None:
    helper = run_helper(config(agent), prefix=PREFIX)
    disk = Disk(helper)
    disk.stall()  # before it lets the first call through
    with disk:
        agent.rotate()
        disk.wait_stalled()
        begin = time.monotonic()
        assert helper.stop() == 0
        assert time.monotonic() - begin < 2 * SLOW
    assert publications(helper) == []
    again = run_helper(config(agent))
    out.check(wait_published(again))
    assert out.strangers() == []
