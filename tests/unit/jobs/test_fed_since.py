"""What was fed in where both directions are one series begins where it began, whatever was judged, and how often."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, POWER, RECEIVED_ENERGY, Flow, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests import edited
from tests.edited import SITE

POINT = "UP-NET"
START, DAYS = datetime(2025, 1, 1, tzinfo=UTC), 150
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
NOW = START + 200 * DAY
NET = ReadingType(flow=Flow.NET)
WHOLE = Interval(START - 5 * DAY, NOW)


def a_store(zone: str = "UTC") -> Store:
    opened = open_store("sqlite://", clock=lambda: NOW)
    opened.registry.save_points(LOCAL_OWNER, [UsagePoint(POINT, zone, capacity_kw=30.0)])
    return opened


def bring(store: Store, first: int, last: int, fed: list[int], kind: ReadingType = NET) -> None:
    """Save the readings of days [first, last); on those of `fed` an hour was fed in at noon."""
    slots = np.arange(first * 96, last * 96)
    values = np.rint(400 + 150 * np.sin(2 * np.pi * slots / 96) + 20 * np.sin(slots * 1.7))
    values[np.isin(slots // 96, fed) & (slots % 96 >= 48) & (slots % 96 < 52)] = -90
    store.readings.save(
        LOCAL_OWNER, Panel((POINT,), START + first * DAY, QUARTER, values[None], reading_type=kind), known_at=NOW
    )


def judge(store: Store) -> None:
    assert correct(store, LOCAL_OWNER, SITE, now=NOW).waiting == 0
    assert not store.dirty.ranges(LOCAL_OWNER)


def state(store: Store, kind: ReadingType) -> list[object]:
    load = store.readings.load
    panel = load(LOCAL_OWNER, POINT, WHOLE, reading_type=kind, interval=QUARTER, image=Image.FINAL)
    there = np.flatnonzero(~panel.missing[0])
    return [there.tolist(), panel.values[0, there].tolist(), panel.quality[0, there].tolist()]


def days_of(store: Store) -> list[int]:
    """Return the days of which something is known of what was fed in."""
    slots = np.array(state(store, RECEIVED_ENERGY)[0]) - 5 * 96
    found: list[int] = np.unique(slots // 96).tolist()
    return found


@pytest.mark.parametrize("kind", [NET, POWER], ids=["net", "power"])
@pytest.mark.parametrize("silent", [0, 20, 60])
def test_it_begins_the_day_before_anything_was_fed_in_and_is_zero_from_then_on(silent: int, kind: ReadingType) -> None:
    with a_store() as store:
        bring(store, 0, 60, [], kind)
        judge(store)
        bring(store, 60 + silent, 64 + silent, [62 + silent], kind)
        judge(store)
        bring(store, 64 + silent, 66 + silent, [], kind)
        judge(store)
        assert days_of(store) == [61 + silent, 62 + silent, 63 + silent, 64 + silent, 65 + silent]
        for first, last in ((0, 150), (62 + silent, 63 + silent), (0, 10)):
            store.dirty.touch(LOCAL_OWNER, [POINT], kind, Interval(START + first * DAY, START + last * DAY))
            assert correct(store, LOCAL_OWNER, SITE, now=NOW).readings == 0


def test_who_was_silent_for_months_after_feeding_in_feeds_in_still() -> None:
    with a_store() as store:
        bring(store, 0, 10, [5])
        judge(store)
        bring(store, 100, 104, [])
        judge(store)
        assert [day for day in days_of(store) if day >= 100] == [100, 101, 102, 103]


def test_what_was_fed_in_before_is_told_late_and_the_days_behind_it_are_zero() -> None:
    with a_store() as store:
        bring(store, 20, 140, [])
        judge(store)
        assert days_of(store) == []
        bring(store, 0, 20, [10])
        judge(store)
        assert days_of(store) == list(range(9, 140))


CHUNKS = st.lists(st.integers(1, DAYS - 1), max_size=5, unique=True)
FED = st.lists(st.integers(0, DAYS - 1), max_size=3, unique=True)


@given(st.sampled_from([NET, POWER]), st.sampled_from(["UTC", "Europe/Berlin"]), CHUNKS, FED, st.data())
@settings(
    max_examples=100 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_order_in_which_readings_come_changes_nothing(
    kind: ReadingType, zone: str, cuts: list[int], fed: list[int], data: st.DataObject
) -> None:
    parts = list(pairwise([0, *sorted(cuts), DAYS]))
    with a_store(zone) as store, a_store(zone) as other:
        bring(other, 0, DAYS, fed, kind)
        judge(other)
        for first, last in data.draw(st.permutations(parts)):
            bring(store, first, last, fed, kind)
            judge(store)
        for image in (RECEIVED_ENERGY, DELIVERED_ENERGY):
            assert state(store, image) == state(other, image)
        assert verify_store(store, LOCAL_OWNER).ok


def test_an_edit_alone_says_it_up_to_where_readings_do() -> None:
    with a_store() as store:
        bring(store, 0, 120, [100])
        judge(store)
        before = state(store, RECEIVED_ENERGY)
        period = Interval(START + 20 * DAY, START + 20 * DAY + 2 * QUARTER)
        made = edited.edit(store, POINT, period, [-1, -1], now=NOW, kind=NET)
        assert days_of(store) == list(range(19, 120))
        edited.take_back(store, made, now=NOW)
        assert state(store, RECEIVED_ENERGY) == before
