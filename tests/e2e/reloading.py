"""Edits the configuration of a running helper while an agent rotates continuously."""

from __future__ import annotations

import signal
import threading
from typing import NamedTuple

from devagent import DevAgent
from helper import Helper, LogLine

ENDS = ("config_reloaded", "config_reload_refused")


def reload(
    helper: Helper, text: str, number: signal.Signals = signal.SIGHUP, event: str = "config_reloaded"
) -> LogLine:
    """Gives it this configuration; returns the line with the result."""
    helper.config_file.write_text(text)
    mark = helper.mark()
    helper.send(number)
    line = helper.wait_log(lambda line: line.fields.get("event") in ENDS, since=mark)
    assert line.fields["event"] == event, line.raw
    return line


def wait_event(helper: Helper, event: str, since: int = 0, timeout: float = 10.0) -> LogLine:
    return helper.wait_log(lambda line: line.fields.get("event") == event, timeout, since)


class Calls(NamedTuple):
    """The calls that an agent received; a reopened stream increases them."""

    connections: int
    streams: int
    open: int


def calls(agent: DevAgent) -> Calls:
    status = agent.status()
    return Calls(status["accepted"], status["rpcs"]["FetchX509SVID"], status["streams"])


def jwt_calls(agent: DevAgent) -> int:
    rpcs = agent.status()["rpcs"]
    return int(rpcs["FetchJWTSVID"] + rpcs["FetchJWTBundles"])


class Load:
    """Makes agents rotate as often as they can, until the block ends."""

    def __init__(self, *agents: DevAgent) -> None:
        self.rotations = 0
        self._agents = agents
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._rotate, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _rotate(self) -> None:
        while not self._over.wait(0.003):
            for agent in self._agents:
                agent.rotate()
            self.rotations += 1
