"""The RPM packages: accepted by rpmlint; installed, upgraded and removed in a root with nothing but a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ROOT, run
from roots import entries, pretend_that_systemd_runs

One = Callable[[str], Path]
CONFIG = "etc/spiffe-helper/helper.conf"

pytestmark = pytest.mark.needs_root


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A root with busybox's shell for the scriptlets, and a database of packages."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    run("cp", "/bin/busybox", root / "bin/busybox")
    for applet in ("sh", "echo", "["):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc").mkdir()
    (root / "dev").mkdir()  # the scriptlets' /dev/null becomes a file in it
    rpm(root, "--initdb")
    return root


def rpm(root: Path, *arguments: str | Path) -> str:
    # rpm's database here has no package that provides /bin/sh.
    return run("rpm", "--root", root, "--dbpath", "/var/lib/rpm", *arguments)


def test_rpmlint_has_no_errors(dist: Path) -> None:
    output = run("rpmlint", "-c", ROOT / "packaging/rpmlint.toml", *sorted(dist.glob("*.rpm")))
    assert ": E: " not in output
    assert "0 errors" in output


def test_it_installs_into_an_empty_root_and_leaves_nothing(empty: Path, dist: Path) -> None:
    before = entries(empty)
    rpm(empty, "--nodeps", "-i", *dist.glob("*.rpm"))
    added = entries(empty) - before
    assert {"usr/lib/systemd/system/spiffe-helper@.service", "etc/spiffe-helper"} <= added
    assert {path for path in added if path.startswith("etc/")} == {"etc/spiffe-helper"}
    assert run("chroot", empty, "/usr/bin/spiffe-helper", "version").startswith("version ")
    assert rpm(empty, "-V", "--nodeps", "spiffe-helper", "spiffe-dev-agent") == ""
    rpm(empty, "--nodeps", "-e", "spiffe-helper", "spiffe-dev-agent")
    shared = {path for path in entries(empty) - before if (empty / path).is_dir()}
    assert entries(empty) - before == shared
    assert not any("spiffe" in path for path in shared)


def test_the_scriptlets(empty: Path, one: One) -> None:
    package = one("spiffe-helper-*.rpm")
    # rpm sets its own PATH for scriptlets.
    calls = pretend_that_systemd_runs(empty, "usr/bin")
    rpm(empty, "--nodeps", "-i", package)
    assert calls.read_text().splitlines() == ["daemon-reload"]
    (empty / CONFIG).write_text("")
    # Installing the same version again works like an upgrade.
    rpm(empty, "--nodeps", "-U", "--force", package)
    assert calls.read_text().splitlines() == ["daemon-reload"] * 3
    calls.write_text("")
    rpm(empty, "--nodeps", "-e", "spiffe-helper")
    assert calls.read_text().splitlines() == [
        "stop spiffe-helper.service spiffe-helper@*.service",
        "--no-reload --quiet disable spiffe-helper.service spiffe-helper@.service",
        "daemon-reload",
    ]
    assert (empty / CONFIG).is_file()


def test_directories_of_others_are_not_claimed(dist: Path) -> None:
    for package in dist.glob("*.rpm"):
        lines = run("rpm", "-qplv", package).splitlines()
        names = {line.split()[-1] for line in lines if line.startswith("d")}
        assert all("spiffe" in name for name in names), names
