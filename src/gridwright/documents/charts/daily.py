"""Energy a day over the whole file, above a ribbon that shows what each day is made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Label, Mark, Table
from gridwright.documents.charts.scale import (
    Floats,
    Scale,
    bars_path,
    date_ticks,
    number,
    x_scale,
    y_scale,
    y_ticks,
)

RIBBON = 14.0
FRAME = Frame(height=270, bottom=28 + RIBBON + 8)
# Drawn from the bottom up; the shape (solid, diagonal, dotted, empty) says it before the colour does.
RIBBON_ORDER = ("measured", "estimated", "edited", "rejected")
TABLE_ROWS = 400
# Thinner bars stand close: gaps would only flicker.
GAPS_UP_TO = 120


def daily_chart(first: date, kwh: Floats, shares: Mapping[str, Floats]) -> Chart:
    """Draw `kwh` float64[days] from the local date `first`, and the shares (0 to 1) of RIBBON_ORDER a day."""
    days = kwh.size
    x, y = x_scale(FRAME, 0, days), y_scale(FRAME, kwh)
    gap = 0.08 if days <= GAPS_UP_TO else 0.0
    left = x.many(np.arange(days) + gap)
    right = x.many(np.arange(days) + 1 - gap)
    bars = Mark(bars_path(left, right, np.full(days, FRAME.y0), y.many(kwh)), "bar delivered")
    return Chart(
        title="Energy a day, and what it is made of",
        summary=_summary(first, kwh),
        frame=FRAME,
        x_ticks=date_ticks(x, first, days),
        y_ticks=y_ticks(y),
        y_unit="kWh/day",
        marks=(bars, *_ribbon(x, days, shares)),
        labels=(Label(FRAME.x0 - 6, FRAME.y0 + RIBBON + 2, "quality", "axis", "end"),),
        table=_table(first, kwh, shares),
    )


def _ribbon(x: Scale, days: int, shares: Mapping[str, Floats]) -> tuple[Mark, ...]:
    left, right = x.many(np.arange(days, dtype=np.float64)), x.many(np.arange(1, days + 1, dtype=np.float64))
    top, marks = np.zeros(days), []
    floor = FRAME.y0 + 4 + RIBBON
    for name in RIBBON_ORDER:
        share = shares.get(name, np.zeros(days))
        shown = share > 0
        if shown.any():
            low, high = floor - RIBBON * top, floor - RIBBON * (top + share)
            path = bars_path(left[shown], right[shown], low[shown], high[shown])
            marks.append(Mark(path, f"ribbon {name}", f"{name}: {share.mean():.1%} of all intervals"))
        top = top + share
    outline = f"M{x.first:.1f} {floor:.1f}H{x.last:.1f}V{floor - RIBBON:.1f}H{x.first:.1f}Z"
    return (*marks, Mark(outline, "outline"))


def _summary(first: date, kwh: Floats) -> str:
    if not np.isfinite(kwh).any():
        return "No day has a value."
    top = int(np.nanargmax(kwh))
    day = first + timedelta(days=top)
    return (
        f"{np.nanmean(kwh):.2f} kWh on an average day; the most, {number(float(kwh[top]))} kWh, on {day:%a %d %b %Y}."
    )


def _table(first: date, kwh: Floats, shares: Mapping[str, Floats]) -> Table | None:
    if kwh.size > TABLE_ROWS:
        return None
    named = [name for name in RIBBON_ORDER if name in shares]
    rows = tuple(
        (
            f"{first + timedelta(days=k):%Y-%m-%d}",
            f"{kwh[k]:.3f}" if np.isfinite(kwh[k]) else "–",
            *(f"{shares[name][k]:.0%}" for name in named),
        )
        for k in range(kwh.size)
    )
    return Table(("day", "kWh", *named), rows)
