"""examples/k8s/spire and examples/k8s/kind. The lab uses the former, and so does each test in it."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from sample import ROOT
from session import Session

pytestmark = pytest.mark.needs_root
Example = Callable[[str], Session]
EXAMPLES = ROOT / "examples/k8s"
# A docker that only records its arguments.
DOCKER = """\
#!/bin/sh
echo "$*" >>"$0.calls"
case $1 in
    info) echo '{"CgroupVersion": "2"}' ;;
    run)
        # kind makes all nodes at once, and ends with the first that cannot be made.
        tries=0
        until [ "$(grep -c '^run ' "$0.calls")" -ge "$NODES" ] || [ $((tries += 1)) -gt 500 ]; do sleep 0.02; done
        exit 1
        ;;
esac
"""
# Overlays, some with components.
VARIANTS = {
    "cluster-a": ["spire/overlays/cluster-a"],
    "cluster-b": ["spire/overlays/cluster-b"],
    "lab": ["spire/overlays/lab"],
    "everything": ["spire/overlays/cluster-a", "spire/components/csi", "controller-manager", "psat-multicluster/server"],
    "agents": ["psat-multicluster/cluster-b"],
}
AGENT, SERVER = "system:serviceaccount:spire:spire-agent", "system:serviceaccount:spire:spire-server"


def render(lab: Lab, variant: str, directory: Path) -> str:
    resource, *components = (os.path.relpath(EXAMPLES / part, directory) for part in VARIANTS[variant])
    kustomization = {"resources": [resource], "components": components}
    (directory / "kustomization.yaml").write_text(json.dumps(kustomization))
    return lab.kustomize(directory)


def test_readme(example: Example, lab: Lab) -> None:
    with example("spire") as session:
        session.play(EXAMPLES / "spire/README.md")
    lab.spire.await_rollout()


@pytest.mark.parametrize("variant", ["cluster-a", "everything", "agents"])
def test_the_api_server_and_spire_accept_what_is_rendered(lab: Lab, tmp_path: Path, variant: str) -> None:
    manifest = render(lab, variant, tmp_path)
    accepted = lab.cluster.apply(manifest, "--dry-run=server", "--validate=strict", "--output=json")
    configurations: list[str] = []
    for item in json.loads(accepted)["items"]:
        if item["kind"] == "ConfigMap":
            configurations += validate(lab, item["data"], tmp_path)
    server = [] if variant == "agents" else ["spire-server"]
    assert sorted(configurations) == ["spire-agent", *server]


def validate(lab: Lab, data: dict[str, str], directory: Path) -> list[str]:
    """Lets programs validate their configuration in a ConfigMap; returns the programs."""
    validated = []
    for name in data:
        if name.endswith(".conf"):
            program = f"spire-{name.removesuffix('.conf')}"
            (directory / name).write_text(data[name])
            command = [lab.spire.peers / program, "validate", "-expandEnv", "-config", directory / name]
            done = subprocess.run(command, env={"CLUSTER": "any"}, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "is valid" in done.stdout, done.stdout + done.stderr
            validated.append(program)
    return validated


def test_overlays_change_nothing_but_the_name_of_the_cluster(lab: Lab, tmp_path: Path) -> None:
    first, second = (render(lab, name, tmp_path) for name in ("cluster-a", "cluster-b"))
    assert first != second
    # The name of the ConfigMap ends with a hash of its content.
    assert re.sub(r"(spire-cluster-)\w+", r"\1HASH", first.replace("cluster-a", "cluster-b")) == re.sub(
        r"(spire-cluster-)\w+", r"\1HASH", second
    )


def test_the_lab_adds_only_substitutes_for_services(lab: Lab, tmp_path: Path) -> None:
    here, there = (render(lab, name, tmp_path).splitlines() for name in ("cluster-a", "lab"))
    changes = [line for line in difflib.ndiff(here, there) if line[0] in "+-"]
    assert changes and all(line[0] == "+" for line in changes)
    allowed = r"host(Aliases|names|Network)|\bip: 192\.0\.2\.1|- hostnames|- (spire-server|cluster-b-control-plane)$"
    assert [line for line in changes if not re.search(allowed, line)] == []


@pytest.mark.parametrize(
    ("account", "verb", "what", "allowed"),
    [
        (AGENT, "get", "nodes/proxy", True),
        (AGENT, "get", "pods", True),
        (AGENT, "list", "pods", False),
        (AGENT, "create", "tokenreviews.authentication.k8s.io", False),
        (SERVER, "create", "tokenreviews.authentication.k8s.io", True),
        (SERVER, "get", "nodes", True),
        (SERVER, "patch", "configmap/spire-bundle", True),
        (SERVER, "patch", "configmap/other", False),
        (SERVER, "get", "secrets", False),
    ],
)
def test_both_may_do_what_they_need_and_no_more(lab: Lab, account: str, verb: str, what: str, allowed: bool) -> None:
    resource, *name = what.split("/")
    words = [f"--subresource={name[0]}"] if resource == "nodes" and name else []
    asked = what if not words else resource
    command = lab.cluster.kubectl_command("auth", "can-i", verb, asked, *words, "-n", "spire", f"--as={account}")
    status, answer, errors = lab.sandbox.attempt(*command)
    assert (status, answer.strip()) == ((0, "yes") if allowed else (1, "no")), errors


def test_the_config_map_has_the_bundle_of_the_server(lab: Lab) -> None:
    published = lab.cluster.get("configmap", "spire-bundle", "--namespace=spire")["data"]["bundle.pem"]
    assert published.split() == lab.spire.bundle_show().split()


def kind(lab: Lab, directory: Path, config: Path) -> tuple[str, str]:
    """kind's output, and its calls of docker."""
    docker = directory / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    environment = {
        "PATH": f"{directory}:{os.environ['PATH']}",
        "KUBECONFIG": str(directory / "kubeconfig"),
        "NODES": str(config.read_text().count("role:")),
    }
    command = [lab.cluster.programs / "kind", "create", "cluster", "--config", config]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    calls = directory / "docker.calls"
    return done.stdout + done.stderr, calls.read_text() if calls.exists() else ""


@pytest.mark.parametrize(
    ("name", "nodes"),
    [("cluster-a", ["cluster-a-control-plane", "cluster-a-worker"]), ("cluster-b", ["cluster-b-control-plane"])],
)
def test_kind_would_make_these_nodes(lab: Lab, tmp_path: Path, name: str, nodes: list[str]) -> None:
    _, calls = kind(lab, tmp_path, EXAMPLES / f"kind/{name}.yaml")
    # examples/k8s/psat-multicluster uses these names.
    assert sorted(re.findall(r"^run --name (\S+)", calls, re.MULTILINE)) == nodes


def test_kind_refuses_a_misspelled_field(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text((EXAMPLES / "kind/cluster-a.yaml").read_text().replace("role: worker", "rule: worker"))
    said, calls = kind(lab, tmp_path, config)
    assert "field rule not found" in said
    assert "run" not in calls


def test_readme_of_kind(example: Example, lab: Lab, tmp_path: Path) -> None:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": f"kind-{name}", "context": context(name)} for name in ("cluster-a", "cluster-b")],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    with example("kind", KUBECONFIG=str(tmp_path / "kubeconfig")) as session:
        session.play(EXAMPLES / "kind/README.md")


def context(name: str) -> dict[str, Any]:
    return {"cluster": name, "user": name}
