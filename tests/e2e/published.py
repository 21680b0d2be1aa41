"""The files that a helper publishes: its configuration, checks of the files on disk, and waits for them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import certs
from helper import Helper, LogLine, wait_until

if TYPE_CHECKING:
    from devagent import DevAgent

LAYOUTS = ["snapshot", "files", "in-place"]
SVID, KEY, BUNDLE = NAMES = ("svid.pem", "svid_key.pem", "svid_bundle.pem")
# Superseded generations are removed after 10 s.
TIDY_S = 12.0


def hcl(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(hcl(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {hcl(item)}" for key, item in value.items()) + "}"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=False)


def settings(agent: DevAgent | None, **keys: object) -> dict[str, object]:
    """The keys of a plain configuration; a value of None removes a key."""
    plain: dict[str, object] = {
        "cert_dir": "certs",
        "svid_file_name": SVID,
        "svid_key_file_name": KEY,
        "svid_bundle_file_name": BUNDLE,
    }
    if agent is not None:
        plain["agent_address"] = f"unix://{agent.socket}"
    return {key: value for key, value in (plain | keys).items() if value is not None}


def config(agent: DevAgent | None, **keys: object) -> str:
    return "".join(f"{key} = {hcl(value)}\n" for key, value in settings(agent, **keys).items())


def is_publication(line: LogLine) -> bool:
    """Whether the line reports new content, or the first complete state of a helper's life."""
    return line.msg == "X.509 certificates updated"


def publications(helper: Helper) -> list[LogLine]:
    return [line for line in helper.log if is_publication(line)]


def wait_published(helper: Helper, since: int = 0, timeout: float = 10.0) -> int:
    """Waits for a publication and returns its serial number."""
    return int(helper.wait_log(is_publication, timeout, since).fields["serial"], 16)


def openssl_serial(serial: int) -> str:
    """As printed by `openssl x509 -noout -serial` and by the helper."""
    digits = f"{serial:X}"
    return digits if len(digits) % 2 == 0 else "0" + digits


def wait_serial(helper: Helper, serial: int, timeout: float = 10.0) -> LogLine:
    """Waits until this certificate was published."""
    return helper.wait_log(
        lambda line: is_publication(line) and line.fields.get("serial") == openssl_serial(serial), timeout
    )


def agent_serial(agent: DevAgent) -> int:
    """The serial number of the first SVID of the agent's current state."""
    return int(agent.status()["serial"], 16)


def rotate(agent: DevAgent, helper: Helper, timeout: float = 10.0) -> int:
    """Rotates, waits until the helper has published the new SVID, and returns its serial number."""
    agent.rotate()
    serial = agent_serial(agent)
    wait_serial(helper, serial, timeout)
    return serial


def lines_of(helper: Helper, event: str, *, loud: bool = True) -> list[LogLine]:
    """The lines with this event; with `loud`, only those of levels that a default log shows."""
    return [
        line
        for line in helper.log
        if line.fields.get("event") == event and not (loud and line.level == "debug")
    ]


@dataclass(frozen=True)
class Entry:
    """Properties of a file that must not change without a publication."""

    inode: int
    mode: int
    owner: int
    group: int
    modified: int
    content: bytes  # of a file, the target of a symlink, "" for a directory


def entry_of(path: Path) -> Entry:
    seen = path.lstat()
    content = b""
    if stat.S_ISLNK(seen.st_mode):
        content = os.readlink(path).encode()
    elif stat.S_ISREG(seen.st_mode):
        content = path.read_bytes()
    return Entry(seen.st_ino, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, content)


class Published:
    """A directory of outputs, in any layout."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)

    def read(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.directory / name).stat().st_mode)

    def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in os.listdir(self.directory) if name.startswith(prefix))

    def generations(self) -> list[str]:
        return self.names("..gen.")

    def live(self) -> str:
        """The generation that ..data points to."""
        return os.readlink(self.directory / "..data")

    def strangers(self) -> list[str]:
        """Names other than outputs, ..lock, ..data and the live generation."""
        own = {*NAMES, "..lock", "..data"}
        if "..data" in self.names():
            own.add(self.live())
        return [name for name in self.names() if name not in own]

    def wait_tidy(self, timeout: float = TIDY_S) -> None:
        """Waits until all superseded generations are removed."""
        wait_until(lambda: not self.strangers(), f"one generation in {self.directory}", timeout)

    @contextmanager
    def opened(self, path: str = "..data") -> Iterator[Callable[[str], bytes]]:
        """Reads files relative to one descriptor, like a reader of one snapshot."""
        directory = os.open(self.directory / path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

        def read(name: str) -> bytes:
            with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
                return file.read()

        try:
            yield read
        finally:
            os.close(directory)

    def check(self, serial: int | None = None, *, path: str = "..data") -> int:
        """Asserts that the files are whole, match, verify and are those that readers of the names get."""
        if path == "..data" and not (self.directory / path).is_symlink():
            path = "."
        with self.opened(path) as read:
            svid, key, bundle = (read(name) for name in NAMES)
        assert [svid, key, bundle] == [self.read(name) for name in NAMES]
        assert certs.pair_matches(svid, key)
        assert certs.openssl_verifies(svid, bundle) == "OK"
        found = certs.serial(svid)
        assert serial is None or found == serial, f"serial {found:x} on disk, not {serial:x}"
        return found

    def state(self) -> dict[str, Entry]:
        """Everything below the directory, except the lock file and entries that disappear meanwhile."""
        entries: dict[str, Entry] = {}
        # Not rglob(), which fails for a directory that disappears.
        for folder, folders, names in os.walk(self.directory):
            for path in [Path(folder, name) for name in [*folders, *names] if not name.startswith("..lock")]:
                with suppress(FileNotFoundError):
                    entries[str(path.relative_to(self.directory))] = entry_of(path)
        return entries

    def state_in_use(self) -> dict[str, Entry]:
        """The same without superseded generations, which are removed after 10 s."""
        live = self.live()
        return {path: entry for path, entry in self.state().items() if not path.startswith("..gen.") or path.startswith(live)}


def make_certs(workdir: Path, name: str = "certs") -> Published:
    """An empty directory for outputs, safe whatever the tests' umask."""
    directory = workdir / name
    directory.mkdir()
    directory.chmod(0o755)
    return Published(directory)
