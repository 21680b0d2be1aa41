"""The health endpoint and the metrics of a running helper."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
from pathlib import Path

import certs
import pytest
from children import Recorder
from devagent import DevAgent
from helper import SLOW, Run, program, wait_until
from ports import free_port
from probe import Answer, ask, samples
from published import SVID, config, lines_of, make_certs, rotate, wait_published
from tokens import ID, JWT_BUNDLE, entry, read_claims, tokens, wait_jwt_bundle, wait_token

FAMILIES = {
    "build_info": "gauge",
    "svid_not_after_seconds": "gauge",
    "jwt_svid_not_after_seconds": "gauge",
    "bundle_not_after_seconds": "gauge",
    "federated_bundles_refused_total": "counter",
    "identity_denied": "gauge",
    "updates_total": "counter",
    "last_update_seconds": "gauge",
    "stream_connected": "gauge",
    "stream_reconnects_total": "counter",
    "publications_total": "counter",
    "write_errors_total": "counter",
    "child_up": "gauge",
    "child_starts_total": "counter",
    "child_restarts_total": "counter",
    "child_exits_total": "counter",
    "signals_total": "counter",
}


@pytest.fixture
def port() -> int:
    return free_port()


def health(port: int | None, **more: object) -> dict[str, object]:
    block = {"listener_enabled": True, "bind_address": "127.0.0.1", "bind_port": port} | more
    return {"health_checks": {key: value for key, value in block.items() if value is not None}}


def states(answer: Answer) -> dict[str, str]:
    """States of all files; the name of X.509 is ""."""
    found = answer.json()["health"]["file_write_statuses"]
    x509 = {"": found["x509_write_status"]} if "x509_write_status" in found else {}
    return dict(found["jwt_write_status"]) | x509


def wait_ready(where: int | Path, code: int, timeout: float = 10.0) -> Answer:
    # Returns the matching answer itself, since with a short lifetime the next one may differ.
    def answer() -> Answer | None:
        now = ask(where, "/ready")
        return now if now.code == code else None

    found = wait_until(answer, f"readiness {code}", timeout)
    assert found is not None
    return found


# The states of the files.


def test_unwritten_and_written(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    agent.deny()
    keys = health(port) | {"jwt_svids": [entry("web")], "jwt_bundle_file_name": JWT_BUNDLE}
    helper = run_helper(config(agent, **keys))
    started = helper.wait_log("Starting health server")
    assert started.fields["address"] == f"127.0.0.1:{port}"
    helper.wait_log("Error while watching x509 context")
    files = {"", "certs/web.jwt", f"certs/{JWT_BUNDLE}"}
    live, ready = ask(port, "/live"), ask(port, "/ready")
    assert (live.code, ready.code) == (200, 503)
    assert ready.json()["status"] == "Service Unavailable"
    assert ready.json()["identity_denied"] is True
    assert states(live) == states(ready) == dict.fromkeys(files, "unwritten")
    agent.allow()
    wait_published(helper)
    wait_jwt_bundle(helper)
    wait_token(helper, "web")
    for path in ("/live", "/ready"):
        answer = ask(port, path)
        assert answer.code == 200
        assert states(answer) == dict.fromkeys(files, "written")
        # Go's answer, byte for byte.
        assert answer.body.startswith(
            '{"status":"OK","health":{"file_write_statuses":{"x509_write_status":"written","jwt_write_status":{'
        )
        assert set(answer.json()) == {"status", "health"}


def test_outputs_that_are_not_configured_are_left_out(
    agent: DevAgent, run_helper: Run, workdir: Path, port: int
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **tokens("web"), **health(port)))
    wait_token(helper, "web")
    assert states(wait_ready(port, 200)) == {"certs/web.jwt": "written"}


def test_x509_alone(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    wait_published(run_helper(config(agent, **health(port))))
    assert wait_ready(port, 200).body == (
        '{"status":"OK","health":{"file_write_statuses":{"x509_write_status":"written",'
        '"jwt_write_status":{}}}}'
    )


@pytest.mark.agent("-jwt-ttl", "2s")
def test_failed_and_written_again(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    out = make_certs(workdir)
    keys = health(port, metrics_path="/metrics") | {"jwt_svids": [entry("web")]}
    helper = run_helper(config(agent, **keys))
    wait_published(helper)
    wait_token(helper, "web")
    assert wait_ready(port, 200)
    away = workdir / "away"
    out.directory.rename(away)
    agent.rotate()
    wait_until(lambda: set(states(ask(port, "/live")).values()) == {"failed"}, "both to fail")
    assert ask(port, "/live").code == ask(port, "/ready").code == 503
    counted = samples(port)
    assert counted['write_errors_total{kind="x509"}'] > 0
    assert counted['write_errors_total{kind="jwt"}'] > 0
    away.rename(out.directory)
    assert set(states(wait_ready(port, 200)).values()) == {"written"}
    assert ask(port, "/live").code == 200
    out.check()


def test_an_update_that_is_refused_changes_no_state(
    agent: DevAgent, run_helper: Run, workdir: Path, port: int
) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **health(port)))
    wait_published(helper)
    agent.fault("wrong-key")
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
    assert states(wait_ready(port, 200)) == {"": "written"}


# Expiry.


@pytest.mark.agent("-ttl", "3s", "-rotate-every", "1s")
def test_an_identity_that_expires(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, **health(port)))
    wait_published(helper)
    wait_ready(port, 200)
    agent.kill()
    answer = wait_ready(port, 503)
    assert states(answer) == {"": "written"}
    assert list(answer.json()["expired"]) == ["x509"]
    assert ask(port, "/live").code == 200, "a restart would not help"
    agent.start()
    assert states(wait_ready(port, 200)) == {"": "written"}


@pytest.mark.agent("-jwt-ttl", "2s")
def test_a_token_that_expires(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, jwt_svids=[entry("web")], **health(port)))
    wait_published(helper)
    wait_token(helper, "web")
    wait_ready(port, 200)
    agent.kill()
    answer = wait_ready(port, 503)
    assert list(answer.json()["expired"]) == ["certs/web.jwt"]
    assert helper.wait_log("The JWT-SVID on disk has expired").fields["path"] == "web.jwt"
    assert ask(port, "/live").code == 200
    agent.start()
    wait_ready(port, 200)


# The server.


@pytest.mark.parametrize("address", ["127.0.0.1", None], ids=["one", "all"])
def test_a_port_in_use(agent: DevAgent, run_helper: Run, workdir: Path, address: str | None) -> None:
    make_certs(workdir)
    with socket.create_server((address or "", 0)) as taken:
        number = taken.getsockname()[1]
        helper = run_helper(config(agent, **health(number, bind_address=address)))
        assert helper.wait() == 1
    said = helper.log_text()
    assert "health checks: listen on" in said
    assert f":{number}: address already in use" in said
    assert not (workdir / "certs" / SVID).exists()


def test_all_addresses(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    wait_published(run_helper(config(agent, **health(port, bind_address=None))))
    assert wait_ready(port, 200)


def test_a_unix_socket_alone(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    path = workdir / "health.sock"
    # A leftover socket does not matter.
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(path))
    left_over.close()
    helper = run_helper(config(agent, **health(None, bind_address=None, unix_socket=path)))
    wait_published(helper)
    assert wait_ready(path, 200)
    assert [line.fields["address"] for line in helper.log if line.msg == "Starting health server"] == [
        str(path)
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert helper.stop() == 0
    assert not path.exists()


def test_a_unix_socket_and_a_port(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    path = workdir / "health.sock"
    wait_published(run_helper(config(agent, **health(port, unix_socket=path))))
    assert wait_ready(port, 200) == wait_ready(path, 200)


def test_paths_and_methods(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    make_certs(workdir)
    paths = {"liveness_path": "/healthz", "readiness_path": "/up/ready"}
    wait_published(run_helper(config(agent, **health(port, **paths))))
    wait_until(lambda: ask(port, "/up/ready").code == 200, "readiness")
    assert ask(port, "/healthz?verbose").code == 200
    head = ask(port, "/healthz", "HEAD")
    assert (head.code, head.content_type, head.body) == (200, "application/json", "")
    for path in ("/live", "/ready", "/", "/up", "/metrics", "/up/ready/"):
        missing = ask(port, path)
        assert (missing.code, missing.body) == (404, "404 page not found\n")
        assert ask(port, path, "HEAD").code == 404


def test_silent_clients_do_not_delay_others(
    agent: DevAgent, run_helper: Run, workdir: Path, port: int
) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, **health(port)))
    wait_published(helper)
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        for client in silent[10:]:
            client.sendall(b"GET /ready HTTP/1.1\r\nX-Slow: ")
        for _ in range(5):
            out.check(rotate(agent, helper, timeout=2))
            assert ask(port, "/ready").code == 200
    finally:
        for client in silent:
            client.close()
    assert helper.stop() == 0


# Metrics.


def kinds(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE spiffe_helper_(\w+) (\w+)$", text, re.MULTILINE))


@pytest.mark.agent("-jwt-ttl", "2s", "-federated", "1")
def test_metrics_count_events(agent: DevAgent, run_helper: Run, workdir: Path, port: int) -> None:
    out = make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys() | health(port, metrics_path="/metrics")
    keys |= {"jwt_svids": [entry("web")], "jwt_bundle_file_name": JWT_BUNDLE}
    helper = run_helper(config(agent, **keys))
    wait_published(helper)
    recorder.wait("started")
    wait_jwt_bundle(helper)
    wait_token(helper, "web")
    assert kinds(ask(port, "/metrics").body) == FAMILIES
    first = samples(port)
    leaf = certs.load_leaf(out.read(SVID))
    not_after = int(leaf.not_valid_after_utc.timestamp())
    assert first[f'svid_not_after_seconds{{spiffe_id="{ID}"}}'] == not_after
    assert first['bundle_not_after_seconds{trust_domain="example.org"}'] > not_after
    assert [first[f'stream_connected{{kind="{kind}"}}'] for kind in ("x509", "jwt", "bundle")] == [1, 1, 1]
    assert (first["child_up"], first["child_starts_total"], first["identity_denied"]) == (1, 1, 0)

    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    mark = helper.mark()
    agent.rotate_jwt()
    wait_jwt_bundle(helper, mark)
    wait_token(helper, "web", helper.mark())
    for fault in ("wrong-key", "bad-jwt-bundle", "jwt-expired"):
        mark = helper.mark()
        agent.fault(fault)
        helper.wait_log(lambda line: line.fields.get("event") == "update_refused", since=mark)
    now = samples(port)
    token_end = read_claims(helper, "web")["exp"]
    assert now['jwt_svid_not_after_seconds{file="certs/web.jwt"}'] == token_end
    for kind in ("x509", "jwt", "bundle"):
        grown = [
            f'updates_total{{kind="{kind}",result="accepted"}}',
            f'updates_total{{kind="{kind}",result="refused"}}',
            f'publications_total{{kind="{kind}"}}',
        ]
        for name in grown:
            assert now[name] > first[name], name
    assert now['signals_total{result="sent"}'] >= 1


def test_metrics_of_a_lost_agent_and_a_lost_child(
    agent: DevAgent, run_helper: Run, workdir: Path, port: int
) -> None:
    make_certs(workdir)
    recorder = Recorder(workdir)
    keys = recorder.keys("--exit", "3") | health(port, metrics_path="/metrics")
    helper = run_helper(config(agent, **keys, jwt_bundle_file_name=JWT_BUNDLE))
    wait_published(helper)
    wait_jwt_bundle(helper)
    wait_until(lambda: samples(port)["child_exits_total"] == 1, "the child's end")
    assert samples(port)["child_up"] == 0
    agent.drop()
    wait_until(lambda: len(lines_of(helper, "stream_restored")) == 2, "both streams")
    back = samples(port)
    for kind in ("x509", "bundle"):
        assert back[f'stream_reconnects_total{{kind="{kind}"}}'] == 1
        assert back[f'stream_connected{{kind="{kind}"}}'] == 1
    agent.deny()
    helper.wait_log(lambda line: line.fields.get("event") == "identity_denied" and line.fields["kind"] == "x509")
    denied = samples(port)
    assert denied["identity_denied"] == 1
    assert denied['stream_connected{kind="x509"}'] == 0


# The command "health".


def command(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(), "health", *words], capture_output=True, text=True, env={}, cwd=cwd, timeout=20 * SLOW
    )


def test_the_command_uses_the_configured_endpoint(
    agent: DevAgent, run_helper: Run, workdir: Path, port: int
) -> None:
    make_certs(workdir)
    wait_published(run_helper(config(agent, **health(port))))
    done = command("-config", workdir / "helper.conf")
    assert (done.returncode, done.stdout, done.stderr) == (0, "status  OK\nx509    written\n", "")
    # The default file is read like run's.
    assert command("-liveness", cwd=workdir).returncode == 0
    told = json.loads(command("-address", f"127.0.0.1:{port}", "-output", "json").stdout)
    assert told == {
        "address": f"tcp://127.0.0.1:{port}",
        "path": "/ready",
        "code": 200,
        "answer": ask(port, "/ready").json(),
    }


def test_the_command_reports_the_reason(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    agent.fault("deny")
    path = workdir / "health.sock"
    helper = run_helper(config(agent, health_checks={"listener_enabled": True, "unix_socket": str(path)}))
    # The helper listens: the path alone may exist a moment before.
    helper.wait_log("PermissionDenied")
    wait_until(lambda: "identity_denied" in ask(path, "/ready").body, "the denial")
    done = command("-unix-socket", path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "status           Service Unavailable",
        "x509             unwritten",
        "identity_denied  yes",
    ]
    error, hint = done.stderr.splitlines()
    assert error == "error: not ready: /ready answers 503 Service Unavailable"
    assert hint == "hint: spiffe-helper doctor looks for the reason, the log has it"
    assert command("-unix-socket", path, "-liveness").returncode == 0
    helper.stop()
    done = command("-config", workdir / "helper.conf")
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: nobody answers at unix://{path}: ")


def test_the_command_without_an_endpoint(workdir: Path) -> None:
    (workdir / "helper.conf").write_text('cert_dir = "certs"\n')
    done = command(cwd=workdir)
    assert done.returncode == 1
    assert done.stderr.startswith("error: health checks are not enabled in the configuration\nhint: ")
    assert command("-address", "nonsense").returncode == 2
    assert command("-address", "127.0.0.1:1", "-unix-socket", "/x").returncode == 2


def test_the_command_has_a_time_limit(workdir: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        done = command("-address", f"127.0.0.1:{silent.getsockname()[1]}", "-timeout", "50ms")
    assert done.returncode == 124
    hint = "hint: a server listens there: is it the helper, and what does its log say?\n"
    assert done.stderr.endswith(" within 50ms\n" + hint)
