"""HTTP requests to the helper's health endpoint, on a port or a Unix socket."""

from __future__ import annotations

import http.client
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helper import SLOW

SAMPLE = re.compile(r"(\w+)(\{.*\})? (\d+)")


@dataclass(frozen=True)
class Answer:
    code: int
    content_type: str
    body: str

    def json(self) -> dict[str, Any]:
        assert self.content_type == "application/json"
        return dict(json.loads(self.body))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5 * SLOW)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(where: int | Path, path: str, method: str = "GET") -> Answer:
    """`where`: a port of 127.0.0.1, or a Unix socket."""
    if isinstance(where, int):
        connection = http.client.HTTPConnection("127.0.0.1", where, timeout=5 * SLOW)
    else:
        connection = UnixConnection(where)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return Answer(response.status, response.headers["Content-Type"], response.read().decode())
    finally:
        connection.close()


def samples(where: int | Path, path: str = "/metrics") -> dict[str, int]:
    """The metrics by name and labels, without their common prefix."""
    answer = ask(where, path)
    assert answer.code == 200
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.body.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        found[match[1].removeprefix("spiffe_helper_") + (match[2] or "")] = int(match[3])
    return found
