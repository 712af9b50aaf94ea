from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, GridMismatch, InputError, NotFound
from gridwright.domain.interval import Interval, local_day, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import RECEIVED_ENERGY, VOLTAGE, ReadingType
from gridwright.store import SaveSummary, Store, open_store

START = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER, HALF, HOUR, DAY = timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)
NAN = float("nan")


def known(day: int) -> datetime:
    """A moment of April at which something became known."""
    return datetime(2025, 4, day, tzinfo=UTC)


def a_panel(
    points: Sequence[str] = ("b", "a"), slots: int = 200, start: datetime = START, interval: timedelta = QUARTER
) -> Panel:
    """Build a panel of whole counts that all differ."""
    values = np.arange(len(points) * slots, dtype=float).reshape(len(points), slots) * 7
    return Panel(tuple(points), start, interval, values)


def save(store: Store, panel: Panel, day: int = 1) -> SaveSummary:
    return store.readings.save(ME, panel, known_at=known(day), register=True)


def same(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


@pytest.mark.parametrize(
    ("start", "interval", "slots"),
    [
        (START, QUARTER, 96),
        (START + 3 * QUARTER, QUARTER, 300),
        (START + HALF, HOUR, 50),
        (START - timedelta(days=20_000), timedelta(minutes=5), 700),
        (START, timedelta(seconds=10), 9000),
    ],
)
def test_round_trip(store: Store, start: datetime, interval: timedelta, slots: int) -> None:
    panel = a_panel(("x", "c", "k"), slots, start, interval)
    panel.values[1, 5] = NAN
    quality = panel.quality.copy()
    quality[1, 5], quality[2, 7:9], quality[0] = q.MISSING, q.pack(q.Status.ESTIMATED, q.Method.LINEAR), q.ACTUAL
    panel = panel.with_values(panel.values, quality)
    assert save(store, panel) == SaveSummary(3 * slots - 1, 0, 0, 3 * slots - 1)
    back = store.readings.load(ME, panel.points, panel.period)
    assert (back.points, back.start, back.interval) == (panel.points, start, interval)
    assert same(back.values, panel.values)
    assert np.array_equal(back.quality, quality)


def test_many_points_in_any_order(store: Store) -> None:
    points = [f"UP{at:04d}" for at in range(1300)]
    panel = a_panel(points, 100)
    panel.values[::7, 3] = NAN
    panel = panel.with_values(panel.values, np.where(panel.missing, q.MISSING, q.RAW).astype(np.uint8))
    save(store, panel)
    order = np.random.default_rng(3).permutation(1300)[:1100]
    back = store.readings.load(ME, [points[at] for at in order], panel.period)
    assert same(back.values, panel.values[order])
    assert np.array_equal(back.quality, panel.quality[order])
    everything = store.readings.load(ME, None, Interval(START, START + DAY))
    assert everything.points == tuple(points)
    assert same(everything.values, panel.values[:, :96])


def test_what_is_not_stored_is_missing(store: Store) -> None:
    save(store, a_panel(("a",), 96))
    save(store, a_panel(("b",), 96, START + DAY))
    period = Interval(START - DAY, START + 3 * DAY)
    for points in (("a", "b"), ("a",), ("b",)):
        back = store.readings.load(ME, points, period)
        filled = (~back.missing).reshape(len(points), 4, 96).all(axis=2)
        assert filled.tolist() == [[False, point == "a", point == "b", False] for point in points]
        assert np.array_equal(back.quality == q.MISSING, back.missing)


def test_a_period_that_is_off_the_grid_takes_the_slots_that_start_within(store: Store) -> None:
    save(store, a_panel(("a",), 96))
    back = store.readings.load(ME, "a", Interval(START + timedelta(minutes=1), START + timedelta(minutes=31)))
    assert (back.start, back.values.tolist()) == (START + QUARTER, [[7.0, 14.0]])


def test_a_local_day_with_hourly_data_on_the_half_hour(store: Store) -> None:
    day = local_day(date(2025, 3, 2), zone_of("Asia/Kolkata"))
    panel = a_panel(("a",), 24, day.start, HOUR)
    save(store, panel)
    back = store.readings.load(ME, "a", day)
    assert (back.start, same(back.values, panel.values)) == (day.start, True)


def test_nothing_stored_needs_an_interval(store: Store) -> None:
    save(store, a_panel(("a",), 96))
    later = Interval(START + 9 * DAY, START + 10 * DAY)
    for points in ("a", None, ["a"] * 1):
        with pytest.raises(NotFound, match="give the interval"):
            store.readings.load(ME, points, later)
        assert store.readings.load(ME, points, later, interval=HALF).values.shape == (1, 48)
    with pytest.raises(NotFound, match="no received energy"):
        store.readings.load(ME, "a", later, reading_type=RECEIVED_ENERGY)


def test_the_same_again_changes_nothing(store: Store) -> None:
    panel = a_panel()
    save(store, panel, 1)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    records = store.audit.verify(ME)
    assert save(store, panel, 2) == SaveSummary(0, 0, 400, 400)
    assert store.dirty.ranges(ME) == []
    assert [version.revision for version in store.readings.versions(ME, "a", START.date())] == [1]
    assert store.audit.verify(ME) == records


def test_a_gap_leaves_the_stored_value_alone(store: Store) -> None:
    panel = a_panel(("a",), 96)
    save(store, panel)
    values = np.full((1, 96), NAN)
    values[0, 10] = 1
    assert save(store, panel.with_values(values, np.zeros((1, 96), np.uint8)), 2) == SaveSummary(0, 1, 0, 1)
    back = store.readings.load(ME, "a", panel.period)
    assert back.values[0, 10] == 1
    assert np.array_equal(np.delete(back.values, 10), np.delete(panel.values, 10))


def test_a_panel_without_values_writes_nothing(store: Store) -> None:
    panel = a_panel(("a",), 96)
    assert save(store, panel.with_values(np.full((1, 96), NAN))) == SaveSummary(0, 0, 0, 0)
    assert store.readings.series(ME) == []


def test_another_quality_supersedes(store: Store) -> None:
    panel = a_panel(("a",), 96)
    save(store, panel)
    better = panel.with_values(panel.values, np.full((1, 96), q.ACTUAL, np.uint8))
    assert save(store, better, 2).changed == 96
    assert (store.readings.load(ME, "a", panel.period).quality == q.ACTUAL).all()


def test_history_and_as_of(store: Store) -> None:
    first = a_panel(("a", "b"), 96)
    second, third = first.with_values(first.values.copy()), first.with_values(first.values.copy())
    second.values[0, 3] = 9e9
    third.values[0, 3:5] = -1
    for day, panel in ((1, first), (3, second), (5, third)):
        save(store, panel, day)
    for points in (("a", "b"), ("a",)):
        rows = slice(0, len(points))
        for day, panel in ((1, first), (2, first), (3, second), (4, second), (5, third), (9, third)):
            back = store.readings.load(ME, points, first.period, as_of=known(day))
            assert same(back.values, panel.values[rows])
        before = store.readings.load(ME, points, first.period, as_of=START, interval=QUARTER)
        assert before.missing.all()
    versions = store.readings.versions(ME, "a", START.date())
    assert [(v.revision, v.known_at) for v in versions] == [(1, known(1)), (2, known(3)), (3, known(5))]
    assert [same(v.block.panel.values, p.values[:1]) for v, p in zip(versions, (first, second, third), strict=True)]
    assert len(store.readings.versions(ME, "b", START.date())) == 1
    assert store.readings.versions(ME, "a", date(1999, 1, 1)) == []


def test_known_at_never_goes_back(store: Store) -> None:
    panel = a_panel(("a",), 96)
    save(store, panel, 5)
    save(store, panel.with_values(panel.values + 1), 2)
    assert [version.known_at for version in store.readings.versions(ME, "a", START.date())] == [known(5), known(5)]
    assert same(store.readings.load(ME, "a", panel.period, as_of=known(5)).values, panel.values + 1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pieces_in_any_order_give_the_same_state(data: st.DataObject) -> None:
    whole = a_panel(("a", "b", "c"), 250, START + 5 * QUARTER)
    cuts = sorted({0, 250, *data.draw(st.lists(st.integers(1, 249), max_size=6))})
    pieces = [whole.rows([row]).slice(*ends) for row in range(3) for ends in pairwise(cuts)]
    pieces = data.draw(st.permutations(pieces))
    with open_store("sqlite://") as store:
        total = 0
        for piece in pieces:
            total += save(store, piece).new
            save(store, piece)
        back = store.readings.load(ME, whole.points, whole.period)
        assert total == whole.values.size
        assert same(back.values, whole.values)
        assert [series.readings for series in store.readings.series(ME)] == [250, 250, 250]
        assert back.values.sum() == whole.values.sum()


def test_series_say_what_there_is(store: Store) -> None:
    save(store, a_panel(("a", "b"), 150, START + QUARTER))
    other = ReadingType(exponent=-1, channel="x")
    save(store, Panel(("a",), START + HALF, HOUR, np.full((1, 30), 20.0), reading_type=other))
    store.readings.save(ME, Panel(("a",), START, HOUR, np.ones((1, 3)), reading_type=VOLTAGE), known_at=known(1))
    found = store.readings.series(ME, "a")
    assert [(s.interval, s.first, s.last, s.readings) for s in found] == [
        (QUARTER, START + QUARTER, START + 151 * QUARTER, 150),
        (HOUR, START + HALF, START + HALF + 30 * HOUR, 30),
        (HOUR, START, START + 3 * HOUR, 3),
    ]
    assert [s.reading_type.exponent for s in found] == [0, -1, -1]
    assert {s.usage_point for s in store.readings.series(ME)} == {"a", "b"}


def test_mixed_intervals_are_named(store: Store) -> None:
    save(store, a_panel(("a",), 96))
    save(store, a_panel(("b",), 24, START, HOUR))
    save(store, a_panel(("a",), 24, START + DAY, HOUR))
    save(store, a_panel(("c",), 24, START + HALF, HOUR))
    for points, period in ((("a", "b"), (START, START + DAY)), ("a", (START, START + 2 * DAY))):
        with pytest.raises(GridMismatch, match=r"0:15:00; 1:00:00"):
            store.readings.load(ME, points, Interval(*period))
    with pytest.raises(GridMismatch, match="0:30:00 UTC"):
        store.readings.load(ME, ("b", "c"), Interval(START, START + DAY))
    with pytest.raises(GridMismatch, match="0:30:00"):
        store.readings.load(ME, "a", Interval(START, START + DAY), interval=HALF)


def test_another_interval_on_the_same_day_is_refused_and_nothing_is_written(store: Store) -> None:
    save(store, a_panel(("a",), 96, START + DAY))
    with pytest.raises(GridMismatch, match=r"usage point a, delivered energy.*2025-03-02.*0:30:00.*0:15:00"):
        save(store, a_panel(("b", "a"), 96, START, HALF))
    assert [series.usage_point for series in store.readings.series(ME)] == ["a"]


@pytest.mark.parametrize(
    ("panel", "error", "words"),
    [
        (a_panel(("a", "a"), 4), Conflict, "a is in the panel twice"),
        (a_panel(("a",), 4, START, timedelta(hours=24)), GridMismatch, "at most an hour"),
        (a_panel(("a",), 4, START + timedelta(milliseconds=5)), InputError, "whole second"),
        (a_panel(("a",), 4).with_values(np.full((1, 4), 0.5)), InputError, "usage point a.*finer exponent"),
    ],
)
def test_what_cannot_be_stored(store: Store, panel: Panel, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        save(store, panel)
    assert store.readings.series(ME) == []


def test_unknown_usage_points_name_their_neighbours(store: Store) -> None:
    save(store, a_panel(("UP-1001", "UP-1002"), 4))
    with pytest.raises(NotFound, match=r"UP-1003.*UP-100"):
        store.readings.save(ME, a_panel(("UP-1001", "UP-1003"), 4), known_at=known(2))
    with pytest.raises(NotFound, match="UP-1003"):
        store.readings.load(ME, "UP-1003", Interval(START, START + DAY))


def test_ids_differ_by_case(store: Store) -> None:
    save(store, a_panel(("up", "UP"), 4))
    assert len(store.readings.series(ME)) == 2


# --- dirty ranges -----------------------------------------------------------------------------------------------------


def ranges(store: Store) -> list[tuple[str, int, int]]:
    first = START.date()
    found = store.dirty.ranges(ME)
    return sorted((r.usage_point, (r.from_day - first).days, (r.to_day - first).days) for r in found)


def test_a_month_is_one_dirty_range_a_point(store: Store) -> None:
    save(store, a_panel(("a", "b"), 31 * 96))
    assert ranges(store) == [("a", 0, 31), ("b", 0, 31)]
    assert store.dirty.ranges(ME, limit=1)[0].period == Interval(START, START + 31 * DAY)


def test_ranges_that_touch_become_one(store: Store) -> None:
    for day in (0, 4, 2, 1, 8):
        save(store, a_panel(("a",), 96, START + day * DAY))
    save(store, a_panel(("b",), 96, START + 3 * DAY))
    assert ranges(store) == [("a", 0, 3), ("a", 4, 5), ("a", 8, 9), ("b", 3, 4)]
    save(store, a_panel(("a",), 96, START + 3 * DAY))
    assert ranges(store) == [("a", 0, 5), ("a", 8, 9), ("b", 3, 4)]


def test_days_marked_twice_in_one_transaction_are_one_range(store: Store) -> None:
    panel = a_panel(("a", "b"), 96)
    with store.transaction():
        save(store, panel)
        first = store.dirty.ranges(ME)
        save(store, panel.with_values(panel.values + 1), 2)
        assert store.dirty.ranges(ME) == first
        assert store.dirty.clear(ME, first) == 2
        save(store, panel.with_values(panel.values + 2), 3)
    assert ranges(store) == [("a", 0, 1), ("b", 0, 1)]
    with store.transaction():
        with suppress(ZeroDivisionError), store.transaction():
            save(store, a_panel(("a",), 96, START + 5 * DAY))
            raise ZeroDivisionError
        save(store, a_panel(("a",), 96, START + 5 * DAY))
    assert ranges(store) == [("a", 0, 1), ("a", 5, 6), ("b", 0, 1)]


def test_a_range_touched_meanwhile_is_not_cleared(store: Store) -> None:
    panel = a_panel(("a", "b"), 96)
    save(store, panel)
    taken = store.dirty.ranges(ME)
    save(store, panel.rows([0]).with_values(panel.values[:1] + 1), 2)
    assert store.dirty.clear(ME, taken) == 1
    assert ranges(store) == [("a", 0, 1)]
    assert store.dirty.clear(ME, []) == 0


def test_only_what_changed_is_dirty(store: Store) -> None:
    panel = a_panel(("a", "b"), 3 * 96)
    save(store, panel)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    values = panel.values.copy()
    values[1, 100] += 1
    save(store, panel.with_values(values), 2)
    assert ranges(store) == [("b", 1, 2)]


# --- transactions -----------------------------------------------------------------------------------------------------


def save_known_and_unknown(store: Store) -> None:
    with store.transaction():
        save(store, a_panel(("a",), 4))
        store.readings.save(ME, a_panel(("unknown",), 4), known_at=known(1))


def test_a_transaction_is_all_or_nothing(store: Store, again: Callable[[], Store]) -> None:
    with pytest.raises(NotFound):
        save_known_and_unknown(store)
    assert store.readings.series(ME) == []
    with store.transaction() as tx, tx.transaction():
        save(tx, a_panel(("a",), 4))
        save(tx, a_panel(("b",), 4))
        assert tx.readings.load(ME, ("a", "b"), Interval(START, START + HOUR)).values.sum() == 7 * 12
    with again() as other:
        assert len(other.readings.series(ME)) == 2
        assert other.audit.verify(ME) == 2


def test_a_part_that_fails_leaves_nothing_and_the_rest_is_kept(store: Store) -> None:
    with store.transaction():
        save(store, a_panel(("a",), 4))
        with pytest.raises(InputError):
            save(store, a_panel(("b",), 200).with_values(np.linspace(0.5, 99.5, 200).reshape(1, 200)))
        with pytest.raises(NotFound):
            save_known_and_unknown(store)
        save(store, a_panel(("c",), 4))
    assert [series.usage_point for series in store.readings.series(ME)] == ["a", "c"]
    assert [point.id for point in store.registry.points(ME)] == ["a", "c"]
    assert store.audit.verify(ME) == 2


def test_two_stores_see_each_other(store: Store, again: Callable[[], Store]) -> None:
    with again() as other:
        save(store, a_panel(("a",), 4))
        save(other, a_panel(("a",), 4, START + HOUR))
        save(store, a_panel(("b",), 4))
        assert store.readings.load(ME, "a", Interval(START, START + 2 * HOUR)).missing.sum() == 0
        assert other.readings.load(ME, ("a", "b"), Interval(START, START + HOUR)).missing.sum() == 0


def test_what_was_taken_back_is_counted_for_no_reading(store: Store) -> None:
    """In a row that is all of it, in one with other values, and where it was known before; the series itself stays."""
    whole = Panel(("UP-1",), START, QUARTER, np.full((1, 192), 5.0))
    store.readings.save(ME, whole, known_at=START, register=True)
    quality = np.full((1, 192), q.RAW, np.uint8)
    quality[0, :99] = q.TAKEN_BACK
    store.readings.save(ME, Panel(("UP-1",), START, QUARTER, whole.values, quality), known_at=START + DAY)
    (kept,), (known,) = store.readings.series(ME, "UP-1"), store.readings.known_series(ME, "UP-1")
    assert (kept.readings, known.readings) == (192, 93)
    assert dataclasses.replace(known, readings=192) == kept
