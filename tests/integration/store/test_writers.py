"""Several writers at once: nothing is lost, nothing is doubled, and the audit chain stays whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store

START = datetime(2025, 3, 1, tzinfo=UTC)
POINTS = tuple(f"UP{at}" for at in range(6))
DAY = Interval(START, START + timedelta(days=1))


def one_slot(slot: int) -> Panel:
    """Build a panel that fills one slot of the day of every meter."""
    values = np.full((len(POINTS), 96), np.nan)
    values[:, slot] = slot + 1
    return Panel(POINTS, START, timedelta(minutes=15), values)


def fill(address: str, slots: range) -> None:
    with open_store(address, busy_ms=30_000) as store:
        for slot in slots:
            store.readings.save(ME, one_slot(slot), known_at=START)


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
def test_writers_of_the_same_day_lose_nothing(store: Store, address: str, *, shared: bool) -> None:
    store.registry.save_points(ME, [UsagePoint(point) for point in POINTS])
    store.readings.save(ME, one_slot(95), known_at=START)
    parts = [range(first, 24, 3) for first in range(3)]
    with ThreadPoolExecutor(3) as pool:
        if shared:
            slots = [slot for part in zip(*parts, strict=True) for slot in part]
            list(pool.map(lambda slot: store.readings.save(ME, one_slot(slot), known_at=START), slots))
        else:
            list(pool.map(lambda part: fill(address, part), parts))
    values = store.readings.load(ME, POINTS, DAY).values
    assert np.array_equal(values[:, :24], np.tile(np.arange(1.0, 25), (len(POINTS), 1)))
    assert len(store.readings.versions(ME, "UP3", START.date())) == 1  # all became known at one instant
    with store._session.reading() as unit:
        assert unit.fetch("SELECT DISTINCT revision, additions FROM block") == [(1, 24)]
    assert {series.readings for series in store.readings.series(ME)} == {25}
    assert {(r.from_day, r.to_day) for r in store.dirty.ranges(ME)} == {(START.date(), (DAY.end).date())}
    assert store.audit.verify(ME) == 26


def test_writers_may_meet_the_same_new_points(address: str) -> None:
    def first(number: int) -> int:
        panel = one_slot(number).rows(np.random.default_rng(number).permutation(len(POINTS)))
        with open_store(address, busy_ms=30_000) as store:
            return store.readings.save(ME, panel, known_at=START, register=True).new

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first, range(4))) == [6, 6, 6, 6]
    with open_store(address) as store:
        assert store.readings.load(ME, POINTS, DAY).values[:, :4].tolist() == [[1, 2, 3, 4]] * 6


def test_bills_issued_at_once_get_different_numbers(store: Store) -> None:
    from gridwright.domain.bill import Bill

    store.registry.save_points(ME, [UsagePoint("a")])
    codes = [f"B{at}" for at in range(12)]
    for code in codes:
        store.ledger.save_bill(ME, Bill(code, code, "a", DAY, "UTC", "flat", "EUR", (), "h", START))
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda code: store.ledger.issue(ME, code), codes))
    assert sorted(numbers) == list(range(1, 13))


def test_threads_read_a_database_in_memory() -> None:
    with open_store("sqlite://") as store:
        store.readings.save(ME, one_slot(3), known_at=START, register=True)
        with ThreadPoolExecutor(4) as pool:
            sums = list(pool.map(lambda _: np.nansum(store.readings.load(ME, POINTS, DAY).values), range(20)))
    assert set(sums) == {24.0}
