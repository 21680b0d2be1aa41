"""The first publication: names, places, contents, modes and owners of the files."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import certs
import pytest
from devagent import DevAgent
from helper import Run
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
)

NOBODY = 65534


def publish(run_helper: Run, agent: DevAgent, workdir: Path, **keys: object) -> Published:
    """A helper with this configuration, after its first publication."""
    out = make_certs(workdir)
    wait_published(run_helper(config(agent, **keys)))
    return out


def test_three_files_with_their_modes(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = publish(run_helper, agent, workdir)
    assert [out.mode(name) for name in NAMES] == [0o644, 0o600, 0o644]
    assert out.check(agent_serial(agent)) > 0
    assert certs.spiffe_id(out.read(SVID)) == "spiffe://example.org/workload"
    assert len(certs.certificates(out.read(SVID))) == 1
    assert len(certs.certificates(out.read(BUNDLE))) == 1
    assert certs.private_key(out.read(KEY))


@pytest.mark.parametrize("layout", ["snapshot", "files", "in-place"])
def test_modes_are_those_configured_whatever_the_umask(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    keys = config(agent, layout=layout, cert_file_mode="0664", key_file_mode="0640")
    helper = run_helper(keys, prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"])
    wait_published(helper)
    assert [out.mode(name) for name in NAMES] == [0o664, 0o640, 0o664]
    rotate(agent, helper)
    assert [out.mode(name) for name in NAMES] == [0o664, 0o640, 0o664]


def test_a_read_only_mode_does_not_prevent_the_next_write(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    keys = config(agent, layout="in-place", cert_file_mode="0444", key_file_mode="0400")
    # Without the capability that lets root write into read-only files.
    helper = run_helper(keys, prefix=["setpriv", "--bounding-set", "-dac_override"])
    wait_published(helper)
    out.check(rotate(agent, helper))
    assert [out.mode(name) for name in NAMES] == [0o444, 0o400, 0o444]


def test_the_snapshot_layout(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = publish(run_helper, agent, workdir)
    for name in NAMES:
        assert os.readlink(out.directory / name) == f"..data/{name}"
    (generation,) = out.generations()
    assert out.live() == generation
    seen = (out.directory / generation).lstat()
    assert stat.S_ISDIR(seen.st_mode)
    assert stat.S_IMODE(seen.st_mode) == 0o755
    assert sorted(os.listdir(out.directory / generation)) == sorted(NAMES)
    for name in NAMES:
        assert stat.S_ISREG((out.directory / generation / name).lstat().st_mode)
    assert out.mode("..lock") == 0o600
    assert out.names() == sorted({*NAMES, "..data", "..lock", generation})


def test_a_rotation_makes_a_new_generation_and_new_links(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    before = out.state()
    live = out.live()
    serial = rotate(agent, helper)
    out.check(serial)
    assert out.live() != live
    after = out.state()
    # Readers that hold the old directory can still read the old files.
    for name in NAMES:
        seen = after[f"{live}/{name}"]
        assert seen.modified > before[f"{live}/{name}"].modified, f"nobody who watches {live}/{name} would hear"
        assert replace(seen, modified=0) == replace(before[f"{live}/{name}"], modified=0)
        assert after[name].inode != before[name].inode, f"nobody who watches {name} would hear of it"


@pytest.mark.parametrize("layout", ["files", "in-place"])
def test_plain_files_in_the_other_layouts(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, layout=layout))
    out.check(wait_published(helper))
    before = {name: (out.directory / name).lstat() for name in NAMES}
    assert all(stat.S_ISREG(seen.st_mode) for seen in before.values())
    assert out.names() == sorted({*NAMES, "..lock"})
    out.check(rotate(agent, helper))
    same = [(out.directory / name).lstat().st_ino == before[name].st_ino for name in (SVID, KEY)]
    assert same == [layout == "in-place"] * 2
    assert out.names() == sorted({*NAMES, "..lock"})


def test_names_in_sub_directories(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    (out.directory / "private" / "keys").mkdir(parents=True)
    helper = run_helper(config(agent, svid_key_file_name="private/keys/key.pem"))
    wait_published(helper)
    private = Published(out.directory / "private" / "keys")
    for _ in range(2):
        assert os.readlink(private.directory / "key.pem") == "..data/key.pem"
        assert os.listdir(private.directory / private.live()) == ["key.pem"]
        assert sorted(os.listdir(out.directory / out.live())) == sorted([SVID, BUNDLE])
        assert certs.pair_matches(out.read(SVID), private.read("key.pem"))
        rotate(agent, helper)


def test_an_absolute_name_is_joined_below_cert_dir(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    absolute = workdir / "elsewhere.pem"
    (workdir / "certs" / str(workdir)[1:]).mkdir(parents=True)
    wait_published(run_helper(config(agent, svid_file_name=absolute)))
    below = Published(workdir / "certs" / str(workdir)[1:])
    assert not absolute.exists()
    assert certs.pair_matches(below.read("elsewhere.pem"), (workdir / "certs" / KEY).read_bytes())


@pytest.mark.parametrize("cert_dir", ["", None, "."])
def test_the_working_directory_if_cert_dir_is_empty(
    agent: DevAgent, run_helper: Run, workdir: Path, cert_dir: str | None
) -> None:
    workdir.chmod(0o755)
    elsewhere = make_certs(workdir, "elsewhere")
    # Without cert_dir, and only then, an absolute name stays absolute.
    roots = "elsewhere/roots.pem" if cert_dir == "." else elsewhere.directory / "roots.pem"
    wait_published(run_helper(config(agent, cert_dir=cert_dir, svid_bundle_file_name=roots)))
    here = Published(workdir)
    assert certs.pair_matches(here.read(SVID), here.read(KEY))
    assert certs.openssl_verifies(here.read(SVID), elsewhere.read("roots.pem")) == "OK"


def test_create_cert_dir(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    keys = config(agent, cert_dir="a/b", create_cert_dir=True, svid_key_file_name="keys/key.pem")
    wait_published(run_helper(keys, prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"]))
    for made in ("a", "a/b", "a/b/keys"):
        assert stat.S_IMODE((workdir / made).stat().st_mode) == 0o755
    assert certs.private_key((workdir / "a/b/keys/key.pem").read_bytes())


@pytest.mark.agent("-intermediate")
@pytest.mark.parametrize("in_bundle", [False, True])
def test_intermediates(agent: DevAgent, run_helper: Run, workdir: Path, in_bundle: bool) -> None:
    out = publish(run_helper, agent, workdir, add_intermediates_to_bundle=in_bundle)
    svid, bundle = certs.certificates(out.read(SVID)), certs.certificates(out.read(BUNDLE))
    assert (len(svid), len(bundle)) == ((1, 2) if in_bundle else (2, 1))
    assert certs.openssl_verifies(out.read(SVID), out.read(BUNDLE)) == "OK"
    root = certs.load_leaf(out.read(BUNDLE))
    assert root.subject == root.issuer, "roots come first"


@pytest.mark.agent("-federated", "3")
@pytest.mark.parametrize("include", [False, True])
def test_federated_domains(agent: DevAgent, run_helper: Run, workdir: Path, include: bool) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, include_federated_domains=include))
    wait_published(helper)
    assert len(certs.certificates(out.read(BUNDLE))) == (4 if include else 1)
    assert certs.openssl_verifies(out.read(SVID), out.read(BUNDLE)) == "OK"
    warned = [line for line in helper.log if "include_federated_domains" in line.msg]
    assert [line.level for line in warned] == ["warning"] * include


@pytest.mark.agent("-federated", "3")
def test_removed_federated_domains_are_removed_from_the_bundle(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, include_federated_domains=True))
    wait_published(helper)
    mark = helper.mark()
    agent.command("federated 1")
    assert wait_published(helper, since=mark) == agent_serial(agent)
    assert len(certs.certificates(out.read(BUNDLE))) == 2


IDS = ("-id", "/first", "-id", "/second,hint=internal", "-id", "/same,hint=internal", "-id", "/third")


@pytest.mark.agent(*IDS)
@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        (None, None, "/first"),
        ("hint", "internal", "/second"),
        ("spiffe_id", "spiffe://example.org/third", "/third"),
    ],
)
def test_the_selected_identity(
    agent: DevAgent, run_helper: Run, workdir: Path, key: str | None, value: str, wanted: str
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **({key: value} if key else {})))
    wait_published(helper)
    mark = helper.mark()
    agent.rotate()
    wait_published(helper, since=mark)
    assert certs.spiffe_id(out.read(SVID)) == "spiffe://example.org" + wanted
    warned = [line for line in helper.log if "several identities" in line.msg]
    assert len(warned) == (1 if key is None else 0)


@pytest.mark.parametrize("key_type", ["ec-p384", "rsa-2048", "ed25519"])
def test_key_types(
    run_agent: Callable[..., DevAgent], run_helper: Run, workdir: Path, key_type: str
) -> None:
    out = publish(run_helper, run_agent("-key-type", key_type), workdir)
    out.check()


def test_unchanged_content_is_not_published_again(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug"))
    wait_published(helper)
    before = out.state()
    mark = helper.mark()
    agent.command("resend")
    helper.wait_log("X.509 certificates unchanged", since=mark)
    assert out.state() == before
    assert len([line for line in helper.log if line.msg == "X.509 certificates updated"]) == 1


@pytest.mark.parametrize("layout", ["snapshot", "files"])
def test_a_restart_finds_its_files_and_changes_none(
    agent: DevAgent, run_helper: Run, workdir: Path, layout: str
) -> None:
    out = make_certs(workdir)
    first = run_helper(config(agent, layout=layout))
    wait_published(first)
    assert first.stop() == 0
    before = out.state()
    second = run_helper(config(agent, layout=layout))
    # The first complete state of a process counts as a rotation, even if nothing has to be written.
    wait_published(second)
    assert out.state() == before
    assert len(lines_of(second, "svid_unchanged")) == 1


def test_another_layout_over_the_same_names(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    for layout in ("snapshot", "files", "snapshot"):
        helper = run_helper(config(agent, layout=layout))
        wait_published(helper)
        out.check(rotate(agent, helper))
        assert (out.directory / SVID).is_symlink() == (layout == "snapshot")
        assert helper.stop() == 0


@pytest.mark.needs_root
def test_owner_and_group(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, owner="65533", group="nogroup", key_owner="nobody"))
    wait_published(helper)
    rotate(agent, helper)
    owners = [((out.directory / name).stat().st_uid, (out.directory / name).stat().st_gid) for name in NAMES]
    nogroup = grp.getgrnam("nogroup").gr_gid
    assert owners == [(65533, nogroup), (NOBODY, nogroup), (65533, nogroup)]
    assert out.mode(KEY) == 0o600
