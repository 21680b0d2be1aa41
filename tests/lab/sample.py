"""Deploys samples of packaging/k8s, each in its own namespace, with an application that logs digests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Lab
from sandbox import POLL_S

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "packaging/k8s"
CERTS = "/run/spiffe/certs"
HELPER = "spiffe-helper"
WAIT_S = 100
NOT_STARTED = re.compile(r"is (waiting to start|not available)")
# Logs the certificate's digest at the start and after every renewal. Exits if the certificate cannot be read.
APPLICATION = f"""
set -e
while cat {CERTS}/svid_key.pem >/dev/null; now=$(sha256sum <{CERTS}/svid.pem); do
    [ "$now" = "$last" ] || echo "$now"
    last=$now
    sleep 0.2
done
"""


@dataclass(frozen=True)
class Changes:
    """Changes of a test to a sample, besides the source of its images."""

    script: str = APPLICATION  # the application's script
    settings: str = ""  # added to the component's helper.conf
    patch: str = ""  # strategic merge patch for the Deployment


class Sample:
    """`variant` is a directory of packaging/k8s/sample."""

    def __init__(self, lab: Lab, version: str, variant: str, namespace: str, changes: Changes) -> None:
        self.lab = lab
        self.namespace = namespace
        self.spiffe_id = f"spiffe://example.org/{namespace}"
        self._overlay = lab.sandbox.directory / "overlays" / namespace
        self._overlay.mkdir(parents=True)
        image = {"newName": "localhost/spiffe-helper"}
        kustomization: dict[str, Any] = {
            "namespace": namespace,
            "resources": [os.path.relpath(K8S / "sample" / variant, self._overlay)],
            "images": [
                {"name": "spiffe-helper", **image, "newTag": version},
                {"name": "spiffe-helper-debug", **image, "newTag": f"{version}-debug"},
            ],
            "patches": patches(changes),
        }
        if changes.settings:
            # As in docs/kubernetes.md: a separate file instead of the component's.
            component = (K8S / variant / "helper.conf").read_text()
            (self._overlay / "helper.conf").write_text(component + changes.settings)
            replaced = {"name": "spiffe-helper", "behavior": "replace", "files": ["helper.conf"]}
            kustomization["configMapGenerator"] = [replaced]
        (self._overlay / "kustomization.yaml").write_text(json.dumps(kustomization))

    # In the cluster

    def deploy(self) -> None:
        self.lab.cluster.kubectl("create", "namespace", self.namespace)
        self.wait("serviceaccount/default", "create")
        self.lab.cluster.apply(self.lab.kustomize(self._overlay))

    def register(self, x509_ttl: int = 3600) -> str:
        """Registers an entry for the pods, with the selectors of docs/kubernetes.md."""
        selectors = [f"k8s:ns:{self.namespace}", "k8s:sa:default"]
        return self.lab.spire.entry_create(self.spiffe_id, selectors, x509_ttl=x509_ttl)

    def remove(self) -> None:
        # Ending pods takes time, and need not be awaited.
        self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *words: str, timeout: float = WAIT_S + 10) -> str:
        return self.lab.cluster.kubectl(f"--namespace={self.namespace}", *words, timeout=timeout)

    def wait(self, what: str, condition: str) -> None:
        """`kubectl wait`; an error includes the pods' state."""
        try:
            self.kubectl("wait", f"--for={condition}", what, f"--timeout={WAIT_S}s")
        except Exception as error:
            error.add_note(self.kubectl("describe", "pods"))
            raise

    def wait_pod(self, condition: str) -> None:
        self.wait(f"pod/{self.pod_name()}", condition)

    def rolled_out(self) -> None:
        self.kubectl("rollout", "status", "deployment/sample", f"--timeout={WAIT_S}s")

    def pod_name(self) -> str:
        """The newest pod; waits until the Deployment has one."""
        while not (pods := self._living_pods()):
            self.wait("deployment/sample", "jsonpath={.status.updatedReplicas}")
        return str(max(pods, key=lambda metadata: metadata["creationTimestamp"])["name"])

    def _living_pods(self) -> list[dict[str, Any]]:
        pods = self.lab.cluster.get(f"--namespace={self.namespace}", "pods", "--selector=app=sample")["items"]
        return [pod["metadata"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def pod(self) -> dict[str, Any]:
        return self.lab.cluster.get(f"--namespace={self.namespace}", "pod", self.pod_name())

    def container(self, name: str) -> dict[str, Any]:
        """The status of a container, or of an init container."""
        status = self.pod()["status"]
        both = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        return next(container for container in both if container["name"] == name)

    def exec(self, container: str, *command: str) -> str:
        return self.kubectl("exec", self.pod_name(), f"--container={container}", "--", *command)

    def attempt(self, container: str, *command: str) -> tuple[int, str]:
        """Exit status and all output."""
        words = ["exec", f"--namespace={self.namespace}", self.pod_name(), f"--container={container}", "--", *command]
        status, output, errors = self.lab.sandbox.attempt(*self.lab.cluster.kubectl_command(*words))
        return status, output + errors

    def digest(self) -> str:
        """The digest of the certificate that the application reads now."""
        return self.exec("app", "sha256sum", f"{CERTS}/svid.pem").split()[0]

    def await_log(self, container: str, wanted: Callable[[str], bool]) -> str:
        """Waits for the container and its log; returns the first wanted line."""
        deadline = time.monotonic() + WAIT_S
        while True:
            seen = []
            for line in self._follow(container, deadline - time.monotonic()):
                seen.append(line)
                if wanted(line):
                    return line
            if time.monotonic() > deadline or not NOT_STARTED.search("".join(seen)):
                helper = self.kubectl("logs", self.pod_name(), f"--container={HELPER}") if container != HELPER else ""
                raise AssertionError(f"the log of {container} ended without the line:\n{''.join(seen)}\n{helper}")
            time.sleep(POLL_S)

    def _follow(self, container: str, limit_s: float) -> Iterator[str]:
        words = ["logs", f"--namespace={self.namespace}", "--follow", self.pod_name(), f"--container={container}"]
        command = self.lab.cluster.kubectl_command(*words)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with self.lab.sandbox.popen(command, text=True, **pipes) as follower:
            limit = threading.Timer(limit_s, follower.kill)
            limit.start()
            try:
                yield from follower.stdout
            finally:
                limit.cancel()
                follower.kill()

    def process(self, container: str) -> Path:
        """/proc of the container's first process, outside of the sandbox."""
        identity = self.container(container)["containerID"].removeprefix("containerd://")
        return self.lab.node.process(identity)


def patches(changes: Changes) -> list[dict[str, Any]]:
    """Gives the application its script and the strictest security settings with which it works."""
    container = "/spec/template/spec/containers/0"
    operations = [
        {"op": "replace", "path": f"{container}/args", "value": ["sh", "-c", changes.script]},
        {"op": "add", "path": f"{container}/securityContext/readOnlyRootFilesystem", "value": True},
        {"op": "add", "path": f"{container}/securityContext/capabilities", "value": {"drop": ["ALL"]}},
        {"op": "add", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 1},
    ]
    every = {"kind": "Deployment"}
    wanted = [json.dumps(operations)] + ([changes.patch] if changes.patch else [])
    return [{"target": every, "patch": patch} for patch in wanted]
