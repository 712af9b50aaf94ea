from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import Kept, QuarantinedMeter, QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.readings import Readings
from gridwright.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def a_reading(at: int = 0, *, meter: str = "M-9", value: float = 250.0) -> QuarantinedReading:
    return QuarantinedReading(meter, NOON + at * QUARTER, value, 900)


READ = QuarantinedReading("M-9", NOON + timedelta(microseconds=5), 1_234_567.0, 0, DELIVERED_REGISTER)


def test_readings_wait_once(store: Store) -> None:
    these = [a_reading(2), a_reading(0), READ, a_reading(0)]
    assert store.quarantine.save(ME, these, received=NOON) == 3
    assert store.quarantine.save(ME, these, received=NOON + QUARTER) == 0
    assert store.quarantine.readings(ME, "M-9") == [a_reading(0), READ, a_reading(2)]
    assert store.quarantine.readings(ME, "M-9", limit=1) == [a_reading(0)]
    assert store.quarantine.readings(ME, "M-8") == []
    assert len(store.audit.records(ME)) == 1


def test_contradicting_values_wait_in_order_of_arrival(store: Store) -> None:
    for value in (2.0, 1.0):
        assert store.quarantine.save(ME, [a_reading(value=value)], received=NOON) == 1
    assert [each.value for each in store.quarantine.readings(ME, "M-9")] == [2.0, 1.0]


def test_meters_by_name_in_pages(store: Store) -> None:
    store.quarantine.save(ME, [a_reading(at, meter=f"M-{at % 5}") for at in range(20)], received=NOON + 40 * QUARTER)
    first = store.quarantine.meters(ME, limit=3)
    assert [each.meter for each in first] == ["M-0", "M-1", "M-2"]
    assert first[1] == QuarantinedMeter("M-1", 4, NOON + QUARTER, NOON + 16 * QUARTER, NOON + 40 * QUARTER)
    store.quarantine.save(ME, [a_reading(meter="M-00")], received=NOON)
    assert [each.meter for each in store.quarantine.meters(ME, limit=3, after="M-2")] == ["M-3", "M-4"]


def test_how_much_waits_of_one_meter_and_within_a_time(store: Store) -> None:
    store.quarantine.save(ME, [a_reading(at) for at in range(5)], received=NOON)
    last = NOON + 4 * QUARTER
    assert store.quarantine.meter(ME, "M-9") == QuarantinedMeter("M-9", 5, NOON, last, NOON)
    late = Interval(NOON + 3 * QUARTER, last)
    assert store.quarantine.meter(ME, "M-9", within=late) == QuarantinedMeter("M-9", 1, late.start, late.start, NOON)
    assert store.quarantine.meter(ME, "M-9", within=Interval(last + QUARTER, last + 2 * QUARTER)) is None
    store.quarantine.claim(ME, "M-9")
    assert store.quarantine.meter(ME, "M-9") is None


def test_claimed_readings_are_taken_out_once(store: Store) -> None:
    store.quarantine.save(ME, [a_reading(0), a_reading(1), a_reading(meter="M-8")], received=NOON)
    assert store.quarantine.claim(ME, "M-9") == [a_reading(0), a_reading(1)]
    assert store.quarantine.claim(ME, "M-9") == []
    assert store.quarantine.readings(ME, "M-9") == []
    assert [each.meter for each in store.quarantine.meters(ME)] == ["M-8"]
    assert store.audit.verify(ME) == 2


def test_what_was_claimed_and_comes_of_a_meter_that_nobody_knows_again_waits_again(store: Store) -> None:
    """After a wrong claim was taken back, it was told to be kept and was not there."""
    store.quarantine.save(ME, [a_reading(0), a_reading(1)], received=NOON)
    store.quarantine.claim(ME, "M-9")
    assert store.quarantine.save(ME, [a_reading(0)], received=NOON) == 1
    assert store.quarantine.claim(ME, "M-9") == [a_reading(0)]


def test_of_one_instant_the_value_that_came_last_waits_last(store: Store) -> None:
    """The first came once more, and the second counted."""
    for values in ((1.0,), (2.0,), (1.0,), (1.0,)):
        store.quarantine.save(ME, [a_reading(value=value) for value in values], received=NOON)
    assert [each.value for each in store.quarantine.readings(ME, "M-9")] == [2.0, 1.0]
    store.quarantine.save(ME, [a_reading(value=value) for value in (3.0, 2.0, 3.0)], received=NOON)
    assert [each.value for each in store.quarantine.readings(ME, "M-9")] == [1.0, 2.0, 3.0]


