"""The archive: closed months as Parquet outside the database, registered, dropped only when verified, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import Conflict, NotFound, StoreCorrupt
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.month import month_days, month_name, month_of_day
from gridwright.domain.reading_type import from_code
from gridwright.store.archive import sql
from gridwright.store.archive.reading import ArchiveReader, AwayMonth
from gridwright.store.audit import note
from gridwright.store.instant import from_us, from_us_if, to_us
from gridwright.store.journal.aside import aside_of, try_again
from gridwright.store.names import Names, every_image
from gridwright.store.schema.flow import archive_part as table
from gridwright.store.session import Session, Unit

if TYPE_CHECKING:
    from gridwright.store.archive.file import Listed, Shelf
    from gridwright.store.archive.rows import Kind

ARCHIVED, DROPPING, DROPPED, RESTORING = "archived", "dropping", "dropped", "restoring"
EVERY_STATE = (ARCHIVED, DROPPING, DROPPED, RESTORING)
AGAIN = "wait until it has done so (gridwright archive list tells), and call it again"
SHORT = "days are missing in the database that its archive file has"
SHORT_HELPS = f"{SHORT}: gridwright archive restore {{}} brings them back"
FOLDER = "/readings/"
DAY_US = DAY_S * 1_000_000
Progress = Callable[[int], None]
ShelfOf = Callable[[str], "Shelf"]
# The part, the UTC day, the ids of usage points, and when.
Again = Callable[["ArchivePart", int, Sequence[str], datetime], None]


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A month of one series kind in the archive: where, how much, and whether the database still has it too.

    `total`: sum of all values in counts; `kind`: key of reading type and image; `month`: see `domain.month`.
    """

    kind: int
    code: str
    image: str
    month: int
    place: str
    sha256: str
    blocks: int
    readings: int
    total: int
    revisions: int
    state: str
    archived_at: datetime
    dropped_at: datetime | None

    @property
    def address(self) -> str:
        """The folder of the archive."""
        return self.place.rpartition(FOLDER)[0]

    @property
    def name(self) -> str:
        """The file in that folder."""
        return self.place.removeprefix(self.address + "/")

    def is_forerunner(self, name: str) -> bool:
        """Tell whether a file is one of the same series and month, but not this one."""
        stem = self.name.rpartition("-")[0].removeprefix("readings/")
        return name != self.name and name.rpartition("-")[0].partition("/")[2] == stem

    def __str__(self) -> str:
        return f"{month_name(self.month)} {self.code} ({self.image})"


@dataclass(frozen=True, slots=True)
class OpenMonth:
    """A month of one kind that is in the database: its blocks, whether its archive file is current, why it waits.

    `sha256`: of its file as it is registered, empty where there is none.
    """

    kind: int
    code: str
    image: str
    month: int
    blocks: int
    is_archived: bool
    waits_for: str
    sha256: str

    def __str__(self) -> str:
        return f"{month_name(self.month)} {self.code} ({self.image})"


