from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.day_totals import DayTotals, day_totals, no_totals
from gridwright.domain.errors import AccessDenied
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import RECEIVED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

START = datetime(2025, 6, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (datetime(2025, 7, day, tzinfo=UTC) for day in (1, 2, 3))


def a_town(store: Store, homes: int, days: int = 3) -> DayTotals:
    names = tuple(f"H{number:04d}" for number in range(homes))
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in names])
    values = np.arange(homes * days * 24, dtype=float).reshape(homes, -1)
    return day_totals(Panel(names, START, timedelta(hours=1), values), "UTC")


@pytest.mark.parametrize("homes", [1, 20, 600])
def test_totals_come_back_as_they_were_known(store: Store, homes: int) -> None:
    totals = a_town(store, homes)
    made = store.day_totals.save(LOCAL_OWNER, totals, known_at=FIRST)
    assert (made.new, made.changed) == (homes * 3, 0)
    again = store.day_totals.save(LOCAL_OWNER, totals, known_at=SECOND)
    assert (again.new, again.changed) == (0, 0)
    other = replace(totals, total=totals.total + np.eye(homes, 3, dtype=np.int64))
    assert store.day_totals.save(LOCAL_OWNER, other, known_at=THIRD).changed == min(homes, 3)
    asked = totals.points[::-1]
    days = range(totals.first_day - 1, totals.first_day + 3)
    for as_of, known in ((None, other), (THIRD, other), (SECOND, totals), (FIRST, totals)):
        found = store.day_totals.load(LOCAL_OWNER, asked, days, as_of=as_of)
        np.testing.assert_array_equal(found.total[:, 1:], known.total[::-1])
        np.testing.assert_array_equal(found.peak_slot[:, 1:], known.peak_slot[::-1])
        assert not found.known[:, 0].any()
    before = store.day_totals.load(LOCAL_OWNER, asked, days, as_of=FIRST - timedelta(days=1))
    assert not before.known.any()


@pytest.mark.parametrize("homes", [1, 20, 600])
def test_an_outline_holds_what_the_totals_hold(store: Store, homes: int) -> None:
    """Whole days with their total, days in part with their peak, silent and unknown days with neither."""
    totals = a_town(store, homes, days=4)
    gone = np.random.default_rng(homes).integers(0, 3, totals.total.shape) * 12
    totals = replace(totals, measured=totals.measured - gone, peak=totals.peak - 3)
    store.day_totals.save(LOCAL_OWNER, totals.rows(range(0, homes, 2)), known_at=FIRST)
    days, asked = range(totals.first_day - 1, totals.first_day + 4), totals.points[::-1]
    load, outlines = (
        store.day_totals.load(LOCAL_OWNER, asked, days),
        store.day_totals.outlines(LOCAL_OWNER, asked, days),
    )
    valued = load.known & (load.missing < load.intervals)
    np.testing.assert_array_equal(outlines.total, np.where(valued & (load.missing == 0), load.total, np.nan))
    np.testing.assert_array_equal(outlines.peak, np.where(valued, load.peak, np.nan))
    assert np.isfinite(outlines.peak).any()
    assert homes == 1 or np.isfinite(outlines.total).any()


@pytest.mark.parametrize("homes", [1, 20, 600])
def test_days_of_which_all_was_measured_are_told_by_usage_point(store: Store, homes: int) -> None:
    """One interval that was estimated, or a day that is unknown, and it was not all."""
    totals = a_town(store, homes, days=4)
    lost = (np.arange(homes)[:, None] % 3 == 1) & (np.arange(4) == 2)
    totals = replace(totals, measured=totals.measured - lost, estimated=totals.estimated + lost)
    store.day_totals.save(LOCAL_OWNER, totals.rows(range(0, homes, 2)), known_at=FIRST)
    asked, ask = totals.points[::-1], store.day_totals.are_measured
    for days in (
        totals.days,
        range(totals.first_day + 3, totals.first_day + 4),
        range(totals.first_day, totals.first_day + 5),
    ):
        load = store.day_totals.load(LOCAL_OWNER, asked, days)
        wanted = (load.known & (load.measured == load.intervals)).all(axis=1)
        np.testing.assert_array_equal(ask(LOCAL_OWNER, asked, days), wanted)
    assert ask(LOCAL_OWNER, asked, range(0)).all()
    assert not ask(LOCAL_OWNER, asked, totals.days, reading_type=RECEIVED_ENERGY).any()


def test_a_town_is_added_up_by_day(store: Store) -> None:
    totals = a_town(store, 30)
    store.day_totals.save(LOCAL_OWNER, totals, known_at=FIRST)
    found = store.day_totals.by_day(LOCAL_OWNER, totals.days)
    assert [day.total for day in found] == totals.total.sum(axis=0).tolist()
    assert [(day.points, day.intervals, day.measured) for day in found] == [(30, 720, 720)] * 3


@pytest.mark.parametrize("homes", [1, 20])
def test_of_a_day_that_is_gone_nothing_is_known_any_more(store: Store, homes: int) -> None:
    totals = a_town(store, homes)
    store.day_totals.save(LOCAL_OWNER, totals, known_at=FIRST)
    less = no_totals(totals.points, totals.days, totals.reading_type)
    gone = np.zeros(totals.total.shape, np.bool_)
    gone[0, 1] = True
    assert store.day_totals.save(LOCAL_OWNER, less, known_at=SECOND).changed == 0
    assert store.day_totals.save(LOCAL_OWNER, less, known_at=SECOND, gone=gone).changed == 1
    assert store.day_totals.save(LOCAL_OWNER, less, known_at=THIRD, gone=gone).changed == 0
    load = store.day_totals.load
    np.testing.assert_array_equal(load(LOCAL_OWNER, totals.points, totals.days).known, ~gone)
    assert load(LOCAL_OWNER, totals.points, totals.days, as_of=FIRST).known.all()
    assert not load(LOCAL_OWNER, totals.points, totals.days, as_of=THIRD).known[0, 1]
    found = store.day_totals.by_day(LOCAL_OWNER, totals.days)
    assert [each.points for each in found] == [each for each in (homes, homes - 1, homes) if each]
    assert np.isnan(store.day_totals.outlines(LOCAL_OWNER, totals.points, totals.days).total[0, 1])
    assert store.day_totals.save(LOCAL_OWNER, totals, known_at=THIRD).changed == 1
    assert load(LOCAL_OWNER, totals.points, totals.days).known.all()


def test_a_stranger_sees_and_writes_no_totals(store: Store) -> None:
    totals = a_town(store, 2)
    store.day_totals.save(LOCAL_OWNER, totals, known_at=FIRST)
    ann = Access("ann", Role.CUSTOMER, frozenset({"H0000"}))
    with pytest.raises(AccessDenied):
        store.day_totals.load(ann, ["H0001"], totals.days)
    with pytest.raises(AccessDenied):
        store.day_totals.save(ann, totals, known_at=FIRST)
    assert [day.points for day in store.day_totals.by_day(ann, totals.days)] == [1, 1, 1]
