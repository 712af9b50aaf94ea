"""V03_duplicate: which intervals came again with another value, whatever the entrances they came by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.quality import ESTIMATES, MEASURED, Status
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.ingest.order import RANK, TRUST
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.note_replacement import graded
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.store.days.superseded import Superseded
from gridwright.vee import RuleSet, packaged
from gridwright.vee.arrivals import Duplicate
from gridwright.vee.chunk import amount

CODE = Duplicate.code
DAY = timedelta(days=1)
# Below this a source says itself that it guesses: what comes in place of a guess contradicts nothing.
SURE = TRUST[Status.RAW]
# Of a usage point of which more stretches came again the whole is one doubt.
MANY = 10


def note_contradictions(store: Store, access: Access, scope: Scope, site: SiteDefaults, *, now: datetime) -> int:
    """Keep a finding for each stretch of measured values that others, no better ones, took the place of.

    Looked at are the days that changed: both values are among their versions, so that every run finds the same. One
    that lies within a new one resolves itself, and so does one of which validation had rejected a value. Returns how
    many are new.
    """
    found: list[Finding] = []
    seen: list[Superseded] = []
    settled: set[tuple[str, datetime]] = set()
    for kind, (points, days) in _changed(scope).items():
        several = _sure(store.arrivals.superseded(access, points, kind, days))
        if several:
            rejected = _rejected(several, store.arrivals.superseded(access, points, kind, days, image=Image.FINAL))
            seen += several
            settled |= rejected
            open_ones = [each for each in several if (each.usage_point, each.start) not in rejected]
            found += _found(store, access, site, kind, open_ones)
    if not seen:
        return 0
    names = sorted({each.usage_point for each in seen})
    whole = Interval(min(each.start for each in seen), max(each.start + each.interval for each in seen))
    there = [each for each in store.findings.load(access, names, whole) if each.code == CODE]
    kept = [each for each in there if not _is_over(each, found, settled)]
    return store.findings.save(access, [*kept, *found], known_at=now, points=names, period=whole, only=[CODE])


def _rejected(raw: Sequence[Superseded], final: Sequence[Superseded]) -> set[tuple[str, datetime]]:
    """Return of which intervals an estimate stood in place of the value that another took the place of at last.

    Not of those where that value counted for a while, as one that somebody had accepted.
    """
    counted = {(each.usage_point, each.start, each.before) for each in final if each.status_before in MEASURED}
    last = {(each.usage_point, each.start): each.before for each in raw}
    estimated = {(each.usage_point, each.start) for each in final if each.status_before in ESTIMATES}
    return {each for each in estimated if each not in last or (*each, last[each]) not in counted}


def _is_over(old: Finding, found: Sequence[Finding], settled: Collection[tuple[str, datetime]]) -> bool:
    """Tell whether an open finding is part of a new one, or about values that validation did not take either."""
    if old.reading_type.accumulation is Accumulation.CUMULATIVE:
        return False  # of register reads: intervals decide nothing about them
    if any(_is_part(old, new) for new in found):
        return True
    return any(point == old.usage_point and start in old.period for point, start in settled)


def _is_part(old: Finding, new: Finding) -> bool:
    same = (old.usage_point, old.reading_type) == (new.usage_point, new.reading_type)
    return same and new.period.start <= old.period.start and old.period.end <= new.period.end


def _sure(superseded: Sequence[Superseded]) -> list[Superseded]:
    """Return what was sure and gave way to nothing better."""
    return [
        each
        for each in superseded
        if RANK[each.quality_before] >= SURE and RANK[each.quality_after] <= RANK[each.quality_before]
    ]


def _changed(scope: Scope) -> dict[ReadingType, tuple[list[str], list[date]]]:
    points: dict[ReadingType, set[str]] = defaultdict(set)
    days: dict[ReadingType, set[date]] = defaultdict(set)
    for each in scope.ranges:
        points[each.reading_type].add(each.usage_point)
        days[each.reading_type].update(each.from_day + n * DAY for n in range((each.to_day - each.from_day).days))
    return {kind: (sorted(names), sorted(days[kind])) for kind, names in points.items()}


def _found(
    store: Store, access: Access, site: SiteDefaults, kind: ReadingType, contradicted: Sequence[Superseded]
) -> Iterator[Finding]:
    by_point: dict[str, dict[datetime, Superseded]] = defaultdict(dict)
    for each in contradicted:
        by_point[each.usage_point][each.start] = each
    if not by_point:
        return
    known = {point.id: point for point in store.registry.points(access, list(by_point))}
    for name, of_slot in by_point.items():
        ordered = [of_slot[start] for start in sorted(of_slot)]
        rules = _rules(site, known, name, kind, ordered[0].interval)
        if rules.rule(CODE) is not None:
            yield from graded(rules, list(_findings(name, kind, ordered)))


def _rules(
    site: SiteDefaults, known: Mapping[str, UsagePoint], name: str, kind: ReadingType, length: timedelta
) -> RuleSet:
    book = site.rules or packaged()
    return book.rules_of([known[name]], kind, int(length.total_seconds()))[0]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Neighbouring intervals that came again, from the first of them on."""

    first: Superseded
    period: Interval
    slots: int


def _findings(name: str, kind: ReadingType, ordered: Sequence[Superseded]) -> Iterator[Finding]:
    stretches = list(_stretches(ordered))
    if len(stretches) > MANY:
        whole = Interval(stretches[0].period.start, stretches[-1].period.end)
        stretches = [replace(stretches[0], period=whole, slots=len(ordered))]
    for each in stretches:
        before, after = (amount(value, kind) for value in (each.first.before, each.first.after))
        text = (
            f"{each.slots} intervals came again with another value, the first {after} after {before}; the later counts"
        )
        yield Finding(CODE, name, each.period, Severity.WARN, text, kind, each.slots)


def _stretches(ordered: Sequence[Superseded]) -> Iterator[_Stretch]:
    first, slots, end = ordered[0], 0, ordered[0].start
    for each in ordered:
        if each.start != end:
            yield _Stretch(first, Interval(first.start, end), slots)
            first, slots = each, 0
        slots, end = slots + 1, each.start + each.interval
    yield _Stretch(first, Interval(first.start, end), slots)
