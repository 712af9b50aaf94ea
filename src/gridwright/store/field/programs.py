"""Programs: offers of demand response, their events, and what each usage point delivered in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, delete, insert, or_, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.domain.program import NEXT_STATE, Event, EventState, Performance, Program
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.field.event_rows import event_row, performance_row, to_events, to_performance
from gridwright.store.instant import to_us
from gridwright.store.names import FEW, Names, new_key, within
from gridwright.store.schema.work import event_target, performance, program, program_event
from gridwright.store.session import Session, Unit


class Programs:
    """Programs, events, performances."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save_program(self, access: Access, offer: Program) -> bool:
        """Add or change a program and tell whether anything was new."""
        access.require(Act.WRITE_REGISTRY)
        values = {
            "name": offer.name,
            "currency": offer.currency,
            "price_per_kwh": str(offer.price_per_kwh),
            "baseline": offer.baseline,
        }
        this = program.c.code == offer.id
        with self._session.writing() as unit:
            found = unit.connection.execute(select(program).where(this).with_for_update()).first()
            if found is not None and _to_program(found) == offer:
                return False
            if found is None:
                unit.connection.execute(insert(program).values(code=offer.id, **values))
            else:
                unit.connection.execute(update(program).where(this).values(values))
            at = self._session.clock()
            price = f"{offer.price_per_kwh} {offer.currency}"
            note(unit, access, Act.WRITE_REGISTRY, subject=f"program {offer.id}", at=at, price=price)
            return True

    def program(self, access: Access, code: str) -> Program:
        """Return one program."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            row = unit.connection.execute(select(program).where(program.c.code == code)).first()
        if row is None:
            raise NotFound(f"program {code!r} does not exist", remedy="see the list of programs")
        return _to_program(row)

    def programs(self, access: Access) -> tuple[Program, ...]:
        """Return every program by id; they are offers, and no secret."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(select(program).order_by(program.c.code)).all()
        return tuple(_to_program(row) for row in rows)

    def save_event(self, access: Access, event: Event) -> bool:
        """Add or change an event and tell whether anything was new.

        Its state only goes on; a settled or cancelled one stays as it is. Both are Conflicts.
        """
        access.require(Act.CONTROL)
        for point in event.targets if access.points is not None else ():
            access.require(Act.CONTROL, point)
        _check_targets(event)
        with self._session.writing() as unit:
            _require_program(unit, event)
            query = select(program_event).where(program_event.c.code == event.id)
            found = unit.connection.execute(query.with_for_update()).first()
            if found is None:
                number = new_key(unit.connection.execute(insert(program_event).values(event_row(event))))
            else:
                old, number = to_events(unit, [found])[0], int(found.id)
                if old == event:
                    return False
                _check_change(old, event)
                unit.connection.execute(
                    update(program_event).where(program_event.c.id == number).values(event_row(event))
                )
                unit.connection.execute(delete(event_target).where(event_target.c.event == number))
            self._add_targets(unit, number, event)
            at = self._session.clock()
            state, many = str(event.state), len(event.participants)
            note(unit, access, Act.CONTROL, subject=f"event {event.id}", at=at, state=state, participants=many)
            return True

    def event(self, access: Access, code: str) -> Event:
        """Return one event; whoever sees a part of the town sees of its targets their own."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            found = to_events(unit, [_find(unit, code)])[0]
        seen = _seen(access, found)
        if seen is None:
            raise AccessDenied(f"{access.actor} may not see event {code}")
        return seen

    def events(
        self,
        access: Access,
        *,
        program: str | None = None,
        states: Sequence[EventState] = (),
        point: str | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return events, the newest first."""
        access.require(Act.READ, point)
        c, target = program_event.c, event_target.c
        query = select(program_event).order_by(c.id.desc()).limit(limit)
        if access.points is not None:
            query = query.where(c.id.in_(within(select(target.event), target.usage_point, access)))
        if program is not None:
            query = query.where(c.program == program)
        if states:
            query = query.where(c.state.in_([str(state) for state in states]))
        with self._session.reading(settled=False) as unit:
            if point is not None:
                key = self._names.point_keys(unit, [point])[0]
                query = query.where(c.id.in_(select(target.event).where(target.usage_point == key)))
            found = to_events(unit, unit.connection.execute(query).all())
        return [seen for seen in (_seen(access, each) for each in found) if seen is not None]

    def save_performances(self, access: Access, event_id: str, rows: Sequence[Performance]) -> int:
        """Keep what was delivered, and return how many are new or differ; what they replace is kept, superseded.

        Until the end of the transaction nobody bills these usage points, so that no bill misses what is paid here.
        """
        access.require(Act.CONTROL)
        for each in rows:
            if access.points is not None:
                access.require(Act.CONTROL, each.usage_point)
            if each.event != event_id:
                raise InputError(f"a performance in event {each.event} is none in {event_id}")
        with self._session.writing() as unit:
            number = int(_find(unit, event_id, lock=True).id)
            old = {each.usage_point: (key, each) for key, each in _current(unit, number)}
            new = [each for each in rows if each.usage_point not in old or old[each.usage_point][1] != each]
            if not new:
                return 0
            keys = self._names.point_keys(unit, [each.usage_point for each in new])
            lock_points(unit, keys)
            at = self._session.clock()
            _supersede(unit, [old[each.usage_point][0] for each in new if each.usage_point in old], to_us(at))
            common = {"event": number, "known_at_us": to_us(at)}
            rows_new = [performance_row(each, key) | common for each, key in zip(new, keys, strict=True)]
            unit.connection.execute(insert(performance), rows_new)
            paid = str(sum((each.payment for each in new), Decimal(0)))
            note(unit, access, Act.CONTROL, subject=f"event {event_id}", at=at, performances=len(new), payment=paid)
            return len(new)

    def performances(
        self,
        access: Access,
        *,
        event: str | None = None,
        point: str | None = None,
        as_of: datetime | None = None,
    ) -> list[Performance]:
        """Return what was delivered, by event and usage point, as it is known now or was known at `as_of`."""
        access.require(Act.READ, point)
        c = performance.c
        query = within(performance_query(), c.usage_point, access)
        if as_of is None:
            query = query.where(c.superseded_us.is_(None))
        else:
            later = or_(c.superseded_us.is_(None), c.superseded_us > to_us(as_of))
            query = query.where(c.known_at_us <= to_us(as_of), later)
        with self._session.reading(settled=False) as unit:
            if event is not None:
                query = query.where(c.event == _find(unit, event).id)
            if point is not None:
                query = query.where(c.usage_point == self._names.point_keys(unit, [point])[0])
            rows = unit.connection.execute(query.order_by(c.event, schema.usage_point.c.code)).all()
        return [to_performance(row) for row in rows]

    def _add_targets(self, unit: Unit, number: int, event: Event) -> None:
        out = {point: at for at, point in enumerate(event.opted_out)}
        keys = self._names.point_keys(unit, event.targets)
        rows = [
            {"event": number, "usage_point": key, "position": at, "opted_out": out.get(point)}
            for at, (key, point) in enumerate(zip(keys, event.targets, strict=True))
        ]
        if rows:
            unit.connection.execute(insert(event_target), rows)


