"""Folding: the oldest rows of the journal into day-blocks, with all that saving them leaves behind, in one transaction.

Rows that came within a minute of each other become known together, when the last of them came: nobody can have read
them before, for whoever reads folds first. What does not fit its block any more is put aside, never lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import numpy as np

from gridwright.domain.access import Act
from gridwright.domain.errors import Conflict, GridMismatch, GridwrightError, InputError, StoreCorrupt
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.store.archive.alike import AlikeReader
from gridwright.store.archive.reading import ArchiveReader
from gridwright.store.days import blocks
from gridwright.store.days.fitting import save_fitting
from gridwright.store.days.incoming import Manner
from gridwright.store.days.resolving import in_one_resolution
from gridwright.store.days.saving import NOTHING_SAVED, SaveSummary
from gridwright.store.days.saving_panels import leave_traces, merge_panel
from gridwright.store.days.touching import touch_days
from gridwright.store.instant import from_us, to_us
from gridwright.store.journal.aside import ASIDE
from gridwright.store.journal.layers import Layer, distinct, in_turns, layers
from gridwright.store.journal.rows import Entry, pack_entry, unpack_entry
from gridwright.store.names import Names, every_type
from gridwright.store.session import AuditEntry, Session, Unit

CHUNK = 1_000_000  # readings of a transaction, about
ROWS = 4_096
TOGETHER_US = 60_000_000
OLDEST = "SELECT id, readings FROM journal WHERE id <= ? ORDER BY id LIMIT ?"
ANY = "SELECT 1 FROM journal WHERE id <= ? LIMIT 1"
CONTENT = "SELECT id, received_us, actor, readings, content FROM journal WHERE id BETWEEN ? AND ? ORDER BY id"
DELETE = "DELETE FROM journal WHERE id BETWEEN ? AND ?"


class Row(NamedTuple):
    """A row of the journal."""

    id: int
    received_us: int
    actor: str
    readings: int
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An entry with who sent it and when it came."""

    row: Row
    entry: Entry


@dataclass(slots=True)
class _Saved:
    """What became of the readings of one kind; `misfits` tells, by (usage point's key, day), why it cannot be saved."""

    summary: SaveSummary = NOTHING_SAVED
    misfits: dict[tuple[int, int], str] = field(default_factory=dict)


