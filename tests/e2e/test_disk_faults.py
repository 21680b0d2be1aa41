"""Disks that are full, read-only, not accessible or gone: the old files stay, and the helper recovers."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import Helper, LogLine, Run, program, wait_until
from mounts import inside, mounting, published_by, seen_by, tmpfs
from published import (
    KEY,
    NAMES,
    SVID,
    Published,
    agent_serial,
    config,
    lines_of,
    make_certs,
    rotate,
    wait_published,
    wait_serial,
)

NOBODY = 65534


def wait_write_failed(helper: Helper, since: int = 0) -> LogLine:
    line = helper.wait_log(lambda line: line.fields.get("event") == "write_failed", since=since)
    assert line.level == "error"
    assert line.msg == "Unable to dump bundle"
    return line


def check_retried_once_said(helper: Helper, failed: LogLine) -> None:
    """At least two more attempts, logged at debug level only."""
    wait_until(lambda: len(lines_of(helper, "write_failed", loud=False)) >= 3, "two more tries", 15)
    assert lines_of(helper, "write_failed") == [failed]


def check_recovered(helper: Helper, agent: DevAgent, out: Published) -> None:
    """The update that could not be written is written without another message."""
    wait_serial(helper, agent_serial(agent), timeout=30)
    out.check(agent_serial(agent))
    assert len(lines_of(helper, "write_restored")) == 1
    assert out.check(rotate(agent, helper)) == agent_serial(agent)


def fill(directory: Path) -> Path:
    """Fills the file system completely."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return filler


