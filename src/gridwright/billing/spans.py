"""Spans: the parts of a billing period, in whole civil days, within which no price, tax or month changes."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from gridwright.domain.errors import RateError
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.rate import DateRange, Per

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The civil days [first, last) in `zone`."""

    first: date
    last: date
    zone: str

    @property
    def days(self) -> int:
        """Number of civil days."""
        return (self.last - self.first).days

    @property
    def period(self) -> Interval:
        """The same days as UTC instants, from local midnight to local midnight."""
        return _instants(self.first, self.last, self.zone)

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
        return [Span(first, last, self.zone) for first, last in pairwise(edges)]

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


def billing_span(period: Interval | None, covered: Interval, zone: str) -> Span:
    """Return the days to bill: those of `period`, else every civil day that `covered` touches.

    A period that does not run from local midnight to local midnight is a RateError.
    """
    tz = zone_of(zone)
    wanted = period or covered
    first, last = (
        wanted.start.astimezone(tz).date(),
        (wanted.end - timedelta(microseconds=1)).astimezone(tz).date() + DAY,
    )
    span = Span(first, last, zone)
    if wanted.length <= timedelta(0):
        raise RateError(f"period {wanted} is empty", remedy="bill at least one day")
    if period is not None and span.period != period:
        raise RateError(
            f"period {period} does not begin and end at midnight in {zone}",
            remedy=f"bill whole days, such as {span.period}",
        )
    return span
