"""x509_svids: several identities of one agent, each with its own directory, hooks and PID file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import certs
import pytest
from children import RECORDER, Recorder
from devagent import DevAgent
from helper import Helper, LogLine, Run, wait_until
from ports import free_port
from probe import ask, samples
from published import BUNDLE, KEY, NAMES, SVID, Published, config, is_publication, lines_of
from readers import Readers, read_snapshot
from reloading import calls, reload, wait_event
from tokens import NO_X509

FILES = {"svid_file_name": SVID, "svid_key_file_name": KEY, "svid_bundle_file_name": BUNDLE}
# The agent's third SVID is that of db.
offers = pytest.mark.agent("-id", "/flat", "-id", "/web,hint=web", "-id", "/db/blue,hint=db")


def entry(name: str, **keys: object) -> dict[str, object]:
    """The identity with this hint, in a directory of the same name by default."""
    selection = {} if "spiffe_id" in keys else {"hint": name}
    return {"dir": name, **selection, **FILES, **keys}


WEB = entry("web")
DB = entry("db", spiffe_id="spiffe://example.org/db/*")


def several(agent: DevAgent, *entries: dict[str, object], **keys: object) -> str:
    return config(agent, x509_svids=list(entries), create_cert_dir=True, **keys)


def health(port: int) -> dict[str, object]:
    checks = {
        "listener_enabled": True,
        "bind_address": "127.0.0.1",
        "bind_port": port,
        "metrics_path": "/metrics",
    }
    return {"health_checks": checks}


def of(name: str) -> Callable[[LogLine], bool]:
    """Publications of the identity with this directory; "": of the flat one."""
    return lambda line: is_publication(line) and line.fields.get("dir", "") == name


def wait_all(helper: Helper, *names: str, since: int = 0) -> None:
    for name in names:
        helper.wait_log(of(name), since=since)


def identity(directory: Path) -> str:
    return certs.spiffe_id((directory / SVID).read_bytes())


@pytest.fixture
def out(workdir: Path) -> Path:
    return workdir / "certs"


def note(file: Path) -> list[str]:
    """A command that appends a line."""
    return ["sh", "-c", f"echo run >> {file}"]


def notes(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


# What is written.


@offers
def test_each_identity_has_its_files(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, WEB, DB))
    wait_all(helper, "", "web", "db")
    assert identity(out) == "spiffe://example.org/flat"
    assert identity(out / "web") == "spiffe://example.org/web"
    assert identity(out / "db") == "spiffe://example.org/db/blue"
    for directory in (out, out / "web", out / "db"):
        read_snapshot(str(directory))
        assert "..lock" in os.listdir(directory)
    assert calls(agent).streams == 1
    assert helper.stop() == 0


@offers
@pytest.mark.parametrize("memory", [True, False], ids=["memory", "disk"])
def test_every_pair_is_whole_under_many_rotations(
    agent: DevAgent, run_helper: Run, workdir: Path, shm: Path, memory: bool
) -> None:
    certs_dir = (shm if memory else workdir) / "certs"
    helper = run_helper(several(agent, WEB, DB, cert_dir=str(certs_dir)))
    wait_all(helper, "", "web", "db")
    readers = [Readers(certs_dir / name, ["snapshot"]) for name in ("", "web", "db")]
    with ExitStack() as stack:
        for each in readers:
            stack.enter_context(each)
        agent.burst(150, 100)
        agent.wait()
        mark = helper.mark()
        agent.rotate()
        wait_all(helper, "", "web", "db", since=mark)
    for each in readers:
        assert each.report.faults == []
        assert each.report.changes > 1
    assert len({(certs_dir / name / SVID).read_bytes() for name in ("", "web", "db")}) == 3


@offers
def test_one_thread_serves_all_directories_on_a_disk(agent: DevAgent, run_helper: Run, out: Path) -> None:
    def threads(helper: Helper) -> int:
        return len(os.listdir(f"/proc/{helper.pid}/task"))

    helper = run_helper(several(agent, WEB))
    wait_all(helper, "", "web")
    before = threads(helper)
    more = [entry(f"more-{i}", hint="web") for i in range(5)]
    reload(helper, several(agent, WEB, *more))
    wait_all(helper, *(f"more-{i}" for i in range(5)))
    assert threads(helper) <= before + 1
    assert identity(out / "more-4") == "spiffe://example.org/web"


@offers
def test_owners_modes_and_outputs_of_an_entry(agent: DevAgent, run_helper: Run, out: Path) -> None:
    only = {"dir": "one", "hint": "web", "svid_combined_file_name": "all.pem", "combined_order": "chain-first"}
    helper = run_helper(several(agent, only, key_file_mode=0o640))
    wait_all(helper, "one")
    content = (out / "one/all.pem").read_bytes()
    assert content.index(b"CERTIFICATE") < content.index(b"PRIVATE KEY")
    assert Published(out / "one").mode("all.pem") == 0o640


@offers
def test_several_matches_of_a_prefix_cause_one_warning(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, entry("any", spiffe_id="spiffe://example.org/*"), hint="db"))
    wait_all(helper, "any")
    mark = helper.mark()
    agent.rotate()
    wait_all(helper, "any", since=mark)
    assert identity(out / "any") == "spiffe://example.org/flat"
    warned = [line for line in helper.log if "match spiffe_id" in line.msg]
    assert [line.fields["svids"] for line in warned] == ["3"]


# Which consumers are notified.


@offers
def test_each_renew_cmd_runs_for_its_own_identity(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    web, db = workdir / "web.runs", workdir / "db.runs"
    helper = run_helper(several(agent, WEB | {"renew_cmd": note(web)}, DB | {"renew_cmd": note(db)}))
    wait_until(lambda: notes(web) == notes(db) == 1, "the first runs")
    agent.fault("wrong-key@3")  # db's is refused, the others are new
    wait_until(lambda: notes(web) == 2, "web's second run")
    wait_event(helper, "update_refused")
    mark = helper.mark()
    agent.clear()
    wait_all(helper, "web", "db", since=mark)
    wait_until(lambda: notes(web) == 3 and notes(db) == 2, "runs for the good message")


@pytest.fixture
def recorders(workdir: Path) -> Iterator[Callable[[str], Recorder]]:
    """Starts a recorder of signals, which is not the helper's child, and its PID file NAME.pid."""
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str) -> Recorder:
        directory = workdir / f"of-{name}"
        directory.mkdir()
        recorder = Recorder(directory)
        words = [sys.executable, str(RECORDER), str(recorder.file), "--signals", "SIGUSR1", "--file", "x"]
        started.append(subprocess.Popen(words, cwd=directory))
        recorder.wait("started")
        (workdir / f"{name}.pid").write_text(str(started[-1].pid))
        return recorder

    yield run
    for process in started:
        process.kill()
        process.wait()


