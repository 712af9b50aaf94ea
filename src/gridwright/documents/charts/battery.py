"""What a battery would change: the average day's exchange with the grid, without and with it."""

from __future__ import annotations

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Label, Mark, Table
from gridwright.documents.charts.scale import (
    Floats,
    clock_ticks,
    fixed,
    line_path,
    step_path,
    x_scale,
    y_scale,
    y_ticks,
)

FRAME = Frame(height=250, top=24)
TABLE_ROWS = 96


def battery_chart(title: str, without_kw: Floats, with_kw: Floats, stored_kwh: Floats, buy: Floats) -> Chart:
    """Draw an average day, float64[slots a day] each: grid power without and with the battery, energy stored, price."""
    slots = without_kw.size
    edges = np.arange(slots + 1) * 1440 / slots
    x = x_scale(FRAME, 0, 1440)
    y = y_scale(FRAME, np.concatenate([without_kw, with_kw, stored_kwh]))
    middle = x.many((edges[:-1] + edges[1:]) / 2)
    return Chart(
        title=title,
        summary="Power taken from the grid without the battery (thin) and with it (thick), and the energy it holds.",
        frame=FRAME,
        x_ticks=clock_ticks(x),
        y_ticks=y_ticks(y),
        y_unit="kW, kWh",
        marks=(
            Mark(line_path(middle, y.many(stored_kwh)), "line charge", "energy stored, kWh"),
            Mark(step_path(x.many(edges), y.many(without_kw)), "line thin", "grid power without the battery"),
            Mark(step_path(x.many(edges), y.many(with_kw)), "line load", "grid power with the battery"),
        ),
        labels=(
            Label(FRAME.x1 - 260, FRAME.y1 - 3, "without battery", "soft-text", "end"),
            Label(FRAME.x1 - 155, FRAME.y1 - 3, "with battery", "load-text", "end"),
            Label(FRAME.x1, FRAME.y1 - 3, "stored energy (kWh)", "charge-text", "end"),
        ),
        table=Table(
            ("time", "without kW", "with kW", "stored kWh", "price per kWh"),
            tuple(
                (
                    f"{int(edges[k]) // 60:02d}:{int(edges[k]) % 60:02d}",
                    *(fixed(v[k]) for v in (without_kw, with_kw, stored_kwh)),
                    fixed(buy[k], 4),
                )
                for k in range(0, slots, max(1, slots // TABLE_ROWS))
            ),
        ),
    )
