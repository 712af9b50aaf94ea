"""Days that are in the archive in a coarser resolution than a series has now, as what comes in is held against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.reading_type import LARGEST_EXACT
from gridwright.store.archive.overlay import only
from gridwright.store.archive.reading import ArchiveReader, MonthsAway
from gridwright.store.days import blocks
from gridwright.store.days.away import Away, DayImages, Elsewhere
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.history import Images, decode_images, joined, to_rows_known
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AlikeReader:
    """Looks for days of one type and of coarser ones that mean the same; `coarser`: keys of those, by their factor."""

    reader: ArchiveReader
    coarser: Mapping[int, int]

    def beside(self, unit: Unit, kind: int, days: range, keys: Keys) -> Away | None:
        """Return what of some days is not wholly in the database, in whichever resolution; mostly there is nothing."""
        own = self.reader.beside(unit, kind, days, keys)
        found = {factor: self.reader.beside(unit, key, days, keys) for factor, key in self.coarser.items()}
        others = [(factor, away) for factor, away in sorted(found.items()) if away is not None]
        return own if not others else AlikeAway(unit, kind, keys, own, others)


@dataclass(slots=True)
class AlikeAway:
    """Days of one type, its own images before those that are archived in a coarser resolution; see `Away`."""

    unit: Unit
    kind: int
    keys: Keys
    own: MonthsAway | None
    others: list[tuple[int, MonthsAway]]  # with how many counts become of one, the finest first
    _elsewhere: Elsewhere = field(default_factory=dict)

    def __contains__(self, day: object) -> bool:
        """Tell whether a day is one of them."""
        return any(day in away for away in self._aways())

    def is_lost(self, day: int) -> bool:
        """Tell whether what is archived of a day could not be read when its images were asked for."""
        return any(away.is_lost(day) for away in self._aways())

    def elsewhere(self) -> Elsewhere:
        """Return, of the day that was asked for last, by usage point which slots another type has, and which it is."""
        return self._elsewhere

    def images(self, day: int) -> DayImages:
        """Return the current images of a day, counted as the finest of its types is."""
        self._elsewhere = {}
        own = self.own.images(day).current if self.own is not None and day in self.own else self._stored(day)
        rows = {} if own is None else {int(key): own.take([at]) for at, key in enumerate(own.key)}
        for factor, away in self.others:
            there = away.images(day).current if day in away else None
            for one in [] if there is None else [there.take([at]) for at in range(there.key.size)]:
                self._lay(rows, one, (factor, away.kind), day)
        found = [rows[key] for key in sorted(rows)]
        return DayImages(joined(*found) if found else None)

    def _aways(self) -> list[MonthsAway]:
        return [away for away in (self.own, *(away for _, away in self.others)) if away is not None]

    def _stored(self, day: int) -> BlockRows | None:
        """Return what is in the database of a day of which its own type has nothing in the archive."""
        found = blocks.read_images(self.unit, self.kind, day, self.keys)
        return only(found, self.keys)

    def _lay(self, rows: dict[int, BlockRows], other: BlockRows, which: tuple[int, int], day: int) -> None:
        """Lay an image in a coarser resolution under what is there of its usage point, if that is on its grid."""
        key, grid, (factor, kind) = int(other.key[0]), shape_of(other.shape[0]).grid, which
        below = decode_images(other, day)
        if not (~np.isnan(below.values) & (below.qualities != q.TAKEN_BACK)).any():
            return
        above = rows.get(key)
        if above is not None and shape_of(above.shape[0]).grid != grid:
            return
        whole = replace(below, values=below.values * factor)
        if np.nanmax(np.abs(whole.values)) > LARGEST_EXACT:
            raise self._beyond(key, factor, day)
        there = ~np.isnan(below.values)
        if above is not None:
            top = decode_images(above, day)
            there &= np.isnan(top.values)
            whole = _over(whole, top)
        rows[key] = to_rows_known(grid, whole, [other.known_at_us[0]], [other.revision[0]], day)
        self._elsewhere[key] = kind, there[0]

    def _beyond(self, key: int, factor: int, day: int) -> GridMismatch:
        code = self.others[0][1].reader.names.find_codes(self.unit, [key])[key]
        return GridMismatch(
            f"what is archived is more than 2^53 counts in steps {factor} times as fine, of which no number is exact",
            where=f"usage point {code}, {date_of(day)}",
            remedy="send the values with fewer digits, or with a reading type that has its own channel",
        )


def _over(below: Images, top: Images) -> Images:
    """Return an image with what is there of another laid over it."""
    there = ~np.isnan(top.values)
    columns = ("values", "qualities", "instants")
    return replace(below, **{name: np.where(there, getattr(top, name), getattr(below, name)) for name in columns})