@offers
def test_each_pid_file_s_process_is_signalled_for_its_own_identity(
    agent: DevAgent, run_helper: Run, recorders: Callable[[str], Recorder]
) -> None:
    web, db = recorders("web"), recorders("db")
    told = [
        each | {"pid_file_name": f"{each['dir']}.pid", "renew_signal": "SIGUSR1"} for each in (WEB, DB)
    ]
    helper = run_helper(several(agent, *told))
    wait_all(helper, "web", "db")
    for recorder in (web, db):
        recorder.wait("SIGUSR1")
    agent.fault("wrong-key@3")
    web.wait("SIGUSR1", 2)
    mark = helper.mark()
    agent.clear()
    wait_all(helper, "web", "db", since=mark)
    web.wait("SIGUSR1", 3)
    db.wait("SIGUSR1", 2)
    assert len(db.events("SIGUSR1")) == 2
    # A signal that has arrived may not be logged yet; it is when the helper has ended.
    assert helper.stop() == 0
    signalled = [line.fields["dir"] for line in lines_of(helper, "signalled")]
    assert sorted(signalled) == ["db", "db", "web", "web", "web"]


@offers
def test_cmd_is_notified_only_of_the_flat_identity(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    child = Recorder(workdir)
    helper = run_helper(several(agent, WEB, **child.keys()))
    child.wait("started")
    wait_all(helper, "", "web")
    mark = helper.mark()
    agent.fault("wrong-key@1")  # the flat one's is refused, web's is new
    helper.wait_log(of("web"), since=mark)
    mark = helper.mark()
    agent.clear()
    helper.wait_log(of(""), since=mark)
    child.wait("SIGUSR1")
    agent.rotate()
    child.wait("SIGUSR1", 2)


@offers
def test_without_a_flat_identity_cmd_is_notified_of_any_entry(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    child = Recorder(workdir)
    helper = run_helper(several(agent, WEB, DB, entry("gone"), **(child.keys() | NO_X509)))
    child.wait("started")
    assert lines_of(helper, "update_refused")  # "gone" does not delay the others
    agent.fault("wrong-key@3")
    child.wait("SIGUSR1")
    assert not (workdir / "certs" / SVID).exists()


# Identities that the agent does not offer.


@offers
def test_a_selector_without_a_match_does_not_delay_others(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Path
) -> None:
    child, port = Recorder(workdir), free_port()
    helper = run_helper(several(agent, entry("gone"), WEB, **(child.keys() | health(port))))
    child.wait("started")
    wait_all(helper, "", "web")
    refused = wait_event(helper, "update_refused")
    assert refused.fields["dir"] == "gone"
    assert ask(port, "/live").code == 200
    answer = ask(port, "/ready")
    assert answer.code == 503
    assert '"x509_svids":{"gone":"unwritten","web":"written"}' in answer.body
    assert '"not_offered":["gone"]' in answer.body
    figures = samples(port)
    assert figures['x509_svid_written{dir="gone"}'] == 0
    assert figures['x509_svid_written{dir="web"}'] == 1
    assert not (out / "gone" / SVID).exists()


@offers
def test_an_identity_that_is_no_longer_offered_keeps_its_files(
    agent: DevAgent, run_helper: Run, out: Path
) -> None:
    port = free_port()
    helper = run_helper(several(agent, WEB, DB, **health(port)))
    wait_all(helper, "", "web", "db")
    before = (out / "web" / SVID).read_bytes()
    mark = helper.mark()
    agent.fault("unknown-hint@2")
    wait_all(helper, "", "db", since=mark)
    wait_event(helper, "update_refused", since=mark)
    assert (out / "web" / SVID).read_bytes() == before
    assert '"not_offered":["web"]' in ask(port, "/ready").body
    assert ask(port, "/live").code == 200
    mark = helper.mark()
    agent.clear()
    wait_all(helper, "web", since=mark)
    assert ask(port, "/ready").code == 200
    assert '"x509_svids":{"db":"written","web":"written"}' in ask(port, "/ready").body


@offers
def test_revoke_removes_every_key(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, WEB, DB, revoke="remove", revoke_after="1ms"))
    wait_all(helper, "", "web", "db")
    agent.deny()
    for name in ("", "web", "db"):
        wait_until(lambda name=name: not (out / name / KEY).exists(), f"the end of the key in {name}")
        assert (out / name / SVID).exists()
    mark = helper.mark()
    agent.allow()
    wait_all(helper, "", "web", "db", since=mark)
    for name in ("", "web", "db"):
        read_snapshot(str(out / name))


@offers
def test_another_helper_in_one_directory_does_not_stop_the_others(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Path
) -> None:
    (out / "web").mkdir(parents=True)
    other = workdir / "other"
    other.mkdir()
    first = run_helper(config(agent, cert_dir=str(out / "web")), directory=other)
    first.wait_log(is_publication)
    helper = run_helper(several(agent, WEB, DB))
    wait_all(helper, "", "db")
    assert wait_event(helper, "locked").fields["dir"] == "web"
    first.stop()
    wait_all(helper, "web")


# One-shot.


@offers
def test_one_shot_writes_all_and_runs_the_hooks(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Path
) -> None:
    web = WEB | {"prepare_cmd": note(workdir / "prepared"), "renew_cmd": note(workdir / "renewed")}
    helper = run_helper(several(agent, web, DB, daemon_mode=False, renew_cmd_once=True))
    assert helper.wait() == 0
    for name in ("", "web", "db"):
        read_snapshot(str(out / name))
    assert notes(workdir / "prepared") == notes(workdir / "renewed") == 1


@offers
def test_one_shot_fails_with_a_hook(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, WEB | {"prepare_cmd": ["false"]}, daemon_mode=False))
    assert helper.wait() == 1
    assert helper.wait_log(lambda line: line.fields.get("event") == "prepare_cmd_failed").fields["dir"] == "web"
    read_snapshot(str(out / "web"))


