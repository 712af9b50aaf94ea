"""Writers at one usage point go one after the other: what one looks at stays, and two that wait for each other end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters import exchange_meter as exchanging
from gridwright.jobs.meters import keep_reads as keeping
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied

START, NOW = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHOLE = Interval(START - DAY, START + 9 * DAY)
Act = Callable[[Store], object]


@pytest.fixture(params=["postgres", "mysql"])
def address(request: pytest.FixtureRequest) -> str:
    """Of servers alone: SQLite has one writer anyway."""
    return emptied(str(request.getfixturevalue(f"{request.param}_url")))


def a_town(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("H", capacity_kw=900.0), UsagePoint("X", capacity_kw=900.0)])
    store.registry.save_meter(ME, Meter("A", dials=5, lsb_wh=1000))
    store.registry.save_installation(ME, install("H", "A", START - DAY))
    with store.transaction():
        read(store, 0, 100.0)


def read(store: Store, hour: int, kwh: float, serial: str = "A") -> None:
    one = RegisterReading("H", START + hour * HOUR, kwh * 1000, serial)
    keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)


def reading(hour: int, kwh: float, serial: str = "A") -> Act:
    def act(store: Store) -> None:
        with store.transaction():
            read(store, hour, kwh, serial)

    return act


def exchanging_at(hour: int) -> Act:
    new = Meter("B", dials=5, lsb_wh=1000)
    order = MeterExchange("H", new, START + hour * HOUR, Decimal(130), Decimal(5))
    return lambda store: exchange_meter(store, ME, order, now=NOW)


def left(store: Store) -> tuple[Any, ...]:
    """Return the reads, the energy that they tell, the doubts and the meters of the place."""
    assert correct(store, ME, SiteDefaults(), now=NOW).failed == 0
    reads = [(each.at, each.value, each.epoch, each.end_device) for each in store.registers.load(ME, "H", WHOLE)]
    energy = [
        store.readings.load(ME, "H", WHOLE, interval=one.interval).values.tobytes()
        for one in store.readings.series(ME, "H")
    ]
    doubts = sorted((each.code, str(each.period), each.message) for each in store.findings.load(ME, ["H"]))
    return reads, energy, doubts, store.registry.installations(ME, "H")


# What looks at what is stored, where it has looked, and what somebody else does at that moment.
MOMENTS: dict[str, tuple[Act, Any, str, Act]] = {
    "two falls": (reading(8, 12.0), keeping, "save_placed", reading(12, 1.0)),
    "a fall and what it bears on": (reading(8, 12.0), keeping, "save_placed", reading(12, 108.0)),
    "a read and one that it proves wrong": (reading(8, 108.0), keeping, "save_placed", reading(4, 190.0)),
    "an exchange and a fall": (exchanging_at(8), exchanging, "take_out", reading(12, 1.0, "B")),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_looked_at_stays_until_it_is_done(address: str, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    act, module, name, other = MOMENTS[moment]
    with open_store("sqlite://") as calm:
        a_town(calm)
        act(calm)
        other(calm)
        expected = left(calm)
    real, begun = getattr(module, name), list[Future[object]]()
    with open_store(address) as store, open_store(address) as theirs, ThreadPoolExecutor() as others:
        a_town(store)

        def overtaken(*given: Any, **more: Any) -> Any:  # noqa: ANN401 - as what it stands for
            monkeypatch.setattr(module, name, real)
            begun.append(others.submit(other, theirs))
            wait(begun, 0.5)
            return real(*given, **more)

        monkeypatch.setattr(module, name, overtaken)
        act(store)
        begun[0].result()
        assert left(store) == expected


def holding(store: Store, first: str, second: str, met: Barrier, done: list[str]) -> None:
    """Hold one usage point, meet the other writer, and ask for its own."""
    with store.transaction():
        store.findings.hold(ME, [first])
        if len(done) < 2:
            done.append(first)
            met.wait(20)
        store.findings.hold(ME, [second])
        store.registry.save_points(ME, [UsagePoint(first, attributes={"name": second})])


def test_of_two_that_wait_for_each_other_both_end(address: str) -> None:
    met, done = Barrier(2), list[str]()
    with open_store(address) as store, open_store(address) as theirs, ThreadPoolExecutor() as others:
        a_town(store)
        acts = [
            others.submit(one.again, partial(holding, one, first, second, met, done))
            for one, first, second in ((store, "H", "X"), (theirs, "X", "H"))
        ]
        for act in acts:
            act.result()
        assert [store.registry.point(ME, name).attributes["name"] for name in ("H", "X")] == ["X", "H"]


def test_readings_and_the_cascade_never_wait_for_each_other(address: str) -> None:
    """Whoever saves holds the usage point and then its dirty days, whoever judges did so the other way round."""
    values = np.full((1, 24), 7.0)
    with open_store(address) as store, open_store(address) as theirs, ThreadPoolExecutor() as others:
        a_town(store)
        store.readings.save(ME, Panel(("H",), START, HOUR, values), known_at=NOW)
        ranges = store.dirty.ranges(ME)

        def judge() -> int:
            with theirs.transaction():
                cleared = theirs.dirty.clear(ME, ranges)
                theirs.findings.save(ME, [], known_at=NOW, points=["H"], period=WHOLE)
                return cleared

        with store.transaction():
            store.findings.hold(ME, ["H"])
            judging = others.submit(judge)
            wait([judging], 0.5)
            store.readings.save(ME, Panel(("H",), START, HOUR, values + 1), known_at=NOW)
        assert judging.result() < len(ranges)
        assert store.dirty.ranges(ME)


def test_what_has_committed_is_not_done_again(address: str) -> None:
    with open_store(address) as store:
        a_town(store)
        tries = list[int]()

        def act(*, committed: bool) -> None:
            tries.append(1)
            if committed:
                store.registry.save_points(ME, [UsagePoint(f"UP-{len(tries)}")])
            raise StoreLocked("undone by somebody else")

        for committed, expected in ((False, 5), (True, 1)):
            tries.clear()
            with pytest.raises(StoreLocked):
                store.again(partial(act, committed=committed))
            assert len(tries) == expected
        with store.transaction(), pytest.raises(StoreLocked):
            store.again(partial(act, committed=False))
        assert len(tries) == 2


def held_and_undone(store: Store) -> None:
    with store.transaction():
        store.findings.hold(ME, ["H"])
        raise StoreLocked("undone")


def test_a_part_that_is_undone_holds_nothing(address: str) -> None:
    """PostgreSQL lets go of what a part locked: who asks for it anew in the same transaction holds it again."""
    with open_store(address) as store, open_store(address) as theirs, ThreadPoolExecutor() as others:
        a_town(store)
        with store.transaction():
            with pytest.raises(StoreLocked):
                held_and_undone(store)
            store.findings.hold(ME, ["H"])
            other = others.submit(theirs.findings.hold, ME, ["H"])
            wait([other], 0.5)
            assert not other.done()
        other.result()
