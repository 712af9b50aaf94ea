"""Bills outlive the readings they were made of: none is corrected, or made, because its readings were forgotten."""

from __future__ import annotations

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.bill import BillState
from gridwright.domain.errors import Forgotten
from gridwright.domain.interval import Interval
from gridwright.domain.month import month_start, parse_month
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.jobs.upkeep.forget_readings import forget_readings
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store
from tests.integration.test_cascade import (
    APRIL,
    FLAT_CARD,
    HALF,
    LADDER,
    MAY,
    address,
    again,
    bill,
    part,
    state_of,
    store,
    usage,
)

__all__ = ["address", "store"]
pytestmark = pytest.mark.few_on_servers(1)
MONTHS = ("2025-01", "2025-02", "2025-03")
END_OF_MARCH = slice(80 * 48, 81 * 48)


def issued(store: Store, ladder: bool) -> list[str]:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    card = LADDER if ladder else FLAT_CARD
    bills = [bill(store, month, APRIL, card).bills[0].id for month in MONTHS]
    for each in bills:
        store.ledger.issue(LOCAL_OWNER, each)
    again(store, APRIL)
    return bills


@pytest.mark.parametrize(
    ("before", "ladder", "corrected"), [("2025-03", False, 0), ("2025-02", False, 1), ("2025-02", True, 0)]
)
def test_a_bill_stands_where_readings_that_it_needs_are_gone(
    store: Store, before: str, ladder: bool, corrected: int
) -> None:
    bills = issued(store, ladder)
    ledger = state_of(store)[2:4]
    assert forget_readings(store, LOCAL_OWNER, before=parse_month(before)).waiting == ()
    store.dirty.again(LOCAL_OWNER, ["UP-1"])
    done = again(store, MAY)
    assert done.corrections == []
    assert state_of(store)[2:4] == ledger
    store.readings.save(LOCAL_OWNER, part(usage(), END_OF_MARCH, 0.5), known_at=MAY)
    done = again(store, MAY)
    assert [each.bill for each in done.corrections] == bills[2:] * corrected
    stands = [note for note in done.notes if "were forgotten" in note]
    assert bool(stands) is not bool(corrected)
    assert store.rerates.pending(LOCAL_OWNER) == []
    assert [each.bill.state for each in store.ledger.bills(LOCAL_OWNER)] == [BillState.ISSUED] * 3
    assert {check.name: check.first for check in verify_store(store, LOCAL_OWNER).checks if not check.ok} == {}


def test_a_forgotten_month_is_neither_billed_nor_edited(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    again(store, APRIL)
    forget_readings(store, LOCAL_OWNER, before=parse_month("2025-03"))
    run = bill(store, "2025-02", MAY)
    assert run.bills == []
    assert "readings from before 2025-03-01 that it needs were forgotten" in run.notes[0]
    assert [str(each.period) for each in bill(store, "", MAY).bills] == []
    limit = month_start(parse_month("2025-03"))
    wish = EditWish("UP-1", Interval(limit - HALF, limit), "a test", values=(1.0,))
    with pytest.raises(Forgotten, match="before 2025-03-01"):
        propose_edit(store, LOCAL_OWNER, wish, policy=EditPolicy(), now=MAY)
