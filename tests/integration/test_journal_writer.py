"""The writer and the journal: uniform batches wait there, others never, and what waits is folded behind them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from gridwright.api.answer import Refused
from gridwright.api.write.batches import write
from gridwright.api.write.folds import IDLE_S, MANY, MOST, OLD_S, PAUSE_S, Folding
from gridwright.api.write.waiting import MANY as SINGLES
from gridwright.api.write.writer import Writer
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreFull
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.integration.test_group_commit import NOW, TOWN, batch, record, register, told, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gridwright.api.write.batch import Batch


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kind = request.param
    address = str(tmp_path / "grid.db") if kind == "sqlite" else emptied(request.getfixturevalue(f"{kind}_url"))
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        yield store


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "alone.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        yield store


def uniform(point: int, kwh: float, *, step: int = 900, slots: int = 40) -> Batch:
    """Build a batch as uniform lines come: in columns, and allowed to wait."""
    made = batch(*(record(point, slot, kwh, interval_s=step) for slot in range(-slots, 0)))
    assert made.resolved.intervals
    made.journal = True
    return made


def waiting(store: Store) -> int:
    return store.journal.waiting(ME).readings


def until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.001)


def test_uniform_batches_wait_in_the_journal_and_are_answered_the_same(store: Store) -> None:
    outcomes = write(store, [uniform(1, 0.1), uniform(2, 0.2), uniform(1, 0.3)], NOW)
    assert [(told(one)["accepted"], told(one)["rejected"]) for one in outcomes] == [(40, 0)] * 3
    assert waiting(store) == 120
    assert (value(store, 1, -1), value(store, 2, -40)) == (300, 200)
    states = store.readings.versions(ME, "UP-1", (NOW - timedelta(hours=12)).date())
    assert len(states) == 2  # what was acknowledged first is kept
    assert {one.known_at for one in states} == {NOW}
    assert waiting(store) == 0


def test_beside_others_they_are_saved_at_once(store: Store) -> None:
    write(store, [uniform(1, 0.1)], NOW)
    outcomes = write(store, [uniform(1, 0.2), batch(record(2, 0, 0.2)), batch(register(3, 0, 5))], NOW)
    assert [told(one)["accepted"] for one in outcomes] == [40, 1, 1]
    assert waiting(store) == 0
    assert (value(store, 1, -1), value(store, 2, 0)) == (200, 200)


def test_what_does_not_fit_is_told_in_the_answer(store: Store) -> None:
    write(store, [uniform(1, 0.1)], NOW)
    (answer,) = write(store, [uniform(1, 0.1, step=300)], NOW)
    assert (told(answer)["accepted"], told(answer)["rejected"]) == (0, 40)
    assert value(store, 1, -1) == 100
    assert store.journal.waiting(ME).aside_rows == 0


def test_a_remembered_answer_goes_with_readings_that_wait(store: Store) -> None:
    from gridwright.api.write.batch import Once

    one = uniform(1, 0.1)
    one.once = Once("key-1", "digest")
    (answer,) = write(store, [one], NOW)
    assert told(answer)["accepted"] == 40
    assert waiting(store) == 40
    assert store.answers.recall(ME, "key-1", "digest") is not None
    again = uniform(1, 0.9)
    again.once = Once("key-1", "digest")
    (second,) = write(store, [again], NOW)
    assert isinstance(second, Exception)
    assert waiting(store) == 40


def run(store: object, *batches: Batch, **more: Any) -> None:  # noqa: ANN401 - options of the writer
    async def putting() -> None:
        writer = Writer(store, lambda: NOW, **more)  # type: ignore[arg-type] # may be a failing one
        writer.start()
        await asyncio.gather(*(writer.put(one) for one in batches))
        await asyncio.to_thread(writer.stop)

    asyncio.run(putting())


def test_a_writer_folds_what_a_killed_one_left_and_what_waits_when_it_stops(store: Store) -> None:
    write(store, [uniform(1, 0.1)], NOW)
    run(store)
    assert waiting(store) == 0
    run(store, uniform(2, 0.2))
    assert waiting(store) == 0
    assert (value(store, 1, -1), value(store, 2, -1)) == (100, 200)


def test_a_writer_folds_when_nothing_comes(alone: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.folds.IDLE_S", 0.0)

    async def putting() -> None:
        writer = Writer(alone, lambda: NOW)
        writer.start()
        await writer.put(uniform(1, 0.1))
        await asyncio.to_thread(until, lambda: waiting(alone) == 0)
        await writer.put(uniform(2, 0.2))
        await asyncio.to_thread(writer.stop)

    asyncio.run(putting())
    assert (value(alone, 1, -1), value(alone, 2, -1)) == (100, 200)


def test_single_posts_wait_where_many_come_or_others_do(alone: Store) -> None:
    writer, off = Writer(alone, lambda: NOW), Writer(alone, lambda: NOW, journal=False)

    def waits(writer: Writer, posts: int) -> set[bool]:
        group = [batch(record(1, slot, 0.2)) for slot in range(posts)]
        writer._let_wait(group)
        return {one.journal for one in group}

    assert (waits(writer, SINGLES - 1), waits(writer, SINGLES)) == ({False}, {True})
    writer._folding.note(5)
    off._folding.note(5)
    assert (waits(writer, 1), waits(off, SINGLES)) == ({True}, {False})


def test_single_posts_that_wait_are_folded_when_the_writer_stops(alone: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.MANY", 1)
    rows: list[int] = []
    put = alone.journal.put
    monkeypatch.setattr(alone.journal, "put", lambda some, received: rows.append(put(some, received=received)))
    run(alone, *(batch(record(point, 0, 0.2)) for point in (1, 2, 3)))
    assert sum(rows) == 3
    assert waiting(alone) == 0
    assert [value(alone, point, 0) for point in (1, 2, 3)] == [200] * 3


def test_it_can_be_switched_off(alone: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the journal is switched off")

    monkeypatch.setattr(alone.journal, "accept", refused)
    run(alone, uniform(1, 0.1), *(batch(record(2, slot, 0.2)) for slot in range(SINGLES)), journal=False)
    assert (value(alone, 1, -1), value(alone, 2, 0)) == (100, 200)


class Broken:
    """A store whose journal cannot be folded."""

    def __init__(self, store: Store) -> None:
        self._store, self.tried = store, 0
        self.journal = self

    def fold_some(self) -> int:
        self.tried += 1
        raise StoreFull("there is no room left")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the store's own, or its journal's
        return getattr(self._store if hasattr(self._store, name) else self._store.journal, name)


def test_folding_that_fails_ends_nothing_and_in_the_end_no_more_is_taken(
    alone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.api.write.folds.MOST", 60)
    broken = Broken(alone)

    async def putting() -> None:
        writer = Writer(broken, lambda: NOW)  # type: ignore[arg-type] # a failing one
        writer.start()
        await writer.put(uniform(1, 0.1))
        await writer.put(uniform(2, 0.2))
        await asyncio.to_thread(until, lambda: writer._folding.full)
        with pytest.raises(Refused) as caught:
            writer.put(uniform(3, 0.3))
        assert caught.value.answer.status == 429
        await writer.put(batch(record(3, 0, 0.3)))  # what is saved at once is taken
        await asyncio.to_thread(writer.stop)

    asyncio.run(putting())
    assert broken.tried >= 1
    assert [value(alone, point, -1) for point in (1, 2)] == [100, 200]


class Counting:
    """A store that counts what of its journal is folded."""

    def __init__(self) -> None:
        self.left, self.folds = 0, 0
        self.journal = self

    def fold_some(self) -> int:
        self.folds += 1
        self.left = max(self.left - 1_000_000, 0)
        return 1

    def waiting(self, _access: object) -> Any:  # noqa: ANN401 - as the journal's
        return type("Waits", (), {"readings": self.left})


def test_when_it_is_time() -> None:
    store, now = Counting(), [100.0]
    folding = Folding(store, lambda: now[0])  # type: ignore[arg-type] # one that counts
    seen = [(folding.due_in(), folding.is_pressing)]
    folding.note(5)
    seen.append((folding.due_in(), folding.is_pressing))
    now[0] += OLD_S - 0.125
    folding.note(5)  # more comes all the time
    seen.append((folding.due_in(), folding.is_pressing))
    now[0] += 0.125
    seen.append((folding.due_in(), folding.is_pressing))
    assert seen == [(None, False), (IDLE_S, False), (0.125, False), (0.0, True)]
    assert (folding.fold(), folding.due_in()) == (False, None)
    store.left = MANY
    folding.note(MANY)
    seen_full = [(folding.is_pressing, folding.full)]
    assert folding.fold()  # a part of it
    seen_full.append((folding.is_pressing, folding.full))
    folding.note(MOST)
    seen_full.append((folding.is_pressing, folding.full))
    assert seen_full == [(True, False), (False, False), (True, True)]


@pytest.mark.parametrize(
    ("error", "is_bug"),
    [(StoreFull("there is no room left", where="grid.db", remedy="free some space"), False), (KeyError("x"), True)],
)
def test_what_failed_is_logged_by_name_and_remedy_and_a_bug_with_its_place(
    error: Exception, capsys: pytest.CaptureFixture[str], *, is_bug: bool
) -> None:
    class Failing:
        @property
        def journal(self) -> object:
            raise error

    structlog.reset_defaults()  # a command of another test in this process may have told the log to be quiet
    assert not Folding(Failing()).fold()  # type: ignore[arg-type] # no store at all
    said = capsys.readouterr()
    told = said.out + said.err
    assert ("free some space" in told, "Traceback" in told) == (not is_bug, is_bug)


def test_after_a_failure_it_pauses() -> None:
    now = [100.0]
    folding = Folding(object(), lambda: now[0])  # type: ignore[arg-type] # no store at all
    folding.note(MANY)
    seen = [folding.fold(), folding.is_pressing, folding.due_in()]
    now[0] += PAUSE_S
    assert [*seen, folding.is_pressing] == [False, False, PAUSE_S, True]
