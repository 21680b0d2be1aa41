"""The development agent keeps its word: other tests rely on what it serves and on how it misbehaves."""

from __future__ import annotations

import base64
import importlib
import json
import os
import queue
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from devagent import ROOT, SLOW, AgentError, DevAgent

HEADER = (("workload.spiffe.io", "true"),)
OURS = "spiffe://example.org"
LIMIT = 64 * 1024 * 1024
WAIT_S = 10.0 * SLOW


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The messages of workload.proto."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("stubs")
    google = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT}/proto", f"-I{google}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main([*arguments, "workload.proto"]) == 0
    sys.path.insert(0, str(out))
    module = importlib.import_module("workload_pb2")
    module.Stub = importlib.import_module("workload_pb2_grpc").SpiffeWorkloadAPIStub  # type: ignore[attr-defined]
    return module


class Updates:
    """A stream's messages, and the error that ended it, as they come."""

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
        """The status that ends the stream; messages before it are skipped."""
        while True:
            message = self.queue.get(timeout=WAIT_S)
            if isinstance(message, grpc.RpcError):
                return message.code()
            assert not isinstance(message, Exception), message


class Client:
    def __init__(self, api: ModuleType, agent: DevAgent) -> None:
        self.api = api
        # Each client its own connection, and no second chance unless asked for.
        options = [
            ("grpc.max_receive_message_length", LIMIT),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ]
        self.channel = grpc.insecure_channel(f"unix:{agent.socket}", options=options)
        self.stub = api.Stub(self.channel)  # type: ignore[attr-defined]

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
    """Concatenated DER: each certificate begins with a SEQUENCE whose length has two bytes."""
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
    """Everything that a consumer may expect of a good SVID."""
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


# The process.


def test_sockets_are_private(agent: DevAgent) -> None:
    for path in (agent.socket, agent.control):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once_and_removes_its_sockets(agent: DevAgent, client: Client, number: int) -> None:
    updates = client.svids()
    updates.next()
    begin = time.monotonic()
    assert agent.stop(number) == 0
    assert time.monotonic() - begin < 1 * SLOW
    assert updates.error() == grpc.StatusCode.UNAVAILABLE
    assert not agent.socket.exists() and not agent.control.exists()


def test_replaces_a_dead_agents_socket_but_not_a_live_ones(agent: DevAgent) -> None:
    with pytest.raises(AgentError, match="somebody listens there"):
        DevAgent(agent.directory).start()
    agent.kill()
    assert agent.socket.is_socket()
    agent.start()
    assert agent.rotate() == 2


def test_says_who_connected(agent: DevAgent, client: Client) -> None:
    client.svids().next()
    assert f"connection from pid {os.getpid()} uid {os.getuid()}\n" in agent.log_text()


# The service.


@pytest.mark.parametrize(
    "metadata",
    [(), HEADER * 2, (("workload.spiffe.io", "false"),)],
    ids=["absent", "twice", "false"],
)
def test_wants_the_security_header(agent: DevAgent, client: Client, metadata: Any) -> None:
    with pytest.raises(grpc.RpcError) as error:
        next(client.stub.FetchX509SVID(client.api.X509SVIDRequest(), metadata=metadata))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == "security header missing from request"
    assert agent.status()["without_header"] == 1


