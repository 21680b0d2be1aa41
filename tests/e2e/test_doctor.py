"""spiffe-helper doctor on set-ups that are really broken: the step, the hint, the exit status."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import broken
import pytest
from broken import Setup
from certs import load_leaf
from children import Recorder
from devagent import DevAgent
from helper import SANITIZERS, program, wait_until


BROKEN: list[tuple[Callable[[Setup], None], str, str, str]] = [
    (broken.no_socket, "fail", "socket", "is the agent running"),
    (broken.no_mount, "fail", "socket", "mounted into this container?"),
    (broken.file_instead, "fail", "socket", "correct agent_address"),
    (broken.directory_instead, "fail", "socket", "makes a directory"),
    (broken.socket_not_permitted, "fail", "permission", "run as another user"),
    (broken.directory_not_permitted, "fail", "socket", "look at the modes of the directories"),
    (broken.nobody_listens, "fail", "listener", "is the agent running?"),
    (broken.no_grpc, "fail", "workload-api", "does not answer"),
    (broken.fault("unimplemented"), "fail", "workload-api", "does not speak the SPIFFE Workload API"),
    (broken.fault("invalid"), "fail", "workload-api", "is this the SPIFFE Workload API socket"),
    (broken.http_server, "fail", "workload-api", "Workload API of a SPIFFE agent"),
    (broken.port_of_nobody, "fail", "listener", "is that its port?"),
    (broken.token_of_another, "fail", "jwt-svid", "is that identity there?"),
    (broken.token_without_hint, "fail", "jwt-svid", "is that identity there?"),
    (broken.tokens_alone_refused, "fail", "identity", "no registration entry matches"),
    (broken.deny, "fail", "identity", f"unix:uid:{os.getuid()}, unix:gid:{os.getgid()}, pid "),
    (broken.wrong_hint, "fail", "identity", "what the agent offers"),
    (broken.fault("expired"), "fail", "clock", "is this machine's clock fast?"),
    (broken.fault("not-yet-valid", 3600), "fail", "clock", "is this machine's clock slow?"),
    (broken.fault("wrong-ca"), "fail", "verification", "the agent's log"),
    (broken.fault("wrong-key"), "fail", "verification", "the agent's log"),
    (broken.fault("two-uris"), "fail", "svid", "breaks the standard"),
    (broken.missing_directory, "fail", "cert-dir", "create_cert_dir = true"),
    (broken.read_only, "fail", "cert-dir", "mounted read-only"),
    (broken.not_writable, "fail", "cert-dir", "may not write there"),
    (broken.no_directory, "fail", "cert-dir", "names the directory"),
    (broken.not_to_be_made, "fail", "cert-dir", "may not write there"),
    (broken.no_subdirectory, "fail", "cert-dir", "create_cert_dir = true"),
    (broken.linked_subdirectory, "fail", "cert-dir", "no symlink is followed"),
    (broken.subdirectory_not_writable, "fail", "cert-dir", "may not write there"),
    (broken.owner_not_to_be_given, "fail", "owner", "CAP_CHOWN"),
    (broken.group_not_to_be_given, "fail", "owner", "supplementalGroups"),
    (broken.world_writable, "warn", "cert-dir", "chmod o-w"),
    (broken.insecure, "fail", "cert-dir", "chmod o-w"),
    (broken.locked, "fail", "lock", "another cert_dir"),
    (broken.torn, "fail", "files", "as the Go helper may be"),
    (broken.half_written, "fail", "files", "somebody was interrupted"),
    (broken.emptied, "fail", "files", "somebody was interrupted"),
    (broken.one_missing, "fail", "files", "writes it again"),
    (broken.wrong_mode, "fail", "files", "who changes it?"),
    (broken.wrong_owner, "fail", "files", "CAP_CHOWN"),
    (broken.expired_on_disk, "fail", "files", "does something else write there"),
    (broken.foreign_data, "fail", "layout", "Secret or ConfigMap"),
    (broken.no_generation, "fail", "layout", "writes it again"),
    (broken.full_disk, "fail", "disk", "make room"),
    (broken.no_inodes, "fail", "disk", "no inode"),
    (broken.command_missing, "fail", "cmd", "whole path"),
    (broken.command_with_arguments, "fail", "cmd", "a list of their own"),
    (broken.command_not_executable, "fail", "cmd", "chmod +x"),
    (broken.script("#!/no/such/interpreter\n"), "fail", "cmd", "the first line of the script"),
    (broken.script("#!/bin/sh\r\n"), "fail", "cmd", "as on Windows"),
    (broken.script("exit\n"), "fail", "cmd", "a first line like #!/bin/sh"),
    (broken.renew_command_missing, "fail", "renew-cmd", "whole path"),
    (broken.signal_not_caught, "fail", "renew-signal", "which signal makes it reload?"),
    (broken.signal_ignored, "warn", "renew-signal", "which signal makes it reload?"),
    (broken.pid_file_stale, "fail", "pid-file", "stale"),
    (broken.pid_file_missing, "fail", "pid-file", "does the program run"),
    (broken.pid_file_garbage, "fail", "pid-file", "number of a process"),
    (broken.pid_file_of_one_who_does_not_catch, "fail", "renew-signal", "which signal makes it reload?"),
    (broken.port_taken, "fail", "health", "choose another"),
    (broken.health_socket("no/such/socket"), "fail", "health", "create its directory"),
    (broken.health_socket("file"), "fail", "health", "remove it"),
    (broken.health_socket_taken, "fail", "health", "choose another"),
    (broken.typo_in_a_key, "fail", "configuration", "config check"),
    (broken.ignored_key, "warn", "configuration", "remove it"),
    (broken.typo, "fail", "configuration", "config check"),
    (broken.bad_address, "fail", "address", "write unix:///"),
    (broken.no_configuration, "fail", "configuration", "config check"),
    (broken.camel_case, "warn", "configuration", "names of today"),
]


def name_of(row: tuple[Callable[[Setup], None], str, str, str]) -> str:
    name = row[0].__name__
    return name if name not in {"<lambda>", "write", "configure"} else f"{BROKEN.index(row)}-{row[2]}"


@pytest.mark.needs_root
@pytest.mark.parametrize("row", BROKEN, ids=name_of)
def test_the_broken_step_is_named_with_its_hint(
    setup: Setup, row: tuple[Callable[[Setup], None], str, str, str]
) -> None:
    break_it, grade, step, hint = row
    break_it(setup)
    code, findings, lines = setup.doctor()
    wrong = [each for each in findings if each["grade"] != "ok"]
    assert {(each["grade"], each["step"]) for each in wrong} == {(grade, step)}, lines
    assert hint in wrong[0]["hint"], lines
    assert code == (1 if grade == "fail" else 0)


def test_a_sound_set_up_has_neither_fail_nor_warning(setup: Setup, workdir: Path) -> None:
    recorder = Recorder(workdir)
    setup.keys |= recorder.keys()
    setup.text = setup.config()
    for running in (False, True):
        if running:
            setup.start()
            recorder.wait("started")
        code, findings, lines = setup.doctor()
        assert code == 0
        assert {each["grade"] for each in findings} == {"ok"}, lines
    steps = [each["step"] for each in findings]
    assert steps == [
        *("configuration", "address", "socket", "listener", "workload-api", "identity", "clock", "verification"),
        *("cert-dir", "disk", "lock", "layout", "files", "cmd", "program", "renew-signal"),
    ]


def test_several_identities_without_a_selection(run_agent: Callable[..., DevAgent], setup: Setup) -> None:
    setup.agent = run_agent("-id", "/a", "-id", "/b,hint=internal")
    code, findings, lines = setup.doctor()
    (warning,) = (each for each in findings if each["grade"] != "ok")
    assert (code, warning["grade"], warning["step"]) == (0, "warn", "identity"), lines
    assert "set hint or spiffe_id" in warning["hint"]
    setup.keys["hint"] = "internal"
    assert "spiffe://example.org/b" in setup.doctor()[2]


def test_tokens_are_requested_and_verified(setup: Setup) -> None:
    tokens = [{"jwt_audience": f"a{i}", "jwt_svid_file_name": f"{i}.jwt"} for i in range(3)]
    setup.text = setup.config() + f"jwt_svids = [{', '.join(map(broken.hcl, tokens))}]\n"
    code, findings, lines = setup.doctor()
    assert code == 0, lines
    assert [each["step"] for each in findings].count("jwt-svid") == 3
    assert "ok    jwt-bundle: the JWT keys of 1 trust domain\n" in lines


def test_an_invalid_key_is_left_out_and_the_rest_is_checked(setup: Setup) -> None:
    setup.text = setup.config() + 'cret_dir = "x"\nkey_file_mode = "9"\nrenew_signal = "NO"\npid_file_name = "pid"\n'
    code, findings, lines = setup.doctor()
    assert code == 1
    wrong = [each["message"] for each in findings if each["step"] == "configuration"]
    assert len(wrong) == 3, lines
    for message, word in zip(wrong, ["cret_dir", "key_file_mode", "renew_signal"], strict=True):
        assert word in message
    assert "ok    identity: " in lines and "ok    disk: " in lines


def test_steps_after_a_broken_one_are_checked_too(setup: Setup) -> None:
    setup.keys |= {"cmd": "no-such-program", "renew_signal": "SIGHUP"}
    setup.certs.rmdir()
    setup.agent.kill()
    code, findings, _ = setup.doctor()
    assert code == 1
    assert [each["step"] for each in findings if each["grade"] == "fail"] == ["listener", "cert-dir", "cmd"]


def test_a_container_without_a_file_is_diagnosed_by_its_command_line(setup: Setup) -> None:
    setup.publish()
    (setup.directory / "helper.conf").unlink(missing_ok=True)
    names = [word for key, name in broken.NAMES.items() for word in (f"-{key.replace('_', '-')}", name)]
    flags = ["-agent-address", str(setup.agent.socket), "-cert-dir", "certs", *names]
    env = SANITIZERS | {"PATH": os.environ["PATH"]}
    words = [program(), "doctor", *flags, "-renew-signal", "HUP", "-log-level", "warn", "--", "no-such-program", "-g"]
    done = subprocess.run(words, cwd=setup.directory, capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 1
    assert "ok    configuration: valid, without a file\n" in done.stdout
    assert "ok    files: " in done.stdout
    assert "fail  cmd: " in done.stdout and "no-such-program" in done.stdout
    words[words.index("no-such-program")] = "true"
    done = subprocess.run(words, cwd=setup.directory, capture_output=True, text=True, timeout=60, env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_expired_files_are_explained_by_the_denial(run_agent: Callable[..., DevAgent], setup: Setup) -> None:
    setup.agent = run_agent("-ttl", "2s")
    setup.publish()
    setup.agent.deny()
    end = load_leaf((setup.certs / "svid.pem").read_bytes()).not_valid_after_utc
    wait_until(lambda: datetime.now(UTC) > end, "the end of the SVID")
    code, findings, lines = setup.doctor()
    assert code == 1
    wrong = {each["step"]: each for each in findings if each["grade"] == "fail"}
    assert set(wrong) == {"identity", "files"}, lines
    assert "no registration entry matches" in wrong["identity"]["hint"]
    assert wrong["files"]["hint"].startswith("the agent denies this workload an identity, so no helper can renew it")
    assert "nobody renewed it" not in lines


def test_a_key_without_effect_reads_the_same_in_run_check_and_doctor(setup: Setup) -> None:
    setup.keys |= {"stop_signal": "INT", "cmd_args": "-g 'daemon off;'", "daemon_mode": False}
    helper = setup.run_helper(setup.config())
    assert helper.wait() == 0
    logged = {(line.msg, line.fields["at"]) for line in helper.log if line.level == "warning"}
    assert len(logged) == 3
    for message in ("stop_signal has no effect without cmd", "cmd_args has no effect without cmd"):
        assert message in {each for each, _ in logged}
    assert any('write it as the list ["-g", "daemon off;"]' in message for message, _ in logged)
    words = [program(), "config", "check", str(helper.config_file)]
    check = subprocess.run(words, capture_output=True, text=True, timeout=60, env=SANITIZERS)
    assert check.returncode == 0
    assert set(check.stderr.splitlines()) == {f"warning: {at}: {message}" for message, at in logged}
    found = {each["message"] for each in setup.doctor()[1] if each["grade"] == "warn"}
    assert {message.split(": ", 1)[1] for message in found} == {message for message, _ in logged}


def test_doctor_ends_at_once_when_interrupted(setup: Setup) -> None:
    broken.no_grpc(setup)
    setup.timeout = "60s"
    (setup.directory / "helper.conf").write_text(setup.config())
    asking = subprocess.Popen([program(), "doctor", "-timeout", "60s"], cwd=setup.directory)
    setup.owned.append(asking)
    listening = setup.owned[0]
    # It has returned from accept() when it reads its standard input.
    stat = Path(f"/proc/{listening.pid}/fd")
    while len(list(stat.iterdir())) < 5:
        assert asking.poll() is None
    asking.send_signal(signal.SIGINT)
    assert asking.wait(5) == -signal.SIGINT
