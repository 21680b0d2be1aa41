"""The image and the tarball; a second build makes the same artefacts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, release, run, version

One = Callable[[str], Path]
MAX_IMAGE = 13_000_000


def unpacked(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def configuration(archive: Path) -> tuple[dict[str, Any], list[tarfile.TarInfo]]:
    """The image's configuration, and the members of its layers."""
    members = unpacked(archive)
    (image,) = json.loads(members["manifest.json"])
    config = json.loads(members[image["Config"]])
    assert image["Config"] == hashlib.sha256(members[image["Config"]]).hexdigest() + ".json"
    files = []
    for name, digest in zip(image["Layers"], config["rootfs"]["diff_ids"], strict=True):
        assert f"sha256:{hashlib.sha256(members[name]).hexdigest()}" == digest
        with tarfile.open(fileobj=io.BytesIO(members[name])) as layer:
            files += list(layer)
    return config, files


def test_the_image_runs_the_helper_as_an_unprivileged_user(one: One) -> None:
    config, _ = configuration(one("*[0-9]-linux-*64.image.tar.gz"))
    settings = config["config"]
    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["/usr/bin/spiffe-helper"]
    assert not settings["Cmd"]
    assert settings["Env"] == ["PATH=/usr/bin:/bin"]
    assert settings["Healthcheck"]["Test"] == ["CMD", "/usr/bin/spiffe-helper", "health"]
    assert config["architecture"] == run("dpkg", "--print-architecture").strip()
    labels = {name.rpartition(".")[2]: value for name, value in settings["Labels"].items()}
    assert labels["title"] == "spiffe-helper"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == version()
    assert labels["revision"] == run("git", "rev-parse", "HEAD", cwd=ROOT).strip()


def test_the_image_has_the_program_and_its_licenses_only(one: One) -> None:
    _, files = configuration(one("*[0-9]-linux-*64.image.tar.gz"))
    assert sorted(member.name for member in files if not member.isdir()) == [
        "etc/group",
        "etc/passwd",
        "spiffe-helper",
        "usr/bin/spiffe-helper",
        "usr/share/doc/spiffe-helper/LICENSE",
        "usr/share/doc/spiffe-helper/THIRD-PARTY-NOTICES.gz",
        "usr/share/doc/spiffe-helper/sbom.spdx.json",
    ]
    assert sum(member.size for member in files) <= MAX_IMAGE
    assert all((member.uid, member.gid) == (0, 0) for member in files)
    # Only /tmp is writable for users other than root.
    assert [m.name for m in files if m.mode & 0o022 and not m.issym()] == ["tmp"]


def test_the_debug_image_has_a_shell_as_well(one: One) -> None:
    config, files = configuration(one("*-debug.image.tar.gz"))
    assert config["config"]["Entrypoint"] == ["/usr/bin/spiffe-helper"]
    assert {"bin/sh", "bin/busybox", "bin/ls", "usr/bin/spiffe-helper"} <= {member.name for member in files}


@pytest.mark.needs_root
def test_the_debug_image_works_as_a_root(one: One, tmp_path: Path) -> None:
    """As the image's user; `version` needs no files and writes none."""
    members = unpacked(one("*-debug.image.tar.gz"))
    (image,) = json.loads(members["manifest.json"])
    for name in image["Layers"]:
        with tarfile.open(fileobj=io.BytesIO(members[name])) as layer:
            layer.extractall(tmp_path, filter="fully_trusted")
    tmp_path.chmod(0o755)
    as_user = ["chroot", "--userspec=65532:65532", tmp_path]
    assert run(*as_user, "/spiffe-helper", "version").split()[1] == version()
    assert run(*as_user, "/bin/sh", "-c", "id -un").strip() == "nonroot"


def test_the_tarball_is_a_prefix(one: One, tmp_path: Path) -> None:
    archive = one("*-linux-*64.tar.gz")
    run("tar", "-xzf", archive, "--strip-components=1", "-C", tmp_path)
    assert (tmp_path / "bin/spiffe-helper").read_bytes() == (release() / "spiffe-helper").read_bytes()
    unit = (tmp_path / "lib/systemd/system/spiffe-helper.service").read_text()
    assert "ExecStart=/usr/local/bin/spiffe-helper " in unit
    with tarfile.open(archive) as tar:
        tops = {member.name.partition("/")[0] for member in tar}
    assert tops == {archive.name.removesuffix(".tar.gz")}


def test_the_notices_have_every_license(one: One) -> None:
    members = unpacked(one("*-linux-*64.tar.gz"))
    (packed,) = [content for name, content in members.items() if name.endswith("THIRD-PARTY-NOTICES.gz")]
    text = gzip.decompress(packed).decode()
    for source in ("abseil", "grpc", "protobuf", "openssl", "libevent", "glibc", "gcc-12", "cli11", "fmtlib"):
        assert re.search(rf"(?m)^{source.replace('gcc-12', 'gcc-[0-9]+')} \S+ \(", text), source


def test_the_checksums_are_those_of_the_files(dist: Path) -> None:
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=dist)
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}
    assert len(listed) == 8


def test_a_second_build_makes_the_same_artefacts(dist: Path, tmp_path: Path) -> None:
    """With another umask, directory and time zone. check-reproducible.sh checks the programs."""
    script = f"umask 077; export TZ=Pacific/Kiritimati; exec {ROOT}/packaging/build.sh --output {tmp_path}/dist"
    run("bash", "-c", script, timeout=600)
    assert (tmp_path / "dist/SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()
