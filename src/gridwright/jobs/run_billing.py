"""A billing run: one draft a usage point and civil month, kept in the ledger; run again, it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gridwright.billing import postings
from gridwright.billing.credit_line import with_credits
from gridwright.domain.access import Access
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval, local_month, parse_period
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.bill_months import bill_months
from gridwright.jobs.customers import customers
from gridwright.jobs.load_stored import load_stored
from gridwright.jobs.settle_event import event_credits
from gridwright.jobs.trust_readings import SiteDefaults, Trusted, trust_readings
from gridwright.store import Store

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
    progress: Progress | None = None,
) -> BillRun:
    """Bill what is ordered, each usage point by the rate card of `card_of`.

    Payments for demand response in the period are lines of the bill. A draft whose readings changed is cancelled and
    made anew; an issued bill whose readings changed is left alone and named in the notes.
    """
    desk = _Desk(store, access, order, card_of, site, now)
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
    run: BillRun = field(default_factory=BillRun)

    def bill(self, names: Sequence[str]) -> None:
        """Bill some usage points together."""
        for group in self._groups(names):
            for row in range(len(group.points)):
                bills = self._bill(group, row)
                self.run.bills += bills
                for bill in bills:
                    if not (bill.example or self.order.dry_run):
                        self._keep(bill)

    def _groups(self, names: Sequence[str]) -> list[Trusted]:
        try:
            groups, notes = trust_readings(load_stored(self.store, self.access, names), self.site, now=self.now)
        except NotFound as error:
            self._note(str(error))
            return []
        self.run.notes += notes
        return groups

    def _bill(self, group: Trusted, row: int) -> list[Bill]:
        point = group.points[row]
        try:
            card = self.card_of(point)
        except NotFound as error:
            self._note(f"{point.id}: {error}")
            return []
        done = bill_months(
            group.trusted.rows([row]),
            card,
            point,
            known_at=self.now,
            received=group.received_of(row),
            period=self._period(point),
        )
        for note in done.notes:
            self._note(note)
        return [
            with_credits(bill, event_credits(self.store, self.access, point.id, bill.period)) for bill in done.bills
        ]

    def _period(self, point: UsagePoint) -> Interval | None:
        asked = self.order.period
        if asked is None:
            return last_month(self.now, point)
        return parse_period(asked, point.tz) if asked else None

    def _keep(self, bill: Bill) -> None:
        ledger = self.store.ledger
        with self.store.transaction():
            others = [
                each.bill
                for each in ledger.bills(self.access, bill.usage_point)
                if each.bill.period.overlaps(bill.period) and each.bill.key != bill.key
            ]
            issued = [other.id for other in others if other.state is BillState.ISSUED]
            if issued:
                self._note(f"{bill.usage_point}: bill {issued[0]} is issued, and what it is made of has changed since")
                return
            for old in others:
                if old.state is BillState.DRAFT:
                    ledger.cancel(self.access, old.id)
                    self.run.replaced += 1
            self.run.new += ledger.save_bill(self.access, bill, postings(bill))

    def _note(self, text: str) -> None:
        if text not in self.run.notes:
            self.run.notes.append(text)
