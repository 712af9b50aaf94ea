"""Cancelling an exchange: what it takes back, what it leaves, and where it is refused with a way out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, GridwrightError, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel, preview_cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Newest, Store, open_store
from gridwright.store.quarantine import Quarantine

START = datetime(2026, 3, 1, tzinfo=UTC)
AT, LATER = START + timedelta(days=2), START + timedelta(days=3)
NOW = START + timedelta(days=5)
WHOLE = Interval(START, NOW)
ORDER = MeterExchange("UP-1", Meter("M-2"), AT, Decimal("112.4"), Decimal("0.2"))
UNDO = ExchangeCancelling("UP-1", AT, "the neighbour's meter was exchanged")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://", clock=lambda: NOW) as opened:
        opened.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=30.0)])
        opened.registry.save_meter(ME, Meter("M-1"))
        opened.registry.save_installation(ME, install("UP-1", "M-1", START - timedelta(days=99)))
        opened.registers.save(ME, [RegisterReading("UP-1", START, 100_000.0, "M-1")], known_at=START)
        opened.readings.save(ME, Panel(("UP-1",), START, timedelta(hours=1), np.full((1, 120), 250.0)), known_at=START)
        opened.dirty.clear(ME, opened.dirty.ranges(ME))
        yield opened


def reads(store: Store) -> list[tuple[float, str, int]]:
    return [(read.value, read.end_device, read.epoch) for read in store.registers.load(ME, "UP-1", WHOLE)]


def meters(store: Store) -> list[tuple[str, bool]]:
    return [(each.end_device, each.is_open) for each in store.registry.installations(ME, "UP-1")]


def test_reads_of_both_registers_go_and_everything_stays_on_record(store: Store) -> None:
    exchange_meter(store, ME, replace(ORDER, final_received_kwh=Decimal(7), opening_received_kwh=Decimal(1)), now=NOW)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    seen = preview_cancel(store, ME, UNDO)
    assert (seen.gone.end_device, seen.goes_on and seen.goes_on.is_open, len(seen.no_more)) == ("M-2", True, 4)
    assert len(reads(store)) == 3
    cancel(store, ME, UNDO, now=NOW)
    assert (reads(store), meters(store)) == ([(100_000.0, "M-1", 0)], [("M-1", True)])
    assert store.registers.load(ME, "UP-1", WHOLE, RECEIVED_REGISTER) == ()
    assert store.registers.kinds(ME, "UP-1") == (DELIVERED_REGISTER,)
    assert store.dirty.ranges(ME)[0].period == Interval(START, AT + timedelta(days=1))
    (told,) = [each for each in store.audit.records(ME) if "cancelled" in each.detail]
    assert (told.actor, told.subject, told.detail["cancelled"]) == ("local", "UP-1", "M-2")
    assert told.detail["reason"] == UNDO.reason
    with store._engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT count(*) FROM register_version").scalar_one()
    assert kept == 4
    assert all(each.ok for each in store.checks.links(ME))
    with pytest.raises(NotFound, match="no meter began at"):
        cancel(store, ME, UNDO, now=NOW)


def test_a_read_that_the_final_one_stood_in_for_counts_again(store: Store) -> None:
    store.registers.save(ME, [RegisterReading("UP-1", AT, 112_000.0, "M-1")], known_at=AT)
    before = reads(store)
    for _ in range(2):  # a second time over what the first one left
        exchange_meter(store, ME, ORDER, now=NOW)
        assert reads(store)[1] == (112_400.0, "M-1", 0)
        (final, opening) = preview_cancel(store, ME, UNDO).written
        assert (final.earlier and final.earlier.value, opening.earlier) == (112_000.0, None)
        cancel(store, ME, UNDO, now=NOW)
        assert reads(store) == before


def test_what_the_new_meter_told_since_stands_on_it_goes_when_asked_and_comes_back(store: Store) -> None:
    """An exchange with a wrong factor is corrected: cancelled, made anew, and nothing has to be delivered again."""
    exchange_meter(store, ME, ORDER, now=NOW)
    store.registers.save(ME, [RegisterReading("UP-1", LATER, 900.0, "M-2", 1)], known_at=NOW)
    for act in (lambda: preview_cancel(store, ME, UNDO), lambda: cancel(store, ME, UNDO, now=NOW)):
        with pytest.raises(Conflict, match=r"1 read of meter M-2 stand.* 0\.900 kWh .*--with-reads"):
            act()
    every = reads(store)
    cancel(store, ME, replace(UNDO, with_reads=True), now=NOW)
    assert reads(store) == [(100_000.0, "M-1", 0)]
    exchange_meter(store, ME, replace(ORDER, multiplier=Decimal(20)), now=NOW)
    assert reads(store) == every
    assert store.registry.installations(ME, "UP-1")[-1].multiplier == 20


def test_reads_of_the_old_meter_go_on_in_its_epoch(store: Store) -> None:
    exchange_meter(store, ME, ORDER, now=NOW)
    since = [RegisterReading("UP-1", LATER, 118_000.0, "M-1", 2), RegisterReading("UP-1", NOW, 500.0, "M-1", 3)]
    store.registers.save(ME, since, known_at=NOW)
    cancel(store, ME, UNDO, now=NOW)
    assert reads(store) == [(100_000.0, "M-1", 0), (118_000.0, "M-1", 0), (500.0, "M-1", 1)]
    assert store.dirty.ranges(ME)[0].period.end >= NOW


@pytest.mark.parametrize(("kwh", "epoch"), [(Decimal(150), 0), (Decimal(1200), 1)])
def test_where_the_old_meter_turned_over_meanwhile_its_epoch_goes_on(store: Store, kwh: Decimal, epoch: int) -> None:
    """Over its end it counted that, which is near, or not, by what it counts in such a time."""
    store.registry.save_meter(ME, Meter("M-5", dials=5, lsb_wh=1000))
    store.registry.exchange_meter(ME, install("UP-1", "M-5", START + timedelta(hours=1)))
    before = RegisterReading("UP-1", AT - timedelta(hours=1), 99_900_000.0, "M-5", 1)
    after = RegisterReading("UP-1", LATER + timedelta(days=1), float((kwh - 100) * 1000), "M-5", 3)
    exchange_meter(store, ME, replace(ORDER, final_kwh=None), now=NOW)
    store.registers.save(ME, [before, after], known_at=NOW)
    cancel(store, ME, UNDO, now=NOW)
    assert reads(store)[1:] == [(before.value, "M-5", 1), (after.value, "M-5", 1 + epoch)]


def test_new_transformers_booked_late_go_on_with_the_reads_that_were_there(store: Store) -> None:
    """Reads of the same meter follow the opening read: each keeps its energy, then and after it is taken back."""
    store.registers.save(ME, [RegisterReading("UP-1", LATER, 118_000.0, "M-1")], known_at=LATER)
    before = reads(store)
    order = MeterExchange("UP-1", Meter("M-1"), AT, Decimal(112), Decimal(112), Decimal(40))
    store.dirty.clear(ME, store.dirty.ranges(ME))
    exchange_meter(store, ME, order, now=NOW)
    assert reads(store)[1:] == [(112_000.0, "M-1", 0), (112_000.0, "M-1", 1), (118_000.0, "M-1", 1)]
    assert store.dirty.ranges(ME)[0].period.end > LATER  # the factor holds for what comes after, too
    assert "multiplier is 1 again" in preview_cancel(store, ME, UNDO).doubts[0]
    exchange_meter(store, ME, order, now=NOW)
    cancel(store, ME, UNDO, now=NOW)
    assert reads(store) == before


def test_the_last_of_two_exchanges_on_one_day_goes_first(store: Store) -> None:
    exchange_meter(store, ME, ORDER, now=NOW)
    second = AT + timedelta(hours=2)
    exchange_meter(store, ME, MeterExchange("UP-1", Meter("M-3"), second, Decimal(1), Decimal(0)), now=NOW)
    with pytest.raises(Conflict, match=r"M-3 came at 2026-03-03T02.*cancel that later exchange first"):
        preview_cancel(store, ME, replace(UNDO, with_reads=True))
    with pytest.raises(Conflict, match="cancel the exchange that brought that meter first"):
        exchange_meter(store, ME, replace(ORDER, at=AT + timedelta(hours=1)), now=NOW)
    cancel(store, ME, replace(UNDO, at=second), now=NOW)
    assert meters(store) == [("M-1", False), ("M-2", True)]
    cancel(store, ME, UNDO, now=NOW)
    assert meters(store) == [("M-1", True)]


def test_a_first_meter_that_never_was_leaves_none(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-2")])
    exchange_meter(store, ME, MeterExchange("UP-2", Meter("M-9"), AT, None, Decimal(3)), now=NOW)
    undo = replace(UNDO, usage_point="UP-2")
    assert any("none hangs at UP-2" in doubt for doubt in preview_cancel(store, ME, undo).doubts)
    assert cancel(store, ME, undo, now=NOW) == ()
    # The meter is free for the place where it really hangs.
    exchange_meter(store, ME, replace(ORDER, meter=Meter("M-9")), now=NOW)
    assert meters(store)[-1] == ("M-9", True)


def test_readings_that_wait_for_the_old_meter_are_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange_meter(store, ME, ORDER, now=NOW)
    # However many are read at once.
    monkeypatch.setattr(Quarantine.readings, "__kwdefaults__", {"limit": 1})
    waiting = [QuarantinedReading("M-1", LATER, wh, 0, DELIVERED_REGISTER) for wh in (118_000.0, 118_001.0)]
    store.quarantine.save(ME, waiting, received=NOW)
    assert "2 readings of meter M-1 wait in quarantine" in preview_cancel(store, ME, UNDO).doubts[-1]


def test_a_withdrawn_read_that_comes_again_counts_again(store: Store) -> None:
    """On the quick way of single reads too, where its key is taken by the one that was withdrawn."""
    store.registry.save_points(ME, [UsagePoint("UP-2")])
    exchange_meter(store, ME, MeterExchange("UP-2", Meter("M-9"), AT, None, Decimal(3)), now=NOW)
    cancel(store, ME, replace(UNDO, usage_point="UP-2"), now=NOW)
    at_s = int(AT.timestamp())
    again = Newest("UP-2", at_s, 3000.0, "M-9")
    assert store.registers.append(ME, DELIVERED_REGISTER, [again], known_at=NOW).left == [0]
    follows = Newest("UP-2", at_s + 60, 3100.0, "M-9")
    assert store.registers.append(ME, DELIVERED_REGISTER, [follows], known_at=NOW).left == [0]
    store.registers.save(ME, [RegisterReading("UP-2", AT, 3000.0, "M-9")], known_at=NOW)
    assert [read.value for read in store.registers.load(ME, "UP-2", WHOLE)] == [3000.0]


@pytest.mark.parametrize(
    ("order", "access", "error"),
    [
        (replace(UNDO, reason="  "), ME, InputError),
        (replace(UNDO, reason="x" * 2001), ME, InputError),
        (replace(UNDO, at=LATER), ME, NotFound),
        (replace(UNDO, usage_point="UP-0"), ME, NotFound),
        (UNDO, Access("eve", Role.ANALYST), AccessDenied),
    ],
)
def test_what_cannot_be_cancelled(
    store: Store, order: ExchangeCancelling, access: Access, error: type[GridwrightError]
) -> None:
    exchange_meter(store, ME, ORDER, now=NOW)
    with pytest.raises(error):
        cancel(store, access, order, now=NOW)
    assert len(meters(store)) == 2
