"""Validation and estimation: all rules over homes, like days over a fleet, and what memory they take."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from benchmarks.harness import Row, main, more_than, timed
from gridwright.domain import quality as q
from gridwright.domain.calendar import day_number
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity, reading_type
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.vee import (
    RULES_RESIDENTIAL,
    Circumstances,
    DayHistory,
    Estimation,
    Registers,
    RuleSet,
    Validation,
    estimate,
    rule_book,
    validate,
)
from gridwright.vee.circumstances import ClockCheck, Condition, Configuration, StatusWords

START = datetime(2025, 1, 1, tzinfo=UTC)
ZONE = "Europe/Berlin"
MONTH, HISTORY = 31, 90
FLEET = 100_000
PIECE = 1_000


def homes(number: int, days: int, per_day: int, *, seed: int = 1) -> Panel:
    """Simulate homes: a daily shape, noise and 0.05 % of missing intervals; the days hold a change of the clocks."""
    rng = np.random.default_rng(seed)
    shape = 60 + 50 * np.sin(np.arange(per_day) / per_day * 2 * np.pi) ** 2
    values = np.rint(np.tile(shape, days) * rng.gamma(1.2, 1.5, (number, days * per_day)))
    values[rng.random(values.shape) < 0.0005] = np.nan
    return Panel(tuple(f"UP-{row}" for row in range(number)), START, timedelta(days=1) / per_day, values)


def members(panel: Panel, customer_class: str = "residential") -> list[UsagePoint]:
    """Give each row a usage point with a known capacity."""
    return [UsagePoint(name, ZONE, customer_class, capacity_kw=20.0) for name in panel.points]


def plain_numpy(panel: Panel) -> None:
    """Run five bare checks without days, clocks, severities or findings: the least a validation could cost."""
    values = panel.values
    np.isnan(values).sum(axis=1)
    (values < 0).any(axis=1)
    (values > 5000).any(axis=1)
    (values == 0).sum(axis=1)
    days = values[:, : values.shape[1] // 48 * 48].reshape(-1, 48)
    np.partition(days, (45, 47), axis=1)


def rule_rows(*, quick: bool) -> Iterator[Row]:
    """Measure all rules together, for homes and for commerce, in intervals a second of one core."""
    panel = homes(400 if quick else 2_000, 121, 48)
    runs = 3
    bare = panel.values.size / timed(lambda: plain_numpy(panel), runs=runs).cpu_s
    for customer_class in ("residential", "commercial"):
        points = members(panel, customer_class)
        rate = panel.values.size / timed(lambda points=points: validate(panel, points), runs=runs).cpu_s  # type: ignore[misc]
        peer = more_than("five bare numpy checks", bare, rate)
        name = "vee_rules_intervals_per_s" if customer_class == "residential" else "vee_rules_commercial"
        yield Row(name, rate, "intervals/s", ">= 5e6", peer)


SEVEN = (
    "V04_align",
    "V05_count",
    "V06_future",
    "V10_missing",
    "V11_negative",
    "V12_capacity",
    "V16_zero_run",
    "V17_stuck",
    "V18_spike",
)
EVERYTHING = """version = "1"
[[group]]
name = "everything"
extends = "residential"
[group.rules]
V13_limit = { low = -1e9, high = 1e9 }
V13_low_limit = { floor_kw = 0.001 }
V15_overflow = { bits = 24 }
V20_step = { ratio = 30 }
V33_register = true
"""


def past_of(panel: Panel, days: int = 400) -> DayHistory:
    """Return what the store would know of the days before the panel."""
    rng = np.random.default_rng(5)
    shape = (len(panel.points), days)
    total = np.rint(rng.gamma(20, 300, shape))
    full = np.full(shape, panel.slots_per_day, np.int32)
    first = day_number(panel.start.date()) - days
    return DayHistory(panel.points, first, total, np.rint(total / 8), full, np.zeros(shape, np.int32))


def everything_known(panel: Panel) -> Circumstances:
    """Return circumstances that set every rule to work: other channels, check meters, status, clocks, sites."""
    period, points = panel.period, panel.points
    kvarh = reading_type(Quantity.REACTIVE_ENERGY, Flow.DELIVERED)
    words = np.zeros(panel.values.shape, np.uint32)
    words[::50, 7::97] = Condition.CLOCK_SET
    configured = Configuration(period, end_device="M", multiplier=Decimal(1), dials=6)
    return Circumstances(
        clock={point: (ClockCheck(panel.start, 2.0),) for point in points},
        installed=dict.fromkeys(points, (configured,)),
        told=dict.fromkeys(points, (configured,)),
        status=StatusWords(points, panel.start, words),
        channels=(replace(panel, values=panel.values * 0.3, reading_type=kvarh),),
        checks=(panel,),
        inactive={point: (Interval(panel.start, panel.start + timedelta(days=1)),) for point in points[::100]},
        outages={point: (Interval(panel.start, panel.start + timedelta(hours=2)),) for point in points[::50]},
        generation=dict.fromkeys(points, frozenset({"pv"})),
    )


def daily_reads(panel: Panel) -> Registers:
    """Read every register at each midnight of UTC."""
    sums = np.cumsum(np.nan_to_num(panel.values), axis=1)
    counted = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)[:, :: panel.slots_per_day]
    days = [panel.start + timedelta(days=day) for day in range(counted.shape[1])]
    return Registers(
        {
            point: [RegisterReading(point, at, value) for at, value in zip(days, line, strict=True)]
            for point, line in zip(panel.points, counted.tolist(), strict=True)
        },
        {"": Meter("", dials=9, lsb_wh=1)},
    )


def catalogue_rows(*, quick: bool) -> Iterator[Row]:
    """Measure the seven plain rules, and all 31 with everything known that they ask for; a month, and a single day."""
    seven = tuple(rule for rule in RULES_RESIDENTIAL.rules if rule.code in SEVEN)
    book = rule_book(EVERYTHING, "everything")
    now = START + timedelta(days=4000)
    for name, days, number in (("month", 31, 1_000), ("day", 1, 10_000)):
        panel = homes(number // 4 if quick else number, days, 96)
        points, size = members(panel), panel.values.size
        history, known, reads = past_of(panel), everything_known(panel), daily_reads(panel)

        def plain(panel: Panel = panel, points: list[UsagePoint] = points) -> Validation:
            return validate(panel, points, rules=RuleSet("seven", seven), now=now)

        def work(
            panel: Panel = panel,
            points: list[UsagePoint] = points,
            given: tuple[DayHistory, Circumstances, Registers] = (history, known, reads),
        ) -> Validation:
            past, around, registers = given
            return validate(panel, points, registers=registers, rules=book, now=now, history=past, circumstances=around)

        yield Row(f"vee_first_seven_{name}_intervals_per_s", size / timed(plain, runs=3).cpu_s, "intervals/s", ">= 1e7")
        yield Row(f"vee_all_31_{name}_intervals_per_s", size / timed(work, runs=3).cpu_s, "intervals/s", ">= 3e6")


def month_of_gaps(per_day: int, seed: int) -> Panel:
    """Take homes with 90 days of history and a month in which each has one gap of an hour to two days."""
    panel = homes(PIECE, HISTORY + MONTH, per_day, seed=seed)
    values = panel.values.copy()
    rng = np.random.default_rng(seed)
    for row in range(PIECE):
        length = int(rng.choice([1, 6, 24, 48])) * per_day // 24
        first = int(rng.integers(HISTORY * per_day, values.shape[1] - length))
        values[row, first : first + length] = np.nan
    return panel.with_values(values, np.where(np.isnan(values), q.MISSING, q.ACTUAL).astype(np.uint8))


def month_missing(per_day: int, seed: int) -> Panel:
    """Take homes with 90 days of history whose whole month is missing."""
    panel = homes(PIECE, HISTORY + MONTH, per_day, seed=seed)
    values = panel.values.copy()
    values[:, HISTORY * per_day :] = np.nan
    return panel.with_values(values, np.where(np.isnan(values), q.MISSING, q.ACTUAL).astype(np.uint8))


def fleet_seconds(pieces: int, per_day: int, *, whole_month: bool) -> float:
    """Return the processor seconds of estimating a fleet in pieces; making the data is not counted."""
    spent = 0.0
    for seed in range(pieces):
        panel = month_missing(per_day, seed) if whole_month else month_of_gaps(per_day, seed)
        points = members(panel)

        def work(panel: Panel = panel, points: list[UsagePoint] = points) -> Estimation:
            return estimate(panel, points)

        spent += timed(work, runs=1).cpu_s
    return spent


def like_day_rows(*, quick: bool) -> Iterator[Row]:
    """Measure like-day estimation of a month; a quick run takes a smaller fleet and says so in the row's name."""
    pieces = 4 if quick else FLEET // PIECE
    meters = "100k" if pieces * PIECE == FLEET else f"{pieces * PIECE // 1000}k"
    goal = f"<= {60 * pieces * PIECE / FLEET:g}"
    yield Row(f"like_day_{meters}_meters_s", fleet_seconds(pieces, 48, whole_month=False), "s of CPU", goal)
    missing = min(pieces, 10)
    seconds = fleet_seconds(missing, 48, whole_month=True)
    limit = 60 * missing * PIECE / FLEET
    yield Row(f"like_day_{missing}k_meters_whole_month_missing_s", seconds, "s of CPU", f"<= {limit:g}")
    quarters = fleet_seconds(missing, 96, whole_month=False)
    yield Row(f"like_day_{missing}k_meters_15_min_s", quarters, "s of CPU", f"<= {limit:g}")


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure rules, like days and the peak memory of both."""
    yield from rule_rows(quick=quick)
    yield from catalogue_rows(quick=quick)
    yield from like_day_rows(quick=quick)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Row("vee_peak_memory_mb", peak, "MB", "<= 1500")


if __name__ == "__main__":
    main(rows)