def test_until_when_the_intervals_of_a_meter_reach(store: Store) -> None:
    assert store.quarantine.reaches(ME, "M-9") is None
    read = replace(a_reading(9), interval_s=0, reading_type=DELIVERED_REGISTER)
    store.quarantine.save(ME, [a_reading(3), a_reading(1), read, replace(a_reading(7), meter="M-8")], received=NOON)
    assert store.quarantine.reaches(ME, "M-9") == a_reading(4).at
    store.quarantine.drop(ME, "M-9", reason="a meter of the neighbour's")
    assert store.quarantine.reaches(ME, "M-9") is None


def test_qualities_wait_with_their_values(store: Store) -> None:
    guess = replace(a_reading(value=9.0), quality=int(q.Status.ESTIMATED))
    sure = replace(a_reading(value=5.0), quality=int(q.Status.ACTUAL))
    for each in (guess, sure, guess):  # the guess gives way, whenever it comes
        store.quarantine.save(ME, [each], received=NOON)
    assert store.quarantine.claim(ME, "M-9") == [guess, sure]


def test_what_was_let_go_is_told_and_does_not_come_back(store: Store) -> None:
    store.quarantine.save(ME, [a_reading(0)], received=NOON)
    store.quarantine.drop(ME, "M-9", reason="a meter of the neighbour's")
    at_s = np.array([int(NOON.timestamp()), int((NOON + QUARTER).timestamp())])
    columns = np.zeros(2, np.int32), at_s, np.array([250.0, 1.0]), np.zeros(2, np.uint8), np.arange(2)
    part = Readings(("M-9",), *columns, interval_s=900)
    kept = store.quarantine.save_series(ME, [part], received=NOON)
    assert kept == Kept(1, let_go=(0,))
    assert [each.at for each in store.quarantine.readings(ME, "M-9")] == [NOON + QUARTER]


def test_a_claim_that_fails_leaves_them_waiting(store: Store) -> None:
    def claim_and_break() -> None:
        with store.transaction():
            assert store.quarantine.claim(ME, "M-9") == [a_reading()]
            raise RuntimeError("the readings could not be saved")

    store.quarantine.save(ME, [a_reading()], received=NOON)
    with pytest.raises(RuntimeError):
        claim_and_break()
    assert store.quarantine.readings(ME, "M-9") == [a_reading()]


def test_of_two_claims_at_once_one_gets_them(store: Store, again: Callable[[], Store]) -> None:
    store.quarantine.save(ME, [a_reading(at) for at in range(1000)], received=NOON)
    barrier, claimed = threading.Barrier(2), []

    def claim() -> None:
        with again() as mine:
            barrier.wait()
            claimed.append(len(mine.quarantine.claim(ME, "M-9")))

    threads = [threading.Thread(target=claim) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [0, 1000]


@pytest.mark.parametrize("changes", [{"meter": ""}, {"meter": "x" * 121}, {"value": float("nan")}])
def test_what_cannot_wait(store: Store, changes: dict[str, str | float]) -> None:
    with pytest.raises(InputError):
        store.quarantine.save(ME, [replace(a_reading(), **changes)], received=NOON)  # type: ignore[arg-type]


def test_who_sees_a_part_of_the_town_sees_no_unknown_meter(store: Store) -> None:
    ann = Access("ann", Role.CUSTOMER, frozenset({"UP-1"}))
    for ask in (store.quarantine.meters, lambda access: store.quarantine.readings(access, "M-9")):
        with pytest.raises(AccessDenied):
            ask(ann)


def test_room_is_for_what_is_new_and_what_waits_already_needs_none(store: Store) -> None:
    """The same again took the place of what came behind it, and a full quarantine refused what waits."""
    at_s = np.full(4, int(NOON.timestamp()))
    columns = np.array([0, 0, 1, 2], np.int32), at_s, np.full(4, 250.0), np.zeros(4, np.uint8), np.arange(4)
    part = Readings(("A", "B", "C"), *columns, interval_s=900)
    assert store.quarantine.save_series(ME, [part], received=NOON, room=2) == Kept(2, no_room=(3,))
    assert store.quarantine.save_series(ME, [part], received=NOON, room=0) == Kept(0, no_room=(3,))
    assert [each.meter for each in store.quarantine.meters(ME)] == ["A", "B"]


def test_far_instants_of_one_batch_find_what_waits(store: Store) -> None:
    these = [a_reading(at, meter=meter) for at in (0, 1, 96 * 400) for meter in ("M-9", "M-8")]
    assert store.quarantine.save(ME, these, received=NOON) == 6
    assert store.quarantine.save(ME, these, received=NOON) == 0
