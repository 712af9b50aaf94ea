"""The writer: one bad batch fails alone, what speaks of the same interval is kept in turn, a lock is waited for."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from gridwright.api.answer import Answer, Refused
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directory, resolve
from gridwright.api.write import writer as writer_module
from gridwright.api.write.batch import Batch, Once
from gridwright.api.write.batches import write
from gridwright.api.write.writer import Writer
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, StoreError, StoreFull, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from gridwright.telemetry import configure_log
from tests.integration.store.conftest import emptied

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2026, 11, 25, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
ANSWERED_WITHIN_S = 120.0
TOWN = Directory({"UP-1": 1, "UP-2": 2, "UP-3": 3})


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    kind = request.param
    address = str(tmp_path / "grid.db") if kind == "sqlite" else emptied(request.getfixturevalue(f"{kind}_url"))
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        yield store


def record(point: int, slot: int, kwh: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    start = (START + QUARTER * slot).isoformat()
    return {"usage_point": f"UP-{point}", "start": start, "kwh": kwh, "interval_s": 900} | more


def register(point: int, slot: int, kwh: float) -> dict[str, Any]:
    return {"usage_point": f"UP-{point}", "at": (START + QUARTER * slot).isoformat(), "register_kwh": kwh}


def batch(*records: dict[str, Any], access: Access = ME, once: Once | None = None) -> Batch:
    decoded = decode_json(msgspec.json.encode(records), Said(), NOW)
    return Batch(access, NOW, decoded, resolve(decoded, TOWN, access), TOWN, tell_readings, once)


def told(outcome: object) -> dict[str, Any]:
    assert isinstance(outcome, Answer)
    answer: dict[str, Any] = msgspec.json.decode(outcome.body)
    return answer


def value(store: Store, point: int, slot: int) -> float:
    begin = START + QUARTER * slot
    return float(
        store.readings.load(ME, f"UP-{point}", Interval(begin, begin + QUARTER), interval=QUARTER).values.item()
    )


def test_batches_are_written_together_and_each_gets_its_own_answer(store: Store) -> None:
    before = len(store.audit.records(ME))
    many = [record(3, slot, 0.1) for slot in range(15)] * 2
    outcomes = write(
        store, [batch(record(1, 0, 0.1)), batch(record(2, 0, 0.2), record(2, 1, 9, flow="x")), batch(*many)], NOW
    )
    assert [(told(one)["accepted"], told(one)["rejected"]) for one in outcomes] == [(1, 0), (1, 1), (30, 0)]
    assert (value(store, 1, 0), value(store, 2, 0), value(store, 3, 14)) == (100, 200, 100)
    # One record for the single readings, one for those in columns; other databases than SQLite take all in columns.
    assert len(store.audit.records(ME)) - before in {1, 2}


def test_of_two_batches_on_one_interval_the_first_is_superseded_and_kept(store: Store) -> None:
    write(store, [batch(record(1, 2, 0.1, quality="estimated")), batch(record(1, 2, 0.3))], NOW)
    assert value(store, 1, 2) == 300
    images = store.readings.versions(ME, "UP-1", START.date())
    assert len(images) >= 2


def test_what_is_set_aside_is_counted_with_the_batch_it_came_with(store: Store) -> None:
    write(store, [batch(record(1, 0, 0.5), record(2, 1, 0.5))], NOW)
    guess = {"quality": "estimated"}
    batches = [
        batch(record(1, 0, 1.0, **guess), record(3, 0, 1.0, **guess)),
        batch(record(1, 0, 2.0, **guess), record(2, 1, 2.0, **guess), record(2, 1, 2.5, **guess)),
        batch(record(3, 0, 3.0)),
        batch(record(2, 1, 0.5, **guess)),
        batch(record(1, 0, 5.0, quality="estimated_final")),
    ]
    answers = [told(outcome) for outcome in write(store, batches, NOW)]
    assert [each.get("set_aside", 0) for each in answers] == [1, 2, 0, 0, 0]
    assert all(each["accepted"] for each in answers)
    (again,) = write(store, [batches[1]], NOW)
    assert told(again)["set_aside"] == 2, "a second attempt counts anew"


def test_one_that_may_not_be_written_fails_alone(store: Store) -> None:
    viewer = batch(record(1, 3, 0.1), access=Access("eve", Role.VIEWER))
    outcomes = write(store, [batch(record(2, 3, 0.2)), viewer, batch(record(3, 3, 0.3))], NOW)
    assert [type(one) for one in outcomes] == [Answer, AccessDenied, Answer]
    assert (value(store, 2, 3), value(store, 3, 3)) == (200, 300)


def test_a_misfit_is_told_to_the_batch_it_came_with(store: Store) -> None:
    write(store, [batch(record(1, -96, 0.1))], NOW)
    half = {"interval_s": 1800}
    fits, misfits = record(2, -96, 0.1, **half), record(1, -94, 0.1, **half)
    outcomes = write(store, [batch(fits), batch(record(3, -96, 1), misfits)], NOW)
    assert [(told(one)["accepted"], told(one)["rejected"]) for one in outcomes] == [(1, 0), (1, 1)]
    assert told(outcomes[1])["verdicts"][0]["index"] == 1


def test_a_misfit_over_midnight_is_told_and_costs_nobody_else_the_answer(store: Store) -> None:
    late = START.replace(hour=23, minute=45) - timedelta(days=5)
    hour = {"interval_s": 3600}
    write(store, [batch(record(1, 0, 0.1) | hour | {"start": (late - timedelta(minutes=45)).isoformat()})], NOW)
    misfit = batch(record(1, 0, 0.1) | hour | {"start": late.isoformat()})
    outcomes = write(store, [misfit, batch(record(2, 0, 0.2))], NOW)
    assert [(told(one)["accepted"], told(one)["rejected"]) for one in outcomes] == [(0, 1), (1, 0)]


def test_a_meter_with_a_profile_of_its_own_costs_no_other_its_derived_energy(store: Store) -> None:
    write(store, [batch(record(1, -320, 0.1, interval_s=1800))], NOW)
    for slot, kwh in ((-300, 5), (-299, 5.5)):
        pair = [batch(register(point, slot, kwh), register(3, slot, kwh)) for point in (1, 2)]
        write(store, pair, NOW)
    assert [value(store, point, -300) for point in (2, 3)] == [500, 500]


def test_the_answer_is_remembered_with_the_readings_or_not_at_all(store: Store) -> None:
    once = Once("key-1", "digest")
    (first,) = write(store, [batch(record(1, 7, 0.1), once=once)], NOW)
    kept = store.answers.recall(ME, "key-1", "digest")
    assert kept is not None
    assert kept.body == first.body if isinstance(first, Answer) else False
    second, other = write(store, [batch(record(1, 7, 0.9), once=once), batch(record(2, 7, 0.2))], NOW)
    assert isinstance(second, Conflict)  # another process was quicker: nothing of this one is kept
    assert (value(store, 1, 7), value(store, 2, 7)) == (100, 200)
    assert told(other)["accepted"] == 1


def test_registers_of_one_usage_point_in_one_transaction_follow_each_other(store: Store) -> None:
    outcomes = write(store, [batch(register(2, 10, 5)), batch(register(2, 11, 5.5)), batch(register(2, 12, 1))], NOW)
    assert [told(one)["accepted"] for one in outcomes] == [1, 1, 1]
    reads = store.registers.load(ME, "UP-2", Interval(START, NOW), DELIVERED_REGISTER)
    assert [(read.value, read.epoch) for read in reads] == [(5000, 0), (5500, 0), (1000, 1)]
    assert value(store, 2, 10) == 500
    # A single read that jumps and comes back is wrong; in one request it is seen, named, and kept.
    (wrong,) = write(store, [batch(*(register(3, slot, kwh) for slot, kwh in ((10, 5), (11, 90), (12, 6))))], NOW)
    assert (told(wrong)["accepted"], told(wrong)["doubted"], told(wrong)["verdicts"][0]["index"]) == (3, 1, 1)
    # A read between two known ones changes no epoch.
    write(store, [batch(register(1, 8, 1)), batch(register(1, 12, 2))], NOW)
    write(store, [batch(register(1, 10, 1.5))], NOW)
    write(store, [batch(register(1, 10, 1.6))], NOW)
    reads = store.registers.load(ME, "UP-1", Interval(START, NOW), DELIVERED_REGISTER)
    assert [(read.value, read.epoch) for read in reads] == [(1000, 0), (1600, 0), (2000, 0)]


class Failing:
    """A store whose transactions fail a number of times before they work."""

    def __init__(self, store: Store, error: Exception, times: int) -> None:
        self._store, self._error, self.times = store, error, times

    def transaction(self, *, settled: bool = True) -> Any:  # noqa: ANN401 - as the store's
        if self.times:
            self.times -= 1
            raise self._error
        return self._store.transaction(settled=settled)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the store's own
        return getattr(self._store, name)


def put(store: object, *batches: Batch, patience_s: float = 5.0) -> list[object]:
    async def putting() -> list[object]:
        writer = Writer(store, lambda: NOW, patience_s=patience_s)  # type: ignore[arg-type] # a failing one
        writer.start()
        assert writer.alive
        try:
            futures = [writer.put(one) for one in batches]
            return list(await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), ANSWERED_WITHIN_S))
        finally:
            await asyncio.to_thread(writer.stop)
            assert not writer.alive

    return asyncio.run(putting())


def test_a_lock_is_waited_for_and_then_told(tmp_path: Path) -> None:
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        (answer,) = put(Failing(store, StoreLocked("locked"), 3), batch(record(1, 0, 0.1)))
        assert told(answer)["accepted"] == 1
        (locked,) = put(Failing(store, StoreLocked("locked"), 10**6), batch(record(1, 1, 0.1)), patience_s=0.2)
        assert isinstance(locked, StoreLocked)
        full = Failing(store, StoreFull("full"), 1)
        assert isinstance(put(full, batch(record(1, 1, 0.1)))[0], StoreFull)
        (broken, fine) = put(Failing(store, RuntimeError("a bug"), 1), batch(record(1, 1, 0.1))), None
        assert isinstance(broken[0], RuntimeError)
        assert fine is None


def test_who_waited_behind_a_lock_is_answered_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.GROUP", 1)
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        locked = Failing(store, StoreLocked("locked"), 10**6)
        answers = put(locked, *(batch(record(1, slot, 0.1)) for slot in range(50)), patience_s=0.5)
        assert all(isinstance(answer, StoreLocked) for answer in answers)
        assert 10**6 - locked.times < 100, "each was tried until its patience ended"
        locked.times = 0
        (answer,) = put(locked, batch(record(1, 0, 0.1)))
        assert told(answer)["accepted"] == 1


def test_a_log_that_cannot_be_written_does_not_end_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    configure_log()
    monkeypatch.setattr("sys.stderr", closed)
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        failing = Failing(store, RuntimeError("a bug"), 1)
        (broken,) = put(failing, batch(record(1, 1, 0.1)))
        assert isinstance(broken, RuntimeError)
        (answer,) = put(failing, batch(record(1, 1, 0.1)))
        assert told(answer)["accepted"] == 1


def test_what_the_database_refuses_fails_alone(tmp_path: Path) -> None:
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        refusing = Failing(store, StoreError("the database refused: no such thing"), 2)
        outcomes = put(refusing, batch(record(1, 0, 0.1)), batch(record(2, 0, 0.2)), batch(record(3, 0, 0.3)))
        # All were tried together, then one by one, of which the first was refused again.
        assert isinstance(outcomes[0], StoreError)
        assert [told(one)["accepted"] for one in outcomes[1:]] == [1, 1]


def test_more_than_may_wait_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.WAITING", 1)
    with open_store(tmp_path / "grid.db") as store:
        slow = Failing(store, StoreLocked("locked"), 10**6)

        async def overfill() -> None:
            writer = Writer(slow, lambda: NOW, patience_s=0.5)  # type: ignore[arg-type] # a failing one
            with pytest.raises(Refused):  # it has not begun
                writer.put(batch(record(1, 0, 0.1)))
            writer.start()
            futures: list[asyncio.Future[Answer]] = []
            with pytest.raises(Refused) as caught:
                futures.extend(writer.put(batch(record(1, 0, 0.1))) for _ in range(100))
            assert caught.value.answer.status == 429
            figures = writer.figures()
            assert (figures.refused, figures.batches >= 1, figures.lag_s >= 0) == (1, True, True)
            assert (b"retry-after", b"2") in caught.value.answer.headers
            await asyncio.gather(*futures, return_exceptions=True)
            await asyncio.to_thread(writer.stop)
            assert (writer.figures().failed, writer.figures().batches) == (len(futures), 0)

        asyncio.run(overfill())


def test_a_bug_between_two_groups_does_not_end_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who had sent would wait for ever: the queue takes more, and nobody is there to write it."""
    faults, gather = [OSError(22, "Invalid argument")] * 2, Writer._gather

    def gather_or_fail(writer: Writer) -> None:
        if faults:
            raise faults.pop()
        gather(writer)

    monkeypatch.setattr(Writer, "_gather", gather_or_fail)
    configure_log("error", json_lines=False)
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        (answer,) = put(store, batch(record(1, 0, 0.1)))
    assert told(answer)["accepted"] == 1
    assert not faults


