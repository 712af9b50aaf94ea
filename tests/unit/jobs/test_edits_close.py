"""An edit inside a gap: the rest of the gap takes what the register leaves, and the register is met to the count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.edit import Edit
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, has_status, method_of
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.store import Store, open_store
from tests import edited
from tests.edited import SITE, take_back

START, DAYS = datetime(2025, 2, 1, tzinfo=UTC), 20
QUARTER = timedelta(minutes=15)
NOW = START + timedelta(days=DAYS)
DAY = Interval(START + timedelta(days=9), START + timedelta(days=10))
GAP = slice(9 * 96 + 30, 9 * 96 + 60)  # of the whole panel


def usual() -> np.ndarray:
    quarters = np.arange(96 * DAYS)
    return np.asarray(np.rint(300 + 100 * np.sin(2 * np.pi * quarters / 96) + 20 * np.sin(quarters * 1.7)))


@pytest.fixture
def store() -> Iterator[Store]:
    with a_store() as opened:
        yield opened


def a_store() -> Store:
    """Return a home with register reads at every midnight and a gap of 30 quarters on one day."""
    opened = open_store("sqlite://", clock=lambda: NOW)
    opened.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-T", capacity_kw=30.0)])
    values = usual()
    kind = DELIVERED_ENERGY.register()
    counts = np.r_[0, np.cumsum(values.reshape(DAYS, 96).sum(axis=1))] + 5000
    reads = [
        RegisterReading("UP-T", START + timedelta(days=n), int(count), reading_type=kind)
        for n, count in enumerate(counts)
    ]
    values[GAP] = np.nan
    opened.readings.save(LOCAL_OWNER, Panel(("UP-T",), START, QUARTER, values[None]), known_at=NOW)
    opened.registers.save(LOCAL_OWNER, reads, known_at=NOW)
    correct(opened, LOCAL_OWNER, SITE, now=NOW)
    return opened


def edit(store: Store, first: int, kwh: list[float]) -> Edit:
    at = DAY.start + first * QUARTER
    return edited.edit(store, "UP-T", Interval(at, at + len(kwh) * QUARTER), kwh, now=NOW)


def final(store: Store) -> Panel:
    return store.readings.load(LOCAL_OWNER, "UP-T", DAY, image=Image.FINAL)


def sums(store: Store) -> list[Finding]:
    return [each for each in store.findings.load(LOCAL_OWNER, ["UP-T"]) if each.code == "V30_sum"]


def counted() -> float:
    return float(usual().reshape(DAYS, 96)[9].sum())


def test_the_rest_of_a_gap_takes_what_the_register_leaves(store: Store) -> None:
    before = final(store)
    assert before.values.sum() == counted()
    made = edit(store, 30, [0.5] * 10)
    after = final(store)
    assert after.values.sum() == counted()
    assert (after.values[0, 30:40] == 500).all()
    assert has_status(after.quality[0, 30:40], (Status.EDITED,)).all()
    rest = after.quality[0, 40:60]
    assert has_status(rest, (Status.ESTIMATED,)).all()
    assert (method_of(rest) == Method.SCALED).all()
    assert sums(store) == []
    day = day_number(DAY.start.date())
    total = store.day_totals.load(LOCAL_OWNER, ["UP-T"], range(day, day + 1)).total
    assert total.sum() == counted()
    again = correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert (again.ranges, again.readings) == (0, 0)
    take_back(store, made, now=NOW)
    np.testing.assert_array_equal(final(store).values, before.values)
    np.testing.assert_array_equal(final(store).quality, before.quality)


def test_edits_that_exceed_the_register_are_told(store: Store) -> None:
    made = edit(store, 30, [4.0] * 10)
    assert final(store).values.sum() > counted()
    (finding,) = sums(store)
    assert finding.period.overlaps(DAY)
    assert "exceed the registers" in finding.message
    take_back(store, made, now=NOW)
    assert (final(store).values.sum(), sums(store)) == (counted(), [])


def test_an_edit_of_the_whole_gap_leaves_nothing_to_divide(store: Store) -> None:
    edit(store, 30, [0.25] * 30)
    off = final(store).values.sum() - counted()
    assert off == 30 * 250 - usual()[GAP].sum()
    (finding,) = sums(store)
    assert finding.message.startswith("as entered")


@given(st.lists(st.tuples(st.integers(0, 90), st.lists(st.integers(0, 350), min_size=1, max_size=6)), max_size=3))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_register_is_met_whatever_is_edited(edits: list[tuple[int, list[int]]]) -> None:
    """0 Wh error with registers, edited or not, unless the edits alone exceed them or leave nothing to divide."""
    with a_store() as store:
        for first, watt_hours in edits:
            edit(store, first, [each / 1000 for each in watt_hours])
        panel = final(store)
        left = has_status(panel.quality, (Status.ESTIMATED,))
        known = panel.values[~left].sum()
        if left.any() and known <= counted():
            assert panel.values.sum() == counted()
