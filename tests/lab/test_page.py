"""The commands of docs/kubernetes.md, unchanged."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from lab import Lab
from reader import Reader
from sample import ROOT

pytestmark = pytest.mark.needs_root
PAGE = ROOT / "docs/kubernetes.md"


def block(heading: str) -> str:
    """The commands of a section."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return textwrap.dedent("\n".join(line for line in section.splitlines() if line.startswith("    ")))


def test_a_newcomer_gets_from_the_image_to_a_running_sidecar(lab: Lab, images: list[Path], version: str) -> None:
    reader = Reader(lab, images, version, "newcomer")
    variables = [f"{name}={value}" for name, value in reader.environment.items()]
    commands = block("Try it")
    output = lab.sandbox.run("env", "-C", reader.home, *variables, "bash", "-euxc", commands, timeout=200)
    assert 'deployment "sample" successfully rolled out' in output
    assert {"svid.pem", "svid_key.pem", "svid_bundle.pem"} <= set(output.split())
    # Once for the entry, once for the certificate.
    assert len(re.findall(r"spiffe://example\.org/sample$", output, re.MULTILINE)) == 2, output
    lab.cluster.kubectl("delete", "deployment/sample", "--wait=false")
