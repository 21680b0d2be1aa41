"""A reader of a page, on the node: programs in PATH, and a directory with the sources and the release."""

from __future__ import annotations

import os
from pathlib import Path

from helper import program
from lab import Lab
from sample import ROOT


class Reader:
    def __init__(self, lab: Lab, images: list[Path], version: str, name: str) -> None:
        self.home = lab.sandbox.directory / name
        self._lab = lab
        self._version = version
        programs = self._programs
        programs.mkdir(parents=True)
        (programs / "kubectl").symlink_to(lab.cluster.programs / "kubectl")
        server = programs / "spire-server"
        server.write_text(f'#!/bin/sh\nexec {lab.spire.peers}/spire-server "$@" -socketPath {lab.spire.server_socket}\n')
        server.chmod(0o755)
        (self.home / "packaging").symlink_to(ROOT / "packaging")
        (self.home / "dist").symlink_to(images[0].parent)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._programs}:{program().parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "KUBECONFIG": str(self._lab.cluster.kubeconfig),
            "VERSION": self._version,
            "AGENT_ID": self._lab.spire.agent_id,
        }

    @property
    def _programs(self) -> Path:
        return self.home / "bin"
