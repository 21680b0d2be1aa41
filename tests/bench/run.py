#!/usr/bin/env python3
"""Compares build/release/spiffe-helper with the Go helper, in turns; README.md explains the results."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from measures import (
    QUICK,
    Measure,
    Plan,
    all_measures,
    measure_idle,
    measure_load,
    measure_signal,
    measure_start,
    table,
)
from rig import Agent, Broken, HelperRun, adopt_orphans, compile_programs

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build/release"
GROUPS = ("start", "signal", "cpu", "memory", "size")
MEMORY_FILES = Path("/dev/shm")
LIMIT_S = 360
STOPPED_BY = (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
Sides = tuple[Path, Path]
Measuring = Callable[[HelperRun, Agent, Plan], dict[str, float]]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run; shows that the benchmark works")
    parser.add_argument("--only", metavar="M[,M...]", help=f"some measures only, of {','.join(GROUPS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all values to FILE")
    parser.add_argument("--ours", type=Path, metavar="PROGRAM", default=RELEASE / "spiffe-helper")
    parser.add_argument("--our-flags", metavar="FLAGS", default="", help="of our helper, for example '-verify=false'")
    parser.add_argument("--go", type=Path, metavar="PROGRAM", help="default: tests/interop/peers/build.sh")
    parser.add_argument("--agent", type=Path, metavar="PROGRAM", default=RELEASE / "spiffe-dev-agent")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",") if arguments.only else list(GROUPS)
    if unknown := set(arguments.only) - set(GROUPS):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    return arguments


def go_helper() -> Path:
    """From $SPIFFE_PEERS, as in the interop tests, or built."""
    directory = os.environ.get("SPIFFE_PEERS")
    if not directory:
        build = ROOT / "tests/interop/peers/build.sh"
        done = subprocess.run([build], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Broken("the Go helper cannot be built; --go takes any program")
        directory = done.stdout.strip()
    return Path(directory) / "spiffe-helper-go"


def check_program(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        raise Broken(f"{path} is not there: cmake --preset release && cmake --build --preset release")
    return path.resolve()


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """In memory, so that the disk is not measured."""
    if not MEMORY_FILES.is_dir():
        raise Broken(f"{MEMORY_FILES} is not there")
    directory = Path(tempfile.mkdtemp(prefix="sh-bench-", dir=MEMORY_FILES))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Comparison:
    """Runs both sides in turns and collects what they measure."""

    def __init__(self, sides: Sides, our_flags: list[str], agent: Agent, directory: Path) -> None:
        self._sides = sides
        self._flags = (our_flags, list[str]())
        self._agent = agent
        self._directory = directory
        self.measures = all_measures()

    def pairs(self, what: str, count: int, measure: Measuring, plan: Plan) -> None:
        for pair in range(count):
            progress(f"{what}: pair {pair + 1} of {count}")
            # A B, B A, A B …: the second has no advantage.
            for side in (0, 1) if pair % 2 == 0 else (1, 0):
                for name, value in self._once(side, measure, plan).items():
                    one = self.measures[name]
                    (one.theirs if side else one.ours).append(value)

    def _once(self, side: int, measure: Measuring, plan: Plan) -> dict[str, float]:
        program = self._sides[side]
        flags = self._flags[side]
        with HelperRun(program, flags, self._directory, self._agent, self._directory / "run") as run:
            try:
                return measure(run, self._agent, plan)
            except Broken as error:
                raise Broken(f"{program}: {error}") from None

    def warm_up(self, plan: Plan) -> None:
        """Loads both programs into the page cache."""
        for side in (0, 1):
            self._once(side, measure_start, plan)

    def sizes(self) -> None:
        size = self.measures["size"]
        ours, theirs = (program.stat().st_size / 1e6 for program in self._sides)
        size.ours.append(ours)
        size.theirs.append(theirs)


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def compare(
    sides: Sides, our_flags: list[str], agent_program: Path, wanted: list[str], plan: Plan
) -> dict[str, Measure]:
    with scratch_directory() as directory:
        compile_programs(directory)
        with Agent(agent_program, directory) as agent:
            comparison = Comparison(sides, our_flags, agent, directory)
            comparison.warm_up(plan)
            if "start" in wanted:
                comparison.pairs("start", plan.start_pairs, measure_start, plan)
            if "signal" in wanted:
                comparison.pairs("signal", plan.signal_pairs, measure_signal, plan)
            if "memory" in wanted:
                comparison.pairs("memory", plan.idle_pairs, measure_idle, plan)
            if "cpu" in wanted or "memory" in wanted:
                comparison.pairs("cpu, memory", plan.load_pairs, measure_load, plan)
            if "size" in wanted:
                comparison.sizes()
    progress("")
    measures = comparison.measures.items()
    return {name: measure for name, measure in measures if measure.ours and group(name) in wanted}


def group(measure: str) -> str:
    prefix = measure.partition("_")[0]
    return "memory" if prefix in {"rss", "private"} else prefix


def as_json(
    sides: Sides, our_flags: str, measures: dict[str, Measure], load: tuple[float, float]
) -> dict[str, Any]:
    return {
        "ours": str(sides[0]),
        "our_flags": our_flags,
        "go": str(sides[1]),
        "processors": os.cpu_count(),
        "load_average": {"before": load[0], "after": load[1]},
        "measures": {
            name: {
                "title": measure.title,
                "unit": measure.unit,
                "target": measure.target,
                "ratio": measure.ratio(),
                "ours": measure.ours,
                "go": measure.theirs,
            }
            for name, measure in measures.items()
        },
    }


def interrupted(number: int, frame: FrameType | None) -> None:
    for other in STOPPED_BY:  # do not interrupt the clean-up
        signal.signal(other, signal.SIG_IGN)
    name = signal.Signals(number).name
    raise Broken(f"not done after {LIMIT_S} s" if number == signal.SIGALRM else f"stopped by {name}")


def main() -> int:
    arguments = parse_arguments()
    adopt_orphans()
    # So that no process and no file in memory is left if we are stopped.
    for number in STOPPED_BY:
        signal.signal(number, interrupted)
    try:
        sides = (check_program(arguments.ours), check_program(arguments.go or go_helper()))
        agent = check_program(arguments.agent)
        signal.alarm(LIMIT_S)
        before = os.getloadavg()[0]
        flags = shlex.split(arguments.our_flags)
        measures = compare(sides, flags, agent, arguments.only, QUICK if arguments.quick else Plan())
    except Broken as error:
        progress("")
        print(f"error: the benchmark does not work: {error}", file=sys.stderr)
        return 1
    load = (before, os.getloadavg()[0])
    print(f"ours: {sides[0]} {arguments.our_flags}\ngo:   {sides[1]}")
    print(f"{os.cpu_count()} processors, load average {load[0]:.2f} before, {load[1]:.2f} after\n")
    print("\n".join(table(list(measures.values()), targets=not arguments.quick)))
    if arguments.quick:
        print("\nA quick run: its figures mean nothing.")
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(sides, arguments.our_flags, measures, load), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
