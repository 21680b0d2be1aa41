"""The three patterns of docs/kubernetes.md in real pods: the image, the components and the samples of packaging/k8s."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from lab import Lab
from sample import CERTS, HELPER, Sample
from sandbox import SandboxError

pytestmark = pytest.mark.needs_root
Deploy = Callable[..., Sample]

CONFIGURATION = "/etc/spiffe-helper/helper.conf"
MAX_IMAGE = 13_000_000
# As requested in packaging/k8s/common.
MEMORY_REQUEST = 16 * 1024 * 1024
# Exits with 7 on SIGTERM; the helper exits with the same code.
ENDING = f"""
trap 'exit 7' TERM
sha256sum {CERTS}/svid.pem
sleep 3600 & wait
"""
# Logs each request to reload. Its PID is in a volume that both containers mount. Kubernetes replaces two
# dollars by one.
RELOADING = """
trap 'echo reloaded' HUP
echo $$$$ >/run/pids/app.pid
while true; do sleep 3600 & wait $!; done
"""
SIGNALLED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: any}
spec:
  template:
    spec:
      shareProcessNamespace: true
      initContainers:
        - name: spiffe-helper
          volumeMounts: [{name: pids, mountPath: /run/pids, readOnly: true}]
      containers:
        - name: app
          securityContext: {runAsUser: 65532}
          volumeMounts: [{name: pids, mountPath: /run/pids}]
      volumes: [{name: pids, emptyDir: {medium: Memory}}]
"""


def test_a_sidecar_holds_the_application_back_until_the_files_are_written(sample: Deploy) -> None:
    deployed = sample("native-sidecar")
    deployed.await_log(HELPER, lambda line: "PermissionDenied" in line or "no identity" in line.lower())
    assert deployed.container(HELPER)["started"] is False
    assert "waiting" in deployed.container("app")["state"]
    status, report = deployed.attempt(HELPER, "spiffe-helper", "doctor", "-config", CONFIGURATION)
    assert status != 0
    assert "registration entry" in report

    deployed.register()
    deployed.rolled_out()
    # The application's first action is to read them, as another user.
    deployed.await_log("app", lambda line: line.split()[0] == deployed.digest())
    assert deployed.container("app")["restartCount"] == 0
    report = deployed.exec(HELPER, "spiffe-helper", "doctor", "-config", CONFIGURATION)
    assert deployed.spiffe_id in report


def test_a_sidecar_renews_under_a_running_application_and_survives_its_agent(sample: Deploy, lab: Lab) -> None:
    deployed = sample("native-sidecar")
    entry = deployed.register()
    deployed.rolled_out()
    first = deployed.digest()

    lab.spire.entry_change(entry, dns=["renewed.example"])
    renewed = deployed.await_log("app", lambda line: line.split()[0] != first).split()[0]
    # The new agent gets a new certificate, and has a new socket in the same directory.
    lab.spire.restart_agent()
    deployed.await_log("app", lambda line: line.split()[0] not in (first, renewed))
    for container in ("app", HELPER):
        assert deployed.container(container)["restartCount"] == 0


def test_a_pod_is_unready_while_its_identity_is_expired(sample: Deploy, lab: Lab) -> None:
    deployed = sample("native-sidecar")
    entry = deployed.register(x509_ttl=15)
    deployed.rolled_out()

    lab.spire.entry_delete(entry)
    deployed.wait_pod("condition=Ready=false")
    with pytest.raises(SandboxError, match="expired"):
        lab.cluster.kubectl("get", "--raw", proxied(deployed, "ready"))
    # The helper itself works, so Kubernetes does not restart it.
    assert '"status":"OK"' in lab.cluster.kubectl("get", "--raw", proxied(deployed, "live"))
    deployed.register()
    deployed.wait_pod("condition=Ready")
    assert deployed.container(HELPER)["restartCount"] == 0


def test_a_sidecar_signals_an_application_in_another_container(sample: Deploy, lab: Lab) -> None:
    settings = 'pid_file_name = "/run/pids/app.pid"\nrenew_signal = "SIGHUP"\n'
    deployed = sample("native-sidecar", script=RELOADING, settings=settings, patch=SIGNALLED)
    entry = deployed.register()
    deployed.rolled_out()
    lab.spire.entry_change(entry, dns=["renewed.example"])
    deployed.await_log("app", lambda line: line == "reloaded\n")


def test_the_debug_image_brings_a_shell_into_a_running_pod(sample: Deploy, version: str) -> None:
    deployed = sample("native-sidecar")
    deployed.register()
    deployed.rolled_out()
    image = f"--image=localhost/spiffe-helper:{version}-debug"
    words = ["debug", deployed.pod_name(), image, f"--target={HELPER}", "--container=shell"]
    deployed.kubectl(*words, "--", "sh", "-c", "cat /proc/1/comm && id -u")
    deployed.await_log("shell", lambda line: line == "spiffe-helper\n")


