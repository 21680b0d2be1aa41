"""Ports for the servers of a test."""

from __future__ import annotations

import socket

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A loopback port that stays reserved until this process ends.

    While a socket is bound to it, the kernel does not choose it for bind(2) with port 0 or for connect(2). A server that
    sets SO_REUSEADDR, as servers do, can still bind it, because the reserving socket does not listen.
    """
    reserving = socket.socket()
    reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserving.bind(("127.0.0.1", 0))
    _reserved.append(reserving)
    return int(reserving.getsockname()[1])


def accepts(address: tuple[str, int] | str) -> bool:
    """Whether a server listens there: a host and a port, or the path of a Unix socket."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        return probe.connect_ex(address) == 0
