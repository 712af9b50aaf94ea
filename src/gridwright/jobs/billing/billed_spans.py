"""Of which time usage points are billed by a run over everything, and whose readings are loaded together for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s, local_day
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.open_months import INSTANT
from gridwright.jobs.load.reached import EVER
from gridwright.store import Store

MOST_LOADED = 2  # times as much as is asked for


@dataclass(slots=True)
class Together:
    """Usage points that are loaded at once over `period`, and which spans of it are asked for."""

    period: Interval
    spans: dict[str, list[Interval]]
    asked: timedelta

    def holds(self, name: str, period: Interval) -> bool:
        """Tell whether a period is in what is asked for of a usage point here."""
        return any(span.start <= period.start and period.end <= span.end for span in self.spans.get(name, ()))


def spans_reached(store: Store, access: Access, point: UsagePoint, margin: timedelta) -> list[Interval]:
    """Return from when to when a usage point was read, and the civil days of edits apart from that.

    Where no whole civil month lies between two of them they are one. `margin`: what is added to the days that were
    read, which are known by UTC.
    """
    extents = store.readings.extents(access, [point.id])
    if not extents:
        return []
    first, last = min(each.first_day for each in extents), max(each.last_day for each in extents)
    read = Interval(from_epoch_s(first * DAY_S) - margin, from_epoch_s(last * DAY_S) + margin)
    kinds = {(each.reading_type, each.interval_s) for each in extents}
    # Edits that were taken back too: a bill may rest on them still.
    ever = (*store.edits.applied(access, [point.id], EVER), *store.edits.withdrawn(access, [point.id], EVER))
    edited = [
        _civil_days(each.period, point)
        for each in ever
        if (each.reading_type, int(each.interval.total_seconds())) in kinds
    ]
    return _by_months([read, *edited], point)


def _civil_days(period: Interval, point: UsagePoint) -> Interval:
    first, last = (at.astimezone(point.tz).date() for at in (period.start, period.end - INSTANT))
    return Interval(local_day(first, point.tz).start, local_day(last, point.tz).end)


def _by_months(spans: Iterable[Interval], point: UsagePoint) -> list[Interval]:
    found: list[Interval] = []
    for span in sorted(spans):
        start, end = (at.astimezone(point.tz) for at in (span.start, (found[-1] if found else span).end - INSTANT))
        if found and start.year * 12 + start.month <= end.year * 12 + end.month + 1:
            found[-1] = Interval(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def alike(spans: Iterable[tuple[str, Interval]]) -> list[Together]:
    """Put spans of usage points together as long as what is loaded then is not far more than what is asked for."""
    found: list[Together] = []
    for name, span in sorted(spans, key=lambda one: one[1]):
        last = found[-1] if found else None
        whole = Interval(last.period.start, max(last.period.end, span.end)) if last else span
        rows = len(last.spans) + (name not in last.spans) if last else 1
        if last and rows * whole.length <= MOST_LOADED * (last.asked + span.length):
            last.period, last.asked = whole, last.asked + span.length
            last.spans.setdefault(name, []).append(span)
        else:
            found.append(Together(span, {name: [span]}, span.length))
    return found
