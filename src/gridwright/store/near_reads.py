"""Register reads beside instants and between them, for many usage points in a few statements."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from gridwright.store.days.appending import Near
from gridwright.store.register_marks import ESTIMATED, WITHDRAWN, is_estimate
from gridwright.store.session import Unit

Nearest = dict[int, Near]
Asked = tuple[int, int, int]  # the key of a usage point, since and until, in epoch seconds
IN_ORDER = attrgetter("at_s", "epoch")
PARTS = 100  # selects in one statement to a server

# SQLite looks up all of a group in one statement: each of its own would cost more than what it finds. The list of
# [key, since, until] is walked in its order, and each entry goes to its place in the primary key.
_ALL = "r.usage_point, r.at_s, r.value, r.end_device, r.epoch, r.quality"
_OF_EACH = (
    f"SELECT {_ALL} FROM json_each(?1) AS asked "  # noqa: S608 - only the names of columns
    "CROSS JOIN register_reading AS r WHERE r.usage_point = asked.value ->> 0 AND r.reading_type = ?2 "
)
_NEXT_TO_EACH = (
    "AND (r.at_s, r.epoch) = (SELECT n.at_s, n.epoch FROM register_reading AS n "
    "WHERE n.usage_point = asked.value ->> 0 AND n.reading_type = ?2 "
)
_COUNTS = f"AND n.quality < {WITHDRAWN} "
_TAKEN = f"AND ({{}}.quality & 15) <> {ESTIMATED} "  # no estimate
_BEFORE_EACH = (
    f"{_OF_EACH}{_NEXT_TO_EACH}{_COUNTS}AND n.at_s <= asked.value ->> 1 ORDER BY n.at_s DESC, n.epoch DESC LIMIT 1)"
)
_AFTER_EACH = f"{_OF_EACH}{_NEXT_TO_EACH}{_COUNTS}AND n.at_s > asked.value ->> 2 ORDER BY n.at_s, n.epoch LIMIT 1)"
_BETWEEN_EACH = f"{_OF_EACH}AND r.quality < {WITHDRAWN} AND r.at_s BETWEEN asked.value ->> 1 AND asked.value ->> 2"
_INSTANTS_EACH = _BETWEEN_EACH.replace(_ALL, "r.usage_point, r.at_s")

# A server is asked by selects side by side, each of which goes to its place in the primary key: a join of a list would
# have it walk the reads of a usage point, and the limit of each needs LATERAL, which MariaDB does not have.
_OF_ONE = f"{_ALL} FROM register_reading AS r WHERE r.usage_point = ? AND r.reading_type = ? "
_COUNTING = f"{_OF_ONE}AND r.quality < {WITHDRAWN} AND "
_BEFORE = f"(SELECT 0, {_COUNTING}r.at_s <= ? ORDER BY r.at_s DESC, r.epoch DESC LIMIT 1)"
_AFTER = f"(SELECT 1, {_COUNTING}r.at_s > ? ORDER BY r.at_s, r.epoch LIMIT 1)"
_BETWEEN = f"(SELECT 0, {_COUNTING}r.at_s BETWEEN ? AND ?)"


def nearest(
    unit: Unit, kind: int, asked: Sequence[Asked], *, withdrawn: bool = False, taken: bool = False
) -> tuple[Nearest, Nearest]:
    """Return by key the last read up to one instant, and the first after another.

    `withdrawn`: with those that count no more, SQLite's alone. `taken`: without estimates.
    """
    if unit.dialect == "sqlite":
        both, counts = json.dumps(asked), "" if withdrawn else _COUNTS + _TAKEN.format("n") * taken
        every = (sql.replace(_COUNTS, counts) for sql in (_BEFORE_EACH, _AFTER_EACH))
        before, after = (unit.fetch(sql, (both, kind)) for sql in every)
        return {row[0]: Near._make(row[1:]) for row in before}, {row[0]: Near._make(row[1:]) for row in after}
    found: tuple[Nearest, Nearest] = ({}, {})
    first, second = (sql.replace("ORDER", f"{_TAKEN.format('r')}ORDER") if taken else sql for sql in (_BEFORE, _AFTER))
    parts = [
        part for key, since, until in asked for part in ((first, (key, kind, since)), (second, (key, kind, until)))
    ]
    for side, key, *near in _side_by_side(unit, parts):
        found[side][key] = Near._make(near)
    return found


def begun(unit: Unit, kind: int, before: Nearest) -> frozenset[int]:
    """Return the keys of usage points whose last read began an epoch: the next one tells whether it was right."""
    asked = [(key, near.at_s - 1, near.at_s) for key, near in before.items() if near.epoch]
    if not asked:
        return frozenset()
    earlier = nearest(unit, kind, asked)[0]
    return frozenset(key for key, *_ in asked if key in earlier and earlier[key].epoch != before[key].epoch)


def between(unit: Unit, kind: int, asked: Sequence[Asked]) -> dict[int, list[Near]]:
    """Return by key the reads from one instant to another, both included, in order of time and epoch."""
    if unit.dialect == "sqlite":
        rows = unit.fetch(_BETWEEN_EACH, (json.dumps(asked), kind))
    else:
        parts = [(_BETWEEN, (key, kind, since, until)) for key, since, until in asked]
        rows = [row[1:] for row in _side_by_side(unit, parts)]
    found: dict[int, list[Near]] = {key: [] for key, *_ in asked}
    for row in rows:
        found[row[0]].append(Near._make(row[1:]))
    return {key: sorted(several, key=IN_ORDER) for key, several in found.items()}


def instants(unit: Unit, kind: int, asked: Sequence[Asked]) -> dict[int, tuple[int, ...]]:
    """Return by key the instants alone of what `between` returns, in order: SQLite's alone."""
    found: dict[int, list[int]] = {key: [] for key, *_ in asked}
    for key, at_s in unit.fetch(_INSTANTS_EACH, (json.dumps(asked), kind)):
        found[key].append(at_s)
    return {key: tuple(sorted(several)) for key, several in found.items()}


