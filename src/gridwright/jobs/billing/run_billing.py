"""A billing run: one draft a usage point and civil month, kept in the ledger; run again, it changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from gridwright.billing import postings
from gridwright.billing.credit_line import with_credits
from gridwright.billing.gate import packaged_gate
from gridwright.domain.access import Access, Act
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s, local_month, parse_period
from gridwright.domain.month import month_name, months_of
from gridwright.domain.obstacle import BillGate, Obstacle, Withheld
from gridwright.domain.rate import RateCard
from gridwright.domain.seams import Seams
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.bill_months import civil_days
from gridwright.jobs.billing.bill_seams import seams_kept
from gridwright.jobs.billing.billed_spans import Reached, Together, alike, spans_reached
from gridwright.jobs.billing.customers import customers
from gridwright.jobs.billing.open_months import joined, open_months, spelled
from gridwright.jobs.billing.pass_gate import Doubts, obstacles_in, open_doubts, record_despite
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.note_replacement import note_replacement
from gridwright.jobs.cascade.rerate import Billable, rated, window
from gridwright.jobs.cascade.rerate_bill import POLICY, CorrectionPolicy, correct_bill
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import load_final
from gridwright.jobs.load.reached import days_reached
from gridwright.jobs.load.registers_alone import REMEDY, registers_alone
from gridwright.jobs.meters.meter_notes import with_meters
from gridwright.jobs.meters.on_behalf import on_behalf
from gridwright.jobs.programs.settle_event import event_credits
from gridwright.jobs.upkeep.archive_months import bring_back_for, months_away
from gridwright.store import IssuedBill, Store
from gridwright.store.days.states import ImageState

TOGETHER = 200
# On either side of what was read: a civil day begins before its UTC day, or ends behind it.
MARGIN = timedelta(days=1)
JUDGING = (Act.READ, Act.WRITE_READINGS)
Progress = Callable[[int, int], None]
CardOf = Callable[[UsagePoint], RateCard]


@dataclass(slots=True)
class BillRun:
    """What a run did: its bills as they are kept, and what it could not do.

    `new`, `same`: drafts that are new or as before; `replaced`: older ones that gave way. `issued`: bills that stand in
    the ledger already, so that there is no draft. `withheld`: what open findings keep from a bill. `remedy`: what helps
    where there is no bill at all.
    """

    bills: list[Bill] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    new: int = 0
    same: int = 0
    replaced: int = 0
    issued: int = 0
    notes: list[str] = field(default_factory=list)
    remedy: str = "check --period and --tariff"


@dataclass(frozen=True, slots=True)
class BillOrder:
    """What to bill: usage points (None = all but master meters) over `period` (as `2025-03`).

    An empty period is all civil months of which there are values, None each usage point's last complete month.
    `gate`: what withholds bills; `despite`: why they are drafted all the same, which goes on record.
    """

    points: Sequence[str] | None = None
    period: str | None = None
    dry_run: bool = False
    despite: str = ""
    gate: BillGate = field(default_factory=packaged_gate)


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
    whose readings changed the difference becomes the draft of a credit or debit note, named in the notes. What does not
    pass the gate gets no draft: it is told with its obstacles, and billed by the next run behind them.
    """
    if order.despite and not (order.despite.strip() and order.points):
        remedy = "name the usage points, and say why each of them may be billed all the same"
        raise InputError("what withholds bills is passed over for named usage points, with a reason", remedy=remedy)
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


def _has_value(group: Billable, row: int, bill: Bill) -> bool:
    """Tell whether anything is known of what was delivered, or fed in, in the period of a bill."""
    if bill.missing < bill.intervals:
        return True
    received = group.received_of(row)
    if received is None or not received.period.overlaps(bill.period):
        return False
    return not received.regrid(bill.period).missing.all()