@pytest.mark.agent("-id", "/web", "-id", "spiffe://example.org/db,hint=internal", "-federated", "3")
def test_serves_x509_svids(client: Client) -> None:
    message = client.svids().next()
    assert [(s.spiffe_id, s.hint) for s in message.svids] == [(f"{OURS}/web", ""), (f"{OURS}/db", "internal")]
    for svid in message.svids:
        check_svid(svid)
    assert set(message.federated_bundles) == {f"spiffe://federated-{i}.example" for i in (1, 2, 3)}
    for domain, bundle in message.federated_bundles.items():
        assert [uris(root) for root in certificates(bundle)] == [[domain]]


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("ec-p256", ec.EllipticCurvePrivateKey, 256),
        ("ec-p384", ec.EllipticCurvePrivateKey, 384),
        ("rsa-2048", rsa.RSAPrivateKey, 2048),
        ("rsa-4096", rsa.RSAPrivateKey, 4096),
        ("ed25519", ed25519.Ed25519PrivateKey, None),
    ],
)
def test_makes_keys_of_each_type(
    run_agent: Callable[..., DevAgent], connect: Callable[[DevAgent], Client], name: str, kind: type, size: int
) -> None:
    svid = connect(run_agent("-key-type", name)).svids().next().svids[0]
    check_svid(svid)
    key = private_key(svid)
    assert isinstance(key, kind)
    assert getattr(key, "key_size", None) == size


@pytest.mark.agent("-intermediate", "-cross-signed-root")
def test_signs_by_an_intermediate_under_a_cross_signed_root(client: Client) -> None:
    svid = client.svids().next().svids[0]
    check_svid(svid)
    assert len(certificates(svid.x509_svid)) == 2
    root = certificates(svid.bundle)[0]
    assert root.subject != root.issuer


@pytest.mark.agent("-ttl", "2s", "-rotate-every", "300ms")
def test_rotates_by_itself(client: Client) -> None:
    updates = client.svids()
    serials = {leaf(updates.next().svids[0]).serial_number for _ in range(3)}
    assert len(serials) == 3


