"""Gaps around a meter exchange off the grid: final and opening read close them to the last watt-hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER, Installation, UsagePoint
from gridwright.vee import Registers, estimate

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 15
LAST = 24 * (DAYS - 1)
HOME = [UsagePoint("P", capacity_kw=17.0)]
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def truth() -> Floats:
    """Fourteen days alike, and one of half as much again, on which the meter is exchanged."""
    day = 400 + 300 * np.sin(np.arange(24) * np.pi / 12) ** 2
    return np.asarray(np.rint(np.concatenate([np.tile(day, DAYS - 1), day * 1.5])))


def gap(*hours: int) -> Panel:
    values = truth()[None].copy()
    values[0, [LAST + hour for hour in hours]] = np.nan
    quality = np.where(np.isnan(values), q.MISSING, q.ACTUAL).astype(np.uint8)
    return Panel(("P",), START, HOUR, values, quality)


def reads(minute: int, factor: float = 1.0, *, without: str = "") -> Registers:
    """Reads at midnight and at an exchange so many minutes after eight; the new meter counts by another factor."""
    used, at = truth()[LAST:], START + (DAYS - 1) * DAY + 8 * HOUR + timedelta(minutes=minute)
    before = used[:8].sum() + used[8] * minute / 60
    after = used.sum() - before
    every = {
        "last": RegisterReading("P", START + (DAYS - 1) * DAY, 50_000.0, "OLD"),
        "final": RegisterReading("P", at, 50_000.0 + round(before), "OLD"),
        "opening": RegisterReading("P", at, 100.0, "NEW", 1),
        "next": RegisterReading("P", START + DAYS * DAY, 100.0 + round(after / factor), "NEW", 1),
    }
    hung = (
        Installation("P", "OLD", Interval(START, at)),
        Installation("P", "NEW", Interval(at, FOREVER), Decimal(str(factor))),
    )
    return Registers({"P": [each for name, each in every.items() if name != without]}, installations=hung)


def filled(panel: Panel, registers: Registers) -> Floats:
    return np.asarray(estimate(panel, HOME, registers=registers).panel.values[0, LAST:])


@pytest.mark.parametrize("minute", [7, 40])
@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_the_interval_of_the_exchange_is_what_the_registers_leave(minute: int, factor: float) -> None:
    found = filled(gap(8), reads(minute, factor))
    assert found[8] == pytest.approx(truth()[LAST + 8], abs=factor)


@pytest.mark.parametrize("minute", [7, 40])
def test_gaps_on_both_sides_are_closed_each_by_its_own_meter(minute: int) -> None:
    panel, used = gap(*range(4, 12)), truth()[LAST:]
    found = filled(panel, reads(minute))
    assert found.sum() == pytest.approx(used.sum(), abs=1), "nothing is made, nothing is lost"
    edge = 8 if minute < 30 else 9
    # A straight line says what the meter counted between the exchange and the edge: off by its curve over minutes.
    assert found[:edge].sum() == pytest.approx(used[:edge].sum(), abs=60)
    joint = filled(panel, reads(minute, without="final"))
    assert abs(joint[:edge].sum() - used[:edge].sum()) > 200, "without the final read nobody knows"


def test_an_exchange_on_the_grid_needs_no_line() -> None:
    used, found = truth()[LAST:], filled(gap(*range(4, 12)), reads(0))
    assert found[:8].sum() == used[:8].sum()
    assert found[8:].sum() == used[8:].sum()


@pytest.mark.parametrize("without", ["last", "final", "opening", "next"])
def test_a_read_that_is_not_there_closes_nothing(without: str) -> None:
    found = filled(gap(8), reads(7, without=without))
    assert np.array_equal(found, filled(gap(8), Registers()))
