"""A batch of very many register reads is written some usage points at a time: the others get between."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.health import STUCK_S
from gridwright.api.ingest.few import FEW
from gridwright.api.ingest.names import Resolved
from gridwright.api.write import writer as writer_module
from gridwright.api.write.ahead import _first, _some
from gridwright.api.write.batches import write
from gridwright.api.write.cuts import last_cut
from gridwright.api.write.writer import Writer
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreFull, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.integration.test_group_commit import QUARTER, START, TOWN, batch, put, record, register, store, told, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gridwright.api.write.batch import Batch
    from gridwright.store import Store

__all__ = ["store"]
SLOTS = 12
DAY = Interval(START - QUARTER, START + timedelta(days=1))


def many(**wrong: float) -> Batch:
    """Reads of three usage points in turn, with intervals of the second; `wrong` ones in place of some."""
    reads = [
        register(point, slot, wrong.get(f"p{point}_{slot}", 100 * point + slot))
        for slot in range(SLOTS)
        for point in (1, 2, 3)
    ]
    assert len(reads) > FEW
    return batch(*reads, *(record(2, slot, 0.5) for slot in range(-60, -40)))


def stored(store: Store) -> dict[str, list[tuple[Any, float]]]:
    return {
        point: [(read.at, read.value) for read in store.registers.load(ME, point, DAY)] for point in sorted(TOWN.points)
    }


def test_others_pass_a_batch_of_many_register_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.READS", SLOTS)
    order, settle = list[int](), writer_module._settle

    def settled(group: Sequence[Batch], outcomes: Sequence[Any]) -> None:
        order.extend(one.decoded.verdicts.accepted for one in group)
        settle(group, outcomes)

    monkeypatch.setattr("gridwright.api.write.writer._settle", settled)
    behind = batch(record(3, -50, 0.9))
    answers = put(store, many(), behind, batch(*(record(1, slot, 0.3) for slot in (-70, -71))))
    assert [told(one)["accepted"] for one in answers] == [3 * SLOTS + 20, 1, 2]
    assert order == [2, 3 * SLOTS + 20, 1], "who has nothing of what is yet to be written passes"
    assert stored(store) == {
        f"UP-{point}": [(START + QUARTER * slot, 1000.0 * (100 * point + slot)) for slot in range(SLOTS)]
        for point in (1, 2, 3)
    }
    assert (value(store, 2, -45), value(store, 3, -50), value(store, 1, -70)) == (500, 900, 300)


@pytest.mark.parametrize("reads", [1, 2 * SLOTS, 10_000])
def test_verdicts_and_what_is_stored_are_the_same_however_it_is_cut(
    store: Store, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.READS", reads)
    (answer,) = put(store, many(p1_5=900_000, p3_7=0))
    verdict = told(answer)
    assert (verdict["accepted"], verdict["doubted"]) == (3 * SLOTS + 20, 2)
    assert [one["index"] for one in verdict["verdicts"]] == [15, 23]
    found = stored(store)
    assert [len(found[f"UP-{point}"]) for point in (1, 2, 3)] == [SLOTS] * 3
    assert value(store, 2, -45) == 500


def test_a_part_that_fails_is_told_and_the_same_again_is_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.READS", SLOTS)
    left = [1]

    def full(*args: Any) -> Any:  # noqa: ANN401 - as it is asked
        left[0] -= 1
        outcomes = write(*args)
        if left[0] < 0:
            raise StoreFull("no room")
        return outcomes

    with monkeypatch.context() as patch:
        patch.setattr("gridwright.api.write.ahead.write", full)
        patch.setattr("gridwright.api.write.writer.write", full)
        (failed,) = put(store, many())
    assert isinstance(failed, StoreFull)
    (again,) = put(store, many())
    assert told(again)["accepted"] == 3 * SLOTS + 20
    assert [len(reads) for reads in stored(store).values()] == [SLOTS] * 3


def test_what_passes_does_not_have_the_rest_written_as_a_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All others would wait for it. Two processes that lock out each other on a server are one thing that passes."""
    monkeypatch.setattr("gridwright.api.write.writer.READS", SLOTS)
    left, reads = [1], list[int]()

    def locked_once(store: Store, batches: Sequence[Batch], now: Any) -> Any:  # noqa: ANN401 - as it is asked
        left[0] -= 1
        if left[0] == 0:
            raise StoreLocked("locked")
        reads.extend(one.reads for one in batches)
        return write(store, batches, now)

    monkeypatch.setattr("gridwright.api.write.ahead.write", locked_once)
    monkeypatch.setattr("gridwright.api.write.writer.write", locked_once)
    (answer,) = put(store, many())
    assert told(answer)["accepted"] == 3 * SLOTS + 20
    assert reads == [SLOTS] * 3
    left[0] = 1
    monkeypatch.setattr("gridwright.api.write.writer.READS", 1)
    (impatient,) = put(store, many(), patience_s=0.0)
    assert told(impatient)["accepted"] == 3 * SLOTS + 20, "who may not wait is written as a whole, and told of that"


