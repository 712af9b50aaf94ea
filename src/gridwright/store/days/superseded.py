"""Which values of a day another one took the place of, as the earlier images tell that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.store.days import blocks
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Superseded:
    """The value of one interval, in counts, that another took the place of; qualities are packed."""

    usage_point: str
    start: datetime
    interval: timedelta
    before: float
    after: float
    quality_before: int
    quality_after: int

    @property
    def status_before(self) -> q.Status:
        """How sure the value was."""
        return q.Status(self.quality_before & 0x0F)


def read_superseded(unit: Unit, kind: int, day: int, names: dict[int, str]) -> Iterator[Superseded]:
    """Yield what was superseded by another value on a UTC day at usage points, by key; oldest first within a point."""
    keys = np.array(sorted(names), np.int64)
    current, earlier = blocks.read_images(unit, kind, day, keys), blocks.read_versions(unit, kind, day, keys)
    if current is None or earlier is None:
        return
    images: dict[int, list[tuple[int, BlockRows, int]]] = {}
    for rows in (earlier, current):
        for row, key in enumerate(rows.key.tolist()):
            if key in names:
                images.setdefault(key, []).append((rows.revision[row], rows, row))
    for key, several in images.items():
        ordered = sorted(several, key=lambda image: image[0])
        decoded = [_decoded(rows, row) for _, rows, row in ordered]
        for before, after in pairwise(decoded):
            yield from _between(names[key], day, before, after)


@dataclass(frozen=True, slots=True, eq=False)
class _Image:
    grid: tuple[int, int]
    values: npt.NDArray[np.float64]
    qualities: q.Qualities


def _decoded(rows: BlockRows, row: int) -> _Image:
    one = rows.take([row])
    grid = shape_of(one.shape[0]).grid
    return _Image(grid, one.values(grid[0])[0], one.qualities(grid[0])[0])


def _between(name: str, day: int, before: _Image, after: _Image) -> Iterator[Superseded]:
    if before.grid != after.grid:
        return
    slots, phase_s = before.grid
    length = DAY_S // slots
    other = ~np.isnan(before.values) & ~np.isnan(after.values) & (before.values != after.values)
    for slot in np.flatnonzero(other).tolist():
        yield Superseded(
            name,
            from_epoch_s(day * DAY_S + phase_s + slot * length),
            timedelta(seconds=length),
            float(before.values[slot]),
            float(after.values[slot]),
            int(before.qualities[slot]),
            int(after.qualities[slot]),
        )
