"""A service manager's end of NOTIFY_SOCKET: records the helper's messages."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from helper import SLOW, TIMEOUT_S, wait_until


@dataclass(frozen=True)
class Message:
    at: float  # time.monotonic()
    text: str

    def get(self, name: str) -> str | None:
        """The value of an assignment."""
        for line in self.text.split("\n"):
            if line.startswith(f"{name}="):
                return line.removeprefix(f"{name}=")
        return None


class Manager:
    """`address`: a path, or "@" and an abstract name."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.messages: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._socket.close()

    @property
    def env(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.address}

    def _read(self) -> None:
        while text := self._socket.recv(65536):
            self.messages.append(Message(time.monotonic(), text.decode()))

    def phases(self) -> list[str]:
        """READY, RELOADING and STOPPING in the order of arrival."""
        found = []
        for message in list(self.messages):
            found += [name for name in ("READY", "RELOADING", "STOPPING") if message.get(name) == "1"]
        return found

    def wait(
        self, matches: Callable[[Message], object], what: str, since: int = 0, timeout: float = TIMEOUT_S
    ) -> Message:
        def found() -> list[Message]:
            return [message for message in self.messages[since:] if matches(message)]

        wait_until(found, f"{what} on NOTIFY_SOCKET", timeout)
        return found()[0]

    def wait_phase(self, name: str, since: int = 0) -> Message:
        return self.wait(lambda message: message.get(name) == "1", name, since)

    def gaps(self, name: str) -> list[float]:
        """Seconds between messages with this assignment, by the tests' clock."""
        times = [message.at for message in list(self.messages) if message.get(name) is not None]
        return [(after - before) / SLOW for before, after in zip(times, times[1:], strict=False)]
