"""The measurements, and how they are summarised."""

from __future__ import annotations

import math
import statistics
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rig import Agent, Broken, HelperRun, Send

Item = TypeVar("Item")
# Signals in quick succession become one if the child does not run in between. Fewer than this share of them
# is not caused by a busy machine.
FEWEST_SIGNALS = 0.5


@dataclass(frozen=True)
class Plan:
    """The amount of work. A pair is one run of our helper and one of the Go helper."""

    start_pairs: int = 31
    signal_pairs: int = 20
    signal_warm_up: int = 10
    signal_rotations: int = 100
    signal_interval_s: float = 0.02
    idle_pairs: int = 3
    # Includes the helper's first check of its directory, after 10 s, which uses more of the program.
    idle_s: float = 30.0
    load_pairs: int = 7
    load_settle_s: float = 1.0
    load_rotations: int = 1000
    load_rate: float = 200


QUICK = Plan(
    start_pairs=3,
    signal_pairs=1,
    signal_rotations=20,
    idle_pairs=1,
    idle_s=0.2,
    load_pairs=1,
    load_settle_s=0.2,
    load_rotations=100,
)


@dataclass
class Measure:
    title: str
    unit: str
    target: float | None = None  # for the ratio
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        """The median of the ratios of the pairs: a temporarily slow machine slows both runs of a pair."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def all_measures() -> dict[str, Measure]:
    return {
        "start": Measure("exec to the child's first instruction", "ms", 0.7),
        "signal_p50": Measure("agent's send to child's signal, p50", "ms", 1.0),
        "signal_p99": Measure("agent's send to child's signal, p99", "ms", 0.9),
        "cpu": Measure("CPU a rotation", "ms", 0.8),
        "rss_idle": Measure("RSS, idle", "MB", 0.5),
        "rss_after": Measure("RSS, after the rotations", "MB", 0.5),
        "private_idle": Measure("private memory, idle", "MB", 0.3),
        "private_after": Measure("private memory, after the rotations", "MB", 0.3),
        "private_all_idle": Measure("private with clean file pages, idle", "MB"),
        "private_all_after": Measure("private with clean file pages, after", "MB"),
        "size": Measure("size of the program", "MB", 0.65),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def match(sends: Sequence[Send], signals: Sequence[int]) -> list[int]:
    """The delay of each signal after its send, in ns; some sends may have no signal."""
    if len(sends) == len(signals):
        waits = [signal - send.time_ns for send, signal in zip(sends, signals, strict=True)]
        if min(waits) > 0:
            return waits
    # Signals were merged, or a send caused none: each signal belongs to the last send before it.
    times = [send.time_ns for send in sends]
    first: dict[int, int] = {}
    for signal in signals:
        send = bisect_right(times, signal) - 1
        if send >= 0:
            first.setdefault(send, signal - times[send])
    if len(first) < FEWEST_SIGNALS * len(sends):
        raise Broken(f"{len(sends)} sends, {len(signals)} signals, {len(first)} that belong together")
    return list(first.values())


def measure_start(run: HelperRun, agent: Agent, plan: Plan) -> dict[str, float]:
    run.wait_serial(agent.sends()[-1].serial)
    return {"start": run.start_ns() / 1e6}


def settled(read: Callable[[], list[Item]], count: int) -> list[Item]:
    """The result of `read` when it has `count` items, or after half a second."""
    deadline = time.monotonic() + 0.5
    while len(items := read()) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return items


def measure_signal(run: HelperRun, agent: Agent, plan: Plan) -> dict[str, float]:
    before = len(agent.sends())
    agent.rotate(plan.signal_warm_up, plan.signal_interval_s)
    warmed_up = settled(agent.sends, before + plan.signal_warm_up)
    run.wait_serial(warmed_up[-1].serial)
    skipped = len(settled(run.signals, len(warmed_up) - before))
    agent.rotate(plan.signal_rotations, plan.signal_interval_s)
    sends = settled(agent.sends, len(warmed_up) + plan.signal_rotations)[len(warmed_up) :]
    run.wait_serial(sends[-1].serial)
    waits = match(sends, settled(run.signals, skipped + len(sends))[skipped:])
    return {"signal_p50": percentile(waits, 0.50) / 1e6, "signal_p99": percentile(waits, 0.99) / 1e6}


def measure_idle(run: HelperRun, agent: Agent, plan: Plan) -> dict[str, float]:
    run.wait_serial(agent.sends()[-1].serial)
    time.sleep(plan.idle_s)
    idle = run.memory()
    return {
        "rss_idle": idle.rss / 1e6,
        "private_idle": idle.dirty / 1e6,
        "private_all_idle": idle.private / 1e6,
    }


def measure_load(run: HelperRun, agent: Agent, plan: Plan) -> dict[str, float]:
    time.sleep(plan.load_settle_s)
    before = len(agent.sends())
    cpu = run.cpu_ns()
    agent.burst(plan.load_rotations, plan.load_rate)
    sends = settled(agent.sends, before + plan.load_rotations)[before:]
    run.wait_serial(sends[-1].serial)
    signals = settled(run.signals, len(sends))
    cpu = run.cpu_ns() - cpu
    if len(sends) < plan.load_rotations or len(signals) < FEWEST_SIGNALS * len(sends):
        raise Broken(f"{plan.load_rotations} rotations, {len(sends)} sends, {len(signals)} signals")
    after = run.memory()
    return {
        "cpu": cpu / 1e6 / len(sends),
        "rss_after": after.rss / 1e6,
        "private_after": after.dirty / 1e6,
        "private_all_after": after.private / 1e6,
    }


def number(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.2f}"


def table(measures: Sequence[Measure], targets: bool) -> Iterator[str]:
    width = max(len(f"{m.title}, {m.unit}") for m in measures)
    columns = "".join(f"{column:>8}" for column in ("min", "median", "max"))
    yield f"{'':{width}}  {'ours':>16}{'':8}  {'Go':>16}"
    yield f"{'':{width}}  {columns}  {columns}   ratio{'  target' if targets else ''}"
    for measure in measures:
        line = f"{f'{measure.title}, {measure.unit}':{width}}"
        for values in (measure.ours, measure.theirs):
            three = (min(values), statistics.median(values), max(values))
            line += "  " + "".join(f"{number(value):>8}" for value in three)
        line += f"{measure.ratio():8.3f}"
        if targets and measure.target is not None:
            line += f"  <={measure.target:5.2f}{'' if measure.ratio() <= measure.target else '  missed'}"
        yield line
