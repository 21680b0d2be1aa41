"""A Kubernetes node in the sandbox: containerd and the kubelet in their usual directories, in memory."""

from __future__ import annotations

import shlex
from pathlib import Path

from cluster import ADDRESS, SERVICE, Cluster
from images import BUSYBOX, busybox_layer, write_image
from sandbox import Sandbox

NAME = "node1"
PAUSE = "localhost/pause:lab"
# The name of the samples' image; it contains this machine's busybox.
APPLICATION = "docker.io/library/busybox:1.37"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CTR = ["ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]
# The machine's own directories are neither visible nor changed.
PRIVATE = ("/run", "/var/lib", "/var/log")

# Without restrict_oom_score_adj runc fails if we lack the permission to lower that value.
CONTAINERD_CONF = f"""\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/run/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
"""

# Pods reach the node and each other by address, and no other network.
CNI_CONF = """\
{"cniVersion": "0.4.0", "name": "lab", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "198.51.100.0/24"}]]}}]}
"""

# For a node without systemd, swap accounting and its own disk.
KUBELET_CONF = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{socket}
authentication: {{anonymous: {{enabled: true}}, webhook: {{enabled: false}}}}
authorization: {{mode: AlwaysAllow}}
cgroupDriver: cgroupfs
cgroupRoot: /{cgroup}
failCgroupV1: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {{}}
imageGCHighThresholdPercent: 100
resolvConf: ""
syncFrequency: 5s
eventRecordQPS: 0
"""

VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  hostPath: {{path: /var/lib/volumes/{name}, type: Directory}}
"""


class Node:
    def __init__(self, sandbox: Sandbox, cluster: Cluster) -> None:
        self.sandbox = sandbox
        self.cluster = cluster

    def prepare(self) -> None:
        """Gives the sandbox its own directories and addresses, one of them for the API server's Service."""
        for directory in PRIVATE:
            self.sandbox.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
        self.sandbox.run("ip", "link", "set", "lo", "up")
        for address in (ADDRESS, SERVICE):
            self.sandbox.run("ip", "address", "add", f"{address}/32", "dev", "lo")

    def start_containerd(self) -> None:
        configuration = self.sandbox.directory / "containerd.toml"
        configuration.write_text(CONTAINERD_CONF)
        networks = self.sandbox.path("/run/cni")
        networks.mkdir()
        (networks / "lab.conflist").write_text(CNI_CONF)
        self.sandbox.start("containerd", "containerd", "--config", configuration)
        self.sandbox.wait("containerd", "its readiness", lambda: self.sandbox.attempt(*CTR, "version")[0] == 0)
        self._import_busybox()

    def start_kubelet(self) -> None:
        """Returns when pods can run."""
        configuration = self.sandbox.directory / "kubelet.yaml"
        configuration.write_text(KUBELET_CONF.format(socket=CONTAINERD_SOCKET, cgroup=self.sandbox.cgroup))
        self.sandbox.start(
            "kubelet",
            self.cluster.programs / "kubelet",
            f"--config={configuration}",
            f"--kubeconfig={self.cluster.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--node-ip={ADDRESS}",
        )
        self.cluster.kubectl("wait", "--for=create", f"node/{NAME}", "--timeout=60s", timeout=70)
        self.cluster.kubectl("wait", "--for=condition=Ready", f"node/{NAME}", "--timeout=60s", timeout=70)

    def import_image(self, archive: Path) -> None:
        """Imports an archive in docker's format, plain or compressed; containerd 1.6 needs a plain one."""
        self.sandbox.run("sh", "-c", f"zcat -f '{archive}' | {shlex.join(CTR)} images import -", timeout=100)

    def provide_volume(self, name: str) -> None:
        """Creates a volume for any claim; it is in memory, like the whole node."""
        self.cluster.apply(VOLUME.format(name=name))
        self.sandbox.run("install", "--directory", "--mode=777", f"/var/lib/volumes/{name}")

    def ctr(self, *words: str) -> str:
        return self.sandbox.run(*CTR, *words, timeout=100)

    def process(self, container: str) -> Path:
        """/proc of the first process of a container; `container` is its name in containerd."""
        for line in self.ctr("tasks", "list").splitlines():
            name, number, *_ = line.split()
            if name == container:
                return self.sandbox.path(f"/proc/{number}")
        raise LookupError(f"containerd runs no container {container}")

    def memory(self, pod: str, container: str) -> int | None:
        """The working set in bytes, measured by the kubelet; None before the first measurement."""
        metrics = self.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{NAME}/proxy/metrics/resource")
        for line in metrics.splitlines():
            if line.startswith("container_memory_working_set_bytes{") and f'"{pod}"' in line and f'"{container}"' in line:
                return int(float(line.split("} ")[1].split()[0]))
        return None

    def _import_busybox(self) -> None:
        applets = self.sandbox.run(BUSYBOX, "--list").split()
        layer = busybox_layer([applet for applet in applets if applet != "busybox"])
        # The pause container may be the first process of the pod, and then has to reap orphans.
        pause = ["/bin/sh", "-c", "trap '' CHLD; exec sleep 2147483647"]
        for image, config in ((PAUSE, {"Entrypoint": pause}), (APPLICATION, {"Cmd": ["sh"]})):
            archive = self.sandbox.directory / "image.tar"
            write_image(archive, [image], layer, {"Env": ["PATH=/bin"], **config})
            self.import_image(archive)
            archive.unlink()
