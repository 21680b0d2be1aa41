"""Scenarios for the rules of examples/siem, with the rules that must fire: each is recorded from the real program.

    stage = Stage(directory, agent, run_helper)
    SCENARIOS["key-removed"].play(stage)
    stage.lines()
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from children import Recorder
from devagent import DevAgent
from helper import ROOT, SLOW, Helper, LogLine, program, wait_until
from published import KEY, SVID, agent_serial, hcl, make_certs, rotate

CONFIG = ROOT / "examples/siem/helper.conf"
# More than in an hour with any usual lifetime: with 5 minutes there are 24.
ROTATIONS = 120


class Stage:
    """An agent, and helpers that run one after the other with the example's configuration."""

    def __init__(self, directory: Path, agent: DevAgent, run: Callable[..., Helper]) -> None:
        self.directory = directory
        self.agent = agent
        self.certs = make_certs(directory)
        self.raw: list[str] = []  # of programs other than our helpers
        self._run = run
        self._helpers: list[Helper] = []

    @property
    def helper(self) -> Helper:
        return self._helpers[-1]

    def config(self, **keys: object) -> str:
        """The example's configuration, with other values of its keys and further ones."""
        text = CONFIG.read_text()
        for key, value in {"agent_address": self.agent.endpoint, **keys}.items():
            line = f"{key} = {hcl(value)}\n"
            text, replaced = re.subn(rf"^{key} = .*\n", lambda _, line=line: line, text, flags=re.MULTILINE)
            text += "" if replaced else line
        return text

    def start(self, *, published: bool = True, tokens: bool = True, **keys: object) -> Helper:
        """Waits until all files are written, unless `published` is false."""
        config = self.config(**keys)
        if not tokens:
            config = re.sub(r"^jwt_.*\n", "", config, flags=re.MULTILINE)
        helper = self._run(config, directory=self.directory)
        self._helpers.append(helper)
        if published:
            helper.wait_log("X.509 certificates updated")
            if tokens:
                self.wait("jwt_svid_published")
                self.wait("jwt_bundle_published")
        return helper

    def wait(self, event: str, *, count: int = 1, **fields: str) -> None:
        """Waits until the last helper has logged this number of events with these fields."""

        def matches(line: LogLine) -> bool:
            return ({"event": event} | fields).items() <= line.fields.items()

        wait_until(
            lambda: sum(map(matches, self.helper.log)) >= count,
            f"{count} {event}, {fields}, of\n{self.helper.log_text()}",
            20,
        )

    def wait_each(self, event: str, *kinds: str) -> None:
        for kind in kinds or ("x509", "bundle"):
            self.wait(event, kind=kind)

    def lines(self) -> list[str]:
        """All logs in order, unchanged."""
        return [line.raw for helper in self._helpers for line in helper.log] + self.raw


def identity_lost(stage: Stage) -> None:
    stage.start()
    stage.agent.deny()
    stage.wait_each("identity_denied")


def identity_denied(stage: Stage) -> None:
    stage.agent.deny()
    stage.start(published=False)
    stage.wait_each("identity_denied", "x509", "bundle", "jwt")


def identity_unexpected(stage: Stage) -> None:
    """The agent issues another identity; its authority is another one too, since it was restarted."""
    stage.start()
    stage.agent.stop()
    stage.agent.start("-id", "/admin")
    stage.wait("svid_published", spiffe_id="spiffe://example.org/admin")
    stage.wait_each("stream_restored")


def agent_replaced(stage: Stage) -> None:
    """Another process answers on the agent's socket."""
    # Without JWT: the order of its bundles and the new trust domain, and so a refusal, is not defined.
    stage.start(tokens=False)
    stage.agent.stop()
    stage.agent.start("-trust-domain", "evil.example")
    stage.wait("svid_published", spiffe_id="spiffe://evil.example/workload")


