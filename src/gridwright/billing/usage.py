"""Usage: the readings of one bill, cut by span and label; sums are made once for all meters of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gridwright.billing.determinants import Counts, Determinants, billable, interval_labels, sum_by_label
from gridwright.billing.spans import Span
from gridwright.billing.tiers import to_decimal
from gridwright.domain.calendar import day_number, local_calendar
from gridwright.domain.errors import RateError, RateRefused
from gridwright.domain.panel import Panel, Values
from gridwright.domain.rate import Channel, Determinant, RateCard
from gridwright.domain.usage_point import UsagePoint


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The intervals of a span that carry a label: indices `slots` and the day number of each; shared by all meters.

    `told` remembers, by day, how many of them it has and their hours in words.
    """

    slots: npt.NDArray[np.intp]
    day: npt.NDArray[np.int32]
    told: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """Readings of many usage points over exactly the days of `whole`, and the sums already made of them."""

    panels: Mapping[Channel, Panel]
    card: RateCard
    whole: Span
    sums: dict[tuple[Determinant, Span], Determinants] = field(default_factory=dict)
    parts: dict[tuple[Channel, Span], Panel] = field(default_factory=dict)
    marks: dict[tuple[Determinant, str, Span], Marked] = field(default_factory=dict)

    def part(self, channel: Channel, span: Span) -> Panel:
        """Return the readings of one channel within the span."""
        found = self.parts.get((channel, span))
        if found is None:
            found = self.parts[channel, span] = self.panels[channel].between(span.period)
        return found

    def marked(self, determinant: Determinant, label: str, span: Span) -> Marked:
        """Return the intervals that carry `label`; "" = any label that the determinant names."""
        found = self.marks.get((determinant, label, span))
        if found is None:
            calendar = self.card.calendar(determinant.calendar)
            part = self.part(determinant.channel, span)
            labels = interval_labels(part, calendar, determinant.months, span.zone)
            names = (label,) if label else determinant.labels
            wanted = [calendar.labels.index(name) for name in names] if calendar else [0]
            slots = np.flatnonzero(np.isin(labels, wanted))
            found = Marked(slots, part.calendar(span.zone).day[slots])
            self.marks[determinant, label, span] = found
        return found

    def determinants(self, determinant: Determinant, span: Span) -> Determinants:
        """Return the sums by label of every usage point."""
        found = self.sums.get((determinant, span))
        if found is None:
            calendar = self.card.calendar(determinant.calendar)
            part = self.part(determinant.channel, span)
            found = sum_by_label(part, calendar, determinant.months, span.zone)
            self.sums[determinant, span] = found
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What one bill is made from: row `row` of the usage, its usage point, and the use carried over by charge."""

    usage: Usage
    row: int
    point: UsagePoint
    carried: Mapping[str, Decimal]

    @property
    def card(self) -> RateCard:
        """Rate card that prices it."""
        return self.usage.card

    @property
    def whole(self) -> Span:
        """Days billed."""
        return self.usage.whole

    def has(self, channel: Channel) -> bool:
        """Tell whether there are readings; received energy may lack only where the usage point never exports."""
        if channel in self.usage.panels:
            return True
        if self.point.exports:
            raise RateRefused(
                f"usage point {self.point.id} exports, but no received energy is here to bill",
                remedy="hand over its received readings too",
            )
        return False

    def part(self, channel: Channel, span: Span) -> Values:
        """Return the counts of one channel within the span, float64[slots], NaN = missing."""
        values: Values = self.usage.part(channel, span).values[self.row]
        return values

    def labels(self, determinant: Determinant, span: Span) -> npt.NDArray[np.int8]:
        """Return the label number of each interval of the span."""
        calendar = self.card.calendar(determinant.calendar)
        part = self.usage.part(determinant.channel, span)
        return interval_labels(part, calendar, determinant.months, span.zone)

    def exponent(self, channel: Channel) -> int:
        """Return the resolution of the channel's counts, a power of ten of watt-hours."""
        return self.usage.panels[channel].reading_type.exponent


@lru_cache(maxsize=64)
def _day_of_slot(panel_start: datetime, interval: timedelta, slots: int, whole: Span) -> npt.NDArray[np.int32]:
    day = local_calendar(panel_start, interval, slots, whole.zone).day - np.int32(day_number(whole.first))
    np.clip(day, 0, whole.days - 1, out=day)  # hours at a seam count for the day beside them
    return day


def to_kwh(counts: float, exponent: int, multiplier: Decimal = Decimal(1), places: int = 3) -> Decimal:
    """Return whole counts of 10**exponent Wh as exact kWh, rounded half up to `places`."""
    if multiplier == 1 and exponent - 3 >= -places:
        return Decimal(int(counts)).scaleb(exponent - 3)
    return to_decimal(int(counts) * Fraction(10) ** (exponent - 3) * Fraction(multiplier), places)


def prepare(panel: Panel, whole: Span) -> Panel:
    """Return the readings on exactly the days billed, missing where there are none; values must be whole counts."""
    part = panel if panel.period == whole.period else panel.regrid(whole.period)
    part = billable(part)
    if (np.rint(part.values) != part.values)[~np.isnan(part.values)].any():
        raise RateError(
            f"{part.reading_type} holds fractions of its resolution and could not be billed exactly",
            remedy="rescale the panel to whole counts first",
        )
    return part


def usage_hash(account: Account) -> str:
    """Return SHA-256 over everything used: grid, values and quality of each channel, and the use carried over."""
    digest = hashlib.sha256()
    for channel, panel in account.usage.panels.items():
        grid = f"{channel}|{panel.reading_type.code}|{panel.start.isoformat()}|{panel.interval_s}|"
        digest.update(grid.encode())
        # One bit pattern for every NaN and for both zeros.
        values = panel.values[account.row]
        digest.update((np.where(np.isnan(values), np.nan, values) + 0.0).astype("<f8").tobytes())
        digest.update(panel.quality[account.row].tobytes())
    extra = [f"{name}={value.normalize():f}" for name, value in sorted(account.carried.items())]
    if any(charge.determinant.channel is Channel.CONTRACT for charge in account.card.charges):
        extra.append(f"contract_kw={account.point.attributes.get('contract_kw')}")
    digest.update("|".join(extra).encode())
    return digest.hexdigest()


def daily_counts(account: Account) -> Counts:
    """Return the delivered counts of each civil day billed, int64[days]."""
    panel = account.usage.panels[Channel.DELIVERED]
    days = _day_of_slot(panel.start, panel.interval, panel.slots, account.whole)
    sums = np.bincount(days, weights=np.nan_to_num(panel.values[account.row]), minlength=account.whole.days)
    return np.rint(sums).astype(np.int64)
