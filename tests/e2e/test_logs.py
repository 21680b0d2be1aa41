"""The log: messages that users search for, its formats and levels, and no secrets."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import certs
import pytest
from children import Recorder
from devagent import DevAgent
from helper import Helper, Run, wait_until
from published import (
    KEY,
    SVID,
    agent_serial,
    config,
    make_certs,
    openssl_serial,
    rotate,
    wait_published,
    wait_serial,
)

BARE = r"[-A-Za-z0-9._/@^+]"
QUOTED = r'"(?:[^"\\]|\\.)*"'
# The format of logrus: time, level, msg, then the fields.
LOGRUS = re.compile(
    r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=(?:debug|info|warning|error|fatal) '
    rf"msg=({QUOTED}|{BARE}+)((?: [a-z_0-9]+=(?:{QUOTED}|{BARE}*))+)"
)


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


def wait_refused(helper: Helper, since: int = 0) -> None:
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused", since=since)


def test_the_log_of_a_run(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent))
    wait_published(helper)
    rotate(agent, helper)
    assert helper.stop() == 0
    spiffe_id = 'spiffe_id="spiffe://example.org/workload" system=spiffe-helper'
    parts = [
        f'level=info msg="Using configuration file: \\"{helper.config_file}\\"" system=spiffe-helper',
        'level=info msg="Launching daemon" event=started system=spiffe-helper',
        'level=info msg="Watching for X509 Context" ',
        f'level=info msg="Received update" {spiffe_id}',
        'level=info msg="X.509 certificates updated" event=svid_published ',
        f'level=info msg="Received update" {spiffe_id}',
        'level=info msg="X.509 certificates updated" event=svid_published ',
        "level=info msg=Exiting system=spiffe-helper",
    ]
    lines = [line.raw for line in helper.log]
    at = 0
    for part in parts:
        found = [i for i in range(at, len(lines)) if part in lines[i]]
        assert found, f"no {part!r} after line {at}:\n{helper.log_text()}"
        at = found[0] + 1
    assert at == len(lines), "Exiting comes last"


def test_logrus_text(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug", **recorder.keys()))
    recorder.wait("started")
    rotate(agent, helper)
    agent.fault("wrong-key")
    wait_refused(helper)
    agent.drop()
    agent.rotate()
    wait_serial(helper, agent_serial(agent))
    assert helper.stop() == 0
    for line in helper.log:
        match = LOGRUS.fullmatch(line.raw)
        assert match, line.raw
        keys = re.findall(rf" ([a-z_0-9]+)=(?:{QUOTED}|{BARE}*)", match[2])
        assert keys == sorted(keys), line.raw
        assert line.fields["system"] == "spiffe-helper"
        for value in re.findall(rf"=({QUOTED})", line.raw.partition(" ")[2]):
            assert re.search(rf"(?!{BARE}).", value[1:-1]), f"{value} needs no quotes: {line.raw}"


def test_json(agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder) -> None:
    make_certs(workdir)
    begin = datetime.now(timezone.utc).replace(microsecond=0)
    helper = run_helper(config(agent, log_format="json", **recorder.keys()))
    recorder.wait("started")
    serial = rotate(agent, helper)
    leaf = certs.load_leaf((workdir / "certs" / SVID).read_bytes())
    recorder.wait("SIGUSR1")
    agent.fault("expired")
    wait_refused(helper)
    agent.drop()
    helper.wait_log(lambda line: line.fields.get("event") == "stream_restored")
    assert helper.stop() == 0
    lines = [json.loads(line.raw) for line in helper.log]
    for line in lines:
        assert {"time", "level", "msg", "system"} <= set(line)
        assert line["level"] in ("info", "warning", "error")
        assert begin <= datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    by_event = {line["event"]: line for line in lines if "event" in line}
    child = str(recorder.events("started")[0]["pid"])
    published = by_event["svid_published"]
    assert published["serial"] == openssl_serial(serial)
    assert published["spiffe_id"] == "spiffe://example.org/workload"
    assert published["not_after"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert str(by_event["child_started"]["pid"]) == child
    assert str(by_event["child_exited"]["pid"]) == child
    assert str(by_event["child_exited"]["exit_code"]) == "0"
    assert by_event["update_refused"]["error"]
    assert "signalled" in by_event
    for event in ("update_refused", "stream_lost", "stream_restored"):
        assert by_event[event]["kind"] == "x509"
    signalled = [line for line in lines if line.get("event") == "signalled"]
    assert [line["signal"] for line in signalled] == ["SIGUSR1", "SIGTERM"]


@pytest.mark.parametrize("layout", ["snapshot", "files", "in-place"])
def test_no_key_in_the_log(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, log_level="debug", layout=layout))
    wait_published(helper)
    keys = [out.read(KEY)]
    for _ in range(2):
        rotate(agent, helper)
        keys.append(out.read(KEY))
    for fault in ("wrong-key", "bad-key", "garbage-der", "truncated-der", "expired"):
        mark = helper.mark()
        agent.fault(fault)
        wait_refused(helper, mark)
    agent.drop()
    helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    assert helper.stop() == 0
    text = (workdir / "helper.log").read_bytes() + helper.stdout().encode()
    assert text.count(b"X.509 certificates updated") == 3
    assert b"PRIVATE" not in text
    for secret in [trace for key in keys for trace in traces_of(key)]:
        assert secret not in text


def traces_of(key: bytes) -> list[bytes]:
    """Parts of a key's file that would disclose it: lines of base64, and the secret number itself."""
    lines = [line for line in key.splitlines() if not line.startswith(b"-----")]
    der = base64.b64decode(b"".join(lines))
    at = der.index(b"\x02\x01\x01\x04\x20") + 5  # ECPrivateKey: version 1, then 32 bytes
    secret = der[at : at + 32]
    # The beginning of the first line is the same for all keys.
    return [lines[0][-20:], *lines[1:], secret.hex().encode(), secret.hex().upper().encode(), secret]