def trust_domain_unexpected(stage: Stage) -> None:
    stage.agent.federated(1)
    stage.start()
    stage.agent.federated(2)
    stage.wait("bundle_changed", trust_domain="federated-2.example")


def trust_domains_unexpected_at_start(stage: Stage) -> None:
    """More than the limit of trust domains with their own line."""
    stage.agent.federated(40)
    stage.start()


def trust_domain_removed(stage: Stage) -> None:
    stage.agent.federated(1)
    stage.start()
    stage.agent.federated(0)
    stage.wait("bundle_changed", change="removed")


def authority_added(stage: Stage) -> None:
    stage.start()
    stage.agent.rotate_ca()
    stage.wait("bundle_changed", change="changed")


def refused(fault: str) -> Callable[[Stage], None]:
    def play(stage: Stage) -> None:
        stage.start()
        stage.agent.fault(fault)
        stage.wait("update_refused", kind="x509")

    return play


def token_refused(stage: Stage) -> None:
    stage.agent.fault("jwt-bad-signature")
    stage.start(published=False)
    stage.wait("update_refused", kind="jwt")


def bundle_refused(stage: Stage) -> None:
    stage.agent.federated(1)
    stage.start()
    stage.agent.fault("bad-federated")
    stage.wait("bundle_refused")


def files_changed(stage: Stage) -> None:
    """Another process replaces the authorities and removes the certificate."""
    stage.start()
    (stage.certs.directory / "..data" / "svid_bundle.pem").write_text("another authority\n")
    (stage.certs.directory / SVID).unlink()
    stage.agent.resend()  # the helper also checks every 10 s
    stage.wait("files_repaired")


def cert_dir_open(stage: Stage) -> None:
    stage.certs.directory.chmod(0o777)
    stage.start()
    stage.wait("insecure_dir")


def write_failed(stage: Stage) -> None:
    """A directory is in place of the certificate."""
    stage.start()
    link = stage.certs.directory / SVID
    link.unlink()
    (link / "occupied").mkdir(parents=True)
    stage.agent.rotate()
    stage.wait("write_failed")


def not_renewed(stage: Stage) -> None:
    stage.agent.restart("-ttl", "4s", "-rotate-every", "0")
    stage.start()
    stage.wait("expiring")
    stage.wait("expired")


def key_removed(stage: Stage) -> None:
    stage.start(revoke_after="1s")
    stage.agent.deny()
    stage.wait_each("identity_denied")
    stage.wait("revoked")
    wait_until(lambda: not (stage.certs.directory / KEY).exists(), "the key to be removed")


def program_fails(stage: Stage) -> None:
    stage.start(cmd="false", restart="on-failure")
    stage.wait("child_exited", count=3)


def program_fails_once(stage: Stage) -> None:
    stage.start(cmd="false")
    stage.wait("child_exited")


def renew_cmd_fails(stage: Stage) -> None:
    stage.start(renew_cmd="false")
    stage.wait("renew_cmd_failed")


def helper_restarts(stage: Stage) -> None:
    for _ in range(3):
        stage.start()
        stage.helper.kill()


def config_refused(stage: Stage) -> None:
    stage.start()
    stage.helper.config_file.write_text(stage.config(svid_file_nam=SVID))
    stage.helper.send(signal.SIGHUP)
    stage.wait("config_reload_refused")


def log_dropped(stage: Stage) -> None:
    """The log is a pipe of one page that is not read for a while."""
    config = stage.directory / "helper.conf"
    config.write_text(stage.config())
    command = [program(), "-config", config]
    with subprocess.Popen(command, cwd=stage.directory, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as helper:
        assert helper.stderr is not None
        pipe = helper.stderr.fileno()
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
            # The log lines of 30 rotations have three times as many bytes.
            for _ in range(30):
                stage.agent.rotate()
                serial = agent_serial(stage.agent)
                wait_until(lambda: f"{serial:X}" in published_serial(stage), "a rotation on disk")
            read = b""
            while b"log_dropped" not in read:
                assert select.select([pipe], [], [], 10 * SLOW)[0], read
                read += os.read(pipe, 65536)
                stage.agent.rotate()
        finally:
            helper.terminate()
        # The last line may be incomplete.
        stage.raw = read.decode().rpartition("\n")[0].splitlines()


def published_serial(stage: Stage) -> str:
    try:
        svid = (stage.certs.directory / SVID).read_bytes()
    except FileNotFoundError:
        return ""
    done = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=svid, capture_output=True, check=True)
    return done.stdout.decode()


