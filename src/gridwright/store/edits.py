"""Edits: what people agreed in place of readings, each step on record, and never deleted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.instant import from_us, from_us_if, to_period, to_seconds, to_us, to_us_if
from gridwright.store.names import FEW, Names, every_type, within
from gridwright.store.schema.trust import edit as table
from gridwright.store.session import Session, Unit

STEP = ("state", "decided_by", "decided_us", "note", "detail")


class Edits:
    """Edits of readings."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def add(self, access: Access, edit: Edit) -> None:
        """Keep a proposal in the name of who makes it; the same again changes nothing, another of its id: Conflict."""
        access.require(Act.WRITE_READINGS, edit.usage_point)
        if edit.author != access.actor:
            raise AccessDenied(f"{access.actor} may not edit in the name of {edit.author}")
        if edit.state is not EditState.PROPOSED:
            raise Conflict(f"edit {edit.id} is {edit.state} before it was proposed", remedy="propose it first")
        with self._session.writing() as unit:
            kinds = every_type(unit)
            found = unit.connection.execute(edit_query().where(table.c.code == edit.id)).first()
            if found is not None:
                if to_edit(found, kinds) == edit:
                    return
                raise Conflict(f"edit {edit.id} exists already and is another", remedy="use a new id")
            point = self._names.point_keys(unit, [edit.usage_point])[0]
            kind = self._names.make_type_key(unit, edit.reading_type)
            unit.connection.execute(insert(table).values(**_row(edit), usage_point=point, reading_type=kind))
            self._note(unit, access, edit)

    def edit(self, access: Access, code: str) -> Edit:
        """Return one edit."""
        access.require(Act.READ)
        with self._session.reading() as unit:
            found = to_edit(_find(unit, code), every_type(unit))
        access.require(Act.READ, found.usage_point)
        if not _may_see(access, found.state):
            raise _absent(code)
        return found

    def find(
        self,
        access: Access,
        *,
        point: str | None = None,
        states: Sequence[EditState] = (),
        limit: int = 100,
        before: str = "",
    ) -> list[Edit]:
        """Return edits, the newest first; `before`: the id of the last one seen."""
        access.require(Act.READ, point)
        query = within(edit_query(), table.c.usage_point, access)
        states = [state for state in states or EditState if _may_see(access, state)]
        query = query.where(table.c.state.in_([str(state) for state in states]))
        with self._session.reading() as unit:
            if point is not None:
                query = query.where(table.c.usage_point == self._names.point_keys(unit, [point])[0])
            if before:
                query = query.where(table.c.id < _find(unit, before).id)
            kinds = every_type(unit)
            rows = unit.connection.execute(query.order_by(table.c.id.desc()).limit(limit)).all()
        return [to_edit(row, kinds) for row in rows]

    def begin_with(self, access: Access, start: str, *, limit: int = 5) -> list[str]:
        """Return the ids that begin so, the newest first: people cut them."""
        access.require(Act.READ)
        query = within(edit_query(), table.c.usage_point, access).where(table.c.code.startswith(start, autoescape=True))
        seen = [str(state) for state in EditState if _may_see(access, state)]
        query = query.where(table.c.state.in_(seen)).order_by(table.c.id.desc()).limit(limit)
        with self._session.reading(settled=False) as unit:
            return [row.code for row in unit.connection.execute(query)]

    def applied(self, access: Access, points: Sequence[str], period: Interval) -> list[Edit]:
        """Return the edits in force that touch a period, in the order in which they were let go: the last one wins."""
        return self._touching(access, points, period, EditState.APPLIED)

    def withdrawn(self, access: Access, points: Sequence[str], period: Interval) -> list[Edit]:
        """Return the edits that touch a period and were taken back, in the order in which they were."""
        return self._touching(access, points, period, EditState.WITHDRAWN)

    def applied_alone(self, access: Access, points: Sequence[str], since: datetime) -> list[Edit]:
        """Return the edits in force that the person who asks made after an instant and let go without anybody else."""
        me = access.actor[:200]
        mine = (table.c.author == me, table.c.decided_by == me, table.c.created_us > to_us(since))
        return self._found(access, points, edit_query().where(table.c.state == str(EditState.APPLIED), *mine))

    def _touching(self, access: Access, points: Sequence[str], period: Interval, state: EditState) -> list[Edit]:
        start, end = to_seconds(period.start), to_seconds(period.end)
        there = (table.c.start_s < end, table.c.end_s > start)
        return self._found(access, points, edit_query().where(table.c.state == str(state), *there))

    def _found(self, access: Access, points: Sequence[str], query: Select[Any]) -> list[Edit]:
        """Return what a query finds at usage points, in the order in which it was decided."""
        access.require(Act.READ)
        for point in points:
            access.require(Act.READ, point)
        query = query.where(table.c.state.in_([str(state) for state in EditState if _may_see(access, state)]))
        with self._session.reading() as unit:
            kinds = every_type(unit)
            keys = self._names.point_keys(unit, points)
            rows = [
                row
                for at in range(0, len(keys), FEW)
                for row in unit.connection.execute(query.where(table.c.usage_point.in_(keys[at : at + FEW])))
            ]
        return [to_edit(row, kinds) for row in sorted(rows, key=lambda row: (row.decided_us or 0, row.id))]

    def advance(self, access: Access, before: Edit, after: Edit) -> None:
        """Go from one state to the next, in one's own name; where another was quicker it is a Conflict."""
        access.require(Act.WRITE_READINGS, before.usage_point)
        if after.decided_by != access.actor:
            raise AccessDenied(f"{access.actor} may not decide in the name of {after.decided_by}")
        values = {name: _row(after)[name] for name in STEP}
        same = (table.c.code == before.id, table.c.state == str(before.state))
        with self._session.writing() as unit:
            if not unit.connection.execute(update(table).where(*same).values(values)).rowcount:
                there = _find(unit, before.id)
                raise Conflict(f"edit {before.id} is {there.state} by now", remedy="look at it again")
            self._note(unit, access, after)

    def _note(self, unit: Unit, access: Access, edit: Edit) -> None:
        at = edit.decided or edit.created
        note(unit, access, Act.WRITE_READINGS, subject=edit.usage_point, at=at, **record_of(edit))


