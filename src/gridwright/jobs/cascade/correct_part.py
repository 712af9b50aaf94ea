"""One part of a cascade: raw readings in, final images, findings and day totals out; only differences are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.day_totals import DayTotals, day_totals
from gridwright.domain.errors import GridMismatch
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import Flow
from gridwright.jobs.cascade.breaks import Breaks
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.edits_beyond import Taken, taken_back
from gridwright.jobs.cascade.fed_in import by_readings, touch_later
from gridwright.jobs.cascade.make_final import Final
from gridwright.jobs.cascade.seam_days import SeamDays
from gridwright.jobs.cascade.unread import NOT_AGREED, Read
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import Store
from gridwright.store.money.rerates import Rerate
from gridwright.vee.silence import CODE as SILENCE

Mask = npt.NDArray[np.bool_]
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part changed: new findings, final readings, day totals, and changes queued to be rated again.

    `left`: parts of it that need more of the time around them than was loaded. `later`: usage points of which days
    behind the part are dirty by it.
    """

    findings: int = 0
    readings: int = 0
    days: int = 0
    rerates: int = 0
    left: tuple[Scope, ...] = ()
    later: tuple[str, ...] = ()


def keep_final(
    store: Store, access: Access, scope: Scope, made: Sequence[Final], *, now: datetime, alone: Sequence[Finding] = ()
) -> Outcome:
    """Save what differs from the final images there are, with findings and day totals, and queue the bills' part.

    `alone`: doubts about registers beside which nothing was made.
    """
    every = (finding for final in made for finding in final.findings if finding.period.overlaps(scope.period))
    found = [*alone, *(each for each in every if each.code != SILENCE)]
    new = store.findings.save(access, found, known_at=now, points=scope.points, period=scope.period)
    readings, days, rerates, cascade, feeding = 0, 0, [], scope.cascade, set[str]()
    seams = SeamDays(store, access, scope, [final.panel for final in made])
    _, taken = taken_back(store.edits.withdrawn(access, scope.points, scope.context))
    gone_by = taken, Breaks.between(final.panel for final in made if not (final.beyond or final.part))
    changes = ((final.zone, _change(store, access, scope.period, final, gone_by)) for final in made)
    for zone, change in chain(changes, _unread(store, access, scope, made)):
        if change is None:
            continue
        readings += int(change.cells.sum())
        store.readings.save(access, change.part(), known_at=now, image=Image.FINAL)
        totals = day_totals(change.whole, zone)
        gone = change.gone(totals, zone)
        kept = store.day_totals.save(access, seams.left_out(totals, zone), known_at=now, gone=gone)
        days += kept.new + kept.changed
        rerates += [Rerate(name, period, cascade, now) for name, period in change.periods()]
        feeding |= change.begun()
    days += seams.save(now)
    store.rerates.add(access, rerates)
    later = touch_later(store, access, feeding, scope.period.end)
    return Outcome(new, readings, days, len(rerates), later=tuple(later))


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """`whole`: the final image as it is to be, of the rows that change; `cells`: where it differs from the stored.

    `stale`: those of them in which nothing is known any more. `bare`: rows that readings had left nothing of.
    """

    whole: Panel
    cells: Mask
    stale: Mask
    bare: Mask

    def part(self) -> Panel:
        """Return the panel from the first to the last cell that changes."""
        slots = np.flatnonzero(self.cells.any(axis=0))
        values = np.where(self.stale, 0.0, self.whole.values)
        quality = np.where(self.stale, np.uint8(q.TAKEN_BACK), self.whole.quality)
        return self.whole.with_values(values, quality).slice(int(slots[0]), int(slots[-1]) + 1)

    def gone(self, totals: DayTotals, zone: str) -> Mask | None:
        """Tell of which days nothing is known any more; None: of none."""
        if not self.stale.any():
            return None
        row, slot = np.nonzero(self.stale)
        day = self.whole.calendar(zone).day[slot] - totals.first_day
        there = (day >= 0) & (day < len(totals.days))
        touched = np.zeros(totals.total.shape, np.bool_)
        touched[row[there], day[there]] = True
        return touched & ~totals.known

    def begun(self) -> set[str]:
        """Return of whom received energy is known for the first time on these days."""
        if self.whole.reading_type.flow is not Flow.RECEIVED:
            return set()
        begun = self.bare & (self.cells & by_readings(self.whole)).any(axis=1)
        return {self.whole.points[row] for row in np.flatnonzero(begun).tolist()}

    def periods(self) -> Iterator[tuple[str, Interval]]:
        """Yield for each usage point from when to when it changes."""
        last = self.cells.shape[1] - self.cells[:, ::-1].argmax(axis=1)
        for row, (begin, end) in enumerate(zip(self.cells.argmax(axis=1).tolist(), last.tolist(), strict=True)):
            yield self.whole.points[row], Interval(slot_time(self.whole, begin), slot_time(self.whole, end))


