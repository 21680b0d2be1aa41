"""Replaces OPA's Envoy plugin: a real OPA decides on requests from a real Envoy.

    with Authorizer(port, opa, policy, "envoy/authz/allow") as authorizer:
        ... requests pass Envoy ...
        authorizer.inputs       # the policy's inputs, as for `opa eval -i`
"""

from __future__ import annotations

import json
import subprocess
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from protos import generated

PROTO = Path(__file__).with_name("ext_authz.proto")
PERMISSION_DENIED = 7


class Authorizer:
    def __init__(self, port: int, opa: Path, policy: Path, query: str) -> None:
        self.inputs: list[dict[str, Any]] = []
        self._messages, _ = generated(PROTO)
        self._command = [opa, "eval", "-f", "raw", "-I", "-d", policy, "data." + query.replace("/", ".")]
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=self._messages.CheckRequest.FromString,
            response_serializer=self._messages.CheckResponse.SerializeToString,
        )
        handler = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": check})
        self._server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[handler])
        assert self._server.add_insecure_port(f"127.0.0.1:{port}") == port

    def __enter__(self) -> Authorizer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def _check(self, request: Any, _: grpc.ServicerContext) -> Any:
        self.inputs.append(json_format.MessageToDict(request))
        verdict = subprocess.run(
            self._command, input=json.dumps(self.inputs[-1]), capture_output=True, text=True, check=True, timeout=30
        )
        allowed = {"true": True, "false": False}[verdict.stdout.strip()]
        return self._messages.CheckResponse(status={"code": 0 if allowed else PERMISSION_DENIED})
