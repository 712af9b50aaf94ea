"""Load what the cascade made of the readings: final images, added up channel by channel, ready to be billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from gridwright.billing import Coarse
from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.trust_readings import SiteDefaults, points_of, received_sum, summed
from gridwright.jobs.load.counted_once import Doubled, counted_once
from gridwright.jobs.load.load_stretches import load_stretches, on_one_grid, refined
from gridwright.jobs.load.main_series import Group, lived, main_groups
from gridwright.jobs.load.one_resolution import one_resolution
from gridwright.jobs.load.reached import days_reached
from gridwright.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class FinalGroup:
    """Usage points on one grid: `trusted` (delivered) and `received` energy, one row each; None: nobody feeds in.

    `coarse`: by usage point, the times before (or after) its interval length changed, in which the panels share out
    the energy of longer intervals. `doubled`: what was there under several names; `channels`: what each counts with.
    """

    zone: str
    points: tuple[UsagePoint, ...]
    trusted: Panel
    received: Panel | None
    feeds_in: frozenset[str]
    coarse: Mapping[str, Sequence[Coarse]] = field(default_factory=dict)
    doubled: tuple[Doubled, ...] = ()
    channels: tuple[Panel, ...] = ()

    def rows(self, which: Sequence[int]) -> FinalGroup:
        """Return some usage points of the group, in that order."""
        points = tuple(self.points[row] for row in which)
        feeding = self.feeds_in & {point.id for point in points}
        received = self.received.rows(which) if self.received is not None and feeding else None
        return replace(self, points=points, trusted=self.trusted.rows(which), received=received, feeds_in=feeding)

    def without(self, names: AbstractSet[str]) -> FinalGroup:
        """Return the group without some usage points."""
        if names.isdisjoint(point.id for point in self.points):
            return self
        return self.rows([row for row, point in enumerate(self.points) if point.id not in names])

    def coarse_of(self, row: int) -> Sequence[Coarse]:
        """Return when the meter of a usage point was read at longer intervals than those of the panels."""
        return self.coarse.get(self.points[row].id, ())

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
    panels = one_resolution(panel for kind in _billed(store, access) for panel in asked.panels(list(known), kind))
    groups, notes = main_groups(asked.levelled(panels), {name: point.zone for name, point in known.items()})
    made = [_final(group, site, known, asked.coarse) for group in groups]
    told = [f"{each.point}: {each}" for group in made for each in group.doubled]
    return made, list(dict.fromkeys([*asked.notes, *notes, *told]))


def _final(
    group: Group, site: SiteDefaults, known: Mapping[str, UsagePoint], coarse: Mapping[str, Sequence[Coarse]]
) -> FinalGroup:
    delivered, received = counted_once(group.delivered), counted_once(group.received)
    doubled = (*delivered.doubled, *received.doubled)
    return FinalGroup(
        group.zone,
        points_of(group, site, known),
        summed(group.delivered, group.points),
        received_sum(group.received, group),
        frozenset(point for panel in group.received for point in panel.points),
        coarse,
        doubled,
        (*delivered.panels, *received.panels) if doubled else (),
    )


def final_panel(
    store: Store,
    access: Access,
    point: str,
    period: Interval | None,
    site: SiteDefaults,
    *,
    as_of: datetime | None = None,
) -> Panel:
    """Return the delivered energy of one usage point as bills take it, on exactly `period` when given; None = all.

    Where its interval length changes it is laid on the shorter one. Nothing there is NotFound.
    """
    known = {point: store.registry.point(access, point)}
    days = days_reached(store, access, point)
    if period is None and days:
        # A day that is estimated may lie on either side of those read.
        whole = Interval(from_epoch_s((days.start - 1) * DAY_S), from_epoch_s((days.stop + 1) * DAY_S))
    else:
        whole = period or Interval(from_epoch_s(0), from_epoch_s(0))
    groups, notes = load_final(store, access, known, whole, site, as_of=as_of) if days else ([], [])
    if not groups:
        raise NotFound(
            f"{point} has no final image of its energy" + (f" in {period}" if period else ""),
            where="; ".join(notes),
            remedy="gridwright bill correct makes it; without --image you see the readings as they came",
        )
    return groups[0].trusted.regrid(period) if period else groups[0].trusted


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
    """`coarse` and `notes` are filled as panels are loaded."""

    store: Store
    access: Access
    period: Interval
    as_of: datetime | None
    coarse: dict[str, list[Coarse]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def panels(self, names: Sequence[str], kind: ReadingType) -> Iterator[Panel]:
        """Yield panels of one reading type, those usage points together that have one grid; empty rows are left out."""
        load = self.store.readings.load
        try:
            panel = load(self.access, names, self.period, reading_type=kind, as_of=self.as_of, image=Image.FINAL)
        except NotFound:
            return
        except GridMismatch:
            if len(names) == 1:
                yield from self._changing(names[0], kind)
                return
            half = len(names) // 2
            yield from self.panels(names[:half], kind)
            yield from self.panels(names[half:], kind)
            return
        there = np.flatnonzero((~panel.missing).any(axis=1))
        if there.size:
            yield panel if there.size == len(panel.points) else panel.rows(there)

    def levelled(self, panels: Sequence[Panel]) -> Iterator[Panel]:
        """Yield the panels, the channels of a usage point all on its shortest interval, so that they can be added."""
        finest: dict[str, Panel] = {}
        for panel in panels:
            for point in panel.points:
                if point not in finest or panel.interval < finest[point].interval:
                    finest[point] = panel
        for panel in panels:
            longer = [row for row, point in enumerate(panel.points) if _fits(panel, finest[point])]
            for row in longer:
                one = panel.rows([row])
                self.coarse.setdefault(one.points[0], []).append(Coarse(panel.period, panel.interval))
                yield refined(one, finest[one.points[0]].interval)
            rest = [row for row in range(len(panel.points)) if row not in longer] if longer else []
            if rest or not longer:
                yield panel.rows(rest) if rest else panel

    def _changing(self, name: str, kind: ReadingType) -> Iterator[Panel]:
        """Yield the readings of a usage point whose interval length changes, on one grid."""
        found = load_stretches(self.store, self.access, [name], self.period, kind, image=Image.FINAL, as_of=self.as_of)
        parts = [part for panel in found for part in lived(panel, panel.period) if not panel.missing.all()]
        if not parts:
            return
        try:
            whole = on_one_grid(parts)
        except GridMismatch as error:
            self.notes.append(f"{name}: {error}")
            return
        longer = [Coarse(part.period, part.interval) for part in parts if part.interval > whole.interval]
        self.coarse.setdefault(name, []).extend(longer)
        yield whole


def _fits(panel: Panel, finest: Panel) -> bool:
    """Tell whether a panel is of longer intervals that can be cut into those of the finest one."""
    step = finest.interval
    return panel.interval > step and not panel.interval % step and not (panel.start - finest.start) % step
