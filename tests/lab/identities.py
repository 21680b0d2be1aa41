"""SPIRE for a cluster: the server in the sandbox, the agent as a DaemonSet, as its documentation sets them up."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import Cluster
from images import program_layer, write_image
from node import Node
from spire import SERVER_CONF, TRUST_DOMAIN, Spire

NAMESPACE = "spire"
AGENT_IMAGE = "localhost/spire-agent:lab"
# Where the components of packaging/k8s expect it on the node.
AGENT_SOCKETS = "/run/spire/agent-sockets"

ATTESTOR = """\
    NodeAttestor "k8s_psat" {{
        plugin_data {{
            clusters = {{
                "lab" = {{
                    service_account_allow_list = ["spire:spire-agent"]
                    kube_config_file = "{kubeconfig}"
                }}
            }}
        }}
    }}
"""

AGENT = """\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: spire-agent, namespace: spire}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: spire-agent, namespace: spire}}
data:
  agent.conf: |
    agent {{
        server_address = "127.0.0.1"
        server_port = "{port}"
        socket_path = "{sockets}/spire-agent.sock"
        trust_domain = "{trust_domain}"
        trust_bundle_path = "/etc/spire/bundle.pem"
        data_dir = "/var/lib/spire"
        log_level = "DEBUG"
        experimental {{
            sync_interval = "500ms"
        }}
    }}
    plugins {{
        KeyManager "memory" {{
            plugin_data {{}}
        }}
        NodeAttestor "k8s_psat" {{
            plugin_data {{
                cluster = "lab"
                token_path = "/run/token/spire-agent"
            }}
        }}
        WorkloadAttestor "k8s" {{
            plugin_data {{
                skip_kubelet_verification = true
            }}
        }}
    }}
    health_checks {{
        listener_enabled = true
        bind_address = "127.0.0.1"
        bind_port = "8980"
        ready_path = "/ready"
    }}
  bundle.pem: |
    {bundle}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: spire-agent, namespace: spire}}
spec:
  selector: {{matchLabels: {{app: spire-agent}}}}
  template:
    metadata:
      labels: {{app: spire-agent}}
    spec:
      serviceAccountName: spire-agent
      hostPID: true
      hostNetwork: true
      terminationGracePeriodSeconds: 5
      containers:
        - name: spire-agent
          image: {image}
          args: [run, -config, /etc/spire/agent.conf]
          readinessProbe:
            httpGet: {{host: 127.0.0.1, path: /ready, port: 8980}}
            periodSeconds: 1
          volumeMounts:
            - {{name: configuration, mountPath: /etc/spire}}
            - {{name: data, mountPath: /var/lib/spire}}
            - {{name: token, mountPath: /run/token}}
            - {{name: sockets, mountPath: {sockets}}}
      volumes:
        - name: configuration
          configMap: {{name: spire-agent}}
        - name: data
          emptyDir: {{}}
        - name: token
          projected:
            sources:
              - serviceAccountToken: {{path: spire-agent, audience: spire-server, expirationSeconds: 3600}}
        - name: sockets
          hostPath: {{path: {sockets}, type: DirectoryOrCreate}}
"""


class ClusterSpire(Spire):
    """`entry_create` and the rest work as with the one of the interop tests; selectors are those of the cluster."""

    def __init__(self, node: Node, programs: Path) -> None:
        self.node = node
        self.cluster: Cluster = node.cluster
        self.server_conf = SERVER_CONF.replace(
            "plugins {{\n", "plugins {{\n" + ATTESTOR.replace("{kubeconfig}", str(self.cluster.kubeconfig))
        )
        directory = node.sandbox.directory / "spire"
        directory.mkdir()
        super().__init__(directory, programs)

    def start(self) -> None:
        """The server; then the agent's pod, which is ready when this returns."""
        self.start_server()
        archive = self.node.sandbox.directory / "agent.tar"
        agent = program_layer(self.peers / "spire-agent")
        write_image(archive, [AGENT_IMAGE], agent, {"Entrypoint": ["/spire-agent"]})
        self.node.import_image(archive)
        archive.unlink()
        self.cluster.kubectl("create", "namespace", NAMESPACE)
        self.cluster.apply(
            AGENT.format(
                port=self.port,
                sockets=AGENT_SOCKETS,
                trust_domain=TRUST_DOMAIN,
                image=AGENT_IMAGE,
                bundle=self.bundle_show().replace("\n", "\n    "),
            )
        )
        self._await_agent()
        (node,) = self.cluster.get("nodes")["items"]
        self.agent_id = f"spiffe://{TRUST_DOMAIN}/spire/agent/k8s_psat/lab/{node['metadata']['uid']}"

    def stop(self) -> None:
        """The agent goes with its node."""
        self.stop_server()

    def restart_agent(self) -> None:
        """As after an upgrade: another pod, another socket."""
        self.cluster.kubectl("rollout", "restart", "daemonset/spire-agent", f"--namespace={NAMESPACE}")
        self._await_agent()

    def _await_agent(self) -> None:
        rollout = ["rollout", "status", "daemonset/spire-agent", f"--namespace={NAMESPACE}", "--timeout=100s"]
        self.cluster.kubectl(*rollout, timeout=110)

    def _popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        return self.node.sandbox.popen(command, **options)

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [self.peers / program, *arguments]
        status, output, errors = self.node.sandbox.attempt(*command, stdin=stdin)
        return subprocess.CompletedProcess(command, status, output, errors)
