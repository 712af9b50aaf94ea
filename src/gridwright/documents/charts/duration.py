"""Load duration: for how much of the time the power was at least so high."""

from __future__ import annotations

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Mark, Table, Tick
from gridwright.documents.charts.scale import Floats, fixed, line_path, number, x_scale, y_scale, y_ticks

FRAME = Frame()
POINTS = 400
TABLE_SHARES = (0, 1, 5, 10, 25, 50, 75, 90, 99, 100)


def duration_chart(sorted_kw: Floats, base_kw: float) -> Chart:
    """Draw power in falling order, float64[any]; `base_kw` is the load that never goes away."""
    share = np.linspace(0, 1, min(POINTS, max(sorted_kw.size, 2)))
    values = np.interp(share, np.linspace(0, 1, max(sorted_kw.size, 2)), _at_least_two(sorted_kw))
    x, y = x_scale(FRAME, 0, 100), y_scale(FRAME, values)
    base = f"M{x.first:.1f} {y(base_kw):.1f}H{x.last:.1f}" if np.isfinite(base_kw) else ""
    return Chart(
        title="Load duration",
        summary=_summary(values, base_kw),
        frame=FRAME,
        x_ticks=tuple(Tick(x(p), f"{p}%") for p in range(0, 101, 10)),
        y_ticks=y_ticks(y),
        y_unit="kW",
        marks=(
            Mark(line_path(x.many(share * 100), y.many(values)), "line load", "power at least this high"),
            Mark(base, "line base", f"base load {fixed(base_kw)} kW"),
        ),
        table=Table(
            ("share of time", "kW at least"),
            tuple((f"{p}%", f"{np.interp(p / 100, share, values):.3f}") for p in TABLE_SHARES),
        ),
    )


def _at_least_two(values: Floats) -> Floats:
    if values.size >= 2:  # noqa: PLR2004 - a line needs two ends
        return values
    return np.full(2, values[0] if values.size else 0.0)


def _summary(values: Floats, base_kw: float) -> str:
    tenth = float(np.interp(0.1, np.linspace(0, 1, values.size), values))
    highest = number(float(values[0]))
    text = f"The highest mean power is {highest} kW; for a tenth of the time it is {number(tenth)} kW or more."
    if not np.isfinite(base_kw):
        return text
    return f"{text} The base load, which never goes away, is {number(base_kw)} kW (dashed)."