def test_rotation_brings_a_new_key_under_the_old_authority(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    before = updates.next().svids[0]
    assert agent.rotate() == 2
    after = updates.next().svids[0]
    check_svid(after)
    assert after.x509_svid != before.x509_svid
    assert after.x509_svid_key != before.x509_svid_key
    assert after.bundle == before.bundle


def test_resend_repeats_the_state(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    before = updates.next()
    agent.resend()
    assert updates.next() == before


def test_new_authority_is_added_to_the_bundle(agent: DevAgent, client: Client) -> None:
    updates, bundles = client.svids(), client.bundles()
    before = updates.next().svids[0].bundle
    bundles.next()
    agent.rotate_ca()
    svid = updates.next().svids[0]
    check_svid(svid)
    assert len(certificates(svid.bundle)) == 2
    assert svid.bundle.startswith(before)
    assert bundles.next().bundles[OURS] == svid.bundle


def test_federation_changes_reach_all_streams(agent: DevAgent, client: Client) -> None:
    streams = [client.svids(), client.bundles(), client.jwt_bundles()]
    first = streams[0].next().svids[0]
    for stream in streams[1:]:
        stream.next()
    agent.federated(2)
    domains = {f"spiffe://federated-{i}.example" for i in (1, 2)}
    update = streams[0].next()
    assert update.svids[0] == first
    assert set(update.federated_bundles) == domains
    assert set(streams[1].next().bundles) == domains | {OURS}
    assert set(streams[2].next().bundles) == domains | {OURS}
    agent.federated(0)
    assert not streams[0].next().federated_bundles
    assert set(streams[1].next().bundles) == {OURS}


def test_revocation_lists(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    assert not updates.next().crl
    agent.crls(2)
    for der in updates.next().crl:
        x509.load_der_x509_crl(der)
    agent.crls(0)
    assert not updates.next().crl


@pytest.mark.agent("-id", "/a", "-id", "/b,hint=second", "-jwt-ttl", "90s")
def test_jwt_svids_verify(client: Client) -> None:
    response = client.jwt("audience-1", "audience-2")
    assert [(s.spiffe_id, s.hint) for s in response.svids] == [(f"{OURS}/a", ""), (f"{OURS}/b", "second")]
    token = response.svids[0].svid
    header, claims = map(decode, token.split(".")[:2])
    assert header["alg"] == "ES256" and header["typ"] == "JWT"
    assert claims["sub"] == f"{OURS}/a"
    assert claims["aud"] == ["audience-1", "audience-2"]
    assert claims["exp"] - claims["iat"] == 90
    (key,) = json.loads(client.jwt_bundles().next().bundles[OURS])["keys"]
    assert key["kid"] == header["kid"] and "use" not in key
    verify_es256(token, key)
    answer = client.validate(token, "audience-2")
    assert answer.spiffe_id == f"{OURS}/a"
    assert answer.claims["sub"] == f"{OURS}/a"
    assert list(answer.claims["aud"]) == ["audience-1", "audience-2"]
    assert [s.spiffe_id for s in client.jwt("x", spiffe_id=f"{OURS}/b").svids] == [f"{OURS}/b"]


def verify_es256(token: str, key: dict[str, str]) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    def number(text: str | bytes) -> int:
        raw = base64.urlsafe_b64decode(text + "==") if isinstance(text, str) else text
        return int.from_bytes(raw, "big")

    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert len(raw) == 64
    public = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key()
    public.verify(
        encode_dss_signature(number(raw[:32]), number(raw[32:])), signed.encode(), ec.ECDSA(hashes.SHA256())
    )


def test_jwt_calls_are_refused_as_the_standard_says(client: Client) -> None:
    token = client.jwt("here").svids[0].svid
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused: list[tuple[Callable[[], Any], grpc.StatusCode]] = [
        (lambda: client.jwt(), invalid),
        (lambda: client.jwt("x", spiffe_id=f"{OURS}/nobody"), grpc.StatusCode.PERMISSION_DENIED),
        (lambda: client.validate(token, "elsewhere"), invalid),
        (lambda: client.validate(token, ""), invalid),
        (lambda: client.validate("", "here"), invalid),
        (lambda: client.validate(token[:-8] + "AAAAAAAA", "here"), invalid),
        (lambda: client.validate("a.b.c", "here"), invalid),
    ]
    for call, code in refused:
        with pytest.raises(grpc.RpcError) as error:
            call()
        assert error.value.code() == code


def test_new_jwt_key_is_added_to_the_bundle(agent: DevAgent, client: Client) -> None:
    bundles = client.jwt_bundles()
    (old,) = json.loads(bundles.next().bundles[OURS])["keys"]
    token = client.jwt("here").svids[0].svid
    agent.rotate_jwt()
    keys = json.loads(bundles.next().bundles[OURS])["keys"]
    assert keys[0] == old and len(keys) == 2
    assert decode(client.jwt("here").svids[0].svid.split(".")[0])["kid"] == keys[1]["kid"]
    assert client.validate(token, "here").spiffe_id == f"{OURS}/workload"


def test_wit_svids_are_unimplemented(api: ModuleType, client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        next(client.stub.FetchWITSVID(api.WITSVIDRequest(), metadata=HEADER))
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


# Bursts.


def test_burst_keeps_its_rate_and_skips_nothing(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    serials = {leaf(updates.next().svids[0]).serial_number}
    agent.burst(500, 500)
    figures = agent.wait()
    assert figures["sent"] == 500
    assert figures["ms"] < 1100 * SLOW
    last = None
    for _ in range(500):
        last = updates.next().svids[0]
        serials.add(leaf(last).serial_number)
    assert len(serials) == 501
    check_svid(last)
    sent = agent.sent()
    assert [s.seq for s in sent] == list(range(1, 502))
    assert f"{leaf(last).serial_number:032x}" == sent[-1].serial == agent.status()["serial"]
    assert all(a.monotonic_ns < b.monotonic_ns for a, b in zip(sent, sent[1:], strict=False))


def test_a_burst_may_be_slow_but_the_end_is_not(agent: DevAgent) -> None:
    agent.burst(100, 0.01)
    with pytest.raises(AgentError, match="a burst is under way"):
        agent.burst(1, 1)
    begin = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begin < 1 * SLOW


# Behaviour.


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("deny", grpc.StatusCode.PERMISSION_DENIED),
        ("unavailable", grpc.StatusCode.UNAVAILABLE),
        ("invalid", grpc.StatusCode.INVALID_ARGUMENT),
        ("unimplemented", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_refuses_until_allowed(agent: DevAgent, client: Client, fault: str, code: grpc.StatusCode) -> None:
    streams = [client.svids(), client.bundles(), client.jwt_bundles()]
    for stream in streams:
        stream.next()
    agent.fault(fault)
    assert agent.status()["faults"] == [fault]
    assert [stream.error() for stream in streams] == [code] * 3
    assert client.svids().error() == code
    with pytest.raises(grpc.RpcError) as error:
        client.jwt("x")
    assert error.value.code() == code
    assert agent.status()["denied"] == 2
    agent.allow()
    check_svid(client.svids().next().svids[0])
    assert agent.status()["faults"] == []


def test_drop_ends_streams_once(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    updates.next()
    assert agent.wait_streams(1) == 1
    agent.drop()
    assert updates.error() == grpc.StatusCode.UNAVAILABLE
    assert agent.wait_streams(0) == 0
    client.svids().next()
    assert agent.status()["accepted"] == 1


def test_disconnect_closes_connections(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    updates.next()
    agent.disconnect()
    assert updates.error() == grpc.StatusCode.UNAVAILABLE
    agent.wait_streams(0)
    deadline = time.monotonic() + WAIT_S
    while agent.status()["connections"] > 0:
        assert time.monotonic() < deadline, "a connection stays open"
        time.sleep(0.01)


def test_closes_in_the_middle_of_a_message(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    updates.next()
    agent.fault("close-mid-message")
    assert isinstance(updates.queue.get(timeout=WAIT_S), grpc.RpcError), "a whole message came"
    check_svid(client.svids().next().svids[0])


def test_delays_messages(agent: DevAgent, client: Client) -> None:
    agent.fault("delay", 300)
    begin = time.monotonic()
    updates = client.svids()
    updates.next()
    assert time.monotonic() - begin >= 0.3
    begin = time.monotonic()
    client.jwt("x")
    assert time.monotonic() - begin >= 0.3
    agent.clear()
    agent.rotate()
    updates.next()


def test_streams_are_counted(agent: DevAgent, client: Client) -> None:
    with pytest.raises(AgentError, match="0 X.509 streams are open"):
        agent.wait_streams(1, timeout=0.05)
    streams = [client.svids() for _ in range(3)]
    assert agent.wait_streams(3) == 3
    streams[0].call.cancel()
    client.channel.close()
    agent.wait_streams(0)


def test_ends_at_once_after_a_slow_write(agent: DevAgent, client: Client) -> None:
    agent.federated(500)
    call = client.stub.FetchX509SVID(client.api.X509SVIDRequest(), metadata=HEADER)
    agent.wait_streams(1)
    for _ in range(10):
        agent.rotate()
    next(call)
    begin = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begin < 1 * SLOW


def test_a_slow_client_gets_the_newest_state(agent: DevAgent, client: Client) -> None:
    agent.federated(500)  # some 300 kB: more than flow control lets through unread
    call = client.stub.FetchX509SVID(client.api.X509SVIDRequest(), metadata=HEADER)
    agent.wait_streams(1)
    for _ in range(30):
        newest = agent.rotate()
    assert agent.status()["skipped"] > 0
    for message in call:
        if f"{leaf(message.svids[0]).serial_number:032x}" == agent.status()["serial"]:
            break
    assert agent.status()["seq"] == newest


# Spoiled messages. Every check gets the spoiled message and the good one before it.


def refuses(parse: Callable[[], Any]) -> bool:
    try:
        parse()
    except (ValueError, AssertionError, TypeError):
        return True
    return False


def signed_by_bundle(svid: Any) -> bool:
    try:
        leaf(svid).verify_directly_issued_by(certificates(svid.bundle)[0])
    except InvalidSignature:
        return False
    return True


def seconds_from_now(moment: Any) -> float:
    return float(moment.timestamp() - time.time())


def key_matches(svid: Any) -> bool:
    return spki(private_key(svid).public_key()) == spki(leaf(svid).public_key())


SPOILED_SVIDS: dict[str, Callable[[Any], bool]] = {
    "truncated-der": lambda s: s.x509_svid[:2] == b"\x30\x82" and refuses(lambda: certificates(s.x509_svid)),
    "trailing-der": lambda s: s.x509_svid.endswith(b"trailing") and refuses(lambda: certificates(s.x509_svid)),
    "garbage-der": lambda s: s.x509_svid[:1] != b"\x30",
    "wrong-key": lambda s: not key_matches(s),
    "bad-key": lambda s: refuses(lambda: private_key(s)),
    "wrong-id": lambda s: [s.spiffe_id] == [uri + "-other" for uri in uris(leaf(s))],
    "bad-id": lambda s: s.spiffe_id.startswith("https://"),
    "expired": lambda s: seconds_from_now(leaf(s).not_valid_after_utc) < 0 and signed_by_bundle(s),
    "not-yet-valid": lambda s: 15 < seconds_from_now(leaf(s).not_valid_before_utc) <= 20,
    "wrong-ca": lambda s: leaf(s).issuer == certificates(s.bundle)[0].subject and not signed_by_bundle(s),
    "ca-leaf": lambda s: is_ca(leaf(s)),
    "no-uri": lambda s: uris(leaf(s)) == [],
    "two-uris": lambda s: len(uris(leaf(s))) == 2,
    "empty-id": lambda s: s.spiffe_id == "",
    "empty-svid": lambda s: s.x509_svid == b"",
    "empty-key": lambda s: s.x509_svid_key == b"",
    "empty-bundle": lambda s: s.bundle == b"",
    "bad-bundle": lambda s: s.bundle[:1] != b"\x30",
    "unknown-hint": lambda s: s.hint == "unknown",
}
SPOILED_MESSAGES: dict[str, Callable[[Any], bool]] = {
    "no-svids": lambda m: not m.svids,
    "bad-federated": lambda m: m.federated_bundles["spiffe://federated-1.example"][:1] != b"\x30"
    and m.federated_bundles["spiffe://federated-2.example"][:1] == b"\x30",
}
ELSEWHERE = {"oversized", "no-jwt-bundles", "bad-jwt-bundle", "delay", "drop", "disconnect"} | {
    "deny", "unavailable", "invalid", "unimplemented", "close-mid-message"
}  # fmt: skip


def test_every_fault_is_tested(agent: DevAgent) -> None:
    jwt = {name for name in agent.faults() if name.startswith("jwt-")}
    assert set(agent.faults()) - jwt == set(SPOILED_SVIDS) | set(SPOILED_MESSAGES) | ELSEWHERE
    assert jwt == set(SPOILED_TOKENS)


@pytest.mark.agent("-id", "/a", "-id", "/b", "-federated", "2")
@pytest.mark.parametrize("fault", SPOILED_SVIDS)
def test_spoils_svids(agent: DevAgent, client: Client, fault: str) -> None:
    updates = client.svids()
    updates.next()
    spoiled = SPOILED_SVIDS[fault]
    agent.fault(fault)
    message = updates.next()
    assert [spoiled(svid) for svid in message.svids] == [True, True]
    assert agent.status()["faults"] == [fault]
    agent.fault(f"{fault}@2")
    message = updates.next()
    check_svid(message.svids[0])
    assert [spoiled(svid) for svid in message.svids] == [False, True]
    agent.rotate()
    for svid in updates.next().svids:
        check_svid(svid)


@pytest.mark.agent("-federated", "2")
@pytest.mark.parametrize("fault", SPOILED_MESSAGES)
def test_spoils_messages(agent: DevAgent, client: Client, fault: str) -> None:
    updates = client.svids()
    updates.next()
    agent.fault(fault)
    assert SPOILED_MESSAGES[fault](updates.next())
    agent.clear()
    message = updates.next()
    assert not SPOILED_MESSAGES[fault](message)
    check_svid(message.svids[0])


def test_oversized_messages_are_more_than_clients_take(agent: DevAgent, client: Client) -> None:
    updates = client.svids()
    updates.next()
    agent.fault("oversized")
    assert updates.error() == grpc.StatusCode.RESOURCE_EXHAUSTED
    agent.rotate()
    check_svid(client.svids().next().svids[0])


def test_spoils_jwt_bundles(agent: DevAgent, client: Client) -> None:
    bundles = client.jwt_bundles()
    bundles.next()
    agent.fault("no-jwt-bundles")
    assert not bundles.next().bundles
    agent.fault("bad-jwt-bundle")
    assert refuses(lambda: json.loads(bundles.next().bundles[OURS]))
    agent.rotate()
    assert json.loads(bundles.next().bundles[OURS])["keys"]


@pytest.mark.parametrize("fault", ["expired", "deny"])
def test_starts_with_a_fault(
    run_agent: Callable[..., DevAgent], connect: Callable[[DevAgent], Client], fault: str
) -> None:
    agent = run_agent("-fault", fault)
    updates = connect(agent).svids()
    if fault == "deny":
        assert updates.error() == grpc.StatusCode.PERMISSION_DENIED
    else:
        assert SPOILED_SVIDS[fault](updates.next().svids[0])
    agent.clear()
    check_svid(connect(agent).svids().next().svids[0])


SPOILED_TOKENS: dict[str, Callable[[Any, Any], bool]] = {
    "jwt-expired": lambda header, claims: claims["exp"] < time.time(),
    "jwt-bad-signature": lambda header, claims: True,
    "jwt-unknown-key": lambda header, claims: header["kid"] == "unknown",
    "jwt-wrong-audience": lambda header, claims: claims["aud"] == ["somebody-else"],
    "jwt-wrong-id": lambda header, claims: claims["sub"] == f"{OURS}/workload-other",
}


@pytest.mark.parametrize("fault", SPOILED_TOKENS)
def test_spoils_tokens(agent: DevAgent, client: Client, fault: str) -> None:
    agent.fault(fault)
    svid = client.jwt("here").svids[0]
    assert svid.spiffe_id == f"{OURS}/workload"
    assert SPOILED_TOKENS[fault](*map(decode, svid.svid.split(".")[:2]))
    if fault != "jwt-wrong-id":
        with pytest.raises(grpc.RpcError):
            client.validate(svid.svid, "here")
    agent.clear()
    client.validate(client.jwt("here").svids[0].svid, "here")


# The control socket.


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "no fault is called"),
        ("wrong-keys", 'did you mean "wrong-key"?'),
        ("fault delay", "delay needs MS"),
        ("fault deny 3", "deny takes no argument"),
        ("fault deny@1", "does not concern one SVID"),
        ("fault wrong-key@2", "no such SVID"),
        ("fault wrong-key@0", "counted from 1"),
        ("rotate now", "rotate takes no argument"),
        ("burst 5", "burst COUNT RATE"),
        ("burst 5 0", "a rate is"),
        ("burst 5 nan", "a rate is"),
        ("federated -1", "not a number"),
        ("federated 1000000", "at most"),
        ("streams", "streams N"),
    ],
)
def test_control_complains(agent: DevAgent, line: str, complaint: str) -> None:
    with pytest.raises(AgentError, match=complaint.replace("?", r"\?")):
        agent.command(line)
    assert agent.rotate() == 2


def test_control_takes_several_lines_at_once(agent: DevAgent) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(agent.control))
        connection.sendall(b"rotate\r\nrotate\nsta")
        connection.sendall(b"tus\n")
        lines = connection.makefile()
        assert [next(lines)[:8] for _ in range(3)] == ["ok seq=2", "ok seq=3", 'ok {"acc']