class Archive:
    """Closed months outside the database."""

    def __init__(self, session: Session, names: Names, reader: ArchiveReader | None = None) -> None:
        self._session = session
        self._reader = reader or ArchiveReader(names)

    def parts(self, access: Access) -> tuple[ArchivePart, ...]:
        """Return what is in the archive, by month."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            return load_parts(unit)

    def away(self, access: Access, period: Interval) -> tuple[ArchivePart, ...]:
        """Return what of a period is no longer, or not wholly, in the database, by month; whoever reads may ask."""
        access.require(Act.READ)
        first, last = to_us(period.start) // DAY_US, -(-to_us(period.end) // DAY_US)
        overlaps = (table.c.from_day < last, table.c.to_day > first)
        query = select(table).where(table.c.state != ARCHIVED, *overlaps).order_by(table.c.month, table.c.reading_type)
        with self._session.reading() as unit:
            rows = unit.connection.execute(query).all()
            kinds = kinds_of(unit) if rows else {}
        return tuple(_to_part(row, kinds) for row in rows)

    def require_readable(self, access: Access, parts: Iterable[ArchivePart]) -> None:
        """Raise ArchiveUnreadable where the file of a part is gone, changed or out of reach; whoever reads may ask."""
        access.require(Act.READ)
        for part in parts:
            month = AwayMonth(part.month, 0, 0, part.place, part.sha256)
            self._reader.require_readable(month, told=access.points is None)

    def months(self, access: Access, before: int) -> tuple[OpenMonth, ...]:
        """Return the months before `before` of which the database holds blocks, by month."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            parts = {(part.kind, part.month): part for part in load_parts(unit)}
            found = [each for kind in kinds_of(unit).values() for each in _months_of(unit, kind, before, parts)]
        return tuple(sorted(found, key=lambda each: (each.month, each.kind)))

    def write(
        self, access: Access, month: OpenMonth, shelf: Shelf, *, progress: Progress = lambda _: None
    ) -> ArchivePart:
        """Write a month to the archive, read it back, compare, and register it; a changed one gets a new file.

        One consistent state is written; changes that come meanwhile make the month one that is not archived yet. One
        that another process archived or began to drop since it was listed is a Conflict. The file before stays, see
        `superseded`: backups and restored copies name it, and may have nothing else.
        """
        from gridwright.store.archive.writing import MonthSource, write_month

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            found = _require_as_listed(unit, month)  # in the state that is written: none of its days is gone
            if found is not None and is_short(unit, found):
                raise Conflict(f"{month}: {SHORT}", remedy=f"gridwright archive restore {month_name(month.month)}")
            source = MonthSource(unit, kinds_of(unit)[month.kind], month.month, sql.point_codes(unit))
            written = write_month(source, shelf, progress)
        with self._session.writing(settled=False) as unit:
            _require_as_listed(unit, month)
            days = month_days(month.month)
            values = {**written, "from_day": days.start, "to_day": days.stop, "state": ARCHIVED}
            values |= {"archived_us": to_us(self._session.clock()), "dropped_us": None}
            _register(unit, month, values)
            part = find_part(unit, month.kind, month.month)
            assert part is not None  # noqa: S101 - it was written two lines above
            note(unit, access, Act.ADMINISTER, subject=f"archive {part}"[:400], at=part.archived_at,
                 place=part.place, blocks=part.blocks, sha256=part.sha256)  # fmt: skip
        return part

    def prune(
        self, access: Access, before: datetime, shelf_of: ShelfOf, *, dry_run: bool = False
    ) -> tuple[tuple[Listed, ...], tuple[StoreCorrupt, ...]]:
        """Delete files that newer ones have stood for since before an instant; returns them, and why others stay."""
        from gridwright.store.archive.superseded import superseded

        looked = list(superseded(self.parts(access), shelf_of, before))
        files = tuple(one for one in looked if not isinstance(one, StoreCorrupt))
        if files and not dry_run:
            for one in files:
                shelf_of(one.address).remove(one.name)
            with self._session.writing() as unit:
                size = sum(one.bytes for one in files)
                note(unit, access, Act.ADMINISTER, subject=f"{len(files)} superseded files of the archive",
                     at=self._session.clock(), what="deleted", bytes=size)  # fmt: skip
        return files, tuple(one for one in looked if isinstance(one, StoreCorrupt))

    def drop(
        self, access: Access, part: ArchivePart, shelf: Shelf, *, progress: Progress = lambda _: None
    ) -> ArchivePart:
        """Remove a month from the database, after its file was read back and found to hold exactly that.

        A month that changed since is a Conflict, and stays whole; so is one that another process brings back
        meanwhile. Interrupted, it goes on where it stopped.
        """
        from gridwright.store.archive.moving import check_file, drop_day, file_days

        access.require(Act.ADMINISTER)
        check_file(shelf, part)
        with self._moving(part, DROPPING, ARCHIVED, DROPPED) as (unit, now):
            if now.state == DROPPED:
                return now
            _begin_drop(unit, now)
            codes = sql.point_codes(unit)
        keys = {code: key for key, code in codes.items()}
        for day in file_days(shelf, part, keys):
            with self._moving(part, DROPPING, DROPPED) as (unit, now):
                if now.state == DROPPED:  # by another process
                    return now
                is_as_archived = drop_day(unit, part, day, codes)
            if not is_as_archived:
                self.restore(access, part, shelf)
                raise Conflict(
                    f"{date_of(day.day)} of {part} changed since it was archived, and was not dropped",
                    remedy="the month is whole in the database; gridwright archive run archives it anew",
                )
            progress(len(day.rows))
        return self._ended(access, part, DROPPING, DROPPED)

    def restore(
        self,
        access: Access,
        part: ArchivePart,
        shelf: Shelf,
        *,
        progress: Progress = lambda _: None,
        again: Again | None = None,
    ) -> ArchivePart:
        """Bring a dropped month back, row for row; what came in late meanwhile is laid over it. Resumable.

        What was put aside is tried again, and late readings on another grid than was archived are put aside. `again`:
        what else is to be done, in its transaction, about a day and the usage points of which something came in late.

        Whoever drops it at this moment gives up; two that bring it back at once do so together.
        """
        from gridwright.store.archive.moving import check_file, every_day, file_days, restore_day

        access.require(Act.ADMINISTER)
        check_file(shelf, part)
        with self._moving(part, *EVERY_STATE) as (unit, now):
            if now.state == ARCHIVED and not is_short(unit, now):
                return now
            codes = sql.point_codes(unit)
            keys = {code: key for key, code in codes.items()}
            _set_state(unit, part, RESTORING)
        for day in every_day(file_days(shelf, part, keys), month_days(part.month)):
            with self._moving(part, RESTORING, ARCHIVED) as (unit, now):
                if now.state == ARCHIVED:  # another process was faster
                    return now
                at = self._session.clock()
                late = restore_day(unit, part, day, to_us(at))
                if late and again is not None:
                    again(part, day.day, [codes[key] for key in late], at)
            if day.rows:
                progress(len(day.rows))
        return self._ended(access, part, RESTORING, ARCHIVED)

    def move(self, access: Access, part: ArchivePart, to: Shelf, shelf_of: ShelfOf) -> int:
        """Let the files of a part count at another address, where they are whole, or copied to; returns how many were.

        Those before stay where they are. One that was archived anew or moved meanwhile is a Conflict.
        """
        from gridwright.store.archive.copying import bring_files

        access.require(Act.ADMINISTER)
        copied, place = bring_files(part, shelf_of, to), f"{to.address}/{part.name}"
        with self._session.writing(settled=False) as unit:
            now = find_part(unit, part.kind, part.month, lock=True)
            if now is None or (now.sha256, now.place) != (part.sha256, part.place):
                raise Conflict(f"another process works on {part}: it is in another file now", remedy=AGAIN)
            unit.connection.execute(update(table).where(*_is(part)).values(place=place))
            note(unit, access, Act.ADMINISTER, subject=f"archive {part}"[:400], at=self._session.clock(), what="moved",
                 place=place, before=part.place)  # fmt: skip
        return copied

    def lacking(self, access: Access, month: int) -> tuple[ArchivePart, ...]:
        """Return the parts of a month of which the database has not all days."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            parts = [part for part in load_parts(unit) if part.month == month]
            return tuple(part for part in parts if part.state != ARCHIVED or is_short(unit, part))

    def wanted_back(self, access: Access) -> tuple[ArchivePart, ...]:
        """Return what is nowhere but in the archive, and is needed for changes that wait to be dealt with.

        Late readings need the months that they are judged with, bills to rate again all their months.
        """
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            gone = [part for part in load_parts(unit) if part.state != ARCHIVED]
            months = sql.wanted_months(unit) if gone else set()
        return tuple(part for part in gone if part.month in months)

    @contextmanager
    def _moving(self, part: ArchivePart, *states: str) -> Iterator[tuple[Unit, ArchivePart]]:
        """Begin a transaction in which nobody else moves a part; its entry is in one of `states`, else a Conflict."""
        # The entry is the first lock of all: whoever waits for it holds no usage point that the other one needs.
        with self._session.writing(settled=False) as unit:
            now = find_part(unit, part.kind, part.month, lock=True)
            if now is None or now.sha256 != part.sha256:
                raise NotFound(
                    f"{part} is not in the register of the archive as given", remedy="gridwright archive list"
                )
            if now.state not in states:
                raise Conflict(f"another process works on {part}: it is {now.state} now", remedy=AGAIN)
            self._session.settle_within(unit)
            yield unit, now

    def _ended(self, access: Access, part: ArchivePart, before: str, state: str) -> ArchivePart:
        """Tell the register that a part is where it was to go, and return its entry."""
        with self._moving(part, before, state) as (unit, now):
            if now.state == state:
                return now
            if state == ARCHIVED and is_short(unit, now):
                raise Conflict(f"another process works on {part}: not all of its days are back", remedy=AGAIN)
            at = self._session.clock()
            aside = aside_of(unit, part.kind, month_days(part.month)) if state == ARCHIVED else ()
            _set_state(unit, part, state, dropped_us=to_us(at) if state == DROPPED else None)
            what = "dropped" if state == DROPPED else "restored"
            note(unit, access, Act.ADMINISTER, subject=f"archive {part}"[:400], at=at, what=what, blocks=part.blocks)
            try_again(unit, aside)
            self._session.settle_within(unit)
            found = find_part(unit, part.kind, part.month)
        assert found is not None  # noqa: S101 - nothing deletes it meanwhile
        return found


def _begin_drop(unit: Unit, part: ArchivePart) -> None:
    if part.state == DROPPING:
        return
    waits = sql.why_not_closed(unit, raw_of(unit, part.kind), part.month)
    if waits:
        raise Conflict(f"{part} is not dropped: {waits}", remedy="when that is done, drop it again")
    if sql.fingerprint(unit, part.kind, part.month) != (part.blocks, part.revisions):
        raise Conflict(f"{part} changed since it was archived", remedy="gridwright archive run, then drop it")
    _set_state(unit, part, DROPPING)


def _set_state(unit: Unit, part: ArchivePart, state: str, **more: int | None) -> None:
    unit.connection.execute(update(table).where(*_is(part)).values(state=state, **more))


def _is(part: ArchivePart) -> tuple[Any, Any]:
    return table.c.reading_type == part.kind, table.c.month == part.month


def is_short(unit: Unit, part: ArchivePart) -> bool:
    """Tell whether the database has fewer blocks of a month than were archived: only dropping takes any away."""
    return sql.fingerprint(unit, part.kind, part.month)[0] < part.blocks


def _require_as_listed(unit: Unit, month: OpenMonth) -> ArchivePart | None:
    """Return a month's entry in the register, locked by who writes; Conflict unless it is what it was when listed."""
    now = find_part(unit, month.kind, month.month, lock=unit.writes)
    there = ("", ARCHIVED) if now is None else (now.sha256, now.state)
    if there != (month.sha256, ARCHIVED):
        what = f"it is {now.state} now" if now is not None and now.state != ARCHIVED else "it was archived meanwhile"
        raise Conflict(f"another process works on {month}: {what}", remedy=AGAIN)
    return now


