from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.analytics import by_day, by_label, by_month, by_week, compare_previous, year_before
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval, local_midnight, parse_period, zone_of
from gridwright.domain.panel import Panel

BERLIN = zone_of("Europe/Berlin")


def panel(period: str, minutes: int = 15, zone: str = "Europe/Berlin", rows: int = 1) -> Panel:
    span = parse_period(period, zone_of(zone))
    step = timedelta(minutes=minutes)
    values = np.random.default_rng(5).integers(0, 900, (rows, span.slots(step))).astype(float)
    return Panel(tuple(f"UP-{i}" for i in range(rows)), span.start, step, values)


@pytest.mark.parametrize(
    ("day", "zone", "minutes", "slots"),
    [
        ("2025-03-30", "Europe/Berlin", 15, 92),
        ("2025-03-31", "Europe/Berlin", 15, 96),
        ("2025-10-26", "Europe/Berlin", 15, 100),
        ("2025-04-06", "Australia/Lord_Howe", 30, 49),
        ("2025-10-05", "Australia/Lord_Howe", 30, 47),
    ],
)
def test_a_local_day_is_as_long_as_the_clocks_make_it(day: str, zone: str, minutes: int, slots: int) -> None:
    days = by_day(panel(day, minutes, zone), zone)
    assert days.names == (day,)
    assert days.expected.tolist() == [slots]
    assert days.complete.all()


@given(
    first=st.integers(0, 700),
    slots=st.integers(1, 3000),
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "UTC", "America/St_Johns"]),
    gaps=st.lists(st.integers(0, 2999), max_size=40),
)
def test_parts_sum_to_the_total(first: int, slots: int, zone: str, gaps: list[int]) -> None:
    start = parse_period("2024-03-28", zone_of("UTC")).start + first * timedelta(minutes=30)
    values = np.random.default_rng(first).integers(0, 10**9, (2, slots)).astype(float)
    values[0, [gap for gap in gaps if gap < slots]] = np.nan
    data = Panel(("UP-1", "UP-2"), start, timedelta(minutes=30), values)
    labels = by_label(data, ["peak", "off-peak"], np.arange(slots) % 2)
    for totals in (by_day(data, zone), by_week(data, zone), by_month(data, zone), labels):
        assert np.array_equal(totals.counts.sum(axis=1), np.nansum(values, axis=1))
        assert np.array_equal(totals.known.sum(axis=1), np.isfinite(values).sum(axis=1))
        assert (totals.known <= totals.expected).all()


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    data = panel("2024-12-28/2025-01-08")
    weeks, months = by_week(data, BERLIN), by_month(data, BERLIN)
    assert weeks.names == ("2024-W52", "2025-W01", "2025-W02")
    assert weeks.known.tolist() == [[2 * 96, 7 * 96, 2 * 96]]
    assert weeks.complete.tolist() == [[False, True, False]]
    assert months.names == ("2024-12", "2025-01")
    assert months.expected.tolist() == [31 * 96, 31 * 96]
    assert months.kwh[0, 0] == data.values[0, : 4 * 96].sum() / 1000


def test_labels_that_do_not_fit_are_refused() -> None:
    data = panel("2025-03-01")
    for wrong in (np.zeros(95, int), np.full(96, 2), np.full(96, -1)):
        with pytest.raises(GridMismatch, match="labels of shape"):
            by_label(data, ["peak", "off-peak"], wrong)


def test_an_empty_grid_has_no_totals() -> None:
    data = panel("2025-03-01").slice(0, 0)
    assert by_day(data, BERLIN).counts.shape == (1, 0)
    assert by_month(data, BERLIN).names == ()


def test_the_last_weeks_are_compared_with_those_before() -> None:
    data = panel("2025-01-01/2025-03-01")
    days = by_day(data.with_values(np.where(np.arange(data.slots) < 30 * 96, 100.0, 110.0)[None, :]), BERLIN)
    found = compare_previous(days)
    assert found is not None
    assert (found.days, found.now_from, found.before_from) == (28, date(2025, 2, 1), date(2025, 1, 4))
    assert found.now_from.weekday() == found.before_from.weekday()
    assert (found.now_kwh_per_day, round(found.before_kwh_per_day, 6)) == (10.56, 9.634286)
    assert found.change == pytest.approx(10.56 / 9.634286 - 1, abs=1e-6)


def test_gaps_and_short_files_are_compared_with_care() -> None:
    assert compare_previous(by_day(panel("2025-01-01/2025-01-14"), BERLIN)) is None
    data = panel("2025-01-01/2025-01-29")
    values = data.values.copy()
    values[:, : 8 * 96] = np.nan
    assert compare_previous(by_day(data.with_values(values), BERLIN)) is None
    values[:] = np.nan
    assert compare_previous(by_day(data.with_values(values), BERLIN)) is None
    nothing = compare_previous(by_day(data.with_values(np.zeros_like(values)), BERLIN))
    assert nothing is not None
    assert np.isnan(nothing.change)


def test_each_month_meets_the_same_month_a_year_before() -> None:
    period = Interval(local_midnight(date(2024, 3, 1), BERLIN), local_midnight(date(2025, 4, 10), BERLIN))
    data = Panel(("UP-1",), period.start, timedelta(hours=1), np.ones((1, period.slots(timedelta(hours=1)))))
    months = by_month(data, BERLIN)
    before = year_before(months)[0]
    assert np.isnan(before[:12]).all()
    assert before[12] == 743 / 1000  # March has 743 hours
    assert np.isnan(before[13])  # April 2025 is not whole
