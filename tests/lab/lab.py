"""A Kubernetes cluster of one node with SPIRE, for the tests.

    with Lab(lab_peers, spire_programs) as lab:
        lab.cluster.apply(manifest)
        lab.spire.entry_create("spiffe://example.org/web", ["k8s:ns:default"])

All of it is in one sandbox. A second cluster: `Cluster(lab.sandbox, lab.cluster.programs, "b", 7443)`.
"""

from __future__ import annotations

from pathlib import Path

from cluster import Cluster
from identities import ClusterSpire
from node import Node
from sandbox import Sandbox


class Lab:
    def __init__(self, programs: Path, spire_programs: Path) -> None:
        self.sandbox = Sandbox()
        self.cluster = Cluster(self.sandbox, programs, "cluster-a", 443)
        self.node = Node(self.sandbox, self.cluster)
        self.spire = ClusterSpire(self.node, spire_programs)

    def __enter__(self) -> Lab:
        self.sandbox.__enter__()
        try:
            self.node.prepare()
            self.cluster.start()
            self.node.start_containerd()
            self.cluster.start_controllers()
            self.node.start_kubelet()
            self.spire.start()
        except BaseException:
            self.sandbox.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.__exit__()

    def kustomize(self, directory: Path) -> str:
        return self.sandbox.run(self.cluster.programs / "kustomize", "build", directory)
