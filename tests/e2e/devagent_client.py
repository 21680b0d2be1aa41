"""A Workload API client for tests of the development agent, and checks of SVIDs."""

from __future__ import annotations

import base64
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from devagent import ROOT, SLOW, DevAgent
from protos import generated

HEADER = (("workload.spiffe.io", "true"),)
OURS = "spiffe://example.org"
LIMIT = 64 * 1024 * 1024
WAIT_S = 10.0 * SLOW


@pytest.fixture(scope="module")
def api() -> ModuleType:
    """The generated types of workload.proto."""
    module, services = generated(ROOT / "proto/workload.proto")
    module.Stub = services.SpiffeWorkloadAPIStub  # type: ignore[attr-defined]
    return module


class Updates:
    """A stream's messages and the error that ended it, in order."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.queue: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for message in self.call:
                self.queue.put(message)
            self.queue.put(EOFError("the stream ended without an error"))
        except Exception as error:
            self.queue.put(error)

    def next(self) -> Any:
        message = self.queue.get(timeout=WAIT_S)
        assert not isinstance(message, Exception), message
        return message

    def error(self) -> Any:
        """The status that ended the stream; skips the messages before it."""
        while True:
            message = self.queue.get(timeout=WAIT_S)
            if isinstance(message, grpc.RpcError):
                return message.code()
            assert not isinstance(message, Exception), message


class Client:
    def __init__(self, api: ModuleType, agent: DevAgent) -> None:
        self.api = api
        # Each client has its own connection, and does not retry by default.
        options = [
            ("grpc.max_receive_message_length", LIMIT),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ]
        self.channel = grpc.insecure_channel(f"unix:{agent.socket}", options=options)
        self.stub = api.Stub(self.channel)

    def svids(self, metadata: Any = HEADER) -> Updates:
        return Updates(self.stub.FetchX509SVID(self.api.X509SVIDRequest(), metadata=metadata))

    def bundles(self) -> Updates:
        return Updates(self.stub.FetchX509Bundles(self.api.X509BundlesRequest(), metadata=HEADER))

    def jwt_bundles(self) -> Updates:
        return Updates(self.stub.FetchJWTBundles(self.api.JWTBundlesRequest(), metadata=HEADER))

    def jwt(self, *audience: str, spiffe_id: str = "") -> Any:
        request = self.api.JWTSVIDRequest(audience=audience, spiffe_id=spiffe_id)
        return self.stub.FetchJWTSVID(request, metadata=HEADER, timeout=WAIT_S)

    def validate(self, token: str, audience: str) -> Any:
        request = self.api.ValidateJWTSVIDRequest(audience=audience, svid=token)
        return self.stub.ValidateJWTSVID(request, metadata=HEADER, timeout=WAIT_S)


@pytest.fixture
def connect(api: ModuleType) -> Iterator[Callable[[DevAgent], Client]]:
    clients: list[Client] = []

    def new(agent: DevAgent) -> Client:
        clients.append(Client(api, agent))
        return clients[-1]

    yield new
    for client in clients:
        client.channel.close()


@pytest.fixture
def client(agent: DevAgent, connect: Callable[[DevAgent], Client]) -> Client:
    return connect(agent)


def certificates(der: bytes) -> list[x509.Certificate]:
    """Splits concatenated DER: each certificate begins with a SEQUENCE whose length has two bytes."""
    found = []
    while der:
        assert der[:2] == b"\x30\x82", "not a certificate"
        size = 4 + int.from_bytes(der[2:4], "big")
        found.append(x509.load_der_x509_certificate(der[:size]))
        der = der[size:]
    return found


def private_key(svid: Any) -> Any:
    return serialization.load_der_private_key(svid.x509_svid_key, None)


def spki(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))


def leaf(svid: Any) -> x509.Certificate:
    return certificates(svid.x509_svid)[0]


def uris(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


def is_ca(certificate: x509.Certificate) -> bool:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def decode(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def check_svid(svid: Any) -> None:
    """Checks everything that a consumer may expect of a valid SVID."""
    chain = certificates(svid.x509_svid)
    roots = certificates(svid.bundle)
    assert uris(chain[0]) == [svid.spiffe_id]
    assert not is_ca(chain[0])
    assert all(map(is_ca, [*chain[1:], *roots]))
    usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature
    assert not usage.value.key_cert_sign and not usage.value.crl_sign
    assert spki(private_key(svid).public_key()) == spki(chain[0].public_key())
    for below, above in zip(chain, chain[1:], strict=False):
        below.verify_directly_issued_by(above)
    chain[-1].verify_directly_issued_by(next(r for r in reversed(roots) if r.subject == chain[-1].issuer))
    assert chain[0].not_valid_before_utc.timestamp() <= time.time() < chain[0].not_valid_after_utc.timestamp()
