"""start { } and reload { }, and typical configurations in Kubernetes: YAML in a ConfigMap, or variables."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from children import Recorder
from devagent import DevAgent
from helper import Run
from published import BUNDLE, KEY, SVID, config, make_certs, rotate, settings
from reloading import reload, wait_event
from tokens import JWT_BUNDLE, claims

# Keeps a copy of the file, and fails while the file "bad" exists.
SCRIPT = f"cat certs/{SVID} > seen.new && mv seen.new seen && [ ! -e bad ]"


def blocks(recorder: Recorder, **more: object) -> dict[str, object]:
    keys = recorder.keys()
    start = {"cmd": keys["cmd"], "args": keys["cmd_args"]}
    return {"start": start, "reload": {"signal": keys["renew_signal"]} | more}


def test_reload_command_before_start_and_signal(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    keys = blocks(recorder, cmd="sh", args=["-c", SCRIPT])
    helper = run_helper(config(agent, **keys))
    recorder.wait("started")
    assert (workdir / "seen").read_bytes() == out.read(SVID)
    for count in range(1, 3):
        rotate(agent, helper)
        recorder.wait("SIGUSR1", count)
        assert (workdir / "seen").read_bytes() == out.read(SVID)
    assert helper.stop() == 0
    order = ["reload.cmd succeeded", "child started", "child signalled"]
    assert [line.msg for line in helper.log if line.msg in order] == [
        *order[:2],
        *(order[0], order[2]) * 2,
    ]
    assert not [line for line in helper.log if line.level == "warning"]


def test_a_failing_reload_command_does_not_delay_others(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    (workdir / "bad").touch()
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **blocks(recorder, cmd="sh", args=["-c", SCRIPT])))
    recorder.wait("started")
    failed = wait_event(helper, "reload_cmd_failed")
    assert (failed.level, failed.msg) == ("error", "Unable to run reload command")
    assert failed.fields["error"] == "exited with code 1"
    # It does not run again before the next files.
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    (workdir / "bad").unlink()
    rotate(agent, helper)
    recorder.wait("SIGUSR1", 2)
    assert len([line for line in helper.log if line.fields.get("event") == "reload_cmd_started"]) == 3


def test_a_reload_command_that_cannot_be_started(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **blocks(recorder, cmd="/no/such/program")))
    recorder.wait("started")
    failed = wait_event(helper, "reload_cmd_failed")
    assert failed.msg == "Unable to run reload command"
    assert "no such file" in failed.fields["error"]


def test_flat_keys_and_blocks_are_one_configuration_to_a_reload(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    helper = run_helper(config(agent, **recorder.keys()))
    child = recorder.wait("started")["pid"]
    mark = helper.mark()
    reload(helper, config(agent, **blocks(recorder)))
    rotate(agent, helper)
    assert recorder.wait("SIGUSR1")["pid"] == child
    assert not [line for line in helper.log[mark:] if line.msg == "child started"]


def test_a_pid_file_in_reload(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys()
    # One helper notifies the program of another one.
    first = run_helper(config(agent, cert_dir=str(workdir), **{"start": {"cmd": keys["cmd"], "args": keys["cmd_args"]}}))
    pid = recorder.wait("started")["pid"]
    (workdir / "program.pid").write_text(f"{pid}\n")
    other = workdir / "other"
    other.mkdir()
    make_certs(other)
    block = {"signal": "USR1", "pid_file_name": str(workdir / "program.pid")}
    second = run_helper(config(agent, reload=block), directory=other)
    recorder.wait("SIGUSR1")
    assert second.stop() == 0
    assert first.stop() == 0


def yaml_of(keys: dict[str, object]) -> str:
    """Block style with JSON values, which YAML accepts."""
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())


def test_a_config_map_in_yaml_once(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    # Mounted like the kubelet does.
    mounted = workdir / "etc"
    (mounted / "..2026_08_01").mkdir(parents=True)
    svids = [{"jwt_audience": "web", "jwt_svid_file_name": "web.jwt"}]
    keys = settings(agent, daemon_mode=False, jwt_svids=svids, jwt_bundle_file_name=JWT_BUNDLE, key_file_mode=256)
    text = f"# managed by the deployment\n{yaml_of(keys)}start:\n  cmd: sleep\n  args: [\"1\"]\n"
    (mounted / "..2026_08_01" / "helper.yaml").write_text(text)
    (mounted / "..data").symlink_to("..2026_08_01")
    (mounted / "helper.yaml").symlink_to("..data/helper.yaml")
    helper = run_helper(None, "-config", mounted / "helper.yaml")
    assert helper.wait() == 0
    out.check()
    assert claims(out.read("web.jwt"))["aud"] == ["web"]
    assert os.stat(workdir / "certs" / KEY).st_mode & 0o777 == 0o400
    (warning,) = [line for line in helper.log if line.level == "warning"]
    assert warning.msg.startswith("start.cmd is set but daemon_mode is false.")


@pytest.mark.parametrize("arguments", [[], ["-config", ""]])
def test_variables_only_once(
    agent: DevAgent, run_helper: Run, workdir: Path, arguments: list[str]
) -> None:
    out = make_certs(workdir)
    env = {
        "SPIFFE_ENDPOINT_SOCKET": f"unix://{agent.socket}",
        "SPIFFE_HLP_CERT_DIR": "certs",
        "SPIFFE_HLP_SVID_FILE_NAME": SVID,
        "SPIFFE_HLP_SVID_KEY_FILE_NAME": KEY,
        "SPIFFE_HLP_SVID_BUNDLE_FILE_NAME": BUNDLE,
        "SPIFFE_HLP_DAEMON_MODE": "false",
        "SPIFFE_HLP_JWT_SVIDS": "- jwt_audience: web\n  jwt_svid_file_name: web.jwt\n",
    }
    helper = run_helper(None, *arguments, env=env)
    assert helper.wait() == 0
    out.check()
    assert claims(out.read("web.jwt"))["aud"] == ["web"]
    assert not [line for line in helper.log if line.level in ("warning", "error")]
