"""Every manifest of packaging/k8s, validated by a real API server without being stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster import Cluster
from lab import Lab
from sample import K8S

pytestmark = pytest.mark.needs_root
SAMPLES = sorted(path.name for path in (K8S / "sample").iterdir())
FORBIDDEN = {"native-sidecar": "hostPath volumes", "csi": None}


@pytest.mark.parametrize("variant", SAMPLES)
def test_the_api_server_accepts_the_sample(lab: Lab, variant: str) -> None:
    manifest = lab.kustomize(K8S / "sample" / variant)
    answer = lab.cluster.apply(manifest, "--dry-run=server", "--validate=strict")
    assert "deployment.apps/sample created (server dry run)" in answer


def test_the_api_server_accepts_the_pod_monitor(lab: Lab) -> None:
    (definition,) = lab.cluster.programs.glob("*_podmonitors.yaml")
    lab.cluster.kubectl("create", f"--filename={definition}")
    # A new definition has no conditions, and kubectl does not wait until the first one appears.
    for until in ("jsonpath={.status.conditions}", "condition=Established"):
        lab.cluster.kubectl("wait", f"--for={until}", "crd/podmonitors.monitoring.coreos.com", "--timeout=60s")
    manifest = Path(K8S / "monitoring/podmonitor.yaml").read_text()
    answer = lab.cluster.apply(manifest, "--dry-run=server", "--validate=strict")
    assert "podmonitor.monitoring.coreos.com/spiffe-helper created (server dry run)" in answer


@pytest.mark.parametrize("variant", FORBIDDEN)
def test_only_the_csi_variant_is_for_namespaces_that_forbid_host_paths(lab: Lab, variant: str) -> None:
    namespace = f"baseline-{variant}"
    lab.cluster.kubectl("create", "namespace", namespace)
    lab.cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/warn=baseline")
    apply = lab.cluster.kubectl_command("apply", f"--namespace={namespace}", "--dry-run=server", "--filename=-")
    status, _, warnings = lab.sandbox.attempt(*apply, stdin=lab.kustomize(K8S / "sample" / variant))
    assert status == 0
    expected = FORBIDDEN[variant]
    assert (expected in warnings) if expected else ("would violate" not in warnings)
    lab.cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_second_cluster_runs_beside_the_first(lab: Lab) -> None:
    other = Cluster(lab.sandbox, lab.cluster.programs, "b", 7443)
    other.start()
    try:
        other.kubectl("create", "configmap", "only-here")
        assert other.get("configmap", "only-here")["kind"] == "ConfigMap"
        assert "only-here" not in lab.cluster.kubectl("get", "configmaps")
    finally:
        other.stop()