def reaching(
    unit: Unit, kind: int, spans: Mapping[int, tuple[int, int]], instants: tuple[int, int]
) -> dict[int, tuple[int, int, int]]:
    """Return by key from when to when so many instants with reads lie around a span, and how many lie before it.

    Where estimates are among them it reaches on over so many that were taken.
    """
    found, guessed = _reach(unit, kind, spans, instants)
    if not guessed:
        return found
    taken, _ = _reach(unit, kind, {key: spans[key] for key in guessed}, instants, taken=True)
    wide = {key: tuple(zip(found[key], reach, strict=True)) for key, reach in taken.items()}
    return found | {key: (min(since), max(until), max(count)) for key, (since, until, count) in wide.items()}


def _reach(
    unit: Unit, kind: int, spans: Mapping[int, tuple[int, int]], instants: tuple[int, int], *, taken: bool = False
) -> tuple[dict[int, tuple[int, int, int]], set[int]]:
    """Return how far so many instants reach, and of which keys estimates are at them."""
    found, guessed = {key: (since, until, 0) for key, (since, until) in spans.items()}, set[int]()
    earlier, later = instants
    for step in range(max(instants)):
        asked = [(key, since - 1, until) for key, (since, until, _) in found.items()]
        before, after = nearest(unit, kind, asked, taken=taken)
        guessed |= {key for side in (before, after) for key, near in side.items() if is_estimate(near.quality)}
        for key, (since, until, count) in found.items():
            if step < earlier and key in before:
                since, count = before[key].at_s, count + 1  # noqa: PLW2901
            if step < later and key in after:
                until = after[key].at_s  # noqa: PLW2901
            found[key] = since, until, count
    return found, guessed


def _side_by_side(unit: Unit, parts: Sequence[tuple[str, tuple[int, ...]]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of many small selects, of which one statement holds some."""
    for at in range(0, len(parts), PARTS):
        some = parts[at : at + PARTS]
        sql = " UNION ALL ".join(select for select, _ in some)
        yield from unit.fetch(sql, [value for _, values in some for value in values])