@offers
def test_one_shot_waits_for_an_identity_that_is_not_offered(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, entry("gone"), WEB, daemon_mode=False, timeout="1h"))
    helper.wait_log(lambda line: line.fields.get("event") == "update_refused" and line.fields.get("dir") == "gone")
    wait_until(lambda: (out / "web" / SVID).exists(), "the other identity")
    assert helper.running
    assert helper.stop() == 1
    read_snapshot(str(out / "web"))


# Reload.


def marks(directory: Path) -> tuple[object, ...]:
    """Properties that do not change without a publication."""
    return (
        os.readlink(directory / "..data"),
        *((directory / name).stat().st_ino for name in (*NAMES, "..lock")),
    )


@offers
def test_reload_adds_changes_and_removes_only_these_entries(
    agent: DevAgent, run_helper: Run, workdir: Path, out: Path
) -> None:
    runs = workdir / "web.runs"
    web = WEB | {"renew_cmd": note(runs)}
    helper = run_helper(several(agent, web))
    wait_all(helper, "", "web")
    wait_until(lambda: notes(runs) == 1, "the first run")
    before = marks(out), marks(out / "web")

    reload(helper, several(agent, DB, web))
    wait_all(helper, "db")
    assert identity(out / "db") == "spiffe://example.org/db/blue"

    # Files: another publication of the same identity.
    mark = helper.mark()
    reload(helper, several(agent, DB | {"svid_combined_file_name": "all.pem"}, web))
    wait_all(helper, "db", since=mark)
    assert (out / "db/all.pem").exists()

    # Only hooks change: the same publication.
    written = marks(out / "db")
    changed = DB | {"svid_combined_file_name": "all.pem", "renew_cmd": note(workdir / "db.runs")}
    reload(helper, several(agent, changed, web))
    assert marks(out / "db") == written

    # The selection.
    mark = helper.mark()
    reload(helper, several(agent, entry("db", hint="web"), web))
    wait_all(helper, "db", since=mark)
    assert identity(out / "db") == "spiffe://example.org/web"

    reload(helper, several(agent, web))
    assert (out / "db" / SVID).exists()
    assert (marks(out), marks(out / "web")) == before
    assert notes(runs) == 1
    agent.rotate()
    wait_until(lambda: notes(runs) == 2, "the run after all of that")
    assert identity(out / "db") == "spiffe://example.org/web"


