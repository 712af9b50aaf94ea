"""Spans: the parts of a billing period, in whole civil days, within which no price, tax or month changes."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from gridwright.domain.errors import RateError
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.rate import DateRange, Per
from gridwright.domain.seams import NO_SEAMS, Seams

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The civil days [first, last) in `zone`.

    `opens`, `closes`: where the first day begins and the last one ends, if a bill of another zone adjoins there and
    has the other hours of that midnight; None at midnight.
    """

    first: date
    last: date
    zone: str
    opens: datetime | None = None
    closes: datetime | None = None

    @property
    def days(self) -> int:
        """Number of civil days."""
        return (self.last - self.first).days

    @property
    def period(self) -> Interval:
        """The same days as UTC instants, from local midnight to local midnight, or from seam to seam."""
        whole = _instants(self.first, self.last, self.zone)
        return Interval(self.opens or whole.start, self.closes or whole.end)

    def day_of(self, at: datetime) -> date:
        """Return the civil day that an instant of the span counts for; hours at a seam belong to the nearest day."""
        local = at.astimezone(zone_of(self.zone)).date()
        return min(max(local, self.first), self.last - DAY)

    @property
    def months(self) -> Fraction:
        """Length in months; a part of a month counts by its share of that month's days."""
        return sum((Fraction(part.days, days_in_month(part.first)) for part in self.by_month()), Fraction(0))

    @property
    def years(self) -> Fraction:
        """Length in years; a part of a year counts by its share of that year's days."""
        parts = self.cut(date(year, 1, 1) for year in range(self.first.year + 1, self.last.year + 1))
        lengths = ((part.days, (date(part.first.year + 1, 1, 1) - date(part.first.year, 1, 1)).days) for part in parts)
        return sum((Fraction(days, whole) for days, whole in lengths), Fraction(0))

    def by_month(self) -> list[Span]:
        """Return the span cut at the first of each month."""
        return self.cut(month_starts(self.first, self.last))

    def cut(self, at: Iterable[date]) -> list[Span]:
        """Return the span cut at those of the dates that lie inside."""
        inside = sorted({day for day in at if self.first < day < self.last})
        edges = [self.first, *inside, self.last]
        parts = [Span(first, last, self.zone) for first, last in pairwise(edges)]
        parts[0] = replace(parts[0], opens=self.opens)
        parts[-1] = replace(parts[-1], closes=self.closes)
        return parts

    def up_to(self, last: date) -> Span:
        """Return the part before a date within."""
        return self.cut([last])[0]

    def cut_at(self, ranges: Iterable[DateRange]) -> list[Span]:
        """Return the span cut wherever one of the ranges begins or ends."""
        return self.cut(day for one in ranges for day in (one.start, one.end) if day is not None)

    def length_in(self, per: Per, whole: Span) -> Fraction:
        """Return the length in bills (`whole`), days, months or years."""
        if per is Per.BILL:
            return Fraction(self.days, whole.days)
        return {Per.DAY: Fraction(self.days), Per.MONTH: self.months, Per.YEAR: self.years}[per]


@lru_cache(maxsize=1024)
def _instants(first: date, last: date, zone: str) -> Interval:
    return Interval(local_midnight(first, zone_of(zone)), local_midnight(last, zone_of(zone)))


def days_in_month(day: date) -> int:
    """Return how many days the month of `day` has."""
    return monthrange(day.year, day.month)[1]


def month_starts(first: date, last: date) -> list[date]:
    """Return the firsts of the months after `first` and before `last`."""
    count = (last.year - first.year) * 12 + last.month - first.month
    starts = [
        date(first.year + (first.month + n - 1) // 12, (first.month + n - 1) % 12 + 1, 1) for n in range(count + 1)
    ]
    return [day for day in starts if first < day < last]


def billing_span(period: Interval | None, covered: Interval, zone: str, seams: Seams = NO_SEAMS) -> Span:
    """Return the days to bill: those of `period`, else every civil day that `covered` touches.

    A period that does not run from local midnight to local midnight, or to a seam, is a RateError.
    """
    tz = zone_of(zone)
    wanted = period or covered
    if wanted.length <= timedelta(0):
        raise RateError(f"period {wanted} is empty", remedy="bill at least one day")
    touched = Span(
        wanted.start.astimezone(tz).date(), (wanted.end - timedelta(microseconds=1)).astimezone(tz).date() + DAY, zone
    )
    if period is None:
        return touched
    first, last = seams.day(period.start, tz), seams.day(period.end, tz)
    if first is None or last is None or first >= last:
        raise RateError(
            f"period {period} does not begin and end at midnight in {zone}",
            remedy=f"bill whole days, such as {touched.period}",
        )
    return _seamed(Span(first, last, zone), period)


def _seamed(days: Span, period: Interval) -> Span:
    """Return days that begin and end with a period; one that lies wholly beyond a seam, a day away, is left out."""
    tz, first, last = zone_of(days.zone), days.first, days.last
    while first + DAY < last and local_midnight(first + DAY, tz) <= period.start:
        first += DAY
    while first < last - DAY and local_midnight(last - DAY, tz) >= period.end:
        last -= DAY
    edges = _instants(first, last, days.zone)
    opens = None if edges.start == period.start else period.start
    return Span(first, last, days.zone, opens, None if edges.end == period.end else period.end)
