"""What comes in for days that are in the archive alone, held against what is archived: new, changed, or as before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.ingest.order import gives_way
from gridwright.store.days.away import Away
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.grid import DayGrid
from gridwright.store.days.incoming import Incoming, Manner, is_told
from gridwright.store.days.outranked import Outranked

Keys = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Misfit = Callable[[int, tuple[int, int]], GridMismatch]


class Beside(NamedTuple):
    """A day of a panel in two parts: `plain` rows, of which nothing is archived, and `held`, what says something new.

    `counts`: new, changed and same of the rows of which something is; `aside`: what did not count of them.
    """

    plain: Incoming
    held: Incoming
    counts: npt.NDArray[np.int64]
    aside: list[Outranked]


def held_against(
    incoming: Incoming, away: Away, keys: Keys, how: Manner, fits: tuple[DayGrid, Misfit]
) -> Beside | None:
    """Hold a day against its archived images, the later ones laid over them; None where there is none, or none is seen.

    A value that is there already is left out: laid over the archived one it would say nothing, and make a month dirty.
    Another grid than is there is a GridMismatch, unless it makes way. `fits`: the grid, and what words that error for a
    row and its grid.
    """
    grid, misfit = fits
    day, slots = incoming.part.day, incoming.part.slots
    images = away.images(day).current
    if images is None or away.is_lost(day):
        return None
    rows = np.searchsorted(keys, images.key)
    fitting = [shape_of(shape).grid == (grid.per_day, grid.phase_s) for shape in images.shape]
    for which in np.flatnonzero(~np.array(fitting)).tolist():
        if incoming.present[rows[which]].any() and (how.fill or not _makes_way(images.take([which]))):
            raise misfit(int(rows[which]), shape_of(images.shape[which]).grid)
    rows, images = rows[fitting], images.take(np.flatnonzero(fitting).tolist())
    if not rows.size:
        return None
    old_values = images.values(grid.per_day)[:, slots]
    old_quality = images.qualities(grid.per_day)[:, slots]
    values, quality, present = incoming.values[rows], incoming.quality[rows], incoming.present[rows]
    there = ~np.isnan(old_values)
    new = present & ~there
    changed = present & there & ((values != old_values) | (quality != old_quality))
    changed &= (old_quality == q.TAKEN_BACK) if how.fill else True
    aside: list[Outranked] = []
    kept_out = np.zeros_like(changed)
    if how.ranked:
        behind = changed & gives_way(quality, old_quality, values == old_values)
        changed, kept_out = changed & ~behind, behind & (values != old_values)
    if kept_out.any():
        at, slot = np.nonzero(kept_out)
        came = values[at, slot], quality[at, slot]
        kept = old_values[at, slot], old_quality[at, slot]
        aside.append(Outranked(rows[at], slot + incoming.part.columns.start, *came, *kept))
    counts = np.array([new.sum(), changed.sum(), (present & ~new & ~changed & ~kept_out).sum()], np.int64)
    return Beside(*_parted(incoming, rows, new | changed), counts, aside)


def _makes_way(image: BlockRows) -> bool:
    """Tell whether a day is told by register reads alone, so that any profile takes its place."""
    slots = shape_of(image.shape[0]).slots
    return bool((np.isnan(image.values(slots)) | is_told(image.qualities(slots))).all())


def _parted(incoming: Incoming, rows: npt.NDArray[np.intp], kept: Mask) -> tuple[Incoming, Incoming]:
    """Return the rows that are not among `rows`, and what is kept of those."""
    plain, held = incoming.present.copy(), np.zeros_like(incoming.present)
    plain[rows], held[rows] = False, kept
    return _only(incoming, plain), _only(incoming, held)


def _only(incoming: Incoming, present: Mask) -> Incoming:
    values = np.where(present, incoming.values, np.nan)
    return replace(
        incoming, values=values, quality=np.where(present, incoming.quality, np.uint8(q.MISSING)), present=present
    )
