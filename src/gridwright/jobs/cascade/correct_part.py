"""One part of a cascade: raw readings in, final images, findings and day totals out; only differences are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.day_totals import day_totals
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.finding import Doubted, Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.edits_made import Unfed, as_final, own_images
from gridwright.jobs.cascade.judge_made import JudgeMade
from gridwright.jobs.cascade.seam_days import SeamDays
from gridwright.jobs.cascade.trust_readings import Channel, SiteDefaults, trust_beside, trust_channels
from gridwright.jobs.load.load_history import load_history
from gridwright.jobs.load.load_stored import load_stored
from gridwright.jobs.load.load_stretches import load_stretches, seams_of, to_seams
from gridwright.jobs.load.main_series import by_zone, every_series
from gridwright.store import Store
from gridwright.store.money.rerates import Rerate
from gridwright.vee import Registers

Mask = npt.NDArray[np.bool_]
DAY = timedelta(days=1)
# As far as the last value of one interval length may lie before the first of the next.
LONG = timedelta(days=366)


@dataclass(frozen=True, slots=True, eq=False)
class Final:
    """What became of one channel of usage points of one zone, on the days of a scope and those before.

    `channel`: what it was made of.
    """

    zone: str
    panel: Panel
    findings: tuple[Finding, ...]
    channel: Channel

    @property
    def under(self) -> Panel:
        """What it would be without edits."""
        return self.channel.under


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a part changed: new findings, final readings, day totals, and changes queued to be rated again."""

    findings: int
    readings: int
    days: int
    rerates: int


def make_final(
    store: Store,
    access: Access,
    site: SiteDefaults,
    scope: Scope,
    *,
    now: datetime,
    accepted: frozenset[Doubted] | None = None,
) -> list[Final]:
    """Validate the readings of a scope with their context, lay the edits over them, and estimate what is left.

    `accepted`: as if people had accepted this, instead of what is on record.
    """
    try:
        stored = load_stored(store, access, scope.points, scope.context)
    except NotFound:
        return []
    stored = stored if accepted is None else stored.with_accepted(accepted)
    kinds = {panel.reading_type for panel in stored.panels}
    history = load_history(store, access, scope.points, scope.context.start, kinds, rules=site.rules)
    material = stored.with_history(history)
    groups, others = every_series(material.panels, material.zones)
    seams = seams_of(material.panels)
    edits = as_final(store.edits.applied(access, scope.points, scope.context), own_images(others))
    material = replace(material, edits=edits)
    fed_in = Unfed(store, access, scope, material.panels, edits)
    closed, alone = (JudgeMade(site, material, reads, now) for reads in (material.registers, Registers()))
    made = []
    for group in groups:
        whole = replace(
            group,
            delivered=tuple(to_seams(panel, seams, LONG) for panel in group.delivered),
            received=tuple(to_seams(panel, seams, DAY) for panel in group.received),
        )
        _, delivered, received = trust_channels(whole, site, material, now=now)
        received += fed_in.beside(delivered, received)
        made += [_final(group.zone, channel, closed) for channel in (*delivered, *received)]
    for panel in others:
        for zone, some in by_zone(to_seams(panel, seams, DAY), material.zones):
            made.append(_final(zone, trust_beside(some, site, material, now=now), alone))
    return made


def _final(zone: str, channel: Channel, judge: JudgeMade) -> Final:
    panel = channel.trusted
    return Final(zone, panel, (*channel.findings, *judge.doubts(panel, channel.findings)), channel)


def keep_final(store: Store, access: Access, scope: Scope, made: Sequence[Final], *, now: datetime) -> Outcome:
    """Save what differs from the final images there are, with findings and day totals, and queue the bills' part."""
    found = [finding for final in made for finding in final.findings if finding.period.overlaps(scope.period)]
    new = store.findings.save(access, found, known_at=now, points=scope.points, period=scope.period)
    readings, days, rerates, cascade = 0, 0, [], scope.cascade
    seams = SeamDays(store, access, scope, [final.panel for final in made])
    for final in made:
        change = _change(store, access, scope.period, final)
        if change is None:
            continue
        readings += int(change.cells.sum())
        store.readings.save(access, change.part(), known_at=now, image=Image.FINAL)
        totals = seams.left_out(day_totals(change.whole, final.zone), final.zone)
        kept = store.day_totals.save(access, totals, known_at=now)
        days += kept.new + kept.changed
        rerates += [Rerate(name, period, cascade, now) for name, period in change.periods()]
    days += seams.save(now)
    store.rerates.add(access, rerates)
    return Outcome(new, readings, days, len(rerates))


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """`whole`: the final image as it is to be, of the rows that change; `cells`: where it differs from the stored."""

    whole: Panel
    cells: Mask

    def part(self) -> Panel:
        """Return the panel from the first to the last cell that changes."""
        slots = np.flatnonzero(self.cells.any(axis=0))
        return self.whole.slice(int(slots[0]), int(slots[-1]) + 1)

    def periods(self) -> Iterator[tuple[str, Interval]]:
        """Yield for each usage point from when to when it changes."""
        last = self.cells.shape[1] - self.cells[:, ::-1].argmax(axis=1)
        for row, (begin, end) in enumerate(zip(self.cells.argmax(axis=1).tolist(), last.tolist(), strict=True)):
            yield self.whole.points[row], Interval(slot_time(self.whole, begin), slot_time(self.whole, end))


def _change(store: Store, access: Access, period: Interval, final: Final) -> _Change | None:
    """Lay what was made over the final image as stored; None where nothing differs.

    A final estimate stays whatever comes: it was agreed as the last word, and only an edit changes it.
    """
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
    cells = there & ((old.values != new.values) | (old.quality != new.quality))
    rows = np.flatnonzero(cells.any(axis=1))
    if not rows.size:
        return None
    values, quality = np.where(there, new.values, old.values), np.where(there, new.quality, old.quality)
    return _Change(old.with_values(values, quality).rows(rows), cells[rows])


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