def record_of(edit: Edit) -> dict[str, str]:
    """Return what the audit chain tells of a step of an edit, besides who and when."""
    added = f"{edit.difference * edit.reading_type.resolution:g} {edit.reading_type.unit}"
    told = {"edit": edit.id, "state": str(edit.state), "period": str(edit.period), "reason": edit.reason}
    return {**told, "difference": added, "note": edit.note}


def edit_query() -> Select[Any]:
    """Return the query of edits as `to_edit` reads them: with the code of their usage point."""
    point = schema.usage_point
    return select(table, point.c.code.label("point")).join(point, point.c.id == table.c.usage_point)


def _find(unit: Unit, code: str) -> Row[Any]:
    row: Row[Any] | None = unit.connection.execute(edit_query().where(table.c.code == code)).first()
    if row is None:
        raise _absent(code)
    return row


def _absent(code: str) -> NotFound:
    return NotFound(f"edit {code!r} does not exist", remedy="see the list of edits")


def _may_see(access: Access, state: EditState) -> bool:
    """Tell whether somebody may see edits in a state: a customer sees what counts, not what was only thought of."""
    return access.role is not Role.CUSTOMER or state is EditState.APPLIED


def _row(edit: Edit) -> dict[str, Any]:
    return {
        "code": edit.id,
        "start_s": to_seconds(edit.period.start),
        "end_s": to_seconds(edit.period.end),
        "state": str(edit.state),
        "author": edit.author,
        "reason": edit.reason,
        "evidence": edit.evidence,
        "detail": json.dumps(
            {
                "interval_s": int(edit.interval.total_seconds()),
                "values": [int(value) for value in edit.values],
                "before": [None if value is None else int(value) for value in edit.before],
                **({"approved": [edit.approved_by, to_us(edit.approved)]} if edit.approved else {}),
            }
        ),
        "difference": int(edit.difference),
        "created_us": to_us(edit.created),
        "decided_by": edit.decided_by or None,
        "decided_us": to_us_if(edit.decided),
        "note": edit.note,
    }


def to_edit(row: Row[Any], kinds: dict[int, ReadingType]) -> Edit:
    """Return the edit of a row; `kinds`: every reading type by its key."""
    detail = json.loads(row.detail)
    # Of old only the last step was kept.
    last = (row.decided_by, row.decided_us) if row.state == EditState.APPLIED else ("", None)
    approved_by, approved_us = detail.get("approved", last)
    return Edit(
        id=row.code,
        usage_point=row.point,
        period=to_period(row.start_s, row.end_s),
        interval=timedelta(seconds=detail["interval_s"]),
        values=tuple(map(float, detail["values"])),
        before=tuple(None if value is None else float(value) for value in detail["before"]),
        author=row.author,
        reason=row.reason,
        created=from_us(row.created_us),
        evidence=row.evidence,
        reading_type=kinds[row.reading_type],
        state=EditState(row.state),
        decided_by=row.decided_by or "",
        decided=from_us_if(row.decided_us),
        note=row.note,
        approved_by=approved_by or "",
        approved=from_us_if(approved_us),
    )
