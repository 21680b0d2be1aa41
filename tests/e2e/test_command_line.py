"""The command line, and the sources of the configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import Helper, Run, program
from published import (
    BUNDLE,
    KEY,
    NAMES,
    SVID,
    Published,
    agent_serial,
    config,
    make_certs,
    rotate,
    settings,
    wait_published,
)


def as_flags(keys: Mapping[str, object], dash: str = "-", assign: bool = False) -> list[str]:
    words = []
    for key, value in keys.items():
        flag, text = dash + key.replace("_", "-"), str(value)
        words += [f"{flag}={text}"] if assign else [flag, text]
    return words


def as_variables(keys: Mapping[str, object]) -> dict[str, str]:
    return {f"SPIFFE_HLP_{key.upper()}": str(value) for key, value in keys.items()}


def as_toml(keys: Mapping[str, object]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


# Commands that print and end.


@pytest.mark.parametrize("words", [["-version"], ["--version"], ["-version=true"], ["run", "-version"]])
def test_version(run_helper: Run, words: list[str]) -> None:
    helper = run_helper(command=words)
    assert helper.wait() == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", helper.stdout())
    assert helper.log == []


HELP = [["-h"], ["-help"], ["--help"], ["run", "-h"], ["-h", "-config", "nowhere"]]


@pytest.mark.parametrize("words", HELP)
def test_help(run_helper: Run, words: list[str]) -> None:
    helper = run_helper(command=words)
    assert helper.wait() == 0
    assert helper.stdout().startswith("Usage: spiffe-helper")
    assert max(map(len, helper.stdout().splitlines())) <= 80
    for flag in ("-config", "-daemon-mode", "-agent-address", "-cert-dir", "-log-level"):
        assert re.search(rf"^  {flag}\b", helper.stdout(), re.MULTILINE)
    assert helper.log == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-cnofig", "x"], "-cnofig"),
        (["-cert-dirr", "x"], "did you mean -cert-dir?"),
        (["--nonsense=1"], "-nonsense"),
        (["run", "walk"], '"walk"'),
        (["-log-level", "debug", "config"], "a command comes before its flags: spiffe-helper config"),
        (["-config"], "flag needs an argument: -config"),
        (["-daemon-mode=maybe"], '-daemon-mode must be true or false, not "maybe"'),
        (["-version=maybe"], '-version must be true or false, not "maybe"'),
        (["-"], 'unexpected argument "-"'),
        (["-config", "x", "y"], 'unexpected argument "y"'),
        (["--"], "command"),
    ],
)
def test_bad_usage(run_helper: Run, words: list[str], said: str) -> None:
    helper = run_helper(command=words)
    assert helper.wait() == 2
    lines = [line.raw for line in helper.log]
    assert lines[0] == "Usage: spiffe-helper [run] [flags] [-- COMMAND ARGUMENT...]"
    assert lines[1].startswith("error: ")
    assert len(lines) <= 3  # and a hint
    assert said in "\n".join(lines[1:])
    assert helper.stdout() == ""


def test_a_wrong_flag_suggests_the_right_one(run_helper: Run) -> None:
    helper = run_helper(command=["-socketPath", "/run/agent.sock"])
    assert helper.wait() == 2
    assert [line.raw for line in helper.log][1:] == [
        "error: flag provided but not defined: -socketPath",
        "hint: did you mean -agent-address? spiffe-helper -h lists the flags",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["walk"], ['error: unknown command "walk"', "hint: spiffe-helper help lists the commands"]),
        (["hellp"], ['error: unknown command "hellp"', "hint: did you mean help?"]),
        (["help", "hellp"], ['error: unknown command "hellp"', "hint: did you mean help?"]),
        (["version", "-outptu=json"], ["error: flag provided but not defined: -outptu"]),
    ],
)
def test_bad_usage_of_commands(run_helper: Run, words: list[str], said: list[str]) -> None:
    """Without the list of flags, which would hide the hint."""
    helper = run_helper(command=words)
    assert helper.wait() == 2
    assert [line.raw for line in helper.log][: len(said)] == said
    assert len(helper.log) <= 2
    assert helper.stdout() == ""


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program(), "help"], stdout=full, stderr=subprocess.PIPE, timeout=10)
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write to standard output: no space left on device\n"


def test_a_closed_pipe_is_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([program(), "-h"], stdout=write, stderr=subprocess.PIPE, timeout=10)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write to standard output: broken pipe\n"


# Sources of the configuration.


def check_works(agent: DevAgent, helper: Helper, workdir: Path) -> None:
    wait_published(helper)
    assert Published(workdir / "certs").check() == agent_serial(agent)


@pytest.mark.parametrize("words", [[], ["run"]])
def test_the_default_file_in_the_working_directory(
    agent: DevAgent, run_helper: Run, workdir: Path, words: list[str]
) -> None:
    make_certs(workdir)
    (workdir / "helper.conf").write_text(config(agent))
    helper = run_helper(command=words)
    check_works(agent, helper, workdir)
    assert helper.log[0].msg == 'Using configuration file: "helper.conf"'


@pytest.mark.parametrize(
    "words",
    [
        ["-config", "other.conf"],
        ["--config", "other.conf"],
        ["-config=other.conf"],
        ["--config=other.conf"],
        ["run", "-config", "other.conf"],
        ["-config", "other.conf", "run"],
        ["-config", "other.conf", "-daemon-mode=true"],
        ["-config", "other.conf", "-daemon-mode", "true"],
        ["-daemon-mode", "-config", "other.conf"],
    ],
    ids=" ".join,
)
def test_forms_of_flags(agent: DevAgent, run_helper: Run, workdir: Path, words: list[str]) -> None:
    make_certs(workdir)
    (workdir / "other.conf").write_text(config(agent))
    helper = run_helper(command=words)
    check_works(agent, helper, workdir)
    assert helper.log[0].msg == 'Using configuration file: "other.conf"'


@pytest.mark.parametrize(("dash", "assign"), [("-", False), ("--", True)])
def test_flags_alone(agent: DevAgent, run_helper: Run, workdir: Path, dash: str, assign: bool) -> None:
    make_certs(workdir)
    helper = run_helper(command=as_flags(settings(agent), dash, assign))
    check_works(agent, helper, workdir)
    assert not [line for line in helper.log if "Using configuration file" in line.msg]


def test_an_empty_value_overrides_the_file(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent, hint="nobody", cmd="/nonexistent"), "-hint=", "-cmd", "", "-daemon-mode=false")
    assert helper.wait() == 0
    assert Published(workdir / "certs").check() == agent_serial(agent)


def test_variables_alone(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    keys = settings(agent, cert_file_mode="0640", key_file_mode="0400")
    helper = run_helper(command=[], env=as_variables(keys))
    check_works(agent, helper, workdir)
    assert [out.mode(name) for name in (SVID, KEY)] == [0o640, 0o400]


def test_a_flag_before_a_variable_before_the_file(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(
        config(agent, cert_file_mode="0640", key_file_mode="0640", svid_file_name="file.pem"),
        *as_flags({"key_file_mode": "0400"}),
        env=as_variables({"key_file_mode": "0600", "cert_file_mode": "0444"}),
    )
    wait_published(helper)
    assert [out.mode(name) for name in ("file.pem", KEY)] == [0o444, 0o400]


def test_an_unknown_variable_is_a_warning(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    helper = run_helper(config(agent), env={"SPIFFE_HLP_PORT": "tcp://198.51.100.1:80"})
    check_works(agent, helper, workdir)
    assert [line.level for line in helper.log if "SPIFFE_HLP_PORT" in line.raw] == ["warning"]


ADDRESS_FROM = {
    "a flag": (["-agent-address"], {}),
    "SPIFFE_HLP_AGENT_ADDRESS": ([], {"SPIFFE_HLP_AGENT_ADDRESS": "unix://{}"}),
    "SPIFFE_ENDPOINT": ([], {"SPIFFE_ENDPOINT": "https://198.51.100.1/,unix://{}"}),
    "SPIFFE_ENDPOINT_SOCKET": ([], {"SPIFFE_ENDPOINT_SOCKET": "unix:{}"}),
    "SPIRE_AGENT_ADDRESS": ([], {"SPIRE_AGENT_ADDRESS": "{}"}),
}


@pytest.mark.parametrize("source", ADDRESS_FROM)
def test_sources_of_the_agents_address(
    agent: DevAgent, run_helper: Run, workdir: Path, source: str
) -> None:
    make_certs(workdir)
    words, env = ADDRESS_FROM[source]
    env = {name: value.format(agent.socket) for name, value in env.items()}
    helper = run_helper(config(None), *words, *([str(agent.socket)] if words else []), env=env)
    check_works(agent, helper, workdir)
    warned = [line for line in helper.log if line.level == "warning"]
    assert len(warned) == (1 if source == "SPIRE_AGENT_ADDRESS" else 0)


def test_a_relative_socket_path(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    make_certs(workdir)
    (workdir / "agent.sock").symlink_to(agent.socket)
    check_works(agent, run_helper(config(None, agent_address="agent.sock")), workdir)


# Formats of files.


def camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_the_configuration_of_most_tutorials(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    """camelCase keys are accepted, with a warning."""
    make_certs(workdir)
    keys = settings(agent, cmd="sleep", cmd_args="36000", renew_signal="SIGUSR1")
    old = {key: value for key, value in keys.items() if "_" in key}
    text = "".join(f'{camel(key)} = "{value}"\n' for key, value in keys.items())
    helper = run_helper(text)
    check_works(agent, helper, workdir)
    helper.wait_children(1)
    for key in old:
        said = f"{camel(key)} will be deprecated, should be used as {key}"
        assert [line.level for line in helper.log if line.msg == said] == ["warning"], said
    assert len([line for line in helper.log if line.level == "warning"]) == len(old)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("helper.json", []), ("helper.conf", []), ("helper.any", ["-config-format", "json"])],
)
def test_json(agent: DevAgent, run_helper: Run, workdir: Path, name: str, arguments: Sequence[str]) -> None:
    out = make_certs(workdir)
    (workdir / name).write_text(json.dumps(settings(agent, cert_file_mode="0640", verify=True), indent=2))
    check_works(agent, run_helper(command=["-config", name, *arguments]), workdir)
    assert out.mode(SVID) == 0o640


@pytest.mark.parametrize(("name", "arguments"), [("helper.toml", []), ("any", ["-config-format=toml"])])
def test_toml(agent: DevAgent, run_helper: Run, workdir: Path, name: str, arguments: Sequence[str]) -> None:
    out = make_certs(workdir)
    text = "# TOML\n" + as_toml(settings(agent, verify=True)) + "key_file_mode = 0o640\n"
    (workdir / name).write_text(text)
    check_works(agent, run_helper(command=["-config", name, *arguments]), workdir)
    assert out.mode(KEY) == 0o640


HCL_FORMS = """\
// A comment. /* and another */
/* one that
   goes on */ agent_address = "unix://{socket}", cert_dir = "certs" # two in a line\r