class Folder:
    """Folds the rows of the journal."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session, self._names = session, names
        self._archived = ArchiveReader(names)

    def __call__(self, unit: Unit, newest: int) -> int:
        """Fold the oldest rows up to `newest`, about a million readings; returns how many rows, 0 when none is left."""
        rows = _oldest(unit, newest)
        if not rows:
            return 0
        parts = [Part(row, entry) for row in rows if (entry := self._unpacked(unit, row)) is not None]
        self._lock(unit, parts)
        for together in _together(parts):
            self._save_all(unit, together)
        unit.run_many(DELETE, list(_runs([row.id for row in rows])))
        return len(rows)

    def _unpacked(self, unit: Unit, row: Row) -> Entry | None:
        """Return the entry of a row; one that cannot be read is put aside as it is."""
        try:
            return unpack_entry(row.content)
        except StoreCorrupt as error:
            self._put_aside(unit, row, row.content, row.readings, error)
            return None

    def _put_aside(self, unit: Unit, row: Row, content: bytes, readings: int, error: GridwrightError) -> None:
        unit.run_many(
            ASIDE, [(row.received_us, row.actor, readings, to_us(self._session.clock()), str(error), content)]
        )

    def _lock(self, unit: Unit, parts: Sequence[Part]) -> None:
        """Lock all usage points at once, in their order, as other writers do."""
        if unit.dialect != "sqlite" and parts:
            keys, _ = distinct(np.concatenate([part.entry.key for part in parts]))
            blocks.lock_points(unit, keys.tolist())

    def _save_all(self, unit: Unit, parts: Sequence[Part]) -> None:
        """Save what became known together, kind by kind and grid by grid; what means the same in its order."""
        kinds = every_type(unit)
        known_at_us = max(part.row.received_us for part in parts)
        for some in _of_one_resolution(parts, kinds):
            self._save_grids(unit, some, kinds, known_at_us)

    def _save_grids(
        self, unit: Unit, parts: Sequence[Part], kinds: Mapping[int, ReadingType], known_at_us: int
    ) -> None:
        grids: dict[tuple[int, int, int], list[Part]] = {}
        for part in parts:
            grids.setdefault(part.entry.grid, []).append(part)
        for grid, these in grids.items():
            kind = kinds.get(grid[0])
            if kind is None:
                error = StoreCorrupt(f"readings of reading type number {grid[0]}, which does not exist")
                for part in these:
                    self._put_aside(unit, part.row, part.row.content, part.row.readings, error)
            elif known := self._of_known(unit, these):
                self._save_grid(unit, (grid[0], kind), known, known_at_us)
                self._touch(unit, [part.entry for part in known if part.entry.fill])

    def _save_grid(self, unit: Unit, kind: tuple[int, ReadingType], parts: Sequence[Part], known_at_us: int) -> None:
        """Save readings of one kind on one grid."""
        saved = _Saved()
        for entries in in_turns([part.entry for part in parts]):
            for layer in layers(entries):
                self._save(unit, kind, (layer, entries[0].fill), saved, known_at_us)
        self._put_misfits_aside(unit, parts, saved.misfits)
        self._note(unit, kind[1], parts, saved.summary)

    def _touch(self, unit: Unit, fills: Sequence[Entry]) -> None:
        """Make dirty what the register reads bear on that follow upon what fills: whoever put it off left that here."""
        if not fills:
            return
        key, end = (np.concatenate([getattr(entry, name) for entry in fills]) for name in ("key", "end"))
        day = (end - 1) // DAY_S
        for one in np.unique(day).tolist():  # together they would make all days between them dirty
            keys, row = distinct(key[day == one])
            last = np.zeros(keys.size, np.int64)
            np.maximum.at(last, row, end[day == one])
            touch_days(unit, self._names, zip(keys.tolist(), last.tolist(), strict=True), registers=True)

    def _of_known(self, unit: Unit, parts: Sequence[Part]) -> list[Part]:
        """Return the readings of usage points that exist; of others there are none, unless by an accident."""
        keys, _ = distinct(np.concatenate([part.entry.key for part in parts]))
        known = self._names.find_codes(unit, keys.tolist())
        unknown = np.array([key for key in keys.tolist() if key not in known], np.int64)
        if not unknown.size:
            return list(parts)
        error = StoreCorrupt(f"readings of usage point number {unknown[0]}, which does not exist")
        kept = []
        for part in parts:
            lost = np.isin(part.entry.key, unknown)
            if lost.any():
                some = part.entry.take(lost)
                self._put_aside(unit, part.row, pack_entry(some), some.size, error)
            if not lost.all():
                kept.append(Part(part.row, part.entry.take(~lost)))
        return kept

    def _save(
        self, unit: Unit, kind: tuple[int, ReadingType], what: tuple[Layer, bool], saved: _Saved, known_at_us: int
    ) -> None:
        """Save a layer; `what`: with whether it counts only where nothing is stored."""
        layer, fill = what
        keys = layer.keys.tolist()
        codes = self._names.find_codes(unit, keys)
        names, step = tuple(codes[key] for key in keys), timedelta(seconds=layer.interval_s)
        panel = Panel(names, from_epoch_s(layer.start_s), step, layer.values, layer.quality, kind[1])

        def save(some: Panel) -> None:
            try:
                with self._session.writing(settled=False):
                    parts = in_one_resolution(unit, self._names, kind[0], some, known_at_us)
                    merge = partial(merge_panel, unit, self._names, how=Manner(fill=fill, ranked=True))
                    each = [
                        merge(key, part, known_at_us, archived=AlikeReader(self._archived, coarser).beside)
                        for key, part, coarser in parts
                    ]
                    for saver, _ in each:
                        leave_traces(unit, saver)
            except (StoreCorrupt, Conflict) as error:  # one damaged day must not keep everybody from reading the others
                raise InputError(error.message, where=error.where) from error
            for _, summary in each:
                saved.summary += summary

        for misfit, error in save_fitting(save, panel):
            if fill and isinstance(error.__cause__, GridMismatch):
                continue  # on another grid there is something
            (key,) = self._names.point_keys(unit, misfit.points)
            saved.misfits.setdefault((key, int(misfit.start.timestamp()) // DAY_S), str(error))

    def _put_misfits_aside(self, unit: Unit, parts: Sequence[Part], misfits: dict[tuple[int, int], str]) -> None:
        """Put aside the readings of blocks that they do not fit, entry by entry, in their order."""
        for part in parts if misfits else ():
            entry = part.entry
            day = entry.at // DAY_S
            for (key, which), reason in misfits.items():
                mine = (entry.key == key) & (day == which)
                if mine.any():
                    some = entry.take(mine)
                    self._put_aside(unit, part.row, pack_entry(some), some.size, StoreCorrupt(reason))

    def _note(self, unit: Unit, kind: ReadingType, parts: Sequence[Part], summary: SaveSummary) -> None:
        """Record who sent readings that changed something, and how many; what they changed, where it was one alone."""
        if not summary.new + summary.changed:
            return
        at = self._session.clock()
        actors: dict[str, list[Part]] = {}
        for part in parts:
            actors.setdefault(part.row.actor, []).append(part)
        changes = {"new": summary.new, "changed": summary.changed} if len(actors) == 1 else {}
        for actor, these in actors.items():
            came = [part.row.received_us for part in these]
            keys, _ = distinct(np.concatenate([part.entry.key for part in these]))
            one = self._names.find_codes(unit, keys[:1].tolist())[int(keys[0])]
            detail = {
                "reading_type": kind.code,
                "period": str(_period([part.entry for part in these])),
                "readings": sum(part.entry.size for part in these),
                "received": str(Interval(from_us(min(came)), from_us(max(came)))),
                **changes,
            }
            subject = one if keys.size == 1 else f"{keys.size} usage points"
            unit.audit.append(AuditEntry(at, actor, str(Act.WRITE_READINGS), subject, detail))


def _oldest(unit: Unit, newest: int) -> list[Row]:
    """Return the oldest rows, locked: on a server others wait here until this transaction ends."""
    lock = "" if unit.dialect == "sqlite" else " FOR UPDATE"
    while not (sizes := unit.fetch(OLDEST + lock, (newest, ROWS))):
        # Whoever was waited for has folded those that were asked for, but perhaps not all there are.
        if not unit.fetch(ANY, (newest,)):
            return []
    some = int(np.searchsorted(np.cumsum([size for _, size in sizes]), CHUNK)) + 1
    locked = {key for key, _ in sizes[:some]}
    rows = unit.fetch(CONTENT, (min(locked), max(locked)))
    # A row whose number is smaller may have been committed in between; the next turn takes it.
    return [Row(*row) for row in rows if row[0] in locked]


def _together(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield parts that came within a minute of the first of them."""
    group: list[Part] = []
    for part in parts:
        if group and abs(part.row.received_us - group[0].row.received_us) > TOGETHER_US:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def _of_one_resolution(parts: Sequence[Part], kinds: Mapping[int, ReadingType]) -> Iterator[Sequence[Part]]:
    """Yield parts up to where one is of another resolution than an earlier one of its meaning; mostly all at once."""
    meanings = {key: kinds[key].finer(0) for key in {part.entry.kind for part in parts} & kinds.keys()}
    if len(set(meanings.values())) == len(meanings):
        yield parts
        return
    group: list[Part] = []
    last: dict[ReadingType, int] = {}
    for part in parts:
        meaning = meanings.get(part.entry.kind)
        if meaning is not None and last.setdefault(meaning, part.entry.kind) != part.entry.kind:
            yield group
            group, last = [], {meaning: part.entry.kind}
        group.append(part)
    yield group


def _runs(keys: Sequence[int]) -> Iterator[tuple[int, int]]:
    each = np.array(keys, np.int64)
    cuts = np.flatnonzero(np.diff(each) != 1) + 1
    for run in np.split(each, cuts):
        yield int(run[0]), int(run[-1])


def _period(entries: Sequence[Entry]) -> Interval:
    first = min(int(entry.at.min()) for entry in entries)
    last = max(int(entry.at.max()) for entry in entries)
    return Interval(from_epoch_s(first), from_epoch_s(last + entries[0].interval_s))
