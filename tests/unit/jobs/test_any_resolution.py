"""A series is loaded in counts of the type asked for, whichever it is kept in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.jobs.load.any_resolution import kept_as, kept_type, load_counted
from gridwright.store import Store, open_store

START, HOUR = datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=1)
DAY = Interval(START, START + 24 * HOUR)
FINE = DELIVERED_ENERGY.finer(-3)


@pytest.fixture
def store() -> Iterator[Store]:
    """A is kept in Wh, B in mWh, C in neither."""
    with open_store("sqlite://") as opened:
        for name, kind, value in (
            ("A", DELIVERED_ENERGY, 7.0),
            ("B", FINE, 7500.0),
            ("C", FINE.finer(0).register(), 1.0),
        ):
            panel = Panel((name,), START, HOUR, np.full((1, 24), value), reading_type=kind)
            opened.readings.save(ME, panel, known_at=START, register=True)
        yield opened


@pytest.mark.parametrize(("kind", "counts"), [(DELIVERED_ENERGY, [7, 7.5]), (FINE, [7000, 7500])])
def test_values_are_counted_as_asked(store: Store, kind: ReadingType, counts: list[float]) -> None:
    found = load_counted(store, ME, ["C", "A", "B"], DAY, kind)
    assert found.reading_type == kind
    assert found.values[1:, 5].tolist() == counts
    assert found.missing[0].all()


def test_who_is_kept_how(store: Store) -> None:
    assert kept_as(store, ME, ["A", "B", "C"], DELIVERED_ENERGY) == {DELIVERED_ENERGY: ["A", "C"], FINE: ["B"]}
    asked = DELIVERED_ENERGY.finer(-6)
    assert [kept_type(store, ME, name, asked) for name in "ABC"] == [DELIVERED_ENERGY, FINE, asked]


def test_nothing_stored_and_other_grids_are_named(store: Store) -> None:
    later = Interval(DAY.end, DAY.end + 24 * HOUR)
    with pytest.raises(NotFound):
        load_counted(store, ME, ["A", "B"], later, DELIVERED_ENERGY)
    assert load_counted(store, ME, ["A", "B"], later, FINE, interval=HOUR).missing.all()
    quarters = Panel(("A",), later.start, HOUR / 4, np.ones((1, 96)))
    store.readings.save(ME, quarters, known_at=START)
    hours = Panel(("B",), later.start, HOUR, np.ones((1, 24)), reading_type=FINE)
    store.readings.save(ME, hours, known_at=START)
    with pytest.raises(GridMismatch, match="different grids"):
        load_counted(store, ME, ["A", "B"], later, DELIVERED_ENERGY)
