"""Directories to install into that become the root: Debian releases, and an empty one for RPM."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from commands import ROOT, run

# What package managers and the test write anywhere.
NOT_COMPARED = re.compile(r"^(var/(lib/(dpkg|rpm|systemd)|log|cache)|tmp|proc|sys|dev)(/|$)")


def mirror() -> str:
    """Where apt of this machine gets Debian from."""
    sites = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    return next((site for site in sites if "security" not in site), "http://deb.debian.org/debian")


def debian_root(suite: str) -> Path:
    """Made once: a minute and 250 MB."""
    root = ROOT / "build/roots" / suite
    if not root.is_dir():
        unfinished = root.with_suffix(".partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", "--include=systemd", suite, unfinished, mirror(), timeout=900)
        unfinished.rename(root)
    return root


def inside(root: Path, *command: str, timeout: float = 100) -> str:
    """The output of a command for which the directory is the root."""
    env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return run("chroot", root, *command, env=env | {"TMPDIR": "/tmp"}, timeout=timeout)


def entries(root: Path) -> set[str]:
    """Every file, link and directory but those in which package managers keep their own."""
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
    """Puts a systemctl into a directory of programs that only notes what it is asked for; answers where it does."""
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    calls = root / "tmp/systemctl.calls"
    calls.parent.mkdir(exist_ok=True)
    calls.touch()
    stub = root / programs / "systemctl"
    stub.parent.mkdir(parents=True, exist_ok=True)
    stub.write_text('#!/bin/sh\necho "$*" >>/tmp/systemctl.calls\n')
    stub.chmod(0o755)
    return calls
