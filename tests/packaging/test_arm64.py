"""The programs for arm64, cross-compiled, under an emulator: hardening, unit tests, the quickstart's flow, artefacts.

Without a compiler cache, most of the time is for one complete build. $SPIFFE_HELPER is not used.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import devagent
import helper
import pytest
from commands import ROOT, attempt, run, version
from devagent import DevAgent
from helper import Helper, wait_until
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

BUILD = ROOT / "build/release-arm64"
SYSROOT = ROOT / "build/sysroot-arm64"
EMULATOR = "qemu-aarch64-static"
# A processor without signing of return addresses, whose emulation takes most of the time of a unit test. The
# programs themselves run on one that signs.
PLAIN_EMULATOR = [EMULATOR, "-cpu", "cortex-a57"]
PROGRAMS = ["spiffe-helper", "spiffe-dev-agent"]
FOLDERS = ["identity", "output"]
# Emulation is about ten times as slow as this machine.
SLOW = 10

# Unit tests of output in which a seccomp filter makes a system call fail; the emulator refuses to set one.
WITH_SECCOMP = [
    "a file system without symlinks is an error with a hint",
    "files are published without openat2, on an old kernel or in a sandbox",
    "on a file system without locks a warning is given and publishing continues",
    "whichever system call fails, the old set stays and nothing half-made is left",
]

# app.sh of the quickstart for a system with only busybox. It cannot start programs, since the kernel does not
# run those for arm64. The second line of a PEM file is different for each certificate.
APP = """\
load() {
  { read -r line; read -r line; } <certs/svid.pem
  echo "$1: loaded $line" >>app.log
}
trap 'load SIGHUP' HUP
trap 'echo "asked to stop: bye" >>app.log; exit 0' TERM
load started
exec 3<>wait
while :; do read -r line <&3; done
"""


@pytest.fixture(scope="module")
def arm64() -> Path:
    """The directory of the programs and unit tests for arm64."""
    run(ROOT / "packaging/sysroot.sh", "arm64", SYSROOT, timeout=600)
    run("cmake", "--preset", "release-arm64", cwd=ROOT)
    targets = ["all", *(f"unit_{folder}" for folder in FOLDERS)]
    run("cmake", "--build", "--preset", "release-arm64", "--target", *targets, cwd=ROOT, timeout=3600)
    return BUILD


@pytest.fixture
def emulated(arm64: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Creates a program for this machine that runs one for arm64."""
    # Not every kernel can start programs of another architecture (binfmt_misc).
    monkeypatch.setattr(devagent, "SLOW", SLOW)
    monkeypatch.setattr(helper, "SLOW", SLOW)

    def make(path: Path, *command: str | Path) -> Path:
        path.write_text(f'#!/bin/sh\nexec {EMULATOR} {" ".join(map(str, command))} "$@"\n')
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def agent(arm64: Path, emulated: Callable[..., Path], tmp_path: Path) -> Iterator[DevAgent]:
    program = emulated(tmp_path / "spiffe-dev-agent", arm64 / "spiffe-dev-agent")
    with DevAgent(tmp_path, "-id", "/quickstart/app", binary=program) as running:
        yield running


def test_the_programs_are_hardened(arm64: Path) -> None:
    output = run(ROOT / "scripts/check-hardening.py", *(arm64 / name for name in PROGRAMS))
    assert output.count("static-pie, full RELRO, no executable stack") == len(PROGRAMS)
    for name in PROGRAMS:
        assert "AArch64" in run("readelf", "-h", arm64 / name)


def test_return_addresses_are_signed(arm64: Path) -> None:
    """Our object files are checked: the linked program has no BTI mark if the C library has none."""
    (helper_object,) = arm64.glob("CMakeFiles/spiffe-helper.dir/**/*.o")
    assert "PAC" in run("readelf", "-n", helper_object)
    assert "BTI" in run("readelf", "-n", helper_object)
    assert "paciasp" in run("aarch64-linux-gnu-objdump", "-d", helper_object)


def pattern(name: str) -> str:
    """The name as a pattern of Catch2, in which a comma is a separator."""
    return name.replace(",", "\\,")


def test_the_unit_tests_pass(arm64: Path, tmp_path: Path) -> None:
    """Those of identity run in two parallel halves, by file, since creating keys is slow here."""
    halves = (
        ["identity", "-#", "[#usual_path_test],[#jws_test]"],
        ["identity", "-#", "~[#usual_path_test]~[#jws_test]"],
    )
    without = ["output", *(f"~{pattern(name)}" for name in WITH_SECCOMP)]

    def tested(folder: str, *patterns: str) -> str:
        return run(*PLAIN_EMULATOR, arm64 / f"tests/unit/unit_{folder}", *patterns, cwd=tmp_path, timeout=1800)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for output in pool.map(lambda words: tested(*words), [*halves, without]):
            assert re.search(r"All tests passed \(\d+ assertions in \d{2,} test cases\)", output), output


def test_the_emulator_has_no_seccomp(arm64: Path, tmp_path: Path) -> None:
    """The tests left out are those that use seccomp, and each of them fails."""
    for name in WITH_SECCOMP:
        status, output = attempt(*PLAIN_EMULATOR, arm64 / "tests/unit/unit_output", pattern(name), cwd=tmp_path)
        assert status != 0, f"{name}: passes under {EMULATOR}, and need not be left out"
        assert "1 failed" in output, output
    sources = "".join(path.read_text() for path in (ROOT / "tests/unit/output").glob("*_test.cc"))
    cases = re.findall(r'(?s)TEST_CASE\("([^"]+)"\) \{\n(.*?)\n\}\n', sources)
    assert sorted(name for name, body in cases if "deny_syscall(" in body) == sorted(WITH_SECCOMP)


