"""What is estimated between register reads is what they tell, however many exchanges and odd reads lie in a gap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, UsagePoint, exchange, install
from gridwright.vee import Bucket, Registers
from gridwright.vee.estimate import Estimation, estimate
from gridwright.vee.runs import Floats, Mask

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), 1440
SLOT = 30
HOME = [UsagePoint("H", "UTC", capacity_kw=30.0)]
DAYTIME = np.isin(np.arange(DAY) // 60, range(6, 22))
TARIFF = {"H": (Bucket("T1", *[((360, 1320),)] * 3), Bucket("T2", *[((0, 360), (1320, 1440))] * 3))}


class World:
    """A day of a home: meters "A", "B" … follow each other at `moments`, each counting times its factor."""

    def __init__(self, moments: Sequence[int], factors: Sequence[int] = (1, 1, 1, 1)) -> None:
        self.moments, self.factors = sorted(moments), factors
        each = np.rint(20 + 15 * np.sin(np.arange(DAY) / 97) + np.random.default_rng(7).integers(0, 9, DAY))
        for (first, last), factor in zip(pairwise([0, *self.moments, DAY]), factors, strict=False):
            each[first:last] = np.diff(np.r_[0, np.floor(np.cumsum(each[first:last]) / factor) * factor])
        self.each: Floats = each

    def used(self, minute: int, counts: Mask | None = None) -> float:
        return float((self.each if counts is None else self.each * counts)[:minute].sum())

    def panel(self, gap: Sequence[int]) -> Panel:
        values = self.each.reshape(-1, SLOT).sum(axis=1)[None].copy()
        values[0, list(gap)] = np.nan
        return Panel(("H",), START, SLOT * MINUTE, values)

    def reads(self, minutes: Sequence[int], channel: str = "", counts: Mask | None = None) -> list[RegisterReading]:
        """Return reads of some minutes, and final and opening reads of the exchanges; of registers of six digits."""
        edges, kind = [0, *self.moments, DAY], replace(DELIVERED_REGISTER, channel=channel)
        found = []
        for number, (first, last) in enumerate(pairwise(edges)):
            own = {minute for minute in minutes if first <= minute <= last and minute not in self.moments}
            for minute in sorted(own | {each for each in (first, last) if each in self.moments}):
                counted = (self.used(minute, counts) - self.used(first, counts)) / self.factors[number]
                shown = (999_000 + 100 * number + counted) % 1_000_000
                at = START + minute * MINUTE
                found.append(RegisterReading("H", at, shown, "ABCD"[number], number, reading_type=kind))
        return found

    def registers(self, *several: list[RegisterReading]) -> Registers:
        hung: tuple[Installation, ...] = (install("H", "A", START - timedelta(days=9), Decimal(self.factors[0])),)
        for number, moment in enumerate(self.moments, 1):
            new = install("H", "ABCD"[number], START + moment * MINUTE, Decimal(self.factors[number]))
            hung = exchange(hung, new)
        meters = {name: Meter(name, dials=6, lsb_wh=1) for name in "ABCD"}
        return Registers({"H": [read for some in several for read in some]}, meters, hung)


def filled(made: Estimation) -> Floats:
    return np.asarray(made.panel.values[0])


MINUTES = st.integers(1, DAY - 1)
# An exchange is on the grid, a minute or two beside it, or anywhere.
MOMENTS = st.one_of(MINUTES, st.builds(lambda slot, off: SLOT * slot + off, st.integers(1, 46), st.integers(-2, 2)))


@settings(max_examples=400 if LONG else 30, deadline=None)
@given(
    moments=st.sets(MOMENTS, max_size=3),
    gaps=st.lists(st.tuples(st.integers(1, 46), st.integers(1, 30)), min_size=1, max_size=3),
    minutes=st.sets(MOMENTS, max_size=4),
    factors=st.tuples(*[st.sampled_from([1, 2, 40])] * 4),
)
def test_between_reads_on_the_grid_all_is_what_the_registers_tell(
    moments: set[int], gaps: list[tuple[int, int]], minutes: set[int], factors: tuple[int, ...]
) -> None:
    """Whatever exchanges, factors, rollovers and reads beside the grid lie between, and whatever was measured."""
    world = World(sorted(moments), factors)
    gap = sorted({slot for first, length in gaps for slot in range(first, min(first + length, 47))})
    made = estimate(world.panel(gap), HOME, registers=world.registers(world.reads([0, *minutes, DAY])))
    assert not made.findings or all(each.code == "E06_profile" for each in made.findings)
    on_grid = sorted(minute for minute in {0, *moments, *minutes, DAY} if minute % SLOT == 0)
    for first, last in pairwise(on_grid):
        energy = filled(made)[first // SLOT : last // SLOT].sum()
        assert energy == world.used(last) - world.used(first), (first, last)


@pytest.mark.parametrize("moments", [(607, 862), (607, 621), (607, 862, 881), (599, 862), (601, 899, 1081)])
@pytest.mark.parametrize("gap", [range(16, 36), range(16, 20), range(29, 36), (18, 28, 29, 35)])
def test_several_exchanges_within_one_gap_leave_it_closed(moments: Sequence[int], gap: Sequence[int]) -> None:
    world = World(moments, (1, 40, 1, 2))
    panel = world.panel(gap)
    made = filled(estimate(panel, HOME, registers=world.registers(world.reads([0, DAY]))))
    assert made.sum() == world.used(DAY)
    assert (made[~panel.missing[0]] == panel.values[0][~panel.missing[0]]).all()


def test_a_gap_with_an_exchange_within_it_is_closed_by_each_meter() -> None:
    """A straight line says what was counted up to the next half-hour: little is on the wrong side of it."""
    world = World((607, 1027))
    made = filled(estimate(world.panel(range(16, 40)), HOME, registers=world.registers(world.reads([0, DAY]))))
    for first, last in ((0, 600), (600, 1020), (1020, 1440)):
        assert made[first // SLOT : last // SLOT].sum() == pytest.approx(world.used(last) - world.used(first), abs=200)


@pytest.mark.parametrize("at", [601, 599])
def test_what_was_counted_while_a_read_was_late_is_lost_to_nobody(at: int) -> None:
    """A read a minute beside the half-hour at which a gap ends counts as on it, though what follows was measured."""
    world = World(())
    made = filled(estimate(world.panel(range(16, 20)), HOME, registers=world.registers(world.reads([0, at, DAY]))))
    assert made.sum() == world.used(DAY)


def test_reads_that_are_all_as_late_close_the_gap_between_them() -> None:
    """None of them is better than another: the gap is what is told of it, and no other day is looked at."""
    world = World(())
    reads = world.reads([1, 481, 961, 1439])
    made = filled(estimate(world.panel(range(17, 25)), HOME, registers=world.registers(reads)))
    assert made[16:32].sum() == world.used(961) - world.used(481)


def test_what_was_measured_against_the_registers_is_left_out_of_the_gap_beside_it() -> None:
    """Beside a late read an interval of 9 kWh too much was measured: the gap before it is not what that leaves."""
    world = World(())
    panel = world.panel(range(16, 20))
    panel.values[0, 30] += 9000
    made = estimate(panel, HOME, registers=world.registers(world.reads([0, 601, DAY])))
    assert filled(made)[:20].sum() == world.used(601)


def test_more_measured_than_the_registers_tell_is_told_over_all_exchanges() -> None:
    world = World((607, 862))
    panel = world.panel(range(20, 30))
    panel.values[0, 40] += 30_000
    made = estimate(panel, HOME, registers=world.registers(world.reads([0, DAY])))
    (found,) = (each for each in made.findings if each.code == "V30_sum")
    assert found.severity is Severity.FAIL
    assert (found.period.start, found.period.end) == (panel.start, panel.end)
    assert "known intervals exceed the registers by" in found.message


@settings(max_examples=200 if LONG else 15, deadline=None)
@given(moments=st.sets(MOMENTS, max_size=2), first=st.integers(1, 30), length=st.integers(2, 16))
def test_each_register_by_time_of_use_is_closed_over_exchanges(moments: set[int], first: int, length: int) -> None:
    world = World(sorted(moments), (1, 2, 1, 1))
    by_time = {"T1": DAYTIME, "T2": ~DAYTIME}
    reads = [world.reads([0, DAY]), *(world.reads([0, DAY], name, counts) for name, counts in by_time.items())]
    panel = world.panel(range(first, first + length))
    made = filled(estimate(panel, HOME, registers=world.registers(*reads), buckets=TARIFF))
    assert made.sum() == world.used(DAY)
    for counts in by_time.values():
        assert made[counts[::SLOT]].sum() == world.used(DAY, counts)


@settings(max_examples=200 if LONG else 15, deadline=None)
@given(
    moments=st.sets(MOMENTS, max_size=1),
    first=st.integers(1, 30),
    length=st.integers(2, 16),
    often=st.sets(st.integers(1, 46), max_size=5),
    rarely=st.lists(st.sets(st.integers(1, 46), max_size=1), min_size=2, max_size=2),
)
def test_registers_by_time_of_use_agree_with_a_total_that_is_read_more_often(
    moments: set[int], first: int, length: int, often: set[int], rarely: list[set[int]]
) -> None:
    world = World(sorted(moments), (1, 2, 1, 1))
    by_time = {"T1": DAYTIME, "T2": ~DAYTIME}
    minutes = {"": sorted({0, DAY, *(SLOT * slot for slot in often)})}
    for name, seldom in zip(by_time, rarely, strict=True):
        minutes[name] = sorted({0, DAY, *(SLOT * slot for slot in seldom)})
    reads = [world.reads(minutes[name], name, by_time.get(name)) for name in minutes]
    panel = world.panel(range(first, first + length))
    made = filled(estimate(panel, HOME, registers=world.registers(*reads), buckets=TARIFF))
    for name, some in minutes.items():
        counts = by_time.get(name)
        for since, until in pairwise(some):
            mine = made[since // SLOT : until // SLOT]
            told = mine.sum() if counts is None else mine[counts[since:until:SLOT]].sum()
            assert told == world.used(until, counts) - world.used(since, counts), (name, since, until)


@pytest.mark.parametrize("at", [358, 359, 361, 362])
@pytest.mark.parametrize("gap", [range(6, 12), range(12, 18), range(6, 18)])
def test_what_a_register_counts_beside_the_begin_or_end_of_its_hours_is_lost_to_nobody(at: int, gap: range) -> None:
    """Beside the read lie hours of the other register, in which this one holds nothing."""
    world = World(())
    by_time = {"T1": DAYTIME, "T2": ~DAYTIME}
    reads = [world.reads([0, at, DAY], name, counts) for name, counts in {"": None, **by_time}.items()]
    made = filled(estimate(world.panel(gap), HOME, registers=world.registers(*reads), buckets=TARIFF))
    for counts in by_time.values():
        assert made[counts[::SLOT]].sum() == world.used(DAY, counts)
