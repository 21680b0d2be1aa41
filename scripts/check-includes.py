#!/usr/bin/env python3
"""Checks the #include lines of src/ against the table of allowed includes.

    scripts/check-includes.py [--self-test] [SRC]

Prints "file:line: message" for each line that breaks a rule:
 - own headers are included as "folder/file.hh", from the root of src/;
 - a folder, and a room of src/cli, includes itself and what the tables allow, nothing else;
 - code that protoc generated, and gRPC, stay inside the .cc files of workload, and inside dev_agent.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

MAY_INCLUDE = {
    "main.cc": {"cli", "base"},
    "dev_agent_main.cc": {"dev_agent", "base"},
    "cli": {"daemon", "config", "workload", "identity", "output", "process", "health", "base"},
    "daemon": {"workload", "output", "process", "health", "config", "identity", "base"},
    "config": {"identity", "base"},
    "workload": {"identity", "base"},
    "output": {"identity", "base"},
    "identity": {"base"},
    "process": {"base"},
    "health": {"base"},
    "base": set(),
    "dev_agent": {"identity", "base"},
}
# Pure value types of another folder that the configuration uses, so that there is one type for one idea.
ALSO = {
    "config": {
        "output/contents.hh",
        "output/format.hh",
        "output/formats.hh",
        "output/options.hh",
        "process/policy.hh",
    },
    "health": {"identity/kind.hh"},
}
# The rooms of src/cli. Files in src/cli itself are the command line as a whole, and may include all of them.
ROOMS = {
    "cli/text": set(),
    "cli/args": {"cli/text"},
    "cli/files": {"cli/args", "cli/text"},
    "cli/agent": {"cli/files", "cli/args", "cli/text"},
    "cli/doctor": {"cli/files", "cli/args", "cli/text"},
}
FOLDERS = {name for name in MAY_INCLUDE if not name.endswith(".cc")}
GRPC_HEADER = re.compile(r"(grpc|grpcpp|google/protobuf)/|.*\.pb\.h$")
INCLUDE = re.compile(r'\s*#\s*(?:include|include_next|import)\b\s*(?:"([^"]*)"|<([^>]*)>|(.*))')


def complaint(place: Path, quoted: str | None, angled: str | None) -> str | None:
    """The defect of one include in the file `place` (relative to src/), if any."""
    name = quoted if quoted is not None else angled
    if name is None:
        return "an include of a macro cannot be checked"
    unit = place.parts[0]
    parts = name.split("/")
    if GRPC_HEADER.match(name):
        if unit == "dev_agent" or (unit == "workload" and place.suffix == ".cc"):
            return None
        return f'"{name}": gRPC and generated code belong into the .cc files of workload, and dev_agent'
    if angled is not None:
        if parts[0] in FOLDERS and parts[-1].endswith(".hh"):
            return f'own headers are included with quotes: "{name}"'
        return None
    if "." in parts or ".." in parts or len(parts) < 2 or parts[0] not in FOLDERS:
        return f'"{name}" is not of the form "folder/file.hh", from the root of src/'
    if parts[0] != unit and parts[0] not in MAY_INCLUDE[unit] and name not in ALSO.get(unit, ()):
        return f"{unit} must not include {parts[0]}"
    room, other = place.parent.as_posix(), "/".join(parts[:-1])
    if room in ROOMS and parts[0] == unit and other not in {room, *ROOMS[room]}:
        return f"{room} must not include {other}"
    return None


def check(src: Path) -> Iterator[str]:
    for path in sorted(src.rglob("*")):
        place = path.relative_to(src)
        if path.suffix not in {".cc", ".hh"} or not path.is_file():
            continue
        if place.parts[0] not in MAY_INCLUDE:
            yield f"{path}:1: the table in {Path(__file__).name} has no entry {place.parts[0]}"
            continue
        if len(place.parts) > 2 and place.parent.as_posix() not in ROOMS:
            yield f"{path}:1: the table in {Path(__file__).name} has no room {place.parent}"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            problem = complaint(place, match[1], match[2]) if match else None
            if problem:
                yield f"{path}:{number}: {problem}"


SELF_TEST = {
    "main.cc": [("cli/cli.hh", True), ("base/log.hh", True), ("daemon/daemon.hh", False)],
    "dev_agent_main.cc": [("dev_agent/server.hh", True), ("identity/x509_svid.hh", False)],
    "cli/run.cc": [("daemon/daemon.hh", True), ("cli/text/exit.hh", True), ("dev_agent/server.hh", False)],
    "cli/text/voice.cc": [("base/fd.hh", True), ("cli/app.hh", False), ("cli/files/explain.hh", False)],
    "cli/doctor/disk.cc": [
        ("cli/doctor/disk.hh", True),
        ("cli/text/cat.hh", True),
        ("cli/agent/visit.hh", False),
        ("config/config.hh", True),
        ("dev_agent/server.hh", False),
    ],
    "cli/extra/new.cc": [],
    "daemon/daemon.cc": [("output/publisher.hh", True), ("cli/cli.hh", False)],
    "workload/jwt.cc": [
        ("identity/jwt_svid.hh", True),
        ("workload.grpc.pb.h", True),
        ("<grpcpp/grpcpp.h>", True),
        ("output/pem.hh", False),
    ],
    "workload/jwt.hh": [("workload.pb.h", False), ("<grpcpp/channel.h>", False), ("<vector>", True)],
    "output/pem.hh": [
        ("pem.hh", False),
        ("../base/fd.hh", False),
        ("output/../config/x.hh", False),
        ("<base/fd.hh>", False),
        ("<google/protobuf/struct.pb.h>", False),
        ("<openssl/pem.h>", True),
        ("process/child.hh", False),
    ],
    "process/child.cc": [("identity/spiffe_id.hh", False), ("process/child.hh", True)],
    "dev_agent/server.hh": [("workload.pb.h", True), ("workload/channel.hh", False)],
    "daemon/updates.cc": [("workload.pb.h", False), ("<grpc/grpc.h>", False)],
    "config/schema.cc": [("output/formats.hh", True), ("output/publisher.hh", False)],
    "health/status.hh": [("identity/kind.hh", True), ("identity/spiffe_id.hh", False)],
    "base/fd.cc": [("identity/spiffe_id.hh", False), ("base/fd.hh", True)],
    "extra/new.cc": [],
}


def self_test() -> int:
    expected = {"extra/new.cc:1", "cli/extra/new.cc:1"}
    with tempfile.TemporaryDirectory() as directory:
        src = Path(directory)
        for name, includes in SELF_TEST.items():
            path = src / name
            path.parent.mkdir(exist_ok=True, parents=True)
            lines = [f"#include {i}" if i[0] == "<" else f'#  include "{i}"' for i, _ in includes]
            path.write_text("\n".join(lines) + "\n")
            expected |= {f"{name}:{n}" for n, (_, allowed) in enumerate(includes, 1) if not allowed}
        found = {":".join(p.split(":")[:2]).removeprefix(f"{src}/") for p in check(src)}
    for place in sorted(found ^ expected):
        print(f"self-test: {place} was {'wrongly' if place in found else 'not'} reported")
    return 1 if found != expected else 0


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    src = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "src"
    problems = list(check(src.resolve()))
    for problem in problems:
        print(problem.replace(f"{src.resolve().parent}/", ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
