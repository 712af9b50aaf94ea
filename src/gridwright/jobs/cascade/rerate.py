"""Rate again what a correction touched: drafts are made anew, issued bills get the draft of a credit or debit note."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Protocol

from gridwright.billing import Coarse, postings
from gridwright.billing.credit_line import with_credits
from gridwright.domain.access import Access
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import Correction
from gridwright.domain.errors import GridwrightError, NotFound, RateError
from gridwright.domain.interval import DAY_S, Interval, epoch_s, local_month
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.domain.seams import DAY, NO_SEAMS, Seams
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.bill_months import Billed, bill_months, yearly
from gridwright.jobs.billing.bill_seams import seams_kept
from gridwright.jobs.cascade.note_replacement import note_replacement
from gridwright.jobs.cascade.rerate_bill import POLICY, CorrectionPolicy, correct_bill
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import load_final
from gridwright.jobs.meters.meter_notes import with_meters
from gridwright.jobs.programs.settle_event import event_credits
from gridwright.jobs.upkeep.archive_months import bring_back_for
from gridwright.store import IssuedBill, Store
from gridwright.store.money.rerates import Rerate

CardFor = Callable[[UsagePoint, str], RateCard]
Progress = Callable[[int, int], None]


class Billable(Protocol):
    """Usage points whose trusted readings are at hand."""

    @property
    def points(self) -> tuple[UsagePoint, ...]:
        """Usage points, one a row."""

    @property
    def trusted(self) -> Panel:
        """Energy delivered."""

    def received_of(self, row: int) -> Panel | None:
        """Return what one of them fed in, one row; None where it feeds nothing in."""

    def coarse_of(self, row: int) -> Sequence[Coarse]:
        """Return when one of them was read at longer intervals than those of the panels."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """How bills are rated again: `card_for` gives the card that a bill names (`res-tou@4`), as it is now."""

    card_for: CardFor
    site: SiteDefaults
    policy: CorrectionPolicy = POLICY


@dataclass(slots=True)
class Rerated:
    """What was done: changes dealt with, bills looked at, drafts made anew, corrections that are new or put aside."""

    changes: int = 0
    bills: int = 0
    drafts: int = 0
    new: int = 0
    replaced: int = 0
    corrections: list[Correction] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rerate(
    store: Store,
    access: Access,
    pricing: Pricing,
    *,
    now: datetime,
    points: Sequence[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Rerated:
    """Deal with every change that waits, usage point by usage point and in the order of their bills.

    A ladder that runs over a year is carried on, so that a change in one month rates the later ones of its year too.
    Each usage point is one transaction; run again, it does nothing. With `dry_run` nothing is kept or cleared. A bill
    that cannot be rated is named in the notes, and its change waits; the others are rated.
    """
    desk, by_point = _Desk(store, access, pricing, now, dry_run), defaultdict(list)
    for change in store.rerates.pending(access, points=points):
        by_point[change.usage_point].append(change)
    for number, (point, changes) in enumerate(by_point.items(), start=1):
        desk.point(point, changes)
        if progress:
            progress(number, len(by_point))
    return desk.done


@dataclass(slots=True)
class _Desk:
    store: Store
    access: Access
    pricing: Pricing
    now: datetime
    dry_run: bool
    done: Rerated = field(default_factory=Rerated)

    def point(self, name: str, changes: Sequence[Rerate]) -> None:
        """Rate the bills of a usage point that changes touch; while one cannot be rated, the changes wait."""
        cascade = changes[-1].cascade
        with self.store.transaction(cascade=cascade):
            if not self.dry_run:
                # Another process may have dealt with them, or have more: who rates last must have read last.
                changes = self.store.rerates.claim(self.access, name)
            rated = [self._tried(kept, cascade) for kept in self._touched(name, changes)]
            if not all(rated):
                return
            self.done.changes += len(changes)
            if not self.dry_run:
                self.store.rerates.clear(self.access, changes)

    def _tried(self, kept: IssuedBill, cascade: str) -> bool:
        """Rate one bill again, whole or not at all: what stands in its way is noted, and stops no other bill."""
        try:
            with self.store.transaction():
                self._bill(kept, cascade)
        except GridwrightError as error:
            self.done.notes.append(f"bill {kept.bill.id}: {error}")
            return False
        return True

    def _touched(self, name: str, changes: Sequence[Rerate]) -> list[IssuedBill]:
        """Return the bills that changes touch, and those of later months of the same year, in order of time."""
        periods = [_year_on(change.period, self.store.registry.point(self.access, name)) for change in changes]
        kept = [
            each for each in self.store.ledger.bills(self.access, name) if each.bill.state is not BillState.CANCELLED
        ]
        direct = [change.period for change in changes]
        return [
            each
            for each in kept
            if _meets(each.bill.period, direct)
            or (_meets(each.bill.period, periods) and self._runs_on(each.bill, name))
        ]

    def _runs_on(self, bill: Bill, name: str) -> bool:
        """Tell whether a bill depends on what was used earlier in its year; one whose card is gone may."""
        try:
            return bool(yearly(self._card(bill, name)))
        except GridwrightError:
            return True

    def _card(self, bill: Bill, name: str) -> RateCard:
        return self.pricing.card_for(self.store.registry.point(self.access, name), bill.rate_card)

    def _bill(self, kept: IssuedBill, cascade: str) -> None:
        if self._needs_forgotten(kept.bill):
            self.done.notes.append(f"bill {kept.bill.id}: it stands, for readings that it needs were forgotten")
            return
        again = self._again(kept.bill)
        self.done.bills += 1
        if again is None:
            self.done.notes.append(f"bill {kept.bill.id}: there are no readings to rate it with")
        elif kept.bill.state is BillState.ISSUED:
            found = correct_bill(
                self.store, self.access, kept, again, self.pricing.policy, cascade=cascade, dry_run=self.dry_run
            )
            self.done.new += found.new
            self.done.replaced += found.replaced
            self.done.corrections += [found.correction] if found.correction else []
            if not self.dry_run:
                note_replacement(self.store, self.access, kept.bill, again, self.pricing.site)
        elif again.key != kept.bill.key:
            self.done.drafts += 1
            if not self.dry_run:
                self.store.ledger.cancel(self.access, kept.bill.id, only=BillState.DRAFT)
                self.store.ledger.save_bill(self.access, again, postings(again))

    def _needs_forgotten(self, bill: Bill) -> bool:
        """Tell whether a bill needs readings that retention forgot: made of what is left, it would be another."""
        first_s = DAY_S * self.store.retention.kept_from(self.access)
        return bool(first_s) and epoch_s(self._window(bill).start) < first_s

    def _window(self, bill: Bill) -> Interval:
        """Return of which time the readings of a bill are; where its card is gone, of its own period."""
        name = bill.usage_point
        point = replace(self.store.registry.point(self.access, name), zone=bill.zone)
        try:
            return window(bill.period, point, self._card(bill, name), seams_kept(self.store, self.access, name))
        except NotFound:
            return bill.period

    def _again(self, bill: Bill) -> Bill | None:
        """Rate a bill from the readings as they are now; what demand response paid on it stays."""
        name = bill.usage_point
        # The zone of the bill, not the one that the usage point has by now: its days are those that were billed.
        point = replace(self.store.registry.point(self.access, name), zone=bill.zone)
        card, seams = self._card(bill, name), seams_kept(self.store, self.access, name)
        period = window(bill.period, point, card, seams)
        if not self.dry_run:
            bring_back_for(self.store, self.access, period)
        groups, notes = load_final(self.store, self.access, {name: point}, period, self.pricing.site)
        for group in groups:
            done = rated(group, 0, card, bill.period, self.now, seams=seams)
            for again in done.bills:
                credited = with_credits(again, event_credits(self.store, self.access, name, bill.period))
                return with_meters(self.store, self.access, credited)
            raise RateError(f"bill {bill.id} cannot be rated again: {'; '.join(done.notes)}")
        if notes:
            raise RateError(f"bill {bill.id} cannot be rated again: {'; '.join(notes)}")
        return None


def window(period: Interval, point: UsagePoint, card: RateCard, seams: Seams = NO_SEAMS) -> Interval:
    """Return of which time the readings are needed to rate a period: from January on where a ladder runs a year."""
    fitted = seams.fit(period, point.tz)
    whole = Interval(min(period.start, fitted.start), max(period.end, fitted.end))
    if not yearly(card):
        return whole
    first = seams.day(fitted.start, point.tz) or fitted.start.astimezone(point.tz).date()
    january = seams.period(date(first.year, 1, 1), first, point.tz).start
    return Interval(min(whole.start, january), whole.end)


def rated(
    group: Billable, row: int, card: RateCard, period: Interval | None, now: datetime, *, seams: Seams = NO_SEAMS
) -> Billed:
    """Rate one usage point of a group, month by month of a period (None: all that the readings touch)."""
    return bill_months(
        group.trusted.rows([row]),
        card,
        group.points[row],
        known_at=now,
        received=group.received_of(row),
        period=period,
        coarse=group.coarse_of(row),
        seams=seams,
    )


def _year_on(period: Interval, point: UsagePoint) -> Interval:
    """Return from a change to the end of its year, by any zone in which a bill may have been made."""
    last = (period.end + DAY).astimezone(point.tz).year
    return Interval(period.start, local_month(last + 1, 1, point.tz).start)


def _meets(period: Interval, others: Sequence[Interval]) -> bool:
    return any(period.overlaps(other) for other in others)
