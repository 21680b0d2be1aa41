"""An invalid configuration: exit code 1, the place and a hint, and no change on disk.

The unit tests have the exact messages of many more mistakes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import Run
from published import KEY, SVID, config, make_certs

# A line added to a valid configuration, the column of the mistake in it (None: any), and words of the message or its
# hint.
MISTAKES = {
    "a typo": ('svid_file_nam = "x.pem"', 1, ["svid_file_nam", "svid_file_name"]),
    "a wrong type": ('verify = "true"', 10, ["verify", "true or false|boolean"]),
    "a bad choice": ('layout = "snapshots"', 10, ["layout", "snapshot", "files", "in-place"]),
    "a bad mode": ('key_file_mode = "0999"', 17, ["key_file_mode", "0999", "0600"]),
    "a key for others": ("key_file_mode = 604", 17, ["key_file_mode"]),
    "a bad signal": ('renew_signal = "SIGHOP"', 16, ["SIGHOP", "SIGHUP"]),
    "a bad duration": ('stop_timeout = "10 seconds"', 16, ["stop_timeout", "10 seconds"]),
    "a bad address": ('agent_address = "unix://host/socket"', 17, ["unix"]),
    "a bad identity": ('spiffe_id = "https://example.org/x"', 13, ["spiffe"]),
    "no such user": ('owner = "no-such-user"', 9, ["no-such-user"]),
    "a name that leaves": ('svid_file_name = "../svid.pem"', 18, ["leads out of cert_dir"]),
    "two names alike": (f'svid_bundle_file_name = "{KEY}"', 25, ["same file"]),
    "single quotes": ("hint = 'x'", 8, ["quote"]),
    "a list is due": ("jwt_svids = 5", 13, ["jwt_svids"]),
    "wrap mode": ('cmd_mode = "wrap"', 12, ["cmd_mode", "cmd is not set"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file(agent: DevAgent, run_helper: Run, workdir: Path, mistake: str) -> None:
    out = make_certs(workdir)
    (out.directory / SVID).write_bytes(b"as it was")
    before = out.state()
    line, column, words = MISTAKES[mistake]
    text = config(agent) + line + "\n"
    helper = run_helper(text)
    assert helper.wait() == 1
    said = helper.log_text()
    place = f"{re.escape(str(helper.config_file))}:{text.count(chr(10))}:{column or '[0-9]+'}: "
    assert re.match("error: " + place, said), said
    for word in words:
        assert re.search(word, said), said
    # Not even a log line, since nothing was started.
    assert re.fullmatch(r"error: [^\n]+(\nhint: [^\n]+)?", said), said
    assert out.state() == before
    assert not (out.directory / "..lock").exists()
    assert agent.status()["accepted"] == 0


def test_every_mistake_is_reported(agent: DevAgent, run_helper: Run) -> None:
    text = config(agent) + "add_intermediates = true\nfrobnicate = 1\nstop_timeout = 5\n"
    helper = run_helper(text)
    assert helper.wait() == 1
    line = text.count("\n")
    place = helper.config_file
    assert [each.raw for each in helper.log] == [
        f'error: {place}:{line - 2}:1: unknown key "add_intermediates"; did you mean "add_intermediates_to_bundle"?',
        f'error: {place}:{line - 1}:1: unknown key "frobnicate"',
        f'error: {place}:{line}:16: stop_timeout "5" has no unit',
        'hint: write "5s" for seconds',
    ]


def test_the_hint_is_a_line_of_its_own(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(config(agent) + 'cmd_mode = "wrap"\n')
    assert helper.wait() == 1
    assert [line.raw.split(":")[0] for line in helper.log] == ["error", "hint"]


def test_a_named_file_that_does_not_exist(run_helper: Run) -> None:
    helper = run_helper(command=["-config", "nowhere.conf"])
    assert helper.wait() == 1
    assert "nowhere.conf" in helper.log[0].raw
    assert "no such file or directory" in helper.log[0].raw
    assert "hint: " in helper.log_text()


def test_no_configuration_at_all(run_helper: Run) -> None:
    helper = run_helper(command=[])
    assert helper.wait() == 1
    assert helper.log[0].raw.startswith("error: ")
    assert "helper.conf" in helper.log[0].raw


def test_no_output(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(f'agent_address = "unix://{agent.socket}"\n')
    assert helper.wait() == 1
    assert "no output is configured" in helper.log[0].raw
    assert "svid_file_name" in helper.log[0].raw


def test_a_file_that_ends_too_early(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(config(agent) + "hint =")
    assert helper.wait() == 1
    assert re.match(rf"error: {re.escape(str(helper.config_file))}:\d+:\d+: ", helper.log[0].raw)


@pytest.mark.parametrize(
    ("arguments", "env", "place"),
    [
        (["-key-file-mode", "0999"], {}, "-key-file-mode: "),
        ([], {"SPIFFE_HLP_KEY_FILE_MODE": "0999"}, "SPIFFE_HLP_KEY_FILE_MODE: "),
        (["-config-format", "yml"], {}, "-config-format: "),
        ([], {"SPIFFE_HLP_CONFIG_FORMAT": "yml"}, "SPIFFE_HLP_CONFIG_FORMAT: "),
        (["-cmd-mode=wrap"], {}, "-cmd-mode: "),
        (["-stop-timeout", "soon"], {}, "-stop-timeout: "),
    ],
)
def test_a_mistake_elsewhere(
    agent: DevAgent, run_helper: Run, arguments: list[str], env: dict[str, str], place: str
) -> None:
    helper = run_helper(config(agent), *arguments, env=env)
    assert helper.wait() == 1
    assert helper.log[0].raw.startswith(f"error: {place}")


def test_both_names_of_one_key(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(config(agent) + 'certDir = "certs"\n')
    assert helper.wait() == 1
    assert "use of certDir and cert_dir found, use only cert_dir" in helper.log[0].raw


def test_toml_in_a_conf_file(agent: DevAgent, run_helper: Run) -> None:
    helper = run_helper(config(agent) + "[health_checks]\nlistener_enabled = false\n")
    assert helper.wait() == 1
    assert "TOML" in helper.log_text()
    assert "-config-format" in helper.log_text()


def test_a_missing_cert_dir_is_not_a_mistake(agent: DevAgent, run_helper: Run) -> None:
    """It is awaited, since the configuration is valid."""
    helper = run_helper(config(agent, cert_dir="later"))
    helper.wait_log(lambda line: line.fields.get("event") == "write_failed")
    assert helper.running
