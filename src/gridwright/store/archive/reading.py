"""Days that are in the archive alone, read from its files: the row groups and columns that are asked for, no more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import ArchiveUnreadable, ConfigError, StoreCorrupt
from gridwright.domain.image import Image
from gridwright.domain.month import month_name
from gridwright.store.archive.overlay import only, overlaid, to_block_rows
from gridwright.store.days import blocks
from gridwright.store.days.away import DayImages, Elsewhere
from gridwright.store.names import Names, every_image
from gridwright.store.session import Unit

if TYPE_CHECKING:
    import pyarrow as pa

    from gridwright.store.archive.file import Shelf

Keys = npt.NDArray[np.int64]
ShelfOf = Callable[[str], "Shelf"]
AWAY = (
    "SELECT month, from_day, to_day, place, sha256 FROM archive_part "
    "WHERE reading_type = ? AND state <> 'archived' AND from_day < ? AND to_day > ? ORDER BY month"
)
FOLDER = "/readings/"
CACHED_BYTES = 64 << 20
COLUMNS = ("usage_point", "day", "phase_s", "interval_s", "width", "values", "quality")
IMAGE_COLUMNS = ("known_at", "revision", "known", "additions")
NOT_TOLD = "tell whoever runs Gridwright: gridwright verify names the file"


class AwayMonth(NamedTuple):
    """A month of one reading type that is not wholly in the database, and its file."""

    month: int
    from_day: int
    to_day: int
    place: str
    sha256: str


@dataclass(slots=True)
class _Manner:
    """How readers of a block of code meet the archive: whether at all, and what becomes of what cannot be read."""

    opens: bool = True
    lost: list[ArchiveUnreadable] | None = None


_manner: ContextVar[_Manner] = ContextVar("archive_manner", default=_Manner())  # noqa: B039 - the default never changes


@contextmanager
def leaving_out() -> Iterator[list[ArchiveUnreadable]]:
    """Within, archived months that cannot be read are missing, and named once each in the list, instead of an error."""
    lost: list[ArchiveUnreadable] = []
    token = _manner.set(_Manner(opens=_manner.get().opens, lost=lost))
    try:
        yield lost
    finally:
        _manner.reset(token)


@contextmanager
def database_alone() -> Iterator[None]:
    """Within, archived months are missing: what is looked at is the database itself."""
    token = _manner.set(_Manner(opens=False))
    try:
        yield
    finally:
        _manner.reset(token)


def days_away(unit: Unit, kind: int, days: Collection[int]) -> frozenset[int]:
    """Return which of some days are not wholly in the database: that it has nothing of one says nothing there."""
    if not days:
        return frozenset()
    months = [AwayMonth(*row) for row in unit.fetch(AWAY, (kind, max(days) + 1, min(days)))]
    return frozenset(day for day in days if any(month.from_day <= day < month.to_day for month in months))


class ArchiveReader:
    """Reads archived days; checks each file once against its registered checksum, and keeps what was read last."""

    def __init__(self, names: Names, shelf_of: ShelfOf | None = None) -> None:
        self.names = names
        self.shelf_of = shelf_of
        self._checked: dict[tuple[str, str], tuple[object, ...]] = {}
        self._kept: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._lock = Lock()

    def look(self, unit: Unit, kind: int, days: range, *, told: bool) -> MonthsAway | None:
        """Return the months of some days that are not wholly in the database; mostly none, after one small query.

        `told`: an error may say where the archive is.
        """
        if not days or not _manner.get().opens:
            return None
        rows = unit.fetch(AWAY, (kind, days.stop, days.start))
        if not rows:
            return None
        raw = every_image(unit)[kind][1] is Image.RAW
        return MonthsAway(self, unit, kind, [AwayMonth(*row) for row in rows], days, told, raw)

    def beside(self, unit: Unit, kind: int, days: range, keys: Keys) -> MonthsAway | None:
        """Return the same for who lays new readings over them, which are kept whatever became of the archive."""
        found = self.look(unit, kind, days, told=False)
        return None if found is None else replace(found, spares=True).name(keys)

    def require_readable(self, month: AwayMonth, *, told: bool) -> None:
        """Raise ArchiveUnreadable unless a month's files are there and unchanged; `told` as of `look`."""
        try:
            shelf, name = self._shelf(month.place)
            self._check(shelf, name, month.sha256)
            if versions := shelf.footer(name)["versions"]:
                self._check(shelf, versions["name"], versions["sha256"])
        except (StoreCorrupt, ConfigError) as error:
            raise _unreadable(month, error, told=told) from error

    def tables(
        self, place: str, sha256: str, days: range, names: Sequence[str], *, earlier: bool
    ) -> Iterator[pa.Table]:
        """Yield rows of some days and usage points (sorted), in order of day; `earlier`: of the images before."""
        shelf, name = self._shelf(place)
        self._check(shelf, name, sha256)
        if earlier:
            versions = shelf.footer(name)["versions"]
            if versions is None:
                return
            name = versions["name"]
            self._check(shelf, name, versions["sha256"])
        for group in shelf.groups(name, days, names):
            key = (f"{shelf.address}/{name}", group)
            table = self._remembered(key)
            if table is None:
                table = shelf.group(name, group, (*COLUMNS, *IMAGE_COLUMNS))
                self._remember(key, table)
            yield _asked(table, days, names)

    def _shelf(self, place: str) -> tuple[Shelf, str]:
        from gridwright.store.archive.file import Shelf

        address = place.rpartition(FOLDER)[0]
        return (self.shelf_of or Shelf.at)(address), place.removeprefix(address + "/")

    def _check(self, shelf: Shelf, name: str, sha256: str) -> None:
        """Compare a file with its checksum, unless it is the very file that was compared before."""
        from gridwright.store.archive.writing import require_whole

        state = (sha256, *shelf.state(name))
        if self._checked.get((shelf.address, name)) != state:
            require_whole(shelf, name, sha256)
            self._checked[shelf.address, name] = state

    def _remembered(self, key: tuple[str, int]) -> pa.Table | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _remember(self, key: tuple[str, int], table: pa.Table) -> None:
        with self._lock:
            self._kept[key] = table
            while len(self._kept) > 1 and sum(each.nbytes for each in self._kept.values()) > CACHED_BYTES:
                self._kept.popitem(last=False)


