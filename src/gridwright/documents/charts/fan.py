"""The forecast as a fan: the last days as measured, then the median within its 20, 40, 60 and 80% ranges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Label, Mark, Table, Tick
from gridwright.documents.charts.scale import (
    Floats,
    Scale,
    band_path,
    fixed,
    line_path,
    number,
    x_scale,
    y_scale,
    y_ticks,
)

FRAME = Frame(height=260)
# Positions of (low, high) in LEVELS, widest first.
BANDS = ((0, 8, "80%"), (1, 7, "60%"), (2, 6, "40%"), (3, 5, "20%"))
MEDIAN = 4
NOTE = "The shades hold 20, 40, 60 and 80% of what may come, the line its middle."
TABLE_ROWS = 192


def fan_chart(
    start: datetime,
    interval: timedelta,
    past_kw: Floats,
    quantiles_kw: Floats,
    zone: ZoneInfo,
    *,
    estimated_kw: Floats | None = None,
) -> Chart:
    """Draw `past_kw` float64[P] up to `start` and `quantiles_kw` float64[H, 9] from it on.

    `estimated_kw`: float64[P], NaN but where the past was not measured, is drawn thin.
    """
    steps, past = quantiles_kw.shape[0], past_kw.size
    at = np.arange(-past, steps) + 0.5
    x = x_scale(FRAME, -past, steps)
    known = past_kw if estimated_kw is None else np.concatenate([past_kw, estimated_kw])
    y = y_scale(FRAME, np.concatenate([known, quantiles_kw.ravel()]))
    ahead = x.many(at[past:])
    bands = tuple(
        Mark(
            band_path(ahead, y.many(quantiles_kw[:, low]), y.many(quantiles_kw[:, high])),
            f"fan fan{k}",
            f"{text} range",
        )
        for k, (low, high, text) in enumerate(BANDS)
    )
    before = "measured" if np.isfinite(past_kw).any() or estimated_kw is None else "estimated"
    now = f"M{x(0):.1f} {FRAME.y1}V{FRAME.y0}"
    return Chart(
        title=f"Forecast for the next {round(steps * interval.total_seconds() / 3600)} hours",
        summary=_summary(start, interval, quantiles_kw, zone),
        frame=FRAME,
        x_ticks=_midnights(start, interval, (-past, steps), x, zone),
        y_ticks=y_ticks(y),
        y_unit="kW",
        marks=(
            *bands,
            *_estimated(x.many(at[:past]), y, estimated_kw),
            Mark(line_path(x.many(at[:past]), y.many(past_kw)), "line load", "measured"),
            Mark(line_path(ahead, y.many(quantiles_kw[:, MEDIAN])), "line forecast", "median forecast"),
            Mark(now, "now"),
        ),
        labels=(
            Label(x(0) - 5, FRAME.y1 + 10, before, "load-text", "end"),
            Label(x(0) + 5, FRAME.y1 + 10, "forecast", "forecast-text"),
        ),
        note=NOTE if estimated_kw is None or not np.isfinite(estimated_kw).any() else f"{NOTE} Thin: estimated.",
        table=_table(start, interval, quantiles_kw, zone),
    )


def _estimated(x: Floats, y: Scale, estimated_kw: Floats | None) -> tuple[Mark, ...]:
    if estimated_kw is None or not np.isfinite(estimated_kw).any():
        return ()
    return (Mark(line_path(x, y.many(estimated_kw)), "line thin", "estimated"),)


def _midnights(
    start: datetime, interval: timedelta, span: tuple[int, int], x: Scale, zone: ZoneInfo
) -> tuple[Tick, ...]:
    ticks = []
    for step in range(span[0], span[1]):
        local = (start + interval * step).astimezone(zone)
        if local.hour == 0 and local.minute < interval.total_seconds() / 60:
            ticks.append(Tick(x(step), f"{local:%a %d %b}"))
    return tuple(ticks)


def _summary(start: datetime, interval: timedelta, quantiles_kw: Floats, zone: ZoneInfo) -> str:
    median = quantiles_kw[:, MEDIAN]
    if not np.isfinite(median).any():
        return "There is no forecast."
    top = int(np.nanargmax(median))
    when = (start + interval * top).astimezone(zone)
    return (
        f"The median peaks {when:%A at %H:%M} with {number(float(median[top]))} kW; "
        f"in eight cases of ten it will lie between {number(float(quantiles_kw[top, 0]))} "
        f"and {number(float(quantiles_kw[top, 8]))} kW."
    )


def _table(start: datetime, interval: timedelta, quantiles_kw: Floats, zone: ZoneInfo) -> Table:
    rows = tuple(
        (
            f"{(start.astimezone(UTC) + interval * k).astimezone(zone):%Y-%m-%d %H:%M}",
            *(fixed(v) for v in quantiles_kw[k, [0, 4, 8]]),
        )
        for k in range(0, quantiles_kw.shape[0], max(1, quantiles_kw.shape[0] // TABLE_ROWS))
    )
    return Table(("from", "10% kW", "median kW", "90% kW"), rows)
