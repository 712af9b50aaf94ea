"""Names to keys and back: usage points and reading types are small integers in the rows that are many."""

from __future__ import annotations

import difflib
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, CursorResult, Select, Table, insert, select

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound, StoreCorrupt
from gridwright.domain.image import Image
from gridwright.domain.reading_type import ReadingType, from_code
from gridwright.store import schema
from gridwright.store.session import NameKeys, Session, Unit

FEW = 400
PACKET = 2_000
EXPONENTS = range(-9, 10)  # nano to giga
COUNT = "SELECT COUNT(*) FROM reading_type"  # types are never taken away
IMAGE_MARK = "#"  # between the code of a reading type and the image, where it is not the raw one


class Names:
    """Keys of names, remembered: a key once given never changes, and counts for others once its giver has committed."""

    def __init__(self, session: Session) -> None:
        self._known = NameKeys()
        # How many types there were when those alike were looked up, and these.
        self._alike: tuple[int, dict[tuple[ReadingType, Image], dict[int, int]]] = (-1, {})
        session.after_commit.append(self._learn)

    def _learn(self, unit: Unit) -> None:
        """Remember for all what a transaction that has ended well gave."""
        if unit.given is not None:
            self._known.add(unit.given)

    def _of(self, unit: Unit) -> NameKeys:
        """Return what is remembered; what a transaction adds to it that has given keys is its own."""
        own, known = unit.given, self._known
        if own is None:
            return known
        return NameKeys(
            ChainMap(own.points, known.points), ChainMap(own.types, known.types), ChainMap(own.codes, known.codes)
        )

    @staticmethod
    def will_give(unit: Unit) -> None:
        """Keep apart what a transaction looks up from now on: it is about to add names."""
        unit.given = unit.given or NameKeys()

    def find_points(self, unit: Unit, codes: Iterable[str]) -> Mapping[str, int]:
        """Return the keys of those of `codes` that exist."""
        known = self._of(unit).points
        wanted = [code for code in codes if code not in known]
        if wanted:
            known.update(_lookup(unit, schema.usage_point, wanted))
        return known

    def point_keys(self, unit: Unit, codes: Sequence[str]) -> list[int]:
        """Return the keys of usage points in the order asked; NotFound names the absent and what is near."""
        known = self.find_points(unit, codes)
        try:
            return [known[code] for code in codes]
        except KeyError as error:
            raise self.unknown_point(unit, str(error.args[0])) from None

    def key_array(self, unit: Unit, codes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the same as an array; quicker where all are remembered."""
        try:
            return np.fromiter(map(self._of(unit).points.__getitem__, codes), np.int64, len(codes))
        except KeyError:
            return np.array(self.point_keys(unit, codes), np.int64)

    def find_codes(self, unit: Unit, keys: Sequence[int]) -> Mapping[int, str]:
        """Return the usage points of those of `keys` that exist, and of others."""
        codes = self._of(unit).codes
        wanted = [key for key in keys if key not in codes]
        for at in range(0, len(wanted), PACKET):
            part = wanted[at : at + PACKET]
            sql = f"SELECT id, code FROM usage_point WHERE id IN ({', '.join('?' * len(part))})"  # noqa: S608 - only placeholders
            codes.update(unit.fetch(sql, part))
        return codes

    def unknown_point(self, unit: Unit, code: str) -> NotFound:
        """Return the error for a usage point that does not exist, with near matches."""
        table = schema.usage_point
        every = unit.connection.execute(select(table.c.code).limit(100_000)).scalars().all()
        near = difflib.get_close_matches(code, every, n=3) or sorted(every)[:3]
        remedy = f"known: {', '.join(near)}" if near else "none is registered yet"
        return NotFound(f"usage point {code!r} is not registered", remedy=remedy)

    def every_point(self, unit: Unit, access: Access) -> list[str]:
        """Return the usage points that `access` may see, sorted."""
        codes = unit.connection.execute(select(schema.usage_point.c.code)).scalars()
        return sorted(code for code in codes if access.may_see(code))

    def type_key(self, unit: Unit, kind: ReadingType, image: Image = Image.RAW) -> int | None:
        """Return the key of a reading type, None when nothing of that type was ever stored."""
        code, types = _code(kind, image), self._of(unit).types
        if code not in types:
            types.update(_lookup(unit, schema.reading_type, [code]))
        return types.get(code)

    def resolutions(self, unit: Unit, kind: ReadingType, image: Image = Image.RAW) -> dict[int, int]:
        """Return the keys of all that means the same as a reading type, by the exponent of its resolution."""
        if unit.given is not None:
            return _find_alike(unit, kind, image)
        ((count,),) = unit.fetch(COUNT)
        alike = self._alike
        if count != alike[0]:  # somebody else may have given a key to one that was not there before
            alike = self._alike = count, {}
        found = alike[1].get((kind, image))
        if found is None:
            found = alike[1][kind, image] = _find_alike(unit, kind, image)
        return found

    def make_type_key(self, unit: Unit, kind: ReadingType, image: Image = Image.RAW) -> int:
        """Return the key of a reading type, giving it one if it is new; each image counts as a type of its own."""
        key = self.type_key(unit, kind, image)
        if key is None:
            self.will_give(unit)
            code = _code(kind, image)
            add_missing(unit, schema.reading_type, [{"code": code}])
            key = _lookup(unit, schema.reading_type, [code])[code]
            self._of(unit).types[code] = key
        return key


def _find_alike(unit: Unit, kind: ReadingType, image: Image) -> dict[int, int]:
    codes = {_code(kind.finer(exponent), image): exponent for exponent in EXPONENTS}
    return {codes[code]: key for code, key in _lookup(unit, schema.reading_type, list(codes)).items()}


def _code(kind: ReadingType, image: Image) -> str:
    return kind.code if image is Image.RAW else f"{kind.code}{IMAGE_MARK}{image}"


def within(query: Select[Any], column: ColumnElement[Any], access: Access) -> Select[Any]:
    """Narrow a query to rows whose usage point `access` may see; `column` holds the point's key."""
    if access.points is None:
        return query
    point = schema.usage_point
    return query.where(column.in_(select(point.c.id).where(point.c.code.in_(sorted(access.points)))))


def new_key(result: CursorResult[Any]) -> int:
    """Return the key that an inserted row was given."""
    key: tuple[Any, ...] = tuple(result.inserted_primary_key or ())
    return int(key[0])


def add_missing(unit: Unit, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows with an id of their own; one that another writer adds at the same moment is left as it is."""
    if unit.dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # a twentieth of a start, for those who have no such server

        unit.connection.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
    elif unit.dialect == "mysql":
        from sqlalchemy.dialects import mysql

        same = next(column for column in table.c if column.name in rows[0])
        unit.connection.execute(mysql.insert(table).on_duplicate_key_update({same.name: same}), rows)
    else:
        unit.connection.execute(insert(table), rows)


def every_type(unit: Unit) -> dict[int, ReadingType]:
    """Return all stored reading types by key, those of raw images."""
    return {key: kind for key, (kind, image) in every_image(unit).items() if image is Image.RAW}


def every_image(unit: Unit) -> dict[int, tuple[ReadingType, Image]]:
    """Return all stored reading types by key, with the image that each is of."""
    found = {}
    for row in unit.connection.execute(select(schema.reading_type)):
        code, _, image = row.code.partition(IMAGE_MARK)
        try:
            found[row.id] = from_code(code), Image(image) if image else Image.RAW
        except (NotFound, ValueError) as error:
            raise StoreCorrupt(
                f"reading type number {row.id} is {row.code!r}, which is none",
                where="reading_type.code",
                remedy="take its code from a backup; gridwright backup restore brings one into an empty place",
            ) from error
    return found


def _lookup(unit: Unit, table: Table, wanted: Sequence[str]) -> dict[str, int]:
    """Look up the keys in packets by the index: a town of a million must not be read for a part of it."""
    found: dict[str, int] = {}
    for at in range(0, len(wanted), PACKET):
        part = wanted[at : at + PACKET]
        sql = f"SELECT code, id FROM {table.name} WHERE code IN ({', '.join('?' * len(part))})"  # noqa: S608 - our own table
        found.update(unit.fetch(sql, part))
    return found
