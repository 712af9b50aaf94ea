"""Time: half-open periods of aware UTC instants, and the civil days, weeks and months of a zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gridwright.domain.errors import AmbiguousInput, InputError

FIRST = datetime(1, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY_S = 86_400
MICRO = 1_000_000  # microseconds of a second
YEAR_OR_MONTH = re.compile(r"\d{4}(?:-\d{2})?")


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A half-open period [start, end) between two aware instants, held in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            moment: datetime = getattr(self, name)
            if moment.tzinfo is None:
                raise InputError(
                    f"{name} {moment.isoformat()} has no time zone", remedy="give an offset, such as +00:00"
                )
            object.__setattr__(self, name, moment.astimezone(UTC))
        if self.end < self.start:
            raise InputError(f"period ends {self.end.isoformat()} before it starts {self.start.isoformat()}")

    @property
    def length(self) -> timedelta:
        """Elapsed time between start and end."""
        return self.end - self.start

    @property
    def seconds(self) -> int:
        """Elapsed whole seconds."""
        return round(self.length.total_seconds())

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: Interval) -> bool:
        """Tell whether any instant belongs to both periods."""
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Interval) -> Interval | None:
        """Return the common part, or None when there is none."""
        return Interval(max(self.start, other.start), min(self.end, other.end)) if self.overlaps(other) else None

    def slots(self, length: timedelta) -> int:
        """Return how many whole intervals of `length` fit."""
        return self.length // length

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo:
    """Return the IANA zone called `name`; an unknown one is an InputError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"unknown time zone {name!r}", remedy="use an IANA name such as Europe/Berlin or UTC"
        ) from error


def epoch_s(moment: datetime) -> int:
    """Return whole seconds since 1970-01-01T00:00Z."""
    return (moment - EPOCH) // SECOND


def from_epoch_s(seconds: float) -> datetime:
    """Return the UTC instant `seconds` after 1970-01-01T00:00Z."""
    return EPOCH + timedelta(seconds=seconds)


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which the civil `day` begins in `zone`."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def local_day(day: date, zone: ZoneInfo) -> Interval:
    """Return the civil day as UTC instants: 23, 24 or 25 hours (Lord Howe: 23.5 or 24.5)."""
    return Interval(local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone))


def local_month(year: int, month: int, zone: ZoneInfo) -> Interval:
    """Return the civil month as UTC instants."""
    first_next = date(year + month // 12, month % 12 + 1, 1)
    return Interval(local_midnight(date(year, month, 1), zone), local_midnight(first_next, zone))


def local_months(period: Interval, zone: ZoneInfo) -> Iterator[Interval]:
    """Yield the civil months that touch `period`, whole, in order."""
    at = period.start
    while at < period.end:
        local = at.astimezone(zone)
        month = local_month(local.year, local.month, zone)
        yield month
        at = month.end


def local_days(period: Interval, zone: ZoneInfo) -> Iterator[Interval]:
    """Yield the civil days that touch `period`, whole, in order."""
    day = period.start.astimezone(zone).date()
    while (whole := local_day(day, zone)).start < period.end:
        yield whole
        day += timedelta(days=1)


def clock_time(moment: datetime, zone: ZoneInfo) -> str:
    """Return an instant as the clock of a place shows it, with the offset, such as 2026-11-20T09:00:00+01:00."""
    return moment.astimezone(zone).isoformat()


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """Read an ISO 8601 date or date-time; without offset it is wall-clock time in `zone`, first pass of two."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a date or time", remedy="write 2025-03-01 or 2025-03-01T00:00:00+01:00"
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    try:
        found = aware.astimezone(UTC)
    except OverflowError:
        found = FIRST
    # What looks back some weeks must not fall off the calendar.
    if found.year == FIRST.year:
        raise InputError(f"{text!r} lies outside the calendar", remedy="write a year from 2 to 9998")
    return found


def exact_instant(text: str, zone: ZoneInfo) -> datetime:
    """Read an instant; civil time that a change of the clock lets come twice, or never, is not guessed at."""
    moment = parse_instant(text, zone)
    written = datetime.fromisoformat(text)
    if written.tzinfo is None:
        first, second = (written.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            times = "twice" if first.astimezone(UTC) < second.astimezone(UTC) else "never"
            raise AmbiguousInput(
                f"{text} comes {times} in {zone.key}: the clock changes then",
                remedy=f"give the offset, such as {first.isoformat()} or {second.isoformat()}",
            )
    return moment


def exact_period(text: str, zone: ZoneInfo) -> Interval:
    """Read a period as `parse_period` does, of which no end is guessed at (`exact_instant`)."""
    if "/" not in text:
        return parse_period(text, zone)
    start, _, end = text.partition("/")
    return Interval(*(_begin(each, zone, exact_instant) for each in (start, end)))


def _begin(text: str, zone: ZoneInfo, read: Callable[[str, ZoneInfo], datetime]) -> datetime:
    """Return the instant that an end of a range names: that of a year or a month is its begin."""
    return parse_period(text, zone).start if YEAR_OR_MONTH.fullmatch(text) else read(text, zone)


def parse_period(text: str, zone: ZoneInfo) -> Interval:
    """Read a year `2025`, month `2025-03`, day `2025-03-30` or range `FROM/TO` (half-open) in `zone`.

    A year or a month as FROM or TO is its begin: `2025-01/2025-03` is January and February.
    """
    if "/" in text:
        start, _, end = text.partition("/")
        return Interval(*(_begin(each, zone, parse_instant) for each in (start, end)))
    parts = text.split("-")
    try:
        numbers = [int(part) for part in parts]
        if numbers[0] == FIRST.year:
            numbers[0] = 0  # no year at all: what looks back some weeks must not fall off the calendar
        if len(numbers) == 1:
            return Interval(
                local_midnight(date(numbers[0], 1, 1), zone), local_midnight(date(numbers[0] + 1, 1, 1), zone)
            )
        if len(numbers) == 2:  # noqa: PLR2004 - year and month
            return local_month(numbers[0], numbers[1], zone)
        return local_day(date(*numbers), zone)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{text!r} is not a period", remedy="write 2025, 2025-03, 2025-03-30 or 2025-03-01/2025-04-01"
        ) from error
