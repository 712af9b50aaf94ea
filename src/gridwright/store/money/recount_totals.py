"""Day totals counted anew in a finer resolution, with all of their earlier versions."""

from __future__ import annotations

from collections.abc import Sequence

from gridwright.domain.day_totals import NO_SLOT
from gridwright.store.days.blocks import FEW, marks
from gridwright.store.days.recounting import Change
from gridwright.store.money.day_totals import keep
from gridwright.store.session import Unit

TABLES = ("day_total", "day_total_version")
WHICH = "reading_type = ? AND day = ? AND usage_point IN ({marks})"
POINTS = f"SELECT usage_point FROM {{table}} WHERE {WHICH}"  # noqa: S608 - our own tables
COUNT = (
    "UPDATE {table} SET reading_type = ?, total = total * ?, peak = peak * ? "
    "WHERE reading_type = ? AND day = ? AND usage_point = ?"
)
NOTHING = (
    "UPDATE day_total SET total = 0, peak = 0, peak_slot = ?, intervals = 0, measured = 0, estimated = 0, edited = 0, "
    "known_at_us = ?, revision = revision + 1 WHERE reading_type = ? AND day = ? AND usage_point = ?"
)


def recount_totals(unit: Unit, change: Change, keys: Sequence[int], days: range, known_at_us: int) -> None:
    """Count the totals of some usage points anew; of a day that has both, the finer ones alone are known from now on.

    Whatever had it in both resolutions is judged again, which adds it up.
    """
    for at in range(0, len(keys), FEW):
        part = keys[at : at + FEW]
        for day in days:
            coarse = _points(unit, change.source, day, part)
            if not coarse:
                continue
            both = coarse & _points(unit, change.target, day, part)
            moved = [(change.target, change.factor, change.factor, change.source, day, key) for key in coarse - both]
            for table in TABLES:
                unit.run_many(COUNT.format(table=table), moved)
            gone = [(change.source, day, key) for key in sorted(both)]
            keep(unit, gone)
            unit.run_many(NOTHING, [(NO_SLOT, known_at_us, *key) for key in gone])


def _points(unit: Unit, kind: int, day: int, keys: Sequence[int]) -> set[int]:
    asked = (kind, day, *keys)
    return {key for table in TABLES for (key,) in unit.fetch(POINTS.format(table=table, marks=marks(len(keys))), asked)}
