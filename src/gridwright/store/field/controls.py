"""Controls: each step of an instruction to a device, durable before the next one, and never taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.control import NEXT, Command, ControlState, ControlStep, EndDeviceControl
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.interval import epoch_s
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.touching import touch_days
from gridwright.store.instant import from_us, from_us_if, to_us, to_us_if
from gridwright.store.names import Names, new_key, within
from gridwright.store.schema.field import control_step
from gridwright.store.schema.field import end_device_control as table
from gridwright.store.session import Session, Unit

# What connects a usage point, or takes it off: its readings are judged again.
SWITCHING = frozenset({Command.DISCONNECT, Command.RECONNECT})
MOVING = ("state", "attempts", "evidence", "approved_by")
ASKED = tuple(each.name for each in fields(EndDeviceControl) if each.name not in MOVING)


class Controls:
    """Controls and the steps they took."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def add(self, access: Access, control: EndDeviceControl) -> None:
        """Keep a request, in the name of who asks; the same id again is a Conflict unless all else is the same."""
        self._require(access, control)
        if control.requested_by != access.actor:
            raise AccessDenied(f"{access.actor} may not ask in the name of {control.requested_by}")
        if control.state is not ControlState.REQUESTED or control.approved_by:
            raise Conflict(
                f"control {control.id} is {control.state} before it was requested", remedy="request it first"
            )
        with self._session.writing() as unit:
            found = unit.connection.execute(_query().where(table.c.code == control.id)).first()
            if found is not None:
                if _to_control(found) == control:
                    return
                raise Conflict(
                    f"control {control.id} exists already and asks for something else", remedy="use a new id"
                )
            key = self._names.point_keys(unit, [control.usage_point])[0] if control.usage_point else None
            row = {**_row(control), "usage_point": key}
            number = new_key(unit.connection.execute(insert(table).values(row)))
            at = control.requested or self._session.clock()
            self._step(unit, access, (number, 1), control, ControlStep(control.state, at, access.actor, control.reason))

    def control(self, access: Access, code: str) -> EndDeviceControl:
        """Return one control as it stands."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            return _to_control(_find(unit, access, code))

    def find(
        self,
        access: Access,
        *,
        states: Sequence[ControlState] = (),
        point: str | None = None,
        device: str | None = None,
        limit: int = 100,
        before: str = "",
    ) -> list[EndDeviceControl]:
        """Return controls, the newest first; `before`: the id of the last one seen."""
        access.require(Act.READ, point)
        query = within(_query(), table.c.usage_point, access)
        if states:
            query = query.where(table.c.state.in_([str(state) for state in states]))
        if device is not None:
            query = query.where(table.c.end_device == device)
        with self._session.reading(settled=False) as unit:
            if point is not None:
                query = query.where(table.c.usage_point == self._names.point_keys(unit, [point])[0])
            if before:
                query = query.where(table.c.id < _find(unit, access, before).id)
            rows = unit.connection.execute(query.order_by(table.c.id.desc()).limit(limit)).all()
        return [_to_control(row) for row in rows]

    def advance(
        self,
        access: Access,
        before: EndDeviceControl,
        after: EndDeviceControl,
        *,
        detail: str = "",
        now: datetime,
    ) -> None:
        """Go from one state to the next, for one caller only: where another was quicker it is a Conflict.

        The step is durable on return. What was asked for never changes; an approval is given in one's own name.
        """
        self._require(access, before)
        _check(access, before, after)
        c = table.c
        same = (c.state == str(before.state), c.attempts == before.attempts, c.approved_by == before.approved_by)
        values = {name: _row(after)[name] for name in MOVING}
        with self._session.writing() as unit:
            if not unit.connection.execute(update(table).where(c.code == before.id, *same).values(values)).rowcount:
                there = _to_control(_find(unit, access, before.id))
                raise Conflict(
                    f"control {before.id} is {there.state} (attempt {there.attempts}) by now, not {before.state}",
                    remedy="look at it again before going on",
                )
            number = _find(unit, access, before.id).id
            last = select(func.max(control_step.c.position)).where(control_step.c.control == number)
            position = int(unit.connection.execute(last).scalar_one()) + 1
            step = ControlStep(after.state, now, access.actor, detail)
            self._step(unit, access, (number, position), after, step)
            if after.state is ControlState.CONFIRMED and after.command in SWITCHING and after.usage_point:
                key = self._names.point_keys(unit, [after.usage_point])[0]
                touch_days(unit, self._names, [(key, epoch_s(now))])

    def steps(self, access: Access, code: str) -> list[ControlStep]:
        """Return what a control went through, in order."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            number = _find(unit, access, code).id
            query = select(control_step).where(control_step.c.control == number).order_by(control_step.c.position)
            rows = unit.connection.execute(query).all()
        return [ControlStep(ControlState(row.state), from_us(row.at_us), row.actor, row.detail) for row in rows]

    def _require(self, access: Access, control: EndDeviceControl) -> None:
        access.require(Act.CONTROL, control.usage_point or None)
        if access.points is not None and not control.usage_point:
            raise AccessDenied(f"{access.actor} may not control device {control.end_device}")

    def _step(
        self, unit: Unit, access: Access, place: tuple[int, int], control: EndDeviceControl, step: ControlStep
    ) -> None:
        values = {
            "control": place[0],
            "position": place[1],
            "state": str(step.state),
            "at_us": to_us(step.at),
            "actor": step.actor[:200],
            "detail": step.detail,
        }
        unit.connection.execute(insert(control_step).values(values))
        note(
            unit,
            access,
            Act.CONTROL,
            subject=f"control {control.id}",
            at=step.at,
            state=str(step.state),
            command=str(control.command),
            device=control.end_device,
            detail=step.detail,
        )


