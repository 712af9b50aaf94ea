"""What a transaction gives names to is nobody else's before it ends, and never was where it is undone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.edit import Edit
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import VOLTAGE, Flow, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Interval(START, START + 24 * HOUR)
FIRST = Interval(START, START + HOUR)
NET = ReadingType(flow=Flow.NET)
REGISTER = RegisterReading("H", START, 5.0).reading_type


def panel(kind: ReadingType, point: str = "H") -> Panel:
    return Panel((point,), START, HOUR, np.full((1, 24), 7.0), reading_type=kind)


def read(store: Store, kind: ReadingType, point: str = "H") -> float:
    return float(store.readings.load(ME, point, DAY, reading_type=kind, interval=HOUR).values.sum())


def an_edit(store: Store) -> None:
    edit = Edit("E-1", "H", FIRST, HOUR, (1.0,), (None,), ME.actor, "read off", START, reading_type=NET)
    store.edits.add(ME, edit)


def a_finding(store: Store) -> None:
    store.findings.save(ME, [Finding("V01_missing", "H", DAY, Severity.FAIL, "none", NET)], known_at=START)


Act = Callable[[Store], object]
# What somebody does who needs the type that another one has just given, and what shows that it was done.
BESIDE: dict[str, tuple[ReadingType, Act, Act]] = {
    "readings": (
        NET,
        lambda store: store.readings.save(ME, panel(NET), known_at=START),
        lambda store: read(store, NET) == 24 * 7,
    ),
    "dirty ranges": (
        NET,
        lambda store: store.dirty.touch(ME, ["H"], NET, DAY),
        lambda store: [each.reading_type for each in store.dirty.ranges(ME)] == [NET],
    ),
    "findings": (
        NET,
        a_finding,
        lambda store: [each.reading_type for each in store.findings.load(ME)] == [NET],
    ),
    "edits": (NET, an_edit, lambda store: store.edits.edit(ME, "E-1").reading_type == NET),
    "registers": (
        REGISTER,
        lambda store: store.registers.save(ME, [RegisterReading("H", START, 5.0)], known_at=START),
        lambda store: len(store.registers.load(ME, "H", DAY)) == 1,
    ),
}


def undone(store: Store, act: Callable[[], object]) -> None:
    """Do something in a transaction, or a part of one, that fails at its end."""
    with store.transaction():
        act()
        raise InputError("undone")


def beside(store: Store, give: Act, act: Act) -> None:
    """Do something while another thread gives a name, and undoes that."""
    with ThreadPoolExecutor() as others:

        def give_while_another_acts() -> Future[object]:
            give(store)
            done = others.submit(act, store)
            wait([done], 0.3)  # it waits for this one to end, or has no need to
            futures.append(done)
            return done

        futures: list[Future[object]] = []
        with pytest.raises(InputError):
            undone(store, give_while_another_acts)
        (done,) = futures
        done.result()


@pytest.mark.parametrize("what", BESIDE)
def test_who_writes_beside_gives_the_type_itself(what: str, store: Store, again: Callable[[], Store]) -> None:
    kind, act, there = BESIDE[what]
    store.registry.save_points(ME, [UsagePoint("H"), UsagePoint("X")])
    beside(store, lambda of: of.dirty.touch(ME, ["X"], kind, DAY), act)
    assert there(store)
    with again() as fresh:
        assert there(fresh)


def test_who_writes_beside_adds_the_usage_point_itself(store: Store, again: Callable[[], Store]) -> None:
    save = lambda of: of.readings.save(ME, panel(NET, "NEW"), known_at=START, register=True)  # noqa: E731
    store.registry.save_points(ME, [UsagePoint("H")])
    store.readings.save(ME, panel(NET), known_at=START)
    beside(store, lambda of: of.registry.save_points(ME, [UsagePoint("NEW")]), save)
    assert read(store, NET, "NEW") == 24 * 7
    with again() as fresh:
        assert read(fresh, NET, "NEW") == 24 * 7


def test_who_reads_beside_does_not_know_it_yet(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("H")])
    store.readings.save(ME, panel(NET), known_at=START)
    told = list[str]()

    def look(of: Store) -> None:
        try:
            read(of, NET, "NEW")
        except NotFound as error:
            told.append(str(error))

    def give(of: Store) -> None:
        of.registry.save_points(ME, [UsagePoint("NEW")])
        of.readings.save(ME, panel(NET, "NEW"), known_at=START)

    beside(store, give, look)
    assert len(told) == 1


def test_a_part_that_is_undone_gives_nothing_and_what_it_gave_may_be_given_anew(store: Store) -> None:
    with store.transaction():
        with pytest.raises(InputError):
            undone(store, lambda: store.readings.save(ME, panel(VOLTAGE, "GONE"), known_at=START, register=True))
        store.readings.save(ME, panel(NET, "KEPT"), known_at=START, register=True)
        store.readings.save(ME, panel(VOLTAGE, "KEPT"), known_at=START)
        assert read(store, NET, "KEPT") == 24 * 7
    with pytest.raises(NotFound):
        read(store, NET, "GONE")
    assert read(store, VOLTAGE, "KEPT") == 24 * 7
    assert store.readings.resolutions(ME, NET) == [NET]