def test_the_level_error(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(config(agent, log_level="error"))
    wait_until(lambda: SVID in out.names(), "the files")
    agent.fault("expired")
    wait_refused(helper)
    assert helper.stop() == 0
    assert [line.level for line in helper.log] == ["error"]


def test_the_level_warning(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    out.directory.chmod(0o777)
    helper = run_helper(config(agent), "-log-level", "warning")
    helper.wait_log(lambda line: line.fields.get("event") == "insecure_dir")
    agent.fault("expired")
    wait_refused(helper)
    assert helper.stop() == 0
    assert [line.level for line in helper.log] == ["warning", "error"]


def test_the_level_debug(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    quiet = run_helper(config(agent))
    wait_published(quiet)
    agent.resend()
    rotate(agent, quiet)
    assert quiet.stop() == 0
    assert "debug" not in {line.level for line in quiet.log}
    verbose = run_helper(config(agent, log_level="debug"))
    wait_published(verbose)
    agent.resend()
    assert verbose.wait_log("X.509 certificates unchanged").level == "debug"


@pytest.mark.parametrize("colour", [True, False])
def test_the_short_form_on_a_terminal(agent: DevAgent, run_helper: Run, workdir: Path, colour: bool) -> None:
    make_certs(workdir)
    ours, theirs = pty.openpty()
    prefix = ["sh", "-c", f'exec "$@" 2>{os.ttyname(theirs)}', "sh"]
    helper = run_helper(config(agent), prefix=prefix, env={} if colour else {"NO_COLOR": "1"})
    seen = ""
    while "X.509 certificates updated" not in seen:
        seen += os.read(ours, 4096).decode()
    helper.stop()
    os.close(theirs)
    os.close(ours)
    assert ("\x1b[" in seen) == colour
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert re.search(r"^\d\d:\d\d:\d\d info +Launching daemon +event=started\r?$", plain, re.MULTILINE), plain
    assert "time=" not in plain


def test_every_line_is_a_line_of_the_log(
    run_agent: Callable[..., DevAgent], run_helper: Run, workdir: Path
) -> None:
    """Libraries print nothing themselves, whatever fails."""
    make_certs(workdir)
    agent = run_agent("-fault", "bad-id")
    helper = run_helper(config(agent, log_level="debug"))
    wait_refused(helper)
    agent.disconnect()
    helper.wait_log(lambda line: line.fields.get("event") == "stream_lost")
    agent.stop()
    agent.start()
    agent.clear()
    wait_serial(helper, agent_serial(agent), timeout=15)
    assert helper.stop() == 0
    assert [line.raw for line in helper.log if not line.level] == []
