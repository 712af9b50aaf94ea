"""From which slots a backtest issues its forecasts, and how the points are cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import TooLittleData, UsageError
from gridwright.domain.panel import Panel
from gridwright.forecast.history import slots_in_a_day

Zones = ZoneInfo | str | Sequence[str]
Index = npt.NDArray[np.intp]

POINTS_AT_ONCE = 1_000
CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some rows of a panel that share a zone, few enough to be handled at once."""

    rows: Index
    panel: Panel
    zone: str


def blocks(panel: Panel, zone: Zones) -> Iterator[Block]:
    """Cut the points by zone, and each zone's into blocks of bounded memory."""
    refuse_empty(panel)
    names = np.asarray(zone_names(panel, zone))
    many = max(1, min(POINTS_AT_ONCE, CELLS_AT_ONCE // max(panel.slots, 1)))
    for name in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == name)
        for first in range(0, rows.size, many):
            part = rows[first : first + many]
            yield Block(part, panel if part.size == len(panel.points) else panel.rows(part), name)


def refuse_empty(panel: Panel) -> None:
    """Raise TooLittleData for a panel without points or without slots."""
    if not panel.points:
        raise TooLittleData("there is no usage point to forecast")
    if not panel.slots:
        raise TooLittleData(
            "there is no reading to forecast from: every model needs 24 h of history",
            where=f"{panel.points[0]} before {panel.start.isoformat()}",
            remedy="bring at least one day of readings, better eight weeks",
        )


def zone_names(panel: Panel, zone: Zones) -> list[str]:
    """Return the zone of each point: one for all, or one each."""
    if isinstance(zone, str | ZoneInfo):
        return [str(zone)] * len(panel.points)
    if len(zone) != len(panel.points):
        raise UsageError(
            f"{len(zone)} time zones for {len(panel.points)} usage points", remedy="give one zone, or one a point"
        )
    return [str(name) for name in zone]


def steps_of(panel: Panel, horizon: timedelta) -> int:
    """Return the number of intervals in `horizon`, which must be a whole number of them."""
    refuse_empty(panel)
    slots_in_a_day(panel.interval)
    if horizon <= timedelta(0) or horizon % panel.interval:
        raise UsageError(
            f"a horizon of {horizon / timedelta(minutes=1):g} min is no whole number of intervals of "
            f"{panel.interval_s // 60} min",
            remedy="ask for 24 or 48 hours, for instance",
        )
    return horizon // panel.interval


def local_midnights(panel: Panel, zone: str, steps: int, many: int, *, after: int = 0) -> Index:
    """Return the slots of the last `many` local midnights that leave `steps` slots.

    Before each there is a day of history, and `after` slots more.
    """
    starts = panel.calendar(zone).day_starts
    fit = starts[(starts >= panel.slots_per_day + after) & (starts <= panel.slots - steps)]
    return fit[max(fit.size - many, 0) :]
