"""SPIRE in a cluster: examples/k8s/spire, with server and agent in pods."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster import Cluster
from images import program_layer, write_image
from node import Node
from sandbox import SandboxError
from spire import TRUST_DOMAIN, Spire

ROOT = Path(__file__).resolve().parents[2]
OF_SPIRE = "--namespace=spire"
VERSION = "1.15.3"
SERVER, AGENT = "statefulset/spire-server", "daemonset/spire-agent"
# The directory of the program in upstream's images; its commands are run with `kubectl exec`.
PROGRAMS = "opt/spire/bin"
# Entries reach workloads within 1 s instead of 10 s.
HURRY = {
    "server.conf": ("server {\n", '    experimental {\n        cache_reload_interval = "500ms"\n    }\n'),
    "agent.conf": ("agent {\n", '    experimental {\n        sync_interval = "500ms"\n    }\n'),
}


class ClusterSpire(Spire):
    """Has the methods of the interop tests' class; selectors are those of Kubernetes."""

    def __init__(self, node: Node, programs: Path) -> None:
        self.node = node
        self.cluster: Cluster = node.cluster
        directory = node.sandbox.directory / "spire"
        directory.mkdir()
        super().__init__(directory, programs)
        # A copy of the sources, as a reader has them.
        self.examples = node.sandbox.directory / "sources/examples/k8s"
        self.overlay = self.examples / "spire/overlays/lab"
        self._api = directory / "api"
        self.server_socket = self._api / "api.sock"

    def start(self) -> None:
        """Returns when server and agent are ready."""
        self._copy_examples()
        for program in ("spire-server", "spire-agent"):
            self.import_program(self.peers / program, VERSION)
        # For the server's claim: no provisioner creates volumes on this node.
        self.node.provide_volume("spire-server")
        self.deploy()
        (node,) = self.cluster.get("nodes")["items"]
        self.agent_id = f"spiffe://{TRUST_DOMAIN}/spire/agent/k8s_psat/{self.cluster.name}/{node['metadata']['uid']}"

    def stop(self) -> None:
        """Not needed: both end with their node."""

    def import_program(self, program: Path, version: str) -> None:
        """Imports an image with a static program: name and path are those of SPIRE's images."""
        archive = self.node.sandbox.directory / "program.tar"
        entrypoint = [f"/{PROGRAMS}/{program.name}", *(["run"] if program.parent == self.peers else [])]
        layer = program_layer(program, PROGRAMS)
        write_image(archive, [f"docker.io/library/{program.name}:{version}"], layer, {"Entrypoint": entrypoint})
        self.node.import_image(archive)
        archive.unlink()

    def deploy(self) -> None:
        """Applies the overlay, and so replaces another variant; entries are kept."""
        self.cluster.kubectl("apply", f"--kustomize={self.overlay}")
        self.await_rollout()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """For applying a variant of the overlay, which stays until the next one unless the block fails."""
        try:
            yield
        except BaseException as error:
            error.add_note(self._state(SERVER))
            self.deploy()
            raise

    def await_rollout(self) -> None:
        """Must be called after any change of the server: its API's socket is in the pod's directory."""
        self._await_rollout(SERVER)
        self._await_rollout(AGENT)
        pod = self.cluster.get("pod", "spire-server-0", OF_SPIRE)
        self._api.unlink(missing_ok=True)
        # A short path for the socket.
        self._api.symlink_to(f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~empty-dir/api")

    def _copy_examples(self) -> None:
        shutil.copytree(ROOT / "examples/k8s", self.examples)
        (self.examples.parents[1] / "packaging").symlink_to(ROOT / "packaging")
        for name, (start, setting) in HURRY.items():
            for path in self.examples.rglob(name):
                conf = path.read_text()
                assert conf.startswith(start), path
                path.write_text(conf.replace(start, start + setting, 1))

    def server(self, *words: str) -> dict[str, Any]:
        """The answer to a command of spire-server."""
        return self._server_json(*words)

    def restart_agent(self) -> None:
        """As an upgrade does: with a new pod and a new socket."""
        self.cluster.kubectl("rollout", "restart", AGENT, OF_SPIRE)
        self._await_rollout(AGENT)

    def _await_rollout(self, what: str) -> None:
        try:
            self.cluster.kubectl("rollout", "status", what, OF_SPIRE, "--timeout=100s", timeout=110)
        except SandboxError as error:
            error.add_note(self._state(what))
            raise

    def _state(self, what: str) -> str:
        """The state and the logs of pods, for an error."""
        pods = self.cluster.kubectl("describe", "pods", OF_SPIRE)
        logs = self.cluster.kubectl_command("logs", what, OF_SPIRE, "--tail=60", "--all-containers", "--prefix")
        _, output, errors = self.node.sandbox.attempt(*logs)
        return f"{pods}\n{output}{errors}"

    def _popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        return self.node.sandbox.popen(command, **options)

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [self.peers / program, *arguments]
        status, output, errors = self.node.sandbox.attempt(*command, stdin=stdin)
        return subprocess.CompletedProcess(command, status, output, errors)
