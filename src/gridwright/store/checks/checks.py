"""Checks of a whole database: every block, series, sum and number computed anew; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridwrightError, StoreCorrupt
from gridwright.domain.image import Image
from gridwright.domain.month import month_days
from gridwright.store import schema
from gridwright.store.archive.archive import ARCHIVED, ArchivePart, find_part, load_parts
from gridwright.store.forget_days import old_days
from gridwright.store.forgotten import kept_from
from gridwright.store.journal.rows import unpack_entry
from gridwright.store.names import every_image
from gridwright.store.schema.field import device_link
from gridwright.store.schema.flow import data_key, journal, journal_aside
from gridwright.store.schema.trust import day_total
from gridwright.store.sealing.points import COLUMN, NOTHING
from gridwright.store.sealing.sealing import Sealing, is_sealed
from gridwright.store.session import Session, Unit

if TYPE_CHECKING:
    from gridwright.store.archive.file import Shelf
    from gridwright.store.checks.documents import DocumentRules

SHOWN = 10
SEALS = "what is plain, gridwright vault seal seals"
ANEW = (
    "bring the file back from a copy of the archive; the database has the month too: where there is no copy, delete "
    "what is left of the file, and gridwright archive run writes it anew"
)
AWAY = (
    "bring the files back from a copy of the archive: months that were dropped are not in the database; where there is "
    "no copy, a backup from before they were has their readings (gridwright backup restore, into an empty place)"
)
BACKUP = "compare the database with a backup; gridwright backup restore brings one into an empty place"
ASIDE = "gridwright journal lists what was put aside, has it tried again, or lets it go"
Progress = Callable[[int, int], None]
ShelfOf = Callable[[str], "Shelf"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check found: how much it looked at, how many faults, the first of them, and what helps.

    `without`: how many of what it looked at have nothing to be compared with.
    """

    name: str
    looked_at: int
    faults: int = 0
    first: tuple[str, ...] = ()
    remedy: str = ""
    without: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults


