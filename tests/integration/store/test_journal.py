"""The journal: what is put in it is durable at once, and read and superseded as if it had been saved at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridMismatch, NotFound, StoreError
from gridwright.domain.interval import DAY_S, Interval, epoch_s
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.ingest import grid_readings
from gridwright.ingest.order import order
from gridwright.store import Single, Store, open_store, schema
from gridwright.store.days.fitting import save_fitting
from gridwright.store.days.touching import touch_days
from gridwright.store.journal import fold as journal_fold
from gridwright.store.schema.flow import journal, journal_aside
from tests import unsettled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2025, 3, 1, tzinfo=UTC)
CAME = datetime(2025, 4, 1, tzinfo=UTC)
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
POINTS = ("a", "b", "c")
One = tuple[str, int, float]  # usage point, slot, value
ACTUAL, ESTIMATED = 0x11, 0x33


def a_batch(readings: Sequence[One], *, step: int = 900, kind: ReadingType = DELIVERED_ENERGY) -> Readings:
    """Build interval readings by slot since START."""
    names = tuple(dict.fromkeys(point for point, _, _ in readings))
    begin = epoch_s(START)
    return Readings(
        names,
        np.array([names.index(point) for point, _, _ in readings], np.int32),
        np.array([begin + slot * step for _, slot, _ in readings], np.int64),
        np.array([value for _, _, value in readings], np.float64),
        np.full(len(readings), ACTUAL, np.uint8),
        np.arange(1, len(readings) + 1),
        step,
        kind,
    )


def put(store: Store, batch: Readings, came: datetime = CAME) -> None:
    with store.transaction(settled=False):
        accepted = store.journal.accept(ME, batch)
        assert accepted is not None
        assert store.journal.put([accepted], received=came) == accepted.readings


def save(store: Store, batch: Readings, came: datetime = CAME) -> None:
    """Save readings as those that may not wait are."""
    for panel in grid_readings(order(batch).readings).panels:
        store.readings.save(ME, panel, known_at=came)


def value(store: Store, point: str, slot: int) -> float:
    start = START + slot * QUARTER
    panel = store.readings.load(ME, point, Interval(start, start + QUARTER), interval=QUARTER)
    return float(panel.values[0, 0])


def waiting(store: Store) -> tuple[int, int]:
    found = store.journal.waiting(ME)
    return found.rows, found.readings


@pytest.fixture
def town(store: Store) -> Store:
    store.registry.save_points(ME, [UsagePoint(code) for code in POINTS])
    return store


def test_what_is_put_waits_and_is_there_for_whoever_reads(town: Store, again: Callable[[], Store]) -> None:
    put(town, a_batch([("b", 0, 7), ("a", 0, 5), ("a", 1, 6)]))
    assert waiting(town) == (1, 3)
    found = town.journal.waiting(ME)
    assert (found.oldest, found.aside_rows, found.aside_readings) == (CAME, 0, 0)
    with again() as other:
        assert [value(other, *one) for one in (("a", 0), ("a", 1), ("b", 0))] == [5, 6, 7]
    assert waiting(town) == (0, 0)
    (version,) = town.readings.versions(ME, "a", date(2025, 3, 1))
    assert version.known_at == CAME


READERS: dict[str, Callable[[Store], object]] = {
    "load": lambda store: store.readings.load(ME, "a", Interval(START, START + DAY)).total_kwh().tolist(),
    "series": lambda store: [one.readings for one in store.readings.series(ME)],
    "extents": lambda store: [one.last_day for one in store.readings.extents(ME, ["a"])],
    "freshness": lambda store: [one.readings for one in store.readings.freshness(ME)],
    "versions": lambda store: [one.known_at for one in store.readings.versions(ME, "a", START.date())],
    "arrivals": lambda store: [one.first for one in store.arrivals.of(ME, ["a"], DELIVERED_ENERGY, [START.date()])],
    "dirty": lambda store: [(one.from_day, one.to_day) for one in store.dirty.ranges(ME)],
    "backlog": lambda store: store.backlogs.count(ME).dirty,
    "growth": lambda store: store.backlogs.growth(ME),
    "blocks": lambda store: store.checks.rows(ME),
    "audit": lambda store: [(one.actor, one.act, one.subject) for one in store.audit.records(ME, limit=1)],
}


@pytest.mark.parametrize("reader", READERS)
def test_every_way_to_read_sees_what_waits(tmp_path: Path, reader: str) -> None:
    seen = []
    for way in (put, save):
        with open_store(tmp_path / f"{way.__name__}.db") as store:
            store.registry.save_points(ME, [UsagePoint("a")])
            way(store, a_batch([("a", 3, 8), ("a", 4, 9)]))
            seen.append(READERS[reader](store))
    assert seen[0] == seen[1]


def test_a_save_comes_after_what_waits(town: Store) -> None:
    put(town, a_batch([("a", 0, 1)]))
    save(town, a_batch([("a", 0, 2)]), CAME + DAY)
    put(town, a_batch([("a", 0, 3)]), CAME + 2 * DAY)
    assert value(town, "a", 0) == 3
    states = town.readings.versions(ME, "a", START.date())
    assert [float(one.block.panel.values[0, 0]) for one in states] == [1, 2, 3]
    assert [one.known_at for one in states] == [CAME, CAME + DAY, CAME + 2 * DAY]


def test_arrivals_within_a_minute_are_known_since_the_last_of_them(town: Store) -> None:
    for second in (0, 40, 60, 61, 130):
        put(town, a_batch([("a", second, second)]), CAME + timedelta(seconds=second))
    town.journal.fold()
    known = {one.known_at for one in town.readings.versions(ME, "a", START.date())}
    known |= {one.known_at for one in town.readings.versions(ME, "a", START.date() + DAY)}
    assert known == {CAME + timedelta(seconds=second) for second in (60, 61, 130)}


def test_the_audit_tells_who_sent_how_many(town: Store) -> None:
    batches = ((a_batch([("a", 0, 1), ("b", 0, 2)]), "ann"), (a_batch([("c", 0, 3)]), "ben"))
    for batch, actor in (*batches, batches[0]):
        accepted = town.journal.accept(Access(actor, Role.OPERATOR), batch)
        assert accepted is not None
        town.journal.put([accepted], received=CAME)
    told = {one.actor: (one.subject, one.detail) for one in town.audit.records(ME, limit=2)}
    assert {actor: (subject, detail["readings"]) for actor, (subject, detail) in told.items()} == {
        "ann": ("2 usage points", 4),
        "ben": ("c", 1),
    }
    assert town.audit.verify(ME)
    put(town, a_batch([("a", 0, 1)]))  # the same again: nothing is written, nothing recorded
    before = len(town.audit.records(ME))
    assert len(town.audit.records(ME)) == before


@pytest.mark.parametrize(
    "batch",
    [
        a_batch([("a", 0, 1.5)]),
        a_batch([("a", 0, float("nan"))]),
        a_batch([("a", 0, 2.0**54)]),
        a_batch([("nobody", 0, 1)]),
        a_batch([("a", 0, 1)], step=7),
        a_batch([("a", 0, 1)], step=7200),
        a_batch([("a", 0, 1)], step=0),
        a_batch([]),
    ],
)
def test_what_must_be_judged_is_not_taken(town: Store, batch: Readings) -> None:
    assert town.journal.accept(ME, batch) is None
    assert waiting(town) == (0, 0)


def test_who_may_not_write_there_is_not_taken(town: Store) -> None:
    narrow = Access("narrow", Role.OPERATOR, frozenset({"b"}))
    assert town.journal.accept(narrow, a_batch([("a", 0, 1)])) is None
    assert town.journal.accept(narrow, a_batch([("b", 0, 1)])) is not None
    assert town.journal.accept(Access("reader", Role.VIEWER), a_batch([("b", 0, 1)])) is None


def test_another_grid_of_a_day_is_judged_at_once(town: Store, again: Callable[[], Store]) -> None:
    put(town, a_batch([("a", 0, 1)]))
    assert town.journal.accept(ME, a_batch([("b", 0, 1)], step=300)) is None  # the day is one of quarter-hours
    save(town, a_batch([("b", 0, 1)], step=300))
    assert town.journal.accept(ME, a_batch([("b", 0, 1)])) is None  # b has another grid there by now
    put(town, a_batch([("a", 1, 2), ("c", 0, 1)]))
    put(town, a_batch([("b", 96, 1)]))  # and on another day none
    with again() as other:  # which looks at the day for the first time
        assert other.journal.accept(ME, a_batch([("a", 2, 1)], step=300)) is None
        assert other.journal.accept(ME, a_batch([("b", 0, 1)])) is None
    assert [value(town, "a", 1), value(town, "c", 0), value(town, "b", 96)] == [2, 1, 1]
    assert town.journal.waiting(ME).aside_rows == 0


def test_a_new_day_costs_no_folding_of_what_this_process_put_there(town: Store, again: Callable[[], Store]) -> None:
    """Other databases have several writers at a time: there what waits is always folded before a day is looked at."""
    alone = town._session.engine.dialect.name == "sqlite"
    put(town, a_batch([("a", 0, 1)]))
    put(town, a_batch([("a", 96, 2), ("b", 200, 3)]))
    assert waiting(town) == ((2, 3) if alone else (1, 2))
    assert town.journal.accept(ME, a_batch([("c", 1, 1)], step=300)) is None  # the grids of days are still known
    with again() as other:
        put(other, a_batch([("a", 300, 4)]))  # folds what it did not put there
        assert waiting(other) == (1, 1)
        put(town, a_batch([("a", 400, 5)]))
        assert waiting(town) == (1, 1)
        put(other, a_batch([("b", 1, 6)], step=300))  # of a day that the other wrote quarter-hours of
    assert [value(town, "a", slot) for slot in (0, 96, 300, 400)] == [1, 2, 4, 5]
    assert town.journal.waiting(ME).aside_rows == 0


def test_days_that_were_forgotten_are_looked_at_again(town: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.store.journal.grids.REMEMBERED", 2)
    put(town, a_batch([("a", slot, slot) for slot in range(1, 7 * 96, 96)]))
    put(town, a_batch([("b", slot, slot) for slot in range(1, 7 * 96, 96)]))
    assert town.journal.accept(ME, a_batch([("a", 2, 1)], step=300)) is None
    save(town, a_batch([("c", 0, 1)], step=300))
    with town.transaction(settled=False):
        raise_it = pytest.raises(ZeroDivisionError)
        with raise_it, town.transaction(settled=False):
            put(town, a_batch([("a", 800, 1)]))
            _ = 1 / 0
    put(town, a_batch([("a", 900, 1)]))
    assert town.journal.accept(ME, a_batch([("c", 2, 1)])) is None
    assert [value(town, name, slot) for name, slot in (("a", 1), ("b", 6 * 96 + 1), ("a", 900))] == [1, 577, 1]
    assert town.journal.waiting(ME).aside_rows == 0


def test_what_does_not_fit_any_more_is_put_aside_tried_again_or_let_go(town: Store, again: Callable[[], Store]) -> None:
    put(town, a_batch([("a", 96, 1)]))
    with again() as other:
        other.journal.fold()
        save(other, a_batch([("a", 0, 4)], step=300))
    # This process has not looked at the day since: it takes quarter-hours for it, as yesterday.
    accepted = None
    with town.transaction(settled=False):
        town.journal._grids._days[1, epoch_s(START) // DAY_S] = town.journal._grids._days[
            1, epoch_s(START) // DAY_S + 1
        ]
        accepted = town.journal.accept(ME, a_batch([("a", 0, 1), ("a", 1, 2), ("a", 96, 3), ("b", 0, 5)]))
        assert accepted is not None
        town.journal.put([accepted], received=CAME)
    assert [value(town, "a", 96), value(town, "b", 0)] == [3, 5]  # the others are not held up
    (row,) = town.journal.put_aside(ME)
    assert (row.readings, row.received, row.actor) == (2, CAME, ME.actor)
    assert "usage point a" in row.reason
    assert "do not fit the stored ones" in row.reason
    found = town.journal.waiting(ME)
    assert (found.rows, found.aside_rows, found.aside_readings) == (0, 1, 2)
    assert town.journal.retry(ME, [row.id]) == 0
    (still,) = town.journal.put_aside(ME)
    assert (still.readings, still.id) == (2, row.id + 1)
    with pytest.raises(NotFound, match=f"no row {row.id} was put aside"):
        town.journal.retry(ME, [row.id])
    with town._engine.begin() as connection:  # as if the day had been emptied
        for table in (schema.block, schema.series):
            connection.execute(table.delete().where(table.c.usage_point == 1))
    assert town.journal.retry(ME, [still.id]) == 1
    assert [value(town, "a", 0), value(town, "a", 1)] == [1, 2]
    assert town.journal.put_aside(ME) == []


def fill(store: Store, batch: Readings, came: datetime = CAME) -> None:
    accepted = store.journal.accept(ME, batch, fill=True)
    assert accepted is not None
    store.journal.put([accepted], received=came)


def test_what_only_fills_gives_way_to_all_that_is_there_or_comes(town: Store) -> None:
    save(town, a_batch([("a", 0, 1), ("a", 2, 1)]))
    fill(town, a_batch([("a", 0, 9), ("a", 1, 9), ("b", 0, 9), ("c", 0, 9)]))
    put(town, a_batch([("b", 0, 2)]))
    assert [value(town, *one) for one in (("a", 0), ("a", 1), ("b", 0), ("c", 0))] == [1, 9, 2, 9]
    assert [len(town.readings.versions(ME, point, START.date())) for point in POINTS] == [1, 2, 1]
    put(town, a_batch([("c", 0, 3)]))
    fill(town, a_batch([("c", 0, 9)]))
    assert (value(town, "c", 0), town.journal.waiting(ME).aside_rows) == (3, 0)


def test_what_only_fills_is_nothing_on_another_grid(town: Store, again: Callable[[], Store]) -> None:
    fill(town, a_batch([("a", 0, 9), ("b", 0, 9)]))
    with again() as other:  # whoever saves folds first, so that this leaves a day that is looked at already
        save(other, a_batch([("a", 48, 7)], step=1800))
    assert town.journal.accept(ME, a_batch([("a", 96, 9)]), fill=True) is None
    with town.transaction(settled=False):
        day = epoch_s(START) // DAY_S
        town.journal._grids._days[1, day + 1] = town.journal._grids._days[1, day]
        fill(town, a_batch([("a", 96, 9), ("b", 96, 9)]))
    assert [value(town, "b", slot) for slot in (0, 96)] == [9, 9]
    stored = town.readings.load(ME, "a", Interval(START + DAY, START + 2 * DAY))
    assert (stored.interval, float(stored.values[0, 0])) == (2 * QUARTER, 7)
    assert town.journal.waiting(ME).aside_rows == 0


def test_a_damaged_row_is_put_aside_with_its_bytes(town: Store) -> None:
    put(town, a_batch([("a", 0, 1)]))
    put(town, a_batch([("b", 0, 2)]))
    with town._engine.begin() as connection:
        content = connection.execute(select(journal.c.content).order_by(journal.c.id)).scalars().first() or b""
        torn = content[:-1]
        connection.execute(journal.update().where(journal.c.content == content).values(content=torn))
    assert value(town, "b", 0) == 2
    (row,) = town.journal.put_aside(ME)
    assert "checksum" in row.reason
    with town._engine.begin() as connection:
        assert connection.execute(select(journal_aside.c.content)).scalars().all() == [torn]
    town.journal.drop(ME, row.id, "the meter was read again")
    assert town.journal.put_aside(ME) == []
    assert town.audit.records(ME, limit=1)[0].detail["reason"] == "the meter was read again"
    with pytest.raises(NotFound):
        town.journal.drop(ME, row.id, "twice")


def test_a_part_that_fails_takes_back_what_was_put_and_what_was_folded(town: Store) -> None:
    put(town, a_batch([("a", 0, 1)]))
    with town.transaction(settled=False):
        with suppress(GridMismatch), town.transaction():
            save(town, a_batch([("b", 0, 1)]))
            save(town, a_batch([("b", 0, 1)], step=300))
        assert waiting(town) == (0, 0)  # folded before the part began
        with suppress(RuntimeError), town.transaction(settled=False):
            put(town, a_batch([("a", 1, 2)]))
            raise RuntimeError
        put(town, a_batch([("a", 2, 3)]))
        assert value(town, "a", 2) == 3  # within the transaction, too
        assert waiting(town) == (0, 0)
    assert np.isnan([value(town, "a", 1), value(town, "b", 0)]).all()
    with suppress(RuntimeError), town.transaction(settled=False):
        put(town, a_batch([("a", 5, 3)]))
        raise RuntimeError
    assert waiting(town) == (0, 0)


def test_a_unit_that_is_not_settled_does_not_fold_and_one_within_it_does(town: Store) -> None:
    put(town, a_batch([("a", 0, 1)]))
    with town._session.reading(settled=False) as outer:
        assert len(town.registry.points(ME)) == 3
        assert waiting(town) == (1, 1)
        assert value(town, "a", 0) == 1
        assert town._session.current is outer
    put(town, a_batch([("a", 0, 2)]))
    with town._session.writing(settled=False):
        assert town.jobs.claim(ME, ["none"], CAME) is None
        assert waiting(town) == (1, 1)
        save(town, a_batch([("a", 0, 3)]), CAME + DAY)
    assert [float(one.block.panel.values[0, 0]) for one in town.readings.versions(ME, "a", START.date())] == [1, 2, 3]


def test_a_database_in_memory_is_settled_for_every_reader() -> None:
    with open_store("sqlite://") as store:
        store.registry.save_points(ME, [UsagePoint("a")])
        put(store, a_batch([("a", 0, 1)]))
        with store._session.reading(settled=False):
            assert value(store, "a", 0) == 1


def test_the_watch_of_the_tests_finds_who_touches_readings_unsettled(tmp_path: Path) -> None:
    with open_store(tmp_path / "watched.db") as store:
        store.registry.save_points(ME, [UsagePoint("a")])
        for unit in (store._session.reading, store._session.writing):
            with pytest.raises(StoreError, match="prohibited"), unit(settled=False) as opened:
                opened.fetch("SELECT COUNT(*), MAX(day) FROM block")
            with unit() as opened:
                assert opened.fetch("SELECT COUNT(*), MAX(day) FROM block") == [(0, None)]
    assert set(unsettled.taken()) == {"a unit that is not settled touches block"}


def test_a_file_that_may_only_be_read_is_refused_only_while_readings_wait(tmp_path: Path) -> None:
    with open_store(tmp_path / "fixed.db") as store:
        store.registry.save_points(ME, [UsagePoint("a")])
        save(store, a_batch([("a", 0, 1)]))

        @contextmanager
        def only_read() -> Iterator[None]:
            with store._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield
            with store._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA query_only = OFF")

        with only_read():
            assert value(store, "a", 0) == 1
        put(store, a_batch([("a", 1, 2)]))
        with only_read():
            assert len(store.registry.points(ME)) == 1
            with pytest.raises(StoreError, match="readings wait in the journal, and the database may only be read"):
                value(store, "a", 0)
        assert value(store, "a", 1) == 2


def test_several_fold_at_once_and_nothing_is_lost_or_doubled(
    town: Store, again: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_fold, "CHUNK", 5)
    monkeypatch.setattr(journal_fold, "ROWS", 7)
    errors: list[BaseException] = []

    def reads(at: int) -> None:
        try:
            with again() as other:
                for slot in range(40):
                    if at == 0:
                        put(other, a_batch([(point, slot, slot) for point in POINTS]), CAME + slot * QUARTER)
                        assert value(other, POINTS[slot % 3], slot) == slot
                    elif at == 1:
                        save(other, a_batch([(point, 200 + slot, slot) for point in POINTS]), CAME)
                    else:
                        other.readings.freshness(ME)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=reads, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert waiting(town) == (0, 0)
    assert [one.readings for one in town.readings.freshness(ME)] == [80, 80, 80]
    panel = town.readings.load(ME, list(POINTS), Interval(START, START + 40 * QUARTER))
    assert panel.values.tolist() == [list(range(40))] * 3


# The law.
reading = st.tuples(st.sampled_from(POINTS), st.sampled_from([0, 1, 2, 95, 96, 97, 400]), st.integers(0, 3))
steps = st.tuples(
    st.lists(reading, min_size=1, max_size=8),
    st.sampled_from([900, 900, 900, 300]),
    st.sampled_from([DELIVERED_ENERGY, RECEIVED_ENERGY]),
    st.sampled_from([ACTUAL, ESTIMATED]),
    st.sampled_from([0, 0, 5, 59, 70]),  # seconds since the one before
    st.sampled_from(["", "", "", "fold", "read", "touch"]),  # what follows
)
EXAMPLES = 500 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 20
Step = tuple[list[One], int, ReadingType, int, int, str]


State = tuple[datetime, tuple[float, ...], tuple[int, ...]]
States = dict[tuple[str, str, int], list[State]]


def content(store: Store) -> dict[str, Any]:
    """Return what is stored now: all of it, but for how often it changed."""
    with store._session.reading() as unit:
        tables: dict[str, Any] = {}
        for table in (schema.block, schema.series):
            columns = [column for column in table.c if column.name not in {"additions", "revision"}]
            tables[table.name] = unit.connection.execute(select(*columns).order_by(*table.primary_key)).all()
        c = schema.dirty_range.c
        dirty = select(c.reading_type, c.usage_point, c.from_day, c.to_day)
        tables["dirty"] = sorted(map(tuple, unit.connection.execute(dirty)))
    return tables


def states(store: Store) -> States:
    """Return every state of each day; no value is -1."""
    return {
        (point, kind.code, day): [
            (
                one.known_at,
                tuple(np.nan_to_num(one.block.panel.values[0], nan=-1).tolist()),
                tuple(one.block.panel.quality[0].tolist()),
            )
            for one in store.readings.versions(ME, point, START.date() + day * DAY, kind)
        ]
        for point in POINTS
        for kind in (DELIVERED_ENERGY, RECEIVED_ENERGY)
        for day in (0, 1, 4)
    }


def in_turn(day: list[State]) -> list[list[tuple[float, int]]]:
    """Return the values that each slot had, in turn."""
    slots = zip(*(zip(values, quality, strict=True) for _, values, quality in day), strict=True)
    return [[one for one, _ in groupby(one for one in slot if one[0] >= 0)] for slot in slots]


def check_same(store: Store, other: Store, every: States | None) -> None:
    """Check that two stores hold the same, now and before: of what came together, one may have kept fewer states.

    Fewer, but real ones: each is one that was there after one of the batches (`every`), in that order; no slot lacks a
    value that it had, and at each instant the same was known. `every` None: states between two instants may be others.
    """
    assert content(store) == content(other)
    many = states(other)
    for which, few in states(store).items():
        if every is not None:
            real = iter([state[1:] for state in every[which]])
            assert all(state[1:] in real for state in few)
        assert in_turn(few) == in_turn(many[which])
        assert {one[0]: one for one in few} == {one[0]: one for one in many[which]}


def add_states(store: Store, every: States) -> None:
    """Add the state that each day has by now."""
    for which, those in states(store).items():
        every.setdefault(which, []).extend(those[-1:])


def to_batch(step: Step) -> Readings:
    batch = a_batch(step[0], step=step[1], kind=step[2])
    batch.quality[:] = step[3]
    return batch


def save_what_fits(store: Store, batch: Readings, known: datetime) -> None:
    for panel in grid_readings(order(batch).readings).panels:
        list(save_fitting(lambda some: store.readings.save(ME, some, known_at=known), panel))


def act(store: Store, after: str) -> None:
    """Do what follows a batch; all of these fold."""
    if after == "fold":
        store.journal.fold()
    elif after == "read":
        store.readings.freshness(ME)
    elif after == "touch":
        store.dirty.touch(ME, ["c"], DELIVERED_ENERGY, Interval(START + 40 * DAY, START + 41 * DAY))


def known_together(moments: Sequence[datetime]) -> list[datetime]:
    """Return when each arrival of one fold is known: those within a minute of the first of them with the last."""
    known: list[datetime] = []
    while len(known) < len(moments):
        first = moments[len(known)]
        group = [one for one in moments[len(known) :] if one - first <= timedelta(minutes=1)]
        known += [group[-1]] * len(group)
    return known


def by_journal(store: Store, steps: Sequence[Step]) -> list[datetime]:
    """Send batches through the journal, those it does not take at once; returns when each is known."""
    known: list[datetime] = []
    waits: list[datetime] = []
    now = CAME
    for step in steps:
        now += timedelta(seconds=step[4])
        accepted = store.journal.accept(ME, to_batch(step))
        if not store.journal.waiting(ME).rows:  # a day that is looked at first is one that nothing waits for
            known, waits = known + known_together(waits), []
        if accepted is not None:
            store.journal.put([accepted], received=now)
            waits.append(now)
        else:
            known, waits = [*known, *known_together(waits), now], []
            save_what_fits(store, to_batch(step), now)
        act(store, step[5])
        if step[5]:
            known, waits = known + known_together(waits), []
    return known + known_together(waits)


Two = tuple[Store, Store]


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """Two stores in memory with the same usage points and reading types, emptied for each example: making is slow."""
    with open_store("sqlite://") as store, open_store("sqlite://") as other:
        for one in (store, other):
            one.registry.save_points(ME, [UsagePoint(code) for code in POINTS])
            for kind in (DELIVERED_ENERGY, RECEIVED_ENERGY):
                one.dirty.touch(ME, ["a"], kind, Interval(START, START + DAY))
            with one._engine.begin() as connection:
                connection.exec_driver_sql("DROP TRIGGER tr_block_version_delete")
        yield store, other


def emptied(two: Two) -> Two:
    for store in two:
        with store._engine.begin() as connection:
            for table in (schema.block, schema.block_version, schema.series, schema.dirty_range):
                connection.execute(table.delete())
        store.journal._grids._days.clear()
    return two


@settings(max_examples=EXAMPLES)
@given(steps=st.lists(steps, min_size=1, max_size=7))
def test_what_went_through_the_journal_is_stored_as_if_saved_at_once(two: Two, steps: list[Step]) -> None:
    store, other = emptied(two)
    every: States = {}
    known = by_journal(store, steps)
    for step, known_at in zip(steps, known, strict=True):
        save_what_fits(other, to_batch(step), known_at)
        add_states(other, every)
        act(other, step[5])
    store.journal.fold()
    check_same(store, other, every)
    assert store.journal.waiting(ME) == other.journal.waiting(ME)


@settings(max_examples=EXAMPLES)
@given(
    many=st.lists(st.lists(reading, min_size=1, max_size=8, unique_by=lambda one: one[:2]), min_size=2, max_size=9),
    cut=st.integers(1, 12),
    rows=st.integers(1, 4),
)
def test_it_does_not_matter_where_a_fold_is_cut(two: Two, many: list[list[One]], cut: int, rows: int) -> None:
    store, other = emptied(two)
    every: States = {}
    for batch in many:
        put(store, a_batch(batch))
        save(other, a_batch(batch))
        add_states(other, every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_fold, "CHUNK", cut)
        patch.setattr(journal_fold, "ROWS", rows)
        store.journal.fold()
    check_same(store, other, every)


one_of_each = st.lists(reading, max_size=3, unique_by=lambda one: one[0])


@settings(max_examples=EXAMPLES)
@given(many=st.lists(st.tuples(st.booleans(), one_of_each), min_size=1, max_size=7))
@example(many=[(True, [("a", 0, 0)]), (False, [("a", 1, 0)]), (False, [("a", 1, 1)])])
def test_what_fills_and_what_does_not_may_come_in_any_order(two: Two, many: list[tuple[bool, list[One]]]) -> None:
    store, other = emptied(two)
    ends = []
    for fills, batch in many:
        if batch and fills:
            fill(store, a_batch(batch))
            singles = [Single(point, epoch_s(START) + 900 * slot, count, ACTUAL) for point, slot, count in batch]
            assert not other.readings.save_singles(ME, DELIVERED_ENERGY, 900, singles, known_at=CAME, fill=True)
            ends += [(POINTS.index(point) + 1, epoch_s(START) + 900 * (slot + 1)) for point, slot, _ in batch]
        elif batch:
            put(store, a_batch(batch))
            save(other, a_batch(batch))
    store.journal.fold()
    with other._session.writing() as unit:  # what a register read at the end of each makes dirty
        for end in ends:
            touch_days(unit, other.readings._names, [end], registers=True)
    check_same(store, other, None)  # what only fills comes last of what is known at one instant
