"""scripts/release.sh, in clones whose checks and builds are replaced by programs that record their calls."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from commands import ROOT, attempt, run, version

DATE = "2026-01-02"
STUB = '#!/bin/sh\necho "$0 $*" >>.git/calls\n'
COPIED = ["CMakeLists.txt", "CHANGELOG.md", "docs/kubernetes.md", "scripts/release.sh", ".gitignore"]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something.\n"


def next_version() -> str:
    major, minor, _ = version().split(".")
    return f"{major}.{int(minor) + 1}.0"


class Clone:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in COPIED:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
        self.write("CHANGELOG.md", CHANGELOG)
        for name in [".ci/run", "packaging/build.sh"]:
            self.write(name, STUB).chmod(0o755)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Releaser")
        self.git("config", "user.email", "releaser@example.org")
        self.commit()

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.directory / name).read_text()

    def git(self, *arguments: str) -> str:
        return run("git", "-C", self.directory, *arguments)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    def release(self, *arguments: str) -> tuple[int, str]:
        environment = {"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1767312000"}
        return attempt(self.directory / "scripts/release.sh", *arguments, env=environment)

    def calls(self) -> list[str]:
        calls = self.directory / ".git/calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def state(self) -> str:
        return self.git("rev-parse", "HEAD") + self.git("tag") + self.git("status", "--porcelain")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def refused(clone: Clone, *arguments: str) -> str:
    """Checks that the release fails and changes nothing; returns the error."""
    before = clone.state()
    status, output = clone.release(*arguments)
    assert status == 1, output
    assert clone.state() == before
    (error,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "\nhint: " in output
    return error


def test_everything_is_done_for_a_version(clone: Clone) -> None:
    new = next_version()
    status, output = clone.release(new)
    assert status == 0, output
    assert f"project(spiffe-helper VERSION {new} " in clone.read("CMakeLists.txt")
    assert version() not in clone.read("docs/kubernetes.md")
    assert f"newTag: {new}" in clone.read("docs/kubernetes.md")
    assert f"## [Unreleased]\n\n## [{new}] - {DATE}\n\n### Added\n\n- Something.\n" in clone.read("CHANGELOG.md")
    assert clone.git("status", "--porcelain") == ""
    assert clone.git("log", "-1", "--format=%s") == f"release: {new}\n"
    assert clone.git("cat-file", "-t", f"v{new}") == "tag\n"
    assert "- Something." in clone.git("tag", "--list", "-n9", f"v{new}")
    assert clone.git("rev-parse", f"v{new}^{{commit}}") == clone.git("rev-parse", "HEAD")
    assert clone.calls() == [
        ".ci/run ",
        ".ci/run reproducible",
        "packaging/build.sh --arch amd64 all",
        "packaging/build.sh --arch arm64 all",
    ]
    assert f"git push REMOTE main v{new}\n" in output.partition("== to publish\n")[2]


def test_the_first_release_is_the_version_of_the_sources(clone: Clone) -> None:
    status, output = clone.release("--skip-tests", "--no-build", version())
    assert status == 0, output
    assert "warning: the checks are skipped" in output
    assert clone.calls() == []
    assert clone.git("tag") == f"v{version()}\n"
    assert "[Unreleased] " in refused(clone, next_version())


def test_a_release_is_made_once(clone: Clone) -> None:
    assert clone.release("--skip-tests", "--no-build", next_version())[0] == 0
    assert refused(clone, next_version()).endswith(f"not greater than {next_version()}")
    clone.write("CHANGELOG.md", clone.read("CHANGELOG.md").replace("## [Unreleased]\n", "## [Unreleased]\n\n- More.\n"))
    clone.commit()
    assert refused(clone, next_version()).endswith(f"not greater than {next_version()}")
    assert clone.release("--skip-tests", "--no-build", "99.0.0")[0] == 0
    assert re.findall(r"(?m)^## \[(.*?)\]", clone.read("CHANGELOG.md")) == ["Unreleased", "99.0.0", next_version()]


@pytest.mark.parametrize("bad", ["0.0.1", "1", "v9.0.0", "9.0", "9.0.0-rc1", "09.0.0"])
def test_a_version_must_be_greater(clone: Clone, bad: str) -> None:
    assert re.search(r"is not (greater than|a version)", refused(clone, bad))


def test_the_work_tree_must_be_clean(clone: Clone) -> None:
    clone.write("new", "")
    assert "not clean" in refused(clone, next_version())


@pytest.mark.parametrize("section", ["", "### Added\n\n"])
def test_there_must_be_something_to_release(clone: Clone, section: str) -> None:
    clone.write("CHANGELOG.md", f"# Changelog\n\n## [Unreleased]\n\n{section}## [0.0.1] - {DATE}\n\n- Old.\n")
    clone.commit()
    assert "[Unreleased] in CHANGELOG.md is empty" in refused(clone, next_version())


def test_artefacts_of_another_release_are_not_published(clone: Clone) -> None:
    clone.write("dist/spiffe-helper_0.0.1-1_amd64.deb", "")
    assert "dist/ is not empty" in refused(clone, next_version())
    assert clone.release("--skip-tests", "--no-build", next_version())[0] == 0


def test_an_existing_tag_is_not_moved(clone: Clone) -> None:
    clone.git("tag", f"v{next_version()}")
    assert "exists" in refused(clone, next_version())


def test_the_version_is_written_in_no_other_place(clone: Clone) -> None:
    clone.write("packaging/other", f"image: spiffe-helper:{version()}\n")
    clone.commit()
    assert "packaging/other:1" in refused(clone, next_version())


def test_no_file_of_the_sources_repeats_the_version() -> None:
    """Otherwise release.sh would refuse to run."""
    excluded = re.search(r"(?m)^not_ours=\((.*)\)$", (ROOT / "scripts/release.sh").read_text())
    assert excluded
    patterns = [word.strip("'") for word in excluded[1].split()]
    expression = f"(^|[^0-9.]){re.escape(version())}([^0-9]|$)"
    listed = attempt("git", "-C", ROOT, "grep", "-lE", "-e", expression, "--", *patterns)[1].split()
    assert set(listed) == {"CMakeLists.txt", "docs/kubernetes.md"}


def test_nothing_is_released_if_a_check_fails(clone: Clone) -> None:
    clone.write(".ci/run", STUB + "exit 1\n")
    clone.commit()
    before = clone.state()
    status, output = clone.release(next_version())
    assert (status, clone.state()) == (1, before)
    assert "nothing is released" in output
    assert clone.calls() == [".ci/run "]


def test_links_that_compare_versions_are_updated(clone: Clone) -> None:
    base = "https://git.example.org/helper/compare/"
    clone.write("CHANGELOG.md", f"{CHANGELOG}\n## [0.1.0] - {DATE}\n\n- Old.\n\n[Unreleased]: {base}v0.1.0...HEAD\n")
    clone.commit()
    new = next_version()
    assert clone.release("--skip-tests", "--no-build", new)[0] == 0
    links = f"[Unreleased]: {base}v{new}...HEAD\n[{new}]: {base}v0.1.0...v{new}\n"
    assert clone.read("CHANGELOG.md").endswith(links)


def test_a_dry_run_changes_nothing(clone: Clone) -> None:
    before = clone.state()
    status, output = clone.release("--dry-run", next_version())
    assert (status, clone.state(), clone.calls()) == (0, before, [])
    steps = [line for line in output.splitlines() if line.startswith("== ")]
    assert len(steps) == 8
    assert steps[-2] == "== build for arm64: packaging/build.sh --arch arm64 all"


@pytest.mark.parametrize("arguments", [[], ["--unknown", "9.0.0"], ["9.0.0", "9.1.0"]])
def test_the_usage_is_shown(clone: Clone, arguments: list[str]) -> None:
    status, output = clone.release(*arguments)
    assert status == 2
    assert "scripts/release.sh [--dry-run]" in output
