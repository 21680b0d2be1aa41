"""Parses certificates and keys strictly, so that an incomplete file is never accepted.

The first half needs only the standard library and is fast: readers.py runs it thousands of times a second.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n((?:[A-Za-z0-9+/=]+\n)+)-----END \1-----\n")


class Torn(Exception):
    """A file that is not exactly one or more whole PEM blocks."""


def pem_blocks(content: bytes) -> list[tuple[bytes, bytes]]:
    """(label, DER) of each block; checks the outermost length of DER, so that truncation is found."""
    blocks = []
    at = 0
    while at < len(content) or not blocks:
        match = BLOCK.match(content, at)
        if match is None:
            raise Torn(f"byte {at} of {len(content)} begins no whole PEM block: {content[at:at + 60]!r}")
        try:
            der = base64.b64decode(match[2].replace(b"\n", b""), validate=True)
        except binascii.Error as error:
            raise Torn(f"no base64 in the block at byte {at}: {error}") from None
        if der_length(der) != len(der):
            raise Torn(f"DER of {der_length(der)} bytes in {len(der)} at byte {at}")
        blocks.append((match[1], der))
        at = match.end()
    return blocks


def der_length(der: bytes) -> int:
    """The length of the SEQUENCE at the start of `der`, including the header; -1 if there is none."""
    if len(der) < 2 or der[0] != 0x30:
        return -1
    if der[1] < 0x80:
        return 2 + der[1]
    size = der[1] & 0x7F
    return 2 + size + int.from_bytes(der[2 : 2 + size], "big")


def certificates(content: bytes) -> list[bytes]:
    """The DER of each certificate of a file that contains nothing else."""
    blocks = pem_blocks(content)
    if any(label != b"CERTIFICATE" for label, _ in blocks):
        raise Torn(f"not only certificates: {[label for label, _ in blocks]}")
    return [der for _, der in blocks]


def private_key(content: bytes) -> bytes:
    """The PKCS#8 DER of a file that contains one key and nothing else."""
    blocks = pem_blocks(content)
    if [label for label, _ in blocks] != [b"PRIVATE KEY"]:
        raise Torn(f"not one PKCS#8 key: {[label for label, _ in blocks]}")
    return blocks[0][1]


def same_point(certificate: bytes, key: bytes) -> bool:
    """Whether an EC P-256 key in DER, which ends with its public point, belongs to the certificate."""
    point = key[-65:]
    return len(point) == 65 and point[0] == 4 and point in certificate


# The functions below are slower and need the cryptography package.


def load_leaf(content: bytes) -> Any:
    from cryptography import x509

    return x509.load_der_x509_certificate(certificates(content)[0])


def serial(content: bytes) -> int:
    """The serial number of the first certificate of a file."""
    number: int = load_leaf(content).serial_number
    return number


def spiffe_id(content: bytes) -> str:
    from cryptography import x509

    names = load_leaf(content).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return str(uri)


def public_der(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def pair_matches(svid: bytes, key: bytes) -> bool:
    """Whether the key of one file belongs to the first certificate of the other, whatever its type."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    private = load_der_private_key(private_key(key), password=None)
    return public_der(private.public_key()) == public_der(load_leaf(svid).public_key())


def openssl_verifies(svid: bytes, bundle: bytes, *more: str) -> str:
    """"OK", or the error of `openssl verify` for the SVID file (its first certificate) and the bundle."""
    with tempfile.TemporaryDirectory(prefix="sv-") as directory:
        leaf, roots = Path(directory, "svid.pem"), Path(directory, "bundle.pem")
        leaf.write_bytes(svid)
        roots.write_bytes(bundle)
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", roots, "-untrusted", leaf, *more, leaf],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0 and done.stdout.endswith(": OK\n"):
        return "OK"
    return done.stdout + done.stderr
