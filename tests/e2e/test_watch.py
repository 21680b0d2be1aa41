"""spiffe-helper watch: every update and its changes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from devagent import DevAgent
from helper import SANITIZERS, SLOW, program

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Watch:
    def __init__(self, endpoint: str, *words: str) -> None:
        env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": endpoint}
        self.process = subprocess.Popen(
            [program(), "watch", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None and self.process.stderr is not None
        self.out = self.process.stdout
        self.err = self.process.stderr

    def event(self, *, jwt: bool = False) -> dict[str, Any]:
        """The next event about X.509 or JWT bundles, with -output json."""
        while True:
            found = dict(json.loads(self.out.readline()))
            if jwt == (found["event"] == "jwt_update" or found.get("kind") == "jwt"):
                return found

    def lines(self, last: str) -> list[str]:
        """The lines up to the first match."""
        found: list[str] = []
        while not found or not re.search(last, found[-1]):
            line = self.out.readline()
            assert line, f"ended after {found}: {self.err.read()}"
            found.append(line.rstrip("\n"))
        return found

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(10 * SLOW)


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    started: list[Watch] = []

    def start(agent: DevAgent, *words: str) -> Watch:
        started.append(Watch(agent.endpoint, *words))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.mark.agent("-id", "/web,hint=internal", "-federated", "1")
def test_text(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    running = watch(agent)
    first = running.lines("CN=federated-1")
    assert re.fullmatch(f"{TIME}  update 1", first[0])
    assert first[1:3] == ["  + spiffe://example.org/web", "    hint     internal"]
    labels = ["serial", "SHA-256", "valid", "+", "authority", "+", "authority"]
    assert [line.split()[0] for line in first[3:]] == labels
    serial = first[3].split()[1]

    jwt = [line for _ in range(2) for line in running.lines("    key  ")]
    assert re.fullmatch(f"{TIME}  JWT bundles", jwt[0])
    assert jwt[1] == "  + JWT bundle of example.org"
    assert jwt[3] == "  + JWT bundle of federated-1.example"

    agent.rotate()
    second = running.lines("valid ")
    assert re.fullmatch(rf"{TIME}  update 2, \d+m?s after the last", second[0])
    assert second[1] == "  ~ spiffe://example.org/web"
    assert second[2].startswith("    new serial  ") and serial not in second[2]

    agent.resend()
    assert running.lines("update 3")[0].endswith(": nothing changed")

    agent.rotate_ca()
    third = running.lines("    added  ")
    assert "  ~ bundle of example.org" in third

    agent.federated(0)
    assert "  - federated bundle of federated-1.example" in running.lines("  - federated")

    agent.fault("wrong-ca")
    bad = running.lines("    bad  ")
    assert any("update 6" in line for line in bad)
    for line in first + second + third + bad:
        assert len(line) <= 80
    assert running.stop() == 0
    assert running.err.read() == ""


def test_json(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    running = watch(agent, "-output", "json")
    first = running.event()
    assert list(first) == ["time", "event", "number", "restored", "changes", "svids"]
    assert (first["event"], first["number"], first["restored"]) == ("update", 1, False)
    assert first["changes"]["svids"][0]["change"] == "added"
    assert first["changes"]["bundles"][0]["authorities_added"]
    before = first["svids"][0]

    agent.rotate()
    second = running.event()
    (change,) = second["changes"]["svids"]
    assert (change["change"], change["what"]) == ("changed", ["certificate"])
    assert change["previous"]["chain"][0]["serial"] == before["chain"][0]["serial"]
    assert second["svids"][0]["chain"][0]["serial"] != before["chain"][0]["serial"]
    assert second["changes"]["bundles"] == []

    agent.drop()
    lost = running.event()
    assert list(lost) == ["time", "event", "kind", "cause", "hint", "retry_in_ms"]
    assert lost["event"] == "lost" and lost["cause"].startswith("Unavailable: ")
    again = running.event()
    assert again["restored"] is True
    assert again["changes"] == {"svids": [], "bundles": []}
    assert running.stop(signal.SIGTERM) == 0


def test_jwt_bundles(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    text, running = watch(agent), watch(agent, "-output", "json")
    text.lines("    key  ")
    first = running.event(jwt=True)
    assert list(first) == ["time", "event", "number", "restored", "problem", "changes", "bundles"]
    assert (first["number"], first["restored"], first["problem"]) == (1, False, "")
    (change,) = first["changes"]
    assert (change["change"], change["trust_domain"]) == ("added", "example.org")
    (bundle,) = first["bundles"]
    assert bundle["jwt_authorities"] == change["keys_added"]

    agent.rotate_jwt()
    second = running.event(jwt=True)
    (change,) = second["changes"]
    assert change["change"] == "changed"
    assert change["keys_added"][0] in second["bundles"][0]["jwt_authorities"]
    lines = text.lines("    added  ")
    assert "  ~ JWT bundle of example.org" in lines
    assert change["keys_added"][0]["key_id"] in lines[-1]
    assert text.stop() == 0 and running.stop() == 0


def test_the_agent_is_lost_and_comes_back(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    running = watch(agent)
    running.lines("    key  ")
    agent.stop()
    lost = running.lines("  hint ")
    assert re.fullmatch(f"{TIME}  the agent was lost", lost[0])
    assert "cannot reach the agent at unix://" in " ".join(lost)
    assert re.fullmatch(r"  SVID   \d+m\d+s left", running.lines("  SVID ")[-1])
    assert running.err.readline().startswith("waiting for the agent: cannot reach the agent at ")
    agent.start()
    back = running.lines("update")[-1]
    assert re.search(r"update 2, \d+m?s after the last, the agent is back", back)
    assert running.stop() == 0


def test_before_the_first_update_it_waits(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    agent.deny()
    running = watch(agent)
    assert running.err.readline() == "waiting for an identity: PermissionDenied: no identity issued\n"
    agent.allow()
    assert "update 1" in running.lines("update")[0]
    assert running.stop() == 0


def test_the_time_limit_is_for_the_first_update(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    running = watch(agent, "-timeout", f"{1000 * SLOW:.0f}ms")
    running.lines("authority")
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(1.2 * SLOW)
    agent.deny()
    running.lines("no identity any more")
    assert watch(agent, "-timeout", f"{1000 * SLOW:.0f}ms").process.wait(10 * SLOW) == 3


def test_it_ends_when_its_output_is_closed(agent: DevAgent, watch: Callable[..., Watch]) -> None:
    running = watch(agent)
    running.lines("authority")
    running.out.close()
    # At once, not at the next update, which may be half a lifetime later.
    assert running.process.wait(10 * SLOW) == 1
    assert running.err.read() == "error: cannot write to standard output: broken pipe\n"
