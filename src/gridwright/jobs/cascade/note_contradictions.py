"""V03_duplicate: which intervals came again with another value, whatever the entrances they came by."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.finding import Doubted, Finding, Severity, fingerprint
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.quality import ESTIMATES, MEASURED, Method, Status
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
Slot = tuple[str, datetime]


def note_contradictions(store: Store, access: Access, scope: Scope, site: SiteDefaults, *, now: datetime) -> int:
    """Keep a finding for each stretch of measured values that others, no better ones, took the place of.

    Looked at are the days that changed, and those that a finding about them reaches into: both values are among their
    versions, so that every run finds the same. One that lies within a new one resolves itself, and so does one of which
    validation had rejected a value; what somebody accepted is not told again. Returns how many are new.
    """
    found: list[Finding] = []
    seen: list[Superseded] = []
    settled: set[Slot] = set()
    for kind, (points, days) in _changed(scope).items():
        several, rejected, accepted = _contradicted(store, access, kind, points, days)
        seen += several
        settled |= rejected
        done = rejected | accepted
        found += _found(store, access, site, kind, [each for each in several if _slot(each) not in done])
    if not seen:
        return 0
    names = sorted({each.usage_point for each in seen})
    whole = Interval(min(each.start for each in seen), max(each.start + each.interval for each in seen))
    there = [each for each in store.findings.load(access, names, whole) if each.code == CODE]
    kept = list(_kept(there, found, settled))
    return store.findings.save(access, [*kept, *found], known_at=now, points=names, period=whole, only=[CODE])


def _contradicted(
    store: Store, access: Access, kind: ReadingType, points: Sequence[str], days: Sequence[date]
) -> tuple[list[Superseded], set[Slot], set[Slot]]:
    """Return what gave way to no better value, and of which intervals validation, or a person, has decided that."""
    first = _sure(kind, store.arrivals.superseded(access, points, kind, days))
    if not first:
        return [], set(), set()
    names = sorted({each.usage_point for each in first})
    whole = Interval(_midnight(min(days)), _midnight(max(days)) + DAY)
    decided = [each for each in store.findings.accepted(access, names, whole) if (each[0], each[2]) == (CODE, kind)]
    about: dict[str, list[Interval]] = {name: [] for name in names}
    for finding in store.findings.load(access, names, whole):
        if finding.code == CODE:
            about[finding.usage_point].append(finding.period)
    for _, name, _, period, _ in decided:
        about[name].append(period)
    several: list[Superseded] = []
    rejected: set[Slot] = set()
    for reach, some in _reaches(about, days).items():
        raw = _sure(kind, store.arrivals.superseded(access, some, kind, reach))
        rejected |= _rejected(raw, store.arrivals.superseded(access, some, kind, reach, image=Image.FINAL))
        several += raw
    changed = set(days)
    looked = [each for each in several if each.start.date() in changed or _lies_in(each, about)]
    return looked, rejected, _accepted(kind, looked, decided)


def _reaches(about: Mapping[str, Sequence[Interval]], days: Sequence[date]) -> dict[tuple[date, ...], list[str]]:
    """Return of whom to look at which days: of a finding that reaches beyond `days` a part would be another doubt."""
    alike: dict[tuple[date, ...], list[str]] = defaultdict(list)
    for name, periods in about.items():
        reached = {*days, *(day for period in periods for day in _days(period))}
        alike[tuple(sorted(reached))].append(name)
    return alike


def _lies_in(each: Superseded, about: Mapping[str, Sequence[Interval]]) -> bool:
    return any(each.start in period for period in about[each.usage_point])


def _accepted(kind: ReadingType, several: Sequence[Superseded], decided: Sequence[Doubted]) -> set[Slot]:
    """Return the intervals of what somebody accepted, where it is about the values that there are."""
    of_slot = {_slot(each): each for each in several}
    of_point: dict[str, list[Superseded]] = defaultdict(list)
    for _, each in sorted(of_slot.items(), key=itemgetter(0)):
        of_point[each.usage_point].append(each)
    done: set[Slot] = set()
    for _, point, _, period, seen in decided:
        there = of_point.get(point, [])
        first, last = (bisect_left(there, at, key=_start) for at in (period.start, period.end))
        part = there[first:last]
        # Of old only the sentence was kept.
        if part and seen in {_values_of(part), fingerprint(_text(part, kind).encode())}:
            done.update(map(_slot, part))
    return done


def _slot(each: Superseded) -> Slot:
    return each.usage_point, each.start


def _start(each: Superseded) -> datetime:
    return each.start


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _days(period: Interval) -> Iterator[date]:
    """Yield the UTC days that a period touches."""
    day = period.start.astimezone(UTC).date()
    while _midnight(day) < period.end:
        yield day
        day += DAY


def _rejected(raw: Sequence[Superseded], final: Sequence[Superseded]) -> set[Slot]:
    """Return of which intervals an estimate stood in place of the value that another took the place of at last.

    Not of those where that value counted for a while, as one that somebody had accepted.
    """
    counted = {(each.usage_point, each.start, each.before) for each in final if each.status_before in MEASURED}
    last = {(each.usage_point, each.start): each.before for each in raw}
    estimated = {(each.usage_point, each.start) for each in final if each.status_before in ESTIMATES}
    return {each for each in estimated if each not in last or (*each, last[each]) not in counted}


def _kept(there: Sequence[Finding], found: Sequence[Finding], settled: Collection[Slot]) -> Iterator[Finding]:
    """Yield the open findings that are no part of a new one, nor about values that validation did not take either."""
    new: dict[str, list[Finding]] = defaultdict(list)
    for each in found:
        new[each.usage_point].append(each)
    starts: dict[str, list[datetime]] = defaultdict(list)
    for point, start in sorted(settled):
        starts[point].append(start)
    for old in there:
        if not _is_over(old, new.get(old.usage_point, []), starts.get(old.usage_point, [])):
            yield old


def _is_over(old: Finding, found: Sequence[Finding], settled: Sequence[datetime]) -> bool:
    """Tell whether an open finding is over, by the new ones and the settled instants of its usage point, in order."""
    if old.reading_type.accumulation is Accumulation.CUMULATIVE:
        return False  # of register reads: intervals decide nothing about them
    if any(_is_part(old, new) for new in found):
        return True
    first = bisect_left(settled, old.period.start)
    return first < len(settled) and settled[first] in old.period


def _is_part(old: Finding, new: Finding) -> bool:
    same = (old.usage_point, old.reading_type) == (new.usage_point, new.reading_type)
    return same and new.period.start <= old.period.start and old.period.end <= new.period.end


def _sure(kind: ReadingType, superseded: Sequence[Superseded]) -> list[Superseded]:
    """Return what was sure and gave way to nothing better, and is no sample of several.

    Energy that register reads told had not come before.
    """
    return [
        each
        for each in superseded
        if RANK[each.quality_before] >= SURE and RANK[each.quality_after] <= RANK[each.quality_before]
        if each.quality_before >> 4 != Method.REGISTER
        if not kind.is_sampled(each.interval.total_seconds())
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


def _findings(name: str, kind: ReadingType, ordered: Sequence[Superseded]) -> Iterator[Finding]:
    stretches = list(_stretches(ordered))
    for each in stretches if len(stretches) <= MANY else [ordered]:
        period = Interval(each[0].start, each[-1].start + each[-1].interval)
        text, seen = _text(each, kind), _values_of(each)
        yield Finding(CODE, name, period, Severity.WARN, text, kind, len(each), seen)


def _text(stretch: Sequence[Superseded], kind: ReadingType) -> str:
    before, after = (amount(value, kind) for value in (stretch[0].before, stretch[0].after))
    told = f"the first {after} after {before}; the later counts"
    return f"{len(stretch)} intervals came again with another value, {told}"


def _values_of(stretch: Sequence[Superseded]) -> str:
    """Return a short name for all the values, with their intervals."""
    rows = [(each.start.timestamp(), each.before, each.after) for each in stretch]
    return fingerprint(np.array(rows, "<f8").tobytes())


def _stretches(ordered: Sequence[Superseded]) -> Iterator[list[Superseded]]:
    """Yield neighbouring intervals together."""
    stretch = [ordered[0]]
    for each in ordered[1:]:
        if each.start != stretch[-1].start + stretch[-1].interval:
            yield stretch
            stretch = []
        stretch.append(each)
    yield stretch
