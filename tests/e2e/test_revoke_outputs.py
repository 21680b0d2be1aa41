"""`revoke = "remove"` with all outputs: no trace of the private key remains below cert_dir."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from devagent import DevAgent
from helper import Run, program, wait_until
from published import BUNDLE, KEY, LAYOUTS, SVID, Published, config, make_certs
from test_x509_svids import wait_all
from tokens import entry as jwt

FURTHER = "further"
# Shrouded and plain key bags of PKCS#12, in DER.
KEY_BAGS = [bytes.fromhex("060b2a864886f70d010c0a010" + last) for last in "12"]


# All outputs, as listed by the helper: one word for each in `fetch -format`, and its keys.


def words_of_outputs() -> list[str]:
    done = subprocess.run([program(), "completion", "bash"], capture_output=True, text=True, check=True)
    (words,) = re.findall(r"fetch:format\) echo '([^']*)'", done.stdout)
    return [word for word in words.split() if word not in ("pem", "pkcs12")]


def keys_of_configuration() -> set[str]:
    done = subprocess.run([program(), "help", "-mdoc", "keys"], capture_output=True, text=True, check=True)
    top, *_ = done.stdout.split(".Ss Keys of jwt_svids")
    return set(re.findall(r"^\.It Cm (\S+) =", top, re.MULTILINE))


def outputs() -> dict[str, str]:
    """Every output's key, with a name for it."""
    known = keys_of_configuration()
    found = {"svid_file_name": SVID, "svid_key_file_name": KEY, "svid_bundle_file_name": BUNDLE}
    for word in words_of_outputs():
        name = word.replace("-", "_")
        (key,) = known & {f"svid_{name}_file_name", f"{name}_file_name", name}
        found[key] = f"of-{word}"
    return found


def test_the_outputs_are_all_of_the_configuration() -> None:
    """Every key that names a file or directory is an output, or known to contain nothing of an X.509-SVID."""
    named = {key for key in keys_of_configuration() if re.search(r"(_file_name|_dir|_folder|_directory)$", key)}
    others = {"cert_dir", "create_cert_dir", "require_secure_dir", "pid_file_name", "reload.pid_file_name"}
    others |= {"jwt_bundle_file_name", "jwks_file_name"}
    assert named - others == set(outputs())


# Finding a key.


def secrets_of(pem: bytes) -> list[bytes]:
    """The secret numbers of the key."""
    key = load_pem_private_key(pem, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = [key.private_numbers().private_value]
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        private = key.private_numbers()
        numbers = [private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp]
    return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in numbers]


def base64_forms(secret: bytes) -> list[bytes]:
    """The base64 that any encoding of data with these bytes must contain, at any alignment."""
    forms = []
    for shift in range(3):
        # Characters that depend on neighbouring bytes are left out: one at the start, and one at the end.
        text = base64.b64encode(b"\0" * shift + secret)
        begin = (shift * 8 + 5) // 6
        end = (shift + len(secret)) * 8 // 6
        forms.append(text[begin:end])
    return forms + [form.translate(bytes.maketrans(b"+/", b"-_")) for form in forms]


def forms_of(pem: bytes) -> list[bytes]:
    """The forms in which a file may contain these numbers: DER of any kind contains them unchanged."""
    out = []
    for secret in secrets_of(pem):
        out += [secret, secret[::-1], secret.hex().encode(), secret.hex().upper().encode(), *base64_forms(secret)]
    return out


def holds_key_of_pkcs12(content: bytes) -> bool:
    if any(bag in content for bag in KEY_BAGS):
        return True
    try:
        return pkcs12.load_pkcs12(content, b"changeit").key is not None
    except ValueError:
        return False


def holds_key(content: bytes, forms: list[bytes]) -> bool:
    # PEM, YAML and JSON break lines in these ways.
    joined = re.sub(rb"\\n|\\r|\s", b"", content)
    return any(form in content or form in joined for form in forms) or holds_key_of_pkcs12(content)


