"""Totals by local day, week, month and price label: exact counts, so that the parts sum to the total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.analytics.energy import energy_panel
from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import local_midnight, zone_of
from gridwright.domain.panel import Panel, Values

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Sums of n usage points over g groups, in the order of time (or of the labels).

    `counts`: float64[n, g], whole numbers of the reading type's resolution, missing slots left out; `known`:
    int64[n, g] slots with a value; `expected`: int64[g] slots that the whole group has (23-hour days have fewer).
    """

    names: tuple[str, ...]
    counts: Values
    known: Ints
    expected: Ints
    counts_per_kwh: float

    @property
    def kwh(self) -> Values:
        """Energy in kWh, float64[n, g]."""
        kwh: Values = self.counts / self.counts_per_kwh
        return kwh

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Where every slot of the whole group has a value, bool[n, g]."""
        complete: npt.NDArray[np.bool_] = self.known == self.expected
        return complete


def by_day(panel: Panel, zone: ZoneInfo | str) -> Totals:
    """Sum each local day that the grid touches; days of 23 and 25 hours are whole."""
    calendar = panel.calendar(zone)
    starts = calendar.day_starts
    names = calendar.dates[starts].astype(str).tolist()
    return _runs(panel, starts, names, calendar.expected_slots().astype(np.int64))


def by_week(panel: Panel, zone: ZoneInfo | str) -> Totals:
    """Sum each ISO week (from Monday, local) that the grid touches; named `2025-W13`."""
    calendar = panel.calendar(zone)
    mondays = calendar.day.astype(np.int64) - calendar.weekday
    starts = _run_starts(mondays)
    firsts = [date_of(number) for number in mondays[starts].tolist()]
    names = ["{}-W{:02d}".format(*first.isocalendar()[:2]) for first in firsts]
    return _runs(panel, starts, names, _lengths(firsts, [day + timedelta(days=7) for day in firsts], calendar))


def by_month(panel: Panel, zone: ZoneInfo | str) -> Totals:
    """Sum each local month that the grid touches; named `2025-03`."""
    calendar = panel.calendar(zone)
    starts = _run_starts(calendar.month)
    months = calendar.month[starts].astype("datetime64[M]")
    firsts: list[date] = months.astype("datetime64[D]").tolist()
    nexts: list[date] = (months + 1).astype("datetime64[D]").tolist()
    return _runs(panel, starts, months.astype(str).tolist(), _lengths(firsts, nexts, calendar))


def by_label(panel: Panel, labels: Sequence[str], label_of: npt.ArrayLike) -> Totals:
    """Sum each price label; `label_of`: int[slots] into `labels`, such as a rate card's time-of-use labels."""
    which = np.asarray(label_of)
    if which.shape != (panel.slots,) or (which.size and not 0 <= which.min() <= which.max() < len(labels)):
        raise GridMismatch(
            f"labels of shape {which.shape} for {panel.slots} slots and {len(labels)} names",
            remedy=f"give {panel.slots} numbers from 0 to {len(labels) - 1}",
        )
    energy = energy_panel(panel)
    groups = [np.flatnonzero(which == label) for label in range(len(labels))]
    return Totals(
        tuple(labels),
        np.stack([np.nansum(energy.values[:, group], axis=1) for group in groups], axis=1),
        np.stack([(~energy.missing[:, group]).sum(axis=1) for group in groups], axis=1),
        np.array([group.size for group in groups], np.int64),
        10.0 ** (3 - energy.reading_type.exponent),
    )


def _run_starts(values: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.r_[True, values[1:] != values[:-1]]) if values.size else np.empty(0, np.intp)


def _lengths(firsts: Sequence[date], nexts: Sequence[date], calendar: LocalCalendar) -> Ints:
    """Return how many slots lie between two local midnights."""
    zone = zone_of(calendar.zone)
    lengths = [
        (local_midnight(after, zone) - local_midnight(first, zone)).total_seconds() // calendar.interval_s
        for first, after in zip(firsts, nexts, strict=True)
    ]
    return np.array(lengths, np.int64)


def _runs(panel: Panel, starts: npt.NDArray[np.intp], names: Sequence[str], expected: Ints) -> Totals:
    energy = energy_panel(panel)
    shape = (len(panel.points), len(names))
    known = ~energy.missing
    return Totals(
        tuple(names),
        np.add.reduceat(np.where(known, energy.values, 0.0), starts, axis=1) if starts.size else np.zeros(shape),
        np.add.reduceat(known, starts, axis=1, dtype=np.int64) if starts.size else np.zeros(shape, np.int64),
        expected,
        10.0 ** (3 - energy.reading_type.exponent),
    )
