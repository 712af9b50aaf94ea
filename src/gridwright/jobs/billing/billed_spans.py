"""Of which time usage points are billed by a run over everything, and whose readings are loaded together for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.bill import BillState
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s, local_day, local_months
from gridwright.domain.month import month_days, months_of
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.open_months import INSTANT
from gridwright.jobs.load.reached import EVER
from gridwright.store import Store
from gridwright.store.days.series import Extent

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


@dataclass(frozen=True, slots=True)
class Reached:
    """Spans of time of which something may be known of a usage point.

    `within`: from the first to the last UTC day that was read, where only some months of it are in the spans, and
    `months`: all of it that are in the database.
    """

    spans: tuple[Interval, ...] = ()
    within: Interval | None = None
    months: tuple[Interval, ...] = ()

    def read_part(self, period: Interval, there: Interval) -> Interval | None:
        """Return a span, or a part of it, as far as was read, where `there` is what was loaded.

        A month between is billed as a whole, also where the month after it was not loaded.
        """
        start, end = there.start, there.end
        if self.within is not None:
            start = min(start, period.start) if period.start > self.within.start else start
            end = max(end, period.end) if period.end < self.within.end else end
        return period.intersection(Interval(start, end))


def spans_reached(
    store: Store, access: Access, point: UsagePoint, margin: timedelta, away: AbstractSet[int] = frozenset()
) -> Reached:
    """Return from when to when a usage point was read, and the civil days of edits apart from that.

    Where no whole civil month lies between two of them they are one. `margin`: what is added to the days that were
    read, which are known by UTC. `away`: months in the archive, of which something is taken to be known.
    """
    extents = store.readings.extents(access, [point.id])
    if not extents:
        return Reached()
    first, last = min(each.first_day for each in extents), max(each.last_day for each in extents)
    days = _of_days(first, last)
    whole = Interval(days.start - margin, days.end + margin)
    read = [whole] if _is_filled(extents, days) else _months(_parts(store, access, point, days, away), whole, point)
    kinds = {(each.reading_type, each.interval_s) for each in extents}
    # Edits that were taken back too: a bill may rest on them still.
    ever = (*store.edits.applied(access, [point.id], EVER), *store.edits.withdrawn(access, [point.id], EVER))
    edited = [
        _civil_days(each.period, point)
        for each in ever
        if (each.reading_type, int(each.interval.total_seconds())) in kinds
    ]
    months = [] if read == [whole] else local_months(days, point.tz)
    here = (each for each in months if each.intersection(days) == each and away.isdisjoint(months_of(each)))
    return Reached(tuple(_by_months([*read, *edited], point)), None if read == [whole] else days, tuple(here))


def _months(parts: Iterable[Interval], whole: Interval, point: UsagePoint) -> list[Interval]:
    """Return the civil months that parts of a time touch, as far as they lie within it."""
    touched = {month for part in parts for month in local_months(part, point.tz)}
    return [part for month in sorted(touched) if (part := month.intersection(whole))]


def _is_filled(extents: Sequence[Extent], days: Interval) -> bool:
    """Tell whether what was read takes up so much of a time that all of it may be loaded."""
    read: dict[ReadingType, timedelta] = defaultdict(timedelta)
    for each in extents:
        read[each.reading_type] += each.readings * timedelta(seconds=each.interval_s)
    return MOST_LOADED * max(read.values()) >= days.length


def _parts(
    store: Store, access: Access, point: UsagePoint, whole: Interval, away: AbstractSet[int]
) -> Iterator[Interval]:
    """Yield the days of a final image, the months in the archive, and of what bills are made already."""
    for day in store.readings.final_days(access, point.id, whole):
        yield _of_days(day, day + 1)
    for month in sorted(away):
        if part := _of_days(month_days(month).start, month_days(month).stop).intersection(whole):
            yield part
    for kept in store.ledger.bills(access, point.id):
        if kept.bill.state is not BillState.CANCELLED and (part := kept.bill.period.intersection(whole)):
            yield part


def _of_days(first: int, last: int) -> Interval:
    return Interval(from_epoch_s(first * DAY_S), from_epoch_s(last * DAY_S))


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