def kinds_of(unit: Unit) -> dict[int, Kind]:
    """Return every kind of series by its key."""
    from gridwright.store.archive.rows import Kind

    return {key: Kind(key, kind.code, str(image)) for key, (kind, image) in every_image(unit).items()}


def finer_kinds(kinds: Mapping[int, Kind], kind: int) -> list[int]:
    """Return those that mean the same in a finer resolution: what they have of a day is counted there alone."""
    own, image = from_code(kinds[kind].code), kinds[kind].image
    every = [(key, from_code(each.code)) for key, each in kinds.items() if each.image == image]
    return [key for key, each in every if each.exponent < own.exponent and each.finer(own.exponent) == own]


def raw_of(unit: Unit, kind: int) -> int | None:
    """Return the key of the raw image of a kind: changes are marked on that one."""
    kinds = kinds_of(unit)
    code = kinds[kind].code
    return next((key for key, each in kinds.items() if each.code == code and each.image == "raw"), None)


def load_parts(unit: Unit) -> tuple[ArchivePart, ...]:
    """Return the register of the archive."""
    kinds = kinds_of(unit)
    rows = unit.connection.execute(select(table).order_by(table.c.month, table.c.reading_type)).all()
    return tuple(_to_part(row, kinds) for row in rows)


def find_part(unit: Unit, kind: int, month: int, *, lock: bool = False) -> ArchivePart | None:
    """Return one entry of the register; `lock`: until the transaction ends, nobody else changes it."""
    query = select(table).where(table.c.reading_type == kind, table.c.month == month)
    row = unit.connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _to_part(row, kinds_of(unit))


