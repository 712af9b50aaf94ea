"""Saving a panel: merge it slot by slot into the stored blocks, and keep what it supersedes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.panel import Panel
from gridwright.store import blocks
from gridwright.store.grid import DayGrid, DayPart, describe
from gridwright.store.pack import Values, pack
from gridwright.store.session import Unit

Mask = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SaveSummary:
    """What became of the readings of a panel: `new` slots, `changed` value or quality, `same` as before."""

    new: int
    changed: int
    same: int
    readings: int


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """For each row of the panel: UTC days [first, last) that changed, and how many readings are new."""

    first: Keys
    last: Keys
    new: Keys

    def note(self, day: int, rows: npt.NDArray[np.intp] | slice, new: npt.NDArray[np.int64] | int) -> None:
        """Remember that `rows` changed on `day`; the days come in order."""
        self.first[rows] = np.minimum(self.first[rows], day)
        self.last[rows] = day + 1
        self.new[rows] += new


class PanelSaver:
    """Saves one panel within a transaction; `keys` are the usage points' keys, ascending, and name its rows."""

    def __init__(self, unit: Unit, kind: int, panel: Panel, *, keys: Keys, known_at_us: int) -> None:
        self.unit, self.kind, self.keys, self.known_at_us = unit, kind, keys, known_at_us
        self.panel = panel
        self.grid = DayGrid(int(panel.start.timestamp()), panel.interval_s, panel.slots)
        n = keys.size
        far = np.iinfo(np.int64).max
        self.touched = Touched(np.full(n, far), np.full(n, -1, np.int64), np.zeros(n, np.int64))
        self.counts = np.zeros(3, np.int64)  # new, changed, same

    def run(self) -> SaveSummary:
        """Save every day of the panel."""
        for part in self.grid.parts():
            values, quality, present = self._day(part)
            self._save_day(part.day, values, quality, present)
        new, changed, same = self.counts.tolist()
        return SaveSummary(new, changed, same, new + changed + same)

    def _day(self, part: DayPart) -> tuple[Values, q.Qualities, Mask]:
        """Return values and qualities of all slots of the day; without a value, MISSING."""
        values, quality = self.panel.values[:, part.columns], self.panel.quality[:, part.columns]
        if not part.whole:
            shape = (self.keys.size, self.grid.per_day)
            whole, qualities = np.full(shape, np.nan), np.full(shape, q.MISSING, np.uint8)
            whole[:, part.slots], qualities[:, part.slots] = values, quality
            values, quality = whole, qualities
        present = ~np.isnan(values)
        if not present.all():
            quality = np.where(present, quality, np.uint8(q.MISSING))
        return values, quality, present

    def _save_day(self, day: int, values: Values, quality: q.Qualities, present: Mask) -> None:
        filled = np.asarray(present.any(axis=1), np.bool_)
        stored = blocks.read_images(self.unit, self.kind, day, self.keys) if filled.any() else None
        fresh = filled.copy()
        if stored is not None:
            at = np.minimum(np.searchsorted(self.keys, stored.key), self.keys.size - 1)
            ours = (self.keys[at] == stored.key) & filled[at]
            fresh[at[ours]] = False
            if ours.any():
                old = stored.take(np.flatnonzero(ours).tolist())
                rows = at[ours]
                dense = bool(ours.all()) and blocks.reads_all_between(self.keys.size)
                self._merge(day, rows, old, (values[rows], quality[rows], present[rows]), dense=dense)
        self._add(day, values, quality, present, fresh)

    def _add(self, day: int, values: Values, quality: q.Qualities, present: Mask, fresh: Mask) -> None:
        every = bool(fresh.all())
        rows = slice(None) if every else np.flatnonzero(fresh)
        if not fresh.any():
            return
        new = np.count_nonzero(present[rows], axis=1).astype(np.int64)
        self._write(blocks.add, day, rows, values[rows], quality[rows], known_at=self.known_at_us, revisions=1)
        self.counts[0] += int(new.sum())
        self.touched.note(day, rows, new)

    def _merge(
        self,
        day: int,
        rows: npt.NDArray[np.intp],
        old: blocks.BlockRows,
        incoming: tuple[Values, q.Qualities, Mask],
        *,
        dense: bool,
    ) -> None:
        """Lay the incoming slots over the stored ones; only rows in which something differs are written."""
        self._check_grid(day, rows, old)
        values, quality, present = incoming
        old_values, old_quality = old.values(self.grid.per_day), old.qualities(self.grid.per_day)
        new = present & np.isnan(old_values)
        changed = present & ~new & ((values != old_values) | (quality != old_quality))
        new_each, changed_each = new.sum(axis=1), changed.sum(axis=1)
        self.counts += (new_each.sum(), changed_each.sum(), present.sum() - new_each.sum() - changed_each.sum())
        differ = np.flatnonzero(new_each + changed_each)
        if not differ.size:
            return
        known = [max(old.known_at_us[row], self.known_at_us) for row in differ.tolist()]
        revisions = [old.revision[row] + 1 for row in differ.tolist()]
        merged = np.where(present, values, old_values)[differ]
        qualities = np.where(present, quality, old_quality)[differ]
        how = blocks.replace_all if dense and differ.size == rows.size else blocks.replace
        self._write(how, day, rows[differ], merged, qualities, known_at=known, revisions=revisions)
        self.touched.note(day, rows[differ], new_each[differ])

    def _check_grid(self, day: int, rows: npt.NDArray[np.intp], old: blocks.BlockRows) -> None:
        ours = (self.grid.per_day, self.grid.phase_s)
        if old.grids == {ours}:
            return
        each = [blocks.shape_of(number).grid for number in old.shape]
        row, theirs = next((row, grid) for row, grid in enumerate(each) if grid != ours)
        raise GridMismatch(
            f"intervals of {describe(*ours)} do not fit the stored ones of {describe(*theirs)}",
            where=f"usage point {self.panel.points[rows[row]]}, {self.panel.reading_type}, {date_of(day)}",
            remedy="one day holds one interval length: begin the other one at the next midnight in UTC, or give it a "
            "reading type with its own channel",
        )

    def _write(
        self,
        how: blocks.Writer,
        day: int,
        rows: npt.NDArray[np.intp] | slice,
        values: Values,
        quality: q.Qualities,
        *,
        known_at: Sequence[int] | int,
        revisions: Sequence[int] | int,
    ) -> None:
        points = self.panel.points
        named = points if isinstance(rows, slice) else [points[row] for row in rows.tolist()]
        how(
            self.unit,
            blocks.NewRows(
                self.kind,
                day,
                self.grid.phase_s,
                self.grid.per_day,
                known_at_us=known_at,
                points=self.keys[rows].tolist(),
                packed=pack(values, quality, named),
                revisions=revisions,
            ),
        )
