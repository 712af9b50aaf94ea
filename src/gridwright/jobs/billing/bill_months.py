"""Bill a usage point month by month: one bill for each civil month that its readings touch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from gridwright.billing import Coarse, billing_span, month_starts, rate, require_prices
from gridwright.domain.bill import Bill
from gridwright.domain.errors import GridMismatch, RateError
from gridwright.domain.interval import Interval, local_day
from gridwright.domain.panel import Panel
from gridwright.domain.rate import Per, Price, RateCard
from gridwright.domain.seams import DAY, NO_SEAMS, Seams
from gridwright.domain.usage_point import UsagePoint


@dataclass(frozen=True, slots=True)
class Billed:
    """The bills of the months that the rate card could price, and why it could not price the others."""

    bills: tuple[Bill, ...]
    notes: tuple[str, ...] = ()


def bill_months(
    panel: Panel,
    card: RateCard,
    usage_point: UsagePoint,
    *,
    known_at: datetime,
    received: Panel | None = None,
    period: Interval | None = None,
    coarse: Sequence[Coarse] = (),
    seams: Seams = NO_SEAMS,
) -> Billed:
    """Bill each civil month of `period` (default: all that the readings touch); ladders of a year are carried on.

    A ladder that runs over the year counts from its first reading of the year, also where `period` begins later.
    `coarse`: times whose readings were of longer intervals; a month is refused where its prices would split one.
    `seams`: a month begins where the issued bill before it ends, and one that is issued is rated in its own zone.
    """
    if period is not None and not period.overlaps(panel.period):
        return Billed((), (f"{usage_point.id} has no readings in {period}; they cover {panel.period}",))
    bills: list[Bill] = []
    notes: dict[str, None] = {}
    unknown: set[int] = set()
    carried: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    asked = list(months_of(panel, usage_point, period, seams))
    earlier = list(_earlier_months(panel, usage_point, asked[0], seams)) if asked and yearly(card) else []
    for year, month in (*earlier, *asked):
        point = replace(usage_point, zone=seams.zones.get(month, usage_point.zone))
        try:
            require_prices(card, month, coarse, point.zone)
            bill = rate(
                panel,
                card,
                usage_point=point,
                known_at=known_at,
                period=billing_span(month, month, point.zone, seams),
                received=received,
                carried=carried[year],
            )
        except (RateError, GridMismatch) as error:
            if (year, month) in asked:
                notes[str(error)] = None
            unknown.add(year)
            carried[year].clear()
            continue
        if (year, month) in asked:
            bills.append(bill)
        # A month that was not billed leaves the rest of its year without a known sum.
        for charge in yearly(card) if year not in unknown else ():
            carried[year][charge] += sum((line.quantity for line in bill.lines if line.charge == charge), Decimal(0))
    return Billed(tuple(bills), tuple(notes))


def months_of(
    panel: Panel, usage_point: UsagePoint, period: Interval | None, seams: Seams = NO_SEAMS
) -> Iterator[tuple[int, Interval]]:
    """Yield (year, period) of each civil month, cut to the civil days that the readings or `period` touch."""
    whole, tz = period or civil_days(panel, usage_point, seams), usage_point.tz
    first, last = seams.day(whole.start, tz), seams.day(whole.end, tz)
    begin, end = first or whole.start.astimezone(tz).date(), last or whole.end.astimezone(tz).date() + DAY
    starts = [begin, *month_starts(begin, end)]
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        month = seams.period(start, stop, tz)
        # An end within a day stays: rating says why it has no such bill.
        yield (
            start.year,
            Interval(
                whole.start if first is None and start == begin else month.start,
                whole.end if last is None and stop == end else month.end,
            ),
        )


def civil_days(panel: Panel, usage_point: UsagePoint, seams: Seams = NO_SEAMS) -> Interval:
    """Return the civil days that readings touch."""
    tz = usage_point.tz
    # The last instant that belongs to the readings decides the last day.
    first, last = (seams.day_of(at, tz) for at in (panel.start, panel.end - panel.interval))
    return Interval(local_day(first, tz).start, local_day(max(first, last), tz).end)


def _earlier_months(
    panel: Panel, usage_point: UsagePoint, asked: tuple[int, Interval], seams: Seams
) -> Iterator[tuple[int, Interval]]:
    """Yield the months of a year before the one asked for, from the first reading on."""
    tz, (year, month) = usage_point.tz, asked
    first = seams.day(month.start, tz)
    begin = max(date(year, 1, 1), seams.day_of(panel.start, tz))
    if first is not None and begin < first:
        yield from months_of(panel, usage_point, seams.period(begin, first, tz), seams)


def yearly(card: RateCard) -> list[str]:
    """Return the charges whose ladder starts anew each year."""
    return [charge.id for charge in card.charges if isinstance(charge.price, Price) and charge.price.reset is Per.YEAR]