def _months_of(
    unit: Unit, kind: Kind, before: int, parts: Mapping[tuple[int, int], ArchivePart]
) -> Iterator[OpenMonth]:
    first = sql.first_day(unit, kind.key)
    raw = raw_of(unit, kind.key)
    for month in range(month_of_day(date_of(first)), before) if first is not None else ():
        part = parts.get((kind.key, month))
        if part is not None and part.state != ARCHIVED:
            continue
        blocks, revisions = sql.fingerprint(unit, kind.key, month)
        if blocks:
            current = part is not None and (part.blocks, part.revisions) == (blocks, revisions)
            lacks = part is not None and blocks < part.blocks
            waits = SHORT_HELPS.format(month_name(month)) if lacks else sql.why_not_closed(unit, raw, month)
            sha256 = part.sha256 if part is not None else ""
            yield OpenMonth(kind.key, kind.code, kind.image, month, blocks, current, waits, sha256)


def _register(unit: Unit, month: OpenMonth, values: dict[str, Any]) -> None:
    mine = (table.c.reading_type == month.kind, table.c.month == month.month)
    if not unit.connection.execute(update(table).where(*mine).values(values)).rowcount:
        unit.connection.execute(insert(table).values(reading_type=month.kind, month=month.month, **values))


def _to_part(row: Row[Any], kinds: Mapping[int, Kind]) -> ArchivePart:
    kind = kinds[row.reading_type]
    return ArchivePart(
        kind=kind.key,
        code=kind.code,
        image=kind.image,
        month=row.month,
        place=row.place,
        sha256=row.sha256,
        blocks=row.blocks,
        readings=row.readings,
        total=int(row.total),
        revisions=row.revisions,
        state=row.state,
        archived_at=from_us(row.archived_us),
        dropped_at=from_us_if(row.dropped_us),
    )
