"""E09: reads of monthly registers, estimated from average daily use or between two reads that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import as_shown
from gridwright.domain.usage_point import Meter

CENT = Decimal("0.01")
DAY_SECONDS = Decimal(86_400)
ESTIMATED = q.pack(q.Status.ESTIMATED, q.Method.SCALAR)


def average_daily_use(energy_kwh: Decimal, days: int | Decimal) -> Decimal:
    """Return kWh a day to two places, half up; `days`, whole or not, below one are an InputError."""
    if days < 1:
        raise InputError(f"{days:.3g} days have no average daily use", remedy="give two reads at least a day apart")
    return _cents(energy_kwh / days)


def counted_on(last: int, adu_kwh: Decimal, days: int | Decimal, multiplier: Decimal = Decimal(1)) -> int:
    """Return a register read in its own units of 1 kWh, `days` after `last`: the rounding cascade of California.

    ADU to two places, times days to two places (both half up), over the multiplier, cut, added to the last read.

    >>> counted_on(12345, Decimal("3.345"), 17)
    12401
    """
    energy = _cents(_cents(adu_kwh) * days)
    return last + int((energy / multiplier).to_integral_value(ROUND_DOWN))


def estimate_read(
    reads: Sequence[RegisterReading],
    at: datetime,
    meter: Meter,
    *,
    multiplier: Decimal = Decimal(1),
    adu_kwh: Decimal | None = None,
) -> RegisterReading:
    """Return the read that the register would have shown at an instant, ESTIMATED by SCALAR.

    Between two reads of one counter it lies on a straight line; after the last one it goes on by `adu_kwh`, or by what
    the last two reads tell. Whole register units (`meter.lsb_wh`), wrapped at its dials. Before the first read, or
    with too few reads, it is an InputError.
    """
    ordered = sorted(reads, key=lambda read: (read.at, read.epoch))
    before = [read for read in ordered if read.at <= at]
    if not before:
        first = ordered[0].at.isoformat() if ordered else "none"
        raise InputError(
            f"no register read before {at.isoformat()} (first: {first})", remedy="give one on an earlier day"
        )
    last = before[-1]
    after = next((read for read in ordered if read.at > at and _same_counter(last, read)), None)
    unit = Decimal(meter.lsb_wh) / Decimal(repr(last.reading_type.resolution))
    stand = int(Decimal(repr(last.value)) / unit)
    if after is not None:
        share = _seconds(last.at, at) / _seconds(last.at, after.at)
        more = int((_moved(last, after, meter) / unit * share).to_integral_value(ROUND_HALF_UP))
    else:
        more = _onwards(before, at, meter, multiplier=multiplier, adu_kwh=adu_kwh)
    shown = stand + more if meter.dials is None else (stand + more) % 10**meter.dials
    value = float(shown * unit)
    return RegisterReading(last.usage_point, at, value, last.end_device, last.epoch, ESTIMATED, last.reading_type)


def _onwards(
    before: Sequence[RegisterReading], at: datetime, meter: Meter, *, multiplier: Decimal, adu_kwh: Decimal | None
) -> int:
    """Return the register units counted since the last read at the average daily use."""
    last = before[-1]
    adu = adu_kwh if adu_kwh is not None else _usual(before, meter, multiplier)
    days = _seconds(last.at, at) / DAY_SECONDS
    units_a_kwh = Decimal(1000) / meter.lsb_wh
    return counted_on(0, adu, days, multiplier / units_a_kwh)


def _usual(before: Sequence[RegisterReading], meter: Meter, multiplier: Decimal) -> Decimal:
    last = before[-1]
    earlier = [read for read in before[:-1] if _same_counter(read, last)]
    if not earlier:
        raise InputError(
            f"one register read of {last.usage_point} tells no daily use", remedy="give adu_kwh or an earlier read"
        )
    energy = _moved(earlier[-1], last, meter) * Decimal(repr(last.reading_type.resolution)) / 1000 * multiplier
    return average_daily_use(energy, _seconds(earlier[-1].at, last.at) / DAY_SECONDS)


def _same_counter(one: RegisterReading, other: RegisterReading) -> bool:
    return (one.end_device, one.epoch) == (other.end_device, other.epoch)


def _moved(before: RegisterReading, after: RegisterReading, meter: Meter) -> Decimal:
    """Return the counts between two reads, over a rollover where the later one is smaller."""
    resolution = Decimal(repr(before.reading_type.resolution))
    dials = as_shown(meter, [before, after]).dials or 0
    wrap = Decimal(10) ** dials * meter.lsb_wh / resolution
    return (Decimal(repr(after.value)) - Decimal(repr(before.value))) % wrap + (
        wrap if after.value < before.value else 0
    )


def _seconds(since: datetime, until: datetime) -> Decimal:
    return Decimal(int((until - since).total_seconds()))


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)