def test_a_writer_that_gets_on_with_a_large_batch_is_not_late_nor_out_of_patience(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be taken for stuck, and for what passes at its end the whole request would have to come again."""
    monkeypatch.setattr("gridwright.api.write.writer.READS", SLOTS // 2)
    passed, lags, writers, locked, start = [0.0], list[float](), list[Writer](), [True], Writer.start
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0], sleep=time.sleep)
    monkeypatch.setattr(writer_module, "time", clock)

    def started(writer: Writer) -> None:
        writers.append(writer)
        start(writer)

    def slowly(*args: Any) -> Any:  # noqa: ANN401 - as it is asked
        passed[0] += 40
        lags.append(writers[0].figures().lag_s)
        return write(*args)

    def locked_at_the_end(*args: Any) -> Any:  # noqa: ANN401 - as it is asked
        if locked.pop():
            locked.append(False)
            raise StoreLocked("locked")
        return write(*args)

    monkeypatch.setattr("gridwright.api.write.ahead.write", slowly)
    monkeypatch.setattr("gridwright.api.write.writer.write", locked_at_the_end)
    monkeypatch.setattr(Writer, "start", started)
    (answer,) = put(store, many())
    assert told(answer)["accepted"] == 3 * SLOTS + 20
    assert len(lags) == 3
    assert max(lags) < STUCK_S < sum(lags)


def test_what_parts_set_aside_stays_counted_where_the_end_is_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.api.write.writer.READS", SLOTS)
    known = [record(point, slot, 0.5) for point in (1, 2, 3) for slot in range(-60, -50)]
    put(store, batch(*known))
    guesses = [one | {"kwh": 0.7, "quality": "estimated"} for one in known]
    reads = [register(point, slot, 100 * point + slot) for slot in range(SLOTS) for point in (1, 2, 3)]
    locked = [True]

    def locked_at_first(store: Store, batches: Sequence[Batch], now: Any) -> Any:  # noqa: ANN401 - as it is asked
        outcomes = write(store, batches, now)
        if locked.pop():
            locked.append(False)
            raise StoreLocked("locked")
        return outcomes

    monkeypatch.setattr("gridwright.api.write.writer.write", locked_at_first)
    (answer,) = put(store, batch(*reads, *guesses))
    assert (told(answer)["accepted"], told(answer)["set_aside"]) == (3 * SLOTS + 30, 30)


DAYS, A_DAY = 12, 8


def of_one_point(**wrong: float) -> list[dict[str, Any]]:
    """Reads of one usage point in no order, eight a day, with one instant twice; `wrong` ones in place of some."""
    first = -12 * DAYS * A_DAY
    reads = [register(1, first + 12 * at, wrong.get(f"n{at}", 1000 + at)) for at in range(DAYS * A_DAY)]
    random.Random(5).shuffle(reads)  # noqa: S311 - an order, no secret
    return [*reads, dict(reads[40]), record(1, -40, 0.5), record(1, first + 31, 0.25)]


def left(store: Store) -> list[Any]:
    """Return all that a usage point has: reads, doubts, and the energy of each day."""
    days = [Interval(START - timedelta(days=day), START - timedelta(days=day - 1)) for day in range(DAYS + 1)]
    energy = [store.readings.load(ME, "UP-1", day, interval=QUARTER).values.tolist() for day in days]
    reads = [
        (one.at, one.value, one.epoch)
        for one in store.registers.load(ME, "UP-1", Interval(days[-1].start, days[0].end))
    ]
    doubts = [(one.finding.code, one.finding.period) for one in store.findings.page(ME, limit=1000)]
    return [repr(energy), reads, sorted(doubts, key=repr)]


@pytest.mark.parametrize(
    ("wrong", "doubted"),
    [({}, 0), ({"n23": 0.0}, 1), ({"n24": 90_000.0, "n55": 0.0}, 2), ({"n7": 1.0, "n8": 2.0}, 0)],
    ids=["none", "a day's last", "a day's first", "a reset"],
)
@pytest.mark.parametrize("reads", [1, 3 * A_DAY])
def test_one_usage_point_with_very_many_reads_is_cut_by_days(
    monkeypatch: pytest.MonkeyPatch, reads: int, wrong: dict[str, float], doubted: int
) -> None:
    found, sizes, real = [], list[int](), write

    def noted(store: Store, batches: Sequence[Batch], now: Any) -> Any:  # noqa: ANN401 - as it is asked
        sizes.extend(one.reads for one in batches)
        return real(store, batches, now)

    monkeypatch.setattr("gridwright.api.write.ahead.write", noted)
    monkeypatch.setattr("gridwright.api.write.writer.write", noted)
    for most in (10_000, reads):
        monkeypatch.setattr("gridwright.api.write.writer.READS", most)
        with open_store("sqlite://") as opened:
            opened.registry.save_points(ME, [UsagePoint(f"UP-{point}", capacity_kw=100.0) for point in (1, 2, 3)])
            (answer,) = put(opened, batch(*of_one_point(**wrong)))
            found.append((told(answer), left(opened)))
    assert found[0] == found[1]
    assert found[0][0].get("doubted", 0) == doubted
    whole, *parts = sizes
    assert whole == sum(parts)
    assert len(parts) >= DAYS * A_DAY // (reads + A_DAY) // 2
    assert max(parts) <= max(reads, 3 * A_DAY)


@pytest.mark.parametrize(("most", "is_cut"), [(A_DAY, False), (A_DAY // 2, True)])
def test_a_few_days_of_reads_that_fall_at_each_midnight_are_not_cut(most: int, *, is_cut: bool) -> None:
    """Beside a fall one portion judges what the next one would judge otherwise; of very many the others still pass."""
    midnight = START.replace(hour=0)
    reads = [
        {"usage_point": "UP-1", "at": (midnight + timedelta(hours=3 * at)).isoformat(), "register_kwh": 9 - at % A_DAY}
        for at in range(-3 * A_DAY, 0)
    ]
    assert (last_cut(batch(*reads).resolved.registers, "UP-1", most) is not None) is is_cut


ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=30)


def a_series(rows: list[tuple[int, int]]) -> Readings:
    point, at = (np.array(column) for column in zip(*rows, strict=True))
    size = len(rows)
    columns = (point.astype(np.int32), at.astype(np.int64), at * 1.0, np.zeros(size, np.uint8), np.arange(size))
    return Readings(tuple("ABBCD"), *columns, devices=tuple("vwxyz"))


def rows_of(parts: Sequence[Readings]) -> list[tuple[str, str, int, int]]:
    return sorted(
        (part.points[point], part.devices[point], at, line)
        for part in parts
        for point, at, line in zip(part.point.tolist(), part.at.tolist(), part.line.tolist(), strict=True)
    )


@given(series=st.lists(ROWS, min_size=1, max_size=3), most=st.integers(1, 40))
def test_a_cut_keeps_all_reads_and_usage_points_whole(series: list[list[tuple[int, int]]], most: int) -> None:
    whole = Resolved(registers=[a_series(rows) for rows in series])
    names = _first(whole.registers, most)
    now, later = (_some(whole, names, None, of=of) for of in (True, False))
    assert rows_of(now.registers + later.registers) == rows_of(whole.registers)
    assert {row[0] for row in rows_of(now.registers)} == names
    assert names.isdisjoint(row[0] for row in rows_of(later.registers))
    assert len(rows_of(now.registers)) <= most or len(names) == 1
    assert all(set(part.points) == {part.points[at] for at in part.point.tolist()} for part in now.registers)
