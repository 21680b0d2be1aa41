"""examples/k8s/workload on the node, after the steps of its README that are done once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import Lab
from reader import Reader
from sample import ROOT
from terminal import Terminal

WORKLOADS = ROOT / "examples/k8s/workload"
# Each has a README.md with its session, and all except "manual" have a kustomization.
EXAMPLES = sorted(path.parent.name for path in WORKLOADS.glob("*/README.md"))
NAMESPACE = "test-workload"


class Workloads:
    def __init__(self, lab: Lab, images: list[Path], version: str) -> None:
        self.lab = lab
        self._objects: dict[str, dict[str, dict[str, Any]]] = {}
        self._reader = Reader(lab, images, version, "workloads")
        self.directory = self._reader.home / WORKLOADS.relative_to(ROOT)
        shutil.copytree(WORKLOADS, self.directory)
        with self.terminal() as terminal:
            terminal.play(self.directory / "README.md")

    def terminal(self) -> Terminal:
        """A shell in the directory that the READMEs expect."""
        return Terminal(self.lab, self.directory, self._reader.environment)

    def play(self, example: str) -> None:
        with self.terminal() as terminal:
            terminal.play(self.readme(example))

    def readme(self, example: str) -> Path:
        return self.directory / example / "README.md"

    def objects(self, example: str) -> dict[str, dict[str, Any]]:
        """Its manifests by kind, validated and completed by a real API server, which does not store them."""
        if example not in self._objects:
            options = ["--dry-run=server", "--validate=strict", "--output=json"]
            answer = json.loads(self.lab.cluster.apply(self._manifests(example), *options))
            items = answer["items"] if answer["kind"] == "List" else [answer]
            self._objects[example] = {item["kind"]: item for item in items}
        return self._objects[example]

    @contextmanager
    def deploying(self) -> Iterator[None]:
        """Removes all that a session deploys and registers, even if it fails."""
        before = self._entries()
        yield
        ours = "--field-selector=metadata.name!=kube-root-ca.crt"
        delete = ["delete", "deployments,configmaps", ours, "--cascade=foreground", "--timeout=60s"]
        self.lab.cluster.kubectl(f"--namespace={NAMESPACE}", *delete, timeout=70)
        for entry in self._entries() - before:
            self.lab.spire.entry_delete(entry)

    def _entries(self) -> set[str]:
        return {entry["id"] for entry in self.lab.spire.entry_show()}

    def _manifests(self, example: str) -> str:
        if example == "manual":
            return (self.directory / "manual/deployment.yaml").read_text()
        return self.lab.kustomize(self.directory / example)
