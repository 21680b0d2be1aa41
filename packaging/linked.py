#!/usr/bin/env python3
"""Lists the distribution's packages that are inside the released programs, with their licenses.

    packaging/linked.py BUILD OUTPUT [--sysroot DIRECTORY]

BUILD is a build directory of the preset release (or release-arm64). OUTPUT gets

    sbom.spdx.json           SPDX 2.3: both programs, and every package with its version and purl
    THIRD-PARTY-NOTICES.gz   the copyright file of every package

Nothing is listed by hand: the linker's maps name the archives and objects that are used in the programs,
Ninja's dependency log names the headers (some libraries consist only of headers), and the package database
their packages. Files below the sysroot of a cross build have a database of their own, made by
packaging/sysroot.sh. The time of the document is SOURCE_DATE_EPOCH. Exit status 1 if a file belongs to no
package.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

PROGRAMS = ("spiffe-helper", "spiffe-dev-agent")
FORMAT = "\t".join(["${Package}", "${Version}", "${source:Package}", "${source:Version}", "${Architecture}"]) + "\n"


@dataclass(frozen=True, order=True)
class Package:
    name: str
    version: str
    source: str
    source_version: str
    architecture: str
    root: str  # where its files are: "/" or the sysroot

    def notice(self) -> str:
        """The text of its copyright file."""
        path = Path(self.root, "usr/share/doc", self.name, "copyright")
        return path.read_text(encoding="utf-8", errors="replace")


class Unowned(Exception):
    """A file that no package of the distribution contains."""


def linked_files(linker_map: Path) -> set[str]:
    """Archives and objects that are used in the program, except this project's.

    A member of an archive does not count if the linker kept none of its sections.
    """
    _, _, memory = linker_map.read_text(errors="replace").partition("\nLinker script and memory map")
    # Section, address, size, file; a long name is on its own line. A section not loaded has no address.
    pattern = r"(?m)^ \S+\s+0x0*[1-9a-f]\w* +0x[1-9a-f]\w* (/\S+?\.[ao])(?:\(\S+\))?$"
    return {os.path.normpath(path) for path in re.findall(pattern, memory)}


def headers(build: Path) -> set[str]:
    """Every header of the programs, except this project's."""
    command = ["ninja", "-C", build, "-t", "deps"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # A block for each object, its name first. Objects below tests/ are not in the programs.
    blocks = [block for block in text.split("\n\n") if not block.startswith("tests/")]
    # ccache makes paths relative if its base_dir is set.
    names = {name for block in blocks for name in re.findall(r"(?m)^    (\S+)$", block)}
    paths = {os.path.normpath(build.resolve() / name) for name in names}
    project = str(Path(__file__).resolve().parent.parent) + "/"
    return {path for path in paths if not path.startswith(project) or "/sysroot" in path}


def spellings(path: str) -> list[str]:
    """Names under which a package may list the file: links followed or not, /usr/lib as /lib."""
    names = [path, os.path.realpath(path)]
    return names + [name.removeprefix("/usr") for name in names]


class Installed:
    """The packages of this machine, by dpkg."""

    def packages(self, paths: set[str]) -> set[Package]:
        if not paths:
            return set()
        owners = self._owners({name for path in paths for name in spellings(path)})
        names = set()
        for path in paths:
            owner = next((owners[name] for name in spellings(path) if name in owners), None)
            if owner is None:
                raise Unowned(path)
            names.add(owner)
        command = ["dpkg-query", "-W", "-f", FORMAT, *sorted(names)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return {Package(*line.split("\t"), "/") for line in lines}

    @staticmethod
    def _owners(names: set[str]) -> dict[str, str]:
        # dpkg-query fails if one of the names is unknown, but prints the others.
        command = ["dpkg-query", "-S", *sorted(names)]
        text = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
        found = {}
        for line in text.splitlines():
            owners, _, path = line.partition(": ")
            found[path] = owners.split(", ")[0]
        return found


class Sysroot:
    """The packages of a directory made by packaging/sysroot.sh: NAME.list and NAME.control in its .packages."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._owners = {}
        for listing in sorted((self.root / ".packages").glob("*.list")):
            for line in listing.read_text().splitlines():
                self._owners[line.removeprefix(".")] = listing.stem

    def packages(self, paths: set[str]) -> set[Package]:
        names = set()
        for path in paths:
            inside = [name.removeprefix(str(self.root)) for name in (path, os.path.realpath(path))]
            inside += [name.removeprefix("/usr") for name in inside]
            owner = next((self._owners[name] for name in inside if name in self._owners), None)
            if owner is None:
                raise Unowned(path)
            names.add(owner)
        return {self._package(name) for name in names}

    def _package(self, name: str) -> Package:
        text = (self.root / ".packages" / f"{name}.control").read_text()
        field = dict(re.findall(r"(?m)^([A-Za-z-]+): (.*)$", text))
        source = re.fullmatch(r"(\S+)(?: \((\S+)\))?", field.get("Source", name))
        assert source
        version = field["Version"]
        return Package(
            field["Package"], version, source[1], source[2] or version, field["Architecture"], str(self.root)
        )


class Finder:
    """Asks the right database for each file."""

    def __init__(self, sysroot: Path | None) -> None:
        self._installed = Installed()
        self._sysroot = Sysroot(sysroot) if sysroot else None

    def packages(self, paths: set[str]) -> set[Package]:
        if self._sysroot is None:
            return self._installed.packages(paths)
        inside = {path for path in paths if path.startswith(f"{self._sysroot.root}/")}
        return self._sysroot.packages(inside) | self._installed.packages(paths - inside)


def cached(build: Path, name: str) -> str:
    """A value of CMake's cache."""
    match = re.search(rf"(?m)^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text())
    return match[1] if match else ""


def purl(package: Package) -> str:
    system = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)"?$', Path("/etc/os-release").read_text()))
    distribution = f"{system.get('ID', 'unknown')}-{system.get('VERSION_ID', 'unknown')}"
    name, version = quote(package.name, safe=""), quote(package.version, safe="~")
    arch = package.architecture
    return f"pkg:deb/{system.get('ID', 'unknown')}/{name}@{version}?arch={arch}&distro={distribution}"


def described(package: Package) -> dict[str, object]:
    return {
        "SPDXID": identifier(package.name),
        "name": package.name,
        "versionInfo": package.version,
        "sourceInfo": f"built from the source package {package.source} {package.source_version}",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "LIBRARY",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(package)}
        ],
    }


