"""Usage points as rows and back; their attributes, which name the customer, sealed where the database has a key."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, or_, select, update

from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import schema
from gridwright.store.days.blocks import marks
from gridwright.store.sealing.points import COLUMN, NOTHING
from gridwright.store.sealing.sealing import MARK, Sealing, is_sealed
from gridwright.store.session import Unit

CHUNK = 2_000
CHECKED_BY = "checked_by"
# The end of a sealed text differs whenever it is sealed anew.
TAG = 24


def point_row(point: UsagePoint) -> dict[str, Any]:
    """Return the columns of a usage point, its attributes as plain text."""
    return {
        "code": point.id,
        "zone": point.zone,
        "customer_class": point.customer_class,
        "capacity_kw": point.capacity_kw,
        "holidays": point.holidays,
        "exports": point.exports,
        "attributes": json.dumps(dict(point.attributes), ensure_ascii=False, sort_keys=True)
        if point.attributes
        else NOTHING,
    }


def to_points(unit: Unit, sealing: Sealing, rows: Sequence[Row[Any]]) -> list[UsagePoint]:
    """Return the usage points of rows."""
    texts = sealing.open(unit, COLUMN, [(row.code, row.attributes) for row in rows])
    return [
        UsagePoint(
            id=row.code,
            zone=row.zone,
            customer_class=row.customer_class,
            capacity_kw=row.capacity_kw,
            holidays=row.holidays,
            exports=bool(row.exports),
            attributes=_attributes(row.code, text),
        )
        for row, text in zip(rows, texts, strict=True)
    ]


def _attributes(point: str, text: str) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(text)
    except ValueError as error:
        raise StoreCorrupt(
            f"the attributes of usage point {point} cannot be read: {error}",
            where="usage_point.attributes",
            remedy="take them from a backup; gridwright backup restore brings one into an empty place",
        ) from error
    return found


def load_points(unit: Unit, sealing: Sealing, codes: Sequence[str]) -> list[UsagePoint]:
    """Return those of `codes` that exist."""
    table = schema.usage_point
    wanted = list(dict.fromkeys(codes))
    parts = [wanted[at : at + CHUNK] for at in range(0, len(wanted), CHUNK)]
    rows = [row for part in parts for row in unit.connection.execute(select(table).where(table.c.code.in_(part)))]
    return to_points(unit, sealing, rows)


def add_points(unit: Unit, sealing: Sealing, points: Sequence[UsagePoint]) -> None:
    """Insert usage points."""
    if points:
        # A town arrives at once: the bare driver takes them in half the time.
        rows = _sealed_rows(unit, sealing, points)
        head, values = f"INSERT INTO usage_point ({', '.join(rows[0])})", [tuple(row.values()) for row in rows]
        if unit.dialect == "sqlite" and len({row[1:] for row in values}) == 1:
            # Nothing but their codes is known of them: one statement takes a quarter of as many.
            codes = json.dumps([row[0] for row in values], ensure_ascii=False)
            sql = f"{head} SELECT value, {marks(len(values[0]) - 1)} FROM json_each(?)"  # noqa: S608 - our own columns
            unit.run_many(sql, [(*values[0][1:], codes)])
        else:
            unit.run_many(f"{head} VALUES ({marks(len(values[0]))})", values)


def change_points(unit: Unit, sealing: Sealing, points: Sequence[UsagePoint]) -> None:
    """Replace what is stored of usage points."""
    if points:
        statement = update(schema.usage_point).where(schema.usage_point.c.code == bindparam("which"))
        rows = [{**row, "which": row["code"]} for row in _sealed_rows(unit, sealing, points)]
        unit.connection.execute(statement, rows)


def _sealed_rows(unit: Unit, sealing: Sealing, points: Sequence[UsagePoint]) -> list[dict[str, Any]]:
    rows = [point_row(point) for point in points]
    some = [row for row in rows if row["attributes"] != NOTHING]
    texts = sealing.seal(unit, COLUMN, [(row["code"], row["attributes"]) for row in some]) if some else []
    for row, text in zip(some, texts, strict=True):
        row["attributes"] = text
    return rows


def search_points(unit: Unit, sealing: Sealing, query: Select[Any], search: str, *, limit: int) -> Sequence[Row[Any]]:
    """Return the first rows, by id, of usage points whose id, attributes or meters hold `search`.

    The database cannot look into sealed attributes: those are opened here, a chunk at a time.
    """
    table = schema.usage_point
    query = query.order_by(table.c.code)
    if sealing.newest(unit) is None:
        return unit.connection.execute(query.where(or_(_is_like(search), _attributes_like(search))).limit(limit)).all()
    named = set(unit.connection.execute(select(table.c.code).where(_is_like(search))).scalars())
    found: list[Row[Any]] = []
    after: str | None = None
    while len(found) < limit:
        part = query if after is None else query.where(table.c.code > after)
        rows = unit.connection.execute(part.limit(CHUNK)).all()
        found += [row for row in rows if row.code in named or _holds(unit, sealing, row, search)]
        if len(rows) < CHUNK:
            break
        after = rows[-1].code
    return found[:limit]


def main_points(
    unit: Unit, sealing: Sealing, query: Select[Any], checks: Collection[str], without: dict[str, str]
) -> dict[str, str]:
    """Return usage points whose attribute `checked_by` names one of `checks`, with its name.

    `query`: of code and attributes. The database leaves out who has no such attribute; sealed ones must be opened, and
    `without` keeps which of them, by the end of what is stored, need not be opened again.
    """
    column = schema.usage_point.c.attributes
    rows = unit.connection.execute(query.where(or_(column.contains(CHECKED_BY), column.startswith(MARK)))).all()
    rows = [row for row in rows if without.get(row.code) != row.attributes[-TAG:]]
    texts = sealing.open(unit, COLUMN, [(row.code, row.attributes) for row in rows])
    found = {}
    for row, text in zip(rows, texts, strict=True):
        check = _attributes(row.code, text).get(CHECKED_BY, "").strip()
        if not check:
            without[row.code] = row.attributes[-TAG:]
        elif check in checks and check != row.code:
            found[row.code] = check
    return found


def _holds(unit: Unit, sealing: Sealing, row: Row[Any], search: str) -> bool:
    text = row.attributes
    (opened,) = sealing.open(unit, COLUMN, [(row.code, text)]) if is_sealed(text) else (text,)
    return search.lower() in opened.lower()


def _attributes_like(search: str) -> ColumnElement[bool]:
    return schema.usage_point.c.attributes.icontains(search, autoescape=True)


def _is_like(search: str) -> ColumnElement[bool]:
    """Tell in SQL whether it is a part of a usage point's id, or of the serial of a meter there."""
    table, there, device = schema.usage_point, schema.installation, schema.end_device
    meters = select(there.c.usage_point).join(device, device.c.id == there.c.end_device)
    meters = meters.where(device.c.serial.icontains(search, autoescape=True))
    return or_(table.c.code.icontains(search, autoescape=True), table.c.id.in_(meters))
