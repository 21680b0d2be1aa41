"""spiffe-helper fetch and watch, compared with SPIRE's own client, on a real SPIRE."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helper import program
from spire import Spire

ID = "spiffe://example.org/fetch"
PARTNERS = ("a.example", "partner.example")
WIDTH, HEIGHT = 80, 40


@pytest.fixture
def entry(spire: Spire) -> Iterator[str]:
    """An identity with a hint and two federated trust domains."""
    for partner in PARTNERS:
        spire.bundle_set(partner, spire.bundle_show())
    entry_id = spire.entry_create(ID, x509_ttl=3600, jwt_ttl=300, hint="internal", federates_with=PARTNERS)
    spire.wait_entry_visible(ID)
    yield entry_id
    spire.entry_delete(entry_id)
    spire.wait_entry_gone(ID)


def ours(spire: Spire, *words: str | Path) -> str:
    env = {"SPIFFE_ENDPOINT_SOCKET": spire.endpoint}
    done = subprocess.run([program(), "fetch", *words], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "PRIVATE" not in done.stdout + done.stderr
    return done.stdout


def theirs(spire: Spire, peers: Path, *words: str | Path) -> str:
    command = [peers / "spire-agent", "api", "fetch", *words, "-socketPath", spire.socket]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def modes(directory: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode for path in directory.iterdir()}


def both(workdir: Path) -> tuple[Path, Path]:
    go, us = workdir / "go", workdir / "us"
    go.mkdir()
    us.mkdir()
    return go, us


@pytest.mark.usefixtures("entry")
def test_x509_write_makes_the_same_files(spire: Spire, peers: Path, workdir: Path) -> None:
    go, us = both(workdir)
    text = ours(spire, "x509", "-write", us)
    theirs(spire, peers, "x509", "-write", go)
    names = {"svid.0.pem", "svid.0.key", "bundle.0.pem", "federated_bundle.0.0.pem", "federated_bundle.0.1.pem"}
    assert set(content(us)) == names
    assert content(us) == content(go)
    assert modes(us) == modes(go)
    assert modes(us)["svid.0.key"] & 0o777 == 0o600
    assert text.startswith(f"{ID}\n  hint     internal\n  valid    ")
    assert "\nfederated with 2 domains\n  a.example        1 authority\n" in text


def test_several_identities_make_the_same_files(spire: Spire, peers: Path, entry: str, workdir: Path) -> None:
    go, us = both(workdir)
    second = spire.entry_create(ID + "/second", x509_ttl=3600)
    try:
        spire.wait_entry_visible(ID + "/second")
        ours(spire, "x509", "-write", us)
        theirs(spire, peers, "x509", "-write", go)
    finally:
        spire.entry_delete(second)
        spire.wait_entry_gone(ID + "/second")
    assert {"svid.0.key", "svid.1.key"} < set(content(us))
    # spire-agent writes every federated bundle for every SVID, and so do we.
    assert content(us) == content(go)


def jwt_bundles(spire: Spire, peers: Path) -> dict[str, str]:
    """The JWKS documents by trust domain, from spire-agent."""
    answers = json.loads(theirs(spire, peers, "jwt", "-audience", "x", "-output", "json"))
    bundles: dict[str, str] = next(answer["bundles"] for answer in answers if "bundles" in answer)
    return {name.removeprefix("spiffe://"): base64.b64decode(jwks).decode() for name, jwks in bundles.items()}


@pytest.mark.usefixtures("entry")
def test_jwt_is_the_token_that_the_agent_caches(spire: Spire, peers: Path, workdir: Path) -> None:
    out = json.loads(ours(spire, "jwt", "-audience", "db", "-output", "json"))
    assert (out["spiffe_id"], out["hint"], out["good"], out["audiences"]) == (ID, "internal", True, ["db"])
    answers = json.loads(theirs(spire, peers, "jwt", "-audience", "db", "-output", "json"))
    (svid,) = next(answer["svids"] for answer in answers if "svids" in answer)
    assert out["token"] == svid["svid"]
    ours(spire, "jwt", "-audience", "db", "-write", workdir)
    assert content(workdir) == {"svid.0.jwt": svid["svid"].encode()}
    text = ours(spire, "jwt", "-audience", "db")
    for shown in (ID, "internal", out["issued_at"], out["expires_at"], out["key_id"], out["token"]):
        assert shown in text


@pytest.mark.usefixtures("entry")
def test_bundles_are_those_of_spire(spire: Spire, peers: Path, workdir: Path) -> None:
    go, us = both(workdir)
    theirs(spire, peers, "x509", "-write", go)
    text = ours(spire, "bundles", "-write", us)
    written = content(us)
    pems = {name: data for name, data in content(go).items() if "bundle" in name}
    assert {name: data for name, data in written.items() if name.endswith(".pem")} == pems
    jwks = jwt_bundles(spire, peers)
    assert list(sorted(jwks)) == ["a.example", "example.org", "partner.example"]
    for name, domain in zip(
        ["bundle.0", "federated_bundle.0.0", "federated_bundle.0.1"],
        ["example.org", *PARTNERS],
        strict=True,
    ):
        # SPIRE's map of keys is not ordered, so its documents differ between calls.
        def keys(document: str) -> list[Any]:
            return sorted(json.loads(document)["keys"], key=lambda key: str(key["kid"]))

        assert keys(written[f"{name}.jwks"].decode()) == keys(jwks[domain])
        assert domain in text
    for key in json.loads(jwks["example.org"])["keys"]:
        assert f"key {key['kid']}, " in text


class Tmux:
    """A terminal of 80x24 that runs one command, on its own tmux server."""

    def __init__(self, directory: Path, command: str) -> None:
        self.socket = directory / "tmux"
        self.env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "HOME": str(directory)}
        self("-f", "/dev/null", "new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), command)

    def __call__(self, *words: str) -> str:
        command = ["tmux", "-S", self.socket, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=self.env, timeout=10).stdout

    def screen(self, *how: str) -> str:
        return self("capture-pane", "-p", *how)

    def wait(self, shows: Callable[[str], bool], timeout: float) -> str:
        deadline = time.monotonic() + timeout
        while not shows(screen := self.screen()):
            assert time.monotonic() < deadline, f"waited {timeout} s in vain:\n{screen}"
            time.sleep(0.1)
        return screen

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, env=self.env, timeout=10)


def test_watch_in_a_terminal_during_three_rotations(spire: Spire, workdir: Path) -> None:
    assert shutil.which("tmux"), "tmux is not installed: scripts/install-deps.sh test"
    name = "spiffe://example.org/watched"
    # SPIRE renews at half of the lifetime.
    watched = spire.entry_create(name, x509_ttl=16)
    status = workdir / "status"
    watch = shlex.join([str(program()), "watch", "-agent-address", spire.endpoint])
    command = f"{watch}; echo $? >{shlex.quote(str(status))}; exec cat"
    terminal = Tmux(workdir, command)
    try:
        spire.wait_entry_visible(name)
        terminal.wait(lambda screen: "update 4" in screen and screen.count("new serial") == 3, 90)
        screen = terminal.wait(lambda screen: re.search(r"\[#+\.*\] \d+s left\n", screen) is not None, 10)
        coloured = terminal.screen("-e")
        print(screen)
        # -J joins lines that the terminal has wrapped.
        assert all(len(line) <= WIDTH for line in terminal.screen("-J").splitlines())
        assert f"  + {name}\n" in screen, "all four updates stand on one screen"
        serials = re.findall(r"serial +([0-9A-F]+)\n", screen)
        assert len(serials) >= 4 and len(set(serials)) == len(serials)
        assert screen.count(f"  ~ {name}\n") >= 3
        assert " bad " not in screen
        assert "\x1b[32m" in coloured and "\x1b[33m" in coloured
        terminal("send-keys", "C-c")
        terminal.wait(lambda _: status.exists() and bool(status.read_text()), 10)
        assert status.read_text() == "0\n"
        # The line that was redrawn has been removed.
        assert " left\n" not in terminal.screen().splitlines()[-1]
    finally:
        terminal.close()
        spire.entry_delete(watched)
        spire.wait_entry_gone(name)