def files_below(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Their paths and contents, in any generation; does not follow links."""
    for folder, _, names in os.walk(directory):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink():
                continue
            try:
                yield str(path.relative_to(directory)), path.read_bytes()
            except FileNotFoundError:
                continue


def places_of(keys: list[bytes], directory: Path) -> list[str]:
    forms = [form for key in keys for form in forms_of(key)]
    return sorted(path for path, content in files_below(directory) if holds_key(content, forms))


@pytest.mark.parametrize("length", [32, 33, 48])
def test_base64_is_found_at_any_alignment(length: int) -> None:
    secret = os.urandom(length)
    for before in range(7):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            text = alphabet(os.urandom(before) + secret + os.urandom(5))
            assert any(form in text for form in base64_forms(secret))
    assert not any(form in base64.b64encode(os.urandom(200)) for form in base64_forms(os.urandom(32)))


# The removal.


@pytest.mark.parametrize(
    ("layout", "kind", "place"),
    [
        *((layout, "ec-p256", "disk") for layout in LAYOUTS),
        *((layout, "rsa-2048", "memory") for layout in LAYOUTS),
    ],
)
@pytest.mark.long
def test_no_byte_of_a_key_is_left(
    run_agent: Callable[..., DevAgent],
    run_helper: Run,
    workdir: Path,
    shm: Path,
    layout: str,
    kind: str,
    place: str,
) -> None:
    agent = run_agent("-key-type", kind, "-intermediate", "-federated", "1", "-id", "/flat", "-id", "/web,hint=web")
    out = make_certs(workdir if place == "disk" else shm)
    names = outputs()
    helper = run_helper(
        config(
            agent,
            cert_dir=out.directory,
            create_cert_dir=True,
            layout=layout,
            revoke="remove",
            revoke_after="1ms",
            jwt_svids=[jwt("web")],
            # The same outputs for another identity, with another key format.
            x509_svids=[{"dir": FURTHER, "hint": "web", "key_format": "traditional", **names}],
            **names,
        )
    )
    mark = 0
    keys: list[bytes] = []
    for _ in range(3):
        wait_all(helper, "", FURTHER, since=mark)
        keys += [out.read(KEY), out.read(f"{FURTHER}/{KEY}")]
        mark = helper.mark()
        agent.rotate()
    wait_all(helper, "", FURTHER, since=mark)
    keys += [out.read(KEY), out.read(f"{FURTHER}/{KEY}")]
    secret = check_search(out, names, keys[-2:])
    kept = {path: content for path, content in visible(out, names).items() if path not in secret}

    agent.deny()
    wait_until(lambda: not places_of(keys, out.directory), "every key to go")
    # If a whole directory is removed, files without a key are removed last.
    wait_until(lambda: visible(out, names) == kept, "the rest of what goes with the key")
    # The helper's exit does not restore a key.
    assert helper.stop() == 0
    assert places_of(keys, out.directory) == []


def visible(out: Published, names: dict[str, str]) -> dict[str, bytes]:
    """The outputs of both identities, by the names that consumers use: paths and contents."""
    found = {}
    for name in [*names.values(), *(f"{FURTHER}/{name}" for name in names.values())]:
        inside = os.listdir(out.directory / name) if (out.directory / name).is_dir() else []
        for path in [name, *(f"{name}/{each}" for each in inside if not each.startswith(".."))]:
            if (out.directory / path).is_file():
                found[path] = out.read(path)
    return found


def check_search(out: Published, names: dict[str, str], keys: list[bytes]) -> set[str]:
    """The search finds a key in exactly the outputs with the mode of keys; returns these."""
    forms = [form for key in keys for form in forms_of(key)]
    files = visible(out, names)
    secret = {path for path in files if out.mode(path) == 0o600}
    found = {path for path in secret if holds_key(files[path], forms)}
    assert not any(holds_key(files[path], forms) for path in files.keys() - secret)
    # All files of a directory have that mode if one of them contains a key.
    of_directories = {path for path in secret if path.removeprefix(FURTHER + "/") not in names.values()}
    assert secret - found <= of_directories
    assert {Path(path).parent for path in of_directories} == {Path(path).parent for path in found & of_directories}
    # PEM, combined, PKCS#12 and Envoy, of both identities.
    assert len(found) >= 8
    return secret
