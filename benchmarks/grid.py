"""The network: balances of ten thousand usage points over a week, and how often theft is found and honesty accused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.harness import Row, main, timed
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.grid import balance

START = datetime(2025, 3, 3, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SLOTS = 14 * 96
EVER = Interval(START - timedelta(days=1), START + timedelta(days=99))
HOMES = 25
LOSS = 0.03


def town(transformers: int, homes: int, slots: int, *, seed: int = 5) -> tuple[Topology, Values, tuple[str, ...]]:
    """Simulate homes with a common day's shape and habits of their own, [n, slots] Wh, and their network."""
    rng = np.random.default_rng(seed)
    day = 60 + 80 * np.clip(np.sin((np.arange(slots) % 96 - 30) / 96 * 2 * np.pi), 0, None)
    size = rng.gamma(4, 0.25, (transformers * homes, 1))
    values = np.rint(day * size * rng.gamma(1.2, 0.8, (transformers * homes, slots)))
    points = tuple(f"UP-{at}" for at in range(transformers * homes))
    nodes = [Node("F", NodeKind.FEEDER)]
    nodes += [Node(f"T{at}", NodeKind.TRANSFORMER, "F", meter=f"M{at}") for at in range(transformers)]
    homes_of = tuple(Connection(point, f"T{at // homes}", EVER) for at, point in enumerate(points))
    return Topology(tuple(nodes), homes_of), values, points


def metered(values: Values, points: tuple[str, ...], homes: int, reported: Values, *, seed: int = 3) -> Panel:
    """Return what meters report and what the master meters see of what was really used.

    Losses grow with the square of the load, meters are off by 0.5 % each, and 1 % of the values are missing.
    """
    rng = np.random.default_rng(seed)
    used = values.reshape(-1, homes, values.shape[1]).sum(axis=1)
    masters = np.rint(used * (1 + LOSS * used / used.mean(axis=1, keepdims=True)))
    told = np.rint(reported * (1 + rng.normal(0, 0.005, (len(points), 1))))
    told[rng.random(told.shape) < 0.01] = np.nan
    names = (*points, *(f"M{at}" for at in range(used.shape[0])))
    return Panel(names, START, QUARTER, np.vstack([told, masters]))


def speed_rows(*, quick: bool) -> Iterator[Row]:
    """Measure the balance of a week."""
    transformers = 100 if quick else 400
    topology, values, points = town(transformers, HOMES, 7 * 96)
    panel = metered(values, points, HOMES, values)
    seconds = timed(lambda: balance(topology, panel), runs=3).cpu_s
    yield Row("balance_usage_points_per_s", len(points) / seconds, "points/s", ">= 2000")


def theft_rows(*, quick: bool) -> Iterator[Row]:
    """Measure how often a thief's transformer gets a hint and the thief is named, and how often honest ones do."""
    transformers = 20 if quick else 60
    for name, hide, after in (("reports_50_percent", 0.5, 0), ("reports_20_percent_from_day_7", 0.8, 7 * 96)):
        topology, values, points = town(transformers, HOMES, SLOTS, seed=11)
        rng = np.random.default_rng(2)
        large = values.sum(axis=1).reshape(transformers, HOMES)
        # Each second transformer has a thief, who is not among its smallest customers.
        thieves = {at: at * HOMES + int(rng.choice(np.argsort(large[at])[-8:])) for at in range(0, transformers, 2)}
        reported = values.copy()
        for row in thieves.values():
            reported[row, after:] = np.rint(reported[row, after:] * (1 - hide))
        found = balance(topology, metered(values, points, HOMES, reported))
        hinted = {int(each.node.id[1:]): each.hint for each in found.hints if each.hint}
        caught = [at for at in thieves if at in hinted]
        named = [
            at for at in caught if points[thieves[at]] == next((each.usage_point for each in hinted[at].related), None)
        ]
        accused = [at for at in hinted if at not in thieves]
        yield Row(f"{name}_transformers_hinted", 100 * len(caught) / len(thieves), "%")
        yield Row(f"{name}_thief_named_of_hinted", 100 * len(named) / max(len(caught), 1), "%")
        yield Row(f"{name}_honest_transformers_hinted", 100 * len(accused) / (transformers - len(thieves)), "%", "<= 0")


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure speed, then what hints are worth."""
    yield from speed_rows(quick=quick)
    yield from theft_rows(quick=quick)


if __name__ == "__main__":
    main(rows)
