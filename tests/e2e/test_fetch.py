"""spiffe-helper fetch: one answer of the agent, shown or written."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from devagent import DevAgent
from helper import SANITIZERS, SLOW, program

WEB = "spiffe://example.org/web"
TWO = pytest.mark.agent("-id", "/web,hint=internal", "-id", "/db", "-federated", "2", "-intermediate")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str
    seconds: float


def fetch(agent: DevAgent | str, *words: str | Path, cwd: Path | None = None) -> Ran:
    address = agent if isinstance(agent, str) else agent.endpoint
    env = SANITIZERS | {"PATH": os.environ["PATH"], "SPIFFE_ENDPOINT_SOCKET": address}
    begin = time.monotonic()
    # A umask that must not affect modes.
    done = subprocess.run(
        [program(), "fetch", *words], capture_output=True, env=env, cwd=cwd, timeout=60 * SLOW, umask=0o077
    )
    assert b"PRIVATE" not in done.stdout + done.stderr
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode(), time.monotonic() - begin)


def as_json(agent: DevAgent, *words: str, code: int = 0) -> dict[str, Any]:
    ran = fetch(agent, *words, "-output", "json")
    assert ran.code == code, ran
    return dict(json.loads(ran.out))


def listing(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True, timeout=10).stdout


@TWO
def test_x509_shows_every_identity(agent: DevAgent) -> None:
    ran = fetch(agent, "x509")
    assert (ran.code, ran.err) == (0, "")
    web, db, federated = ran.out.split("\n\n")
    lines = [line.split(maxsplit=1) for line in web.splitlines()[1:]]
    assert web.splitlines()[0] == WEB
    assert [line[0] for line in lines] == ["hint", "valid", "serial", "SHA-256", "chain", "bundle", "good"]
    assert lines[0][1] == "internal"
    assert db.startswith("spiffe://example.org/db\n  valid ")
    assert federated.splitlines() == [
        "federated with 2 domains",
        "  federated-1.example  1 authority",
        "  federated-2.example  1 authority",
    ]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_x509_names_the_certificate_as_openssl_does(agent: DevAgent) -> None:
    (leaf,) = as_json(agent, "x509")["svids"][0]["chain"]
    pem = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-fingerprint", "-sha256"],
        input=leaf["pem"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout
    serial, fingerprint = (line.split("=", 1)[1] for line in pem.splitlines())
    assert leaf["serial"] == serial
    assert leaf["sha256"] == fingerprint.replace(":", "").lower()
    text = fetch(agent, "x509").out
    assert f"  serial   {serial}\n  SHA-256  {leaf['sha256']}\n" in text


@TWO
def test_x509_as_pem_has_each_chain_and_the_bundle_and_no_key(agent: DevAgent) -> None:
    ran = fetch(agent, "x509", "-output", "pem")
    assert ran.code == 0
    assert ran.err == "hint: the private key is not printed: -write DIR writes it, with mode 0600\n"
    out = as_json(agent, "x509")
    own = [bundle for bundle in out["bundles"] if bundle["own"]]
    wanted = [each["pem"] for svid in out["svids"] for each in svid["chain"]]
    wanted += [each["pem"] for bundle in own for each in bundle["x509_authorities"]]
    assert ran.out == "".join(wanted)
    assert "KEY" not in ran.out


def test_pem_of_an_invalid_svid_is_not_printed(agent: DevAgent) -> None:
    agent.fault("wrong-ca")
    ran = fetch(agent, "x509", "-output", "pem")
    assert (ran.code, ran.out) == (5, "")
    for verb in (["jwt", "-audience", "a"], ["bundles"]):
        ran = fetch(agent, *verb, "-output", "pem")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("error: -output pem is for fetch x509\nhint: ")


@TWO
def test_x509_json_has_what_text_shows(agent: DevAgent) -> None:
    out = as_json(agent, "x509")
    text = fetch(agent, "x509").out
    assert list(out) == ["svids", "bundles", "crls"]
    for svid in out["svids"]:
        assert list(svid) == ["spiffe_id", "hint", "good", "problem", "warnings", "chain"]
        leaf = svid["chain"][0]
        times = (leaf["not_before"], leaf["not_after"])
        for shown in (svid["spiffe_id"], leaf["serial"], leaf["sha256"], *times, svid["hint"]):
            assert shown in text
        assert svid["good"] and 3500 < leaf["remaining_seconds"] <= 3600
    assert [bundle["trust_domain"] for bundle in out["bundles"]] == [
        "example.org",
        "federated-1.example",
        "federated-2.example",
    ]


@TWO
def test_one_identity_of_several(agent: DevAgent) -> None:
    assert [s["hint"] for s in as_json(agent, "x509", "-hint", "internal")["svids"]] == ["internal"]
    assert [s["hint"] for s in as_json(agent, "x509", "-spiffe-id", "spiffe://example.org/db")["svids"]] == [""]
    ran = fetch(agent, "x509", "-hint", "external")
    assert ran.code == 3 and ran.out == ""
    assert "error: the agent offers no identity with this SPIFFE ID and hint\nhint: " in ran.err
    # At once, not at the time limit.
    ran = fetch(agent, "jwt", "-audience", "a", "-hint", "external", "-timeout", "0")
    assert ran.code == 3 and ran.out == ""
    assert 'error: no JWT-SVID has the hint "external"; the agent offers ' in ran.err


@TWO
def test_x509_write(agent: DevAgent, workdir: Path) -> None:
    (workdir / "svid.0.key").write_text("from before")
    (workdir / "svid.0.key").chmod(0o644)
    ran = fetch(agent, "x509", "-write", workdir)
    assert (ran.code, ran.err) == (0, f"wrote 10 files to {workdir}\n")
    expected = {}
    for i in (0, 1):
        expected |= {f"svid.{i}.pem": 0o644, f"svid.{i}.key": 0o600, f"bundle.{i}.pem": 0o644}
        expected |= {f"federated_bundle.{i}.{j}.pem": 0o644 for j in (0, 1)}
    # Neither a lock nor temporary files.
    assert listing(workdir) == expected
    for i in (0, 1):
        key = openssl("pkey", "-in", workdir / f"svid.{i}.key", "-pubout")
        assert key == openssl("x509", "-in", workdir / f"svid.{i}.pem", "-noout", "-pubkey")
    assert (workdir / "svid.0.pem").read_text().count("BEGIN CERTIFICATE") == 2


def test_a_replaced_link_is_reported(agent: DevAgent, workdir: Path) -> None:
    (workdir / "elsewhere").write_text("kept")
    (workdir / "to").mkdir()
    (workdir / "to/bundle.0.pem").symlink_to("../elsewhere")
    ran = fetch(agent, "x509", "-write", workdir / "to")
    warning, _ = ran.err.splitlines()
    assert warning == f"warning: {workdir}/to/bundle.0.pem was a link, and is a file of its own now"
    assert (workdir / "elsewhere").read_text() == "kept"


@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_output_that_cannot_be_written_is_an_error(agent: DevAgent, where: str) -> None:
    command = ["sh", "-c", f'exec "$@" {where}', "sh", str(program()), "fetch", "x509"]
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ")


def test_write_needs_the_directory(agent: DevAgent, workdir: Path) -> None:
    ran = fetch(agent, "x509", "-write", workdir / "none")
    assert ran.code == 1
    assert f"hint: mkdir -p {workdir}/none\n" in ran.err


@pytest.mark.parametrize(
    "fault",
    ["wrong-ca", "two-uris", "wrong-key", "expired", "bad-federated", "garbage-der", "no-svids", "empty-key", "bad-id"],
)
@pytest.mark.agent("-federated", "1", "-id", "/web")
def test_an_invalid_svid_is_shown_and_not_written(agent: DevAgent, workdir: Path, fault: str) -> None:
    agent.fault(fault)
    ran = fetch(agent, "x509", "-write", workdir)
    assert ran.code == 5
    assert ran.err.endswith("\nhint: nothing was written\n")
    assert listing(workdir) == {}
    if fault != "no-svids":
        assert f"bad{' ' * 5}" in ran.out or "cannot be read: " in ran.out
    out = as_json(agent, "x509", code=5)
    assert all(s["problem"] for s in out["svids"]) or out["bundles"][1]["problem"]


def test_jwt(agent: DevAgent, workdir: Path) -> None:
    ran = fetch(agent, "jwt", "-audience", "db", "-audience", "cache")
    assert (ran.code, ran.err) == (0, "")
    *shown, token = ran.out.splitlines()
    assert [line.split()[0] for line in shown[1:]] == ["audience", "cache", "issued", "expires", "signed", "good"]
    assert token.count(".") == 2
    out = as_json(agent, "jwt", "-audience", "db")
    assert out["audiences"] == ["db"] and out["good"] and 290 < out["remaining_seconds"] <= 300
    assert out["token"].count(".") == 2

    ran = fetch(agent, "jwt", "-audience", "db", "-write", workdir)
    assert (ran.code, ran.err) == (0, f"wrote 1 file to {workdir}\n")
    assert listing(workdir) == {"svid.0.jwt": 0o600}
    token = (workdir / "svid.0.jwt").read_text()
    assert token.count(".") == 2 and token == token.strip()
    assert "eyJ" not in ran.out, "who wants it in a file does not want it here"


@pytest.mark.parametrize("fault", ["jwt-expired", "jwt-bad-signature", "jwt-wrong-audience", "no-jwt-bundles"])
def test_bad_tokens(agent: DevAgent, workdir: Path, fault: str) -> None:
    agent.fault(fault)
    ran = fetch(agent, "jwt", "-audience", "db", "-write", workdir)
    assert ran.code == 5
    assert "\n  bad " in ran.out
    assert listing(workdir) == {}
    assert not as_json(agent, "jwt", "-audience", "db", code=5)["good"]


@TWO
def test_bundles(agent: DevAgent, workdir: Path) -> None:
    ran = fetch(agent, "bundles", "-write", workdir)
    assert (ran.code, ran.err) == (0, f"wrote 6 files to {workdir}\n")
    names = ["bundle.0", "federated_bundle.0.0", "federated_bundle.0.1"]
    assert listing(workdir) == {f"{name}.{end}": 0o644 for name in names for end in ("pem", "jwks")}
    out = as_json(agent, "bundles")
    assert [bundle["own"] for bundle in out["bundles"]] == [True, False, False]
    for name, bundle in zip(names, out["bundles"], strict=True):
        assert f"{bundle['trust_domain']}{' (own)' if bundle['own'] else ''}\n" in ran.out
        assert (workdir / f"{name}.jwks").read_text() == bundle["jwks"]
        assert (workdir / f"{name}.pem").read_text() == "".join(a["pem"] for a in bundle["x509_authorities"])
        (key,) = json.loads(bundle["jwks"])["keys"]
        assert bundle["jwt_authorities"] == [{"key_id": key["kid"], "key_type": "P-256"}]
        assert f"JWT    key {key['kid']}, P-256\n" in ran.out


def test_bad_jwt_bundles(agent: DevAgent) -> None:
    agent.fault("no-jwt-bundles")
    assert fetch(agent, "bundles").code == 5


@pytest.mark.parametrize("words", [["x509"], ["jwt", "-audience", "a"], ["bundles"]], ids=lambda words: words[0])
def test_refused_unreachable_and_another_protocol(agent: DevAgent, workdir: Path, words: list[str]) -> None:
    agent.deny()
    # Long enough for an answer.
    patience = ["-timeout", f"{500 * SLOW:.0f}ms"]
    ran = fetch(agent, *words, *patience)
    assert ran.code == 3 and ran.out == ""
    waiting, error, hint = ran.err.splitlines()
    assert waiting == "waiting for an identity: PermissionDenied: no identity issued"
    assert error == "error: PermissionDenied: no identity issued"
    assert hint.startswith("hint: no registration entry matches this process")
    assert ran.seconds < 3 * SLOW
    agent.allow()

    agent.fault("unimplemented")
    ran = fetch(agent, *words)
    assert ran.code == 1 and "error: Unimplemented: " in ran.err
    agent.allow()

    agent.fault("invalid")
    ran = fetch(agent, *words)
    assert ran.code == 1 and "error: InvalidArgument: " in ran.err
    # A token may be refused individually, a stream of the Workload API is not; for a token both are checked.
    assert "hint: is this the SPIFFE Workload API" in ran.err or (words[0] == "jwt" and "the audience" in ran.err)
    agent.allow()

    ran = fetch(f"unix://{workdir}/none.sock", *words, *patience)
    assert ran.code == 4 and ran.out == ""
    cause = f"cannot reach the agent at unix://{workdir}/none.sock: no such file or directory"
    assert ran.err.splitlines()[:2] == [f"waiting for the agent: {cause}", f"error: {cause}"]

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    ran = fetch(address, *words, *patience)
    assert ran.code == 4 and ran.out == ""
    assert f"error: cannot reach the agent at {address}: connection refused\nhint: " in ran.err


def test_an_agent_that_does_not_answer(workdir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(workdir / "a.sock"))
        silent.listen()
        ran = fetch(f"unix://{workdir}/a.sock", "x509", "-timeout", "300ms")
    assert ran.code == 124 and ran.out == ""
    assert f"error: no answer from the agent at unix://{workdir}/a.sock within 300ms\nhint: " in ran.err


def test_it_waits_for_an_identity(agent: DevAgent) -> None:
    agent.deny()
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint}
    command = [program(), "fetch", "x509", "-timeout", "30s"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("waiting for an identity: ")
        agent.allow()
        out, err = running.communicate(timeout=20 * SLOW)
    assert (running.returncode, err) == (0, "")
    assert out.startswith("spiffe://")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_waiting_ends_by_a_signal(agent: DevAgent, number: int) -> None:
    agent.deny()
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint}
    with subprocess.Popen(
        [program(), "fetch", "x509", "-timeout", "0"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stderr is not None
        running.stderr.readline()
        running.send_signal(number)
        assert running.wait(10 * SLOW) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jwt"], "fetch jwt needs an audience"),
        (["x509", "-audience", "a"], "-audience is for fetch jwt"),
        (["bundles", "-hint", "a"], "fetch bundles fetches all of them"),
        (["x509", "-spiffe-id", "web"], "-spiffe-id: invalid SPIFFE ID"),
        (["jwt", "-audience"], "flag needs an argument: -audience"),
        ([], "fetch needs x509, jwt or bundles"),
    ],
)
def test_usage(words: list[str], said: str) -> None:
    ran = fetch("unix:///nowhere", *words)
    assert ran.code == 2 and f"error: {said}" in ran.err and "\nhint: " in ran.err


def read_until(fd: int, done: Callable[[str], bool]) -> str:
    text, deadline = "", time.monotonic() + 10 * SLOW
    while not done(text):
        assert select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], text
        text += os.read(fd, 65536).decode()
    return text


@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_the_waiting_line_is_redrawn(agent: DevAgent, colour: bool) -> None:
    agent.deny()
    ours, theirs = pty.openpty()
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint, "TERM": "xterm"}
    if not colour:
        env["NO_COLOR"] = "1"
    with subprocess.Popen(
        [program(), "fetch", "x509", "-timeout", "30s"], env=env, stdout=theirs, stderr=theirs, stdin=theirs
    ) as running:
        os.close(theirs)
        waited = read_until(ours, lambda text: "no identity issued (1s)" in text)
        assert waited.startswith("\r") and "\n" not in waited
        agent.allow()
        shown = read_until(ours, lambda text: " good " in text and text.endswith("\n"))
        assert running.wait(10 * SLOW) == 0
    os.close(ours)
    assert "\r\x1b[K" in shown
    assert ("\x1b[32m" in shown) == colour


def test_the_waiting_line_fits_a_resized_terminal(agent: DevAgent) -> None:
    agent.deny()
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 40, 0, 0))
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint, "TERM": "xterm", "NO_COLOR": "1"}
    command = [program(), "fetch", "x509", "-timeout", "0"]
    with subprocess.Popen(command, env=env, stdout=theirs, stderr=theirs, stdin=theirs) as running:
        os.close(theirs)
        # The waiting time stays visible.
        read_until(ours, lambda text: "\rwaiting for an identity: Permissi… (1s)\x1b[K" in text)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        read_until(ours, lambda text: bool(re.search(r"PermissionDenied: no identity issued \(\ds\)\x1b", text)))
        running.terminate()
        running.wait(10 * SLOW)
    os.close(ours)


def test_a_terminal_that_only_scrolls_gets_lines(agent: DevAgent) -> None:
    agent.deny()
    ours, theirs = pty.openpty()
    env = SANITIZERS | {"SPIFFE_ENDPOINT_SOCKET": agent.endpoint, "TERM": "dumb"}
    command = [program(), "fetch", "x509", "-timeout", "30s"]
    with subprocess.Popen(command, env=env, stdout=theirs, stderr=theirs, stdin=theirs) as running:
        os.close(theirs)
        read_until(ours, lambda text: text == "waiting for an identity: PermissionDenied: no identity issued\r\n")
        agent.allow()
        assert "\x1b" not in read_until(ours, lambda text: " good " in text)
        assert running.wait(10 * SLOW) == 0
    os.close(ours)
