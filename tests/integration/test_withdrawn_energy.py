"""Energy derived from reads that are withdrawn with their exchange is taken back; right reads tell it again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.correction import CorrectionState, NoteKind
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.quality import ESTIMATES, has_status
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel, preview_cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store, open_store
from tests.integration.test_cascade import FLAT_CARD, again
from tests.integration.test_derived_again import (
    BOTH,
    DAY,
    HALF,
    NOW,
    NUMBERS,
    START,
    codes,
    name,
    order,
    read,
    store,
    total,
    two_days,
)

pytestmark = pytest.mark.servers_in_turn

__all__ = ["name", "store"]  # fixtures
SECOND = START + DAY
LATER = NOW + DAY


def undo(name: str, *, at: timedelta = DAY) -> ExchangeCancelling:
    return ExchangeCancelling(name, START + at, "another usage point was meant", with_reads=True)


def exchanged(store: Store, folder: Path, name: str, *, late: int = 0) -> None:
    """24 kWh of the old meter on the first day; then the new one counts 1 kWh each half-hour from 7 on: 41 kWh.

    `late`: by so many minutes all reads and the exchange are off the hour.
    """
    off = timedelta(minutes=late)
    read(store, folder, f"{name}-OLD", {half: half / 2 for half in range(49)}, off=off)
    exchange_meter(store, ME, order(name, SECOND + off, 1, "24", meter="NEW", opening="7"), now=NOW)
    read(store, folder, f"{name}-NEW", {half: 7.0 + half - 48 for half in range(49, 90)}, off=off)


def test_energy_of_withdrawn_reads_is_taken_back(store: Store, tmp_path: Path, name: str) -> None:
    exchanged(store, tmp_path, name)
    assert total(store, name) == 24 + 41
    told = preview_cancel(store, ME, undo(name)).doubts
    assert any("41 intervals" in each and "41.000 kWh are taken back" in each for each in told)
    assert total(store, name) == 65.0
    cancel(store, ME, undo(name), now=LATER)
    assert (total(store, name), codes(store, name)) == (24.0, set())
    assert float(store.readings.load(ME, name, BOTH, as_of=NOW).total_kwh()[0]) == 65.0
    assert correct(store, ME, SiteDefaults(), now=LATER).new == 0


def test_right_reads_that_come_later_tell_it(store: Store, tmp_path: Path, name: str) -> None:
    """The old meter counted half a kWh each half-hour all the time: 48 kWh."""
    exchanged(store, tmp_path, name)
    cancel(store, ME, undo(name), now=NOW)
    assert total(store, name) == 24.0
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(49, 97)})
    assert (total(store, name), codes(store, name)) == (48.0, set())


def test_what_nobody_tells_is_estimated_between_the_registers(store: Store, tmp_path: Path, name: str) -> None:
    """The old meter is read again from hour 16 on: 32 half-hours are known to its register alone, 16 kWh."""
    exchanged(store, tmp_path, name)
    cancel(store, ME, undo(name), now=NOW)
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(80, 97)})
    correct(store, ME, SiteDefaults(), now=NOW)
    raw, final = (store.readings.load(ME, name, BOTH, image=image) for image in (Image.RAW, Image.FINAL))
    assert np.flatnonzero(raw.missing[0]).tolist() == list(range(48, 80))
    assert has_status(final.quality[0], ESTIMATES).tolist() == raw.missing[0].tolist()
    assert round(float(final.total_kwh()[0]), 3) == 48.0
    gap = Interval(SECOND, START + 80 * HALF)
    assert any(each.period == gap and each.code.startswith("E") for each in store.findings.load(ME, [name]))


@pytest.mark.parametrize("late", [0, 7])
def test_the_same_exchange_again_tells_it_again(store: Store, tmp_path: Path, name: str, late: int) -> None:
    """Off the quarter-hour only files derive energy, so that nothing else would fill it in."""
    exchanged(store, tmp_path, name, late=late)
    whole = Interval(START, START + 3 * DAY)
    before = store.readings.load(ME, name, whole)
    assert float(before.total_kwh()[0]) == 65.0
    cancel(store, ME, undo(name, at=DAY + timedelta(minutes=late)), now=NOW)
    assert float(store.readings.load(ME, name, whole).total_kwh()[0]) == 24.0
    same = order(name, SECOND + timedelta(minutes=late), 1, "24", meter="NEW", opening="7")
    for _ in range(2):
        exchange_meter(store, ME, same, now=NOW)
        after = store.readings.load(ME, name, whole)
        assert np.array_equal(after.values, before.values, equal_nan=True)


def test_of_two_exchanges_the_second_is_cancelled(store: Store, tmp_path: Path, name: str) -> None:
    """12 hours of a third meter at 2 kWh each half-hour go; the second goes on and is read later: 24 + 12 + 24."""
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(49)})
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=NOW)
    read(store, tmp_path, f"{name}-NEW", {half: (half - 48) / 2 for half in range(49, 73)})
    noon = timedelta(days=1, hours=12)
    exchange_meter(store, ME, order(name, START + noon, 1, "12", meter="THIRD", opening="0"), now=NOW)
    read(store, tmp_path, f"{name}-THIRD", {half: (half - 72) * 2.0 for half in range(73, 97)})
    assert total(store, name) == 24 + 12 + 48
    cancel(store, ME, undo(name, at=noon), now=NOW)
    assert total(store, name) == 36.0
    read(store, tmp_path, f"{name}-NEW", {half: 12 + (half - 72) * 1.0 for half in range(73, 97)})
    assert (total(store, name), codes(store, name)) == (60.0, set())


def test_the_only_meter_of_a_usage_point_never_hung_there(store: Store, tmp_path: Path, name: str) -> None:
    """All its reads are withdrawn, so that no register tells anything; what the device measured itself stays."""
    two_days(store, tmp_path, name)
    measured = Panel((name,), SECOND, HALF, np.full((1, 2), 700.0))
    store.readings.save(ME, measured, known_at=NOW)
    cancel(store, ME, undo(name, at=timedelta()), now=NOW)
    assert total(store, name) == 1.4


def test_a_profile_stays_though_reads_say_the_same_of_a_part(store: Store, tmp_path: Path, name: str) -> None:
    """The last interval before the exchange is known to its final read, too, which counts no more."""
    store.readings.save(ME, Panel((name,), START, HALF, np.full((1, 96), 500.0)), known_at=NOW)
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(44, 48)})
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="7"), now=NOW)
    read(store, tmp_path, f"{name}-NEW", {half: 7 + (half - 48) / 2 for half in range(49, 54)})
    cancel(store, ME, undo(name), now=LATER)
    assert total(store, name) == 48.0


def test_an_issued_bill_gets_the_draft_of_a_note(store: Store, tmp_path: Path, name: str) -> None:
    """Billed with 41 kWh that another meter told; without them it owes less."""
    exchanged(store, tmp_path, name)
    bill = BillOrder([name], "2026-10")
    (made,) = run_billing(store, ME, bill, lambda _: FLAT_CARD, SiteDefaults(), now=NOW).bills
    store.ledger.issue(ME, made.id)
    undoing = undo(name)
    assert preview_cancel(store, ME, undoing).bills == (made.id,)
    cancel(store, ME, undoing, now=LATER)
    again(store, LATER)
    (note,) = store.corrections.of_bill(ME, made.id)
    assert (note.kind, note.state) == (NoteKind.CREDIT, CorrectionState.DRAFT)


def test_energy_of_an_archived_month_is_taken_back(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        store.registry.save_points(ME, [UsagePoint("C", capacity_kw=1000.0)])
        store.registry.save_meter(ME, Meter("C-OLD", dials=9))
        store.registry.save_installation(ME, install("C", "C-OLD", START))
        exchanged(store, tmp_path, "C")
        correct(store, ME, SiteDefaults(), now=NOW)
        november = parse_month("2026-11")
        assert archive_months(store, ME, str(tmp_path / "archive"), before=november, drop_before=november).dropped
        cancel(store, ME, undo("C"), now=LATER)
        assert float(store.readings.load(ME, "C", BOTH).total_kwh()[0]) == 24.0
        read(store, tmp_path, "C-OLD", {half: half / 2 for half in range(49, 97)})
        assert total(store, "C") == 48.0


def test_a_first_installation_booked_late_with_a_factor_is_no_contradiction(store: Store, tmp_path: Path) -> None:
    """96 intervals of half a kWh become forty times as much, and none of them came again."""
    name = f"C{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, capacity_kw=1000.0)])
    read(store, tmp_path, name, {half: half / 2 for half in range(97)})
    assert total(store, name) == 48.0
    first = MeterExchange(name, Meter(f"{name}-OLD", dials=9), START, None, Decimal(0), Decimal(40))
    exchange_meter(store, ME, first, now=LATER)
    assert (total(store, name), codes(store, name)) == (1920.0, set())
    assert float(store.readings.load(ME, name, BOTH, as_of=NOW).total_kwh()[0]) == 48.0
    assert float(store.readings.load(ME, name, BOTH, as_of=LATER).total_kwh()[0]) == 1920.0
    # Readings that come again with another value are told all the same.
    for wh in (650.0, 700.0):
        store.readings.save(ME, Panel((name,), SECOND, HALF, np.full((1, 2), wh)), known_at=LATER)
    correct(store, ME, SiteDefaults(), now=LATER)
    assert [each.slots for each in store.findings.load(ME, [name]) if each.code == "V03_duplicate"] == [2]
