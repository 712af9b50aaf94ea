"""What may be forgotten once it is old: findings that resolved themselves, what is in quarantine, and readings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Table, delete, func, or_, select

from gridwright.domain.access import Access, Act
from gridwright.domain.calendar import date_of
from gridwright.domain.month import month_days, month_name, month_of_day
from gridwright.store.archive.archive import ArchivePart, kinds_of, load_parts
from gridwright.store.archive.sql import point_codes, why_not_closed
from gridwright.store.audit import note
from gridwright.store.days.recounting import MOVED
from gridwright.store.forget_days import begin_at, forget_day, old_days, recount_series
from gridwright.store.forgotten import kept_from, move_limit
from gridwright.store.instant import to_us
from gridwright.store.old_rows import OldRows, old_rows
from gridwright.store.schema import finding
from gridwright.store.schema.field import device_event, quarantined_reading
from gridwright.store.session import Session

if TYPE_CHECKING:
    from gridwright.store.archive.file import Shelf

COUNTED = "SELECT usage_point, COUNT(*) FROM block WHERE reading_type = ? AND day >= ? AND day < ? GROUP BY usage_point"
TOGETHER = 20_000  # rows of one transaction: writers wait no longer than for these


class Retention:
    """Forgets; what it was and how much of it stands in the audit chain, which itself forgets nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def forget_findings(self, access: Access, *, before: datetime) -> int:
        """Drop findings that resolved themselves before an instant; those that a person decided on are kept."""
        return self._forget(access, finding, _old_findings(before), "findings", before)

    def forget_quarantine(self, access: Access, *, before: datetime) -> int:
        """Drop readings of unknown meters: claimed before an instant, or received before it and never claimed.

        So go events that were received before it and still have no usage point, waiting or let go.
        """
        gone = self._forget(access, quarantined_reading, _old_quarantine(before), "quarantine", before)
        return gone + self._forget(access, device_event, _old_events(before), "quarantined events", before)

    def old_findings(self, access: Access, *, before: datetime) -> list[OldRows]:
        """Return what `forget_findings` would drop, by the day on which they resolved themselves."""
        return old_rows(self._session, access, finding, (_old_findings(before), finding.c.resolved_at_us))

    def old_quarantine(self, access: Access, *, before: datetime) -> list[OldRows]:
        """Return what `forget_quarantine` would drop, by the day of their claim, or else of their receipt."""
        c = quarantined_reading.c
        by = func.coalesce(c.claimed_us, c.received_us)
        readings = old_rows(self._session, access, quarantined_reading, (_old_quarantine(before), by))
        events = old_rows(self._session, access, device_event, (_old_events(before), device_event.c.known_at_us))
        return readings + events

    def kept_from(self, access: Access) -> int:
        """Return the first UTC day, as a number, of which interval readings are kept; 0: none were ever forgotten."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            return kept_from(unit)

    def months_of_readings(self, access: Access, before: int) -> list[int]:
        """Return the months before a month of which readings are in the database or registered in the archive."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            days = old_days(unit, range(month_days(before).start))
            archived = {part.month for part in load_parts(unit) if 0 < part.month < before}
        return sorted(archived | {month_of_day(date_of(day)) for day in days})

    def month_waits(self, access: Access, month: int) -> str:
        """Tell why a month is not forgotten yet, empty when it may be: changes of it that nobody dealt with."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            raw = [None, *(key for key, kind in kinds_of(unit).items() if kind.image == "raw")]
            told = (why_not_closed(unit, kind, month) for kind in raw)
            return next((why for why in told if why), "")

    def points_of_month(self, access: Access, month: int) -> tuple[int, set[str]]:
        """Return how many current images the database has of a month, and the usage points they are of."""
        access.require(Act.ADMINISTER)
        days = month_days(month)
        with self._session.reading() as unit:
            found = [row for kind in kinds_of(unit) for row in unit.fetch(COUNTED, (kind, days.start, days.stop))]
            codes = point_codes(unit) if found else {}
        return sum(int(many) for _, many in found), {codes[point] for point, _ in found if point in codes}

    def move_limit(self, access: Access, before: int) -> bool:
        """Keep readings from a month on alone, from now on; the limit never moves back. Tells whether it moved."""
        access.require(Act.ADMINISTER)
        with self._session.writing() as unit:  # settled: what was acknowledged before is stored, and forgotten with it
            at = self._session.clock()
            moved = move_limit(unit, month_days(before).start, to_us(at))
            if moved:
                begin_at(unit, kept_from(unit))
                note(unit, access, Act.ADMINISTER, subject="readings", at=at, kept_from=month_name(before))
        return moved

    def forget_month(self, access: Access, month: int) -> int:
        """Delete the images of a month that is past the limit, a day at a time; returns how many readings they had."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            days, limit = old_days(unit, month_days(month)), kept_from(unit)
        readings = 0
        for day in (each for each in days if each < limit):
            with self._session.writing() as unit:
                gone = forget_day(unit, day)
                note(unit, access, Act.ADMINISTER, subject="readings", at=self._session.clock(),
                     forgotten_day=str(date_of(day)), **gone._asdict())  # fmt: skip
            readings += gone.readings
        return readings

    def forget_part(self, access: Access, part: ArchivePart, shelf_of: Callable[[str], Shelf], *, lost: bool) -> int:
        """Delete the files of a month past the limit from the archive, then its entry; returns how many files.

        `lost`: its file could not be brought back before, so that its series are counted anew.
        """
        from gridwright.store.archive.superseded import delete_all

        access.require(Act.ADMINISTER)
        gone = delete_all(part, shelf_of(part.address))
        with self._session.writing() as unit:
            unit.run_many(MOVED, [(part.kind, part.month)])
            if lost and part.image == "raw":
                recount_series(unit, part.kind, shelf_of)
            note(unit, access, Act.ADMINISTER, subject=f"archive {part}"[:400], at=self._session.clock(),
                 what="forgotten", files=gone, blocks=part.blocks, readings=part.readings)  # fmt: skip
        return gone

    def _forget(self, access: Access, table: Table, old: ColumnElement[bool], what: str, before: datetime) -> int:
        access.require(Act.ADMINISTER)
        gone = 0
        while True:
            with self._session.writing() as unit:
                some = select(table.c.id).where(old).order_by(table.c.id).limit(TOGETHER)
                numbers = list(unit.connection.execute(some).scalars())
                if not numbers:
                    return gone
                # Between its first and its last number, for lists of numbers are limited.
                within = table.c.id.between(numbers[0], numbers[-1])
                done = unit.connection.execute(delete(table).where(old, within)).rowcount
                at = self._session.clock()
                note(unit, access, Act.ADMINISTER, subject=what, at=at, forgotten=done, before=before.isoformat())
            gone += done


def _old_findings(before: datetime) -> ColumnElement[bool]:
    c = finding.c
    return (c.resolved_at_us < to_us(before)) & c.resolution.is_(None) & c.resolved_by.is_(None)


def _old_events(before: datetime) -> ColumnElement[bool]:
    c = device_event.c
    return c.usage_point.is_(None) & (c.known_at_us < to_us(before))


def _old_quarantine(before: datetime) -> ColumnElement[bool]:
    c, at_us = quarantined_reading.c, to_us(before)
    return or_(c.claimed_us < at_us, c.claimed_us.is_(None) & (c.received_us < at_us))
