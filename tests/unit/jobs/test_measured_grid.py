"""Lost days of which reads tell little, on another grid, are estimated on the grid of the days beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.jobs.load.measured_grid import on_measured_grid

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
QUARTERS = 96


def measured(day: int, length: int = 15, *, point: str = "H", lost: int = 0) -> Panel:
    """Return two days that a meter measured, from a day on; the first or the last `lost` slots lack."""
    values = np.full((1, 2880 // length), 5.0)
    values[0, : max(lost, 0)] = np.nan
    values[0, values.shape[1] + min(lost, 0) :] = np.nan
    return Panel((point,), START + day * DAY, length * MINUTE, values)


def told(day: int, length: int, count: int, *, days: int = 1, point: str = "H") -> Panel:
    """Return days of which reads tell some intervals."""
    values = np.full((1, days * 1440 // length), np.nan)
    values[0, 10 : 10 + count] = 9.0
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), np.uint8(q.OF_REGISTER))
    return Panel((point,), START + day * DAY, length * MINUTE, values, quality)


def test_a_lost_day_between_days_on_one_grid_is_on_that_grid() -> None:
    before, after = measured(0, lost=-7), measured(3, lost=5)
    (whole,) = on_measured_grid([after, told(2, 20, 2), before])
    assert (whole.start, whole.end, whole.interval) == (before.start, after.end, 15 * MINUTE)
    there = ~whole.missing[0]
    assert np.flatnonzero(~there).tolist() == list(range(2 * QUARTERS - 7, 3 * QUARTERS + 5))


def test_several_lost_days_on_several_grids_and_what_is_told_on_that_of_the_meter() -> None:
    panels = [measured(0), told(2, 20, 1), told(3, 15, 2), told(4, 45, 1), measured(5), told(7, 30, 3), measured(8)]
    (whole,) = on_measured_grid(panels)
    assert whole.slots == 10 * QUARTERS
    assert np.flatnonzero(q.of_register(whole.quality[0])).tolist() == [3 * QUARTERS + 10, 3 * QUARTERS + 11]


@pytest.mark.parametrize(
    "panels",
    [
        [measured(0), told(2, 20, 40), measured(3)],  # more than half of the day
        [measured(0), told(2, 20, 2)],  # nothing behind it
        [measured(0), told(2, 20, 2, days=9), measured(11)],
        [measured(0, lost=-96), told(2, 20, 2, days=7), measured(9, lost=20)],  # lost for longer than that
        [measured(0), measured(2, 30), measured(4)],  # as configured
    ],
)
def test_what_is_left_as_it_is(panels: list[Panel]) -> None:
    assert on_measured_grid(panels) == panels


def test_where_the_grid_changes_meanwhile_lost_days_have_that_of_the_days_before() -> None:
    after = measured(3, 30)
    left, whole = on_measured_grid([measured(0), told(2, 20, 2), after])
    assert left is after
    assert (whole.interval, whole.end) == (15 * MINUTE, after.start)
    assert np.flatnonzero(whole.missing[0]).tolist() == list(range(2 * QUARTERS, 3 * QUARTERS))


def test_other_usage_points_of_a_panel_are_left_in_it() -> None:
    two = Panel(("H", "K"), START, 15 * MINUTE, np.full((2, 2 * QUARTERS), 5.0))
    day, late = told(2, 20, 2), measured(3)
    kept, whole = on_measured_grid([two, day, late])
    assert (kept.points, kept.period) == (("K",), two.period)
    assert whole.points == ("H",)
