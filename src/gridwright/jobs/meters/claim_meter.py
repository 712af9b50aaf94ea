"""Claim a meter nobody knew: it is registered and installed, and of its waiting readings all that fit move in."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import GridMismatch, GridwrightError, NotFound
from gridwright.domain.finding import Finding
from gridwright.domain.interval import FIRST as FIRST_INSTANT
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.quarantine import ClaimedBefore, QuarantinedReading
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter
from gridwright.jobs.field.keep_harvest import placed_registers
from gridwright.jobs.meters.claim_fitting import REMEDY, Misfit, in_channel, save_what_fits, told
from gridwright.jobs.meters.claimed_place import ClaimedPlace, MeterClaim, of_hanging, place_of
from gridwright.jobs.meters.derive_again import (
    DerivedAgain,
    Several,
    derive_again,
    energies_told,
    joined,
    reads_to_tell,
    told_of,
)
from gridwright.jobs.meters.follow_epochs import judge_again, judged_again
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.meters.name_again import named_again, put_back, take_out
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store
from gridwright.vee.arrivals import contradiction_findings

HOLD_S = 0.2  # about so long a portion may keep all others from writing
FIRST, FEWEST, MOST = 5_000, 1_000, 100_000  # readings of a portion
TWICE = "waited with two values; the later counts"


@dataclass(frozen=True, slots=True)
class ClaimedMeter:
    """How many interval readings and register reads moved in; the notes tell what stayed out and what was derived.

    `moved`: waiting readings that moved in; of two values of an interval both did. `installation`: the meter that hangs
    there; None where the readings were sent under the usage point's own id.
    """

    installation: Installation | None
    intervals: int
    registers: int
    notes: tuple[str, ...] = ()
    moved: int = 0


@dataclass(frozen=True, slots=True)
class ClaimedAhead:
    """What moved in before the last transaction of a claim; `twice`: had two values, of which the later counts."""

    intervals: int = 0
    registers: int = 0
    moved: int = 0
    twice: int = 0
    derived: tuple[DerivedAgain, ...] = ()


NOT_AHEAD = ClaimedAhead()


def claim_in_portions(store: Store, access: Access, claim: MeterClaim, *, now: datetime) -> ClaimedMeter:
    """Claim a meter whose readings may be many, so that others write between them; see `claim_ahead`."""
    return claim_meter(store, access, claim, now=now, ahead=claim_ahead(store, access, claim, now=now))


def claim_ahead(store: Store, access: Access, claim: MeterClaim, *, now: datetime) -> ClaimedAhead:
    """Move all but the last of a meter's many readings in, whole days at a time, each time in a transaction.

    Whatever ends it, what moved in stays, and the rest goes on waiting: the same claim goes on with that. Where the
    meter hung for a time that is over, or few readings wait, everything is left to `claim_meter`.
    """
    access.require(Act.WRITE_REGISTRY, claim.usage_point)
    done, size, since = NOT_AHEAD, FIRST, FIRST_INSTANT
    if store.quarantine.waiting(access, claim.meter) <= size:
        return done
    while True:
        began = time.monotonic()
        found = _moved_ahead(store, access, claim, (since, size), now=now)
        if found is None:
            return done
        moving, since = found
        done, size = moving.added_to(done), _size_after(moving.moved, time.monotonic() - began)


@tried_again
def _moved_ahead(
    store: Store, access: Access, claim: MeterClaim, part: tuple[datetime, int], *, now: datetime
) -> tuple[_Moving, datetime] | None:
    """Move the first whole days from an instant on in that hold so many readings; None where the rest is no more."""
    with store.transaction():
        moving = _begun(store, access, claim, now)
        days = None if moving is None else _next_days(moving, *part)
        if moving is None or days is None:
            return None
        moving.take(days)
        return moving, days.end


def _begun(store: Store, access: Access, claim: MeterClaim, now: datetime) -> _Moving | None:
    """Return what moves readings and events to where they belong by now; None where none wait."""
    store.findings.hold(access, [claim.usage_point])
    oldest = [each.at for each in store.quarantine.readings(access, claim.meter, limit=1)]
    oldest = oldest or [each.at for each in store.waiting_events.of(access, claim.meter, limit=1)]
    return _Moving(store, access, claim, place_of(store, access, claim, oldest[0]), now) if oldest else None


def _next_days(moving: _Moving, since: datetime, size: int) -> Interval | None:
    """Return the first whole days from `since` on that hold so many readings; None where the rest is no more."""
    within = moving.claimed.within
    begin = max(since, within.start)
    if not moving.claimed.place.is_open or begin >= within.end:
        return None
    waiting = Interval(begin, within.end)
    until = moving.store.quarantine.first_days(moving.access, moving.claim.meter, waiting, most=size)
    return None if until is None else Interval(begin, until)


def _size_after(moved: int, took_s: float) -> int:
    """Return how many readings are moved next, by how long others had to wait for the last ones."""
    fits = int(moved * HOLD_S / max(took_s, 0.001))
    return max(FEWEST, min(fits, MOST)) if moved else FIRST


@tried_again
def claim_meter(
    store: Store, access: Access, claim: MeterClaim, *, now: datetime, ahead: ClaimedAhead = NOT_AHEAD
) -> ClaimedMeter:
    """Register and install the meter at a known usage point, and move its readings in, in one transaction.

    What it reported of its time there moves in too. A meter of which nothing waits is NotFound; one that hangs
    elsewhere at that time is a Conflict. Readings from outside the installation go on waiting: where the meter hung
    then, somebody may claim them. So do those that do not fit the grid of their day; where none ever fitted, it is a
    GridMismatch. `ahead`: what this very claim has moved before; what another one had, which may have been killed, is
    told.
    """
    access.require(Act.WRITE_REGISTRY, claim.usage_point)
    with store.transaction():
        zone = store.registry.point(access, claim.usage_point).tz
        moving = _begun(store, access, claim, now)
        if moving is None:
            raise none_waits(store, access, claim.meter)
        before = _claimed_before(moving, ahead)
        moving.take(moving.claimed.within)
        moving.take_events()
        whole = moving.added_to(ahead)
        if not (whole.moved or moving.events or (before and moving.misfits)):
            raise moving.refusal(before)
        outside = store.quarantine.waiting(access, claim.meter) - moving.left
        apart = len(store.waiting_events.of(access, claim.meter))
    twice, claimed = whole.twice, moving.claimed
    counted = {
        f"{claim.meter} is a usage point by now: its readings moved in, and no meter was installed": claimed.own,
        f"{outside} readings from outside the installation go on waiting": outside,
        f"{moving.events} events moved in": moving.events,
        f"{apart} events from outside the installation go on waiting": apart,
        f"{twice} readings had two values: the later counts, see the findings": twice,
        f"{before}: they are not counted here": before,
    }
    notes = (*(note for note, count in counted.items() if count), *moving.notes, *told_of(joined(whole.derived), zone))
    place = None if claimed.own else claimed.place
    return ClaimedMeter(place, whole.intervals, whole.registers, notes, whole.moved)


def none_waits(store: Store, access: Access, meter: str) -> NotFound:
    """Return the refusal of a claim of a meter of which nothing waits; it tells what was claimed before."""
    told = _told(store.quarantine.claimed(access, meter))
    return NotFound(f"no readings of meter {meter!r} wait{told}", remedy="the list of the quarantine tells which do")


def _told(before: ClaimedBefore | None) -> str:
    return f": {before}" if before else ""


def _claimed_before(moving: _Moving, ahead: ClaimedAhead) -> ClaimedBefore | None:
    """Return what moved in where the meter hangs before this claim began; None where nothing did."""
    if moving.claimed.new:
        return None
    claimed = moving.store.quarantine.claimed(moving.access, moving.claim.meter, within=moving.claimed.within)
    if claimed is None or claimed.readings <= ahead.moved:
        return None
    return replace(claimed, readings=claimed.readings - ahead.moved)


@dataclass(slots=True)
class _Moving:
    """Moves what waited to its place: the meter is installed once it is known that something moves in."""

    store: Store
    access: Access
    claim: MeterClaim
    claimed: ClaimedPlace
    now: datetime
    intervals: int = 0
    registers: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    derived: list[DerivedAgain] = field(default_factory=list)
    moved: int = 0
    twice: int = 0
    events: int = 0

    def take_events(self) -> None:
        """Move in what the meter reported while it hung there; of a name that is the usage point's, all of it.

        Where readings wait and none of them fits, the meter may never have hung here.
        """
        store, access, claim = self.store, self.access, self.claim
        if self.claimed.new and not self.moved:
            if self.misfits or not store.waiting_events.of(access, claim.meter, within=self.claimed.within, limit=1):
                return
            self._install_and_derive(())
        within = None if self.claimed.own else self.claimed.within
        self.events = store.waiting_events.claim(access, claim.meter, claim.usage_point, within=within)

    def take(self, within: Interval) -> None:
        """Move in what fits of a time, and keep the doubts about what waited with two values."""
        store, access, claim = self.store, self.access, self.claim
        taken = store.quarantine.claim(access, claim.meter, within=within, save=self.save)
        doubts = contradictions(in_channel(taken, claim.channel), claim.usage_point) if taken else []
        if doubts:
            store.findings.save(access, doubts, known_at=self.now)
        self.moved, self.twice = len(taken), sum(each.slots for each in doubts)

    def added_to(self, before: ClaimedAhead) -> ClaimedAhead:
        """Return what moved in before, with this."""
        return ClaimedAhead(
            before.intervals + self.intervals,
            before.registers + self.registers,
            before.moved + self.moved,
            before.twice + self.twice,
            (*before.derived, *self.derived),
        )

    @property
    def left(self) -> int:
        """How many readings from the time of the installation go on waiting, since they do not fit."""
        return sum(len(misfit.places) for misfit in self.misfits)

    def save(self, waiting: Sequence[QuarantinedReading]) -> set[int]:
        """Save what fits and return the places of the rest, which goes on waiting."""
        store, access = self.store, self.access
        ours = in_channel(waiting, self.claim.channel)
        self.intervals, self.misfits = save_what_fits(store, access, ours, self.claimed.place, now=self.now)
        self.notes = told(ours, self.misfits)
        left = {at for misfit in self.misfits for at in misfit.places}
        # The interval that begins as the meter goes is not its own, as its last read is.
        left |= {at for at, each in enumerate(ours) if each.interval_s and each.at >= self.claimed.place.period.end}
        moved = [each for at, each in enumerate(ours) if at not in left]
        if not moved:
            return left
        if self.claimed.new:
            # Not since a reading that stays out: the meter may never have hung here then.
            self.claimed = place_of(store, access, self.claim, moved[0].at)
        self._install_and_derive(moved)
        return left

    def _install_and_derive(self, moved: Sequence[QuarantinedReading]) -> None:
        """Hang a new meter and save its register reads; what they tell of intervals is derived as from those posted."""
        store, access, place = self.store, self.access, self.claimed.place
        reads = [each for each in moved if not each.interval_s]
        if not (self.claimed.new or reads):
            return
        since = (place.period.start if self.claimed.new else self._bears_on(reads[0].at)).replace(microsecond=0)
        before = self._tell(since)
        if self.claimed.new:
            register(store, access, Meter(self.claim.meter))
            renamed = named_again(store, access, place.usage_point, self.claimed.history, place.period.start)
            take_out(store, access, renamed, known_at=self.now)
            store.registry.exchange_meter(access, place)
            put_back(store, access, renamed, known_at=self.now)
        self.registers = self._save_registers(reads)
        both = before, self._tell(since)
        self.derived = derive_again(store, access, self.claim.usage_point, both, (since, self.now))
        if self.claimed.new:
            point = self.claim.usage_point
            judge_again(store, access, point, judged_again(store, access, point, since))

    def _bears_on(self, first: datetime) -> datetime:
        """Return since when a read tells something new: it may prove the one before it wrong."""
        registers, access, point = self.store.registers, self.access, self.claim.usage_point
        moment = first - timedelta(seconds=1)
        ends = (
            registers.neighbours(access, {point: (moment, moment)}, kind)[point][0]
            for kind in registers.kinds(access, point)
        )
        return min((last.at for last in ends if last is not None), default=first)

    def _tell(self, since: datetime) -> dict[ReadingType, Several]:
        point = self.claim.usage_point
        return energies_told(self.store, self.access, point, reads_to_tell(self.store, self.access, point, since))

    def _save_registers(self, waiting: Sequence[QuarantinedReading]) -> int:
        store, access = self.store, self.access
        reads = [read for each in waiting for read in placed_registers(_read(each), [self.claimed.place])]
        reads = in_epochs(store, access, of_hanging(store, access, reads) if self.claimed.own else reads)
        return keep_reads(store, access, reads, known_at=self.now).new if reads else 0

    def refusal(self, before: ClaimedBefore | None) -> GridwrightError:
        """Return why nothing at all moved in, and what another claim had moved."""
        if self.misfits:
            error = self.misfits[0].error
            return GridMismatch(f"nothing moves in: {error.message}", where=error.where, remedy=REMEDY)
        return NotFound(
            f"no readings of meter {self.claim.meter!r} wait from {self.claimed.place.period}{_told(before)}",
            remedy="the list of the quarantine tells from when they are; claim them for where it hung then, with the "
            "instant since which it did: at the same place, it hangs there from then on",
        )


def register(store: Store, access: Access, meter: Meter) -> None:
    """Register a meter that is not registered yet; of a known one only dials that nobody had told are learned."""
    try:
        known = store.registry.meter(access, meter.serial)
    except NotFound:
        store.registry.save_meter(access, meter)
        return
    if isinstance(known, Meter) and known.dials is None and meter.dials is not None:
        store.registry.save_meter(access, replace(known, dials=meter.dials, lsb_wh=meter.lsb_wh))


def contradictions(taken: Sequence[QuarantinedReading], point: str) -> list[Finding]:
    """Return what waited with two values for one interval or instant, of which the later one moves in (V03)."""
    alike: dict[tuple[ReadingType, int], list[QuarantinedReading]] = defaultdict(list)
    for each in taken:
        alike[each.reading_type, each.interval_s].append(each)
    return [
        finding
        for (kind, interval_s), some in alike.items()
        for finding in contradiction_findings(_columns(some, point, kind, interval_s), TWICE)
    ]


def _columns(some: Sequence[QuarantinedReading], point: str, kind: ReadingType, interval_s: int) -> Readings:
    at = np.array([epoch_s(each.at) for each in some], np.int64)
    value = np.array([each.value for each in some], np.float64)
    order, quality = np.arange(at.size), np.array([each.quality for each in some], np.uint8)
    return Readings((point,), np.zeros(at.size, np.int32), at, value, quality, order, interval_s, kind)


def _read(each: QuarantinedReading) -> RegisterReading:
    value, kind = float(round(each.value)), each.reading_type
    return RegisterReading("", each.at, value, each.meter, quality=each.quality, reading_type=kind)
