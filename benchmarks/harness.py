"""What every benchmark shares: the row it prints, how time is taken, and the command line `[--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import operator
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Protocol

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Peer:
    """What another program, or the bare library, took in the same run; `ratio` > 1 means that Gridwright is better."""

    name: str
    value: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure beside its goal, a text such as ">= 8e6"; an empty goal is a figure for information."""

    name: str
    value: float
    unit: str
    goal: str = ""
    peer: Peer | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if not self.goal:
            return None
        comparison, bound = self.goal.split()
        return COMPARISONS[comparison](self.value, float(bound))


class Rows(Protocol):
    """A benchmark: measures and yields its rows; `quick` means within 50 s, with smaller sizes or fewer runs."""

    def __call__(self, *, quick: bool) -> Iterable[Row]:
        """Measure."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Several runs of the same work: seconds on the wall and on the processor, one entry a run."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def best_s(self) -> float:
        """The quickest run: what the code can do when the machine leaves it alone."""
        return min(self.wall)

    @property
    def median_s(self) -> float:
        """The run in the middle: what a user meets."""
        return statistics.median(self.wall)

    @property
    def cpu_s(self) -> float:
        """The least processor time of this process, which other load on the machine disturbs little."""
        return min(self.cpu)


def timed(work: Callable[[], object], *, runs: int = 3, prepare: Callable[[], object] | None = None) -> Timing:
    """Run `work` several times, each after `prepare`, which is not counted."""
    wall, cpu = [], []
    for _ in range(runs):
        if prepare is not None:
            prepare()
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    return Timing(tuple(wall), tuple(cpu))


def faster_than(name: str, theirs_s: float, ours_s: float) -> Peer:
    """Compare two durations in seconds: `ratio` is how many times as long the peer takes."""
    return Peer(name, theirs_s, theirs_s / ours_s)


def more_than(name: str, theirs: float, ours: float) -> Peer:
    """Compare two rates: `ratio` is how many times the peer's rate is reached."""
    return Peer(name, theirs, ours / theirs)


def to_json(rows: Iterable[Row]) -> str:
    """Write rows as the JSON list that `--json` prints."""
    return json.dumps([asdict(row) for row in rows], indent=1, default=float)


def from_json(text: str) -> list[Row]:
    """Read back what `to_json` wrote."""
    return [Row(**{**row, "peer": Peer(**row["peer"]) if row["peer"] else None}) for row in json.loads(text)]


def figure(value: float) -> str:
    """Print a number to three significant digits, with separators where it is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def line(row: Row) -> str:
    """Print a row for people: the figure, its goal and the peer."""
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    peer = f"   {row.peer.name}: {figure(row.peer.value)} (ratio {row.peer.ratio:.2f})" if row.peer else ""
    return f"{row.name:<48} {figure(row.value):>14} {row.unit:<14} {row.goal:>9} {verdict}{peer}"


def main(rows: Rows, argv: list[str] | None = None) -> None:
    """Run a benchmark from the command line; a missed goal is shown, never an error: speed depends on the machine."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller sizes or fewer runs: at most 50 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON list of rows")
    options = parser.parse_args(argv)
    measured = []
    for row in rows(quick=options.quick):
        measured.append(row)
        if not options.json:
            print(line(row), flush=True)
    if options.json:
        print(to_json(measured))
