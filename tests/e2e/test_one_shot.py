"""daemon_mode = false: everything is written once; otherwise an error and exit code 1."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import certs
import pytest
from children import Recorder
from devagent import AgentRun, DevAgent
from helper import SLOW, Helper, LogLine, Run
from published import BUNDLE, NAMES, SVID, agent_serial, config, lines_of, make_certs, wait_published
from tokens import DOMAIN, JWT_BUNDLE, NO_X509, bundles, claims, entry, tokens, verify

FETCHED = {
    "Successfully fetched x509 certificates",
    "Successfully fetched JWT SVIDs",
    "Successfully fetched JWT bundle",
}
AT_ONCE_S = 1.5


def one_shot(agent: DevAgent | None, **keys: object) -> str:
    return config(agent, daemon_mode=False, **keys)


def everything(agent: DevAgent, **more: object) -> str:
    svids = [entry("web"), entry("db", "cache", "queue")]
    return one_shot(agent, jwt_svids=svids, jwt_bundle_file_name=JWT_BUNDLE, **more)


def fetched(helper: Helper) -> list[str]:
    return sorted(line.msg for line in helper.log if line.msg.startswith("Successfully"))


def loud(helper: Helper) -> list[LogLine]:
    return [line for line in helper.log if line.level in ("warning", "error", "fatal")]


def wait_error(helper: Helper, what: str) -> LogLine:
    return helper.wait_log(lambda line: line.level == "error" and what in line.msg)


def ends_at_once(helper: Helper) -> int:
    begin = time.monotonic()
    status = helper.wait()
    assert time.monotonic() - begin < AT_ONCE_S * SLOW
    return status


# Everything is available.


@pytest.mark.agent("-federated", "3")
@pytest.mark.parametrize("layout", ["snapshot", "files", "in-place"])
def test_everything_once(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    modes = {"cert_file_mode": "0640", "jwt_bundle_file_mode": "0444"}
    keys = everything(agent, layout=layout, include_federated_domains=True, **modes)
    helper = run_helper(keys, prefix=["sh", "-c", 'umask 077; exec "$@"', "sh"])
    assert helper.wait() == 0
    out.check(agent_serial(agent))
    assert len(certs.certificates(out.read(BUNDLE))) == 4
    assert claims(out.read("web.jwt"))["aud"] == ["web"]
    assert claims(out.read("db.jwt"))["aud"] == ["db", "cache", "queue"]
    assert len(bundles(out.read(JWT_BUNDLE))) == 4
    for name in ("web.jwt", "db.jwt"):
        verify(out.read(name), out.read(JWT_BUNDLE), DOMAIN)
    files = [*NAMES, "web.jwt", "db.jwt", JWT_BUNDLE]
    assert [out.mode(name) for name in files] == [0o640, 0o600, 0o640, 0o600, 0o600, 0o444]
    # Go's messages, each once.
    assert fetched(helper) == sorted(FETCHED)
    assert [line.msg for line in helper.log if line.level == "info"][-1] == "Exiting"
    assert "Daemon mode disabled" in helper.log_text()
    assert "Launching daemon" not in helper.log_text()
    assert [line for line in loud(helper) if "include_federated_domains" not in line.msg] == []


@pytest.mark.parametrize("layout", ["snapshot", "files", "in-place"])
def test_all_remaining_files_are_for_readers(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    """`kubectl create secret generic NAME --from-file=DIR` refuses every file whose name begins with two dots."""
    out = make_certs(workdir)
    for _ in range(2):
        assert run_helper(one_shot(agent, layout=layout)).wait() == 0
        own = {"..data", out.live()} if layout == "snapshot" else set()
        assert out.names() == sorted({*NAMES, *own})


def test_two_of_them_in_one_directory(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """The helper that ended first keeps its files, although its lock file is gone."""
    out = make_certs(workdir)
    other = {"svid_file_name": "a.pem", "svid_key_file_name": "b.pem", "svid_bundle_file_name": "c.pem"}
    for _ in range(2):
        assert run_helper(one_shot(agent)).wait() == 0
        assert run_helper(one_shot(agent, **other)).wait() == 0
        out.check(agent_serial(agent))
        assert certs.pair_matches(out.read("a.pem"), out.read("b.pem"))
        assert out.names("..lock") == []


@pytest.mark.parametrize(
    "keys",
    [{}, tokens("web"), NO_X509 | {"jwt_bundle_file_name": JWT_BUNDLE}],
    ids=["x509", "tokens", "bundle"],
)
@pytest.mark.parametrize("obstacle", ["missing", "file"])
def test_a_directory_that_cannot_be_written(
    agent: DevAgent, run_helper: Run, workdir: Path, keys: dict[str, object], obstacle: str
) -> None:
    if obstacle == "file":
        (workdir / "certs").write_text("not a directory")
    helper = run_helper(one_shot(agent, **keys))
    assert ends_at_once(helper) == 1
    # The error is about writing, whatever was fetched.
    (error,) = loud(helper)
    assert error.msg == "Unable to dump bundle"
    reason, hint = {
        "missing": ("no such file or directory", "create_cert_dir = true"),
        "file": ("not a directory", "cert_dir names the directory"),
    }[obstacle]
    assert error.fields["error"] == f"cannot write certs: {reason} (open)"
    assert hint in error.fields["hint"]


@pytest.mark.needs_root
def test_a_directory_of_another_user(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    workdir.chmod(0o755)
    other_user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    helper = run_helper(one_shot(agent), prefix=other_user)
    assert ends_at_once(helper) == 1
    # There may also be an error that this user cannot reach the agent.
    (error,) = [line for line in loud(helper) if line.msg == "Unable to dump bundle"]
    assert error.fields["error"] == "cannot write certs/..lock: permission denied (open)"
    assert error.fields["hint"] == (
        "user 12345 may not write there: chown the directory, or set fsGroup or runAsUser"
    )


def test_success_names_the_identity_and_its_expiry(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(one_shot(agent))
    assert ends_at_once(helper) == 0
    (line,) = [line for line in helper.log if line.msg == "Successfully fetched x509 certificates"]
    assert line.fields["spiffe_id"] == "spiffe://example.org/workload"
    end = subprocess.check_output(
        ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"], input=out.read(SVID).decode(), text=True
    )
    assert end.strip().replace(" ", "T") == "notAfter=" + line.fields["not_after"]


def test_files_of_another_helper(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    # The case in which the other helper keeps them for longer than the wait is tested in test_shared_dirs.py.
    out = make_certs(workdir)
    first = run_helper(config(agent))
    wait_published(first)
    before = out.state()
    beside = workdir / "beside"
    beside.mkdir()
    second = run_helper(one_shot(agent, cert_dir=out.directory), directory=beside)
    waiting = second.wait_log(lambda line: line.fields.get("event") == "locked")
    assert (waiting.level, loud(second)) == ("warning", [waiting])
    assert "30 s" in waiting.msg
    assert out.state() == before
    assert first.stop() == 0
    assert second.wait() == 0
    assert out.check() == agent_serial(agent)
    assert fetched(second) == ["Successfully fetched x509 certificates"]


@pytest.mark.parametrize("keys", [{}, tokens("web"), NO_X509 | {"jwt_bundle_file_name": JWT_BUNDLE}])
@pytest.mark.parametrize("fault, code", [("invalid", "InvalidArgument"), ("unimplemented", "Unimplemented")])
def test_a_server_other_than_an_agent(
    run_agent: AgentRun, run_helper: Run, workdir: Path, keys: dict[str, object], fault: str, code: str
) -> None:
    make_certs(workdir)
    agent = run_agent("-fault", fault)
    helper = run_helper(one_shot(agent, **keys))
    assert ends_at_once(helper) == 1
    first = next(line for line in helper.log if line.level == "error")
    assert code in first.msg
    assert "retry_in" not in first.fields


def test_an_agent_that_refuses_after_a_valid_answer(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    svids = [entry("web"), entry("db", hint="nobody")]
    helper = run_helper(one_shot(agent, **NO_X509, jwt_svids=svids, log_level="debug"))
    helper.wait_log(lambda line: line.fields.get("event") == "jwt_svid_published")
    wait_error(helper, "nobody")
    agent.fault("invalid")
    assert helper.wait() == 1
    refused = wait_error(helper, "InvalidArgument")
    assert "retry_in" not in refused.fields
    assert lines_of(helper, "timed_out") == []


# What one-shot mode does not do.


def test_no_child_and_no_health_endpoint(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # A daemon could not start: the port is in use.
        health = {"listener_enabled": True, "bind_port": taken.getsockname()[1]}
        helper = run_helper(one_shot(agent, health_checks=health, **recorder.keys()))
        assert helper.wait() == 0
    assert recorder.events() == []
    *ignored, without_effect = loud(helper)
    assert [line.msg.split(" is set but")[0] for line in ignored] == ["cmd", "renew_signal"]
    assert all("will be ignored" in line.msg for line in ignored)
    assert without_effect.msg == "health_checks.listener_enabled has no effect without daemon_mode = true"
    assert lines_of(helper, "child_started") == []
    assert "Starting health server" not in helper.log_text()
    assert (workdir / "certs" / SVID).exists()
