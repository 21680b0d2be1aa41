"""examples/k8s/workload/manual: the helper started by hand in a pod, in two shells."""

from __future__ import annotations

import re

import pytest
from readme import steps
from workloads import Workloads

pytestmark = pytest.mark.needs_root
RENEWED = re.compile(r"X\.509 certificates updated .* serial=(\w+)")


def test_the_helper_is_typed_into_a_pod_and_its_renewals_are_watched(deploying: Workloads) -> None:
    readme = deploying.readme("manual")
    with deploying.terminal() as first, deploying.terminal() as second:
        first.play(readme, "Set up")
        *before, helper, leave = steps(readme, "First shell")
        for step in before:
            first.run(step)
        first.begin(helper)
        first.wait(lambda shown: "child started" in shown, "child")
        second.play(readme, "Second shell")
        log = first.finish(helper)
        first.run(leave)
        first.play(readme, "Clean up")

    serials = RENEWED.findall(log)
    assert len(set(serials)) == len(serials) >= 3
    assert len(set(re.findall(r"child started .* pid=(\d+)", log))) == 2
