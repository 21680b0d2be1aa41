"""A Workload API server in the test's own process, for messages that a correct agent does not send."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import grpc
from devagent_client import HEADER

METHOD = "FetchX509SVID"


def first_message(api: ModuleType, socket: Path) -> Any:
    """The first message from the agent at `socket`."""
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        return next(iter(api.Stub(channel).FetchX509SVID(api.X509SVIDRequest(), metadata=HEADER)))


class Server:
    """Sends `message`, serialized, on each stream, which then stays open."""

    def __init__(self, socket: Path, message: bytes, compression: grpc.Compression | None = None) -> None:
        self.socket = socket
        self.message = message
        self.compression = compression
        self.streams = 0
        self._pool = ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool, options=[("grpc.max_send_message_length", -1)])
        handler = grpc.unary_stream_rpc_method_handler(self._serve)
        handlers = grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {METHOD: handler})
        self._server.add_generic_rpc_handlers((handlers,))
        assert self._server.add_insecure_port(f"unix:{socket}")

    def _serve(self, _: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.streams += 1
        if self.compression is not None:
            context.set_compression(self.compression)
        end = threading.Event()
        context.add_callback(end.set)
        yield self.message
        end.wait()

    def __enter__(self) -> Server:
        self._server.start()
        self.socket.chmod(0o666)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
