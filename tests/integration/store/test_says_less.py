"""What comes again with the same value and says less of it, through a format of fewer words, changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, pack
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

pytestmark = pytest.mark.servers_in_turn

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = Interval(START, START + timedelta(days=1))
QUARTER = timedelta(minutes=15)
LINEAR = pack(Status.ESTIMATED, Method.LINEAR)
LESS = [
    (q.RAW, q.ACTUAL),
    (q.RAW, pack(Status.ACCEPTED)),
    (q.ACTUAL, pack(Status.ACCEPTED)),
    (pack(Status.ESTIMATED), LINEAR),
    (pack(Status.ESTIMATED_FINAL), pack(Status.ESTIMATED_FINAL, Method.AGREED)),
    (pack(Status.ESTIMATED_FINAL), pack(Status.EDITED)),
]
MORE = [
    (q.ACTUAL, q.RAW),
    (LINEAR, q.ACTUAL),  # whoever reads the meter decided on it
    (LINEAR, pack(Status.ESTIMATED)),
    (LINEAR, pack(Status.ESTIMATED, Method.LIKE_DAY)),
    (pack(Status.EDITED), pack(Status.ESTIMATED_FINAL)),
]


def saved(store: Store, quality: int, value: float = 7.0) -> tuple[int, int]:
    panel = Panel(("A",), START, QUARTER, np.full((1, 4), value), np.full((1, 4), quality, np.uint8))
    done = store.readings.save(ME, panel, known_at=START)
    return done.changed, int(store.readings.load(ME, "A", DAY).quality[0, 0])


@pytest.fixture
def place(store: Store) -> Store:
    store.registry.save_points(ME, [UsagePoint("A")])
    return store


@pytest.mark.parametrize(("new", "stored"), LESS)
def test_a_weaker_word_for_the_same_value_changes_nothing(place: Store, new: int, stored: int) -> None:
    saved(place, stored)
    assert saved(place, new) == (0, stored)
    assert saved(place, new, 8.0)[0] == 4  # another value is another matter


@pytest.mark.parametrize(("new", "stored"), MORE)
def test_a_word_that_says_more_or_something_else_counts(place: Store, new: int, stored: int) -> None:
    saved(place, stored)
    assert saved(place, new) == (4, new)


READ = RegisterReading("A", START, 1000.0, "M1", 0, q.ACTUAL)


@pytest.mark.parametrize(
    "again",
    [
        replace(READ, end_device=""),
        replace(READ, end_device="A"),  # CMEP names usage point and meter by one name
        replace(READ, quality=q.RAW),
        replace(READ, end_device="", quality=q.RAW),
    ],
)
def test_a_read_that_names_no_meter_takes_none_away(place: Store, again: RegisterReading) -> None:
    place.registers.save(ME, [READ], known_at=START)
    done = place.registers.save(ME, [again], known_at=START + QUARTER)
    assert (done.new, done.changed, done.same) == (0, 0, 1)
    assert place.registers.load(ME, "A", DAY, READ.reading_type) == (READ,)


@pytest.mark.parametrize("again", [replace(READ, end_device="M2"), replace(READ, value=1001.0, end_device="")])
def test_a_read_that_says_something_else_counts(place: Store, again: RegisterReading) -> None:
    place.registers.save(ME, [READ], known_at=START)
    assert place.registers.save(ME, [again], known_at=START + QUARTER).changed == 1
    assert place.registers.load(ME, "A", DAY, READ.reading_type) == (again,)
