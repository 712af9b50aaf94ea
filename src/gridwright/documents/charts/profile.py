"""The average day: weekday and weekend, with the range in which four days of five lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from gridwright.documents.charts.chart import Chart, Frame, Label, Mark, Table
from gridwright.documents.charts.scale import (
    Floats,
    Scale,
    band_path,
    clock_ticks,
    fixed,
    line_path,
    number,
    x_scale,
    y_scale,
    y_ticks,
)

FRAME = Frame(right=70)
TABLE_ROWS = 96
# Height of a line of text, px.
LINE = 13


@dataclass(frozen=True, slots=True, eq=False)
class DayShape:
    """Mean power of an average day and its 10% to 90% range, kW, float64[slots a day]; NaN where unknown."""

    mean: Floats
    low: Floats
    high: Floats


def profile_chart(weekday: DayShape, weekend: DayShape) -> Chart:
    """Draw both day types over the wall clock."""
    slots = weekday.mean.size
    minutes = np.arange(slots) * 1440 / slots + 720 / slots
    x = x_scale(FRAME, 0, 1440)
    y = y_scale(FRAME, np.concatenate([weekday.mean, weekday.high, weekend.mean]))
    known = np.isfinite(weekday.low) & np.isfinite(weekday.high)
    band = band_path(x.many(minutes[known]), y.many(weekday.low[known]), y.many(weekday.high[known]))
    return Chart(
        title="Load profile: the average day",
        summary=_summary(weekday, weekend, minutes),
        frame=FRAME,
        x_ticks=clock_ticks(x),
        y_ticks=y_ticks(y),
        y_unit="kW",
        marks=(
            Mark(band, "band", "80% of all weekdays"),
            Mark(line_path(x.many(minutes), y.many(weekend.mean)), "line second", "weekend mean"),
            Mark(line_path(x.many(minutes), y.many(weekday.mean)), "line load", "weekday mean"),
        ),
        labels=_direct_labels(x, y, weekday, weekend),
        table=_table(weekday, weekend, minutes),
    )


def _direct_labels(x: Scale, y: Scale, weekday: DayShape, weekend: DayShape) -> tuple[Label, ...]:
    ends = [
        (y(float(shape.mean[-1])), name, css)
        for shape, name, css in ((weekday, "weekday", "load-text"), (weekend, "weekend", "second-text"))
        if np.isfinite(shape.mean[-1])
    ]
    if len(ends) > 1 and abs(ends[0][0] - ends[1][0]) < LINE:
        first, second = ends[0][0], ends[1][0]
        ends[1] = (first + LINE if second >= first else first - LINE, *ends[1][1:])
    return tuple(Label(x.last + 4, at + 4, name, css) for at, name, css in ends)


def _summary(weekday: DayShape, weekend: DayShape, minutes: Floats) -> str:
    if not np.isfinite(weekday.mean).any():
        return "There is no complete weekday."
    top = int(np.nanargmax(weekday.mean))
    at = int(minutes[top] - minutes[0])
    text = f"Weekdays peak around {at // 60:02d}:{at % 60:02d} with {number(float(weekday.mean[top]))} kW on average"
    if np.isfinite(weekend.mean).any():
        ratio = float(np.nanmean(weekend.mean) / max(float(np.nanmean(weekday.mean)), 1e-9))
        text += f"; a weekend day uses {ratio:.0%} of a weekday"
    return text + "; the band holds four weekdays of five."


def _table(weekday: DayShape, weekend: DayShape, minutes: Floats) -> Table:
    half = minutes[0]
    rows = tuple(
        (f"{int(m - half) // 60:02d}:{int(m - half) % 60:02d}", *(fixed(v[k]) for v in columns))
        for k, m in islice(enumerate(minutes), 0, None, max(1, minutes.size // TABLE_ROWS))
        for columns in ((weekday.mean, weekday.low, weekday.high, weekend.mean),)
    )
    return Table(("time", "weekday kW", "10%", "90%", "weekend kW"), rows)
