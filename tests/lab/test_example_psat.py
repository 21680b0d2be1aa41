"""examples/k8s/psat-multicluster: the server of cluster-a, and an agent on a node of cluster-b.

cluster-b is an API server without real nodes: its Node and the agent's Pod are only objects. The agent runs
in the sandbox, with the token that the kubelet would have mounted for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cluster import ADDRESS, Cluster
from lab import Lab
from sample import ROOT
from session import Session

pytestmark = pytest.mark.needs_root
README = ROOT / "examples/k8s/psat-multicluster/README.md"
NODE = "cluster-b-control-plane"
AGENTS = "spiffe://example.org/spire/agent/k8s_psat/cluster-b"
ALIAS = "spiffe://example.org/nodes/cluster-b"
WORKLOAD = "spiffe://example.org/cluster-b/workload"
OF_SPIRE = "--namespace=spire"


class Agent:
    """The agent of cluster-b's only node."""

    def __init__(self, lab: Lab, cluster: Cluster) -> None:
        self._lab = lab
        self._cluster = cluster
        self.directory = lab.sandbox.directory / "agent-b"
        self.socket = self.directory / "spire-agent.sock"

    def join(self) -> str:
        """Creates node, pod and token, and starts the agent; returns the UID of the node."""
        node = self._create({"kind": "Node", "metadata": {"name": NODE}})
        containers = [{"name": "agent", "image": "none"}]
        spec = {"nodeName": NODE, "serviceAccountName": "spire-agent", "containers": containers}
        pod = self._create({"kind": "Pod", "metadata": {"name": "spire-agent-1", "namespace": "spire"}, "spec": spec})
        bound = ["--bound-object-kind=Pod", "--bound-object-name=spire-agent-1", f"--bound-object-uid={pod}"]
        token = self._cluster.kubectl("create", "token", "spire-agent", OF_SPIRE, "--audience=spire-server", *bound)
        # The agent's path of the token; nothing else in the sandbox uses it.
        path = self._lab.sandbox.path("/run/secrets/tokens/spire-agent")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(token.strip())
        self._start()
        return node

    def leave(self) -> None:
        """Removes the node, with the agent's files."""
        self._lab.sandbox.stop("agent-b")
        self._cluster.kubectl("delete", f"node/{NODE}")
        self._cluster.kubectl("delete", "pod/spire-agent-1", OF_SPIRE, "--force", "--grace-period=0")
        shutil.rmtree(self.directory)

    def identities(self) -> list[str]:
        """The SPIFFE IDs for a process of root on this node."""
        fetch = ["api", "fetch", "x509", "-output", "json", "-socketPath", self.socket]
        status, output, _ = self._lab.sandbox.attempt(self._lab.spire.peers / "spire-agent", *fetch)
        return [svid["spiffe_id"] for svid in json.loads(output)["svids"]] if status == 0 else []

    def _create(self, manifest: dict[str, Any]) -> str:
        created = self._cluster.kubectl(
            "create", "--filename=-", "--output=json", stdin=json.dumps({"apiVersion": "v1", **manifest})
        )
        return str(json.loads(created)["metadata"]["uid"])

    def _start(self) -> None:
        self.directory.mkdir()
        maps = {item["metadata"]["name"]: item["data"] for item in self._cluster.get("configmaps", OF_SPIRE)["items"]}
        (self.directory / "bundle.pem").write_text(maps["spire-bundle"]["bundle.pem"])
        (conf,) = (data["agent.conf"] for data in maps.values() if "agent.conf" in data)
        # Not in a pod: mounted files have other paths, and workloads are not in containers.
        for old, new in {
            "/run/spire/agent-sockets": str(self.directory),
            "/run/spire/data": f"{self.directory}/data",
            "/run/spire/bundle": str(self.directory),
            '"spire-server"': f'"{ADDRESS}"',
            '"8980"': '"8990"',
            'WorkloadAttestor "k8s"': 'WorkloadAttestor "unix"',
            "skip_kubelet_verification = true": "",
        }.items():
            assert old in conf, old
            conf = conf.replace(old, new)
        (self.directory / "agent.conf").write_text(conf)
        (cluster,) = (data for data in maps.values() if "CLUSTER" in data)
        command = [self._lab.spire.peers / "spire-agent", "run", "-expandEnv", "-config", self.directory / "agent.conf"]
        self._lab.sandbox.start("agent-b", *command, env=cluster)
        self._lab.sandbox.wait("agent-b", "its attestation", lambda: self.socket.exists())


@pytest.fixture
def cluster_b(lab: Lab) -> Iterator[Cluster]:
    """Uses the port of kind's API servers."""
    cluster = Cluster(lab.sandbox, lab.cluster.programs, "cluster-b", 6443)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def session(lab: Lab, cluster_b: Cluster, example: Callable[..., Session]) -> Iterator[Session]:
    kubeconfigs = f"{lab.cluster.kubeconfig}:{cluster_b.kubeconfig}"
    with lab.spire.changing(), example("psat-multicluster", KUBECONFIG=kubeconfigs) as running:
        yield running
    for entry in lab.spire.entry_show():
        if "cluster-b" in entry["spiffe_id"]["path"]:
            lab.spire.entry_delete(entry["id"])
    for agent in agents(lab):
        lab.spire.server("agent", "evict", "-spiffeID", agent)


def agents(lab: Lab) -> list[str]:
    """The IDs of cluster-b's agents, listed by the server."""
    listed = lab.spire.server("agent", "list")["agents"]
    ids = (f"spiffe://example.org{agent['id']['path']}" for agent in listed)
    return [identity for identity in ids if identity.startswith(f"{AGENTS}/")]


def await_bundle(lab: Lab, cluster: Cluster) -> None:
    """The server publishes every 30 s, and at once if the bundle changes, as with a new CA."""
    prepared = lab.spire.server("localauthority", "x509", "prepare")
    assert prepared["prepared_authority"]["authority_id"]
    cluster.kubectl("wait", "--for=create", "configmap/spire-bundle", OF_SPIRE, "--timeout=60s", timeout=70)
    published = cluster.get("configmap/spire-bundle", OF_SPIRE)["data"]["bundle.pem"]
    assert published.count("BEGIN") == 2
    assert published.split() == lab.spire.bundle_show().split()


def test_agents_of_another_cluster_get_another_id_with_another_node(
    lab: Lab, cluster_b: Cluster, session: Session
) -> None:
    session.play(README, "Set up")
    lab.spire.await_rollout()
    await_bundle(lab, cluster_b)
    agent = Agent(lab, cluster_b)
    first = agent.join()
    assert agents(lab) == [f"{AGENTS}/{first}"]
    session.play(README, "The agents of both clusters")

    lab.spire.entry_create(WORKLOAD, ["unix:uid:0"], parent=ALIAS)
    lab.spire.entry_create(f"{WORKLOAD}-of-node", ["unix:uid:0"], parent=f"{AGENTS}/{first}")
    lab.sandbox.wait("agent-b", "both entries", lambda: len(agent.identities()) == 2)

    agent.leave()
    second = agent.join()
    assert second != first
    assert sorted(agents(lab)) == sorted([f"{AGENTS}/{first}", f"{AGENTS}/{second}"])
    lab.sandbox.wait("agent-b", "an entry", agent.identities)
    assert agent.identities() == [WORKLOAD]
    session.play(README, "Does an agent's ID change at a reboot?")
    assert agents(lab) == [f"{AGENTS}/{second}"]
    lab.sandbox.stop("agent-b")
