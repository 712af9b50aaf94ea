"""From data to pixels: linear scales, round ticks, and SVG paths of whole arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.documents.charts.chart import Frame, Tick

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] of the data linearly onto pixels [first, last]."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        """Map one value."""
        return self.first + (value - self.low) / (self.high - self.low) * (self.last - self.first)

    def many(self, values: Floats) -> Floats:
        """Map a whole array."""
        mapped: Floats = self.first + (values - self.low) / (self.high - self.low) * (self.last - self.first)
        return mapped


def x_scale(frame: Frame, low: float, high: float) -> Scale:
    """Return the horizontal scale of a frame; an empty range is widened by one."""
    return Scale(low, high if high > low else low + 1, frame.x0, frame.x1)


def y_scale(frame: Frame, values: Floats, *, zero: bool = True) -> Scale:
    """Return the vertical scale that holds `values` under a round top; starts at zero unless told otherwise."""
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if finite.size else 0.0
    high = float(finite.max()) if finite.size else 1.0
    low = min(low, 0.0) if zero else low
    ticks = round_ticks(low, high if high > low else low + 1)
    return Scale(min(low, ticks[0]), ticks[-1], frame.y0, frame.y1)


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` ticks at multiples of 1, 2 or 5 that enclose [low, high]."""
    raw = (high - low) / max(count - 1, 1)
    magnitude = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    step = next(s * magnitude for s in (1, 2, 2.5, 5, 10) if s * magnitude >= raw * 0.999999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * k for k in range(first, last + 1)]


def y_ticks(scale: Scale) -> tuple[Tick, ...]:
    """Return round ticks for a vertical scale."""
    values = round_ticks(scale.low, scale.high)
    return tuple(Tick(scale(v), number(v)) for v in values if scale.low - 1e-9 <= v <= scale.high + 1e-9)


def number(value: float) -> str:
    """Write a number for people: three significant digits, commas between thousands, no trailing zeros."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits are enough before the point
        return f"{value:,.0f}"
    return f"{value:.3g}"


def fixed(value: float, places: int = 3) -> str:
    """Write a number of a table with fixed places; NaN is a dash."""
    return f"{value:.{places}f}" if math.isfinite(value) else "–"


def clock_ticks(
    scale: Scale, minutes: Sequence[int] = (0, 180, 360, 540, 720, 900, 1080, 1260, 1440)
) -> tuple[Tick, ...]:
    """Return ticks of a day's clock for a scale in minutes."""
    return tuple(Tick(scale(m), f"{m // 60:02d}:{m % 60:02d}") for m in minutes)


def date_ticks(scale: Scale, first: date, days: int) -> tuple[Tick, ...]:
    """Return ticks at the starts of months (or days, for short spans) for a scale in days from `first`."""
    if days <= 16:  # noqa: PLR2004 - a fortnight has room for each day
        step = 1 if days <= 8 else 2  # noqa: PLR2004 - and a week for each label
        return tuple(Tick(scale(k), f"{first + timedelta(days=k):%d %b}") for k in range(0, days, step))
    if days <= 62:  # noqa: PLR2004 - two months: a tick a week
        offset = (7 - first.weekday()) % 7
        return tuple(Tick(scale(k), f"{first + timedelta(days=k):%d %b}") for k in range(offset, days, 7))
    months = [k for k in range(days) if (first + timedelta(days=k)).day == 1]
    step = max(1, round(len(months) / 12))
    return tuple(Tick(scale(k), _month_name(first + timedelta(days=k))) for k in months[::step])


def _month_name(day: date) -> str:
    return f"{day:%b %Y}" if day.month == 1 else f"{day:%b}"


def line_path(x: Floats, y: Floats) -> str:
    """Return an SVG path through the points; NaN breaks the line, so that gaps are never bridged."""
    good = np.isfinite(y)
    if not good.any():
        return ""
    starts = good & ~np.r_[False, good[:-1]]
    parts = [
        f"{'M' if begin else 'L'}{px:.1f} {py:.1f}"
        for px, py, begin in zip(x[good].tolist(), y[good].tolist(), starts[good].tolist(), strict=True)
    ]
    return "".join(parts)


def step_path(edges: Floats, y: Floats) -> str:
    """Return the path of a step function: y[k] from edges[k] to edges[k + 1]."""
    return line_path(np.repeat(edges, 2)[1:-1], np.repeat(y, 2))


def band_path(x: Floats, low: Floats, high: Floats) -> str:
    """Return the closed path between two curves; both are NaN-free."""
    upper = line_path(x, high)
    lower = line_path(x[::-1], low[::-1])
    return f"{upper}L{lower[1:]}Z" if upper and lower else ""


def bars_path(x0: Floats, x1: Floats, y0: Floats, y1: Floats) -> str:
    """Return one path of many rectangles; NaN bars are left out."""
    good = np.isfinite(y0) & np.isfinite(y1)
    # Edges are rounded before widths are taken: bars that touch keep touching.
    left, right, floor, top = (np.round(edge[good], 1) for edge in (x0, x1, y0, y1))
    columns = (left, right - left, floor, top - floor)
    return "".join(
        f"M{at:.1f} {bottom:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"
        for at, width, bottom, height in zip(*(column.tolist() for column in columns), strict=True)
    )
