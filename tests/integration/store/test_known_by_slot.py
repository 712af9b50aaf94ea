"""When each slot became known: additions without earlier images, and as-of answers as if every image were kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count as counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.store import Store, open_store
from gridwright.store.checks.blocks import check_blocks
from gridwright.store.days.known import LONG, SHORT, known_widths, pack_known, pack_stored, unpack_each, unpack_known

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY_NUMBER = 20_148
DAY = timedelta(days=1)
DAY_OF = Interval(START, START + DAY)
HOURLY, HOURS = timedelta(hours=1), 24
POINTS = ("a", "b", "c")
NAN = float("nan")
EXAMPLES = counter()
MICROSECOND = timedelta(microseconds=1)


def one_slot(slot: int, value: float, points: Sequence[str] = POINTS, quality: int = int(q.RAW)) -> Panel:
    """Build a panel with the same value for each point."""
    panel = Panel(tuple(points), START + slot * HOURLY, HOURLY, np.full((len(points), 1), value))
    return panel.with_values(panel.values, np.full(panel.values.shape, quality, np.uint8))


def count(store: Store, table: str) -> int:
    with store._session.reading() as unit:
        return int(unit.fetch(f"SELECT COUNT(*) FROM {table}")[0][0])


# --- the law ----------------------------------------------------------------------------------------------------------


class Model:
    """Every state of every day in full, as if each save kept the whole history."""

    def __init__(self) -> None:
        shape = (len(POINTS), 2 * HOURS)
        self.values, self.quality = np.full(shape, NAN), np.full(shape, q.MISSING, np.uint8)
        self.known = np.full((len(POINTS), 2), np.iinfo(np.int64).min)
        self.states: list[tuple[list[list[int]], np.ndarray, np.ndarray]] = []

    def save(self, rows: list[int], first: int, values: np.ndarray, quality: int, at: int) -> None:
        for row, line in zip(rows, values, strict=True):
            slots = first + np.flatnonzero(~np.isnan(line))
            new = line[slots - first]
            differ = (self.values[row, slots] != new) | (self.quality[row, slots] != quality)
            same = self.values[row, slots] == new
            differ &= ~(same & q.says_less(np.full(slots.size, quality, np.uint8), self.quality[row, slots]))
            for day in set((slots[differ] // HOURS).tolist()):
                self.known[row, day] = max(self.known[row, day], at)
            self.values[row, slots[differ]], self.quality[row, slots[differ]] = new[differ], quality
        self.states.append((self.known.tolist(), self.values.copy(), self.quality.copy()))

    def as_of(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        values, quality = np.full(self.values.shape, NAN), np.full(self.values.shape, q.MISSING, np.uint8)
        for known, each, qualities in self.states:
            for row in range(len(POINTS)):
                for day in range(2):
                    if known[row][day] <= at:
                        part = slice(day * HOURS, (day + 1) * HOURS)
                        values[row, part], quality[row, part] = each[row, part], qualities[row, part]
        return values, quality


SAVES = st.lists(
    st.tuples(
        st.lists(st.sampled_from(range(3)), min_size=1, max_size=3, unique=True),
        st.integers(0, 2 * HOURS - 5),
        st.lists(st.sampled_from((1.0, 2.0, 40_000.0, -3e9, NAN)), min_size=1, max_size=5),
        st.sampled_from((int(q.RAW), int(q.ACTUAL))),
        st.sampled_from((0, 1, 2, 1_000_000, 86_400_000_001, 86_400_000_000 * 9)),
    ),
    min_size=1,
    max_size=9,
)


Saves = list[tuple[list[int], int, list[float], int, int]]


def check_law(store: Store, saves: Saves, points: Sequence[str] = POINTS) -> None:
    model = Model()
    for rows, first, line, quality, at in saves:
        values = np.array([[value + row for value in line] for row in rows])
        start = START + first * HOURLY
        panel = Panel(tuple(points[row] for row in rows), start, HOURLY, values)
        panel = panel.with_values(values, np.full(values.shape, quality, np.uint8))
        store.readings.save(ME, panel, known_at=START + at * MICROSECOND, register=True)
        model.save(rows, first, values, quality, at)
    period = Interval(START, START + 2 * DAY)
    store.readings.save(ME, one_slot(0, NAN, points), known_at=START, register=True)
    for at in sorted({each[4] + more for each in saves for more in (-1, 0)}):
        moment = START + at * MICROSECOND
        values, qualities = model.as_of(at)
        back = store.readings.load(ME, points, period, as_of=moment, interval=HOURLY)
        assert np.array_equal(back.values, values, equal_nan=True)
        assert np.array_equal(back.quality, qualities)
    for day in range(2):
        for row, point in enumerate(points):
            states = store.readings.versions(ME, point, (START + day * DAY).date())
            assert [each.revision for each in states] == list(range(1, len(states) + 1))
            assert [each.known_at for each in states] == sorted(each.known_at for each in states)
            shown = {each.known_at: each.block.panel.values[0] for each in states}
            for moment, seen in shown.items():
                expected = model.as_of((moment - START) // MICROSECOND)[0][row, day * HOURS : (day + 1) * HOURS]
                assert np.array_equal(seen, expected, equal_nan=True)


@pytest.fixture(scope="module")
def one_store() -> Iterator[Store]:
    """One database for all examples, each with usage points of its own: making one takes a second."""
    with open_store("sqlite://") as store:
        yield store


@settings(max_examples=40, deadline=None)
@given(saves=SAVES)
def test_what_was_known_is_what_a_full_history_says(one_store: Store, saves: Saves) -> None:
    number = next(EXAMPLES)
    check_law(one_store, saves, tuple(f"{point}{number}" for point in POINTS))
    with one_store._session.reading() as unit:
        assert [fault for finder in check_blocks(unit, (), lambda _: None) for fault in finder.first] == []


def test_the_law_holds_on_every_database(store: Store) -> None:
    late = 86_400_000_000 * 9
    raw, actual = int(q.RAW), int(q.ACTUAL)
    saves = [
        ([0, 1, 2], 0, [1.0], raw, 0),
        ([2, 0], 1, [2.0, 40_000.0], raw, 1),
        ([0], 1, [1.0], raw, 1),
        ([1], 20, [1.0, NAN, 2.0, 1.0, 2.0], actual, late),
        ([1], 0, [-3e9], raw, 2),
        ([0, 1], 0, [1.0], actual, late),
        ([2], 5, [1.0], raw, 1_000_000),
    ]
    check_law(store, saves)


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_day_of_single_instants_keeps_no_earlier_image(store: Store) -> None:
    for slot in range(HOURS):
        summary = store.readings.save(ME, one_slot(slot, slot), known_at=START + slot * HOURLY, register=True)
        assert (summary.new, summary.changed) == (3, 0)
    assert (count(store, "block"), count(store, "block_version")) == (3, 0)
    versions = store.readings.versions(ME, "b", START.date())
    assert [(each.revision, each.known_at) for each in versions] == [
        (slot + 1, START + slot * HOURLY) for slot in range(HOURS)
    ]
    assert [int(np.count_nonzero(~each.block.panel.missing)) for each in versions] == list(range(1, HOURS + 1))
    assert {series.readings for series in store.readings.series(ME)} == {HOURS}
    assert store.readings.freshness(ME)[0].last == START + (HOURS - 1) * HOURLY


def test_only_rows_in_which_a_value_is_superseded_keep_an_image(store: Store) -> None:
    store.readings.save(ME, one_slot(3, 7), known_at=START, register=True)
    both = one_slot(3, 7).with_values(np.array([[7.0], [8.0], [7.0]]))
    wider = Panel(POINTS, START + 3 * HOURLY, HOURLY, np.hstack([both.values, [[1.0], [2.0], [NAN]]]))
    summary = store.readings.save(ME, wider, known_at=START + HOURLY)
    assert (summary.new, summary.changed, summary.same) == (2, 1, 2)
    assert count(store, "block_version") == 1
    assert [len(store.readings.versions(ME, point, START.date())) for point in POINTS] == [2, 2, 1]


def test_two_saves_a_microsecond_apart_are_told_apart(store: Store) -> None:
    store.readings.save(ME, one_slot(0, 1), known_at=START + MICROSECOND, register=True)
    store.readings.save(ME, one_slot(1, 2), known_at=START + 2 * MICROSECOND)
    back = store.readings.load(ME, "a", DAY_OF, as_of=START + MICROSECOND)
    assert np.flatnonzero(~back.missing[0]).tolist() == [0]
    back = store.readings.load(ME, "a", DAY_OF, as_of=START + 2 * MICROSECOND)
    assert np.flatnonzero(~back.missing[0]).tolist() == [0, 1]


def test_many_points_with_gaps_between_them_are_added_to(store: Store) -> None:
    points = [f"UP{at:04d}" for at in range(1200)]
    store.readings.save(ME, one_slot(0, 1, points), known_at=START, register=True)
    some = points[::2] + points[1:300:2]
    added = Panel(tuple(some), START + HOURLY, HOURLY, np.arange(len(some), dtype=float)[:, None] * 100)
    summary = store.readings.save(ME, added, known_at=START + HOURLY)
    assert summary.new == len(some)
    back = store.readings.load(ME, some, Interval(START + HOURLY, START + 2 * HOURLY))
    assert np.array_equal(back.values, added.values)
    assert np.isnan(store.readings.load(ME, points, DAY_OF).values[301:1200:2, 1]).all()


def test_a_fraction_is_refused_where_it_is_added_and_nothing_is_written(store: Store) -> None:
    store.readings.save(ME, one_slot(0, 1), known_at=START, register=True)
    wrong = one_slot(1, 2).with_values(np.array([[2.0], [2.5], [2.0]]))
    with pytest.raises(InputError, match="usage point b, slot 1 of the day"):
        store.readings.save(ME, wrong, known_at=START)
    assert {series.readings for series in store.readings.series(ME)} == {1}


# --- the bytes --------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(-(2**45), 2**45)), min_size=4, max_size=4), min_size=1, max_size=4
    )
)
def test_instants_come_back_exactly(rows: list[list[int | None]]) -> None:
    begin = DAY_NUMBER * 86_400_000_000
    present = np.array([[each is not None for each in row] for row in rows])
    instants = np.array([[begin + (each or 0) for each in row] for row in rows], np.int64)
    for row, width in enumerate(known_widths(instants, present, DAY_NUMBER).tolist()):
        some = slice(row, row + 1)
        packed = pack_known(instants[some], present[some], DAY_NUMBER, width)
        assert (packed is None) == (width == 0)
        if packed is not None:
            assert len(packed) == 4 * width
            back = unpack_known(packed, 1, 4, DAY_NUMBER)
            assert np.array_equal(back[present[some]], instants[some][present[some]])
            assert np.array_equal(unpack_each([packed], [0], 4, DAY_NUMBER), back)
            assert unpack_known(pack_stored(back, DAY_NUMBER), 1, 4, DAY_NUMBER).tolist() == back.tolist()


def test_a_row_takes_the_bytes_it_needs() -> None:
    begin = DAY_NUMBER * 86_400_000_000
    instants = begin + np.array([[5, 5], [5, 6], [5, 7 * 86_400_000_000]])
    there = np.ones((3, 2), np.bool_)
    assert known_widths(instants, there, DAY_NUMBER).tolist() == [0, SHORT, LONG]
