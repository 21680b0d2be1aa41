"""The faults of the development agent: other tests rely on them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from devagent import SLOW, AgentError, DevAgent
from devagent_client import (
    HEADER,
    OURS,
    WAIT_S,
    Client,
    Updates,
    api,
    certificates,
    check_svid,
    client,
    connect,
    decode,
    is_ca,
    leaf,
    private_key,
    spki,
    uris,
)

__all__ = ["api", "client", "connect"]  # fixtures


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


def closed_in_the_middle(agent: DevAgent, updates: Updates) -> bool:
    updates.next()
    agent.fault("close-mid-message")
    return isinstance(updates.queue.get(timeout=WAIT_S), grpc.RpcError)


def test_closes_in_the_middle_of_a_message(agent: DevAgent, connect: Callable[[DevAgent], Client]) -> None:
    # An agent that is delayed for the time of 32 MiB closes after the message.
    assert any(closed_in_the_middle(agent, connect(agent).svids()) for _ in range(10)), "whole messages came"
    # Another client, since that one may not have seen the end of its connection yet.
    check_svid(connect(agent).svids().next().svids[0])


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
    agent.federated(500)  # about 300 kB: more than flow control lets through unread
    call = client.stub.FetchX509SVID(client.api.X509SVIDRequest(), metadata=HEADER)
    agent.wait_streams(1)
    for _ in range(30):
        newest = agent.rotate()
    assert agent.status()["skipped"] > 0
    for message in call:
        if f"{leaf(message.svids[0]).serial_number:032x}" == agent.status()["serial"]:
            break
    assert agent.status()["seq"] == newest


# Spoiled messages. Every check gets the spoiled message and the valid one before it.


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
    "trailing-der": lambda s: (
        s.x509_svid.endswith(b"trailing") and refuses(lambda: certificates(s.x509_svid))
    ),
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
    "bad-federated": lambda m: (
        m.federated_bundles["spiffe://federated-1.example"][:1] != b"\x30"
        and m.federated_bundles["spiffe://federated-2.example"][:1] == b"\x30"
    ),
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


def test_oversized_messages_exceed_the_limit_of_clients(agent: DevAgent, client: Client) -> None:
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