def identifier(name: str) -> str:
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name.replace("+", "plus"))


def program(build: Path, name: str, version: str) -> dict[str, object]:
    digest = hashlib.sha256((build / name).read_bytes()).hexdigest()
    return {
        "SPDXID": identifier(name),
        "name": name,
        "versionInfo": version,
        "packageFileName": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "APPLICATION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
    }


def relation(subject: str, kind: str, other: str, comment: str = "") -> dict[str, str]:
    found = {"spdxElementId": subject, "relationshipType": kind, "relatedSpdxElement": other}
    return found | ({"comment": comment} if comment else {})


def sbom(build: Path, linked: dict[str, set[Package]], compiled: set[Package]) -> dict[str, object]:
    version = cached(build, "CMAKE_PROJECT_VERSION")
    programs = [program(build, name, version) for name in PROGRAMS]
    everything = sorted(compiled.union(*linked.values()))
    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", identifier(name)) for name in PROGRAMS]
    for name in PROGRAMS:
        relations += [relation(identifier(name), "STATIC_LINK", identifier(each.name)) for each in sorted(linked[name])]
    for each in sorted(compiled - set().union(*linked.values())):
        for name in PROGRAMS:
            comment = "headers whose code is compiled in"
            relations.append(relation(identifier(name), "DEPENDS_ON", identifier(each.name), comment))
    content = {"packages": [*programs, *map(described, everything)], "relationships": relations}
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    name = f"spiffe-helper-{version}-linux-{cached(build, 'SPIFFE_ARCHITECTURE')}"
    created = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{digest[:32]}",
        "creationInfo": {
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: spiffe-helper-linked.py-{version}"],
        },
        **content,
    }


def notices(packages: set[Package]) -> str:
    """One copyright file for each source package: its binary packages have the same."""
    groups: dict[tuple[str, str], list[Package]] = {}
    for package in sorted(packages):
        groups.setdefault((package.source, package.source_version), []).append(package)
    parts = ["Code of these packages is in the programs. Their copyright files follow.\n"]
    for (source, version), members in sorted(groups.items()):
        names = ", ".join(sorted({each.name for each in members}))
        texts = sorted({each.notice() for each in members})
        parts += [f"\n{'=' * 78}\n{source} {version} ({names})\n{'=' * 78}\n\n", "\n".join(texts)]
    return "".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sysroot", type=Path)
    arguments = parser.parse_args()
    finder = Finder(arguments.sysroot)
    try:
        linked = {name: finder.packages(linked_files(arguments.build / f"{name}.map")) for name in PROGRAMS}
        compiled = finder.packages(headers(arguments.build))
    except Unowned as file:
        print(f"error: {file} is compiled or linked in, but no package contains it", file=sys.stderr)
        return 1
    document = sbom(arguments.build, linked, compiled)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "sbom.spdx.json").write_text(json.dumps(document, indent=2) + "\n")
    text = notices(compiled.union(*linked.values())).encode()
    # The output of zlib's implementations may differ; the manual pages use gzip(1), too.
    packed = subprocess.run(["gzip", "-9nc"], input=text, stdout=subprocess.PIPE, check=True).stdout
    assert gzip.decompress(packed) == text
    (arguments.output / "THIRD-PARTY-NOTICES.gz").write_bytes(packed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
