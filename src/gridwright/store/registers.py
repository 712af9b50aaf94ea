"""Register readings: cumulative counters at irregular instants, never overwritten, only superseded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.blocks import lock_points
from gridwright.store.instant import to_seconds, to_us
from gridwright.store.names import FEW, Names
from gridwright.store.saving import SaveSummary
from gridwright.store.session import Session, Unit

Key = tuple[int, int, int, int]
KEY = ("usage_point", "reading_type", "at_s", "epoch")
CONTENT = ("value", "end_device", "quality")
_ONE = "SELECT at_s, value, end_device, epoch, quality FROM register_reading WHERE usage_point = ? AND reading_type = ?"
_BEFORE = f"{_ONE} AND at_s <= ? ORDER BY at_s DESC, epoch DESC LIMIT 1"
_AFTER = f"{_ONE} AND at_s > ? ORDER BY at_s, epoch LIMIT 1"


class Registers:
    """Cumulative register reads."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime) -> SaveSummary:
        """Add reads; another value at the same instant and epoch supersedes, the same again changes nothing."""
        access.require(Act.WRITE_READINGS)
        these = list(reads)
        for read in these:
            access.require(Act.WRITE_READINGS, read.usage_point)
        with self._session.writing() as unit:
            rows = self._rows(unit, these, to_us(known_at))
            lock_points(unit, sorted({key[0] for key in rows}))
            old = _stored(unit, rows)
            new = [row for key, row in rows.items() if key not in old]
            changed = [_next(row, old[key]) for key, row in rows.items() if key in old and _differs(row, old[key])]
            if new:
                unit.connection.execute(insert(schema.register_reading), new)
            _supersede(unit, changed, old)
            if new or changed:
                names = {read.usage_point for read in these}
                subject = names.pop() if len(names) == 1 else f"{len(names)} usage points"
                at = self._session.clock()
                counts = {"registers_new": len(new), "registers_changed": len(changed)}
                note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, **counts)
        return SaveSummary(len(new), len(changed), len(rows) - len(new) - len(changed), len(rows))

    def load(
        self, access: Access, point: str, period: Interval, reading_type: ReadingType = DELIVERED_REGISTER
    ) -> tuple[RegisterReading, ...]:
        """Return the reads of one usage point within `period`, both ends included, in order of time and epoch."""
        access.require(Act.READ, point)
        table = schema.register_reading
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            kind = self._names.type_key(unit, reading_type)
            query = select(table).where(table.c.usage_point == key, table.c.reading_type == kind)
            query = query.where(table.c.at_s.between(to_seconds(period.start), to_seconds(period.end)))
            rows = unit.connection.execute(query.order_by(table.c.at_s, table.c.epoch)).all()
        return tuple(_to_read(row, point, reading_type) for row in rows)

    def neighbours(
        self, access: Access, moments: Mapping[str, tuple[datetime, datetime]], reading_type: ReadingType
    ) -> dict[str, tuple[RegisterReading | None, RegisterReading | None]]:
        """Return for each usage point the last read up to one instant, and the first one after the other."""
        access.require(Act.READ)
        for point in moments:
            access.require(Act.READ, point)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            if kind is None:
                return dict.fromkeys(moments, (None, None))
            keys = self._names.point_keys(unit, list(moments))
            before, after = unit.placed(_BEFORE), unit.placed(_AFTER)
            found = {}
            with unit.cursor() as cursor:
                for key, (point, (since, until)) in zip(keys, moments.items(), strict=True):
                    cursor.execute(before, (key, kind, epoch_s(since)))
                    one = cursor.fetchone()
                    cursor.execute(after, (key, kind, epoch_s(until)))
                    rows = (one, cursor.fetchone())
                    one_read, other = (None if row is None else _raw_read(row, point, reading_type) for row in rows)
                    found[point] = (one_read, other)
        return found

    def _rows(self, unit: Unit, reads: Sequence[RegisterReading], known_at_us: int) -> dict[Key, dict[str, Any]]:
        """Return the rows by key; of two reads with one key the later in the sequence counts."""
        points = self._names.point_keys(unit, [read.usage_point for read in reads])
        rows = {}
        for point, read in zip(points, reads, strict=True):
            key = (point, self._names.make_type_key(unit, read.reading_type), to_seconds(read.at), read.epoch)
            content = (_whole(read), read.end_device, read.quality)
            rows[key] = dict(zip((*KEY, *CONTENT), (*key, *content), strict=True))
            rows[key] |= {"known_at_us": known_at_us, "revision": 1}
        return rows


def _whole(read: RegisterReading) -> int:
    if not float(read.value).is_integer():
        raise InputError(
            f"register value {read.value!r} is not a whole count",
            where=f"usage point {read.usage_point}, {read.at.isoformat()}",
            remedy="give the reading type a finer exponent",
        )
    return int(read.value)


def _stored(unit: Unit, rows: dict[Key, dict[str, Any]]) -> dict[Key, Row[Any]]:
    table = schema.register_reading
    points = sorted({key[0] for key in rows})
    stored: dict[Key, Row[Any]] = {}
    for at in range(0, len(points), FEW):
        query = select(table).where(table.c.usage_point.in_(points[at : at + FEW]))
        instants = [key[2] for key in rows]
        found = unit.connection.execute(query.where(table.c.at_s.between(min(instants), max(instants))))
        stored |= {(row.usage_point, row.reading_type, row.at_s, row.epoch): row for row in found}
    return stored


def _differs(row: dict[str, Any], old: Row[Any]) -> bool:
    return any(row[name] != getattr(old, name) for name in CONTENT)


def _next(row: dict[str, Any], old: Row[Any]) -> dict[str, Any]:
    return {**row, "revision": old.revision + 1, "known_at_us": max(row["known_at_us"], old.known_at_us)}


def _supersede(unit: Unit, changed: Sequence[dict[str, Any]], old: dict[Key, Row[Any]]) -> None:
    if not changed:
        return
    before = [old[(row["usage_point"], row["reading_type"], row["at_s"], row["epoch"])] for row in changed]
    unit.connection.execute(insert(schema.register_version), [dict(row._mapping) for row in before])  # noqa: SLF001
    table = schema.register_reading
    where = [table.c[name] == bindparam(f"the_{name}") for name in KEY]
    fresh = ("value", "end_device", "quality", "known_at_us", "revision")
    statement = update(table).where(*where).values({name: bindparam(f"new_{name}") for name in fresh})
    values = [
        {f"the_{name}": row[name] for name in KEY} | {f"new_{name}": row[name] for name in fresh} for row in changed
    ]
    unit.connection.execute(statement, values)


def _raw_read(row: tuple[Any, ...], point: str, kind: ReadingType) -> RegisterReading:
    at_s, value, device, epoch, quality = row
    return RegisterReading(point, from_epoch_s(at_s), float(value), device, epoch, quality, kind)


def _to_read(row: Row[Any], point: str, kind: ReadingType) -> RegisterReading:
    return RegisterReading(
        usage_point=point,
        at=from_epoch_s(row.at_s),
        value=float(row.value),
        end_device=row.end_device,
        epoch=row.epoch,
        quality=row.quality,
        reading_type=kind,
    )
