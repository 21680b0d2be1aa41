"""The Debian packages: accepted by lintian; installed, upgraded and removed in Debian 12 and 13."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run
from roots import entries, inside, pretend_that_systemd_runs

One = Callable[[str], Path]
CONFIG = "etc/spiffe-helper/helper.conf"
LINK = "etc/systemd/system/multi-user.target.wants/spiffe-helper.service"
UNITS = ["/usr/lib/systemd/system/spiffe-helper.service", "/usr/lib/systemd/system/spiffe-helper@.service"]
STOP = "stop spiffe-helper.service spiffe-helper@*.service"
DISABLE = "--no-reload --quiet disable spiffe-helper.service spiffe-helper@.service"

pytestmark = pytest.mark.needs_root


def install(root: Path, *packages: Path) -> None:
    for package in packages:
        shutil.copy(package, root / "tmp")
    inside(root, "dpkg", "-i", *(f"/tmp/{package.name}" for package in packages))


@pytest.fixture
def helper_deb(one: One) -> Path:
    return one("spiffe-helper_*.deb")


@pytest.fixture
def next_version(helper_deb: Path, tmp_path: Path) -> Path:
    """The same package as version 99, to upgrade to."""
    tree = tmp_path / "next"
    run("dpkg-deb", "-R", helper_deb, tree)
    control = tree / "DEBIAN/control"
    lines = ["Version: 99-1" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    package = tmp_path / "spiffe-helper_99-1_next.deb"
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, package)
    return package


def configure(root: Path) -> str:
    text = 'cert_dir = "/run/spiffe-helper"\n'
    (root / CONFIG).write_text(text)
    return text


def test_lintian_has_no_errors_and_no_warnings(dist: Path) -> None:
    output = run("lintian", "--fail-on", "error,warning", "--allow-root", *sorted(dist.glob("*.deb")))
    assert [line for line in output.splitlines() if line.startswith(("E:", "W:"))] == []


def test_files_belong_to_root_and_only_programs_are_executable(dist: Path) -> None:
    for package in dist.glob("*.deb"):
        for line in run("dpkg-deb", "-c", package).splitlines():
            mode, owner, *_, name = line.split()
            assert owner == "root/root"
            if mode.startswith("-"):
                assert mode == ("-rwxr-xr-x" if name.startswith("./usr/bin/") else "-rw-r--r--"), name


def test_it_works_once_installed(debian: Path, dist: Path) -> None:
    install(debian, *dist.glob("*.deb"))
    assert "install ok installed" in inside(debian, "dpkg", "-s", "spiffe-helper", "spiffe-dev-agent")
    script = (
        "cd /tmp && mkdir certs && { spiffe-dev-agent -socket /tmp/agent.sock -id /web & agent=$!; } && "
        "spiffe-helper -daemon-mode=false -agent-address /tmp/agent.sock -cert-dir certs -svid-file-name svid.pem "
        "-svid-key-file-name key.pem -svid-bundle-file-name bundle.pem; status=$?; kill $agent; wait $agent; "
        "spiffe-helper verify -svid certs/svid.pem -bundle certs/bundle.pem && exit $status"
    )
    assert "spiffe://example.org/web" in inside(debian, "sh", "-c", script)


def test_nothing_is_enabled_before_there_is_a_configuration(debian: Path, helper_deb: Path) -> None:
    before = entries(debian)
    install(debian, helper_deb)
    added = entries(debian) - before
    assert {path for path in added if path.startswith("etc/")} == {"etc/spiffe-helper"}
    for unit in UNITS:
        assert "ConditionPathExists=/etc/spiffe-helper/" in (debian / unit[1:]).read_text()


def test_systemd_of_the_release_accepts_the_units(debian: Path, helper_deb: Path) -> None:
    install(debian, helper_deb)
    shutil.copy(debian / UNITS[1][1:], debian / "tmp/spiffe-helper@web.service")
    output = inside(debian, "systemd-analyze", "verify", "--man=no", UNITS[0], "/tmp/spiffe-helper@web.service")
    assert "spiffe-helper" not in output
    inside(debian, "systemd-analyze", "security", "--offline=yes", "--threshold=35", "--no-pager", *UNITS)


def test_an_upgrade_keeps_configuration_and_service(debian: Path, helper_deb: Path, next_version: Path) -> None:
    install(debian, helper_deb)
    text = configure(debian)
    inside(debian, "systemctl", "enable", "spiffe-helper.service")
    assert (debian / LINK).is_symlink()
    calls = pretend_that_systemd_runs(debian)
    install(debian, next_version)
    assert "Version: 99-1" in inside(debian, "dpkg", "-s", "spiffe-helper")
    assert (debian / CONFIG).read_text() == text
    assert (debian / LINK).is_symlink()
    # Neither stopped nor restarted, which would also stop its program.
    assert calls.read_text().splitlines() == ["--system daemon-reload"]


def test_removal_stops_and_disables_but_keeps_the_configuration(debian: Path, helper_deb: Path) -> None:
    install(debian, helper_deb)
    text = configure(debian)
    inside(debian, "systemctl", "enable", "spiffe-helper.service")
    inside(debian, "dpkg", "-r", "spiffe-helper")
    assert (debian / CONFIG).read_text() == text
    assert not (debian / LINK).is_symlink()
    install(debian, helper_deb)
    calls = pretend_that_systemd_runs(debian)
    inside(debian, "dpkg", "-r", "spiffe-helper")
    assert calls.read_text().splitlines() == [STOP, DISABLE, "--system daemon-reload"]


def test_nothing_is_left_after_the_purge(debian: Path, dist: Path) -> None:
    before = entries(debian)
    install(debian, *dist.glob("*.deb"))
    assert "usr/bin/spiffe-helper" in entries(debian) - before
    inside(debian, "dpkg", "-P", "spiffe-helper", "spiffe-dev-agent")
    assert entries(debian) == before
