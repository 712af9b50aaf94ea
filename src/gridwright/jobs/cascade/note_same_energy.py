"""V00_same_energy: which usage points have energy under several names of its channel at the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval, local_months
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.counted_once import Doubled, counted_once, energy_of
from gridwright.jobs.load.load_final import load_final
from gridwright.jobs.load.main_series import grid_of
from gridwright.store import Store

CODE = "V00_same_energy"


def note_same_energy(
    store: Store, access: Access, scope: Scope, made: Sequence[Panel], site: SiteDefaults, *, now: datetime
) -> int:
    """Keep a finding for each month in which energy is there twice, or may be; return how many are new.

    Looked at are whole civil months, whatever part of them the scope holds, so that every run finds the same. `made`:
    the final images that the scope made.
    """
    names = sorted(suspects(made) & set(scope.points))
    if not names:
        return 0
    new = 0
    for points in _by_zone(store.registry.points(access, names)):
        months = list(local_months(scope.period, points[0].tz))
        found = [each for month in months for each in _found(store, access, points, month, site)]
        whole = Interval(months[0].start, months[-1].end)
        mine = [point.id for point in points]
        new += store.findings.save(access, found, known_at=now, points=mine, period=whole, only=[CODE])
    return new


def suspects(panels: Sequence[Panel]) -> set[str]:
    """Return which usage points have energy without a channel beside a channel, or the same values in two channels."""
    alike: dict[ReadingType, list[Panel]] = defaultdict(list)
    for panel in (each for each in panels if each.reading_type.quantity is Quantity.ENERGY):
        alike[energy_of(panel.reading_type)].append(panel)
    found: set[str] = set()
    for several in alike.values():
        plain = {point for panel in several if not panel.reading_type.channel for point in panel.points}
        found |= {point for panel in several if panel.reading_type.channel for point in panel.points if point in plain}
        grids: dict[tuple[int, int], list[Panel]] = defaultdict(list)
        for panel in several:
            grids[grid_of(panel)].append(panel)
        found |= {each.point for some in grids.values() for each in counted_once(some).doubled}
    return found


def _by_zone(points: Sequence[UsagePoint]) -> list[list[UsagePoint]]:
    zones: dict[str, list[UsagePoint]] = defaultdict(list)
    for point in points:
        zones[point.zone].append(point)
    return list(zones.values())


def _found(
    store: Store, access: Access, points: Sequence[UsagePoint], month: Interval, site: SiteDefaults
) -> Iterator[Finding]:
    groups, _ = load_final(store, access, {point.id: point for point in points}, month, site)
    told: dict[tuple[str, ReadingType], dict[str, Doubled]] = defaultdict(dict)
    for group in groups:
        for each in group.doubled:
            told[each.point, each.reading_type][str(each)] = each
    for (point, kind), several in told.items():
        yield Finding(CODE, point, month, Severity.WARN, "; ".join(several), kind)
