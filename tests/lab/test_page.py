"""The commands of docs/kubernetes.md, as they stand there."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest
from lab import Lab
from sample import ROOT

pytestmark = pytest.mark.needs_root
PAGE = ROOT / "docs/kubernetes.md"


def block(heading: str) -> str:
    """The commands of a section."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return textwrap.dedent("\n".join(line for line in section.splitlines() if line.startswith("    ")))


def newcomer(lab: Lab, images: list[Path], version: str) -> dict[str, str]:
    """Somebody's shell on the node: programs, the sources, the release."""
    home = lab.sandbox.directory / "newcomer"
    (home / "bin").mkdir(parents=True)
    (home / "bin/kubectl").symlink_to(lab.cluster.programs / "kubectl")
    server = home / "bin/spire-server"
    server.write_text(f'#!/bin/sh\nexec {lab.spire.peers}/spire-server "$@" -socketPath {lab.spire.server_socket}\n')
    server.chmod(0o755)
    (home / "packaging").symlink_to(ROOT / "packaging")
    (home / "dist").symlink_to(images[0].parent)
    settings = {"PATH": f"{home}/bin:{os.environ['PATH']}", "HOME": str(home), "KUBECONFIG": str(lab.cluster.kubeconfig)}
    return settings | {"VERSION": version, "AGENT_ID": lab.spire.agent_id}


def test_a_newcomer_gets_from_the_image_to_a_running_sidecar(lab: Lab, images: list[Path], version: str) -> None:
    env = newcomer(lab, images, version)
    commands = block("Try it")
    output = lab.sandbox.run(
        "env", "-C", env["HOME"], *(f"{name}={value}" for name, value in env.items()), "bash", "-euxc", commands, timeout=200
    )
    assert 'deployment "sample" successfully rolled out' in output
    assert {"svid.pem", "svid_key.pem", "svid_bundle.pem"} <= set(output.split())
    # Once from the entry, once from the certificate.
    assert len(re.findall(r"spiffe://example\.org/sample$", output, re.MULTILINE)) == 2, output
    lab.cluster.kubectl("delete", "deployment/sample", "--wait=false")
