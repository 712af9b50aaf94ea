"""Bill a usage point month by month: one bill for each civil month that its readings touch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gridwright.billing import Coarse, rate, require_prices
from gridwright.domain.bill import Bill
from gridwright.domain.errors import GridMismatch, RateError
from gridwright.domain.interval import Interval, local_day, local_month, local_months
from gridwright.domain.panel import Panel
from gridwright.domain.rate import Per, Price, RateCard
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
) -> Billed:
    """Bill each civil month of `period` (default: all that the readings touch); ladders of a year are carried on.

    A ladder that runs over the year counts from its first reading of the year, also where `period` begins later.
    `coarse`: times whose readings were of longer intervals; a month is refused where its prices would split one.
    """
    if period is not None and not period.overlaps(panel.period):
        return Billed((), (f"{usage_point.id} has no readings in {period}; they cover {panel.period}",))
    bills: list[Bill] = []
    notes: dict[str, None] = {}
    unknown: set[int] = set()
    carried: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    asked = list(months_of(panel, usage_point, period))
    earlier = list(_earlier_months(panel, usage_point, asked[0][1])) if asked and yearly(card) else []
    for year, month in (*earlier, *asked):
        try:
            require_prices(card, month, coarse, usage_point.zone)
            bill = rate(
                panel,
                card,
                usage_point=usage_point,
                known_at=known_at,
                period=month,
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


def months_of(panel: Panel, usage_point: UsagePoint, period: Interval | None) -> Iterator[tuple[int, Interval]]:
    """Yield (year, period) of each civil month, cut to the civil days that the readings or `period` touch."""
    whole = period or civil_days(panel, usage_point)
    for month in local_months(whole, usage_point.tz):
        year = month.start.astimezone(usage_point.tz).year
        yield year, Interval(max(month.start, whole.start), min(month.end, whole.end))


def civil_days(panel: Panel, usage_point: UsagePoint) -> Interval:
    """Return the civil days that readings touch."""
    first = local_day(panel.start.astimezone(usage_point.tz).date(), usage_point.tz)
    # The last instant that belongs to the readings decides the last day.
    last = local_day((panel.end - panel.interval).astimezone(usage_point.tz).date(), usage_point.tz)
    return Interval(first.start, last.end)


def _earlier_months(panel: Panel, usage_point: UsagePoint, first: Interval) -> Iterator[tuple[int, Interval]]:
    """Yield the months of a year before `first`, from the first reading on."""
    begin = local_month(first.start.astimezone(usage_point.tz).year, 1, usage_point.tz).start
    known = local_day(panel.start.astimezone(usage_point.tz).date(), usage_point.tz).start
    if max(begin, known) < first.start:
        yield from months_of(panel, usage_point, Interval(max(begin, known), first.start))


def yearly(card: RateCard) -> list[str]:
    """Return the charges whose ladder starts anew each year."""
    return [charge.id for charge in card.charges if isinstance(charge.price, Price) and charge.price.reset is Per.YEAR]
