"""A real SPIRE server and agent in a directory of the test.

    with Spire(tmp_path, peers_dir()) as spire:
        spire.entry_create("spiffe://example.org/web")
        spire.wait_entry_visible("spiffe://example.org/web")
        ... spire.socket is the agent's Workload API ...

Everything listens on loopback or on Unix sockets in the directory. The logs are server.log and agent.log
there. A wait that fails raises SpireError with the end of the log.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ports import free_port

TRUST_DOMAIN = "example.org"
MAX_SOCKET_PATH = 103  # size of sun_path without NUL on the strictest system
POLL_S = 0.05
STOP_S = 10.0
BUILD_SH = Path(__file__).parent / "peers" / "build.sh"
UNAVAILABLE = 3  # build.sh's exit status if the peers cannot be built here

SERVER_CONF = """\
server {{
    bind_address = "127.0.0.1"
    bind_port = "{port}"
    socket_path = "{dir}/s.sock"
    trust_domain = "{trust_domain}"
    data_dir = "{dir}/server"
    log_level = "DEBUG"
    ca_ttl = "{ca_ttl}"
    default_x509_svid_ttl = "{x509_ttl}"
    default_jwt_svid_ttl = "5m"
    ratelimit {{
        attestation = false
    }}
    experimental {{
        cache_reload_interval = "{sync_interval}"
    }}
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{dir}/server/db"
        }}
    }}
    KeyManager "disk" {{
        plugin_data {{
            keys_path = "{dir}/server/keys"
        }}
    }}
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
}}
"""

AGENT_CONF = """\
agent {{
    server_address = "127.0.0.1"
    server_port = "{port}"
    socket_path = "{dir}/a.sock"
    trust_domain = "{trust_domain}"
    trust_bundle_path = "{dir}/bundle.pem"
    join_token = "{token}"
    data_dir = "{dir}/agent"
    log_level = "DEBUG"
    experimental {{
        sync_interval = "{sync_interval}"
    }}
}}
plugins {{
    KeyManager "disk" {{
        plugin_data {{
            directory = "{dir}/agent"
        }}
    }}
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    WorkloadAttestor "unix" {{
        plugin_data {{}}
    }}
}}
"""


class SpireError(RuntimeError):
    """A request to SPIRE failed."""


class PeersUnavailable(RuntimeError):
    """The peers cannot be built here; the text is the reason."""


def peers_dir(variable: str = "SPIFFE_PEERS", script: Path = BUILD_SH) -> Path:
    """The directory of the peers' programs, which the script builds unless the variable names it."""
    named = os.environ.get(variable)
    if named:
        return Path(named)
    built = subprocess.run([script], capture_output=True, text=True)
    if built.returncode == UNAVAILABLE:
        raise PeersUnavailable(built.stderr.strip().splitlines()[-1])
    if built.returncode != 0:
        raise SpireError(f"{script} failed:\n{built.stderr[-4000:]}")
    return Path(built.stdout.strip())


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End one of our processes, and reap it."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Spire:
    """A SPIRE server with one agent."""

    server_conf = SERVER_CONF

    def __init__(
        self,
        directory: str | os.PathLike[str],
        peers: str | os.PathLike[str],
        *,
        trust_domain: str = TRUST_DOMAIN,
        ca_ttl: str = "24h",
        x509_ttl: str = "1h",
        sync_interval: str = "500ms",
    ) -> None:
        self.dir = Path(directory).resolve()
        self.peers = Path(peers)
        self.trust_domain = trust_domain
        self.socket = self.dir / "a.sock"
        self.server_socket = self.dir / "s.sock"
        self.server_log = self.dir / "server.log"
        self.agent_log = self.dir / "agent.log"
        self.port = 0
        self.agent_id = ""
        self._settings = {"ca_ttl": ca_ttl, "x509_ttl": x509_ttl, "sync_interval": sync_interval}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        if len(os.fsencode(self.socket)) > MAX_SOCKET_PATH:
            raise ValueError(f"{self.socket} is too long for a Unix socket")

    def __enter__(self) -> Spire:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The value of SPIFFE_ENDPOINT_SOCKET for a workload."""
        return f"unix://{self.socket}"

    # Processes

    def start(self) -> None:
        """Start both; if that fails, neither is left running."""
        try:
            self.start_server()
            self._configure_agent()
            self.start_agent()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both, the agent first. May be called at any time, and more than once."""
        try:
            self.stop_agent()
        finally:
            self.stop_server()

    def start_server(self) -> None:
        """Start the server, on the port it had if it ran before."""
        (self.dir / "server").mkdir(parents=True, exist_ok=True)
        if self.port == 0:
            self.port = free_port()
            self._write_conf("server.conf", self.server_conf)
        self._start("spire-server", "server.conf", self.server_socket)

    def stop_server(self) -> None:
        self._stop("spire-server")

    def start_agent(self) -> None:
        """Start the agent. It keeps its identity after a restart."""
        (self.dir / "agent").mkdir(exist_ok=True)
        self._start("spire-agent", "agent.conf", self.socket)

    def stop_agent(self) -> None:
        self._stop("spire-agent")

    def restart_agent(self) -> None:
        self.stop_agent()
        self.start_agent()

    # Registration entries. The results are SPIRE's own JSON.

    def entry_create(
        self,
        spiffe_id: str,
        selectors: Iterable[str] | None = None,
        *,
        x509_ttl: int = 60,
        jwt_ttl: int = 60,
        hint: str | None = None,
        federates_with: Iterable[str] = (),
        dns: Iterable[str] = (),
        parent: str | None = None,
    ) -> str:
        """Register a workload of our agent, by default every process of our user; returns the entry ID."""
        arguments = ["-parentID", parent or self.agent_id, "-spiffeID", spiffe_id]
        arguments += ["-x509SVIDTTL", str(x509_ttl), "-jwtSVIDTTL", str(jwt_ttl)]
        for selector in [f"unix:uid:{os.getuid()}"] if selectors is None else selectors:
            arguments += ["-selector", selector]
        for trust_domain in federates_with:
            arguments += ["-federatesWith", self._trust_domain_id(trust_domain)]
        for name in dns:
            arguments += ["-dns", name]
        if hint is not None:
            arguments += ["-hint", hint]
        result = self._server_json("entry", "create", *arguments)
        return str(self._only_result(result)["entry"]["id"])

    def entry_change(self, entry_id: str, *, dns: Iterable[str]) -> None:
        """Change an entry's DNS names; its workloads get a new SVID at once."""
        (entry,) = self.entry_show(entry_id)
        arguments = ["-entryID", entry_id, "-parentID", self._id(entry["parent_id"])]
        arguments += ["-spiffeID", self._id(entry["spiffe_id"])]
        arguments += ["-x509SVIDTTL", str(entry["x509_svid_ttl"]), "-jwtSVIDTTL", str(entry["jwt_svid_ttl"])]
        for selector in entry["selectors"]:
            arguments += ["-selector", f"{selector['type']}:{selector['value']}"]
        for name in dns:
            arguments += ["-dns", name]
        self._only_result(self._server_json("entry", "update", *arguments))

    def entry_delete(self, entry_id: str) -> None:
        self._only_result(self._server_json("entry", "delete", "-entryID", entry_id))

    def entry_show(self, entry_id: str | None = None) -> list[dict[str, Any]]:
        arguments = [] if entry_id is None else ["-entryID", entry_id]
        return list(self._server_json("entry", "show", *arguments)["entries"])

    # Bundles

    def bundle_show(self, form: str = "pem") -> str:
        """Our trust domain's bundle, as "pem" or "spiffe" JSON."""
        return self._server_cli("bundle", "show", "-format", form)

    def bundle_set(self, trust_domain: str, bundle: str) -> None:
        """Set another trust domain's bundle, in PEM or SPIFFE JSON."""
        form = "spiffe" if bundle.lstrip().startswith("{") else "pem"
        identity = self._trust_domain_id(trust_domain)
        self._server_cli("bundle", "set", "-id", identity, "-format", form, stdin=bundle)

    # The Workload API, by SPIRE's own client

    def fetch_x509(self) -> list[dict[str, Any]]:
        """The X.509-SVIDs of a process of our user; empty if it has no identity."""
        command = ["api", "fetch", "x509", "-socketPath", str(self.socket), "-output", "json"]
        fetched = self._run("spire-agent", *command)
        if fetched.returncode != 0:
            if "no identity issued" in fetched.stdout + fetched.stderr:
                return []
            raise SpireError(f"spire-agent {' '.join(command)}: {fetched.stdout}{fetched.stderr}")
        return list(json.loads(fetched.stdout)["svids"])

    def wait_entry_visible(self, spiffe_id: str, timeout: float = 30) -> dict[str, Any]:
        """Wait until a process of our user gets this identity; returns the SVID."""

        def served() -> dict[str, Any] | None:
            return next((s for s in self.fetch_x509() if s["spiffe_id"] == spiffe_id), None)

        return dict(self._wait("spire-agent", timeout, f"{spiffe_id} to be served", served))

    def wait_entry_gone(self, spiffe_id: str, timeout: float = 30) -> None:
        """Wait until a process of our user no longer gets this identity."""

        def gone() -> bool:
            return all(s["spiffe_id"] != spiffe_id for s in self.fetch_x509())

        self._wait("spire-agent", timeout, f"{spiffe_id} to be gone", gone)

    # Internals

    def _configure_agent(self) -> None:
        (self.dir / "bundle.pem").write_text(self.bundle_show())
        token = str(self._server_json("token", "generate")["value"])
        self.agent_id = f"spiffe://{self.trust_domain}/spire/agent/join_token/{token}"
        self._write_conf("agent.conf", AGENT_CONF, token=token)

    def _write_conf(self, name: str, template: str, **more: str) -> None:
        settings = {"dir": self.dir, "port": self.port, "trust_domain": self.trust_domain}
        (self.dir / name).write_text(template.format(**settings, **self._settings, **more))

    def _start(self, program: str, conf: str, socket_path: Path) -> None:
        """Run a program and wait until it is healthy."""
        socket_path.unlink(missing_ok=True)
        with self._log(program).open("ab") as log:
            command = [self.peers / program, "run", "-config", self.dir / conf]
            self._processes[program] = self._popen(
                command, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        check = ["healthcheck", "-socketPath", str(socket_path)]
        self._wait(
            program,
            60,
            "its health",
            lambda: socket_path.exists() and self._run(program, *check).returncode == 0,
        )

    def _stop(self, program: str) -> None:
        process = self._processes.pop(program, None)
        if process is not None:
            stop_process(process)

    def _log(self, program: str) -> Path:
        return self.server_log if program == "spire-server" else self.agent_log

    def _run(
        self, program: str, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command: Sequence[str | Path] = [self.peers / program, *arguments]
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, **source)

    def _popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(command, **options)

    def _server_cli(self, *words: str, stdin: str | None = None) -> str:
        arguments = [*words, "-socketPath", str(self.server_socket)]
        done = self._run("spire-server", *arguments, stdin=stdin)
        if done.returncode != 0:
            raise SpireError(f"spire-server {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _server_json(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self._server_cli(*words, "-output", "json")))

    def _only_result(self, answer: dict[str, Any]) -> dict[str, Any]:
        # With JSON output the exit status is 0 even if the item failed.
        (result,) = answer["results"]
        if result["status"]["code"] != 0:
            raise SpireError(result["status"]["message"])
        return dict(result)

    def _id(self, parts: dict[str, str]) -> str:
        return f"spiffe://{parts['trust_domain']}{parts['path']}"

    def _trust_domain_id(self, trust_domain: str) -> str:
        prefix = "spiffe://"
        return trust_domain if trust_domain.startswith(prefix) else prefix + trust_domain

    def _wait(self, program: str, timeout: float, what: str, condition: Callable[[], Any]) -> Any:
        """Poll a condition while the program runs; returns its first true result."""
        deadline = time.monotonic() + timeout
        while True:
            if program not in self._processes:
                raise SpireError(f"{program} is not running: no use waiting for {what}")
            if self._processes[program].poll() is not None:
                raise SpireError(f"{program} ended before {what}:\n{self._log_end(program)}")
            outcome = condition()
            if outcome:
                return outcome
            if time.monotonic() > deadline:
                log = self._log_end(program)
                raise SpireError(f"{program}: waited {timeout} s for {what}:\n{log}")
            time.sleep(POLL_S)

    def _log_end(self, program: str) -> str:
        lines = self._log(program).read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])