def test_a_group_begins_when_half_of_the_last_crowd_is_there_or_all_of_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, pauses = Writer(cast("Any", None), lambda: NOW), list[float]()

    def arriving(pause: float) -> None:
        """While the writer waits, another one arrives, but not a fourth."""
        pauses.append(pause)
        if len(writer._queue) < 3:
            writer._queue.append(batch())

    monkeypatch.setattr(writer._changed, "wait", arriving)
    for crowd, arrived, waited in (
        (0, 1, 0),
        (1, 1, 0),
        (2, 1, 1),
        (3, 3, 0),
        (4, 1, 3),
        (4, 4, 0),
        (9, 1, 3),
        (9, 5, 0),
    ):
        pauses.clear()
        writer._crowd, writer._queue = crowd, deque([batch()] * arrived)
        writer._gather()
        assert len(pauses) == waited

    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])

        async def alone() -> int:
            lone = Writer(store, lambda: NOW)
            lone.start()
            for slot in range(3):
                assert told(await lone.put(batch(record(1, slot, 0.1))))["accepted"] == 1
            await asyncio.to_thread(lone.stop)
            return lone._crowd

        assert asyncio.run(alone()) == 1  # who is alone waits for nobody


def test_who_completes_the_part_of_the_crowd_wakes_the_writer_and_nobody_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.GATHER_S", 3_600.0)
    writer = Writer(cast("Any", None), lambda: NOW)
    writer._crowd, writer._queue = 6, deque([batch(), batch()])
    gathering = threading.Thread(target=writer._gather, daemon=True)
    writer._thread = gathering
    gathering.start()
    while not writer._awaited:
        time.sleep(0.001)

    async def arrive() -> None:
        writer.queue(batch(), asyncio.get_running_loop().create_future())

    asyncio.run(arrive())
    gathering.join(0.1)
    assert gathering.is_alive()
    asyncio.run(arrive())
    gathering.join(30)
    assert not gathering.is_alive()
    assert len(writer._queue) == 4


