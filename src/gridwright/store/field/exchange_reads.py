"""The register reads that meter exchanges wrote, and those that were withdrawn: on record, and counting no more."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from gridwright.domain.access import Access, Act
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.store import schema
from gridwright.store.instant import to_seconds
from gridwright.store.names import FEW, Names, every_type
from gridwright.store.register_marks import BY_EXCHANGE, MOVED, WITHDRAWN
from gridwright.store.registers import Registers, to_read
from gridwright.store.session import Session, Unit

NOW, EARLIER = schema.register_reading, schema.register_version


@dataclass(frozen=True, slots=True)
class WrittenRead:
    """A read as an exchange wrote it, and the one that counted in its place before, if any did."""

    read: RegisterReading
    earlier: RegisterReading | None = None


class ExchangeReads:
    """What an exchange adds to the registers, and how it is taken back."""

    def __init__(self, session: Session, names: Names, registers: Registers) -> None:
        self._session = session
        self._names = names
        self._registers = registers

    def save(self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime) -> None:
        """Add the reads of an exchange; they count as any other, and are known as its own."""
        self._registers.save(access, reads, known_at=known_at, mark=BY_EXCHANGE)

    def written(self, access: Access, point: str, at: datetime) -> tuple[WrittenRead, ...]:
        """Return what the exchange at an instant wrote and nobody has read over since."""
        access.require(Act.READ, point)
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            query = select(NOW).where(NOW.c.usage_point == key, NOW.c.at_s == to_seconds(at))
            query = query.where(NOW.c.quality >= BY_EXCHANGE, NOW.c.quality < WITHDRAWN)
            rows = unit.connection.execute(query.order_by(NOW.c.reading_type, NOW.c.epoch)).all()
            kinds = every_type(unit) if rows else {}
            return tuple(_written(unit, row, point, kinds[row.reading_type]) for row in rows)

    def take_back(self, access: Access, these: Sequence[WrittenRead], *, known_at: datetime) -> None:
        """Let what was known before the exchange count again, and what only the exchange told no more."""
        gone = [each.read for each in these if each.earlier is None]
        self._registers.save(access, gone, known_at=known_at, mark=BY_EXCHANGE | WITHDRAWN)
        self._registers.save(access, [each.earlier for each in these if each.earlier], known_at=known_at)

    def withdraw(self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime) -> None:
        """Let reads count no more; they stay on record."""
        self._registers.save(access, reads, known_at=known_at, mark=WITHDRAWN)

    def take_out(self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime) -> None:
        """Let reads count no more at their place, as they count at another one, or under another meter."""
        self._registers.save(access, reads, known_at=known_at, mark=WITHDRAWN | MOVED)

    def withdrawn(self, access: Access, point: str, serial: str, since: datetime) -> tuple[RegisterReading, ...]:
        """Return the reads of a meter from an instant on that were withdrawn because it did not hang there."""
        access.require(Act.READ, point)
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            query = select(NOW).where(NOW.c.usage_point == key, NOW.c.quality >= WITHDRAWN)
            query = query.where(NOW.c.end_device == serial, NOW.c.at_s >= to_seconds(since))
            rows = unit.connection.execute(query.order_by(NOW.c.reading_type, NOW.c.at_s, NOW.c.epoch)).all()
            kinds = every_type(unit) if rows else {}
        return tuple(
            to_read(row, point, kinds[row.reading_type]) for row in rows if not row.quality & (BY_EXCHANGE | MOVED)
        )

    def move(self, access: Access, moves: Sequence[tuple[RegisterReading, int]], *, known_at: datetime) -> None:
        """Let each read count in another epoch: (read, its epoch from now on); those of exchanges stay theirs."""
        # Who may write reads need not see them: a device whose read moves others does not.
        for read, _ in moves:
            access.require(Act.WRITE_READINGS, read.usage_point)
        written = self._written_at({read.usage_point for read, _ in moves})
        self.take_out(access, [read for read, _ in moves], known_at=known_at)
        for mark in (0, BY_EXCHANGE):
            mine = [(read, epoch) for read, epoch in moves if (_place(read) in written) == bool(mark)]
            again = [replace(read, epoch=epoch) for read, epoch in mine]
            self._registers.save(access, again, known_at=known_at, mark=mark)

    def _written_at(self, points: Collection[str]) -> set[tuple[str, int, int]]:
        """Return usage point, instant and epoch of what exchanges wrote and nobody has read over since."""
        with self._session.reading() as unit:
            keys = dict(zip(self._names.point_keys(unit, list(points)), points, strict=True))
            query = select(NOW.c.usage_point, NOW.c.at_s, NOW.c.epoch)
            query = query.where(NOW.c.quality >= BY_EXCHANGE, NOW.c.quality < WITHDRAWN)
            several = sorted(keys)
            parts = (NOW.c.usage_point.in_(several[at : at + FEW]) for at in range(0, len(several), FEW))
            rows = [row for part in parts for row in unit.connection.execute(query.where(part))]
        return {(keys[row.usage_point], row.at_s, row.epoch) for row in rows}


def _place(read: RegisterReading) -> tuple[str, int, int]:
    return read.usage_point, to_seconds(read.at), read.epoch


def _written(unit: Unit, row: Row[Any], point: str, kind: ReadingType) -> WrittenRead:
    """Return a read with the newest earlier one at its place that no exchange wrote, if that one counted."""
    same = [EARLIER.c[name] == getattr(row, name) for name in ("usage_point", "reading_type", "at_s", "epoch")]
    query = select(EARLIER).where(*same).order_by(EARLIER.c.revision.desc())
    before = next((old for old in unit.connection.execute(query) if not old.quality & BY_EXCHANGE), None)
    counted = before is not None and before.quality < WITHDRAWN
    return WrittenRead(to_read(row, point, kind), to_read(before, point, kind) if before and counted else None)