def proxied(deployed: Sample, path: str) -> str:
    """The API server's path for requests to the helper's port."""
    return f"/api/v1/namespaces/{deployed.namespace}/pods/{deployed.pod_name()}:8081/proxy/{path}"


def test_an_init_container_ends_before_the_application_is_started(sample: Deploy) -> None:
    deployed = sample("init-container")
    deployed.wait_pod("jsonpath={.status.initContainerStatuses[0].state.running}")
    assert "waiting" in deployed.container("app")["state"]
    check_confined(deployed, HELPER, uid=65532)

    deployed.register()
    deployed.rolled_out()
    helper, application = deployed.container(HELPER), deployed.container("app")
    assert helper["state"]["terminated"]["exitCode"] == 0
    assert helper["restartCount"] == 0
    ended = helper["state"]["terminated"]["finishedAt"]
    assert datetime.fromisoformat(application["state"]["running"]["startedAt"]) >= datetime.fromisoformat(ended)
    check_files(deployed, owner=65532)
    deployed.await_log("app", lambda line: line.split()[0] == deployed.digest())


def test_a_wrapper_is_the_first_process_and_ends_with_the_exit_code_of_the_program(sample: Deploy) -> None:
    deployed = sample("process-wrapper", script=ENDING)
    deployed.register()
    deployed.rolled_out()
    deployed.await_log("app", lambda line: line.split()[0] == deployed.digest())
    assert deployed.exec("app", "cat", "/proc/1/comm").strip() == "spiffe-helper"
    check_confined(deployed, "app", uid=1000)
    check_files(deployed, owner=1000)

    deployed.exec("app", "kill", "-TERM", "1")
    deployed.wait_pod("jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=7")
    # It starts again with the files of the previous run.
    deployed.wait_pod("condition=Ready")
    assert deployed.exec("app", "cat", "/proc/1/comm").strip() == "spiffe-helper"


def test_the_image_is_upgraded_and_rolled_back(sample: Deploy, lab: Lab, version: str) -> None:
    deployed = sample("native-sidecar")
    deployed.register()
    deployed.rolled_out()
    check_confined(deployed, HELPER, uid=65532)
    check_files(deployed, owner=65532)
    old, new = f"localhost/spiffe-helper:{version}", "localhost/spiffe-helper:next"
    lab.node.ctr("images", "tag", "--force", old, new)

    deployed.kubectl("set", "image", "deployment/sample", f"{HELPER}={new}")
    deployed.rolled_out()
    assert images(deployed) == {"app": "busybox:1.37", HELPER: new}
    deployed.kubectl("rollout", "undo", "deployment/sample")
    deployed.rolled_out()
    assert images(deployed) == {"app": "busybox:1.37", HELPER: old}


def images(deployed: Sample) -> dict[str, str]:
    spec = deployed.pod()["spec"]
    return {container["name"]: container["image"] for container in spec["initContainers"] + spec["containers"]}


def test_the_image_is_small_and_a_sidecar_stays_below_its_memory_request(sample: Deploy, lab: Lab, version: str) -> None:
    deployed = sample("native-sidecar")
    deployed.register()
    deployed.rolled_out()
    (node,) = lab.cluster.get("nodes")["items"]
    sizes = {name: image["sizeBytes"] for image in node["status"]["images"] for name in image["names"]}
    assert 0 < sizes[f"localhost/spiffe-helper:{version}"] <= MAX_IMAGE
    used = lab.sandbox.wait("kubelet", "the sidecar's memory", lambda: lab.node.memory(deployed.pod_name(), HELPER))
    print(f"working set: {used / 1024 / 1024:.1f} MiB")
    assert used < MEMORY_REQUEST


def check_confined(deployed: Sample, container: str, uid: int) -> None:
    """The container's first process has only this user, no capabilities, and can write only to volumes."""
    process = deployed.process(container)
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert status["Uid"].split() == [str(uid)] * 4
    assert [int(status[f"Cap{kind}"], 16) for kind in ("Prm", "Eff", "Bnd", "Amb")] == [0] * 4
    assert status["NoNewPrivs"].strip() == "1"
    mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    assert next(fields[5] for fields in mounts if fields[4] == "/").split(",")[0] == "ro"


def check_files(deployed: Sample, owner: int) -> None:
    """The application, which is another user, can read the key only by the volume's group."""
    assert deployed.exec("app", "id", "-u").strip() == "1000"
    files: dict[str, Any] = {}
    for line in deployed.exec("app", "ls", "-lnL", CERTS).splitlines():
        if line.startswith("-"):
            mode, _, user, group, *_, name = line.split()
            files[name] = (mode, int(user), int(group))
    key_mode = "-rw-r-----" if owner != 1000 else "-rw-------"
    assert files["svid_key.pem"] == (key_mode, owner, 65532)
    assert {"svid.pem", "svid_bundle.pem"} <= files.keys()
    deployed.exec("app", "cat", f"{CERTS}/svid_key.pem")
