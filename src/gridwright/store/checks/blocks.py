"""Every day-block looked at: its layout, checksum, qualities, its earlier images, its series, its final image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from sqlalchemy import func, select

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import from_code
from gridwright.store import schema
from gridwright.store.archive.archive import ARCHIVED, ArchivePart, finer_kinds, kinds_of
from gridwright.store.archive.rows import Kind, StoredBlock, decode, taken_back
from gridwright.store.archive.sql import COLUMNS, point_codes
from gridwright.store.checks.checks import Finder
from gridwright.store.checks.checksums import StoredRows, check_day, check_registers
from gridwright.store.days.known import LONG, SHORT
from gridwright.store.days.pack import DTYPE, NOTHING, unpack_quality
from gridwright.store.session import Unit

NUMBER, BYTES = (int, type(None)), (bytes, type(None))
LARGEST_QUALITY = 255
DAYS = "SELECT day, COUNT(*) FROM {table} WHERE reading_type = ? GROUP BY day ORDER BY day"
ROWS = "SELECT {columns}, checksum FROM {table} WHERE reading_type = ? AND day = ? ORDER BY revision, usage_point"
DIRTY = "SELECT usage_point, from_day, to_day FROM dirty_range WHERE reading_type = ?"
SERIES = "SELECT usage_point, interval_s, first_day, last_day, readings FROM series WHERE reading_type = ?"
# SQLite lets any column hold anything: what the columns of a row are, the last of them its checksum.
PLAIN = set(product(*[(int,)] * 4, NUMBER, BYTES, (bytes,), *[(int,)] * 2, BYTES, (int,), BYTES))
KINDS = "SELECT DISTINCT reading_type FROM {table}"
Counts = dict[tuple[int, int], int]


@dataclass(slots=True)
class Findings:
    """The finders of one pass over the blocks."""

    layout: Finder = field(default_factory=lambda: Finder("blocks"))
    quality: Finder = field(default_factory=lambda: Finder("qualities"))
    versions: Finder = field(default_factory=lambda: Finder("earlier images"))
    series: Finder = field(default_factory=lambda: Finder("series"))
    final: Finder = field(
        default_factory=lambda: Finder(
            "final images", "gridwright vee again POINT has them made by the server, or by gridwright bill correct"
        )
    )

    sums: Finder = field(default_factory=lambda: Finder("checksums"))

    def all(self) -> list[Finder]:
        """Return them in the order in which they are shown."""
        return [self.layout, self.quality, self.versions, self.series, self.final, self.sums]


@dataclass(slots=True)
class _Pass:
    """One kind of series: its blocks are read day by day."""

    unit: Unit
    kind: Kind
    codes: dict[int, str]
    found: Findings
    counts: Counts = field(default_factory=lambda: defaultdict(int))
    taken_back: Counter[tuple[int, int]] = field(default_factory=Counter)
    extent: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def where(self, day: int, point: int) -> str:
        name = self.codes.get(point, f"number {point}")
        return f"{name}, {self.kind.code} ({self.kind.image}), {date_of(day)}"


def count_blocks(unit: Unit) -> int:
    """Return how many blocks there are."""
    return int(unit.connection.execute(select(func.count()).select_from(schema.block)).scalar_one())


def check_blocks(unit: Unit, parts: Sequence[ArchivePart], progress: Callable[[int], None]) -> list[Finder]:
    """Go through all blocks once, and through the registers for their checksums."""
    found, codes, kinds = Findings(), point_codes(unit), kinds_of(unit)
    stored = {key for table in ("block", "block_version") for (key,) in unit.fetch(KINDS.format(table=table))}
    for key in sorted(stored - set(kinds)):
        found.layout.fault(f"blocks of reading type number {key}, which does not exist")
    for key in sorted(stored & set(kinds)):
        work = _Pass(unit, kinds[key], codes, found)
        final = _final_of(kinds, kinds[key])
        dirty = _dirty_days(unit, key)
        for day, current, earlier in _days(work):
            _check_day(work, day, current, earlier)
            if final is not None:
                _check_final(work, day, current.rows, final, dirty)
            progress(len(current.rows))
        if kinds[key].image == "raw":
            gone = [part for part in parts if part.kind == key and part.state != ARCHIVED]
            _check_series(work, gone, finer=bool(finer_kinds(kinds, key)))
    check_registers(unit, found.sums, codes, kinds)
    return found.all()


def _days(work: _Pass) -> Iterator[tuple[int, StoredRows, StoredRows]]:
    days = {
        day
        for table in ("block", "block_version")
        for day, _ in work.unit.fetch(DAYS.format(table=table), (work.kind.key,))
    }
    for day in sorted(days):
        current, earlier = (_day(work, table, day) for table in ("block", "block_version"))
        yield day, current, earlier


def _day(work: _Pass, table: str, day: int) -> StoredRows:
    found = work.unit.fetch(ROWS.format(columns=COLUMNS, table=table), (work.kind.key, day))
    odd = [row for row in found if tuple(map(type, row)) not in PLAIN]
    for row in odd:
        work.found.layout.fault(f"{work.where(day, row[0])}: a text or a fraction where bytes or whole numbers belong")
    found = [row for row in found if row not in odd] if odd else found
    return StoredRows([StoredBlock._make(row[:-1]) for row in found], [row[-1] for row in found])


def _final_of(kinds: dict[int, Kind], kind: Kind) -> int | None:
    if kind.image != "raw":
        return None
    return next((each.key for each in kinds.values() if each.code == kind.code and each.image == "final"), None)


def _dirty_days(unit: Unit, kind: int) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for point, first, last in unit.fetch(DIRTY, (kind,)):
        found[point].append((first, last))
    return found


def _check_day(work: _Pass, day: int, stored: StoredRows, before: StoredRows) -> None:
    found, rows, versions = work.found, stored.rows, before.rows
    for row in rows:
        if row.usage_point not in work.codes:
            found.layout.fault(f"{work.where(day, row.usage_point)}: the usage point does not exist")
    current, earlier = _readable(work, day, rows), _readable(work, day, versions)
    _check_sums(work, day, stored, before)
    for known, row in _decode(work, day, current):
        key = (row.usage_point, DAY_S // row.slots)
        work.counts[key] += known
        work.taken_back[key] += taken_back(row)
        first, last = work.extent.get(key, (day, day))
        work.extent[key] = (min(first, day), max(last, day))
    for _ in _decode(work, day, earlier):
        pass
    _check_known(work, day, [*current, *earlier])
    _check_versions(work, day, rows, versions)


def _check_sums(work: _Pass, day: int, current: StoredRows, earlier: StoredRows) -> None:
    def name(row: StoredBlock) -> str:
        return work.where(day, row.usage_point)

    head = work.kind.key, day
    check_day(work.found.sums, head, current, name)
    check_day(work.found.sums, head, earlier, lambda row: f"{name(row)}, revision {row.revision}")


def _readable(work: _Pass, day: int, rows: Sequence[StoredBlock]) -> list[StoredBlock]:
    good = []
    for row in rows:
        work.found.layout.looked_at += 1
        problem = _problem(row)
        if problem:
            work.found.layout.fault(f"{work.where(day, row.usage_point)}: {problem}")
        else:
            good.append(row)
    return good


def _problem(row: StoredBlock) -> str:
    """Return what is wrong with the layout of a row, empty for nothing."""
    if row.width not in DTYPE:
        return f"values of {row.width} bytes"
    if row.slots < 1 or DAY_S % row.slots or not 0 <= row.phase_s < DAY_S // row.slots:
        return f"{row.slots} slots a day, beginning {row.phase_s} s after midnight"
    if len(row.counts) != row.width * row.slots:
        return f"{len(row.counts)} bytes for {row.slots} values of {row.width}"
    return _problem_of_quality(row) or _problem_of_history(row)


def _problem_of_quality(row: StoredBlock) -> str:
    if (row.quality is None) == (row.quality_all is None):
        return "a quality for all slots and one for each, or neither"
    if row.quality_all is not None and not 0 <= row.quality_all <= LARGEST_QUALITY:
        return f"quality {row.quality_all}"
    if row.quality is not None and len(row.quality) != row.slots:
        return f"{len(row.quality)} qualities for {row.slots} values"
    return ""


def _problem_of_history(row: StoredBlock) -> str:
    if row.known is not None and len(row.known) not in {SHORT * row.slots, LONG * row.slots}:
        return f"{len(row.known)} bytes that tell when {row.slots} values became known"
    return f"revision {row.revision}, {row.additions} additions" if row.revision < 1 or row.additions < 0 else ""


def _decode(work: _Pass, day: int, rows: list[StoredBlock]) -> Iterator[tuple[int, StoredBlock]]:
    """Yield how many values each row has; a slot without value but with the quality of one is a fault."""
    shapes: dict[tuple[int, int], list[StoredBlock]] = defaultdict(list)
    for row in rows:
        shapes[row.width, row.slots].append(row)
    for (width, slots), alike in shapes.items():
        values = np.frombuffer(b"".join(row.counts for row in alike), DTYPE[width]).reshape(-1, slots)
        known = values != NOTHING[width]
        quality = unpack_quality([row.quality_all for row in alike], [row.quality for row in alike], slots)
        wrong = (~known & (quality != q.MISSING)).any(axis=1)
        work.found.quality.looked_at += len(alike)
        for at in np.flatnonzero(wrong).tolist():
            work.found.quality.fault(f"{work.where(day, alike[at].usage_point)}: a quality where there is no value")
        yield from zip(known.sum(axis=1).tolist(), alike, strict=True)


def _check_known(work: _Pass, day: int, rows: list[StoredBlock]) -> None:
    """Compare when the last slot of a block became known with what the block says."""
    for row in rows:
        if row.known is not None:
            values, _, instants = decode(row, day)
            last = int(instants[~np.isnan(values)].max(initial=0))
            if last != row.known_at_us:
                name = work.where(day, row.usage_point)
                work.found.versions.fault(f"{name}: its slots became known at other times than the block")


def _check_versions(work: _Pass, day: int, rows: Sequence[StoredBlock], versions: Sequence[StoredBlock]) -> None:
    """Each block has every earlier revision once, in the order in which they became known."""
    earlier: dict[int, list[StoredBlock]] = defaultdict(list)
    for row in versions:
        earlier[row.usage_point].append(row)
    finder = work.found.versions
    for row in rows:
        before = earlier.pop(row.usage_point, [])
        if row.revision == 1 and not before:
            continue
        finder.looked_at += len(before)
        if [each.revision for each in before] != list(range(1, row.revision)):
            have = ", ".join(str(each.revision) for each in before) or "none"
            finder.fault(f"{work.where(day, row.usage_point)}: revision {row.revision}, of the earlier ones: {have}")
        known = [each.known_at_us for each in (*before, row)]
        if known != sorted(known):
            finder.fault(f"{work.where(day, row.usage_point)}: an earlier image became known later")
    for point in earlier:
        finder.fault(f"{work.where(day, point)}: earlier images of a block that is not there")


def _check_series(work: _Pass, gone: list[ArchivePart], *, finer: bool) -> None:
    """Compare the series with the blocks; of kinds with months in the archive alone, all series together.

    `finer`: what was taken back may be counted in a finer resolution instead.
    """
    finder, there = work.found.series, work.unit.fetch(SERIES, (work.kind.key,))
    finder.looked_at += len(there)
    if gone:
        if any(part.state != "dropped" for part in gone):
            return  # a month is on its way
        counted = sum(work.counts.values()) + sum(part.readings for part in gone)
        said = sum(int(row[4]) for row in there)
        if said > counted or (said < counted and not finer):
            finder.fault(f"{work.kind.code}: {said} readings are counted, {counted} are there and in the archive")
        return
    said_of = {(row[0], row[1]): row[2:] for row in there}
    for key in sorted(said_of.keys() | work.counts.keys()):
        name = f"{work.codes.get(key[0], key[0])}, {work.kind.code}, every {key[1]} s"
        first, last, readings = said_of.get(key, (0, 0, 0))
        counted = work.counts.get(key, 0)
        low, high = work.extent.get(key, (first, last - 1))
        least = counted - work.taken_back[key] if finer else counted
        if not least <= readings <= counted:
            finder.fault(f"{name}: {readings} readings are counted, {counted} are there")
        elif counted and not first <= low <= high < last:
            finder.fault(f"{name}: blocks lie outside {date_of(first)} to {date_of(last)}")


def _check_final(
    work: _Pass, day: int, rows: Sequence[StoredBlock], final: int, dirty: dict[int, list[tuple[int, int]]]
) -> None:
    sql = "SELECT usage_point FROM block WHERE reading_type = ? AND day = ?"
    there = {point for (point,) in work.unit.fetch(sql, (final, day))}
    finder, of_channel = work.found.final, bool(from_code(work.kind.code).channel)
    for row in rows:
        waits = any(first <= day < last for first, last in dirty.get(row.usage_point, ()))
        if not waits:
            finder.looked_at += 1
            if row.usage_point not in there and not (of_channel and _is_told(row)):
                finder.fault(f"{work.where(day, row.usage_point)}: there is no final image")


def _is_told(row: StoredBlock) -> bool:
    """Tell whether registers alone told a day, which of a channel may be a part of other energy."""
    quality = unpack_quality([row.quality_all], [row.quality], row.slots)
    return bool((q.of_register(quality) | (quality == q.MISSING)).all())
