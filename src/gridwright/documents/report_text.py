"""Figures, instants and counts as people read them."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gridwright.documents.charts.scale import number

INSTANT = timedelta(microseconds=1)


def energy(kwh: float) -> str:
    """Write kWh, from 10,000 kWh on as MWh."""
    return f"{number(kwh / 1000)} MWh" if abs(kwh) >= 10_000 else f"{number(kwh)} kWh"  # noqa: PLR2004 - four digits


def power(kw: float) -> str:
    """Write kW."""
    return f"{number(kw)} kW" if math.isfinite(kw) else "unknown"


def share(part: float, whole: float) -> str:
    """Write a share as percent; what is not quite all is never rounded up to all, nor something down to none."""
    if not whole or not math.isfinite(part):
        return "–"
    ratio = part / whole
    if 0 < ratio < 0.0005:  # noqa: PLR2004 - would print as 0.0
        return "under 0.1%"
    if 0.9995 <= ratio < 1:  # noqa: PLR2004 - would print as 100.0
        return "over 99.9%"
    return f"{ratio:.1%}".replace(".0%", "%")


def change(ratio: float) -> str:
    """Write a relative change, such as 12% more."""
    if not math.isfinite(ratio):
        return "–"
    if abs(ratio) < 0.005:  # noqa: PLR2004 - less than half a percent
        return "the same"
    return f"{abs(ratio):.0%} {'more' if ratio > 0 else 'less'}"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, such as 1 finding or 1,200 findings."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def local(moment: datetime, zone: ZoneInfo) -> str:
    """Write an instant on the wall clock, with the name of its offset."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def clock_of(zone: str) -> str:
    """Say which clock the times of a zone follow."""
    return "times in UTC" if zone == "UTC" else f"local time in {zone}"


def day(moment: datetime, zone: ZoneInfo) -> str:
    """Write the local date of an instant."""
    at = moment.astimezone(zone)
    return f"{at.day} {at:%b %Y}"


def span(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Write the local days that a half-open period touches."""
    first, last = day(start, zone), day(max(end - INSTANT, start), zone)
    return first if first == last else f"{first} to {last}"


def minutes(length: timedelta) -> str:
    """Write an interval length, such as 15 min or 1 h."""
    seconds = int(length.total_seconds())
    if seconds % 3600 == 0:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def shortened(text: str, length: int = 200) -> str:
    """Cut a long text, and show that it was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
