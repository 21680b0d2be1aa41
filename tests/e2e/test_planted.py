"""Files that another user created in cert_dir beforehand: to get a secret, or to keep a helper out."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import Helper, Run, program
from published import KEY, LAYOUTS, Published, config, make_certs, rotate, wait_published
from tokens import entry

PLANTER = 12345
DATABASE = 26
# Mode and group of directories in which this user can create files.
SHARED = [(0o2770, PLANTER), (0o1777, 0), (0o777, 0)]
pytestmark = pytest.mark.needs_root


def shared(workdir: Path, mode: int, group: int) -> Published:
    out = make_certs(workdir)
    os.chown(out.directory, 0, group)
    out.directory.chmod(mode)
    return out


def plant(commands: str, *arguments: str | Path) -> None:
    """Runs this in a shell as the planter, with the arguments as $1, $2 …"""
    command = ["sh", "-ec", f"umask 0; {commands}", "sh", *map(str, arguments)]
    subprocess.run(command, user=PLANTER, group=PLANTER, extra_groups=[], check=True, cwd="/")


def is_roots_alone(path: Path) -> bool:
    seen = path.lstat() if not path.is_symlink() else path.stat()
    return seen.st_uid == 0 and stat.S_IMODE(seen.st_mode) == 0o600 and seen.st_nlink == 1


def warnings_about(helper: Helper, path: Path) -> list[str]:
    return [line.raw for line in helper.log if line.level in ("warning", "error") and path.name in line.raw]


@pytest.mark.parametrize("mode, group", SHARED, ids=["2770", "1777", "0777"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_planted_file_gets_no_key(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str, mode: int, group: int
) -> None:
    workdir.chmod(0o755)
    out = shared(workdir, mode, group)
    planted = out.directory / KEY
    plant(': > "$1"', planted)
    with planted.open("rb") as file:
        helper = run_helper(config(agent, layout=layout))
        wait_published(helper)
        for _ in range(2):
            assert is_roots_alone(planted)
            rotate(agent, helper)
        assert is_roots_alone(planted)
        assert file.read() == b""
    assert b"PRIVATE KEY" in out.read(KEY)
    assert warnings_about(helper, planted)


@pytest.mark.parametrize("mode, group", SHARED, ids=["2770", "1777", "0777"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_planted_link_gets_no_key_and_no_token(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str, mode: int, group: int
) -> None:
    workdir.chmod(0o755)
    out = shared(workdir, mode, group)
    elsewhere = workdir / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    for name, leaf in (("key", KEY), ("token", "web.jwt")):
        plant(': > "$1"; ln -s "$1" "$2"', elsewhere / name, out.directory / leaf)
    helper = run_helper(config(agent, layout=layout, jwt_svids=[entry("web")]))
    wait_published(helper)
    helper.wait_file(out.directory / "web.jwt", other_than=b"")
    rotate(agent, helper)
    for leaf in (KEY, "web.jwt"):
        assert is_roots_alone(out.directory / leaf)
        assert warnings_about(helper, out.directory / leaf)
    assert [(elsewhere / name).read_bytes() for name in ("key", "token")] == [b"", b""]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_key_of_the_database_keeps_its_owner(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    (out.directory / KEY).touch()
    os.chown(out.directory / KEY, DATABASE, DATABASE)
    (out.directory / KEY).chmod(0o600)
    for _ in range(2):
        helper = run_helper(config(agent, layout=layout))
        wait_published(helper)
        for _ in range(2):
            out.check(rotate(agent, helper))
            seen = (out.directory / KEY).stat()
            assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (DATABASE, DATABASE, 0o600)
        assert helper.stop() == 0


def test_files_get_the_group_of_fs_group(
    agent: DevAgent, run_helper: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state in Kubernetes: setgid, writable by the group; the helper is a member and not root."""
    # That user may not be able to reach the checkout and the agent's socket.
    copy = workdir / "spiffe-helper"
    shutil.copy(program(), copy)
    monkeypatch.setenv("SPIFFE_HELPER", str(copy))
    workdir.chmod(0o755)
    agent.directory.chmod(0o755)
    agent.socket.chmod(0o666)
    for layout in LAYOUTS:
        out = make_certs(workdir, layout)
        os.chown(out.directory, 0, 2000)
        out.directory.chmod(0o2775)
        who = ["setpriv", "--reuid", "1000", "--regid", "1000", "--groups", "2000"]
        helper = run_helper(config(agent, layout=layout, cert_dir=out.directory, key_file_mode="0640"), prefix=who)
        wait_published(helper)
        for _ in range(2):
            out.check(rotate(agent, helper))
            seen = (out.directory / KEY).stat()
            assert (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)) == (1000, 2000, 0o640)
        assert [line.raw for line in helper.log if line.level in ("warning", "error")] == []
        assert helper.stop() == 0


def test_a_directory_that_a_foreign_group_can_write_is_refused(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = shared(workdir, 0o2770, PLANTER)
    helper = run_helper(config(agent, require_secure_dir=True))
    failed = helper.wait_log(lambda line: line.fields.get("event") == "write_failed")
    assert f"group {PLANTER} can write this directory" in failed.fields["error"]
    assert out.names() == []
    assert helper.stop() == 0
    helper = run_helper(config(agent, require_secure_dir=True, key_group=PLANTER))
    wait_published(helper)
    assert (out.directory / KEY).stat().st_gid == PLANTER


def test_a_lock_file_of_another_user_is_reported(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    workdir.chmod(0o755)
    out = shared(workdir, 0o1777, 0)
    lock = out.directory / "..lock"
    record = f"pid {os.getpid()}\nname {KEY}\nend\n"
    plant('printf %s "$2" > "$1"', lock, record)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        helper = run_helper(config(agent))
        waiting = helper.wait_log(lambda line: line.fields.get("event") == "locked")
        assert f"..lock belongs to uid {PLANTER}" in waiting.fields["error"]
        assert str(os.getpid()) not in waiting.raw
        assert lock.read_text() == record
    out.check(wait_published(helper))
    assert lock.stat().st_uid == 0


def test_a_lock_file_that_links_to_another_file_is_not_changed(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    precious = workdir / "precious"
    precious.write_text("precious")
    (out.directory / "..lock").hardlink_to(precious)
    helper = run_helper(config(agent))
    out.check(wait_published(helper))
    assert precious.read_text() == "precious"
    assert precious.stat().st_nlink == 1
