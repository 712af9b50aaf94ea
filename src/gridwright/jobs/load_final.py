"""Load what the cascade made of the readings: final images, added up channel by channel, ready to be billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.main_series import main_groups
from gridwright.jobs.trust_readings import SiteDefaults, points_of, received_sum, summed
from gridwright.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class FinalGroup:
    """Usage points on one grid: `trusted` (delivered) and `received` energy, one row each; None: nobody feeds in."""

    zone: str
    points: tuple[UsagePoint, ...]
    trusted: Panel
    received: Panel | None
    feeds_in: frozenset[str]

    def received_of(self, row: int) -> Panel | None:
        """Return what one usage point fed in, one row; None where it feeds nothing in."""
        if self.received is None or self.points[row].id not in self.feeds_in:
            return None
        return self.received.rows([row])


def load_final(
    store: Store,
    access: Access,
    known: Mapping[str, UsagePoint],
    period: Interval,
    site: SiteDefaults,
    *,
    as_of: datetime | None = None,
) -> tuple[list[FinalGroup], list[str]]:
    """Return the final images of usage points within a period, and notes on what is left out.

    Usage points of which nothing is there are in no group. `as_of`: as known at that instant.
    """
    asked = _Asked(store, access, period, as_of)
    panels = [panel for kind in _billed(store, access) for panel in asked.panels(list(known), kind)]
    groups, notes = main_groups(panels, {name: point.zone for name, point in known.items()})
    return [
        FinalGroup(
            group.zone,
            points_of(group, site, known),
            summed(group.delivered, group.points),
            received_sum(group.received, group),
            frozenset(point for panel in group.received for point in panel.points),
        )
        for group in groups
    ], notes


def _billed(store: Store, access: Access) -> list[ReadingType]:
    """Return the reading types whose final images make up a bill."""
    return sorted(
        (
            kind
            for kind in store.readings.image_types(access)
            if kind.quantity is Quantity.ENERGY
            and kind.accumulation is Accumulation.DELTA
            and kind.flow in {Flow.DELIVERED, Flow.RECEIVED}
        ),
        key=lambda kind: kind.code,
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    store: Store
    access: Access
    period: Interval
    as_of: datetime | None

    def panels(self, names: Sequence[str], kind: ReadingType) -> Iterator[Panel]:
        """Yield panels of one reading type, those usage points together that have one grid; empty rows are left out."""
        load = self.store.readings.load
        try:
            panel = load(self.access, names, self.period, reading_type=kind, as_of=self.as_of, image=Image.FINAL)
        except NotFound:
            return
        except GridMismatch:
            if len(names) == 1:
                raise
            half = len(names) // 2
            yield from self.panels(names[:half], kind)
            yield from self.panels(names[half:], kind)
            return
        there = np.flatnonzero((~panel.missing).any(axis=1))
        if there.size:
            yield panel if there.size == len(panel.points) else panel.rows(there)