def _check(access: Access, before: EndDeviceControl, after: EndDeviceControl) -> None:
    """Refuse a step that is none, or that changes what was asked for."""
    if any(getattr(before, name) != getattr(after, name) for name in ASKED):
        raise Conflict(f"control {before.id}: what was asked for cannot be changed", remedy="request another one")
    if after.state is not before.state and after.state not in NEXT[before.state]:
        remedy = "gridwright control status tells where it stands"
        raise Conflict(f"control {before.id} is {before.state} and cannot become {after.state}", remedy=remedy)
    if not NEXT[before.state]:
        raise Conflict(f"control {before.id} is {before.state}, which is final", remedy="request another one")
    if after.approved_by != before.approved_by:
        if before.approved_by:
            remedy = "nothing is left to approve"
            raise Conflict(f"control {before.id} was approved by {before.approved_by} already", remedy=remedy)
        if after.approved_by != access.actor:
            raise AccessDenied(f"{access.actor} may not approve in the name of {after.approved_by}")


def _query() -> Select[Any]:
    point = schema.usage_point
    return select(table, point.c.code.label("point")).outerjoin(point, point.c.id == table.c.usage_point)


def _find(unit: Unit, access: Access, code: str) -> Row[Any]:
    row: Row[Any] | None = unit.connection.execute(_query().where(table.c.code == code)).first()
    if row is None:
        raise NotFound(f"control {code!r} does not exist", remedy="see the list of controls")
    if row.point is None and access.points is not None:
        raise AccessDenied(f"{access.actor} may not see device {row.end_device}")
    access.require(Act.READ, row.point)
    return row


def _row(control: EndDeviceControl) -> dict[str, Any]:
    return {
        "code": control.id,
        "end_device": control.end_device,
        "command": str(control.command),
        "reason": control.reason,
        "requested_by": control.requested_by,
        "approved_by": control.approved_by,
        "expires_us": to_us(control.expires),
        "requested_us": to_us_if(control.requested),
        "state": str(control.state),
        "attempts": control.attempts,
        "evidence": control.evidence,
    }


def _to_control(row: Row[Any]) -> EndDeviceControl:
    return EndDeviceControl(
        id=row.code,
        end_device=row.end_device,
        command=Command(row.command),
        reason=row.reason,
        requested_by=row.requested_by,
        expires=from_us(row.expires_us),
        approved_by=row.approved_by,
        state=ControlState(row.state),
        usage_point=row.point or "",
        requested=from_us_if(row.requested_us),
        evidence=row.evidence,
        attempts=row.attempts,
    )
