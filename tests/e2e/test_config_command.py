"""spiffe-helper config: check, print and convert, on thousands of files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from helper import ROOT, SANITIZERS, SLOW, program

sys.path.append(str(ROOT / "tests/interop"))

from config_cases import FILES, Case, random_cases  # noqa: E402
from config_forms import FORMS  # noqa: E402

SEED = 20260
# Fewer files for sanitizers' programs, which start slowly: each file takes seven runs. The unit tests and the fuzz targets
# read many more of them with sanitizers.
EVERY = round(SLOW**3)
RANDOM_FILES = 1000 // EVERY
# Without the variables of this machine.
PLAIN: Mapping[str, str] = SANITIZERS


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    err: str


def config(*words: str | Path, env: Mapping[str, str] = PLAIN, cwd: Path | None = None) -> Ran:
    command = [program(), "config", *words]
    done = subprocess.run(command, capture_output=True, env=env, cwd=cwd, stdin=subprocess.DEVNULL, timeout=60)
    return Ran(done.returncode, done.stdout, done.stderr.decode())


def effective(path: Path, env: Mapping[str, str] = PLAIN) -> tuple[object, str]:
    """The effective configuration of a file, or its error without the place."""
    ran = config("print", path, "-output", "json", env=env)
    if ran.code == 0:
        return json.loads(ran.out), ""
    assert ran.code == 1 and ran.out == b""
    said = next(line for line in ran.err.splitlines() if line.startswith("error: "))
    return None, re.sub(r"^error: (\S+?(:\d+)*: )?", "", said)


def warned(err: str) -> set[str]:
    """The warnings, without their places."""
    return set(re.findall(r"(?m)^warning: \S+: (.*)$", err))


def converted(path: Path, name: str) -> Path | None:
    """The file in the other syntax, next to it; none if it is refused."""
    ran = config("convert", path)
    if ran.code != 0:
        return None
    out = path.with_name(name)
    out.write_bytes(ran.out)
    return out


def round_trip(directory: Path, number: int, case: Case) -> str:
    """HCL or JSON -> TOML -> HCL -> TOML: "same", "refused", or the difference."""
    original = directory / f"{number}.conf"
    original.write_bytes(case.text)
    toml = converted(original, f"{number}.toml")
    meaning, refused = effective(original, case.env)
    if toml is None:
        # It cannot be read in either syntax, except for content that TOML cannot represent.
        no_utf8 = "no way to write it" in config("convert", original).err
        return "refused" if no_utf8 or meaning is None else f"{case.name}: printed, but not converted"
    hcl = converted(toml, f"{number}.back.conf")
    again = converted(hcl, f"{number}.again.toml") if hcl else None
    if hcl is None or again is None:
        return f"{case.name}: {toml.read_text()!r} is not converted back"
    if again.read_bytes() != toml.read_bytes():
        return f"{case.name}: TOML differs after a second round"
    for each in (toml, hcl):
        if effective(each, case.env) != (meaning, refused):
            return f"{case.name}: {each.read_text()!r} means {effective(each)}, not {(meaning, refused)}"
    tomllib.loads(toml.read_text())
    return "same" if meaning is not None else "refused"


def round_trips(directory: Path, cases: list[Case]) -> int:
    """The number of accepted files; fails for those whose meaning changed."""
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        found = list(pool.map(lambda each: round_trip(directory, *each), enumerate(cases)))
    wrong = [one for one in found if one not in {"same", "refused"}]
    assert not wrong, f"{len(wrong)} of {len(cases)}, the shortest: {min(wrong, key=len)}"
    return found.count("same")


@pytest.mark.long
def test_random_files_mean_the_same_in_the_other_syntax(workdir: Path) -> None:
    accepted = round_trips(workdir, list(random_cases(SEED, RANDOM_FILES)))
    assert accepted > RANDOM_FILES / 3, "little is shown where most files are refused"


@pytest.mark.long
def test_every_form_means_the_same_in_the_other_syntax(workdir: Path) -> None:
    cases = [case for case in FORMS if b"\r\n" not in case.text][::EVERY]
    accepted = round_trips(workdir, cases)
    assert accepted > len(cases) / 4


# Configurations of SPIRE, OPA and others do not have such a key.
OURS = re.compile(r'(?m)^\s*"?(cert_dir|certDir|svid_file_name|svidFileName)"?\s*[=:]')
# The configuration of the tutorials is not changed.
OLD_NAME = re.compile(r"warning: \S+ \w+ will be deprecated, should be used as \w+")
EXAMPLES = sorted(
    path
    for path in (ROOT / "examples").rglob("*")
    if path.suffix in {".conf", ".toml", ".json", ".hcl"} and OURS.search(path.read_text())
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(workdir: Path, path: Path) -> None:
    checked = config("check", path)
    assert checked.code == 0
    assert [line for line in checked.err.splitlines() if not OLD_NAME.fullmatch(line)] == []
    copy = workdir / path.name
    copy.write_bytes(path.read_bytes())
    other = converted(copy, "other" + (".conf" if path.suffix == ".toml" else ".toml"))
    assert other is not None
    assert effective(other) == effective(path)
    # Comments keep their place: each is above the same key as before, or at the end.
    back = converted(other, "back" + path.suffix)
    assert back is not None
    notes = re.compile(r"(?m)^\s*#\s*(\S.*)$")
    assert sorted(notes.findall(back.read_text())) == sorted(notes.findall(path.read_text()))


def test_the_printed_configuration_means_the_same(workdir: Path) -> None:
    """For the random files that are accepted."""
    kept = 0
    cases = 200 if SLOW == 1 else 30  # each takes six runs of the program
    for number, case in enumerate(random_cases(SEED + 1, cases)):
        original = workdir / f"{number}.conf"
        original.write_bytes(case.text)
        printed = config("print", original)
        if printed.code != 0:
            continue
        toml = workdir / f"{number}.toml"
        toml.write_bytes(printed.out)
        assert effective(toml) == effective(original), case.text
        assert warned(config("check", toml).err) <= warned(config("check", original).err)
        assert set(tomllib.loads(printed.out.decode())) <= set(json.loads(config("print", original, "-output=json").out))
        kept += 1
    assert kept > 0.3 * cases


def test_all_keys_in_four_formats(workdir: Path) -> None:
    """The output of print for all keys is a valid configuration in JSON; the other formats mean the same."""
    original = workdir / "helper.conf"
    original.write_text(
        FILES + """cmd = "nginx"
        cmd_args = ["-g", "daemon off;"]
        reload { cmd = "nginx" args = ["-t"] signal = "HUP" }
        health_checks { listener_enabled = true metrics_path = "/metrics" }
        jwt_svids = [{ jwt_audience = "a: b", jwt_svid_file_name = "yes", jwt_extra_audiences = ["on", "1"] }]
        x509_svids = [{ hint = "web", dir = "web", bundle_map_file_name = "map.json" }]
        key_file_mode = 0640"""
    )
    printed = config("print", original, "-output", "json").out
    expected = json.loads(printed)
    (workdir / "all.json").write_bytes(printed)
    for name, to in (("all.conf", "hcl"), ("all.toml", "toml"), ("all.yaml", "yaml")):
        (workdir / name).write_bytes(config("convert", workdir / "all.json", "-to", to).out)
    (workdir / "again.yaml").write_bytes(config("convert", workdir / "all.toml", "-to", "yaml").out)
    (workdir / "json.yaml").write_bytes(printed)
    (workdir / "blocks.yaml").write_bytes(config("convert", original, "-to", "yaml", "-lifecycle-blocks").out)
    assert b"start:\n  cmd: nginx\n" in (workdir / "blocks.yaml").read_bytes()
    names = ("all.json", "all.conf", "all.toml", "all.yaml", "again.yaml", "json.yaml", "blocks.yaml")
    for name in names:
        assert effective(workdir / name) == (expected, ""), name


def test_print_takes_flags_before_variables_before_the_file(workdir: Path) -> None:
    path = workdir / "helper.conf"
    path.write_text(FILES + 'cert_dir = "file"\nhint = "file"\ncmd = "file"\n')
    env = {"SPIFFE_HLP_HINT": "variable", "SPIFFE_HLP_CMD": "variable", "SPIFFE_ENDPOINT_SOCKET": "unix:///e.sock"}
    ran = config("print", "-output", "json", "-cmd", "flag", env=env, cwd=workdir)
    found = json.loads(ran.out)
    assert [found[key] for key in ("cert_dir", "hint", "cmd", "agent_address", "timeout", "cert_file_mode")] == [
        "file",
        "variable",
        "flag",
        "unix:///e.sock",
        "1m0s",
        "0644",
    ]


def keys_of_the_readme() -> set[str]:
    """Every key has a flag, and `-h` lists those that this version supports."""
    listed = subprocess.run([program(), "-h"], capture_output=True, text=True, check=True, timeout=10).stdout
    keys = listed.partition("Every configuration key")[2]
    return set(re.findall(r"(?m)^  -([a-z0-9-]+)", keys))


def test_print_has_every_key() -> None:
    printed = json.loads(config("print", "-output=json", cwd=Path("/")).out)
    names = set()
    for key, value in printed.items():
        names |= {f"{key}-{inner}" for inner in value} if isinstance(value, dict) else {key}
    assert keys_of_the_readme() <= {name.replace("_", "-") for name in names}


@pytest.mark.parametrize(
    "check",
    [lambda path: config("check", path), lambda path: config("check", "-config", path)],
    ids=["word", "flag"],
)
def test_check_has_the_same_messages_as_run(workdir: Path, check: Callable[[Path], Ran]) -> None:
    path = workdir / "helper.conf"
    path.write_text(FILES + 'certDir = "x"\nrenew_signal = "SIGFOO"\n')
    ran = check(path)
    run = subprocess.run([program(), "-config", path], capture_output=True, env=PLAIN, timeout=10)
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err == run.stderr.decode()
    assert f"{path}:5:16: renew_signal must be a signal" in ran.err


ADDRESSES = {
    "unix:///run/a.sock": True,
    "unix:/run/a.sock": True,
    "/run/a.sock": True,
    "run/a.sock": True,
    "tcp://127.0.0.1:8000": True,
    "tcp://[2001:db8::1]:8000": True,
    "unix://host/run/a.sock": False,
    "unix:run/a.sock": False,
    "unix:///run/a.sock?x=1": False,
    "unix:///run/a.sock#x": False,
    "unix://user@/run/a.sock": False,
    "unix://": False,
    "tcp://localhost:8000": False,
    "tcp://127.0.0.1": False,
    "tcp://127.0.0.1:0": False,
    "tcp://127.0.0.1:8000/path": False,
    "tcp://127.0.0.1:8000?x=1": False,
    "tcp://user@127.0.0.1:8000": False,
    "tcp:127.0.0.1:8000": False,
    "http://127.0.0.1:8000": False,
    "npipe:spire-agent": False,
    "127.0.0.1:8000": False,
    "./a:b": True,
    "/run/a:b": True,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_of_the_agent(workdir: Path, address: str) -> None:
    path = workdir / "helper.conf"
    path.write_text(FILES + f'agent_address = "{address}"\n')
    ran = config("check", path)
    assert ran.code == (0 if ADDRESSES[address] else 1), ran.err
    if not ADDRESSES[address]:
        assert f"{path}:4:17: agent_address: " in ran.err
        assert address in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_for_a_pipe(number: signal.Signals) -> None:
    command = [program(), "config", "check", "/dev/stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=PLAIN) as check:
        check.send_signal(number)
        assert check.wait(timeout=10) == -number


def test_nothing_is_touched(workdir: Path) -> None:
    path = workdir / "helper.conf"
    path.write_text(FILES + 'cert_dir = "certs"\ncreate_cert_dir = true\nallow_core_dumps = true\n')
    for verb in ("check", "print", "convert"):
        assert config(verb, path, cwd=workdir).code == 0
    assert list(workdir.iterdir()) == [path]
