"""Messages that are compressed or very large: refused or read, without a delay for others."""

from __future__ import annotations

import gzip
import signal
from pathlib import Path
from types import ModuleType

import grpc
import pytest
from devagent import DevAgent
from devagent_client import api as api  # noqa: PLC0414
from helper import SANITIZERS, Run, wait_until
from published import config, lines_of, make_certs, wait_published
from serving import Server, first_message

MOST_SVIDS = 10_000


def serving(server: Server, **keys: object) -> str:
    return config(None, agent_address=f"unix://{server.socket}", **keys)


def test_a_compressed_message_is_refused_and_retried(
    agent: DevAgent, api: ModuleType, run_helper: Run, workdir: Path
) -> None:
    out = make_certs(workdir)
    honest = first_message(api, agent.socket)
    bomb = api.X509SVIDResponse()
    bomb.CopyFrom(honest)
    bomb.crl.append(bytes(60_000_000))
    with Server(workdir / "s", bomb.SerializeToString(), grpc.Compression.Gzip) as server:
        assert len(gzip.compress(server.message, 6)) < 100_000
        helper = run_helper(serving(server))
        lost = helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
        assert "the agent sends compressed messages, which are not taken" in lost.msg
        assert lost.fields["retry_in"]
        assert lost.fields["hint"]
        server.message = honest.SerializeToString()
        server.compression = None
        out.check(wait_published(helper, timeout=15))
        if not SANITIZERS:
            assert helper.rss() < 40_000_000
        assert helper.stop() == 0


def message_of(api: ModuleType, honest: object, svids: int) -> bytes:
    """The agent's SVID, then the same with other hints."""
    message = api.X509SVIDResponse()
    message.CopyFrom(honest)
    for number in range(1, svids):
        more = message.svids.add()
        more.CopyFrom(message.svids[0])
        more.hint = str(number)
    return message.SerializeToString()


def test_many_svids(agent: DevAgent, api: ModuleType, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    honest = first_message(api, agent.socket)
    with Server(workdir / "s", message_of(api, honest, MOST_SVIDS)) as server:
        helper = run_helper(serving(server))
        out.check(wait_published(helper))
        (rest,) = lines_of(helper, "svid_finding")
        assert rest.msg == "9899 of 9999 SVIDs that are not selected are not examined"
        assert helper.stop() == 0


def test_too_many_svids(agent: DevAgent, api: ModuleType, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    honest = first_message(api, agent.socket)
    with Server(workdir / "s", message_of(api, honest, 4 * MOST_SVIDS)) as server:
        assert len(server.message) < 64 * 1024 * 1024
        helper = run_helper(serving(server))
        refused = helper.wait_log(lambda line: line.fields.get("event") == "update_refused")
        assert refused.fields["error"] == "the message holds 40000 SVIDs, at most 10000 are taken"
        assert helper.stop(timeout=1) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_does_not_wait_for_a_message(
    agent: DevAgent, api: ModuleType, run_helper: Run, workdir: Path, number: signal.Signals
) -> None:
    make_certs(workdir)
    honest = first_message(api, agent.socket)
    with Server(workdir / "s", message_of(api, honest, MOST_SVIDS)) as server:
        helper = run_helper(serving(server))
        wait_until(lambda: server.streams > 0, "the stream to be opened")
        assert helper.stop(number, timeout=1) == 0
