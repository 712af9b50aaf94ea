"""Gather what the store holds of some usage points, as a file would bring it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.jobs.trust_readings import Material
from gridwright.store import Series, Store

# Up to so many usage points are asked for one by one.
FEW = 500
REGISTERS = (DELIVERED_REGISTER, RECEIVED_REGISTER)


def load_stored(
    store: Store,
    access: Access,
    points: Sequence[str] | None = None,
    period: Interval | None = None,
    *,
    as_of: datetime | None = None,
) -> Material:
    """Return panels, registers and usage points; `points` None = all, `period` None = all that is stored.

    `as_of`: as known at that instant. An unknown usage point, or nothing stored in the period, is NotFound.
    """
    known = {point.id: point for point in store.registry.points(access, list(points) if points else None)}
    for name in points or ():
        store.registry.point(access, name)
    series = [one for name in known for one in store.readings.series(access, name)]
    panels = tuple(_panels(store, access, series, period, as_of))
    if not panels:
        place = ", ".join(points or known) or "the store"
        raise NotFound(
            f"no readings of {place}" + (f" in {period}" if period else ""),
            remedy="gridwright reading import FILE brings some; gridwright usage-point show POINT tells what is there",
        )
    reads = {name: _reads(store, access, name, panels) for name in known}
    read = [name for name, several in reads.items() if several]
    installations = installations_of(store, access, read)
    zones = {name: point.zone for name, point in known.items()}
    return Material(panels, zones, reads, known, installations=installations)


def installations_of(store: Store, access: Access, points: Sequence[str]) -> tuple[Installation, ...]:
    """Return what is or was installed at usage points; many are found among all."""
    if len(points) <= FEW:
        return tuple(each for point in points for each in store.registry.installations(access, point))
    wanted = set(points)
    return tuple(each for each in store.registry.installed(access) if each.usage_point in wanted)


def _panels(
    store: Store, access: Access, series: Sequence[Series], period: Interval | None, as_of: datetime | None
) -> Iterator[Panel]:
    together: dict[tuple[ReadingType, timedelta], list[Series]] = defaultdict(list)
    for one in series:
        together[one.reading_type, one.interval].append(one)
    for (kind, interval), members in together.items():
        whole = period or Interval(min(one.first for one in members), max(one.last for one in members))
        names = [one.usage_point for one in members]
        try:
            yield store.readings.load(access, names, whole, reading_type=kind, interval=interval, as_of=as_of)
        except NotFound:
            # Nothing of this series lies in the period; another may.
            continue


def _reads(store: Store, access: Access, name: str, panels: Sequence[Panel]) -> list[RegisterReading]:
    whole = Interval(min(panel.start for panel in panels), max(panel.end for panel in panels) + timedelta(seconds=1))
    return [read for kind in REGISTERS for read in store.registers.load(access, name, whole, kind)]