def _asked(table: pa.Table, days: range, names: Sequence[str]) -> pa.Table:
    """Return the rows of some days and usage points."""
    import pyarrow as pa
    import pyarrow.compute as pc

    day = table["day"].cast(pa.int32())
    within = pc.and_(pc.greater_equal(day, days.start), pc.less(day, days.stop))
    return table.filter(pc.and_(within, pc.is_in(table["usage_point"], value_set=pa.array(names, pa.string()))))


@dataclass(slots=True)
class MonthsAway:
    """The days of a load that are not wholly in the database; `name` usage points before asking for images.

    `spares`: what cannot be read is missing, and no error.
    """

    reader: ArchiveReader
    unit: Unit
    kind: int
    months: list[AwayMonth]
    days: range
    told: bool
    _raw: bool = True
    spares: bool = False
    _history: bool = False
    _keys: Keys = field(default_factory=lambda: np.empty(0, np.int64))
    _codes: dict[str, int] = field(default_factory=dict)
    _files: dict[tuple[int, bool], _Days] = field(default_factory=dict)
    _lost: set[int] = field(default_factory=set)

    def name(self, keys: Keys, *, history: bool = False) -> MonthsAway:
        """Say whose images are wanted, and whether those before the current ones are, too."""
        self._history = history
        self._keys = np.unique(keys)
        codes = self.reader.names.find_codes(self.unit, self._keys.tolist())
        self._codes = {codes[key]: key for key in self._keys.tolist()}
        self._files.clear()
        self._lost.clear()
        return self

    def __contains__(self, day: object) -> bool:
        return self._month(day) is not None

    def _month(self, day: object) -> AwayMonth | None:
        mine = (month for month in self.months if isinstance(day, int) and month.from_day <= day < month.to_day)
        return next(mine, None)

    def images(self, day: int) -> DayImages:
        """Return the images of a day; a month that cannot be read is ArchiveUnreadable."""
        month = self._month(day)
        if month is None or not self._keys.size:
            return DayImages()
        current = only(blocks.read_images(self.unit, self.kind, day, self._keys), self._keys)
        earlier = None
        if current is not None:
            earlier = only(blocks.read_versions(self.unit, self.kind, day, current.key), current.key)
        stored = DayImages(current, earlier)
        archived = self._archived(month, day)
        return stored if self.is_lost(day) else overlaid(archived, stored, day, ranked=self._raw)

    def is_lost(self, day: int) -> bool:
        """Tell whether what is archived of a day could not be read when its images were asked for."""
        month = self._month(day)
        return month is not None and month.month in self._lost

    def elsewhere(self) -> Elsewhere:
        """Return what of them is stored in another resolution: nothing, all are of one type."""
        return {}

    def _archived(self, month: AwayMonth, day: int) -> DayImages:
        try:
            before = self._rows(month, day, earlier=True) if self._history else None
            return DayImages(self._rows(month, day, earlier=False), before)
        except (StoreCorrupt, ConfigError) as error:
            self._tell(month, error)
            self._lost.add(month.month)
            # Half of what was known would be another history.
            self._files[month.month, False] = self._files[month.month, True] = _Days(iter(()))
            return DayImages()

    def _rows(self, month: AwayMonth, day: int, *, earlier: bool) -> blocks.BlockRows | None:
        from gridwright.store.archive.rows import to_blocks

        key = (month.month, earlier)
        if key not in self._files:
            days = range(max(day, month.from_day), min(self.days.stop, month.to_day))
            self._files[key] = _Days(
                self.reader.tables(month.place, month.sha256, days, sorted(self._codes), earlier=earlier)
            )
        table = self._files[key].rows(day)
        rows = None if table is None else to_block_rows(to_blocks(table, self._codes)[1])
        return None if rows is None else rows.take(np.argsort(rows.key, kind="stable").tolist())

    def _tell(self, month: AwayMonth, error: StoreCorrupt | ConfigError) -> None:
        found, lost = _unreadable(month, error, told=self.told), _manner.get().lost
        if lost is None:
            if self.spares:
                return
            raise found from error
        if str(found) not in map(str, lost):
            lost.append(found)


def _unreadable(month: AwayMonth, error: StoreCorrupt | ConfigError, *, told: bool) -> ArchiveUnreadable:
    """Name the month and what is wrong with its file."""
    what = f"{month_name(month.month)} is in the archive, and its file cannot be read"
    found = ArchiveUnreadable(what, remedy=NOT_TOLD)
    if told:
        found = ArchiveUnreadable(f"{what}: {error.message}", where=month.place, remedy=error.remedy)
    found.month = month.month
    return found


class _Days:
    """Rows of a file day by day, for who asks in order."""

    def __init__(self, tables: Iterator[Any]) -> None:
        from gridwright.store.archive.rows import by_day

        self._days = by_day(tables)
        self._next: tuple[int, Any] | None = (-1, None)

    def rows(self, day: int) -> pa.Table | None:
        """Return the rows of a day, None where there is none."""
        while self._next is not None and self._next[0] < day:
            self._next = next(self._days, None)
        return self._next[1] if self._next is not None and self._next[0] == day else None
