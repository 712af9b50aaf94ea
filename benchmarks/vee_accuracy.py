"""How good validation and estimation are on real homes; `--write` makes the tables of docs/reference/vee_accuracy.md.

The rows of docs/reference/benchmarks.md are of the same run, so that the two pages say the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from benchmarks.__main__ import PAGE as BENCHMARKS
from benchmarks.__main__ import replaced, rewrite
from benchmarks.accuracy.faults import Alarms, Recall, alarms, recalls
from benchmarks.accuracy.gaps import LADDER, LENGTHS, METHODS, Errors, beaten_by, ladder_bias, measure
from benchmarks.accuracy.homes import SEED, SOURCES, available, homes, split
from benchmarks.harness import Row, figure, line, to_json
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "vee_accuracy.md"
# The goals of the meter-to-cash reference, in % of a home's mean interval; they were set on ten homes.
OPEN_GOALS = {"1 h": 59.5, "2 h": 68.5, "4 h": 76.5, "1 day": 73.0, "7 days": 73.2}
CLOSED_GOALS = {"2 h": 46.5, "1 day": 69.5}
# The data set of whose homes all are measured too.
EVERY = "sgsc_australia"
NOISE = 2.0  # standard errors
BIAS, FAILS, WARNS, RECALL = 3.0, 0.05, 3.0, 99.0
Table = Mapping[str, Mapping[str, Errors]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Errors by length and method without and with registers, recall by fault, and false alarms by data set.

    `bias`: of the ladder without registers, by length, over many more gaps. `open` and `closed` are of the homes to
    judge on, `every_open` and `every_closed` of all homes of `EVERY`, those on which limits were tuned included.
    """

    open: Table
    closed: Table
    every_open: Table
    every_closed: Table
    bias: Mapping[str, Errors]
    recall: Mapping[str, Recall]
    alarms: Mapping[str, Alarms]
    homes: Mapping[str, int]
    every_homes: int


def measured(*, quick: bool) -> Measured:
    """Measure on the validation homes of every data set."""
    every = {source.name: homes(source) for source in SOURCES}
    panels = {name: split(panel)[1] for name, panel in every.items()}
    lengths = list(LENGTHS)[::3] if quick else list(LENGTHS)
    recall: dict[str, Recall] = {}
    for panel in panels.values():
        for fault, found in recalls(panel, rounds=1 if quick else 9).items():
            recall[fault] = recall.get(fault, Recall()) + found
    return Measured(
        {length: _errors(panels.values(), length, closed=False) for length in lengths},
        {length: _errors(panels.values(), length, closed=True) for length in lengths},
        {length: _errors([every[EVERY]], length, closed=False) for length in lengths},
        {length: _errors([every[EVERY]], length, closed=True) for length in lengths},
        {length: _bias(panels.values(), length) for length in lengths},
        recall,
        {name: alarms(panel) for name, panel in panels.items()},
        {name: len(panel.points) for name, panel in panels.items()},
        len(every[EVERY].points),
    )


def _errors(panels: Iterable[Panel], length: str, *, closed: bool) -> dict[str, Errors]:
    found: dict[str, Errors] = {}
    for panel in panels:
        for name, errors in measure(panel, LENGTHS[length], closed=closed).items():
            found[name] = found[name].joined(errors) if name in found else errors
    return found


def _bias(panels: Iterable[Panel], length: str) -> Errors:
    return reduce(Errors.joined, (ladder_bias(panel, LENGTHS[length]) for panel in panels))


def rows_of(result: Measured) -> Iterator[Row]:
    """Yield the figures that have a goal."""
    for name, table, goals in (("no registers", result.open, OPEN_GOALS), ("registers", result.closed, CLOSED_GOALS)):
        for length, errors in table.items():
            ladder = errors[LADDER]
            goal = f"<= {goals[length]}" if length in goals else ""
            yield Row(f"estimation error of the ladder, {length}, {name}", float(ladder.absolute.mean()), "%", goal)
            best, worse, noise = beaten_by(errors)
            title = f"ladder behind the best single method ({best}), {length}, {name}, less {NOISE:g} standard errors"
            yield Row(title, worse - NOISE * noise, "%", "<= 0")
    for name, table in (("no registers", result.every_open), ("registers", result.every_closed)):
        for length, errors in table.items():
            best, worse, noise = beaten_by(errors)
            title = f"all homes of {EVERY}: ladder behind {best}, {length}, {name}, less {NOISE:g} standard errors"
            yield Row(title, worse - NOISE * noise, "%", "<= 0")
    largest = max(_largest(result.closed), _largest(result.every_closed))
    yield Row("energy error of gaps between registers, largest", largest, "Wh", "<= 0")
    bias = {length: errors.bias[0] for length, errors in result.bias.items()}
    yield Row("bias of the ladder over all lengths", abs(float(np.mean(list(bias.values())))), "%", f"<= {BIAS:g}")
    worst = max(bias, key=lambda length: abs(bias[length]))
    yield Row(f"bias of the ladder, worst length ({worst})", abs(bias[worst]), "%", f"<= {BIAS:g}")
    for fault, recall in result.recall.items():
        yield Row(f"recall of {fault}", recall.percent, "%", f">= {RECALL:g}")
    for name, found in result.alarms.items():
        yield Row(f"clean meter-days failed, {name}", found.percent(Severity.FAIL), "%", f"<= {FAILS:g}")
        yield Row(f"clean meter-days warned, {name}", found.percent(Severity.WARN), "%", f"<= {WARNS:g}")


def _largest(table: Table) -> float:
    return max(float(each[LADDER].energy_wh.max()) for each in table.values())


