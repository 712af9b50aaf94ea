"""When energy is used: one column a day, one row a time of day."""

from __future__ import annotations

from datetime import date

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Image, Label
from gridwright.documents.charts.image import matrix_uri, ramp
from gridwright.documents.charts.scale import Floats, clock_ticks, date_ticks, number, x_scale
from gridwright.documents.charts.scale import Scale as Linear

FRAME = Frame(height=250, right=88)
# The darkest 1 % and brightest 1 % would flatten everything else.
CLIP = (1, 99)
SLOTS_SHOWN = 96


def heat_map_chart(first: date, kw: Floats) -> Chart:
    """Draw mean power `kw`, float64[days, slots a day], NaN where a slot does not exist or has no value."""
    kw = _coarser(kw)
    days = kw.shape[0]
    x = x_scale(FRAME, 0, days)
    y = Linear(0, 1440, FRAME.y1, FRAME.y0)
    finite = kw[np.isfinite(kw)]
    low, high = (float(v) for v in np.percentile(finite, CLIP)) if finite.size else (0.0, 1.0)
    picture = Image(FRAME.x0, FRAME.y1, FRAME.x1 - FRAME.x0, FRAME.y0 - FRAME.y1, matrix_uri(kw.T, low, high))
    return Chart(
        title="Heat map: when energy is used",
        summary=_summary(kw, low, high),
        frame=FRAME,
        x_ticks=date_ticks(x, first, days),
        y_ticks=clock_ticks(y, (0, 360, 720, 1080, 1440)),
        images=(picture, _legend_image()),
        labels=(
            Label(FRAME.x1 + 30, FRAME.y1 + 8, f"{number(high)} kW", "axis"),
            Label(FRAME.x1 + 30, FRAME.y0, f"{number(low)} kW", "axis"),
        ),
    )


def _coarser(kw: Floats) -> Floats:
    """Return means over equal parts of the day where there are more slots than a picture can show."""
    days, slots = kw.shape
    if slots <= SLOTS_SHOWN or slots % SLOTS_SHOWN:
        return kw
    parts = kw.reshape(days, SLOTS_SHOWN, -1)
    known = np.isfinite(parts).sum(axis=2)
    mean = np.full((days, SLOTS_SHOWN), np.nan)
    np.divide(np.nansum(parts, axis=2), known, out=mean, where=known > 0)
    return mean


def _legend_image() -> Image:
    column = np.linspace(1, 0, len(ramp()))[:, None]
    return Image(FRAME.x1 + 14, FRAME.y1, 10, FRAME.y0 - FRAME.y1, matrix_uri(column, 0, 1))


def _summary(kw: Floats, low: float, high: float) -> str:
    if not np.isfinite(kw).any():
        return "No interval has a value."
    filled = np.isfinite(kw)
    # A time of day that never has a value must not warn, and must not win.
    sums, counts = np.where(filled, kw, 0).sum(axis=0), filled.sum(axis=0)
    mean = np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf)
    slot = int(mean.argmax())
    minute = slot * 1440 // kw.shape[1]
    return (
        f"The busiest time of day is around {minute // 60:02d}:{minute % 60:02d}. "
        f"Colours run from {number(low)} kW (dark) to {number(high)} kW (bright); holes have no value."
    )
