"""Fixtures of the tests on a Kubernetes node: the cluster, the image, the samples."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("interop", "e2e", "support"))]

from lab import Lab  # noqa: E402
from sample import ROOT, Changes, Sample  # noqa: E402
from session import Session  # noqa: E402
from spire import peers_dir  # noqa: E402
from workloads import Workloads  # noqa: E402

# The first test also waits for the cluster and the image.
LIMIT_S = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMIT_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_root") and os.geteuid() != 0:
        pytest.fail("needs root: it makes namespaces, mounts and cgroups", pytrace=False)


@pytest.fixture(scope="session")
def images() -> Iterator[list[Path]]:
    """The images: built by packaging/build.sh, or those in $SPIFFE_DIST."""
    pattern = "*.image.tar.gz"
    if "SPIFFE_DIST" in os.environ:
        yield sorted(Path(os.environ["SPIFFE_DIST"]).glob(pattern))
        return
    with tempfile.TemporaryDirectory(prefix="dist-") as directory:
        build = [ROOT / "packaging/build.sh", "--output", directory, "image"]
        built = subprocess.run(build, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
        assert built.returncode == 0, built.stdout + built.stderr
        yield sorted(Path(directory).glob(pattern))


@pytest.fixture(scope="session")
def version(images: list[Path]) -> str:
    """The version, which is the tag of the images."""
    return images[0].name.removeprefix("spiffe-helper-").split("-")[0]


@pytest.fixture(scope="session")
def lab(images: list[Path]) -> Iterator[Lab]:
    with Lab(peers_dir("SPIFFE_LAB_PEERS", HERE / "peers/build.sh"), peers_dir()) as running:
        for image in images:
            running.node.import_image(image)
        yield running


@pytest.fixture
def sample(lab: Lab, version: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Sample]]:
    """Deploys a sample of packaging/k8s; it is removed after the test."""
    deployed: list[Sample] = []

    def deploy(variant: str, **changes: str) -> Sample:
        name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
        sample = Sample(lab, version, variant, name[:60].strip("-"), Changes(**changes))
        deployed.append(sample)
        sample.deploy()
        return sample

    yield deploy
    for sample in deployed:
        sample.remove()


@pytest.fixture(scope="session")
def workloads(lab: Lab, images: list[Path], version: str) -> Workloads:
    return Workloads(lab, images, version)


@pytest.fixture
def deploying(workloads: Workloads) -> Iterator[Workloads]:
    """For a test that deploys and registers one of them; both are removed after it."""
    with workloads.deploying():
        yield workloads


@pytest.fixture
def example(lab: Lab) -> Callable[..., Session]:
    """Starts a shell in a directory of examples/k8s, in a copy of the sources."""
    settings = {
        "PATH": f"{lab.cluster.programs}:{os.environ['PATH']}",
        "HOME": str(lab.sandbox.directory),
        "KUBECONFIG": str(lab.cluster.kubeconfig),
        "OVERLAY": "lab",
    }

    def start(name: str, **more: str) -> Session:
        directory = lab.spire.examples / name
        return Session(directory, settings | more, lab.sandbox.prefix(directory))

    return start
