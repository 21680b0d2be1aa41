"""Watchers in other languages notice every rotation at once: fs.watch of Node.js, fsnotify of Go."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from devagent import DevAgent
from helper import Run
from published import LAYOUTS
from watching import Watcher, check_rotations

SOURCE = Path(__file__).parent / "watchers"
each_way = pytest.mark.parametrize("what", ["file", "directory"])


@pytest.fixture
def agent() -> Iterator[DevAgent]:
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sa-") as directory, DevAgent(Path(directory)) as running:
        yield running


@pytest.fixture(scope="module")
def fsnotify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        pytest.skip("not run: Go is needed for fsnotify")
    out = tmp_path_factory.mktemp("fsnotify") / "watcher"
    env = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
    subprocess.run([go, "build", "-mod=readonly", "-trimpath", "-o", out, "."], cwd=SOURCE, env=env, check=True)
    return out


@each_way
@pytest.mark.parametrize("layout", LAYOUTS)
def test_node(agent: DevAgent, run_helper: Run, workdir: Path, layout: str, what: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("not run: Node.js is needed")

    def start(file: Path) -> Watcher:
        path = file if what == "file" else file.parent
        return Watcher([node, SOURCE / "watch.mjs", path, file], path)

    check_rotations(agent, run_helper, workdir, layout, start)


@each_way
@pytest.mark.parametrize("layout", LAYOUTS)
def test_go_fsnotify(
    fsnotify: Path, agent: DevAgent, run_helper: Run, workdir: Path, layout: str, what: str
) -> None:
    def start(file: Path) -> Watcher:
        path = file if what == "file" else file.parent
        return Watcher([fsnotify, path, file], path)

    check_rotations(agent, run_helper, workdir, layout, start)
