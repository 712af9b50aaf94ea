"""What a person decides about findings: all that are named or none, on record, and the days that follow are dirty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, bindparam, or_, select, update

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.finding import REJECTING, Severity
from gridwright.domain.interval import DAY_S
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.dirty import mark
from gridwright.store.names import FEW
from gridwright.store.session import Unit

Conditions = tuple[ColumnElement[bool], ...]
IS_OPEN: Conditions = (schema.finding.c.resolved_at_us.is_(None),)
IS_ACCEPTED: Conditions = (
    or_(
        schema.finding.c.resolved_by.is_not(None),
        schema.finding.c.resolved_at_us.is_(None) & schema.finding.c.proposed_by.is_not(None),
    ),
)
SHOWN, MANY = 60, 20  # letters of a name, and names, that a message tells


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done (`act`), why and when; which columns change, of which rows (`only`).

    `touches`: whether the days of what rejects values are to be judged again; `anew`: those of all of them.
    """

    act: str
    reason: str
    now: datetime
    values: Mapping[str, Any]
    only: Conditions
    touches: bool = False
    anew: bool = False


def decide(
    unit: Unit, access: Access, ids: Iterable[int], decision: Decision, seen: Mapping[int, str] | None = None
) -> int:
    """Change findings, all within reach or none, leave one audit record, and return how many changed."""
    access.require(Act.READ)
    access.require(Act.WRITE_READINGS)
    wanted = sorted(set(ids))
    rows = rows_of(unit, wanted)
    for row in rows:
        access.require(Act.WRITE_READINGS, row.point)
    # Whoever judges these usage points meanwhile may find other values: what is read from here on stays.
    lock_points(unit, sorted({row.usage_point for row in rows}))
    rows = rows_of(unit, wanted, decision.only)
    for row in rows:
        _require_seen(row, seen)
    for part in parts_of([row.id for row in rows]):
        unit.connection.execute(update(schema.finding).where(is_one_of(part)).values(**decision.values))
    if rows:
        if decision.touches or decision.anew:
            _touch(unit, [row for row in rows if decision.anew or _rejects(row)])
        points = {row.point for row in rows}
        subject = points.pop() if len(points) == 1 else f"{len(points)} usage points"
        which = _numbers([row.id for row in rows])
        detail: dict[str, str | float] = {decision.act: len(rows), "ids": which, "reason": decision.reason}
        note(unit, access, Act.WRITE_READINGS, subject=subject, at=decision.now, **detail)
    return len(rows)


def note_moved(unit: Unit, moved_wh: Mapping[int, int]) -> None:
    """Keep with findings what their acceptance moved."""
    if moved_wh:
        one = update(schema.finding).where(schema.finding.c.id == bindparam("number"))
        each = [{"number": number, "wh": moved} for number, moved in moved_wh.items()]
        unit.connection.execute(one.values(moved_wh=bindparam("wh")), each)


def require_reason(reason: str, act: str, remedy: str) -> None:
    """Raise an InputError where somebody decides without a word."""
    if not reason.strip():
        raise InputError(f"{act} needs a reason", remedy=remedy)


def may_decide(access: Access, points: Iterable[str]) -> bool:
    """Tell whether somebody may look at findings of some usage points and decide about them."""
    acts = ALLOWED[access.role]
    return {Act.READ, Act.WRITE_READINGS} <= acts and all(access.may_see(point) for point in points)


def require_decider(name: str, able: Sequence[str]) -> None:
    """Raise an InputError for the name of somebody who could not decide; where nobody has a name here, any will do."""
    if name and able and name not in able:
        raise InputError(
            f"{name[:SHOWN]!r} is no user who may decide about these findings",
            remedy=f"give them to one of {', '.join(able[:MANY])}{', …' if len(able) > MANY else ''}; '' is nobody",
        )


def query_findings() -> Select[Any]:
    """Select findings with the code of their usage point."""
    table, point = schema.finding, schema.usage_point
    return select(table, point.c.code.label("point")).join(point, point.c.id == table.c.usage_point)


def rows_of(unit: Unit, ids: Iterable[int], only: Conditions | None = None) -> list[Row[Any]]:
    """Return the rows of some ids, in their order; without `only` one that does not exist is NotFound."""
    wanted = sorted(set(ids))
    query = query_findings().where(*only or ()).order_by(schema.finding.c.id)
    rows = [row for part in parts_of(wanted) for row in unit.connection.execute(query.where(is_one_of(part)))]
    missing = sorted(set(wanted) - {row.id for row in rows}) if only is None else []
    if missing:
        raise NotFound(f"finding {missing[0]} does not exist", remedy="see the list of findings")
    return rows


def parts_of(numbers: Sequence[int]) -> list[Sequence[int]]:
    """Cut a list of ids into parts that one statement may hold."""
    return [numbers[at : at + FEW] for at in range(0, len(numbers), FEW)]


def is_one_of(numbers: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a finding is one of these."""
    return schema.finding.c.id.in_(numbers)


def _require_seen(row: Row[Any], seen: Mapping[int, str] | None) -> None:
    if seen is not None and seen.get(row.id, "") != (row.fingerprint or ""):
        raise Conflict(
            f"finding {row.id} of {row.point} doubts other values by now", remedy="look at it again, then decide"
        )


def _numbers(ids: Sequence[int]) -> str:
    """Return all ids, for what a row says is taken back some day; neighbours in short: `3, 7-12`."""
    bounds = [0, *(at for at in range(1, len(ids)) if ids[at] > ids[at - 1] + 1), len(ids)]
    runs = [(ids[first], ids[last - 1]) for first, last in pairwise(bounds)]
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def _rejects(row: Row[Any]) -> bool:
    """Tell whether a finding keeps values from counting, or would."""
    return row.code in REJECTING and row.severity == str(Severity.FAIL)


def _touch(unit: Unit, rows: Sequence[Row[Any]]) -> None:
    """Mark the UTC days of findings dirty."""
    days: dict[tuple[int, int], set[int]] = defaultdict(set)
    for row in rows:
        days[row.reading_type, row.usage_point].update(range(row.start_s // DAY_S, -(-row.end_s // DAY_S)))
    # One run of days a usage point at a time: those of one call must not be of the same one.
    turns: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for (kind, point), some in days.items():
        each = np.array(sorted(some), np.int64)
        for turn, run in enumerate(np.split(each, np.flatnonzero(np.diff(each) != 1) + 1)):
            turns[kind, turn].append((point, int(run[0]), int(run[-1]) + 1))
    for kind, turn in sorted(turns):
        points, first, last = (np.array(column, np.int64) for column in zip(*sorted(turns[kind, turn]), strict=True))
        mark(unit, kind, points, first, last)
