"""One bill against what it should have been: the draft of a credit or debit note, or nothing where nothing differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.bill import Bill
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.correction import (
    Correction,
    CorrectionState,
    DayChange,
    Reason,
    correction_key,
    differences,
)
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.interval import zone_of
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.jobs.load.civil_totals import civil_totals
from gridwright.store import IssuedBill, Store

MILLI = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class CorrectionPolicy:
    """What is worth a note: so much money, or so large a part of the energy billed (0.005 = half a percent; None: any).

    A smaller difference is held back, and visible (catalogue V38).
    """

    least_money: Decimal = Decimal("0.01")
    least_share: Decimal | None = None

    def is_worth(self, correction: Correction, billed_kwh: Decimal) -> bool:
        """Tell whether a correction is worth a note."""
        if not correction.total:
            return False
        share = abs(correction.now.energy_kwh - billed_kwh) / max(abs(billed_kwh), MILLI)
        return abs(correction.total) >= self.least_money or (self.least_share is not None and share > self.least_share)


POLICY = CorrectionPolicy()


@dataclass(frozen=True, slots=True)
class Difference:
    """What a bill came to: the correction that is open for it now (None: none), and what changed in the store."""

    correction: Correction | None
    new: bool = False
    replaced: int = 0


def correct_bill(
    store: Store,
    access: Access,
    kept: IssuedBill,
    now_bill: Bill,
    policy: CorrectionPolicy = POLICY,
    *,
    cascade: str = "",
    dry_run: bool = False,
) -> Difference:
    """Compare an issued bill, with its issued corrections, with `now_bill`, and keep what differs as a draft.

    A draft that is overtaken is replaced; where nothing differs any more, what was open is put aside. Run again, it
    changes nothing. It belongs into a transaction, so that nobody issues a note meanwhile.
    """
    state = store.corrections.corrected(access, kept.bill, hold=not dry_run)
    correction = _correction(kept, state.billed, now_bill, cascade)
    if correction is None:
        replaced = 0 if dry_run or not state.opened else store.corrections.replace_open(access, kept.bill.id)
        return Difference(None, replaced=replaced)
    correction = replace(correction, reason=reason_of(store, access, state.billed, now_bill))
    if not policy.is_worth(correction, state.billed.energy_kwh):
        correction = correction.held()
    if dry_run:
        return Difference(correction, new=correction.key not in {each.key for each in state.opened})
    saved = store.corrections.save(access, correction)
    others = [each for each in state.opened if each.key != correction.key]
    return Difference(saved.document, saved.new, len(others))


def _correction(kept: IssuedBill, billed: Bill, now: Bill, cascade: str) -> Correction | None:
    lines = differences(billed.lines, now.lines)
    if now.key == billed.key or not any(line.differs for line in lines):
        return None
    key = correction_key(billed.key, now.key)
    return Correction(
        id=f"{kept.bill.id}-c{key[:8]}",
        key=key,
        bill=kept.bill.id,
        bill_number=kept.number,
        base_key=billed.key,
        now=now,
        lines=lines,
        known_at=now.known_at,
        cascade=cascade,
        state=CorrectionState.DRAFT,
    )


def reason_of(store: Store, access: Access, billed: Bill, now: Bill) -> Reason:
    """Find out why: which civil days differ since the usage was billed, and who edited readings meanwhile."""
    changed = tuple(_changed_days(store, access, billed, now.known_at))
    edits = [
        f"{edit.author}: {edit.reason}"
        for edit in store.edits.applied(access, [billed.usage_point], billed.period)
        if edit.decided is not None and billed.known_at < edit.decided
    ]
    return Reason(changed, tuple(dict.fromkeys(edits)))


def _changed_days(store: Store, access: Access, billed: Bill, until: datetime) -> Iterator[DayChange]:
    zone = zone_of(billed.zone)
    first = day_number(billed.period.start.astimezone(zone).date())
    last = day_number((billed.period.end - timedelta(seconds=1)).astimezone(zone).date())
    for kind in store.readings.image_types(access):
        if kind.quantity is not Quantity.ENERGY or kind.flow not in {Flow.DELIVERED, Flow.RECEIVED}:
            continue
        days = range(first, last + 1)
        before, after = (_totals(store, access, billed, days, kind, as_of=at) for at in (billed.known_at, until))
        for at in np.flatnonzero((before.total != after.total)[0] | (before.estimated != after.estimated)[0]).tolist():
            yield _day(before, after, at)


def _totals(
    store: Store, access: Access, billed: Bill, days: range, kind: ReadingType, *, as_of: datetime
) -> DayTotals:
    """Return the totals by the days of the bill: those that are stored are of the zone that the usage point has now."""
    points = [billed.usage_point]
    if store.registry.point(access, billed.usage_point).zone == billed.zone:
        return store.day_totals.load(access, points, days, reading_type=kind, as_of=as_of)
    return civil_totals(store, access, points, days, kind, zone=billed.zone, as_of=as_of)


def _day(before: DayTotals, after: DayTotals, at: int) -> DayChange:
    scale = after.reading_type.exponent - 3
    gone = int(before.estimated[0, at] - after.estimated[0, at])
    measured = int(after.measured[0, at] - before.measured[0, at])
    return DayChange(
        date_of(after.days[at]),
        Decimal(int(before.total[0, at])).scaleb(scale),
        Decimal(int(after.total[0, at])).scaleb(scale),
        max(min(gone, measured), 0),
    )