def normal(stage: Stage) -> None:
    """An hour without an attack: rotations, a reload, an agent that is gone for a moment, a restart."""
    stage.agent.federated(1)
    recorder = Recorder(stage.directory)
    helper = stage.start(**recorder.keys())
    recorder.wait("started")
    for _ in range(ROTATIONS):
        rotate(stage.agent, helper)
    stage.agent.rotate_jwt()
    stage.wait("jwt_bundle_published", count=2)
    helper.config_file.write_text(stage.config(**recorder.keys(), log_level="info"))
    helper.send(signal.SIGHUP)
    stage.wait("config_reloaded")
    # An agent's restart from the helper's view: streams end, no server listens for a second, then all is as before.
    stage.agent.disconnect()
    stage.agent.fault("unavailable")
    stage.wait_each("stream_lost")
    stage.agent.command("available")
    stage.wait_each("stream_restored")
    rotate(stage.agent, helper)
    assert helper.stop() == 0
    helper = stage.start(**recorder.keys())
    recorder.wait("started", 2)
    rotate(stage.agent, helper)
    assert helper.stop() == 0


@dataclass(frozen=True)
class Scenario:
    play: Callable[[Stage], None]
    fires: frozenset[str]


def fires(play: Callable[[Stage], None], *rules: str) -> Scenario:
    return Scenario(play, frozenset(rules))


# Named like the recorded logs in examples/siem/logs.
SCENARIOS = {
    "identity-lost": fires(identity_lost, "identity-lost"),
    "identity-denied": fires(identity_denied, "identity-denied"),
    "identity-unexpected": fires(identity_unexpected, "identity-unexpected", "authority-added"),
    "agent-replaced": fires(
        agent_replaced, "identity-unexpected", "trust-domain-unexpected", "trust-domain-removed"
    ),
    "trust-domain-unexpected": fires(trust_domain_unexpected, "trust-domain-unexpected"),
    "trust-domains-unexpected": fires(trust_domains_unexpected_at_start, "trust-domain-unexpected"),
    "trust-domain-removed": fires(trust_domain_removed, "trust-domain-removed"),
    "authority-added": fires(authority_added, "authority-added"),
    "wrong-key": fires(refused("wrong-key"), "update-refused"),
    "wrong-authority": fires(refused("wrong-ca"), "update-refused"),
    "other-id": fires(refused("wrong-id"), "update-refused"),
    "token-refused": fires(token_refused, "update-refused"),
    "bundle-refused": fires(bundle_refused, "bundle-refused"),
    "files-changed": fires(files_changed, "files-changed"),
    "cert-dir-open": fires(cert_dir_open, "cert-dir-open"),
    "write-failed": fires(write_failed, "write-failed"),
    "not-renewed": fires(not_renewed, "not-renewed"),
    "key-removed": fires(key_removed, "identity-lost", "key-removed"),
    "program-fails": fires(program_fails, "program-fails"),
    "program-fails-once": fires(program_fails_once),
    "renew-cmd-fails": fires(renew_cmd_fails, "program-not-notified"),
    "helper-restarts": fires(helper_restarts, "helper-restarts"),
    "config-refused": fires(config_refused, "config-refused"),
    "log-dropped": fires(log_dropped, "log-dropped"),
    "normal": fires(normal),
}
