"""Consumers with another user than the helper: they can read every set, and no other user can read the key."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import Run, program
from other_users import User, UserReader
from published import BUNDLE, KEY, LAYOUTS, SVID, Published, config, make_certs, rotate, wait_published
from reloading import reload

GROUP = 2000
CONSUMER = User(65534, 65534, (GROUP,))
HELPER = User(1000, 1000, (GROUP,))
STRANGER = User(12345, 12345)
pytestmark = pytest.mark.needs_root


@dataclass(frozen=True)
class Case:
    """cert_dir, the user who created a key in it beforehand, and the keys that let the consumer read the key."""

    mode: int = 0o755
    group: int = 0
    keys: dict[str, object] = field(default_factory=dict)
    precreated: tuple[int, int, int] | None = None  # owner, group, mode
    user: User | None = None  # of the helper, instead of root


CASES = {
    "0777": Case(0o777, keys={"key_owner": CONSUMER.uid}),
    "1777": Case(0o1777, keys={"key_owner": CONSUMER.uid}),
    "1777, key made by the consumer": Case(
        0o1777, keys={"key_owner": CONSUMER.uid}, precreated=(CONSUMER.uid, CONSUMER.gid, 0o600)
    ),
    "2775": Case(0o2775, GROUP, {"key_file_mode": "0640"}),
    "2770": Case(0o2770, GROUP, {"key_file_mode": "0640"}),
    "fsGroup": Case(0o2777, GROUP, {"key_file_mode": "0640"}, user=HELPER),
    "key of the consumer": Case(precreated=(CONSUMER.uid, CONSUMER.gid, 0o600)),
    "key of the group": Case(keys={"key_file_mode": "0640"}, precreated=(0, GROUP, 0o640)),
    "group alone": Case(keys={"key_group": GROUP, "key_file_mode": "0040"}),
}


def prepare(case: Case, workdir: Path) -> Published:
    # All these users can reach cert_dir.
    workdir.chmod(0o755)
    out = make_certs(workdir)
    if case.precreated:
        owner, group, mode = case.precreated
        (out.directory / KEY).touch()
        os.chown(out.directory / KEY, owner, group)
        (out.directory / KEY).chmod(mode)
    os.chown(out.directory, 0, case.group)
    out.directory.chmod(case.mode)
    return out


def as_user(user: User, agent: DevAgent, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The prefix of a helper of that user, who may not be able to reach the checkout and the agent's socket."""
    copy = workdir / "spiffe-helper"
    shutil.copy(program(), copy)
    monkeypatch.setenv("SPIFFE_HELPER", str(copy))
    agent.directory.chmod(0o755)
    agent.socket.chmod(0o666)
    groups = ",".join(map(str, user.groups))
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", f"--groups={groups}"]


def check_set(files: dict[str, str], serial: int) -> None:
    svid, key, bundle = (files[name].encode() for name in (SVID, KEY, BUNDLE))
    assert certs.serial(svid) == serial
    assert certs.pair_matches(svid, key)
    assert certs.openssl_verifies(svid, bundle) == "OK"


def keys_found_by(user: User, out: Published) -> list[str]:
    """All readable files below the directory that contain a key, by any name."""
    return user.run("grep", "-rsl", "PRIVATE KEY", out.directory).splitlines()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_consumer_can_read_the_key(
    agent: DevAgent,
    run_helper: Run,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    case: Case,
) -> None:
    out = prepare(case, workdir)
    prefix = as_user(case.user, agent, workdir, monkeypatch) if case.user else []
    text = config(agent, layout=layout, cert_dir=out.directory, **case.keys)
    with ExitStack() as stack:
        consumer, stranger = (
            stack.enter_context(UserReader(out.directory, user)) for user in (CONSUMER, STRANGER)
        )
        # Also after a restart, which finds the files of the first run.
        for _ in range(2):
            helper = run_helper(text, prefix=prefix)
            serial = wait_published(helper)
            check_set(consumer.look(), serial)
            for _ in range(3):
                consumer.watch()
                stranger.watch()
                serial = rotate(agent, helper)
                check_set(consumer.look(), serial)
                files = stranger.look()
                assert files[KEY] == "EACCES"
                assert (files[SVID] == "EACCES") == (case.mode & 0o007 == 0)
            assert helper.stop() == 0
            assert [line.raw for line in helper.log if line.level == "error"] == []
            check_set(consumer.look(), serial)
            assert keys_found_by(CONSUMER, out)
            assert keys_found_by(STRANGER, out) == []
    assert consumer.attempts.keys() == {"read"}
    assert stranger.attempts.keys() == {"EACCES"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_existing_key_is_not_taken_over_if_others_can_write(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    """Any user could have created it. The log has a hint, which takes effect with a reload."""
    out = prepare(Case(0o777, precreated=(CONSUMER.uid, CONSUMER.gid, 0o600)), workdir)
    helper = run_helper(config(agent, layout=layout))
    wait_published(helper)
    serial = rotate(agent, helper)
    with UserReader(out.directory, CONSUMER) as consumer:
        files = consumer.look()
        assert files[KEY] == "EACCES"
        assert certs.serial(files[SVID].encode()) == serial
        assert keys_found_by(CONSUMER, out) == []
        assert any("key_owner" in line.raw and KEY in line.raw for line in helper.log if line.level == "warning")
        reload(helper, config(agent, layout=layout, key_owner=CONSUMER.uid))
        serial = rotate(agent, helper)
        check_set(consumer.look(), serial)