def page_of(result: Measured) -> str:
    """Write the tables."""
    some = ", ".join(f"{count} of {name}" for name, count in result.homes.items())
    gaps = min(errors[LADDER].size for errors in result.open.values())
    return "\n\n".join(
        [
            f"Seed {SEED}; validation homes: {some}; {gaps:,} gaps a length, the same for every method.",
            "## Goals",
            _goals(result),
            "## Mean absolute error, % of the home's mean interval, without registers",
            _matrix(result.open, lambda errors: f"{errors.absolute.mean():.1f}"),
            "## The same, with a register read at both ends of the gap",
            _matrix(result.closed, lambda errors: f"{errors.absolute.mean():.1f}"),
            f"## All homes of {EVERY}: mean absolute error, % of the home's mean interval, without registers",
            _every_text(result),
            _matrix(result.every_open, lambda errors: f"{errors.absolute.mean():.1f}"),
            "### The same, with a register read at both ends of the gap",
            _matrix(result.every_closed, lambda errors: f"{errors.absolute.mean():.1f}"),
            "## The ladder beside the best single method",
            _beside(result),
            "## Energy of the gap, % off; and bias, in brackets, without registers",
            _matrix(result.open, lambda errors: f"{errors.energy.mean():.0f} ({errors.signed.mean():+.1f})"),
            _bias_text(result),
            f"With registers the energy of every gap is exact: the largest error is {_largest(result.closed):g} Wh.",
            "## Seeded faults that were found",
            _recalls(result.recall),
            "## Meter-days without a gap that are doubted as they are, %",
            _alarms(result.alarms),
        ]
    )


def _every_text(result: Measured) -> str:
    gaps = min(errors[LADDER].size for errors in result.every_open.values())
    largest = _largest(result.every_closed)
    return (
        f"{result.every_homes} homes, {gaps:,} gaps a length, seed {SEED}. Half of these homes served to tune: what "
        "may be expected of other homes stands above. "
        f"With registers the largest error of the energy is {largest:g} Wh."
    )


def _goals(result: Measured) -> str:
    lines = [
        f"| {row.name} | {figure(row.value)} {row.unit} | {row.goal} | {'met' if row.met else '**missed**'} |"
        for row in rows_of(result)
        if row.goal
    ]
    return "\n".join(["| what | measured | goal | |", "|---|---:|---|---|", *lines])


def _bias_text(result: Measured) -> str:
    """Write the ladder's bias with its standard error, over the many gaps and over the few."""
    head = "| bias of the ladder, % | " + " | ".join(result.bias) + " |"
    above = {length: errors[LADDER] for length, errors in result.open.items()}
    lines = []
    for told, table in (("", result.bias), (" (those above)", above)):
        gaps = min(each.size for each in table.values())
        cells = " | ".join("{:+.1f} ± {:.1f}".format(*each.bias) for each in table.values())
        lines.append(f"| {gaps:,} gaps a length{told} | {cells} |")
    return "\n".join([head, "|---|" + "---:|" * len(result.bias), *lines])


def _matrix(table: Table, cell: Callable[[Errors], str]) -> str:
    head = ["| method | " + " | ".join(table) + " |", "|---|" + "---:|" * len(table)]
    lines = []
    for name in METHODS:
        texts = [cell(errors[name]) for errors in table.values()]
        title = f"**{name}**" if name == LADDER else name
        lines.append(f"| {title} | " + " | ".join(texts) + " |")
    return "\n".join([*head, *lines])


def _beside(result: Measured) -> str:
    lines = [
        "| gap | registers | ladder | best single method | ladder is worse by | beyond noise |",
        "|---|---|---:|---|---:|---|",
    ]
    for told, table in (("no", result.open), ("yes", result.closed)):
        for length, errors in table.items():
            best, worse, noise = beaten_by(errors)
            own = errors[LADDER].absolute.mean()
            verdict = "**yes**" if worse > NOISE * noise and worse > 0 else "no"
            lines.append(f"| {length} | {told} | {own:.1f} | {best} | {worse:+.2f} ± {noise:.2f} | {verdict} |")
    return "\n".join(lines)


def _recalls(recall: Mapping[str, Recall]) -> str:
    lines = [f"| {fault} | {each.seeded:,} | {each.percent:.1f} % |" for fault, each in recall.items()]
    return "\n".join(["| fault | seeded | found |", "|---|---:|---:|", *lines])


def _alarms(found: Mapping[str, Alarms]) -> str:
    keys = sorted({key for each in found.values() for key in each.doubted}, key=lambda key: (key[0], key[1]))
    lines = [
        f"| {severity} | {code or 'any rule'} | "
        + " | ".join(f"{each.percent(Severity(severity), code):.3f}" for each in found.values())
        + " |"
        for severity, code in keys
    ]
    names = " | ".join(f"{name} ({each.days:,} days)" for name, each in found.items())
    return "\n".join([f"| severity | rule | {names} |", "|---|---|" + "---:|" * len(found), *lines])


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure; without the data there are no rows."""
    if available():
        yield from rows_of(measured(quick=quick))


def main() -> None:
    """Run from the command line, as every benchmark, with `--write` besides."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="three lengths and one round of faults")
    parser.add_argument("--json", action="store_true", help="print one JSON list of rows")
    parser.add_argument(
        "--write",
        action="store_true",
        help="also rewrite vee_accuracy.md and benchmarks.md in docs/reference",
    )
    options = parser.parse_args()
    if not available():
        raise SystemExit("the data sets are not there; GRIDWRIGHT_SHARED_DATA names their folder")
    result = measured(quick=options.quick)
    found = list(rows_of(result))
    print(to_json(found) if options.json else "\n".join(map(line, found)))
    if options.write and not options.quick:
        rewrite(PAGE, page_of(result))
        rewrite(BENCHMARKS, replaced(BENCHMARKS, {"vee_accuracy": found}))


if __name__ == "__main__":
    main()
