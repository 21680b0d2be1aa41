"""examples/k8s/workload: the session of each README in real pods, and its manifests and configurations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from helper import program
from readme import steps
from workloads import EXAMPLES, Workloads

pytestmark = pytest.mark.needs_root


def test_an_init_container_writes_the_files_once_before_the_application_starts(deploying: Workloads) -> None:
    deploying.play("init-container")


def test_a_native_sidecar_holds_the_application_back_renews_and_survives_its_agent(deploying: Workloads) -> None:
    deploying.play("native-sidecar")


def test_a_wrapper_is_pid_1_and_kubernetes_sees_the_exit_code_of_the_program(deploying: Workloads) -> None:
    deploying.play("process-wrapper")


def test_sighup_reaches_another_container_by_its_pid_file(deploying: Workloads) -> None:
    deploying.play("pidfile-signal")


def test_the_api_server_accepts_the_csi_volume(deploying: Workloads) -> None:
    deploying.play("csi")


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_api_server_accepts_the_manifests(workloads: Workloads, example: str) -> None:
    assert workloads.objects(example)["Deployment"]["metadata"]["name"] == "hello-world"


def check(*arguments: str | Path) -> None:
    command = [program(), "config", "check", *arguments]
    checked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("example", sorted(set(EXAMPLES) - {"manual", "process-wrapper"}))
def test_the_helper_accepts_the_configuration(workloads: Workloads, tmp_path: Path, example: str) -> None:
    file = tmp_path / "helper.conf"
    file.write_text(workloads.objects(example)["ConfigMap"]["data"]["helper.conf"])
    check(file)


def test_the_helper_accepts_the_command_line_of_the_wrapper(workloads: Workloads) -> None:
    pod = workloads.objects("process-wrapper")["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    check(*container["command"][1:], *container["args"])


def test_the_helper_accepts_the_configuration_that_is_typed(workloads: Workloads, tmp_path: Path) -> None:
    commands = [step.command for step in steps(workloads.readme("manual"))]
    (typed,) = (command for command in commands if "helper.conf" in command)
    file = tmp_path / "helper.conf"
    file.write_text("\n".join(typed.splitlines()[1:-1]))
    check(file)
