"""The SBOM: valid SPDX, and correct. Packages are determined in other ways than by packaging/linked.py."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, release, run, version
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

One = Callable[[str], Path]
PROGRAMS = ["spiffe-helper", "spiffe-dev-agent"]


@pytest.fixture
def sbom(one: One) -> dict[str, Any]:
    return json.loads(one("*.spdx.json").read_text())


def names_related(sbom: dict[str, Any], program: str, kind: str) -> set[str]:
    """The packages with this kind of relationship to the program in the SBOM."""
    names = {package["SPDXID"]: package["name"] for package in sbom["packages"]}
    related = [each for each in sbom["relationships"] if each["relationshipType"] == kind]
    return {names[each["relatedSpdxElement"]] for each in related if names.get(each["spdxElementId"]) == program}


def owners(paths: set[str]) -> set[str]:
    """The packages that contain the files, according to dpkg."""
    merged = {re.sub(r"^/lib/", "/usr/lib/", str(Path(path).resolve())) for path in paths}
    lines = run("dpkg", "-S", *sorted(merged)).splitlines()
    return {line.partition(":")[0] for line in lines}


def test_it_is_valid_spdx(one: One) -> None:
    messages = validate_full_spdx_document(parse_file(str(one("*.spdx.json"))), "SPDX-2.3")
    assert [message.validation_message for message in messages] == []


def test_the_validator_finds_what_is_wrong(sbom: dict[str, Any], tmp_path: Path) -> None:
    sbom["packages"][0]["downloadLocation"] = "nowhere"
    wrong = tmp_path / "wrong.spdx.json"
    wrong.write_text(json.dumps(sbom))
    (message,) = validate_full_spdx_document(parse_file(str(wrong)), "SPDX-2.3")
    assert "download_location" in message.validation_message


def test_it_names_the_programs_by_their_digests(sbom: dict[str, Any]) -> None:
    assert sbom["spdxVersion"] == "SPDX-2.3"
    packages = {package["SPDXID"]: package for package in sbom["packages"]}
    assert len(packages) == len(sbom["packages"])
    for name in PROGRAMS:
        package = packages[f"SPDXRef-{name}"]
        digest = hashlib.sha256((release() / name).read_bytes()).hexdigest()
        assert package["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
        assert package["versionInfo"] == version()
    related = set()
    for relationship in sbom["relationships"]:
        assert {relationship["spdxElementId"], relationship["relatedSpdxElement"]} <= {*packages, "SPDXRef-DOCUMENT"}
        related.add(relationship["relatedSpdxElement"])
    assert related == packages.keys()


def test_the_versions_are_those_that_are_installed(sbom: dict[str, Any]) -> None:
    libraries = [package for package in sbom["packages"] if "externalRefs" in package]
    assert len(libraries) > 10
    for package in libraries:
        installed = run("dpkg-query", "-W", "-f", "${Version}", package["name"])
        assert package["versionInfo"] == installed
        (reference,) = package["externalRefs"]
        assert reference["referenceLocator"].startswith("pkg:deb/")


def symbols(*files: Path | str, kinds: str) -> dict[str, set[str]]:
    """The symbols of these kinds that each file defines."""
    found: dict[str, set[str]] = {}
    output = run("nm", "-A", "--defined-only", "--quiet", *files)
    for path, kind, name in re.findall(r"(?m)^([^:]+):\S+ ([A-Za-z]) (\S+)$", output):
        if kind in kinds:
            found.setdefault(path, set()).add(name)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_package_whose_code_is_in_the_program_is_named(
    sbom: dict[str, Any], program: str, tmp_path: Path
) -> None:
    """Links again with symbols: an archive is in the program if one of its functions is."""
    command = run("ninja", "-C", release(), "-t", "commands", program).splitlines()[-1]
    command = command.replace(" -s ", " ").replace(f" -o {program} ", f" -o {tmp_path}/program ")
    command = re.sub(r"-Map,\S+", f"-Map,{tmp_path}/map", command)
    run("sh", "-c", command, cwd=release())
    (inside,) = symbols(tmp_path / "program", kinds="TtRrDdBb").values()
    offered = set(re.findall(r"(?m)^LOAD (/\S+\.a)$", (tmp_path / "map").read_text(errors="replace")))
    # libm.a is a linker script; the linker then loads the files that it names.
    archives = [path for path in sorted(offered) if Path(path).read_bytes().startswith(b"!<arch>")]
    defined = symbols(*archives, kinds="T")
    used = {archive for archive, names in defined.items() if names & inside}
    assert len(used) < len(archives)
    assert owners(used) == names_related(sbom, program, "STATIC_LINK")


def test_every_package_of_an_included_header_is_named(sbom: dict[str, Any]) -> None:
    """The headers that the sources include directly."""
    sources = [path for path in (ROOT / "src").rglob("*") if path.suffix in (".cc", ".hh")]
    included = {name for path in sources for name in re.findall(r"(?m)^#include <(.+\..+)>$", path.read_text())}
    headers = {f"/usr/include/{name}" for name in included if Path("/usr/include", name).is_file()}
    assert len(headers) > 20
    named = {package["name"] for package in sbom["packages"]}
    assert owners(headers) <= named
    read = {"libtomlplusplus-dev", "libyaml-dev", "nlohmann-json3-dev"}
    assert {"libcli11-dev", "libfmt-dev", "libevent-dev"} | read <= named
