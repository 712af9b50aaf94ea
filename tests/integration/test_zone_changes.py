"""The zone of a usage point changes after bills were issued: they are corrected in their own, and no hour is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from gridwright.billing.gate import packaged_gate
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.errors import Conflict
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.jobs.billing.pass_gate import issue_bill
from gridwright.jobs.billing.withheld_now import withheld_now
from gridwright.store import Store
from tests.integration.test_cascade import APRIL, HOME, LADDER, MAY, address, again, bill, part, store
from tests.integration.test_cascade import usage as three_months

__all__ = ["address", "store"]

MIDNIGHT = datetime(2025, 2, 28, 23, tzinfo=UTC)  # 1 March in Berlin
ZONES = ("Europe/Helsinki", "Europe/London")


def usage() -> Panel:
    """Three months and a day: April begins by every clock."""
    told, day = three_months(), 48
    values = np.concatenate([told.values, told.values[:, -day:]], axis=1)
    return Panel(told.points, told.start, told.interval, values)


def moved(store: Store, zone: str) -> None:
    """February and March are issued by Berlin's clock, then the usage point turns out to be elsewhere."""
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    for month in ("2025-02", "2025-03")[: 1 if zone in ZONES else 2]:
        (made,) = bill(store, month, APRIL).bills
        issue_bill(store, LOCAL_OWNER, made.id)
    store.registry.save_points(LOCAL_OWNER, [replace(HOME, zone=zone)])


def standing(store: Store) -> list[Bill]:
    kept = [each.bill for each in store.ledger.bills(LOCAL_OWNER, "UP-1")]
    return [each for each in kept if each.state is not BillState.CANCELLED]


@pytest.mark.parametrize("zone", ZONES)
def test_a_late_reading_of_a_month_that_was_billed_elsewhere_becomes_a_note(store: Store, zone: str) -> None:
    moved(store, zone)
    (february,) = standing(store)
    nothing = again(store, MAY)
    assert (nothing.notes, nothing.new) == ([], 0)  # the zone alone changes no issued bill
    store.readings.save(LOCAL_OWNER, part(usage(), slice(40 * 48, 41 * 48), 0.4), known_at=MAY)
    done = again(store, MAY)
    (note,) = done.corrections
    assert (done.notes, note.bill, note.now.zone) == ([], february.id, "Europe/Berlin")
    assert note.period == february.period
    # Why is told by the days of the bill, though the totals of days are those of the new zone by now.
    assert [each.day.isoformat() for each in note.reason.days] == ["2025-02-10"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", ["2025-03", ""])
def test_the_next_month_begins_where_the_issued_one_ended(store: Store, zone: str, period: str) -> None:
    moved(store, zone)
    run = bill(store, period, MAY)
    bills = standing(store)
    march = next(each for each in bills if each.id.startswith("UP-1-2025-03"))
    assert (march.period.start, march.zone) == (MIDNIGHT, zone)
    assert all(one.period.end == two.period.start for one, two in pairwise(bills))
    assert run.notes == []
    if not period:
        whole = Interval(bills[0].period.start, bills[-1].period.end)
        assert sum(each.energy_kwh for each in bills) * 1000 == int(np.nansum(usage().regrid(whole).values))
    before = [each.id for each in bills]
    assert (bill(store, period, MAY).new, [each.id for each in standing(store)]) == (0, before)  # run twice
    issue_bill(store, LOCAL_OWNER, march.id)
    assert again(store, MAY).notes == []


def test_a_bill_taken_back_is_made_anew_in_the_right_zone_between_its_neighbours(store: Store) -> None:
    moved(store, "Atlantic/Azores")
    february, march = standing(store)
    store.ledger.cancel(LOCAL_OWNER, march.id)
    (anew,) = bill(store, "2025-03", MAY).bills
    assert (anew.zone, anew.period.start) == ("Atlantic/Azores", february.period.end)
    store.ledger.cancel(LOCAL_OWNER, february.id)
    (anew,) = bill(store, "2025-02", MAY).bills
    assert anew.period == Interval(datetime(2025, 2, 1, 1, tzinfo=UTC), datetime(2025, 3, 1, 1, tzinfo=UTC))


def test_a_draft_of_another_zone_is_not_issued(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    (february,) = bill(store, "2025-02", APRIL).bills
    (march,) = bill(store, "2025-03", APRIL).bills
    issue_bill(store, LOCAL_OWNER, february.id)
    store.registry.save_points(LOCAL_OWNER, [replace(HOME, zone="Europe/London")])
    with pytest.raises(Conflict, match="Europe/London by now") as refused:
        issue_bill(store, LOCAL_OWNER, march.id)
    assert "bill run" in refused.value.remedy
    (anew,) = bill(store, "2025-03", MAY).bills
    issue_bill(store, LOCAL_OWNER, anew.id)
    assert [each.period.start for each in standing(store)][1] == february.period.end


def test_a_draft_that_leaves_out_an_hour_beside_an_issued_bill_is_not_issued(store: Store) -> None:
    """March is drafted by London's clock before February is issued by Berlin's."""
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    (february,) = bill(store, "2025-02", APRIL).bills
    store.registry.save_points(LOCAL_OWNER, [replace(HOME, zone="Europe/London")])
    (march,) = bill(store, "2025-03", MAY).bills
    store.registry.save_points(LOCAL_OWNER, [HOME])
    issue_bill(store, LOCAL_OWNER, february.id)
    store.registry.save_points(LOCAL_OWNER, [replace(HOME, zone="Europe/London")])
    with pytest.raises(Conflict, match="2025-02-28T23:00"):
        issue_bill(store, LOCAL_OWNER, march.id)


def test_hours_that_are_billed_are_not_withheld(store: Store) -> None:
    """Berlin has billed to 23 h UTC; Helsinki's March would begin an hour before that."""
    moved(store, "Europe/Helsinki")
    hour = Interval(datetime(2025, 2, 28, 22, tzinfo=UTC), MIDNIGHT)
    doubt = Finding("V02_ident", "UP-1", hour, Severity.FAIL, "a gap")
    store.findings.save(LOCAL_OWNER, [doubt], known_at=MAY)
    assert withheld_now(store, LOCAL_OWNER, packaged_gate(), now=MAY) == []


def test_a_ladder_of_a_year_goes_on_through_a_change_of_zone(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    for month in ("2025-01", "2025-02"):
        (made,) = bill(store, month, APRIL, LADDER).bills
        issue_bill(store, LOCAL_OWNER, made.id)
    store.registry.save_points(LOCAL_OWNER, [replace(HOME, zone="Europe/London")])
    (march,) = bill(store, "2025-03", MAY, LADDER).bills
    issue_bill(store, LOCAL_OWNER, march.id)
    store.readings.save(LOCAL_OWNER, part(usage(), slice(10 * 48, 11 * 48), 0.4), known_at=MAY)
    done = again(store, MAY)
    assert done.notes == []
    # Less in January, so that more of the later months is in the cheaper block.
    now = {note.bill: note.now for note in done.corrections}
    lines = [line for each in standing(store) for line in now.get(each.id, each).lines]
    assert sum(line.quantity for line in lines if line.price == Decimal("0.20")) == 700
