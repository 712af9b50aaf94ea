"""Which civil months a billing run over everything looks at: those in the database; others must be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.interval import Interval, local_months
from gridwright.domain.month import month_name, month_of, months_of
from gridwright.domain.usage_point import UsagePoint

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Open:
    """Periods of whole civil months to look at, and the months that are left in the archive."""

    periods: tuple[Interval, ...]
    left: tuple[str, ...]


def open_months(there: Interval, point: UsagePoint, away: AbstractSet[int], billed: Callable[[Interval], bool]) -> Open:
    """Return the months of what is stored of a usage point that are not `away`, by UTC, joined where they adjoin.

    A month whose first or last hours alone are away is looked at until it is billed.
    """
    kept: list[Interval] = []
    left = []
    for month in local_months(there, point.tz):
        gone = [each for each in months_of(month) if each in away]
        middle = month_of(month.start + (month.end - month.start) / 2)
        if middle in away:
            left.append(month_name(middle))
        elif not gone or not billed(month):
            kept.append(month)
    return Open(tuple(joined(kept)), tuple(left))


def joined(periods: Sequence[Interval]) -> list[Interval]:
    """Return periods in order of time, as one where they touch one another."""
    found: list[Interval] = []
    for period in sorted(set(periods)):
        if found and period.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, period.end))
        else:
            found.append(period)
    return found


def spelled(months: Sequence[str]) -> str:
    """Write months for people: the first and the last, where there are several."""
    named = sorted(set(months))
    return named[0] if len(named) == 1 else f"{len(named)} months from {named[0]} to {named[-1]}"
