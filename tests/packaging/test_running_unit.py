"""The units with a running systemd, in Debian 12 and 13, set up by the commands of README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from booted import Booted, booted
from commands import ROOT
from helper import wait_until
from test_deb import install

pytestmark = pytest.mark.needs_root

AGENT = """[Service]
ExecStart=/usr/bin/spiffe-dev-agent -socket /run/spire/sockets/agent.sock -id /web -ttl 6s -quiet
RuntimeDirectory=spire/sockets
"""
FILES = ["svid.pem", "svid_bundle.pem", "svid_key.pem"]


@pytest.fixture
def machine(debian: Path, dist: Path, tmp_path: Path) -> Iterator[Booted]:
    install(debian, *dist.glob("*.deb"))
    (debian / "etc/systemd/system/spire-agent.service").write_text(AGENT)
    with booted(debian, tmp_path / "console.log") as running:
        running.run("systemctl", "start", "spire-agent")
        yield running


def readme_commands() -> list[str]:
    """The commands of the section about systemd, without sudo, and without sudoedit, which is not needed."""
    text = (ROOT / "README.md").read_text()
    section = re.search(r"(?ms)^## Run it with systemd$(.*?)^## ", text)
    assert section
    lines = re.findall(r"(?m)^    (.*?)(?: +#.*)?$", section[1])
    return [line.removeprefix("sudo ") for line in lines if not line.startswith("sudoedit ")]


def until(machine: Booted, script: str) -> None:
    wait_until(lambda: machine.attempt("sh", "-c", script)[0] == 0, script, 30)


def configure(machine: Booted, name: str, drop_in: str, cert_dir: str = "") -> None:
    """Starts an instance of the template with a drop-in."""
    directory = cert_dir or f"/run/spiffe-helper/{name}"
    unit = f"spiffe-helper@{name}"
    example = "/usr/share/doc/spiffe-helper/examples/helper.conf"
    script = (
        f'sed "s,\\"/run/spiffe-helper\\",\\"{directory}\\"," {example} >/etc/spiffe-helper/{name}.conf && '
        f"mkdir -p /etc/systemd/system/{unit}.service.d && "
        f'printf "[Service]\\n{drop_in}\\n" >/etc/systemd/system/{unit}.service.d/override.conf && '
        f"systemctl daemon-reload && systemctl start {unit} && systemctl is-active {unit}"
    )
    machine.run("sh", "-c", script)
    assert set(FILES) <= set(machine.run("ls", directory).split())


def test_the_readme_leads_to_a_running_unit(machine: Booted) -> None:
    commands = readme_commands()
    assert len(commands) == 4
    for command in commands:
        output = machine.run("sh", "-c", command)
    assert "Active: active (running)" in output
    assert 'Status: "spiffe://example.org/web, valid until ' in output
    assert machine.run("ls", "/run/spiffe-helper").split() == FILES
    first = machine.run("cat", "/run/spiffe-helper/svid.pem")
    machine.run("systemctl", "reload", "spiffe-helper")
    until(machine, f"[ \"$(cat /run/spiffe-helper/svid.pem)\" != '{first.strip()}' ]")
    assert machine.run("systemctl", "is-active", "spiffe-helper") == "active\n"


def test_drop_ins_work_and_a_removal_stops_the_units(machine: Booted) -> None:
    machine.run("sh", "-c", "groupadd spire && useradd app && mkdir -p /etc/nginx/certs")
    configure(machine, "elsewhere", "ReadWritePaths=/etc/nginx/certs", "/etc/nginx/certs")
    modes = "chgrp spire . agent.sock && chmod 0750 . && chmod 0660 agent.sock"
    machine.run("sh", "-c", f"cd /run/spire/sockets && {modes}")
    configure(machine, "other", "User=app\\nSupplementaryGroups=spire")
    key = machine.run("stat", "-L", "-c", "%U %a", "/run/spiffe-helper/other/svid_key.pem")
    assert key == "app 600\n"
    machine.run("dpkg", "-r", "spiffe-helper")
    for name in ["elsewhere", "other"]:
        assert machine.attempt("systemctl", "is-active", f"spiffe-helper@{name}")[0] != 0
    # The written files stay.
    assert set(FILES) <= set(machine.run("ls", "/run/spiffe-helper/other").split())
    assert machine.run("ls", "/etc/spiffe-helper").split() == ["elsewhere.conf", "other.conf"]
