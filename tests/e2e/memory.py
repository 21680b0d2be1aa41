"""Finds traces of secrets in the memory of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from certs import private_key
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

# Shorter pieces could be there by accident; longer ones could be partly overwritten.
PIECE = 16
PAGE = 4096
NOTHING = bytes(PAGE)


def numbers(der: bytes) -> list[bytes]:
    """The private numbers of a PKCS#8 key, most significant byte first."""
    key = load_der_private_key(der, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes(32, "big")]
    assert isinstance(key, rsa.RSAPrivateKey)
    private = key.private_numbers()
    all_numbers = (private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp)
    return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in all_numbers]


def traces_of_key(pem: bytes) -> set[bytes]:
    """Pieces of the key as DER, as numbers of OpenSSL (least significant byte first) and as PEM."""
    traces = set()
    for number in numbers(private_key(pem)):
        for order in (number, number[::-1]):
            middle = len(order) // 2 // 8 * 8
            traces |= {order[at : at + PIECE] for at in (0, middle, len(order) - PIECE)}
    # Without the first line, which is the same for all keys of a kind, and the end, which may be public.
    lines = [line for line in pem.splitlines() if not line.startswith(b"-")]
    return traces | {line[:24] for line in lines[1 : max(2, len(lines) * 3 // 4)]}


def readable(pid: int) -> Iterator[bytes]:
    """The content of every readable mapping, without most of its empty pages."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            extent, rights, *_, name = line.split()
            # The kernel's own pages.
            if "r" not in rights or name in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                continue
            begin, end = (int(address, 16) for address in extent.split("-"))
            memory.seek(begin)
            try:
                content = memory.read(end - begin)
            except OSError:
                # Unmapped meanwhile.
                continue
            # Stacks are large and mostly untouched.
            pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
            yield b"".join(page for page, before in zip(pages, [b"", *pages]) if page != NOTHING or before != NOTHING)


def seen(pid: int, secrets: list[set[bytes]]) -> list[int]:
    """The secrets that left a trace in the process's memory."""
    found = set()
    for content in readable(pid):
        for index, traces in enumerate(secrets):
            if index not in found and any(trace in content for trace in traces):
                found.add(index)
    return sorted(found)
