from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, Interval
from gridwright.store.days.grid import DayGrid, check_interval, describe, grid_within


def test_a_panel_that_begins_and_ends_within_a_day() -> None:
    parts = list(DayGrid(start_s=10 * DAY_S - 3600, interval_s=1800, slots=52).parts())
    assert [(p.day, p.columns, p.slots, p.whole) for p in parts] == [
        (9, slice(0, 2), slice(46, 48), False),
        (10, slice(2, 50), slice(0, 48), True),
        (11, slice(50, 52), slice(0, 2), False),
    ]


def test_the_phase_shifts_the_first_slot() -> None:
    grid = DayGrid(start_s=18 * 3600 + 1800, interval_s=3600, slots=24)
    assert (grid.phase_s, [p.slots for p in grid.parts()]) == (1800, [slice(18, 24), slice(0, 18)])


@pytest.mark.parametrize("seconds", [1, 60, 300, 900, 1800, 3600])
def test_intervals_that_fit(seconds: int) -> None:
    assert check_interval(timedelta(seconds=seconds)) == seconds


@pytest.mark.parametrize("interval", [timedelta(hours=2), timedelta(minutes=7), timedelta(0), timedelta(seconds=0.5)])
def test_intervals_that_do_not(interval: timedelta) -> None:
    with pytest.raises(GridMismatch, match="do not fit into day-blocks"):
        check_interval(interval)


@pytest.mark.parametrize(("minute", "first", "slots"), [(0, 0, 4), (10, 15, 4), (15, 15, 4), (46, 60, 4)])
def test_slots_start_within_the_period(minute: int, first: int, slots: int) -> None:
    start = datetime(1970, 1, 1, 0, minute, tzinfo=UTC)
    grid = grid_within(Interval(start, start + timedelta(hours=1)), 900, 0)
    assert (grid.start_s, grid.slots) == (first * 60, slots)


def test_an_empty_period_has_no_slot() -> None:
    moment = datetime(2025, 1, 1, 0, 1, tzinfo=UTC)
    grid = grid_within(Interval(moment, moment), 900, 0)
    assert (grid.slots, list(grid.parts())) == (0, [])


def test_a_grid_is_named_for_people() -> None:
    assert (describe(96, 0), describe(24, 1800)) == ("0:15:00", "1:00:00 from 0:30:00 UTC")