def _require_program(unit: Unit, event: Event) -> None:
    if not unit.connection.execute(select(program.c.code).where(program.c.code == event.program)).first():
        raise NotFound(f"program {event.program!r} does not exist", remedy="save the program before its event")


def _check_targets(event: Event) -> None:
    if len(set(event.targets)) < len(event.targets):
        raise InputError(f"event {event.id} names a target twice")
    strangers = [point for point in event.opted_out if point not in event.targets]
    if strangers:
        raise InputError(f"event {event.id}: {strangers[0]} cannot opt out, because it is no target")


def _check_change(old: Event, new: Event) -> None:
    reached, fresh = {old.state}, {old.state}
    while fresh:
        fresh = {state for each in fresh for state in NEXT_STATE[each]} - reached
        reached |= fresh
    if new.state not in reached:
        remedy = "gridwright event show tells where it stands"
        raise Conflict(f"event {new.id} is {old.state} and cannot become {new.state}", remedy=remedy)
    if not NEXT_STATE[old.state]:
        raise Conflict(f"event {new.id} is {old.state} and stays as it is", remedy="plan another event")


def _seen(access: Access, event: Event) -> Event | None:
    """Return the event with the targets that `access` may see, None when there are none."""
    if access.points is None:
        return event
    targets, out = (tuple(p for p in points if access.may_see(p)) for points in (event.targets, event.opted_out))
    if not targets:
        return None
    return Event(event.id, event.program, event.period, targets, event.state, out, event.signal, event.notified)


def _find(unit: Unit, code: str, *, lock: bool = False) -> Row[Any]:
    query: Select[Any] = select(program_event).where(program_event.c.code == code)
    row: Row[Any] | None = unit.connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"event {code!r} does not exist", remedy="see the list of events")
    return row


def performance_query() -> Select[Any]:
    """Return the query of performances as `to_performance` reads them, with the codes of program and event."""
    point, event = schema.usage_point, program_event.c
    codes = (event.code.label("event_code"), event.program.label("program_code"), point.c.code.label("point"))
    query = select(performance, *codes)
    query = query.join(program_event, program_event.c.id == performance.c.event)
    return query.join(point, point.c.id == performance.c.usage_point)


def _current(unit: Unit, number: int) -> list[tuple[int, Performance]]:
    mine = (performance.c.event == number, performance.c.superseded_us.is_(None))
    return [(row.id, to_performance(row)) for row in unit.connection.execute(performance_query().where(*mine))]


def _supersede(unit: Unit, numbers: Sequence[int], at_us: int) -> None:
    for at in range(0, len(numbers), FEW):
        mine = performance.c.id.in_(numbers[at : at + FEW])
        unit.connection.execute(update(performance).where(mine).values(superseded_us=at_us))


def _to_program(row: Row[Any]) -> Program:
    return Program(row.code, row.name, row.currency, Decimal(row.price_per_kwh), row.baseline)
