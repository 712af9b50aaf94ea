"""The journal: readings made durable in one row a batch, and brought into their day-blocks by whoever reads next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import LARGEST_EXACT, ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest.order import order
from gridwright.store.archive.reading import days_away
from gridwright.store.audit import note
from gridwright.store.days.countable import counts_alike
from gridwright.store.days.grid import LONGEST_S
from gridwright.store.instant import from_us, from_us_if, to_us
from gridwright.store.journal.aside import GONE, try_again
from gridwright.store.journal.fold import Folder
from gridwright.store.journal.grids import Grids
from gridwright.store.journal.rows import Entry, pack_entry
from gridwright.store.names import Names
from gridwright.store.schema.flow import journal, journal_aside
from gridwright.store.session import Session, Unit

INSERT = "INSERT INTO journal (received_us, actor, readings, content) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Readings that may wait in the journal, packed: how many, and the bytes, of each row."""

    actor: str
    rows: tuple[tuple[int, bytes], ...]

    @property
    def readings(self) -> int:
        """How many there are."""
        return sum(size for size, _ in self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class OrderedReadings:
    """n intervals of one kind, length, quality and phase: keys of usage points, epoch seconds and counts.

    Ordered by point and time, no time of a point twice; counts are below 2**53.
    """

    kind: ReadingType
    interval_s: int
    quality: int
    point: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the journal, since when, and what was put aside; `reason`: why the last of it was."""

    rows: int
    readings: int
    oldest: datetime | None
    aside_rows: int
    aside_readings: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that could not be folded: who sent it when, how many readings, and why it was put aside."""

    id: int
    actor: str
    received: datetime
    readings: int
    put_aside: datetime
    reason: str


class Journal:
    """The journal of acknowledged readings."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session, self._names = session, names
        self._grids = Grids(session)
        session.folds = Folder(session, names)

    def accept(self, access: Access, readings: Readings, *, fill: bool = False) -> Accepted | None:
        """Judge interval readings of one length: None where they must be saved at once, so that they are judged there.

        Taken is what will fit when it is folded: whole counts of known usage points within reach, on the grid of what
        is stored. Of several readings of one time the better one stays; those of which it is another are told of.
        `fill`: energy between two register reads, which will count only where nothing is stored by then;
        not of days in the archive alone.
        """
        step = readings.interval_s
        if not (0 < step <= LONGEST_S and DAY_S % step == 0 and readings.size) or not _is_whole(readings):
            return None
        with self._writing() as unit:
            try:
                _require_all(access, readings.points)
                keys = self._names.key_array(unit, readings.points)
            except (AccessDenied, NotFound):
                return None
            kind, alike = self._keys_of(unit, readings.reading_type)
            rows: list[tuple[int, bytes]] = []
            ordered = order(readings)
            if ordered.tally.conflicting:
                return None
            for entry in _entries(ordered.readings, kind, keys, fill=fill):
                if fill and days_away(unit, kind, entry.days()):
                    return None  # a fold sees the database alone
                if not self._fit(unit, entry, readings.reading_type.exponent, alike):
                    return None
                rows += [(part.size, pack_entry(part)) for part in entry.parts()]
        return Accepted(access.actor[:200], tuple(rows))

    def accept_ordered(self, access: Access, readings: OrderedReadings) -> Accepted | None:
        """Accept the same of who may write for all usage points, without a look at each; None as `accept` does."""
        fits = 0 < readings.interval_s <= LONGEST_S and DAY_S % readings.interval_s == 0
        if access.points is not None or not (readings.at.size and fits):
            return None
        access.require(Act.WRITE_READINGS)
        with self._writing() as unit:
            kind, alike = self._keys_of(unit, readings.kind)
            quality = np.full(readings.at.size, readings.quality, np.uint8)
            entry = Entry(kind, readings.interval_s, readings.point, readings.at, readings.count, quality)
            if not self._fit(unit, entry, readings.kind.exponent, alike):
                return None
            rows = tuple((part.size, pack_entry(part)) for part in entry.parts())
        return Accepted(access.actor[:200], rows)

    def _keys_of(self, unit: Unit, kind: ReadingType) -> tuple[int, Mapping[int, int]]:
        """Return the key of a type, and those of all resolutions in which a series may be kept: mostly its own."""
        return self._names.make_type_key(unit, kind), self._names.resolutions(unit, kind)

    def _fit(self, unit: Unit, entry: Entry, exponent: int, alike: Mapping[int, int]) -> bool:
        """Tell whether readings are on the grid of what is stored, in whichever resolution, and can be counted so."""
        days = entry.days()
        grids = (entry.grid, *((other, *entry.grid[1:]) for other in alike.values() if other != entry.kind))
        if not all(self._grids.fit(unit, grid, days, entry.key) for grid in grids):
            return False
        if len(grids) == 1:
            return True
        with unit.beside_what_waits():  # of what waits, too, folding sees whether it can be counted so
            return counts_alike(unit, exponent, alike, np.unique(entry.key).tolist(), entry.value)

    def put(self, accepted: Sequence[Accepted], *, received: datetime) -> int:
        """Add rows in their order; durable on return, or with the surrounding transaction. Returns how many readings.

        Whoever reads from now on finds them in their blocks, known since `received` or up to a minute later.
        """
        at_us = to_us(received)
        rows = [(at_us, each.actor, size, content) for each in accepted for size, content in each.rows]
        with self._writing() as unit:
            unit.run_many(INSERT, rows)
            if rows:
                self._grids.put(unit, len(rows))
                unit.settled = False
        return sum(each.readings for each in accepted)

    def _writing(self) -> AbstractContextManager[Unit]:
        """Join the transaction as it is, or begin one: nobody goes on after a failure, so that no part is set apart."""
        unit = self._session.current
        return nullcontext(unit) if unit is not None and unit.writes else self._session.writing(settled=False)

    def fold(self) -> int:
        """Bring all that waits into its blocks, about a million readings a transaction; returns how many rows."""
        return self._session.settle()

    def fold_some(self) -> int:
        """Bring the oldest million readings that wait, about, into their blocks; returns how many rows."""
        return self._session.settle(at_once=1)

    def leave(self, access: Access) -> None:
        """Fold nothing through this store any more: it only looks, and does not see what waits."""
        access.require(Act.READ)
        self._session.folds = None

    def waiting(self, access: Access) -> Waiting:
        """Return what waits, without folding it; why rows are put aside is told to who sees all usage points."""
        access.require(Act.READ)
        c, aside = journal.c, journal_aside.c
        with self._session.reading(settled=False) as unit:
            one = select(func.count(), func.coalesce(func.sum(c.readings), 0), func.min(c.received_us))
            rows, readings, oldest = unit.connection.execute(one).one()
            other = select(func.count(), func.coalesce(func.sum(aside.readings), 0)).select_from(journal_aside)
            aside_rows, aside_readings = unit.connection.execute(other).one()
            last = select(aside.reason).order_by(aside.id.desc()).limit(1)
            told = aside_rows and access.points is None
            reason = unit.connection.execute(last).scalar() if told else ""
        counts = int(rows), int(readings), from_us_if(oldest), int(aside_rows), int(aside_readings)
        return Waiting(*counts, reason or "")

    def put_aside(self, access: Access, limit: int = 1_000) -> list[Aside]:
        """Return the rows that could not be folded, the oldest first."""
        access.require(Act.ADMINISTER)
        c = journal_aside.c
        columns = (c.id, c.actor, c.received_us, c.readings, c.aside_us, c.reason)
        with self._session.reading() as unit:
            rows = unit.connection.execute(select(*columns).order_by(c.id).limit(limit)).all()
        return [
            Aside(row.id, row.actor, from_us(row.received_us), row.readings, from_us(row.aside_us), row.reason)
            for row in rows
        ]

    def retry(self, access: Access, rows: Sequence[int]) -> int:
        """Have rows that were put aside tried again; what still does not fit is put aside anew. Returns what fitted.

        An absent row is NotFound.
        """
        access.require(Act.ADMINISTER)
        with self._session.writing() as unit:
            before = _count(unit)
            for key in sorted(set(rows)):
                _require(unit, key)
                try_again(unit, [key])
            self._session.settle_within(unit)
            fitted = before - _count(unit)
            at = self._session.clock()
            note(unit, access, Act.ADMINISTER, subject="journal", at=at, tried_again=len(set(rows)), fitted=fitted)
        return fitted

    def drop(self, access: Access, row: int, reason: str) -> None:
        """Let the readings of a row that was put aside go; the reason is recorded. NotFound when it is absent."""
        access.require(Act.ADMINISTER)
        with self._session.writing() as unit:
            lost = _require(unit, row)
            unit.run_many(GONE, [(row,)])
            at = self._session.clock()
            note(unit, access, Act.ADMINISTER, subject="journal", at=at, dropped=row, readings=lost, reason=reason)


def _is_whole(readings: Readings) -> bool:
    """Tell whether all values are counts that blocks can hold; NaN is none."""
    value = readings.value
    return bool((np.rint(value) == value).all() and (np.abs(value) <= LARGEST_EXACT).all())


def _entries(readings: Readings, kind: int, keys: npt.NDArray[np.int64], *, fill: bool) -> list[Entry]:
    """Return ordered readings as entries, one for each phase of the grid."""
    step = readings.interval_s
    columns = (keys[readings.point], readings.at, readings.value.astype(np.int64), readings.quality)
    whole = Entry(kind, step, *columns, fill)
    phase = readings.at % step
    if (phase == phase[0]).all():
        return [whole]
    return [whole.take(phase == one) for one in np.unique(phase).tolist()]


def _require_all(access: Access, points: Sequence[str]) -> None:
    access.require(Act.WRITE_READINGS)
    if access.points is not None:
        for point in points:
            access.require(Act.WRITE_READINGS, point)


def _require(unit: Unit, row: int) -> int:
    """Return how many readings a row has that was put aside; NotFound when there is none of that number."""
    found = unit.fetch("SELECT readings FROM journal_aside WHERE id = ?", (row,))
    if not found:
        raise NotFound(f"no row {row} was put aside", remedy="gridwright journal lists them")
    return int(found[0][0])


def _count(unit: Unit) -> int:
    return int(unit.fetch("SELECT COUNT(*) FROM journal_aside")[0][0])
