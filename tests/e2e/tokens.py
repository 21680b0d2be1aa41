"""JWT-SVIDs and JWT bundles in files: configures and reads them."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from helper import Helper, LogLine

JWT_BUNDLE = "bundle.json"
DOMAIN = "example.org"
ID = f"spiffe://{DOMAIN}/workload"
# For a configuration without X.509.
NO_X509 = {"svid_file_name": None, "svid_key_file_name": None, "svid_bundle_file_name": None}


def entry(audience: str, *extra: str, **more: str) -> dict[str, object]:
    """An element of jwt_svids: the token for this audience goes to AUDIENCE.jwt."""
    return {
        "jwt_audience": audience,
        **({"jwt_extra_audiences": list(extra)} if extra else {}),
        "jwt_svid_file_name": f"{audience}.jwt",
        **more,
    }


def tokens(*audiences: str) -> dict[str, object]:
    """Keys of a configuration: a token for each audience, and no X.509."""
    return {**NO_X509, "jwt_svids": [entry(audience) for audience in audiences]}


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims(token: bytes) -> dict[str, Any]:
    """The claims of a file that contains one token and nothing else."""
    header, payload, signature = token.decode("ascii").split(".")
    assert json.loads(decode(header))["alg"] == "ES256"
    assert len(decode(signature)) == 64
    return dict(json.loads(decode(payload)))


def bundles(content: bytes) -> dict[str, list[dict[str, str]]]:
    """The keys of each trust domain of a bundle file."""
    domains: dict[str, str] = json.loads(content)
    assert list(domains) == sorted(domains)
    return {name: json.loads(base64.b64decode(jwks, validate=True))["keys"] for name, jwks in domains.items()}


def verify(token: bytes, bundle: bytes, domain: str = DOMAIN) -> None:
    """Raises InvalidSignature, or KeyError for an unknown key."""
    text, _, signature = token.decode().rpartition(".")
    kid = json.loads(decode(text.split(".")[0]))["kid"]
    key = {each["kid"]: each for each in bundles(bundle)[domain]}[kid]
    x, y = (int.from_bytes(decode(key[name]), "big") for name in ("x", "y"))
    raw = decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(der, text.encode(), ec.ECDSA(hashes.SHA256()))


def is_token(line: LogLine, name: str = "") -> bool:
    return line.msg == "JWT SVID updated" and line.level == "info" and name in ("", line.fields["path"])


def wait_token(helper: Helper, audience: str, since: int = 0, timeout: float = 10.0) -> dict[str, Any]:
    """The claims in the file AUDIENCE.jwt once it was written, or written again after `since`."""
    helper.wait_log(lambda line: is_token(line, f"{audience}.jwt"), timeout, since)
    return read_claims(helper, audience)


def read_claims(helper: Helper, audience: str) -> dict[str, Any]:
    return claims(Path(helper.directory, "certs", f"{audience}.jwt").read_bytes())


def wait_jwt_bundle(helper: Helper, since: int = 0, timeout: float = 10.0) -> bytes:
    helper.wait_log(lambda line: line.msg == "JWT bundle updated" and line.level == "info", timeout, since)
    return Path(helper.directory, "certs", JWT_BUNDLE).read_bytes()


def seconds_left(token_claims: dict[str, Any]) -> float:
    return float(token_claims["exp"]) - time.time()
