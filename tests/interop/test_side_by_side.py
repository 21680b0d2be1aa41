"""Our program and the Go helper with the same configuration and agent.

Contents and modes of files, log lines that users search for, the child's events, exit statuses and health
answers are the same, except for the differences in this table. Each must occur in every row that it names.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from devagent import DevAgent
from parity import KEY, Row, differences, run
from parity_rows import LATER, REFUSED, X509
from spire import Spire

# Whether the release has JWT-SVIDs, one-shot mode and health checks.
PARITY = True
ROWS = (*X509, *REFUSED, *(LATER if PARITY else ()))
NOTHING = "nothing"
ID = "spiffe://example.org/side-by-side"


@dataclass(frozen=True)
class Intended:
    """An intentional difference: patterns of its rows and its name, the reason, a check of both values."""

    rows: str
    name: str
    why: str
    shows: Callable[[Any, Any], bool] = lambda ours, go: True


INTENDED = (
    Intended(
        "health before the first identity",
        ".*: GET /ready",
        "a probe that fails says that the agent has no identity for us",
        lambda ours, go: ours[2].pop("identity_denied") is True and ours == go,
    ),
    Intended(
        "(hint of the|several identities|token of|empty hint).*",
        "updates of",
        "Go names every identity of the message, we the one that we use",
        lambda ours, go: len(ours) < 2 == len(go),
    ),
    Intended(
        "hint of none|health of a hint of none",
        "updates of|says (Received update|Unable to dump bundle)",
        "nothing was received that could be written: Update refused, with the hints that there are",
        lambda ours, go: ours in (NOTHING, []),
    ),
    Intended(
        "mode without its zero",
        r".*: mode of certs/svid(_bundle)?\.pem",
        "644 is meant as 0644; Go reads a decimal number",
        lambda ours, go: (ours, go) == ("0o644", "0o204"),
    ),
    Intended(
        "modes of files from before",
        r".*: mode of certs/.*\.pem",
        "Go sets the mode of files that it makes only",
        lambda ours, go: ours in ("0o644", "0o600") and go == "0o666",
    ),
    Intended(
        "files from before",
        rf".*: mode of certs/{KEY}",
        "Go sets the mode of files that it makes only",
        lambda ours, go: (ours, go) == ("0o600", "0o644"),
    ),
    Intended(
        "narrow umask",
        r".*: mode of certs/svid(_bundle)?\.pem",
        "the umask plays no part",
        lambda ours, go: (ours, go) == ("0o644", "0o600"),
    ),
    Intended(
        "(child|camelCase arguments).*",
        "child's environment",
        "the child is told where the agent is",
        lambda ours, go: set(ours.items()) - set(go.items())
        == {("SPIFFE_ENDPOINT_SOCKET", ours["SPIFFE_ENDPOINT_SOCKET"])},
    ),
    Intended(
        "(?!child that ends)(child|camelCase arguments).*",
        "child's events",
        "we end the child when we end, Go leaves it behind",
        lambda ours, go: ours == [*go, "SIGTERM"],
    ),
    Intended(
        "no such command",
        "says Unable to signal process",
        "we say that it cannot be started, and why",
        lambda ours, go: ours == NOTHING,
    ),
    Intended(
        "wrong: .*",
        "says Using configuration file: .*",
        "a wrong configuration is one error and nothing else",
        lambda ours, go: ours == NOTHING,
    ),
    Intended(
        "wrong request.*",
        "says Exiting",
        "we say so at every end, Go at a good one",
        lambda ours, go: go == NOTHING,
    ),
    # Later rows.
    Intended(
        "one-shot with more audiences",
        r".*: content of certs/web\.jwt",
        "Go forgets the further audiences in one-shot",
        lambda ours, go: ours["claims"]["aud"] == ["web", "api", "cache"] and go["claims"]["aud"] == ["web"],
    ),
)


def explain(
    row: Row, found: dict[str, tuple[object, object]]
) -> tuple[dict[str, tuple[object, object]], list[Intended]]:
    """The differences that are not in the table, and the table's entries for this row that did not occur."""
    applying = [each for each in INTENDED if re.fullmatch(each.rows, row.name)]
    used = set()
    left = {}
    for name, (ours, go) in found.items():
        lines = [
            i for i, each in enumerate(applying) if re.fullmatch(each.name, name) and each.shows(ours, go)
        ]
        used.update(lines)
        if not lines:
            left[name] = (ours, go)
    return left, [each for i, each in enumerate(applying) if i not in used]


def check(row: Row, directory: Path, agent: Any, peers: Path) -> None:
    ours, go = run(row, directory, agent, peers / "spiffe-helper-go")
    left, unused = explain(row, differences(ours, go))
    shown = "\n".join(f"{name}:\n  ours {a!r}\n  Go's {b!r}" for name, (a, b) in left.items())
    assert not left, f"not as the Go helper:\n{shown}"
    assert not unused, f"no longer different: {[(each.name, each.why) for each in unused]}"


@pytest.fixture
def dev_agent(request: pytest.FixtureRequest) -> Iterator[DevAgent]:
    row: Row = request.getfixturevalue("row")
    # Not tmp_path: its names may be too long for a Unix socket.
    with tempfile.TemporaryDirectory(prefix="sa-") as directory, DevAgent(directory, *row.agent) as agent:
        yield agent


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_next_to_the_go_helper(row: Row, dev_agent: DevAgent, peers: Path, workdir: Path) -> None:
    check(row, workdir, dev_agent, peers)


@pytest.fixture(scope="module")
def workload(spire: Spire) -> Spire:
    """A SPIRE with an identity for us."""
    spire.entry_create(ID, x509_ttl=3600, jwt_ttl=300)
    spire.wait_entry_visible(ID)
    return spire


# The test does not control SPIRE's renewals, so only the first publication is compared.
ON_SPIRE = [replace(row, then=(), signals=0) for row in ROWS if row.spire]


@pytest.mark.parametrize("row", ON_SPIRE, ids=lambda row: row.name.replace(" ", "-"))
def test_next_to_the_go_helper_on_spire(row: Row, workload: Spire, peers: Path, workdir: Path) -> None:
    check(row, workdir, workload, peers)
