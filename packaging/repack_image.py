#!/usr/bin/env python3
"""Rewrites an image archive without the values that differ between builds: the name of buildah's container,
the time, and the builder's version.

    packaging/repack_image.py ARCHIVE >NEW     both as made by `buildah push … docker-archive:`

The time of the members is SOURCE_DATE_EPOCH. The layers, and thus their digests, stay unchanged.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile


def normalized(config: dict) -> bytes:
    """The image's configuration, without the container and the image that it was committed from."""
    for name in ("container", "container_config", "parent"):
        config.pop(name, None)
    for step in config["history"]:
        step.pop("comment", None)
    inner = config["config"]
    inner["Hostname"] = ""
    inner.get("Labels", {}).pop("io.buildah.version", None)
    return json.dumps(config, sort_keys=True, separators=(",", ":")).encode()


def repack(archive: tarfile.TarFile) -> list[tuple[str, bytes]]:
    """Names and contents of the new archive's members."""

    def read(name: str) -> bytes:
        member = archive.extractfile(name)
        assert member, name
        return member.read()

    (image,) = json.loads(read("manifest.json"))
    config = normalized(json.loads(read(image["Config"])))
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": image["RepoTags"], "Layers": image["Layers"]}])
    layers = [(layer, read(layer)) for layer in dict.fromkeys(image["Layers"])]
    return [("manifest.json", manifest.encode()), (name, config), *layers]


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    with tarfile.open(sys.argv[1]) as archive:
        members = repack(archive)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.USTAR_FORMAT) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o644
            info.mtime = int(os.environ["SOURCE_DATE_EPOCH"])
            out.addfile(info, io.BytesIO(content))
    return 0


if __name__ == "__main__":
    sys.exit(main())
