from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import day_totals
from gridwright.domain.interval import Interval, local_day, zone_of
from gridwright.domain.panel import Panel

QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 6, 1), 24), (date(2025, 10, 26), 25)], ids=str
)
def test_a_civil_day_has_23_24_or_25_hours(day: date, hours: int) -> None:
    whole = local_day(day, zone_of("Europe/Berlin"))
    panel = Panel(("a",), whole.start, QUARTER, np.ones((1, hours * 4)))
    found = day_totals(panel, "Europe/Berlin")
    assert list(found.days) == [day_number(day)]
    assert (found.total[0, 0], found.intervals[0, 0], found.measured[0, 0]) == (hours * 4, hours * 4, hours * 4)


def test_days_that_the_panel_does_not_cover_are_left_out() -> None:
    panel = Panel(("a",), datetime(2025, 6, 1, 12, tzinfo=UTC), QUARTER, np.ones((1, 96)))
    assert not len(day_totals(panel, "UTC").days)
    longer = Panel(("a",), datetime(2025, 6, 1, 12, tzinfo=UTC), QUARTER, np.ones((1, 48 + 96 + 3)))
    assert list(day_totals(longer, "UTC").days) == [day_number(date(2025, 6, 2))]


@pytest.mark.parametrize(("day", "hours"), [(date(2025, 4, 6), 25), (date(2025, 10, 5), 23)], ids=str)
@pytest.mark.parametrize("beside", [0, 2])
def test_hours_of_a_day_that_is_half_an_hour_longer_or_shorter_are_added_up(day: date, hours: int, beside: int) -> None:
    # Lord Howe puts its clock by half an hour: each hour counts to the day in which it begins.
    zone = zone_of("Australia/Lord_Howe")
    start, end = (local_day(day + timedelta(days=days), zone) for days in (-beside, beside))
    hour = timedelta(hours=1)
    first = start.start + (datetime(2025, 1, 1, tzinfo=UTC) - start.start) % hour
    panel = Panel(("a",), first, hour, np.ones((1, -((first - end.end) // hour))))
    found = day_totals(panel, "Australia/Lord_Howe")
    assert (len(found.days), found.total.sum()) == (1 + 2 * beside, panel.slots)
    assert abs(int(found.intervals[0, beside]) - hours) <= 1
    assert day_number(day) in found.days


def test_the_peak_is_the_first_highest_interval_and_doubtful_values_count_for_nothing() -> None:
    values = np.array([[1.0, 7, 7, 90] + [0] * 19 + [np.nan], [np.nan] * 24])
    quality = np.full((2, 24), q.ACTUAL, np.uint8)
    quality[0, 3], quality[0, 0] = q.Status.REJECTED, q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    quality[0, 2], quality[np.isnan(values)] = q.Status.EDITED, q.MISSING
    found = day_totals(Panel(("a", "b"), datetime(2025, 6, 1, tzinfo=UTC), timedelta(hours=1), values, quality), "UTC")
    assert [int(n[0, 0]) for n in (found.total, found.peak, found.peak_slot)] == [15, 7, 1]
    assert [int(n[0, 0]) for n in (found.measured, found.estimated, found.edited, found.missing)] == [20, 1, 1, 2]
    assert not found.known[1, 0]
    assert found.peak_slot[1, 0] == -1


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.integers(0, 5000),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_days_add_up_to_what_they_cover(zone: str, first: int, days: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    start = local_day(date(2020, 1, 1) + timedelta(days=first), zone_of(zone)).start
    end = local_day(date(2020, 1, 1) + timedelta(days=first + days), zone_of(zone)).start
    half = timedelta(minutes=30)
    slots = Interval(start, end).slots(half)
    values = np.where(draw.random((2, slots)) < 0.1, np.nan, draw.integers(-50, 3000, (2, slots)))
    panel = Panel(("a", "b"), start, half, values)
    found = day_totals(panel, zone)
    assert len(found.days) == days
    assert found.intervals[found.known].sum() <= 2 * slots
    np.testing.assert_array_equal(found.total.sum(axis=1), np.nansum(values, axis=1))
    np.testing.assert_array_equal(found.measured.sum(axis=1), (~np.isnan(values)).sum(axis=1))
