"""The correction cascade: what changed is validated, estimated and added up again, and its bills wait to be rated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, ArchiveUnreadable, GridwrightError, StoreError
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.month import months_of
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity
from gridwright.jobs.cascade.claim_ranges import Overtaken, claim
from gridwright.jobs.cascade.correct_part import Outcome, keep_final
from gridwright.jobs.cascade.correct_scope import Scope, is_judged, scopes
from gridwright.jobs.cascade.judge_registers import judge_registers, registers_without_energy
from gridwright.jobs.cascade.late_arrivals import note_late
from gridwright.jobs.cascade.make_final import Final, make_final
from gridwright.jobs.cascade.note_contradictions import note_contradictions
from gridwright.jobs.cascade.note_hidden import note_hidden
from gridwright.jobs.cascade.note_reads import read_contradictions
from gridwright.jobs.cascade.note_same_energy import note_same_energy
from gridwright.jobs.cascade.note_silence import note_silence
from gridwright.jobs.cascade.rerate import Rerated
from gridwright.jobs.cascade.settle_resolutions import settle_resolutions
from gridwright.jobs.cascade.sum_again import sum_again
from gridwright.jobs.cascade.touch_checked import touch_checked
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.on_behalf import on_behalf
from gridwright.jobs.tried_again import tried_again
from gridwright.jobs.upkeep.archive_months import bring_back
from gridwright.store import DirtyRange, Store

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was done: ranges dealt with, usage points looked at, new findings, final readings and days that changed.

    `waiting`: ranges that stay for the next run, because they changed in the meantime or belong to one of the `failed`
    usage points, whose readings could not be judged: `notes` say why, and so does a finding.
    """

    ranges: int = 0
    points: int = 0
    new: int = 0
    readings: int = 0
    days: int = 0
    rerates: int = 0
    waiting: int = 0
    failed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cascaded:
    """The whole cascade: what became of the readings, and of the bills."""

    readings: Corrected
    bills: Rerated


