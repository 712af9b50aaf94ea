"""Add up final images by the civil days of any zone: each stretch on its own grid, the days of a seam on one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.day_totals import FIELDS, DayTotals, day_totals, no_totals
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, local_day, local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.load_stretches import load_stretches, on_one_grid
from gridwright.store import Store

DAY = timedelta(days=1)


def civil_totals(
    store: Store,
    access: Access,
    points: Sequence[str],
    days: range,
    kind: ReadingType,
    *,
    zone: str,
    as_of: datetime | None = None,
) -> DayTotals:
    """Return the totals of civil days of `zone` (days since 1970-01-01); a day without any value is not known."""
    start, end = (local_midnight(date_of(day), zone_of(zone)) for day in (days.start, days.stop))
    around, found = Interval(start - DAY, end + DAY), no_totals(points, days, kind)
    starts: dict[str, list[datetime]] = defaultdict(list)
    for panel in load_stretches(store, access, points, around, kind, image=Image.FINAL, as_of=as_of):
        _lay(found, day_totals(_to(panel, around), zone))
        for point in panel.points:
            starts[point].append(panel.start)
    for point, moments in starts.items():
        seams = {day_number(seam.astimezone(zone_of(zone)).date()) for seam in sorted(moments)[1:]}
        for day in seams & set(days):
            totals = seam_totals(store, access, point, day, kind, zone=zone, as_of=as_of)
            if totals is not None:
                _lay(found, totals)
    return found


def seam_totals(
    store: Store, access: Access, point: str, day: int, kind: ReadingType, *, zone: str, as_of: datetime | None = None
) -> DayTotals | None:
    """Return the total of a civil day within which the interval length changes, None where nothing is stored of it."""
    period = local_day(date_of(day), zone_of(zone))
    parts = list(load_stretches(store, access, [point], period, kind, image=Image.FINAL, as_of=as_of))
    return day_totals(_to(on_one_grid(parts), period), zone) if parts else None


def _to(panel: Panel, around: Interval) -> Panel:
    """Return a panel over a period, from the first moment of its own grid on."""
    return panel.regrid(Interval(around.start + (panel.start - around.start) % panel.interval, around.end))


def _lay(found: DayTotals, totals: DayTotals) -> None:
    """Lay the known days of totals over those that were found."""
    first, last = max(found.days.start, totals.days.start), min(found.days.stop, totals.days.stop)
    if first >= last:
        return
    here, there = (slice(first - each.first_day, last - each.first_day) for each in (found, totals))
    known = totals.known[:, there]
    rows = [found.points.index(point) for point in totals.points]
    for name in FIELDS:
        target = getattr(found, name)
        target[rows, here] = np.where(known, getattr(totals, name)[:, there], target[rows, here])
