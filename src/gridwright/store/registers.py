"""Register readings: cumulative counters at irregular instants, never overwritten, only superseded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Row, Select, Table, and_, func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.quality import says_less
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.appending import Appended, Closer, Near, Newest, never, recently, sort_out
from gridwright.store.days.blocks import lock_points, marks
from gridwright.store.days.checksum import register_checksum
from gridwright.store.days.saving import SaveSummary
from gridwright.store.days.touching import have_readings, touch_days
from gridwright.store.instant import to_seconds, to_us
from gridwright.store.names import FEW, Names, every_type
from gridwright.store.near_reads import begun, between, instants, nearest, reaching
from gridwright.store.register_marks import BY_EXCHANGE, PRESUMED, QUALITY, WITHDRAWN, is_estimate, presumed
from gridwright.store.session import Session, Unit

Key = tuple[int, int, int, int]
KEY = ("usage_point", "reading_type", "at_s", "epoch")
CONTENT = len(KEY) + 3  # the columns up to the last one that tells a value
_EACH = (
    "SELECT usage_point, reading_type, at_s, epoch, value, end_device, quality, known_at_us, revision, checksum "
    "FROM register_reading WHERE reading_type = ? AND at_s BETWEEN ? AND ? AND usage_point = ?"
)
_MANY = f"{_EACH.removesuffix('= ?')}IN ({{marks}})"
_ADD = (
    "INSERT INTO register_reading (usage_point, reading_type, at_s, epoch, value, end_device, quality, known_at_us, "
    "revision, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEEP = _ADD.replace("register_reading", "register_version")
_CHANGE = (
    "UPDATE register_reading SET value = ?, end_device = ?, quality = ?, known_at_us = ?, revision = ?, checksum = ? "
    "WHERE usage_point = ? AND reading_type = ? AND at_s = ? AND epoch = ?"
)
# Given new reads by their places, with the read before each: returns the places whose days folding will make dirty.
PutOff = Callable[[Mapping[int, Near | None]], Collection[int]]


class Stored(NamedTuple):
    """A row: its key, its content, since when it is known, which revision it is, and its checksum."""

    usage_point: int
    reading_type: int
    at_s: int
    epoch: int
    value: int
    end_device: str
    quality: int
    known_at_us: int
    revision: int
    checksum: bytes | None = None

    @property
    def key(self) -> Key:
        """The columns that identify it."""
        return (self.usage_point, self.reading_type, self.at_s, self.epoch)

    def beside(self, stored: Stored, point: str) -> Stored:
        """Return the row with what a read of the same value does not tell: its meter, and how sure the stored one is.

        A meter that is called like its usage point is none that is told: CMEP has one name for both. What one source
        told by its usage point alone stays so, whoever names its meter as well: so their order makes no difference. An
        estimate never takes the place of what was read.
        """
        if is_estimate(self.quality) and not is_estimate(stored.quality) and stored.quality < WITHDRAWN:
            return self._replace(value=stored.value, end_device=stored.end_device, quality=stored.quality)
        if self.value != stored.value or (self.quality ^ stored.quality) & ~(QUALITY | PRESUMED):
            return self
        own, known = np.array([[self.quality & QUALITY], [stored.quality & QUALITY]], np.uint8)
        quality = (stored.quality & QUALITY | self.quality & ~QUALITY) if says_less(own, known)[0] else self.quality
        quality |= stored.quality & PRESUMED
        told = self.end_device if self.end_device != point else ""
        return self._replace(end_device=told or stored.end_device or self.end_device, quality=quality)

    def differs(self, other: Stored) -> bool:
        """Tell whether the content is another."""
        return self[len(KEY) : CONTENT] != other[len(KEY) : CONTENT]

    @property
    def signed(self) -> Stored:
        """The row with the checksum of what it says."""
        return signed(self[:-1])


def signed(row: tuple[Any, ...]) -> Stored:
    """Return a row of all columns but its checksum with that."""
    return Stored._make((*row, register_checksum(row)))


class RegisterExtent(NamedTuple):
    """How many reads of a register count, and the instants of the first and the last."""

    reading_type: ReadingType
    first: datetime
    last: datetime
    reads: int


class Registers:
    """Cumulative register reads."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(
        self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime, mark: int = 0
    ) -> SaveSummary:
        """Add reads; another value at the same instant and epoch supersedes, the same again changes nothing.

        `mark`: what they carry besides their quality, see `register_marks`.
        """
        access.require(Act.WRITE_READINGS)
        these = list(reads)
        for read in these:
            access.require(Act.WRITE_READINGS, read.usage_point)
        with self._session.writing() as unit:
            rows = self._rows(unit, these, to_us(known_at), mark)
            lock_points(unit, sorted({key[0] for key in rows}))
            old = _stored(unit, rows)
            rows |= self._completed(unit, rows, old)
            new = [row for key, row in rows.items() if key not in old]
            changed = [_next(row, old[key]) for key, row in rows.items() if key in old and row.differs(old[key])]
            unit.run_many(_ADD, [row.signed for row in new])
            _supersede(unit, changed, old)
            if new or changed:
                moments = ((row.usage_point, row.at_s) for row in (*new, *changed))
                touch_days(unit, self._names, moments, registers=True)
                names = {read.usage_point for read in these}
                subject = names.pop() if len(names) == 1 else f"{len(names)} usage points"
                at = self._session.clock()
                counts = {"registers_new": len(new), "registers_changed": len(changed)}
                note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, **counts)
        return SaveSummary(len(new), len(changed), len(rows) - len(new) - len(changed), len(rows))

    def append(
        self,
        access: Access,
        kind: ReadingType,
        newest: Sequence[Newest],
        *,
        known_at: datetime,
        put_off: PutOff | None = None,
        closer: Closer = never,
    ) -> Appended:
        """Add reads of one type that plainly follow what is stored, each of another usage point, as `save` does.

        Those that do not (another meter, a fall, a correction, a read in between) are left alone and need a closer
        look, and so do all in a database other than SQLite, whose one writer sees no read come in between. `put_off`
        puts what follows from them in the journal, in the same transaction. `closer` is told the instants of the reads
        within an hour before, at least of one, and of a new one, and tells whether that needs a closer look all the
        same.
        """
        access.require(Act.WRITE_READINGS)
        for read in newest if access.points is not None else ():
            access.require(Act.WRITE_READINGS, read.point)
        if self._session.engine.dialect.name != "sqlite":
            return Appended({}, list(range(len(newest))))
        with self._session.writing(settled=False) as unit:
            known = self._names.find_points(unit, [read.point for read in newest])
            keys = [known.get(read.point) for read in newest]
            key = self._names.make_type_key(unit, kind)
            asked: dict[int, int] = {}
            for at, read in zip(keys, newest, strict=True):
                if at is not None:
                    asked.setdefault(at, read.at_s)
            # With those that were withdrawn: their keys are taken, and who comes upon one needs a closer look.
            around = nearest(unit, key, [(at, at_s, at_s) for at, at_s in asked.items()], withdrawn=True)
            recent = instants(unit, key, list(recently(around[0], asked)))
            found = sort_out(newest, keys, around, begun(unit, key, around[0]), recent=recent, closer=closer)
            if found.new:
                known_at_us = to_us(known_at)
                rows = {
                    at: signed((known[newest[at].point], key, *newest[at].row(before), known_at_us, 1))
                    for at, before in found.new.items()
                }
                unit.run_many(_ADD, list(rows.values()))
                waits = put_off(found.new) if put_off is not None else ()
                self._touch(unit, [(row.usage_point, row.at_s) for at, row in rows.items() if at not in waits])
                self._note_added(unit, access, [newest[at].point for at in found.new])
        return found

    def _touch(self, unit: Unit, moments: list[tuple[int, int]]) -> None:
        """Make days dirty; of readings that wait these are made so when they are folded."""
        if not moments:
            return
        with unit.beside_what_waits():
            if not unit.settled and not have_readings(unit, [key for key, _ in moments]):
                self._session.settle_within(unit)
            touch_days(unit, self._names, moments, registers=True)

    def _note_added(self, unit: Unit, access: Access, new: Sequence[str]) -> None:
        subject = new[0] if len(new) == 1 else f"{len(new)} usage points"
        at, counts = self._session.clock(), {"registers_new": len(new), "registers_changed": 0}
        note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, **counts)

    def load(
        self, access: Access, point: str, period: Interval, reading_type: ReadingType = DELIVERED_REGISTER
    ) -> tuple[RegisterReading, ...]:
        """Return the reads of one usage point within `period`, both ends included, in order of time and epoch."""
        access.require(Act.READ, point)
        table = schema.register_reading
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            kind = self._names.type_key(unit, reading_type)
            query = _counting(table).where(table.c.usage_point == key, table.c.reading_type == kind)
            query = query.where(table.c.at_s.between(to_seconds(period.start), to_seconds(period.end)))
            rows = unit.connection.execute(query.order_by(table.c.at_s, table.c.epoch)).all()
        return tuple(to_read(row, point, reading_type) for row in rows)

    def load_several(
        self, access: Access, points: Sequence[str], period: Interval, reading_type: ReadingType = DELIVERED_REGISTER
    ) -> list[RegisterReading]:
        """Return the reads of several usage points as `load` does, one usage point after the other."""
        access.require(Act.READ)
        for point in points if access.points is not None else ():
            access.require(Act.READ, point)
        table = schema.register_reading
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = dict(zip(self._names.point_keys(unit, points), points, strict=True))
            if kind is None:
                return []
            query = _counting(table).where(table.c.reading_type == kind)
            query = query.where(table.c.at_s.between(to_seconds(period.start), to_seconds(period.end)))
            query = query.order_by(table.c.usage_point, table.c.at_s, table.c.epoch)
            several = sorted(keys)
            parts = (table.c.usage_point.in_(several[at : at + FEW]) for at in range(0, len(several), FEW))
            rows = [row for part in parts for row in unit.connection.execute(query.where(part))]
        return [to_read(row, keys[row.usage_point], reading_type) for row in rows]

    def superseded(
        self, access: Access, points: Sequence[str], period: Interval
    ) -> list[tuple[RegisterReading, RegisterReading]]:
        """Return the reads of a period before which their meter told another value: (that one, the one that counts).

        Of several earlier values the newest other one; what an exchange wrote or moved did not come again.
        """
        access.require(Act.READ)
        for point in points:
            access.require(Act.READ, point)
        now, old = schema.register_reading, schema.register_version
        # A corrected read may count in another epoch, and its old value is on record in the one that it had.
        same = [now.c[name] == old.c[name] for name in (*KEY[:-1], "end_device")]
        query = select(now, old.c.value.label("old_value"), old.c.quality.label("old_quality")).join(old, and_(*same))
        query = query.where(
            now.c.value != old.c.value,
            now.c.quality < BY_EXCHANGE,
            old.c.quality < BY_EXCHANGE,
            now.c.at_s.between(to_seconds(period.start), to_seconds(period.end)),
        ).order_by(now.c.usage_point, now.c.reading_type, now.c.at_s, now.c.epoch, old.c.revision)
        with self._session.reading() as unit:
            keys = dict(zip(self._names.point_keys(unit, points), points, strict=True))
            several = sorted(keys)
            parts = (now.c.usage_point.in_(several[at : at + FEW]) for at in range(0, len(several), FEW))
            rows = [row for part in parts for row in unit.connection.execute(query.where(part))]
            kinds = every_type(unit) if rows else {}
        found: dict[Key, tuple[RegisterReading, RegisterReading]] = {}
        for row in rows:
            after = to_read(row, keys[row.usage_point], kinds[row.reading_type])
            before = replace(after, value=float(row.old_value), quality=row.old_quality & QUALITY)
            found[row.usage_point, row.reading_type, row.at_s, row.epoch] = (before, after)
        return list(found.values())

    def kinds(self, access: Access, point: str) -> tuple[ReadingType, ...]:
        """Return the reading types of which a usage point has register reads."""
        access.require(Act.READ, point)
        table = schema.register_reading
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            mine = (table.c.usage_point == key, table.c.quality < WITHDRAWN)
            query = select(table.c.reading_type).where(*mine).distinct()
            found = unit.connection.execute(query.order_by(table.c.reading_type)).scalars().all()
            known = every_type(unit) if found else {}
        return tuple(known[one] for one in found)

    def extents(self, access: Access, point: str) -> tuple[RegisterExtent, ...]:
        """Return how far the reads of each register of a usage point reach."""
        access.require(Act.READ, point)
        table = schema.register_reading
        ends = func.min(table.c.at_s), func.max(table.c.at_s), func.count()
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            query = select(table.c.reading_type, *ends).where(table.c.usage_point == key, table.c.quality < WITHDRAWN)
            query = query.group_by(table.c.reading_type).order_by(table.c.reading_type)
            found = unit.connection.execute(query).all()
            known = every_type(unit) if found else {}
        return tuple(
            RegisterExtent(known[kind], from_epoch_s(int(first)), from_epoch_s(int(last)), int(reads))
            for kind, first, last, reads in found
        )

    def neighbours(
        self,
        access: Access,
        moments: Mapping[str, tuple[datetime, datetime]],
        reading_type: ReadingType,
        *,
        taken: bool = False,
    ) -> dict[str, tuple[RegisterReading | None, RegisterReading | None]]:
        """Return for each usage point the last read up to one instant, and the first one after the other.

        `taken`: that is no estimate.
        Within a transaction, whose own reads are to be placed by these, no other one comes in between until its end.
        """
        access.require(Act.READ)
        for point in moments:
            access.require(Act.READ, point)
        with self._session.reading() as unit:
            kind, keys = self._names.type_key(unit, reading_type), self._names.point_keys(unit, list(moments))
            if unit.writes:
                lock_points(unit, keys)
            if kind is None:
                return dict.fromkeys(moments, (None, None))
            asked = [
                (key, epoch_s(since), epoch_s(until))
                for key, (since, until) in zip(keys, moments.values(), strict=True)
            ]
            before, after = nearest(unit, kind, asked, taken=taken)
        found = {}
        for key, point in zip(keys, moments, strict=True):
            one, other = before.get(key), after.get(key)
            found[point] = (
                None if one is None else _raw_read(one, point, reading_type),
                None if other is None else _raw_read(other, point, reading_type),
            )
        return found

    def load_each(
        self, access: Access, periods: Mapping[str, Interval], reading_type: ReadingType = DELIVERED_REGISTER
    ) -> dict[str, list[RegisterReading]]:
        """Return the reads of several usage points as `load` does, each within a period of its own."""
        access.require(Act.READ)
        for point in periods:
            access.require(Act.READ, point)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = self._names.point_keys(unit, list(periods))
            if kind is None:
                return {point: [] for point in periods}
            asked = [
                (key, to_seconds(period.start), to_seconds(period.end))
                for key, period in zip(keys, periods.values(), strict=True)
            ]
            found = between(unit, kind, asked)
        return {
            point: [_raw_read(near, point, reading_type) for near in found[key]]
            for key, point in zip(keys, periods, strict=True)
        }

    def load_around(
        self,
        access: Access,
        spans: Mapping[str, tuple[datetime, datetime]],
        reading_type: ReadingType,
        instants: tuple[int, int],
    ) -> dict[str, tuple[list[RegisterReading], int]]:
        """Return the reads of each span and of so many instants before and behind it, and how many those before are."""
        access.require(Act.READ)
        for point in spans:
            access.require(Act.READ, point)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = dict(zip(self._names.point_keys(unit, list(spans)), spans, strict=True))
            if kind is None:
                return {point: ([], 0) for point in spans}
            asked = {key: (epoch_s(spans[point][0]), epoch_s(spans[point][1])) for key, point in keys.items()}
            reach = reaching(unit, kind, asked, instants)
            found = between(unit, kind, [(key, since, until) for key, (since, until, _) in reach.items()])
        return {
            point: ([_raw_read(near, point, reading_type) for near in found[key]], reach[key][2])
            for key, point in keys.items()
        }

    def _completed(self, unit: Unit, rows: Mapping[Key, Stored], old: Mapping[Key, Stored]) -> dict[Key, Stored]:
        """Return the rows of which one is stored, with what they do not tell."""
        again = rows.keys() & old.keys()
        names = self._names.find_codes(unit, sorted({key[0] for key in again})) if again else {}
        return {key: rows[key].beside(old[key], names[key[0]]) for key in again}

    def _rows(self, unit: Unit, reads: Sequence[RegisterReading], known_at_us: int, mark: int) -> dict[Key, Stored]:
        """Return the rows by key; of two reads with one key the later in the sequence counts."""
        points = self._names.point_keys(unit, [read.usage_point for read in reads])
        kinds = {kind: self._names.make_type_key(unit, kind) for kind in {read.reading_type for read in reads}}
        rows = {}
        for point, read in zip(points, reads, strict=True):
            key = (point, kinds[read.reading_type], to_seconds(read.at), read.epoch)
            quality = read.quality | (mark or presumed(read.end_device, told=not read.presumed))
            rows[key] = Stored(*key, _whole(read), read.end_device, quality, known_at_us, 1)
        return rows