"svid_file_name" = "{svid}"
SVID_KEY_FILE_NAME = "first.pem"
svid_key_file_name = "{key}"
svid_bundle_file_name = "{bundle}"
cmd = "sleep"
cmd_args = <<HERE
36000
HERE
health_checks {{
  listener_enabled = false
}}
daemon_mode = true,
cert_file_mode = 0640
key_file_mode = "0o400"
"""


def test_hcl_forms_in_use(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    out = make_certs(workdir)
    helper = run_helper(HCL_FORMS.format(socket=agent.socket, svid=SVID, key=KEY, bundle=BUNDLE))
    check_works(agent, helper, workdir)
    assert [out.mode(name) for name in NAMES] == [0o640, 0o400, 0o640]
    assert not (out.directory / "first.pem").exists(), "of two values the last one holds"
    (child,) = helper.wait_children(1)
    assert Path(f"/proc/{child}/cmdline").read_bytes() == b"sleep\0" + b"36000\0"


def test_keys_of_later_versions_without_an_effect(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    """They are accepted; the leftover of v0.5 causes a warning."""
    out = make_certs(workdir)
    helper = run_helper(config(agent, daemon_mode=True, timeout="30s", cmd_mode="job", renew_debounce="0s"))
    wait_published(helper)
    (warned,) = [line for line in helper.log if line.level == "warning"]
    assert "timeout" in warned.msg
    out.check(rotate(agent, helper))
