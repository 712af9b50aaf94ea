"""Readings put aside: what fits no block, kept until a person has it tried again, or its month is back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridwright.domain.errors import GridwrightError, StoreCorrupt
from gridwright.domain.interval import DAY_S
from gridwright.store import dirty
from gridwright.store.days.saving import PanelSaver, Unfit
from gridwright.store.journal.rows import Entry, pack_entry, unpack_entry
from gridwright.store.session import Unit

ASIDE = "INSERT INTO journal_aside (received_us, actor, readings, aside_us, reason, content) VALUES (?, ?, ?, ?, ?, ?)"
AGAIN = (
    "INSERT INTO journal (received_us, actor, readings, content) SELECT received_us, actor, readings, content "
    "FROM journal_aside WHERE id = ?"
)
GONE = "DELETE FROM journal_aside WHERE id = ?"
EVERY = "SELECT id, content FROM journal_aside ORDER BY received_us, id"


def put_aside(unit: Unit, entry: Entry, came: tuple[int, str], at_us: int, reason: GridwrightError) -> None:
    """Put readings aside; `came`: when, and from whom."""
    rows = [(*came, part.size, at_us, str(reason), pack_entry(part)) for part in entry.parts()]
    unit.run_many(ASIDE, rows)


def put_unfit_aside(unit: Unit, saver: PanelSaver, unfit: Sequence[Unfit], actor: str, at_us: int) -> None:
    """Put aside what a panel brought for a day in the archive that is in the database on another grid."""
    for one in unfit:
        part, step = one.incoming.part, saver.panel.interval_s
        row, slot = np.nonzero(one.incoming.present)
        at = part.day * DAY_S + saver.grid.phase_s + (slot + part.slots.start) * step
        keys, values = saver.keys[one.rows][row], one.incoming.values[row, slot].astype(np.int64)
        entry = Entry(saver.kind, step, keys, at, values, one.incoming.quality[row, slot])
        put_aside(unit, entry, (saver.known_at_us, actor[:200]), at_us, one.reason)
        days = np.full(one.rows.size, part.day)
        dirty.mark(unit, saver.kind, saver.keys[one.rows], days, days + 1)  # which brings the month back


def try_again(unit: Unit, rows: Sequence[int]) -> None:
    """Let rows that were put aside wait in the journal once more, in this order."""
    for key in rows:
        unit.run_many(AGAIN, [(key,)])
        unit.run_many(GONE, [(key,)])
    if rows:
        unit.settled = False


def aside_of(unit: Unit, kind: int, days: range) -> list[int]:
    """Return which rows have readings of one reading type and some UTC days, in the order in which they came."""
    return [key for key, content in unit.fetch(EVERY) if _touches(content, kind, days)]


def _touches(content: bytes, kind: int, days: range) -> bool:
    try:
        entry = unpack_entry(content)
    except StoreCorrupt:
        return False  # it was put aside for that
    day = entry.at // DAY_S
    return entry.kind == kind and bool(((day >= days.start) & (day < days.stop)).any())
