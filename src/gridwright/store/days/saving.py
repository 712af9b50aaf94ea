"""Saving a panel: merge it slot by slot into the stored blocks, and keep what it supersedes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import LARGEST_EXACT
from gridwright.ingest.order import gives_way
from gridwright.store.days import blocks
from gridwright.store.days.away import Away
from gridwright.store.days.beside_away import held_against
from gridwright.store.days.grid import DayGrid, DayPart, misfit
from gridwright.store.days.groups import Group, GroupReader
from gridwright.store.days.incoming import PLAINLY, Incoming, Manner, fills_in, is_told, out_of_sight
from gridwright.store.days.outranked import Outranked
from gridwright.store.days.pack import NOTHING, Values, pack, pack_counts, unpack_integers, unpack_into
from gridwright.store.days.patching import Rows, add_to, supersede
from gridwright.store.days.regridding import follow, set_aside
from gridwright.store.days.series import uncount
from gridwright.store.session import Unit

Mask = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SaveSummary:
    """What became of the readings of a panel: `new` slots, `changed` value or quality, `same` as before.

    `aside`: another value that did not count, because a stored one is of better quality. `made_way`: usage points and
    UTC days that register reads had told on another grid, which is no longer stored.
    """

    new: int
    changed: int
    same: int
    readings: int
    aside: int = 0
    made_way: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: SaveSummary) -> SaveSummary:
        """Return what became of the readings of both."""
        counts = zip(astuple(self), astuple(other), strict=True)
        return SaveSummary(*(one + more for one, more in counts))


NOTHING_SAVED = SaveSummary(0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """For each row of the panel: UTC days [first, last) that changed, and how many readings are new.

    Days in a row that changed are a run: `run` is where the one that ends with `last` begins, `before` holds earlier
    ones, as rows, first and last days.
    """

    first: Keys
    run: Keys
    last: Keys
    new: Keys
    before: list[tuple[Places, Keys, Keys]] = field(default_factory=list)

    @classmethod
    def nothing(cls, rows: int) -> Touched:
        """Return what was touched when nothing was yet."""
        far = np.full(rows, np.iinfo(np.int64).max)
        return cls(far, far.copy(), np.full(rows, -1, np.int64), np.zeros(rows, np.int64))

    def note(self, day: int, rows: Places | slice, new: npt.NDArray[np.int64] | int) -> None:
        """Remember that `rows` changed on `day`; the days come in order."""
        apart = np.zeros(self.last.size, np.bool_)
        apart[rows] = (self.last[rows] >= 0) & (self.last[rows] < day)
        if apart.any():
            ended = np.flatnonzero(apart)
            self.before.append((ended, self.run[ended], self.last[ended]))
            self.run[ended] = day
        self.first[rows] = np.minimum(self.first[rows], day)
        self.run[rows] = np.minimum(self.run[rows], day)
        self.last[rows] = day + 1
        self.new[rows] += new

    def runs(self) -> Iterator[tuple[Places, Keys, Keys]]:
        """Yield rows with the first and the last day of a run of each."""
        yield from self.before
        rows = np.flatnonzero(self.last >= 0)
        if rows.size:
            yield rows, self.run[rows], self.last[rows]


@dataclass(frozen=True, slots=True, eq=False)
class Unfit:
    """Rows of a panel on one day that were left over, and why."""

    rows: Places
    incoming: Incoming
    reason: GridMismatch


class PanelSaver:
    """Saves one panel within a transaction; `keys` are the usage points' keys, ascending, and name its rows.

    `away`: days that the database has not, or not wholly; what is archived of them counts as stored. `unfit` is given
    what does not fit other late readings of such a day: whether it fits the archived ones, that day's return tells.
    """

    def __init__(
        self,
        unit: Unit,
        kind: int,
        panel: Panel,
        *,
        keys: Keys,
        known_at_us: int,
        how: Manner = PLAINLY,
        away: Away | None = None,
        unfit: list[Unfit] | None = None,
    ) -> None:
        self.unit, self.kind, self.keys, self.known_at_us = unit, kind, keys, known_at_us
        self.panel, self.how, self.away, self.unfit = panel, how, away, unfit
        self.grid = DayGrid(int(panel.start.timestamp()), panel.interval_s, panel.slots)
        self.touched = Touched.nothing(keys.size)
        self.counts = np.zeros(3, np.int64)  # new, changed, same
        self.outranked: list[Outranked] = []
        self.made_way: list[tuple[str, int]] = []
        self.elsewhere: Counter[tuple[int, int]] = Counter()  # readings of other types, by them and usage point

    def run(self, first_day: int = 0) -> SaveSummary:
        """Save every day of the panel, from `first_day` on."""
        reader = GroupReader(self.unit, self.kind, self.keys, None, images=True)
        for part in (each for each in self.grid.parts() if each.day >= first_day):
            self._save_part(reader, self._incoming(part))
        new, changed, same = self.counts.tolist()
        aside = sum(one.row.size for one in self.outranked)
        return SaveSummary(new, changed, same, new + changed + same + aside, aside, tuple(self.made_way))

    def set_aside(self) -> Iterator[tuple[str, int]]:
        """Yield usage point and start, in seconds, of what did not count."""
        start, step = int(self.panel.start.timestamp()), self.panel.interval_s
        for one in self.outranked:
            for row, column in zip(one.row.tolist(), one.column.tolist(), strict=True):
                yield self.panel.points[row], start + column * step

    def _incoming(self, part: DayPart) -> Incoming:
        values, quality = self.panel.values[:, part.columns], self.panel.quality[:, part.columns]
        present = ~np.isnan(values)
        if not present.all():
            quality = np.where(present, quality, np.uint8(q.MISSING))
        return Incoming(part, values, quality, present)

    def _save_part(self, reader: GroupReader, incoming: Incoming) -> None:
        """Save a day; where it is in the archive, what is there counts, though the database has nothing of it."""
        day = incoming.part.day
        if self.away is None or day not in self.away:
            self._save_day(reader, incoming)
            return
        held = held_against(incoming, self.away, self.keys, self.how, (self.grid, partial(self._misfit, day)))
        if held is None:
            hides = self.how.fill and self.away.is_lost(day)
            self._save_day(reader, out_of_sight(incoming) if hides else incoming)
            return
        self._save_day(reader, held.plain)
        counts = self.counts + held.counts
        self._save_day(reader, held.held)
        self.counts, self.outranked = counts, self.outranked + held.aside
        for key, (kind, there) in self.away.elsewhere().items():
            came = held.held.present[np.searchsorted(self.keys, key)]
            self.elsewhere[kind, key] += int(np.count_nonzero(came & there[held.held.part.slots]))

    def _save_day(self, reader: GroupReader, incoming: Incoming) -> None:
        filled = np.asarray(incoming.present.any(axis=1), np.bool_)
        if not filled.any():
            return
        fresh, day = filled.copy(), incoming.part.day
        aside: list[tuple[int, int]] = []
        for group in reader.read(day):
            rows = np.searchsorted(self.keys, group.keys)
            ours = filled[rows]
            if not ours.any():
                continue
            mine, rows = group.only(ours), rows[ours]
            if mine.shape.grid != (self.grid.per_day, self.grid.phase_s):
                gone = self._gives_way(mine)
                if gone.any():
                    aside += self._regrid(day, mine.only(gone))
                    self.made_way += [(self.panel.points[row], day) for row in rows[gone].tolist()]
                fresh[rows[~gone]] = False
                if not gone.all():
                    self._leave_over(rows[~gone], mine, incoming)
            else:
                fresh[rows] = False
                self._merge(rows, mine, incoming)
        self._add(incoming, fresh)
        follow(self.unit, self.kind, day, aside)

    def _gives_way(self, group: Group) -> Mask:
        """Tell which stored days of another grid make way for what comes: energy that register reads told does."""
        if self.how.regrids:
            return np.ones(group.keys.size, np.bool_)
        if self.how.fill:
            return np.zeros(group.keys.size, np.bool_)
        there = group.integers != NOTHING[group.shape.width]
        return np.asarray((is_told(group.qualities) | ~there).all(axis=1), np.bool_)

    def _leave_over(self, rows: Places, group: Group, incoming: Incoming) -> None:
        """Leave over what does not fit, where what it is to fit is in the archive; else it is a GridMismatch."""
        day, theirs = incoming.part.day, group.shape.grid
        if self.unfit is None or self.away is None or day not in self.away:
            raise self._misfit(day, int(rows[0]), theirs)
        some = incoming.take(rows)
        pack_counts(some.values, [self.panel.points[row] for row in rows.tolist()])  # whole counts alone may wait
        self.counts[0] += np.count_nonzero(some.present)
        self.unfit.append(Unfit(rows, some, self._misfit(day, int(rows[0]), theirs)))

    def _regrid(self, day: int, group: Group) -> list[tuple[int, int]]:
        """Set stored days aside, and no longer count what a series of raw readings had in them."""
        if not self.how.regrids:
            there = np.count_nonzero(group.integers != NOTHING[group.shape.width], axis=1).astype(np.int64)
            uncount(self.unit, self.kind, DAY_S // group.shape.slots, group.keys, there)
        return set_aside(self.unit, self.kind, day, group.keys)

    def _add(self, incoming: Incoming, fresh: Mask) -> None:
        if not fresh.any():
            return
        day, every = incoming.part.day, bool(fresh.all())
        rows = slice(None) if every else np.flatnonzero(fresh)
        points = self.panel.points
        named = points if isinstance(rows, slice) else [points[row] for row in rows.tolist()]
        new = np.count_nonzero(incoming.present[rows], axis=1).astype(np.int64)
        packed = pack(*incoming.whole(rows, self.grid.per_day), named)
        keys = self.keys[rows].tolist()
        grid = (self.grid.phase_s, self.grid.per_day)
        blocks.add(self.unit, blocks.NewRows(self.kind, day, *grid, self.known_at_us, keys, packed))
        self.unit.laid.add((self.kind, day, self.grid.per_day, self.grid.phase_s))
        self.counts[0] += int(new.sum())
        self.touched.note(day, rows, new)

    def _merge(self, rows: Places, group: Group, incoming: Incoming) -> None:
        """Lay the incoming slots over the stored ones; only rows in which something differs are written."""
        day, slots = incoming.part.day, incoming.part.slots
        values, quality, present = incoming.values[rows], incoming.quality[rows], incoming.present[rows]
        old_values, old_quality = group.integers[:, slots], group.qualities[:, slots]
        there = old_values != NOTHING[group.shape.width]
        new = present & ~there
        changed = present & there & ((values != old_values) | (quality != old_quality))
        changed &= fills_in(quality, old_quality) if self.how.fill else True
        aside = 0
        if self.how.ranked and changed.any():
            same = np.asarray(values == old_values, np.bool_)
            kept_out = changed & gives_way(quality, old_quality, same)
            changed &= ~kept_out
            aside = self._set_aside(rows, incoming, kept_out & ~same, (old_values, old_quality))
        new_each, supersedes = new.sum(axis=1), changed.any(axis=1)
        differ = new_each.astype(np.bool_) | supersedes
        self.counts += (new.sum(), changed.sum(), present.sum() - new.sum() - changed.sum() - aside)
        if not differ.any():
            return
        for write, which in ((add_to, differ & ~supersedes), (supersede, supersedes)):
            if which.any():
                some = group.only(which)
                for content in self._laid_over(rows[which], some, incoming, (new | changed)[which]):
                    write(self.unit, content)
        self.touched.note(day, rows[differ], new_each[differ])

    def _set_aside(
        self, rows: Places, incoming: Incoming, which: Mask, stored: tuple[npt.NDArray[Any], q.Qualities]
    ) -> int:
        """Remember values that do not count, with the stored ones that do, and return how many they are."""
        at, slot = np.nonzero(which)
        if at.size:
            row = rows[at]
            column = slot + incoming.part.columns.start
            came = incoming.values[row, slot], incoming.quality[row, slot]
            kept = stored[0][at, slot].astype(np.float64), stored[1][at, slot]
            self.outranked.append(Outranked(row, column, *came, *kept))
        return int(at.size)

    def _laid_over(self, rows: Places, group: Group, incoming: Incoming, differ: Mask) -> Iterator[Rows]:
        """Yield the new content of rows, those of one width together."""
        day, slots = incoming.part.day, incoming.part.slots
        qualities, instants = group.qualities.copy(), group.instants(day)
        latest = np.maximum(group.known_at_us, self.known_at_us)
        came, wrong = latest[:, None], group.wrong(self.kind, day)
        qualities[:, slots] = np.where(differ, incoming.quality[rows], qualities[:, slots])
        instants[:, slots] = np.where(differ, came, instants[:, slots])
        head = (self.kind, day, self.grid.phase_s)
        for at, integers in self._integers(rows, group, incoming.values[rows], (slots, differ)):
            known = (instants[at], self.known_at_us, latest[at])
            yield Rows(*head, group.keys[at], integers, qualities[at], *known, wrong=wrong[at])

    def _integers(
        self, rows: Places, group: Group, values: Values, where: tuple[slice, Mask]
    ) -> Iterator[tuple[Places | slice, npt.NDArray[Any]]]:
        """Yield the values of rows as integers, in the stored width if the new ones fit it, else packed anew."""
        slots, differ = where
        whole, nothing = group.integers.copy(), NOTHING[group.shape.width]
        values = np.where(differ, values, 0.0)
        if ((values == np.rint(values)) & (values > nothing) & (values < -nothing)).all() and nothing > -LARGEST_EXACT:
            whole[:, slots] = np.where(differ, values.astype(whole.dtype), whole[:, slots])
            yield slice(None), whole
            return
        merged = np.empty(whole.shape)
        unpack_into(merged, whole)
        merged[:, slots] = np.where(differ, values, merged[:, slots])
        widths, counts = pack_counts(merged, [self.panel.points[row] for row in rows.tolist()])
        for width in sorted(set(widths)):
            at = np.flatnonzero(np.array(widths) == width)
            yield at, unpack_integers(b"".join(counts[row] for row in at.tolist()), width, whole.shape[1])

    def _misfit(self, day: int, row: int, theirs: tuple[int, int]) -> GridMismatch:
        where = f"usage point {self.panel.points[row]}, {self.panel.reading_type}, {date_of(day)}"
        return misfit((self.grid.per_day, self.grid.phase_s), theirs, where)
