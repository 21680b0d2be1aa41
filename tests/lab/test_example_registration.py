"""examples/k8s/registration and examples/k8s/controller-manager: entries in bulk, and from resources."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator

import pytest
from lab import Lab
from sample import ROOT
from session import Session

pytestmark = pytest.mark.needs_root
EXAMPLES = ROOT / "examples/k8s"
NAMESPACE = "test-workload"
HELLO_WORLD = "spiffe://example.org/test-workload/hello-world"
MANAGER = "0.6.2"
NO_IDENTITY = 3


class Pods:
    """Pods that request an identity from the agent until they get it, and print it."""

    def __init__(self, lab: Lab, version: str) -> None:
        self._lab = lab
        self._image = f"localhost/spiffe-helper:{version}"
        self._namespace = f"--namespace={NAMESPACE}"
        lab.cluster.apply((EXAMPLES / "workload/namespace.yaml").read_text())
        lab.cluster.kubectl("wait", "--for=create", "serviceaccount/default", self._namespace, "--timeout=60s")

    def run(
        self, container: str, spiffe_id: str, labels: dict[str, str] | None = None, patience_s: int = 60
    ) -> None:
        """The pod and its container have the same name."""
        mount = {"name": "agent", "mountPath": "/agent", "readOnly": True}
        asks = ["fetch", "x509", f"-spiffe-id={spiffe_id}", f"-timeout={patience_s}s"]
        asks += ["-agent-address=/agent/spire-agent.sock"]
        spec = {
            "restartPolicy": "Never",
            "containers": [{"name": container, "image": self._image, "args": asks, "volumeMounts": [mount]}],
            "volumes": [{"name": "agent", "hostPath": {"path": "/run/spire/agent-sockets", "type": "Directory"}}],
        }
        metadata = {"name": container, "labels": {"asks": "yes"} | (labels or {})}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        self._lab.cluster.apply(json.dumps(pod), self._namespace)

    def output(self, name: str) -> str:
        """The pod's output once it has its identity."""
        code = self.exit_code(name)
        output = self._lab.cluster.kubectl("logs", name, self._namespace)
        assert code == 0, output
        return output

    def exit_code(self, name: str) -> int:
        ended = "jsonpath={.status.containerStatuses[0].state.terminated}"
        pod = f"pod/{name}"
        self._lab.cluster.kubectl("wait", f"--for={ended}", pod, self._namespace, "--timeout=90s", timeout=100)
        (status,) = self._lab.cluster.get(pod, self._namespace)["status"]["containerStatuses"]
        return int(status["state"]["terminated"]["exitCode"])

    def delete(self) -> None:
        self._lab.cluster.kubectl("delete", "pods", "--selector=asks", self._namespace, "--force", "--grace-period=0")


@pytest.fixture
def pods(lab: Lab, version: str) -> Iterator[Pods]:
    """They are removed after the test, with all entries that it has created."""
    before = {entry["id"] for entry in lab.spire.entry_show()}
    pods = Pods(lab, version)
    yield pods
    pods.delete()
    for entry in lab.spire.entry_show():
        if entry["id"] not in before:
            lab.spire.entry_delete(entry["id"])


def test_readme_of_registration(lab: Lab, example: Callable[[str], Session], pods: Pods) -> None:
    pods.run("hello-world", HELLO_WORLD)
    with example("registration") as session:
        session.play(EXAMPLES / "registration/README.md")
    assert f"{HELLO_WORLD}\n" in pods.output("hello-world")
    pods.run("another", HELLO_WORLD, patience_s=2)
    assert pods.exit_code("another") == NO_IDENTITY


@pytest.fixture
def manager(lab: Lab) -> Iterator[dict[str, str]]:
    """The image and the definitions for the controller manager; the definitions are removed afterwards."""
    lab.spire.import_program(lab.cluster.programs / "spire-controller-manager", MANAGER)
    definitions = lab.sandbox.directory / "crds"
    definitions.mkdir()
    for path in lab.cluster.programs.glob("spire.spiffe.io_*.yaml"):
        shutil.copy(path, definitions)
    yield {"CRDS": str(definitions)}
    shutil.rmtree(definitions)


def test_readme_of_the_controller_manager(
    lab: Lab, manager: dict[str, str], example: Callable[..., Session], pods: Pods
) -> None:
    by_hand = lab.spire.entry_create("spiffe://example.org/by-hand", ["k8s:ns:nowhere"])
    pods.run("hello-world", HELLO_WORLD)
    by_label = "spiffe://example.org/ns/test-workload/sa/default"
    pods.run("labelled", by_label, {"example.org/identity": "service-account"})
    readme = EXAMPLES / "controller-manager/README.md"
    with lab.spire.changing(), example("controller-manager", **manager) as session:
        session.play(readme, "Entries as resources of the cluster")
        lab.spire.await_rollout()
        session.play(readme, "Identities")
        assert f"{HELLO_WORLD}\n" in pods.output("hello-world")
        assert f"{by_label}\n" in pods.output("labelled")
        session.play(readme, "What goes when")
    entries = [entry["id"] for entry in lab.spire.entry_show()]
    assert by_hand in entries
    assert not [entry for entry in entries if entry.startswith("controller-manager.")]