@offers
def test_a_refused_reload_changes_no_entry(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, WEB))
    wait_all(helper, "", "web")
    before = marks(out / "web")
    reload(helper, several(agent, WEB, entry("db", dir="web/in")), event="config_reload_refused")
    assert marks(out / "web") == before
    assert not (out / "web/in").exists()


@offers
def test_an_entry_that_moves_to_a_new_directory(agent: DevAgent, run_helper: Run, out: Path) -> None:
    helper = run_helper(several(agent, WEB))
    wait_all(helper, "", "web")
    reload(helper, several(agent, entry("www", hint="web")))
    wait_all(helper, "www")
    assert identity(out / "www") == "spiffe://example.org/web"
    assert (out / "web" / SVID).exists()


# The end, and commands.


@offers
def test_the_end_awaits_every_hook(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    begun = workdir / "begun"
    slow = ["sh", "-c", f"echo run >> {begun}; exec sleep 600"]
    helper = run_helper(several(agent, WEB | {"renew_cmd": slow}))
    wait_until(lambda: notes(begun) == 1, "the hook's begin")
    assert helper.stop() == 0


@offers
def test_doctor_checks_every_identity(agent: DevAgent, run_helper: Run, out: Path) -> None:
    text = several(agent, WEB, entry("gone"))
    helper = run_helper(text)
    wait_all(helper, "", "web")
    doctor = run_helper(None, "doctor", "-config", helper.config_file)
    assert doctor.wait() == 1
    said = doctor.stdout()
    assert "spiffe://example.org/web" in said
    assert 'no SVID has the hint "gone"' in said
    assert "certs/web" in said
