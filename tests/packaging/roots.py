"""Root directories for installations: Debian releases, and functions for any root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import run

# Paths that package managers and the test itself write.
NOT_COMPARED = re.compile(r"^(var/(lib/(dpkg|rpm|systemd)|log|cache)|tmp|proc|sys|dev)(/|$)")
# Not needed here, and would be in every copy of a root.
NOT_KEPT = ["usr/share/doc", "usr/share/locale", "usr/share/zoneinfo", "var/cache/apt", "var/lib/apt/lists"]
DAY = 86400  # seconds


def mirror() -> str:
    """The Debian mirror of this machine's apt."""
    sites = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    site = next((site for site in sites if "security" not in site), None)
    assert site, "apt has no source of Debian's packages"
    return site


def release_digest(site: str, suite: str) -> str:
    """A digest that changes with the release's packages."""
    with urllib.request.urlopen(f"{site}/dists/{suite}/InRelease", timeout=60) as answer:
        return hashlib.sha256(answer.read()).hexdigest()[:16]


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "spiffe-helper-roots"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def debian_root(suite: str) -> Path:
    """A minimal Debian with systemd, kept in the user's cache until the release's packages change."""
    cache().mkdir(parents=True, exist_ok=True)
    site = mirror()
    root = cache() / f"{suite}-{release_digest(site, suite)}"
    with locked(cache() / f"{suite}.lock"):
        if not root.is_dir():
            unfinished = cache() / f"{suite}.partial"
            shutil.rmtree(unfinished, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", "--include=systemd", suite, unfinished, site]
            run(*command, timeout=900)
            for directory in NOT_KEPT:
                # The directory itself belongs to a package.
                for name in os.listdir(unfinished / directory):
                    remove(unfinished / directory / name)
            remove_unused(suite)
            unfinished.rename(root)
    return root


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_unused(suite: str) -> None:
    """Removes roots of older package lists, except those that another run of the tests may still copy."""
    for older in cache().glob(f"{suite}-*"):
        if time.time() - older.stat().st_mtime > DAY:
            shutil.rmtree(older)


def inside(root: Path, *command: str, timeout: float = 100) -> str:
    """The output of a command with the directory as its root."""
    env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return run("chroot", root, *command, env=env | {"TMPDIR": "/tmp"}, timeout=timeout)


def entries(root: Path) -> set[str]:
    """Every file, link and directory, except the package managers' own."""
    found = set()
    for directory, names, files in os.walk(root):
        below = os.path.relpath(directory, root)
        for name in [*names, *files]:
            path = os.path.normpath(os.path.join(below, name))
            if not NOT_COMPARED.match(path):
                found.add(path)
        names[:] = [name for name in names if not NOT_COMPARED.match(os.path.normpath(os.path.join(below, name)))]
    return found


def pretend_that_systemd_runs(root: Path, programs: str = "usr/local/bin") -> Path:
    """Creates a systemctl that only records its arguments; returns the file with them."""
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    calls = root / "tmp/systemctl.calls"
    calls.parent.mkdir(exist_ok=True)
    calls.touch()
    stub = root / programs / "systemctl"
    stub.parent.mkdir(parents=True, exist_ok=True)
    stub.write_text('#!/bin/sh\necho "$*" >>/tmp/systemctl.calls\n')
    stub.chmod(0o755)
    return calls
