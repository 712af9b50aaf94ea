"""Seams: where bills of another zone end within a civil day, so that a change of zone bills each hour once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gridwright.domain.bill import Bill, BillState
from gridwright.domain.interval import Interval, local_midnight, zone_of

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seams:
    """The dates at which issued bills of a usage point begin and end, with the instants by the zone they were made in.

    `dates`: which date begins at an instant, by any bill there was. `zones`: by which zone a period is billed.
    """

    begins: Mapping[date, datetime] = field(default_factory=dict)
    ends: Mapping[date, datetime] = field(default_factory=dict)
    dates: Mapping[datetime, date] = field(default_factory=dict)
    zones: Mapping[Interval, str] = field(default_factory=dict)

    def day(self, at: datetime, tz: ZoneInfo) -> date | None:
        """Return the civil date that begins at an instant, by a bill or by the zone; None within a day."""
        local = at.astimezone(tz).date()
        return self.dates.get(at) or (local if local_midnight(local, tz) == at else None)

    def day_of(self, at: datetime, tz: ZoneInfo) -> date:
        """Return the civil date that an instant counts for: by the issued bill that has it, or by the zone."""
        local = at.astimezone(tz).date()
        held = next((each for each in self.zones if at in each), None)
        if held is None:
            return local
        return min(max(local, self.dates[held.start]), self.dates[held.end] - DAY)

    def period(self, first: date, last: date, tz: ZoneInfo) -> Interval:
        """Return the days [first, last) as instants: from where a bill of that date begins, or the one before ends."""
        start = self.begins.get(first) or self.ends.get(first) or local_midnight(first, tz)
        end = self.ends.get(last) or self.begins.get(last) or local_midnight(last, tz)
        return Interval(start, max(start, end))

    def fit(self, period: Interval, tz: ZoneInfo) -> Interval:
        """Return a period of whole days with its ends where issued bills have them; one of parts of days stays."""
        first, last = self.day(period.start, tz), self.day(period.end, tz)
        return period if first is None or last is None else self.period(first, last, tz)


NO_SEAMS = Seams()


def seams_of(bills: Iterable[Bill]) -> Seams:
    """Return the seams that the bills of one usage point make: all tell dates, those that are issued bind."""
    every = list(bills)
    # What ends there counts before what begins: of zones a day apart both have a midnight, of other dates.
    edges = [(bill.period.start, bill.zone) for bill in every] + [(bill.period.end, bill.zone) for bill in every]
    dates = {at: _near(at, zone) for at, zone in edges}
    dates |= {at: day for at, zone in edges if (day := NO_SEAMS.day(at, zone_of(zone))) is not None}
    issued = [bill for bill in every if bill.state is BillState.ISSUED]
    return Seams(
        {dates[bill.period.start]: bill.period.start for bill in issued},
        {dates[bill.period.end]: bill.period.end for bill in issued},
        dates,
        {bill.period: bill.zone for bill in issued},
    )


def _near(at: datetime, zone: str) -> date:
    """Return the date whose midnight is the nearest one."""
    local = at.astimezone(zone_of(zone)).date()
    day = Interval(local_midnight(local, zone_of(zone)), local_midnight(local + DAY, zone_of(zone)))
    return local if at - day.start <= day.end - at else local + DAY
