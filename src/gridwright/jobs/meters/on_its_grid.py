"""What is stored on the grid of intervals that come: hours from a quarter past are none of those from the full hour."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.month import month_days
from gridwright.domain.panel import Panel, empty_panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.any_resolution import load_counted
from gridwright.jobs.store_port import StorePort
from gridwright.store.archive.reading import leaving_out


def load_on_grid(
    store: StorePort, access: Access, points: Sequence[str], period: Interval, what: tuple[ReadingType, timedelta]
) -> Panel:
    """Return what is stored on the grid that begins with a period, which may be nothing.

    Days that are stored on another one are a GridMismatch. `what`: the type, and the length of the intervals.
    """
    kind, interval = what
    stored = load_counted(store, access, points, period, kind, interval=interval)
    if stored.start == period.start:
        return stored
    first, last = epoch_s(period.start) // DAY_S, -(-epoch_s(period.end) // DAY_S)
    days = Interval(from_epoch_s(first * DAY_S), from_epoch_s(last * DAY_S))
    try:
        load_counted(store, access, points, days, kind)
    except NotFound:
        return empty_panel(points, period, interval, kind)
    raise GridMismatch(f"{interval} from {period.start.isoformat()} are on another grid than is stored: {stored!r}")


def load_day(store: StorePort, access: Access, points: Sequence[str], day: int, kind: ReadingType) -> Panel | None:
    """Return what is stored of a UTC day on whichever grid, None: nothing; several grids are a GridMismatch.

    What an archive that cannot be read holds is left out.
    """
    try:
        with leaving_out():
            return load_counted(store, access, points, _whole(day), kind)
    except NotFound:
        return None


def is_out_of_sight(store: StorePort, access: Access, points: Sequence[str], day: int, kind: ReadingType) -> bool:
    """Tell whether a UTC day is in an archived month that cannot be read, so that nobody sees what is stored of it."""
    with leaving_out() as lost, suppress(NotFound, GridMismatch):
        load_counted(store, access, points, _whole(day), kind)
    return any(each.month is not None and day in month_days(each.month) for each in lost)


def _whole(day: int) -> Interval:
    return Interval(from_epoch_s(day * DAY_S), from_epoch_s((day + 1) * DAY_S))
