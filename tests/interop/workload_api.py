"""A Workload API with authorities of the test, for federation: bundles and foreign certificates.

    own, other = Authority("example.org"), Authority("partner.example")
    with WorkloadApi(directory / "agent.sock", own) as api:
        api.federate(other)
        other.issue("/web", directory)     # svid.pem and svid_key.pem
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from helper import ROOT
from protos import generated

HOUR = datetime.timedelta(hours=1)


class Authority:
    """A root of a trust domain."""

    def __init__(self, trust_domain: str) -> None:
        self.trust_domain = trust_domain
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{trust_domain} root")])
        self.root = self._sign(self.name, self.key.public_key(), f"spiffe://{trust_domain}", ca=True)

    @property
    def der(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.DER)

    def svid(self, spiffe_id: str) -> tuple[bytes, bytes]:
        """Certificate and key in DER, for any ID."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
        leaf = self._sign(name, key.public_key(), spiffe_id, ca=False)
        encoding, form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
        return (
            leaf.public_bytes(encoding),
            key.private_bytes(encoding, form, serialization.NoEncryption()),
        )

    def write(self, spiffe_id: str, directory: Path) -> Path:
        """Writes the same as PEM, to files with the usual names."""
        leaf, key = self.svid(spiffe_id)
        directory.mkdir()
        pem = serialization.Encoding.PEM
        (directory / "svid.pem").write_bytes(x509.load_der_x509_certificate(leaf).public_bytes(pem))
        loaded = serialization.load_der_private_key(key, None)
        form = serialization.PrivateFormat.PKCS8
        (directory / "svid_key.pem").write_bytes(loaded.private_bytes(pem, form, serialization.NoEncryption()))
        return directory

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, uri: str, *, ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        usage = {
            name: False
            for name in (
                "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
            )
        }
        usage["key_cert_sign" if ca else "digital_signature"] = True
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + HOUR)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if not ca:
            purposes = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return builder.sign(self.key, hashes.SHA256())


class WorkloadApi:
    """Serves one X.509-SVID of `own`, and its federated bundles."""

    def __init__(self, socket: Path, own: Authority, spiffe_id: str) -> None:
        self.socket = socket
        self._own = own
        self._messages, _ = generated(ROOT / "proto/workload.proto")
        self._id = spiffe_id
        self._leaf, self._key = own.svid(spiffe_id)
        self._federated: list[Authority] = []
        self._version = 0
        self._changed = threading.Condition()
        self._ended = False

    def federate(self, *others: Authority) -> None:
        with self._changed:
            self._federated = list(others)
            self._version += 1
            self._changed.notify_all()

    def __enter__(self) -> WorkloadApi:
        self._pool = futures.ThreadPoolExecutor(8)
        self._server = grpc.server(self._pool)
        request = self._messages.X509SVIDRequest.FromString
        handlers = {
            "FetchX509SVID": grpc.unary_stream_rpc_method_handler(
                self._stream, request, lambda message: message.SerializeToString()
            )
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", handlers),)
        )
        assert self._server.add_insecure_port(f"unix:{self.socket}") == 1
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._server.stop(None).wait()
        self._pool.shutdown()

    def _message(self) -> Any:
        answer = self._messages.X509SVIDResponse()
        answer.svids.add(
            spiffe_id=self._id, x509_svid=self._leaf, x509_svid_key=self._key, bundle=self._own.der
        )
        for other in self._federated:
            answer.federated_bundles[f"spiffe://{other.trust_domain}"] = other.der
        return answer

    def _stream(self, _: object, context: grpc.ServicerContext) -> Iterator[Any]:
        sent = -1
        while context.is_active():
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._version != sent, timeout=1)
                if self._ended:
                    return
                if self._version == sent:
                    continue
                sent = self._version
                message = self._message()
            yield message
