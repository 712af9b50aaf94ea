"""Energy a month, beside the same month of the year before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Mark, Table, Tick
from gridwright.documents.charts.scale import Floats, bars_path, number, x_scale, y_scale, y_ticks

FRAME = Frame(height=210)
LABELS = 13


def months_chart(names: Sequence[str], kwh: Floats, before: Floats, complete: Sequence[bool]) -> Chart:
    """Draw `kwh` float64[months]; `before` is the same month a year earlier, NaN where unknown."""
    count = len(names)
    x, y = x_scale(FRAME, 0, count), y_scale(FRAME, np.concatenate([kwh, before]))
    at = np.arange(count, dtype=np.float64)
    floor = np.full(count, FRAME.y0)
    has_before = bool(np.isfinite(before).any())
    middle = np.where(np.isfinite(before), 0.5, 0.16)
    marks = [Mark(bars_path(x.many(at + middle), x.many(at + 0.84), floor, y.many(kwh)), "bar delivered", "this year")]
    if has_before:
        earlier = bars_path(x.many(at + 0.16), x.many(at + 0.48), floor, y.many(before))
        marks.insert(0, Mark(earlier, "bar before", "the same month a year before"))
    step = max(1, -(-count // LABELS))
    return Chart(
        title="Energy a month",
        summary=_summary(names, kwh, before, complete),
        frame=FRAME,
        x_ticks=tuple(Tick(x(k + 0.5), names[k]) for k in range(0, count, step)),
        y_ticks=y_ticks(y),
        y_unit="kWh",
        marks=tuple(marks),
        table=Table(
            ("month", "kWh", "a year before", "change", "complete"),
            tuple(
                (
                    names[k],
                    f"{kwh[k]:.3f}",
                    _or_dash(before[k]),
                    _change(kwh[k], before[k]),
                    "yes" if complete[k] else "no",
                )
                for k in range(count)
            ),
        ),
    )


def _or_dash(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _change(now: float, before: float) -> str:
    return f"{now / before - 1:+.1%}" if np.isfinite(before) and before > 0 else "–"


def _summary(names: Sequence[str], kwh: Floats, before: Floats, complete: Sequence[bool]) -> str:
    whole = [k for k in range(len(names)) if complete[k]]
    if not whole:
        return "The file holds no complete month."
    top = max(whole, key=lambda k: float(kwh[k]))
    text = f"Of the complete months {names[top]} used most, {number(float(kwh[top]))} kWh"
    both = [k for k in whole if np.isfinite(before[k]) and before[k] > 0]
    if both:
        ratio = sum(float(kwh[k]) for k in both) / sum(float(before[k]) for k in both)
        text += f"; against the same months a year before use changed by {ratio - 1:+.1%}"
    return text + (" (the grey bar)." if both else ".")
