"""V06_late: whose readings of which days came after they were due, or were corrected then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import local_day, zone_of
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.note_replacement import graded
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.store.days.arrivals import Arrival
from gridwright.vee import packaged
from gridwright.vee.arrivals import Late

CODE = Late.code
DAY = timedelta(days=1)
# What is older comes from an archive, or was called back for a reason: it is no news of a meter that is late.
OLDEST = timedelta(days=14)
# Readings of a usage point are late only if others came so much earlier: the first load of a meter is not late.
SOONER = timedelta(hours=1)
# More than so many at once are no news of single meters.
MOST = 500
INTERVAL_S = 900


def note_late(store: Store, access: Access, scope: Scope, site: SiteDefaults, *, now: datetime) -> int:
    """Keep one INFO finding a day and usage point whose changed readings came too late; return how many are new.

    Looked at are the days that changed, of the last two weeks. At most `MOST`, the newest days first.
    """
    found = [
        finding
        for kind, (points, days) in _changed(scope, now).items()
        for finding in _late(store, access, site, kind, store.arrivals.of(access, points, kind, days))
    ]
    if not found:
        return 0
    newest = sorted(found, key=lambda finding: finding.period.start, reverse=True)[:MOST]
    return store.findings.save(access, newest, known_at=now, only=[CODE])


def _changed(scope: Scope, now: datetime) -> dict[ReadingType, tuple[list[str], list[date]]]:
    points: dict[ReadingType, set[str]] = defaultdict(set)
    days: dict[ReadingType, set[date]] = defaultdict(set)
    oldest, today = (now - OLDEST).date(), now.date()
    for each in scope.ranges:
        if each.reading_type.quantity is not Quantity.ENERGY or each.to_day <= oldest:
            continue
        first = max(each.from_day, oldest)
        days[each.reading_type].update(first + n * DAY for n in range((min(each.to_day, today) - first).days))
        points[each.reading_type].add(each.usage_point)
    return {kind: (sorted(names), sorted(days[kind])) for kind, names in points.items() if days[kind]}


def _late(
    store: Store, access: Access, site: SiteDefaults, kind: ReadingType, arrivals: Sequence[Arrival]
) -> Iterator[Finding]:
    """Yield what is late of one reading type."""
    # Nowhere on earth is a day due earlier than this; most arrivals are in time.
    several = [each for each in arrivals if each.last > _midnight(each.day)]
    names = sorted({each.usage_point for each in several})
    if not names:
        return
    members = store.registry.points(access, names)
    book = site.rules or packaged()
    rules = dict(zip(names, book.rules_of(members, kind, INTERVAL_S), strict=True))
    zones = {member.id: member.zone for member in members}
    late = [
        (each, *when)
        for each in several
        if isinstance(rule := rules[each.usage_point].rule(CODE), Late)
        and (when := _too_late(each, zones[each.usage_point], rule))
    ]
    if not late:
        return
    before = sorted({each.day - n * DAY for each, *_ in late for n in range(OLDEST.days + 1)})
    sooner = store.arrivals.earliest(access, sorted({each.usage_point for each, *_ in late}), kind, before)
    for each, day, at, due in late:
        if sooner[each.usage_point] <= at - SOONER:
            zone = zone_of(zones[each.usage_point])
            text = f"readings came, or were corrected, at {_clock(at, zone)}; they were due by {_clock(due, zone)}"
            finding = Finding(CODE, each.usage_point, local_day(day, zone), Severity.INFO, text, kind)
            yield from graded(rules[each.usage_point], [finding])


def _too_late(each: Arrival, zone: str, rule: Late) -> tuple[date, datetime, datetime] | None:
    """Return (local day, arrival, due) of what came too late; None where it came in time.

    A UTC day holds parts of two local days: its first readings are due with the day of its noon, its last ones with
    the day of its end.
    """
    noon, end, due = _due(each.day, zone, rule.days, rule.hour)
    if each.first > due[0]:
        return noon, each.first, due[0]
    return (end, each.last, due[1]) if each.last > due[1] else None


@cache
def _due(day: date, zone: str, days: int, hour: int) -> tuple[date, date, tuple[datetime, datetime]]:
    tz, midnight = zone_of(zone), _midnight(day)
    noon = (midnight + DAY / 2).astimezone(tz).date()
    end = (midnight + DAY - timedelta(seconds=1)).astimezone(tz).date()
    first, last = (datetime.combine(each + days * DAY, time(hour), tz).astimezone(UTC) for each in (noon, end))
    return noon, end, (first, last)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
