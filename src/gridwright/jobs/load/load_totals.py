"""Load the civil days of a usage point as rows: what a page, a table or an answer shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s, local_day
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity, ReadingType
from gridwright.domain.units import amount, unit_of
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.load.reached import days_reached
from gridwright.jobs.load.sum_totals import Summed, channel_kinds, sum_totals
from gridwright.store import Store

NAMELESS = "(none)"


@dataclass(frozen=True, slots=True)
class DayTotal:
    """A civil day: its energy, the mean power of its highest interval, and how many intervals are known how.

    `unit`: of `total`, the sum of what adds up, of `mean`, where nothing does (a temperature, a voltage), and of
    `peak`, the highest interval. `kwh` and `peak_kw` are those of energy alone. `channels`: the amount of each channel
    that it is the sum of; empty where the energy has none.
    """

    day: date
    unit: str
    total: float | None
    mean: float | None
    peak: float | None
    kwh: float | None
    peak_kw: float | None
    peak_slot: int | None
    intervals: int
    measured: int
    estimated: int
    edited: int
    missing: int
    channels: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**asdict(self), "day": self.day.isoformat(), "channels": dict(self.channels)}


def load_totals(
    store: Store,
    access: Access,
    point: str,
    period: Interval | None = None,
    *,
    reading_type: ReadingType = DELIVERED_ENERGY,
    as_of: datetime | None = None,
) -> list[DayTotal]:
    """Return the known days that touch `period` (None: all there are), the oldest first, as they are or were known.

    A type without a channel is the sum of all channels of that energy, as bills have it.
    """
    home = store.registry.point(access, point)
    days = _days(store, access, home, period)
    every = {
        kind: store.day_totals.load(access, [point], days, reading_type=kind, as_of=as_of)
        for kind in channel_kinds(store, access, reading_type)
    }
    parts = {kind: totals for kind, totals in every.items() if totals.known.any()}
    if not parts:
        return []
    if len(parts) > 1:
        summed = sum_totals(store, access, home, parts, as_of=as_of)
    else:
        ((kind, only),) = parts.items()
        summed = Summed(only, {kind.channel: dict(enumerate(only.kwh[0].tolist()))})
    found = summed.totals
    return [_row(summed, at, home) for at in range(len(days)) if found.known[0, at]]


def is_known(
    store: Store, access: Access, point: str, period: Interval | None = None, *, as_of: datetime | None = None
) -> bool:
    """Tell whether any reading of a usage point is known of a period (None: any time), or was at an instant."""
    days = days_reached(store, access, point)
    whole = period or Interval(from_epoch_s(days.start * DAY_S), from_epoch_s(days.stop * DAY_S))
    kinds = {each.reading_type for each in store.readings.extents(access, [point])}
    panels = (panel for kind in kinds for panel in load_stretches(store, access, [point], whole, kind, as_of=as_of))
    return any(not panel.missing.all() for panel in panels)


def _channels(summed: Summed, at: int) -> dict[str, float]:
    """Return the energy with which each channel counts on a day; what has no channel is called so, where it counts."""
    if not any(summed.channels):
        return {}
    return {name or NAMELESS: kwh[at] for name, kwh in summed.channels.items() if at in kwh and (name or kwh[at])}


def _days(store: Store, access: Access, home: UsagePoint, period: Interval | None) -> range:
    if period is not None:
        first, last = (
            moment.astimezone(home.tz).date() for moment in (period.start, period.end - timedelta(seconds=1))
        )
        return range(day_number(first), day_number(last) + 1)
    days = days_reached(store, access, home.id)
    # A civil day begins before its UTC day, or ends behind it.
    return range(days.start - 1, days.stop + 1) if days else days


def _row(summed: Summed, at: int, home: UsagePoint) -> DayTotal:
    found = summed.totals
    day = date_of(found.days[at])
    kind, intervals = found.reading_type, int(found.intervals[0, at])
    measured, estimated, edited = (int(getattr(found, name)[0, at]) for name in ("measured", "estimated", "edited"))
    total, peak = (amount(float(each[0, at]), kind) for each in (found.total, found.peak))
    is_energy = kind.sums and kind.quantity is Quantity.ENERGY
    valued, known = int(found.peak_slot[0, at]) >= 0, measured + estimated + edited
    hours = local_day(day, home.tz).seconds / 3600 / intervals
    return DayTotal(
        day,
        unit_of(kind),
        total if kind.sums else None,
        amount(int(found.total[0, at]) / known, kind) if known and not kind.sums else None,
        peak if valued else None,
        total if is_energy else None,
        peak / hours if valued and is_energy else None,
        int(found.peak_slot[0, at]) if valued else None,
        intervals,
        measured,
        estimated,
        edited,
        int(found.missing[0, at]),
        _channels(summed, at) if kind.sums else {},
    )
