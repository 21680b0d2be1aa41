"""Directories that others use as well: planted names, second helpers, modes and owners."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import SLOW, Helper, Run, wait_until
from published import (
    BUNDLE,
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
OTHER = {"svid_file_name": "a.pem", "svid_key_file_name": "b.pem", "svid_bundle_file_name": "c.pem"}


@pytest.fixture
def victim(workdir: Path) -> Published:
    """A directory that an attacker wants us to damage."""
    directory = make_certs(workdir, "victim")
    (directory.directory / SVID).write_bytes(b"precious")
    (directory.directory / "other").write_bytes(b"precious too")
    return directory


# Planted names.


def test_a_planted_data_link_is_not_followed(
    agent: DevAgent, run_helper: Run, workdir: Path, victim: Published
) -> None:
    out = make_certs(workdir)
    (out.directory / "..data").symlink_to(victim.directory)
    before = victim.state()
    helper = run_helper(config(agent))
    failed = helper.wait_log(lambda line: line.fields.get("event") == "write_failed")
    assert "..data" in failed.fields["error"]
    assert os.readlink(out.directory / "..data") == str(victim.directory)
    assert victim.state() == before
    assert not [name for name in NAMES if os.path.lexists(out.directory / name)]
    (out.directory / "..data").unlink()
    out.check(wait_published(helper, timeout=30))


def test_planted_generations_and_temporaries(
    agent: DevAgent, run_helper: Run, workdir: Path, victim: Published
) -> None:
    out = make_certs(workdir)
    for name in ("..gen.1700000000000000000", "..tmp.1", "..tmp.0123456789abcdef"):
        (out.directory / name).symlink_to(victim.directory)
    # Deeper than a generation can be, so it is not the helper's.
    deep = out.directory / "..gen.1700000000000000001" / "deep"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"precious")
    before = victim.state()
    helper = run_helper(config(agent))
    out.check(wait_published(helper))
    out.check(rotate(agent, helper))
    assert helper.stop() == 0
    assert victim.state() == before
    assert (deep / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("layout", ["snapshot", "files"])
@pytest.mark.parametrize("kind", ["symlink", "hard link", "dangling symlink"])
def test_a_planted_leaf_is_replaced_with_a_warning(
    agent: DevAgent, run_helper: Run, workdir: Path, victim: Published, layout: str, kind: str
) -> None:
    out = make_certs(workdir)
    leaf, target = out.directory / SVID, victim.directory / SVID
    if kind == "hard link":
        leaf.hardlink_to(target)
    else:
        leaf.symlink_to(target if kind == "symlink" else victim.directory / "not-there")
    helper = run_helper(config(agent, layout=layout))
    wait_published(helper)
    out.check(rotate(agent, helper))
    assert target.read_bytes() == b"precious"
    assert sorted(os.listdir(victim.directory)) == ["other", SVID]
    (warning,) = lines_of(helper, "link_replaced")
    assert warning.level == "warning"
    assert "in-place" in warning.raw, "the warning names the layout that would follow it"
    assert SVID in warning.fields["path"]


def test_in_place_follows_a_symlink(
    agent: DevAgent, run_helper: Run, workdir: Path, victim: Published
) -> None:
    out = make_certs(workdir)
    (out.directory / SVID).symlink_to(victim.directory / SVID)
    helper = run_helper(config(agent, layout="in-place"))
    wait_published(helper)
    serial = rotate(agent, helper)
    assert certs.serial((victim.directory / SVID).read_bytes()) == serial
    assert (out.directory / SVID).is_symlink()


def test_a_planted_sub_directory(agent: DevAgent, run_helper: Run, workdir: Path, victim: Published) -> None:
    out = make_certs(workdir)
    (out.directory / "sub").symlink_to(victim.directory)
    before = victim.state()
    helper = run_helper(config(agent, svid_key_file_name="sub/key.pem"))
    failed = helper.wait_log(lambda line: line.fields.get("event") == "write_failed")
    assert "sub" in failed.fields["error"]
    assert victim.state() == before


def test_a_planted_lock_file(agent: DevAgent, run_helper: Run, workdir: Path, victim: Published) -> None:
    out = make_certs(workdir)
    (out.directory / "..lock").symlink_to(victim.directory / "other")
    before = victim.state()
    helper = run_helper(config(agent))
    helper.wait_log(lambda line: "..lock" in line.raw and line.level in ("warning", "error"))
    assert victim.state() == before


# Second helpers.


def beside(run_helper: Run, workdir: Path, text: str) -> Helper:
    """A helper with a working directory, configuration and log of its own."""
    return run_helper(text, directory=Path(tempfile.mkdtemp(prefix="beside-", dir=workdir)))


def test_a_second_helper_takes_over_when_the_first_ends(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    before = out.state()
    second = beside(run_helper, workdir, config(agent, cert_dir=out.directory))
    waiting = second.wait_log(lambda line: line.fields.get("event") == "locked")
    assert waiting.level == "warning"
    assert "30 s" in waiting.msg
    agent.wait_streams(2)
    assert out.state() == before
    assert first.stop() == 0
    begin = time.monotonic()
    wait_published(second)
    assert time.monotonic() - begin < 2 * SLOW
    out.check(rotate(agent, second))
    assert lines_of(second, "locked") == [waiting]


def test_a_helper_that_crashed_holds_no_lock(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    first.kill()
    second = run_helper(config(agent))
    wait_published(second)
    assert lines_of(second, "locked") == []
    out.check(rotate(agent, second))


@pytest.mark.long
def test_a_second_helper_gives_up_in_the_end(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    before = out.state()
    begin = time.monotonic()
    # With the same names, and with only one of them: that is enough for a conflict.
    same = beside(run_helper, workdir, config(agent, cert_dir=out.directory))
    overlapping = OTHER | {"svid_file_name": SVID}
    some = beside(run_helper, workdir, config(agent, cert_dir=out.directory, **overlapping))
    once = beside(run_helper, workdir, config(agent, cert_dir=out.directory, daemon_mode=False))
    for second in (same, some, once):
        assert second.wait(timeout=40) == 1
        assert 28 < time.monotonic() - begin < 33 * SLOW
        assert len(lines_of(second, "locked")) == 1
        assert len([line for line in second.log if line.level == "error"]) == 1
    assert out.state() == before
    out.check(rotate(agent, first))


def test_two_helpers_with_other_names(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    second = beside(run_helper, workdir, config(agent, cert_dir=out.directory, **OTHER))
    wait_published(second)
    for _ in range(2):
        agent.rotate()
        for helper in (first, second):
            wait_serial(helper, agent_serial(agent))
        out.check(agent_serial(agent))
        assert certs.pair_matches(out.read("a.pem"), out.read("b.pem"))
        assert certs.serial(out.read("a.pem")) == agent_serial(agent)
    assert len(out.names("..lock")) == 2
    # Each removes only its own.
    link = os.readlink(out.directory / "a.pem").split("/")[0]
    assert link.startswith("..data.")
    live = os.readlink(out.directory / link)
    assert second.stop() == 0
    out.check(agent_serial(agent))
    out.check(rotate(agent, first))
    assert first.stop() == 0
    assert sorted(out.generations()) == sorted([out.live(), live])
    # Both restart, in any order, and find their files.
    second = beside(run_helper, workdir, config(agent, cert_dir=out.directory, **OTHER))
    wait_published(second)
    first = run_helper(config(agent))
    wait_published(first)
    out.check(agent_serial(agent))
    assert certs.serial(out.read("a.pem")) == agent_serial(agent)
    assert lines_of(first, "locked") == lines_of(second, "locked") == []


# Modes and owners.


def test_a_world_writable_directory(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    out.directory.chmod(0o777)
    helper = run_helper(config(agent))
    wait_published(helper)
    for _ in range(2):
        out.check(rotate(agent, helper))
    (warning,) = lines_of(helper, "insecure_dir")
    assert warning.level == "warning"
    assert warning.fields["path"].rstrip("/").endswith("certs")
    assert out.mode(".") == 0o777


def test_a_sticky_directory_is_accepted(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    out.directory.chmod(0o1777)
    helper = run_helper(config(agent, require_secure_dir=True))
    out.check(wait_published(helper))
    assert not [line for line in helper.log if line.level in ("warning", "error")]


def test_require_secure_dir(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    out.directory.chmod(0o777)
    helper = run_helper(config(agent, require_secure_dir=True))
    failed = helper.wait_log(lambda line: line.fields.get("event") == "write_failed")
    assert "certs" in failed.fields["error"]
    assert "writ" in failed.fields["error"]
    agent.wait_streams(1)
    assert not [name for name in out.names() if name in NAMES or name.startswith("..gen")]
    out.directory.chmod(0o755)
    out.check(wait_published(helper, timeout=30))


@pytest.mark.needs_root
@pytest.mark.parametrize("layout", ["snapshot", "files"])
def test_a_setgid_directory_gives_its_group(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    """fsGroup of Kubernetes: 02777 and a group."""
    out = make_certs(workdir)
    os.chown(out.directory, 0, NOBODY)
    out.directory.chmod(0o2775)
    helper = run_helper(config(agent, layout=layout, key_file_mode="0640"))
    wait_published(helper)
    rotate(agent, helper)
    for name in NAMES:
        seen = (out.directory / name).stat()
        assert (seen.st_uid, seen.st_gid) == (0, NOBODY)
    assert out.mode(KEY) == 0o640
    if layout == "snapshot":
        generation = (out.directory / out.live()).stat()
        assert stat.S_IMODE(generation.st_mode) == 0o2755


@pytest.mark.needs_root
@pytest.mark.parametrize("layout", ["snapshot", "files"])
def test_a_key_created_for_another_user(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    (out.directory / KEY).write_bytes(b"")
    os.chown(out.directory / KEY, NOBODY, 65533)
    (out.directory / KEY).chmod(0o600)
    helper = run_helper(config(agent, layout=layout))
    wait_published(helper)
    owners = {}
    for _ in range(3):
        out.check(rotate(agent, helper))
        for name in NAMES:
            seen = (out.directory / name).stat()
            owners.setdefault(name, set()).add((seen.st_uid, seen.st_gid))
    assert owners == {SVID: {(0, 0)}, KEY: {(NOBODY, 65533)}, BUNDLE: {(0, 0)}}
    assert out.mode(KEY) == 0o600
    (kept,) = lines_of(helper, "owner_kept")
    assert kept.fields["path"].endswith(KEY)
    # Also after a restart, which finds a link in place of the file.
    assert helper.stop() == 0
    helper = run_helper(config(agent, layout=layout))
    wait_published(helper)
    rotate(agent, helper)
    seen = (out.directory / KEY).stat()
    assert (seen.st_uid, seen.st_gid) == (NOBODY, 65533)


@pytest.mark.needs_root
def test_no_owner_is_taken_over_in_a_world_writable_directory(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    out.directory.chmod(0o777)
    (out.directory / KEY).write_bytes(b"")
    os.chown(out.directory / KEY, NOBODY, NOBODY)
    helper = run_helper(config(agent))
    out.check(wait_published(helper))
    assert (out.directory / KEY).stat().st_uid == 0
    assert lines_of(helper, "owner_kept") == []


@pytest.mark.needs_root
def test_a_wrong_owner_is_repaired(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, key_owner=NOBODY))
    serial = wait_published(helper)
    os.chown(out.directory / out.live() / KEY, 0, 0)
    agent.resend()
    wait_until(lambda: (out.directory / KEY).stat().st_uid == NOBODY, "the owner to be put right")
    out.check(serial)
