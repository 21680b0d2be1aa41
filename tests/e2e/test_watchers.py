"""Programs that watch the files notice every rotation at once, and read the new content."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import Run
from published import LAYOUTS
from watching import Watcher, check_rotations

WATCHDOG = """\
import base64, pathlib, queue, sys
from watchdog.events import DirModifiedEvent, FileClosedNoWriteEvent, FileOpenedEvent, FileSystemEventHandler
from watchdog.observers import Observer

path, file = sys.argv[1], pathlib.Path(sys.argv[2])
events = queue.Queue()


class Handler(FileSystemEventHandler):
    def on_any_event(self, event):
        if not isinstance(event, (DirModifiedEvent, FileClosedNoWriteEvent, FileOpenedEvent)):
            events.put(event)


observer = Observer()
observer.schedule(Handler(), path)
observer.start()
while True:
    events.get()
    try:
        print(base64.b64encode(file.read_bytes()).decode(), flush=True)
    except FileNotFoundError:
        pass
"""

INOTIFYWAIT = """\
inotifywait -q -m -e modify,attrib,close_write,move_self,delete_self "$1" |
while read -r _; do base64 -w 0 "$1"; echo; done
"""

# A user's manager needs only a run-time directory, but expects one for the system.
SYSTEMD = """\
mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /run/systemd/system
exec /usr/lib/systemd/systemd --user --unit=watch.target
"""
# A service's name is that of its cgroup, and managers that run at the same time have their cgroups in the same place.
UNITS = {
    "watch.target": "[Unit]\nDefaultDependencies=no\nRequires=watch.path\n",
    "watch.path": "[Unit]\nDefaultDependencies=no\n[Path]\nPathChanged={file}\nUnit={name}.service\n",
    "{name}.service": (
        "[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"
        "ExecStart=/bin/sh -c '(base64 -w 0 {file}; echo) > {pipe}'\n"
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inotifywait(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    """It watches one inode, so a consumer has to start it again, as with a ConfigMap."""

    def start(file: Path) -> Watcher:
        return Watcher(["sh", "-c", INOTIFYWAIT, "sh", file], file)

    check_rotations(agent, run_helper, workdir, layout, start, again=True)


@pytest.mark.parametrize("what", ["file", "directory"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_python_watchdog(agent: DevAgent, run_helper: Run, workdir: Path, layout: str, what: str) -> None:
    def start(file: Path) -> Watcher:
        path = file if what == "file" else file.parent
        # For a file, it watches the directory for events with the file's name.
        return Watcher([sys.executable, "-c", WATCHDOG, path, file], file.parent)

    check_rotations(agent, run_helper, workdir, layout, start)


@pytest.mark.needs_root
@pytest.mark.parametrize("layout", LAYOUTS)
def test_systemd_path_changed(agent: DevAgent, run_helper: Run, workdir: Path, layout: str) -> None:
    """A real manager, with a path unit and a service that reads the file."""

    def start(file: Path) -> Watcher:
        pipe = workdir / "pipe"
        os.mkfifo(pipe)
        units = workdir / "home/.config/systemd/user"
        units.mkdir(parents=True)
        for name, text in UNITS.items():
            own = {"name": f"read-{workdir.name}", "file": file, "pipe": pipe}
            (units / name.format_map(own)).write_text(text.format_map(own))
        (workdir / "run").mkdir(mode=0o700)
        env = {"HOME": str(workdir / "home"), "XDG_RUNTIME_DIR": str(workdir / "run"), "SYSTEMD_LOG_TARGET": "null"}
        # The pipe stays open for writing, so that it does not end with the first service.
        script = f'exec 3<>"$1"; unshare --mount sh -ec \'{SYSTEMD}\' 3>&- & cat <&3'
        return Watcher(["sh", "-c", script, "sh", pipe], file, env)

    check_rotations(agent, run_helper, workdir, layout, start)
