"""spiffe-helper show and verify, on files of the helper, of the Go helper and of users."""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from certs import pem_blocks
from devagent import DevAgent
from helper import SANITIZERS, SLOW, Helper, program

CONFIG = """
agent_address = "{socket}"
cert_dir = "certs"
create_cert_dir = true
layout = "{layout}"
svid_file_name = "svid.pem"
svid_key_file_name = "svid_key.pem"
svid_bundle_file_name = "bundle.pem"
jwt_svids = [{{jwt_audience = "db", jwt_svid_file_name = "jwt.token"}}]
jwt_bundle_file_name = "jwt_bundle.json"
daemon_mode = false
"""
MAX_COLUMNS = 80


def ask(*words: str | Path, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [program(), *words], capture_output=True, cwd=cwd, env=SANITIZERS, stdin=subprocess.DEVNULL, timeout=60
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def processor_time() -> float:
    """The processor time of all ended children, in seconds, which other processes on the machine do not affect."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture
def publish(agent: DevAgent, workdir: Path, run_helper: Callable[..., Helper]) -> Callable[..., Path]:
    def run(layout: str = "snapshot") -> Path:
        assert run_helper(CONFIG.format(socket=agent.socket, layout=layout)).wait() == 0
        return workdir / "certs"

    return run


def secrets(certs: Path) -> list[str]:
    """Pieces of text that only a key, or a token's signature, contains."""
    (_, key), *_ = pem_blocks((certs / "svid_key.pem").read_bytes())
    signature = (certs / "jwt.token").read_text().rpartition(".")[2]
    return [base64.b64encode(key).decode()[60:100], key.hex()[80:120], signature[:40]]


@pytest.mark.parametrize("layout", ["snapshot", "files", "in-place"])
def test_show_explains_every_output_without_secrets(publish: Callable[..., Path], layout: str) -> None:
    certs = publish(layout)
    for words in (["show"], ["show", "certs"], ["show", "certs/svid_key.pem", "certs/svid.pem"]):
        for form in ("text", "json"):
            code, out, err = ask(*words, "-output", form, cwd=certs.parent)
            assert (code, err) == (0, "")
            assert not [each for each in secrets(certs) if each in out]
            if form == "text":
                assert "SPIFFE ID  spiffe://example.org/workload" in out
                assert "verified   by certs/bundle.pem" in out
                assert "belongs to  certs/svid.pem" in out
                assert "problem" not in out
                assert max(map(len, out.splitlines())) <= MAX_COLUMNS
            else:
                told = {each["path"]: each for each in json.loads(out)["files"]}
                assert told["certs/svid.pem"]["verified_by"] == "certs/bundle.pem"
                assert told["certs/svid_key.pem"]["private_key"]["belongs_to"] == "certs/svid.pem"
                assert not [each for each in told.values() if each["problems"]]
    assert ("snapshot" in ask("show", "certs", cwd=certs.parent)[1]) == (layout == "snapshot")


def test_show_reports_a_key_of_another_certificate(
    publish: Callable[..., Path], agent: DevAgent
) -> None:
    certs = publish("in-place")
    old = (certs / "svid_key.pem").read_bytes()
    agent.rotate()
    publish("in-place")
    (certs / "svid_key.pem").write_bytes(old)
    for path in ("certs", "certs/svid_key.pem"):
        code, out, _ = ask("show", path, cwd=certs.parent)
        assert code == 0
        assert "it does not belong to certs/svid.pem" in out


KINDS = {
    "RSA 2048": ["rsa:2048"],
    "RSA-PSS 2048": ["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
    "EC P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "EC P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "EC P-521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "EC secp256k1": ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "Ed25519": ["ed25519"],
    "Ed448": ["ed448"],
}


def make_certificate(directory: Path, name: str, kind: list[str], subject: str = "/CN=test") -> None:
    extensions = ["subjectAltName=URI:spiffe://example.org/x", "basicConstraints=critical,CA:FALSE"]
    words = ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-utf8", "-subj", subject]
    for each in (*extensions, "keyUsage=critical,digitalSignature"):
        words += ["-addext", each]
    files = ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"]
    subprocess.run([*words, *files], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def test_show_supports_certificates_and_keys_of_every_kind(workdir: Path) -> None:
    for i, (kind, words) in enumerate(KINDS.items()):
        make_certificate(workdir, str(i), words)
        code, out, _ = ask("show", f"{i}.pem", f"{i}.key", cwd=workdir)
        assert code == 0
        assert f"  key        {kind}\n" in out
        assert f"  key         {kind} (PRIVATE KEY)\n  belongs to  {i}.pem\n" in out, out
        assert max(map(len, out.splitlines())) <= MAX_COLUMNS
    (workdir / "0.pem").unlink()
    assert "it belongs to none of the certificates beside it" in ask("show", "0.key", cwd=workdir)[1]


def test_show_escapes_names(workdir: Path) -> None:
    make_certificate(workdir, "evil", KINDS["Ed25519"], "/CN=a\x1b[31mb\u202ec\u009bd\u200b")
    (workdir / "evil.json").write_text('{"keys": [{"kty": "E\\u001bC", "kid": "\\u202e"}, {"kty": "EC"}]}')
    (workdir / "\x1b]0;x\x07\n.pem").write_bytes((workdir / "evil.pem").read_bytes())
    for form in ("text", "json"):
        code, out, err = ask("show", ".", "-output", form, cwd=workdir)
        assert (code, err) == (0, "")
        assert not [c for c in out if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c in "\u202e\u200b"], out
    text = ask("show", "evil.json", cwd=workdir)[1]
    assert "  JWT key  no kid, EC\n" in text
    assert "unknown" not in text


def test_show_has_a_hint_for_an_encrypted_key(workdir: Path) -> None:
    make_certificate(workdir, "new", KINDS["RSA 2048"])
    words = ["openssl", "rsa", "-in", "new.key", "-traditional", "-aes128", "-passout", "pass:x", "-out", "old.key"]
    subprocess.run(words, check=True, capture_output=True, cwd=workdir)
    code, _, err = ask("show", "old.key", cwd=workdir)
    assert code == 1
    assert "it is encrypted, most likely\nhint: openssl pkey" in err


def pipe(*words: str | Path, given: bytes, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run([program(), *words], capture_output=True, cwd=cwd, env=SANITIZERS, input=given, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_standard_input_is_read_like_a_file(workdir: Path) -> None:
    make_certificate(workdir, "x", KINDS["EC P-256"])
    certificate, key = ((workdir / name).read_bytes() for name in ("x.pem", "x.key"))
    for path, name in (("-", "standard input"), ("/dev/stdin", "/dev/stdin")):
        code, out, err = pipe("show", path, given=certificate, cwd=workdir)
        assert (code, err) == (0, "")
        assert out.startswith(f"{name}: X.509-SVID\n  SPIFFE ID  spiffe://example.org/x\n")
        code, out, err = pipe("show", path, given=b"", cwd=workdir)
        assert (code, out, err.splitlines()[0]) == (1, "", f"error: {name}: nothing was written to it")
    with (workdir / "x.pem").open("rb") as file:
        file.seek(0, os.SEEK_END)  # the rest of it
        words = [program(), "show", "-"]
        assert subprocess.run(words, stdin=file, capture_output=True, env=SANITIZERS).returncode == 1
    _, out, _ = pipe("show", "-", "x.pem", given=key, cwd=workdir)
    assert "  belongs to  x.pem\n" in out
    told = json.loads(pipe("show", "-", "-output", "json", given=key, cwd=workdir)[1])["files"]
    assert [(each["path"], each["kind"]) for each in told] == [("-", "private-key")]
    code, _, err = pipe("verify", "-svid", "-", "-bundle", "x.pem", given=key, cwd=workdir)
    assert (code, err) == (5, "error: standard input: holds no PEM certificate\n")
    assert pipe("verify", "-svid", "-", "-bundle", "-", given=key, cwd=workdir)[0] == 2


def test_a_pipe_is_read_to_its_end_within_a_time_limit(workdir: Path) -> None:
    make_certificate(workdir, "x", KINDS["EC P-256"])
    shell = 'exec "$0" show <(cat x.pem) <(cat x.key)'
    done = subprocess.run(["bash", "-c", shell, program()], cwd=workdir, env=SANITIZERS, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\n  belongs to  /dev/fd/\d+\n", done.stdout)
    reading, writing = os.pipe()
    words = [program(), "show", "-", "-timeout", "1500ms"]
    done = subprocess.run(words, stdin=reading, env=SANITIZERS, capture_output=True, text=True, timeout=60)
    os.close(reading)
    os.close(writing)
    assert done.returncode == 124
    assert done.stderr.startswith("waiting for standard input\nerror: standard input: it did not end in time\nhint: ")
    with Path("/dev/zero").open("rb") as zero:
        done = subprocess.run([*words[:3], "-timeout", "0"], stdin=zero, env=SANITIZERS, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "error: standard input: file too large\n")


def test_an_authority_before_the_leaf_is_reported(publish: Callable[..., Path]) -> None:
    certs = publish()
    (certs.parent / "turned.pem").write_bytes((certs / "bundle.pem").read_bytes() + (certs / "svid.pem").read_bytes())
    _, out, _ = ask("show", "turned.pem", cwd=certs.parent)
    assert "not an SVID: the first certificate is a CA" in out


def test_show_refuses_unknown_content_within_a_second(workdir: Path) -> None:
    files = {"empty": b"", "garbage": b"\x00\x1b[31mno\n", "random": os.urandom(10_000_000), "dir/x": b"x"}
    (workdir / "dir").mkdir()
    for name, content in files.items():
        (workdir / name).write_bytes(content)
    os.mkfifo(workdir / "fifo")
    for name in (*files, "dir", "fifo", "missing"):
        begin = processor_time()
        code, out, err = ask("show", name, cwd=workdir)
        assert processor_time() - begin < 1 * SLOW
        assert (code, out) == (1, "dir: a directory of plain files\n" if name == "dir" else ""), name
        assert err.startswith(f"error: {name}"), err
        assert "\x1b" not in err


def test_show_skips_entries_that_are_not_files(publish: Callable[..., Path]) -> None:
    certs = publish("files")
    os.mkfifo(certs / "queue")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(certs / "agent.sock"))
        code, out, err = ask("show", "certs", cwd=certs.parent)
    assert code == 0
    assert "certs/svid.pem: X.509-SVID" in out
    assert err == "note: certs/agent.sock is a socket, passed over\nnote: certs/queue is a pipe, passed over\n"
    code, out, err = ask("show", "certs", "-output", "json", cwd=certs.parent)
    assert code == 0
    assert json.loads(out)["directories"][0]["passed_over"] == [
        {"path": "certs/agent.sock", "kind": "socket"},
        {"path": "certs/queue", "kind": "pipe"},
    ]
    # Also next to a requested file.
    assert ask("show", "certs/svid.pem", cwd=certs.parent)[0] == 0


def test_show_summarises_a_map_of_9000_domains(workdir: Path) -> None:
    jwk = {"kty": "EC", "kid": "k", "crv": "P-256", "x": "A" * 43, "y": "A" * 43, "use": "jwt-svid"}
    domains = {f"td{n}.example": {"keys": [jwk], "spiffe_sequence": n} for n in range(9000)}
    (workdir / "map.json").write_text(json.dumps({"trust_domains": domains}))
    code, out, _ = ask("show", "map.json", cwd=workdir)
    assert code == 0
    assert out.startswith("map.json: bundle map of 9000 trust domains\n")
    assert len(out.splitlines()) < 30


def test_files_that_are_left_out_are_reported(workdir: Path) -> None:
    make_certificate(workdir, "x", KINDS["EC P-256"])
    # As many as fetch bundles -write creates for 9,000 trust domains; the file system decides their order.
    for n in range(17_998):
        (workdir / f"{n}.pem").touch()
    code, out, err = ask("show", "x.key", cwd=workdir)
    assert (code, err) == (0, "")
    assert "  belongs to  x.pem\n" in out
    for n in range(18_000, 20_003):
        (workdir / f"{n}.pem").touch()
    code, _, err = ask("show", ".", cwd=workdir)
    assert code == 1
    assert err.startswith("error: .: 3 of its files are left out\nhint: name those that you mean\n")


def test_verify_returns_0_for_valid_and_5_for_invalid(publish: Callable[..., Path], agent: DevAgent) -> None:
    certs = publish()
    x509 = ["verify", "-svid", "certs/svid.pem", "-bundle", "certs/bundle.pem"]
    jwt = ["verify", "-jwt", "certs/jwt.token", "-bundle", "certs/jwt_bundle.json", "-audience"]
    rows = [
        (x509, 0, "verified: spiffe://example.org/workload, until "),
        ([*x509, "-id", "spiffe://example.org/workload"], 0, "verified: "),
        ([*x509, "-id", "spiffe://example.org/other"], 5, 'not of "spiffe://example.org/other"'),
        ([*x509, "-id", "nonsense"], 2, "-id: "),
        (["verify", "-svid", "certs/bundle.pem", "-bundle", "certs/bundle.pem"], 5, "has no path"),
        (["verify", "-svid", "certs/svid.pem", "-bundle", "certs/svid_key.pem"], 1, "bundle: holds no PEM"),
        (["verify", "-svid", "missing", "-bundle", "certs/bundle.pem"], 1, "missing: no such file"),
        (["verify", "-svid", "certs/svid.pem"], 2, "verify needs -bundle"),
        (["verify"], 2, "verify needs either -svid or -jwt"),
        ([*jwt, "db"], 0, "verified: spiffe://example.org/workload, until "),
        ([*jwt, "web"], 5, 'not for the audience "web"'),
        (jwt[:-1], 2, "-jwt needs -audience"),
    ]
    for words, expected, said in rows:
        code, out, err = ask(*words, cwd=certs.parent)
        assert (code, said in out + err) == (expected, True), (words, code, out, err)
        if expected in (0, 5):
            told = json.loads(ask(*words, "-output", "json", cwd=certs.parent)[1])
            assert told["verified"] == (expected == 0)
    old = (certs / "svid.pem").read_bytes()
    agent.stop()
    agent.start()
    publish()
    (certs.parent / "old.pem").write_bytes(old)
    code, _, err = ask("verify", "-svid", "old.pem", "-bundle", "certs/bundle.pem", cwd=certs.parent)
    assert code == 5
    assert "no authority of" in err
