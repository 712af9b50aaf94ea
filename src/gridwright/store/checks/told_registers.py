"""Register reads counted against the audit chain: one that is gone, or that nobody saved, leaves no other trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Table, func, select

from gridwright.domain.access import Act
from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.checks.told import naming, told
from gridwright.store.schema import audit_record as audit
from gridwright.store.session import Unit

# How many rows of a table a record tells of, and what they are.
COUNTED: tuple[tuple[Table, str, str], ...] = (
    (schema.register_reading, "registers_new", "register readings"),
    (schema.register_version, "registers_changed", "earlier values of register readings"),
)


def check_told_registers(unit: Unit) -> Finder:
    """There are as many register readings, and earlier values of them, as the audit chain tells of."""
    finder, said = Finder("recorded registers"), {name: Counter[str]() for _, name, _ in COUNTED}
    for each in told(unit, audit.c.act == str(Act.WRITE_READINGS), naming("registers_new")):
        for name, counts in said.items():
            counts[each.subject] += int(each.detail.get(name, 0))
    for table, name, what in COUNTED:
        stored = int(unit.connection.execute(select(func.count()).select_from(table)).scalar_one())
        finder.looked_at += stored
        if stored != said[name].total():
            finder.fault(f"{stored} {what} are stored, the audit chain tells of {said[name].total()}")
            for point, here, least in _short(unit, table, said[name]):
                finder.fault(f"{point}: {here} {what} are stored, the audit chain tells of {least} at least")
    return finder


def _short(unit: Unit, table: Table, said: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the usage points that have fewer rows than records of them alone tell of."""
    point = schema.usage_point
    query = select(point.c.code, func.count(table.c.usage_point)).outerjoin(table, table.c.usage_point == point.c.id)
    for code, here in unit.connection.execute(query.group_by(point.c.code).order_by(point.c.code)):
        if here < said[code]:
            yield code, here, said[code]
