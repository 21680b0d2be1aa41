"""A key that is no longer used is not in the helper's memory.

Not for the sanitizers' programs: their heap keeps freed memory.
"""

from __future__ import annotations

from pathlib import Path

import memory
import pytest
from devagent import DevAgent
from helper import Helper, Run, wait_until
from published import KEY, config, make_certs, rotate, wait_published


def wait_forgotten(helper: Helper, secrets: list[set[bytes]]) -> None:
    """Waits until only the last secret, which is in use, is in memory."""
    live = [len(secrets) - 1]
    wait_until(lambda: memory.seen(helper.pid, secrets) == live, "old secrets to leave the memory")


@pytest.mark.parametrize(
    "rotations",
    [
        pytest.param(40, id="ec-p256", marks=pytest.mark.agent("-key-type", "ec-p256", "-rotate-every", "0")),
        pytest.param(5, id="rsa-2048", marks=pytest.mark.agent("-key-type", "rsa-2048", "-rotate-every", "0")),
    ],
)
def test_of_all_keys_only_the_live_one_is_in_memory(
    agent: DevAgent, run_helper: Run, workdir: Path, rotations: int
) -> None:
    directory = make_certs(workdir).directory
    helper = run_helper(config(agent))
    wait_published(helper)
    keys = [memory.traces_of_key((directory / KEY).read_bytes())]
    for _ in range(rotations):
        rotate(agent, helper)
        keys.append(memory.traces_of_key((directory / KEY).read_bytes()))
    wait_forgotten(helper, keys)


@pytest.mark.agent("-key-type", "ec-p256", "-rotate-every", "0")
def test_keys_of_streams_that_ended_are_not_in_memory(agent: DevAgent, run_helper: Run, workdir: Path) -> None:
    directory = make_certs(workdir).directory
    helper = run_helper(config(agent))
    wait_published(helper)
    keys = [memory.traces_of_key((directory / KEY).read_bytes())]
    for _ in range(5):
        agent.disconnect()
        rotate(agent, helper)
        keys.append(memory.traces_of_key((directory / KEY).read_bytes()))
    wait_forgotten(helper, keys)