def correct(
    store: Store,
    access: Access,
    site: SiteDefaults,
    *,
    now: datetime,
    points: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Corrected:
    """Carry every dirty range through to final images, findings, day totals and the queue of bills to rate again.

    Each part is one transaction: whoever is killed in between goes on where it stopped, and run again it does
    nothing. `points`: only of those. Registers have no final image: where there is nothing else they are judged by
    themselves. A usage point whose readings cannot be judged keeps its range and gets a finding; it stops nobody else.
    So do those that need an archived month of which the file cannot be read.
    """
    touch_checked(store, access, store.dirty.ranges(access, points=points))
    # A late reading alone must not stand for its month, when the rest is in the archive.
    lost: dict[int, ArchiveUnreadable] = {}
    bring_back(store, on_behalf(access, Act.ADMINISTER), lost=lost)
    settle_resolutions(store, access, points, now=now)
    # Rules look back on day totals: they are to be those of the zone by which is judged.
    summed = sum_again(store, access, now=now, points=points)
    ranges = store.dirty.ranges(access, points=points)
    mine, counters = _apart(store, access, ranges)
    run = _Run(store, access, site, now)
    finished = 0
    for scope in scopes(store, access, mine, site.rules):
        run.carry_here(scope, lost)
        finished += len(scope.ranges)
        if progress:
            progress(finished, len(mine))
    while later := run.take_later():
        bring_back(store, on_behalf(access, Act.ADMINISTER), lost=lost)
        for scope in scopes(store, access, _apart(store, access, later)[0], site.rules):
            run.carry_here(scope, lost)
    told = judge_registers(store, access, site, counters, now=now) if counters else 0
    return Corrected(
        len(ranges) + summed.ranges,
        len(summed.points.union(each.usage_point for each in mine)),
        told + sum(each.findings for each in run.done),
        sum(each.readings for each in run.done),
        summed.days + sum(each.days for each in run.done),
        sum(each.rerates for each in run.done),
        summed.waiting + run.waiting,
        len(summed.failed.keys() | run.failed.keys() | set().union(*run.lost.values())),
        tuple(dict.fromkeys((*(f"{point}: {error}" for point, error in summed.failed.items()), *run.notes()))),
    )


def _apart(store: Store, access: Access, ranges: Sequence[DirtyRange]) -> tuple[list[DirtyRange], list[DirtyRange]]:
    """Return the ranges to be judged by intervals, and those of usage points of which nothing but registers is read.

    Registers beside which intervals have come since they changed are judged with these.
    """
    points = sorted({each.usage_point for each in ranges})
    there = {each.usage_point for each in store.readings.extents(access, points) if is_judged(each.reading_type)}
    mine = [
        each if is_judged(each.reading_type) else replace(each, reading_type=DELIVERED_ENERGY)
        for each in ranges
        if each.usage_point in there
    ]
    return mine, [each for each in ranges if each.usage_point not in there]


@dataclass(slots=True)
class _Run:
    """What came of the parts of a run so far."""

    store: Store
    access: Access
    site: SiteDefaults
    now: datetime
    done: list[Outcome] = field(default_factory=list)
    waiting: int = 0
    failed: dict[str, GridwrightError] = field(default_factory=dict)
    lost: dict[str, set[str]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def notes(self) -> Iterator[str]:
        """Say whose readings could not be judged, and why; those that one file keeps waiting together."""
        yield from (f"{point}: {error}" for point, error in self.failed.items())
        for error, points in self.lost.items():
            whose = min(points) if len(points) == 1 else f"{len(points):,} usage points, such as {min(points)}"
            yield f"{whose}: {error}"

    def take_later(self) -> list[DirtyRange]:
        """Return what parts have left dirty behind them, each but once; not that of those who wait or have failed."""
        points = sorted(
            {point for each in self.done for point in each.later}.difference(self.failed, *self.lost.values())
        )
        ranges = self.store.dirty.ranges(self.access, points=points) if points else []
        fresh = [each for each in ranges if each.key not in self.seen]
        self.seen.update(each.key for each in fresh)
        return fresh

    def carry_here(self, scope: Scope, lost: Mapping[int, ArchiveUnreadable]) -> None:
        """Carry a part through, unless it needs an archived month of those `lost`."""
        missing = [error for month, error in lost.items() if month in months_of(scope.context)]
        if missing:
            self.wait_for(scope, missing[0])
        else:
            self.carry(scope)

    def carry(self, scope: Scope) -> None:
        """Carry a part through; where it fails, its halves, until the usage point that fails is alone."""
        try:
            outcome = correct_part(self.store, self.access, self.site, scope, self.now)
        except ArchiveUnreadable as error:
            self.wait_for(scope, error)
            return
        except (AccessDenied, StoreError):
            raise
        except GridwrightError as error:
            if len(scope.points) > 1:
                for half in scope.halves():
                    self.carry(half)
            else:
                self._fail(scope, error)
            return
        if outcome is None:
            self.waiting += len(scope.ranges)
        else:
            self.done.append(outcome)
            for part in outcome.left:
                self.carry(part)

    def _fail(self, scope: Scope, error: GridwrightError) -> None:
        """Leave the ranges of a usage point as they are, and say why; the finding goes when it is judged at last."""
        (point,) = scope.points
        self.failed[point] = error
        self._leave(scope, error)

    def wait_for(self, scope: Scope, error: ArchiveUnreadable) -> None:
        """Leave the ranges of a part that needs an archived month of which the file cannot be read."""
        self.lost.setdefault(str(error), set()).update(scope.points)
        self._leave(scope, error)

    def _leave(self, scope: Scope, error: GridwrightError) -> None:
        self.waiting += len(scope.ranges)
        ranges: dict[str, list[DirtyRange]] = defaultdict(list)
        for each in scope.ranges:
            ranges[each.usage_point].append(each)
        findings = [
            Finding(
                "V00_unjudged",
                point,
                Interval(min(each.period.start for each in mine), max(each.period.end for each in mine)),
                Severity.FAIL,
                str(error),
                mine[0].reading_type,
            )
            for point, mine in ranges.items()
        ]
        with self.store.transaction(cascade=scope.cascade):
            self.store.findings.save(self.access, findings, known_at=self.now)


@tried_again
def correct_part(store: Store, access: Access, site: SiteDefaults, scope: Scope, now: datetime) -> Outcome | None:
    """Carry one part through; None when its readings changed meanwhile, and nothing was kept.

    Usage points of which values lack on the days that changed are left to parts of their own, unless all that their
    estimates rest on is at hand.
    """
    final = make_final(store, access, site, scope, now=now)
    left = () if scope.sure else tuple(_wider(store, access, site, scope, final))
    if left:
        rest = set(scope.points).difference(*(part.points for part in left))
        scope, final = scope.only(rest), [one for each in final if (one := each.only(rest)) is not None]
    if not scope.points:
        return Outcome(left=left)
    alone = registers_without_energy(store, access, site, _without_energy(scope, final), scope.period)
    try:
        with store.transaction(cascade=scope.cascade):
            claim(store, access, scope.ranges)
            _require_zones(store, access, final)
            kept = keep_final(store, access, scope, final, now=now, alone=alone)
            late = note_late(store, access, scope, site, now=now)
            again = note_contradictions(store, access, scope, site, now=now)
            reads = read_contradictions(store, access, scope.points, scope.period)
            again += store.findings.save(access, reads, known_at=now) if reads else 0
            again += note_silence(store, access, scope, final, site, now=now)
            hidden = note_hidden(store, access, scope, site, now=now)
            twice = note_same_energy(store, access, scope, [each.panel for each in final], site, now=now)
            return replace(kept, findings=kept.findings + late + again + hidden + twice, left=left)
    except Overtaken:
        return None


def _without_energy(scope: Scope, made: Sequence[Final]) -> list[str]:
    """Return the usage points of a scope of which no interval of energy was made, as all of it was taken back."""
    there = {
        point
        for each in made
        if each.panel.reading_type.quantity is Quantity.ENERGY and not each.beyond
        for point in each.panel.points
    }
    return [point for point in scope.points if point not in there]


def _require_zones(store: Store, access: Access, made: Sequence[Final]) -> None:
    """Keep nothing that was added up by the days of a zone which a usage point has no more."""
    names = sorted({point for each in made for point in each.panel.points})
    zones = {point.id: point.zone for point in store.registry.points(access, names)}
    if any(zones[point] != each.zone for each in made for point in each.panel.points):
        raise Overtaken("the zone changed while the readings were judged")


def _wider(store: Store, access: Access, site: SiteDefaults, scope: Scope, made: Sequence[Final]) -> Iterator[Scope]:
    """Yield the parts of a scope in which something is estimated, and more must be known for that."""
    doubtful = set().union(*(final.lacks_in(scope.period) for final in made))
    ranges = [each for each in scope.ranges if each.usage_point in doubtful]
    parts = scopes(store, access, ranges, site.rules, sure=True) if ranges else ()
    yield from (part for part in parts if not part.is_within(scope))
