"""The development agent behaves as documented: other tests rely on it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from devagent import SLOW, AgentError, DevAgent
from devagent_client import (
    HEADER,
    OURS,
    Client,
    api,
    certificates,
    check_svid,
    client,
    connect,
    decode,
    leaf,
    private_key,
    uris,
)

__all__ = ["api", "client", "connect"]  # fixtures


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


def test_logs_the_callers_user(agent: DevAgent, client: Client) -> None:
    client.svids().next()
    assert f"connection from pid {os.getpid()} uid {os.getuid()}\n" in agent.log_text()


# The service.


@pytest.mark.parametrize(
    "metadata",
    [(), HEADER * 2, (("workload.spiffe.io", "false"),)],
    ids=["absent", "twice", "false"],
)
def test_requires_the_security_header(agent: DevAgent, client: Client, metadata: Any) -> None:
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
    run_agent: Callable[..., DevAgent],
    connect: Callable[[DevAgent], Client],
    name: str,
    kind: type,
    size: int,
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


def test_jwt_calls_are_refused_as_the_standard_requires(client: Client) -> None:
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
    assert figures["ms"] >= 998, "499 intervals of 2 ms"
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
    # A busy machine delays a burst as a whole. Ten intervals of 2 ms are shorter afterwards, since it catches up.
    assert min(b.monotonic_ns - a.monotonic_ns for a, b in zip(sent[1:], sent[11:], strict=False)) < 22_000_000


def test_a_burst_may_be_slow_but_the_end_is_not(agent: DevAgent) -> None:
    agent.burst(100, 0.01)
    with pytest.raises(AgentError, match="a burst is under way"):
        agent.burst(1, 1)
    begin = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begin < 1 * SLOW


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
def test_control_reports_errors(agent: DevAgent, line: str, complaint: str) -> None:
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
