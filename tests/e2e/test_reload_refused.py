"""An invalid configuration is refused with an error and changes nothing."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest
from children import Recorder
from devagent import DevAgent
from helper import Run
from published import SVID, Published, config, make_certs, rotate, settings, wait_published
from reloading import calls, reload, wait_event


@pytest.fixture
def recorder(workdir: Path) -> Recorder:
    return Recorder(workdir)


BAD = {
    "no HCL": ('cert_dir = "certs"\nsvid_file_name "x"\n', ":2:1: "),
    "an unknown key": ('cert_dir = "certs"\nsvid_flie_name = "x"\n', ":2:1: "),
    "a bad value": ('log_level = "loud"\n', ":1:13: "),
    "a name that leaves the directory": (None, ":2:18: "),
    "a missing file": ("", '": no such file'),
    "a directory": ("", '": is a directory'),
    "a pipe that nobody writes": ("", '" again: it is not a regular file'),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_changes_nothing(
    agent: DevAgent, run_helper: Run, workdir: Path, recorder: Recorder, kind: str
) -> None:
    out = make_certs(workdir)
    plain = config(agent, **recorder.keys())
    helper = run_helper(plain)
    child = recorder.wait("started")["pid"]
    before, streams = out.state(), calls(agent)
    text, words = BAD[kind]
    bad = text if text is not None else config(agent, svid_file_name="../svid.pem")
    helper.config_file.unlink()
    if kind == "a directory":
        helper.config_file.mkdir()
    elif kind == "a pipe that nobody writes":
        os.mkfifo(helper.config_file)
    elif kind != "a missing file":
        helper.config_file.write_text(bad)
    helper.send(signal.SIGHUP)
    line = wait_event(helper, "config_reload_refused")
    assert line.level == "error"
    assert f"{helper.config_file}{words}" in line.fields["error"]
    assert (out.state(), calls(agent), helper.children()) == (before, streams, [child])
    # It still reacts, and a valid file is accepted.
    rotate(agent, helper)
    recorder.wait("SIGUSR1")
    if kind == "a directory":
        helper.config_file.rmdir()
    helper.config_file.unlink(missing_ok=True)
    reload(helper, plain)
    assert helper.children() == [child]
    assert calls(agent) == streams


@pytest.mark.parametrize(
    ("key", "before", "after", "extra"),
    [("daemon_mode", None, False, {}), ("cmd_mode", "job", "wrap", {}), ("subreaper", None, True, {})],
)
def test_keys_that_cannot_change_cause_a_warning(
    agent: DevAgent,
    run_helper: Run,
    workdir: Path,
    recorder: Recorder,
    key: str,
    before: object,
    after: object,
    extra: dict[str, object],
) -> None:
    make_certs(workdir)
    make_certs(workdir, "second")
    helper = run_helper(config(agent, **recorder.keys() | {key: before}))
    child = recorder.wait("started")["pid"]
    mark = helper.mark()
    reload(helper, config(agent, **recorder.keys() | {key: after, "cert_dir": "second"}))
    said = helper.wait_log(f"{key} takes effect at the next start", since=mark)
    assert said.level == "warning"
    # The rest is applied.
    Published(workdir / "second").check(wait_published(helper, mark))
    assert helper.children() == [child]
    reload(helper, config(agent, **recorder.keys()))
    rotate(agent, helper)
    assert helper.children() == [child]
    assert helper.stop() == 0


def test_a_file_of_the_default_name_that_goes_missing(
    agent: DevAgent, run_helper: Run, workdir: Path
) -> None:
    """A reload does not undo its settings, although the flags alone would be a valid configuration."""
    out = make_certs(workdir)
    (workdir / "helper.conf").write_text('cert_file_mode = "0640"\n')
    flags = [word for key, value in settings(agent).items() for word in (f"-{key.replace('_', '-')}", value)]
    helper = run_helper(command=flags)
    wait_published(helper)
    helper.config_file.unlink()
    helper.send(signal.SIGHUP)
    assert "no such file" in wait_event(helper, "config_reload_refused").fields["error"]
    rotate(agent, helper)
    assert stat.S_IMODE((out.directory / SVID).stat().st_mode) == 0o640