class _Undone(Exception):
    """A trial run is over, and what it did is taken back."""


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """Trusted readings of a period, which bills are made of them, and how the final images were just before."""

    group: Billable
    asked: Mapping[str, tuple[Interval, ...]]
    period: Interval
    states: Mapping[str, ImageState]


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
    _asked: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    _doubts: Doubts = field(default_factory=dict)
    _away: frozenset[int] = frozenset()
    _reached: dict[str, Reached] = field(default_factory=dict)
    _empty: dict[str, set[Interval]] = field(default_factory=lambda: defaultdict(set))
    _seams: dict[str, Seams] = field(default_factory=dict)

    def bill(self, names: Sequence[str]) -> None:
        """Bill some usage points together."""
        known = self._known(names)
        billed: set[str] = set()
        for loaded in self._groups(known):
            for row, point in enumerate(loaded.group.points):
                billed.add(point.id)
                self.run.bills += self._billed(loaded, row)
        for name in known.keys() - billed:
            self._note_silent(known[name])
        for point in known.values():
            self._note_empty(point)

    def _known(self, names: Sequence[str]) -> dict[str, UsagePoint]:
        known = {point.id: point for point in self.store.registry.points(self.access, list(names))}
        for name in names:
            if name not in known:
                try:
                    self.store.registry.point(self.access, name)
                except NotFound as error:
                    self._note(str(error))
        return known

    def _groups(self, known: Mapping[str, UsagePoint]) -> Sequence[_Loaded]:
        """Return the trusted readings of usage points: what the cascade made of them, after it has run for them."""
        if not known:
            return []
        if not self.order.dry_run:
            self._correct_first(known)
            return self._final(known)
        waiting = self.store.dirty.ranges(self.access, limit=1, points=list(known))
        if not waiting and not months_away(self.store, self.access):
            return self._final(known)
        found: Sequence[_Loaded] = []
        # What the run would do, to the last step, and then nothing of it.
        with suppress(_Undone), self.store.transaction():
            self._correct_first(known)
            found = self._final(known)
            raise _Undone
        return found

    def _correct_first(self, known: Mapping[str, UsagePoint]) -> None:
        cascade = on_behalf(self.access, *JUDGING)
        for note in correct(self.store, cascade, self.site, now=self.now, points=list(known)).notes:
            self._note(f"not judged again: {note}")

    def _final(
        self, known: Mapping[str, UsagePoint], asked: Mapping[str, tuple[Interval, ...]] | None = None
    ) -> Sequence[_Loaded]:
        """Return the final images, and bring back from the archive what is needed of them; `asked`: not of all."""
        self._away = months_away(self.store, self.access)
        if asked is None:
            first_s = DAY_S * self.store.retention.kept_from(self.access)
            asked = {name: self._not_forgotten(self._periods(point), point, first_s) for name, point in known.items()}
            self._asked |= asked
        needed = {name: joined([self._needed(each, known[name]) for each in asked[name]]) for name in known}
        spans = [(name, span) for name, several in needed.items() for span in several]
        if not spans:
            return []
        for period in joined([span for _, span in spans]) if self._away else ():
            back = [month_name(month) for month in months_of(period) if month in self._away]
            if back:
                bring_back_for(self.store, self.access, period)
                self._note(f"brought back from the archive: {spelled(back)}")
        every = [period for name in known for period in self._asked[name]]
        whole = Interval(min(period.start for period in every), max(period.end for period in every))
        doubts = open_doubts(self.store, self.access, self.order.gate, list(known), whole)
        self._doubts = {**self._doubts, **dict.fromkeys(known, ()), **doubts}
        return [loaded for together in alike(spans) for loaded in self._together(together, known, asked)]

    def _together(
        self, together: Together, known: Mapping[str, UsagePoint], asked: Mapping[str, tuple[Interval, ...]]
    ) -> list[_Loaded]:
        some = {name: point for name, point in known.items() if name in together.spans}
        here = {name: tuple(each for each in asked[name] if together.holds(name, each)) for name in some}
        states: Mapping[str, ImageState] = {}
        if not self.order.dry_run:
            states = self.store.readings.final_states(self.access, list(some), together.period)
        groups, notes = load_final(self.store, self.access, some, together.period, self.site)
        for note in notes:
            self._note(note)
        return [_Loaded(group, here, together.period, states) for group in groups]

    def _periods(self, point: UsagePoint) -> tuple[Interval, ...]:
        """Return of which time a usage point is billed: what was asked for, or all that is stored and not put away."""
        asked = self._period(point)
        if asked is not None:
            return (asked,)
        there = spans_reached(self.store, self.access, point, MARGIN, self._away)
        self._reached[point.id], self._empty[point.id] = there, set(there.months)
        if all(self._away.isdisjoint(months_of(each)) for each in there.spans):
            return there.spans
        stored = spans_reached(self.store, self.access, point, timedelta(0), self._away).spans
        found = [open_months(each, point, self._away, partial(self._is_billed, point.id)) for each in stored]
        left = [name for each in found for name in each.left]
        if left:
            example = f"--period {left[0]} bills it"
            self._note(f"not looked at, because it is in the archive: {spelled(left)}; {example}")
        return tuple(period for each in found for period in each.periods)

    def _not_forgotten(self, periods: tuple[Interval, ...], point: UsagePoint, first_s: int) -> tuple[Interval, ...]:
        """Leave out what needs readings that retention forgot: a bill of what is left of them would be another."""
        kept = tuple(each for each in periods if epoch_s(self._needed(each, point).start) >= first_s)
        if first_s and len(kept) < len(periods):
            gone = next(each for each in periods if each not in kept)
            first = from_epoch_s(first_s).date()
            self._note(f"{point.id} is not billed in {gone}: readings from before {first} that it needs were forgotten")
        return kept if first_s else periods

    def _is_billed(self, name: str, period: Interval) -> bool:
        return any(
            kept.bill.period.overlaps(period) and kept.bill.state is not BillState.CANCELLED
            for kept in self.store.ledger.bills(self.access, name)
        )

    def _needed(self, period: Interval, point: UsagePoint) -> Interval:
        """Return of which time readings are needed to bill a period."""
        try:
            return window(period, point, self.card_of(point), self._seams_of(point))
        except NotFound:
            return period

    def _seams_of(self, point: UsagePoint) -> Seams:
        if point.id not in self._seams:
            self._seams[point.id] = seams_kept(self.store, self.access, point.id)
        return self._seams[point.id]

    def _note_silent(self, point: UsagePoint) -> None:
        """Say that a usage point has nothing to bill, and what there is of it."""
        days = days_reached(self.store, self.access, point.id)
        if not days:
            told = registers_alone(point, self.store.registers.extents(self.access, point.id))
            if told and not self.run.notes:  # the first note is why there is no bill
                self.run.remedy = REMEDY
            self._note(told or f"no readings of {point.id}")
            return
        there = f"{date_of(days.start)} to {date_of(days.stop)}"
        period = self._period(point)
        self._note(
            f"{point.id} has no readings to bill" + (f" in {period}" if period else "") + f"; they cover {there}"
        )

    def _billed(self, loaded: _Loaded, row: int) -> list[Bill]:
        """Make the bills of a usage point and keep them, of the readings, credits and meters there are by then."""
        point, bills = loaded.group.points[row], self._rated(loaded, row)
        if self.order.dry_run or all(bill.example for bill in bills):
            return [told for bill in bills if not self._is_withheld(told := self._told(bill))]
        with self.store.transaction():
            self.store.rerates.hold(self.access, point.id)
            if self._has_moved(loaded, point.id):
                # Another process has made other readings final, and has rated all bills but these.
                found = self._final({point.id: point}, {point.id: self._asked_again(loaded, point)})
                bills = [bill for one in found for at in range(len(one.group.points)) for bill in self._rated(one, at)]
            return [kept for bill in bills for kept in self._kept(self._told(bill))]

    def _has_moved(self, loaded: _Loaded, name: str) -> bool:
        states = self.store.readings.final_states(self.access, [name], loaded.period)
        return states[name] != loaded.states[name]

    def _asked_again(self, loaded: _Loaded, point: UsagePoint) -> tuple[Interval, ...]:
        """Return of which time a usage point is billed by now, apart from what is loaded elsewhere."""
        others = [each for each in self._asked[point.id] if each not in loaded.asked[point.id]]
        mine = [each for each in self._periods(point) if not any(each.overlaps(other) for other in others)]
        self._asked[point.id] = (*others, *mine)
        return tuple(mine)

    def _rated(self, loaded: _Loaded, row: int) -> list[Bill]:
        """Return the bills of a usage point by its readings alone."""
        group, point = loaded.group, loaded.group.points[row]
        try:
            card = self.card_of(point)
        except NotFound as error:
            self._note(f"{point.id}: {error}")
            return []
        periods, seams = [*loaded.asked[point.id]], self._seams_of(point)
        if self.order.period == "":
            # A month that has begun is billed as far as it was read.
            there = civil_days(group.trusted, point, seams)
            reached = self._reached.get(point.id, Reached())
            periods = [part for period in periods if (part := reached.read_part(period, there))]
        several = [rated(group, row, card, period, self.now, seams=seams) for period in periods]
        for note in (note for done in several for note in done.notes):
            self._note(note)
        bills = [bill for done in several for bill in done.bills]
        return self._with_values(group, row, bills) if self.order.period == "" else bills

    def _with_values(self, group: Billable, row: int, bills: Sequence[Bill]) -> list[Bill]:
        """Leave out months of which nothing is there: nobody asked for their bills by name."""
        point = group.points[row]
        empty = [bill for bill in bills if not _has_value(group, row, bill)]
        there = self.store.ledger.bills(self.access, point.id) if empty else ()
        kept = [each.bill.period for each in there if each.bill.state is not BillState.CANCELLED]
        left = [bill.period for bill in empty if not any(bill.period.overlaps(each) for each in kept)]
        self._empty[point.id].update(left)
        return [bill for bill in bills if bill.period not in left]

    def _note_empty(self, point: UsagePoint) -> None:
        """Say which months have no bill because nothing is known of them."""
        if not self._empty.get(point.id):
            return
        kept = (each.bill for each in self.store.ledger.bills(self.access, point.id))
        made = [each for each in self.run.bills if each.usage_point == point.id]
        taken = [each.period for each in (*made, *kept) if each.state is not BillState.CANCELLED]
        taken += [each.period for each in self.run.withheld if each.usage_point == point.id]
        empty = [each for each in self._empty[point.id] if not any(each.overlaps(period) for period in taken)]
        months = [f"{each.start.astimezone(point.tz):%Y-%m}" for each in empty]
        if months:
            self._note(
                f"{point.id} has no value in {spelled(months)}, so that there is no draft; gridwright edit propose "
                f"{point.id} enters what was used"
            )

    def _told(self, bill: Bill) -> Bill:
        """Return the bill with what else belongs on it: payments for demand response, meters that were exchanged."""
        credits_ = event_credits(self.store, self.access, bill.usage_point, bill.period)
        return with_meters(self.store, self.access, with_credits(bill, credits_))

    def _period(self, point: UsagePoint) -> Interval | None:
        asked = self.order.period
        if asked is None:
            return last_month(self.now, point)
        return parse_period(asked, point.tz) if asked else None

    def _kept(self, bill: Bill) -> list[Bill]:
        """Keep a bill, and return what stands in the ledger for it: itself, an issued one, or nothing."""
        if bill.example:
            return [bill]
        ledger = self.store.ledger
        there = [each for each in ledger.bills(self.access, bill.usage_point) if each.bill.period.overlaps(bill.period)]
        issued = [each for each in there if each.bill.state is BillState.ISSUED]
        if issued:
            return self._correct(issued, bill)
        if self._is_withheld(bill):
            return []
        for old in there:
            if old.bill.state is BillState.DRAFT and old.bill.key != bill.key:
                ledger.cancel(self.access, old.bill.id, only=BillState.DRAFT)
                self.run.replaced += 1
        saved = ledger.save_bill(self.access, bill, postings(bill))
        self.run.new += saved.new
        self.run.same += not saved.new
        if saved.new and (passed := self._obstacles(bill)):
            record_despite(self.store, self.access, saved.document.id, passed, self.order.despite)
        return [saved.document]

    def _obstacles(self, bill: Bill) -> list[Obstacle]:
        """Return the findings that withhold a draft; a month that has begun is drafted, and its gaps bar the issue."""
        there = () if bill.example else self._doubts.get(bill.usage_point, ())
        return [each for each in obstacles_in(self.order.gate, bill, there) if each.finding is not None]

    def _is_withheld(self, bill: Bill) -> bool:
        """Tell whether there is no draft of a bill, and if so, put it down with what stands in its way."""
        found = self._obstacles(bill)
        if not found or self.order.despite or (self.order.dry_run and self._is_issued(bill)):
            return False
        self.run.withheld.append(Withheld(bill.usage_point, bill.period, bill.zone, tuple(found)))
        return True

    def _is_issued(self, bill: Bill) -> bool:
        there = self.store.ledger.bills(self.access, bill.usage_point)
        return any(each.bill.state is BillState.ISSUED and each.bill.period.overlaps(bill.period) for each in there)

    def _correct(self, issued: Sequence[IssuedBill], bill: Bill) -> list[Bill]:
        """Hold a bill against the issued one of its period, and return that: what differs becomes the draft of a note.

        One of another period or by another card is not comparable: the issued ones stay, and there is no other bill.
        """
        self.run.issued += 1
        kept = next((each for each in issued if each.bill.period == bill.period), issued[0])
        if (kept.bill.period, kept.bill.rate_card) != (bill.period, bill.rate_card):
            told = f"no bill for {bill.period} by {bill.rate_card}"
            self._note(
                f"{bill.usage_point}: {told}: bill {kept.bill.id} is issued for {kept.bill.period} by "
                f"{kept.bill.rate_card}, and stays; gridwright bill cancel takes it back"
            )
            return []
        found = correct_bill(self.store, self.access, kept, bill, self.policy)
        note_replacement(self.store, on_behalf(self.access, *JUDGING), kept.bill, bill, self.site)
        if found.correction is not None:
            told = f"{found.correction.kind} {found.correction.id} over {found.correction.total:f} {bill.currency}"
            self._note(
                f"{bill.usage_point}: bill {kept.bill.id} is issued, and what it is made of has changed since; "
                f"{told} is {found.correction.state}" + self._doubted(bill)
            )
        return [kept.bill]

    def _doubted(self, bill: Bill) -> str:
        found = self._obstacles(bill)
        return f", and withheld by {found[0]}" if found else ""

    def _note(self, text: str) -> None:
        if text not in self.run.notes:
            self.run.notes.append(text)