def stray(number: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"meter": f"X-{number}", "start": START.isoformat(), "kwh": 1, "interval_s": 900} | more


def test_a_flood_of_unknown_names_holds_up_nobody_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its quarantine is written in slices, between which the others are: they are answered first, and it whole."""
    monkeypatch.setattr("gridwright.api.write.writer.STRAYS", 10)
    order, settle = list[int](), writer_module._settle

    def settled(group: Sequence[Batch], outcomes: Sequence[Any]) -> None:
        order.extend(one.readings for one in group)
        settle(group, outcomes)

    monkeypatch.setattr("gridwright.api.write.writer._settle", settled)
    flood = batch(*map(stray, range(35)), record(1, 0, 0.1), once=Once("flood", "digest"))
    few = batch(*map(stray, range(100, 103)), record(2, 0, 0.2))
    answers = put(store, flood, few, batch(record(3, 0, 0.3)))
    assert [(told(one)["accepted"], told(one)["quarantined"]) for one in answers] == [(1, 35), (1, 3), (1, 0)]
    assert order == [4, 1, 36]
    assert len(store.quarantine.meters(ME)) == 38
    assert [value(store, point, 0) for point in (1, 2, 3)] == [100, 200, 300]
    kept = store.answers.recall(ME, "flood", "digest")
    assert kept is not None
    # The same again changes nothing, however it is cut.
    (again,) = put(store, batch(*map(stray, range(35)), once=Once("flood-2", "digest")))
    assert (told(again)["quarantined"], len(store.quarantine.meters(ME))) == (35, 38)


def test_what_comes_behind_a_flood_of_unknown_names_counts_where_both_tell_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.STRAYS", 10)
    flood = batch(*map(stray, range(35)), record(1, 0, 0.1))
    meter = batch(stray(3, kwh=7))
    answers = put(store, flood, meter, batch(record(1, 0, 0.6)), batch(record(2, 0, 0.2)))
    assert [(told(one)["accepted"], told(one)["quarantined"]) for one in answers] == [(1, 35), (0, 1), (1, 0), (1, 0)]
    assert [value(store, point, 0) for point in (1, 2)] == [600, 200]
    assert [kept.value for kept in store.quarantine.claim(ME, "X-3")] == [1000, 7000]


def test_a_flood_that_finds_the_quarantine_full_is_told_how_much_was_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.STRAYS", 10)
    monkeypatch.setattr("gridwright.store.quarantine.LIMIT", 25)
    (answer,) = put(store, batch(*map(stray, range(35))))
    verdict = told(answer)
    kept = len(store.quarantine.meters(ME))
    assert (verdict["quarantined"], verdict["rejected"]) == (kept, 35 - kept)
    assert kept == 25
    refused = [one["value"] for one in verdict["verdicts"] if one["status"] == "rejected"]
    assert refused == [f"X-{number}" for number in range(25, 35)]
