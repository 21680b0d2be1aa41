"""Container images with files of this machine, as archives for `ctr images import`."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BUSYBOX = Path("/bin/busybox")


def write_image(archive: Path, names: list[str], layer: bytes, config: Mapping[str, Any]) -> None:
    """An image of one layer with several names."""
    digest = hashlib.sha256(layer).hexdigest()
    whole = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as out:
        add(out, "manifest.json", json.dumps(manifest).encode())
        add(out, "config.json", json.dumps(whole).encode())
        add(out, "layer.tar", layer)


def busybox_layer(applets: list[str]) -> bytes:
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as layer:
            add(layer, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
            for applet in applets:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                layer.addfile(link)
            add(layer, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
        return content.getvalue()


def program_layer(program: Path, directory: str) -> bytes:
    """A layer with one static program."""
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as layer:
            add(layer, f"{directory}/{program.name}", program.read_bytes(), 0o755)
        return content.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))
