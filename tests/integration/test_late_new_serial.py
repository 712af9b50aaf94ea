"""An exchange to a new serial that is booked late takes back what was derived of reads under the old one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.correction import CorrectionState, NoteKind
from gridwright.domain.panel import Panel
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel
from gridwright.jobs.meters.exchange_meter import exchange_meter
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store
from tests.integration.test_cascade import FLAT_CARD, again
from tests.integration.test_derived_again import (
    DAY,
    HALF,
    NOW,
    START,
    codes,
    name,
    order,
    read,
    store,
    total,
    two_days,
)

__all__ = ["name", "store"]  # fixtures
SECOND = START + DAY
LATER = NOW + DAY


def test_energy_of_reads_under_the_old_serial_is_taken_back(store: Store, tmp_path: Path, name: str) -> None:
    """24 kWh until the exchange; what came under the old serial after it is of no meter that hung there."""
    two_days(store, tmp_path, name)
    assert total(store, name) == 48.0
    change = order(name, SECOND, 1, "24", meter="NEW", opening="0")
    told = preview_exchange(store, ME, change, now=NOW).doubts
    assert any("48 intervals" in each and "24.000 kWh are taken back" in each for each in told)
    assert total(store, name) == 48.0
    exchange_meter(store, ME, change, now=LATER)
    assert (total(store, name), codes(store, name)) == (24.0, {"V02_ident"})
    exchange_meter(store, ME, change, now=LATER)
    assert total(store, name) == 24.0


def test_reads_of_the_new_meter_tell_it_instead(store: Store, tmp_path: Path, name: str) -> None:
    """The new meter counted 1 kWh each half-hour, as it is read later: 24 + 48."""
    two_days(store, tmp_path, name)
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=LATER)
    read(store, tmp_path, f"{name}-NEW", {half: half - 48.0 for half in range(49, 97)})
    assert total(store, name) == 72.0


def test_its_cancelling_tells_it_again(store: Store, tmp_path: Path, name: str) -> None:
    two_days(store, tmp_path, name)
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=LATER)
    assert total(store, name) == 24.0
    cancel(store, ME, ExchangeCancelling(name, SECOND, "never was"), now=LATER)
    assert (total(store, name), codes(store, name)) == (48.0, set())


def test_a_measured_profile_stays(store: Store, tmp_path: Path, name: str) -> None:
    """It belongs to the usage point, and few of its intervals are told by reads."""
    store.readings.save(ME, Panel((name,), START, HALF, np.full((1, 96), 500.0)), known_at=NOW)
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(44, 54)})
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=LATER)
    assert total(store, name) == 48.0


def test_an_issued_bill_gets_the_draft_of_a_credit_note(store: Store, tmp_path: Path, name: str) -> None:
    two_days(store, tmp_path, name)
    bill = BillOrder([name], "2026-10")
    (made,) = run_billing(store, ME, bill, lambda _: FLAT_CARD, SiteDefaults(), now=NOW).bills
    store.ledger.issue(ME, made.id)
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=LATER)
    again(store, LATER)
    (note,) = store.corrections.of_bill(ME, made.id)
    assert (note.kind, note.state) == (NoteKind.CREDIT, CorrectionState.DRAFT)


def test_what_is_under_another_serial_withholds_the_bill(store: Store, tmp_path: Path, name: str) -> None:
    two_days(store, tmp_path, name)
    exchange_meter(store, ME, order(name, SECOND, 1, "24", meter="NEW", opening="0"), now=LATER)
    correct(store, ME, SiteDefaults(), now=LATER)
    run = run_billing(store, ME, BillOrder([name], "2026-10"), lambda _: FLAT_CARD, SiteDefaults(), now=LATER)
    assert not run.bills
    assert {each.code for each in run.withheld[0].obstacles} == {"V02_ident"}