def _change(
    store: Store, access: Access, period: Interval, final: Final, gone_by: tuple[Taken, Breaks]
) -> _Change | None:
    """Lay what was made over the final image as stored; None where nothing differs.

    A final estimate stays whatever comes: it was agreed as the last word, and only an edit changes it. `gone_by`:
    series of which an edit was taken back; what it left where nothing was made goes, as do estimates in their breaks.
    """
    taken, breaks = gone_by
    made = final.panel.between(period)
    if not made.slots:
        return None
    # A day on either side, so that civil days are whole.
    around = Interval(period.start - DAY, period.end + DAY)
    old = _stored(store, access, made, around)
    new = made.regrid(old.period)
    fixed = q.status_of(old.quality) == q.Status.ESTIMATED_FINAL
    asked = q.status_of(new.quality) == q.Status.EDITED
    there = ~new.missing & (~fixed | asked)
    stale = (_said(old, new, final) & _rows_in(old, taken)) | _known_no_more(old, new, final, period)
    guessed = new.missing & ~old.missing & q.has_status(old.quality, (q.Status.ESTIMATED,))
    stale |= guessed & _between(old, period) & breaks.mask(old)
    cells = stale | (there & ((old.values != new.values) | (old.quality != new.quality)))
    rows = np.flatnonzero(cells.any(axis=1))
    if not rows.size:
        return None
    laid = there | stale
    values, quality = np.where(laid, new.values, old.values), np.where(laid, new.quality, old.quality)
    bare = np.asarray(~(by_readings(old) & _between(old, period)).any(axis=1))
    return _Change(old.with_values(values, quality).rows(rows), cells[rows], stale[rows], bare[rows])


def _unread(store: Store, access: Access, scope: Scope, made: Sequence[Final]) -> Iterator[tuple[str, _Change | None]]:
    """Yield the zone and the change of what is left of usage points where nothing of them is read any more."""
    read = Read(store, access, scope, [final.panel for final in made if not final.beyond])
    for lost in read.unread():
        gone = lost.gone
        if gone.any():
            (point,) = lost.panel.points
            old = _stored(store, access, lost.panel, Interval(lost.panel.start - DAY, lost.panel.end + DAY))
            stale = np.zeros(old.values.shape, np.bool_)
            at = (lost.panel.start - old.start) // old.interval
            stale[:, at : at + lost.panel.slots] = gone
            values, quality = np.where(stale, np.nan, old.values), np.where(stale, np.uint8(q.MISSING), old.quality)
            change = _Change(old.with_values(values, quality), stale, stale, np.zeros(1, np.bool_))
            yield store.registry.point(access, point).zone, change


def _said(old: Panel, new: Panel, final: Final) -> Mask:
    """Tell where something is stored that an edit said, and nothing was made."""
    agreed = q.method_of(old.quality) == q.Method.AGREED
    by_edit = agreed & ~q.has_status(old.quality, (q.Status.ESTIMATED_FINAL,))
    stale: Mask = by_edit & _between(old, final.panel.period) & new.missing & ~old.missing
    return stale


def _between(old: Panel, period: Interval) -> npt.NDArray[np.bool_]:
    """Tell which slots lie in a period."""
    first, last = ((moment - old.start) // old.interval for moment in (period.start, period.end))
    within = np.zeros(old.slots, np.bool_)
    within[max(first, 0) : max(last, 0)] = True
    return within


def _known_no_more(old: Panel, new: Panel, final: Final, period: Interval) -> Mask:
    """Tell where the final image holds a reading that was taken back, or an estimate, and nothing was made.

    Outside the readings an estimate goes with what it led to. Days of which nothing is read any more are `Unread`.
    """
    stored = new.missing & ~old.missing
    if final.beyond or not stored.any():
        return np.zeros(stored.shape, np.bool_)
    if final.part:
        return (
            stored & q.has_status(old.quality, NOT_AGREED) & _between(old, final.panel.period) & _between(old, period)
        )
    estimated = q.has_status(old.quality, (q.Status.ESTIMATED,)) & stored
    known = ~final.channel.validated.regrid(old.period).missing
    gone = q.has_status(old.quality, q.MEASURED) & stored & ~known & _between(old, _days_of(final.panel, period))
    begin, end = (max((moment - old.start) // old.interval, 0) for moment in (final.panel.start, final.panel.end))
    within = (gone | (estimated & _between(old, period)))[:, begin:end]
    behind = np.logical_or.accumulate(gone[:, ::-1], axis=1)[:, ::-1][:, end:]
    return np.hstack(
        [
            gone[:, :begin] | (estimated[:, :begin] & np.logical_or.accumulate(gone[:, :begin], axis=1)),
            within,
            gone[:, end:] | (estimated[:, end:] & behind),
        ]
    )


def _days_of(panel: Panel, period: Interval) -> Interval:
    """Return the UTC days that a panel has a part of, within a period."""
    first, last = (
        from_epoch_s(epoch_s(panel.start) // DAY_S * DAY_S),
        from_epoch_s(-(-epoch_s(panel.end) // DAY_S) * DAY_S),
    )
    start = max(first, period.start)
    return Interval(start, max(start, min(last, period.end)))


def _rows_in(panel: Panel, taken: Taken) -> Mask:
    kind = panel.reading_type.finer(0)
    return np.array([[(point, kind) in taken] for point in panel.points], np.bool_).reshape(-1, 1)


def _stored(store: Store, access: Access, made: Panel, around: Interval) -> Panel:
    """Return the stored final image of a panel's rows on its grid; the time of another grid is left out."""
    shift = (around.start - made.start) % made.interval
    period = Interval(around.start + (made.interval - shift if shift else shift), around.end)
    kind, load = made.reading_type, store.readings.load
    try:
        old = load(access, made.points, period, reading_type=kind, interval=made.interval, image=Image.FINAL)
        if (old.start - made.start) % made.interval == timedelta(0):
            return old
    except GridMismatch:
        pass
    empty = made.with_values(np.full(made.values.shape, np.nan), np.full(made.quality.shape, q.MISSING, np.uint8))
    old = empty.regrid(period)
    for part in load_stretches(store, access, made.points, around, kind, image=Image.FINAL):
        if part.interval == made.interval and not (part.start - made.start) % made.interval:
            here = part.regrid(period)
            rows, there = [made.points.index(point) for point in part.points], ~here.missing
            old.values[rows] = np.where(there, here.values, old.values[rows])
            old.quality[rows] = np.where(there, here.quality, old.quality[rows])
    return old
