"""TLS by the files of spiffe-helper, with the standard library alone."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

FILES = SVID, KEY, BUNDLE = "svid.pem", "svid_key.pem", "svid_bundle.pem"


class Refused(Exception):
    """The peer is not the one that is accepted."""


class Identity:
    """A directory of spiffe-helper's files, and the SPIFFE ID of the only peer that is accepted."""

    def __init__(self, directory: Path, accept: str) -> None:
        self.directory = directory
        self.accept = accept
        self._contexts: dict[int, ssl.SSLContext] = {}
        self._seen: list[tuple[int, int]] = []

    def context(self, protocol: int) -> ssl.SSLContext:
        """For the next handshake. Made anew if the files have changed, since a context reads them once."""
        now = [self._stamp(name) for name in FILES]
        if now != self._seen:
            self._contexts.clear()
            self._seen = now
        if protocol not in self._contexts:
            self._contexts[protocol] = self._load(protocol)
        return self._contexts[protocol]

    def check(self, connection: ssl.SSLSocket) -> str:
        """The peer's SPIFFE ID, after the handshake, which has verified the certificate."""
        names = (connection.getpeercert() or {}).get("subjectAltName", ())
        uris = [value for kind, value in names if kind == "URI"]
        if uris != [self.accept]:
            raise Refused(f"the peer is {', '.join(uris) or 'nobody'}, not {self.accept}")
        return self.accept

    def _stamp(self, name: str) -> tuple[int, int]:
        status = os.stat(self.directory / name)
        return status.st_ino, status.st_mtime_ns

    def _load(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # An SVID has no host name: check() looks at the SPIFFE ID instead.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        # An authority in the bundle need not be self-signed.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(self.directory / BUNDLE)
        for attempt in (1, 2, 3):
            try:
                context.load_cert_chain(self.directory / SVID, self.directory / KEY)
                break
            except ssl.SSLError:
                # The helper replaced them between the reads of certificate and key.
                if attempt == 3:
                    raise
        return context