def _counting(table: Table) -> Select[Any]:
    """Select the reads that were not withdrawn."""
    return select(table).where(table.c.quality < WITHDRAWN)


def _whole(read: RegisterReading) -> int:
    if not float(read.value).is_integer():
        raise InputError(
            f"register value {read.value!r} is not a whole count",
            where=f"usage point {read.usage_point}, {read.at.isoformat()}",
            remedy="give the reading type a finer exponent",
        )
    return int(read.value)


def _stored(unit: Unit, rows: dict[Key, Stored]) -> dict[Key, Stored]:
    """Return what is stored around the rows: of many meters at about one time, or of each over its own time."""
    instants: dict[tuple[int, int], list[int]] = {}
    for point, kind, at_s, _ in rows:
        instants.setdefault((kind, point), []).append(at_s)
    found: list[tuple[Any, ...]] = []
    for kind in sorted({kind for kind, _ in instants}):
        mine = {point: moments for (each, point), moments in instants.items() if each == kind}
        first, last = min(min(moments) for moments in mine.values()), max(max(moments) for moments in mine.values())
        if last - first <= DAY_S:
            points = sorted(mine)
            for at in range(0, len(points), FEW):
                part = points[at : at + FEW]
                found += unit.fetch(_MANY.format(marks=marks(len(part))), (kind, first, last, *part))
        else:
            for point, moments in mine.items():
                found += unit.fetch(_EACH, (kind, min(moments), max(moments), point))
    return {row[: len(KEY)]: Stored(*row) for row in found}


def _next(row: Stored, old: Stored) -> Stored:
    return row._replace(revision=old.revision + 1, known_at_us=max(row.known_at_us, old.known_at_us))


def _supersede(unit: Unit, changed: Sequence[Stored], old: dict[Key, Stored]) -> None:
    if not changed:
        return
    unit.run_many(_KEEP, [old[row.key] for row in changed])
    unit.run_many(_CHANGE, [(*row.signed[len(KEY) :], *row.key) for row in changed])


def _raw_read(row: tuple[Any, ...], point: str, kind: ReadingType) -> RegisterReading:
    at_s, value, device, epoch, quality = row
    at, of, known = from_epoch_s(at_s), quality & QUALITY, bool(quality & PRESUMED)
    return RegisterReading(point, at, float(value), device, epoch, of, kind, known)


def to_read(row: Row[Any], point: str, kind: ReadingType) -> RegisterReading:
    """Return what a row of register reads holds, of whichever table."""
    return _raw_read((row.at_s, row.value, row.end_device, row.epoch, row.quality), point, kind)
