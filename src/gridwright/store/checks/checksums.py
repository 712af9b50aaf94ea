"""The checksum of every stored row computed again: of blocks, registers, and what was there before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import error as NotNumbers  # noqa: N812 - the name that it has as an exception
from typing import Any

import numpy as np
from sqlalchemy import Table, select

from gridwright.domain.interval import from_epoch_s
from gridwright.store import schema
from gridwright.store.archive.rows import Kind, StoredBlock, checksums_of
from gridwright.store.checks.checks import Finder
from gridwright.store.days.checksum import SIZE, STORED, register_checksum
from gridwright.store.registers import Stored
from gridwright.store.session import Unit

TOGETHER = 10_000
CHANGED = "the row has been changed past Gridwright"
REGISTERS = (schema.register_reading, schema.register_version)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of a day as they stand in a table, and the checksums beside them."""

    rows: Sequence[StoredBlock]
    sums: Sequence[bytes | None]


def check_day(finder: Finder, day: tuple[int, int], found: StoredRows, name: Callable[[StoredBlock], str]) -> None:
    """Compare the checksums of rows of one (reading type, day); `name` tells which row one is."""
    finder.looked_at += len(found.rows)
    finder.without += found.sums.count(None)
    there = [each if each is not None and len(each) == SIZE else bytes(SIZE) for each in found.sums]
    differs = np.frombuffer(b"".join(there), STORED) != checksums_of(found.rows, *day)
    for at in np.flatnonzero(differs).tolist():
        if found.sums[at] is not None:
            finder.fault(f"{name(found.rows[at])}: {CHANGED}")


def check_registers(unit: Unit, finder: Finder, codes: Mapping[int, str], kinds: Mapping[int, Kind]) -> None:
    """Compare the checksums of all register readings, and of their earlier values."""
    for table in REGISTERS:
        for row in _all(unit, table):
            finder.looked_at += 1
            if row.checksum is None:
                finder.without += 1
            elif row.checksum != _checksum(row):
                kind = kinds[row.reading_type].code if row.reading_type in kinds else f"number {row.reading_type}"
                name = f"{codes.get(row.usage_point, f'number {row.usage_point}')}, register {kind}"
                earlier = f", revision {row.revision}" if table is schema.register_version else ""
                finder.fault(f"{name}, {_instant(row.at_s)}, epoch {row.epoch}{earlier}: {CHANGED}")


def _all(unit: Unit, table: Table) -> Iterator[Stored]:
    query = select(*(table.c[name] for name in Stored._fields)).execution_options(stream_results=True)
    for part in unit.connection.execute(query).partitions(TOGETHER):
        yield from map(Stored._make, part)


def _checksum(row: Stored) -> bytes | None:
    """Return what the checksum of a row has to be; None for one of which the columns hold other things."""
    try:
        return register_checksum(row[:-1])
    except (NotNumbers, AttributeError):  # SQLite lets a text stand for a number, and a number for a text
        return None


def _instant(at_s: Any) -> str:  # noqa: ANN401 - whatever stands there now
    try:
        return from_epoch_s(at_s).isoformat()
    except (TypeError, ValueError, OverflowError):
        return str(at_s)
