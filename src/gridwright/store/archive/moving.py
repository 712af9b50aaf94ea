"""Months out of the database and back: each day one transaction, compared with the file row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import Conflict, GridMismatch, StoreCorrupt
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import from_code
from gridwright.store import dirty
from gridwright.store.archive import sql
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.archive.file import LOST, Shelf
from gridwright.store.archive.rows import StoredBlock, by_day, decode, to_blocks
from gridwright.store.archive.writing import read_tally, require_whole
from gridwright.store.days import blocks
from gridwright.store.days.history import read_states
from gridwright.store.days.incoming import Manner
from gridwright.store.days.outranked import tell_outranked
from gridwright.store.days.saving import PanelSaver
from gridwright.store.days.series import uncount
from gridwright.store.journal.rows import ASIDE, Entry, pack_entry
from gridwright.store.session import Unit

LATE = "archive restore"  # who puts aside what came in late: who sent it the audit trail tells


@dataclass(frozen=True, slots=True)
class FileDay:
    """A day out of the archive: its blocks with their names, and the earlier images of them."""

    day: int
    names: list[str]
    rows: list[StoredBlock]
    versions: list[StoredBlock]


def check_file(shelf: Shelf, part: ArchivePart) -> None:
    """Read the files of a part to their end: checksums, counts and sums as registered, or StoreCorrupt."""
    require_whole(shelf, part.name, part.sha256)
    footer = shelf.footer(part.name)
    tally = read_tally(shelf, part.name, {})
    registered = (part.blocks, part.readings, part.total, footer["checksum"])
    if (tally.blocks, tally.readings, tally.total, tally.checksum) != registered:
        raise StoreCorrupt("the archive file does not hold what it says", where=part.place, remedy=LOST)
    versions = footer["versions"]
    if versions is not None:
        require_whole(shelf, versions["name"], versions["sha256"])
        if read_tally(shelf, versions["name"], {}).checksum != versions["checksum"]:
            where = f"{shelf.address}/{versions['name']}"
            raise StoreCorrupt("the archive file does not hold what it says", where=where, remedy=LOST)


def file_days(shelf: Shelf, part: ArchivePart, keys: Mapping[str, int]) -> Iterator[FileDay]:
    """Yield the days of a part; a usage point that the database does not know is a Conflict."""
    versions = shelf.footer(part.name)["versions"]
    earlier = by_day(shelf.tables(versions["name"])) if versions else iter(())
    waiting = next(earlier, None)
    for day, table in by_day(shelf.tables(part.name)):
        names, rows = to_blocks(table, keys)
        unknown = next((name for name, row in zip(names, rows, strict=True) if row.usage_point < 0), None)
        if unknown is not None:
            raise Conflict(
                f"the archive holds readings of usage point {unknown}, which is not registered",
                where=part.place,
                remedy="add the usage point, or use the database that the archive belongs to",
            )
        old: list[StoredBlock] = []
        if waiting is not None and waiting[0] == day:
            old = to_blocks(waiting[1], keys)[1]
            waiting = next(earlier, None)
        yield FileDay(day, names, rows, old)


def drop_day(unit: Unit, part: ArchivePart, day: FileDay, codes: Mapping[int, str]) -> bool:
    """Delete a day that the file holds exactly, and return whether it did; one that is gone already is passed."""
    points = sql.points_of(day.rows)
    blocks.lock_points(unit, points)
    stored = sql.read_day(unit, sql.CURRENT, part.kind, day.day, codes).rows
    if not stored:
        return True
    earlier = sql.read_day(unit, sql.EARLIER, part.kind, day.day, codes).rows
    if stored != day.rows or earlier != day.versions:
        return False
    sql.delete_points(unit, sql.EARLIER, part.kind, day.day, sql.points_of(day.versions))
    sql.delete_points(unit, sql.CURRENT, part.kind, day.day, points)
    return True


def restore_day(unit: Unit, part: ArchivePart, day: FileDay, at_us: int) -> None:
    """Bring a day back, at an instant; readings that came in since it was dropped supersede the archived ones."""
    blocks.lock_points(unit, sql.points_of(day.rows))
    there = sql.read_day(unit, sql.CURRENT, part.kind, day.day, _Any()).rows
    stored = {row.usage_point: row for row in there}
    same = {row.usage_point for row in day.rows if stored.get(row.usage_point) == row}
    same |= _continued(unit, part, day, there)
    absent = [row for row in day.rows if row.usage_point not in same]
    if not absent:
        return
    names = {row.usage_point: name for name, row in zip(day.names, day.rows, strict=True)}
    late = [row.usage_point for row in absent if row.usage_point in stored]
    histories = {point: read_states(unit, part.kind, day.day, point) for point in late}
    for table in (sql.CURRENT, sql.EARLIER):
        sql.delete_points(unit, table, part.kind, day.day, late)
    sql.insert_rows(unit, sql.CURRENT, part.kind, day.day, absent)
    unit.laid.update((part.kind, day.day, row.slots, row.phase_s) for row in absent)
    back = {row.usage_point for row in absent}
    earlier = [row for row in day.versions if row.usage_point in back]
    sql.insert_rows(unit, sql.EARLIER, part.kind, day.day, earlier)
    for point, history in histories.items():
        if history is not None:
            _lay_over(unit, part, (day.day, names[point], point), history, at_us)


def _continued(unit: Unit, part: ArchivePart, day: FileDay, there: Sequence[StoredBlock]) -> set[int]:
    """Return the usage points of which the database still has what was archived, and more: they never left."""
    earlier = sql.read_day(unit, sql.EARLIER, part.kind, day.day, _Any()).rows
    images = {(row.usage_point, row.revision): row for row in (*earlier, *there)}
    pairs = ((row, images.get((row.usage_point, row.revision))) for row in day.rows)
    return {row.usage_point for row, image in pairs if image is not None and _grew(row, image, day.day)}


def _grew(before: StoredBlock, after: StoredBlock, day: int) -> bool:
    """Tell whether an image is another one, or that with slots added to it."""
    if (before.slots, before.phase_s) != (after.slots, after.phase_s):
        return False
    (values, quality, instants), now = decode(before, day), decode(after, day)
    there = ~np.isnan(values)
    pairs = ((values, now[0]), (quality, now[1]), (instants, now[2]))
    return all(np.array_equal(one[there], other[there]) for one, other in pairs)


def _lay_over(
    unit: Unit, part: ArchivePart, which: tuple[int, str, int], history: blocks.BlockRows, at_us: int
) -> None:
    """Save what came in late once more, state by state, over what was archived; of raw images a guess gives way.

    `which`: day, name and key of the usage point. What is of another interval length than was archived is put aside.
    """
    day, name, point = which
    key, new, counted, interval_s = np.array([point], np.int64), 0, 0, 0
    for at in range(history.key.size):
        one = history.take([at])
        slots, phase_s = blocks.shape_of(one.shape[0]).grid
        interval_s = DAY_S // slots
        start = from_epoch_s(day * DAY_S + phase_s)
        values, quality = one.values(slots), one.qualities(slots)
        panel = Panel((name,), start, timedelta(seconds=interval_s), values, quality, from_code(part.code))
        raw = part.image == Image.RAW
        how = Manner(ranked=raw, late=raw, regrids=not raw)
        saver = PanelSaver(unit, part.kind, panel, keys=key, known_at_us=one.known_at_us[0], how=how)
        try:
            saver.run()
        except GridMismatch as error:
            before = history.take([at - 1]) if at else None
            _put_aside(unit, part, (day, one, before), at_us, error)
        tell_outranked(unit, part.kind, panel, key, saver.outranked, known_at_us=saver.known_at_us)
        new, counted = new + int(saver.touched.new[0]), int(np.count_nonzero(~np.isnan(values)))
    if part.image == Image.RAW:
        dirty.mark(unit, part.kind, key, np.array([day]), np.array([day + 1]))
        # The late readings were counted as new when they came, also those that the archive has.
        uncount(unit, part.kind, interval_s, key, np.array([counted - new]))


def _put_aside(
    unit: Unit,
    part: ArchivePart,
    state: tuple[int, blocks.BlockRows, blocks.BlockRows | None],
    at_us: int,
    reason: GridMismatch,
) -> None:
    """Put aside what a state of a day has that the one before had not; what was taken back says nothing."""
    day, now, before = state
    slots, phase_s = blocks.shape_of(now.shape[0]).grid
    values, quality, length = now.values(slots)[0], now.qualities(slots)[0], DAY_S // slots
    said = ~np.isnan(values) & (quality != q.TAKEN_BACK)
    if before is not None:
        said &= (values != before.values(slots)[0]) | (quality != before.qualities(slots)[0])
    if not said.any():
        return
    at = day * DAY_S + phase_s + np.flatnonzero(said) * length
    keys = np.full(at.size, now.key[0], np.int64)
    entry = Entry(part.kind, length, keys, at, values[said].astype(np.int64), quality[said])
    unit.run_many(ASIDE, [(now.known_at_us[0], LATE, entry.size, at_us, str(reason), pack_entry(entry))])


class _Any(dict[int, str]):
    """Names where no names are needed."""

    def __missing__(self, key: int) -> str:
        return ""