@dataclass(slots=True)
class Finder:
    """Counts what a check looks at and finds."""

    name: str
    remedy: str = BACKUP
    looked_at: int = 0
    faults: int = 0
    without: int = 0
    first: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Count a fault, and keep the first ones."""
        self.faults += 1
        if len(self.first) < SHOWN:
            self.first.append(text)

    def result(self) -> Checked:
        """Return what was found."""
        remedy = self.remedy if self.faults else ""
        return Checked(self.name, self.looked_at, self.faults, tuple(self.first), remedy, self.without)


class Checks:
    """The checks; each reads one consistent state."""

    def __init__(self, session: Session, sealing: Sealing) -> None:
        self._session = session
        self._sealing = sealing

    def rows(self, access: Access) -> int:
        """Return how many blocks there are, for telling the progress."""
        from gridwright.store.checks.blocks import count_blocks

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            return count_blocks(unit)

    def blocks(self, access: Access, progress: Callable[[int], None] = lambda _: None) -> list[Checked]:
        """Decode every block and earlier image, count the series, look for missing final images and at checksums."""
        from gridwright.store.checks.blocks import check_blocks

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            return [finder.result() for finder in check_blocks(unit, load_parts(unit), progress)]

    @contextmanager
    def steady(self, access: Access) -> Iterator[None]:
        """Let what is read within be of one state of the database, whoever writes meanwhile."""
        access.require(Act.ADMINISTER)
        with self._session.reading():
            yield

    def totalled(self, access: Access) -> dict[str, range]:
        """Return the reading types that have day totals, and the civil days that these or final images may bear on."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            images = every_image(unit)
            totals = _reach(unit, day_total.c.reading_type, day_total.c.day)
            blocks = _reach(unit, schema.block.c.reading_type, schema.block.c.day)
        found = {images[key][0].code: days for key, days in totals.items() if key in images}
        for key, days in blocks.items():
            kind, image = images.get(key, (None, Image.RAW))
            if kind is not None and image is Image.FINAL and kind.code in found:
                known = found[kind.code]
                # A UTC day has parts of two civil ones.
                found[kind.code] = range(min(known.start, days.start - 1), max(known.stop, days.stop + 1))
        return found

    def money(self, access: Access) -> list[Checked]:
        """Add up bills, their notes and the ledger, and look for gaps in the numbers and for notes that are missing."""
        from gridwright.store.checks import money, notes

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            sums = (money.check_bills, money.check_ledger, money.check_postings, money.check_numbers)
            return [check(unit).result() for check in (*sums, notes.check_notes, notes.check_corrected)]

    def documents(self, access: Access, rules: DocumentRules) -> list[Checked]:
        """Look at each bill and note line by line: amounts, keys and postings follow from what they are made of."""
        from gridwright.store.checks.documents import check_documents

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            return [finder.result() for finder in check_documents(unit, rules)]

    def told(self, access: Access) -> list[Checked]:
        """Hold bills, notes, payments, edits, acceptances and registers against what the audit chain tells of them."""
        from gridwright.store.checks import told_money, told_readings, told_registers

        access.require(Act.ADMINISTER)
        money = (told_money.check_told_documents, told_money.check_told_payments)
        decided = (told_readings.check_told_edits, told_readings.check_told_acceptances)
        with self._session.reading() as unit:
            return [check(unit).result() for check in (*money, *decided, told_registers.check_told_registers)]

    def rules(self, access: Access, digest_of: Callable[[str], tuple[str, str]]) -> Checked:
        """Look at each set of rules; `digest_of`: the digest and the version that a text gives."""
        from gridwright.store.checks.told_readings import check_rules

        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            return check_rules(unit, digest_of).result()

    def states(self, access: Access) -> Checked:
        """Look for states of bills, notes, edits, events, jobs, controls … that there are not."""
        from gridwright.store.checks.states import check_states

        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            return check_states(unit).result()

    def links(self, access: Access) -> list[Checked]:
        """Look for rows that refer to what is not there, and for earlier values that are out of order."""
        from gridwright.store.checks import links

        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            return [links.check_orphans(unit).result(), links.check_histories(unit).result()]

    def file(self, access: Access, *, deep: bool = False) -> Checked:
        """Let SQLite look at its own pages (with `deep`, at its indexes too); a server looks after its own."""
        access.require(Act.ADMINISTER)
        finder = Finder("database file")
        with self._session.reading(settled=False) as unit:  # nothing is to be folded into a file that is damaged
            if unit.dialect == "sqlite":
                pragma = "PRAGMA integrity_check" if deep else "PRAGMA quick_check"
                found = [str(row[0]) for row in unit.connection.exec_driver_sql(pragma)]
                finder.looked_at = 1
                for text in found if found != ["ok"] else ():
                    finder.fault(text)
        return finder.result()

    def journal(self, access: Access) -> Checked:
        """Read every row that waits in the journal as it would be folded, and name those that were put aside."""
        access.require(Act.ADMINISTER)
        finder = Finder("journal", ASIDE)
        with self._session.reading(settled=False) as unit:
            for key, size, content in unit.connection.execute(
                select(journal.c.id, journal.c.readings, journal.c.content)
            ):
                finder.looked_at += 1
                try:
                    found = unpack_entry(content).size
                except StoreCorrupt as error:
                    finder.fault(f"row {key}, {size} readings: {error.message}")
                else:
                    if found != size:
                        finder.fault(f"row {key}: {found} readings instead of {size}")
            aside = journal_aside.c
            for key, size, reason in unit.connection.execute(select(aside.id, aside.readings, aside.reason)):
                finder.looked_at += 1
                finder.fault(f"{size} readings were put aside as row {key}: {reason}")
        return finder.result()

    def sealed(self, access: Access) -> Checked:
        """Unwrap every data key, open every sealed row and secret of a device; under a key nothing may be plain."""
        access.require(Act.ADMINISTER)
        finder = Finder("sealed data", f"bring back the key file that belongs to this database; {SEALS}")
        table = schema.usage_point
        with self._session.reading() as unit:
            keys = unit.connection.execute(select(data_key.c.id, data_key.c.wrapped)).all()
            for key, wrapped in keys:
                self._open(finder, f"data key {key}", wrapped)
            secrets = select(device_link.c.serial, device_link.c.secret).where(device_link.c.secret.is_not(None))
            for serial, secret in unit.connection.execute(secrets).all():
                self._open(finder, f"password of device {serial}", secret)
            for code, stored in unit.connection.execute(select(table.c.code, table.c.attributes)).all():
                if is_sealed(stored):
                    finder.looked_at += 1
                    try:
                        self._sealing.open(unit, COLUMN, [(code, stored)])
                    except StoreCorrupt as error:
                        finder.fault(f"{code}: {error.message}")
                elif keys and stored != NOTHING:
                    finder.looked_at += 1
                    finder.fault(f"{code}: its attributes are plain, though there is a data key")
        return finder.result()

    def _open(self, finder: Finder, what: str, sealed: bytes) -> None:
        """Open what the master key has sealed; what does not open is a fault that names the key."""
        finder.looked_at += 1
        try:
            self._sealing.required().open(bytes(sealed))
        except GridwrightError as error:
            master = self._sealing.master
            key = master.key_of(bytes(sealed)) if master is not None else ""
            finder.fault(f"{what}{f' (master key {key})' if key else ''}: {error.message}")

    def archive(self, access: Access, shelf_of: ShelfOf, *, deep: bool = False) -> Checked:
        """Compare the archive's files with their registered checksum, and with `deep` every row in them."""
        access.require(Act.ADMINISTER)
        finder = Finder("archive files", ANEW)
        with self._session.reading() as unit:
            parts: Iterable[ArchivePart] = load_parts(unit)
            kept = kept_from(unit)
        for part in (each for each in parts if month_days(each.month).start >= kept):
            finder.looked_at += 1
            fault = _fault_of(part, shelf_of, deep=deep)
            if fault:
                # Whoever archives a changed month anew removes the old file: then the new one counts.
                with self._session.reading() as unit:
                    now = find_part(unit, part.kind, part.month)
                if now != part:
                    fault = "" if now is None else _fault_of(now, shelf_of, deep=deep)
            if fault:
                finder.fault(fault)
                finder.remedy = finder.remedy if part.state == ARCHIVED else AWAY
        return finder.result()

    def forgotten(self, access: Access) -> list[Checked]:
        """Tell until when readings were forgotten, and whether any is left of that time; nothing where none were."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            first = kept_from(unit)
            days, parts = old_days(unit, range(first)), load_parts(unit)
        if not first:
            return []
        finder = Finder(f"readings forgotten until {date_of(first)}", "gridwright retention run goes on with it")
        finder.looked_at = first
        for day in days:
            finder.fault(f"{date_of(day)}: readings are there, though those before {date_of(first)} were forgotten")
        for part in (each for each in parts if month_days(each.month).start < first):
            finder.fault(f"{part}: it is in the archive, though readings before {date_of(first)} were forgotten")
        return [finder.result()]

    def archived(self, access: Access, shelf_of: ShelfOf, *, deep: bool = False) -> Checked:
        """Count the days of the months that the database holds besides the archive; `deep`: compare them row by row."""
        from gridwright.store.checks.archived import compare_month, count_month

        access.require(Act.ADMINISTER)
        finder = Finder("archived months", "gridwright archive restore MONTH brings missing days back; else " + BACKUP)
        with self._session.reading() as unit:
            parts, kept = load_parts(unit), kept_from(unit)
        for part in (each for each in parts if month_days(each.month).start >= kept):
            with self._session.reading() as unit:
                count_month(unit, finder, part)
                if deep:
                    compare_month(unit, finder, part, shelf_of)
        return finder.result()


def _reach(unit: Unit, kind: Any, day: Any) -> dict[int, range]:  # noqa: ANN401 - columns
    """Return for each reading type of a table the days from the first to the last."""
    query = select(kind, func.min(day), func.max(day)).group_by(kind)
    return {int(key): range(first, last + 1) for key, first, last in unit.connection.execute(query)}


def _fault_of(part: ArchivePart, shelf_of: ShelfOf, *, deep: bool) -> str:
    """Return what is wrong with the files of a month, empty for nothing."""
    from gridwright.store.archive.moving import check_file
    from gridwright.store.archive.writing import require_whole

    try:
        shelf = shelf_of(part.address)
        if deep:
            check_file(shelf, part)
        else:
            require_whole(shelf, part.name, part.sha256)
    except GridwrightError as error:
        place = f" {error.where}:" if error.where else ""
        return f"{part}:{place} {error.message}"
    return ""
