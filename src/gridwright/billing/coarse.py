"""Bills that hold readings of several interval lengths: what longer ones cannot tell is refused, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from gridwright.billing.labels import compile_labels
from gridwright.domain.errors import RateRefused
from gridwright.domain.interval import Interval
from gridwright.domain.rate import Charge, RateCard, Reduce


class Coarse(NamedTuple):
    """A time that was read at longer intervals than the rest of a panel, which shares their energy out evenly."""

    period: Interval
    interval: timedelta


def require_prices(card: RateCard, period: Interval, coarse: Sequence[Coarse], zone: str) -> None:
    """Raise RateRefused where a charge of the bill of `period` would split one of the longer intervals.

    That is where a label, or the bill itself, begins or ends within one, and where demand is billed over shorter
    windows.
    """
    for each in coarse:
        part = each.period.intersection(period)
        if part is None:
            continue
        if (part.start - each.period.start) % each.interval or (part.end - each.period.start) % each.interval:
            raise RateRefused(
                f"the bill of {period} begins or ends within an interval of {_minutes(each)} min",
                remedy="read at shorter intervals, or bill from one whole interval to another",
            )
        for charge in card.charges:
            _require_price(card, charge, Coarse(part, each.interval), zone)


def _require_price(card: RateCard, charge: Charge, coarse: Coarse, zone: str) -> None:
    determinant = charge.determinant
    if determinant.reduce not in {Reduce.SUM, Reduce.MAX}:
        return
    calendar = card.calendar(determinant.calendar)
    if calendar is not None:
        slots = coarse.period.length // coarse.interval
        compile_labels(calendar, coarse.period.start, coarse.interval, slots, zone)
    if determinant.reduce is Reduce.MAX and timedelta(minutes=determinant.window_minutes) % coarse.interval:
        raise RateRefused(
            f"charge {charge.id} bills windows of {determinant.window_minutes} min, which readings of "
            f"{_minutes(coarse)} min cannot show",
            where=str(coarse.period),
            remedy="use readings that divide the window",
        )


def _minutes(coarse: Coarse) -> int:
    return int(coarse.interval.total_seconds()) // 60