@pytest.mark.needs_root
@pytest.mark.parametrize("layout", ["snapshot", "files"])
@pytest.mark.long
def test_a_full_disk(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    make_certs(workdir)
    certs_dir = workdir / "certs"
    keys = config(agent, layout=layout, log_level="debug")
    helper = run_helper(keys, prefix=mounting(tmpfs(certs_dir)))
    wait_published(helper)
    out = published_by(helper, certs_dir)
    filler = fill(out.directory)
    before = out.state()
    agent.rotate()
    failed = wait_write_failed(helper)
    assert "no space left on device" in failed.fields["error"]
    assert "certs" in failed.fields["error"]
    # There are no incomplete files, and the old files did not change.
    check_retried_once_said(helper, failed)
    wait_until(lambda: out.state() == before, "partial work to be removed")
    filler.unlink()
    check_recovered(helper, agent, out)


@pytest.mark.needs_root
def test_on_a_full_disk_messages_are_still_verified(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    certs_dir = workdir / "certs"
    helper = run_helper(config(agent), prefix=mounting(tmpfs(certs_dir)))
    wait_published(helper)
    out = published_by(helper, certs_dir)
    filler = fill(out.directory)
    agent.fault("wrong-ca")
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    # No write was attempted.
    assert not lines_of(helper, "write_failed", loud=False)
    mark = helper.mark()
    agent.clear()
    helper.wait_log("Received update", since=mark)
    wait_write_failed(helper)
    filler.unlink()
    check_recovered(helper, agent, out)


@pytest.mark.needs_root
def test_a_burst_on_a_disk_that_has_room_for_a_few_generations(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    certs_dir = workdir / "certs"
    helper = run_helper(config(agent), prefix=mounting(tmpfs(certs_dir, "size=100k,mode=0755")))
    wait_published(helper)
    for _ in range(30):
        rotate(agent, helper)
    assert not lines_of(helper, "write_failed", loud=False)
    published_by(helper, certs_dir).check(agent_serial(agent))


@pytest.mark.needs_root
def test_a_read_only_file_system(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    assert first.stop() == 0
    before = out.state()
    agent.rotate()
    read_only = [f"mount --bind {out.directory} {out.directory}", f"mount -o remount,bind,ro {out.directory}"]
    helper = run_helper(config(agent, log_level="debug"), prefix=mounting(*read_only))
    failed = wait_write_failed(helper)
    assert "read-only file system" in failed.fields["error"]
    assert "certs" in failed.fields["error"]
    check_retried_once_said(helper, failed)
    assert out.state() == before
    inside(helper, "mount", "-o", "remount,bind,rw", out.directory)
    check_recovered(helper, agent, out)


@pytest.mark.needs_root
@pytest.mark.long
def test_a_directory_without_write_permission(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    # Root without the capabilities that override modes.
    prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    helper = run_helper(config(agent, log_level="debug"), prefix=prefix)
    wait_published(helper)
    before = out.state()
    os.chown(out.directory, NOBODY, NOBODY)
    agent.rotate()
    failed = wait_write_failed(helper)
    assert "permission denied" in failed.fields["error"]
    assert "certs" in failed.fields["error"]
    check_retried_once_said(helper, failed)
    assert out.state() == before
    os.chown(out.directory, 0, 0)
    check_recovered(helper, agent, out)


@pytest.mark.parametrize("layout", ["snapshot", "files"])
@pytest.mark.long
def test_no_descriptors_left(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, layout=layout, log_level="debug"))
    wait_published(helper)
    before = out.state()
    normal = resource.prlimit(helper.pid, resource.RLIMIT_NOFILE)
    # The limit is one more than the highest descriptor in use, and none below is free.
    used = {int(name) for name in os.listdir(f"/proc/{helper.pid}/fd")}
    fewest = min(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, (fewest, normal[1]))
    agent.rotate()
    failed = wait_write_failed(helper)
    assert "too many open files" in failed.fields["error"]
    check_retried_once_said(helper, failed)
    assert out.state() == before
    resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, normal)
    check_recovered(helper, agent, out)


@pytest.mark.needs_root
def test_another_cause_is_logged_again(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    certs_dir = workdir / "certs"
    helper = run_helper(config(agent), prefix=mounting(tmpfs(certs_dir)))
    wait_published(helper)
    out = published_by(helper, certs_dir)
    filler = fill(out.directory)
    before = out.state()
    agent.rotate()
    assert "no space left" in wait_write_failed(helper).fields["error"]
    mark = helper.mark()
    # Another file system is mounted over it, and a read-only one.
    inside(helper, "mount", "-t", "tmpfs", "-o", "ro", "none", certs_dir)
    assert "read-only" in wait_write_failed(helper, mark).fields["error"]
    inside(helper, "umount", certs_dir)
    # Not during an attempt for which the disk has no room.
    wait_until(lambda: out.state() == before, "the files as they were")
    filler.unlink()
    check_recovered(helper, agent, out)
    assert len(lines_of(helper, "write_failed")) <= 3


@pytest.mark.needs_root
@pytest.mark.long
def test_a_helper_of_another_user(
    agent: DevAgent, run_helper: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_certs(workdir)
    os.chown(out.directory, NOBODY, NOBODY)
    # That user may not be able to reach the checkout and the agent's socket.
    copy = workdir / "spiffe-helper"
    shutil.copy(program(), copy)
    monkeypatch.setenv("SPIFFE_HELPER", str(copy))
    workdir.chmod(0o755)
    agent.directory.chmod(0o755)
    prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    helper = run_helper(config(agent, log_level="debug"), prefix=prefix)
    denied = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert "permission denied" in denied.msg
    assert denied.fields["hint"]
    agent.socket.chmod(0o666)
    out.check(wait_published(helper))
    assert {(out.directory / name).stat().st_uid for name in NAMES} == {NOBODY}
    out.check(rotate(agent, helper))
    os.chown(out.directory, 0, 0)
    agent.rotate()
    check_retried_once_said(helper, wait_write_failed(helper))
    os.chown(out.directory, NOBODY, NOBODY)
    check_recovered(helper, agent, out)


def test_a_missing_cert_dir_at_the_start(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    helper = run_helper(config(agent, log_level="debug"))
    failed = wait_write_failed(helper)
    assert "certs" in failed.fields["error"]
    assert "no such file or directory" in failed.fields["error"]
    check_retried_once_said(helper, failed)
    out = make_certs(workdir)
    wait_serial(helper, agent_serial(agent), timeout=30)
    out.check(agent_serial(agent))


@pytest.mark.long
def test_a_cert_dir_that_vanishes(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug"))
    wait_published(helper)
    shutil.rmtree(out.directory)
    agent.rotate()
    failed = wait_write_failed(helper)
    assert "no such file or directory" in failed.fields["error"]
    check_retried_once_said(helper, failed)
    assert not out.directory.exists(), "it is made by whoever made it before"
    make_certs(workdir)
    check_recovered(helper, agent, out)


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.long
def test_a_cert_dir_that_is_replaced(
    agent: DevAgent, run_helper: Run, workdir: Path, pushed: bool
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    moved = Published(out.directory.rename(workdir / "moved"))
    make_certs(workdir)
    before = moved.state()
    if pushed:
        agent.rotate()
    # Found within 10 s without a message.
    wait_until(lambda: SVID in out.names(), "files in the new directory", 15)
    wait_until(lambda: certs.serial(out.read(SVID)) == agent_serial(agent), "the newest of them")
    out.check(agent_serial(agent))
    assert moved.state() == before, "nothing is written to where it was"
    out.check(rotate(agent, helper))
    assert moved.state() == before


def test_a_cert_dir_that_is_a_symlink(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    first = make_certs(workdir, "first")
    second = make_certs(workdir, "second")
    (workdir / "certs").symlink_to("first")
    out = Published(workdir / "certs")
    helper = run_helper(config(agent))
    wait_published(helper)
    first.check(rotate(agent, helper))
    before = first.state_in_use()
    # A new target is another directory.
    (workdir / "new").symlink_to("second")
    (workdir / "new").rename(workdir / "certs")
    serial = rotate(agent, helper)
    assert second.check(serial) == out.check(serial)
    assert first.state_in_use() == before


@pytest.mark.long
def test_files_changed_by_others_are_repaired(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    serial = wait_published(helper)
    live = out.live()
    (out.directory / SVID).unlink()
    (out.directory / live / KEY).chmod(0o666)
    agent.resend()
    repaired = helper.wait_log(lambda line: line.fields.get("event") == "files_repaired")
    assert repaired.level == "warning"
    out.check(serial)
    assert out.mode(KEY) == 0o600
    assert out.live() == live
    # Changed content is repaired as well, by the check every 10 s, without a message.
    (out.directory / live / SVID).write_bytes(b"not a certificate")
    wait_until(lambda: out.read(SVID) != b"not a certificate", "the repair of a changed file", 15)
    out.check(serial)


@pytest.mark.needs_root
def test_a_file_that_cannot_be_renamed(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """A single file that is bind-mounted is written in place; this is logged once."""
    out = make_certs(workdir)
    source = workdir / "mounted.pem"
    source.write_bytes(b"")
    source.chmod(0o600)
    (out.directory / SVID).write_bytes(b"")
    bind = f"mount --bind {source} {out.directory / SVID}"
    helper = run_helper(config(agent), prefix=mounting(bind))
    wait_published(helper)
    inode = source.stat().st_ino
    for _ in range(2):
        serial = rotate(agent, helper)
        assert certs.serial(source.read_bytes()) == serial
        assert certs.pair_matches(source.read_bytes(), out.read(KEY))
    assert source.stat().st_ino == inode
    assert source.stat().st_mode & 0o777 == 0o644
    assert seen_by(helper, out.directory / SVID).read_bytes() == source.read_bytes()
    assert [line.level for line in lines_of(helper, "written_in_place")] == ["warning"]