def test_the_quickstart(
    agent: DevAgent, emulated: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Helper and the program that it starts run for arm64, and so does the agent."""
    monkeypatch.setenv("SPIFFE_HELPER", str(emulated(tmp_path / "spiffe-helper", BUILD / "spiffe-helper")))
    (tmp_path / "certs").mkdir()
    os.mkfifo(tmp_path / "wait")
    (tmp_path / "load.sh").write_text(APP)
    emulated(tmp_path / "app.sh", SYSROOT / "bin/busybox", "sh", "load.sh")
    config = (ROOT / "examples/quickstart/helper.conf").read_text()
    with Helper(tmp_path, config, ["-agent-address", agent.endpoint]) as running:
        seen = [loaded(tmp_path, 1)]
        (child,) = running.children()
        assert EMULATOR in Path(f"/proc/{child}/cmdline").read_text()
        for count in (2, 3):
            agent.rotate()
            seen.append(loaded(tmp_path, count))
        assert len(set(seen)) == 3
        check_files(tmp_path / "certs")
        assert running.children() == [child]
        assert running.stop() == 0
    lines = (tmp_path / "app.log").read_text().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["started", "SIGHUP", "SIGHUP", "asked to stop"]


def loaded(directory: Path, count: int) -> str:
    """The line that the program loaded the count-th time; checks that it is the file's."""
    log = directory / "app.log"

    def lines() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    wait_until(lambda: len(lines()) >= count, f"{count} times that the program loads the certificate")
    line = lines()[count - 1].partition(": loaded ")[2]
    assert line == (directory / "certs/svid.pem").read_text().splitlines()[1]
    return line


def check_files(certs: Path) -> None:
    """Checks the files with this machine's openssl."""
    output = run("openssl", "x509", "-in", certs / "svid.pem", "-noout", "-ext", "subjectAltName")
    assert "URI:spiffe://example.org/quickstart/app" in output
    run("openssl", "verify", "-partial_chain", "-CAfile", certs / "svid_bundle.pem", certs / "svid.pem")
    public = run("openssl", "x509", "-in", certs / "svid.pem", "-noout", "-pubkey")
    assert run("openssl", "pkey", "-in", certs / "svid_key.pem", "-pubout") == public
    assert stat.S_IMODE((certs / "svid_key.pem").stat().st_mode) == 0o600


@pytest.fixture(scope="module")
def arm64_dist(arm64: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist-arm64")
    run(ROOT / "packaging/build.sh", "--arch", "arm64", "--output", directory, "all", timeout=1200)
    return directory


def test_the_artefacts_are_those_of_amd64_for_another_machine(arm64_dist: Path) -> None:
    assert sorted(path.name for path in arm64_dist.iterdir()) == sorted(
        [
            "SHA256SUMS",
            *(f"{name}-{version()}-1.aarch64.rpm" for name in PROGRAMS),
            *(f"{name}_{version()}-1_arm64.deb" for name in PROGRAMS),
            *(f"spiffe-helper-{version()}-linux-arm64{kind}.image.tar.gz" for kind in ("", "-debug")),
            f"spiffe-helper-{version()}-linux-arm64.spdx.json",
            f"spiffe-helper-{version()}-linux-arm64.tar.gz",
        ]
    )
    for package in arm64_dist.glob("*.deb"):
        assert run("dpkg-deb", "-f", package, "Architecture").strip() == "arm64"
    for package in arm64_dist.glob("*.rpm"):
        assert run("rpm", "-qp", "--qf", "%{ARCH} %{OS}", package) == "aarch64 linux"
    for image in arm64_dist.glob("*.image.tar.gz"):
        with tarfile.open(image) as archive:
            (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
            config = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        assert (config["architecture"], config["os"]) == ("arm64", "linux")


def test_lintian_and_rpmlint_have_no_errors(arm64_dist: Path) -> None:
    run("lintian", "--fail-on", "error,warning", "--allow-root", *sorted(arm64_dist.glob("*.deb")))
    output = run("rpmlint", "-c", ROOT / "packaging/rpmlint.toml", *sorted(arm64_dist.glob("*.rpm")))
    assert "0 errors" in output


def test_the_packaged_program_runs(arm64_dist: Path, tmp_path: Path) -> None:
    (package,) = arm64_dist.glob("spiffe-helper_*.deb")
    run("dpkg-deb", "-x", package, tmp_path)
    assert run(EMULATOR, tmp_path / "usr/bin/spiffe-helper", "version").split()[1] == version()
    shutil.rmtree(tmp_path / "usr")


def test_the_sbom_has_the_packages_of_the_sysroot(arm64_dist: Path) -> None:
    (path,) = arm64_dist.glob("*.spdx.json")
    messages = validate_full_spdx_document(parse_file(str(path)), "SPDX-2.3")
    assert [message.validation_message for message in messages] == []
    versions = {package["name"]: package["versionInfo"] for package in json.loads(path.read_text())["packages"]}
    for name in ("libgrpc-dev", "libprotobuf-dev", "libssl-dev", "libabsl-dev", "libevent-dev", "libcli11-dev"):
        control = (SYSROOT / ".packages" / f"{name}.control").read_text()
        assert f"\nVersion: {versions[name]}\n" in control
    assert "catch2" not in versions
