"""A billing run: one draft a usage point and civil month, kept in the ledger; run again, it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gridwright.billing import postings
from gridwright.billing.credit_line import with_credits
from gridwright.domain.access import Access, Act
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s, local_month, parse_period
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.archive_months import bring_back_for
from gridwright.jobs.correct import correct
from gridwright.jobs.customers import customers
from gridwright.jobs.load_final import load_final
from gridwright.jobs.load_stored import load_stored
from gridwright.jobs.meter_notes import with_meters
from gridwright.jobs.on_behalf import on_behalf
from gridwright.jobs.rerate import Billable, rated, window
from gridwright.jobs.rerate_bill import POLICY, CorrectionPolicy, correct_bill
from gridwright.jobs.settle_event import event_credits
from gridwright.jobs.trust_readings import SiteDefaults, trust_readings
from gridwright.store import IssuedBill, Store

TOGETHER = 200
Progress = Callable[[int, int], None]
CardOf = Callable[[UsagePoint], RateCard]


@dataclass(slots=True)
class BillRun:
    """What a run did: its bills, how many drafts are new or replaced an older one, and what it could not do."""

    bills: list[Bill] = field(default_factory=list)
    new: int = 0
    replaced: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BillOrder:
    """What to bill: usage points (None = all but master meters) over `period` (as `2025-03`).

    An empty period is all civil months that the readings touch, None each usage point's last complete month.
    """

    points: Sequence[str] | None = None
    period: str | None = None
    dry_run: bool = False


def run_billing(
    store: Store,
    access: Access,
    order: BillOrder,
    card_of: CardOf,
    site: SiteDefaults,
    *,
    now: datetime,
    policy: CorrectionPolicy = POLICY,
    progress: Progress | None = None,
) -> BillRun:
    """Bill what is ordered, each usage point by the rate card of `card_of`.

    The readings are those that the cascade made final, after it has run for what changed. Payments for demand response
    in the period are lines of the bill. A draft whose readings changed is cancelled and made anew; of an issued bill
    whose readings changed the difference becomes the draft of a credit or debit note, named in the notes.
    """
    desk = _Desk(store, access, order, card_of, site, now, policy)
    names = list(order.points or customers(store, access))
    for at in range(0, len(names), TOGETHER):
        desk.bill(names[at : at + TOGETHER])
        if progress:
            progress(min(at + TOGETHER, len(names)), len(names))
    return desk.run


def last_month(now: datetime, point: UsagePoint) -> Interval:
    """Return the last civil month that is over at the usage point."""
    local = now.astimezone(point.tz)
    year, month = (local.year, local.month - 1) if local.month > 1 else (local.year - 1, 12)
    return local_month(year, month, point.tz)


@dataclass(slots=True)
class _Desk:
    """Where a run's bills are made: who asks for what, by which prices, and what came of it so far."""

    store: Store
    access: Access
    order: BillOrder
    card_of: CardOf
    site: SiteDefaults
    now: datetime
    policy: CorrectionPolicy
    run: BillRun = field(default_factory=BillRun)

    def bill(self, names: Sequence[str]) -> None:
        """Bill some usage points together."""
        known = self._known(names)
        billed: set[str] = set()
        for group in self._groups(known):
            for row, point in enumerate(group.points):
                billed.add(point.id)
                bills = self._bill(group, row)
                self.run.bills += bills
                for bill in bills:
                    if not (bill.example or self.order.dry_run):
                        self._keep(bill)
        for name in known.keys() - billed:
            self._note_silent(known[name])

    def _known(self, names: Sequence[str]) -> dict[str, UsagePoint]:
        known = {point.id: point for point in self.store.registry.points(self.access, list(names))}
        for name in names:
            if name not in known:
                try:
                    self.store.registry.point(self.access, name)
                except NotFound as error:
                    self._note(str(error))
        return known

    def _groups(self, known: Mapping[str, UsagePoint]) -> Sequence[Billable]:
        """Return the trusted readings of usage points: what the cascade made of them, after it has run for them."""
        names = list(known)
        if not names:
            return []
        if self.order.dry_run and self.store.dirty.ranges(self.access, limit=1, points=names):
            return self._tried(names)
        cascade = on_behalf(self.access, Act.READ, Act.WRITE_READINGS)
        if not self.order.dry_run:
            for note in correct(self.store, cascade, self.site, now=self.now, points=names).notes:
                self._note(f"not judged again: {note}")
        period = self._window(known)
        if period is None:
            return []
        if not self.order.dry_run:
            bring_back_for(self.store, self.access, period)
        groups, notes = load_final(self.store, self.access, known, period, self.site)
        for note in notes:
            self._note(note)
        return groups

    def _tried(self, names: Sequence[str]) -> Sequence[Billable]:
        """Trust the readings for the moment only: a trial run changes nothing in the store."""
        try:
            groups, notes = trust_readings(load_stored(self.store, self.access, names), self.site, now=self.now)
        except NotFound as error:
            self._note(str(error))
            return []
        for note in notes:
            self._note(note)
        return groups

    def _window(self, known: Mapping[str, UsagePoint]) -> Interval | None:
        """Return of which time readings are needed for what is ordered; None when there are none at all."""
        asked = [self._needed(point) for point in known.values()]
        periods = [period for period in asked if period is not None]
        if len(periods) < len(asked):
            extents = self.store.readings.extents(self.access, list(known))
            days = [(extent.first_day, extent.last_day) for extent in extents]
            if not days:
                return None
            # A day on either side: a civil day begins before its UTC day, or ends behind it.
            first, last = min(day for day, _ in days) - 1, max(day for _, day in days) + 1
            periods.append(Interval(from_epoch_s(first * DAY_S), from_epoch_s(last * DAY_S)))
        return Interval(min(period.start for period in periods), max(period.end for period in periods))

    def _needed(self, point: UsagePoint) -> Interval | None:
        period = self._period(point)
        try:
            return period and window(period, point, self.card_of(point))
        except NotFound:
            return period

    def _note_silent(self, point: UsagePoint) -> None:
        """Say that a usage point has nothing to bill, and what there is of it."""
        extents = self.store.readings.extents(self.access, [point.id])
        if not extents:
            self._note(f"no readings of {point.id}")
            return
        first, last = min(each.first_day for each in extents), max(each.last_day for each in extents)
        there = f"{date_of(first)} to {date_of(last)}"
        period = self._period(point)
        self._note(
            f"{point.id} has no readings to bill" + (f" in {period}" if period else "") + f"; they cover {there}"
        )

    def _bill(self, group: Billable, row: int) -> list[Bill]:
        point = group.points[row]
        try:
            card = self.card_of(point)
        except NotFound as error:
            self._note(f"{point.id}: {error}")
            return []
        done = rated(group, row, card, self._period(point), self.now)
        for note in done.notes:
            self._note(note)
        return [
            with_meters(
                self.store,
                self.access,
                with_credits(bill, event_credits(self.store, self.access, point.id, bill.period)),
            )
            for bill in done.bills
        ]

    def _period(self, point: UsagePoint) -> Interval | None:
        asked = self.order.period
        if asked is None:
            return last_month(self.now, point)
        return parse_period(asked, point.tz) if asked else None

    def _keep(self, bill: Bill) -> None:
        ledger = self.store.ledger
        with self.store.transaction():
            there = [
                each for each in ledger.bills(self.access, bill.usage_point) if each.bill.period.overlaps(bill.period)
            ]
            issued = [each for each in there if each.bill.state is BillState.ISSUED]
            if issued:
                self._correct(issued, bill)
                return
            for old in there:
                if old.bill.state is BillState.DRAFT and old.bill.key != bill.key:
                    ledger.cancel(self.access, old.bill.id, only=BillState.DRAFT)
                    self.run.replaced += 1
            self.run.new += ledger.save_bill(self.access, bill, postings(bill))

    def _correct(self, issued: Sequence[IssuedBill], bill: Bill) -> None:
        """Hold a bill against the issued one of its period: what differs becomes the draft of a note."""
        kept = issued[0]
        if (kept.bill.period, kept.bill.rate_card) != (bill.period, bill.rate_card):
            self._note(f"{bill.usage_point}: bill {kept.bill.id} is issued for {kept.bill.period}, and stays")
            return
        found = correct_bill(self.store, self.access, kept, bill, self.policy)
        if found.correction is not None:
            told = f"{found.correction.kind} {found.correction.id} over {found.correction.total:f} {bill.currency}"
            self._note(
                f"{bill.usage_point}: bill {kept.bill.id} is issued, and what it is made of has changed since; "
                f"{told} is {found.correction.state}"
            )

    def _note(self, text: str) -> None:
        if text not in self.run.notes:
            self.run.notes.append(text)
