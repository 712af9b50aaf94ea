"""One usage point: its intervals as columns for a chart, its quality as runs of shapes, its days as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, local_days, local_midnight, zone_of
from gridwright.domain.panel import Panel

SHAPES = {
    "measured": q.MEASURED,
    "estimated": q.ESTIMATES,
    "edited": (q.Status.EDITED, q.Status.DERIVED),
    "rejected": (q.Status.REJECTED,),
    "missing": (q.Status.MISSING,),
}
EARLIEST, LATEST = date(1972, 1, 1), date(2199, 12, 31)
MOST_RUNS = 400  # a ribbon of a thousand pixels shows no more
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Range:
    """Civil days on a page: the first one, and how many."""

    first: date
    days: int
    zone: str

    @property
    def period(self) -> Interval:
        """The days as instants."""
        return self._of(self.first)

    @property
    def earlier(self) -> Interval:
        """The same number of days before."""
        return self._of(self.first - timedelta(days=self.days))

    def _of(self, first: date) -> Interval:
        tz = zone_of(self.zone)
        return Interval(local_midnight(first, tz), local_midnight(first + timedelta(days=self.days), tz))

    def to_dict(self) -> dict[str, Any]:
        """Return it with its neighbours, for links."""
        step = timedelta(days=self.days)
        return {
            "from": self.first.isoformat(),
            "days": self.days,
            "last": (self.first + step - timedelta(days=1)).isoformat(),
            "previous": (self.first - step).isoformat(),
            "next": (self.first + step).isoformat(),
            "zone": self.zone,
        }


def range_of(text: str, days: int, zone: str, now: datetime) -> Range:
    """Return the days that an address names; without a first day the newest ones, today included.

    A day before or after all readings that can be is none: no calendar goes on for ever.
    """
    try:
        first = date.fromisoformat(text)
    except ValueError:
        first = now.astimezone(zone_of(zone)).date() - timedelta(days=days - 1)
    if not EARLIEST <= first <= LATEST:
        raise InputError(f"{first} is no day of readings", remedy=f"ask for one from {EARLIEST} to {LATEST}")
    return Range(first, days, zone)


def passed(panel: Panel, now: datetime) -> Panel:
    """Return the intervals of a one-row panel that are over, and any value beyond: what is to come is not missing."""
    there = np.flatnonzero(~panel.missing[0])
    over = max((now - panel.start) // panel.interval, int(there[-1]) + 1 if there.size else 0)
    return panel.slice(0, min(max(over, 0), panel.slots))


def columns(panel: Panel, most: int) -> dict[str, Any]:
    """Return a one-row panel as columns: start of each step, mean kW, and its least and highest where steps hold many.

    Every step covers the same number of intervals, so that a spike survives as the highest of its step.
    """
    per = max(1, -(-panel.slots // most))
    steps = -(-panel.slots // per)
    padded = np.full(steps * per, np.nan)
    padded[: panel.slots] = panel.kw[0]
    grouped = padded.reshape(steps, per)
    known = ~np.isnan(grouped).all(axis=1)
    seconds = int(panel.start.timestamp()) + panel.interval_s * per * np.arange(steps)
    found: dict[str, Any] = {"interval_s": panel.interval_s * per, "t": seconds.tolist()}
    shown = (("kw", np.nanmean),) if per == 1 else (("kw", np.nanmean), ("min_kw", np.nanmin), ("max_kw", np.nanmax))
    for name, reduce in shown:
        column = np.full(steps, np.nan)
        column[known] = reduce(grouped[known], axis=1)
        found[name] = listed(column)
    return found


def listed(values: Floats) -> list[float | None]:
    """Return numbers to the watt, null where there is none."""
    return [round(float(value), 3) if np.isfinite(value) else None for value in values]


def runs(panel: Panel) -> list[dict[str, Any]]:
    """Return stretches of equal quality of a one-row panel, as shares of its width, with their period."""
    kinds = np.full(panel.slots, -1, np.int8)
    for number, statuses in enumerate(SHAPES.values()):
        kinds[q.has_status(panel.quality[0], statuses)] = number
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), panel.slots] if panel.slots else [0]
    names = list(SHAPES)
    found = []
    for first, last in pairwise(edges[: MOST_RUNS + 1]):
        shape = names[kinds[first]] if kinds[first] >= 0 else "measured"
        start, end = panel.start + first * panel.interval, panel.start + last * panel.interval
        found.append(
            {
                "shape": shape,
                "x": round(1000 * first / panel.slots, 2),
                "width": round(1000 * (last - first) / panel.slots, 2),
                "slots": last - first,
                "start": start.isoformat(),
                "end": end.isoformat(),
            }
        )
    return found


def counts(panel: Panel) -> dict[str, int]:
    """Count the intervals of each shape."""
    return {shape: int(panel.count(statuses)[0]) for shape, statuses in SHAPES.items()}


def daily(panel: Panel, zone: str) -> list[dict[str, Any]]:
    """Return energy, highest power and what is not measured, by civil day."""
    found = []
    counted = {name: q.has_status(panel.quality[0], statuses).cumsum() for name, statuses in SHAPES.items()}
    known = np.nan_to_num(panel.kwh[0]).cumsum()
    kw, gone = panel.kw[0], panel.missing[0]
    for day in local_days(panel.period, zone_of(zone)):
        first, last = (_slot(panel, moment) for moment in (day.start, day.end))
        if first == last:
            continue
        there = not gone[first:last].all()
        numbers = {name: _within(column, first, last) for name, column in counted.items()}
        found.append(
            {
                "day": day.start.astimezone(zone_of(zone)).date().isoformat(),
                "kwh": round(float(_within(known, first, last)), 3) if there else None,
                "peak_kw": round(float(np.nanmax(kw[first:last])), 3) if there else None,
                "intervals": last - first,
                "estimated": int(numbers["estimated"] + numbers["edited"]),
                "missing": int(numbers["missing"] + numbers["rejected"]),
            }
        )
    return found


def _slot(panel: Panel, moment: datetime) -> int:
    """Return the first interval that begins at or after an instant."""
    return min(max(-((panel.start - moment) // panel.interval), 0), panel.slots)


def _within(sums: npt.NDArray[Any], first: int, last: int) -> Any:  # noqa: ANN401 - a number of the sums' kind
    """Return what running sums grow by between two intervals."""
    return sums[last - 1] - (sums[first - 1] if first else 0)


def interval_rows(panel: Panel) -> list[tuple[Any, ...]]:
    """Return the rows of the CSV twin: start in UTC, kWh, quality."""
    gone = np.isnan(panel.kwh[0])
    names = {int(status): status.name.lower() for status in q.Status}
    times = [f"{text}Z" for text in np.datetime_as_string(panel.times, unit="s").tolist()]
    energies = [round(kwh, 6) if known else "" for kwh, known in zip(panel.kwh[0].tolist(), ~gone, strict=True)]
    statuses = [names[status] for status in q.status_of(panel.quality[0]).tolist()]
    return list(zip(times, energies, statuses, strict=True))
