"""Links looked at: nothing refers to what is not there, and earlier values are in the order of their revisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table, func, select

from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.schema import metadata
from gridwright.store.schema.trust import day_total, day_total_version
from gridwright.store.session import Unit

# Kept by key without a foreign key, because they are written by the hundred thousand; the blocks are looked at apart.
POINTS = ("series", "dirty_range", "register_reading", "register_version", "finding", "day_total", "day_total_version")
TYPES = (*POINTS, "quarantined_reading", "archive_part")


def check_orphans(unit: Unit) -> Finder:
    """Look for keys of usage points, reading types and all others that lead nowhere."""
    finder = Finder("references")
    for child, parent in _links():
        finder.looked_at += 1
        query = select(func.count(), func.min(child)).select_from(child.table)
        query = query.where(child.is_not(None), ~select(parent).where(parent == child).exists())
        many, first = unit.connection.execute(query).one()
        if many:
            finder.fault(
                f"{child.table.name}: {many} rows of {child.name} {first}, which is not in {parent.table.name}"
            )
    return finder


def _links() -> Iterator[tuple[Column[Any], Column[Any]]]:
    for names, parent in ((POINTS, schema.usage_point), (TYPES, schema.reading_type)):
        for name in names:
            column = metadata.tables[name].c.get(parent.name)
            if column is not None and not column.foreign_keys:
                yield column, parent.c.id
    for table in metadata.sorted_tables:
        for column in table.c:
            for key in column.foreign_keys:
                parent_column = key.column
                if parent_column.table is table:
                    continue
                yield column, parent_column


def check_histories(unit: Unit) -> Finder:
    """Look for earlier revisions of registers and day totals that are missing, or became known later."""
    finder = Finder("earlier values")
    pairs = (
        (schema.register_reading, schema.register_version),
        (day_total, day_total_version),
    )
    for current, earlier in pairs:
        _check_history(unit, finder, current, earlier)
    return finder


def _check_history(unit: Unit, finder: Finder, current: Table, earlier: Table) -> None:
    key = [column.name for column in current.primary_key.columns]
    same = [earlier.c[name] == current.c[name] for name in key]
    versions = (
        select(
            *(earlier.c[name] for name in key),
            func.count().label("many"),
            func.min(earlier.c.revision).label("low"),
            func.max(earlier.c.revision).label("high"),
            func.max(earlier.c.known_at_us).label("known"),
        )
        .group_by(*(earlier.c[name] for name in key))
        .subquery()
    )
    finder.looked_at += int(unit.connection.execute(select(func.count()).select_from(earlier)).scalar_one())
    joined = current.outerjoin(versions, *[_all_equal(current, versions, key)])
    query = select(*(current.c[name] for name in key), current.c.revision, current.c.known_at_us,
                   versions.c.many, versions.c.low, versions.c.high, versions.c.known).select_from(joined)  # fmt: skip
    query = query.where((current.c.revision > 1) | versions.c.many.is_not(None))
    for row in unit.connection.execute(query):
        where = f"{current.name} {tuple(row[: len(key)])}"
        whole = (row.many, row.low, row.high) == (row.revision - 1, 1, row.revision - 1)
        if not whole:
            finder.fault(f"{where}: revision {row.revision}, and {row.many or 0} earlier ones")
        elif row.known > row.known_at_us:
            finder.fault(f"{where}: an earlier value became known later")
    lost = select(*(earlier.c[name] for name in key)).where(~select(current.c[key[0]]).where(*same).exists()).distinct()
    for row in unit.connection.execute(lost):
        finder.fault(f"{current.name} {tuple(row)}: earlier values of what is not there")


def _all_equal(left: Any, right: Any, key: list[str]) -> Any:  # noqa: ANN401 - SQLAlchemy's expressions
    first, *rest = (left.c[name] == right.c[name] for name in key)
    for each in rest:
        first = first & each
    return first
