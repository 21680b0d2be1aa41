"""The control plane of a Kubernetes cluster: etcd, API server, and optionally controllers and scheduler."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sandbox import Sandbox

# An address of the sandbox: Kubernetes refuses loopback addresses for nodes and API servers.
ADDRESS = "192.0.2.1"
SERVICES = "203.0.113.0/24"
# The address of the Service "kubernetes", which is in the environment of pods; its port is 443.
SERVICE = "203.0.113.1"

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
  - name: {name}
    cluster: {{server: "https://{address}:{port}", certificate-authority: {directory}/ca.pem}}
users:
  - name: {name}
    user: {{token: {token}}}
contexts:
  - name: {name}
    context: {{cluster: {name}, user: {name}}}
current-context: {name}
"""


class Cluster:
    """Several may run in a sandbox, each with its own name and three ports from `port` on."""

    def __init__(self, sandbox: Sandbox, programs: Path, name: str, port: int) -> None:
        self.sandbox = sandbox
        self.programs = programs
        self.name = name
        self.port = port
        self.directory = sandbox.directory / name
        self.kubeconfig = self.directory / "kubeconfig"
        self.token = secrets.token_hex(16)
        self._started: list[str] = []

    def start(self) -> None:
        """Starts etcd and the API server; returns when both are ready."""
        self.directory.mkdir()
        make_certificates(self.directory, f"{self.name}-control-plane")
        (self.directory / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        settings = {"name": self.name, "address": ADDRESS, "port": self.port, "directory": self.directory}
        self.kubeconfig.write_text(KUBECONFIG.format(**settings, token=self.token))
        self._start_etcd()
        self._start_api_server()

    def start_controllers(self) -> None:
        """Starts controllers and scheduler; returns when pods can be created."""
        common = [f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0"]
        self._start(
            "kube-controller-manager",
            *common,
            f"--service-account-private-key-file={self.directory}/accounts.key",
            f"--root-ca-file={self.directory}/ca.pem",
        )
        self._start("kube-scheduler", *common)
        for what in ("serviceaccount/default", "configmap/kube-root-ca.crt"):
            self.kubectl("wait", "--for=create", what, "--timeout=60s", timeout=70)

    def stop(self) -> None:
        """Not needed before the sandbox ends, which ends all processes."""
        for name in reversed(self._started):
            self.sandbox.stop(name)
        self._started.clear()

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 60) -> str:
        return self.sandbox.run(*self.kubectl_command(*words), stdin=stdin, timeout=timeout)

    def kubectl_command(self, *words: str) -> list[str]:
        return [str(self.programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words]

    def get(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", "--output=json", *words)))

    def apply(self, manifest: str, *options: str) -> str:
        return self.kubectl("apply", *options, "--filename=-", stdin=manifest)

    # Implementation

    def _start(self, program: str, *arguments: str) -> str:
        name = f"{self.name}-{program}"
        self.sandbox.start(name, self.programs / program, *arguments)
        self._started.append(name)
        return name

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{self.port + offset}" for offset in (1, 2))
        self._start(
            "etcd",
            f"--data-dir=/var/lib/etcd-{self.name}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def _start_api_server(self) -> None:
        directory = self.directory
        name = self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.port + 1}",
            f"--secure-port={self.port}",
            f"--advertise-address={ADDRESS}",
            f"--tls-cert-file={directory}/server.pem",
            f"--tls-private-key-file={directory}/server.key",
            f"--token-auth-file={directory}/tokens.csv",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={directory}/accounts.key",
            f"--service-account-signing-key-file={directory}/accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={SERVICES}",
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
        )
        ready = self.kubectl_command("get", "--raw=/readyz")
        self.sandbox.wait(name, "its readiness", lambda: self.sandbox.attempt(*ready)[0] == 0)


def make_certificates(directory: Path, host: str) -> None:
    """ca.pem, server.pem and server.key of an API server, and accounts.key, which signs service accounts' tokens."""
    ca_key, key, accounts = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster")])
    ca = certificate(ca_name, ca_name, ca_key.public_key())
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    names += [x509.IPAddress(ip_address(address)) for address in (ADDRESS, "127.0.0.1", SERVICE)]
    server = certificate(name, ca_name, key.public_key())
    server = server.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for file, builder in (("ca.pem", ca), ("server.pem", server)):
        signed = builder.sign(ca_key, hashes.SHA256())
        (directory / file).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    for file, private in (("server.key", key), ("accounts.key", accounts)):
        (directory / file).write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )


def certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
