"""What the site makes impossible: V22 feeding in without generation or sun, V23 use where nobody is connected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Flow
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt, duration
from gridwright.vee.runs import Mask, runs_of
from gridwright.vee.sun import sun_elevation

PHOTOVOLTAICS = frozenset({"pv"})
# Sites within a tenth of a degree share their sun: its elevation differs by no more than that.
SITE_DEGREES = 0.1


@dataclass(frozen=True, slots=True)
class Export:
    """More than `least` counts fed in where no generation is registered, or by PV alone while the sun is down.

    Down: below `sun_below` degrees at the middle of the interval; for usage points with the attributes `latitude` and
    `longitude` (degrees, north and east positive).
    """

    least: float = 1.0
    sun_below: float = -6.0
    code: ClassVar[str] = "V22_export"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find what cannot have been generated."""
        generation = chunk.around.known.generation
        if chunk.reading_type.flow is not Flow.RECEIVED or generation is None:
            return []
        kinds = [generation.get(point) for point in chunk.around.points]
        fed = chunk.usable > self.least
        doubtful = fed & np.array([kind is not None and not kind for kind in kinds])[:, None]
        sunny = np.array([kind == PHOTOVOLTAICS for kind in kinds])
        if sunny.any():
            doubtful |= fed & sunny[:, None] & self._dark(chunk)
        return [Doubt(Severity.WARN, runs_of(doubtful))]

    def _dark(self, chunk: Chunk) -> Mask:
        """Return when the sun is down at each usage point; never where its place is unknown."""
        dark = np.zeros(chunk.usable.shape, np.bool_)
        places = np.stack([chunk.attribute("latitude"), chunk.attribute("longitude")], axis=1)
        known = np.flatnonzero(np.isfinite(places).all(axis=1))
        middle = chunk.calendar.start_s + chunk.panel.interval_s // 2
        sites, at = np.unique(np.rint(places[known] / SITE_DEGREES) * SITE_DEGREES, axis=0, return_inverse=True)
        for number, (latitude, longitude) in enumerate(sites):
            dark[known[at.ravel() == number]] = sun_elevation(middle, latitude, longitude) < self.sun_below
        return dark

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how much was fed in, and why that cannot be."""
        fed = chunk.amount(float(chunk.values[row, first:last].sum()))
        generation = (chunk.around.known.generation or {}).get(chunk.around.points[row])
        why = "the sun was down" if generation else "no generation is registered"
        return f"{fed} fed in during {duration(chunk, last - first)} from {chunk.clock(first)}, while {why}"


@dataclass(frozen=True, slots=True)
class Inactive:
    """More than `kwh_a_day` used on a local day at a usage point that is disconnected, without meter or vacant.

    What a plant feeds in there is no doubt.
    """

    kwh_a_day: float = 1.0
    code: ClassVar[str] = "V23_inactive"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the inactive intervals of such days."""
        inactive = chunk.around.inactive
        if inactive is None or chunk.per_kw is None or not inactive.any():
            return []
        if chunk.reading_type.flow is Flow.RECEIVED:
            return []
        rows = np.flatnonzero(inactive.any(axis=1))
        off = inactive[rows]
        used = np.where(off & ~np.isnan(chunk.usable[rows]), chunk.usable[rows], 0.0)
        most = self.kwh_a_day * chunk.per_kw * chunk.per_hour
        much = np.add.reduceat(used, chunk.days.first, axis=1) > most
        doubtful = np.zeros(chunk.usable.shape, np.bool_)
        doubtful[rows] = off & np.repeat(much, chunk.days.last - chunk.days.first, axis=1)
        return [Doubt(Severity.WARN, runs_of(doubtful))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how much was used."""
        used = chunk.amount(float(np.nansum(chunk.values[row, first:last])))
        return (
            f"{used} used from {chunk.clock(first)} to {chunk.clock(last - 1)} at a disconnected or vacant usage point"
        )
